"""Plans by manager and month: versions, what may change when, and the part that a month's hours make."""

from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.errors import InputError, PolicyViolation
from rules_engine.models import AuditEntry, BonusPeriod, PeriodState, Plan
from rules_engine.services.company.people import UnknownManager
from rules_engine.services.money import plans
from rules_engine.services.money.incoming_money import PlanIn
from rules_engine.services.records.forms import InvalidForm, read
from rules_engine.services.records.outcome import Outcome
from tests.factories import MONDAY, Cast, at, make_absence, make_cast, make_manager, make_version, statements_of


@pytest.fixture
def cast(session: Session) -> Cast:
    return make_cast(session)


def put(session: Session, period: str = "2026-10", manager: str = "anna", **more: Any) -> tuple[Plan, Outcome]:
    data = read(PlanIn, {"period": period, "manager": manager, "new": "560000.00", "old": "350000.00", **more})
    return plans.put_plan(session, data, now=MONDAY, actor="galina")


class TestVersions:
    def test_a_plan_is_made_once_and_changed_by_a_new_version(self, session: Session, cast: Cast) -> None:
        made, first = put(session, "2026-11")
        _, again = put(session, "2026-11")
        _, changed = put(session, "2026-11", new="600000.00", old=None, callbacks=80, reason="сезон")

        assert (first, again, changed) == (Outcome.CREATED, Outcome.UNCHANGED, Outcome.UPDATED)
        history = plans.history_of(session, "2026-11", cast.anna.id)
        assert [(one.number, one.new_minor, one.old_minor, one.callbacks, one.reason) for one in history] == [
            (2, 60_000_000, None, 80, "сезон"),
            (1, 56_000_000, 35_000_000, None, ""),
        ]
        assert plans.plans_of(session, "2026-11") == {cast.anna.id: history[0]}
        entries = session.scalars(select(AuditEntry).where(AuditEntry.subject_kind == "plan")).all()
        assert [entry.action for entry in entries] == ["create", "update"]
        assert made.number == 1

    def test_the_plan_of_the_running_month_can_only_be_lowered_with_a_reason(
        self, session: Session, cast: Cast
    ) -> None:
        put(session)

        for worse in ({"new": "560000.01"}, {"old": None}, {"callbacks": 10}):
            with pytest.raises(PolicyViolation) as refused:
                put(session, reason="так надо", **worse)
            assert "только снизить" in refused.value.message("ru")
        with pytest.raises(InputError) as unsaid:
            put(session, new="500000.00")
        lowered, _ = put(session, new="500000.00", reason="болезнь двух клиентов")

        assert unsaid.value.path == "reason"
        assert (lowered.number, lowered.new_minor) == (2, 50_000_000)

    def test_a_month_that_is_over_keeps_its_plan(self, session: Session, cast: Cast) -> None:
        _, outcome = put(session, "2026-09")
        assert outcome is Outcome.CREATED

        with pytest.raises(PolicyViolation) as refused:
            put(session, "2026-09", new="1.00", reason="так надо")
        assert "прошёл" in refused.value.message("ru")
        assert put(session, "2026-09")[1] is Outcome.UNCHANGED

    def test_a_closed_period_takes_no_plan_at_all(self, session: Session, cast: Cast) -> None:
        version = make_version(session, "bonus", {})
        closed = BonusPeriod(
            month="2026-08", state=PeriodState.CLOSED, version_id=version.id, computed_at=MONDAY, computed_by="system"
        )
        session.add(closed)

        with pytest.raises(PolicyViolation):
            put(session, "2026-08")

    @pytest.mark.parametrize(
        ("more", "path", "ru"),
        [
            ({"new": "0.00"}, "new", "если плана нет намеренно, оставьте пустым"),
            ({"old": "-1.00"}, "old", "оставьте пустым"),
            ({"callbacks": 0}, "callbacks", "оставьте пустым"),
            ({"callbacks": True}, "callbacks", "целое число"),
            ({"period": "2026-13"}, "period", "2026-10"),
        ],
    )
    def test_a_plan_of_nothing_is_refused(
        self, session: Session, cast: Cast, more: dict[str, Any], path: str, ru: str
    ) -> None:
        with pytest.raises(InvalidForm) as refused:
            put(session, **more)

        assert refused.value.problems[0].path == path
        assert ru in refused.value.problems[0].ru

    def test_nobody_is_planned_who_is_not_there(self, session: Session, cast: Cast) -> None:
        with pytest.raises(UnknownManager):
            put(session, manager="nobody")


class TestProrated:
    def test_hours_make_the_part_and_no_plan_stays_none(self, session: Session, cast: Cast) -> None:
        cast.boris.weight_milli = 500
        cast.vera.hired_on = date(2026, 10, 20)
        make_absence(session, cast.anna, at("2026-10-05 00:00"), at("2026-10-06 00:00"))
        put(session)
        put(session, manager="boris", old=None)
        put(session, manager="vera")

        seen = plans.prorated_plans(session, "2026-10")

        anna, boris, vera = (seen[one.id] for one in (cast.anna, cast.boris, cast.vera))
        assert anna.new == Fraction(56_000_000 * 168, 176)
        assert (boris.new, boris.old, boris.hours.hours) == (28_000_000, None, 88)
        assert vera.new == Fraction(56_000_000 * 72, 176)

    def test_whoever_works_then_is_listed_with_or_without_a_plan(self, session: Session, cast: Cast) -> None:
        cast.boris.left_on = date(2026, 9, 30)
        cast.vera.hired_on = date(2026, 11, 1)
        put(session)

        assert list(plans.prorated_plans(session, "2026-10")) == [cast.anna.id]
        assert plans.prorated_plans(session, "2026-11")[cast.anna.id].plan is None

    def test_any_number_of_managers_costs_one_query(self, session: Session, cast: Cast) -> None:
        for _ in range(20):
            make_manager(session)
        put(session)
        plans.prorated_plans(session, "2026-10")

        with statements_of(session) as sent:
            plans.prorated_plans(session, "2026-10")

        assert len(sent) == 1


def test_a_month_begins_in_the_business_zone(session: Session, cast: Cast) -> None:
    data = read(PlanIn, {"period": "2026-10", "manager": "anna", "new": "1.00"})
    plans.put_plan(session, data, now=MONDAY, actor="galina")

    # 31 October 22:00 in Greenwich is November in Moscow: October is over.
    assert plans.can_change(session, "2026-10", at("2026-11-01 01:00")) is None
    assert plans.can_change(session, "2026-10", at("2026-11-01 01:00") - timedelta(hours=2)) == "lower"
    assert plans.can_change(session, "2026-11", MONDAY) == "freely"
