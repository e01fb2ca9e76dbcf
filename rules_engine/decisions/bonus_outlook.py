"""What the next thing is worth: the bonus with it, less the bonus without it. Exact, to the kopeck of the total."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from math import ceil
from typing import Any, Final

from rules_engine.decisions.bonus_figures import ATTAINMENT, NEW_ATTAINMENT, OLD_ATTAINMENT, Figures, measures
from rules_engine.decisions.bonus_lines import Figure, rounded
from rules_engine.decisions.bonus_measures import PREFIX, is_no_plan
from rules_engine.language.kinds import FieldType
from rules_engine.language.model import Action, GateCondition, Ruleset, Tier
from rules_engine.language.values import SCALE
from rules_engine.language.vocabulary import FIELDS

NEXT_MONEY_MINOR: Final = 10_000_000
"""One hundred thousand roubles."""
CURVE_END: Final = Fraction(150)
"""How far the picture of the pay curve goes, in percent of plan."""

Pay = Callable[[Figures], int]
Edges = Mapping[str, Sequence[Fraction]]


class NextKind(StrEnum):
    REQUEST = "request"
    ANSWER = "answer"
    CALL = "call"
    NEW_MONEY = "new_money"
    OLD_MONEY = "old_money"
    EDGE = "edge"
    """The next step of a table or condition."""


@dataclass(frozen=True, slots=True)
class NextThing:
    """`worth` in kopecks. An edge names its measure and value; `missing` is in kopecks for money, else in pieces."""

    kind: NextKind
    worth: int
    measure: str | None = None
    edge: Fraction | None = None
    missing: int | None = None


def edges_of(ruleset: Ruleset) -> dict[str, tuple[Fraction, ...]]:
    """Return the values at which rules that are on bend or begin to pay, by measure, as tables write them, rising."""
    found: dict[str, set[Fraction]] = {}
    for measure, value in _edges(ruleset):
        found.setdefault(measure, set()).add(value)
    return {measure: tuple(sorted(values)) for measure, values in sorted(found.items())}


def next_things(pay: Pay, edges: Edges, figures: Figures) -> tuple[NextThing, ...]:
    """Return what one more of each is worth, and the next step of every table; what is worth nothing is left out."""
    now = pay(figures)
    plain = (
        (NextKind.REQUEST, _one_more_request(figures)),
        (NextKind.ANSWER, replace(figures, due=figures.due + 1, in_time=figures.in_time + 1)),
        (NextKind.CALL, _more_calls(figures, 1)),
        (NextKind.NEW_MONEY, replace(figures, new_minor=figures.new_minor + NEXT_MONEY_MINOR)),
        (NextKind.OLD_MONEY, replace(figures, old_minor=figures.old_minor + NEXT_MONEY_MINOR)),
    )
    found = [NextThing(kind, pay(changed) - now) for kind, changed in plain]
    exact = measures(figures)
    for measure, values in edges.items():
        value = exact.get(measure)
        at = None if value is None else Figure.of(measure, value).value
        edge = next((one for one in values if at is not None and one > at), None)
        reached = None if edge is None else _reach(measure, edge, figures)
        if reached is not None:
            missing, changed = reached
            found.append(NextThing(NextKind.EDGE, pay(changed) - now, measure, edge, missing))
    return tuple(one for one in found if one.worth)


def at_this_pace(figures: Figures, passed: Fraction, whole: Fraction) -> Figures | None:
    """Return the figures of the whole month if it goes on as it went; None where nothing has passed yet.

    Money and counts grow with the working time; shares (answers in time, calls of those due) stay as they are.
    """
    if passed <= 0 or whole < passed:
        return None
    factor = whole / passed
    names = ("new_minor", "old_minor", "paid_requests", "received", "processed", "calls_done", "reactivated")
    grown: dict[str, Any] = {name: rounded(getattr(figures, name) * factor) for name in names}
    return replace(figures, **grown, team_minor=rounded(figures.team_minor * factor))


def curve(pay: Pay, edges: Edges, figures: Figures, measure: str) -> tuple[tuple[Fraction, int], ...]:
    """Return the pay over one attainment, the rest as it is: (percent of plan, kopecks) at every bend and at present.

    Empty where there is no plan.
    """
    plan = figures.plan_old_minor if measure == OLD_ATTAINMENT else figures.plan_new_minor
    here = measures(figures)[measure]
    if plan is None or here is None:
        return ()
    stops = {Fraction(0), CURVE_END, *(one for one in edges.get(measure, ()) if 0 <= one <= CURVE_END)}
    if 0 <= here <= CURVE_END:
        stops.add(here)
    side = "old_minor" if measure == OLD_ATTAINMENT else "new_minor"

    def at(stop: Fraction) -> Figures:
        moved: dict[str, Any] = {side: ceil(plan * stop / 100)}
        return replace(figures, **moved)

    return tuple((stop, pay(at(stop))) for stop in sorted(stops))


def _one_more_request(figures: Figures) -> Figures:
    more = 1 if figures.processed_of_cohort < figures.cohort else 0
    return replace(figures, processed=figures.processed + 1, processed_of_cohort=figures.processed_of_cohort + more)


def _more_calls(figures: Figures, number: int) -> Figures:
    """Return the figures with more calls done: of those that are due, as long as there are any."""
    due = max(figures.calls_due, figures.calls_done_of_due + number)
    return replace(
        figures,
        calls_done=figures.calls_done + number,
        calls_due=due,
        calls_done_of_due=figures.calls_done_of_due + number,
    )


def _reach(measure: str, edge: Fraction, f: Figures) -> tuple[int, Figures] | None:
    """Return how much is missing to an edge and the figures that just reach it; None where no work reaches it."""
    if measure in (NEW_ATTAINMENT, OLD_ATTAINMENT, ATTAINMENT) or measure.startswith(f"{PREFIX}revenue"):
        return _reach_money(measure, edge, f)
    name = measure.removeprefix(PREFIX)
    if name == "in_time_pct":
        if edge >= 100:
            return None
        number = ceil((edge * f.due - 100 * f.in_time) / (100 - edge))
        return number, replace(f, due=f.due + number, in_time=f.in_time + number)
    if name == "callbacks_done_pct":
        number = ceil(edge * f.calls_due / 100) - f.calls_done_of_due
        return (number, _more_calls(f, number)) if number <= f.calls_due - f.calls_done_of_due else None
    if name == "processed_pct":
        number = ceil(edge * f.cohort / 100) - f.processed_of_cohort
        if number > f.cohort - f.processed_of_cohort:
            return None
        return number, replace(f, processed=f.processed + number, processed_of_cohort=f.processed_of_cohort + number)
    counts = {"processed_requests": "processed", "callbacks_done": "calls_done", "reactivated_clients": "reactivated"}
    if name not in counts:
        return None
    number = ceil(edge) - getattr(f, counts[name])
    reached: dict[str, Any] = {counts[name]: ceil(edge)}
    return number, replace(f, **reached)


def _reach_money(measure: str, edge: Fraction, f: Figures) -> tuple[int, Figures] | None:
    plans = {NEW_ATTAINMENT: f.plan_new_minor, OLD_ATTAINMENT: f.plan_old_minor, ATTAINMENT: f.plan_minor}
    if is_no_plan(measure):
        plan = plans[measure]
        if plan is None:
            return None
        wanted = ceil(plan * edge / 100)
    else:
        wanted = ceil(edge * 100)
    if measure in (OLD_ATTAINMENT, f"{PREFIX}revenue_old"):
        return wanted - f.old_minor, replace(f, old_minor=wanted)
    if measure in (NEW_ATTAINMENT, f"{PREFIX}revenue_new"):
        return wanted - f.new_minor, replace(f, new_minor=wanted)
    missing = wanted - f.new_minor - f.old_minor
    return missing, replace(f, new_minor=f.new_minor + missing)


def _edges(ruleset: Ruleset) -> Iterator[tuple[str, Fraction]]:
    for rule in ruleset.rules:
        if not rule.enabled:
            continue
        for condition in rule.when.conditions() if rule.when else ():
            if condition.field.startswith(PREFIX) and condition.op in ("ge", "gt") and isinstance(condition.value, int):
                yield condition.field, _as_written(condition.field, condition.value)
        for action in rule.then:
            yield from _edges_of_action(action)


def _edges_of_action(action: Action) -> Iterator[tuple[str, Fraction]]:
    by, tables = action.text("by"), (action.params.get("nodes"), action.params.get("tiers"))
    sides = [side for side in (by, action.text("rows_by"), action.text("cols_by")) if side is not None]
    for table in tables:
        for item in table if isinstance(table, tuple) else ():
            start = item.start if isinstance(item, Tier) else item[0] if isinstance(item, tuple) else item
            if isinstance(start, Fraction | int):
                yield from ((side, Fraction(start)) for side in sides)
    gates = action.params.get("all")
    for gate in gates if isinstance(gates, tuple) else ():
        if isinstance(gate, GateCondition):
            yield gate.measure, gate.full_at
            if action.params.get("soft") is True:
                yield gate.measure, gate.start


def _as_written(measure: str, canonical: int) -> Fraction:
    """Return the value of a condition as tables write it: roubles, percent, pieces."""
    kind = FIELDS[measure].type
    scale = 100 if kind is FieldType.MONEY else SCALE.get(kind, 1)
    return Fraction(canonical, scale)
