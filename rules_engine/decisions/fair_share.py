"""Strategies: who of the eligible gets the request. Exact fractions; the same facts give the same person.

Fair share, after Balinski and Young's shortfall from quota: with N requests received so far among the
candidates, candidate i is short of `(N + 1)·Eᵢ/ΣE − cᵢ` requests. The largest shortfall gets the next one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from math import lcm
from typing import Final, Protocol

from rules_engine.decisions.working_time import WorkingCalendar


class Strategy(StrEnum):
    FAIR_SHARE = "fair_share"
    ROUND_ROBIN = "round_robin"
    LEAST_LOADED = "least_loaded"


@dataclass(frozen=True, slots=True)
class Standing:
    """What the strategies weigh of one candidate.

    `entitlement` is weight × working minutes of the month so far; `count` and `value_minor` are his balance in
    the month's ledger; `last_received_us` is None for who never received a request; `given_shortfall` replaces
    the computed one where facts come from a file. `extra_per_day`: how much of what he is behind by he may make up
    for in a day, None without limit; `count_before` is his balance as the day began.
    """

    id: int
    entitlement: Fraction = Fraction(1)
    count: int = 0
    value_minor: int = 0
    last_received_us: int | None = None
    open_requests: int = 0
    given_shortfall: Fraction | None = None
    count_before: int = 0
    extra_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class CatchUp:
    """Somebody makes up for what he is behind by, so much extra a day at most (in requests).

    `today` is what he received today beyond his due of the day, below zero while he has not; `put_off` is what is
    left for later days: he is weighed as if he had received it already.
    """

    limit: int
    today: Fraction
    put_off: Fraction


class Weighed(Protocol):
    """Anyone who has the figures of a Standing, by the same names."""

    @property
    def id(self) -> int: ...
    @property
    def entitlement(self) -> Fraction: ...
    @property
    def count(self) -> int: ...
    @property
    def value_minor(self) -> int: ...
    @property
    def last_received_us(self) -> int | None: ...
    @property
    def open_requests(self) -> int: ...
    @property
    def given_shortfall(self) -> Fraction | None: ...
    @property
    def count_before(self) -> int: ...
    @property
    def extra_per_day(self) -> int | None: ...


class ValueStep(StrEnum):
    """Whether the request is worth at least the mean of the last 90 days; None where the step is off."""

    LARGE = "large"
    SMALL = "small"


def entitlement(weight: Fraction, calendar: WorkingCalendar, month_start: datetime, now: datetime) -> Fraction:
    """Return weight × working minutes from the month's start to the end of the current or next working day.

    `calendar` is the manager's own with his absences out; the working day counted may lie in the next month.
    Raises CalendarError for who never works again.
    """
    return weight * calendar.elapsed(month_start, calendar.end_of_current_or_next_working_day(now))


LEVEL: Final = Fraction(1, 2)
"""Shortfalls that differ by no more are level."""


class FairShare:
    """The shortfalls of the candidates of one decision, and their order.

    All zero entitlements count as equal ones. Sums are kept as integers over one denominator.
    """

    def __init__(self, standings: Sequence[Weighed], value_step: ValueStep | None = None) -> None:
        self._standings = standings
        self._value_step = value_step
        self.catching_up: dict[int, CatchUp] = {}
        """Those for whom the limit of a day keeps something for later."""
        given = [s.given_shortfall for s in standings if s.given_shortfall is not None]
        if len(given) == len(standings) and given:
            self._whole = lcm(*(d.denominator for d in given))
            self._short = [d.numerator * (self._whole // d.denominator) for d in given]
            return
        common = lcm(*(s.entitlement.denominator for s in standings)) if standings else 1
        shares = [s.entitlement.numerator * (common // s.entitlement.denominator) for s in standings]
        if not any(shares):
            shares = [1] * len(standings)
        self._whole = sum(shares)
        after = sum(s.count for s in standings) + 1
        self._short = [after * share - s.count * self._whole for share, s in zip(shares, standings, strict=True)]
        if any(s.extra_per_day is not None for s in standings):
            self._hold_back([Fraction(share, self._whole) for share in shares])

    def _hold_back(self, shares: list[Fraction]) -> None:
        """Weigh those who are behind by more than they may make up for today as if they had received the rest."""
        put_off = put_off_until_later(self._standings, shares)
        today = [s.count - s.count_before for s in self._standings]
        before = sum(s.count_before for s in self._standings)
        for n, (standing, share) in enumerate(zip(self._standings, shares, strict=True)):
            limit = standing.extra_per_day
            if limit is None or (n not in put_off and before * share - standing.count_before <= limit):
                continue
            extra = today[n] - sum(today) * share
            if extra >= limit + share:
                # One more would be more than he may make up for today: one request behind the others, he gets none.
                put_off[n] = put_off.get(n, Fraction(0)) + 1
            if n in put_off:
                self.catching_up[standing.id] = CatchUp(limit, extra, put_off[n])
        if not put_off:
            return
        added = sum(put_off.values(), Fraction(0))
        short = [
            Fraction(own, self._whole) + added * share - put_off.get(n, Fraction(0))
            for n, (own, share) in enumerate(zip(self._short, shares, strict=True))
        ]
        self._whole = lcm(*(one.denominator for one in short))
        self._short = [one.numerator * (self._whole // one.denominator) for one in short]

    @cached_property
    def shortfalls(self) -> dict[int, Fraction]:
        """How many requests each candidate is short of."""
        return {s.id: Fraction(short, self._whole) for s, short in zip(self._standings, self._short, strict=True)}

    @cached_property
    def order(self) -> list[int]:
        """Ids in the order in which they would get the request, the one who gets it first.

        First those level with the largest shortfall (at most half a request below it), in the order of the
        tie-breaks; then the others by shortfall.
        """
        if not self._standings:
            return []
        largest = max(self._short)
        level: list[Weighed] = []
        rest: list[tuple[int, Weighed]] = []
        for short, standing in zip(self._short, self._standings, strict=True):
            if 2 * (largest - short) <= self._whole:
                level.append(standing)
            else:
                rest.append((-short, standing))
        ratios = self._value_ratios(level)
        level.sort(key=lambda standing: (ratios.get(standing.id, 0), *longest_without(standing)))
        rest.sort(key=lambda item: (item[0], *longest_without(item[1])))
        return [s.id for s in level] + [s.id for _, s in rest]

    def _value_ratios(self, level: Sequence[Weighed]) -> dict[int, int]:
        """Return what each received in value for his entitlement, over one denominator, the first in order least.

        Empty where there is nothing to choose between, or the value does not count.
        """
        if self._value_step is None or len(level) < 2:
            return {}
        sign = 1 if self._value_step is ValueStep.LARGE else -1
        # Without entitlement any value received is far ahead; dividing by one minute keeps the order exact.
        minutes = [s.entitlement or 1 for s in level]
        common = lcm(*(abs(one.numerator) for one in minutes))
        return {
            s.id: sign * s.value_minor * one.denominator * (common // one.numerator)
            for s, one in zip(level, minutes, strict=True)
        }


def put_off_until_later(standings: Sequence[Weighed], shares: Sequence[Fraction]) -> dict[int, Fraction]:
    """Return how many requests each must be taken to have received already, by place; only those for whom it is any.

    So that, as the day began, nobody with a limit was behind by more than it and the half request that is level:
    then his due of the day and so many more is what he gets today. What one is taken to have received raises what is
    due to all, hence the equation `xᵢ = behindᵢ − limitᵢ − ½ + shareᵢ·Σx`, solved among those who pass their limits;
    their number only grows.
    """
    before = sum(s.count_before for s in standings)
    behind = [before * share - s.count_before for s, share in zip(standings, shares, strict=True)]
    limits = {n: s.extra_per_day + LEVEL for n, s in enumerate(standings) if s.extra_per_day is not None}
    chosen: set[int] = set()
    added = Fraction(0)
    while True:
        found = {n for n, limit in limits.items() if behind[n] + added * shares[n] > limit}
        others = 1 - sum((shares[n] for n in found), Fraction(0))
        if found == chosen or others <= 0:
            break
        chosen = found
        added = sum((behind[n] - limits[n] for n in chosen), Fraction(0)) / others
    return {n: behind[n] - limits[n] + shares[n] * added for n in chosen}


def longest_without(standing: Weighed) -> tuple[int, int]:
    """Return a key that sorts the longest without a request first; never is longest; then the lower id."""
    last = standing.last_received_us
    return (-1 << 63 if last is None else last, standing.id)


def least_loaded_order(standings: Sequence[Weighed]) -> list[int]:
    """Return ids by fewest open requests, then the longest without a request, then the lower id."""
    ordered = sorted(standings, key=lambda s: (s.open_requests, *longest_without(s)))
    return [s.id for s in ordered]


def round_robin_order(standings: Sequence[Weighed], pointer: int | None) -> list[int]:
    """Return ids in rising order, beginning after `pointer`, the id served last (None: at the lowest)."""
    ids = sorted(s.id for s in standings)
    if pointer is None:
        return ids
    return [n for n in ids if n > pointer] + [n for n in ids if n <= pointer]
