"""Each finding as a head of sales meets it: what it says, what it shows, what its button does."""

from collections.abc import Callable
from datetime import date
from itertools import count
from typing import Any

import pytest

from rules_engine.language.analysis import (
    Analysis,
    Finding,
    FindingKind,
    FixKind,
    Severity,
    Unchecked,
    WhyUnchecked,
    analyse,
    fixed,
    unchecked_lines,
)
from rules_engine.language.ruleset import Ruleset, parse
from rules_engine.language.spelling import of_rules
from tests.language.analysis import claims
from tests.language.test_shipped import document_of

Json = dict[str, Any]
TODAY = date(2026, 11, 23)
EVERYONE: Json = {"action": "assign", "to": {"pool": "everyone"}}
KEY: Json = {"action": "assign", "to": {"pool": "team", "team": "key"}}
OWNER: Json = {"action": "assign", "to": {"pool": "owner"}}
LEAVE: Json = {"action": "leave_unassigned", "reason": "позже"}


def when(field: str, op: str, *value: Any) -> Json:
    return {"field": field, "op": op, **({"value": value[0]} if value else {})}


def at_least(amount: str) -> Json:
    return when("request.amount", "ge", amount)


def assignment(*rules: tuple[list[Json], Json]) -> Json:
    """An assignment whose rules are called r1, r2, …"""
    made = [{"id": f"r{place}", "when": {"all": items}, "then": [then]} for place, (items, then) in enumerate(rules, 1)]
    return {"decision": "assignment", "rules": made, "otherwise": [EVERYONE]}


def callbacks(*rules: tuple[list[Json], list[Json]]) -> Json:
    made = [{"id": f"r{place}", "when": {"all": items}, "then": then} for place, (items, then) in enumerate(rules, 1)]
    return {"decision": "callbacks", "rules": made}


def titles(ruleset: Ruleset) -> dict[str, str]:
    return {rule.id: str(place) for place, rule in enumerate(ruleset.rules, 1)}


def found(document: Json, *without: FindingKind) -> list[Finding]:
    """All findings but the gap, each proved, the analysis complete."""
    ruleset = parse(document)
    analysis = analyse(ruleset, today=TODAY)
    assert analysis.complete
    for finding in analysis.findings:
        claims.prove(document, ruleset, finding)
    return [one for one in analysis.findings if one.kind not in (FindingKind.GAP, *without)]


def only(document: Json) -> Finding:
    [finding] = found(document)
    return finding


def said(document: Json) -> tuple[str, str, str]:
    """Kind, Russian sentence and Russian button of the only finding."""
    finding, known = only(document), titles(parse(document))
    return finding.kind.value, finding.message("ru", known), finding.fix.message("ru", known) if finding.fix else ""


