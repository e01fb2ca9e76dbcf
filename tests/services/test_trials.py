"""Trying rules of every decision: on what is picked, on what is typed over it, on nothing but typed values."""

from collections.abc import Callable
from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from rules_engine.decisions.escalation_outcome import State
from rules_engine.language.errors import FactsInvalid
from rules_engine.language.kinds import Decision
from rules_engine.models import Base, Callback, CallbackState, Client, PaymentCredit
from rules_engine.services.drafts.trying import Typed
from rules_engine.services.requests.assignment import decide_and_assign
from rules_engine.services.trials import trials
from rules_engine.services.trials.search import find_calls, find_clients, find_managers
from rules_engine.services.trials.trials import Subject
from tests.factories import (
    MONDAY,
    Cast,
    assignment_rules,
    condition,
    escalation_rules,
    make_cast,
    make_client,
    make_payment,
    make_request,
    make_version,
    rule,
)

TO_VERA = {"action": "assign", "to": {"pool": "manager", "login": "vera"}}
OWNER = {"action": "assign", "to": {"pool": "owner"}}
EVERYONE = {"action": "assign", "to": {"pool": "everyone"}}


def callback_rules(*rules: dict[str, Any]) -> dict[str, Any]:
    title = {"ru": "Звонки", "en": "Calls"}
    return {"decision": "callbacks", "title": title, "hit_policy": "collect", "rules": list(rules), "cases": []}


def call_rule(rule_id: str, *conditions: dict[str, Any], occasion: str = "thanks") -> dict[str, Any]:
    made = rule(rule_id, conditions[0], {"action": "schedule_callback", "occasion": occasion, "within_days": 3})
    made["when"] = {"all": list(conditions)}
    return made


def bonus_rules() -> dict[str, Any]:
    percent = rule(
        "percent",
        condition("measure.revenue", "is_filled"),
        {"action": "pay_percent", "of": "measure.revenue", "rate": "2.5", "line": "percent"},
    )
    plan = rule(
        "plan",
        condition("measure.attainment_new_pct", "ge", "100"),
        {"action": "pay_fixed", "amount": "15000", "line": "plan"},
    )
    title = {"ru": "Премия", "en": "Bonus"}
    return {"decision": "bonus", "title": title, "hit_policy": "collect", "rules": [percent, plan], "cases": []}


@pytest.fixture
def cast(session: Session) -> Cast:
    return make_cast(session)


def tried(session: Session, decision: str, body: dict[str, Any], subject: str = "", **typed: object) -> Any:
    on = ground(session, decision, body, subject, {key.replace("__", "."): value for key, value in typed.items()})
    assert on is not None
    return on.run(body)


def ground(session: Session, decision: str, body: dict[str, Any], subject: str = "", typed: Typed | None = None) -> Any:
    return trials.prepare(session, Decision(decision), Subject.read(subject), typed or {}, [body], MONDAY)


def make_call(session: Session, cast: Cast, client: Client, **more: Any) -> Callback:
    values: dict[str, Any] = {
        "client": client,
        "occasion": "thanks",
        "cause": "payment:1",
        "manager_id": cast.boris.id,
        "rule": "paid",
        "state": CallbackState.OPEN,
        "call_from": MONDAY - timedelta(days=9),
        "due_at": MONDAY - timedelta(days=7),
        "created_at": MONDAY - timedelta(days=10),
        "opened_at": MONDAY - timedelta(days=9),
    }
    row = Callback(**{**values, **more})
    session.add(row)
    session.flush()
    return row


