"""What a job may be: a name on this list and nothing else. It carries no facts; it says "look at the database".

JSON keeps pickles out, but RQ alone would still import and run any function that somebody writes into Redis,
as a job or as one of its callbacks. `AllowedJob` runs what stands in JOBS.
"""

import logging
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from rq.job import Job
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import clock, db
from rules_engine.errors import PolicyViolation
from rules_engine.services.facts import money
from rules_engine.services.messages.senders import make_senders
from rules_engine.services.records import audit
from rules_engine.services.running import agenda, upkeep
from rules_engine.settings import Settings

SLICE_SECONDS = 20
"""How long one job works before it makes room: far below the job's time-out."""
BATCH = 20
"""Items between two looks at whether this process is to stop."""

log = logging.getLogger(__name__)


class _Stop:
    requested = False


def stop_soon() -> None:
    """Let the job that this process is at return after the item in hand."""
    _Stop.requested = True


@contextmanager
def open_sessions(settings: Settings, *, reading: bool = False) -> Iterator[sessionmaker[Session]]:
    """Yield the factory of sessions of an installation; its connections are closed at the end."""
    engine = db.make_engine(settings.database_url)
    try:
        yield (db.make_reading_sessions if reading else db.make_sessions)(engine, settings)
    finally:
        engine.dispose()


def run_due() -> int:
    """Do what is due until nothing is, at most for a slice of time; return how many items were taken in hand."""
    settings = Settings.from_env()
    with open_sessions(settings) as sessions:
        return work_through(settings, sessions)


def work_through(settings: Settings, sessions: sessionmaker[Session]) -> int:
    """See `run_due`. While a replay holds the clock nothing is done."""
    senders = make_senders(settings)
    deadline = clock.monotonic() + SLICE_SECONDS
    done = 0
    while not _Stop.requested and clock.monotonic() < deadline:
        try:
            step = agenda.run_due(sessions, clock.now(), limit=BATCH, senders=senders)
        except agenda.ReplayRunning:
            log.warning("replay_not_finished")
            break
        done += step.handled
        if step.handled < BATCH and not step.goes_on:
            break
    return done


def seal_audit() -> int:
    """Chain what was written into the audit log since the last time; return how many rows."""
    with open_sessions(Settings.from_env()) as sessions, db.transaction(sessions) as session:
        return audit.seal(session)


def tidy() -> int:
    """Delete what is no longer kept, and once a day reckon usual intervals anew; return how many rows went."""
    settings, now = Settings.from_env(), clock.now()
    with open_sessions(settings) as sessions, db.transaction(sessions) as session:
        deleted = upkeep.prune(session, now)
    _refresh_norms(settings, now)
    return deleted


def _refresh_norms(settings: Settings, now: datetime) -> None:
    """Reckon the norms of intervals, unless it was done today or a replay holds the clock."""
    with open_sessions(settings, reading=True) as reading, reading() as session:
        if agenda.unfinished_replay(session) is not None or not money.norms_are_old(session, now):
            return
        # All payments are read: on SQLite no writer must wait for that.
        norms = money.reckon_norms(session, now)
    with open_sessions(settings) as sessions, db.transaction(sessions) as session:
        money.keep_norms(session, norms, now)


JOBS: Mapping[str, Callable[[], int]] = {"run_due": run_due, "seal_audit": seal_audit, "tidy": tidy}


class NotAllowed(PolicyViolation):
    """Somebody wrote a job into Redis that is not one of ours."""


class AllowedJob(Job):
    """A job of RQ that can do nothing but run a function of JOBS without arguments."""

    @property
    def func(self) -> Callable[[], int]:
        name = self.func_name
        found = JOBS.get(name) if isinstance(name, str) else None
        if found is None or self.instance or self.args or self.kwargs:
            log.error("job_refused", extra={"job_id": self.id, "host": socket.gethostname()})
            raise NotAllowed(ru="задание не из списка разрешённых", en="this job is not on the list")
        return found

    @property
    def success_callback(self) -> None:
        return None

    @property
    def failure_callback(self) -> None:
        return None

    @property
    def stopped_callback(self) -> None:
        return None

    def send_webhooks(self, *args: Any, **kwargs: Any) -> None:
        """Never call an address that stands in Redis."""