class TestNever:
    def test_two_conditions_that_exclude_each_other_are_both_named(self) -> None:
        document = assignment(([at_least("50000"), when("request.amount", "lt", "10000")], EVERYONE))
        assert said(document) == (
            "contradiction",
            "Не сработает никогда: условия «сумма: не менее 50\u00a0000\u00a0₽» и «сумма: меньше 10\u00a0000\u00a0₽» "
            "вместе не выполняются.",
            "Выключить правило",
        )
        finding = only(document)
        assert finding.severity is Severity.WARNING
        assert finding.places == ("/when/all/0", "/when/all/1")
        assert finding.path == "/when/all/0"

    def test_a_slip_of_and_for_or_can_be_mended(self) -> None:
        channels = [when("request.channel", "is", "phone"), when("request.channel", "in", ["chat", "web"])]
        finding = only(document := assignment((channels, KEY)))
        assert finding.fix is not None
        assert finding.fix.message("ru", {}) == "Пусть будет любое из двух"
        mended = fixed(document, finding.fix)
        assert mended["rules"][0]["when"] == {"all": [when("request.channel", "in", ["phone", "chat", "web"])]}
        assert found(mended) == []

    def test_where_or_would_not_help_either_the_rule_is_to_be_switched_off(self) -> None:
        channels = [when("request.channel", "is", name) for name in ("phone", "chat")]
        finding = only(assignment(([*channels, when("request.channel", "is_empty")], KEY)))
        assert finding.fix is not None
        assert finding.fix.kind is FixKind.SWITCH_OFF

    def test_what_is_always_filled_is_never_empty(self) -> None:
        kind, message, _ = said(assignment(([when("now.hour", "is_empty")], KEY)))
        assert kind == "contradiction"
        assert message == "Не сработает никогда: условие «час: не заполнено» не выполняется ни при каких данных."

    def test_three_that_exclude_each_other_only_together_are_told_as_a_whole(self) -> None:
        hours = [when("now.hour", "ge", 9), when("now.hour", "le", 10), when("now.hour", "not_in", [9, 10])]
        assert only(assignment((hours, KEY))).message("ru", {}) == (
            "Не сработает никогда: его условия вместе не выполняются."
        )

    def test_an_empty_field_meets_no_comparison(self) -> None:
        rule = [when("request.amount", "is_empty"), when("request.amount", "is_not", "0")]
        assert only(assignment((rule, KEY))).kind is FindingKind.CONTRADICTION

    def test_amounts_between_two_kopecks_do_not_exist(self) -> None:
        rule = [when("request.amount", "gt", "9.99"), when("request.amount", "lt", "10")]
        assert only(assignment((rule, KEY))).kind is FindingKind.CONTRADICTION

    def test_comparisons_of_fields_that_go_round_in_a_circle(self) -> None:
        circle = [
            when("request.amount", "lt", {"field": "client.revenue_total"}),
            when("client.revenue_total", "lt", {"field": "client.average_payment"}),
            when("client.average_payment", "lt", {"field": "request.amount"}),
        ]
        assert only(assignment((circle, KEY))).kind is FindingKind.CONTRADICTION
        assert found(assignment((circle[:2], KEY))) == []

    def test_nobody_can_meet_who_fits(self) -> None:
        among = {"all": [when("candidate.open_requests", "lt", 5), when("candidate.open_requests", "ge", 5)]}
        finding = only(assignment(([at_least("10")], {**KEY, "among": among})))
        assert finding.path == "/then/0/among/all/0"
        assert finding.message("en", {}) == (
            "Nobody fits: “his open requests: less than 5” and “his open requests: at least 5” never hold together."
        )


