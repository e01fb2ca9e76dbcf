"""A period's life: computed, presented, approved, closed; and what the statements say meanwhile."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from fractions import Fraction
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from rules_engine import db
from rules_engine.errors import InputError, NotFound, PolicyViolation
from rules_engine.models import (
    AuditEntry,
    BonusLine,
    BonusPeriod,
    BonusStatement,
    CallbackState,
    Manager,
    OutboxMessage,
    PeriodState,
)
from rules_engine.services.bonus import periods
from rules_engine.services.bonus.rows import line_json
from rules_engine.services.records import settings_store
from rules_engine.services.running.setup import shipped_ruleset
from rules_engine.settings import Settings
from tests.bonus_rows import NEW, OLD, call, credit, held, plan
from tests.factories import Cast, at, make_cast, make_client, make_manager, make_version

OCTOBER = "2026-10"
RUNNING = at("2026-10-20 12:00")
AFTER = at("2026-11-02 10:00")


def bonus_rules(*rules: dict[str, Any]) -> dict[str, Any]:
    titled = [{"title": {"ru": f"Правило {one['id']}", "en": one["id"]}, "note": "", **one} for one in rules]
    title = {"ru": "Премия", "en": "Bonus"}
    return {"decision": "bonus", "title": title, "hit_policy": "collect", "rules": titled}


PERCENT = {
    "id": "percent",
    "enabled": True,
    "then": [{"action": "pay_percent", "line": "percent", "of": "measure.revenue", "rate": "2.5"}],
}
ON_PLAN = {
    "id": "plan",
    "enabled": True,
    "when": {"all": [{"field": "measure.attainment_pct", "op": "ge", "value": "100"}]},
    "then": [{"action": "pay_fixed", "line": "plan", "amount": "15000"}],
}
TODAY = bonus_rules(PERCENT, ON_PLAN)


def company(session: Session, body: dict[str, Any] | None = None) -> Cast:
    cast = make_cast(session)
    make_version(session, "bonus", body or TODAY)
    return cast


def statement(session: Session, manager: Manager, month: str = OCTOBER) -> BonusStatement:
    period = periods.newest(session, month)
    found = select(BonusStatement).where(BonusStatement.period_id == period.id, BonusStatement.manager_id == manager.id)
    return session.scalars(found).one()


def amounts(session: Session, manager: Manager, month: str = OCTOBER) -> dict[str, int]:
    return {line.line: line.amount_minor for line in statement(session, manager, month).lines}


def close(session: Session, month: str = OCTOBER, now: datetime = AFTER) -> BonusPeriod:
    periods.compute(session, month, actor="galina", now=now)
    periods.present(session, month, actor="galina", now=now)
    periods.approve(session, month, actor="galina", now=now)
    return periods.close(session, month, actor="galina", now=now)


class TestComputing:
    def test_everybody_gets_a_statement_whose_total_is_the_sum_of_its_lines(self, any_session: Session) -> None:
        session = any_session
        cast = company(session)
        credit(session, cast.anna, "2026-10-05", 33_333_33, NEW)
        credit(session, cast.anna, "2026-10-06", 7, OLD)
        plan(session, cast.anna, OCTOBER, 10_000, None)
        period = periods.compute(session, OCTOBER, actor="galina", now=RUNNING)

        assert (period.state, period.revision, period.computed_at) == (PeriodState.COMPUTED, 1, RUNNING)
        anna = statement(session, cast.anna)
        assert amounts(session, cast.anna) == {"percent": 83_334, "plan": 15_000_00}
        assert anna.total_minor == sum(line.amount_minor for line in anna.lines) == 15_833_34
        assert statement(session, cast.boris).total_minor == 0
        assert Fraction(anna.measures["measure.attainment_pct"]) == Fraction(33_333_40, 10_000)
        assert anna.measures["without_plan"] == ["measure.attainment_old_pct"]
        assert Fraction(anna.lines[0].exact) == Fraction(33_333_40 * 25, 1000)

    def test_computing_again_replaces_the_lines_and_keeps_the_number_of_the_statement(self, session: Session) -> None:
        cast = company(session)
        credit(session, cast.anna, "2026-10-05", 100_000)
        periods.compute(session, OCTOBER, actor="galina", now=RUNNING)
        before = statement(session, cast.anna).id
        credit(session, cast.anna, "2026-10-06", 100_000)
        periods.compute(session, OCTOBER, actor="galina", now=AFTER)

        assert amounts(session, cast.anna) == {"percent": 5_000}
        assert statement(session, cast.anna).id == before
        assert len(session.scalars(select(BonusPeriod)).all()) == 1

    def test_the_rules_are_those_in_force_when_the_month_began(self, session: Session) -> None:
        cast = company(session)
        better = {**PERCENT, "then": [{**PERCENT["then"][0], "rate": "5"}]}
        make_version(session, "bonus", bonus_rules(better), holds_from=at("2026-11-01 00:00"))
        for month in ("2026-10", "2026-11"):
            credit(session, cast.anna, f"{month}-05", 100_000)
            periods.compute(session, month, actor="galina", now=at("2026-11-20 10:00"))

        assert [amounts(session, cast.anna, month)["percent"] for month in ("2026-10", "2026-11")] == [2_500, 5_000]

    def test_who_left_before_is_left_out_unless_he_is_still_credited(self, session: Session) -> None:
        cast = company(session)
        gone = make_manager(session, "ivan", left_on=date(2026, 9, 15))
        late = make_manager(session, "late", left_on=date(2026, 9, 15))
        credit(session, late, "2026-10-05", 100_000)
        periods.compute(session, OCTOBER, actor="galina", now=AFTER)
        ids = set(session.scalars(select(BonusStatement.manager_id)))

        assert ids == {cast.anna.id, cast.boris.id, cast.vera.id, late.id}
        assert gone.id not in ids

    def test_a_month_that_has_not_begun_is_refused(self, session: Session) -> None:
        company(session)
        with pytest.raises(PolicyViolation, match="has not begun"):
            periods.compute(session, "2026-11", actor="galina", now=RUNNING)
        with pytest.raises(InputError):
            periods.compute(session, "2026-13", actor="galina", now=RUNNING)
        with pytest.raises(NotFound):
            periods.present(session, "2026-10", actor="galina", now=RUNNING)

    def test_notes_say_what_did_not_count(self, session: Session) -> None:
        cast = company(session)
        held(session, cast.anna, "2026-10-05 10:00", due="2026-10-05 10:30")
        made = at("2026-10-06 12:00")
        call(session, cast.anna, make_client(session), made, done_at=made, is_valid=False)
        periods.compute(session, OCTOBER, actor="galina", now=AFTER)
        notes = " ".join(note["ru"] for note in statement(session, cast.anna).notes)

        assert "с НДС" in notes
        assert "не обработанные полностью: 1 из 1" in notes
        assert "не в срок или не данные: 1 из 1" in notes
        assert "не засчитаны" in notes


class TestShippedScheme:
    def test_each_line_can_be_checked_on_a_pocket_calculator(self, session: Session) -> None:
        cast = company(session, shipped_ruleset("bonus"))
        cast.anna.weight_milli = 900
        plan(session, cast.anna, OCTOBER, 560_000, 350_000)
        credit(session, cast.anna, "2026-10-05", 333_333_33, NEW)
        credit(session, cast.anna, "2026-10-06", 177_777_77, OLD)
        for number in range(7):
            answered = f"2026-10-05 10:{20 + number * 2}"
            held(session, cast.anna, "2026-10-05 10:00", due="2026-10-05 10:30", answered=answered)
        periods.compute(session, OCTOBER, actor="galina", now=AFTER)
        anna = statement(session, cast.anna)
        lines = [line_json(line, "ru") for line in anna.lines]
        premium = lines[0]

        value = Fraction(premium["base"]) * Fraction(premium["rate"])
        for step in premium["steps"]:
            value *= Fraction(step["factor"])
        assert round(value * 100) == anna.lines[0].amount_minor > 0
        assert {line["component"] for line in lines} >= {"pay_matrix", "pay_per_unit"}
        assert all(line["sentence"] for line in lines)

    def test_a_side_without_a_plan_by_intention_falls_to_the_curve_of_the_other(self, session: Session) -> None:
        cast = company(session, shipped_ruleset("bonus"))
        plan(session, cast.anna, OCTOBER, 1_000, None)
        credit(session, cast.anna, "2026-10-05", 100_000, NEW)
        periods.compute(session, OCTOBER, actor="galina", now=AFTER)

        assert amounts(session, cast.anna)["premium"] == 35_000_00


class TestLife:
    def test_presented_approved_and_closed_by_a_head(self, any_session: Session) -> None:
        session = any_session
        cast = company(session)
        credit(session, cast.anna, "2026-10-05", 100_000)
        period = close(session)

        assert (period.state, period.closed_by, period.closed_at) == (PeriodState.CLOSED, "galina", AFTER)
        assert statement(session, cast.anna).is_closed
        messages = session.scalars(select(OutboxMessage.subject).where(OutboxMessage.channel == "page")).all()
        assert messages == ["Премия рассчитана: октябрь 2026"] * 3
        actions = session.scalars(select(AuditEntry.action).where(AuditEntry.subject_kind == "bonus_period"))
        assert list(actions) == ["compute", "presented", "approved", "closed"]

    def test_a_period_that_is_not_over_is_neither_presented_nor_closed(self, session: Session) -> None:
        company(session)
        periods.compute(session, OCTOBER, actor="galina", now=RUNNING)
        for step in (periods.present, periods.close):
            with pytest.raises(PolicyViolation, match="not over"):
                step(session, OCTOBER, actor="galina", now=RUNNING)
        with pytest.raises(PolicyViolation, match="compute it again"):
            periods.present(session, OCTOBER, actor="galina", now=AFTER)

    def test_steps_are_taken_in_order(self, session: Session) -> None:
        company(session)
        periods.compute(session, OCTOBER, actor="galina", now=AFTER)
        for step in (periods.approve, periods.close):
            with pytest.raises(PolicyViolation, match="is computed"):
                step(session, OCTOBER, actor="galina", now=AFTER)
        with pytest.raises(PolicyViolation, match="only a closed"):
            periods.reopen(session, OCTOBER, reason="x", actor="galina", now=AFTER)

    def test_computing_voids_the_approval(self, session: Session) -> None:
        company(session)
        periods.compute(session, OCTOBER, actor="galina", now=AFTER)
        periods.present(session, OCTOBER, actor="galina", now=AFTER)
        periods.approve(session, OCTOBER, actor="galina", now=AFTER)
        period = periods.compute(session, OCTOBER, actor="galina", now=AFTER)
        assert (period.state, period.approved_by, period.presented_at) == (PeriodState.COMPUTED, None, None)

    def test_the_author_of_the_rules_does_not_approve_unless_he_works_alone(self, session: Session) -> None:
        make_cast(session)
        make_version(session, "bonus", TODAY).published_by = "galina"
        periods.compute(session, OCTOBER, actor="galina", now=AFTER)
        periods.present(session, OCTOBER, actor="galina", now=AFTER)
        with pytest.raises(PolicyViolation, match="author"):
            periods.approve(session, OCTOBER, actor="galina", now=AFTER)

        settings_store.change(session, settings_store.BONUS_FOUR_EYES, "off", actor="galina")
        assert periods.approve(session, OCTOBER, actor="galina", now=AFTER).approved_by == "galina"
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "approved")).one()
        assert entry.after is not None and entry.after["is_author"] is True

    def test_closing_twice_closes_once(self, session: Session) -> None:
        company(session)
        first = close(session)
        again = periods.close(session, OCTOBER, actor="denis", now=at("2026-11-03 10:00"))
        assert (again.id, again.closed_by) == (first.id, "galina")
        assert len(session.scalars(select(AuditEntry.id).where(AuditEntry.action == "closed")).all()) == 1

    def test_what_is_closed_is_not_computed_again_and_the_database_refuses_to_change_it(self, session: Session) -> None:
        cast = company(session)
        close(session)
        with pytest.raises(PolicyViolation, match="is closed"):
            periods.compute(session, OCTOBER, actor="galina", now=AFTER)
        statement(session, cast.anna).total_minor = 1
        with pytest.raises(DBAPIError, match="closed bonus statement"):
            session.flush()
        session.rollback()


class TestReopening:
    def test_a_reversal_keeps_the_old_revision_and_counts_the_next_one_anew(self, any_session: Session) -> None:
        session = any_session
        cast = company(session)
        credit(session, cast.anna, "2026-10-05", 100_000)
        closed = close(session)
        credit(session, cast.anna, "2026-10-06", 100_000)
        with pytest.raises(InputError):
            periods.reopen(session, OCTOBER, reason=" ", actor="galina", now=AFTER)
        opened = periods.reopen(session, OCTOBER, reason="оплата не тому", actor="galina", now=AFTER)

        assert (opened.revision, opened.state, opened.reason) == (2, PeriodState.COMPUTED, "оплата не тому")
        assert session.get_one(BonusPeriod, closed.id).state is PeriodState.REVERSED
        assert amounts(session, cast.anna) == {"percent": 5_000}
        kept = session.scalars(select(BonusStatement.total_minor).where(BonusStatement.period_id == closed.id)).all()
        assert kept == [2_500, 0, 0]
        assert any("редакцию 1" in note["ru"] for note in statement(session, cast.anna).notes)
        assert close(session).revision == 2


class TestCorrections:
    NOVEMBER = "2026-11"
    LATER = at("2026-11-20 10:00")

    @pytest.fixture
    def closed(self, session: Session) -> Cast:
        """October is closed: Анна was paid 2.5 % of 9,000.00, a thousand short of her plan."""
        cast = company(session)
        plan(session, cast.anna, OCTOBER, 10_000, None)
        credit(session, cast.anna, "2026-10-05", 9_000_00)
        close(session)
        return cast

    def compute(self, session: Session, month: str = NOVEMBER) -> None:
        periods.compute(session, month, actor="galina", now=self.LATER)

    def lines(self, session: Session, cast: Cast, month: str = NOVEMBER) -> dict[tuple[str, str], BonusLine]:
        return {(line.line, line.basis): line for line in statement(session, cast.anna, month).lines}

    def test_both_databases_find_late_facts(self, any_session: Session) -> None:
        cast = company(any_session)
        credit(any_session, cast.anna, "2026-10-05", 9_000_00)
        close(any_session)
        credit(any_session, cast.anna, "2026-10-30", 100_00, booked_at=self.LATER)
        periods.compute(any_session, self.NOVEMBER, actor="galina", now=self.LATER)
        close(any_session, self.NOVEMBER, at("2026-12-02 10:00"))
        periods.reopen(any_session, OCTOBER, reason="проверка", actor="galina", now=at("2026-12-03 10:00"))
        assert [line.amount_minor for line in statement(any_session, cast.anna).lines] == [22_750, -250]

    def test_a_late_payment_is_paid_in_the_open_period_line_by_line(self, session: Session, closed: Cast) -> None:
        credit(session, closed.anna, "2026-10-30", 1_000_00, booked_at=self.LATER)
        self.compute(session)
        lines = self.lines(session, closed)

        percent = lines["percent", "correction:2026-10"]
        original = session.get_one(BonusLine, percent.correction_of_id)
        assert (percent.amount_minor, percent.component, original.amount_minor) == (2_500, "correction", 22_500)
        assert "250,00" in percent.sentence["ru"] and "225,00" in percent.sentence["ru"]
        assert lines["plan", "correction:2026-10"].amount_minor == 15_000_00
        assert lines["plan", "correction:2026-10"].correction_of_id is None
        found = statement(session, closed.anna, self.NOVEMBER)
        assert found.total_minor == sum(line.amount_minor for line in found.lines) == 15_025_00
        assert statement(session, closed.anna).total_minor == 22_500

    def test_what_was_paid_by_a_correction_is_not_paid_again(self, session: Session, closed: Cast) -> None:
        credit(session, closed.anna, "2026-10-30", 100_00, booked_at=self.LATER)
        self.compute(session)
        close(session, self.NOVEMBER, at("2026-12-02 10:00"))
        credit(session, closed.anna, "2026-10-29", 200_00, booked_at=at("2026-12-03 10:00"))
        periods.compute(session, "2026-12", actor="galina", now=at("2026-12-05 10:00"))

        line = self.lines(session, closed, "2026-12")["percent", "correction:2026-10"]
        assert line.amount_minor == 500
        assert "перерасчёты раньше 2,50" in line.sentence["ru"].replace("\u00a0", " ")

    def test_a_late_refund_changes_nothing_and_is_named(self, session: Session, closed: Cast) -> None:
        credit(session, closed.anna, "2026-10-30", -100_00, booked_at=self.LATER)
        self.compute(session)

        assert list(self.lines(session, closed)) == [("percent", "")]
        notes = [note["ru"] for note in statement(session, closed.anna, self.NOVEMBER).notes]
        assert any("октябрь 2026" in note and "меньше" in note for note in notes)

    def test_a_line_that_would_be_lower_takes_nothing_from_one_that_is_higher(self, session: Session) -> None:
        side = [
            {"id": name, "enabled": True, "then": [
                {"action": "pay_percent", "line": name, "of": f"measure.revenue_{name}", "rate": "10"}]}
            for name in ("new", "old")
        ]  # fmt: skip
        cast = company(session, bonus_rules(*side))
        credit(session, cast.anna, "2026-10-05", 1_000_00, NEW)
        credit(session, cast.anna, "2026-10-05", 1_000_00, OLD)
        close(session)
        credit(session, cast.anna, "2026-10-30", 500_00, NEW, booked_at=self.LATER)
        credit(session, cast.anna, "2026-10-30", -300_00, OLD, booked_at=self.LATER)
        self.compute(session)

        found = statement(session, cast.anna, self.NOVEMBER)
        assert [(line.line, line.amount_minor) for line in found.lines[2:]] == [("new", 50_00)]
        assert any("30,00" in note["ru"] and "меньше" in note["ru"] for note in found.notes)

    def test_a_refund_of_another_month_is_a_measure_of_that_month(self, session: Session, closed: Cast) -> None:
        credit(session, closed.anna, "2026-11-05", -100_00)
        self.compute(session)

        lines = self.lines(session, closed)
        assert [line.amount_minor for line in lines.values()] == [-250, 250]

    def test_corrections_wait_for_the_first_month_that_is_open(self, session: Session, closed: Cast) -> None:
        credit(session, closed.anna, "2026-10-30", 100_00, booked_at=self.LATER)
        self.compute(session)
        periods.compute(session, "2026-12", actor="galina", now=at("2026-12-05 10:00"))

        assert ("percent", "correction:2026-10") in self.lines(session, closed)
        assert list(self.lines(session, closed, "2026-12")) == [("percent", "")]

    def test_what_changed_today_does_not_recount_the_past(self, session: Session, closed: Cast) -> None:
        settings_store.change(session, settings_store.PAYMENTS_VAT, "without", actor="galina")
        closed.anna.weight_milli = 500
        closed.anna.team_id = closed.others.id
        credit(session, closed.boris, "2026-10-30", 100_00, vat_minor=10_00, booked_at=self.LATER)
        self.compute(session)

        assert list(self.lines(session, closed)) == [("percent", "")]
        boris = [line.amount_minor for line in statement(session, closed.boris, self.NOVEMBER).lines]
        assert boris == [0, 250]

    def test_a_call_put_off_later_stays_due_and_one_that_became_known_counts(self, session: Session) -> None:
        gated = {
            **PERCENT,
            "then": [
                *PERCENT["then"],
                {
                    "action": "gate",
                    "lines": ["percent"],
                    "soft": True,
                    "all": [{"measure": "measure.callbacks_done_pct", "from": "0", "full_at": "100"}],
                },
            ],
        }
        cast = company(session, bonus_rules(gated))
        credit(session, cast.anna, "2026-10-05", 1_000_00)
        client = make_client(session)
        first, second = (
            call(session, cast.anna, client, at(f"2026-10-{day} 18:00"), cause=day) for day in ("20", "21")
        )
        close(session)
        assert amounts(session, cast.anna) == {"percent": 0}
        first.due_at = at("2026-11-10 18:00")
        credit(session, cast.anna, "2026-10-30", 100_00, booked_at=self.LATER)
        self.compute(session)
        assert ("percent", "correction:2026-10") not in self.lines(session, cast)

        second.is_valid, second.done_at, second.state = True, at("2026-10-21 12:00"), CallbackState.DONE
        self.compute(session)
        assert self.lines(session, cast)["percent", "correction:2026-10"].amount_minor == 1_375

    def test_a_month_opened_again_takes_off_what_corrections_paid(self, session: Session, closed: Cast) -> None:
        credit(session, closed.anna, "2026-10-30", 100_00, booked_at=self.LATER)
        self.compute(session)
        close(session, self.NOVEMBER, at("2026-12-02 10:00"))
        periods.reopen(session, OCTOBER, reason="проверка", actor="galina", now=at("2026-12-03 10:00"))

        amounts = [line.amount_minor for line in statement(session, closed.anna).lines]
        assert amounts == [22_750, -250]

    def test_a_guarantee_gives_back_what_the_lines_above_it_now_cover(self, session: Session) -> None:
        floor = {
            "id": "newcomer",
            "enabled": True,
            "then": [{"action": "guarantee", "amount": "1000", "first_months": 2}],
        }
        cast = company(session, bonus_rules(PERCENT, floor))
        cast.anna.hired_on = date(2026, 10, 1)
        credit(session, cast.anna, "2026-10-05", 9_000_00)
        close(session)
        assert amounts(session, cast.anna) == {"percent": 225_00, "guarantee": 775_00}
        credit(session, cast.anna, "2026-10-30", 1_000_00, booked_at=self.LATER)
        self.compute(session)
        found = [(line.line, line.amount_minor) for line in statement(session, cast.anna, self.NOVEMBER).lines[2:]]
        assert found == [("percent", 25_00), ("guarantee", -25_00)]


def test_parallel_closings_close_once(any_engine: Engine, settings: Settings) -> None:
    sessions = db.make_sessions(any_engine, settings)
    with db.transaction(sessions) as session:
        company(session)
        periods.compute(session, OCTOBER, actor="galina", now=AFTER)
        periods.present(session, OCTOBER, actor="galina", now=AFTER)
        periods.approve(session, OCTOBER, actor="galina", now=AFTER)

    def shut(actor: str) -> str | None:
        with db.transaction(sessions) as session:
            return periods.close(session, OCTOBER, actor=actor, now=AFTER).closed_by

    with ThreadPoolExecutor(4) as pool:
        closed_by = set(pool.map(shut, ["galina", "denis", "anna", "boris"]))
    with sessions() as session:
        assert len(closed_by) == 1
        assert len(session.scalars(select(AuditEntry.id).where(AuditEntry.action == "closed")).all()) == 1
