"""When rules of escalation would have acted on what is recorded: stretch by stretch of a request or a planned call.

A stretch is the time under one holder; a stage of it is the time during which nothing happened, so that only clocks
move. What the rules do is not played on: people would have behaved otherwise, and nobody knows how.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rules_engine.decisions.escalation_plan import EscalationPlan, RulePlan, earlier, next_change, opening_of
from rules_engine.decisions.instants import MINUTE_US
from rules_engine.decisions.request_clocks import RequestClocks
from rules_engine.language.engines.base import Facts
from rules_engine.language.model import Action, FieldRef

_STEPS: Final = 500
"""Changes of one rule's conditions that are looked at within a stage."""
_REPEATS: Final = 100


@dataclass(frozen=True, slots=True)
class Stage:
    """`[from_us, until_us)`: what the row says then, and its clocks."""

    from_us: int
    until_us: int
    facts: Facts
    clocks: RequestClocks


@dataclass(frozen=True, slots=True)
class Acted:
    """A rule would have acted at an instant first, and `times` in all."""

    rule: str
    at_us: int
    times: int = 1


def acts(plan: EscalationPlan, stages: Sequence[Stage], known: frozenset[str], max_transfers: int) -> list[Acted]:
    """Return which rules would have acted in a stretch, by instant and order of the rules.

    Rules that look at fields beyond `known` are left out. After the first transfer the stretch is over; a transfer is
    taken to find somebody.
    """
    found: list[tuple[int, int, RulePlan]] = []
    for place, planned in enumerate(plan.rules):
        if not fields_of(planned) <= known:
            continue
        at = first_match(planned, stages, max_transfers)
        if at is not None:
            found.append((at, place, planned))
    found.sort(key=lambda one: one[:2])
    transfer = next((at for at, _, planned in found if planned.transfers), None)
    kept = []
    for at, _, planned in found:
        if transfer is not None and at > transfer:
            break
        kept.append(Acted(planned.id, at, _times(planned, at, stages, transfer)))
    return kept


def first_match(planned: RulePlan, stages: Sequence[Stage], max_transfers: int) -> int | None:
    """Return the first instant at which a rule holds; None: it never does."""
    for stage in stages:
        if not planned.fixed(stage.facts):
            continue
        start = stage.from_us
        if planned.transfers:
            times = stage.clocks.times
            if times.assigned_us is None or int(str(stage.facts.get("request.times_reassigned", 0))) >= max_transfers:
                continue
            start = max(start, times.line_until_us or start)
        at = _first_in(planned, stage, start)
        if at is not None:
            return at
    return None


def fields_of(planned: RulePlan) -> frozenset[str]:
    """Return the fields that the conditions of a rule look at, those on candidates left out."""
    conditions = planned.rule.when.conditions() if planned.rule.when else ()
    keys = set()
    for condition in conditions:
        keys.add(condition.field)
        if isinstance(condition.value, FieldRef):
            keys.add(condition.value.field)
    return frozenset(keys)


def same_rules(live: EscalationPlan, draft: EscalationPlan) -> bool:
    """Return whether two plans do the same at the same time."""
    return [(one.id, one.rule.when, _written(one.rule.then)) for one in live.rules] == [
        (one.id, one.rule.when, _written(one.rule.then)) for one in draft.rules
    ]


def _written(actions: Sequence[Action]) -> list[str]:
    return [action.written for action in actions]


def _first_in(planned: RulePlan, stage: Stage, start: int) -> int | None:
    fields = [key for condition in planned.times for key in (condition.field, condition.other) if key]
    at: int | None = start
    for _ in range(_STEPS):
        if at is None or at >= stage.until_us:
            return None
        seen = {**stage.facts, **stage.clocks.facts_at(at, fields)} if fields else stage.facts
        if planned.holds(seen):
            return at
        if closed := [gate for gate in planned.gates if not gate.holds(seen)]:
            at = opening_of(closed, stage.clocks, seen, at)
            continue
        following: int | None = None
        for condition in planned.times:
            following = earlier(following, next_change(condition, stage.clocks, seen, at))
        at = following
    return None


def _times(planned: RulePlan, first: int, stages: Sequence[Stage], transfer: int | None) -> int:
    """Return how often a rule that repeats would have acted, its first time counted."""
    if planned.period is None:
        return 1
    fields = [key for condition in planned.times for key in (condition.field, condition.other) if key]
    end = stages[-1].until_us if transfer is None else min(transfer + 1, stages[-1].until_us)
    times = 1
    for number in range(1, _REPEATS):
        at = stages[-1].clocks.repeats_in.add_us(first, number * planned.period * MINUTE_US)
        if at is None or at >= end:
            break
        stage = next(one for one in stages if one.from_us <= at < one.until_us)
        if planned.holds({**stage.facts, **stage.clocks.facts_at(at, fields)}):
            times += 1
    return times
