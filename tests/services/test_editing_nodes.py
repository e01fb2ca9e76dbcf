"""Moving a condition through the groups of its rule, and letting it hold for an empty field."""

import copy
from typing import Any

import pytest

from rules_engine.errors import NotFound
from rules_engine.services.drafts.body import node_at, rule_of
from rules_engine.services.drafts.nodes import (
    holds_when_empty,
    move_node,
    place_after_move,
    set_when_empty,
    wrap_node,
)
from tests.factories import assignment_rules, condition, rule

A, B, C, D = (condition("request.amount", "ge", text) for text in ("1", "2", "3", "4"))
NOT_PHONE = condition("request.channel", "is_not", "phone")
NO_CHANNEL = condition("request.channel", "is_empty")


def body(when: dict[str, Any]) -> dict[str, Any]:
    made = assignment_rules(rule("one", A, {"action": "assign", "to": {"pool": "everyone"}}))
    made["rules"][0]["when"] = copy.deepcopy(when)
    return made


def moved(when: dict[str, Any], at: tuple[Any, ...], step: int) -> Any:
    before = body(when)
    after = move_node("one", at, step)(before)
    assert before == body(when), "the body that was given stays"
    place = place_after_move(rule_of(body(when), "one"), at, step)
    assert node_at(rule_of(after, "one"), place) == node_at(rule_of(before, "one"), at), "it stands where it is said"
    return after["rules"][0]["when"]


def test_two_conditions_change_places() -> None:
    assert moved({"all": [A, B]}, ("when", "all", 0), 1) == {"all": [B, A]}
    assert moved({"all": [A, B]}, ("when", "all", 1), -1) == {"all": [B, A]}


def test_a_condition_goes_into_the_group_below_it_and_out_again_at_its_end() -> None:
    when = {"all": [A, {"any": [B, C]}, D]}
    inside = moved(when, ("when", "all", 0), 1)
    assert inside == {"all": [{"any": [A, B, C]}, D]}
    assert moved(inside, ("when", "all", 0, "any", 2), 1) == {"all": [{"any": [A, B]}, C, D]}


def test_a_condition_goes_into_the_group_above_it_and_out_before_it() -> None:
    when = {"all": [{"any": [A, B]}, C]}
    assert moved(when, ("when", "all", 1), -1) == {"all": [{"any": [A, B, C]}]}
    assert moved(when, ("when", "all", 0, "any", 0), -1) == {"all": [A, {"any": [B]}, C]}


@pytest.mark.parametrize("step", [-1, 1])
def test_a_group_that_is_left_empty_goes(step: int) -> None:
    assert moved({"all": [A, {"none": [B]}, C]}, ("when", "all", 1, "none", 0), step) == {"all": [A, B, C]}


def test_at_the_ends_of_the_outer_group_it_stays() -> None:
    assert moved({"all": [A, B]}, ("when", "all", 0), -1) == {"all": [A, B]}
    assert moved({"all": [A, B]}, ("when", "all", 1), 1) == {"all": [A, B]}


def test_a_group_passes_a_group_and_is_not_swallowed() -> None:
    assert moved({"all": [{"any": [A]}, {"none": [B]}]}, ("when", "all", 0), 1) == {
        "all": [{"none": [B]}, {"any": [A]}]
    }


def test_a_condition_is_put_into_a_group_of_its_own_in_its_place() -> None:
    made = wrap_node("one", ("when", "all", 1))(body({"all": [A, B, C]}))
    assert made["rules"][0]["when"] == {"all": [A, {"any": [B]}, C]}
    with pytest.raises(NotFound):
        wrap_node("one", ("when", "all", 0, "any", 0))(body({"all": [{"any": [A]}]}))


def test_an_empty_field_matches_too_and_no_longer() -> None:
    document = rule_of(body({"all": [A, NOT_PHONE]}), "one")
    at = set_when_empty(document, ("when", "all", 1), holds=True)
    assert at == ("when", "all", 1, "any", 0)
    assert document["when"] == {"all": [A, {"any": [NOT_PHONE, NO_CHANNEL]}]}
    assert holds_when_empty(document, at)
    assert set_when_empty(document, at, holds=True) == at
    assert set_when_empty(document, at, holds=False) == ("when", "all", 1)
    assert document["when"] == {"all": [A, NOT_PHONE]}


def test_in_a_group_of_which_one_suffices_the_empty_field_joins_it() -> None:
    document = rule_of(body({"any": [NOT_PHONE, A]}), "one")
    at = set_when_empty(document, ("when", "any", 0), holds=True)
    assert (at, document["when"]) == (("when", "any", 0), {"any": [NOT_PHONE, NO_CHANNEL, A]})
    assert set_when_empty(document, at, holds=False) == at
    assert document["when"] == {"any": [NOT_PHONE, A]}


def test_what_is_no_condition_of_the_rule_cannot_be_moved() -> None:
    for at in (("when",), ("when", "all", 7), ("then", 0)):
        with pytest.raises(NotFound):
            move_node("one", at, 1)(body({"all": [A]}))
