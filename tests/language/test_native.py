"""What conditions mean: nulls, types, boundaries, groups, and the reason why a rule did not match."""

from typing import Any

import pytest

from rules_engine.language.cases import fired, run_cases
from rules_engine.language.engines.native import NativeEngine, compile_group
from rules_engine.language.ruleset import parse
from rules_engine.language.values import parse_facts
from tests.language.documents import assignment, with_condition


def holds(field: str, op: str, value: Any, facts: dict[str, Any]) -> bool:
    document = with_condition(field, op) if op in ("is_empty", "is_filled") else with_condition(field, op, value)
    return NativeEngine(parse(document)).matching(parse_facts(facts)) == ("r",)


class TestEmptyFields:
    @pytest.mark.parametrize(
        ("field", "op", "value"),
        [
            ("request.amount", "is", "5"),
            ("request.amount", "is_not", "5"),
            ("request.amount", "lt", "5"),
            ("request.amount", "ge", "-5"),
            ("request.amount", "between", ["-5", "5"]),
            ("request.channel", "in", ["phone"]),
            ("request.channel", "not_in", ["phone"]),
            ("request.text", "contains", "a"),
            ("request.text", "starts_with", "a"),
            ("request.tags", "has_any", ["a"]),
            ("request.tags", "has_all", ["a"]),
            ("request.tags", "is_not", ["a"]),
            ("client.is_old", "is", False),
            ("client.is_old", "is_not", True),
            ("request.amount", "is_filled", None),
        ],
    )
    @pytest.mark.parametrize("empty", ["missing", None, "", []])
    def test_every_condition_on_an_empty_field_is_false(self, field: str, op: str, value: Any, empty: Any) -> None:
        textual = {"": ("request.text", "request.channel"), "[]": ("request.tags",)}
        if empty in ("", []) and field not in textual[str(empty)]:
            empty = None
        assert not holds(field, op, value, {} if empty == "missing" else {field: empty})

    def test_only_is_empty_is_true(self) -> None:
        assert holds("request.amount", "is_empty", None, {})
        assert holds("request.tags", "is_empty", None, {"request.tags": []})
        assert not holds("request.amount", "is_empty", None, {"request.amount": "0"})

    @pytest.mark.parametrize("op", ["is", "is_not", "lt", "le", "gt", "ge"])
    def test_an_empty_side_makes_a_comparison_of_fields_false(self, op: str) -> None:
        other = {"field": "client.average_payment"}
        assert not holds("request.amount", op, other, {"request.amount": "5"})
        assert not holds("request.amount", op, other, {"client.average_payment": "5"})
        assert not holds("request.amount", op, other, {})

    def test_none_of_a_group_is_its_plain_negation(self) -> None:
        document = with_condition("request.amount", "is", "5")
        document["rules"][0]["when"] = {"none": document["rules"][0]["when"]["all"]}
        engine = NativeEngine(parse(document))
        assert engine.matching({}) == ("r",)
        assert engine.matching(parse_facts({"request.amount": "5.00"})) == ()
        assert engine.matching(parse_facts({"request.amount": "6"})) == ("r",)


