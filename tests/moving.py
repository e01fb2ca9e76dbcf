"""Time for tests: from one due instant to the next, or minute by minute."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.models import WorkItem
from rules_engine.services.running import agenda

MINUTE = timedelta(minutes=1)
Happening = Callable[[Session, datetime], None]
"""Something that people do at an instant."""


def next_due(sessions: sessionmaker[Session]) -> datetime | None:
    with sessions() as session:
        return session.scalar(select(func.min(WorkItem.wake_at)).where(WorkItem.quarantined_at.is_(None)))


def jump(
    sessions: sessionmaker[Session],
    start: datetime,
    until: datetime,
    happenings: Mapping[datetime, Happening] | None = None,
) -> list[datetime]:
    """Do what is due and what happens in `[start, until)`, going from instant to instant; return the instants."""
    waiting = dict(sorted((happenings or {}).items()))
    visited: list[datetime] = []
    now = start
    while True:
        due = next_due(sessions)
        instants = [max(due, now)] if due is not None else []
        instants += list(waiting)[:1]
        if not instants or min(instants) >= until:
            return visited
        now = min(instants)
        _at(sessions, now, waiting.pop(now, None))
        visited.append(now)


def step(
    sessions: sessionmaker[Session],
    start: datetime,
    until: datetime,
    happenings: Mapping[datetime, Happening] | None = None,
) -> None:
    """The same, looking every minute."""
    now = start
    while now < until:
        _at(sessions, now, (happenings or {}).get(now))
        now += MINUTE


def _at(sessions: sessionmaker[Session], now: datetime, happening: Happening | None) -> None:
    if happening is not None:
        with db.transaction(sessions) as session:
            happening(session, now)
    agenda.run_due(sessions, now)
