"""`pravila doctor` and `pravila audit verify`, as a person and a program call them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import redis
from click.testing import CliRunner
from sqlalchemy import update
from sqlalchemy.orm import Session

from rules_engine.cli.health import doctor
from rules_engine.models import AuditEntry
from rules_engine.services.records import audit
from rules_engine.settings import Settings
from tests.tied import tied
from tests.workers.waiting import end, wait_until
from workers import redis_server


def pravila(home: Path, *words: str, url: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PRAVILA_")}
    return subprocess.run(
        tied([sys.executable, "-m", "rules_engine.cli", *words]),
        env={**clean, "PRAVILA_HOME": str(home), "PRAVILA_DATABASE_URL": url, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_doctor_says_what_is_missing_before_init(tmp_path: Path) -> None:
    done = pravila(tmp_path, "doctor", "--json", PRAVILA_LOCALE="en")
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["ok"]) == (1, False)
    found = {check["name"]: check for check in answer["checks"]}
    assert set(found) == {"versions", "disk", "redis", "database", "migrations"}
    assert "pravila init" in found["migrations"]["detail"]
    assert not found["redis"]["ok"]
    assert "redis, migrations" in done.stderr


def test_doctor_asks_the_rows_of_a_database_that_is_ready(tmp_path: Path, database_url: str) -> None:
    done = pravila(tmp_path, "doctor", "--json", url=database_url)
    found = {check["name"]: check["ok"] for check in json.loads(done.stdout)["checks"]}
    assert done.returncode == 1
    assert [name for name, ok in found.items() if not ok] == ["redis", "workers"]
    assert {"ledger", "outbox", "quarantined", "audit", "incidents", "work", "replay"} < set(found)


def test_doctor_has_no_traceback_for_a_database_that_is_away(tmp_path: Path) -> None:
    done = pravila(tmp_path, "doctor", url="postgresql+psycopg://nobody@127.0.0.1:1/none")
    assert done.returncode == 1
    assert "LOOK database" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.fixture
def sealed(session: Session) -> Session:
    for number in range(3):
        audit.record(session, actor="denis", action="update", subject_kind="setting", subject_id=number)
    session.flush()
    audit.seal(session)
    session.commit()
    return session


def test_verify_counts_what_is_sealed(tmp_path: Path, sealed: Session, sqlite_url: str) -> None:
    done = pravila(tmp_path, "audit", "verify", "--json", url=sqlite_url)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"ok": True, "sealed": 3, "unsealed": 0, "broken_at": None}


def test_verify_finds_a_row_that_was_changed(tmp_path: Path, sealed: Session, sqlite_url: str) -> None:
    sealed.execute(update(AuditEntry).where(AuditEntry.position == 2).values(actor="anna"))
    sealed.commit()
    done = pravila(tmp_path, "audit", "verify", url=sqlite_url, PRAVILA_LOCALE="en")
    assert done.returncode == 1
    assert "from row 2 on" in done.stderr


def test_run_refuses_a_database_that_was_never_made(tmp_path: Path) -> None:
    done = pravila(tmp_path, "run", PRAVILA_LOCALE="en")
    assert (done.returncode, done.stderr.strip()) == (1, "the database is not ready: run “pravila init”")


@pytest.mark.parametrize("part", ["worker", "clock"])
def test_a_part_alone_refuses_it_too(tmp_path: Path, part: str) -> None:
    done = pravila(tmp_path, part, PRAVILA_LOCALE="en")
    assert (done.returncode, done.stderr.strip()) == (1, "the database is not ready: run “pravila init”")


def test_doctor_warns_of_a_redis_that_would_forget(settings: Settings, sqlite_url: str) -> None:
    process = redis_server.start(settings)
    try:
        wait_until(lambda: redis_server.is_answering(settings))
        environment = {"PRAVILA_HOME": str(settings.home), "PRAVILA_DATABASE_URL": sqlite_url, "PRAVILA_LOCALE": "en"}

        def redis_check() -> dict[str, object]:
            answer = json.loads(CliRunner().invoke(doctor, ["--json"], env=environment).stdout)
            found: dict[str, object] = next(check for check in answer["checks"] if check["name"] == "redis")
            return found

        assert redis_check()["ok"]
        with redis.Redis.from_url(settings.effective_redis_url) as client:
            client.config_set("maxmemory-policy", "allkeys-lru")
        assert not redis_check()["ok"]
        assert "noeviction is needed" in str(redis_check()["detail"])
    finally:
        end(process)
