"""One component of the bonus by itself, asked by the real arithmetic: what it pays over one measure.

What pays is asked for its lines together, in kopecks; what changes other lines (a multiplier, a gate) for its factor.
Between the breaks of its tables a component is linear in its measure, so a picture needs no other points.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from statistics import median
from typing import Any

from rules_engine.decisions.bonus import compute
from rules_engine.decisions.bonus_lines import Statement
from rules_engine.decisions.bonus_measures import Measures, canonical_measures
from rules_engine.language.cases import fired
from rules_engine.language.engines.native import NativeEngine
from rules_engine.language.errors import RulesetInvalid
from rules_engine.language.kinds import FieldType
from rules_engine.language.model import Action, Condition, GateCondition, Group, Ruleset, Tier
from rules_engine.language.ruleset import parse
from rules_engine.language.values import SCALE
from rules_engine.language.vocabulary import FIELDS

CHANGING = frozenset({"multiply", "gate"})
"""Actions that change lines; `cap` and `guarantee` look at all lines at once and have no picture of their own."""
_WHOLE = 1_000_000_00
"""What is changed, so that the amount left is the factor."""
_EDGE = Fraction(1, 1_000_000)
_TYPICAL = {FieldType.MONEY: Fraction(1_000_000_00), FieldType.PERCENT: Fraction(100), FieldType.INTEGER: Fraction(50)}
_MOVED_TOGETHER = {"pay_tiers": "of"}


@dataclass(frozen=True, slots=True)
class Jump:
    """Where the pay leaps: just below `at` it is `before`, from there on `after`."""

    at: Fraction
    before: Fraction
    after: Fraction


@dataclass(frozen=True, slots=True)
class Drawn:
    """A component over its measure: unbroken runs of points (value as tables write it, what it pays), and its jumps."""

    runs: tuple[tuple[tuple[Fraction, Fraction], ...], ...]
    jumps: tuple[Jump, ...]

    @property
    def highest(self) -> Fraction:
        return max((worth for run in self.runs for _, worth in run), default=Fraction(0))


@dataclass(frozen=True, slots=True)
class Probe:
    """A component that can be asked. `is_factor`: it gives a factor, not kopecks."""

    ruleset: Ruleset
    matching: Any
    action: Action
    is_factor: bool

    def statement(self, measures: Measures, without_plan: Iterable[str] = ()) -> Statement:
        ids = fired(self.ruleset, self.matching(canonical_measures(measures)))
        return compute(self.ruleset, ids, measures, without_plan=frozenset(without_plan))

    def worth(self, measures: Measures, without_plan: Iterable[str] = ()) -> Fraction:
        """Return what the component gives on exact measures: kopecks, unrounded, or a factor."""
        lines = self.statement(measures, without_plan).lines
        together = sum((line.exact for line in lines), Fraction(0))
        return together / _WHOLE if self.is_factor else together

    @property
    def axes(self) -> tuple[str, ...]:
        """The measures that it reads, the one to draw it over first; none for a fixed amount without conditions."""
        names = ("by", "rows_by", "cols_by", "count", "of")
        own = [name for key in names if (name := self.action.text(key)) is not None]
        if self.action.name == "pay_tiers":
            own = own[:1]
        gates = self.action.params.get("all")
        own += [gate.measure for gate in gates if isinstance(gate, GateCondition)] if isinstance(gates, tuple) else []
        when = self.ruleset.rules[0].when
        own += [one.field for one in when.conditions()] if when and not own else []
        return tuple(dict.fromkeys(own))

    def breaks(self, axis: str) -> tuple[Fraction, ...]:
        """Return where it bends or leaps along a measure, as tables write it, rising."""
        found = set(breaks_of_action(self.action, axis))
        when = self.ruleset.rules[0].when
        return tuple(sorted(found | set(breaks_of_group(when, axis) if when else ())))

    def drawn(self, axis: str, others: Measures, low: Fraction, high: Fraction) -> Drawn:
        """Return it over `axis` from `low` to `high`, the other measures as given; see `along`."""
        stops = sorted({low, high, *(stop for stop in self.breaks(axis) if low < stop < high)})
        together = _MOVED_TOGETHER.get(self.action.name, "")
        follower = self.action.text(together) if together else None

        def at(value: Fraction) -> Fraction:
            return self.worth(along(others, axis, value, follower))

        runs: list[list[tuple[Fraction, Fraction]]] = [[]]
        jumps = []
        noticed = Fraction(1, 1000) if self.is_factor else Fraction(100)
        for stop in stops:
            here = at(stop)
            if stop > low:
                before = at(stop - _EDGE)
                runs[-1].append((stop, before))
                if abs(here - before) >= noticed:
                    jumps.append(Jump(stop, before, here))
                    runs.append([])
                else:
                    runs[-1].pop()
            runs[-1].append((stop, here))
        return Drawn(tuple(tuple(run) for run in runs), tuple(jumps))


def probe_of(action: Mapping[str, Any], when: Mapping[str, Any] | None = None) -> Probe | None:
    """Return a component of a document ready to be asked; None while it is unfinished or has no picture.

    `when`, the conditions of its rule, count where all of them look at the measure that the component is drawn over;
    else the component is shown as it pays when its rule acts.
    """
    name = action.get("action")
    if name in ("cap", "guarantee"):
        return None
    first = {"action": "pay_fixed", "line": "whole", "amount": f"{_WHOLE // 100}"}
    then = [first, {**action, "lines": ["whole"]}] if name in CHANGING else [dict(action)]
    rule: dict[str, Any] = {"id": "probe", "title": "probe", "then": then}
    plain = _parsed(rule)
    if plain is None:
        return None
    probe = Probe(plain, NativeEngine(plain).matching, plain.rules[0].then[-1], name in CHANGING)
    conditional = _parsed({**rule, "when": when}) if when else None
    if conditional is None or conditional.rules[0].when is None:
        return probe
    looked_at = {one.field for one in conditional.rules[0].when.conditions()}
    if looked_at - set(probe.axes[:1]) and (probe.axes or len(looked_at) > 1):
        return probe
    return Probe(conditional, NativeEngine(conditional).matching, conditional.rules[0].then[-1], probe.is_factor)


def along(others: Measures, axis: str, value: Fraction, follower: str | None = None) -> Measures:
    """Return measures with one of them moved to a value as tables write it.

    `follower`, what is paid for while the axis says at which rate, moves in the same proportion: who reaches more of
    his plan has brought more money.
    """
    exact = value * 100 if FIELDS[axis].type is FieldType.MONEY else value
    moved = {**others, axis: exact}
    if follower is not None and follower != axis:
        at, amount = others.get(axis), others.get(follower)
        per_unit = amount / at if at and amount is not None else typical_of(follower) / typical_of(axis)
        moved[follower] = max(exact, Fraction(0)) * per_unit
    return moved


def typical(people: Iterable[Measures]) -> dict[str, Fraction | None]:
    """Return the middle value of each measure over people's months; an ordinary one where nobody has any."""
    rows = list(people)
    found: dict[str, Fraction | None] = {}
    for key in FIELDS:
        if not key.startswith("measure."):
            continue
        seen = [value for row in rows if (value := row.get(key)) is not None]
        found[key] = median(seen) if seen else typical_of(key)
    return found


