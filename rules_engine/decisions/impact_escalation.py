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
    """`[from_us, until_us)`: what the row says then, and its clocks. `facts` hold what the clocks show at `from_us`."""

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


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """A rule whose past is recorded. `fields` are those among its own that time moves; equal to itself alone."""

    planned: RulePlan
    fields: tuple[str, ...]
    transfers: bool


def followed(plan: EscalationPlan, known: frozenset[str]) -> tuple[Followed, ...]:
    """Return the rules that look at no field beyond `known`, in order."""
    return tuple(
        Followed(
            planned,
            tuple(key for condition in planned.times for key in (condition.field, condition.other) if key),
            planned.transfers,
        )
        for planned in plan.rules
        if fields_of(planned) <= known
    )


def shared(live: Sequence[Followed], draft: Sequence[Followed]) -> tuple[Followed, ...]:
    """Return the rules of the draft, those that are the same in both as they stand in `live`."""
    by_id = {one.planned.id: one for one in live}
    return tuple(
        known if (known := by_id.get(one.planned.id)) is not None and _is_same(known, one) else one for one in draft
    )


def acts(
    rules: Sequence[Followed], stages: Sequence[Stage], max_transfers: int, firsts: dict[Followed, int | None]
) -> list[Acted]:
    """Return which rules would have acted in a stretch, by instant and order of the rules.

    After the first transfer the stretch is over; a transfer is taken to find somebody. `firsts` keeps what was found in
    these stages, for another look with rules that are partly the same.
    """
    found: list[tuple[int, int, Followed]] = []
    for place, rule in enumerate(rules):
        if rule in firsts:
            at = firsts[rule]
        else:
            at = firsts[rule] = first_match(rule, stages, max_transfers)
        if at is not None:
            found.append((at, place, rule))
    found.sort(key=lambda one: one[:2])
    transfer = next((at for at, _, rule in found if rule.transfers), None)
    kept = []
    for at, _, rule in found:
        if transfer is not None and at > transfer:
            break
        kept.append(Acted(rule.planned.id, at, _times(rule, at, stages, transfer)))
    return kept


def first_match(rule: Followed, stages: Sequence[Stage], max_transfers: int) -> int | None:
    """Return the first instant at which a rule holds; None: it never does."""
    for stage in stages:
        if not rule.planned.fixed(stage.facts):
            continue
        start = stage.from_us
        if rule.transfers:
            times = stage.clocks.times
            if times.assigned_us is None or int(str(stage.facts.get("request.times_reassigned", 0))) >= max_transfers:
                continue
            start = max(start, times.line_until_us or start)
        at = _first_in(rule, stage, start)
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


def _is_same(one: Followed, other: Followed) -> bool:
    """Return whether two rules hold at the same instants and act as often."""
    return (one.planned.rule.when, one.transfers, one.planned.period) == (
        other.planned.rule.when,
        other.transfers,
        other.planned.period,
    )


def _first_in(rule: Followed, stage: Stage, start: int) -> int | None:
    planned = rule.planned
    at: int | None = start
    for _ in range(_STEPS):
        if at is None or at >= stage.until_us:
            return None
        seen = stage.facts
        if at != stage.from_us and rule.fields:
            seen = {**seen, **stage.clocks.facts_at(at, rule.fields)}
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


def _times(rule: Followed, first: int, stages: Sequence[Stage], transfer: int | None) -> int:
    """Return how often a rule that repeats would have acted, its first time counted."""
    planned = rule.planned
    if planned.period is None:
        return 1
    end = stages[-1].until_us if transfer is None else min(transfer + 1, stages[-1].until_us)
    times = 1
    for number in range(1, _REPEATS):
        at = stages[-1].clocks.repeats_in.add_us(first, number * planned.period * MINUTE_US)
        if at is None or at >= end:
            break
        stage = next(one for one in stages if one.from_us <= at < one.until_us)
        if planned.holds({**stage.facts, **stage.clocks.facts_at(at, rule.fields)}):
            times += 1
    return times
