"""How often a token may call: windows of one minute, counted in Redis where it is reached, else in this process."""

import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import redis

from rules_engine import clock

CALLS_A_MINUTE: Final = 6_000
"""A hundred a second: far above any honest sender, and below what would hurt the others."""
FAILURES_A_MINUTE: Final = 60
"""Wrong tokens from one address."""
_PATIENCE_SECONDS: Final = 0.2
_PAUSE_SECONDS: Final = 10.0
"""How long Redis is left alone after it did not answer."""
_KEPT: Final = 10_000


@dataclass
class Limiter:
    """Counts calls by name. Without Redis each process counts for itself: the limit is then looser, never closer."""

    client: redis.Redis
    _counts: dict[tuple[str, int], int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _silent_until: float = 0.0

    @classmethod
    def at(cls, redis_url: str) -> "Limiter":
        return cls(
            redis.Redis.from_url(
                redis_url, socket_connect_timeout=_PATIENCE_SECONDS, socket_timeout=_PATIENCE_SECONDS, retry=None
            )
        )

    def is_exceeded(self, name: str, limit: int, now: datetime) -> bool:
        """Count one more call of `name` in this minute; return whether that was too many."""
        return self._count(name, int(now.timestamp()) // 60) > limit

    def has_reached(self, name: str, limit: int, now: datetime) -> bool:
        """Return whether `name` is at its limit already, without counting; by this process alone."""
        with self._lock:
            return self._counts.get((name, int(now.timestamp()) // 60), 0) >= limit

    def _count(self, name: str, minute: int) -> int:
        with self._lock:
            if len(self._counts) > _KEPT:
                self._counts = {key: number for key, number in self._counts.items() if key[1] >= minute}
            here = self._counts[name, minute] = self._counts.get((name, minute), 0) + 1
        return max(here, self._count_in_redis(name, minute))

    def _count_in_redis(self, name: str, minute: int) -> int:
        if clock.monotonic() < self._silent_until:
            return 0
        key = f"pravila:rate:{name}:{minute}"
        try:
            pipe = self.client.pipeline(transaction=False)
            pipe.incr(key)
            pipe.expire(key, 120)
            return int(pipe.execute()[0])
        except (redis.RedisError, OSError):
            self._silent_until = clock.monotonic() + _PAUSE_SECONDS
            return 0
