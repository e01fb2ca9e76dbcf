"""Every error of a document is found in one pass, with its place and words in both languages."""

from collections.abc import Mapping
from typing import Any

import pytest

from rules_engine.language.check import check
from rules_engine.language.kinds import ReferenceKind
from rules_engine.language.ruleset import parse
from tests.language.documents import assignment, bonus, escalation, problems, with_condition

PLACE = "/rules/0/when/all/0"


class TestConditions:
    @pytest.mark.parametrize(
        ("document", "expected"),
        [
            (with_condition("request.amuont", "ge", "1"), (f"{PLACE}/field", "unknown_field")),
            (with_condition("measure.revenue", "ge", "1"), (f"{PLACE}/field", "field_not_here")),
            (with_condition("candidate.open_requests", "lt", 3), (f"{PLACE}/field", "only_in_among")),
            (with_condition("request.amount", "gte", "1"), (f"{PLACE}/op", "unknown_operator")),
            (with_condition("request.amount", "contains", "1"), (f"{PLACE}/op", "operator_not_for_type")),
            (with_condition("client.is_old", "lt", True), (f"{PLACE}/op", "operator_not_for_type")),
            (with_condition("request.amount", "in", ["1"]), (f"{PLACE}/op", "operator_not_for_type")),
            (with_condition("request.tags", "contains", "a"), (f"{PLACE}/op", "operator_not_for_type")),
            (with_condition("request.amount", "ge"), (PLACE, "unfinished_condition")),
            (with_condition("request.amount", "ge", None), (PLACE, "unfinished_condition")),
            (with_condition("request.region", "is", "  "), (PLACE, "unfinished_condition")),
            (with_condition("request.channel", "in", []), (PLACE, "unfinished_condition")),
            (with_condition("", "is", "x"), (PLACE, "unfinished_condition")),
            (with_condition("request.region", ""), (PLACE, "unfinished_condition")),
            (with_condition("client.owner", "is_filled", "x"), (f"{PLACE}/value", "unexpected_value")),
            (with_condition("request.amount", "ge", 50000), (f"{PLACE}/value", "wrong_type")),
            (with_condition("request.amount", "ge", "1e3"), (f"{PLACE}/value", "wrong_type")),
            (with_condition("request.amount", "ge", "0.001"), (f"{PLACE}/value", "too_exact")),
            (with_condition("client.overdue_ratio", "ge", "1.00001"), (f"{PLACE}/value", "too_exact")),
            (with_condition("request.amount", "ge", "9" * 18), (f"{PLACE}/value", "too_large")),
            (with_condition("client.payments_count", "ge", True), (f"{PLACE}/value", "wrong_type")),
            (with_condition("client.payments_count", "ge", "12"), (f"{PLACE}/value", "wrong_type")),
            (with_condition("client.payments_count", "ge", 1.0), (f"{PLACE}/value", "wrong_type")),
            (with_condition("client.is_old", "is", 1), (f"{PLACE}/value", "wrong_type")),
            (with_condition("client.asked_to_call_on", "is", "2026-02-30"), (f"{PLACE}/value", "bad_date")),
            (with_condition("client.asked_to_call_on", "is", "20260201"), (f"{PLACE}/value", "wrong_type")),
            (with_condition("now.weekday", "is", "monday"), (f"{PLACE}/value", "not_allowed")),
            (with_condition("now.weekday", "in", ["mon", "xyz"]), (f"{PLACE}/value/1", "not_allowed")),
            (with_condition("now.hour", "lt", 24), (f"{PLACE}/value", "out_of_range")),
            (with_condition("request.channel", "in", "phone"), (f"{PLACE}/value", "wrong_type")),
            (with_condition("request.channel", "in", ["phone", None]), (f"{PLACE}/value/1", "no_value")),
            (with_condition("request.amount", "between", ["10", "10"]), (f"{PLACE}/value", "pair_order")),
            (with_condition("request.amount", "between", ["10"]), (f"{PLACE}/value", "not_a_pair")),
            (with_condition("request.amount", "between", ["10", None]), (f"{PLACE}/value/1", "no_value")),
            (
                with_condition("request.amount", "between", {"field": "client.revenue_total"}),
                (f"{PLACE}/value", "no_other_field"),
            ),
            (
                with_condition("request.amount", "ge", {"field": "now.hour"}),
                (f"{PLACE}/value/field", "other_field_type"),
            ),
            (with_condition("request.amount", "ge", {"field": "x"}), (f"{PLACE}/value/field", "unknown_field")),
            (with_condition("request.amount", "ge", {}), (f"{PLACE}/value", "unfinished_condition")),
            (
                with_condition("client.owner", "is", {"field": "request.service"}),
                (f"{PLACE}/value/field", "other_field_type"),
            ),
            (with_condition("request.text", "contains", "x" * 1001), (f"{PLACE}/value", "too_long")),
            (with_condition("request.text", "contains", "a\0b"), (f"{PLACE}/value", "bad_text")),
            (with_condition("request.text", "contains", "\ud800"), (f"{PLACE}/value", "bad_text")),
            (with_condition("request.tags", "has_any", ["a", 1]), (f"{PLACE}/value/1", "not_text")),
        ],
    )
    def test_a_spoiled_condition_is_one_problem_at_its_place(self, document: Any, expected: tuple[str, str]) -> None:
        assert problems(document) == [expected]

    @pytest.mark.parametrize(
        "when",
        [{}, {"all": [{"field": "client.owner", "op": "is_filled"}], "any": []}, [], None, "x", {"every": []}],
    )
    def test_what_is_no_group_is_named(self, when: Any) -> None:
        document = assignment()
        document["rules"][0]["when"] = when
        assert ("/rules/0/when", "not_a_group") in problems(document)

    def test_an_empty_group_is_an_error_at_any_level(self) -> None:
        document = assignment()
        document["rules"][0]["when"]["all"][2] = {"any": []}
        assert problems(document) == [("/rules/0/when/all/2/any", "empty_group")]

    def test_eight_levels_are_taken_and_nine_refused(self) -> None:
        def nested(levels: int) -> Any:
            inner: Any = {"field": "client.owner", "op": "is_filled"}
            for _ in range(levels):
                inner = {"all": [inner]}
            document = assignment()
            document["rules"][0]["when"] = inner
            return document

        assert problems(nested(8)) == []
        assert [code for _, code in problems(nested(9))] == ["too_deep"]

    def test_sixty_conditions_are_taken_and_sixty_one_refused_among_included(self) -> None:
        document = assignment()
        one = {"field": "client.owner", "op": "is_filled"}
        document["rules"][0]["when"] = {"all": [one] * 59}
        assert problems(document) == []
        document["rules"][0]["when"] = {"all": [{"any": [one] * 30}, {"any": [one] * 30}]}
        assert problems(document) == [("/rules/0", "too_many_conditions")]

    def test_among_takes_only_fields_of_a_candidate_on_both_sides(self) -> None:
        document = assignment()
        among = document["rules"][0]["then"][0]["among"]["all"]
        among[0] = {"field": "request.amount", "op": "is_filled"}
        among.append({"field": "candidate.team", "op": "is", "value": {"field": "client.owner"}})
        among.append({"field": "candidate.open_requests", "op": "lt", "value": {"field": "candidate.received_today"}})
        place = "/rules/0/then/0/among/all"
        assert problems(document) == [
            (f"{place}/0/field", "only_candidates"),
            (f"{place}/1/value/field", "only_candidates"),
        ]

    def test_a_mistyped_field_gets_the_nearest_of_this_decision(self) -> None:
        (problem,) = check(with_condition("request.amuont", "ge", "1"))
        assert problem.suggestion == "request.amount"
        assert problem.message("ru") == "неизвестное поле «request.amuont»; возможно, имелось в виду: request.amount"
        assert problem.message("en") == "unknown field “request.amuont”; did you mean: request.amount"

    def test_a_field_without_its_group_is_understood(self) -> None:
        (problem,) = check(with_condition("amount", "ge", "1"))
        assert problem.suggestion == "request.amount"


