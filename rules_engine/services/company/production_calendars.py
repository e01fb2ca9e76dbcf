"""Production calendars for a stored calendar: Russia's, which ships with the product, and those of `holidays`.

What ships knows days off, moved working days and short days. The package knows days off and moved working days of
most countries, short days of none; whoever takes its dates is told so.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.decisions.opening_hours import DayKind
from rules_engine.decisions.production_calendar import KnownDay, KnownYear, read_years
from rules_engine.errors import InputError
from rules_engine.models import Calendar, CalendarException
from rules_engine.services.company import calendars
from rules_engine.services.records.outcome import Outcome

SHIPPED = ("RU",)
FIRST_YEAR, LAST_YEAR = 1990, 2100


@dataclass(frozen=True, slots=True)
class KnownDays:
    """The dates of some years of a country. `without_short_days`: the years known only by the package."""

    country: str
    days: tuple[KnownDay, ...]
    without_short_days: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DayChange:
    """What taking one date in would do: `before` is the row that the calendar has for it, None for none."""

    known: KnownDay
    before: CalendarException | None
    outcome: Outcome


@lru_cache(maxsize=len(SHIPPED))
def shipped_years(country: str) -> dict[int, KnownYear]:
    """Return the years that ship with the product by number; empty for a country that does not."""
    if country not in SHIPPED:
        return {}
    return read_years(json.loads((files("rules_engine") / "calendars" / f"{country.lower()}.json").read_bytes()))


def known_days(country: str, years: Collection[int]) -> KnownDays:
    """Return the dates that differ in these years; a year that ships is taken whole from there.

    Raises InputError, path `country` or `years`: for a country that nobody knows and for years out of reach.
    """
    country = country.strip().upper()
    if not years or not all(FIRST_YEAR <= year <= LAST_YEAR for year in years):
        raise InputError(
            path="years",
            ru=f"нужны годы с {FIRST_YEAR} по {LAST_YEAR}",
            en=f"years from {FIRST_YEAR} to {LAST_YEAR} are needed",
        )
    shipped = shipped_years(country)
    rest = tuple(sorted(set(years) - shipped.keys()))
    days = [day for year in sorted(set(years) & shipped.keys()) for day in shipped[year].days]
    if rest:
        days += _of_package(country, rest)
    return KnownDays(country, tuple(sorted(days, key=lambda one: one.day)), rest)


def country_of_zone(zone: str) -> str | None:
    """Return the code of the country that a time zone lies in; None where it is nobody's alone, such as UTC."""
    return _countries().get(zone)


def preview(session: Session, calendar: Calendar, days: Iterable[KnownDay]) -> list[DayChange]:
    """Return what taking these dates in would do to each, in their order; a note that differs changes nothing."""
    stored = {
        row.day: row
        for row in session.scalars(select(CalendarException).where(CalendarException.calendar_id == calendar.id))
    }
    changes = []
    for known in days:
        row = stored.get(known.day)
        if row is None:
            outcome = Outcome.CREATED
        elif row.kind == known.kind.value:
            outcome = Outcome.UNCHANGED
        else:
            outcome = Outcome.UPDATED
        changes.append(DayChange(known, row, outcome))
    return changes


def take(
    session: Session, calendar: Calendar, days: Iterable[KnownDay], *, lang: str, actor: str, keep_own: bool = False
) -> dict[Outcome, int]:
    """Write dates into a calendar and return how many were created, changed and left; then `calendars.days_changed`.

    `keep_own` leaves dates alone that the calendar has already and that would change.
    """
    counts = dict.fromkeys(Outcome, 0)
    for change in preview(session, calendar, days):
        outcome = change.outcome
        if outcome is Outcome.UPDATED and keep_own:
            outcome = Outcome.UNCHANGED
        if outcome is not Outcome.UNCHANGED:
            known = change.known
            calendars.put_day(session, calendar, known.day, known.kind, note=known.note(lang), actor=actor)
        counts[outcome] += 1
    return counts


def years_of(text: str) -> Sequence[int]:
    """Return the years of `2026` or `2024-2026`. Raises InputError, path `years`."""
    first, _, last = text.replace("–", "-").partition("-")
    try:
        years = range(int(first), int(last or first) + 1)
    except ValueError:
        years = range(0)
    # By its ends: the length of a range may be a number that Python cannot say.
    if not years or years.stop - years.start > LAST_YEAR - FIRST_YEAR + 1:
        raise InputError(
            path="years", ru=f"«{text}» не годы; нужно 2026 или 2024-2026", en=f"{text!r} is not 2026 or 2024-2026"
        )
    return years


def _of_package(country: str, years: Sequence[int]) -> list[KnownDay]:
    # Asked for on few pages and slow to import: every command would wait for it.
    import holidays

    try:
        found = holidays.country_holidays(country, years=years)
        languages = found.supported_languages
        names = {
            lang: holidays.country_holidays(country, years=years, language=code if code in languages else None)
            for lang, code in (("ru", "ru"), ("en", "en_US"))
        }
    except NotImplementedError:
        raise InputError(
            path="country",
            ru=f"страна «{country}» не известна; нужен код из двух букв, например KZ",
            en=f"country {country!r} is not known; a code of two letters is needed, such as KZ",
        ) from None
    days = [KnownDay(day, DayKind.OFF, names["ru"][day], names["en"][day]) for day in sorted(found)]
    return days + [
        KnownDay(day, DayKind.WORK, "перенесённый рабочий день", "moved working day")
        for day in sorted(found.weekend_workdays)
        if day.year in years and day not in found
    ]


@lru_cache(maxsize=1)
def _countries() -> dict[str, str]:
    lines = (files("tzdata") / "zoneinfo" / "zone.tab").read_text(encoding="utf-8").splitlines()
    return {cells[2]: cells[0] for cells in (line.split("\t") for line in lines if line[:1] != "#") if len(cells) > 2}
