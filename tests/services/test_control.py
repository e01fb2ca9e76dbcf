"""Control: each figure against a case made by hand, and its list against the figure."""

from datetime import date, datetime
from fractions import Fraction
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.errors import InputError, NotFound
from rules_engine.models import Assignment, LedgerBalance, Manager, Proof, Request, RequestStatus
from rules_engine.services.control import control, lists, places, shares
from rules_engine.services.control import period as control_period
from rules_engine.services.control.control import Counts
from rules_engine.services.control.lists import Asked
from rules_engine.services.measures.measures import measures_of
from tests.bonus_rows import call, entry, held, next_step
from tests.factories import (
    Cast,
    at,
    make_cast,
    make_client,
    make_contact,
    make_manager,
    make_request,
    make_team,
    statements_of,
)

OCTOBER = "2026-10"
NOW = at("2026-11-05 12:00")


WHOLE = (
    ("processed", "unprocessed", "owed"),
    ("in_time", "late", "due"),
    ("calls_met", "calls_missed", "calls_due"),
)
"""Two lists, and the one that they are the parts of."""


def answered(session: Session, manager: Manager, assigned: str, due: str, when: str, **more: Any) -> Request:
    """Add a request that was answered by a call, confirmed unless told otherwise."""
    proof = more.pop("proof", Proof.CONFIRMED)
    request = held(session, manager, assigned, due=due, answered=when, **more)
    make_contact(session, request=request, manager=manager, at=at(when), outcome="answered", proof=proof)
    return request


def taken_away(session: Session, request: Request, manager: Manager, when: str, to: Manager, due: str) -> None:
    """Hand a request on for want of an answer, as the rules of escalation do."""
    had = session.scalars(select(Assignment).where(Assignment.request_id == request.id)).one()
    had.ended_at, had.end_reason = at(when), "transfer"
    session.flush()
    entry(session, request, manager, at(when), 0, "no_answer")
    session.add(
        Assignment(
            request_id=request.id, manager_id=to.id, assigned_at=at(when), cause="transfer", answer_due_at=at(due)
        )
    )
    request.manager_id, request.assigned_at, request.answer_due_at = to.id, at(when), at(due)
    entry(session, request, to, at(when), 1, "transfer")


def october_of_anna(session: Session, cast: Cast | None = None) -> Cast:
    """Six requests of Анна in October: two paid or refused, one answered late, one spam, one lost, one waits."""
    cast = cast or make_cast(session)
    anna, boris = cast.anna, cast.boris
    # Answered after 10, 30 and 90 working minutes; the last across the lunch hour, and late.
    answered(
        session, anna, "2026-10-05 10:00", "2026-10-05 10:30", "2026-10-05 10:10",
        status="won", closed_at=at("2026-10-08 10:00"), amount_minor=100_000,
    )  # fmt: skip
    answered(
        session, anna, "2026-10-06 17:45", "2026-10-07 09:15", "2026-10-07 09:15",
        status="lost", close_reason="rival", closed_at=at("2026-11-03 10:00"), amount_minor=200_000,
        proof=Proof.BY_HAND,
    )  # fmt: skip
    answered(
        session, anna, "2026-10-07 12:30", "2026-10-07 14:00", "2026-10-07 15:00", status="in_progress",
        amount_minor=300_000, proof=Proof.BY_HAND,
    )  # fmt: skip
    spam = held(session, anna, "2026-10-08 10:00", due="2026-10-08 10:30", status="spam", amount_minor=None)
    entry(session, spam, anna, at("2026-10-09 10:00"), -1, "spam")
    dodged = held(session, anna, "2026-10-09 10:00", due="2026-10-09 10:30", amount_minor=400_000)
    taken_away(session, dodged, anna, "2026-10-09 11:00", boris, "2026-10-09 11:30")
    waits = held(session, anna, "2026-10-30 17:50", due="2026-11-02 09:20", amount_minor=500_000)
    session.scalars(select(Assignment).where(Assignment.request_id == waits.id)).one().line_busy_at = at(
        "2026-11-02 09:15"
    )
    client = make_client(session)
    call(session, anna, client, at("2026-10-05 18:00"), done_at=at("2026-10-05 12:00"), cause="a")
    call(session, anna, client, at("2026-10-07 18:00"), cause="b")
    return cast