class TestHidden:
    def test_a_rule_below_a_wider_one_is_moved_above_it(self) -> None:
        document = assignment(([at_least("50000")], EVERYONE), ([at_least("100000")], KEY))
        assert said(document) == (
            "hidden",
            "Не используется: все такие заявки раньше забирает правило 1, пока там есть кому взять.",
            "Поставить выше 1",
        )
        finding = only(document)
        assert finding.example == {"request.amount": 10_000_000}
        assert finding.example_words("ru") == (("сумма заявки", "100\u00a0000\u00a0₽"),)
        assert finding.fix is not None
        mended = fixed(document, finding.fix)
        assert [rule["id"] for rule in mended["rules"]] == ["r2", "r1"]
        assert found(mended) == []

    def test_texts_of_an_example_read_as_the_rules_write_them(self) -> None:
        in_perm = when("request.city", "is", "Пермь")
        document = assignment(([in_perm], EVERYONE), ([in_perm, at_least("10")], KEY))
        finding = only(document)
        assert finding.example is not None and finding.example["request.city"] == "пермь"
        assert ("город", "Пермь") in finding.example_words("ru", None, of_rules(document))

    def test_two_rules_can_hide_a_third_between_them(self) -> None:
        document = assignment(
            ([when("client.is_old", "is", True)], EVERYONE),
            ([when("client.is_old", "is", False)], LEAVE),
            ([when("client.is_old", "is_filled"), at_least("10")], KEY),
        )
        kind, message, button = said(document)
        assert kind == "hidden"
        assert message == "Не используется: все такие заявки раньше забирают правила 1 и 2, пока там есть кому взять."
        assert button == "Поставить выше 2"

    def test_a_list_is_one_set_of_items_or_another(self) -> None:
        tags = [
            when("request.tags", op, *value) for op, *value in (("is", ["vip"]), ("is_not", ["vip"]), ("is_filled",))
        ]
        document = assignment((tags[:1], EVERYONE), (tags[1:2], LEAVE), (tags[2:], KEY))
        assert [(one.kind, one.others) for one in found(document)] == [(FindingKind.HIDDEN, ("r1", "r2"))]

    def test_where_an_empty_field_is_left_nothing_is_hidden(self) -> None:
        document = assignment(
            ([when("client.is_old", "is", True)], EVERYONE),
            ([when("client.is_old", "is", False)], LEAVE),
            ([at_least("10")], KEY),
        )
        assert found(document) == []

    def test_what_is_always_left_to_the_head_needs_no_proviso(self) -> None:
        document = assignment(([at_least("50000")], LEAVE), ([at_least("100000")], KEY))
        assert said(document)[1] == "Не используется: все такие заявки раньше забирает правило 1."

    def test_a_twin_is_to_be_switched_off_for_moving_it_would_hide_the_other(self) -> None:
        document = assignment(([at_least("50000")], EVERYONE), ([at_least("50000")], KEY))
        finding = only(document)
        assert finding.fix is not None
        assert finding.fix.kind is FixKind.SWITCH_OFF
        assert found(fixed(document, finding.fix)) == []

    def test_a_rule_behind_one_persons_rule_is_its_reserve_and_no_mistake(self) -> None:
        document = assignment(
            ([when("client.is_old", "is", True)], {**OWNER, "if_absent": "wait"}),
            ([when("client.is_old", "is", True)], EVERYONE),
        )
        finding = only(document)
        assert finding.kind is FindingKind.RESERVE
        assert finding.severity is Severity.INFORMATION
        assert finding.fix is None
        assert finding.message("ru", {"r1": "1"}) == (
            "Запасное: все такие заявки сначала идут в правило 1; сюда — когда там некому взять. "
            "Если нужный человек отсутствует, заявка его ждёт, а не идёт дальше."
        )

    def test_a_rule_that_is_switched_off_hides_nothing(self) -> None:
        document = assignment(([at_least("50000")], EVERYONE), ([at_least("100000")], KEY))
        document["rules"][0]["enabled"] = False
        assert found(document) == []


class TestOverlap:
    def test_bands_that_run_into_each_other_are_told_with_an_example(self) -> None:
        document = assignment(
            ([when("request.amount", "between", ["100000", "500000"])], EVERYONE),
            ([when("request.amount", "between", ["300000", "900000"])], KEY),
        )
        kind, message, _ = said(document)
        assert kind == "overlap"
        assert message == "Часть таких заявок подходит и под правило 1: решает оно, потому что стоит выше."
        assert only(document).severity is Severity.INFORMATION
        assert only(document).example == {"request.amount": 30_000_000}

    def test_an_exception_above_the_rule_is_how_rules_are_written(self) -> None:
        assert found(assignment(([at_least("100000")], KEY), ([at_least("50000")], EVERYONE))) == []

    def test_rules_about_different_things_are_put_in_order_on_purpose(self) -> None:
        assert (
            found(assignment(([at_least("100000")], KEY), ([when("request.channel", "is", "phone")], EVERYONE))) == []
        )

    def test_nothing_is_told_where_a_third_rule_takes_what_both_match(self) -> None:
        bands = [["300000", "500000"], ["100000", "500000"], ["300000", "900000"]]
        outcomes = [LEAVE, EVERYONE, KEY]
        document = assignment(
            *(([when("request.amount", "between", band)], then) for band, then in zip(bands, outcomes, strict=True))
        )
        assert found(document) == []


