"""Teams, users and their roles, sales managers, absences, working calendars."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from rules_engine.models.base import Keyed, table_args


class Role(StrEnum):
    ADMINISTRATOR = "administrator"
    HEAD = "head"
    MANAGER = "manager"
    AUDITOR = "auditor"


class Calendar(Keyed):
    """Weekly windows of working time in a zone. `weekly`: {"mon": [["09:00", "13:00"], …], …}."""

    __tablename__ = "calendars"

    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    zone: Mapped[str]
    weekly: Mapped[dict[str, Any]]
    is_default: Mapped[bool] = mapped_column(default=False)
    """The company's calendar: exactly one has it; used for managers and teams without one of their own."""

    exceptions: Mapped[list["CalendarException"]] = relationship(
        back_populates="calendar", cascade="all, delete-orphan", order_by="CalendarException.day"
    )

    def __str__(self) -> str:
        return self.name


class CalendarException(Keyed):
    """One date that differs: `off`, `short` (an hour less at the end) or `windows` (other windows)."""

    __tablename__ = "calendar_exceptions"
    __table_args__ = table_args(UniqueConstraint("calendar_id", "day"))

    calendar_id: Mapped[int] = mapped_column(ForeignKey("calendars.id"))
    day: Mapped[date]
    kind: Mapped[str]
    windows: Mapped[list[Any] | None] = mapped_column(JSON)
    note: Mapped[str] = mapped_column(default="")

    calendar: Mapped[Calendar] = relationship(back_populates="exceptions")


class Team(Keyed):
    __tablename__ = "teams"

    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    calendar_id: Mapped[int | None] = mapped_column(ForeignKey("calendars.id"))
    head_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    """Who is told about this team's requests; None: every head without a team of his own."""
    catch_up_per_day: Mapped[int | None]
    """None: presence drives entitlement. Else absence counts as presence, made up for by so many extra a day."""

    calendar: Mapped[Calendar | None] = relationship()
    head: Mapped["User | None"] = relationship(foreign_keys=[head_id])

    def __str__(self) -> str:
        return self.name


class User(Keyed):
    """Whoever can log in. A sales manager has a `Manager` row beside it."""

    __tablename__ = "users"

    login: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    email: Mapped[str] = mapped_column(default="")
    phone: Mapped[str] = mapped_column(default="")
    role: Mapped[Role]
    password_hash: Mapped[str | None]
    """Argon2id. None: he cannot log in until an administrator sets a password."""
    must_change_password: Mapped[bool] = mapped_column(default=False)
    """The password was made by an administrator: good for one login, then he chooses his own."""
    locale: Mapped[str] = mapped_column(default="ru")
    notify_by_mail: Mapped[bool] = mapped_column(default=True)
    notify_urls: Mapped[list[str]] = mapped_column(JSON, default=list)
    """Where else his messages go, one Apprise URL each. They hold secrets: shown masked, never logged."""
    notify_after_hours: Mapped[bool] = mapped_column(default=False)
    """Mail and URLs also outside his working hours; the page always has everything at once."""
    digest_minutes: Mapped[int] = mapped_column(default=0)
    """Mail and URLs gathered on a grid of so many minutes; 0: each message by itself."""
    is_active: Mapped[bool] = mapped_column(default=True)
    session_epoch: Mapped[int] = mapped_column(default=0)
    """Counted up to end all his sessions at once."""
    created_at: Mapped[datetime]

    manager: Mapped["Manager | None"] = relationship(back_populates="user", uselist=False)

    def __str__(self) -> str:
        return self.name


class Manager(Keyed):
    """A sales manager: who receives requests."""

    __tablename__ = "managers"
    __table_args__ = table_args(Index("ix_managers_team_id", "team_id"))

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), unique=True)
    team_id: Mapped[int | None] = mapped_column(ForeignKey("teams.id"))
    calendar_id: Mapped[int | None] = mapped_column(ForeignKey("calendars.id"))
    weight_milli: Mapped[int] = mapped_column(default=1000)
    """Share of a full manager in thousandths: 1000 is one, 500 is half, 2000 is two."""
    skills: Mapped[list[str]] = mapped_column(default=list)
    hired_on: Mapped[date | None]
    """First working day in the business zone; None: from the beginning of time."""
    left_on: Mapped[date | None]
    """First day on which he no longer works; None: he works."""
    daily_cap: Mapped[int | None]
    open_cap: Mapped[int | None]

    user: Mapped[User] = relationship(back_populates="manager", lazy="joined", innerjoin=True)
    team: Mapped[Team | None] = relationship(lazy="joined")
    calendar: Mapped[Calendar | None] = relationship()

    @property
    def login(self) -> str:
        return self.user.login

    @property
    def name(self) -> str:
        return self.user.name

    def __str__(self) -> str:
        return self.user.name


class Absence(Keyed):
    """A manager is away during `[starts_at, ends_at)`."""

    __tablename__ = "absences"
    __table_args__ = table_args(UniqueConstraint("manager_id", "starts_at"), Index("ix_absences_ends_at", "ends_at"))

    manager_id: Mapped[int] = mapped_column(ForeignKey("managers.id"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    reason: Mapped[str] = mapped_column(default="")

    manager: Mapped[Manager] = relationship()


class DutyShift(Keyed):
    """A manager is on duty during `[starts_at, ends_at)`, also outside his working hours."""

    __tablename__ = "duty_shifts"
    __table_args__ = table_args(UniqueConstraint("manager_id", "starts_at"), Index("ix_duty_shifts_ends_at", "ends_at"))

    manager_id: Mapped[int] = mapped_column(ForeignKey("managers.id"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    note: Mapped[str] = mapped_column(default="")

    manager: Mapped[Manager] = relationship()


class LoginBackoff(Keyed):
    """Failed logins of one account or one address: how many, and until when the next is refused unseen."""

    __tablename__ = "login_backoffs"

    key: Mapped[str] = mapped_column(unique=True)
    failures: Mapped[int] = mapped_column(default=0)
    last_at: Mapped[datetime]
    blocked_until: Mapped[datetime | None]


class ApiToken(Keyed):
    """A bearer token of the REST API, stored as the SHA-256 of its 256 random bits."""

    __tablename__ = "api_tokens"

    name: Mapped[str]
    digest: Mapped[str] = mapped_column(unique=True)
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
