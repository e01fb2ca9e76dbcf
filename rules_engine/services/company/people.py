"""Sales managers as a file or a program names them: found by login or by full name, made and changed."""

from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from rules_engine.errors import InputError
from rules_engine.models import Calendar, Manager, Role, Team, User
from rules_engine.services.company.reference import ManagerRef, reference
from rules_engine.services.queue import work
from rules_engine.services.records import audit
from rules_engine.services.records.incoming import ManagerIn, format_weight
from rules_engine.services.records.outcome import Outcome


class UnknownManager(InputError):
    """A name in `path` is nobody's, or that of several."""

    def __init__(self, path: str, name: str, *, several: bool = False) -> None:
        ru = f"менеджеров с именем «{name}» несколько, укажите логин" if several else f"менеджера «{name}» нет"
        en = f"several managers are called “{name}”, give a login" if several else f"there is no manager “{name}”"
        super().__init__(path=path, ru=ru, en=en)


def find_manager(session: Session, name: str, *, path: str = "manager") -> ManagerRef:
    """Return the manager with this login, or the only one with this full name. Raises UnknownManager."""
    known = reference(session)
    found = known.by_login(name)
    if found is not None:
        return found
    wanted = _folded(name)
    same = [one for one in known.managers.values() if wanted in (_folded(one.login), _folded(one.name))]
    if len(same) != 1:
        raise UnknownManager(path, name, several=bool(same))
    return same[0]


def put_manager(session: Session, data: ManagerIn, *, now: datetime, actor: str) -> tuple[Manager, Outcome]:
    """Make the manager with this login, or change him; only fields that were given are changed.

    A new one cannot log in until an administrator sets his password. A team that is not known is made. Whoever
    comes, goes, or changes his team or calendar moves clocks: the open requests concerned are looked at again.
    Raises InputError for an unknown calendar and for a login that belongs to somebody who is no manager.
    """
    user = session.scalars(select(User).where(User.login == data.login)).first()
    given = data.model_fields_set
    if user is None:
        user = User(login=data.login, name=data.name, role=Role.MANAGER, email="", phone="", created_at=now)
        session.add(user)
    elif user.manager is None and user.role is Role.AUDITOR:
        raise InputError(
            path="login", ru=f"«{data.login}» — логин аудитора", en=f"“{data.login}” is the login of an auditor"
        )
    manager = user.manager
    outcome = Outcome.UNCHANGED
    if manager is None:
        manager = Manager(user=user, weight_milli=1000, skills=[])
        session.add(manager)
        outcome = Outcome.CREATED
    before = _picture(manager)
    user.name = data.name
    if "email" in given:
        user.email = data.email or ""
    if "phone" in given:
        user.phone = data.phone or ""
    if "team" in given:
        manager.team = _team(session, data.team) if data.team else None
    if "calendar" in given:
        manager.calendar = _calendar(session, data.calendar) if data.calendar else None
    if "weight" in given:
        manager.weight_milli = data.weight
    if "skills" in given and manager.skills != data.skills:
        manager.skills = list(data.skills)
    if "hired_on" in given:
        manager.hired_on = data.hired_on
    if "left_on" in given:
        manager.left_on = data.left_on
    after = _picture(manager)
    if outcome is Outcome.UNCHANGED and before == after:
        return manager, outcome
    if outcome is Outcome.UNCHANGED:
        outcome = Outcome.UPDATED
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="create" if outcome is Outcome.CREATED else "update",
        subject_kind="manager",
        subject_id=data.login,
        before=None if outcome is Outcome.CREATED else before,
        after=after,
    )
    if outcome is Outcome.CREATED:
        work.wake_open_requests(session, now, only_new=True)
    else:
        work.wake_open_requests(session, now, manager_ids=(manager.id,))
        work.wake_calls(session, now, manager_ids=(manager.id,))
    return manager, outcome


def _picture(manager: Manager) -> dict[str, Any]:
    return {
        "name": manager.user.name,
        "email": manager.user.email,
        "phone": manager.user.phone,
        "team": manager.team.code if manager.team else None,
        "calendar": manager.calendar.code if manager.calendar else None,
        "weight": format_weight(manager.weight_milli),
        "skills": list(manager.skills),
        "hired_on": manager.hired_on,
        "left_on": manager.left_on,
    }


def _team(session: Session, name: str) -> Team:
    """Return the team of this code or, letters' case aside, this name; made where there is none."""
    wanted = _folded(name)
    for team in session.scalars(select(Team).order_by(Team.id)):
        if team.code == name or _folded(team.name) == wanted:
            return team
    team = Team(code=name, name=name)
    session.add(team)
    session.flush()
    return team


def _calendar(session: Session, code: str) -> Calendar:
    found = session.scalars(
        select(Calendar).where((Calendar.code == code) | (func.lower(Calendar.name) == code.lower()))
    ).first()
    if found is None:
        raise InputError(path="calendar", ru=f"календаря «{code}» нет", en=f"there is no calendar “{code}”")
    return found


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()
