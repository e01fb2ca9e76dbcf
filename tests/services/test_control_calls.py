"""Control of planned calls: each figure against a case made by hand."""

from datetime import date, timedelta
from typing import Any

from sqlalchemy.orm import Session

from rules_engine.models import CallbackState, Manager, OverdueAction, OverdueKind, OverdueState
from rules_engine.services.control import calls
from rules_engine.services.control import period as control_period
from rules_engine.services.control.calls import CallCounts, Calls, Untouched, Waiting
from rules_engine.services.measures import callbacks
from tests.bonus_rows import call
from tests.factories import (
    Cast,
    at,
    make_cast,
    make_client,
    make_contact,
    make_manager,
    make_payment,
    statements_of,
)

NOW = at("2026-11-05 12:00")


def called(session: Session, manager: Manager, client: Any, due: str, done: str | None = None, **more: Any) -> None:
    """Add a planned call; one that is done was answered in the first attempt and counts, unless told otherwise."""
    values = {"outcome": "answered", "attempts": 1, **more} if done else more
    call(session, manager, client, at(due), done_at=at(done) if done else None, **values)


def calls_of_anna(session: Session) -> Cast:
    """Анна's October: two valid calls, one of them late, one in vain, one not counted, one made in November, two open.

    What was paid after them, among it a refund, what somebody else's later call brought, and what no call brought.
    """
    cast = make_cast(session)
    anna = cast.anna
    first, second, third, fourth = (make_client(session, f"Клиент {number}") for number in range(4))
    called(session, anna, first, "2026-10-05 18:00", "2026-10-05 12:00", outcome="order")
    called(session, anna, second, "2026-10-07 18:00", "2026-10-08 10:00", attempts=3)
    called(session, anna, third, "2026-10-12 18:00", "2026-10-12 15:00", outcome="not_reached", attempts=3,
           is_valid=False)  # fmt: skip
    called(session, anna, first, "2026-10-20 18:00", "2026-10-20 11:00", outcome="thinks", attempts=2, is_valid=False)
    called(session, anna, fourth, "2026-10-28 18:00")
    called(session, anna, fourth, "2026-10-30 18:00", "2026-11-02 10:00")
    called(session, anna, fourth, "2026-09-30 18:00", cause="before")
    called(session, anna, third, "2026-10-14 18:00", "2026-10-14 12:00", state=CallbackState.CANCELLED, is_valid=False)
    called(session, cast.boris, second, "2026-11-03 18:00", "2026-11-03 12:00")
    for client, when, amount in (
        (first, "2026-10-05 11:00", 1_000_000),  # before any call
        (first, "2026-10-19 12:00", 50_000),
        (first, "2026-10-21 12:00", 100_000),  # the second call's
        (first, "2026-10-25 12:00", -30_000),
        (first, "2026-11-05 13:00", 2_000_000),  # not yet
        (second, "2026-11-02 12:00", 70_000),
        (second, "2026-11-04 12:00", 80_000),  # Борис's
        (third, "2026-10-13 12:00", 90_000),  # nobody spoke with him
    ):
        make_payment(session, client, at(when), amount)
    return cast


def october(session: Session, **more: Any) -> Calls:
    return calls.calls(session, control_period.month(session, "2026-10"), NOW, **more)


def test_calls_of_a_month_made_by_hand(any_session: Session) -> None:
    cast = calls_of_anna(any_session)
    found = october(any_session)

    anna = CallCounts(
        due=5, done=4, in_time=3, valid=2, reached=3, attempts=9, overdue=2, orders=3, order_minor=190_000
    )
    assert found.managers == {cast.anna.id: anna, cast.boris.id: CallCounts(), cast.vera.id: CallCounts()}
    assert found.total == anna
    # What was due in September is overdue too, and in no week of October.
    assert [(week.first.day, week.last.day, week.counts) for week in found.weeks] == [
        (1, 4, CallCounts()),
        (5, 11, CallCounts(due=2, done=2, in_time=1, valid=2, reached=2, attempts=4, orders=2, order_minor=120_000)),
        (12, 18, CallCounts(done=1, in_time=1, attempts=3)),
        (19, 25, CallCounts(due=1, done=1, in_time=1, reached=1, attempts=2, orders=1, order_minor=70_000)),
        (26, 31, CallCounts(due=2, overdue=1)),
    ]
    boris = calls.calls(any_session, control_period.month(any_session, "2026-11"), NOW, ids=[cast.boris.id])
    assert boris.total == CallCounts(
        due=1, done=1, in_time=1, valid=1, reached=1, attempts=1, orders=1, order_minor=80_000
    )


def test_due_and_valid_are_those_that_bonuses_count(session: Session) -> None:
    cast = calls_of_anna(session)
    month = control_period.month(session, "2026-10").as_month

    measured = callbacks.calls(session, month, NOW, None)[cast.anna.id]
    anna = october(session).managers[cast.anna.id]
    assert (anna.due, anna.valid, anna.done) == (measured.due, measured.done, measured.done + measured.not_counted)


