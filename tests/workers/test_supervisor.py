"""The supervisor with small parts of the test's own: what dies is started again, what is stopped is gone."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from rules_engine.errors import PolicyViolation
from rules_engine.settings import Settings
from tests.tied import tied
from tests.workers.processes import are_over
from tests.workers.waiting import end, wait_until
from workers import redis_server
from workers.supervisor import Part, Supervisor, check_port, only_one

NOTE = "import os, sys, time, signal; open(sys.argv[1], 'a').write(f'{os.getpid()}\\n'); "
LIVE = "time.sleep(60)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def noting(name: str, folder: Path, code: str = LIVE) -> Part:
    """Return a part that notes the number of its process in a file of its name, then runs `code`."""
    return Part(name, (sys.executable, "-c", NOTE + code, str(folder / name)))


def starts(name: str, folder: Path) -> list[int]:
    path = folder / name
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def run_until(supervisor: Supervisor, condition: Callable[[], object], how: signal.Signals = signal.SIGTERM) -> int:
    """Run a supervisor here until `condition` holds, then send this process the signal; return its exit code."""

    ended = threading.Event()

    def watch() -> None:
        try:
            wait_until(lambda: ended.is_set() or condition())
        finally:
            if not ended.is_set():
                os.kill(os.getpid(), how)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        return supervisor.run()
    finally:
        ended.set()
        watcher.join()


def with_redis(settings: Settings, **parts: list[Part]) -> Supervisor:
    return Supervisor(settings, redis=Part("redis", redis_server.command(settings)), **parts)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_stopped_it_leaves_no_process(settings: Settings, folder: Path, how: signal.Signals) -> None:
    before = psutil.Process().children()  # of other tests: a browser
    supervisor = with_redis(settings, first=[noting("one", folder), noting("two", folder)])
    # Under nohup the tests ignore the end of a terminal, and so would a supervisor in their process.
    kept = signal.signal(how, signal.SIG_DFL)
    try:
        code = run_until(supervisor, lambda: starts("one", folder) and starts("two", folder), how)
    finally:
        signal.signal(how, kept)
    assert code == 0
    assert not any(psutil.pid_exists(pid) for name in ("one", "two") for pid in starts(name, folder))
    assert not redis_server.is_answering(settings)
    assert set(psutil.Process().children()) <= set(before)


def test_a_part_that_dies_is_started_again(settings: Settings, folder: Path) -> None:
    supervisor = with_redis(settings, first=[noting("weak", folder, "sys.exit(3)"), noting("strong", folder)])
    run_until(supervisor, lambda: len(starts("weak", folder)) >= 3)
    assert len(starts("strong", folder)) == 1


def test_a_part_that_dies_at_once_waits_longer_each_time() -> None:
    part = Part("weak", (sys.executable, "-c", "raise SystemExit(3)"))
    pauses = []
    for _ in range(3):
        part.start_at = 0.0
        part.look_after()
        assert part.process is not None
        part.process.wait(10)
        started = part.started_at
        part.look_after()
        pauses.append(part.start_at - started)
    assert pauses == sorted(pauses)
    assert pauses[0] >= 0.5


def test_redis_killed_comes_back(settings: Settings, folder: Path) -> None:
    supervisor = with_redis(settings, first=[noting("one", folder)])
    first: list[int] = []

    def came_back() -> bool:
        process = supervisor.redis and supervisor.redis.process
        if process is None or not starts("one", folder) or not redis_server.is_answering(settings):
            return False
        if not first:
            first.append(process.pid)
            process.kill()
        return process.pid != first[0]

    run_until(supervisor, came_back)
    assert len(starts("one", folder)) == 1


def test_who_does_not_stop_is_ended_by_force(settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.supervisor.PATIENCE_SECONDS", 0.3)
    deaf = noting("deaf", folder, "signal.signal(signal.SIGTERM, signal.SIG_IGN); " + NOTE + LIVE)
    run_until(with_redis(settings, first=[deaf]), lambda: len(starts("deaf", folder)) == 2)
    assert not any(psutil.pid_exists(pid) for pid in starts("deaf", folder))


def test_redis_goes_last(settings: Settings, folder: Path) -> None:
    """A worker that finishes its job still reaches Redis."""
    farewell = (
        "import redis; ask = redis.Redis.from_url(sys.argv[2]); "
        "say = lambda *_: (ask.ping(), open(sys.argv[1] + '.pinged', 'w').close(), sys.exit(0)); "
        "signal.signal(signal.SIGTERM, say); " + NOTE + LIVE
    )
    part = noting("polite", folder, farewell)
    part.command = (*part.command, settings.effective_redis_url)
    run_until(with_redis(settings, first=[part]), lambda: len(starts("polite", folder)) == 2)
    assert (folder / "polite.pinged").exists()


def test_what_comes_after_the_filling_waits_for_it(settings: Settings, folder: Path) -> None:
    filler = noting("filler", folder, "time.sleep(0.5); open(sys.argv[1] + '.done', 'w').close()")
    filler.once = True
    after = noting(
        "after", folder, "assert os.path.exists(sys.argv[1].replace('after', 'filler.done')); " + NOTE + LIVE
    )
    supervisor = with_redis(settings, first=[noting("web", folder), filler], then=[after])
    run_until(supervisor, lambda: len(starts("after", folder)) >= 2)
    assert (len(starts("filler", folder)), len(starts("after", folder)), len(starts("web", folder))) == (1, 2, 1)


def test_a_filling_that_fails_again_and_again_ends_everything(settings: Settings, folder: Path) -> None:
    filler = noting("filler", folder, "sys.exit(1)")
    filler.once = True
    code = with_redis(settings, first=[noting("web", folder), filler], then=[noting("after", folder)]).run()
    assert (code, len(starts("filler", folder)), starts("after", folder)) == (1, 3, [])
    assert not any(psutil.pid_exists(pid) for pid in starts("web", folder))


def test_a_home_belongs_to_one_supervisor(settings: Settings) -> None:
    with only_one(settings), pytest.raises(PolicyViolation), only_one(settings):
        pass
    with only_one(settings):
        pass


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = Settings.from_env({"PRAVILA_HOME": str(tmp_path), "PRAVILA_PORT": str(port)})
        with pytest.raises(PolicyViolation, match=str(port)):
            check_port(settings)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a process to its parent")
def test_children_end_with_a_supervisor_that_was_killed(settings: Settings, folder: Path) -> None:
    code = (
        "import sys; from rules_engine.settings import Settings; from workers.supervisor import Part, Supervisor;"
        "from workers import redis_server; settings = Settings.from_env({'PRAVILA_HOME': sys.argv[1]});"
        "Supervisor(settings, redis=Part('redis', redis_server.command(settings)),"
        "  first=[Part('one', (sys.executable, '-c', sys.argv[2], sys.argv[3]))]).run()"
    )
    words = [sys.executable, "-c", code, str(settings.home), NOTE + LIVE, str(folder / "one")]
    supervisor = subprocess.Popen(tied(words))
    try:
        wait_until(lambda: starts("one", folder))
    finally:
        end(supervisor)
    wait_until(lambda: are_over(starts("one", folder)))
    wait_until(lambda: not redis_server.is_answering(settings))