def of(session: Session, manager: Manager, month: str = OCTOBER, now: datetime = NOW) -> Counts:
    return control.month_figures(session, month, now).managers[manager.id]


def test_every_figure_of_a_month_made_by_hand(any_session: Session) -> None:
    cast = october_of_anna(any_session)
    anna, boris = of(any_session, cast.anna), of(any_session, cast.boris)

    # Six were given, the confirmed spam does not count; he who dodged keeps what he was given.
    assert (anna.received, anna.owed, anna.given) == (5, 5, 6)
    # The one that was refused in November is not processed by the end of October.
    assert (anna.processed, anna.paid) == (1, 1)
    assert (anna.taken, anna.marked) == (1, 1)
    # The answer to the last one was due in November.
    assert (anna.due, anna.in_time, anna.answered, anna.by_hand) == (5, 2, 3, 2)
    assert (anna.median_minutes, anna.p90_minutes) == (Fraction(30), Fraction(90))
    assert (anna.line_busy, of(any_session, cast.anna, "2026-11").line_busy) == (0, 1)
    assert (anna.calls_due, anna.calls_met) == (2, 1)
    # Of now, whatever the month: what waits since October, and not the spam.
    assert anna.overdue == 1
    assert (boris.received, boris.due, boris.in_time, boris.taken, boris.overdue) == (1, 1, 0, 0, 1)
    assert boris.median_minutes is None


def test_teams_and_all_together_are_counted_from_every_answer(session: Session) -> None:
    cast = october_of_anna(session)
    for when in ("10:02", "10:04"):
        answered(session, cast.boris, "2026-10-12 10:00", "2026-10-12 10:30", f"2026-10-12 {when}")
    answered(session, cast.vera, "2026-10-12 10:00", "2026-10-12 10:30", "2026-10-12 10:01")

    found = control.month_figures(session, OCTOBER, NOW)
    sales = found.teams[cast.sales.id]
    assert (sales.received, found.total.received) == (8, 9)
    # 2, 4, 10, 30, 90 working minutes; with Вера's one more of 1 minute the middle lies between two.
    assert [sales.median_minutes, found.total.median_minutes] == [10, 7]
    assert sales.p90_minutes == 90

    only = control.month_figures(session, OCTOBER, NOW, team="sales")
    assert set(only.managers) == {cast.anna.id, cast.boris.id}
    assert only.total == sales
    with pytest.raises(NotFound):
        control.month_figures(session, OCTOBER, NOW, team="nobody")


def test_a_month_agrees_with_the_measures_that_bonuses_are_counted_from(any_session: Session) -> None:
    cast = october_of_anna(any_session)
    kept = answered(any_session, cast.anna, "2026-10-12 10:00", "2026-10-12 10:30", "2026-10-12 10:10")
    next_step(any_session, kept, cast.anna, "2026-10-12 10:10", "2026-10-14 10:00", "2026-10-14 09:00")
    old = held(any_session, cast.anna, "2026-10-05 10:00", answered="2026-10-05 10:10", status="won", is_history=True,
               closed_at=at("2026-10-05 10:10"), month="2020-01")  # fmt: skip
    assert old.is_history

    for manager in (cast.anna, cast.boris, cast.vera):
        counts = of(any_session, manager)
        measured = measures_of(any_session, OCTOBER, None)[manager.id]
        assert counts.received == measured["measure.received_requests"]
        for part, whole, name in (
            (counts.processed, counts.owed, "processed_pct"),
            (counts.in_time, counts.due, "in_time_pct"),
            (counts.calls_met, counts.calls_due, "callbacks_done_pct"),
        ):
            assert (Fraction(100 * part, whole) if whole else None) == measured[f"measure.{name}"], name
    assert of(any_session, cast.anna).processed == 3


