"""Migrations that are killed half way, and backups that are taken while everybody works."""

import shutil
import subprocess
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import Engine, event, inspect, text

from rules_engine import db, migrations
from rules_engine.services.records.incoming import RequestIn
from rules_engine.services.requests import intake
from rules_engine.services.running import agenda
from rules_engine.settings import Settings
from tests import cluster
from tests.conftest import skip_or_fail
from tests.factories import make_request
from tests.faults import company
from tests.faults.verdict import SOURCE, judge
from tests.faults.warm import Nursery
from tests.workers.processes import environment
from tests.workers.waiting import wait_until

pytestmark = pytest.mark.faults

KILLED = -9
NOW = datetime(2026, 10, 5, 9, tzinfo=UTC)


def migrate_and_die(way: str, revision: str, after: int, record: str) -> None:
    """Migrate in this process, which was forked for it, and die before the statement with this number.

    0: never; then the number of statements is written into `record`.
    """
    import os
    import signal

    engine = db.make_engine(Settings.from_env().database_url)
    passed = 0

    @event.listens_for(engine, "before_cursor_execute")
    def count(*_: Any) -> None:
        nonlocal passed
        passed += 1
        if passed == after:
            os.kill(os.getpid(), signal.SIGKILL)

    getattr(migrations, way)(engine, revision)
    Path(record).write_text(str(passed))


def contents(engine: Engine) -> dict[str, list[Any]]:
    """Return the columns and the number of rows of every table, and which revision it is."""
    found: dict[str, list[Any]] = {}
    with engine.connect() as connection:
        for table in inspect(connection).get_table_names():
            columns = sorted(column["name"] for column in inspect(connection).get_columns(table))
            found[table] = [columns, connection.scalar(text(f'SELECT count(*) FROM "{table}"'))]
        found["revision"] = [connection.scalar(text("SELECT version_num FROM alembic_version"))]
    return found


def test_a_migration_killed_half_way_leaves_the_database_as_it_was(
    any_engine: Engine, database_url: str, settings: Settings, warm: Nursery, tmp_path: Path
) -> None:
    """Injected: kill -9 at several statements of the newest migration, down and up again, with a company at work.

    Must hold: nothing of it is there; started again it goes through, and no row is lost on the way.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    sessions = db.make_sessions(any_engine, settings)
    company.found(sessions)
    with db.transaction(sessions) as session:
        accepted = [make_request(session, received_at=NOW).external_id for _ in range(5)]
    agenda.run_due(sessions, NOW)
    any_engine.dispose()
    whole = contents(any_engine)
    before_head = f"{int(migrations.head_revision()) - 1:04d}"
    log, record = tmp_path / "log", tmp_path / "statements"

    def migrate(way: str, revision: str, after: int = 0) -> int:
        any_engine.dispose()
        order = {"way": way, "revision": revision, "after": after, "record": str(record)}
        child = warm.start(
            {"call": "tests.faults.test_upgrade_and_backup:migrate_and_die", "with": order},
            environment=environment(settings, database_url),
            log=log,
        )
        return child.wait()

    for way, revision in (("downgrade", before_head), ("upgrade", "head")):
        before = contents(any_engine)
        any_engine.dispose()
        # How many statements there are is known when it has gone through: so once on the way there and back.
        assert migrate(way, revision) == 0, log.read_text()
        after = contents(any_engine)
        back = ("upgrade", "head") if way == "downgrade" else ("downgrade", before_head)
        number = int(record.read_text())
        assert number > 10
        assert migrate(*back) == 0, log.read_text()
        assert contents(any_engine) == before
        for place in (number // 2, number):
            assert migrate(way, revision, place) == KILLED
            assert contents(any_engine) == before, f"killed at statement {place} of {number}"
        assert migrate(way, revision) == 0, log.read_text()
        assert contents(any_engine) == after
    assert contents(any_engine) == whole
    assert judge(any_engine, accepted).kept


def backed_up(url: str, folder: Path) -> Callable[[], str]:
    """Take a backup as docs/operations.md says; return what restores it and gives the address of the restored one."""
    if url.startswith("sqlite"):
        program = shutil.which("sqlite3")
        if program is None:
            skip_or_fail("the program sqlite3 is not installed")
        copy = folder / "backup.db"
        subprocess.run([str(program), url.removeprefix("sqlite:///"), f".backup '{copy}'"], check=True, timeout=60)
        return lambda: f"sqlite:///{copy}"
    programs = cluster.find_programs()
    if programs is None or not (programs / "pg_dump").exists():
        skip_or_fail("pg_dump is not installed beside PostgreSQL's server programs")
    plain = url.replace("+psycopg", "")
    dump = folder / "backup.dump"
    subprocess.run([str(programs / "pg_dump"), "-Fc", "-f", str(dump), plain], check=True, timeout=60)

    def restore() -> str:
        server, _, _ = plain.rpartition("/")
        name = f"restored_{uuid4().hex[:12]}"
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        restoring = [str(programs / "pg_restore"), "--no-owner", "-d", f"{server}/{name}", str(dump)]
        subprocess.run(restoring, check=True, timeout=60)
        return f"{url.rpartition('/')[0]}/{name}"

    return restore


def test_a_backup_taken_under_load_is_whole_and_goes_on_when_it_is_restored(
    any_engine: Engine, database_url: str, settings: Settings, tmp_path: Path
) -> None:
    """Injected: the backup of docs/operations.md while requests come in and are assigned; then it is restored.

    Must hold: what was accepted before the backup began is in it; nothing is half there; what waited in it is
    assigned once when work goes on.
    """
    sessions = db.make_sessions(any_engine, settings)
    company.found(sessions)
    accepted: list[str] = []
    over = threading.Event()

    def work() -> None:
        number = 0
        while not over.is_set():
            body = {"source": SOURCE, "external_id": f"B-{number}", "received_at": NOW}
            with db.transaction(sessions) as session:
                intake.receive(session, RequestIn.model_validate(body), now=NOW, actor="api:crm")
            accepted.append(f"B-{number}")
            number += 1
            if number % 3 == 0:
                agenda.run_due(sessions, NOW, limit=2)

    working = threading.Thread(target=work)
    working.start()
    try:
        wait_until(lambda: len(accepted) >= 20)
        before = list(accepted)
        restore = backed_up(database_url, tmp_path)
        wait_until(lambda: len(accepted) > len(before))
    finally:
        over.set()
        working.join()
    url = restore()
    restored = db.make_engine(url)
    assert migrations.current_revision(restored) == migrations.head_revision()
    with restored.connect() as connection:
        there = list(connection.scalars(text("SELECT external_id FROM requests")))
    assert set(before) <= set(there) <= set(accepted)
    verdict = judge(restored, [])
    assert verdict.kept, verdict
    with restored.begin() as connection:
        connection.execute(text("UPDATE work_items SET lease_until = NULL"))
    agenda.run_due(db.make_sessions(restored, settings), NOW)
    verdict = judge(restored, there)
    assert verdict.kept and verdict.spread <= 1 and sum(verdict.counts.values()) == len(there)
    restored.dispose()
    if not url.startswith("sqlite"):
        server, _, name = url.replace("+psycopg", "").rpartition("/")
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