class TestAssignment:
    def body(self) -> dict[str, Any]:
        large = rule("large", condition("request.amount", "ge", "150000"), TO_VERA)
        return assignment_rules(large, rule("own", condition("client.owner", "is_filled"), OWNER))

    def test_nothing_but_typed_values_is_a_request_that_has_just_come(self, session: Session, cast: Cast) -> None:
        assert tried(session, "assignment", self.body(), request__amount="200000").outcome.manager == "vera"
        assert tried(session, "assignment", self.body()).fired == ("otherwise",)

    def test_a_typed_owner_gets_it_and_a_request_keeps_its_own(self, session: Session, cast: Cast) -> None:
        request = make_request(session, client=make_client(session, owner=cast.anna), amount_minor=100)
        subject = f"request:{request.id}"
        assert tried(session, "assignment", self.body(), subject).outcome.manager == "anna"
        assert tried(session, "assignment", self.body(), subject, client__owner="boris").outcome.manager == "boris"
        assert tried(session, "assignment", self.body(), subject, client__owner=None).fired == ("otherwise",)
        assert request.client is not None and request.client.owner_id == cast.anna.id

    def test_a_request_of_working_hours_is_tried_at_night_on_who_is_here_by_day(
        self, session: Session, cast: Cast
    ) -> None:
        here = {"all": [condition("candidate.is_working_now", "is", True)]}
        body = assignment_rules(rule("here", condition("request.amount", "ge", "1"), {**EVERYONE, "among": here}))
        request = make_request(session)
        decide_and_assign(session, request, MONDAY)
        night = MONDAY.replace(hour=23)
        by_day = trials.prepare(session, Decision.ASSIGNMENT, Subject("request", request.id), {}, [body], night)
        assert by_day is not None and by_day.run(body).fired == ("here",)
        at_night = {"now.is_working_time": False}
        really = trials.prepare(session, Decision.ASSIGNMENT, Subject("request", request.id), at_night, [body], night)
        assert really is not None and really.run(body).fired == ("otherwise",)

    def test_an_emptied_value_is_said_to_be_missing(self, session: Session, cast: Cast) -> None:
        request = make_request(session, amount_minor=20_000_000)
        trial = tried(session, "assignment", self.body(), f"request:{request.id}", request__amount=None)
        assert (trial.verdicts[0].matched, trial.verdicts[0].failed.seen) == (False, None)

    def test_a_value_of_the_wrong_type_is_refused(self, session: Session, cast: Cast) -> None:
        with pytest.raises(FactsInvalid):
            tried(session, "assignment", self.body(), request__amount=5)

    def test_what_is_gone_or_of_another_decision_cannot_be_tried(self, session: Session, cast: Cast) -> None:
        assert ground(session, "assignment", self.body(), "request:999") is None
        assert ground(session, "assignment", self.body(), f"client:{make_client(session).id}") is None


class TestEscalation:
    def body(self) -> dict[str, Any]:
        late = condition("request.answer_used_pct", "ge", "100")
        return escalation_rules(
            rule("important", late, {"action": "set_priority", "priority": "high"}),
            rule("again", late, {"action": "set_priority", "priority": "low"}),
            rule("give", late, {"action": "reassign", "to": {"pool": "everyone"}}),
            rule("call", condition("item.working_days_overdue", "ge", 2), {"action": "notify", "whom": "head"}),
        )

    def test_effects_that_an_earlier_rule_takes_are_superseded(self, session: Session, cast: Cast) -> None:
        request = make_request(session)
        decide_and_assign(session, request, MONDAY)
        trial = tried(session, "escalation", self.body(), f"request:{request.id}", request__answer_used_pct="120")
        states = [firing.actions[0].state for firing in trial.outcome.firings]
        assert states == [State.APPLIED, State.SUPERSEDED, State.APPLIED]
        assert trial.outcome.transfer.manager not in ("", None)

    def test_a_planned_call_is_tried_as_what_it_is(self, session: Session, cast: Cast) -> None:
        call = make_call(session, cast, make_client(session, owner=cast.boris))
        trial = tried(session, "escalation", self.body(), f"call:{call.id}")
        assert trial.fired == ("call",)
        assert trial.outcome.messages[0].role == "head"

    def test_a_typed_call_needs_no_call(self, session: Session, cast: Cast) -> None:
        typed = {"item__kind": "callback", "item__working_days_overdue": 3}
        assert tried(session, "escalation", self.body(), **typed).fired == ("call",)


class TestCallbacks:
    def body(self) -> dict[str, Any]:
        return callback_rules(
            call_rule("paid", condition("event.name", "is", "payment"), condition("client.payments_count", "ge", 1)),
            call_rule("lost", condition("event.name", "is", "request_lost"), occasion="refused_price"),
        )

    def test_a_client_is_tried_on_what_happened_to_him_lately(self, session: Session, cast: Cast) -> None:
        client = make_client(session, owner=cast.boris, consent_on=MONDAY.date())
        make_payment(session, client, amount_minor=5_000_00, paid_at=MONDAY - timedelta(days=1))
        trial = tried(session, "callbacks", self.body(), f"client:{client.id}")
        assert trial.fired == ("paid",)
        assert [call.rule for call in trial.outcome.scheduled] == ["paid"]
        assert trial.verdicts[1].failed.field == "event.name"

    def test_an_event_can_be_named(self, session: Session, cast: Cast) -> None:
        client = make_client(session, owner=cast.boris, consent_on=MONDAY.date())
        trial = tried(session, "callbacks", self.body(), f"client:{client.id}", event__name="request_lost")
        assert trial.fired == ("lost",)

    def test_whoever_asked_not_to_be_called_is_left_out_with_the_reason(self, session: Session, cast: Cast) -> None:
        trial = tried(session, "callbacks", self.body(), event__name="request_lost", client__do_not_call=True)
        assert [left.why for left in trial.outcome.left_out] == ["do_not_call"]