def test_days_of_a_period_are_those_of_the_business_zone_and_end_now(session: Session) -> None:
    cast = make_cast(session)
    held(session, cast.anna, "2026-10-05 00:00", due="2026-10-05 09:30")
    held(session, cast.anna, "2026-10-06 23:59", due="2026-10-07 09:30")

    two_days = control_period.days(session, date(2026, 10, 5), date(2026, 10, 6))
    assert control.figures(session, two_days, NOW).managers[cast.anna.id].received == 2
    one_day = control_period.days(session, date(2026, 10, 6), date(2026, 10, 6))
    found = control.figures(session, one_day, NOW).managers[cast.anna.id]
    assert (found.received, found.due) == (1, 0)
    assert control.figures(session, one_day, at("2026-10-06 23:00")).managers[cast.anna.id].received == 0
    assert control_period.days(session, date(2025, 11, 20), date(2026, 2, 1)).months == (
        "2025-11", "2025-12", "2026-01", "2026-02",
    )  # fmt: skip
    for first, last in ((date(2026, 10, 6), date(2026, 10, 5)), (date(2025, 10, 6), date(2026, 10, 7))):
        with pytest.raises(InputError):
            control_period.days(session, first, last)


def test_the_list_behind_each_figure_holds_what_it_counted(any_session: Session) -> None:
    cast = october_of_anna(any_session)
    period = control_period.month(any_session, OCTOBER)
    found = control.figures(any_session, period, NOW)
    everybody = lists.page(any_session, period, NOW, Asked("late"))
    assert everybody.total == found.total.due - found.total.in_time

    totals = {}
    for name in lists.FIGURES | dict.fromkeys(lists.CALLS):
        page = lists.page(any_session, period, NOW, Asked(name, [cast.anna.id]))
        totals[name] = page.total
        assert page.total == len(page.rows)
        if hasattr(Counts, name):
            counted = sum(row.counts for row in page.rows)
            assert counted == getattr(found.managers[cast.anna.id], name), name
    for part, rest, whole in WHOLE:
        assert totals[part] + totals[rest] == totals[whole]
    for size in found.sizes:
        page = lists.page(any_session, period, NOW, Asked("size", None, size.size))
        done = lists.page(any_session, period, NOW, Asked("size_processed", None, size.size))
        assert (page.total, done.total) == (size.requests, size.processed)


def test_a_list_is_sorted_and_cut_into_pages(session: Session) -> None:
    october_of_anna(session)
    period = control_period.month(session, OCTOBER)

    def listed(sort: str, number: int = 1) -> list[int | None]:
        page = lists.page(session, period, NOW, Asked("due"), sort=sort, number=number, size=2)
        assert (page.total, page.pages) == (6, 3)
        return [row.value_minor for row in page.rows]

    assert listed("value") == [None, 100_000]
    assert listed("-value", 2) == [300_000, 200_000]
    assert listed("-value", 99) == listed("-value", 3) == [100_000, None]
    assert listed("made up") == listed("-at") == [400_000, 400_000]
    assert listed("at", 0) == [100_000, 200_000]


def test_a_list_says_in_how_many_minutes_and_what_is_missing(session: Session) -> None:
    cast = october_of_anna(session)
    tried = held(session, cast.vera, "2026-10-12 10:00", due="2026-10-12 10:30", amount_minor=1)
    for when in ("2026-10-12 10:10", "2026-10-12 10:20"):
        make_contact(session, request=tried, manager=cast.vera, at=at(when), outcome="not_reached")
    period = control_period.month(session, OCTOBER)

    answers = lists.page(session, period, NOW, Asked("due", [cast.anna.id]), sort="at")
    assert [row.minutes for row in answers.rows] == [10, 30, 90, None, None]
    missing = lists.page(session, period, NOW, Asked("unprocessed"), sort="value")
    assert [row.why["en"] if row.why else None for row in missing.rows] == [
        "one more attempt, on another day and by another channel",
        "closed after the end of the period",
        "needs a payment, a refusal with a reason, or a next step that is kept",
        "the client was not answered yet",
        "the client was not answered yet",
        "the client was not answered yet",
    ]


