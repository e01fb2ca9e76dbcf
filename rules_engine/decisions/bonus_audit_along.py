"""The whole bonus along one measure: where it leaps, falls, or ends."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from rules_engine.decisions.bonus import compute
from rules_engine.decisions.bonus_audit_people import PersonMonth
from rules_engine.decisions.bonus_audit_words import Matching
from rules_engine.decisions.bonus_measures import PREFIX, Measures, canonical_measures
from rules_engine.decisions.bonus_probe import Drawn, Jump, breaks_of_action, breaks_of_condition
from rules_engine.language.analysis.finding import FindingKind
from rules_engine.language.cases import fired
from rules_engine.language.kinds import FieldType
from rules_engine.language.model import Action, GateCondition, Rule, Ruleset, Tier
from rules_engine.language.vocabulary import FIELDS

_NOT_BETTER = frozenset(
    f"{PREFIX}{name}"
    for name in (
        "plan_new", "plan_old", "received_requests", "callbacks_planned", "verified_complaints", "worked_norm_pct",
        "months_in_job", "cherry_picking_index", "team_attainment_pct",
    )
)  # fmt: skip
"""Measures of which more is nobody's merit: they are not followed."""
_PLANS = {
    "attainment_new_pct": ("plan_new",),
    "attainment_old_pct": ("plan_old",),
    "attainment_pct": ("plan_new", "plan_old"),
}
_SHARES = frozenset(f"{PREFIX}{name}" for name in ("processed_pct", "in_time_pct", "callbacks_done_pct"))
_STEPS = {FieldType.MONEY: Fraction(1), FieldType.PERCENT: Fraction(1, 100), FieldType.INTEGER: Fraction(1)}
_GRID = {FieldType.PERCENT: Fraction(1, 10), FieldType.INTEGER: Fraction(1)}
_TEN = 10
_ROUBLE = 100
_FURTHER = Fraction(5, 4)
_POINTS = 60
_EDGE = Fraction(1, 1_000_000)


@dataclass(frozen=True, slots=True)
class Leap:
    """Between two neighbouring values the whole bonus changes from `before` to `after` (kopecks)."""

    measure: str
    low: Fraction
    high: Fraction
    before: int
    after: int
    facts: Measures
    is_sudden: bool
    """In one smallest step; else over a tenth of a percent of plan, or all the way from `low` to `high`."""

    @property
    def more(self) -> int:
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class Source:
    """What bends or begins at a value: a rule and the place in it. `leaps`: it can change the pay at once."""

    rule: str
    path: str
    leaps: bool


class Asked:
    """The whole bonus of one profile as a function of one measure."""

    def __init__(self, ruleset: Ruleset, matching: Matching, profile: PersonMonth) -> None:
        self._ruleset, self._matching, self._profile = ruleset, matching, profile

    def at(self, axis: str, value: Fraction) -> int:
        measures = moved(self._profile.measures, axis, value)
        ids = fired(self._ruleset, self._matching(canonical_measures(measures)))
        return compute(self._ruleset, ids, measures, without_plan=self._profile.without_plan).total

    def along(
        self, axis: str, sources: Mapping[Fraction, Sequence[Source]]
    ) -> Iterator[tuple[FindingKind, Source, Leap]]:
        if not sources:
            return
        kind = FIELDS[axis].type
        step = _STEPS.get(kind, Fraction(1, 10_000))
        breaks = [value for value in sorted(sources) if value >= 0]
        end = Fraction(100) if axis in _SHARES else max([*breaks, Fraction(0)]) * _FURTHER
        if not breaks or end <= 0:
            return
        window = _GRID.get(kind, max(end / 1000, step))
        pay = _Memory(self, axis)
        average = (pay(end) - pay(Fraction(0))) / end
        if average <= 0:
            average = pay(end) / end
        threshold = max(_TEN * window * average, Fraction(_ROUBLE))
        for place, value in enumerate(breaks):
            if value > end:
                continue
            source = max(sources[value], key=lambda one: one.leaps)
            before = breaks[place - 1] if place else Fraction(0)
            following = breaks[place + 1] if place + 1 < len(breaks) else end
            for sign, neighbour in ((-1, before), (1, following)):
                near, further = (sorted((value, value + sign * size)) for size in (step, window))
                if further[0] < 0 or further[1] > end:
                    continue
                at_once, steep = (pay(high) - pay(low) for low, high in (near, further))
                if at_once > threshold and 2 * at_once >= steep:
                    yield FindingKind.CLIFF, source, self._leap(axis, near[0], near[1], pay, is_sudden=True)
                    break
                if steep > threshold:
                    low, high = sorted((value, neighbour))
                    yield FindingKind.CLIFF, source, self._leap(axis, low, high, pay, is_sudden=False)
                    break
        yield from self._falls(axis, sources, breaks, step, end, pay)
        yield from self._flat_end(axis, sources, breaks, end, pay)

    def _falls(
        self,
        axis: str,
        sources: Mapping[Fraction, Sequence[Source]],
        breaks: Sequence[Fraction],
        step: Fraction,
        end: Fraction,
        pay: "_Memory",
    ) -> Iterator[tuple[FindingKind, Source, Leap]]:
        around = {near for value in breaks for near in (value - step, value, value + step)}
        corners = sorted({Fraction(0), end, *(value for value in around if 0 <= value <= end)})
        stops = sorted(
            {*corners, *(_middle(low, high, step) for low, high in pairwise(corners) if high - low > 2 * step)}
        )
        low: Fraction | None = None
        for first, second in pairwise(stops):
            falls = pay(second) < pay(first) - _ROUBLE
            if falls and low is None:
                low = first
            following_falls = pay(second) > pay(first) or not falls
            if low is not None and (following_falls or second == stops[-1]):
                high = second if falls else first
                yield (
                    FindingKind.FALLING_PAY,
                    _nearest(sources, breaks, low, high),
                    self._leap(axis, low, high, pay, is_sudden=high - low == step),
                )
                low = None

    def _flat_end(
        self,
        axis: str,
        sources: Mapping[Fraction, Sequence[Source]],
        breaks: Sequence[Fraction],
        end: Fraction,
        pay: "_Memory",
    ) -> Iterator[tuple[FindingKind, Source, Leap]]:
        last = breaks[-1]
        grows = pay(last) > pay(Fraction(0))
        if axis in _SHARES or not _is_money(axis) or not grows or pay(end) != pay(last):
            return
        before = breaks[-2] if len(breaks) > 1 else Fraction(0)
        if pay(before) < pay(last):
            yield FindingKind.FLAT_END, sources[last][0], self._leap(axis, last, end, pay, is_sudden=False)

    def _leap(self, axis: str, low: Fraction, high: Fraction, pay: "_Memory", *, is_sudden: bool) -> Leap:
        return Leap(axis, low, high, pay(low), pay(high), moved(self._profile.measures, axis, high), is_sudden)


