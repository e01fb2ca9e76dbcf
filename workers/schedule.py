"""The clock process: looks every two seconds whether something is due and wakes a worker; a bell wakes it at once.

It keeps nothing in memory that matters, so any number of copies may run and any of them may die. While Redis is
away, or nobody comes for what it asked for there, it does the work itself: then Redis costs speed and nothing else.
"""

import logging
import os
import signal
import socket
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import redis
from rq import Queue
from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from rules_engine import clock, db
from rules_engine.models import WorkItem
from rules_engine.services.running import heartbeats
from rules_engine.settings import Settings
from workers import jobs
from workers.entry import part
from workers.queues import connect, enqueue_once, open_queue

LOOK_SECONDS = 2.0
PATIENCE = timedelta(seconds=6)
"""How long the first of what is due may lie untouched: a wake-up can wait in a Redis where no worker can start."""
UPKEEP: Mapping[str, float] = {"seal_audit": 5, "tidy": 3600}
"""Jobs that are done regardless of what is due, and every how many seconds."""

WAKE_KEY = "pravila:wake"
"""The list in Redis that is the bell: whoever committed something that is due pushes anything onto it."""
BELL_SECONDS = 0.5
"""How long we listen at a stretch: no longer than a stop may take to be heard."""

log = logging.getLogger("workers.schedule")


class Clock:
    """One clock process, taken apart so that a test can turn it by hand."""

    def __init__(self, settings: Settings, engine: Engine, connection: redis.Redis) -> None:
        self._settings = settings
        self._sessions = db.make_sessions(engine, settings)
        self._reading = db.make_reading_sessions(engine, settings)
        self._redis = connection
        self._queue: Queue = open_queue(connection)
        self._redis_is_away = False
        self._first: tuple[int, int] | None = None
        self._first_since = datetime.min.replace(tzinfo=UTC)
        started = clock.monotonic()
        self._next = dict.fromkeys(("look", "beat", *UPKEEP), started)

    def listen(self) -> None:
        """Wait for the bell in Redis, at most BELL_SECONDS."""
        try:
            if self._redis.brpop([WAKE_KEY], timeout=BELL_SECONDS) is not None:
                # Whoever rang before this line has committed, so one look sees the work of all of them.
                self._redis.delete(WAKE_KEY)
                self.ring()
        except redis.RedisError:
            time.sleep(BELL_SECONDS)

    def ring(self) -> None:
        """Let the next `tick` look at what is due, whenever the last look was."""
        self._next["look"] = 0.0

    def tick(self, now: datetime) -> None:
        """Do what the clock has to do at `now`: look, upkeep, heartbeat, each when its time has come."""
        try:
            if self._is_time("look", LOOK_SECONDS):
                self._look(now)
            for name, seconds in UPKEEP.items():
                if self._is_time(name, seconds):
                    self._enqueue(name)
            if self._is_time("beat", heartbeats.EVERY.total_seconds()):
                with db.transaction(self._sessions) as session:
                    name = f"{heartbeats.CLOCK}:{socket.gethostname()}:{os.getpid()}"
                    heartbeats.beat(session, name, clock.now(), {"pid": os.getpid()})
        except SQLAlchemyError:
            # Locked, restarted or away: the next look is two seconds off.
            log.warning("database_is_away", exc_info=True)

    def _look(self, now: datetime) -> None:
        with self._reading() as session:
            first = first_due(session, now)
        if first != self._first:
            self._first, self._first_since = first, now
        if first is None:
            return
        is_heard = self._enqueue("run_due")
        if not is_heard or now - self._first_since >= PATIENCE:
            jobs.work_through(self._settings, self._sessions)

    def _enqueue(self, name: str) -> bool:
        """Return whether a worker will hear of it."""
        try:
            enqueue_once(self._queue, name)
        except redis.RedisError as problem:
            if not self._redis_is_away:
                log.warning("redis_is_away", extra={"problem": str(problem)})
            self._redis_is_away = True
            return False
        if self._redis_is_away:
            log.info("redis_is_back")
        self._redis_is_away = False
        return True

    def _is_time(self, name: str, seconds: float) -> bool:
        present = clock.monotonic()
        if present < self._next[name]:
            return False
        self._next[name] = present + seconds
        return True


def first_due(session: Session, now: datetime) -> tuple[int, int] | None:
    """Return id and epoch of what has been due longest at `now`, also when somebody has it in hand; None for nothing.

    One step into an index. Whose lease is over only the claim can tell: on PostgreSQL leases go by the clock of the
    database. Whoever takes it in hand counts the epoch up.
    """
    found = session.execute(
        select(WorkItem.id, WorkItem.epoch)
        .where(WorkItem.wake_at <= now, WorkItem.quarantined_at.is_(None))
        .order_by(WorkItem.wake_at, WorkItem.id)
        .limit(1)
    ).first()
    return None if found is None else (found.id, found.epoch)


def main() -> None:
    stopped = False

    def stop(_number: int, _frame: object) -> None:
        nonlocal stopped
        stopped = True
        jobs.stop_soon()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    with part() as settings:
        clock_process = Clock(settings, db.make_engine(settings.database_url), connect(settings))
        log.info("clock_started")
        while not stopped:
            clock_process.listen()
            clock_process.tick(clock.now())


if __name__ == "__main__":
    main()
