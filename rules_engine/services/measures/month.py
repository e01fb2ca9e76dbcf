"""A calendar month of the business zone, as measures and bonuses speak of it."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sqlalchemy.orm import Session

from rules_engine.decisions.instants import to_us
from rules_engine.errors import InputError
from rules_engine.services.company.reference import Reference, reference

_WRITTEN: Final = re.compile(r"(?:20|21)[0-9]{2}-(?:0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class Month:
    """`[start, end)` of the month `text` (`2026-10`)."""

    text: str
    start: datetime
    end: datetime

    @property
    def offset_us(self) -> int:
        """By how much the zone is ahead of UTC when the month begins."""
        offset = self.start.utcoffset()
        return 0 if offset is None else (offset.days * 86_400 + offset.seconds) * 1_000_000

    @property
    def start_us(self) -> int:
        return to_us(self.start)

    @property
    def end_us(self) -> int:
        return to_us(self.end)


def month_named(session: Session, text: str) -> Month:
    """Return the month of a name such as `2026-10`. Raises InputError."""
    if not _WRITTEN.fullmatch(text):
        raise InputError(path="period", ru="нужен месяц, например «2026-10»", en='must be a month such as "2026-10"')
    return _month(reference(session), date.fromisoformat(f"{text}-01"))


def month_of_instant(session: Session, at: datetime) -> Month:
    """Return the month that an instant lies in."""
    picture = reference(session)
    return _month(picture, picture.day_of(at).replace(day=1))


def earlier(text: str, months: int = 1) -> str:
    """Return the name of the month so many months before; later, where negative.

    >>> earlier("2026-01"), earlier("2026-12", -1)
    ('2025-12', '2027-01')
    """
    count = int(text[:4]) * 12 + int(text[5:]) - 1 - months
    return f"{count // 12:04d}-{count % 12 + 1:02d}"


def _month(picture: Reference, first: date) -> Month:
    following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return Month(f"{first:%Y-%m}", picture.start_of_day(first), picture.start_of_day(following))
