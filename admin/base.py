"""What every page stands on: the shell of the process, one session a request, the clock, and the state of a replay."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from flask import current_app, g, request
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine.models import Replay
from rules_engine.settings import Settings

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
ID_DIGITS = 18
"""More would not go into a column: the database would raise instead of finding nothing."""


@dataclass(frozen=True, slots=True)
class Shell:
    """What the process was wired with; kept in `app.extensions["pravila"]`."""

    settings: Settings
    engine: Engine
    sessions: sessionmaker[Session]
    reading_sessions: sessionmaker[Session]
    wake: Callable[[], None]
    """Call after a commit that made work due."""
    now: Callable[[], datetime]
    """The business clock of this shell."""


def shell() -> Shell:
    found: Shell = current_app.extensions["pravila"]
    return found


def db_session() -> Session:
    """Return the session of this web request: for reading on GET, for writing otherwise; closed when it ends."""
    session: Session | None = g.get("pravila_session")
    if session is None:
        made = shell().reading_sessions if request.method in SAFE_METHODS else shell().sessions
        session = g.pravila_session = made()
    return session


def row_id(text: str) -> int:
    """Return the id of a row as an address gives it. Raises ValueError for what is none, or larger than any can be."""
    if len(text) > ID_DIGITS:
        raise ValueError(text)
    return int(text)


def request_now() -> datetime:
    """Return the instant of this web request: the same for everything that it does."""
    if "pravila_now" not in g:
        g.pravila_now = shell().now()
    now: datetime = g.pravila_now
    return now


def commit_and_wake() -> None:
    """Commit what this request changed, then ring for the workers: never the other way round."""
    db_session().commit()
    shell().wake()


def close_session(_error: BaseException | None = None) -> None:
    session: Session | None = g.pop("pravila_session", None)
    if session is not None:
        session.close()


@dataclass(frozen=True, slots=True)
class Filling:
    """A replay that has not reached its end: the pages show what is there and take no changes."""

    from_at: datetime
    until_at: datetime
    clock_at: datetime

    @property
    def percent(self) -> int:
        whole = self.until_at - self.from_at
        return max(0, min(100, 100 * (self.clock_at - self.from_at) // whole)) if whole else 100


def installation_state(session: Session) -> Filling | None:
    """Return how far the replay is that fills this installation; None: nothing is being filled, all is open."""
    row = session.scalars(
        select(Replay).where(Replay.finished_at.is_(None)).order_by(Replay.id.desc()).limit(1)
    ).first()
    return Filling(row.from_at, row.until_at, row.clock_at) if row else None
