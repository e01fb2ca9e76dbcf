"""The figures of a line with so many digits that they give its amount to the kopeck on a pocket calculator.

A reader multiplies and adds what he sees, in the order in which it stands, and rounds once at the end. Numbers that
end within four decimals are shown whole; a third or a sixth gets as many digits as it takes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from rules_engine.decisions.bonus_curves import clamp
from rules_engine.decisions.bonus_lines import Between, Figure, GateSeen, Line, Step, StepKind, Unit, rounded

FEWEST_DIGITS = 4
_MOST_MEASURE_DIGITS = 16
MOST_DIGITS = 40
"""No amount below 10^18 needs as many; the bound keeps a search from running for ever."""


@dataclass(frozen=True, slots=True)
class Cut:
    """How numbers that do not fit are cut: to the nearest, or with all of them away from zero or towards it."""

    digits: int
    away: bool | None

    def figure(self, figure: Figure) -> Figure:
        return Figure(self.number(figure.value), figure.unit)

    def number(self, value: Fraction) -> Fraction:
        one, below = 10**self.digits, value.denominator
        if one % below == 0:
            return value
        scaled = abs(value.numerator) * one
        if self.away is None:
            whole = (2 * scaled + below) // (2 * below)
        else:
            whole = -(-scaled // below) if self.away else scaled // below
        return Fraction(-whole if value < 0 else whole, one)


@dataclass(frozen=True, slots=True)
class Shown:
    """The figures of a line as they are to be shown, in the order of its terms and steps.

    Each is a decimal with at most `digits` decimals. `terms` are base and factor; `steps` the factor or, for money,
    roubles. `rate` times `base` gives what the terms give together, up to the kopeck of the amount: the rate in the
    unit of the factor, a percentage where there are several terms; None where there is no base to apply it to.
    Cut by `measures` the measures of curves and gates give the factors, and so the amount, again.
    """

    digits: int
    measures: Cut
    terms: tuple[tuple[Figure, Figure | None], ...]
    steps: tuple[Figure, ...]
    base: Figure | None
    rate: Figure | None


WHOLE = Cut(FEWEST_DIGITS, None)
"""For numbers that end within the fewest digits."""


def shown(line: Line) -> Shown:
    """Return the figures of a line with the fewest digits (four at least) that give its amount."""
    for rounding in _cuts(MOST_DIGITS):
        terms = tuple(
            (rounding.figure(term.base), rounding.figure(term.factor) if term.factor else None) for term in line.terms
        )
        steps = tuple(rounding.figure(_step_figure(step)) for step in line.steps)
        if rounded(100 * _follow(line, _sum(terms), steps)) == line.amount:
            break
    base, rate = _base_and_rate(line, terms, steps)
    return Shown(rounding.digits, _cut_of_measures(line), terms, steps, base, rate)


def on_calculator(line: Line, figures: Shown) -> int:
    """Return kopecks as a reader gets them from the shown figures."""
    return rounded(100 * _follow(line, _sum(figures.terms), figures.steps))


def readable(value: Fraction, enough: int = FEWEST_DIGITS) -> Fraction:
    """Return a number cut to `enough` decimals, the nearest."""
    return Cut(enough, None).number(value)


def _cut_of_measures(line: Line) -> Cut:
    """Return how the measures are to be cut so that, read in the tables of a line, they give its amount."""
    rows = [*line.rows, *(row for step in line.steps for row in step.rows)]
    gates = [gate for step in line.steps for gate in step.gates]
    read = [row.at for row in rows] + [gate.seen.value for gate in gates if gate.seen.value is not None]
    if all(10**FEWEST_DIGITS % value.denominator == 0 for value in read):
        return WHOLE
    # The nearest says most truly what was measured; cut to one side only where it never gives the amount.
    for cut in sorted(_cuts(_MOST_MEASURE_DIGITS), key=lambda one: one.away is not None):
        roubles = _sum(_terms_again(line, cut))
        steps = tuple(Figure(_factor_again(step, cut), Unit.FACTOR) for step in line.steps)
        figures = tuple(
            again if step.factor is not None else _step_figure(step)
            for step, again in zip(line.steps, steps, strict=True)
        )
        if rounded(100 * _follow(line, roubles, figures)) == line.amount:
            return cut
    return Cut(_MOST_MEASURE_DIGITS, None)


def _terms_again(line: Line, cut: Cut) -> tuple[tuple[Figure, Figure | None], ...]:
    if not line.rows:
        return tuple((term.base, term.factor) for term in line.terms)
    factor = _read_again(line.rows, cut)
    if line.part is not None:
        start = line.part.start
        factor = max(factor - start, Fraction(0)) if line.part.is_above else min(factor, start)
    return ((line.terms[0].base, Figure(factor, Unit.FACTOR)),)


def _factor_again(step: Step, cut: Cut) -> Fraction:
    if step.rows:
        return _read_again(step.rows, cut)
    if step.gates:
        return min(_share_again(gate, cut, soft=step.soft) for gate in step.gates)
    return step.factor or Fraction(0)


def _share_again(gate: GateSeen, cut: Cut, *, soft: bool) -> Fraction:
    if gate.seen.value is None:
        return gate.share
    at = cut.number(Figure.of(gate.seen.measure, gate.seen.value).value)
    return clamp(gate.start if soft else gate.full_at, gate.full_at, at)


def _read_again(rows: Iterable[Between], cut: Cut) -> Fraction:
    """Return what a reader gets who reads the table between the same nodes at the cut measures."""
    inside: dict[Fraction, Fraction] = {}
    value = Fraction(0)
    for row in rows:
        (left, low), (right, high) = row.low, row.high
        if row.row is None:
            low, high = inside.get(left, low), inside.get(right, high)
        value = low if left == right else low + (high - low) * (cut.number(row.at) - left) / (right - left)
        if row.row is not None:
            inside[row.row] = value
    return value


def _cuts(most_digits: int) -> Iterator[Cut]:
    for digits in range(FEWEST_DIGITS, most_digits):
        # A product that lies exactly on half a kopeck is met from above only: 1/3 cut to 0.333… never reaches it.
        yield from (Cut(digits, away) for away in (None, True, False))


def _natural(figure: Figure) -> Fraction:
    return figure.value / 100 if figure.unit is Unit.PERCENT else figure.value


def _sum(terms: tuple[tuple[Figure, Figure | None], ...]) -> Fraction:
    return sum(
        (_natural(base) * (_natural(factor) if factor is not None else 1) for base, factor in terms), Fraction(0)
    )


def _step_figure(step: Step) -> Figure:
    if step.factor is not None:
        return Figure(step.factor, Unit.FACTOR)
    return Figure.money(step.amount or 0)


def _follow(line: Line, roubles: Fraction, steps: tuple[Figure, ...]) -> Fraction:
    """Return roubles after the steps of a line, applied with the shown figures."""
    for step, figure in zip(line.steps, steps, strict=True):
        if figure.unit is Unit.FACTOR:
            roubles *= figure.value
        elif step.kind is StepKind.CAP:
            roubles = min(roubles, figure.value)
        elif step.kind is StepKind.LESS:
            roubles = max(roubles - figure.value, Fraction(0))
        else:
            roubles = Fraction(rounded(100 * roubles), 100) + figure.value
    return roubles


def _base_and_rate(
    line: Line, terms: tuple[tuple[Figure, Figure | None], ...], steps: tuple[Figure, ...]
) -> tuple[Figure | None, Figure | None]:
    if len(terms) == 1 and line.component != "pay_tiers":
        base, factor = terms[0]
        return base, factor or Figure(Fraction(1), Unit.FACTOR)
    if line.of is None or not line.of.value:
        return line.of, None
    together = _sum(tuple((term.base, term.factor) for term in line.terms))
    for rounding in _cuts(MOST_DIGITS):
        base, rate = rounding.figure(line.of), rounding.figure(Figure(100 * together / line.of.value, Unit.PERCENT))
        if rounded(100 * _follow(line, _natural(base) * _natural(rate), steps)) == line.amount:
            break
    return base, rate