class TestRedundant:
    def test_a_condition_that_another_one_implies(self) -> None:
        document = assignment(([at_least("100"), at_least("50")], EVERYONE))
        assert said(document) == (
            "redundant",
            "Условие «сумма: не менее 50\u00a0₽» ничего не меняет: без него правило срабатывает в тех же случаях.",
            "Убрать условие",
        )
        finding = only(document)
        assert finding.fix is not None
        assert fixed(document, finding.fix)["rules"][0]["when"] == {"all": [at_least("100")]}

    def test_of_two_of_a_kind_the_first_stays(self) -> None:
        assert only(assignment(([at_least("100"), at_least("100")], EVERYONE))).path == "/when/all/1"

    def test_a_group_that_says_nothing_is_told_once_and_as_a_whole(self) -> None:
        group = {"any": [at_least("50"), when("client.is_old", "is", True)]}
        finding = only(assignment(([at_least("100"), group], EVERYONE)))
        assert finding.path == "/when/all/1"
        assert "«сумма: не менее 50\u00a0₽ или клиент: старый»" in finding.message("ru", {})

    def test_the_only_condition_that_always_holds_leaves_a_rule_that_always_matches(self) -> None:
        document = assignment(([when("now.hour", "ge", 0)], EVERYONE))
        finding = only(document)
        assert finding.fix is not None
        assert "when" not in fixed(document, finding.fix)["rules"][0]

    def test_a_condition_that_the_rules_above_make_needless_names_them(self) -> None:
        band = [at_least("50000"), when("request.amount", "lt", "100000")]
        finding = only(assignment(([at_least("100000")], EVERYONE), (band, KEY)))
        assert finding.severity is Severity.INFORMATION
        assert finding.others == ("r1",)
        assert finding.message("ru", {"r1": "1"}) == (
            "Условие «сумма: меньше 100\u00a0000\u00a0₽» ничего не меняет: заявки, о которых оно, раньше забирает "
            "правило 1, пока там есть кому взять."
        )

    def test_a_rule_of_one_person_above_makes_nothing_needless(self) -> None:
        band = [at_least("50000"), when("request.amount", "lt", "100000")]
        assert found(assignment(([at_least("100000")], OWNER), (band, KEY))) == []

    def test_a_longer_text_holds_the_shorter_one(self) -> None:
        texts = [when("request.text", "contains", "Срочно!"), when("request.text", "contains", "срочно")]
        assert only(assignment((texts, KEY))).path == "/when/all/1"

    def test_who_fits_is_looked_at_too(self) -> None:
        among = {"all": [when("candidate.open_requests", "lt", 5), when("candidate.open_requests", "lt", 8)]}
        finding = only(assignment(([at_least("10")], {**KEY, "among": among})))
        assert finding.path == "/then/0/among/all/1"
        assert finding.message("ru", {}).endswith("ничего не меняет: без него подходят те же люди.")


class TestOne:
    @pytest.mark.parametrize(
        ("one", "other", "joined"),
        [
            (when("request.channel", "is", "phone"), when("request.channel", "in", ["chat", "phone"]), None),
            (
                when("request.amount", "between", ["10", "20"]),
                when("request.amount", "between", ["20", "50"]),
                when("request.amount", "between", ["10", "50"]),
            ),
            (
                when("request.amount", "between", ["10", "20"]),
                when("request.amount", "ge", "20"),
                when("request.amount", "ge", "10"),
            ),
            (
                when("client.is_old", "is", True),
                when("client.is_old", "is", False),
                when("client.is_old", "is_filled"),
            ),
            (
                when("request.amount", "le", "100"),
                when("request.amount", "gt", "100"),
                when("request.amount", "is_filled"),
            ),
            (
                when("request.tags", "has_any", ["vip"]),
                when("request.tags", "has_any", ["опт"]),
                when("request.tags", "has_any", ["vip", "опт"]),
            ),
        ],
    )
    def test_neighbours_that_do_the_same_become_one(self, one: Json, other: Json, joined: Json | None) -> None:
        document = assignment(([one, at_least("5")], KEY), ([at_least("5"), other], KEY))
        document["cases"] = [{"title": "x", "facts": {}, "expect": {"fired": ["r2"]}}]
        finding = next(one for one in found(document) if one.kind is FindingKind.MERGEABLE)
        assert finding.severity is Severity.INFORMATION
        assert finding.message("ru", {"r1": "1"}) == (
            "Делает то же, что правило 1, и отличается одним условием: их можно объединить."
        )
        assert finding.fix is not None
        assert finding.fix.message("ru", {"r1": "1"}) == "Объединить с 1"
        mended = fixed(document, finding.fix)
        wanted = joined or when("request.channel", "in", ["phone", "chat"])
        assert [rule["id"] for rule in mended["rules"]] == ["r1"]
        assert mended["rules"][0]["when"]["all"][0] == wanted
        assert mended["cases"][0]["expect"] == {"fired": ["r1"]}

    def test_bands_with_a_hole_between_them_stay_two(self) -> None:
        bands = [when("request.amount", "between", pair) for pair in (["10", "20"], ["30", "50"])]
        assert found(assignment(*(([band], KEY) for band in bands))) == []

    def test_other_rules_between_or_other_actions_keep_them_apart(self) -> None:
        phone, chat = (when("request.channel", "is", name) for name in ("phone", "chat"))
        assert found(assignment(([phone], KEY), ([at_least("5")], LEAVE), ([chat], KEY))) == []
        assert found(assignment(([phone], KEY), ([chat], EVERYONE))) == []

    def test_two_reminders_one_after_the_other_are_not_one(self) -> None:
        used = [when("request.answer_used_pct", "between", pair) for pair in (["50", "100"], ["100", "150"])]
        remind = [{"action": "remind"}]
        rules = [{"id": f"r{place}", "when": {"all": [one]}, "then": remind} for place, one in enumerate(used)]
        assert found({"decision": "escalation", "rules": rules}) == []


