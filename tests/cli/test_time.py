"""`run-due` and `replay` as a user types them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.cli import main
from rules_engine.services.running.replay import lay_down
from rules_engine.settings import Settings
from tests.factories import MONDAY, assignment_rules, escalation_rules, make_cast, make_request, make_version
from tests.postbox import postbox

Run = Callable[..., Result]
SHAPE = ["from", "until", "arrived", "assigned", "escalated", "callbacks", "quarantined", "seconds"]


@pytest.fixture
def environment(sqlite_url: str, tmp_path: Path) -> dict[str, str]:
    return {
        "PRAVILA_HOME": str(tmp_path / "home"),
        "PRAVILA_DATABASE_URL": sqlite_url,
        "PRAVILA_LOCALE": "ru",
        "PRAVILA_ENGINE": "native",
    }


@pytest.fixture
def company(sqlite_url: str, environment: dict[str, str]) -> sessionmaker[Session]:
    engine = db.make_engine(sqlite_url, relaxed=True)
    sessions = db.make_sessions(engine, Settings.from_env(environment))
    with db.transaction(sessions) as session:
        make_cast(session)
        make_version(session, "assignment", assignment_rules())
        make_version(session, "escalation", escalation_rules())
    engine.dispose()
    return sessions


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    return lambda *words: CliRunner().invoke(main, words, env=environment)


def test_what_is_due_is_done_and_counted(company: sessionmaker[Session], run: Run) -> None:
    with db.transaction(company) as session:
        make_request(session)

    early = json.loads(run("run-due", "--now", "2026-10-05T11:19:00", "--json").stdout)
    due = json.loads(run("run-due", "--now", "2026-10-05T11:20:00+03:00", "--json").stdout)

    assert list(due) == SHAPE
    assert (early["assigned"], due["assigned"]) == (0, 1)
    assert due["from"] == due["until"] == "2026-10-05T11:20:00+03:00"


def test_the_mail_of_what_was_done_is_sent_at_once(company: sessionmaker[Session], environment: dict[str, str]) -> None:
    with db.transaction(company) as session:
        make_request(session)
    with postbox() as (box, port):
        settings = {**environment, "PRAVILA_SMTP_URL": f"smtp://127.0.0.1:{port}"}
        result = CliRunner().invoke(main, ["run-due", "--now", "2026-10-05T11:20:00+03:00"], env=settings)

    assert result.exit_code == 0
    assert [mail["To"] for mail in box.received] == ["anna@example.org"]


def test_a_person_reads_one_line(company: sessionmaker[Session], run: Run) -> None:
    result = run("run-due")

    assert result.exit_code == 0
    assert "assigned: 0" in result.output


def test_a_replay_prints_what_it_did_and_then_zeros(company: sessionmaker[Session], run: Run) -> None:
    with db.transaction(company) as session:
        body = {"source": "site", "external_id": "A-1", "received_at": MONDAY.isoformat()}
        lay_down(session, "request", "site", "A-1", MONDAY, body)

    first = run("replay", "--from", "2026-10-01", "--to", "2026-11-01", "--json")
    again = run("replay", "--from", "2026-10-01", "--to", "2026-11-01", "--json")
    other = run("replay", "--from", "2026-10-02", "--to", "2026-11-01")

    assert list(json.loads(first.stdout)) == SHAPE
    assert [json.loads(first.stdout)[key] for key in ("arrived", "assigned")] == [1, 1]
    assert [json.loads(again.stdout)[key] for key in ("arrived", "assigned")] == [0, 0]
    assert (other.exit_code, other.stdout) == (1, "")
    assert other.stderr.startswith("часы прогона уже дошли до ")


@pytest.mark.parametrize(
    "words",
    [("run-due", "--now", "yesterday"), ("replay", "--from", "2026-10-01"), ("replay", "--from", "x", "--to", "y")],
)
def test_wrong_usage_is_exit_code_two(company: sessionmaker[Session], run: Run, words: tuple[str, ...]) -> None:
    assert run(*words).exit_code == 2


def test_without_a_database_there_is_a_clear_line_and_no_traceback(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["run-due"], env={"PRAVILA_HOME": str(tmp_path), "PRAVILA_LOCALE": "ru"})

    assert result.exit_code == 1
    assert result.stderr.strip() == "база данных не подготовлена: выполните «pravila init»"
