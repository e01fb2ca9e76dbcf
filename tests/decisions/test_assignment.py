"""Who gets a request, by example. Анна and Борис work in one team, Вера outside it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from rules_engine.decisions.assignment import AssignmentOutcome, OutcomeKind, decide
from rules_engine.decisions.assignment_words import candidate_words, explain_assignment
from rules_engine.decisions.fair_share import Strategy, ValueStep
from rules_engine.decisions.roster import Candidate, Refused, Roster
from rules_engine.decisions.trial import decide_from_facts
from rules_engine.errors import InputError
from rules_engine.language.engines.native import NativeEngine
from rules_engine.language.ruleset import Ruleset, parse

ANNA = Candidate(1, "anna", "Анна", team="north", skills=frozenset({"en"}))
BORIS = Candidate(2, "boris", "Борис", team="north")
VERA = Candidate(3, "vera", "Вера", team="south")
EVERYONE = {"action": "assign", "to": {"pool": "everyone"}, "answer_within": 30}


def ruleset(*rules: dict[str, Any], otherwise: dict[str, Any] = EVERYONE) -> Ruleset:
    return parse(
        {
            "decision": "assignment",
            "hit_policy": "first",
            "rules": [
                {
                    "id": rule.pop("id", f"rule-{n}"),
                    "title": {"ru": f"Правило {n}", "en": f"Rule {n}"},
                    "when": {"all": [{"field": "request.source", "op": "is", "value": "site"}]},
                    "then": [*rule.pop("extra", []), rule],
                }
                for n, rule in enumerate(rules, 1)
            ],
            "otherwise": [otherwise],
        }
    )


def roster(*candidates: Candidate, facts: Mapping[int, Mapping[str, object]] | None = None, **who: Any) -> Roster:
    by_id = {candidate.id: candidate for candidate in candidates or (ANNA, BORIS, VERA)}
    return Roster(by_id, facts_of=lambda n: (facts or {}).get(n, {}), **who)


def outcome(rules: Ruleset, people: Roster) -> AssignmentOutcome:
    found = decide(rules, NativeEngine(rules).matching({"request.source": "site"}), people)
    stored = json.loads(json.dumps(found.to_json()))
    assert AssignmentOutcome.from_json(stored) == found
    return found


class TestFairShare:
    def test_the_largest_shortfall_gets_the_request(self) -> None:
        people = roster(replace(ANNA, count=5), replace(BORIS, count=3), replace(VERA, count=4))
        found = outcome(ruleset(), people)
        assert (found.manager, found.rule, found.strategy) == ("boris", "otherwise", Strategy.FAIR_SHARE)
        assert found.answer_within == 30

    def test_double_weight_is_double_share(self) -> None:
        people = roster(
            replace(ANNA, count=9, entitlement=Fraction(2000)), replace(BORIS, count=5, entitlement=Fraction(1000))
        )
        attempt = outcome(ruleset(), people).attempts[0]
        # N + 1 = 15: entitled to 10 and 5.
        assert [verdict.shortfall for verdict in attempt.verdicts] == [1, 0]
        assert attempt.chosen is not None
        assert attempt.chosen.login == "anna"

    def test_half_a_request_apart_is_level_and_a_little_more_is_not(self) -> None:
        def chosen(boris_share: Fraction) -> str | None:
            anna = replace(ANNA, entitlement=1 - boris_share, count=1, last_received_us=1)
            boris = replace(BORIS, entitlement=boris_share, count=0, last_received_us=2)
            return outcome(ruleset(), roster(anna, boris)).manager

        # d(boris) − d(anna) = 2b − (2(1 − b) − 1) = 4b − 1, exactly ½ at b = 3/8.
        assert chosen(Fraction(3, 8)) == "anna"
        assert chosen(Fraction(3, 8) + Fraction(1, 10**9)) == "boris"

    def test_never_received_is_longest_and_then_the_lower_id(self) -> None:
        assert outcome(ruleset(), roster(replace(ANNA, last_received_us=0), BORIS, VERA)).manager == "boris"

    def test_value_brings_received_values_together_only_when_switched_on(self) -> None:
        people = roster(
            replace(ANNA, value_minor=900_00), replace(BORIS, value_minor=100_00), replace(VERA, value_minor=500_00)
        )
        assert outcome(ruleset(), people).manager == "anna"
        assert outcome(ruleset(), replace(people, value_step=ValueStep.LARGE)).manager == "boris"
        assert outcome(ruleset(), replace(people, value_step=ValueStep.SMALL)).manager == "anna"

    def test_nobody_is_entitled_counts_as_equal(self) -> None:
        people = roster(replace(ANNA, entitlement=Fraction(0), count=1), replace(BORIS, entitlement=Fraction(0)))
        assert outcome(ruleset(), people).manager == "boris"


class TestOtherStrategies:
    def test_least_loaded_counts_nobody_open_as_zero(self) -> None:
        rules = ruleset(otherwise={**EVERYONE, "strategy": "least_loaded"})
        people = roster(replace(ANNA, open_requests=2), replace(BORIS, open_requests=1), VERA)
        assert outcome(rules, people).manager == "vera"

    def test_round_robin_goes_on_after_its_pointer_and_moves_it(self) -> None:
        rules = ruleset(otherwise={**EVERYONE, "strategy": "round_robin"})
        assert outcome(rules, roster()).pointer == ("everyone", 1)
        assert outcome(rules, roster(pointers={"everyone": 2})).pointer == ("everyone", 3)
        assert outcome(rules, roster(pointers={"everyone": 3})).manager == "anna"
        absent = roster(ANNA, BORIS, replace(VERA, is_absent=True), pointers={"everyone": 2})
        assert outcome(rules, absent).manager == "anna"

    def test_round_robin_of_the_owners_team_shares_the_teams_pointer(self) -> None:
        rules = ruleset({"action": "assign", "to": {"pool": "team_of_owner"}, "strategy": "round_robin"})
        assert outcome(rules, roster(owner=2, pointers={"team:north": 1})).pointer == ("team:north", 2)


class TestWhoIsEligible:
    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"is_absent": True}, Refused.ABSENT),
            ({"received_today": 5, "daily_cap": 5}, Refused.DAILY_CAP),
            ({"open_requests": 7, "open_cap": 7}, Refused.OPEN_CAP),
        ],
    )
    def test_by_nature(self, change: dict[str, Any], reason: Refused) -> None:
        found = outcome(ruleset(), roster(replace(ANNA, **change), BORIS))
        assert found.manager == "boris"
        refusal = found.attempts[0].verdicts[0].refusal
        assert refusal is not None
        assert refusal.code is reason

    def test_who_just_lost_it_does_not_get_it_back(self) -> None:
        assert outcome(ruleset(), roster(ANNA, BORIS, just_lost=frozenset({1}))).manager == "boris"

    def test_who_has_left_is_not_even_looked_at(self) -> None:
        found = outcome(ruleset(), roster(replace(ANNA, is_active=False), BORIS))
        assert [verdict.login for verdict in found.attempts[0].verdicts] == ["boris"]

    def test_among_names_the_condition_and_what_it_saw(self) -> None:
        among = {"all": [{"field": "candidate.unanswered_requests", "op": "lt", "value": 10}]}
        facts = {1: {"candidate.unanswered_requests": 12}, 2: {"candidate.unanswered_requests": 0}}
        found = outcome(ruleset(otherwise={**EVERYONE, "among": among}), roster(ANNA, BORIS, facts=facts))
        assert found.manager == "boris"
        refusal = found.attempts[0].verdicts[0].refusal
        assert refusal is not None
        assert (refusal.field, refusal.seen, refusal.limit) == ("candidate.unanswered_requests", 12, 10)

    def test_shortfall_can_be_asked_for(self) -> None:
        among = {"all": [{"field": "candidate.shortfall", "op": "gt", "value": "0"}]}
        people = roster(replace(ANNA, count=4), BORIS)
        found = outcome(ruleset(otherwise={**EVERYONE, "among": among}), people)
        assert [verdict.refusal is None for verdict in found.attempts[0].verdicts] == [False, True]

    def test_except(self) -> None:
        rules = ruleset({"action": "assign", "to": {"pool": "everyone"}, "except": ["owner"]})
        assert outcome(rules, roster(owner=1)).manager == "boris"


class TestPools:
    @pytest.mark.parametrize(
        ("to", "manager"),
        [
            ({"pool": "owner"}, "vera"),
            ({"pool": "cover"}, "boris"),
            ({"pool": "previous"}, "anna"),
            ({"pool": "team_of_owner"}, "vera"),
            ({"pool": "duty"}, "boris"),
            ({"pool": "team", "team": "south"}, "vera"),
            ({"pool": "skill", "skill": "en"}, "anna"),
            ({"pool": "manager", "login": "vera"}, "vera"),
        ],
    )
    def test_each_pool(self, to: dict[str, str], manager: str) -> None:
        people = roster(owner=3, cover=2, previous=1, duty=frozenset({2}))
        assert outcome(ruleset({"action": "assign", "to": to}), people).manager == manager

    @pytest.mark.parametrize("written", ["english", "English", "английский", "Английский"])
    def test_the_shipped_skill_is_whoever_has_it_by_any_of_its_names(self, written: str) -> None:
        people = roster()
        one = replace(people.candidates[2], skills=frozenset({written}))
        people = replace(people, candidates={**people.candidates, 2: one})
        to = {"pool": "skill", "skill": "english"}
        assert outcome(ruleset({"action": "assign", "to": to}), people).manager == "boris"

    def test_pools_are_tried_in_order(self) -> None:
        rules = ruleset({"action": "assign", "to": [{"pool": "cover"}, {"pool": "team", "team": "south"}]})
        found = outcome(rules, roster())
        assert (found.manager, found.pool, found.pool_argument) == ("vera", "team", "south")
        assert [attempt.pool for attempt in found.attempts] == ["cover", "team"]

    def test_one_named_person_needs_no_strategy(self) -> None:
        assert outcome(ruleset({"action": "assign", "to": {"pool": "owner"}}), roster(owner=1)).strategy is None


class TestWalking:
    def test_a_rule_without_anyone_is_passed_over_with_all_its_actions(self) -> None:
        rules = ruleset(
            {
                "action": "assign",
                "to": {"pool": "owner"},
                "extra": [{"action": "set_priority", "priority": "high"}],
            },
            {"action": "assign", "to": {"pool": "team", "team": "south"}, "extra": [{"action": "add_tag", "tag": "x"}]},
        )
        found = outcome(rules, roster(replace(ANNA, is_absent=True), BORIS, VERA, owner=1))
        assert (found.manager, found.fired) == ("vera", ("rule-2",))
        assert [effect.to_json() for effect in found.effects] == [
            {"action": "add_tag", "rule": "rule-2", "tag": "x"},
            {"action": "assign", "rule": "rule-2", "to": {"pool": "team", "team": "south"}},
        ]
        assert [(item.rule, item.reason) for item in found.passed_over] == [("rule-1", "no_candidate")]

    def test_absent_owner_goes_to_the_cover_where_the_rule_says_so(self) -> None:
        rules = ruleset({"action": "assign", "to": {"pool": "owner"}, "if_absent": "cover"})
        away = replace(ANNA, is_absent=True)
        assert outcome(rules, roster(away, BORIS, VERA, owner=1, cover=3)).manager == "vera"
        # Over his cap is not absent: that is the next rule's business.
        full = replace(ANNA, open_cap=0)
        assert outcome(rules, roster(full, BORIS, VERA, owner=1, cover=3)).rule == "otherwise"

    def test_a_rule_may_wait_for_its_owner(self) -> None:
        rules = ruleset({"action": "assign", "to": {"pool": "owner"}, "if_absent": "wait"})
        found = outcome(rules, roster(replace(ANNA, is_absent=True, back_us=77), BORIS, owner=1))
        assert (found.kind, found.fired, found.retry_us) == (OutcomeKind.WAITING, (), 77)

    def test_left_unassigned_by_a_rule(self) -> None:
        rules = ruleset({"action": "leave_unassigned", "reason": "проверка"})
        found = outcome(rules, roster())
        assert (found.kind, found.reason, found.fired) == (OutcomeKind.LEFT_UNASSIGNED, "проверка", ("rule-1",))

    def test_nobody_at_all_waits_until_the_first_of_them_changes(self) -> None:
        people = Roster(
            {1: replace(ANNA, is_absent=True), 2: replace(BORIS, is_absent=True)},
            next_change_us={1: 500, 2: 300}.get,
        )
        found = outcome(ruleset(), people)
        assert (found.kind, found.manager, found.retry_us) == (OutcomeKind.NOBODY, None, 300)
        assert not found.depends_on_others
        capped = Roster({1: replace(ANNA, open_cap=0)})
        assert outcome(ruleset(), capped).depends_on_others


class TestWords:
    def test_the_stored_outcome_explains_itself(self) -> None:
        rules = ruleset({"action": "assign", "to": {"pool": "owner"}})
        people = roster(
            replace(ANNA, is_absent=True), replace(BORIS, count=2, value_minor=777_777), replace(VERA, count=1), owner=1
        )
        stored = json.loads(json.dumps(outcome(rules, people).to_json()))
        assert explain_assignment(stored, "ru", for_manager="boris") == [
            "Заявку получает: Вера. Ни одно правило её не взяло, действует строка «Остальные».",
            "Кому: любой менеджер.",
            "Срок ответа: 30 рабочих мин.",
            "Кого выбрать: у кого больше недобор заявок. Подходили: 2 из 3.",
            "Вера: получено за месяц: 1, недобор: 1,0.",
            "Правило «Правило 1» подошло, но взять заявку никто не мог: закреплённый менеджер: Анна: отсутствует.",
            "«Остальные», любой менеджер: ваше место 2 из 2; получено за месяц: 2, недобор: 0,0.",
        ]
        english = explain_assignment(stored, "en", for_manager="gleb")
        assert english[0] == "The request goes to: Вера. No rule took it, the line “Otherwise” applies."
        assert english[-1] == "You were not among those to choose from: the owner, any manager."
        told = " ".join(explain_assignment(stored, "ru", for_manager="boris"))
        assert "7777" not in told.replace("\u00a0", "")

    def test_a_failed_condition_in_words(self) -> None:
        among = {"all": [{"field": "candidate.unanswered_requests", "op": "lt", "value": 10}]}
        facts = {1: {"candidate.unanswered_requests": 12}}
        found = outcome(ruleset(otherwise={**EVERYONE, "among": among}), roster(ANNA, facts=facts)).to_json()
        assert candidate_words(found["attempts"][0]["candidates"][0], "ru") == (
            "Анна: заявок без ответа у него: 12; нужно: меньше 10"
        )
        assert explain_assignment(found, "en")[0] == "Nobody can take the request yet; the head was told."

    def test_every_reason_and_kind_has_words_in_both_languages(self) -> None:
        changes: list[dict[str, Any]] = [
            {"is_active": False},
            {"is_absent": True},
            {"received_today": 5, "daily_cap": 5},
            {"open_cap": 0},
        ]
        rules = ruleset({"action": "assign", "to": {"pool": "owner"}, "if_absent": "wait"})
        for change in changes:
            people = roster(replace(ANNA, **change), owner=1)
            stored = outcome(rules, people).to_json()
            for lang in ("ru", "en"):
                assert all(explain_assignment(stored, lang, for_manager="anna"))
        left = outcome(ruleset({"action": "leave_unassigned", "reason": "проверка"}), roster()).to_json()
        assert "проверка" in explain_assignment(left, "ru")[0]


class TestFactsFromAFile:
    RULES = ruleset({"action": "assign", "to": {"pool": "owner"}})

    def test_without_candidates_every_pool_has_one(self) -> None:
        trial = decide_from_facts(self.RULES, {"request.source": "Site"})
        assert (trial.fired, trial.is_otherwise) == (("rule-1",), False)
        assert decide_from_facts(self.RULES, {}).is_otherwise

    def test_with_candidates_the_pools_are_theirs(self) -> None:
        document = {
            "request.source": "site",
            "client.owner": "anna",
            "owner.is_absent": True,
            "candidates": [
                {"login": "anna"},
                {"login": "boris", "candidate.received_this_month": 4},
                {"login": "vera", "candidate.received_this_month": 3},
            ],
        }
        trial = decide_from_facts(self.RULES, document)
        assert (trial.fired, trial.passed_over) == (("otherwise",), ("rule-1",))
        assert trial.outcome is not None
        assert trial.outcome.manager == "vera"
        document["owner.is_absent"] = False
        assert decide_from_facts(self.RULES, document).fired == ("rule-1",)

    def test_a_given_shortfall_is_taken_as_it_is(self) -> None:
        people = [{"login": "a", "candidate.shortfall": "0.5"}, {"login": "b", "candidate.shortfall": "2.25"}]
        trial = decide_from_facts(self.RULES, {"candidates": people})
        assert trial.outcome is not None
        assert trial.outcome.manager == "b"

    @pytest.mark.parametrize("candidates", ["anna", [{}], [{"login": 5}], ["anna"]])
    def test_candidates_that_are_none(self, candidates: object) -> None:
        with pytest.raises(InputError):
            decide_from_facts(self.RULES, {"candidates": candidates})