@pytest.mark.parametrize(
    ("field", "op", "value", "seen", "expected"),
    [
        ("request.amount", "lt", "50000", "49999.99", True),
        ("request.amount", "lt", "50000", "50000", False),
        ("request.amount", "le", "50000", "50000.00", True),
        ("request.amount", "gt", "50000", "50000", False),
        ("request.amount", "gt", "50000", "50000.01", True),
        ("request.amount", "between", ["10", "20"], "10", True),
        ("request.amount", "between", ["10", "20"], "19.99", True),
        ("request.amount", "between", ["10", "20"], "20", False),
        ("request.answer_used_pct", "ge", "50", "49.999", False),
        ("request.answer_used_pct", "lt", "50", "49.9999", True),
        ("request.region", "is", "Москва", " МОСКВА", True),
        ("request.region", "in", ["Казахстан", "Россия"], "россия", True),
        ("request.region", "not_in", ["Казахстан", "Россия"], "Польша", True),
        ("request.channel", "is", "phone", "Phone", False),
        ("client.owner", "is", "ivanova", "Ivanova", False),
        ("client.owner", "is_not", "ivanova", "petrov", True),
        ("request.text", "contains", "СРОЧНО", "нужно срочно!", True),
        ("request.text", "starts_with", "Нужно", "нужно срочно", True),
        ("request.text", "starts_with", "срочно", "нужно срочно", False),
        ("request.tags", "has_any", ["VIP", "b"], ["vip"], True),
        ("request.tags", "has_all", ["VIP", "b"], ["vip"], False),
        ("request.tags", "has_all", ["VIP", "b"], ["B", "c", "vip"], True),
        ("request.tags", "is", ["b", "a"], ["A", "b", "a"], True),
        ("request.tags", "is_not", ["a"], ["a", "b"], True),
        ("client.is_old", "is_not", True, False, True),
        ("client.payments_count", "in", [1, 2], 2, True),
        ("client.asked_to_call_on", "le", "2026-10-05", "2026-10-05", True),
    ],
)
def test_a_condition_on_a_filled_field(field: str, op: str, value: Any, seen: Any, expected: bool) -> None:
    assert holds(field, op, value, {field: seen}) is expected


class TestWhichRulesAct:
    def test_disabled_rules_never_match_and_order_is_kept(self) -> None:
        document = assignment()
        document["cases"] = []
        always = {"then": document["otherwise"]}
        document["rules"] = [{"id": "b", **always}, {"id": "off", "enabled": False, **always}, {"id": "a", **always}]
        assert NativeEngine(parse(document)).matching({}) == ("b", "a")

    def test_first_takes_one_rule_or_otherwise(self) -> None:
        ruleset = parse(assignment())
        assert fired(ruleset, ("a", "b")) == ("a",)
        assert fired(ruleset, ()) == ("otherwise",)

    def test_collect_takes_all_or_otherwise_where_there_is_one(self) -> None:
        document = {"decision": "escalation", "hit_policy": "collect", "rules": []}
        assert fired(parse(document), ("a", "b")) == ("a", "b")
        assert fired(parse(document), ()) == ()
        assert fired(parse({**document, "otherwise": [{"action": "mark_late"}]}), ()) == ("otherwise",)

    def test_a_test_case_says_what_fired_instead(self) -> None:
        document = assignment()
        document["cases"].append({"facts": {}, "expect": {"fired": ["own-client"]}})
        results = run_cases(parse(document))
        assert [(one.passed, one.fired) for one in results] == [(True, ("own-client",)), (False, ("otherwise",))]


class TestExplanation:
    def test_the_first_failed_condition_is_named_with_what_it_saw(self) -> None:
        facts = parse_facts({"client.is_old": True, "client.owner": "ivanova", "request.amount": "800"})
        (trace,) = NativeEngine(parse(assignment())).explain(facts)
        failed = trace.first_failed
        assert failed is not None
        assert (trace.matched, failed.path, failed.unwanted) == (False, "/rules/0/when/all/2/any/0", False)
        assert (failed.field, failed.op, failed.value, failed.seen) == ("request.amount", "ge", "50000", 80_000)

    def test_a_condition_that_should_not_hold_is_marked(self) -> None:
        document = with_condition("client.do_not_call", "is", True)
        document["rules"][0]["when"] = {"none": document["rules"][0]["when"]["all"]}
        (trace,) = NativeEngine(parse(document)).explain({"client.do_not_call": True})
        assert trace.first_failed is not None
        assert trace.first_failed.unwanted

    def test_a_group_of_candidates_compiles_once(self) -> None:
        group = parse(assignment()).rules[0].then[0].group("among")
        assert group is not None
        assert compile_group(group) is compile_group(group)
        assert compile_group(group)({"candidate.unanswered_requests": 9})
        assert not compile_group(group)({"candidate.unanswered_requests": 10})
        assert not compile_group(group)({})
