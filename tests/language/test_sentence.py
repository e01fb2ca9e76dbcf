"""A rule reads as one sentence in both languages, in chips that stand in the nominative after a colon."""

from collections.abc import Mapping
from typing import Any

import pytest

from rules_engine.language.kinds import ReferenceKind
from rules_engine.language.line_names import line_names
from rules_engine.language.ruleset import parse
from rules_engine.language.sentence import SpanKind, otherwise_spans, plain, rule_spans, rule_text
from tests.language.documents import assignment, bonus, escalation, with_condition


class _Names:
    def known(self, kind: ReferenceKind) -> Mapping[str, str] | None:
        return {
            ReferenceKind.MANAGER: {"ivanova": "Анна Иванова"},
            ReferenceKind.TEAM: {"key": "Ключевые клиенты"},
        }.get(kind)


def said(document: Any, lang: str, names: Any = None) -> str:
    ruleset = parse(document)
    return rule_text(ruleset, ruleset.rules[0], lang, names=names).replace("\u00a0", " ")


def test_the_example_reads_in_russian_and_english() -> None:
    assert said(assignment(), "ru") == (
        "Если клиент: старый и закреплённый менеджер: указан и (сумма: не менее 50 000 ₽ или канал: телефон или чат), "
        "то заявку получает: закреплённый менеджер, если заявок без ответа у него: меньше 10; "
        "если отсутствует: замещающий; срок ответа: 30 мин."
    )
    assert said(assignment(), "en") == (
        "If client: old and owner: named and (amount: at least 50,000 ₽ or channel: phone or chat), "
        "then the request goes to: the owner, if his unanswered requests: less than 10; "
        "if absent: the cover; answer within: 30 min."
    )


class TestWhatTheShippedRulesNameBeforeACompanyHasIt:
    def to(self, pool: dict[str, str]) -> Any:
        document = assignment()
        document["rules"][0]["then"] = [{"action": "assign", "to": pool}]
        return document

    def test_a_team_without_a_row_reads_as_a_word(self) -> None:
        key = self.to({"pool": "team", "team": "key"})
        assert "отдел «Ключевые»" in said(key, "ru")
        assert "team “Key accounts”" in said(key, "en")

    def test_the_name_of_the_company_comes_first(self) -> None:
        assert "отдел «Ключевые клиенты»" in said(self.to({"pool": "team", "team": "key"}), "ru", _Names())

    def test_the_word_of_another_row_is_not_lent(self) -> None:
        class Names:
            def known(self, kind: ReferenceKind) -> Mapping[str, str] | None:
                return {"k1": "Ключевые"} if kind is ReferenceKind.TEAM else None

        assert "отдел «key»" in said(self.to({"pool": "team", "team": "key"}), "ru", Names())

    def test_a_skill_reads_as_a_word_and_any_other_as_it_is_written(self) -> None:
        assert "умение «английский»" in said(self.to({"pool": "skill", "skill": "english"}), "ru")
        assert "skill “English”" in said(self.to({"pool": "skill", "skill": "english"}), "en")
        assert "умение «дизайн»" in said(self.to({"pool": "skill", "skill": "дизайн"}), "ru")

    @pytest.mark.parametrize(("written", "ru"), [("en", "английский"), (" KK ", "казахский"), ("tlh", "tlh")])
    def test_a_language_reads_as_a_word_where_there_is_one(self, written: str, ru: str) -> None:
        assert f"язык: {ru}" in said(with_condition("request.language", "is", written), "ru")


def test_otherwise_is_only_what_happens() -> None:
    spans = otherwise_spans(parse(assignment()), "ru")
    assert plain(spans).replace("\u00a0", " ") == (
        "заявку получает: любой менеджер; выбор: у кого больше недобор заявок; срок ответа: 30 мин."
    )


def test_a_rule_without_conditions_says_always() -> None:
    assert said(escalation({"action": "mark_late"}), "ru") == "Всегда: отметка «не в срок»."
    assert said(escalation({"action": "mark_late"}), "en") == "Always: marked late."


