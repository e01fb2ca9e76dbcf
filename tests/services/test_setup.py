"""What a new installation begins with, and the commands that make it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine import db, migrations
from rules_engine.cli import main
from rules_engine.decisions.bonus_cases import run_cases
from rules_engine.decisions.modes import Mode
from rules_engine.errors import InputError
from rules_engine.language.ruleset import parse
from rules_engine.models import BEGINNING_OF_TIME, Calendar, ModeChange, Role, RulesetVersion, User
from rules_engine.services.company.passwords import verify_password
from rules_engine.services.rules.modes import mode_of
from rules_engine.services.rules.rulebook import DECISIONS, published
from rules_engine.services.running.setup import initialise, shipped_ruleset
from rules_engine.settings import Settings
from tests.factories import MONDAY, PASSWORD, at, make_cast

LONG_AGO = at("1999-01-01 00:00")


class TestInitialise:
    def test_calendar_rulesets_and_modes_hold_from_the_beginning_of_time(self, any_session: Session) -> None:
        added = initialise(any_session, now=MONDAY)

        assert added.calendar
        assert added.rulesets == added.modes == DECISIONS
        assert published(any_session, "assignment", LONG_AGO).number == 1
        assert published(any_session, "escalation", LONG_AGO).number == 1
        assert mode_of(any_session, "assignment", None, LONG_AGO) is Mode.WATCH
        assert any_session.scalars(select(RulesetVersion.holds_from)).all() == [BEGINNING_OF_TIME] * len(DECISIONS)

    def test_live_begins_live(self, session: Session) -> None:
        initialise(session, now=MONDAY, live=True)

        assert mode_of(session, "escalation", None, MONDAY) is Mode.LIVE

    def test_the_calendar_is_five_days_with_lunch_in_the_business_zone(self, session: Session) -> None:
        initialise(session, now=MONDAY)

        calendar = session.scalars(select(Calendar)).one()
        assert (calendar.zone, calendar.is_default) == ("Europe/Moscow", True)
        assert calendar.weekly["fri"] == [["09:00", "13:00"], ["14:00", "18:00"]]
        assert "sat" not in calendar.weekly

    def test_a_second_time_changes_nothing(self, any_session: Session) -> None:
        initialise(any_session, now=MONDAY, admin_login="denis", admin_password_hash="first")
        any_session.commit()

        again = initialise(any_session, now=MONDAY, live=True, admin_login="denis", admin_password_hash="second")

        assert (again.calendar, again.rulesets, again.modes, again.administrator) == (False, (), (), False)
        assert mode_of(any_session, "assignment", None, MONDAY) is Mode.WATCH
        assert any_session.scalars(select(User.password_hash)).all() == ["first"]
        assert len(any_session.scalars(select(ModeChange)).all()) == len(DECISIONS)

    def test_what_a_company_has_already_is_left_alone(self, session: Session) -> None:
        make_cast(session)

        added = initialise(session, now=MONDAY)

        assert (added.calendar, added.modes) == (False, ())
        assert added.rulesets == DECISIONS

    @pytest.mark.parametrize("login", [" ", "two words", "x" * 61])
    def test_a_login_that_cannot_be_one_is_refused(self, session: Session, login: str) -> None:
        with pytest.raises(InputError):
            initialise(session, now=MONDAY, admin_login=login, admin_password_hash="hash")

    @pytest.mark.parametrize("decision", DECISIONS)
    def test_the_shipped_rulesets_do_what_their_cases_say(self, decision: str) -> None:
        results = run_cases(parse(shipped_ruleset(decision)))

        assert results
        assert [result.case.title.ru for result in results if not result.passed] == []


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("PRAVILA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PRAVILA_LOCALE", "ru")
    monkeypatch.delenv("PRAVILA_DATABASE_URL", raising=False)
    return Settings.from_env()


def run(*words: str, stdin: str = "") -> Result:
    return CliRunner().invoke(main, list(words), input=stdin)


class TestCommands:
    def test_init_makes_the_database_and_an_administrator_who_can_log_in(self, home: Settings) -> None:
        answer = run("init", "--admin", "denis", "--password-stdin", "--live", "--json", stdin=PASSWORD + "\n")

        assert answer.exit_code == 0, answer.stderr
        printed = json.loads(answer.stdout)
        assert (printed["administrator"], printed["rulesets"]) == ("denis", list(DECISIONS))
        engine = db.make_engine(home.database_url)
        with db.make_sessions(engine, home)() as session:
            user = session.scalars(select(User)).one()
            assert (user.login, user.role) == ("denis", Role.ADMINISTRATOR)
            assert verify_password(user.password_hash, PASSWORD)
            assert mode_of(session, "assignment", None, MONDAY) is Mode.LIVE
        engine.dispose()

    def test_a_second_init_only_migrates(self, home: Settings) -> None:
        run("init")

        answer = run("init", "--live", "--json")

        assert answer.exit_code == 0
        printed = json.loads(answer.stdout)
        assert (printed["calendar"], printed["rulesets"], printed["modes"]) == (False, [], [])
        assert json.loads(run("mode", "show", "--json").stdout)["modes"][0]["mode"] == "watch"

    def test_an_init_that_migrates_says_from_which_schema_to_which(self, home: Settings) -> None:
        run("init")
        engine = db.make_engine(home.database_url)
        migrations.downgrade(engine, "0002")
        engine.dispose()

        assert f"схема обновлена: 0002 → {migrations.head_revision()}" in run("init").output
        assert run("init").output.splitlines()[1:] == ["всё уже на месте"]

    def test_a_weak_password_is_refused_and_nothing_is_made(self, home: Settings) -> None:
        answer = run("init", "--admin", "denis", "--password-stdin", stdin="123\n")

        assert answer.exit_code == 1
        assert "нужно не меньше" in answer.stderr
        assert len(answer.stderr.splitlines()) == 1
        assert not Path(home.home / "pravila.db").exists()

    def test_admin_without_a_password_is_wrong_usage(self, home: Settings) -> None:
        assert run("init", "--admin", "denis").exit_code == 2
        assert run("init", "--password-stdin").exit_code == 2

    def test_modes_are_set_and_shown(self, home: Settings) -> None:
        run("init")

        answer = run("mode", "set", "all", "live", "--json")

        assert answer.exit_code == 0
        assert [line["mode"] for line in json.loads(answer.stdout)["modes"]] == ["live"] * len(DECISIONS)
        assert "действует" in run("mode", "show").stdout

    @pytest.mark.parametrize(
        ("words", "code"),
        [
            (("mode", "set", "assignment", "sometimes"), 2),
            (("mode", "set", "weather", "live"), 2),
            (("mode", "set", "assignment", "live", "--team", "nobody"), 1),
            (("token", "create", "--name", "site", "--scope", "everything"), 1),
            (("token", "create", "--name", "site"), 2),
        ],
    )
    def test_bad_input_is_refused_with_one_line(self, home: Settings, words: tuple[str, ...], code: int) -> None:
        run("init")

        answer = run(*words)

        assert answer.exit_code == code
        assert "Traceback" not in answer.output
        if code == 1:
            assert len(answer.stderr.splitlines()) == 1

    def test_before_init_the_other_commands_say_what_to_do(self, home: Settings) -> None:
        answer = run("mode", "show")

        assert answer.exit_code == 1
        assert "pravila init" in answer.stderr

    def test_a_token_is_printed_once(self, home: Settings) -> None:
        run("init")

        answer = run("token", "create", "--name", "site", "--scope", "requests:write", "--json")

        printed = json.loads(answer.stdout)
        assert printed["scopes"] == ["requests:write"]
        assert printed["token"].startswith("pravila_")
