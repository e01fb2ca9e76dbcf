"""Too large a part of a team is late at once: one alert, and no transfers until it is over.

Passing requests round a team that cannot keep up gives each of them a new clock and nobody an answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.orm import Session

from rules_engine.models import AppSetting, Assignment, UtcDateTime
from rules_engine.services.company.reference import Reference
from rules_engine.services.messages import outbox
from rules_engine.services.records import ledger_rows, settings_store
from rules_engine.services.records.reading import rows

_EPISODE: Final = "overload:"
"""The setting that says since when a team is overloaded; internal, on no page."""

_OPEN: Final = (Assignment.ended_at.is_(None), Assignment.manager_id.in_(bindparam("managers", expanding=True)))
_LATE: Final = select(func.count()).where(
    *_OPEN, Assignment.first_answer_at.is_(None), Assignment.answer_due_at < bindparam("now", type_=UtcDateTime())
)
_ALL: Final = select(func.count()).select_from(select(Assignment.id).where(*_OPEN).limit(bindparam("most")).subquery())
_EVERY_OPEN_ONE: Final = 1 << 40


@dataclass(frozen=True, slots=True)
class Overload:
    """Of all requests that a team has open, so many are late without an answer, since the alert `since`."""

    team_id: int | None
    since: datetime
    late: int
    open: int


def is_overloaded(session: Session, picture: Reference, team_id: int | None, now: datetime) -> bool:
    """Return whether transfers of a team's requests are stopped; the first time in an episode its head is told.

    An episode is over when half of the limit is left, or when the team begins its next day. Locks the ledger of the
    month, as the transfer would, so that two workers never tell the same. Looks at no more rows than it takes to know.
    """
    ledger_rows.lock_month(session, now)
    key = f"{_EPISODE}{team_id or 0}"
    stored = session.scalar(select(AppSetting.value).where(AppSetting.key == key))
    since = datetime.fromisoformat(stored["value"]) if stored else None
    if since is not None and _is_another_day(picture, team_id, since, now):
        since = None
    percent = settings_store.number(session, settings_store.OVERLOAD_PCT)
    late = _late(session, picture, team_id, now)
    found = late >= settings_store.number(session, settings_store.OVERLOAD_FROM)
    found = found and late * 100 > percent * _open(session, picture, team_id, late * 100 // percent + 1)
    if found and since is None:
        settings_store.put(session, key, now.isoformat())
        _tell(session, picture, team_id, late, percent, now)
    elif stored and not found and (since is None or _has_calmed(session, picture, team_id, late, percent)):
        session.execute(delete(AppSetting).where(AppSetting.key == key))
    return found


def overloads(session: Session, picture: Reference, now: datetime) -> list[Overload]:
    """Return the teams that were told of an overload which still holds; for pages."""
    stored = settings_store.all_rows(session)
    found = []
    for key in sorted(key for key in stored if key.startswith(_EPISODE)):
        since = datetime.fromisoformat(stored[key])
        team_id = int(key.removeprefix(_EPISODE)) or None
        late, all_ = _late(session, picture, team_id, now), _open(session, picture, team_id, _EVERY_OPEN_ONE)
        percent = settings_store.number(session, settings_store.OVERLOAD_PCT)
        if late * 100 > percent * all_:
            found.append(Overload(team_id, since, late, all_))
    return found


def _is_another_day(picture: Reference, team_id: int | None, since: datetime, now: datetime) -> bool:
    team = picture.teams.get(team_id) if team_id is not None else None
    calendar = team.calendar if team else picture.company_calendar
    # Nobody is told at midnight what he was told in the evening.
    return picture.day_of(since) != picture.day_of(now) and calendar.is_open(now)


def _has_calmed(session: Session, picture: Reference, team_id: int | None, late: int, percent: int) -> bool:
    enough = late * 200 // percent + 1
    return late * 200 <= percent * _open(session, picture, team_id, enough)


def _late(session: Session, picture: Reference, team_id: int | None, now: datetime) -> int:
    found: int = rows(session, _LATE, {"managers": _people(picture, team_id), "now": now})[0][0]
    return found


def _open(session: Session, picture: Reference, team_id: int | None, most: int) -> int:
    """Return how many requests a team has open, counted up to `most`."""
    found: int = rows(session, _ALL, {"managers": _people(picture, team_id), "most": most})[0][0]
    return found


def _people(picture: Reference, team_id: int | None) -> Sequence[int]:
    return [one.id for one in picture.managers.values() if one.team_id == team_id]


def _tell(session: Session, picture: Reference, team_id: int | None, late: int, percent: int, now: datetime) -> None:
    team = picture.teams.get(team_id) if team_id is not None else None
    name = {"ru": f"отдел {team.name}", "en": f"team {team.name}"} if team else {"ru": "отдел", "en": "team"}
    all_ = _open(session, picture, team_id, _EVERY_OPEN_ONE)
    outbox.notify(
        session,
        user_ids=[head.id for head in picture.heads_for(team_id)],
        subject={
            "ru": f"Перегрузка, {name['ru']}: передачи остановлены",
            "en": f"Overload, {name['en']}: transfers are stopped",
        },
        body={
            "ru": f"Не в срок сейчас: {late}, всего в работе: {all_}. Пока их больше {percent} %, "
            "заявки другим менеджерам не передаются.",
            "en": f"Late now: {late}, open: {all_}. While it is more than {percent} %, "
            "requests do not go to other managers.",
        },
        link="/requests/?overdue=1",
        key=f"overload:{team_id or 0}:{now.isoformat()}",
        now=now,
    )
