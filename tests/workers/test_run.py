"""`pravila run` as an administrator starts it: everything comes up, and nothing is left behind."""

import contextlib
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from sqlalchemy import Engine, select

from rules_engine import db
from rules_engine.models import Replay, Request, RequestStatus
from rules_engine.services import intake
from rules_engine.services.incoming import RequestIn
from rules_engine.settings import Settings
from tests.cluster import free_port
from tests.faults import company
from tests.workers.processes import environment
from tests.workers.waiting import wait_until

pytestmark = pytest.mark.faults

PARTS = ("unixsocket", "workers.schedule", "workers.worker", "wsgi")


class Running:
    """One `pravila run` and the processes below it."""

    def __init__(self, settings: Settings, database_url: str, log: Path) -> None:
        self.port = free_port()
        self.log = log
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rules_engine.cli", "run", "--workers", "1"],
                env=environment(settings, database_url, PRAVILA_PORT=str(self.port), PRAVILA_LOCALE="en"),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def answers(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5):
            return True
        return False

    def below(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def is_complete(self) -> bool:
        words = [" ".join(child.cmdline()) for child in self.below()]
        return self.answers() and all(any(part in line for line in words) for part in PARTS)


@pytest.fixture
def running(settings: Settings, engine: Engine, sqlite_url: str, tmp_path: Path) -> Iterator[Running]:
    company.found(db.make_sessions(engine, settings))
    running = Running(settings, sqlite_url, tmp_path / "run.log")
    try:
        wait_until(running.is_complete, 60)
        yield running
    finally:
        running.process.kill()
        running.process.wait(10)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_stopped_it_leaves_no_process_and_ends_well(running: Running, how: signal.Signals) -> None:
    below = running.below()
    running.process.send_signal(how)
    assert running.process.wait(30) == 0, running.log.read_text()
    assert [child for child in below if child.is_running() and child.status() != psutil.STATUS_ZOMBIE] == []
    assert "Traceback" not in running.log.read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a process to its parent")
def test_killed_it_takes_everything_with_it(running: Running) -> None:
    below = running.below()
    running.process.kill()
    wait_until(lambda: not any(child.is_running() for child in below))


def test_it_does_the_work(running: Running, engine: Engine, settings: Settings) -> None:
    sessions = db.make_sessions(engine, settings)
    now = datetime.now(UTC)
    with db.transaction(sessions) as session:
        body = {"source": "site", "external_id": "A-1", "received_at": now.isoformat()}
        intake.receive(session, RequestIn.model_validate(body), now=now, actor="api:test")

    def assigned() -> bool:
        with sessions() as session:
            return session.scalars(select(Request.status)).all() == [RequestStatus.ASSIGNED]

    wait_until(assigned)


def test_a_second_one_in_the_same_home_is_refused_and_the_first_lives_on(
    running: Running, settings: Settings, sqlite_url: str, tmp_path: Path
) -> None:
    second = Running(settings, sqlite_url, tmp_path / "second.log")
    assert second.process.wait(30) == 1
    assert "already running" in second.log.read_text()
    assert running.is_complete()


def test_an_unfinished_replay_keeps_it_from_the_present(
    settings: Settings, engine: Engine, sqlite_url: str, tmp_path: Path
) -> None:
    begun = datetime(2026, 10, 1, tzinfo=UTC)
    with db.transaction(db.make_sessions(engine, settings)) as session:
        session.add(Replay(from_at=begun, until_at=datetime(2026, 11, 1, tzinfo=UTC), clock_at=begun, totals={}))
    refused = Running(settings, sqlite_url, tmp_path / "run.log")
    assert refused.process.wait(30) == 1
    assert "replay" in refused.log.read_text()
