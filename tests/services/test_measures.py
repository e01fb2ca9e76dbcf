"""Measures of a month, on both databases where SQL differs. October 2026 has 22 working days."""

from datetime import date, datetime
from fractions import Fraction
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.decisions.bonus_figures import Figures, measures
from rules_engine.errors import InputError
from rules_engine.language.vocabulary import FIELDS
from rules_engine.models import CallbackState, Task
from rules_engine.services.measures.behind import Behind, behind
from rules_engine.services.measures.measures import counting_now, figures_of, hours_of, measures_of
from rules_engine.services.measures.month import month_named
from rules_engine.services.records import settings_store
from rules_engine.services.records.incoming import ContactOutcome
from rules_engine.services.requests import assignment, tasks
from tests.bonus_rows import NEW, OLD, call, credit, entry, held, next_step, plan
from tests.factories import (
    at,
    make_absence,
    make_cast,
    make_client,
    make_contact,
    make_manager,
    make_request,
    statements_of,
)

OCTOBER = "2026-10"


def measure(session: Session, manager_id: int, name: str, month: str = OCTOBER) -> Fraction | None:
    return measures_of(session, month, [manager_id])[manager_id][f"measure.{name}"]


def test_money_is_counted_by_class_and_month_with_refunds_below_zero(any_session: Session) -> None:
    cast = make_cast(any_session)
    credit(any_session, cast.anna, "2026-10-05", 100_000, NEW, vat_minor=20_000)
    credit(any_session, cast.anna, "2026-10-31", 50_000, OLD)
    credit(any_session, cast.anna, "2026-10-20", -30_000, OLD)
    credit(any_session, cast.anna, "2026-11-01", 7_000, OLD)
    credit(any_session, cast.boris, "2026-10-05", 1_000, OLD)

    found = measures_of(any_session, OCTOBER, None)
    assert list(found) == [cast.anna.id, cast.boris.id, cast.vera.id]
    anna = found[cast.anna.id]
    assert [anna[f"measure.{name}"] for name in ("revenue_new", "revenue_old", "revenue")] == [100_000, 20_000, 120_000]
    assert found[cast.vera.id]["measure.revenue"] == 0

    settings_store.change(any_session, settings_store.PAYMENTS_VAT, "without", actor="galina")
    assert measure(any_session, cast.anna.id, "revenue_new") == 80_000


def test_attainment_is_exact_and_the_highest_number_of_a_plan_holds(session: Session) -> None:
    cast = make_cast(session)
    plan(session, cast.anna, OCTOBER, 900, 100)
    plan(session, cast.anna, OCTOBER, 300, 100, number=2)
    credit(session, cast.anna, "2026-10-05", 10_000, NEW)
    credit(session, cast.boris, "2026-10-05", 30_000, OLD)

    found = measures_of(session, OCTOBER, [cast.anna.id])[cast.anna.id]
    assert found["measure.plan_new"] == 30_000
    assert found["measure.attainment_new_pct"] == Fraction(100, 3)
    assert found["measure.attainment_old_pct"] == 0
    assert found["measure.attainment_pct"] == 25
    assert found["measure.team_attainment_pct"] == 100


def test_a_side_without_a_plan_is_empty_and_known_to_be_so_by_intention(session: Session) -> None:
    cast = make_cast(session)
    plan(session, cast.anna, OCTOBER, 300, None)
    month = month_named(session, OCTOBER)
    found = figures_of(session, month, None)

    assert found[cast.anna.id].without_plan == {"measure.attainment_old_pct"}
    assert found[cast.boris.id].without_plan == frozenset()
    assert measure(session, cast.anna.id, "attainment_old_pct") is None
    assert measure(session, cast.boris.id, "attainment_pct") is None
    assert measure(session, cast.vera.id, "team_attainment_pct") is None


