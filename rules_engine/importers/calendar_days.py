"""The dates of a production calendar from a file: `date type windows note`, as official calendars are published."""

from datetime import date, datetime
from pathlib import Path

from sqlalchemy.orm import Session, sessionmaker

from rules_engine.db import transaction
from rules_engine.decisions.opening_hours import DayKind
from rules_engine.errors import InputError
from rules_engine.importers import cells
from rules_engine.importers.columns import Column, Job, Kind, Values
from rules_engine.importers.report import Report
from rules_engine.importers.run import import_file
from rules_engine.services.company import calendars, production_calendars
from rules_engine.services.company.production_calendars import KnownDays
from rules_engine.services.records.outcome import Outcome
from rules_engine.settings import Settings

_KINDS = {
    **{kind.value: kind for kind in DayKind},
    # Days off by decree that were paid: no work is done on them either.
    "nowork": DayKind.OFF,
    "выходной": DayKind.OFF,
    "праздник": DayKind.OFF,
    "сокращённый": DayKind.SHORT,
    "сокращенный": DayKind.SHORT,
    "рабочий": DayKind.WORK,
}


def take(session: Session, values: Values, job: Job) -> Outcome:
    """Record one date in the calendar whose code the job names as its source."""
    day: date = values["date"]
    written = str(values["type"]).casefold()
    kind = _KINDS.get(written)
    if kind is None:
        known = ", ".join(DayKind)
        raise InputError(
            path="type",
            ru=f"«{written}» не вид дня; бывают {known}",
            en=f"{written!r} is no kind of day; there are {known}",
        )
    windows = [tuple(part.strip() for part in window.split("-")) for window in values.get("windows") or ()]
    if kind is DayKind.WINDOWS and not windows:
        raise InputError(path="windows", ru="нужны часы, например 10:00-15:00", en="needs hours such as 10:00-15:00")
    calendar = calendars.by_code(session, job.source or None)
    return calendars.put_day(
        session, calendar, day, kind, windows=windows, note=values.get("note") or "", actor=job.actor
    )


KIND = Kind(
    "calendar",
    (
        Column("date", ("дата",), cells.day, required=True),
        Column("type", ("вид", "тип", "kind"), required=True),
        Column("windows", ("часы", "hours"), cells.words),
        Column("note", ("примечание", "комментарий")),
    ),
    take,
)


def import_days(
    sessions: sessionmaker[Session], settings: Settings, path: Path, *, calendar_code: str | None, now: datetime
) -> Report:
    """Take the dates of a file into a stored calendar (None: the company's); return what came of each row.

    Raises NotFound for an unknown calendar and FileRefused for a file that is no table of dates.
    """
    with transaction(sessions) as session:
        calendars.by_code(session, calendar_code)
    job = Job(source=calendar_code or "", zone=settings.zone, now=now, actor="import")
    report = import_file(sessions, KIND, path, job)
    if report.created or report.updated:
        with transaction(sessions) as session:
            calendars.days_changed(session, now)
    return report


def import_known(
    sessions: sessionmaker[Session], settings: Settings, known: KnownDays, *, calendar_code: str | None, now: datetime
) -> Report:
    """Take the known dates of a country into a stored calendar (None: the company's); return how many changed it.

    Raises NotFound for an unknown calendar.
    """
    with transaction(sessions) as session:
        calendar = calendars.by_code(session, calendar_code)
        counts = production_calendars.take(session, calendar, known.days, lang=settings.locale, actor="import")
        if counts[Outcome.CREATED] or counts[Outcome.UPDATED]:
            calendars.days_changed(session, now)
    return Report(
        read=len(known.days),
        created=counts[Outcome.CREATED],
        updated=counts[Outcome.UPDATED],
        unchanged=counts[Outcome.UNCHANGED],
    )
