"""How much processing leans to large requests: the concentration index of requests ranked by value. Exact.

The index is that of N. Kakwani, A. Wagstaff and E. van Doorslaer, "Socioeconomic inequalities in health: measurement,
computation, and statistical inference", Journal of Econometrics 77 (1997) 87-103: the ranking variable is the value of
a request expected at its arrival, the outcome is 1 where it was processed and 0 where it was not. Its standard error
is theirs for grouped data, a group being the requests of one value, so that ties stand at their middle rank and the
order within them does not matter; where no two values are the same it is their formula for single observations.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from typing import Final

FEWEST: Final = 60
"""Below so many requests the index says nothing: it is not shown."""
_NORMAL_95: Final = Fraction(196, 100)
"""Half the width of the 95 % interval, in standard errors."""
_PRECISION: Final = 10**9


@dataclass(frozen=True, slots=True)
class Concentration:
    """`value` lies in [-1, 1]: above 0 large requests are processed more often than small ones, below 0 less often.

    `low` and `high` are its 95 % interval, within [-1, 1]; `requests` of which `processed` it was counted from.
    """

    requests: int
    processed: int
    value: Fraction
    low: Fraction
    high: Fraction

    @property
    def is_few(self) -> bool:
        return self.requests < FEWEST

    @property
    def leans(self) -> int:
        """Return 1 where it leans to large requests beyond chance, -1 to small ones, 0 where nobody can say."""
        if self.is_few:
            return 0
        return 1 if self.low > 0 else -1 if self.high < 0 else 0


def concentration(counts: Iterable[tuple[int, int, int]]) -> Concentration | None:
    """Return the index of requests given as (value, how many, how many of them processed); None where none were.

    A value may come more than once, in any order.

    >>> concentration([(100, 1, 0), (200, 1, 0), (300, 1, 1)]).value
    Fraction(2, 3)
    >>> concentration([(100, 5, 3), (900, 5, 3)]).value
    Fraction(0, 1)
    """
    groups = _merged(counts)
    total = sum(number for number, _ in groups)
    done = sum(processed for _, processed in groups)
    if done == 0:
        return None
    # Twice the middle rank of a group, as a whole number: its requests stand from `before` + 1 to `before` + number.
    places, before = [], 0
    for number, _ in groups:
        places.append(2 * before + number)
        before += number
    leaning = sum(processed * place for (_, processed), place in zip(groups, places, strict=True)) - done * total
    value = Fraction(leaning, done * total)
    margin = _NORMAL_95 * _root(_variance(groups, places, total, done, leaning))
    return Concentration(total, done, value, max(value - margin, Fraction(-1)), min(value + margin, Fraction(1)))


def _merged(counts: Iterable[tuple[int, int, int]]) -> list[tuple[int, int]]:
    """Return how many and how many processed of each value, by rising value."""
    found: dict[int, tuple[int, int]] = {}
    for value, number, processed in counts:
        known = found.get(value, (0, 0))
        found[value] = (known[0] + number, known[1] + processed)
    return [found[value] for value in sorted(found)]


def _variance(groups: list[tuple[int, int]], places: list[int], total: int, done: int, leaning: int) -> Fraction:
    """Return the square of the standard error; every term is a whole number over powers of `done` and `total`.

    With f = number/total, m = processed/number, M = done/total, R = place/(2·total), q the share of what is processed
    up to a group: a = (m/M)·(2R − 1 − C) + 2 − q' − q, and the variance is
    (Σ f·a² − (1 + C)²)/total + Σ f·m·(1 − m)·(2R − 1 − C)²/(total·M²).
    """
    between: dict[int, int] = {}
    within: dict[int, int] = {}
    passed = 0
    for (number, processed), place in zip(groups, places, strict=True):
        # (2R − 1 − C)·done·total
        distance = (place - total) * done - leaning
        steps = 2 * done - 2 * passed - processed
        passed += processed
        # a·number·done²
        term = processed * distance + number * done * steps
        between[number] = between.get(number, 0) + term * term
        within[number] = within.get(number, 0) + processed * (number - processed) * distance * distance
    squares = sum((Fraction(term, number) for number, term in between.items()), Fraction(0)) / (total * done**4)
    spread = sum((Fraction(term, number) for number, term in within.items()), Fraction(0))
    index = Fraction(leaning, done * total)
    # Never below zero but for nothing: it is exact.
    return max((squares - (1 + index) ** 2) / total, Fraction(0)) + spread / (done**4 * total**2)


def _root(square: Fraction) -> Fraction:
    """Return the square root, rounded up to the ninth decimal."""
    scaled = square.numerator * _PRECISION**2
    whole = isqrt(scaled // square.denominator)
    return Fraction(whole + (whole * whole * square.denominator != scaled), _PRECISION)
