"""Trying rules on a stored request: which act, which do not and why, who would get it. Nothing is written.

The conditions look at the facts on which the request was decided, where they are kept, and else at the facts of now;
the person is chosen by what everybody carries now, so that two bodies of rules are compared on the same ground.
"""

import copy
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from rules_engine.decisions.assignment import AssignmentOutcome, decide
from rules_engine.language.cases import fired
from rules_engine.language.check import check
from rules_engine.language.engines.base import FailedCondition, RuleTrace
from rules_engine.language.engines.native import NativeEngine
from rules_engine.language.kinds import HitPolicy
from rules_engine.language.model import Ruleset
from rules_engine.language.ruleset import parse
from rules_engine.language.thresholds import fields_used
from rules_engine.language.values import Facts, dump_facts, parse_facts
from rules_engine.language.vocabulary import FIELDS
from rules_engine.models import Client, Decision, Request
from rules_engine.services import journal
from rules_engine.services.candidates import build_roster, needs_of
from rules_engine.services.editing_body import Body, rule_ids
from rules_engine.services.facts import SeenRequest, see
from rules_engine.services.reference import reference

FOUND_AT_MOST = 8
_LEAVE = [{"action": "leave_unassigned", "reason": "—"}]


@dataclass(frozen=True, slots=True)
class Ground:
    """On what rules are tried: the request, its facts, and the decision from which they come (None: facts of now)."""

    request: Request
    seen: SeenRequest
    facts: Facts
    decided: Decision | None


@dataclass(frozen=True, slots=True)
class RuleVerdict:
    """One rule on these facts. `left_out`: it is unfinished; `passed_over`: it matched and nobody could take it."""

    rule: str
    enabled: bool
    matched: bool = False
    acts: bool = False
    passed_over: bool = False
    left_out: bool = False
    failed: FailedCondition | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """What one body of rules does with the request. `outcome` is None where nobody is chosen (escalation)."""

    fired: tuple[str, ...]
    verdicts: tuple[RuleVerdict, ...]
    outcome: AssignmentOutcome | None


def find_requests(session: Session, query: str) -> list[Request]:
    """Return requests by number, by the sender's number, or by a part of the client's name; the newest first."""
    text = query.strip().removeprefix("№").removeprefix("#").strip()[:100]
    if not text:
        return []
    plain = text.replace(" ", "").replace("\u00a0", "")
    wanted = [Request.external_id == text]
    if plain.isdecimal() and len(plain) < 16:
        wanted.append(Request.id == int(plain))
    else:
        escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        # LIKE of SQLite knows no case beyond Latin letters: the usual ways to write a name are asked for one by one.
        for spelling in dict.fromkeys((escaped, escaped.title(), escaped.upper())):
            pattern = f"%{spelling}%"
            wanted += [Request.client_name.ilike(pattern, escape="\\"), Client.name.ilike(pattern, escape="\\")]
    statement = select(Request).outerjoin(Client, Request.client_id == Client.id).where(or_(*wanted))
    return list(session.scalars(statement.order_by(Request.received_at.desc(), Request.id.desc()).limit(FOUND_AT_MOST)))


def ground(session: Session, request: Request, decision: str, bodies: Collection[Body], now: datetime) -> Ground:
    """Return what these bodies are tried on: every fact that any of them looks at, of one and the same instant.

    Assignment: the facts of the last decision by rules; what it did not look at is read as of its instant.
    Escalation: the facts of now.
    """
    rulesets = [usable(body)[0] for body in bodies]
    fields = frozenset().union(*(fields_used(ruleset) for ruleset in rulesets))
    decided = _last_decision(session, request, decision) if decision == "assignment" else None
    kept = journal.detail_of(session, decided.id) if decided else None
    at = decided.at if decided and kept else now
    seen = see(session, [request], at, fields, with_people=True)[request.id]
    stored = parse_facts(_request_facts(kept)) if kept else {}
    return Ground(request, seen, {**seen.facts, **stored}, decided if kept else None)


def try_body(session: Session, on: Ground, body: Body, now: datetime) -> Trial:
    """Return what a body of rules does; of an unfinished draft, what its finished rules do."""
    ruleset, left_out = usable(body)
    engine = NativeEngine(ruleset)
    matching = engine.matching(on.facts)
    outcome = None
    if ruleset.hit_policy is HitPolicy.FIRST:
        needs = needs_of(ruleset)
        roster = build_roster(session, reference(session), on.request, on.seen, now, needs)
        outcome = decide(ruleset, matching, roster)
        acting = outcome.fired
    else:
        acting = fired(ruleset, matching)
    traces = {trace.rule_id: trace for trace in engine.explain(on.facts)}
    passed = {item.rule for item in outcome.passed_over} if outcome else set()
    verdicts = tuple(_verdict(rule_id, body, traces, acting, passed, left_out) for rule_id in rule_ids(body))
    return Trial(tuple(acting), verdicts, outcome)


def usable(body: Body) -> tuple[Ruleset, frozenset[str]]:
    """Return the ruleset of the rules that are finished, and the ids of those that are not."""
    plain = {**copy.deepcopy(body), "cases": []}
    broken: set[int] = set()
    for problem in check(plain):
        steps = problem.path.split("/")
        if steps[1:2] == ["rules"] and len(steps) > 2:
            broken.add(int(steps[2]))
        elif steps[1:2] == ["otherwise"]:
            plain["otherwise"] = _LEAVE
    ids = rule_ids(body)
    plain["rules"] = [rule for place, rule in enumerate(plain.get("rules", [])) if place not in broken]
    return parse(plain), frozenset(ids[place] for place in broken)


def _verdict(
    rule_id: str,
    body: Body,
    traces: Mapping[str, RuleTrace],
    acting: Collection[str],
    passed: Collection[str],
    left_out: Collection[str],
) -> RuleVerdict:
    enabled = next(rule.get("enabled", True) is True for rule in body["rules"] if rule.get("id") == rule_id)
    trace = traces.get(rule_id)
    if trace is None:
        return RuleVerdict(rule_id, enabled, left_out=rule_id in left_out)
    return RuleVerdict(
        rule_id,
        enabled,
        matched=trace.matched,
        acts=rule_id in acting,
        passed_over=rule_id in passed,
        failed=trace.first_failed,
    )


def _last_decision(session: Session, request: Request, decision: str) -> Decision | None:
    """Return the last decision that rules made about the request; None before any."""
    statement = select(Decision).where(
        Decision.subject_kind == "request",
        Decision.subject_id == request.id,
        Decision.decision == decision,
        Decision.version_id.is_not(None),
    )
    return session.scalars(statement.order_by(Decision.at.desc(), Decision.id.desc()).limit(1)).first()


def _request_facts(detail: Mapping[str, Any]) -> dict[str, Any]:
    """Return the stored facts of the request that the vocabulary still knows."""
    facts = detail.get("facts") or {}
    return {key: value for key, value in facts.items() if key in FIELDS and not key.startswith("candidate.")}


def case_facts(on: Ground) -> dict[str, object]:
    """Return the facts as a test case keeps them."""
    return dump_facts(on.facts)


def fired_on(on: Ground, body: Body) -> tuple[str, ...]:
    """Return what a test case on these facts would expect: every pool is taken to have somebody."""
    ruleset, _ = usable(body)
    return fired(ruleset, NativeEngine(ruleset).matching(on.facts))
