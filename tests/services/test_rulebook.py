"""Published rulesets: which is in force when, publishing, and the two engines of live decisions."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from rules_engine.errors import InputError, NotFound, PolicyViolation
from rules_engine.language.engines.durable import available
from rules_engine.language.engines.verified import Incident as Difference
from rules_engine.language.engines.verified import IncidentKind
from rules_engine.language.errors import RulesetInvalid
from rules_engine.models import BEGINNING_OF_TIME, AuditEntry, Incident, RulesetVersion, WorkItem
from rules_engine.services.rules import journal, rulebook
from tests.factories import (
    MONDAY,
    assignment_rules,
    condition,
    escalation_rules,
    make_cast,
    make_request,
    make_requests,
    make_version,
    rule,
)

OWN = rule("own", condition("client.owner", "is_filled"), {"action": "assign", "to": {"pool": "owner"}})
HOUR = timedelta(hours=1)


def decided(session: Session, decision: str = "assignment", version_id: int | None = None) -> None:
    journal.write_decision(
        session,
        decision=decision,
        subject_kind="request",
        subject_id=1,
        at=MONDAY,
        version_id=version_id,
        engine="native",
        mode="live",
        fired=[],
        effects=[],
        chosen_manager_id=None,
        detail={},
    )


class TestInForce:
    def test_the_latest_that_holds_is_in_force(self, any_session: Session) -> None:
        first = make_version(any_session, "assignment", assignment_rules())
        second = make_version(any_session, "assignment", assignment_rules(OWN), holds_from=MONDAY)

        assert rulebook.in_force_at(any_session, "assignment", MONDAY - HOUR).id == first.id
        assert rulebook.in_force_at(any_session, "assignment", MONDAY).id == second.id
        assert rulebook.next_change_at(any_session, "assignment", MONDAY - HOUR) == MONDAY
        assert rulebook.next_change_at(any_session, "assignment", MONDAY) is None

    def test_of_two_from_the_same_instant_the_higher_number_holds(self, session: Session) -> None:
        make_version(session, "assignment", assignment_rules())
        second = make_version(session, "assignment", assignment_rules(OWN))

        assert rulebook.published(session, "assignment", MONDAY).version_id == second.id

    def test_what_was_never_published_is_not_found(self, session: Session) -> None:
        with pytest.raises(NotFound):
            rulebook.published(session, "assignment", MONDAY)

    def test_it_says_which_fields_it_looks_at(self, session: Session) -> None:
        among = {"all": [condition("candidate.open_requests", "lt", 10)]}
        make_version(session, "assignment", assignment_rules(OWN, among=among))

        found = rulebook.published(session, "assignment", MONDAY)

        assert found.fields_used == {"client.owner", "candidate.open_requests"}

    def test_the_same_content_is_compiled_once(self, session: Session) -> None:
        make_version(session, "assignment", assignment_rules(OWN))
        first = rulebook.published(session, "assignment", MONDAY)
        make_version(session, "assignment", assignment_rules(OWN), holds_from=MONDAY)

        second = rulebook.published(session, "assignment", MONDAY)

        assert second.number == 2
        assert second.native is first.native


class TestPublishing:
    def test_a_new_version_holds_from_its_instant_and_is_audited(self, any_session: Session) -> None:
        make_cast(any_session)
        make_version(any_session, "assignment", assignment_rules())

        version = rulebook.publish(
            any_session, "assignment", assignment_rules(OWN), holds_from=MONDAY, now=MONDAY, actor="galina", note="why"
        )

        assert (version.number, version.published_by, version.note) == (2, "galina", "why")
        assert rulebook.published(any_session, "assignment", MONDAY).number == 2
        entry = any_session.scalars(select(AuditEntry).where(AuditEntry.action == "publish")).one()
        assert (entry.actor, entry.after["number"]) == ("galina", 2)

    def test_open_requests_are_looked_at_again(self, any_session: Session) -> None:
        make_cast(any_session)
        make_requests(any_session, 3)
        any_session.execute(update(WorkItem).values(wake_at=None))

        rulebook.publish(
            any_session, "escalation", escalation_rules(), holds_from=MONDAY + HOUR, now=MONDAY, actor="galina"
        )

        wakes = any_session.scalars(select(WorkItem.wake_at)).all()
        assert wakes == [MONDAY + HOUR] * 3

    def test_closed_requests_and_history_are_left_alone(self, session: Session) -> None:
        make_cast(session)
        make_request(session, status="won")
        make_request(session, is_history=True)
        session.execute(update(WorkItem).values(wake_at=None))

        rulebook.publish(session, "escalation", escalation_rules(), holds_from=MONDAY, now=MONDAY, actor="galina")

        assert session.scalars(select(WorkItem.wake_at)).all() == [None, None]

    def test_all_problems_are_named_at_once(self, session: Session) -> None:
        make_cast(session)
        bad = assignment_rules(
            rule("one", condition("request.amuont", "ge", "1"), {"action": "assign", "to": {"pool": "owner"}}),
            rule("two", None, {"action": "assign", "to": {"pool": "manager", "login": "nobody"}}),
        )

        with pytest.raises(RulesetInvalid) as refused:
            rulebook.publish(session, "assignment", bad, holds_from=MONDAY, now=MONDAY, actor="galina")

        assert [problem.code for problem in refused.value.problems] == ["unknown_field", "unknown_reference"]
        assert session.scalars(select(RulesetVersion)).all() == []

    def test_rules_of_another_decision_are_refused(self, session: Session) -> None:
        with pytest.raises(InputError):
            rulebook.publish(session, "assignment", escalation_rules(), holds_from=MONDAY, now=MONDAY, actor="galina")

    def test_the_past_can_be_set_while_no_rule_has_decided_since(self, any_session: Session) -> None:
        first = make_version(any_session, "assignment", assignment_rules())
        decided(any_session, version_id=None)
        decided(any_session, "escalation", version_id=first.id)

        version = rulebook.publish(
            any_session, "assignment", assignment_rules(OWN), holds_from=MONDAY - HOUR, now=MONDAY, actor="galina"
        )

        assert rulebook.in_force_at(any_session, "assignment", MONDAY).id == version.id

    def test_the_past_cannot_be_set_once_rules_have_decided_at_or_after_it(self, any_session: Session) -> None:
        first = make_version(any_session, "assignment", assignment_rules())
        decided(any_session, version_id=first.id)

        for back in (MONDAY, MONDAY - HOUR):
            with pytest.raises(PolicyViolation):
                rulebook.publish(
                    any_session, "assignment", assignment_rules(OWN), holds_from=back, now=MONDAY + HOUR, actor="g"
                )
        rulebook.publish(
            any_session,
            "assignment",
            assignment_rules(OWN),
            holds_from=MONDAY + timedelta(microseconds=1),
            now=MONDAY + HOUR,
            actor="galina",
        )

    def test_numbers_are_counted_per_decision(self, session: Session) -> None:
        make_version(session, "assignment", assignment_rules())
        version = rulebook.publish(
            session, "escalation", escalation_rules(), holds_from=BEGINNING_OF_TIME, now=MONDAY, actor="galina"
        )

        assert version.number == 1


class TestEngines:
    FACTS = {"client.owner": "anna"}

    def test_the_first_attempt_asks_both_engines_and_a_second_one_native_alone(self, session: Session) -> None:
        if not available():
            pytest.skip("durable_rules cannot be imported in this Python")
        make_version(session, "assignment", assignment_rules(OWN))
        found = rulebook.published(session, "assignment", MONDAY)

        first = rulebook.evaluate(session, found, self.FACTS, MONDAY)
        second = rulebook.evaluate(session, found, self.FACTS, MONDAY, attempt=2)

        assert (first.matching, first.engine) == (("own",), "durable+native")
        assert (second.matching, second.engine) == (("own",), "native")
        assert session.scalars(select(Incident)).all() == []

    def test_a_version_that_durable_rules_must_not_have_is_decided_by_native(self, session: Session) -> None:
        version = make_version(session, "assignment", assignment_rules(OWN))
        version.durable_refused = "it hung"

        found = rulebook.published(session, "assignment", MONDAY)

        assert rulebook.evaluate(session, found, self.FACTS, MONDAY).engine == "native"

    def test_a_difference_becomes_one_incident_however_often_it_is_met(self, any_session: Session) -> None:
        make_version(any_session, "assignment", assignment_rules(OWN))
        found = rulebook.published(any_session, "assignment", MONDAY)
        differing = replace(found, engine=Differing())

        for _ in range(3):
            answer = rulebook.evaluate(any_session, differing, self.FACTS, MONDAY)
            any_session.flush()

        assert answer.matching == ("own",)
        incident = any_session.scalars(select(Incident)).one()
        assert incident.kind == "engine_difference"
        assert incident.data["durable"] == []
        assert incident.data["facts"] == {"client.owner": "anna"}


class Differing:
    """An engine in whose C part a rule got lost."""

    name = "verified"

    def matching(self, facts: object) -> tuple[str, ...]:
        rulebook.note_difference(Difference(IncidentKind.DIFFERENCE, ("own",), (), TestEngines.FACTS, ""))
        return ("own",)
