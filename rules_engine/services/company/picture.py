"""What a picture of people and rules shows: frozen, so that decisions and threads can share it. See reference.py."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from fractions import Fraction
from zoneinfo import ZoneInfo

from rules_engine.decisions.instants import Interval
from rules_engine.decisions.working_time import WorkingCalendar
from rules_engine.errors import NotFound
from rules_engine.models import Role


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
