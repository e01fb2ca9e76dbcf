"""A frozen picture of what rarely changes: people, teams, calendars, absences, holds, modes, which rulesets hold when.

Decisions read it instead of asking the database each time. Its rows carry one token, changed in the transaction that
changes any of them; a picture is good as long as the stored token is the one it was taken under. The token is random:
a picture taken in a transaction that was rolled back can never be mistaken for a later one.
"""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from fractions import Fraction
from threading import Lock
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import event, func, select
from sqlalchemy.orm import Session

from rules_engine.db import settings_of
from rules_engine.decisions.instants import Interval, merged_ranges
from rules_engine.decisions.opening_hours import DayException, DayKind, day_off, other_windows, short_day, work_day
from rules_engine.decisions.working_time import WorkingCalendar
from rules_engine.errors import NotFound
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
    Role,
    RulesetVersion,
    Team,
    User,
    UtcDateTime,
)
from rules_engine.services import settings_store

DEFAULT_WEEKLY: Mapping[str, list[list[str]]] = {
    day: [["09:00", "13:00"], ["14:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")
}
"""Mon–Fri 09:00–18:00, lunch 13:00–14:00: the company's calendar until it has one of its own."""

_TOKEN = "reference_version"
_WATCHED = (User, Manager, Team, Calendar, CalendarException, Absence, DutyShift, ModeChange, RulesetVersion)
_PICTURES_KEPT = 8
_CALENDARS_KEPT = 2_000


@dataclass(frozen=True, slots=True)
class UserRef:
    """Whoever can log in; `manager_id` and `team_id` of his manager's row, None where he has none."""

    id: int
    login: str
    name: str
    role: Role
    email: str
    locale: str
    is_active: bool
    manager_id: int | None
    team_id: int | None
    is_mailed: bool = True
    urls: tuple[str, ...] = field(default=(), repr=False)
    """Where else his messages go. They hold secrets."""
    is_told_after_hours: bool = False
    digest_minutes: int = 0


@dataclass(frozen=True, slots=True)
class TeamRef:
    """A team. `catch_up_per_day`: None where presence drives entitlement; else absence counts as presence.

    What was missed meanwhile is then made up for by at most so many requests a day more than the others get.
    """

    id: int
    code: str
    name: str
    head_id: int | None
    calendar: WorkingCalendar
    catch_up_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class ManagerRef:
    """A sales manager. `hours` is when he works if he is not away; `absences` and `duty` are `[from, to)`, rising.

    Duty is worked in all of these calendars, save during an absence. `calendar` is `hours` without the absences; it
    goes on after he left, so that the clocks of a request that is still his do not stand still. `presence` leaves out
    the time before he was hired and after he left, too: entitlement comes from it. `employment` is `presence` with
    his absences worked: what he is owed where a team makes up for them.
    `away` is all that `presence` leaves out of `hours`, merged, in UTC microseconds.
    """

    id: int
    user_id: int
    login: str
    name: str
    team_id: int | None
    team_code: str | None
    weight: Fraction
    skills: frozenset[str]
    hired_at: datetime | None
    left_at: datetime | None
    daily_cap: int | None
    open_cap: int | None
    is_user_active: bool
    absences: tuple[tuple[datetime, datetime], ...]
    duty: tuple[tuple[datetime, datetime], ...]
    away: tuple[Interval, ...]
    hours: WorkingCalendar
    calendar: WorkingCalendar
    presence: WorkingCalendar
    employment: WorkingCalendar

    def is_employed(self, at: datetime) -> bool:
        """Return whether he works for the company at that instant, away or not."""
        return (
            self.is_user_active
            and (self.hired_at is None or self.hired_at <= at)
            and (self.left_at is None or at < self.left_at)
        )

    def absence_at(self, at: datetime) -> tuple[datetime, datetime] | None:
        """Return the absence that `at` lies in, None where he is not away (at lunch or at night he is not)."""
        return next((span for span in self.absences if span[0] <= at < span[1]), None)

    def is_on_duty(self, at: datetime) -> bool:
        """Return whether `at` lies in a shift of his on the duty roster and he is not away."""
        return any(start <= at < end for start, end in self.duty) and self.absence_at(at) is None

    def next_presence_change(self, at: datetime) -> datetime | None:
        """Return when, strictly after `at`, an absence or duty of his begins or ends next, or he comes or leaves."""
        instants = [edge for span in (*self.absences, *self.duty) for edge in span]
        instants += [edge for edge in (self.hired_at, self.left_at) if edge is not None]
        return min((edge for edge in instants if edge > at), default=None)


@dataclass(frozen=True, slots=True)
class VersionRef:
    """The head of a published ruleset."""

    id: int
    number: int
    holds_from: datetime
    content_hash: str
    durable_refused: str | None


@dataclass(frozen=True, slots=True)
class HoldRef:
    """A confirmed hold of a manager's new requests: from `since` until `ends_at` at the latest."""

    action_id: int
    since: datetime
    ends_at: datetime

    def is_in_force(self, at: datetime) -> bool:
        return self.since <= at < self.ends_at


@dataclass(frozen=True, slots=True)
class ModeRef:
    """From `at` on, a decision runs in `mode` for a team (None: for all)."""

    decision: str
    team_id: int | None
    mode: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Reference:
    """The picture. Managers, teams and users by id, in rising order; modes in the order in which they were set."""

    token: str | None
    zone: ZoneInfo
    managers: Mapping[int, ManagerRef]
    teams: Mapping[int, TeamRef]
    users: Mapping[int, UserRef]
    company_calendar: WorkingCalendar
    modes: tuple[ModeRef, ...]
    versions: Mapping[str, tuple[VersionRef, ...]]
    holds: Mapping[int, HoldRef]
    ended_holds: Mapping[int, datetime]
    """When the last hold of each manager that is over ended."""
    _by_login: Mapping[str, ManagerRef] = field(repr=False)
    _by_holds_from: Mapping[str, tuple[list[datetime], list[VersionRef]]] = field(repr=False)

    def manager(self, manager_id: int) -> ManagerRef:
        """Return a manager. Raises NotFound."""
        try:
            return self.managers[manager_id]
        except KeyError:
            raise NotFound(what=f"manager {manager_id}") from None

    def by_login(self, login: str) -> ManagerRef | None:
        """Return the manager with this login, None where there is none."""
        return self._by_login.get(login)

    def login_of(self, manager_id: int | None) -> str | None:
        """Return the login of a manager, None for None and for who is not known."""
        found = self.managers.get(manager_id) if manager_id is not None else None
        return found.login if found else None

    def team_by_code(self, code: str) -> TeamRef | None:
        return next((team for team in self.teams.values() if team.code == code), None)

    def calendar_of(self, manager_id: int) -> WorkingCalendar:
        """Return when a manager works, his absences out. Raises NotFound."""
        return self.manager(manager_id).calendar

    def present_managers(self, at: datetime) -> tuple[ManagerRef, ...]:
        """Return who is employed and not away at that instant, whatever the hour, by rising id."""
        return tuple(one for one in self.managers.values() if one.is_employed(at) and one.absence_at(at) is None)

    def heads_for(self, team_id: int | None) -> tuple[UserRef, ...]:
        """Return who is told about a team's requests: its head, else the heads without a team of their own.

        Where there are none of those, every head; where there is no head at all, the administrators.
        """
        team = self.teams.get(team_id) if team_id is not None else None
        head = self.users.get(team.head_id) if team and team.head_id is not None else None
        if head and head.is_active:
            return (head,)
        heads = tuple(user for user in self.users.values() if user.role is Role.HEAD and user.is_active)
        with_team = {team.head_id for team in self.teams.values()}
        free = tuple(user for user in heads if user.id not in with_team)
        if free or heads:
            return free or heads
        return tuple(user for user in self.users.values() if user.role is Role.ADMINISTRATOR and user.is_active)

    def version_at(self, decision: str, at: datetime) -> VersionRef | None:
        """Return the ruleset in force: the latest `holds_from` not after `at`, of equal ones the highest number."""
        starts, in_force = self._by_holds_from.get(decision, ([], []))
        place = bisect_right(starts, at)
        return in_force[place - 1] if place else None

    def next_version_at(self, decision: str, at: datetime) -> datetime | None:
        """Return when, strictly after `at`, the next published version comes into force; None: none is known."""
        starts, _ = self._by_holds_from.get(decision, ([], []))
        place = bisect_right(starts, at)
        return starts[place] if place < len(starts) else None

    def day_of(self, at: datetime) -> date:
        """Return the date of an instant in the business zone."""
        return at.astimezone(self.zone).date()

    def start_of_day(self, day: date) -> datetime:
        """Return the first instant of a date of the business zone."""
        return datetime.combine(day, time(), self.zone)


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

_pictures: OrderedDict[tuple[str, str], Reference] = OrderedDict()
_calendars: OrderedDict[WorkingCalendar, WorkingCalendar] = OrderedDict()
_lock = Lock()


def reference(session: Session) -> Reference:
    """Return the picture as of this transaction; it costs one small query a transaction while nothing changes.

    Pending changes of the session are flushed first, so that it shows them.
    """
    _write_news(session)
    token = settings_store.all_rows(session).get(_TOKEN)
    zone = settings_of(session).zone
    if token is None:
        # Nothing would ever tell that the picture has aged.
        return _take(session, token, zone)
    key = (token, zone.key)
    kept = _pictures.get(key)
    if kept is None:
        kept = _take(session, token, zone)
        with _lock:
            _pictures[key] = kept
            while len(_pictures) > _PICTURES_KEPT:
                _pictures.popitem(last=False)
    return kept


def reference_changed(session: Session) -> None:
    """Make every process take a new picture once this transaction is committed, and this one at once.

    A flush that adds, changes or deletes one of the rows does it by itself; only bulk statements must call it.
    """
    settings_store.put(session, _TOKEN, uuid4().hex)


def _write_news(session: Session) -> None:
    # Only what a picture shows: decisions ask for it often, in the middle of their own changes.
    for row in (*session.new, *session.dirty, *session.deleted):
        if isinstance(row, _WATCHED):
            session.flush()
            return


@event.listens_for(Session, "before_flush")
def _notice_changes(session: Session, _context: object, _instances: object) -> None:
    for row in (*session.new, *session.deleted):
        if isinstance(row, _WATCHED):
            reference_changed(session)
            return
    for row in session.dirty:
        if isinstance(row, _WATCHED) and session.is_modified(row):
            reference_changed(session)
            return


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


def _take(session: Session, token: str | None, zone: ZoneInfo) -> Reference:
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
