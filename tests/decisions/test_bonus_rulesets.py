"""The schemes that ship: the one that is proposed, and today's that the demo begins with."""

import json
from fractions import Fraction
from importlib.resources import files
from typing import Any

import pytest

from rules_engine.decisions.bonus import statement_of
from rules_engine.decisions.bonus_cases import run_cases
from rules_engine.decisions.bonus_lines import Statement
from rules_engine.language.engines.durable import DurableEngine, available
from rules_engine.language.engines.native import NativeEngine
from rules_engine.language.model import Ruleset
from rules_engine.language.ruleset import parse, to_json
from rules_engine.language.sentence import rule_text
from tests.decisions.schemes import ATTAINMENT, NEW, OLD, REVENUE
from tests.language.test_vocabulary import FORBIDDEN


def document_of(name: str) -> Any:
    return json.loads((files("rulesets") / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(params=["bonus", "bonus_today"])
def shipped(request: pytest.FixtureRequest) -> Ruleset:
    document = document_of(request.param)
    ruleset = parse(document)
    assert to_json(ruleset) == document
    return ruleset


def test_every_case_holds_to_the_kopeck(shipped: Ruleset) -> None:
    assert [result.case.title.en for result in run_cases(shipped) if not result.passed] == []
    assert all(result.case.total is not None or result.case.lines for result in run_cases(shipped))


@pytest.mark.skipif(not available(), reason="durable_rules cannot be imported in this Python")
def test_every_case_holds_with_durable_too(shipped: Ruleset) -> None:
    engine = DurableEngine(shipped)
    try:
        assert engine.native_only == ()
        assert all(result.passed for result in run_cases(shipped, engine))
    finally:
        engine.close()


def test_every_rule_has_three_cases_a_reason_and_a_sentence(shipped: Ruleset) -> None:
    expected = [rule_id for case in shipped.cases for rule_id in case.fired]
    for rule in shipped.rules:
        assert expected.count(rule.id) >= 3, rule.id
        for words in (rule.note, rule.title):
            assert words.ru
            assert words.en
        assert not FORBIDDEN.search(rule.note.ru + rule.title.ru + rule_text(shipped, rule, "ru"))
    assert all(case.title.ru and case.title.en for case in shipped.cases)


def proposed(**month: Fraction | int | str) -> Statement:
    ruleset = parse(document_of("bonus"))
    measures = {f"measure.{name}": Fraction(value) for name, value in month.items()}
    return statement_of(ruleset, NativeEngine(ruleset), measures)


USUAL = {
    "attainment_new_pct": 100,
    "attainment_old_pct": 100,
    "in_time_pct": 95,
    "callbacks_done_pct": 95,
    "processed_requests": 95,
    "callbacks_done": 80,
    "reactivated_clients": 3,
    "worked_norm_pct": 100,
    "months_in_job": 20,
}


def test_a_month_on_plan_pays_what_the_design_says() -> None:
    found = proposed(**USUAL)
    assert [(line.line, line.amount) for line in found.lines] == [
        ("premium", 3_500_000),
        ("over", 0),
        ("requests", 570_000),
        ("calls", 560_000),
        ("returned", 150_000),
    ]
    assert found.total == 4_780_000


def test_one_side_without_the_other_is_worth_little() -> None:
    assert proposed(**{**USUAL, "attainment_old_pct": 0}).amount("premium") == 980_000
    assert proposed(**{**USUAL, "attainment_old_pct": 0, "attainment_new_pct": 150}).amount("premium") == 1_400_000


def test_there_is_no_cap_above_and_the_part_above_waits_for_quality() -> None:
    far = {**USUAL, "attainment_new_pct": 150, "attainment_old_pct": 150}
    assert proposed(**far).amount("over") == 2_800_000
    assert proposed(**{**far, "in_time_pct": 90}).amount("over") == 1_400_000
    assert proposed(**{**far, "callbacks_done_pct": 75}).amount("over") == 0


def test_a_newcomer_gets_his_minimum_for_two_months() -> None:
    poor = {**USUAL, "attainment_new_pct": 0, "attainment_old_pct": 0, "processed_requests": 5, "callbacks_done": 0}
    poor |= {"reactivated_clients": 0, "worked_norm_pct": "36.36"}
    assert [proposed(**{**poor, "months_in_job": month}).total for month in (1, 2, 3)] == [890_820, 890_820, 30_000]


def test_today_pays_two_and_a_half_percent_and_fifteen_thousand_at_plan() -> None:
    ruleset = parse(document_of("bonus_today"))
    engine = NativeEngine(ruleset)
    for attainment, total in ((Fraction(100), 3_775_000), (Fraction(99_999, 1000), 2_275_000)):
        measures = {REVENUE: Fraction(91_000_000), ATTAINMENT: attainment, NEW: None, OLD: None}
        assert statement_of(ruleset, engine, measures).total == total
