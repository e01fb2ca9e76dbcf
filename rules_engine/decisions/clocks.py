"""Clocks: the fields that time moves, each with its value at an instant and the instant of its next change.

All values are whole minutes, days or hours, so with all stored instants on whole minutes every change falls on
a whole minute too.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol
from zoneinfo import ZoneInfo

from rules_engine.decisions.instants import MINUTE_US, NEVER_US, Interval, from_us
from rules_engine.decisions.opening_hours import DAY_MINUTES, WEEKDAYS, wall_us
from rules_engine.decisions.working_time import WorkingCalendar
from rules_engine.language.values import Canonical

FULL_BP = 10_000


class Clock(Protocol):
    """A field that time moves."""

    def value_at(self, us: int) -> Canonical | None:
        """Return the canonical value at an instant (UTC microseconds); None is empty."""
        ...

    def next_change(self, thresholds: Sequence[int], after: int) -> int | None:
        """Return the first instant strictly after `after` at which the value crosses one of the thresholds.

        Thresholds rise; to cross v is to come from one side of "at least v" to the other. Without thresholds: at
        which the value changes at all. None for never. An instant at which nothing changes may be returned too
        (an early look is harmless); a change is never missed.
        """
        ...


@dataclass(frozen=True, slots=True)
class Fixed:
    """A value that time does not move after all, such as an answer given late."""

    value: Canonical | None

    def value_at(self, us: int) -> Canonical | None:
        return self.value

    def next_change(self, thresholds: Sequence[int], after: int) -> int | None:
        return None


@dataclass(frozen=True, slots=True)
class Elapsed:
    """Whole working minutes since `start`, pauses out."""

    calendar: WorkingCalendar
    start: int
    pauses: tuple[Interval, ...] = ()

    def value_at(self, us: int) -> int:
        return self.calendar.elapsed_us(self.start, us, self.pauses) // MINUTE_US

    def next_change(self, thresholds: Sequence[int], after: int) -> int | None:
        value = self.value_at(after)
        target = _next_above(thresholds, value) if thresholds else value + 1
        return None if target is None else self.reaches(target)

    def reaches(self, minutes: int) -> int | None:
        """Return the instant at which that many minutes are full."""
        return self.calendar.add_us(self.start, minutes * MINUTE_US, self.pauses)


@dataclass(frozen=True, slots=True)
class UsedShare:
    """Basis points of the answer time that are used: whole minutes elapsed × 10,000 / answer_within, floored."""

    elapsed: Elapsed
    answer_within: int

    def value_at(self, us: int) -> int:
        return self.elapsed.value_at(us) * FULL_BP // self.answer_within

    def next_change(self, thresholds: Sequence[int], after: int) -> int | None:
        if not thresholds:
            return self.elapsed.next_change((), after)
        target = _next_above(thresholds, self.value_at(after))
        return None if target is None else self.elapsed.reaches(-(-target * self.answer_within // FULL_BP))


@dataclass(frozen=True, slots=True)
class TurnsTrue:
    """False until `at`, true from it on."""

    at: int

    def value_at(self, us: int) -> bool:
        return us >= self.at

    def next_change(self, thresholds: Sequence[int], after: int) -> int | None:
        return self.at if self.at > after else None


@dataclass(frozen=True, slots=True)
class WorkingDays:
    """Working days that have passed since the local date of `start`; a day has passed when the next one opens."""

    calendar: WorkingCalendar
    start: int

    def value_at(self, us: int) -> int:
        first, today = self.calendar.local_day_us(self.start), self.calendar.local_day_us(us)
        days = self.calendar.days_worked_between(first, today)
        has_opened = self.calendar.is_open_us(us) or (
            self.calendar.elapsed_us(self.calendar.day_start_us(today), us) > 0
        )
        return days if has_opened else max(days - 1, 0)

    def next_change(self, thresholds: Sequence[int], after: int) -> int | None:
        value = self.value_at(after)
        target = _next_above(thresholds, value) if thresholds else value + 1
        if target is None:
            return None
        return self.calendar.working_day_opening_us(self.calendar.local_day_us(self.start), target)


@dataclass(frozen=True, slots=True)
class OpenNow:
    """Whether a calendar is open."""

    calendar: WorkingCalendar

    def value_at(self, us: int) -> bool:
        return self.calendar.is_open_us(us)

    def next_change(self, thresholds: Sequence[int], after: int) -> int | None:
        return self.calendar.next_change_us(after)


@dataclass(frozen=True, slots=True)
class Away:
    """Whether an instant lies in one of the absences (merged)."""

    absences: tuple[Interval, ...]

    def value_at(self, us: int) -> bool:
        return self.absence_at(us) is not None

    def next_change(self, thresholds: Sequence[int], after: int) -> int | None:
        edges = [edge for absence in self.absences for edge in absence]
        at = bisect_right(edges, after)
        return edges[at] if at < len(edges) and edges[at] < NEVER_US else None

    def absence_at(self, us: int) -> Interval | None:
        """Return the absence that holds `us`."""
        at = bisect_right(self.absences, (us, NEVER_US)) - 1
        return self.absences[at] if at >= 0 and us < self.absences[at][1] else None


@dataclass(frozen=True, slots=True)
class BackIn:
    """Working minutes until the end of the present absence, by the calendar as if he were not away.

    A begun minute counts, so that "at most 60" means what it says. 0 for who is there, empty where the end is
    not known.
    """

    calendar: WorkingCalendar
    away: Away

    def value_at(self, us: int) -> int | None:
        absence = self.away.absence_at(us)
        if absence is None:
            return 0
        if absence[1] >= NEVER_US:
            return None
        return -(-self.calendar.elapsed_us(us, absence[1]) // MINUTE_US)

    def next_change(self, thresholds: Sequence[int], after: int) -> int | None:
        edge = self.away.next_change((), after)
        absence = self.away.absence_at(after)
        value = self.value_at(after)
        if absence is None or not value:
            return edge
        # It counts down: "at least v" ends at the first instant with v − 1 minutes left.
        reached = [v for v in thresholds if v <= value] if thresholds else [value]
        if not reached:
            return edge
        return self._left(reached[-1] - 1, after, absence[1])

    def _left(self, minutes: int, after: int, back: int) -> int:
        """Return the first instant after `after` at which at most so many working minutes are left until `back`."""
        if minutes < 0:
            return back
        spent = self.calendar.elapsed_us(after, back) - minutes * MINUTE_US
        at = self.calendar.add_us(after, spent)
        return back if at is None else min(at, back)


@dataclass(frozen=True, slots=True)
class WallWeekday:
    """The local day of the week; it changes at midnight."""

    calendar: WorkingCalendar

    def value_at(self, us: int) -> str:
        return WEEKDAYS[(self.calendar.local_day_us(us) - 1) % 7]

    def next_change(self, thresholds: Sequence[int], after: int) -> int | None:
        return _next_midnight(self.calendar, after)


@dataclass(frozen=True, slots=True)
class WallDate:
    """The local day of the month, or the month; both change at a midnight."""

    calendar: WorkingCalendar
    is_month: bool

    def value_at(self, us: int) -> int:
        today = date.fromordinal(self.calendar.local_day_us(us))
        return today.month if self.is_month else today.day

    def next_change(self, thresholds: Sequence[int], after: int) -> int | None:
        return _next_midnight(self.calendar, after)


@dataclass(frozen=True, slots=True)
class WallHour:
    """The hour on the wall, which begins anew at midnight."""

    calendar: WorkingCalendar

    def value_at(self, us: int) -> int:
        return from_us(us).astimezone(ZoneInfo(self.calendar.zone)).hour

    def next_change(self, thresholds: Sequence[int], after: int) -> int | None:
        zone = ZoneInfo(self.calendar.zone)
        today = date.fromordinal(self.calendar.local_day_us(after))
        for hour in [h for h in thresholds if 0 < h < 24] if thresholds else range(1, 24):
            at = wall_us(zone, today, hour * 60)
            if at > after:
                return at
        return wall_us(zone, today, DAY_MINUTES)


@dataclass(frozen=True, slots=True)
class DaysApart:
    """Local dates between `day` (an ordinal) and today: since it, or until it."""

    calendar: WorkingCalendar
    day: int
    is_until: bool = False

    def value_at(self, us: int) -> int:
        passed = self.calendar.local_day_us(us) - self.day
        return -passed if self.is_until else passed

    def next_change(self, thresholds: Sequence[int], after: int) -> int | None:
        value = self.value_at(after)
        if not thresholds:
            return _next_midnight(self.calendar, after)
        if self.is_until:
            reached = [v for v in thresholds if v <= value]
            return self.calendar.day_start_us(self.day - reached[-1] + 1) if reached else None
        target = _next_above(thresholds, value)
        return None if target is None else self.calendar.day_start_us(self.day + target)


@dataclass(frozen=True, slots=True)
class DaysRatio:
    """Ten-thousandths of `per` days that have passed since `day`, rounded down: 15,000 is one and a half times."""

    calendar: WorkingCalendar
    day: int
    per: int

    def value_at(self, us: int) -> int:
        return (self.calendar.local_day_us(us) - self.day) * FULL_BP // self.per

    def next_change(self, thresholds: Sequence[int], after: int) -> int | None:
        if not thresholds:
            return _next_midnight(self.calendar, after)
        target = _next_above(thresholds, self.value_at(after))
        return None if target is None else self.calendar.day_start_us(self.day - (-target * self.per // FULL_BP))


def _next_above(thresholds: Sequence[int], value: int) -> int | None:
    at = bisect_right(thresholds, value)
    return thresholds[at] if at < len(thresholds) else None


def _next_midnight(calendar: WorkingCalendar, after: int) -> int:
    day = calendar.local_day_us(after)
    at = calendar.day_start_us(day + 1)
    # A zone may leave out a whole date, which then begins and ends at one instant.
    return at if at > after else calendar.day_start_us(day + 2)
