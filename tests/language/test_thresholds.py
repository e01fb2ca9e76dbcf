"""At which values of a time-moved field the truth of a condition can change, and which fields a ruleset needs."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules_engine.language.engines.native import NativeEngine
from rules_engine.language.ruleset import parse
from rules_engine.language.thresholds import (
    Change,
    fields_used,
    moved_by_others,
    time_conditions,
)
from tests.language.documents import assignment

FIELD = "request.working_minutes_without_answer"


def rule_with(*conditions: dict[str, Any], then: dict[str, Any] | None = None) -> Any:
    document = {
        "decision": "escalation",
        "hit_policy": "collect",
        "rules": [{"id": "r", "when": {"all": list(conditions)}, "then": [then or {"action": "mark_late"}]}],
    }
    return parse(document).rules[0]


@pytest.mark.parametrize(
    ("op", "value", "thresholds"),
    [
        ("lt", 30, (30,)),
        ("ge", 30, (30,)),
        ("le", 30, (31,)),
        ("gt", 30, (31,)),
        ("is", 30, (30, 31)),
        ("is_not", 30, (30, 31)),
        ("between", [10, 20], (10, 20)),
    ],
)
def test_thresholds_of_a_comparison(op: str, value: Any, thresholds: tuple[int, ...]) -> None:
    (found,) = time_conditions(rule_with({"field": FIELD, "op": op, "value": value}))
    assert (found.change, found.thresholds, found.in_among) == (Change.AT_THRESHOLD, thresholds, False)


@given(
    st.sampled_from(["lt", "le", "gt", "ge", "is", "is_not", "between"]),
    st.integers(0, 40),
    st.integers(1, 10),
)
def test_the_truth_changes_at_thresholds_and_nowhere_else(op: str, first: int, width: int) -> None:
    value = [first, first + width] if op == "between" else first
    document = {
        "decision": "escalation",
        "hit_policy": "collect",
        "rules": [
            {
                "id": "r",
                "when": {"all": [{"field": FIELD, "op": op, "value": value}]},
                "then": [{"action": "mark_late"}],
            }
        ],
    }
    ruleset = parse(document)
    engine = NativeEngine(ruleset)
    truth = [engine.matching({FIELD: minute}) for minute in range(-1, 60)]
    changes = {minute for minute in range(60) if truth[minute + 1] != truth[minute]}
    (found,) = time_conditions(ruleset.rules[0])
    assert changes <= set(found.thresholds)


def test_items_of_a_list_have_two_thresholds_each() -> None:
    (found,) = time_conditions(rule_with({"field": "now.hour", "op": "in", "value": [9, 10, 15]}))
    assert found.thresholds == (9, 10, 11, 15, 16)


def test_percent_thresholds_are_basis_points() -> None:
    (found,) = time_conditions(rule_with({"field": "request.answer_used_pct", "op": "gt", "value": "150"}))
    assert found.thresholds == (15_001,)


def test_what_has_no_threshold_is_marked() -> None:
    found = time_conditions(
        rule_with(
            {"field": FIELD, "op": "is_filled"},
            {"field": "now.weekday", "op": "in", "value": ["sat", "sun"]},
            {"field": "manager.is_working_now", "op": "is", "value": True},
            {"field": FIELD, "op": "ge", "value": {"field": "request.answer_within"}},
            {"field": "request.answer_within", "op": "le", "value": {"field": FIELD}},
        )
    )
    assert [(one.change, one.other) for one in found] == [
        (Change.WHEN_FILLED, None),
        (Change.AT_ANY_CHANGE, None),
        (Change.AT_ANY_CHANGE, None),
        (Change.AT_ANY_CHANGE, "request.answer_within"),
        (Change.AT_ANY_CHANGE, FIELD),
    ]


def test_what_time_does_not_move_is_left_out() -> None:
    rule = rule_with({"field": "request.amount", "op": "ge", "value": "5"})
    assert time_conditions(rule) == ()
    assert not moved_by_others(rule)


def test_other_rows_are_seen_in_among_too() -> None:
    among = {"all": [{"field": "candidate.unanswered_requests", "op": "lt", "value": 3}]}
    then = {"action": "reassign", "to": {"pool": "everyone"}, "among": among}
    rule = rule_with({"field": "request.amount", "op": "ge", "value": "5"}, then=then)
    assert moved_by_others(rule)
    assert not moved_by_others(rule, among=False)
    assert moved_by_others(rule_with({"field": "manager.open_requests", "op": "gt", "value": 5}), among=False)


def test_only_fields_of_enabled_rules_are_used_otherwise_included() -> None:
    document = assignment()
    document["rules"][0]["enabled"] = False
    document["cases"] = []
    document["otherwise"][0]["among"] = {"all": [{"field": "candidate.team", "op": "is_filled"}]}
    document["rules"].append(
        {
            "id": "on",
            "when": {"all": [{"field": "request.amount", "op": "ge", "value": {"field": "client.average_payment"}}]},
            "then": [{"action": "leave_unassigned", "reason": "x"}],
        }
    )
    assert fields_used(parse(document)) == {"request.amount", "client.average_payment", "candidate.team"}