def test_plans_are_prorated_by_hours_share_of_a_position_absences_and_being_hired(session: Session) -> None:
    cast = make_cast(session)
    cast.anna.weight_milli = 500
    # A week of five days of the 22 that October has.
    make_absence(session, cast.boris, at("2026-10-05 00:00"), at("2026-10-12 00:00"))
    ivan = make_manager(session, "ivan", hired_on=date(2026, 10, 20))
    for manager in (cast.anna, cast.boris, ivan):
        plan(session, manager, OCTOBER, 2200, None)

    found = measures_of(session, OCTOBER, None)
    assert found[cast.anna.id]["measure.worked_norm_pct"] == 50
    assert found[cast.boris.id]["measure.plan_new"] == 220_000 * Fraction(17, 22)
    assert found[ivan.id]["measure.plan_new"] == 220_000 * Fraction(9, 22)
    assert (found[ivan.id]["measure.months_in_job"], found[cast.anna.id]["measure.months_in_job"]) == (1, None)
    assert measure(session, ivan.id, "months_in_job", "2027-01") == 4


def test_whoever_was_away_all_month_has_no_plan_to_miss(session: Session) -> None:
    cast = make_cast(session)
    plan(session, cast.anna, OCTOBER, 100, 100)
    make_absence(session, cast.anna, at("2026-09-20 00:00"), at("2026-11-10 00:00"))

    figures = figures_of(session, month_named(session, OCTOBER), [cast.anna.id])[cast.anna.id]
    assert (figures.plan_minor, figures.worked, figures.without_plan) == (None, 0, frozenset())


def test_answers_in_time_are_those_due_in_the_month(any_session: Session) -> None:
    cast = make_cast(any_session)
    held(any_session, cast.anna, "2026-10-05 10:00", due="2026-10-05 10:30", answered="2026-10-05 10:30")
    held(any_session, cast.anna, "2026-10-05 11:00", due="2026-10-05 11:30", answered="2026-10-05 11:31")
    held(any_session, cast.anna, "2026-10-05 12:00", due="2026-10-05 12:30")
    held(any_session, cast.anna, "2026-10-30 17:50", due="2026-11-02 09:20", answered="2026-11-02 09:10")

    assert measure(any_session, cast.anna.id, "in_time_pct") == Fraction(100, 3)
    assert measure(any_session, cast.anna.id, "in_time_pct", "2026-11") == 100
    assert measure(any_session, cast.boris.id, "in_time_pct") is None
    until = at("2026-10-05 11:00")
    assert measures_of(any_session, OCTOBER, [cast.anna.id], until)[cast.anna.id]["measure.in_time_pct"] == 100


def processed_of(session: Session, manager_id: int, month: str = OCTOBER) -> tuple[Fraction | None, Fraction | None]:
    found = measures_of(session, month, [manager_id])[manager_id]
    return found["measure.processed_requests"], found["measure.processed_pct"]


