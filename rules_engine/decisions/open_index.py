"""The intervals in which a calendar is open, indexed for bisection: built a local year at a time."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate, pairwise
from typing import Final
from zoneinfo import ZoneInfo

from rules_engine.decisions.instants import DAY_US, MINUTE_US, Interval, clipped, merged, subtracted
from rules_engine.decisions.opening_hours import DayException, Windows, wall_us, windows_of_date


@dataclass(frozen=True, slots=True)
class OwnYear:
    """A local year by the calendar alone, absences and duty not counted.

    `intervals` are merged; `midnights` holds the instant at which each day begins, `end` the one at which the
    next year does.
    """

    intervals: list[Interval]
    midnights: list[int]
    end: int


@dataclass(frozen=True, slots=True)
class OpenIndex:
    """What is known of the local years `first_year..last_year`, which is `[lo, hi)` in microseconds.

    Interval i is `[opens[i], closes[i])`; `worked[i]` is the time open before it, `worked_after[i]` with it.
    Day n since the ordinal `first_day` begins at `midnights[n]`, after `days_worked[n]` days with working time.
    """

    first_year: int
    last_year: int
    lo: int
    hi: int
    opens: list[int]
    closes: list[int]
    worked: list[int]
    worked_after: list[int]
    first_day: int
    midnights: list[int]
    days_worked: list[int]


EMPTY_INDEX: Final = OpenIndex(1, 0, 0, 0, [], [], [], [], 0, [], [])


def own_year(zone: ZoneInfo, week: tuple[Windows, ...], exceptions: Mapping[date, DayException], year: int) -> OwnYear:
    """Return the open intervals of a local year. Costs about three milliseconds."""
    intervals: list[Interval] = []
    midnights: list[int] = []
    day = date(year, 1, 1)
    start = wall_us(zone, day, 0)
    while day.year == year:
        midnights.append(start)
        tomorrow = day + timedelta(days=1)
        end = wall_us(zone, tomorrow, 0)
        windows = windows_of_date(week, exceptions.get(day), day)
        if end - start == DAY_US:
            intervals.extend((start + a * MINUTE_US, start + b * MINUTE_US) for a, b in windows)
        else:
            intervals.extend((wall_us(zone, day, a), wall_us(zone, day, b)) for a, b in windows)
        day, start = tomorrow, end
    return OwnYear(merged(intervals), midnights, start)


def build_index(
    first_year: int, years: Sequence[OwnYear], absences: Sequence[Interval], duty: Sequence[Interval]
) -> OpenIndex:
    """Return the index of consecutive years (at least one) with duty added and absences taken out."""
    opens: list[int] = []
    closes: list[int] = []
    midnights: list[int] = []
    for year in years:
        midnights += year.midnights
        for a, b in _with_duty_and_absences(year, absences, duty):
            if closes and closes[-1] == a:
                closes[-1] = b
            else:
                opens.append(a)
                closes.append(b)
    midnights.append(years[-1].end)
    worked_after = list(accumulate(b - a for a, b in zip(opens, closes, strict=True)))
    return OpenIndex(
        first_year=first_year,
        last_year=first_year + len(years) - 1,
        lo=midnights[0],
        hi=midnights[-1],
        opens=opens,
        closes=closes,
        worked=[0, *worked_after[:-1]] if opens else [],
        worked_after=worked_after,
        first_day=date(first_year, 1, 1).toordinal(),
        midnights=midnights,
        days_worked=_days_worked(midnights, opens, closes),
    )


def worked_until(index: OpenIndex, us: int) -> int:
    """Return the time open from the beginning of the index until `us`."""
    at = bisect_right(index.opens, us) - 1
    if at < 0:
        return 0
    return min(index.worked[at] + us - index.opens[at], index.worked_after[at])


def worked_in_each(index: OpenIndex, spans: Sequence[Interval]) -> list[int]:
    """Return the time open in each span, 0 where it ends before it begins; the index covers them all."""
    opens, worked, worked_after = index.opens, index.worked, index.worked_after
    if not opens:
        return [0 for _ in spans]
    found = []
    for start, end in spans:
        last = bisect_right(opens, end) - 1
        if end <= start or last < 0:
            found.append(0)
            continue
        first = bisect_right(opens, start, 0, last + 1) - 1
        until_end = worked[last] + end - opens[last]
        if until_end > worked_after[last]:
            until_end = worked_after[last]
        until_start = 0
        if first >= 0:
            until_start = worked[first] + start - opens[first]
            if until_start > worked_after[first]:
                until_start = worked_after[first]
        found.append(until_end - until_start)
    return found


def _with_duty_and_absences(year: OwnYear, absences: Sequence[Interval], duty: Sequence[Interval]) -> list[Interval]:
    intervals = year.intervals
    lo, hi = year.midnights[0], year.end
    if duty:
        intervals = merged((*intervals, *clipped(duty, lo, hi)))
    if absences:
        intervals = subtracted(intervals, clipped(absences, lo, hi))
    return intervals


def _days_worked(midnights: list[int], opens: list[int], closes: list[int]) -> list[int]:
    """Return for each midnight how many days before it hold working time."""
    counts = [0]
    at = 0
    for start, end in pairwise(midnights):
        while at < len(closes) and closes[at] <= start:
            at += 1
        # A zone may leave out a whole date, which then begins and ends at one instant.
        counts.append(counts[-1] + (start < end and at < len(opens) and opens[at] < end))
    return counts
