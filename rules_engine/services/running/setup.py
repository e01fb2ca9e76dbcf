"""What a new installation begins with: a calendar, the shipped rulesets, the modes, an administrator."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.db import settings_of
from rules_engine.decisions.modes import Mode
from rules_engine.errors import InputError
from rules_engine.language.ruleset import parse
from rules_engine.models import BEGINNING_OF_TIME, Calendar, CalendarException, ModeChange, Role, RulesetVersion, User
from rules_engine.services.company import production_calendars
from rules_engine.services.company.picture_loading import DEFAULT_WEEKLY
from rules_engine.services.records import audit
from rules_engine.services.rules import occasions, rulebook

LOGIN_LENGTH = 60
NOTHING_INSTEAD: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Installed:
    """What `initialise` had to add; all empty or False where it found everything in place."""

    calendar: bool
    rulesets: tuple[str, ...]
    modes: tuple[str, ...]
    administrator: bool


def initialise(
    session: Session,
    *,
    now: datetime,
    live: bool = False,
    admin_login: str | None = None,
    admin_password_hash: str | None = None,
    instead: Mapping[str, str] = NOTHING_INSTEAD,
) -> Installed:
    """Add what is missing of a new installation and return what that was; whatever exists is left alone.

    Calendar, rulesets and modes hold from the beginning of time; the calendar has the holidays of the business zone's
    country where they ship. `live` counts only for decisions that have no mode
    yet. `instead` names another shipped ruleset for a decision, such as `bonus_today` for `bonus`. A user with
    `admin_login` who exists already keeps his password and his role. Raises InputError for a login that cannot be
    one.
    """
    added_calendar = _calendar(session)
    rulesets = tuple(decision for decision in rulebook.DECISIONS if _ruleset(session, decision, instead, now))
    modes = tuple(decision for decision in rulebook.DECISIONS if _mode(session, decision, live))
    occasions.install(session)
    administrator = bool(admin_login) and _administrator(session, admin_login or "", admin_password_hash, now)
    session.flush()
    return Installed(added_calendar, tuple(map(str, rulesets)), tuple(map(str, modes)), administrator)


def shipped_ruleset(name: str) -> dict[str, Any]:
    """Return the document of a ruleset that ships: named as its decision, or as a variant of it."""
    document: dict[str, Any] = json.loads((files("rulesets") / f"{name}.json").read_text(encoding="utf-8"))
    return document


def _calendar(session: Session) -> bool:
    if session.scalar(select(Calendar.id).where(Calendar.is_default).limit(1)) is not None:
        return False
    settings = settings_of(session)
    # Holidays are those of where a company works, whatever language it reads.
    years = production_calendars.shipped_years(production_calendars.country_of_zone(settings.timezone) or "")
    session.add(
        Calendar(
            code="default",
            name="Пн–Пт 09:00–18:00",
            zone=settings.timezone,
            weekly=dict(DEFAULT_WEEKLY),
            is_default=True,
            exceptions=[
                CalendarException(day=known.day, kind=known.kind.value, note=known.note(settings.locale))
                for year in years.values()
                for known in year.days
            ],
        )
    )
    return True


def _ruleset(session: Session, decision: str, instead: Mapping[str, str], now: datetime) -> bool:
    if session.scalar(select(RulesetVersion.id).where(RulesetVersion.decision == decision).limit(1)) is not None:
        return False
    document = shipped_ruleset(instead.get(decision, decision))
    # Without the people and teams of the installation: a rule that is switched off may name a team yet to be made.
    rulebook.store(
        session,
        decision,
        parse(document),
        document,
        holds_from=BEGINNING_OF_TIME,
        now=now,
        actor="system",
    )
    return True


def _mode(session: Session, decision: str, live: bool) -> bool:
    if session.scalar(select(ModeChange.id).where(ModeChange.decision == decision).limit(1)) is not None:
        return False
    mode = Mode.LIVE if live else Mode.WATCH
    session.add(ModeChange(decision=decision, team_id=None, mode=mode.value, at=BEGINNING_OF_TIME, actor="system"))
    return True


def _administrator(session: Session, login: str, password_hash: str | None, now: datetime) -> bool:
    login = login.strip()
    if not login or len(login) > LOGIN_LENGTH or any(sign.isspace() for sign in login):
        raise InputError(
            path="admin",
            ru=f"логин — от 1 до {LOGIN_LENGTH} знаков без пробелов",
            en=f"a login has 1 to {LOGIN_LENGTH} characters and no spaces",
        )
    if session.scalar(select(User.id).where(User.login == login)) is not None:
        return False
    session.add(
        User(
            login=login,
            name=login,
            role=Role.ADMINISTRATOR,
            password_hash=password_hash,
            locale=settings_of(session).locale,
            created_at=now,
        )
    )
    audit.record(
        session,
        actor="system",
        action="create",
        subject_kind="user",
        subject_id=login,
        after={"role": Role.ADMINISTRATOR.value},
    )
    return True