class TestProcessed:
    def test_paid_or_refused_after_an_answer_with_substance(self, any_session: Session) -> None:
        cast = make_cast(any_session)
        more = {"answered": "2026-10-05 10:10", "closed_at": at("2026-10-06 10:00")}
        won = held(any_session, cast.anna, "2026-10-05 10:00", **more, status="won")
        make_contact(any_session, request=won, at=at("2026-10-05 10:10"))
        refused = held(any_session, cast.anna, "2026-10-05 10:00", **more, status="lost", close_reason="rival")
        make_contact(any_session, request=refused, at=at("2026-10-05 10:10"), outcome="refused")
        vain = held(any_session, cast.anna, "2026-10-05 10:00", **more, status="lost", close_reason="other")
        make_contact(any_session, request=vain, at=at("2026-10-05 10:10"), outcome="not_reached")
        held(any_session, cast.anna, "2026-10-05 10:00", **more, status="lost")

        assert processed_of(any_session, cast.anna.id) == (2, 50)
        assert measure(any_session, cast.anna.id, "received_requests") == 4

    def test_history_counts_by_what_it_says_itself(self, session: Session) -> None:
        cast = make_cast(session)
        answered = at("2026-10-05 10:10")
        for status in ("won", "in_progress"):
            held(
                session, cast.anna, "2026-10-05 10:00", answered="2026-10-05 10:10", status=status, is_history=True,
                closed_at=answered if status == "won" else None, month="2020-01",
            )  # fmt: skip

        assert processed_of(session, cast.anna.id) == (1, 50)
        assert measure(session, cast.anna.id, "received_requests") == 2

    def test_a_next_step_that_was_kept_counts_once_in_its_life(self, any_session: Session) -> None:
        cast = make_cast(any_session)
        request = held(any_session, cast.anna, "2026-09-28 10:00", answered="2026-09-28 10:10", status="won")
        make_contact(any_session, request=request, at=at("2026-09-28 10:10"))
        next_step(any_session, request, cast.anna, "2026-09-28 10:10", "2026-10-06 10:00", "2026-10-06 17:00")
        request.closed_at = at("2026-11-03 10:00")
        late = held(any_session, cast.anna, "2026-10-05 10:00", answered="2026-10-05 10:10")
        next_step(any_session, late, cast.anna, "2026-10-05 10:10", "2026-10-06 10:00", "2026-10-07 09:00")

        assert processed_of(any_session, cast.anna.id) == (1, 0)
        assert processed_of(any_session, cast.anna.id, "2026-11") == (0, None)

    def test_no_reply_needs_three_attempts_on_two_days_over_two_channels(self, any_session: Session) -> None:
        cast = make_cast(any_session)
        patient = held(any_session, cast.anna, "2026-10-05 10:00")
        hasty = held(any_session, cast.anna, "2026-10-05 10:00")
        for request, days in ((patient, ("05", "05", "06")), (hasty, ("05", "05", "05"))):
            for day, kind in zip(days, ("call", "call", "email"), strict=True):
                make_contact(
                    any_session, request=request, manager=cast.anna, at=at(f"2026-10-{day} 11:00"), kind=kind,
                    outcome="not_reached",
                )  # fmt: skip

        assert processed_of(any_session, cast.anna.id) == (1, 50)

    def test_what_goes_out_by_itself_is_no_attempt(self, session: Session) -> None:
        cast = make_cast(session)
        request = held(session, cast.anna, "2026-10-05 10:00")
        for day, kind in (("05", "call"), ("06", "call"), ("07", "email")):
            make_contact(
                session, request=request, manager=cast.anna, at=at(f"2026-10-{day} 11:00"), kind=kind,
                outcome="not_reached", is_automatic=day == "07",
            )  # fmt: skip

        assert processed_of(session, cast.anna.id) == (0, 0)

    def test_spam_that_a_head_confirmed_is_processed_and_no_longer_received(self, session: Session) -> None:
        cast = make_cast(session)
        spam = held(session, cast.anna, "2026-10-05 10:00", status="spam")
        entry(session, spam, cast.anna, at("2026-10-06 10:00"), -1, "spam")

        assert processed_of(session, cast.anna.id) == (1, None)
        assert measure(session, cast.anna.id, "received_requests") == 0


def test_a_request_is_paid_once_and_in_full(any_session: Session) -> None:
    cast = make_cast(any_session)
    whole = held(any_session, cast.anna, "2026-09-05 10:00", amount_minor=100_000)
    credit(any_session, cast.anna, "2026-09-06", 60_000, request=whole)
    credit(any_session, cast.anna, "2026-10-06", 40_000, request=whole)
    credit(any_session, cast.anna, "2026-11-06", 10_000, request=whole)
    part = held(any_session, cast.anna, "2026-10-05 10:00", amount_minor=100_000)
    credit(any_session, cast.anna, "2026-10-06", 90_000, request=part)

    months = ("2026-09", OCTOBER, "2026-11")
    assert [measure(any_session, cast.anna.id, "paid_requests", month) for month in months] == [0, 1, 0]
    settings_store.change(any_session, settings_store.PAID_REQUEST_PCT, 90, actor="galina")
    assert [measure(any_session, cast.anna.id, "paid_requests", month) for month in months] == [0, 2, 0]