class TestVoid:
    def test_of_two_segments_the_first_wins(self) -> None:
        overdue = [when("client.overdue_ratio", "ge", text) for text in ("1.5", "3")]
        segments = [{"action": "set_segment", "segment": name} for name in ("lapsing", "lost")]
        document = callbacks(([overdue[0]], [segments[0]]), ([overdue[1]], [segments[1], {"action": "release_client"}]))
        assert said(document) == (
            "superseded",
            "Действие «поставить сегмент» не выполняется никогда: в таких случаях раньше это делает правило 1.",
            "Поставить выше 1",
        )
        finding = only(document)
        assert finding.path == "/then/0"
        assert finding.fix is not None
        assert found(fixed(document, finding.fix)) == []

    def test_a_call_that_is_always_skipped(self) -> None:
        silent = [when("client.days_since_last_contact", "lt", days) for days in (7, 21)]
        call = [{"action": "schedule_callback", "occasion": "lost"}]
        document = callbacks(([silent[0]], call), ([silent[1]], [{"action": "skip", "reason": "недавно"}]))
        assert said(document)[1] == (
            "Действие «назначить звонок» не выполняется никогда: в таких случаях его отменяет правило 2."
        )

    def test_a_call_that_the_client_asked_for_is_never_skipped(self) -> None:
        asked = [when("client.asked_to_call_on", "is_filled"), when("client.days_since_last_contact", "lt", 7)]
        call = [{"action": "schedule_callback", "occasion": "promise"}]
        skip = [{"action": "skip", "reason": "недавно"}]
        assert found(callbacks((asked, call), ([when("client.days_since_last_contact", "lt", 21)], skip))) == []

    def test_in_escalation_an_earlier_rule_may_have_fired_long_before(self) -> None:
        used = [when("request.answer_used_pct", "ge", share) for share in ("100", "200")]
        priority = [[{"action": "set_priority", "priority": name}] for name in ("normal", "high")]
        rules = [
            {"id": f"r{place}", "when": {"all": [one]}, "then": then}
            for place, (one, then) in enumerate(zip(used, priority, strict=True))
        ]
        assert found({"decision": "escalation", "rules": rules}) == []
        rules[1]["when"] = rules[0]["when"]
        assert only({"decision": "escalation", "rules": rules}).kind is FindingKind.SUPERSEDED