class TestSizes:
    def test_five_equal_groups_from_small_to_large(self, any_session: Session) -> None:
        cast = make_cast(any_session)
        for number in range(1, 11):
            done: dict[str, Any] = {"status": "won", "closed_at": at("2026-10-08 10:00")} if number > 7 else {}
            answered(
                any_session, cast.anna, "2026-10-05 10:00", "2026-10-05 10:30", "2026-10-05 10:10",
                amount_minor=number * 1_000, **done,
            )  # fmt: skip
        held(any_session, cast.anna, "2026-10-05 10:00", due="2026-10-05 10:30", amount_minor=None)
        held(any_session, cast.anna, "2026-10-05 10:00", due="2026-12-05 10:30", amount_minor=1)

        sizes = control.month_figures(any_session, OCTOBER, NOW).sizes
        assert [(one.size, one.requests, one.processed) for one in sizes] == [
            (1, 2, 0), (2, 2, 0), (3, 2, 0), (4, 2, 1), (5, 2, 2),
        ]  # fmt: skip
        assert [(one.low_minor, one.high_minor) for one in sizes][::4] == [(1_000, 2_000), (9_000, 10_000)]
        assert [one.of_hundred for one in sizes] == [0, 0, 0, 50, 100]
        period = control_period.month(any_session, OCTOBER)
        assert control.sizes(any_session, period, NOW) == sizes
        index = control.figures(any_session, period, NOW, with_indices=True).indices[cast.anna.id]
        # Places 8, 9, 10 of 10: 2/(10·0.3)·(0.75 + 0.85 + 0.95) − 1.
        assert index.value == Fraction(7, 10)
        assert control.figures(any_session, period, NOW, ids=[cast.boris.id], with_indices=True).indices == {}

    def test_a_request_that_went_on_counts_once_and_as_processed_by_whoever_did(self, session: Session) -> None:
        cast = make_cast(session)
        request = held(session, cast.anna, "2026-10-05 10:00", due="2026-10-05 10:30")
        taken_away(session, request, cast.anna, "2026-10-05 11:00", cast.boris, "2026-10-05 11:30")
        make_contact(session, request=request, at=at("2026-10-05 11:10"))
        request.status, request.closed_at = RequestStatus.WON, at("2026-10-06 10:00")
        session.flush()
        period = control_period.month(session, OCTOBER)

        assert [(one.requests, one.processed) for one in control.sizes(session, period, NOW)] == [(1, 1)]
        own = control.sizes(session, period, NOW, ids=[cast.anna.id])
        assert [(one.requests, one.processed) for one in own] == [(1, 0)]

    def test_requests_of_one_value_are_spread_whatever_their_age(self, session: Session) -> None:
        cast = make_cast(session)
        for number in range(20):
            older = number < 10
            answered(
                session, cast.anna, "2026-10-05 10:00", "2026-10-05 10:30", "2026-10-05 10:10", amount_minor=5_000,
                **({"status": "won", "closed_at": at("2026-10-08 10:00")} if older else {}),
            )  # fmt: skip

        sizes = control.month_figures(session, OCTOBER, NOW).sizes
        assert [one.requests for one in sizes] == [4] * 5
        # By age the groups would say 4, 4, 2, 0, 0: small ones are done, large ones are not.
        assert max(one.processed for one in sizes[3:]) > 0
        month = control_period.month(session, OCTOBER)
        index = control.figures(session, month, NOW, with_indices=True).indices[cast.anna.id]
        assert index.value == 0


def test_the_number_of_queries_does_not_grow_with_the_managers(session: Session) -> None:
    october_of_anna(session)
    control.month_figures(session, OCTOBER, NOW)
    with statements_of(session) as few:
        control.month_figures(session, OCTOBER, NOW)
    for _ in range(10):
        answered(session, make_manager(session), "2026-10-05 10:00", "2026-10-05 10:30", "2026-10-05 10:10")
    control.month_figures(session, OCTOBER, NOW)

    with statements_of(session) as many:
        assert len(control.month_figures(session, OCTOBER, NOW).managers) == 13
    assert len(many) == len(few) <= 5


def test_whoever_was_not_there_yet_or_had_left_is_not_listed_unless_something_was_his(session: Session) -> None:
    cast = make_cast(session)
    later = make_manager(session, "later", hired_on=date(2026, 11, 1))
    gone = make_manager(session, "gone", left_on=date(2026, 10, 1))
    had = make_manager(session, "had", left_on=date(2026, 10, 1))
    held(session, had, "2026-10-05 10:00")

    found = control.month_figures(session, OCTOBER, NOW).managers
    assert {cast.anna.id, had.id} <= set(found)
    assert not {later.id, gone.id} & set(found)


