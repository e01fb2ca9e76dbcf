"""Trying rules of assignment: who would get a stored request, or one whose values are typed. Nothing is written.

The conditions look at the facts on which the request was decided, where they are kept, and else at the facts of now;
the person is chosen by what everybody carries now, so that two bodies of rules are compared on the same ground.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.decisions.assignment import decide
from rules_engine.decisions.instants import MINUTE_US, from_us, to_us
from rules_engine.language.cases import fired
from rules_engine.language.kinds import Decision as DecisionName
from rules_engine.language.spelling import Spellings, joined, of_values
from rules_engine.language.values import Facts, parse_facts
from rules_engine.language.vocabulary import FIELDS
from rules_engine.models import Decision, Request, RequestStatus
from rules_engine.services.company.reference import Reference, reference
from rules_engine.services.drafts.body import Body
from rules_engine.services.drafts.trying import Trial, Typed, looked_at, ready, verdicts_of, with_typed
from rules_engine.services.facts import spellings
from rules_engine.services.facts.candidates import build_roster, needs_of
from rules_engine.services.facts.requests import SeenRequest, see
from rules_engine.services.rules import journal


@dataclass(frozen=True, slots=True)
class RequestGround:
    """On what rules are tried. `decided` is the decision from which the facts come, None for the facts of now.

    `request` is the stored one, or a stand-in that no session knows where values were typed. `people_at` is the instant
    whose hours say who is here: now, or the last one of working hours for a request of working hours tried at night.
    """

    session: Session
    people_at: datetime
    request: Request
    seen: SeenRequest
    facts: Facts
    decided: Decision | None
    spellings: Spellings

    def run(self, body: Body) -> Trial:
        """Return what a body of rules does; of an unfinished draft, what its finished rules do."""
        made = ready(body)
        picture = reference(self.session)
        roster = build_roster(self.session, picture, self.request, self.seen, self.people_at, needs_of(made.ruleset))
        outcome = decide(made.ruleset, made.engine.matching(self.facts), roster)
        passed = {item.rule for item in outcome.passed_over}
        return Trial(outcome.fired, verdicts_of(made, body, self.facts, outcome.fired, passed), outcome)

    def fired_on(self, body: Body) -> tuple[str, ...]:
        """Return what a test case on these facts would expect: every pool is taken to have somebody."""
        made = ready(body)
        return fired(made.ruleset, made.engine.matching(self.facts))


def ground(
    session: Session, request: Request | None, bodies: Collection[Body], now: datetime, typed: Typed | None = None
) -> RequestGround:
    """Return what these bodies are tried on: every fact that any of them looks at, of one and the same instant.

    The facts of the last decision by rules; what it did not look at is read as of its instant. `request` None is a
    new request of which nothing is known but what is `typed`. Raises FactsInvalid.
    """
    fields = looked_at(bodies)
    decided = _last_decision(session, request) if request is not None else None
    kept = journal.detail_of(session, decided.id) if decided else None
    at = decided.at if decided and kept else now
    row = request if request is not None else new_request(now)
    seen = see(session, [row], at, fields, with_people=True)[row.id]
    stored = parse_facts(_request_facts(kept)) if kept else {}
    facts = with_typed({**seen.facts, **stored}, typed or {})
    written = joined(of_values(typed or {}), spellings.of_request(request) if request is not None else {})
    if typed or request is None:
        row, seen = _as_typed(session, row, seen, facts, typed or {})
    people_at = _people_at(reference(session), facts, at, now)
    return RequestGround(session, people_at, row, seen, facts, decided if kept else None, written)


def _people_at(picture: Reference, facts: Facts, at: datetime, now: datetime) -> datetime:
    """Return the instant whose hours say who is here; `at` is that of the facts."""
    company = picture.company_calendar
    came_in_working_hours = facts.get("now.is_working_time", company.is_open(at) or at == now)
    if company.is_open(now) or not came_in_working_hours:
        return now
    before = company.add_us(to_us(now), -MINUTE_US)
    return now if before is None else from_us(before)


def new_request(now: datetime) -> Request:
    """Return a request that has just come in, of which nothing is known; no session knows it."""
    return Request(
        id=0,
        source="",
        channel="",
        received_at=now,
        status=RequestStatus.NEW,
        is_history=False,
        is_duplicate=False,
        times_reassigned=0,
        contact_attempts=0,
        times_waiting=0,
        priority="normal",
        tags=[],
        text="",
    )


def _as_typed(
    session: Session, row: Request, seen: SeenRequest, facts: Facts, typed: Typed
) -> tuple[Request, SeenRequest]:
    """Return a stand-in with what the choice of a person looks at beside the facts: the value, owner and cover."""

    def minor(key: str, present: int | None) -> int | None:
        value = facts.get(key) if key in typed else present
        return value if isinstance(value, int) else None

    amount = minor("request.amount", row.amount_minor)
    expected = minor("request.expected_value", row.expected_value_minor)
    if "request.amount" in typed and "request.expected_value" not in typed:
        expected = amount
    stand_in = Request(
        id=row.id,
        client_id=row.client_id,
        manager_id=row.manager_id,
        received_at=row.received_at,
        status=row.status,
        is_history=False,
        amount_minor=amount,
        expected_value_minor=expected,
    )
    if "client.owner" in typed:
        owner = reference(session).by_login(str(typed["client.owner"] or ""))
        seen = replace(seen, owner_id=owner.id if owner else None, cover_id=None)
    return stand_in, seen


def _last_decision(session: Session, request: Request) -> Decision | None:
    """Return the last decision that rules made about the assignment of the request; None before any."""
    statement = select(Decision).where(
        Decision.subject_kind == "request",
        Decision.subject_id == request.id,
        Decision.decision == DecisionName.ASSIGNMENT.value,
        Decision.version_id.is_not(None),
    )
    return session.scalars(statement.order_by(Decision.at.desc(), Decision.id.desc()).limit(1)).first()


def _request_facts(detail: Mapping[str, Any]) -> dict[str, Any]:
    """Return the stored facts of the request that the vocabulary still knows."""
    facts = detail.get("facts") or {}
    return {key: value for key, value in facts.items() if key in FIELDS and not key.startswith("candidate.")}
