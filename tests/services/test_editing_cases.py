"""Test cases: kept, renamed, changed, judged on a body that may be unfinished; which rules they reach."""

from typing import Any

import pytest

from rules_engine.decisions.bonus_cases import run_cases
from rules_engine.errors import NotFound
from rules_engine.language.ruleset import parse
from rules_engine.services.drafts import body as edits
from rules_engine.services.trials import cases
from tests.factories import assignment_rules, condition, rule
from tests.services.test_trials import bonus_rules

EVERYONE = {"action": "assign", "to": {"pool": "everyone"}}


def body_of_two() -> dict[str, Any]:
    return assignment_rules(
        rule("large", condition("request.amount", "ge", "150000"), EVERYONE),
        rule("phone", condition("request.channel", "is", "phone"), EVERYONE),
    )


def with_case(body: dict[str, Any], facts: dict[str, Any], expect: dict[str, Any]) -> dict[str, Any]:
    return cases.add_case("пример", "ru", facts, expect)(body)


def test_a_case_is_kept_renamed_changed_and_removed() -> None:
    body = with_case(body_of_two(), {"request.amount": "200000"}, {"fired": ["large"]})
    case = {"title": {"ru": "пример"}, "facts": {"request.amount": "200000"}, "expect": {"fired": ["large"]}}
    assert body["cases"] == [case]
    assert cases.rename_case(0, "en", "large one")(body)["cases"][0]["title"] == {
        "ru": "пример",
        "en": "large one",
    }
    changed = cases.set_facts(0, {"request.amount": "1"})(body)
    assert [one.passed for one in cases.judge(changed)] == [False]
    accepted = cases.expect(0, {"fired": ["otherwise"]})(changed)
    assert [one.passed for one in cases.judge(accepted)] == [True]
    assert cases.remove_case(0)(body)["cases"] == []
    with pytest.raises(NotFound):
        cases.remove_case(1)(body)


def test_a_title_in_one_language_keeps_the_other() -> None:
    body = body_of_two()
    body["cases"] = [{"title": "крупная", "facts": {}, "expect": {"fired": ["otherwise"]}}]
    assert cases.rename_case(0, "en", "large")(body)["cases"][0]["title"] == {"en": "large", "ru": "крупная"}


def test_cases_are_judged_while_a_rule_is_unfinished() -> None:
    body = with_case(body_of_two(), {"request.channel": "phone"}, {"fired": ["phone"]})
    unfinished = edits.add_condition("large", ("when",))(body)
    assert [one.passed for one in cases.judge(unfinished)] == [True]


def test_a_case_of_a_removed_rule_says_which_is_gone() -> None:
    body = with_case(body_of_two(), {"request.channel": "phone"}, {"fired": ["phone"]})
    (judged,) = cases.judge(edits.remove_rule("phone")(body))
    assert (judged.passed, judged.gone) == (False, ("phone",))


def test_facts_that_cannot_be_read_are_said_to_be_so() -> None:
    (judged,) = cases.judge(with_case(body_of_two(), {"request.amount": 5}, {"fired": []}))
    assert judged.now is None
    assert judged.problem is not None


def test_coverage_counts_enabled_rules_and_otherwise() -> None:
    body = with_case(body_of_two(), {"request.channel": "phone"}, {"fired": ["phone"]})
    found = cases.coverage(body, cases.judge(body))
    assert (found.reached, found.missed, found.total) == (("phone",), ("large", "otherwise"), 3)
    off = edits.switch_rule("large", False)(body)
    assert cases.coverage(off, cases.judge(off)).missed == ("otherwise",)


def test_a_bonus_case_fails_by_one_kopeck_as_it_does_at_publishing() -> None:
    facts = {"measure.revenue": "400000"}
    right = with_case(bonus_rules(), facts, {"fired": ["percent"], "lines": {"percent": "10000"}, "total": "10000.00"})
    wrong = with_case(right, facts, {"fired": ["percent"], "total": "10000.01"})
    judged = [one.passed for one in cases.judge(wrong)]
    assert judged == [one.passed for one in run_cases(parse(wrong))] == [True, False]


def test_the_fields_of_a_case_are_those_of_the_rules_and_its_own() -> None:
    fields = cases.fields_of_case(body_of_two(), {"facts": {"request.city": "Тула"}})
    assert fields == {"request.amount", "request.channel", "request.city"}
