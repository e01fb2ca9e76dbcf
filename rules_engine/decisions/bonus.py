"""The bonus of one manager for one month: the actions of the rules that fired, in order, in exact fractions.

Every paying action makes a line; `multiply`, `gate` and `cap` change lines that are there already. Nothing is
rounded before all actions have run; then each line is, once, halves away from zero. What was capped together adds up
to the cap (largest remainder, ties by name), and a guarantee brings the rounded lines to the rounded minimum.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TypeVar

from rules_engine.decisions.bonus_curves import Reading, in_slabs, on_curve, on_matrix, tier_of
from rules_engine.decisions.bonus_gauges import Gauges
from rules_engine.decisions.bonus_lines import (
    FLOOR,
    GUARANTEE,
    Figure,
    Line,
    Part,
    Statement,
    Step,
    StepKind,
    Term,
    Unit,
    distribute,
    rounded,
)
from rules_engine.decisions.bonus_measures import Measures, canonical_measures
from rules_engine.language.cases import fired as acting
from rules_engine.language.engines.base import Engine
from rules_engine.language.model import Above, Action, GateCondition, Parameter, Ruleset, Tier

MONTHS_IN_JOB = "measure.months_in_job"
WORKED = "measure.worked_norm_pct"
_HUNDRED = Fraction(100)
_T = TypeVar("_T")


def compute(
    ruleset: Ruleset, fired: Iterable[str], measures: Measures, *, without_plan: Collection[str] = ()
) -> Statement:
    """Return the statement that the actions of `fired` (ids in order, `otherwise` included) make of exact measures.

    `measures`: see `bonus_measures`. `without_plan` names the attainments that are empty by intention: a matrix
    then is the curve of its other side, read where the missing side stands at 100 %. Never raises for an empty
    measure: what pays by it pays nothing, and the line says why.
    """
    ids = tuple(fired)
    sheet = _Sheet(Gauges(measures, frozenset(without_plan)))
    for rule in ids:
        for action in ruleset.actions_of(rule):
            sheet.act(action, rule)
    return sheet.statement(ids)


def statement_of(
    ruleset: Ruleset, engine: Engine, measures: Measures, *, without_plan: Collection[str] = ()
) -> Statement:
    """Return the statement of exact measures: the engine says which rules match on their canonical form."""
    matching = engine.matching(canonical_measures(measures))
    return compute(ruleset, acting(ruleset, matching), measures, without_plan=without_plan)


@dataclass(slots=True)
class _Entry:
    """A line that may still change; `amount` is unrounded, in kopecks."""

    line: Line
    amount: Fraction

    def step(self, step: Step, amount: Fraction) -> None:
        self.line = replace(self.line, steps=(*self.line.steps, step))
        self.amount = amount


@dataclass(frozen=True, slots=True)
class _Balance:
    """Lines that must add up when they are rounded, as they stood then.

    Where a later action changed one of them there is nothing left to add up to. With `least` (kopecks) they are a
    guarantee, the last of them, and the lines that it fills up.
    """

    places: tuple[int, ...]
    amounts: tuple[Fraction, ...]
    least: Fraction | None = None


@dataclass(slots=True)
class _Sheet:
    gauges: Gauges
    entries: list[_Entry] = field(default_factory=list)
    balances: list[_Balance] = field(default_factory=list)

    def act(self, action: Action, rule: str) -> None:
        _ACTIONS[action.name](self, action, rule)

    def statement(self, fired: tuple[str, ...]) -> Statement:
        amounts = [rounded(entry.amount) for entry in self.entries]
        for balance in self.balances:
            if self._still_as(balance):
                self._settle(balance, amounts)
        lines = [
            replace(entry.line, exact=entry.amount, amount=amount)
            for entry, amount in zip(self.entries, amounts, strict=True)
        ]
        total = sum(amounts)
        if total < 0:
            lines.append(_fixed_line(FLOOR, FLOOR, FLOOR, Fraction(-total), amount=-total))
        return Statement(fired, tuple(lines), max(total, 0))

    def percent(self, action: Action, rule: str) -> None:
        of = _text(action, "of")
        value = self.gauges.value(of)
        if value is None:
            return self._nothing(action, rule, of)
        base, rate = Figure.of(of, value), Figure(_fraction(action, "rate"), Unit.PERCENT)
        return self._pay(action, rule, value * rate.value / 100, base, (Term(base, rate),), (of,))

    def tiers(self, action: Action, rule: str) -> None:
        of, by, tiers = _text(action, "of"), _text(action, "by"), _items(action, "tiers", Tier)
        amount, at = self.gauges.value(of), self.gauges.at(by)
        if amount is None or at is None:
            return self._nothing(action, rule, of if amount is None else by)
        starts = [tier.start for tier in tiers]
        spans = list(zip(starts, [*starts[1:], None], strict=True))
        terms = []
        if _text(action, "mode") == "slab":
            for share in in_slabs(starts, at, amount):
                rate = Figure(tiers[share.tier].rate, Unit.PERCENT)
                terms.append(Term(Figure.money(share.part), rate, spans[share.tier]))
            reached = [index for index, start in enumerate(starts) if start <= at]
        else:
            tier = tier_of(starts, at)
            terms.append(Term(Figure.money(amount), Figure(tiers[tier].rate, Unit.PERCENT), spans[tier]))
            reached = [tier] if at >= 0 else []
        # In slabs the fixed sums of all tiers that were reached add up, or passing an edge would cost money.
        terms += [
            Term(Figure.money(fixed), None, spans[index]) for index in reached if (fixed := tiers[index].fixed or 0)
        ]
        return self._pay(action, rule, _sum_of(terms), Figure.money(amount), tuple(terms), (of, by))

    def curve(self, action: Action, rule: str) -> None:
        by = _text(action, "by")
        at = self.gauges.at(by)
        if at is None:
            return self._nothing(action, rule, by)
        return self._read(action, rule, on_curve(by, _pairs(action), at), (by,))

    def matrix(self, action: Action, rule: str) -> None:
        sides = _text(action, "rows_by"), _text(action, "cols_by")
        empty = [side for side in sides if self.gauges.at(side) is None]
        row, column = (self.gauges.at_or_on_plan(side) for side in sides)
        if row is None or column is None or len(empty) == len(sides):
            unwanted = [side for side in empty if self.gauges.at_or_on_plan(side) is None]
            return self._nothing(action, rule, (unwanted or empty)[0])
        reading = on_matrix(sides, _items(action, "nodes", Fraction), _pairs(action, "values"), (row, column))
        return self._read(action, rule, reading, sides)

    def per_unit(self, action: Action, rule: str) -> None:
        count = _text(action, "count")
        value = self.gauges.value(count)
        if value is None:
            return self._nothing(action, rule, count)
        at_most = action.number("at_most")
        paid = Figure.of(count, value if at_most is None else min(value, Fraction(at_most)))
        each = Figure.money(_minor(action))
        return self._pay(action, rule, paid.value * each.value * 100, paid, (Term(paid, each),), (count,), at_most)

    def fixed(self, action: Action, rule: str) -> None:
        self._add(_fixed_line(rule, _text(action, "line"), action.name, Fraction(_minor(action))))

    def multiply(self, action: Action, rule: str) -> None:
        by = _text(action, "by")
        reading = self.gauges.factor(by, _pairs(action))
        step = Step(StepKind.MULTIPLY, rule, factor=reading.value, seen=self.gauges.seen(by), rows=reading.rows)
        for entry in self._named(action):
            entry.step(step, entry.amount * reading.value)

    def gate(self, action: Action, rule: str) -> None:
        soft = action.params.get("soft") is True
        gates = tuple(self.gauges.gate(condition, soft=soft) for condition in _items(action, "all", GateCondition))
        share = min(gate.share for gate in gates)
        step = Step(StepKind.GATE, rule, factor=share, gates=gates, soft=soft)
        for entry in self._named(action):
            entry.step(step, entry.amount * share)

    def cap(self, action: Action, rule: str) -> None:
        limit = Fraction(_minor(action))
        capped = self._named(action)
        together = sum((entry.amount for entry in capped), Fraction(0))
        if together <= limit:
            return
        if len(capped) == 1:
            capped[0].step(Step(StepKind.CAP, rule, amount=limit), limit)
            return
        factor = limit / together
        for entry in capped:
            entry.step(Step(StepKind.CAP, rule, factor=factor, amount=limit), entry.amount * factor)
        names = action.texts("lines")
        self._balance(place for place, entry in enumerate(self.entries) if entry.line.line in names)

    def guarantee(self, action: Action, rule: str) -> None:
        """Bring all lines so far to the minimum, in the first months; the running month counts as one."""
        months, worked = self.gauges.value(MONTHS_IN_JOB), self.gauges.value(WORKED)
        if months is None or months > (action.number("first_months") or 0):
            return
        seen = (self.gauges.seen(MONTHS_IN_JOB), self.gauges.seen(WORKED))
        line = Line(rule, GUARANTEE, action.name, Fraction(0), 0, inputs=seen)
        if worked is None:
            self._add(replace(line, missing=WORKED))
            return
        full = Figure.money(_minor(action))
        share = Figure(min(max(worked, Fraction(0)), _HUNDRED), Unit.PERCENT)
        least = _minor(action) * share.value / 100
        above = sum((entry.amount for entry in self.entries), Fraction(0))
        step = Step(StepKind.LESS, rule, amount=above)
        missing = max(least - above, Fraction(0))
        self._add(replace(line, of=full, terms=(Term(full, share),), steps=(step,), exact=missing))
        self._balance(range(len(self.entries)), least)

    def _nothing(self, action: Action, rule: str, measure: str) -> None:
        """Add the lines of an action that has nothing to pay by."""
        seen = (self.gauges.seen(measure),)
        for name in _names(action):
            self._add(Line(rule, name, action.name, Fraction(0), 0, inputs=seen, missing=measure))

    def _pay(
        self,
        action: Action,
        rule: str,
        amount: Fraction,
        of: Figure,
        terms: tuple[Term, ...],
        measures: tuple[str, ...],
        at_most: int | None = None,
    ) -> None:
        seen = tuple(self.gauges.seen(measure) for measure in dict.fromkeys(measures))
        name = _text(action, "line")
        self._add(Line(rule, name, action.name, amount, 0, of, terms, inputs=seen, at_most=at_most))

    def _read(self, action: Action, rule: str, reading: Reading, measures: tuple[str, ...]) -> None:
        """Add the line of a curve or matrix, and a second one for what is above."""
        base = Figure.money(_minor(action))
        seen = tuple(self.gauges.seen(measure) for measure in measures)
        above = action.params.get("above")
        shares: list[tuple[str, Fraction, Part | None]] = [(_text(action, "line"), reading.value, None)]
        if isinstance(above, Above):
            up_to, over = min(reading.value, above.start), max(reading.value - above.start, Fraction(0))
            shares = [
                (_text(action, "line"), up_to, Part(reading.value, above.start, is_above=False)),
                (above.line, over, Part(reading.value, above.start, is_above=True)),
            ]
        for name, factor, part in shares:
            terms = (Term(base, Figure(factor, Unit.FACTOR)),)
            amount = _minor(action) * factor
            self._add(Line(rule, name, action.name, amount, 0, base, terms, (), seen, reading.rows, part))

    def _add(self, line: Line) -> None:
        self.entries.append(_Entry(line, line.exact))

    def _named(self, action: Action) -> list[_Entry]:
        """Return the lines that an action names; those of rules that did not fire are not there."""
        names = action.texts("lines")
        return [entry for entry in self.entries if entry.line.line in names]

    def _balance(self, places: Iterable[int], least: Fraction | None = None) -> None:
        kept = tuple(places)
        self.balances.append(_Balance(kept, tuple(self.entries[place].amount for place in kept), least))

    def _still_as(self, balance: _Balance) -> bool:
        return tuple(self.entries[place].amount for place in balance.places) == balance.amounts

    def _settle(self, balance: _Balance, amounts: list[int]) -> None:
        """Round lines so that they add up, and leave a step where that moved a kopeck."""
        if balance.least is not None:
            *above, last = balance.places
            given, entry = sum(amounts[place] for place in above), self.entries[last]
            amounts[last] = max(rounded(balance.least) - given, 0)
            less = replace(entry.line.steps[-1], amount=Fraction(given))
            entry.line = replace(entry.line, steps=(*entry.line.steps[:-1], less))
            return
        exact = {(self.entries[place].line.line, place): self.entries[place].amount for place in balance.places}
        parts = distribute(rounded(sum(exact.values(), Fraction(0))), exact)
        for (_, place), part in parts.items():
            if part != amounts[place]:
                entry = self.entries[place]
                moved = Step(StepKind.ROUNDING, entry.line.steps[-1].rule, amount=Fraction(part - amounts[place]))
                entry.line = replace(entry.line, steps=(*entry.line.steps, moved))
                amounts[place] = part


_ACTIONS: dict[str, Callable[[_Sheet, Action, str], None]] = {
    "pay_percent": _Sheet.percent,
    "pay_tiers": _Sheet.tiers,
    "pay_curve": _Sheet.curve,
    "pay_matrix": _Sheet.matrix,
    "pay_per_unit": _Sheet.per_unit,
    "pay_fixed": _Sheet.fixed,
    "multiply": _Sheet.multiply,
    "gate": _Sheet.gate,
    "cap": _Sheet.cap,
    "guarantee": _Sheet.guarantee,
}


def _fixed_line(rule: str, name: str, component: str, minor: Fraction, amount: int = 0) -> Line:
    base = Figure.money(minor)
    return Line(rule, name, component, minor, amount, base, (Term(base),))


def _sum_of(terms: Sequence[Term]) -> Fraction:
    """Return kopecks of terms whose base is money and whose factor, if there is one, is a percentage."""
    return sum((term.base.value * (term.factor.value if term.factor else 100) for term in terms), Fraction(0))


def _names(action: Action) -> list[str]:
    above = action.params.get("above")
    return [_text(action, "line"), *([above.line] if isinstance(above, Above) else [])]


def _text(action: Action, name: str) -> str:
    return _typed(action, name, str)


def _fraction(action: Action, name: str) -> Fraction:
    return _typed(action, name, Fraction)


def _minor(action: Action) -> int:
    return _typed(action, "amount", int)


def _items(action: Action, name: str, kind: type[_T]) -> list[_T]:
    value = action.params.get(name)
    return [item for item in value if isinstance(item, kind)] if isinstance(value, tuple) else []


def _pairs(action: Action, name: str = "nodes") -> list[tuple[Fraction, ...]]:
    """Return rows of exact numbers: the nodes of a curve, the values of a matrix."""
    return _items(action, name, tuple)


def _typed(action: Action, name: str, kind: type[_T]) -> _T:
    value: Parameter | None = action.params.get(name)
    if not isinstance(value, kind):
        # Actions come from `parse`, which gives every required parameter its type.
        raise TypeError(f"{action.path}/{name}")
    return value
