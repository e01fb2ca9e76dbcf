"""A year of a working calendar at a glance: each date with its windows, why it differs, and the norm hours."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from rules_engine.decisions.opening_hours import DayKind, Windows
from rules_engine.decisions.working_time import WorkingCalendar


class DayShown(StrEnum):
    """What a date is, for whoever looks at the year."""

    WORKED = "worked"
    FREE = "free"
    """The week leaves it free."""
    OFF = "off"
    SHORT = "short"
    MOVED = "moved"
    """Worked although the week leaves it free, an hour shorter or not."""
    OTHER = "other"
    """Its own windows."""


@dataclass(frozen=True, slots=True)
class YearDay:
    day: date
    shown: DayShown
    windows: Windows

    @property
    def minutes(self) -> int:
        return sum(end - start for start, end in self.windows)


@dataclass(frozen=True, slots=True)
class YearMonth:
    """One month; `blanks` are the days of its first week that belong to the month before, Monday first."""

    number: int
    blanks: int
    days: tuple[YearDay, ...]

    @property
    def minutes(self) -> int:
        """The norm: working minutes of the month, absences and changes of the clock aside."""
        return sum(one.minutes for one in self.days)

    @property
    def working_days(self) -> int:
        return sum(bool(one.windows) for one in self.days)


def year_of(calendar: WorkingCalendar, year: int) -> tuple[YearMonth, ...]:
    """Return the twelve months of a year."""
    kinds = {day: exception.kind for day, exception in calendar.exceptions}
    return tuple(_month(calendar, kinds, year, month) for month in range(1, 13))


def _month(calendar: WorkingCalendar, kinds: dict[date, DayKind], year: int, month: int) -> YearMonth:
    blanks, length = monthrange(year, month)
    days = []
    for number in range(1, length + 1):
        day = date(year, month, number)
        days.append(YearDay(day, _shown(calendar, kinds.get(day), day), calendar.day_windows(day)))
    return YearMonth(month, blanks, tuple(days))


def _shown(calendar: WorkingCalendar, kind: DayKind | None, day: date) -> DayShown:
    is_free = not calendar.week[day.weekday()]
    windows = calendar.day_windows(day)
    if kind is DayKind.WINDOWS and windows:
        return DayShown.OTHER
    if kind is not None and not windows:
        # A holiday on a day that is free anyway looks like a holiday: somebody else may work on it.
        return DayShown.OFF
    if kind is not None and is_free:
        return DayShown.MOVED
    if kind is DayKind.SHORT:
        return DayShown.SHORT
    return DayShown.FREE if is_free else DayShown.WORKED
