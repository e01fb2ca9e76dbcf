"""The bell: tells the clock process that something is due now. Best effort; the agenda looks by itself anyway."""

import logging
from collections.abc import Callable

import redis

WAKE_KEY = "pravila:wake"
WAKE_LIMIT = 100
PATIENCE_SECONDS = 0.3

log = logging.getLogger(__name__)


def make_wake(redis_url: str) -> Callable[[], None]:
    """Return a function to call after a commit. It never raises and never waits longer than a moment."""
    client = redis.Redis.from_url(
        redis_url, socket_connect_timeout=PATIENCE_SECONDS, socket_timeout=PATIENCE_SECONDS, retry=None
    )

    def wake() -> None:
        try:
            pipe = client.pipeline(transaction=False)
            pipe.lpush(WAKE_KEY, b"1")
            # Nobody may be listening for hours: the list must not grow.
            pipe.ltrim(WAKE_KEY, 0, WAKE_LIMIT - 1)
            pipe.execute()
        except (redis.RedisError, OSError):
            log.info("wake_up_not_delivered")

    return wake