class TestRules:
    def test_all_errors_of_a_document_come_in_one_pass(self) -> None:
        document = assignment()
        document["rules"].append({"id": "own-client", "then": [{"action": "asign"}], "colour": "red"})
        document["rules"][0]["when"]["all"][0]["value"] = "yes"
        document["cases"][0]["expect"]["fired"] = ["own-cleint"]
        del document["otherwise"]
        assert problems(document) == [
            ("/rules/0/when/all/0/value", "wrong_type"),
            ("/rules/1/colour", "unknown_key"),
            ("/rules/1/id", "duplicate_id"),
            ("/rules/1/then/0/action", "unknown_action"),
            ("/rules/1/then", "exactly_one_of"),
            ("", "missing_otherwise"),
            ("/cases/0/expect/fired/0", "unknown_rule"),
        ]

    def test_every_problem_speaks_both_languages(self) -> None:
        document = assignment()
        document["rules"].append({"id": "own-client", "then": [{"action": "asign"}], "colour": "red"})
        document["rules"][0]["then"] = []
        for problem in check(document):
            assert problem.message("ru") != problem.message("en")
            assert "{" not in problem.message("ru") + problem.message("en")

    @pytest.mark.parametrize(
        ("rule_id", "code"),
        [
            ("otherwise", "reserved_id"),
            ("", "missing_key"),
            (None, "missing_key"),
            (7, "bad_id"),
            ("a.b", "bad_id"),
            ("x" * 61, "bad_id"),
        ],
    )
    def test_a_rule_needs_an_id_of_its_own(self, rule_id: Any, code: str) -> None:
        document = assignment()
        document["rules"][0]["id"] = rule_id
        document["cases"] = []
        assert [found for _, found in problems(document)] == [code]

    def test_the_hit_policy_belongs_to_the_decision(self) -> None:
        document = assignment()
        document["hit_policy"] = "collect"
        assert problems(document) == [("/hit_policy", "wrong_hit_policy")]

    def test_five_hundred_rules_are_taken_and_one_more_refused(self) -> None:
        document = assignment()
        rule = document["rules"][0]
        document["rules"] = [{**rule, "id": f"r{number}"} for number in range(501)]
        document["cases"] = []
        assert problems(document) == [("/rules", "too_many_rules")]
        document["rules"].pop()
        assert problems(document) == []

    def test_collect_may_do_without_rules_and_otherwise(self) -> None:
        assert problems({"decision": "escalation", "hit_policy": "collect", "rules": []}) == []

    def test_first_may_do_without_rules_but_not_without_otherwise(self) -> None:
        document = assignment()
        document["rules"], document["cases"] = [], []
        assert problems(document) == []
        document["otherwise"] = []
        assert problems(document) == [("/otherwise", "missing_otherwise")]

    def test_an_assignment_says_exactly_once_who_gets_it(self) -> None:
        document = assignment()
        document["otherwise"] = [{"action": "set_priority", "priority": "high"}]
        assert problems(document) == [("/otherwise", "exactly_one_of")]
        document["otherwise"] = [
            {"action": "leave_unassigned", "reason": "a"},
            {"action": "leave_unassigned", "reason": "b"},
        ]
        assert problems(document) == [("/otherwise", "exactly_one_of")]

    @pytest.mark.parametrize(
        "document", [None, [], "x", 7, {}, {"decision": "assigment"}, {"decision": ["assignment"]}]
    )
    def test_a_file_of_another_kind_is_refused(self, document: Any) -> None:
        assert len(problems(document)) == 1


