"""What was missed is made up for in steps: after leave in a team that wants it, and after a hold in every team."""

from datetime import datetime

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.models import LedgerEntry, OverdueAction, OverdueKind, OverdueState
from rules_engine.services.company.reference import reference_changed
from rules_engine.services.explain import explain
from rules_engine.services.records import settings_store
from rules_engine.services.requests import ledger, overdue_actions
from rules_engine.services.requests.assignment import decide_and_assign
from rules_engine.services.requests.ledger_check import recompute
from tests.factories import Cast, assignment_rules, at, make_absence, make_cast, make_requests, make_version


def day_of_requests(session: Session, day: datetime, number: int = 12) -> dict[str, int]:
    """Return who received how many of the requests of a day."""
    before = {line.login: line.count for line in ledger.summary(session, "2026-10", now=day).managers}
    for request in make_requests(session, number, first_at=day, every_minutes=20):
        decide_and_assign(session, request, request.received_at)
        session.flush()
    after = ledger.summary(session, "2026-10", now=day).managers
    return {line.login: line.count - before.get(line.login, 0) for line in after}


@pytest.fixture
def cast(session: Session) -> Cast:
    cast = make_cast(session)
    make_version(session, "assignment", assignment_rules())
    return cast


def held(session: Session, cast: Cast) -> OverdueAction:
    """Anna's new requests are on hold from Monday morning."""
    hold = OverdueAction(
        kind=OverdueKind.HOLD,
        state=OverdueState.CONFIRMED,
        manager_id=cast.anna.id,
        rule="calls-first",
        ground={"ru": "", "en": ""},
        proposed_at=at("2026-10-05 08:00"),
        answered_at=at("2026-10-05 08:00"),
        ends_at=at("2026-10-06 18:00"),
    )
    session.add(hold)
    session.flush()
    reference_changed(session)
    return hold


def test_in_a_team_that_makes_up_for_leave_he_gets_so_many_extra_a_day(session: Session, cast: Cast) -> None:
    for team in (cast.sales, cast.others):
        team.catch_up_per_day = 2
    make_absence(session, cast.vera, at("2026-10-01 00:00"), at("2026-10-06 00:00"))
    assert day_of_requests(session, at("2026-10-05 09:00"))["vera"] == 0
    # Four a day are due to each; four are missing.
    days = [day_of_requests(session, at(f"2026-10-{day:02} 09:00"))["vera"] for day in (6, 7, 8)]
    assert days == [6, 6, 4]
    found = recompute(session, "2026-10")
    assert (found.choices, found.differences) == (48, ())


def test_in_other_teams_presence_counts_and_nothing_is_made_up_for(session: Session, cast: Cast) -> None:
    make_absence(session, cast.vera, at("2026-10-01 00:00"), at("2026-10-07 00:00"))
    for day in (5, 6):
        day_of_requests(session, at(f"2026-10-{day:02} 09:00"))
    assert day_of_requests(session, at("2026-10-07 09:00"))["vera"] == 4


def test_a_hold_is_made_up_for_after_its_end_by_three_extra_a_day(session: Session, cast: Cast) -> None:
    hold = held(session, cast)
    for day in (5, 6):
        assert day_of_requests(session, at(f"2026-10-{day:02} 09:00"))["anna"] == 0
    overdue_actions.end(session, hold, at("2026-10-06 18:00"), reason="time")

    days = [day_of_requests(session, at(f"2026-10-{day:02} 09:00"))["anna"] for day in (7, 8, 9, 12)]

    # Eight are missing: 3 + 3 + 2.
    assert days == [7, 7, 6, 4]
    entry = session.scalars(
        select(LedgerEntry).where(LedgerEntry.at >= at("2026-10-07 00:00")).order_by(LedgerEntry.id).limit(1)
    ).one()
    told = explain.explain_request(session, entry.request_id, "ru")
    anna = next(one for one in told["candidates"] if one["login"] == "anna")
    assert anna["catch_up"]["limit"] == 3
    assert any("навёрстывает: сегодня сверх нормы 0,0 из 3, на следующие дни отложено" in s for s in told["sentences"])
    assert recompute(session, "2026-10").differences == ()


def test_how_much_is_made_up_for_is_a_setting(session: Session, cast: Cast) -> None:
    settings_store.change(session, settings_store.HOLD_EXTRA_PER_DAY, 0, actor="galina")
    hold = held(session, cast)
    assert day_of_requests(session, at("2026-10-05 09:00"))["anna"] == 0
    overdue_actions.end(session, hold, at("2026-10-05 18:00"), reason="head")
    assert day_of_requests(session, at("2026-10-06 09:00"))["anna"] == 4
