"""`pravila decide`: the JSON that outsiders script against, and the words and exit codes for everything else."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rules_engine.cli import main
from rules_engine.language.engines.durable import available
from tests.language.documents import assignment, escalation


class Bench:
    """A folder with files, and the command run in it; its home is in the folder too."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def file(self, name: str, content: Any) -> str:
        path = self._folder / name
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return str(path)

    def decide(self, decision: str, facts: Any, ruleset: Any = None, *more: str) -> Result:
        arguments = ["decide", decision, "--facts", self.file("facts.json", facts), *more]
        if ruleset is not None:
            arguments += ["--ruleset", self.file("ruleset.json", ruleset)]
        return CliRunner().invoke(main, arguments, env={"PRAVILA_HOME": str(self._folder / "home")})

    def answer(self, decision: str, facts: Any, ruleset: Any, *more: str) -> Any:
        result = self.decide(decision, facts, ruleset, "--json", *more)
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_the_answer_has_the_documented_shape(bench: Bench) -> None:
    document = assignment()
    facts = {"client.is_old": True, "client.owner": "ivanova", "request.amount": "14500.00"}
    found = bench.answer("assignment", facts, document, "--engine", "native")
    assert found == {
        "decision": "assignment",
        "version": None,
        "engine": "native",
        "agree": None,
        "fired": ["otherwise"],
        "otherwise": True,
        "candidates": None,
        "effects": [{**document["otherwise"][0], "rule": "otherwise"}],
        "rules": [
            {
                "id": "own-client",
                "matched": False,
                "passed_over": None,
                "first_failed": {"field": "request.amount", "op": "ge", "value": "50000", "seen": "14500.00"},
            }
        ],
    }


@pytest.mark.skipif(not available(), reason="durable_rules cannot be imported in this Python")
@pytest.mark.parametrize(("engine", "agree"), [("both", True), ("durable", None)])
def test_the_engine_can_be_chosen(bench: Bench, engine: str, agree: bool | None) -> None:
    facts = {"client.is_old": True, "client.owner": "ivanova", "request.channel": "phone"}
    found = bench.answer("assignment", facts, assignment(), "--engine", engine)
    assert (found["engine"], found["agree"], found["fired"]) == (engine, agree, ["own-client"])


def test_a_list_of_facts_gives_a_list(bench: Bench) -> None:
    always = escalation({"action": "mark_late"}, {"action": "remind", "text": "x"})
    found = bench.answer("escalation", [{}, {"request.amount": "1"}], always)
    assert [one["fired"] for one in found] == [["r"], ["r"]]
    assert found[0]["effects"] == [
        {"action": "mark_late", "rule": "r"},
        {"action": "remind", "text": "x", "rule": "r"},
    ]
    assert bench.answer("escalation", [], always) == []


def test_a_rule_that_none_of_the_candidates_can_carry_out_is_passed_over(bench: Bench) -> None:
    facts = {
        "client.is_old": True,
        "client.owner": "ivanova",
        "request.channel": "phone",
        "candidates": [{"login": "ivanova", "candidate.unanswered_requests": 10}, {"login": "petrov"}],
    }
    found = bench.answer("assignment", facts, assignment())
    assert found["fired"] == ["otherwise"]
    assert found["rules"][0]["matched"]
    assert found["rules"][0]["passed_over"] == "no_candidate"
    assert {one["login"] for one in found["candidates"]} == {"ivanova", "petrov"}


def test_a_person_reads_lines_in_russian(bench: Bench) -> None:
    result = bench.decide("assignment", {"client.owner": "ivanova"}, assignment())
    assert result.exit_code == 0
    assert "→ Остальные: заявку получает: любой менеджер" in result.stdout
    assert "✗ Старый клиент — своему менеджеру [own-client]: клиент: " in result.stdout
    assert "нужно: старый" in result.stdout


@pytest.mark.parametrize(
    ("facts", "ruleset", "words"),
    [
        ({"request.amuont": "5"}, assignment(), "/request.amuont: неизвестное поле «request.amuont»"),
        ({"request.amount": 5}, assignment(), "/request.amount: нужно: сумма строкой"),
        ([{}, 5], assignment(), "/1: нужен объект"),
        ("{", assignment(), "это не JSON"),
        ({}, "{", "это не JSON"),
        ({}, {"decision": "assignment"}, "не сказано, что делать с остальными"),
        ({}, escalation({"action": "mark_late"}), "это правила решения «escalation»"),
        ({}, None, "pravila init"),
    ],
)
def test_a_user_s_mistake_is_one_line_and_exit_code_one(bench: Bench, facts: Any, ruleset: Any, words: str) -> None:
    result = bench.decide("assignment", facts, ruleset)
    assert result.exit_code == 1
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_wrong_usage_is_exit_code_two(bench: Bench) -> None:
    assert bench.decide("asignment", {}, assignment()).exit_code == 2
    assert CliRunner().invoke(main, ["decide", "assignment"]).exit_code == 2