class TestActions:
    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"to": None}, ("", "missing_parameter")),
            ({"to": {"pool": "owners"}}, ("/to/pool", "not_allowed")),
            ({"to": {"pool": "team_of_holder"}}, ("/to/pool", "not_allowed")),
            ({"to": {"pool": "team"}}, ("/to", "missing_key")),
            ({"to": {"pool": "owner", "team": "x"}}, ("/to/team", "unknown_key")),
            ({"to": []}, ("/to", "empty_list")),
            ({"to": "owner"}, ("/to", "not_an_object")),
            ({"except": "owner"}, ("/except", "not_a_list")),
            ({"except": ["boss"]}, ("/except/0", "not_allowed")),
            ({"strategy": "random"}, ("/strategy", "not_allowed")),
            ({"answer_within": "30"}, ("/answer_within", "wrong_type")),
            ({"answer_within": True}, ("/answer_within", "wrong_type")),
            ({"answer_within": 0}, ("/answer_within", "out_of_range")),
            ({"answer_whithin": 30}, ("/answer_whithin", "unknown_parameter")),
            ({"if_absent": "sleep"}, ("/if_absent", "not_allowed")),
            ({"action": "pay_fixed"}, ("/action", "action_not_here")),
        ],
    )
    def test_a_spoiled_parameter_is_named_at_its_place(self, change: Any, expected: tuple[str, str]) -> None:
        document = assignment()
        document["otherwise"][0] |= change
        path, code = expected
        assert (f"/otherwise/0{path}", code) in problems(document)

    def test_every_action_of_escalation_is_taken(self) -> None:
        everyone = {"pool": "everyone"}
        assert (
            problems(
                escalation(
                    {"action": "remind", "text": "Ответьте", "repeat_every": 60},
                    {"action": "notify", "whom": "head", "text": "x", "digest_minutes": 15},
                    {"action": "notify", "whom": "ivanova"},
                    {"action": "reassign", "to": [{"pool": "team_of_holder"}, everyone], "strategy": "least_loaded"},
                    {"action": "mark_late"},
                    {"action": "set_priority", "priority": "high"},
                    {"action": "create_task", "title": "Позвонить", "in_working_minutes": 60},
                    {"action": "return_to_work"},
                    {"action": "hold_new_requests", "until": "end_of_next_working_day", "overdue_callbacks_below": 3},
                    {"action": "release_client"},
                )
            )
            == []
        )

    def test_every_action_of_callbacks_is_taken(self) -> None:
        document = {
            "decision": "callbacks",
            "hit_policy": "collect",
            "rules": [
                {
                    "id": "promise",
                    "when": {"all": [{"field": "event.name", "op": "is", "value": "contact"}]},
                    "then": [
                        {
                            "action": "schedule_callback",
                            "occasion": "promise",
                            "in_working_days": 0,
                            "within_days": 3,
                            "script": "Обещали перезвонить",
                            "priority": "high",
                            "to": {"pool": "owner"},
                        },
                        {"action": "set_segment", "segment": "active"},
                        {"action": "skip", "reason": "Не звонить"},
                        {"action": "release_client"},
                    ],
                }
            ],
        }
        assert problems(document) == []