def typical_of(measure: str) -> Fraction:
    """Return an ordinary value of a measure for which there is no history: on plan, a million roubles, fifty."""
    return _TYPICAL.get(FIELDS[measure].type, Fraction(1))


def breaks_of_action(action: Action, axis: str) -> Iterable[Fraction]:
    """Yield where the tables of an action bend or leap along a measure, as they write it."""
    if axis in (action.text("by"), action.text("rows_by"), action.text("cols_by")):
        for name in ("nodes", "tiers"):
            table = action.params.get(name)
            for item in table if isinstance(table, tuple) else ():
                start = item.start if isinstance(item, Tier) else item[0] if isinstance(item, tuple) else item
                if isinstance(start, Fraction):
                    yield start
    gates = action.params.get("all")
    for gate in gates if isinstance(gates, tuple) else ():
        if isinstance(gate, GateCondition) and gate.measure == axis:
            yield gate.full_at
            if action.params.get("soft") is True:
                yield gate.start
    at_most = action.number("at_most")
    if at_most is not None and axis == action.text("count"):
        yield Fraction(at_most)


def breaks_of_group(group: Group, axis: str) -> Iterable[Fraction]:
    """Yield where conditions change their truth along a measure, as tables write it: the first value that differs."""
    for condition in group.conditions():
        if condition.field == axis:
            yield from breaks_of_condition(condition)


def breaks_of_condition(condition: Condition) -> Iterable[Fraction]:
    """Yield where one condition changes its truth along its field."""
    return (_as_written(condition.field, value) for value in _turns(condition))


def _turns(condition: Condition) -> Iterable[int]:
    value = condition.value
    if isinstance(value, tuple):
        yield from (item for item in value if isinstance(item, int))
    elif isinstance(value, frozenset):
        for item in value:
            if isinstance(item, int):
                yield from (item, item + 1)
    elif isinstance(value, int) and not isinstance(value, bool):
        if condition.op in ("ge", "lt"):
            yield value
        elif condition.op in ("gt", "le"):
            yield value + 1
        else:
            yield from (value, value + 1)


def _as_written(measure: str, canonical: int) -> Fraction:
    kind = FIELDS[measure].type
    return Fraction(canonical, 100 if kind is FieldType.MONEY else SCALE.get(kind, 1))


def _parsed(rule: Mapping[str, Any]) -> Ruleset | None:
    try:
        return parse({"decision": "bonus", "hit_policy": "collect", "rules": [rule]})
    except RulesetInvalid:
        return None
