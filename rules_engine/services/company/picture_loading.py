"""Taking a picture: the rows of people, calendars, modes and versions read and put together. See reference.py."""

from collections import OrderedDict
from collections.abc import Mapping
from datetime import date, datetime, time
from fractions import Fraction
from threading import Lock
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from rules_engine.decisions.instants import merged_ranges
from rules_engine.decisions.opening_hours import DayException, DayKind, day_off, other_windows, short_day, work_day
from rules_engine.decisions.working_time import WorkingCalendar
from rules_engine.models import (
    BEGINNING_OF_TIME,
    Absence,
    Calendar,
    CalendarException,
    DutyShift,
    Manager,
    ModeChange,
    OverdueAction,
    OverdueKind,
    OverdueState,
    RulesetVersion,
    Team,
    User,
    UtcDateTime,
)
from rules_engine.services.company.picture import HoldRef, ManagerRef, ModeRef, Reference, TeamRef, UserRef, VersionRef

DEFAULT_WEEKLY: Mapping[str, list[list[str]]] = {
    day: [["09:00", "13:00"], ["14:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")
}
"""Mon–Fri 09:00–18:00, lunch 13:00–14:00: the company's calendar until it has one of its own."""

_CALENDARS_KEPT = 2_000

_USERS = select(
    User.id,
    User.login,
    User.name,
    User.role,
    User.email,
    User.locale,
    User.is_active,
    User.notify_by_mail,
    User.notify_urls,
    User.notify_after_hours,
    User.digest_minutes,
).order_by(User.id)

_calendars: OrderedDict[WorkingCalendar, WorkingCalendar] = OrderedDict()
_lock = Lock()


def compiled(calendar: WorkingCalendar) -> WorkingCalendar:
    """Return the one object that this process keeps for a calendar: its index is made once, not once a picture."""
    with _lock:
        kept = _calendars.setdefault(calendar, calendar)
        _calendars.move_to_end(kept)
        if len(_calendars) > _CALENDARS_KEPT:
            _calendars.popitem(last=False)
    return kept


def exception_of(kind: str, windows: list[Any] | None, day: date) -> DayException:
    """Return how a date differs, from a stored row. Raises CalendarError for windows that make no sense."""
    match DayKind(kind):
        case DayKind.OFF:
            return day_off()
        case DayKind.SHORT:
            return short_day()
        case DayKind.WORK:
            return work_day()
        case DayKind.WINDOWS:
            return other_windows(windows or [], day)


def take(session: Session, token: str | None, zone: ZoneInfo) -> Reference:
    """Return the picture of what this transaction sees, under its token."""
    calendars, default = _load_calendars(session, zone)
    teams = {
        row.id: TeamRef(
            row.id,
            row.code,
            row.name,
            row.head_id,
            calendars.get(row.calendar_id, default),
            row.catch_up_per_day,
        )
        for row in session.execute(
            select(Team.id, Team.code, Team.name, Team.head_id, Team.calendar_id, Team.catch_up_per_day).order_by(
                Team.id
            )
        )
    }
    managers = _load_managers(session, zone, calendars, default, teams)
    by_user = {one.user_id: one for one in managers.values()}
    users = {
        row.id: UserRef(
            row.id,
            row.login,
            row.name,
            row.role,
            row.email,
            row.locale,
            row.is_active,
            by_user[row.id].id if row.id in by_user else None,
            by_user[row.id].team_id if row.id in by_user else None,
            row.notify_by_mail,
            tuple(row.notify_urls),
            row.notify_after_hours,
            row.digest_minutes,
        )
        for row in session.execute(_USERS)
    }
    versions = _load_versions(session)
    return Reference(
        token=token,
        zone=zone,
        managers=managers,
        teams=teams,
        users=users,
        company_calendar=default,
        modes=tuple(
            ModeRef(row.decision, row.team_id, row.mode, row.at)
            for row in session.execute(
                select(ModeChange.decision, ModeChange.team_id, ModeChange.mode, ModeChange.at).order_by(
                    ModeChange.at, ModeChange.id
                )
            )
        ),
        versions=versions,
        holds=_load_holds(session),
        ended_holds=_load_ended_holds(session),
        _by_login={one.login: one for one in managers.values()},
        _by_holds_from={decision: _in_force(heads) for decision, heads in versions.items()},
    )


def _load_calendars(session: Session, zone: ZoneInfo) -> tuple[dict[int | None, WorkingCalendar], WorkingCalendar]:
    exceptions: dict[int, dict[date, DayException]] = {}
    stored = select(
        CalendarException.calendar_id, CalendarException.day, CalendarException.kind, CalendarException.windows
    )
    for row in session.execute(stored):
        exceptions.setdefault(row.calendar_id, {})[row.day] = exception_of(row.kind, row.windows, row.day)
    calendars: dict[int | None, WorkingCalendar] = {}
    default: WorkingCalendar | None = None
    for row in session.execute(
        select(Calendar.id, Calendar.weekly, Calendar.zone, Calendar.is_default).order_by(Calendar.id)
    ):
        calendars[row.id] = compiled(WorkingCalendar.build(row.weekly, row.zone, exceptions.get(row.id)))
        if row.is_default:
            default = calendars[row.id]
    return calendars, default or compiled(WorkingCalendar.build(DEFAULT_WEEKLY, zone.key))


def _load_managers(
    session: Session,
    zone: ZoneInfo,
    calendars: Mapping[int | None, WorkingCalendar],
    default: WorkingCalendar,
    teams: Mapping[int, TeamRef],
) -> dict[int, ManagerRef]:
    absences = _load_spans(session, Absence)
    shifts = _load_spans(session, DutyShift)
    managers: dict[int, ManagerRef] = {}
    stored = (
        select(
            Manager.id,
            Manager.user_id,
            Manager.team_id,
            Manager.calendar_id,
            Manager.weight_milli,
            Manager.skills,
            Manager.hired_on,
            Manager.left_on,
            Manager.daily_cap,
            Manager.open_cap,
            User.login,
            User.name,
            User.is_active,
        )
        .join(User, User.id == Manager.user_id)
        .order_by(Manager.id)
    )
    for row in session.execute(stored):
        team = teams.get(row.team_id)
        duty = shifts.get(row.id, [])
        base = compiled((calendars.get(row.calendar_id) or (team.calendar if team else default)).with_duty(duty))
        away = absences.get(row.id, [])
        hired_at = datetime.combine(row.hired_on, time(), zone) if row.hired_on else None
        left_at = datetime.combine(row.left_on, time(), zone) if row.left_on else None
        outside: list[tuple[datetime, datetime | None]] = []
        if hired_at:
            outside.append((BEGINNING_OF_TIME, hired_at))
        if left_at:
            outside.append((left_at, None))
        calendar = compiled(base.with_absences(away))
        employment = compiled(base.with_absences(outside))
        managers[row.id] = ManagerRef(
            id=row.id,
            user_id=row.user_id,
            login=row.login,
            name=row.name,
            team_id=row.team_id,
            team_code=team.code if team else None,
            weight=Fraction(row.weight_milli, 1000),
            skills=frozenset(row.skills or ()),
            hired_at=hired_at,
            left_at=left_at,
            daily_cap=row.daily_cap,
            open_cap=row.open_cap,
            is_user_active=row.is_active,
            absences=tuple(away),
            duty=tuple(duty),
            away=merged_ranges((*away, *outside)),
            hours=base,
            calendar=calendar,
            presence=compiled(calendar.with_absences(outside)) if outside else calendar,
            employment=employment,
        )
    return managers


def _load_spans(session: Session, model: type[Absence] | type[DutyShift]) -> dict[int, list[tuple[datetime, datetime]]]:
    """Return by manager the `[from, to)` of all rows, in the order in which they begin."""
    spans: dict[int, list[tuple[datetime, datetime]]] = {}
    stored = select(model.manager_id, model.starts_at, model.ends_at).order_by(model.starts_at, model.id)
    for row in session.execute(stored):
        spans.setdefault(row.manager_id, []).append((row.starts_at, row.ends_at))
    return spans


def _load_holds(session: Session) -> dict[int, HoldRef]:
    """Return the confirmed holds by manager; there is at most one of each. Who changes one says so."""
    stored = select(OverdueAction.manager_id, OverdueAction.id, OverdueAction.answered_at, OverdueAction.ends_at).where(
        OverdueAction.kind == OverdueKind.HOLD, OverdueAction.state == OverdueState.CONFIRMED
    )
    return {
        row.manager_id: HoldRef(row.id, row.answered_at, row.ends_at)
        for row in session.execute(stored)
        if row.answered_at is not None and row.ends_at is not None
    }


def _load_ended_holds(session: Session) -> dict[int, datetime]:
    ended = func.max(OverdueAction.ended_at, type_=UtcDateTime()).label("ended_at")
    stored = select(OverdueAction.manager_id, ended).where(
        OverdueAction.kind == OverdueKind.HOLD,
        OverdueAction.state == OverdueState.ENDED,
        OverdueAction.ended_at.is_not(None),
    )
    return {row.manager_id: row.ended_at for row in session.execute(stored.group_by(OverdueAction.manager_id))}


def _load_versions(session: Session) -> dict[str, tuple[VersionRef, ...]]:
    versions: dict[str, list[VersionRef]] = {}
    stored = select(
        RulesetVersion.id,
        RulesetVersion.decision,
        RulesetVersion.number,
        RulesetVersion.holds_from,
        RulesetVersion.content_hash,
        RulesetVersion.durable_refused,
    ).order_by(RulesetVersion.decision, RulesetVersion.number)
    for row in session.execute(stored):
        head = VersionRef(row.id, row.number, row.holds_from, row.content_hash, row.durable_refused)
        versions.setdefault(row.decision, []).append(head)
    return {decision: tuple(heads) for decision, heads in versions.items()}


def _in_force(heads: tuple[VersionRef, ...]) -> tuple[list[datetime], list[VersionRef]]:
    ordered = sorted(heads, key=lambda head: (head.holds_from, head.number))
    return [head.holds_from for head in ordered], ordered