class TestBonus:
    def test_typed_measures_are_paid_exactly(self, session: Session, cast: Cast) -> None:
        trial = tried(
            session, "bonus", bonus_rules(), measure__revenue="1000000.40", measure__attainment_new_pct="99.9"
        )
        assert trial.outcome.total == 25_000_01
        assert [verdict.acts for verdict in trial.verdicts] == [True, False]

    def test_attainment_follows_what_is_typed_for_payments(self, session: Session, cast: Cast) -> None:
        on = ground(
            session,
            "bonus",
            bonus_rules(),
            "",
            {"measure.revenue_new": "300000", "measure.plan_new": "200000"},
        )
        assert on.measures["measure.attainment_new_pct"] == Fraction(150)
        assert on.run(bonus_rules()).outcome.total == 7_500_00 + 15_000_00

    def test_a_case_of_it_names_lines_and_total(self, session: Session, cast: Cast) -> None:
        body = bonus_rules()
        on = ground(session, "bonus", body, "", {"measure.revenue": "400000"})
        facts = trials.case_facts(on, [body])
        assert facts == {"measure.revenue": "400000.00"}
        expected = {"fired": ["percent"], "lines": {"percent": "10000.00"}, "total": "10000.00"}
        assert trials.expectation(body, facts) == expected

    def test_a_managers_month_is_measured(self, session: Session, cast: Cast) -> None:
        client = make_client(session, owner=cast.boris)
        paid = make_payment(session, client, amount_minor=100_000_00, paid_at=MONDAY, manager=cast.boris)
        credit = {"payment_id": paid.id, "manager_id": cast.boris.id, "amount_minor": paid.amount_minor}
        more = {"month": paid.month, "money_class": paid.money_class, "cause": "owner"}
        session.add(PaymentCredit(**credit, **more))
        session.flush()
        trial = tried(session, "bonus", bonus_rules(), f"month:{cast.boris.id}:{MONDAY:%Y-%m}")
        assert trial.outcome.amount("percent") == 2_500_00


def test_nothing_is_written_whatever_is_tried(session: Session, cast: Cast) -> None:
    def rows() -> dict[str, int]:
        tables = Base.metadata.sorted_tables
        return {table.name: session.scalar(select(func.count()).select_from(table)) or 0 for table in tables}

    make_version(session, "assignment", TestAssignment().body())
    client = make_client(session, owner=cast.boris, consent_on=MONDAY.date())
    request = make_request(session, client=client, amount_minor=5_000_00)
    decide_and_assign(session, request, MONDAY)
    call = make_call(session, cast, client)
    session.flush()
    before = rows()
    late: Typed = {"request.answer_used_pct": "300"}
    attempts: list[Callable[[], Any]] = [
        lambda: ground(session, "assignment", TestAssignment().body(), f"request:{request.id}"),
        lambda: ground(session, "escalation", TestEscalation().body(), f"request:{request.id}", late),
        lambda: ground(session, "escalation", TestEscalation().body(), f"call:{call.id}"),
        lambda: ground(session, "callbacks", TestCallbacks().body(), f"client:{client.id}", {"event.name": "payment"}),
        lambda: ground(session, "bonus", bonus_rules(), f"month:{cast.boris.id}:2026-10"),
    ]
    bodies = [TestAssignment().body(), *[TestEscalation().body()] * 2, TestCallbacks().body(), bonus_rules()]
    for attempt, body in zip(attempts, bodies, strict=True):
        on = attempt()
        if on is not None:
            on.run(body)
        assert not session.new and not session.dirty and not session.deleted
    assert rows() == before


class TestFinding:
    def test_calls_by_the_clients_name_the_open_ones_first(self, session: Session, cast: Cast) -> None:
        client = make_client(session, "ООО «Ромашка»")
        done = make_call(session, cast, client, state=CallbackState.DONE, cause="payment:2", due_at=MONDAY)
        open_call = make_call(session, cast, client)
        assert find_calls(session, "ромашка") == [open_call, done]
        assert find_calls(session, str(done.id)) == [done]
        assert find_calls(session, "") == [open_call]

    def test_clients_by_name_and_managers_by_a_part_of_theirs(self, session: Session, cast: Cast) -> None:
        client = make_client(session, "ООО «Ромашка»")
        make_client(session, "ИП Тюльпан")
        assert find_clients(session, "РОМАШКА") == [client]
        assert find_clients(session, "%") == []
        assert [one.login for one in find_managers(session, "бор", MONDAY)] == ["boris"]
        assert len(find_managers(session, "", MONDAY)) == 3
