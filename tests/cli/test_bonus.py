"""`pravila bonus` and `pravila explain statement` as a user types them; the machine's clock says when it is."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import clock, db
from rules_engine.cli import main
from rules_engine.services.measures.month import earlier
from rules_engine.services.running.setup import initialise
from rules_engine.settings import Settings
from tests.bonus_rows import NEW, credit, plan
from tests.factories import MOSCOW, at, make_cast

Run = Callable[..., Result]
THIS_MONTH = f"{clock.now().astimezone(MOSCOW):%Y-%m}"
LAST_MONTH = earlier(THIS_MONTH)
KEYS = ["rule", "component", "base", "rate", "amount", "sentence", "correction_of"]


@pytest.fixture
def environment(sqlite_url: str, tmp_path: Path) -> dict[str, str]:
    home = str(tmp_path / "home")
    return {
        "PRAVILA_HOME": home,
        "PRAVILA_DATABASE_URL": sqlite_url,
        "PRAVILA_LOCALE": "ru",
        "PRAVILA_ENGINE": "native",
    }


@pytest.fixture
def company(sqlite_url: str, environment: dict[str, str]) -> sessionmaker[Session]:
    """Анна met the plan of the last month to the kopeck on one side."""
    engine = db.make_engine(sqlite_url, relaxed=True)
    sessions = db.make_sessions(engine, Settings.from_env(environment))
    with db.transaction(sessions) as session:
        cast = make_cast(session)
        initialise(session, now=at(f"{LAST_MONTH}-01 00:00"))
        plan(session, cast.anna, LAST_MONTH, 1_000, None)
        credit(session, cast.anna, f"{LAST_MONTH}-05", 100_000, NEW)
    engine.dispose()
    return sessions


@pytest.fixture
def run(environment: dict[str, str], company: sessionmaker[Session]) -> Run:
    return lambda *words: CliRunner().invoke(main, words, env=environment)


def test_a_month_from_computing_to_closing_and_its_reversal(run: Run) -> None:
    computed = json.loads(run("bonus", "compute", LAST_MONTH, "--json").stdout)
    assert (computed["period"], computed["state"], computed["provisional"]) == (LAST_MONTH, "computed", False)
    assert [one["manager"] for one in computed["statements"]] == ["anna", "boris", "vera"]
    anna = computed["statements"][0]
    premium = next(line for line in anna["lines"] if line["line"] == "premium")
    assert set(KEYS) <= set(premium)
    assert (anna["total"], premium["amount"], premium["correction_of"]) == ("35000.00", "35000.00", None)

    assert json.loads(run("bonus", "present", LAST_MONTH, "--json").stdout)["state"] == "presented"
    assert json.loads(run("bonus", "approve", LAST_MONTH, "--json").stdout)["state"] == "approved"
    assert json.loads(run("bonus", "close", LAST_MONTH, "--json").stdout)["state"] == "closed"
    assert json.loads(run("bonus", "close", LAST_MONTH, "--json").stdout)["state"] == "closed"
    refused = run("bonus", "compute", LAST_MONTH)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "закрыт" in refused.stderr
    opened = json.loads(run("bonus", "reopen", LAST_MONTH, "--reason", "проверка", "--json").stdout)
    assert (opened["state"], opened["revision"]) == ("computed", 2)


def test_the_running_month_is_provisional_and_cannot_be_closed(run: Run) -> None:
    shown = run("bonus", "compute", THIS_MONTH)
    assert shown.exit_code == 0
    assert "предварительно на сегодня" in shown.stdout
    for step in ("present", "close"):
        refused = run("bonus", step, THIS_MONTH)
        assert (refused.exit_code, "ещё не закончился" in refused.stderr) == (1, True)


def test_one_manager_is_shown_in_words_and_explained(run: Run) -> None:
    run("bonus", "compute", LAST_MONTH)
    shown = run("bonus", "show", LAST_MONTH, "--manager", "anna")
    assert "anna: итого 35" in shown.stdout
    assert "boris" not in shown.stdout
    statement = json.loads(run("bonus", "show", LAST_MONTH, "--manager", "anna", "--json").stdout)["statements"][0]

    explained = run("explain", "statement", str(statement["id"]))
    assert explained.exit_code == 0
    assert "Плановая премия" in explained.stdout and "Оплаты посчитаны с НДС" in explained.stdout
    assert json.loads(run("explain", "statement", str(statement["id"]), "--json").stdout)["statement"]["lines"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("bonus", "show", LAST_MONTH), 1),
        (("bonus", "compute", "2026-13"), 1),
        (("bonus", "compute", "2100-01"), 1),
        (("bonus", "close", LAST_MONTH), 1),
        (("bonus", "pay", LAST_MONTH), 2),
        (("bonus", "compute"), 2),
        (("explain", "statement", "99"), 1),
    ],
)
def test_what_cannot_be_done_says_why(run: Run, words: tuple[str, ...], code: int) -> None:
    result = run(*words)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr
    assert "Traceback" not in result.stderr
