"""How a measure reads in the tables of a bonus rule: curves, matrices, tiers, gates. Exact, no rounding."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from rules_engine.decisions.bonus_lines import Between

Nodes = Sequence[tuple[Fraction, ...]]
Tiers = Sequence[tuple[Fraction, Fraction | None]]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a table says, and the rows between which it was read."""

    value: Fraction
    rows: tuple[Between, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """The part of an amount that lies in tier number `tier`."""

    tier: int
    part: Fraction


def on_curve(measure: str, nodes: Nodes, at: Fraction, row: Fraction | None = None) -> Reading:
    """Return the value of a piecewise linear curve, flat before its first node and after its last."""
    low, high = _around([node[0] for node in nodes], at)
    first, second = (nodes[low][0], nodes[low][1]), (nodes[high][0], nodes[high][1])
    value = first[1]
    if low != high:
        value += (second[1] - first[1]) * (at - first[0]) / (second[0] - first[0])
    return Reading(value, (Between(measure, at, first, second, value, row),))


def on_matrix(
    measures: tuple[str, str],
    nodes: Sequence[Fraction],
    values: Sequence[Sequence[Fraction]],
    at: tuple[Fraction, Fraction],
) -> Reading:
    """Return the bilinear value of a matrix: along the columns in the two rows around `at`, then across them.

    Outside of the nodes the matrix is flat.
    """
    rows_by, cols_by = measures
    around = sorted(set(_around(nodes, at[0])))
    inside = [
        on_curve(cols_by, list(zip(nodes, values[index], strict=True)), at[1], row=nodes[index]) for index in around
    ]
    across = [(nodes[index], reading.value) for index, reading in zip(around, inside, strict=True)]
    last = on_curve(rows_by, across, at[0])
    return Reading(last.value, tuple(row for reading in inside for row in reading.rows) + last.rows)


def in_slabs(starts: Sequence[Fraction], at: Fraction, amount: Fraction) -> tuple[Share, ...]:
    """Return how an amount falls into tiers when its measure stands at `at`: in proportion to the measure.

    Parts of nothing are left out. At zero and below, where nothing can be in proportion, the whole amount lies in
    the first tier: a refund then takes back at the rate at which the first payments count.
    """
    if at <= 0:
        return (Share(0, amount),)
    edges = [*starts, at]
    found = []
    for index, (start, following) in enumerate(pairwise(edges)):
        end = min(following, at)
        if end > start:
            found.append(Share(index, amount * (end - start) / at))
    return tuple(found)


def tier_of(starts: Sequence[Fraction], at: Fraction) -> int:
    """Return the number of the tier that holds `at`; below the first edge it is the first."""
    return max((index for index, start in enumerate(starts) if start <= at), default=0)


def clamp(start: Fraction, full_at: Fraction, at: Fraction) -> Fraction:
    """Return 0 up to `start`, 1 from `full_at`, in proportion between; a step where both are the same."""
    if at >= full_at:
        return Fraction(1)
    if at <= start:
        return Fraction(0)
    return (at - start) / (full_at - start)


def _around(nodes: Sequence[Fraction], at: Fraction) -> tuple[int, int]:
    """Return the nodes between which a value lies; the same twice on a node and outside of them all."""
    if at <= nodes[0]:
        return 0, 0
    for index, (first, second) in enumerate(pairwise(nodes)):
        if at == second:
            return index + 1, index + 1
        if first < at < second:
            return index, index + 1
    return len(nodes) - 1, len(nodes) - 1