def test_planned_calls_count_by_their_due_day_and_done_ones_when_they_were_made(any_session: Session) -> None:
    cast = make_cast(any_session)
    client = make_client(any_session)
    call(any_session, cast.anna, client, at("2026-10-05 18:00"), done_at=at("2026-10-05 12:00"), cause="a")
    call(any_session, cast.anna, client, at("2026-10-06 18:00"), done_at=at("2026-11-02 12:00"), cause="b")
    call(any_session, cast.anna, client, at("2026-10-07 18:00"), cause="c")
    call(any_session, cast.anna, client, at("2026-10-08 18:00"), cause="d", state=CallbackState.CANCELLED)
    call(
        any_session,
        cast.anna,
        client,
        at("2026-10-09 18:00"),
        done_at=at("2026-10-09 12:00"),
        cause="e",
        is_valid=False,
    )

    vain = at("2026-10-12 12:00")
    call(any_session, cast.anna, client, vain, done_at=vain, cause="f", is_valid=False, outcome="not_reached")

    found = measures_of(any_session, OCTOBER, [cast.anna.id])[cast.anna.id]
    assert (found["measure.callbacks_planned"], found["measure.callbacks_done"]) == (5, 1)
    assert found["measure.callbacks_done_pct"] == 25
    assert figures_of(any_session, month_named(any_session, OCTOBER), None)[cast.anna.id].calls_not_counted == 2
    until = at("2026-10-06 09:00")
    assert measures_of(any_session, OCTOBER, None, until)[cast.anna.id]["measure.callbacks_done_pct"] == 100


def test_a_client_came_back_by_the_last_call_before_he_paid(any_session: Session) -> None:
    cast = make_cast(any_session)
    silent, recent, unknown = (make_client(any_session) for _ in range(3))
    credit(any_session, cast.anna, "2026-02-01", 500_000, client=silent)
    credit(any_session, cast.anna, "2026-08-01", 500_000, client=recent)
    for number, client in enumerate((silent, recent, unknown)):
        made = at("2026-09-20 12:00")
        call(any_session, cast.anna, client, made, done_at=made, cause=f"a{number}")
        credit(any_session, cast.boris, "2026-10-10", 299_999, client=client)
    assert measure(any_session, cast.anna.id, "reactivated_clients") == 0

    later = at("2026-10-01 12:00")
    call(any_session, cast.boris, silent, later, done_at=later, cause="b")
    credit(any_session, cast.boris, "2026-10-20", 1, client=silent)
    assert measure(any_session, cast.anna.id, "reactivated_clients") == 0
    assert measure(any_session, cast.boris.id, "reactivated_clients") == 1
    credit(any_session, cast.boris, "2026-11-02", 900_000, client=silent)
    assert measure(any_session, cast.boris.id, "reactivated_clients", "2026-11") == 0


def test_the_number_of_queries_does_not_grow_with_the_managers(session: Session) -> None:
    cast = make_cast(session)
    for number in range(10):
        manager = make_manager(session)
        credit(session, manager, "2026-10-05", 100 + number)
        plan(session, manager, OCTOBER, 1, 1)
    measures_of(session, OCTOBER, [cast.anna.id])

    with statements_of(session) as one:
        measures_of(session, OCTOBER, [cast.anna.id])
    with statements_of(session) as everybody:
        assert len(measures_of(session, OCTOBER, None)) == 13
    assert len(one) == len(everybody) <= 13


def test_hours_so_far_are_a_part_of_the_month(session: Session) -> None:
    cast = make_cast(session)
    hours = hours_of(session, cast.anna.id, month_named(session, OCTOBER), at("2026-10-05 09:00"))
    assert (hours.whole, hours.so_far) == (1, Fraction(2, 22))


@pytest.mark.parametrize("text", ["2026-13", "2026-1", "октябрь", ""])
def test_what_is_no_month_is_refused(session: Session, text: str) -> None:
    with pytest.raises(InputError):
        measures_of(session, text, None)


def test_what_the_vocabulary_offers_is_what_has_a_source(session: Session) -> None:
    declared = {key for key, field in FIELDS.items() if field.group == "measure"}
    offered = {key for key in declared if FIELDS[key].implemented}

    assert declared == set(measures(Figures()))
    counted = Figures(
        plan_new_minor=Fraction(1), plan_old_minor=Fraction(1), team_plan_minor=Fraction(1), cohort=1, due=1,
        calls_due=1, worked=Fraction(1), months_in_job=1,
    )  # fmt: skip
    assert {key for key, value in measures(counted).items() if value is not None} == offered