@pytest.mark.parametrize(
    ("field", "op", "value", "ru", "en"),
    [
        ("request.region", "is", " Орёл", "регион: Орёл", "region: Орёл"),
        ("request.region", "is_not", "Орёл", "регион: не Орёл", "region: not Орёл"),
        (
            "request.region",
            "in",
            ["Казахстан", "Россия"],
            "регион: Казахстан или Россия",
            "region: Казахстан or Россия",
        ),
        ("request.region", "not_in", ["A", "B"], "регион: ни одно из: A, B", "region: none of: A, B"),
        ("client.is_old", "is", False, "клиент: не старый", "client: not old"),
        ("client.is_old", "is_not", True, "клиент: не старый", "client: not old"),
        ("client.owner", "is_empty", None, "закреплённый менеджер: не указан", "owner: not named"),
        ("client.owner", "is", "ivanova", "закреплённый менеджер: Анна Иванова", "owner: Анна Иванова"),
        (
            "request.amount",
            "between",
            ["10", "20"],
            "сумма: от 10 ₽ до 20 ₽ (не включая)",
            "amount: from 10 ₽ up to 20 ₽ (not included)",
        ),
        ("request.text", "contains", "Срочно", "текст: содержит «Срочно»", "text: contains “Срочно”"),
        ("request.tags", "has_any", ["VIP", "b"], "метки: любое из: VIP, b", "tags: any of: VIP, b"),
        ("request.tags", "is", ["a", "b"], "метки: a и b", "tags: a and b"),
        ("client.payments_count", "in", [2, 1], "число платежей: 1 или 2", "number of payments: 1 or 2"),
        (
            "request.amount",
            "ge",
            {"field": "client.average_payment"},
            "сумма: не менее, чем «средний платёж»",
            "amount: at least “average payment”",
        ),
    ],
)
def test_a_condition_reads_in_both_languages(field: str, op: str, value: Any, ru: str, en: str) -> None:
    document = with_condition(field, op) if value is None else with_condition(field, op, value)
    assert said(document, "ru", _Names()).startswith(f"Если {ru}, то ")
    assert said(document, "en", _Names()).startswith(f"If {en}, then ")


def test_brackets_stand_only_where_they_are_needed() -> None:
    one = {"field": "request.is_duplicate", "op": "is", "value": True}
    document = with_condition("request.is_duplicate", "is", True)
    when = document["rules"][0]
    when["when"] = {"any": [one, {"all": [one, one]}, {"none": [one]}, {"none": [one, one]}]}
    assert said(document, "ru").split(", то ")[0] == (
        "Если повтор: да или (повтор: да и повтор: да) или неверно, что повтор: да "
        "или неверно, что (повтор: да или повтор: да)"
    )


def test_pools_are_named_as_people_know_them() -> None:
    document = assignment()
    document["rules"][0]["then"] = [
        {
            "action": "assign",
            "to": [
                {"pool": "manager", "login": "ivanova"},
                {"pool": "team", "team": "key"},
                {"pool": "skill", "skill": "en"},
            ],
            "except": ["owner", "previous"],
            "strategy": "round_robin",
        },
        {"action": "notify", "whom": "ivanova", "text": "Смотрите"},
    ]
    text = said(document, "ru", _Names())
    assert "заявку получает: Анна Иванова, иначе отдел «Ключевые клиенты», иначе умение «en»" in text
    assert ", кроме: закреплённый менеджер, менеджер открытой заявки клиента; выбор: по очереди; " in text
    assert "сообщение получает: Анна Иванова; текст: «Смотрите»." in text