class _Memory:
    """What was asked before along one measure."""

    def __init__(self, asked: Asked, axis: str) -> None:
        self._asked, self._axis = asked, axis
        self._known: dict[Fraction, int] = {}

    def __call__(self, value: Fraction) -> int:
        if value not in self._known:
            self._known[value] = self._asked.at(self._axis, value)
        return self._known[value]


def whole_curve(ruleset: Ruleset, matching: Matching, profile: PersonMonth, axis: str, high: Fraction) -> Drawn:
    """Return the whole bonus along one measure from nothing to `high`, the others as in `profile`; kopecks.

    Where several components multiply it is no line between two breaks: points between them stand in for it.
    """
    asked = Asked(ruleset, matching, profile)
    breaks = {value for value in sources_of(ruleset).get(axis, {}) if 0 < value < high}
    stops = sorted(breaks | {high * count / _POINTS for count in range(_POINTS + 1)})
    runs: list[list[tuple[Fraction, Fraction]]] = [[]]
    jumps = []
    leap = asked.at(axis, high) / _POINTS if high else 0
    last: tuple[Fraction, int] | None = None
    for stop in stops:
        here = asked.at(axis, stop)
        # A break of money shows along the attainment too, where no table says its place: it is looked for.
        hidden = last is not None and abs(here - last[1]) > max(3 * leap, _ROUBLE)
        if last is not None and (stop in breaks or hidden):
            at = stop if stop in breaks else _turn(asked, axis, last[0], stop)
            before, after = asked.at(axis, at - _EDGE), asked.at(axis, at)
            if abs(after - before) >= _ROUBLE:
                runs[-1].append((at, Fraction(before)))
                jumps.append(Jump(at, Fraction(before), Fraction(after)))
                runs.append([(at, Fraction(after))])
        if not runs[-1] or runs[-1][-1][0] != stop:
            runs[-1].append((stop, Fraction(here)))
        last = stop, here
    return Drawn(tuple(tuple(run) for run in runs), tuple(jumps))


def _turn(asked: Asked, axis: str, low: Fraction, high: Fraction) -> Fraction:
    """Return the place of the steepest change between two values, up to a millionth."""
    below, above = asked.at(axis, low), asked.at(axis, high)
    while high - low > _EDGE / 2:
        middle = (low + high) / 2
        worth = asked.at(axis, middle)
        if abs(worth - below) >= abs(above - worth):
            high, above = middle, worth
        else:
            low, below = middle, worth
    return high


def axes_of(ruleset: Ruleset) -> tuple[str, ...]:
    """Return the measures along which a bonus can be followed, those that it is paid of first."""
    paid = [
        action.text(key) for rule in ruleset.rules if rule.enabled for action in rule.then for key in ("of", "count")
    ]
    known = (one for one in (*paid, *sources_of(ruleset)) if one is not None and one not in _NOT_BETTER)
    return tuple(dict.fromkeys(known))


