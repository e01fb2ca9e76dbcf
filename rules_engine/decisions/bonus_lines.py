"""A bonus statement as frozen values: lines, what each was counted from, and the steps that changed it.

Amounts are exact fractions of kopecks until the statement is closed by `rounded`; figures are what a person
sees, in roubles, percent or pieces.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Protocol, Self, TypeVar

from rules_engine.decisions.money import apportion
from rules_engine.language.kinds import FieldType
from rules_engine.language.vocabulary import FIELDS

GUARANTEE = "guarantee"
"""The name of the line that brings a newcomer to his minimum."""
FLOOR = "floor"
"""The rule, line and component of the last line, where the others add up to less than nothing."""


class Sortable(Protocol):
    """A key of `distribute`: an id, a login."""

    def __lt__(self, other: Self, /) -> bool: ...


Key = TypeVar("Key", bound=Sortable)


class Unit(StrEnum):
    MONEY = "money"
    PERCENT = "percent"
    COUNT = "count"
    FACTOR = "factor"


_UNITS = {FieldType.MONEY: Unit.MONEY, FieldType.PERCENT: Unit.PERCENT, FieldType.INTEGER: Unit.COUNT}


@dataclass(frozen=True, slots=True)
class Figure:
    """One number as a person sees it: roubles, percent (110 for 110 %), pieces or a plain factor. Exact."""

    value: Fraction
    unit: Unit

    @classmethod
    def money(cls, minor: Fraction | int) -> Self:
        """Return kopecks as a figure in roubles."""
        return cls(Fraction(minor) / 100, Unit.MONEY)

    @classmethod
    def of(cls, measure: str, value: Fraction) -> Self:
        """Return the value of a measure (money in kopecks) as a person and the tables of a rule write it."""
        unit = _UNITS.get(FIELDS[measure].type, Unit.FACTOR)
        return cls(value / 100 if unit is Unit.MONEY else value, unit)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a measure was. `value` is None where it is empty; `as_planned`: no plan by intention, taken at 100 %."""

    measure: str
    value: Fraction | None
    as_planned: bool = False


@dataclass(frozen=True, slots=True)
class Term:
    """`base × factor`, one addend of a line; without a factor the base itself.

    `tier` says in which tier `[from, up to)` it lies, the end None for the last one; None without tiers.
    """

    base: Figure
    factor: Figure | None = None
    tier: tuple[Fraction, Fraction | None] | None = None


@dataclass(frozen=True, slots=True)
class Between:
    """One reading between two nodes: at `low[0]` the table says `low[1]`, at `high[0]` `high[1]`, so at `at` `value`.

    Both nodes are the same where the measure stands on a node or outside of them all. `row` is the node of the
    other axis for a row of a matrix, None for a curve and for the last reading of a matrix, across its rows.
    """

    measure: str
    at: Fraction
    low: tuple[Fraction, Fraction]
    high: tuple[Fraction, Fraction]
    value: Fraction
    row: Fraction | None = None


class StepKind(StrEnum):
    MULTIPLY = "multiply"
    GATE = "gate"
    CAP = "cap"
    LESS = "less"
    """A guarantee pays only what is missing: minus what the lines above gave."""
    ROUNDING = "rounding"
    """One kopeck to or fro, so that lines that were capped together add up to the cap."""


@dataclass(frozen=True, slots=True)
class GateSeen:
    """One measure of a gate and the share (0 … 1) that it lets through."""

    seen: Seen
    start: Fraction
    full_at: Fraction
    share: Fraction


@dataclass(frozen=True, slots=True)
class Step:
    """One later change of a line by an action of `rule`.

    `factor` multiplies; `amount` is in kopecks: the cap, what is taken off, the kopeck of a rounding. A cap on one
    line has no factor (the line becomes the cap), a cap on several has one. `rows` show how a factor was read.
    """

    kind: StepKind
    rule: str
    factor: Fraction | None = None
    amount: Fraction | None = None
    seen: Seen | None = None
    rows: tuple[Between, ...] = ()
    gates: tuple[GateSeen, ...] = ()
    soft: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """A line that is one side of `above`: the table said `whole`, the line has what is up to (or above) `start`."""

    whole: Fraction
    start: Fraction
    is_above: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a statement. `exact` is unrounded, `amount` what is paid; both in kopecks.

    `of` is what the line was counted from as a whole, None where it paid nothing because the measure `missing` is
    empty. `inputs` are all measures that were looked at, `rows` how a table was read between its nodes.
    """

    rule: str
    line: str
    component: str
    exact: Fraction
    amount: int
    of: Figure | None = None
    terms: tuple[Term, ...] = ()
    steps: tuple[Step, ...] = ()
    inputs: tuple[Seen, ...] = ()
    rows: tuple[Between, ...] = ()
    part: Part | None = None
    at_most: int | None = None
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """`total` is the sum of the lines in kopecks, never below zero; `fired` the rules whose actions made them."""

    fired: tuple[str, ...]
    lines: tuple[Line, ...]
    total: int

    def amount(self, line: str) -> int:
        """Return what the lines of this name pay together, in kopecks; 0 where there is none."""
        return sum(one.amount for one in self.lines if one.line == line)


def rounded(value: Fraction) -> int:
    """Return the nearest integer, halves away from zero: a refund takes back what the payment gave.

    >>> rounded(Fraction(5, 2)), rounded(Fraction(-5, 2))
    (3, -3)
    """
    whole = (2 * abs(value.numerator) + value.denominator) // (2 * value.denominator)
    return -whole if value < 0 else whole


def distribute(total: int, weights: Mapping[Key, Fraction | int]) -> dict[Key, int]:
    """Return `total` divided by weight into whole parts that add up to it: largest remainder, ties by key.

    >>> distribute(1_000_000, {3: 1, 1: 1, 2: 1})
    {1: 333334, 2: 333333, 3: 333333}
    """
    keys = sorted(weights)
    return dict(zip(keys, apportion(total, [weights[key] for key in keys]), strict=True))