def test_requests_that_nobody_was_given_are_counted_by_themselves(session: Session) -> None:
    make_cast(session)
    for day in ("2026-10-05 10:00", "2026-10-06 10:00", "2026-11-02 10:00"):
        make_request(session, received_at=at(day))

    assert control.unassigned(session, control_period.month(session, OCTOBER), NOW) == 2


class TestShares:
    def month(self, session: Session) -> Cast:
        cast = make_cast(session)
        for manager, number, value in ((cast.anna, 3, 900), (cast.boris, 1, 300), (cast.vera, 2, 0)):
            for _ in range(number):
                request = make_request(session, wake=False)
                entry(session, request, manager, at("2026-10-05 10:00"), 1, "rule")
            balance = LedgerBalance(month=OCTOBER, manager_id=manager.id, count=number, value_minor=value * 100)
            session.add(balance)
        session.flush()
        return cast

    def test_received_stands_beside_what_was_due_in_count_and_value(self, any_session: Session) -> None:
        self.month(any_session)
        anna, boris, vera = shares.shares(any_session, OCTOBER, NOW)

        assert [one.name for one in (anna, boris, vera)] == ["Анна", "Борис", "Вера"]
        assert [(one.count, one.due, one.deviation) for one in (anna, boris, vera)] == [
            (3, 2, 1),
            (1, 2, -1),
            (2, 2, 0),
        ]
        assert [one.deviation_minor for one in (anna, boris, vera)] == [50_000, -10_000, -40_000]
        assert anna.by_cause == {"other_rule": 1}
        assert vera.team == "Ключевые"
        of_sales = shares.shares(any_session, OCTOBER, NOW, team="sales")
        assert [one.due for one in of_sales] == [2, 2]

    def test_the_ledger_behind_it_comes_in_pages_and_by_cause(self, session: Session) -> None:
        cast = self.month(session)
        first = shares.ledger_page(session, OCTOBER, size=4)
        rest = shares.ledger_page(session, OCTOBER, size=4, cursor=first.next_cursor)

        assert (first.total, len(first.entries), len(rest.entries), rest.next_cursor) == (6, 4, 2, None)
        assert len({one.id for one in (*first.entries, *rest.entries)}) == 6
        assert shares.ledger_page(session, OCTOBER, manager_id=cast.anna.id).total == 3
        assert shares.ledger_page(session, OCTOBER, team="others").total == 2
        assert shares.ledger_page(session, OCTOBER, cause="fair_share").total == 0
        assert shares.ledger_page(session, OCTOBER, cause="other_rule").total == 6
        assert shares.ledger_page(session, OCTOBER, cursor="made.up").total == 6
        with pytest.raises(InputError):
            shares.ledger_page(session, OCTOBER, cause="magic")


def test_a_manager_s_place_is_a_range_and_in_a_small_team_none(session: Session) -> None:
    cast = make_cast(session)
    team = make_team(session, "big")
    people = [make_manager(session, f"m{number}", team=team) for number in range(7)]
    for number, manager in enumerate(people):
        # m0 answers one of 7 in time … m6 all of them.
        for place in range(7):
            when = "10:10" if place <= number else "11:10"
            answered(session, manager, "2026-10-05 10:00", "2026-10-05 10:30", f"2026-10-05 {when}")
    answered(session, cast.anna, "2026-10-05 10:00", "2026-10-05 10:30", "2026-10-05 10:10")
    period = control_period.month(session, OCTOBER)

    def ranges(manager: Manager) -> list[tuple[str, int, int, int]]:
        return [(one.figure, one.first, one.last, one.of) for one in places.places(session, manager.id, period, NOW)]

    assert ranges(people[6]) == [("in_time", 1, 2, 7), ("processed", 1, 7, 7)]
    assert ranges(people[3])[0] == ("in_time", 3, 4, 7)
    assert ranges(people[0])[0] == ("in_time", 5, 7, 7)
    assert ranges(cast.anna) == []
