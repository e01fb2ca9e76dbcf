"""A real Redis a test, on a Unix socket in the test's own home."""

import subprocess
from collections.abc import Iterator

import pytest
import redis

from rules_engine.settings import Settings
from tests.workers.waiting import end, wait_until
from workers import redis_server


@pytest.fixture
def redis_process(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    process = redis_server.start(settings)
    try:
        wait_until(lambda: redis_server.is_answering(settings))
        yield process
    finally:
        end(process)


@pytest.fixture
def redis_client(settings: Settings, redis_process: subprocess.Popen[bytes]) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(settings.effective_redis_url)
    yield client
    client.close()