def lacks_plan(profile: Measures, axis: str) -> bool:
    """Return whether a measure is an attainment of plans that a profile does not have: nothing can be said along it."""
    plans = _PLANS.get(axis.removeprefix(PREFIX), ())
    return bool(plans) and not any(profile.get(f"{PREFIX}{plan}") for plan in plans)


def moved(profile: Measures, axis: str, value: Fraction) -> Measures:
    """Return a profile with one measure moved, and with it what is the same thing: money, plan and attainment."""
    exact = value * 100 if FIELDS[axis].type is FieldType.MONEY else value
    found: dict[str, Fraction | None] = {**profile, axis: exact}
    name = axis.removeprefix(PREFIX)
    for side in ("new", "old"):
        plan = profile.get(f"{PREFIX}plan_{side}")
        if name == f"attainment_{side}_pct" and plan:
            found[f"{PREFIX}revenue_{side}"] = plan * value / 100
    if name in ("revenue", "attainment_pct"):
        plans = [profile.get(f"{PREFIX}plan_{side}") or Fraction(0) for side in ("new", "old")]
        if name == "attainment_pct" and not sum(plans):
            return found
        total = exact if name == "revenue" else sum(plans, Fraction(0)) * value / 100
        parts = [profile.get(f"{PREFIX}revenue_{side}") or Fraction(0) for side in ("new", "old")]
        before = sum(parts, Fraction(0))
        share = parts[0] / before if before > 0 else Fraction(1, 2)
        found[f"{PREFIX}revenue_new"], found[f"{PREFIX}revenue_old"] = total * share, total * (1 - share)
    if name.startswith(("attainment", "revenue")):
        return {**kept_together(found), axis: exact}
    return found


def kept_together(measures: Mapping[str, Fraction | None]) -> dict[str, Fraction | None]:
    found = dict(measures)
    new, old = (found.get(f"{PREFIX}revenue_{side}") for side in ("new", "old"))
    if new is None or old is None:
        return found
    found[f"{PREFIX}revenue"] = new + old
    plans = {side: found.get(f"{PREFIX}plan_{side}") for side in ("new", "old")}
    for side, money in (("new", new), ("old", old)):
        plan = plans[side]
        found[f"{PREFIX}attainment_{side}_pct"] = 100 * money / plan if plan else None
    together = sum((plan for plan in plans.values() if plan), Fraction(0))
    found[f"{PREFIX}attainment_pct"] = 100 * (new + old) / together if together else None
    return found


def sources_of(ruleset: Ruleset) -> dict[str, dict[Fraction, list[Source]]]:
    """Return what bends or begins where, by measure."""
    found: dict[str, dict[Fraction, list[Source]]] = {}

    def add(axis: str, values: Iterable[Fraction], source: Source) -> None:
        if axis in _NOT_BETTER or not axis.startswith(PREFIX):
            return
        for value in values:
            found.setdefault(axis, {}).setdefault(value, []).append(source)

    for rule in ruleset.rules:
        if not rule.enabled:
            continue
        for condition in rule.when.conditions() if rule.when else ():
            add(
                condition.field,
                breaks_of_condition(condition),
                Source(rule.id, inside(rule, condition.path), leaps=True),
            )
        for action in rule.then:
            for axis in _axes(action):
                add(
                    axis,
                    breaks_of_action(action, axis),
                    Source(rule.id, inside(rule, action.path), _leaps_itself(action)),
                )
    return found


def _axes(action: Action) -> list[str]:
    names = [action.text(key) for key in ("by", "rows_by", "cols_by", "count")]
    gates = action.params.get("all")
    if isinstance(gates, tuple):
        names += [gate.measure for gate in gates if isinstance(gate, GateCondition)]
    return list(dict.fromkeys(name for name in names if name is not None))


def _leaps_itself(action: Action) -> bool:
    tiers, gates = action.params.get("tiers"), action.params.get("all")
    if isinstance(tiers, tuple):
        return action.text("mode") == "whole" or any(isinstance(tier, Tier) and tier.fixed for tier in tiers)
    return isinstance(gates, tuple)


def _nearest(
    sources: Mapping[Fraction, Sequence[Source]], breaks: Sequence[Fraction], low: Fraction, high: Fraction
) -> Source:
    inside = [value for value in breaks if low <= value <= high] or [min(breaks, key=lambda one: abs(one - low))]
    return max((one for value in inside for one in sources[value]), key=lambda one: one.leaps)


def inside(rule: Rule, path: str) -> str:
    return path.removeprefix(rule.path)


def _middle(low: Fraction, high: Fraction, step: Fraction) -> Fraction:
    return low + step * ((high - low) / 2 // step)


def _is_money(axis: str) -> bool:
    return axis.removeprefix(PREFIX).startswith(("attainment", "revenue"))
