"""How much of the last month a rule would match: on facts as they were kept, and honest about those that were not."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.language.kinds import Decision
from rules_engine.models import BonusPeriod, BonusStatement, RulesetVersion
from rules_engine.services.drafts import recent_facts
from rules_engine.services.drafts.recent_facts import counts, matching
from rules_engine.services.requests.assignment import decide_and_assign
from rules_engine.services.rules import journal
from tests.factories import (
    MONDAY,
    MOSCOW,
    Cast,
    assignment_rules,
    condition,
    escalation_rules,
    make_cast,
    make_client,
    make_request,
    make_version,
    rule,
    statements_of,
)

TO_VERA = {"action": "assign", "to": {"pool": "manager", "login": "vera"}}
LARGE = condition("request.amount", "ge", "150000")
NOW = MONDAY + timedelta(days=1)
HOUR = MONDAY.astimezone(MOSCOW).hour


def when(*conditions: dict[str, Any]) -> dict[str, Any]:
    return {"all": list(conditions)}


def decided(session: Session, version: RulesetVersion, kind: str, subject: int, facts: dict[str, object]) -> None:
    journal.write_decision(
        session,
        decision=version.decision,
        subject_kind=kind,
        subject_id=subject,
        at=MONDAY,
        version_id=version.id,
        engine="native",
        mode="live",
        fired=[],
        effects=[],
        chosen_manager_id=None,
        detail={"facts": facts},
    )
    session.flush()


@pytest.fixture(autouse=True)
def no_samples_of_other_tests() -> Iterator[None]:
    yield
    recent_facts._samples.clear()


@pytest.fixture
def cast(session: Session) -> Cast:
    """Three requests of Monday, decided by a rule about the amount: 100 000, 200 000 and 300 000 ₽."""
    cast = make_cast(session)
    make_version(session, "assignment", assignment_rules(rule("large", LARGE, TO_VERA)))
    for number, amount in enumerate((100_000, 200_000, 300_000)):
        at = MONDAY + timedelta(minutes=number)
        request = make_request(
            session,
            client=make_client(session, segment="vip" if number else "small"),
            amount_minor=amount * 100,
            region="Россия",
            received_at=at,
        )
        decide_and_assign(session, request, at)
    session.flush()
    return cast


def test_a_condition_is_counted_on_the_facts_of_the_decisions(session: Session, cast: Cast) -> None:
    found = matching(session, Decision.ASSIGNMENT, when(LARGE), NOW)
    assert found is not None
    assert (found.count, found.ground.total, found.ground.sampled, found.ground.of_now) == (2, 3, False, ())
    other = matching(session, Decision.ASSIGNMENT, when(condition("request.amount", "ge", "250000")), NOW)
    assert other is not None and other.count == 1


def test_an_unfinished_condition_has_no_figure(session: Session, cast: Cast) -> None:
    assert (
        matching(session, Decision.ASSIGNMENT, when({"field": "request.amount", "op": "ge", "value": None}), NOW)
        is None
    )
    assert matching(session, Decision.ASSIGNMENT, {"all": []}, NOW) is None


def test_a_rule_without_conditions_matches_all(session: Session, cast: Cast) -> None:
    found = matching(session, Decision.ASSIGNMENT, None, NOW)
    assert found is not None and found.count == 3


def test_what_nobody_looked_at_then_is_read_now_and_that_is_said(session: Session, cast: Cast) -> None:
    found = matching(session, Decision.ASSIGNMENT, when(condition("client.segment", "is", "vip")), NOW)
    assert found is not None
    assert (found.count, found.ground.of_now) == (2, ("client.segment",))
    # Where a request came from is the same now as then, and the hour is that of the decision.
    place = when(condition("request.region", "is", "россия"), condition("now.hour", "is", HOUR))
    same = matching(session, Decision.ASSIGNMENT, place, NOW + timedelta(hours=5))
    assert same is not None
    assert (same.count, same.ground.of_now) == (3, ())


def test_an_amount_that_was_corrected_later_counts_as_it_was(session: Session, cast: Cast) -> None:
    request = make_request(session, amount_minor=15_000_000)
    decide_and_assign(session, request, MONDAY)
    request.amount_minor = 100
    session.flush()
    found = matching(session, Decision.ASSIGNMENT, when(LARGE), NOW)
    assert found is not None and found.count == 3


def test_of_rules_of_which_the_first_decides_each_counts_what_those_above_leave(session: Session, cast: Cast) -> None:
    body = assignment_rules(
        rule("half", {"field": "request.amount", "op": "ge", "value": None}, TO_VERA),
        rule("huge", condition("request.amount", "ge", "250000"), TO_VERA),
        {**rule("off", condition("request.amount", "ge", "0"), TO_VERA), "enabled": False},
        rule("large", LARGE, TO_VERA),
    )
    assert counts(session, Decision.ASSIGNMENT, body, NOW).counts == {"huge": 1, "off": 0, "large": 1, "otherwise": 1}


def test_a_request_that_was_decided_twice_counts_once_by_its_last_decision(session: Session, cast: Cast) -> None:
    version = session.scalars(select(RulesetVersion)).one()
    request = make_request(session)
    for amount in ("100", "900000"):
        decided(session, version, "request", request.id, {"request.amount": amount})
    found = matching(session, Decision.ASSIGNMENT, when(LARGE), NOW)
    assert found is not None
    assert (found.count, found.ground.total) == (3, 4)


def test_only_the_last_month_counts(session: Session, cast: Cast) -> None:
    found = matching(session, Decision.ASSIGNMENT, None, MONDAY + timedelta(days=31))
    assert found is not None and (found.count, found.ground.total) == (0, 0)


def test_of_very_many_the_newest_are_a_sample(session: Session, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_facts, "MOST", 2)
    found = matching(session, Decision.ASSIGNMENT, when(LARGE), NOW)
    assert found is not None
    assert (found.count, found.ground.total, found.ground.sampled) == (2, 2, True)


def test_a_second_question_reads_no_decisions_again(session: Session, cast: Cast) -> None:
    matching(session, Decision.ASSIGNMENT, when(LARGE, condition("client.segment", "is", "vip")), NOW)
    with statements_of(session) as sent:
        other = when(condition("request.amount", "ge", "1"), condition("client.segment", "is", "small"))
        found = matching(session, Decision.ASSIGNMENT, other, NOW)
    assert found is not None and found.count == 1
    assert len(sent) == 1, "only whether something new was decided"


def test_a_new_decision_is_counted(session: Session, cast: Cast) -> None:
    matching(session, Decision.ASSIGNMENT, when(LARGE), NOW)
    at = MONDAY + timedelta(hours=1)
    decide_and_assign(session, make_request(session, amount_minor=90_000_000, received_at=at), at)
    session.flush()
    found = matching(session, Decision.ASSIGNMENT, when(LARGE), NOW)
    assert found is not None and found.count == 3


def test_of_a_planned_call_what_was_not_kept_is_not_known(session: Session, cast: Cast) -> None:
    half = rule("half", condition("item.working_days_overdue", "ge", 1), {"action": "remind"})
    version = make_version(session, "escalation", escalation_rules(half))
    decided(session, version, "callback", 1, {"item.kind": "callback", "item.working_days_overdue": 2})
    decided(session, version, "callback", 1, {"item.kind": "callback", "item.working_days_overdue": 3})
    late = matching(session, Decision.ESCALATION, when(condition("item.working_days_overdue", "ge", 2)), NOW)
    assert late is not None and (late.count, late.ground.total) == (1, 1)
    unread = matching(session, Decision.ESCALATION, when(condition("client.segment", "is", "vip")), NOW)
    assert unread is not None
    assert (unread.count, unread.ground.unknown) == (0, ("client.segment",))


def test_clients_are_counted_on_what_was_seen_of_them(session: Session, cast: Cast) -> None:
    client = make_client(session, segment="vip", owner=cast.boris)
    body = {"decision": "callbacks", "title": {"ru": "", "en": ""}, "hit_policy": "collect", "rules": []}
    version = make_version(session, "callbacks", body)
    decided(session, version, "client", client.id, {"client.payments_count": 3, "event.name": "payment"})
    found = matching(session, Decision.CALLBACKS, when(condition("client.segment", "is", "vip")), NOW)
    assert found is not None
    assert (found.count, found.ground.total, found.ground.of_now) == (1, 1, ("client.segment",))


def test_a_fact_of_another_type_than_today_is_left_out(session: Session, cast: Cast) -> None:
    version = make_version(session, "callbacks", {"decision": "callbacks", "hit_policy": "collect", "rules": []})
    decided(session, version, "client", make_client(session).id, {"client.payments_count": "three", "was.here": 1})
    found = matching(session, Decision.CALLBACKS, None, NOW)
    assert found is not None and found.count == 1


def test_months_of_managers_are_those_of_the_last_month_that_was_reckoned(session: Session, cast: Cast) -> None:
    body = {"decision": "bonus", "title": {"ru": "", "en": ""}, "hit_policy": "collect", "rules": []}
    version = make_version(session, "bonus", body)
    for month, revenue in (("2026-08", "100/1"), ("2026-09", "9000000/1")):
        period = BonusPeriod(month=month, version_id=version.id, computed_at=MONDAY, computed_by="system")
        period.statements = [
            BonusStatement(manager_id=cast.boris.id, total_minor=0, measures={"measure.revenue": revenue})
        ]
        session.add(period)
    session.flush()
    found = matching(session, Decision.BONUS, when(condition("measure.revenue", "ge", "90000")), NOW)
    assert found is not None and (found.count, found.ground.total) == (1, 1)
