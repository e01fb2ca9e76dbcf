"""`pravila rules`: files in and out, drafts, versions, test cases, and what is refused with which exit code."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rules_engine.cli import main
from rules_engine.services.running.setup import shipped_ruleset
from tests.factories import assignment_rules, condition, escalation_rules, rule

Run = Callable[..., Result]
REMIND = {"action": "remind", "text": "клиент ждёт"}
LATE = condition("request.answer_used_pct", "ge", "50")


@pytest.fixture
def run(tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("PRAVILA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PRAVILA_DATABASE_URL", sqlite_url)
    # The trial of durable_rules in a process of its own is tested elsewhere.
    monkeypatch.setenv("PRAVILA_ENGINE", "native")

    def invoke(*words: str) -> Result:
        return CliRunner().invoke(main, list(words))

    assert invoke("init").exit_code == 0
    return invoke


@pytest.fixture
def file(tmp_path: Path) -> Callable[[Any], str]:
    def write(document: Any) -> str:
        path = tmp_path / "ruleset.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
        return str(path)

    return write


def told(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_what_is_exported_comes_back_the_same(run: Run, file: Callable[[Any], str]) -> None:
    exported = told(run("rules", "export", "escalation"))
    assert exported == shipped_ruleset("escalation")
    assert told(run("rules", "import", file(exported), "--json"))["draft"]["base"] == 1
    assert told(run("rules", "export", "escalation", "--draft")) == exported
    assert told(run("rules", "diff", "escalation", "1", "draft", "--json"))["changes"] == []


def test_a_file_becomes_a_draft_and_the_draft_a_version(run: Run, file: Callable[[Any], str]) -> None:
    path = file(escalation_rules(rule("half", LATE, REMIND)))
    assert told(run("rules", "import", path, "--json"))["decision"] == "escalation"
    assert told(run("rules", "list", "--json"))[1]["draft"]["updated_by"] == "system"
    version = told(run("rules", "publish", "escalation", "--at", "2010-01-01T00:00:00Z", "--json"))
    assert (version["version"], version["holds_from"]) == (2, "2010-01-01T03:00:00+03:00")
    listed = told(run("rules", "list", "--json"))[1]
    assert (listed["version"], listed["draft"], listed["mode"]) == (2, None, "watch")
    shown = told(run("rules", "show", "escalation", "--json"))
    assert shown["rules"][0]["sentence"] == (
        "Если использовано срока ответа: не менее 50\u00a0%, то напоминание получает менеджер: «клиент ждёт»."
    )


def test_an_old_version_comes_back_under_a_new_number(run: Run, file: Callable[[Any], str]) -> None:
    run("rules", "import", file(escalation_rules()))
    run("rules", "publish", "escalation")
    back = told(run("rules", "rollback", "escalation", "1", "--note", "рано", "--json"))
    assert (back["version"], back["restored_from"], back["note"]) == (3, 1, "рано")
    again = run("rules", "rollback", "escalation", "1")
    assert again.exit_code == 1
    assert "и так действуют" in again.stderr


def test_differences_are_told_in_sentences(run: Run, file: Callable[[Any], str]) -> None:
    body = shipped_ruleset("assignment")
    body["otherwise"][0]["answer_within"] = 45
    run("rules", "import", file(body))
    (change,) = told(run("rules", "diff", "assignment", "1", "draft", "--json"))["changes"]
    assert (change["kind"], change["rule"]) == ("changed", "otherwise")
    assert "30\u00a0мин" in change["before"] and "45\u00a0мин" in change["after"]
    lines = run("rules", "diff", "assignment", "1", "draft").stdout.splitlines()
    assert lines[0] == "изменено «Остальные»"
    assert lines[1].startswith("  - ") and lines[2].startswith("  + ")


def test_the_shipped_test_cases_hold(run: Run) -> None:
    for decision in ("assignment", "escalation"):
        answer = told(run("rules", "test", decision, "--json"))
        assert answer["failed"] == 0
        assert answer["passed"] == len(answer["cases"]) > 5


def test_a_test_case_that_does_not_hold_fails_the_command_and_blocks_publishing(
    run: Run, file: Callable[[Any], str]
) -> None:
    body = assignment_rules()
    body["cases"] = [{"title": "всегда", "facts": {"request.channel": "phone"}, "expect": {"fired": []}}]
    run("rules", "import", file(body))
    result = run("rules", "test", "assignment", "--draft")
    assert result.exit_code == 1
    assert "✗ всегда: ожидалось —, сработало otherwise" in result.stdout
    published = run("rules", "publish", "assignment")
    assert (published.exit_code, published.stderr.strip()) == (1, "контрольные примеры не сходятся: «всегда»")


class TestRefused:
    def test_every_error_of_a_file_is_named_and_nothing_is_stored(self, run: Run, file: Callable[[Any], str]) -> None:
        bad = assignment_rules(
            rule("one", condition("request.amuont", "ge", "5"), {"action": "assign", "to": {"pool": "everyone"}}),
            rule("two", condition("request.amount", "ge", 5), {"action": "assign", "to": {"pool": "everyone"}}),
        )
        checked = run("rules", "check", file(bad), "--json")
        assert checked.exit_code == 1
        errors = json.loads(checked.stdout)["errors"]
        assert [error["path"] for error in errors] == ["/rules/0/when/all/0/field", "/rules/1/when/all/0/value"]
        assert errors[0]["suggestion"] == "request.amount"
        imported = run("rules", "import", file(bad))
        assert imported.exit_code == 1
        assert len(imported.stderr.splitlines()) == 2
        assert told(run("rules", "list", "--json"))[0]["draft"] is None

    @pytest.mark.parametrize("text", ["{", "[]", '"x"', "{}", '{"decision": "lunch"}', "[" * 100_000, "\x00"])
    def test_a_file_of_another_kind_gives_a_sentence_and_no_traceback(
        self, run: Run, file: Callable[[Any], str], text: str
    ) -> None:
        for command in ("check", "import"):
            result = run("rules", command, file(text))
            assert result.exit_code == 1
            assert result.exception is None or isinstance(result.exception, SystemExit)
            assert result.output.strip()

    def test_a_team_that_is_not_here_is_refused_by_import(self, run: Run, file: Callable[[Any], str]) -> None:
        to = {"action": "assign", "to": {"pool": "team", "team": "sales"}}
        path = file(assignment_rules(rule("one", None, to)))
        assert run("rules", "check", path).exit_code == 0
        result = run("rules", "import", path)
        assert result.exit_code == 1
        assert "«sales»" in result.stderr

    @pytest.mark.parametrize(
        "words",
        [
            ("show", "lunch"),
            ("export", "assignment", "--version", "0"),
            ("show", "assignment", "--version", "1", "--draft"),
            ("diff", "assignment", "1", "first"),
            ("publish", "assignment", "--at", "tomorrow"),
            ("import", "no-such-file.json"),
        ],
    )
    def test_wrong_usage_is_exit_code_2(self, run: Run, words: tuple[str, ...]) -> None:
        assert run("rules", *words).exit_code == 2

    @pytest.mark.parametrize(
        "words",
        [
            ("publish", "assignment"),
            ("show", "assignment", "--draft"),
            ("export", "assignment", "--version", "9"),
            ("show", "bonus", "--version", "9"),
            ("rollback", "assignment", "9"),
        ],
    )
    def test_what_does_not_exist_is_exit_code_1(self, run: Run, words: tuple[str, ...]) -> None:
        result = run("rules", *words)
        assert result.exit_code == 1
        assert result.stderr.strip()


def test_notes_are_printed_in_the_language_of_the_installation(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = {}
    for lang in ("ru", "en"):
        monkeypatch.setenv("PRAVILA_LOCALE", lang)
        notes[lang] = told(run("rules", "show", "assignment", "--json"))["rules"][0]["note"]
    assert notes == shipped_ruleset("assignment")["rules"][0]["note"]


def test_a_file_without_errors_says_what_is_odd_in_it(run: Run, file: Callable[[Any], str]) -> None:
    everyone = {"action": "assign", "to": {"pool": "everyone"}}
    path = file(
        assignment_rules(
            rule("wide", condition("request.amount", "ge", "10"), everyone),
            rule("narrow", condition("request.amount", "ge", "100"), {**everyone, "answer_within": 5}),
        )
    )
    result = run("rules", "check", path)
    assert result.exit_code == 0
    assert "2 [narrow]: Не используется: все такие заявки раньше забирает правило 1 [wide]" in result.output
    document = told(run("rules", "check", path, "--json"))
    hidden = document["findings"][0]
    assert (hidden["kind"], hidden["severity"], hidden["others"]) == ("hidden", "warning", ["wide"])
    assert hidden["example"] == {"request.amount": "100.00"}
    assert (document["errors"], document["unchecked"]) == ([], [])