def _fixed(line: str) -> Any:
    return {"action": "pay_fixed", "line": line, "amount": "1"}


def _curve(**more: Any) -> Any:
    nodes = [["0", "0"], ["100", "1"]]
    return {"action": "pay_curve", "line": "c", "amount": "1", "by": "measure.attainment_pct", "nodes": nodes, **more}


def _gate(*pairs: tuple[str, str]) -> Any:
    every = [{"measure": "measure.in_time_pct", "from": start, "full_at": full} for start, full in pairs]
    return {"action": "gate", "lines": ["a"], "all": every}


class TestBonus:
    def test_the_components_are_taken_as_they_are_documented(self) -> None:
        document = bonus(
            {"action": "pay_percent", "line": "base", "of": "measure.revenue", "rate": "2.5"},
            {
                "action": "pay_tiers",
                "line": "tiers",
                "of": "measure.revenue",
                "by": "measure.revenue",
                "mode": "slab",
                "tiers": [
                    {"from": "0", "rate": "1"},
                    {"from": "1000", "rate": "2"},
                    {"from": "3000", "rate": "3", "fixed": "0"},
                ],
            },
            {
                "action": "pay_curve",
                "line": "curve",
                "amount": "1",
                "by": "measure.attainment_pct",
                "nodes": [["0", "0"], ["50", "0"], ["100", "2500"]],
                "above": {"from": "1", "line": "over"},
            },
            {
                "action": "pay_matrix",
                "line": "premium",
                "amount": "35000",
                "rows_by": "measure.attainment_new_pct",
                "cols_by": "measure.attainment_old_pct",
                "nodes": ["0", "50", "80"],
                "values": [["0", ".10", ".20"], [".10", ".30", ".48"], [".20", ".48", ".72"]],
            },
            {
                "action": "pay_per_unit",
                "line": "calls",
                "count": "measure.callbacks_done",
                "amount": "70",
                "at_most": 200,
            },
            {"action": "pay_fixed", "line": "plan", "amount": "15000"},
            {
                "action": "multiply",
                "lines": ["premium"],
                "by": "measure.in_time_pct",
                "nodes": [["0", ".5"], ["100", "1.05"]],
            },
            {
                "action": "gate",
                "lines": ["over"],
                "soft": True,
                "all": [{"measure": "measure.in_time_pct", "from": "85", "full_at": "95"}],
            },
            {"action": "cap", "lines": ["base"], "amount": "100000"},
            {"action": "guarantee", "amount": "24500", "first_months": 2},
        )
        assert problems(document) == []

    @pytest.mark.parametrize(
        ("action", "expected"),
        [
            ({"action": "pay_percent", "line": "a", "of": "measure.rating", "rate": "1"}, ("/of", "wrong_measure")),
            ({"action": "pay_percent", "line": "a", "of": "measure.revenu", "rate": "1"}, ("/of", "unknown_field")),
            ({"action": "pay_percent", "line": "a", "of": "measure.revenue", "rate": 2}, ("/rate", "wrong_type")),
            ({"action": "pay_fixed", "line": "a", "amount": "-1"}, ("/amount", "out_of_range")),
            ({"action": "pay_fixed", "line": "a b", "amount": "1"}, ("/line", "bad_id")),
            ({"action": "cap", "lines": ["ghost"], "amount": "1"}, ("/lines/0", "unknown_line")),
            ({"action": "cap", "lines": [], "amount": "1"}, ("/lines", "empty_list")),
            (
                {
                    "action": "pay_curve",
                    "line": "a",
                    "amount": "1",
                    "by": "measure.revenue",
                    "nodes": [["5", "1"], ["5", "2"]],
                },
                ("/nodes", "not_sorted"),
            ),
            (
                {"action": "pay_curve", "line": "a", "amount": "1", "by": "measure.revenue", "nodes": [["5", "1"]]},
                ("/nodes", "too_few"),
            ),
        ],
    )
    def test_a_spoiled_component_is_named_at_its_place(self, action: Any, expected: tuple[str, str]) -> None:
        path, code = expected
        assert problems(bonus(action)) == [(f"/rules/0/then/0{path}", code)]

    def test_tiers_begin_at_zero_and_rise(self) -> None:
        tiers = {"action": "pay_tiers", "line": "t", "of": "measure.revenue", "by": "measure.revenue", "mode": "whole"}
        late = {**tiers, "tiers": [{"from": "10", "rate": "1"}, {"from": "20", "rate": "2"}]}
        falling = {**tiers, "tiers": [{"from": "0", "rate": "1"}, {"from": "0", "rate": "2"}]}
        assert problems(bonus(late)) == [("/rules/0/then/0/tiers/0/from", "first_tier")]
        assert problems(bonus(falling)) == [("/rules/0/then/0/tiers", "not_sorted")]

    def test_a_matrix_is_as_large_as_its_nodes(self) -> None:
        matrix = {
            "action": "pay_matrix",
            "line": "m",
            "amount": "1",
            "rows_by": "measure.attainment_new_pct",
            "cols_by": "measure.attainment_old_pct",
            "nodes": ["0", "50"],
            "values": [["0", "1"], ["1"]],
        }
        assert problems(bonus(matrix)) == [("/rules/0/then/0/values", "wrong_shape")]

    @pytest.mark.parametrize(
        ("then", "expected"),
        [
            ([_fixed("a"), _fixed("a")], ("/rules/0/then/1/line", "duplicate_line")),
            ([_fixed("floor")], ("/rules/0/then/0/line", "reserved_line")),
            ([_fixed("guarantee")], ("/rules/0/then/0/line", "reserved_line")),
            (
                [_fixed("a"), {"action": "cap", "lines": ["a", "a"], "amount": "1"}],
                ("/rules/0/then/1/lines/1", "same_line"),
            ),
            ([_curve(above={"from": "1", "line": "c"})], ("/rules/0/then/0/above/line", "duplicate_line")),
            ([_fixed("a"), _gate(("90", "80"))], ("/rules/0/then/1/all/0", "gate_order")),
            (
                [_fixed("a"), _gate(("80", "90"), ("70", "90"))],
                ("/rules/0/then/1/all/1/measure", "same_measure"),
            ),
        ],
    )
    def test_lines_and_measures_are_named_once(self, then: list[Any], expected: tuple[str, str]) -> None:
        assert problems(bonus(*then)) == [expected]

    def test_lines_of_different_rules_have_different_names_too(self) -> None:
        document = bonus(_fixed("a"))
        document["rules"].append({"id": "s", "then": [_fixed("a")]})
        assert problems(document) == [("/rules/1/then/0/line", "duplicate_line")]

    def test_one_tier_is_a_percentage_and_is_said_so(self) -> None:
        tiers = {"action": "pay_tiers", "line": "t", "of": "measure.revenue", "by": "measure.revenue", "mode": "slab"}
        one = bonus({**tiers, "tiers": [{"from": "0", "rate": "5"}]})
        assert problems(one) == [("/rules/0/then/0/tiers", "few_tiers")]
        assert "не меньше двух" in check(one)[0].message("ru")
        assert problems(bonus({**tiers, "tiers": []})) == [("/rules/0/then/0/tiers", "few_tiers")]

    @pytest.mark.parametrize(
        ("case", "expected"),
        [
            ({"expect": {"fired": ["r"], "lines": {"a": "5.00"}, "total": "5.00"}}, []),
            ({"expect": {"fired": ["r"], "lines": {"b": "5.00"}}}, [("/cases/0/expect/lines/b", "unknown_key")]),
            ({"expect": {"fired": ["r"], "total": 5}}, [("/cases/0/expect/total", "wrong_type")]),
            ({"facts": {"without_plan": ["measure.attainment_old_pct"]}}, []),
            ({"facts": {"without_plan": ["measure.rating"]}}, [("/cases/0/facts/without_plan/0", "wrong_measure")]),
        ],
    )
    def test_a_case_may_expect_money(self, case: Any, expected: list[tuple[str, str]]) -> None:
        document = bonus(_fixed("a"))
        document["cases"] = [{"title": "x", "facts": {}, "expect": {"fired": ["r"]}, **case}]
        assert problems(document) == expected

    def test_only_a_bonus_case_expects_money(self) -> None:
        document = escalation({"action": "mark_late"})
        document["cases"] = [{"title": "x", "facts": {}, "expect": {"fired": ["r"], "total": "0.00"}}]
        assert problems(document) == [("/cases/0/expect/total", "unknown_key")]


