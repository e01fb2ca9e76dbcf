"""When a request must be looked at again: a ruleset of escalation, made ready once a version.

A rule that has fired for the present ownership (the assignment) is done, unless one of its actions repeats.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from rules_engine.decisions.instants import MINUTE_US, from_us, to_us
from rules_engine.decisions.request_clocks import CLOCK_FIELDS, RequestClocks
from rules_engine.language.engines.base import Facts, Predicate
from rules_engine.language.engines.native import compile_group
from rules_engine.language.kinds import MovedBy
from rules_engine.language.model import OTHERWISE, Condition, FieldRef, Group, Mode, Rule, Ruleset
from rules_engine.language.thresholds import Change, TimeCondition, fields_used, time_conditions
from rules_engine.language.vocabulary import FIELDS

#: The hard limit of automatic transfers of one request, whatever the rules say.
MAX_TRANSFERS: Final = 2


@dataclass(frozen=True, slots=True)
class Fired:
    """That a rule has fired for this ownership: when first (UTC microseconds), and its newest occurrence."""

    first_us: int
    last_occurrence: int = 0


FiredRules = Mapping[str, Fired]


@dataclass(frozen=True, slots=True)
class Gate:
    """A condition moved by time without which its rule cannot match, whatever its other conditions say."""

    condition: TimeCondition
    holds: Predicate


@dataclass(frozen=True, slots=True)
class RulePlan:
    """One enabled rule made ready.

    `fixed` holds the conditions that only a change of the row can move: where it is false, time cannot make
    the rule match. `steady` leaves out what other rows move. `gates` are those of `times` that must hold themselves.
    `period` is the shortest `repeat_every`.
    """

    rule: Rule
    holds: Predicate
    fixed: Predicate
    steady: Predicate
    times: tuple[TimeCondition, ...]
    gates: tuple[Gate, ...]
    is_moved_by_others: bool
    period: int | None

    @property
    def id(self) -> str:
        return self.rule.id

    @property
    def transfers(self) -> bool:
        return any(action.name == "reassign" for action in self.rule.then)


@dataclass(frozen=True, slots=True)
class EscalationPlan:
    """A ruleset of escalation made ready for one kind of item; keep it as long as the version.

    `rules` are those that can match such an item, `fields` what their conditions look at, `clock_fields` the ones among
    them that time moves.
    """

    ruleset: Ruleset
    rules: tuple[RulePlan, ...]
    fields: frozenset[str]
    clock_fields: tuple[str, ...]

    @classmethod
    def of(cls, ruleset: Ruleset, kind: str = "") -> "EscalationPlan":
        """Return the plan of a ruleset. Compiles its conditions: some milliseconds.

        `kind` (request, callback) leaves out the rules that ask for another `item.kind`, and what only they look at.
        """
        rules = tuple(rule for rule in ruleset.rules if rule.enabled and not (kind and _asks_for_another(rule, kind)))
        fields = fields_used(replace(ruleset, rules=rules))
        return cls(
            ruleset,
            tuple(_planned(rule) for rule in rules),
            fields,
            tuple(sorted(fields & CLOCK_FIELDS)),
        )

    def matching(self, facts: Facts) -> tuple[str, ...]:
        """Return the ids of the enabled rules that match, in order, by the native engine."""
        return tuple(planned.id for planned in self.rules if planned.holds(facts))


@dataclass(frozen=True, slots=True)
class Forecast:
    """At `at` the rule `rule` would carry out `action`, if nothing else happens until then."""

    at: datetime
    action: str
    rule: str


def next_wake(
    plan: EscalationPlan, fired: FiredRules, clocks: RequestClocks, facts: Facts, now: datetime
) -> datetime | None:
    """Return when, strictly after `now`, the request must be looked at again; None for not by itself.

    `facts` are those after the effects of this evaluation, clocks included, at `now`. The smallest instant at
    which time changes a condition of a rule that is not done, a repetition falls due, or the grid for rules
    moved by other rows ticks. A change of the row, of an absence, a calendar or the rules is the caller's to
    notice. It may be early, never late.
    """
    now_us = to_us(now)
    line = clocks.times.line_until_us
    found = line if line is not None and line > now_us else None
    ticks = False
    watches_all = bool(plan.ruleset.otherwise) and OTHERWISE not in fired
    for planned in plan.rules:
        state = fired.get(planned.id)
        is_done = state is not None and planned.period is None
        if (is_done and not watches_all) or not planned.fixed(facts):
            continue
        if not watches_all and (closed := [gate for gate in planned.gates if not gate.holds(facts)]):
            found = earlier(found, opening_of(closed, clocks, facts, now_us))
            continue
        for condition in planned.times:
            found = earlier(found, next_change(condition, clocks, facts, now_us))
        if state is not None and planned.period is not None:
            found = earlier(found, _next_occurrence(state, planned.period, clocks, now_us))
        if planned.is_moved_by_others and not ticks:
            ticks = planned.steady(facts)
    if ticks:
        found = earlier(found, _next_tick(clocks.grid_start_us, clocks.grid_minutes, now_us))
    return None if found is None else from_us(found)


def transfer_forecast(
    plan: EscalationPlan,
    fired: FiredRules,
    clocks: RequestClocks,
    facts: Facts,
    now: datetime,
    times_reassigned: int = 0,
    max_transfers: int = MAX_TRANSFERS,
) -> Forecast | None:
    """Return when the request goes to another manager, supposing that nothing else happens; None: not by itself.

    Walks the instants at which rules with `reassign` change; what other rows move is taken to stay as it is. Nothing
    goes while the holder has the client on the line.
    """
    if times_reassigned >= max_transfers:
        return None
    found: Forecast | None = None
    for planned in plan.rules:
        if planned.transfers and planned.id not in fired and planned.fixed(facts):
            at = _first_match(planned, clocks, facts, to_us(now), None if found is None else to_us(found.at))
            if at is not None:
                found = Forecast(from_us(at), "reassign", planned.id)
    return found


#: Changes of one rule's conditions that a forecast looks at before it gives up. They are instants at which the request
#: is looked at anyway, so whoever goes from wake to wake knows no less than whoever looks every minute.
_FORECAST_STEPS: Final = 20


def _first_match(planned: RulePlan, clocks: RequestClocks, facts: Facts, now_us: int, before: int | None) -> int | None:
    fields = [key for condition in planned.times for key in (condition.field, condition.other) if key]
    line = clocks.times.line_until_us
    at: int | None = now_us if line is None else max(now_us, line)
    for _ in range(_FORECAST_STEPS):
        if at is None or (before is not None and at >= before):
            return None
        seen = {**facts, **clocks.facts_at(at, fields)}
        if planned.holds(seen):
            return at
        if closed := [gate for gate in planned.gates if not gate.holds(seen)]:
            at = opening_of(closed, clocks, seen, at)
            continue
        following: int | None = None
        for condition in planned.times:
            following = earlier(following, next_change(condition, clocks, seen, at))
        at = following
    return None


def next_change(condition: TimeCondition, clocks: RequestClocks, facts: Facts, after: int) -> int | None:
    """Return the first instant strictly after `after` at which time can change a condition; None for never."""
    if condition.change is Change.WHEN_FILLED:
        return _filling_change(condition.field, clocks, after)
    if condition.other is None:
        return clocks.clock(condition.field).next_change(condition.thresholds, after)
    moving = [key for key in (condition.field, condition.other) if FIELDS[key].moved_by is MovedBy.WITH_TIME]
    if len(moving) == 2:
        return (after // MINUTE_US + 1) * MINUTE_US
    still = condition.other if moving[0] == condition.field else condition.field
    value = facts.get(still)
    if value is None:
        return None
    thresholds = (value, value + 1) if isinstance(value, int) and not isinstance(value, bool) else ()
    return clocks.clock(moving[0]).next_change(thresholds, after)


def _filling_change(field: str, clocks: RequestClocks, after: int) -> int | None:
    """Time alone fills or empties only the return of an owner whose next absence has no end."""
    return clocks.clock(field).next_change((), after) if field == "owner.back_in_working_minutes" else None


def _next_occurrence(state: Fired, period: int, clocks: RequestClocks, now_us: int) -> int | None:
    amount = (state.last_occurrence + 1) * period * MINUTE_US
    at = clocks.repeats_in.add_us(state.first_us, amount)
    return at if at is not None and at > now_us else None


def _next_tick(start: int, minutes: int, now_us: int) -> int:
    step = minutes * MINUTE_US
    return start + ((now_us - start) // step + 1) * step


def earlier(one: int | None, other: int | None) -> int | None:
    """Return the earlier of two instants, of which each may be never (None)."""
    if one is None or other is None:
        return one if other is None else other
    return min(one, other)


def _planned(rule: Rule) -> RulePlan:
    periods = [period for action in rule.then if (period := action.number("repeat_every")) is not None]
    # Whether a pool holds anybody eligible is always moved by other rows.
    reassigns = any(action.name == "reassign" for action in rule.then)
    times = tuple(found for found in time_conditions(rule) if not found.in_among)
    return RulePlan(
        rule=rule,
        holds=predicate_of(rule.when),
        fixed=predicate_of(part_moved_by(rule.when, frozenset({MovedBy.WITH_ITEM}))),
        steady=predicate_of(part_moved_by(rule.when, frozenset({MovedBy.WITH_ITEM, MovedBy.WITH_TIME}))),
        times=times,
        gates=gates_of(rule, times),
        is_moved_by_others=reassigns or (rule.when is not None and MovedBy.WITH_OTHERS in _movers(rule.when)),
        period=min(periods, default=None),
    )


def gates_of(rule: Rule, times: Sequence[TimeCondition]) -> tuple[Gate, ...]:
    """Return those of the time-moved conditions of a rule that stand alone in its outermost `all`."""
    if rule.when is None or rule.when.mode is not Mode.ALL:
        return ()
    alone = {item.path: item for item in rule.when.items if isinstance(item, Condition)}
    return tuple(
        Gate(found, compile_group(Group(Mode.ALL, (alone[found.path],), found.path)))
        for found in times
        if found.path in alone
    )


def opening_of(closed: Sequence[Gate], clocks: RequestClocks, facts: Facts, now_us: int) -> int | None:
    """Return before when a rule cannot match, because each of these gates stays closed until its next change.

    None: one of them never opens by time alone.
    """
    latest = now_us
    for gate in closed:
        at = next_change(gate.condition, clocks, facts, now_us)
        if at is None:
            return None
        latest = max(latest, at)
    return latest


def _asks_for_another(rule: Rule, kind: str) -> bool:
    """Return whether a condition that must hold says that the item is not of this kind."""
    if rule.when is None or rule.when.mode is not Mode.ALL:
        return False
    alone = (item for item in rule.when.items if isinstance(item, Condition) and item.field == "item.kind")
    kinds = ((item, compile_group(Group(Mode.ALL, (item,), item.path))) for item in alone)
    return any(not isinstance(item.value, FieldRef) and not holds({"item.kind": kind}) for item, holds in kinds)


def predicate_of(group: Group | None) -> Predicate:
    """Return the compiled conditions; for None what always holds."""
    return _always if group is None else compile_group(group)


def _always(_: Facts) -> bool:
    return True


def part_moved_by(group: Group | None, movers: frozenset[MovedBy]) -> Group | None:
    """Return the part of `group` that must hold for it to hold and that only `movers` can change; None: all does."""
    if group is None or _movers(group) <= movers:
        return group
    if group.mode is Mode.ANY and len(group.items) > 1:
        return None
    if group.mode is Mode.NONE:
        kept = tuple(item for item in group.items if _movers(item) <= movers)
    else:
        parts = (
            item if _movers(item) <= movers else part_moved_by(item, movers) if isinstance(item, Group) else None
            for item in group.items
        )
        kept = tuple(part for part in parts if part is not None)
    return Group(group.mode, kept, group.path) if kept else None


def _movers(item: Condition | Group) -> frozenset[MovedBy]:
    conditions = [item] if isinstance(item, Condition) else item.conditions()
    keys = {condition.field for condition in conditions}
    conditions = [item] if isinstance(item, Condition) else item.conditions()
    keys |= {condition.value.field for condition in conditions if isinstance(condition.value, FieldRef)}
    return frozenset(FIELDS[key].moved_by for key in keys)
