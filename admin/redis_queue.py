"""What RQ knows: wake-ups that wait, workers, jobs that failed. Redis may be away: then it knows nothing."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import redis
from rq import Queue, Worker
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer

QUEUE = "pravila"
PATIENCE_SECONDS = 0.5
SHOWN = 20


@dataclass(frozen=True, slots=True)
class FailedJob:
    """A wake-up that ended with an error; what it was to look at is looked at all the same."""

    id: str
    name: str
    at: datetime | None
    error: str
    """The whole text of the failure."""

    @property
    def reason(self) -> str:
        lines = self.error.strip().splitlines()
        return lines[-1][:160] if lines else "—"


@dataclass(frozen=True, slots=True)
class RunningWorker:
    name: str
    state: str
    heard_at: datetime | None


@dataclass(frozen=True, slots=True)
class RedisQueue:
    """The queue as it is now."""

    waiting: int
    started: int
    failed_count: int
    failed: tuple[FailedJob, ...]
    workers: tuple[RunningWorker, ...]


def read(redis_url: str) -> RedisQueue | None:
    """Return what RQ knows, None where Redis does not answer within a moment."""
    try:
        with _connect(redis_url) as client:
            queue = _queue(client)
            failed = queue.failed_job_registry
            jobs = [_failed_job(client, job_id) for job_id in failed.get_job_ids(0, SHOWN - 1, desc=True)]
            # RQ reads names of workers that died since; they come back as None.
            workers = [one for one in Worker.all(connection=client, serializer=JSONSerializer) if one is not None]
            return RedisQueue(
                waiting=queue.count,
                started=len(queue.started_job_registry),
                failed_count=failed.count,
                failed=tuple(job for job in jobs if job is not None),
                workers=tuple(
                    RunningWorker(one.name, str(one.get_state()), _aware(one.last_heartbeat)) for one in workers
                ),
            )
    except (redis.RedisError, OSError, ValueError):
        return None


def try_again(redis_url: str, job_id: str) -> bool:
    """Put a failed job into the queue again; return whether it was there. Raises redis.RedisError."""
    with _connect(redis_url) as client:
        try:
            _queue(client).failed_job_registry.requeue(job_id)
        except (NoSuchJobError, InvalidJobOperation):
            return False
    return True


def _failed_job(client: redis.Redis, job_id: str) -> FailedJob | None:
    try:
        job = Job.fetch(job_id, connection=client, serializer=JSONSerializer)
        result = job.latest_result()
    except (NoSuchJobError, ValueError, KeyError, TypeError):
        return None
    return FailedJob(job.id, job.description or "", _aware(job.ended_at), (result and result.exc_string) or "")


def _connect(redis_url: str) -> redis.Redis:
    patient = partial(
        redis.Redis.from_url, socket_connect_timeout=PATIENCE_SECONDS, socket_timeout=PATIENCE_SECONDS, retry=None
    )
    client: redis.Redis = patient(redis_url)
    return client


def _queue(client: redis.Redis) -> Queue:
    return Queue(QUEUE, connection=client, serializer=JSONSerializer)


def _aware(instant: datetime | None) -> datetime | None:
    """Return an instant of RQ's, which are of UTC and do not say so."""
    return instant.replace(tzinfo=UTC) if instant is not None and instant.tzinfo is None else instant
