"""One worker: fetches wake-ups from the queue and does each in a process of its own, so that whatever a rule, a
library or a mail server does to that process, the worker lives on.
"""

import argparse
import contextlib
import gc
import logging
import os
import signal
import socket

import rq
from redis.client import Pipeline
from rq.job import Job
from rq.serializers import JSONSerializer
from sqlalchemy.exc import SQLAlchemyError

from rules_engine import clock, db
from rules_engine.services.running import heartbeats
from rules_engine.settings import Settings
from workers import jobs, readiness, redis_server
from workers.children import die_with_parent
from workers.entry import part
from workers.queues import connect, open_queue
from workers.warmth import Warmth

# A worker that died is noticed, and what it had fetched is given to another, after seconds and not minutes.
WORKER_TTL_SECONDS = 30
MAINTENANCE_SECONDS = 15

log = logging.getLogger("workers.worker")


class Worker(rq.Worker):
    """RQ's worker with a heartbeat in the database, warm caches, and work-horses that do not outlive it."""

    max_connection_wait_time = 2.0

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._warmth = Warmth(settings)
        self._heard_at = clock.monotonic() - heartbeats.EVERY.total_seconds()
        connection = connect(settings)
        super().__init__(
            [open_queue(connection)],
            # Not only host and process: that number may come again while Redis remembers who died.
            name=f"{socket.gethostname()}-{os.getpid()}-{os.urandom(4).hex()}",
            connection=connection,
            job_class=jobs.AllowedJob,
            serializer=JSONSerializer,
            worker_ttl=WORKER_TTL_SECONDS,
            maintenance_interval=MAINTENANCE_SECONDS,
        )

    def execute_job(self, job: Job, queue: rq.Queue) -> None:
        self._warmth.renew()
        # A search for garbage would touch, and so copy, every page of memory that the work-horse shares with us.
        gc.freeze()
        super().execute_job(job, queue)

    def main_work_horse(self, job: Job, queue: rq.Queue) -> None:
        # Otherwise a job goes on for up to its time-out after its worker was killed.
        die_with_parent(self.pid or 0, signal.SIGKILL)
        super().main_work_horse(job, queue)

    def setup_work_horse_signals(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda _number, _frame: jobs.stop_soon())

    def handle_warm_shutdown_request(self) -> None:
        super().handle_warm_shutdown_request()  # type: ignore[no-untyped-call]
        if self.horse_pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.horse_pid, signal.SIGTERM)

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        super().heartbeat(timeout, pipeline)
        if not self.is_horse and clock.monotonic() - self._heard_at >= heartbeats.EVERY.total_seconds():
            self._heard_at = clock.monotonic()
            self._beat()

    def clean_group_registries(self) -> None:
        """Nothing: there are no groups of jobs here, and RQ would read theirs as pickles."""

    def _beat(self) -> None:
        try:
            with jobs.open_sessions(self._settings) as sessions, db.transaction(sessions) as session:
                name = f"{heartbeats.WORKER}:{socket.gethostname()}:{os.getpid()}"
                heartbeats.beat(session, name, clock.now(), {"pid": os.getpid(), "engine": self._settings.engine})
        except SQLAlchemyError:
            log.warning("heartbeat_not_written", exc_info=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m workers.worker")
    parser.add_argument("--burst", action="store_true", help="end when the queue is empty")
    burst: bool = parser.parse_args().burst
    with part() as settings:
        readiness.wait_for_redis(settings)
        log.info("worker_started", extra={"redis": redis_server.place(settings)})
        Worker(settings).work(burst=burst, logging_level="WARNING")


if __name__ == "__main__":
    main()
