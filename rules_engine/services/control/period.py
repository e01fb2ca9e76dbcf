"""The days that control looks at: any run of them, in the business zone."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from rules_engine.errors import InputError
from rules_engine.services.company.reference import reference
from rules_engine.services.measures.month import Month, month_named

FIRST_YEAR, LAST_YEAR = 2000, 2199
"""As far as months can be named, see measures/month.py."""
LONGEST_DAYS: Final = 366
"""A longer period is refused: nobody reads it, and it would be counted for minutes."""


@dataclass(frozen=True, slots=True)
class Period:
    """The days from `first` to `last`, both counted; `[start, end)` in instants."""

    first: date
    last: date
    start: datetime
    end: datetime

    @property
    def months(self) -> tuple[str, ...]:
        """Return the names of the months that it touches."""
        count = (self.last.year - self.first.year) * 12 + self.last.month - self.first.month
        places = (self.first.year * 12 + self.first.month - 1 + step for step in range(count + 1))
        return tuple(f"{place // 12:04d}-{place % 12 + 1:02d}" for place in places)

    @property
    def as_month(self) -> Month:
        """Return it as measures take it, which ask for a month and use no more than its bounds."""
        return Month(self.months[0], self.start, self.end)

    def until(self, now: datetime) -> datetime:
        """Return up to when facts count: the end of the period, or now where it is not over."""
        return min(now, self.end)


def days(session: Session, first: date, last: date) -> Period:
    """Return a period. Raises InputError where it ends before it begins, is longer than a year, or out of reach."""
    if not FIRST_YEAR <= first.year <= last.year <= LAST_YEAR and first <= last:
        raise InputError(
            path="to",
            ru=f"нужны дни с {FIRST_YEAR} по {LAST_YEAR} год",
            en=f"days of the years {FIRST_YEAR} to {LAST_YEAR} are needed",
        )
    if last < first:
        raise InputError(path="to", ru="период кончается раньше, чем начинается", en="the period ends before it begins")
    if (last - first).days >= LONGEST_DAYS:
        raise InputError(path="to", ru="не больше года", en="at most a year")
    picture = reference(session)
    return Period(first, last, picture.start_of_day(first), picture.start_of_day(last + timedelta(days=1)))


def month(session: Session, text: str) -> Period:
    """Return the period of a month such as `2026-10`. Raises InputError for what is no month."""
    found = month_named(session, text)
    first = date.fromisoformat(f"{text}-01")
    following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return Period(first, following - timedelta(days=1), found.start, found.end)
