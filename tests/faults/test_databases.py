"""Databases locked, full, cut off or restarted: nothing that was accepted is lost, and nothing is half done."""

import os
import resource
import signal
import sqlite3
import threading
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from time import monotonic

import psycopg
import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import OperationalError

from rules_engine import db
from rules_engine.models import WorkItem
from rules_engine.services.company import tokens
from rules_engine.services.records.incoming import RequestIn
from rules_engine.services.requests import intake
from rules_engine.services.running import agenda
from rules_engine.settings import Settings
from tests.factories import make_request
from tests.faults import acts, company
from tests.faults.harness import CLOCK
from tests.faults.installation import Installation
from tests.faults.sender import Sender
from tests.faults.verdict import SOURCE, judge
from tests.faults.warm import Nursery
from tests.web import app_of
from tests.workers.processes import environment
from tests.workers.waiting import wait_until

pytestmark = pytest.mark.faults

NOW = datetime(2026, 10, 5, 9, tzinfo=UTC)


def test_a_sqlite_that_is_locked_for_less_than_our_patience_costs_time_and_nothing_else(
    sqlite_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Injected: another program holds the write lock for two thirds of the time that we wait: 40 s of 60, made small.

    Must hold: a delivery waits and is stored, and so does a worker; no attempt is counted against the request.
    """
    monkeypatch.setattr(db, "SQLITE_BUSY_MS", 1_500)
    engine = db.make_engine(sqlite_url)
    sessions = db.make_sessions(engine, settings)
    company.found(sessions)
    with db.transaction(sessions) as session:
        accepted = [make_request(session, received_at=NOW).external_id]
    holder = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    release = threading.Timer(1.0, lambda: holder.execute("ROLLBACK"))
    release.start()
    started = monotonic()
    totals = agenda.run_due(sessions, NOW)
    assert monotonic() - started > 0.5
    release.join()
    holder.close()
    assert (totals.assigned, totals.failed) == (1, 0)
    assert judge(engine, accepted).kept
    engine.dispose()


def test_a_sqlite_that_stays_locked_is_said_so_and_nothing_is_counted_against_a_request(
    sqlite_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Injected: the write lock is held for longer than we wait, once while a worker has an item in hand.

    Must hold: the interface says 503 and when to come again, and stores nothing; the item is given back uncounted.
    (503 over HTTP: tests/api/test_guard.py.)
    """
    monkeypatch.setattr(db, "SQLITE_BUSY_MS", 100)
    engine = db.make_engine(sqlite_url)
    sessions = db.make_sessions(engine, settings)
    company.found(sessions)
    with db.transaction(sessions) as session:
        accepted = [make_request(session, received_at=NOW).external_id]
    holder = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    given_back = 0

    @event.listens_for(engine, "checkin")
    def lock(*_: object) -> None:
        nonlocal given_back
        given_back += 1
        if given_back == 2:
            # The first connection looked for a replay, the second has claimed: now the item is in hand.
            holder.execute("BEGIN IMMEDIATE")

    @event.listens_for(engine, "handle_error")
    def release(*_: object) -> None:
        if holder.in_transaction:
            holder.execute("ROLLBACK")

    totals = agenda.run_due(sessions, NOW)
    # The tests' engines share one dialect, on which this listens.
    event.remove(engine, "handle_error", release)
    assert (totals.failed, totals.assigned) == (1, 0)
    holder.close()
    with sessions() as session:
        assert session.query(WorkItem).one().attempts == 0
    with engine.begin() as connection:
        connection.execute(text("UPDATE work_items SET lease_until = NULL"))
    assert agenda.run_due(sessions, NOW).assigned == 1
    assert judge(engine, accepted).kept
    engine.dispose()


def deliver_until_the_disk_is_full(room: int, number: int) -> None:
    """Deliver requests in this process, which was forked for it and whose files may grow by `room` bytes only."""
    settings = Settings.from_env()
    home = settings.home
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with app_of(settings, settings.database_url, lambda: NOW) as app:
        client = app.test_client()
        app.testing = False
        largest = max(path.stat().st_size for path in home.glob("pravila.db*"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest + room, resource.RLIM_INFINITY))
        answers = []
        for place in range(number):
            body = {"source": SOURCE, "external_id": f"D-{place}", "received_at": NOW.isoformat(), "text": "я" * 4_000}
            answer = client.post("/api/v1/requests", json=body, headers={"Authorization": f"Bearer {acts.SECRET}"})
            answers.append(answer.status_code)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    (home / "answers").write_text(" ".join(map(str, answers)))


def test_a_disk_that_is_full_refuses_and_loses_nothing_that_was_accepted(
    tmp_path: Path, sqlite_url: str, warm: Nursery
) -> None:
    """Injected: the files of the database cannot grow any more (a limit of the kernel), while requests come.

    Must hold: what was answered with 201 is there, the rest was answered with 503, the file is sound, and with room
    again the same deliveries are taken.
    """
    settings = Settings.from_env({"PRAVILA_HOME": str(tmp_path)})
    engine = db.make_engine(sqlite_url)
    sessions = db.make_sessions(engine, settings)
    company.found(sessions)
    with db.transaction(sessions) as session:
        acts.make_token(session)
    number = 40
    child = warm.start(
        {
            "call": "tests.faults.test_databases:deliver_until_the_disk_is_full",
            "with": {"room": 200_000, "number": number},
        },
        environment=environment(settings, sqlite_url),
        log=tmp_path / "log",
    )
    assert child.wait() == 0, child.log.read_text()
    answers = [int(word) for word in (tmp_path / "answers").read_text().split()]
    assert set(answers) == {201, 503}, answers
    accepted = [f"D-{place}" for place, answer in enumerate(answers) if answer == 201]
    with engine.connect() as connection:
        assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
        stored = set(connection.scalars(text("SELECT external_id FROM requests")))
    assert stored == set(accepted)
    with db.transaction(sessions) as session:
        for place in range(number):
            body = {"source": SOURCE, "external_id": f"D-{place}", "received_at": NOW, "text": "я" * 4_000}
            created = intake.receive(session, RequestIn.model_validate(body), now=NOW, actor="api:crm").created
            assert created is (f"D-{place}" not in stored)
    agenda.run_due(sessions, NOW)
    verdict = judge(engine, [f"D-{place}" for place in range(number)])
    assert verdict.kept and sum(verdict.counts.values()) == number
    engine.dispose()


@pytest.mark.postgres
def test_a_postgresql_whose_connections_are_cut_and_that_recovers_from_a_crash_loses_nothing(
    tmp_path: Path, postgres_url: str, warm: Nursery
) -> None:
    """Injected: every connection is ended by the server, three times; then kill -9 of a server process, upon which
    PostgreSQL ends all others, restarts itself and recovers from its log.

    Must hold: pages, clock and workers connect anew by themselves; by the sender's count nothing is lost or doubled.
    """
    with Installation(tmp_path, postgres_url, warm=warm) as there:
        company.found(there.sessions)
        with db.transaction(there.sessions) as session:
            _, secret = tokens.create(session, "faults", ["requests:write"], now=datetime.now(UTC))
        there.start_redis()
        there.start_web()
        there.start("worker")
        there.start("clock", CLOCK)
        wait_until(lambda: there.log.read_text().count("_started") == 2)
        sender = Sender(there.settings.port, secret, number=60, per_second=20, random=Random(1))
        sending = threading.Thread(target=sender.run, args=(lambda: False,))
        sending.start()
        for place in range(3):
            wait_until(lambda: len(sender.accepted) > 10 * (place + 1))  # noqa: B023 - waited for at once
            _end_all_connections(postgres_url)
        wait_until(lambda: len(sender.accepted) > 40)
        _crash(postgres_url)
        sending.join()
        assert (sender.problems, len(sender.accepted)) == ([], 60)
        assert all(len(ids) == 1 for ids in sender.ids.values())
        wait_until(lambda: _is_kept(there.engine, sender.accepted), 60)
        verdict = judge(there.engine, sender.accepted)
        assert sum(verdict.counts.values()) == 60
        assert verdict.quarantined == [] and verdict.spread <= 1


def _is_kept(engine: Engine, accepted: set[str]) -> bool:
    try:
        return judge(engine, accepted).kept
    except OperationalError:
        return False


def _end_all_connections(url: str) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def _crash(url: str) -> None:
    """Kill the server process of a connection of our own; the server takes that for damage and starts anew."""
    connection = psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
    os.kill(connection.info.backend_pid, signal.SIGKILL)
    connection.close()

    def recovered() -> bool:
        try:
            psycopg.connect(url.replace("+psycopg", ""), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    wait_until(recovered)
