"""A month's hours of one manager against the norm, and the part of his plan that they make. Exact, no rounding."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Final

from rules_engine.decisions.instants import Interval
from rules_engine.decisions.working_time import WorkingCalendar

HOUR_US: Final = 3_600_000_000


@dataclass(frozen=True, slots=True)
class MonthHours:
    """`norm_us`: working time of the month by the company's calendar; `present_us`: without what he was away.

    `weight` is his share of a full position: an hour away costs a half position half an hour.
    """

    norm_us: int
    present_us: int
    weight: Fraction

    @property
    def share(self) -> Fraction:
        """What part of the norm hours are his: (norm × weight − absences × weight) ÷ norm; 0 without a norm."""
        return self.weight * Fraction(self.present_us, self.norm_us) if self.norm_us else Fraction(0)

    @property
    def norm_hours(self) -> Fraction:
        return Fraction(self.norm_us, HOUR_US)

    @property
    def hours(self) -> Fraction:
        return self.norm_hours * self.share


def month_hours(
    company: WorkingCalendar, start_us: int, end_us: int, *, weight: Fraction, away: Sequence[Interval] = ()
) -> MonthHours:
    """Return the hours of one manager in `[start_us, end_us)`.

    `company` is the production calendar as if nobody were ever away; `away` (merged) are his absences and the time
    before he was hired and after he left.
    """
    return MonthHours(company.elapsed_us(start_us, end_us), company.elapsed_us(start_us, end_us, away), weight)


def prorated(plan: int | None, hours: MonthHours) -> Fraction | None:
    """Return a plan (kopecks or pieces) times hours ÷ norm hours; None is no plan: nothing planned, or no hours.

    >>> prorated(56_000_000, MonthHours(160, 120, Fraction(1, 2)))
    Fraction(21000000, 1)
    """
    if plan is None or plan <= 0 or hours.share <= 0:
        return None
    return plan * hours.share


def month_of(day: date) -> str:
    """Return the month of a date.

    >>> month_of(date(2026, 3, 31))
    '2026-03'
    """
    return f"{day:%Y-%m}"


def first_day(month: str) -> date:
    """Return the first day of a month such as `2026-10`. Raises ValueError."""
    return date.fromisoformat(f"{month}-01")


def next_month(month: str) -> str:
    """Return the month after.

    >>> next_month("2026-12")
    '2027-01'
    """
    first = first_day(month)
    return month_of(date(first.year + first.month // 12, first.month % 12 + 1, 1))
