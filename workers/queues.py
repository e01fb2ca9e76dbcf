"""The one queue. With a second one a killed worker would lose the job that it had just fetched."""

from uuid import uuid4

import redis
from rq import Queue
from rq.serializers import JSONSerializer

from rules_engine.errors import SettingsError
from rules_engine.settings import Settings
from workers.jobs import JOBS, AllowedJob

QUEUE = "pravila"
JOB_TIMEOUT_SECONDS = 60
KEPT_FAILURE_SECONDS = 3600


def connect(settings: Settings) -> redis.Redis:
    """Return a client of the installation's Redis; it connects at its first command.

    Raises SettingsError when `PRAVILA_REDIS_URL` is no address of a Redis.
    """
    try:
        return redis.Redis.from_url(settings.effective_redis_url, socket_connect_timeout=2)
    except ValueError as problem:
        raise SettingsError(name="PRAVILA_REDIS_URL", problem=str(problem)) from problem


def open_queue(connection: redis.Redis) -> Queue:
    return Queue(
        QUEUE,
        connection=connection,
        serializer=JSONSerializer,
        job_class=AllowedJob,
        default_timeout=JOB_TIMEOUT_SECONDS,
    )


def enqueue_once(queue: Queue, name: str) -> bool:
    """Put the wake-up `name` into the queue unless one waits there already; return whether it was put.

    Two clocks at the same moment may put two: the second finds nothing to do. Raises redis.RedisError.
    """
    if name not in JOBS:
        raise ValueError(f"{name} is not a job")
    if any(job_id.startswith(f"{name}-") for job_id in queue.get_job_ids()):
        return False
    queue.enqueue(
        name, job_id=f"{name}-{uuid4().hex}", result_ttl=0, failure_ttl=KEPT_FAILURE_SECONDS, description=name
    )
    return True
