"""Workers whose jobs are killed, that are killed themselves, or that stand still for a minute."""

import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, TextClause, text
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.services.queue import work
from rules_engine.services.running import agenda
from rules_engine.settings import Settings
from tests.factories import make_request
from tests.faults import company, points
from tests.faults.harness import CLOCK
from tests.faults.installation import Installation
from tests.faults.verdict import judge
from tests.faults.warm import Child, Nursery
from tests.workers.processes import environment
from tests.workers.waiting import wait_until

pytestmark = pytest.mark.faults

NOW = datetime(2026, 10, 5, 9, tzinfo=UTC)
WAITING = 4
Freeze = Callable[[str], Child]


def run_due_and_freeze(at: str, patience_ms: int = work.STANDSTILL_MS) -> None:
    """Do what is due as a worker does, and stand still at a point; for a forked process."""
    work.STANDSTILL_MS = patience_ms
    settings = Settings.from_env()
    points.watch(freeze_at=at)
    agenda.run_due(db.make_sessions(db.make_engine(settings.database_url), settings), NOW)


def stands_still(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def _scalar(engine: Engine, statement: TextClause) -> object:
    with engine.begin() as connection:
        return connection.scalar(statement)


def let_leases_end(engine: Engine) -> None:
    """As if the seconds of the lease had passed."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE work_items SET lease_until = 0 WHERE lease_until IS NOT NULL"))


@pytest.fixture
def sessions(any_engine: Engine, settings: Settings) -> sessionmaker[Session]:
    sessions = db.make_sessions(any_engine, settings)
    company.found(sessions)
    return sessions


@pytest.fixture
def accepted(sessions: sessionmaker[Session]) -> list[str]:
    with db.transaction(sessions) as session:
        return [make_request(session, received_at=NOW).external_id for _ in range(WAITING)]


@pytest.fixture
def freeze(warm: Nursery, settings: Settings, database_url: str) -> Freeze:
    def start(at: str) -> Child:
        settings.home.mkdir(parents=True, exist_ok=True)
        child = warm.start(
            {"call": "tests.faults.test_workers:run_due_and_freeze", "with": {"at": at}},
            environment=environment(settings, database_url),
            log=settings.home / "log",
        )
        wait_until(lambda: stands_still(child.pid))
        return child

    return start


def test_a_worker_that_stood_still_for_a_minute_finds_its_item_done_by_another(
    any_engine: Engine, sessions: sessionmaker[Session], accepted: list[str], freeze: Freeze
) -> None:
    """Injected: SIGSTOP right after an item was claimed, until the lease is long over; then SIGCONT.

    Must hold: another worker takes the item over and does it; who wakes up finds its epoch gone and writes nothing.
    """
    # The transaction that did the first has claimed the second.
    frozen = freeze("agenda._work.after:1")
    let_leases_end(any_engine)
    assert agenda.run_due(sessions, NOW).assigned == WAITING - 1
    before = judge(any_engine, accepted)
    os.kill(frozen.pid, signal.SIGCONT)
    assert frozen.wait() == 0, frozen.log.read_text()
    assert judge(any_engine, accepted) == before
    assert before.kept and before.spread <= 1 and sum(before.counts.values()) == WAITING


@pytest.mark.postgres
def test_a_worker_that_stands_still_in_its_transaction_keeps_nobody_from_the_rest(
    postgres_url: str, settings: Settings, warm: Nursery
) -> None:
    """Injected: SIGSTOP with everything written and nothing committed, its rows locked, and its lease over.

    Must hold: others work at the other items meanwhile, after a while also at those that it had in hand, and each is
    done once. (On SQLite there is one writer: the others wait, as they do for a lock: test_databases.py.)
    """
    engine = db.make_engine(postgres_url)
    sessions = db.make_sessions(engine, settings)
    # Each month of a ledger is one queue: what does not touch it is what goes on.
    company.found(sessions)
    number = agenda.TOGETHER + WAITING
    with db.transaction(sessions) as session:
        accepted = [make_request(session, received_at=NOW).external_id for _ in range(number)]
    settings.home.mkdir(parents=True, exist_ok=True)
    frozen = warm.start(
        {
            "call": "tests.faults.test_workers:run_due_and_freeze",
            "with": {"at": "agenda._work.before:1", "patience_ms": 500},
        },
        environment=environment(settings, postgres_url),
        log=settings.home / "log",
    )
    wait_until(lambda: stands_still(frozen.pid))
    with engine.begin() as connection:
        free = text("SELECT count(*) FROM (SELECT id FROM work_items FOR UPDATE SKIP LOCKED) AS free")
        assert connection.scalar(free) == WAITING - 1, "all but the one in hand and those claimed along with it"
    wait_until(lambda: _scalar(engine, free) == number)
    let_leases_end(engine)
    assert agenda.run_due(sessions, NOW).assigned == number
    os.kill(frozen.pid, signal.SIGCONT)
    assert frozen.wait() == 0, frozen.log.read_text()
    verdict = judge(engine, accepted)
    assert verdict.kept and sum(verdict.counts.values()) == number
    engine.dispose()


def test_a_job_that_is_killed_and_a_worker_killed_over_its_job_lose_nothing(
    tmp_path: Path, sqlite_url: str, warm: Nursery
) -> None:
    """Injected: kill -9 of the process of a job; then of a worker whose job lives on and stands still.

    Must hold: the job does not outlive its worker, and every request is assigned once, by whoever is left.
    """
    with Installation(tmp_path, sqlite_url, warm=warm) as there:
        company.found(there.sessions)
        there.start_redis()
        for name in ("worker-1", "worker-2"):
            there.start(name)
        wait_until(lambda: there.log.read_text().count("worker_started") == 2)
        now = datetime.now(UTC)
        with db.transaction(there.sessions) as session:
            accepted = [make_request(session, received_at=now).external_id for _ in range(30)]
        there.start("clock", CLOCK)

        wait_until(lambda: there.kill_job("worker-1") or there.kill_job("worker-2"))

        def stopped() -> tuple[str, int] | None:
            for name in ("worker-1", "worker-2"):
                for pid in there.jobs(name):
                    os.kill(pid, signal.SIGSTOP)
                    return name, pid
            return None

        found: list[tuple[str, int]] = []
        with db.transaction(there.sessions) as session:
            # More work, so that a job is there to be found.
            accepted += [make_request(session, received_at=now).external_id for _ in range(200)]
        wait_until(lambda: found.extend(one for one in [stopped()] if one) or found)
        worker, job = found[0]
        there.kill(worker)
        wait_until(lambda: not Path(f"/proc/{job}").exists() or "Z" in Path(f"/proc/{job}/stat").read_text())
        wait_until(lambda: judge(there.engine, accepted).kept, 60)
        verdict = judge(there.engine, accepted)
        assert verdict.quarantined == [] and verdict.spread <= 1
        assert sum(verdict.counts.values()) == len(accepted)