def test_bonus_components_read_as_figures() -> None:
    document = bonus(
        {
            "action": "pay_tiers",
            "line": "t",
            "of": "measure.revenue",
            "by": "measure.attainment_pct",
            "mode": "slab",
            "tiers": [{"from": "0", "rate": "1"}, {"from": "100.5", "rate": "2.5", "fixed": "1000"}],
        },
        {"action": "pay_percent", "line": "p", "of": "measure.revenue", "rate": "2.5"},
        {
            "action": "gate",
            "lines": ["t", "p"],
            "soft": True,
            "all": [{"measure": "measure.in_time_pct", "from": "85", "full_at": "95"}],
        },
    )
    text = said(document, "ru")
    assert "от 0 % — 1 %; от 100,5 % — 2,5 % + 1 000 ₽" in text
    assert "начисляется процент: 2,5 %" in text
    assert "показатели: доля ответов в срок 85 % … 95 %; плавный: да." in text


def test_lines_of_a_statement_are_called_like_their_rules() -> None:
    matrix = {
        "action": "pay_matrix",
        "line": "premium",
        "amount": "35000",
        "rows_by": "measure.attainment_new_pct",
        "cols_by": "measure.attainment_old_pct",
        "nodes": ["0", "100"],
        "values": [["0", "0.5"], ["0.5", "1"]],
        "above": {"from": "1", "line": "over"},
    }
    document = bonus(matrix)
    document["rules"][0]["title"] = {"ru": "Плановая премия", "en": "Premium"}
    fixed = {"action": "pay_fixed", "line": "thanks", "amount": "100"}
    cap = {"action": "cap", "lines": ["over", "thanks", "premium"], "amount": "9000"}
    for number, action in enumerate((fixed, cap)):
        document["rules"].append({"id": f"r{number}", "title": f"Правило {number}", "then": [action]})

    ruleset = parse(document)
    first, second, third = (
        plain(rule_spans(ruleset, rule, "ru")).replace("\u00a0", " ") for rule in ruleset.rules[-3:]
    )
    assert "часть сверх: 1 — отдельной строкой." in first
    assert second == "Всегда: начисляется: 100 ₽."
    assert third == (
        "Всегда: предел для строк: «Плановая премия: часть сверх 1», «Правило 0», «Плановая премия»; сумма: 9 000 ₽."
    )
    assert "premium" not in first + second + third


def test_a_line_that_nothing_makes_keeps_its_code() -> None:
    names = line_names({"rules": [{"id": "r", "then": "?"}, 5, {"id": "x", "then": [{"action": "pay_fixed"}]}]})
    assert names.text("gone", "ru") == "gone"
    assert names.text("guarantee", "en") == "Newcomer guarantee"


def test_chips_point_at_what_they_show() -> None:
    ruleset = parse(assignment())
    spans = rule_spans(ruleset, ruleset.rules[0], "ru")
    chips = {span.text.replace("\u00a0", " "): span.path for span in spans if span.kind is SpanKind.VALUE}
    assert chips == {
        "старый": "/rules/0/when/all/0",
        "указан": "/rules/0/when/all/1",
        "не менее 50 000 ₽": "/rules/0/when/all/2/any/0",
        "телефон или чат": "/rules/0/when/all/2/any/1",
        "закреплённый менеджер": "/rules/0/then/0/to",
        "меньше 10": "/rules/0/then/0/among/all/0",
        "замещающий": "/rules/0/then/0/if_absent",
        "30 мин": "/rules/0/then/0/answer_within",
    }


def test_a_sentence_that_ends_with_a_shortened_word_has_one_full_stop() -> None:
    then = {"action": "schedule_callback", "occasion": "need_soon", "within_days": 3}
    document = {
        "decision": "callbacks",
        "title": {"ru": "Звонки", "en": "Calls"},
        "hit_policy": "collect",
        "rules": [{"id": "soon", "title": {"ru": "Скоро", "en": "Soon"}, "then": [then]}],
    }
    assert said(document, "ru") == "Всегда: плановый звонок, повод: скоро понадобится; сделать за: 3 раб. дн."
    assert said(document, "en").endswith(".") and not said(document, "en").endswith("..")