def test_the_rows_behind_a_measure_add_up_to_it(any_session: Session) -> None:
    cast = make_cast(any_session)
    silent = make_client(any_session)
    credit(any_session, cast.anna, "2026-02-01", 500_000, client=silent)
    credit(any_session, cast.anna, "2026-10-05", 100_000, NEW, vat_minor=20_000)
    made = at("2026-10-06 12:00")
    call(any_session, cast.anna, silent, made, done_at=made, cause="a")
    call(any_session, cast.anna, silent, at("2026-10-07 12:00"), cause="b")
    call(any_session, cast.anna, silent, at("2026-10-07 12:00"), done_at=made, cause="c", is_valid=False)
    credit(any_session, cast.anna, "2026-10-20", 300_000, OLD, client=silent)
    credit(any_session, cast.anna, "2026-10-21", -10_000, OLD, client=silent)
    won = held(
        any_session, cast.anna, "2026-10-05 10:00", due="2026-10-05 10:30", answered="2026-10-05 10:10", status="won",
        closed_at=made, amount_minor=1_000,
    )  # fmt: skip
    make_contact(any_session, request=won, at=at("2026-10-05 10:10"))
    credit(any_session, cast.anna, "2026-10-22", 1_000, OLD, request=won)
    held(any_session, cast.anna, "2026-10-05 10:00", due="2026-10-05 10:30", answered="2026-10-05 10:40")
    month = month_named(any_session, OCTOBER)
    counting = counting_now(any_session)
    found = measures_of(any_session, OCTOBER, [cast.anna.id])[cast.anna.id]

    def rows(name: str) -> list[Behind]:
        return behind(any_session, month, cast.anna.id, f"measure.{name}", month.end, counting)

    for name in (
        "revenue_new", "revenue_old", "revenue", "paid_requests", "received_requests", "processed_requests",
        "callbacks_planned", "callbacks_done", "reactivated_clients",
    ):  # fmt: skip
        assert sum(row.value for row in rows(name) if row.counts) == found[f"measure.{name}"] != 0, name
    for name in ("processed_pct", "in_time_pct", "callbacks_done_pct"):
        listed = rows(name)
        share = Fraction(100 * sum(row.counts for row in listed), len(listed))
        assert share == found[f"measure.{name}"], name
        assert all(row.why for row in listed if not row.counts)
    with pytest.raises(InputError):
        rows("plan_new")


def test_what_the_services_write_is_what_is_counted(session: Session) -> None:
    """A request is answered and its next step kept; another is refused; a third is only answered."""
    cast = make_cast(session)
    given, begun = {}, at("2026-10-05 10:00")
    for name in ("kept", "refused", "answered"):
        given[name] = make_request(session, received_at=begun, wake=False)
        assignment.assign_external(session, given[name], cast.anna, assigned_at=begun, actor="import", now=begun)

    def finish(name: str, now: datetime, outcome: ContactOutcome, **more: Any) -> None:
        open_task = select(Task).where(Task.request_id == given[name].id, Task.state == "open")
        tasks.complete(session, session.scalars(open_task).one(), outcome=outcome, actor="anna", now=now, **more)

    soon, later = at("2026-10-05 10:10"), at("2026-10-07 15:00")
    finish("kept", soon, "thinks", next_at=at("2026-10-07 12:00"))
    finish("refused", soon, "refused", reason="rival")
    finish("answered", soon, "thinks", next_at=at("2026-10-06 12:00"))
    assert processed_of(session, cast.anna.id) == (1, Fraction(100, 3))
    finish("kept", later, "answered", next_at=at("2026-10-09 12:00"))
    finish("answered", later, "answered", next_at=at("2026-10-09 12:00"))
    assert processed_of(session, cast.anna.id) == (2, Fraction(200, 3))
    assert measure(session, cast.anna.id, "in_time_pct") == 100
    assert measure(session, cast.anna.id, "received_requests") == 3
