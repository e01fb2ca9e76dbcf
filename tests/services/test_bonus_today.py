"""The running month of one manager, provisional."""

from sqlalchemy.orm import Session

from rules_engine.decisions.bonus_outlook import NextKind
from rules_engine.services.bonus.today import missing_words, next_words, so_far
from rules_engine.services.running.setup import shipped_ruleset
from tests.bonus_rows import NEW, OLD, credit, held, plan
from tests.factories import at, make_cast, make_version, statements_of

HALF = at("2026-10-16 09:00")
"""Eleven of the 22 working days of October are over."""


def test_so_far_the_forecast_and_what_the_next_thing_is_worth(session: Session) -> None:
    cast = make_cast(session)
    make_version(session, "bonus", shipped_ruleset("bonus"))
    plan(session, cast.anna, "2026-10", 1_000_000, 1_000_000)
    credit(session, cast.anna, "2026-10-05", 25_000_000, NEW)
    credit(session, cast.anna, "2026-10-06", 25_000_000, OLD)
    held(session, cast.anna, "2026-10-05 10:00", due="2026-10-05 10:30", answered="2026-10-05 10:10")
    found = so_far(session, cast.anna.id, HALF)

    # 25 % and 25 % of the plans read 0.125 in the matrix; at this pace it will be 50 % and 50 %: 0.30.
    assert found.month.text == "2026-10"
    assert found.total_minor == 4_375_00 * 105 // 100
    assert found.forecast_minor == 10_500_00 * 105 // 100
    worth = {thing.kind: thing for thing in found.next}
    assert worth[NextKind.REQUEST].worth == 60_00
    assert worth[NextKind.OLD_MONEY].worth > 0
    edges = [thing for thing in found.next if thing.kind is NextKind.EDGE]
    assert {next_words(thing)["ru"] for thing in edges} >= {"До 50\u00a0%: выполнение плана по старым"}
    missing = missing_words(edges[0])
    assert missing is not None and missing["ru"].replace("\u00a0", " ") == "не хватает 250 000,00 ₽"
    assert found.curve[-1][0] == 150


def test_nothing_is_forecast_before_any_working_time_has_passed(session: Session) -> None:
    cast = make_cast(session)
    make_version(session, "bonus", shipped_ruleset("bonus_today"))
    found = so_far(session, cast.anna.id, at("2026-10-01 08:00"))
    assert (found.total_minor, found.forecast_minor, found.curve) == (0, None, ())


def test_it_takes_as_many_queries_as_the_measures(session: Session) -> None:
    cast = make_cast(session)
    make_version(session, "bonus", shipped_ruleset("bonus"))
    so_far(session, cast.anna.id, HALF)
    with statements_of(session) as sent:
        so_far(session, cast.anna.id, HALF)
    assert len(sent) <= 13
