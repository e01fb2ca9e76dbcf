"""Instants as whole microseconds since the epoch, and arithmetic on sorted lists of intervals of them."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE_US: Final = 60_000_000
DAY_US: Final = 86_400_000_000
#: An end that never comes: later than any instant that `datetime` can hold.
NEVER_US: Final = 1 << 62

Interval = tuple[int, int]
#: `(from, to)` as a caller gives it; `None` is "until further notice".
InstantRange = tuple[datetime, datetime | None]


def to_us(instant: datetime) -> int:
    """Return microseconds since the epoch. A naive instant is refused with TypeError."""
    since = instant - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def from_us(us: int) -> datetime:
    """Return the instant in UTC."""
    return EPOCH + timedelta(microseconds=us)


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the same time as sorted intervals that neither overlap nor touch; empty ones are dropped."""
    out: list[Interval] = []
    for start, end in sorted(intervals):
        if end <= start:
            continue
        if out and start <= out[-1][1]:
            if end > out[-1][1]:
                out[-1] = (out[-1][0], end)
        else:
            out.append((start, end))
    return out


def merged_ranges(ranges: Iterable[InstantRange]) -> tuple[Interval, ...]:
    """Return ranges given as instants, merged; an open end becomes NEVER_US."""
    return tuple(merged((to_us(a), NEVER_US if b is None else to_us(b)) for a, b in ranges))


def subtracted(intervals: list[Interval], holes: Iterable[Interval]) -> list[Interval]:
    """Return `intervals` without `holes`; both must be merged."""
    out: list[Interval] = []
    remaining = list(holes)
    first = 0
    for start, end in intervals:
        at = start
        while first < len(remaining) and remaining[first][1] <= at:
            first += 1
        k = first
        while k < len(remaining) and remaining[k][0] < end:
            hole_start, hole_end = remaining[k]
            if hole_start > at:
                out.append((at, hole_start))
            at = max(at, hole_end)
            k += 1
        if at < end:
            out.append((at, end))
    return out


def clipped(intervals: Iterable[Interval], lo: int, hi: int) -> list[Interval]:
    """Return the parts of `intervals` that lie in `[lo, hi)`."""
    return [(max(a, lo), min(b, hi)) for a, b in intervals if a < hi and b > lo]