class TestBounds:
    def test_what_no_rule_catches_is_shown_by_an_example(self) -> None:
        ruleset = parse(assignment(([at_least("50000")], KEY)))
        [gap] = analyse(ruleset, today=TODAY).findings
        assert (gap.kind, gap.rule, gap.severity) == (FindingKind.GAP, "otherwise", Severity.INFORMATION)
        assert gap.example == {"request.amount": 1_000_000}
        assert gap.message("ru", {}) == (
            "Есть заявки, под которые не подходит ни одно правило: для них действует «Остальные»."
        )

    def test_without_a_gap_nothing_is_told(self) -> None:
        ruleset = parse({**assignment(([when("now.hour", "ge", 0)], KEY))})
        assert FindingKind.GAP not in [one.kind for one in analyse(ruleset, today=TODAY).findings]

    @pytest.mark.parametrize("name", ["assignment", "escalation", "callbacks", "bonus", "bonus_today"])
    def test_the_rules_that_ship_give_no_alarm(self, name: str) -> None:
        assert found(document_of(name)) == []

    def test_when_time_is_up_the_rest_is_named(self) -> None:
        document = assignment(*(([at_least(str(place))], KEY) for place in range(3)))
        document["rules"][0]["review_on"] = "2026-01-01"
        whole = analysed(document, count(0, 0.0).__next__)
        assert whole.complete
        nothing = analysed(document, count(0, 9.0).__next__)
        assert [one.kind for one in nothing.findings] == [FindingKind.REVIEW]
        assert {one.rule for one in nothing.unchecked} == {"r1", "r2", "r3", "otherwise"}
        assert {one.why for one in nothing.unchecked} == {WhyUnchecked.TIME}
        first, last = nothing.unchecked[0], nothing.unchecked[-1]
        assert first.message("ru", {"r1": "1"}) == "Правило 1: проверено не до конца, не хватило времени."
        assert unchecked_lines(nothing.unchecked, "en", {f"r{place}": str(place) for place in (1, 2, 3)}) == (
            "Rules 1, 2 and 3: not fully checked, time ran out.",
            "Otherwise: not fully checked, time ran out.",
        )
        many = [Unchecked(str(place), WhyUnchecked.TOO_WIDE) for place in range(1, 13)]
        assert unchecked_lines(many, "ru", {}) == (
            "Правила 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 и ещё 2: проверено не до конца, у условий слишком много сочетаний.",
        )
        assert last.message("ru", {}) == "Остальные: проверено не до конца, не хватило времени."

    def test_half_of_the_time_gives_a_part_and_says_so(self) -> None:
        document = assignment(*(([at_least(str(99 - place))], KEY) for place in range(40)))
        looks = count()
        whole = analysed(document, lambda: next(looks) * 0.0)
        wholes = {one.key for one in whole.findings}
        part = analysed(document, count(0, 2 * 2.0 / next(looks)).__next__)
        assert whole.complete
        assert part.unchecked
        assert {one.key for one in part.findings} < wholes

    def test_texts_compared_with_each_other_are_not_followed_and_that_is_said(self) -> None:
        twice = [
            when("request.text", "contains", {"field": "request.city"}),
            when("request.city", "contains", {"field": "request.text"}),
            when("request.city", "is_not", {"field": "request.text"}),
        ]
        analysis = analyse(parse(assignment((twice, KEY))), today=TODAY)
        assert [(one.rule, one.why) for one in analysis.unchecked] == [("r1", WhyUnchecked.NOT_EXACT)]

    def test_a_rule_of_too_many_combinations_is_named_and_the_others_are_checked(self) -> None:
        keys = ["request.source", "request.region", "request.city", "request.language", "client.region", "request.text"]
        wide = [{"any": [when(key, "contains", "а"), when(key, "contains", "б"), when(key, "is", "в")]} for key in keys]
        document = assignment((wide, KEY), ([at_least("50")], EVERYONE), ([at_least("60")], LEAVE))
        analysis = analyse(parse(document), today=TODAY)
        assert ("r1", WhyUnchecked.TOO_WIDE) in [(one.rule, one.why) for one in analysis.unchecked]
        assert "r3" in [one.rule for one in analysis.findings if one.kind is FindingKind.HIDDEN]


def analysed(document: Json, clock: Callable[[], float]) -> Analysis:
    return analyse(parse(document), today=TODAY, budget_seconds=2.0, clock=clock)
