"""Edits of a ruleset's document: what they change, what they leave, and what they never do silently."""

import copy

import pytest

from rules_engine.errors import NotFound
from rules_engine.language.check import check
from rules_engine.services.drafts import body as edits
from tests.factories import assignment_rules, condition, rule

ASSIGN = {"action": "assign", "to": {"pool": "owner"}, "answer_within": 30}
AMONG = {"all": [condition("candidate.unanswered_requests", "lt", 10)]}


def three_rules() -> dict:
    return assignment_rules(
        rule("first", condition("client.owner", "is_filled"), {**ASSIGN, "among": copy.deepcopy(AMONG)}),
        rule("second", condition("request.amount", "ge", "50000"), ASSIGN),
        rule("third", condition("request.channel", "in", ["phone", "chat"]), ASSIGN),
    )


def test_an_edit_leaves_the_document_that_it_was_given() -> None:
    body = three_rules()
    before = copy.deepcopy(body)
    for edit in (
        edits.rename("first", "ru", "Новое имя", "почему"),
        edits.add_rule("fourth", "Четвёртое", "ru", None),
        edits.duplicate_rule("first", "first-2", "копия"),
        edits.remove_rule("first"),
        edits.move_rule("third", 0),
        edits.switch_rule("first", False),
        edits.match_everything("first"),
        edits.add_condition("otherwise", ("then", 0, "among")),
        edits.remove_node("first", ("when", "all", 0)),
    ):
        assert edit(body) != before
        assert body == before


class TestOrder:
    def test_a_rule_moves_to_a_place_and_stops_at_the_ends(self) -> None:
        body = three_rules()
        assert edits.rule_ids(edits.move_rule("third", 0)(body)) == ["third", "first", "second"]
        assert edits.rule_ids(edits.move_rule("first", 99)(body)) == ["second", "third", "first"]
        assert edits.rule_ids(edits.move_rule("second", -5)(body)) == ["second", "first", "third"]

    def test_a_copy_stands_behind_its_rule_and_is_off(self) -> None:
        body = edits.duplicate_rule("first", "first-2", "копия")(three_rules())
        assert edits.rule_ids(body) == ["first", "first-2", "second", "third"]
        twin = edits.rule_of(body, "first-2")
        assert twin["enabled"] is False
        assert twin["title"]["ru"] == "first (копия)"
        assert edits.rule_of(body, "first")["enabled"] is True

    def test_a_rule_that_is_gone_is_named(self) -> None:
        with pytest.raises(NotFound):
            edits.move_rule("fourth", 0)(three_rules())


class TestConditions:
    def test_a_new_rule_is_unfinished_and_says_so_in_two_places(self) -> None:
        body = edits.add_rule("new", "Новое", "ru", None)(three_rules())
        found = {(problem.code, problem.path) for problem in check(body)}
        assert ("unfinished_condition", "/rules/3/when/all/0") in found
        assert ("no_actions", "/rules/3/then") in found

    def test_a_condition_is_replaced_where_it_stands(self) -> None:
        at = edits.pointer("/when/all/0")
        body = edits.set_condition("second", at, condition("request.amount", "ge", "150000"))(three_rules())
        assert edits.rule_of(body, "second")["when"]["all"][0]["value"] == "150000"
        assert not check(body)

    def test_the_last_condition_of_a_rule_never_vanishes_into_a_rule_for_everything(self) -> None:
        body = edits.remove_node("second", edits.pointer("/when/all/0"))(three_rules())
        assert edits.rule_of(body, "second")["when"] == {"all": []}
        assert [problem.code for problem in check(body)] == ["empty_group"]
        assert not check(edits.match_everything("second")(body))

    def test_among_goes_with_its_last_condition(self) -> None:
        body = edits.remove_node("first", edits.pointer("/then/0/among/all/0"))(three_rules())
        assert "among" not in edits.rule_of(body, "first")["then"][0]
        assert not check(body)

    def test_a_nested_group_goes_with_its_last_condition(self) -> None:
        body = edits.add_group("second", ("when",), "any")(three_rules())
        assert edits.rule_of(body, "second")["when"]["all"][1] == {"any": [edits.unfinished_condition()]}
        body = edits.remove_node("second", edits.pointer("/when/all/1/any/0"))(body)
        assert body == three_rules()

    def test_among_is_made_for_its_first_condition(self) -> None:
        body = edits.add_condition("otherwise", edits.pointer("/then/0/among"))(three_rules())
        assert body["otherwise"][0]["among"] == {"all": [edits.unfinished_condition()]}
        assert {problem.path for problem in check(body)} == {"/otherwise/0/among/all/0"}

    def test_a_group_changes_its_mode_and_keeps_its_items(self) -> None:
        body = edits.set_mode("second", ("when",), "none")(three_rules())
        assert edits.rule_of(body, "second")["when"] == {"none": [condition("request.amount", "ge", "50000")]}

    @pytest.mark.parametrize("at", ["/when", "/then/0", "/when/all/7", "/when/any/0"])
    def test_a_condition_is_written_only_over_a_condition(self, at: str) -> None:
        with pytest.raises(NotFound):
            edits.set_condition("second", edits.pointer(at), edits.unfinished_condition())(three_rules())

    @pytest.mark.parametrize("text", ["", "/", "/title/ru/0", "when/all/0", "/when/all/-1", "/then/0/to", "/when\n"])
    def test_a_pointer_leads_to_conditions_and_actions_only(self, text: str) -> None:
        with pytest.raises(NotFound):
            edits.pointer(text)


class TestActions:
    def test_among_stays_when_the_other_parameters_change(self) -> None:
        body = edits.set_action("first", 0, {**ASSIGN, "answer_within": 15})(three_rules())
        assert edits.rule_of(body, "first")["then"] == [{**ASSIGN, "answer_within": 15, "among": AMONG}]

    def test_another_action_has_no_among(self) -> None:
        body = edits.set_action("first", 0, {"action": "leave_unassigned", "reason": "нет"})(three_rules())
        assert edits.rule_of(body, "first")["then"] == [{"action": "leave_unassigned", "reason": "нет"}]

    def test_otherwise_is_edited_like_a_rule(self) -> None:
        body = edits.add_action("otherwise", {"action": "set_priority", "priority": "low"})(three_rules())
        assert [action["action"] for action in body["otherwise"]] == ["assign", "set_priority"]
        assert not check(body)


class TestNames:
    def test_an_id_comes_from_the_title_and_is_never_used_again(self) -> None:
        assert edits.new_id("Крупные из Астаны", ()) == "krupnye-iz-astany"
        assert edits.new_id("Крупные из Астаны", {"krupnye-iz-astany", "krupnye-iz-astany-2"}) == "krupnye-iz-astany-3"
        assert edits.new_id("!!!", ()) == "rule"
        assert edits.new_id("Otherwise", ()) == "otherwise-2"

    def test_a_title_changes_in_one_language(self) -> None:
        body = edits.rename("first", "en", "Own client", "")(three_rules())
        assert edits.rule_of(body, "first")["title"] == {"ru": "first", "en": "Own client"}

    def test_a_title_for_both_languages_keeps_the_other_side(self) -> None:
        body = three_rules()
        body["rules"][0]["title"] = "Свой клиент"
        body = edits.rename("first", "en", "Own client", "")(body)
        assert edits.rule_of(body, "first")["title"] == {"en": "Own client", "ru": "Свой клиент"}