def test_an_order_follows_within_45_days_and_counts_once_for_the_latest_call(session: Session) -> None:
    cast = make_cast(session)
    one, two = make_client(session), make_client(session)
    # Sunday's last minute and Monday's first: two weeks.
    called(session, cast.anna, one, "2026-08-30 23:59", "2026-08-30 23:59")
    called(session, cast.boris, one, "2026-08-31 00:00", "2026-08-31 00:00")
    called(session, cast.anna, two, "2026-08-31 18:00", "2026-08-31 10:00")
    make_payment(session, one, at("2026-09-10 12:00"), 20_000)
    make_payment(session, one, at("2026-10-15 00:00"), 1_000)
    make_payment(session, one, at("2026-10-15 00:01"), 10_000)
    make_payment(session, two, at("2026-08-31 10:00"), 100_000)
    make_payment(session, two, at("2026-08-31 10:01"), 7_000)

    august = control_period.month(session, "2026-08")
    found = calls.calls(session, august, NOW)
    orders = {manager_id: (counts.orders, counts.order_minor) for manager_id, counts in found.managers.items()}
    assert orders == {cast.anna.id: (1, 7_000), cast.boris.id: (2, 21_000), cast.vera.id: (0, 0)}
    assert [week.counts.done for week in found.weeks][-2:] == [1, 2]
    # Whom the reader looks at changes nothing in whose call brought it.
    assert calls.calls(session, august, NOW, ids=[cast.anna.id]).total == found.managers[cast.anna.id]


def test_weeks_are_cut_by_the_period_and_a_day_is_one(session: Session) -> None:
    make_cast(session)
    for first, last, expected in (
        ("2026-10-07", "2026-10-07", [("2026-10-07", "2026-10-07")]),
        ("2026-10-11", "2026-10-12", [("2026-10-11", "2026-10-11"), ("2026-10-12", "2026-10-12")]),
    ):
        period = control_period.days(session, date.fromisoformat(first), date.fromisoformat(last))
        weeks = calls.calls(session, period, NOW).weeks
        assert [(f"{week.first}", f"{week.last}") for week in weeks] == expected


def test_untouched_are_those_without_a_contact_in_either_direction(any_session: Session) -> None:
    session = any_session
    cast = make_cast(session)
    long_ago, lately, new = at("2026-01-01 10:00"), NOW - timedelta(days=89), NOW - timedelta(days=5)
    for direction in ("in", "out"):
        make_contact(session, client=make_client(session, owner=cast.anna, created_at=long_ago), at=lately,
                     direction=direction, outcome="not_reached" if direction == "out" else None)  # fmt: skip
    silent = make_client(session, owner=cast.anna, created_at=long_ago, do_not_call=True)
    make_contact(session, client=silent, at=lately, is_automatic=True)
    # Cards made lately: one is new, of the others something older is known.
    make_client(session, owner=cast.anna, created_at=new)
    make_payment(session, make_client(session, owner=cast.anna, created_at=new), long_ago)
    make_contact(session, client=make_client(session, created_at=new), at=long_ago)

    assert calls.untouched(session, NOW, 90) == {
        cast.anna.id: Untouched(cast.anna.id, clients=5, untouched=2, do_not_call=1),
        None: Untouched(None, clients=1, untouched=1, do_not_call=0),
    }
    assert calls.untouched(session, NOW, 60, ids=[cast.anna.id]) == {
        cast.anna.id: Untouched(cast.anna.id, clients=5, untouched=4, do_not_call=1)
    }


def test_segments_and_what_waits_are_those_of_now(session: Session) -> None:
    cast = make_cast(session)
    for segment, owner in (("lost", cast.anna), ("lost", cast.boris), ("active", cast.anna), (None, None)):
        make_client(session, owner=owner, segment=segment)
    hold, release = OverdueKind.HOLD, OverdueKind.RELEASE
    for kind, state, manager, ends_at in (
        (hold, OverdueState.CONFIRMED, cast.anna, NOW + timedelta(hours=1)),
        (hold, OverdueState.CONFIRMED, cast.boris, NOW),
        (hold, OverdueState.PROPOSED, cast.vera, None),
        (release, OverdueState.PROPOSED, cast.anna, None),
        (release, OverdueState.CONFIRMED, cast.anna, None),
        (release, OverdueState.DECLINED, cast.anna, None),
    ):
        session.add(
            OverdueAction(kind=kind, state=state, manager_id=manager.id, rule="late", ground={}, proposed_at=NOW,
                          ends_at=ends_at)
        )  # fmt: skip

    assert calls.segments(session) == {"lost": 2, "active": 1, None: 1}
    assert calls.segments(session, ids=[cast.anna.id]) == {"lost": 1, "active": 1}
    assert calls.waiting(session, NOW) == Waiting(holds=1, proposed_holds=1, proposed_releases=1)
    assert calls.waiting(session, NOW, ids=[cast.boris.id]) == Waiting()


def test_more_managers_and_weeks_cost_no_more_queries(session: Session) -> None:
    calls_of_anna(session)
    year = control_period.days(session, date(2026, 1, 1), date(2026, 12, 31))
    october(session)
    with statements_of(session) as few:
        october(session)
    for number in range(6):
        manager = make_manager(session)
        called(session, manager, make_client(session, owner=manager), f"2026-0{number + 2}-05 18:00")
    calls.calls(session, year, NOW)
    with statements_of(session) as many:
        found = calls.calls(session, year, NOW)

    assert (len(found.weeks), found.total.overdue) == (53, 8)
    assert len(many) <= len(few) == 2
