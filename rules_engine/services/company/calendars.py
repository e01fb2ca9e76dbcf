"""Dates on which a stored calendar differs from its week: holidays, short days, moved working days."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.decisions.opening_hours import DayKind
from rules_engine.decisions.working_time import WorkingCalendar
from rules_engine.errors import NotFound
from rules_engine.models import Calendar, CalendarException
from rules_engine.services.company.picture_loading import exception_of
from rules_engine.services.queue import work
from rules_engine.services.records import audit
from rules_engine.services.records.outcome import Outcome


def by_code(session: Session, code: str | None) -> Calendar:
    """Return the calendar with this code, the company's without one. Raises NotFound."""
    wanted = Calendar.code == code if code else Calendar.is_default
    calendar = session.scalars(select(Calendar).where(wanted)).first()
    if calendar is None:
        raise NotFound(what=code or "calendar")
    return calendar


def put_day(
    session: Session,
    calendar: Calendar,
    day: date,
    kind: DayKind,
    *,
    windows: Sequence[Sequence[str]] = (),
    note: str = "",
    actor: str,
) -> Outcome:
    """Record how a date differs from its weekday. After the last one the caller calls `days_changed`.

    `windows` counts with `DayKind.WINDOWS` only. Raises CalendarError for windows that make no sense, and where no
    working time would be left.
    """
    hours = [list(window) for window in windows] if kind is DayKind.WINDOWS else None
    exception_of(kind, hours, day)
    row = session.scalars(
        select(CalendarException).where(CalendarException.calendar_id == calendar.id, CalendarException.day == day)
    ).one_or_none()
    after = {"calendar": calendar.code, "day": day, "kind": kind.value, "windows": hours, "note": note}
    if row is None:
        session.add(CalendarException(calendar_id=calendar.id, day=day, kind=kind.value, windows=hours, note=note))
        before, outcome = None, Outcome.CREATED
    elif (row.kind, row.windows, row.note) == (kind.value, hours, note):
        return Outcome.UNCHANGED
    else:
        before = {**after, "kind": row.kind, "windows": row.windows, "note": row.note}
        row.kind, row.windows, row.note = kind.value, hours, note
        outcome = Outcome.UPDATED
    session.flush()
    _check(session, calendar)
    audit.record(
        session,
        actor=actor,
        action="create" if before is None else "update",
        subject_kind="calendar_exception",
        subject_id=f"{calendar.code}:{day.isoformat()}",
        before=before,
        after=after,
    )
    return outcome


def remove_day(session: Session, calendar: Calendar, day: date, *, actor: str) -> Outcome:
    """Let a date be as its weekday again. After the last one the caller calls `days_changed`.

    Raises CalendarError where no working time would be left.
    """
    row = session.scalars(
        select(CalendarException).where(CalendarException.calendar_id == calendar.id, CalendarException.day == day)
    ).one_or_none()
    if row is None:
        return Outcome.UNCHANGED
    audit.record(
        session,
        actor=actor,
        action="delete",
        subject_kind="calendar_exception",
        subject_id=f"{calendar.code}:{day.isoformat()}",
        before={"calendar": calendar.code, "day": day, "kind": row.kind, "windows": row.windows, "note": row.note},
    )
    session.delete(row)
    session.flush()
    _check(session, calendar)
    return Outcome.UPDATED


def _check(session: Session, calendar: Calendar) -> None:
    """Raise CalendarError where a date that was changed leaves no working time at all."""
    # A week with hours always does: what is asked for each of many dates is asked only of the others.
    if not any(calendar.weekly.values()):
        working(session, calendar)


def working(session: Session, calendar: Calendar) -> WorkingCalendar:
    """Return the arithmetic of a stored calendar. Raises CalendarError where it has no working time left."""
    session.flush()
    stored = session.scalars(select(CalendarException).where(CalendarException.calendar_id == calendar.id))
    exceptions = {row.day: exception_of(row.kind, row.windows, row.day) for row in stored}
    return WorkingCalendar.build(calendar.weekly, calendar.zone, exceptions)


def days_changed(session: Session, now: datetime) -> None:
    """Have all open requests looked at again: any of their clocks may run by the changed calendar."""
    work.wake_open_requests(session, now)
    work.wake_calls(session, now)
