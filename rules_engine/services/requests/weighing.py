"""Weighing one request: facts, the rules that match, the roster, and whom the rules choose.

Nothing is written but what `record` keeps of it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from rules_engine.decisions.assignment import AssignmentOutcome, OutcomeKind, decide
from rules_engine.decisions.instants import from_us, to_us
from rules_engine.decisions.modes import Mode
from rules_engine.decisions.request_clocks import RequestClocks
from rules_engine.decisions.roster import Roster
from rules_engine.decisions.waiting_line import a_new_day_may_help
from rules_engine.language.engines.native import NativeEngine
from rules_engine.language.kinds import Decision as DecisionName
from rules_engine.language.model import Ruleset
from rules_engine.language.thresholds import fields_used, time_conditions
from rules_engine.language.values import Facts, dump, dump_facts
from rules_engine.language.vocabulary import FIELDS
from rules_engine.models import Request
from rules_engine.services.company.reference import Reference, reference
from rules_engine.services.facts.candidates import RosterNeeds, build_roster, needs_of
from rules_engine.services.facts.requests import SeenRequest, see
from rules_engine.services.rules import journal, rulebook
from rules_engine.services.rules.rulebook import PublishedRuleset

ASSIGNMENT: Final = str(DecisionName.ASSIGNMENT)
NO_ENGINE: Final = "none"
"""Of decisions for which no rules were asked."""
_EVERYTHING: Final = RosterNeeds(
    fields=frozenset(key for key in FIELDS if key.startswith("candidate.")),
    work=True,
    today=True,
    calls=True,
    pointers=True,
    previous=True,
    clients_people=True,
    shares=True,
)


@dataclass(frozen=True, slots=True)
class Weighed:
    """What the rules say about a request, with all that they saw."""

    outcome: AssignmentOutcome
    engine: str
    matching: tuple[str, ...]
    facts: Facts
    clocks: RequestClocks
    roster: Roster


def weigh(
    session: Session,
    request: Request,
    now: datetime,
    ruleset: PublishedRuleset,
    *,
    picture: Reference | None = None,
    attempt: int = 1,
) -> Weighed:
    """Return what a published ruleset says about a request at `now`; see rulebook.evaluate for `attempt`."""
    picture = picture or reference(session)
    needs = ruleset.needs
    seen = _seen(session, request, now, ruleset.fields_used, needs, picture)
    found = rulebook.evaluate(session, ruleset, seen.facts, now, attempt=attempt)
    roster = build_roster(session, picture, request, seen, now, needs)
    outcome = decide(ruleset.ruleset, found.matching, roster)
    return Weighed(outcome, found.engine, found.matching, seen.facts, seen.clocks, roster)


def weigh_draft(session: Session, request: Request, now: datetime, ruleset: Ruleset) -> Weighed:
    """Return what a ruleset that need not be published would say about a stored request at `now`."""
    picture = reference(session)
    needs = needs_of(ruleset)
    seen = _seen(session, request, now, fields_used(ruleset), needs, picture)
    matching = NativeEngine(ruleset).matching(seen.facts)
    roster = build_roster(session, picture, request, seen, now, needs)
    return Weighed(decide(ruleset, matching, roster), "native", matching, seen.facts, seen.clocks, roster)


def whole_roster(session: Session, request: Request, now: datetime, *, just_lost: Collection[int] = ()) -> Roster:
    """Return the roster for a request with everything that any rule could weigh."""
    picture = reference(session)
    seen = _seen(session, request, now, (), _EVERYTHING, picture)
    return build_roster(session, picture, request, seen, now, _EVERYTHING, just_lost=just_lost)


def record(
    session: Session, request: Request, now: datetime, ruleset: PublishedRuleset, weighed: Weighed, mode: Mode
) -> int:
    """Return the id of the stored decision: its facts, every rule's first failing condition, every candidate."""
    outcome = weighed.outcome
    return journal.write_decision(
        session,
        decision=ASSIGNMENT,
        subject_kind="request",
        subject_id=request.id,
        at=now,
        version_id=ruleset.version_id,
        engine=weighed.engine,
        mode=mode.value,
        fired=outcome.fired,
        effects=[effect.to_json() for effect in outcome.effects],
        chosen_manager_id=outcome.manager_id,
        detail={
            "facts": dump_facts(weighed.facts),
            "rules": rules_trace(ruleset.native, weighed.facts, outcome),
            "outcome": outcome.to_json(),
        },
    )


def rules_trace(native: NativeEngine, facts: Facts, outcome: AssignmentOutcome) -> list[dict[str, Any]]:
    """Return for each enabled rule whether it matched, was passed over, and its first failing condition, as JSON."""
    passed_over = {item.rule: item.reason for item in outcome.passed_over}
    trace: list[dict[str, Any]] = []
    for rule in native.explain(facts):
        failed: Mapping[str, Any] | None = None
        if rule.first_failed is not None:
            condition = rule.first_failed
            failed = {
                "field": condition.field,
                "op": condition.op,
                "value": condition.value,
                "seen": None if condition.seen is None else dump(FIELDS[condition.field], condition.seen),
                "unwanted": condition.unwanted,
            }
        trace.append(
            {
                "id": rule.rule_id,
                "matched": rule.matched,
                "passed_over": passed_over.get(rule.rule_id),
                "first_failed": failed,
            }
        )
    return trace


def retry_at(
    weighed: Weighed, ruleset: Ruleset, now: datetime, every_minutes: int, *, is_first: bool, tomorrow: datetime
) -> datetime | None:
    """Return when, strictly after `now`, a request that nobody took must be weighed again; None: time changes nothing.

    When the truth of a condition of a rule changes; and for the first of its line (`is_first`), for whose followers it
    stands, when working hours, an absence or duty of anybody who counts do, and `tomorrow` (local midnight) where a
    limit of the day or month kept somebody out. What other rows can change is told by whoever changes them
    (waiting.py); the first of a line is looked at on a fixed grid from its arrival all the same.
    """
    outcome = weighed.outcome
    if outcome.kind in (OutcomeKind.ASSIGNED, OutcomeKind.LEFT_UNASSIGNED):
        return None
    now_us = to_us(now)
    instants = _rule_changes(ruleset, weighed.clocks, now_us)
    if is_first:
        instants.append(outcome.retry_us)
        if a_new_day_may_help(outcome):
            instants.append(to_us(tomorrow))
    found = [instant for instant in instants if instant is not None and instant > now_us]
    if is_first and (outcome.depends_on_others or not found):
        step = every_minutes * 60_000_000
        start = weighed.clocks.times.received_us
        found.append(start + ((now_us - start) // step + 1) * step)
    return from_us(min(found)) if found else None


def _rule_changes(ruleset: Ruleset, clocks: RequestClocks, now_us: int) -> list[int | None]:
    return [
        clocks.clock(condition.field).next_change(condition.thresholds, now_us)
        for rule in ruleset.rules
        if rule.enabled
        for condition in time_conditions(rule)
        if not condition.in_among
    ]


def _seen(
    session: Session,
    request: Request,
    now: datetime,
    fields: Collection[str],
    needs: RosterNeeds,
    picture: Reference,
) -> SeenRequest:
    # Candidates have facts of their own.
    wanted = frozenset(key for key in fields if not key.startswith("candidate."))
    seen = see(session, [request], now, wanted, picture=picture, with_people=needs.clients_people)
    return seen[request.id]
