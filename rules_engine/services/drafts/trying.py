"""Trying rules without writing anything: a body made ready, what is typed over its facts, a verdict for each rule.

What it is tried on lies in the room `trials`, a module for each decision.
"""

import copy
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Final

from rules_engine.decisions.assignment import AssignmentOutcome
from rules_engine.decisions.bonus import MONTHS_IN_JOB, WORKED
from rules_engine.decisions.bonus_lines import Statement
from rules_engine.decisions.bonus_measures import PREFIX
from rules_engine.decisions.callback_outcome import CallbackOutcome
from rules_engine.decisions.escalation_outcome import EscalationOutcome
from rules_engine.language.check import check
from rules_engine.language.engines.base import FailedCondition, RuleTrace
from rules_engine.language.engines.native import NativeEngine
from rules_engine.language.errors import RulesetInvalid
from rules_engine.language.kinds import HIT_POLICIES, Decision, HitPolicy
from rules_engine.language.model import Ruleset
from rules_engine.language.ruleset import content_hash, parse
from rules_engine.language.thresholds import fields_used
from rules_engine.language.values import Canonical, Facts, parse_facts
from rules_engine.services.drafts.body import Body, rule_ids

Typed = Mapping[str, object]
"""Values typed over those of what was picked: JSON by the key of the field; None empties the field."""
Outcome = AssignmentOutcome | EscalationOutcome | CallbackOutcome | Statement

_LEAVE: Final = [{"action": "leave_unassigned", "reason": "—"}]
_KEPT: Final = 16
_NEEDED: Final = {
    Decision.CALLBACKS: frozenset({"client.do_not_call", "client.consent_to_offers"}),
}
"""What a decision looks at whatever its rules say."""
_OWNERS_POOLS: Final = frozenset({"owner", "cover", "team_of_owner"})


@dataclass(frozen=True, slots=True)
class Ready:
    """A body made ready to be asked: the rules that are finished, and the ids of those that are not."""

    ruleset: Ruleset
    engine: NativeEngine
    left_out: frozenset[str]


@dataclass(frozen=True, slots=True)
class RuleVerdict:
    """One rule on given facts. `left_out`: it is unfinished; `passed_over`: it matched and nobody could take it."""

    rule: str
    enabled: bool
    matched: bool = False
    acts: bool = False
    passed_over: bool = False
    left_out: bool = False
    failed: FailedCondition | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """What one body of rules does: the ids that act, a verdict for each rule, and what comes of it."""

    fired: tuple[str, ...]
    verdicts: tuple[RuleVerdict, ...]
    outcome: Outcome


_ready: OrderedDict[str, Ready] = OrderedDict()
_lock = Lock()


def ready(body: Body) -> Ready:
    """Return a body made ready; the last few are kept by their content."""
    key = content_hash(body)
    with _lock:
        found = _ready.get(key)
        if found is not None:
            _ready.move_to_end(key)
            return found
    ruleset, left_out = usable(body)
    found = Ready(ruleset, NativeEngine(ruleset), left_out)
    with _lock:
        _ready[key] = found
        while len(_ready) > _KEPT:
            _ready.popitem(last=False)
    return found


def usable(body: Body) -> tuple[Ruleset, frozenset[str]]:
    """Return the ruleset of the rules that can act, and the ids of those that are not finished.

    A rule of the bonus that changes a line of an unfinished one cannot act either. Where the document as a whole cannot
    be read, no rule can.
    """
    plain = {**copy.deepcopy(body), "cases": []}
    is_first = HIT_POLICIES[Decision(body["decision"])] is HitPolicy.FIRST
    left_out: set[str] = set()
    while True:
        broken: set[int] = set()
        lost_otherwise = False
        for problem in check(plain):
            steps = problem.path.split("/")
            if steps[1:2] == ["rules"] and len(steps) > 2:
                broken.add(int(steps[2]))
            elif steps[1:2] == ["otherwise"]:
                lost_otherwise = True
        if lost_otherwise:
            plain["otherwise"] = _LEAVE
            if not is_first:
                del plain["otherwise"]
        if not broken:
            try:
                return parse(plain), frozenset(left_out)
            except RulesetInvalid:
                ids = rule_ids(body) if isinstance(body.get("rules", []), list) else ()
                return parse(_empty(body)), frozenset(ids)
        ids = rule_ids(plain)
        left_out |= {ids[place] for place in broken}
        plain["rules"] = [rule for place, rule in enumerate(plain["rules"]) if place not in broken]


def _empty(body: Body) -> Body:
    """Return a ruleset of the same decision in which nothing can act."""
    policy = HIT_POLICIES[Decision(body["decision"])]
    title = {"ru": "—", "en": "—"}
    empty: Body = {"decision": body["decision"], "title": title, "hit_policy": policy.value, "rules": [], "cases": []}
    return empty | ({"otherwise": _LEAVE} if policy is HitPolicy.FIRST else {})


def looked_at(bodies: Collection[Body]) -> frozenset[str]:
    """Return every field that the finished rules of any of these bodies look at, those of candidates left out."""
    found: set[str] = set()
    for body in bodies:
        ruleset = ready(body).ruleset
        found |= {key for key in fields_used(ruleset) if not key.startswith("candidate.")}
        found |= _NEEDED.get(ruleset.decision, frozenset())
        for name, document in _actions(ruleset):
            found |= {text for text in _texts(document) if text.startswith(PREFIX)}
            if name == "guarantee":
                found |= {WORKED, MONTHS_IN_JOB}
            pools = document.get("to")
            if name == "assign" and any(text in _OWNERS_POOLS for text in _texts(pools)):
                found.add("client.owner")
    return frozenset(found)


def with_typed(facts: Mapping[str, Canonical], typed: Typed) -> Facts:
    """Return the facts with what was typed over them. Raises FactsInvalid."""
    found = {key: value for key, value in facts.items() if key not in typed}
    return found | parse_facts({key: value for key, value in typed.items() if value is not None})


def verdicts_of(
    made: Ready, body: Body, facts: Facts, acting: Collection[str], passed: Collection[str] = ()
) -> tuple[RuleVerdict, ...]:
    """Return a verdict for each rule of a body, in its order; `acting` and `passed` say what came of those that match.

    `otherwise` has none.
    """
    traces = {trace.rule_id: trace for trace in made.engine.explain(facts)}
    return tuple(_verdict(rule, traces, acting, passed, made.left_out) for rule in body.get("rules", []))


def _verdict(
    rule: Mapping[str, object],
    traces: Mapping[str, RuleTrace],
    acting: Collection[str],
    passed: Collection[str],
    left_out: Collection[str],
) -> RuleVerdict:
    rule_id, enabled = str(rule.get("id", "")), rule.get("enabled", True) is True
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


def _actions(ruleset: Ruleset) -> Iterator[tuple[str, dict[str, object]]]:
    for rule in ruleset.rules:
        if rule.enabled:
            yield from ((action.name, action.to_json()) for action in rule.then)
    yield from ((action.name, action.to_json()) for action in ruleset.otherwise)


def _texts(document: object) -> Iterator[str]:
    """Yield every text that stands somewhere in a JSON value."""
    if isinstance(document, str):
        yield document
    elif isinstance(document, dict):
        for item in document.values():
            yield from _texts(item)
    elif isinstance(document, list):
        for item in document:
            yield from _texts(item)