class _People:
    """An installation that knows two people and leaves services unchecked."""

    def known(self, kind: ReferenceKind) -> Mapping[str, str] | None:
        lists = {ReferenceKind.MANAGER: {"ivanova": "Анна Иванова", "petrov": "Борис Петров"}, ReferenceKind.TEAM: {}}
        return lists.get(kind)


class TestReferences:
    def test_a_person_nobody_knows_is_an_error_with_a_suggestion(self) -> None:
        document = with_condition("client.owner", "is", "ivanovа1")
        assert problems(document) == []
        (problem,) = check(document, _People())
        assert (problem.path, problem.code, problem.suggestion) == (f"{PLACE}/value", "unknown_reference", "ivanova")

    def test_pools_recipients_and_lists_are_looked_up_too(self) -> None:
        document = assignment()
        document["rules"][0]["then"] = [
            {"action": "assign", "to": [{"pool": "manager", "login": "sidorov"}, {"pool": "team", "team": "east"}]},
            {"action": "notify", "whom": "sidorov"},
            {"action": "notify", "whom": "head"},
        ]
        assert problems(document, _People()) == [
            ("/rules/0/then/0/to/0/login", "unknown_reference"),
            ("/rules/0/then/0/to/1/team", "unknown_reference"),
            ("/rules/0/then/1/whom", "unknown_reference"),
        ]

    def test_a_disabled_rule_may_name_who_is_not_there(self) -> None:
        document = assignment()
        document["rules"][0]["then"][0]["to"] = {"pool": "team", "team": "key"}
        (missing,) = check(document, _People())
        assert (missing.code, missing.data["value"]) == ("unknown_reference", "key")
        assert missing.message("ru") == "отдел «Ключевые» не найден(а)"
        assert missing.message("en") == "team “Key accounts” does not exist"
        document["rules"][0]["enabled"] = False
        assert problems(document, _People()) == []

    def test_what_the_installation_does_not_list_is_not_checked(self) -> None:
        assert problems(with_condition("request.service", "is", "hosting"), _People()) == []


def test_a_parsed_ruleset_holds_typed_parameters() -> None:
    rule = parse(assignment()).rules[0]
    action = rule.then[0]
    assert (action.number("answer_within"), action.text("if_absent")) == (30, "cover")
    assert [pool.name for pool in action.pools("to")] == ["owner"]
    among = action.group("among")
    assert among is not None
    assert [condition.path for condition in among.conditions()] == ["/rules/0/then/0/among/all/0"]
