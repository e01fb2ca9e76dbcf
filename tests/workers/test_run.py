"""`pravila run` as an administrator starts it: everything comes up, and nothing is left behind."""

import contextlib
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.models import Replay, Request, RequestStatus
from rules_engine.services.records.incoming import RequestIn
from rules_engine.services.requests import intake
from rules_engine.settings import Settings
from tests.cluster import free_port
from tests.faults import company
from tests.tied import tied
from tests.workers.processes import are_over, environment
from tests.workers.waiting import wait_until

pytestmark = pytest.mark.faults

PARTS = ("unixsocket", "workers.schedule", "workers.worker", "wsgi")


class Running:
    """One `pravila run` and the processes below it."""

    def __init__(self, settings: Settings, database_url: str, log: Path, sessions: sessionmaker[Session]) -> None:
        self.settings = settings
        self.sessions = sessions
        self.port = free_port()
        self.log = log
        with log.open("w") as output:
            self.process = subprocess.Popen(
                tied([sys.executable, "-m", "rules_engine.cli", "run", "--workers", "1"]),
                env=environment(settings, database_url, PRAVILA_PORT=str(self.port), PRAVILA_LOCALE="en"),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def answers(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5):
            return True
        return False

    def end(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def below(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def is_complete(self) -> bool:
        words = [words_of(child) for child in self.below()]
        return self.answers() and all(any(part in line for line in words) for part in PARTS)


def words_of(process: psutil.Process) -> str:
    """Return the command line; empty where the process has just ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return ""


@contextmanager
def started(template: Path, home: Path) -> Iterator[Running]:
    shutil.copy(template, home / "pravila.db")
    settings = Settings.from_env({"PRAVILA_HOME": str(home)})
    engine = db.make_engine(settings.database_url)
    sessions = db.make_sessions(engine, settings)
    company.found(sessions)
    running = Running(settings, settings.database_url, home / "run.log", sessions)
    try:
        wait_until(running.is_complete, 60)
        yield running
    finally:
        running.end()
        engine.dispose()


@pytest.fixture(scope="module")
def running(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One that several tests look at, and the last of them stops."""
    with started(sqlite_template, tmp_path_factory.mktemp("running")) as running:
        yield running


def test_it_does_the_work(running: Running) -> None:
    sessions = running.sessions
    now = datetime.now(UTC)
    with db.transaction(sessions) as session:
        body = {"source": "site", "external_id": "A-1", "received_at": now.isoformat()}
        intake.receive(session, RequestIn.model_validate(body), now=now, actor="api:test")

    def assigned() -> bool:
        with sessions() as session:
            return session.scalars(select(Request.status)).all() == [RequestStatus.ASSIGNED]

    wait_until(assigned)


def test_a_second_one_in_the_same_home_is_refused_and_the_first_lives_on(running: Running, tmp_path: Path) -> None:
    second = Running(running.settings, running.settings.database_url, tmp_path / "second.log", running.sessions)
    try:
        assert second.process.wait(30) == 1
    finally:
        second.end()
    assert "already running" in second.log.read_text()
    assert running.is_complete()


def test_stopped_it_leaves_no_process_and_ends_well(running: Running) -> None:
    """By Ctrl-C; test_supervisor.py has every signal."""
    below = running.below()
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(30) == 0, running.log.read_text()
    assert are_over(below)
    assert "Traceback" not in running.log.read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a process to its parent")
def test_killed_it_takes_everything_with_it(sqlite_template: Path, tmp_path: Path) -> None:
    with started(sqlite_template, tmp_path) as running:
        below = running.below()
        running.process.kill()
        wait_until(lambda: are_over(below))


def test_an_unfinished_replay_keeps_it_from_the_present(
    settings: Settings, engine: Engine, sqlite_url: str, tmp_path: Path
) -> None:
    begun = datetime(2026, 10, 1, tzinfo=UTC)
    sessions = db.make_sessions(engine, settings)
    with db.transaction(sessions) as session:
        session.add(Replay(from_at=begun, until_at=datetime(2026, 11, 1, tzinfo=UTC), clock_at=begun, totals={}))
    refused = Running(settings, sqlite_url, tmp_path / "run.log", sessions)
    try:
        assert refused.process.wait(30) == 1
    finally:
        refused.end()
    assert "replay" in refused.log.read_text()
