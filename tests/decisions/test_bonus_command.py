"""`pravila decide bonus` and `pravila rules check`: lines and total of a facts file, mistakes in plain words."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rules_engine.cli import main
from tests.decisions.schemes import NEW, OLD, REVENUE, Json, cap, fixed, matrix, percent, tier, tiers

SHIPPED = str(files("rulesets") / "bonus.json")
ON_PLAN = {
    NEW: "100",
    OLD: "100",
    "measure.in_time_pct": "95",
    "measure.processed_requests": 95,
    "measure.callbacks_done": 80,
    "measure.reactivated_clients": 3,
}


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, env={"PRAVILA_HOME": str(folder / "home")})


def decide(folder: Path, facts: Any, *more: str, ruleset: str = SHIPPED) -> Result:
    path = folder / "facts.json"
    path.write_text(json.dumps(facts), encoding="utf-8")
    return run(folder, "decide", "bonus", "--facts", str(path), "--ruleset", ruleset, "--engine", "native", *more)


def written(folder: Path, *then: Json) -> str:
    path = folder / "ruleset.json"
    path.write_text(json.dumps({"decision": "bonus", "rules": [{"id": "r", "then": list(then)}]}), encoding="utf-8")
    return str(path)


def test_the_answer_holds_lines_and_total(tmp_path: Path) -> None:
    result = decide(tmp_path, ON_PLAN, "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["total"] == "47800.00"
    assert [(line["rule"], line["component"], line["base"], line["rate"]) for line in document["lines"]] == [
        ("plan", "pay_matrix", "35000.00", "1"),
        ("plan", "pay_matrix", "35000.00", "0"),
        ("requests", "pay_per_unit", "95", "60.00"),
        ("calls", "pay_per_unit", "80", "70.00"),
        ("returned", "pay_per_unit", "3", "500.00"),
    ]
    assert [line["amount"] for line in document["lines"]] == ["35000.00", "0.00", "5700.00", "5600.00", "1500.00"]
    assert document["lines"][2]["sentence"].replace("\u00a0", " ") == "Обработанных заявок: 95 × 60,00 ₽ = 5 700,00 ₽."
    assert document["effects"][0]["action"] == "pay_matrix"


def test_exact_measures_are_not_cut_to_basis_points(tmp_path: Path) -> None:
    ruleset = written(tmp_path, percent("2.5"), matrix())
    facts = {REVENUE: "104000.00", NEW: "66.6666666666", OLD: "100"}
    document = json.loads(decide(tmp_path, facts, "--json", ruleset=ruleset).stdout)
    assert [line["amount"] for line in document["lines"]] == ["2600.00", "25744.44"]
    cut = json.loads(decide(tmp_path, {**facts, NEW: "66.66"}, "--json", ruleset=ruleset).stdout)
    assert cut["lines"][1]["amount"] == "25742.27"


def test_a_side_without_plan_by_intention_is_told_in_the_file(tmp_path: Path) -> None:
    facts = [{NEW: "50", "without_plan": [OLD]}, {NEW: "50"}]
    found = json.loads(decide(tmp_path, facts, "--json").stdout)
    assert [one["total"] for one in found] == ["20300.00", "0.00"]
    refused = decide(tmp_path, {"without_plan": ["measure.rating"]})
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "/without_plan/0: показатель «measure.rating» здесь не подходит" in refused.stderr


def test_a_person_reads_the_lines(tmp_path: Path) -> None:
    shown = decide(tmp_path, ON_PLAN).stdout.replace("\u00a0", " ")
    assert "requests: 5700.00 · Обработанных заявок: 95 × 60,00 ₽ = 5 700,00 ₽." in shown
    assert "= итого: 47800.00" in shown


@pytest.mark.parametrize(
    ("actions", "words"),
    [
        ([tiers([tier(0, 5)])], "/rules/0/then/0/tiers: ступеней нужно не меньше двух"),
        ([tiers([tier(0, 5), tier(0, 6)])], "/rules/0/then/0/tiers: значения должны возрастать"),
        ([matrix(nodes=["0", "100"])], "/rules/0/then/0/values: нужна таблица 2 × 2"),
        ([matrix(cols_by=NEW)], f"/rules/0/then/0/cols_by: показатель «{NEW}» указан дважды"),
        (
            [fixed("1"), cap("5", "bse")],
            "/rules/0/then/1/lines/0: строки «bse» выше нет; возможно, имелось в виду: base",
        ),
        ([fixed("1"), fixed("2")], "/rules/0/then/1/line: строка «base» уже есть выше"),
    ],
)
def test_bad_schemes_are_refused_in_plain_words(tmp_path: Path, actions: list[Json], words: str) -> None:
    result = run(tmp_path, "rules", "check", written(tmp_path, *actions))
    assert result.exit_code == 1
    assert words in result.stdout
    assert "Traceback" not in result.stdout


@pytest.mark.parametrize("name", ["bonus", "bonus_today"])
def test_the_shipped_files_have_no_errors(tmp_path: Path, name: str) -> None:
    assert run(tmp_path, "rules", "check", str(files("rulesets") / f"{name}.json")).exit_code == 0
