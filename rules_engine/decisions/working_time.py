"""Arithmetic of working time: weekly windows, a zone, dates that differ, absences and duty.

Exact: everything inside is whole microseconds of UTC. A calendar keeps a sorted list of the intervals in
which it is open, made a year at a time when first asked for, so a warm question costs two bisections.

Conventions: an instant that falls exactly on closing time is the closing time; counting back, exactly on
opening time is the opening time; zero minutes is the start itself, also outside working hours. Hours open at
the first instant at which the clock on the wall shows the opening time, and close likewise, so windows stay in
one piece when the clocks change.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from math import floor
from typing import Final
from zoneinfo import ZoneInfo

from rules_engine.decisions.instants import (
    MINUTE_US,
    NEVER_US,
    InstantRange,
    Interval,
    from_us,
    merged,
    merged_ranges,
    to_us,
)
from rules_engine.decisions.open_index import (
    EMPTY_INDEX,
    OpenIndex,
    OwnYear,
    build_index,
    own_year,
    worked_in_each,
    worked_until,
)
from rules_engine.decisions.opening_hours import (
    DAY_MINUTES,
    CalendarError,
    DayException,
    Windows,
    find_zone,
    parse_week,
    wall_us,
    windows_of_date,
)

#: A search for the next working time gives up after this many years without any.
SEARCH_YEARS: Final = 10
#: The years in which working time is known; an instant outside them is a mistake, and raises CalendarError.
FIRST_YEAR: Final = 1950
LAST_YEAR: Final = 2150
#: A question this many years away from what is indexed starts a new index instead of filling the gap.
_GAP_YEARS: Final = 10

Exceptions = Mapping[date, DayException]


@dataclass(frozen=True, slots=True)
class WorkingCalendar:
    """When somebody works. Make one with `build`; views for a person with `with_absences` and `with_duty`.

    Keep calendar objects: the index of intervals lives in the object (three milliseconds a year to make).
    """

    zone: str
    week: tuple[Windows, ...]
    exceptions: tuple[tuple[date, DayException], ...] = ()
    absences: tuple[Interval, ...] = ()
    duty: tuple[Interval, ...] = ()
    _zone: ZoneInfo = field(init=False, repr=False, compare=False)
    _by_date: dict[date, DayException] = field(init=False, repr=False, compare=False)
    _own_years: dict[int, OwnYear] = field(default_factory=dict, repr=False, compare=False)
    _index: OpenIndex = field(init=False, repr=False, compare=False, default=EMPTY_INDEX)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_zone", find_zone(self.zone))
        object.__setattr__(self, "_by_date", dict(self.exceptions))
        object.__setattr__(self, "_index", EMPTY_INDEX)
        works_on_a_date = any(windows_of_date(self.week, e, d) for d, e in self.exceptions)
        if not any(self.week) and not works_on_a_date and not self.duty:
            raise CalendarError(ru="в календаре нет рабочего времени", en="the calendar has no working time at all")

    @classmethod
    def build(
        cls,
        weekly: Mapping[str, Iterable[Sequence[str]]],
        zone: str,
        exceptions: Exceptions | None = None,
    ) -> "WorkingCalendar":
        """Return a calendar from `{"mon": [["09:00", "13:00"], ["14:00", "18:00"]], …}`.

        Times are local to `zone`, "00:00" to "24:00"; a day left out is free. Raises CalendarError, naming
        the day, for reversed or overlapping windows; also for an unknown zone, and where no working time is
        left.
        """
        return cls(zone, parse_week(weekly), tuple(sorted((exceptions or {}).items(), key=lambda kv: kv[0])))

    def with_absences(self, ranges: Iterable[InstantRange]) -> "WorkingCalendar":
        """Return a view in which nobody works during `ranges` (`[from, to)`, an end of None is open)."""
        return self._view(tuple(merged((*self.absences, *merged_ranges(ranges)))), self.duty)

    def with_duty(self, ranges: Iterable[InstantRange]) -> "WorkingCalendar":
        """Return a view in which `ranges` are worked too, save during absences."""
        return self._view(self.absences, tuple(merged((*self.duty, *merged_ranges(ranges)))))

    def _view(self, absences: tuple[Interval, ...], duty: tuple[Interval, ...]) -> "WorkingCalendar":
        if absences == self.absences and duty == self.duty:
            return self
        return replace(self, absences=absences, duty=duty)

    # Questions in instants

    def is_open(self, instant: datetime) -> bool:
        """Return whether `instant` is working time; opening time is, closing time is not."""
        return self.is_open_us(to_us(instant))

    def next_open(self, instant: datetime) -> datetime | None:
        """Return `instant` if it is working time, else the next opening; None: none in ten years."""
        us = self.next_open_us(to_us(instant))
        return None if us is None else from_us(us)

    def next_change(self, instant: datetime) -> datetime | None:
        """Return the next opening or closing strictly after `instant`; None if there is none in ten years."""
        us = self.next_change_us(to_us(instant))
        return None if us is None else from_us(us)

    def add(self, start: datetime, minutes: int | Fraction, pauses: Iterable[InstantRange] = ()) -> datetime:
        """Return the instant `minutes` of working time after `start` (before it, where negative).

        The clock stands still during `pauses`. A fraction of a microsecond is rounded away from `start`.
        Raises CalendarError where ten years hold no more working time.
        """
        us = self.add_us(to_us(start), _minutes_us(minutes), merged_ranges(pauses))
        if us is None:
            raise CalendarError(
                ru=f"после {start:%d.%m.%Y %H:%M} рабочего времени не хватает",
                en=f"there is not enough working time after {start:%Y-%m-%d %H:%M}",
            )
        return from_us(us)

    def elapsed(self, start: datetime, end: datetime, pauses: Iterable[InstantRange] = ()) -> Fraction:
        """Return the exact working minutes from `start` to `end` outside `pauses`; never negative."""
        return Fraction(self.elapsed_us(to_us(start), to_us(end), merged_ranges(pauses)), MINUTE_US)

    def elapsed_minutes(self, start: datetime, end: datetime, pauses: Iterable[InstantRange] = ()) -> int:
        """Return the whole working minutes from `start` to `end`, rounded down."""
        return self.elapsed_us(to_us(start), to_us(end), merged_ranges(pauses)) // MINUTE_US

    # Questions in days

    def day_windows(self, day: date) -> Windows:
        """Return the windows of a date in local minutes, its exception counted, absences and duty not."""
        return windows_of_date(self.week, self._by_date.get(day), day)

    def is_working_day(self, day: date) -> bool:
        """Return whether any time of this local date is worked."""
        return self.days_worked_between(day.toordinal(), day.toordinal() + 1) == 1

    def local_date(self, instant: datetime) -> date:
        """Return the date of `instant` in the calendar's zone."""
        return date.fromordinal(self.local_day_us(to_us(instant)))

    def add_working_days(self, day: date, count: int) -> date:
        """Return the date `count` working days after `day` (before, where negative).

        From a day off counting begins at the next working day (the previous one, where negative).
        """
        step = timedelta(days=-1 if count < 0 else 1)
        found = self._roll(day, step)
        for _ in range(abs(count)):
            found = self._roll(found + step, step)
        return found

    def add_days(self, start: datetime, count: int) -> datetime:
        """Return the same time of day `count` working days later, or earlier.

        Where that is outside working hours, the next opening. From a day off counting begins at the opening
        of the next working day (the close of the previous one, where negative).
        """
        local = start.astimezone(self._zone)
        day = local.date()
        first = self._roll(day, timedelta(days=-1 if count < 0 else 1))
        target = self.add_working_days(first, count)
        if first == day:
            us = wall_us(self._zone, target, local.hour * 60 + local.minute)
            us += local.second * 1_000_000 + local.microsecond
            return from_us(us if self._is_closing(us) else self._opening(us))
        midnight = wall_us(self._zone, target, 0)
        if count < 0:
            return self.end_of_current_or_next_working_day(from_us(midnight))
        return from_us(self._opening(midnight))

    def days_between(self, start: date, end: date) -> int:
        """Return the working days in `[start, end)`; 0 where `end` is not later."""
        return self.days_worked_between(start.toordinal(), end.toordinal())

    def end_of_current_or_next_working_day(self, instant: datetime) -> datetime:
        """Return the last closing of the working day that is under way or comes next.

        After the day's last closing, and at it, the next working day counts. A day ends at midnight for those
        who work through it. Raises CalendarError where ten years hold no working time.
        """
        us = self._opening(to_us(instant))
        midnight = wall_us(self._zone, date.fromordinal(self.local_day_us(us)), DAY_MINUTES)
        index = self._covering(midnight)
        return from_us(min(index.closes[bisect_left(index.opens, midnight) - 1], midnight))

    # The same in microseconds, for those who ask often

    def is_open_us(self, us: int) -> bool:
        """Return whether `us` is working time."""
        index = self._covering(us)
        at = bisect_right(index.opens, us) - 1
        return at >= 0 and us < index.closes[at]

    def local_day_us(self, us: int) -> int:
        """Return the local date of `us` as its proleptic ordinal."""
        index = self._covering(us)
        return index.first_day + bisect_right(index.midnights, us) - 1

    def day_start_us(self, ordinal: int) -> int:
        """Return the instant at which the local date with this ordinal begins."""
        index = self._covering(self._noon_us(ordinal))
        return index.midnights[ordinal - index.first_day]

    def days_worked_between(self, first: int, last: int) -> int:
        """Return the working days in `[first, last)`, two ordinals of local dates; never negative."""
        if last <= first:
            return 0
        index = self._covering(self._noon_us(first), self._noon_us(last))
        return index.days_worked[last - index.first_day] - index.days_worked[first - index.first_day]

    def working_day_opening_us(self, first: int, count: int) -> int | None:
        """Return the first opening of the working day that has `count` others before it since the date `first`.

        `first` is an ordinal and counts; 0 asks for the first working day from it on. None within ten years.
        """
        index = self._covering(self._noon_us(first))
        give_up = index.last_year + SEARCH_YEARS + count // 2
        while True:
            target = index.days_worked[first - index.first_day] + count
            if index.days_worked[-1] > target:
                return self.next_open_us(index.midnights[bisect_right(index.days_worked, target) - 1])
            if index.last_year >= min(give_up, LAST_YEAR):
                return None
            index = self._grow(index.first_year, index.last_year + 1)

    def next_open_us(self, us: int) -> int | None:
        """Return `us` if it is working time, else the next opening, or None within ten years."""
        index = self._covering(us)
        while True:
            at = bisect_right(index.closes, us)
            if at < len(index.opens):
                return max(us, index.opens[at])
            if index.last_year >= min(self._year(us) + SEARCH_YEARS, LAST_YEAR):
                return None
            index = self._grow(index.first_year, index.last_year + 1)

    def next_change_us(self, us: int) -> int | None:
        """Return the next opening or closing strictly after `us`, or None within ten years."""
        index = self._covering(us)
        while True:
            at = bisect_right(index.closes, us)
            if at < len(index.opens):
                if index.opens[at] > us:
                    return index.opens[at]
                # The last interval may only have been cut by the end of what is indexed.
                if at + 1 < len(index.opens) or index.closes[at] < index.hi:
                    return index.closes[at]
            if index.last_year >= min(self._year(us) + SEARCH_YEARS, LAST_YEAR):
                return None
            index = self._grow(index.first_year, index.last_year + 1)

    def elapsed_us(self, start: int, end: int, pauses: Sequence[Interval] = ()) -> int:
        """Return the working microseconds from `start` to `end` outside `pauses` (merged); never negative."""
        if end <= start:
            return 0
        index = self._covering(start, end)
        total = worked_until(index, end) - worked_until(index, start)
        for a, b in pauses:
            lo, hi = max(a, start), min(b, end)
            if lo < hi:
                total -= worked_until(index, hi) - worked_until(index, lo)
        return total

    def elapsed_each_us(self, spans: Sequence[Interval]) -> list[int]:
        """Return `elapsed_us` of each span; for thousands of them at once it takes a third of the time."""
        if not spans:
            return []
        index = self._covering(min(map(min, spans)), max(map(max, spans)))
        return worked_in_each(index, spans)

    def add_us(self, start: int, amount: int, pauses: Sequence[Interval] = ()) -> int | None:
        """Return the instant `amount` working microseconds after `start`, or before it where negative.

        `pauses` are merged. None where ten years hold no more working time.
        """
        if amount == 0:
            return start
        step = self._forward if amount > 0 else self._backward
        if not pauses:
            return step(start, abs(amount))
        return self._add_around(start, amount, pauses)

    def _add_around(self, start: int, amount: int, pauses: Sequence[Interval]) -> int | None:
        remaining = abs(amount)
        at = start
        if amount > 0:
            for a, b in pauses:
                if b <= at:
                    continue
                run = self.elapsed_us(at, a) if a > at else 0
                if remaining <= run:
                    break
                remaining -= run
                if b >= NEVER_US:
                    return None
                at = b
            return self._forward(at, remaining)
        for a, b in reversed(pauses):
            if a >= at:
                continue
            run = self.elapsed_us(b, at)
            if remaining <= run:
                break
            remaining -= run
            at = min(at, a)
        return self._backward(at, remaining)

    def _forward(self, start: int, amount: int) -> int | None:
        index = self._covering(start)
        target = worked_until(index, start) + amount
        barren = 0
        while not index.worked_after or index.worked_after[-1] < target:
            if barren >= SEARCH_YEARS or index.last_year >= LAST_YEAR:
                return None
            before = index.worked_after[-1] if index.worked_after else 0
            index = self._grow(index.first_year, index.last_year + 1)
            barren = barren + 1 if (index.worked_after[-1] if index.worked_after else 0) == before else 0
        at = bisect_left(index.worked_after, target)
        return index.opens[at] + target - index.worked[at]

    def _backward(self, start: int, amount: int) -> int | None:
        index = self._covering(start)
        barren = 0
        while (target := worked_until(index, start) - amount) < 0:
            if barren >= SEARCH_YEARS or index.first_year <= FIRST_YEAR:
                return None
            before = target
            index = self._grow(index.first_year - 1, index.last_year)
            barren = barren + 1 if worked_until(index, start) - amount == before else 0
        at = bisect_right(index.worked, target) - 1
        return index.opens[at] + target - index.worked[at]

    # The index

    def _covering(self, us: int, until: int | None = None) -> OpenIndex:
        """Return an index whose years hold `us` (and `until`)."""
        index = self._index
        if index.lo <= us < index.hi and (until is None or until < index.hi):
            return index
        first = self._year(us)
        last = first if until is None else self._year(until)
        near = first <= index.last_year + _GAP_YEARS and last >= index.first_year - _GAP_YEARS
        if index is not EMPTY_INDEX and near:
            first, last = min(first, index.first_year), max(last, index.last_year)
        return self._grow(first, last)

    def _grow(self, first_year: int, last_year: int) -> OpenIndex:
        years = [self._own_year(year) for year in range(first_year, last_year + 1)]
        index = build_index(first_year, years, self.absences, self.duty)
        # One assignment of a finished object, so that threads share a calendar without a lock.
        object.__setattr__(self, "_index", index)
        return index

    def _own_year(self, year: int) -> OwnYear:
        known = self._own_years.get(year)
        if known is None:
            known = self._own_years[year] = own_year(self._zone, self.week, self._by_date, year)
        return known

    def _year(self, us: int) -> int:
        try:
            year = from_us(us).astimezone(self._zone).year
        except OverflowError:
            year = 0
        if not FIRST_YEAR <= year <= LAST_YEAR:
            raise CalendarError(
                ru=f"рабочее время известно с {FIRST_YEAR} по {LAST_YEAR} год",
                en=f"working time is known from {FIRST_YEAR} to {LAST_YEAR}",
            )
        return year

    def _noon_us(self, ordinal: int) -> int:
        """Return an instant that lies in the same local year as the date, whatever the zone."""
        index = self._index
        at = ordinal - index.first_day
        if 0 <= at < len(index.midnights) - 1:
            return index.midnights[at]
        return wall_us(self._zone, date.fromordinal(ordinal), DAY_MINUTES // 2)

    def _is_closing(self, us: int) -> bool:
        index = self._covering(us)
        at = bisect_left(index.closes, us)
        return at < len(index.closes) and index.closes[at] == us

    def _opening(self, us: int) -> int:
        opening = self.next_open_us(us)
        if opening is None:
            raise self._no_time_near(from_us(us).date())
        return opening

    def _roll(self, day: date, step: timedelta) -> date:
        for _ in range(SEARCH_YEARS * 366):
            if self.is_working_day(day):
                return day
            day += step
        raise self._no_time_near(day)

    @staticmethod
    def _no_time_near(day: date) -> CalendarError:
        return CalendarError(
            ru=f"рядом с {day:%d.%m.%Y} нет рабочего времени",
            en=f"there is no working time near {day:%Y-%m-%d}",
        )


def _minutes_us(minutes: int | Fraction) -> int:
    """Return whole microseconds, a rest of one rounded away from zero."""
    if isinstance(minutes, int):
        return minutes * MINUTE_US
    exact = minutes * MINUTE_US
    return -floor(-exact) if exact > 0 else floor(exact)
