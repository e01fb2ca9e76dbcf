"""The cells of the table of rules: what people write in a spreadsheet, and what comes back the same."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from flask_babel import Babel
from hypothesis import given, settings
from hypothesis import strategies as st

from admin.views.rule_editor.actions import Actions
from admin.views.rule_editor.cells import Cells
from admin.views.rule_editor.conditions import Conditions, Typed
from admin.views.rule_editor.pasted import rows_of, text_of
from admin.views.rule_editor.sentences import Speaker
from admin.views.rule_editor.table_headings import heading, read_heading
from admin.views.rule_editor.typed import Reader
from rules_engine.language.kinds import Decision, ReferenceKind
from rules_engine.language.read_conditions import ConditionReader
from rules_engine.language.reading import Report
from rules_engine.language.vocabulary import FIELDS
from rules_engine.services.drafts.body import new_id
from rules_engine.services.drafts.table import CellRefused, Column, Part, columns_of, lay_out
from rules_engine.services.drafts.table_reading import LineKind, lines_edit, read_lines
from tests.factories import assignment_rules, condition, rule
from tests.language.generate import conditions, rulesets

ROOT = Path(__file__).parents[3]
MOSCOW = ZoneInfo("Europe/Moscow")


class Lists:
    def known(self, kind: ReferenceKind) -> Mapping[str, str] | None:
        return {
            ReferenceKind.MANAGER: {"anna": "Анна Орлова", "boris": "Борис", "ivanova": "Иванова", "i2": "Иванова"},
            ReferenceKind.TEAM: {"keys": "Ключевые", "others": "Остальной отдел"},
            ReferenceKind.SKILL: {"kk": "казахский"},
            ReferenceKind.SERVICE: {"hosting": "Хостинг; VPS"},
        }.get(kind)

    def written(self, key: str) -> tuple[str, ...]:
        return ()


@pytest.fixture(scope="module", params=["ru", "en"])
def lang(request: pytest.FixtureRequest) -> Iterator[str]:
    app = Flask(__name__)
    Babel(
        app,
        default_locale=request.param,
        default_translation_directories=str(ROOT / "admin/translations"),
    )
    with app.test_request_context():
        yield request.param


class NewCompany(Lists):
    """A company that has nothing yet of what the shipped rules name."""

    def known(self, kind: ReferenceKind) -> Mapping[str, str] | None:
        return {}


def cells_of(lang: str, decision: Decision = Decision.ASSIGNMENT, lists: Lists | None = None) -> Cells:
    reader, lists = Reader(lang, MOSCOW), lists or Lists()
    return Cells(
        decision,
        reader,
        Speaker(decision, lang, lists, MOSCOW),
        Conditions(decision, lang, reader, lists),
        Actions(decision, lang, reader, lists),
    )


@pytest.mark.parametrize(
    ("field", "text", "op", "value"),
    [
        ("request.amount", "не менее 100 000", "ge", "100000"),
        ("request.amount", "≥ 100000", "ge", "100000"),
        ("request.amount", ">=100 000,50 ₽", "ge", "100000.5"),
        ("request.amount", "at most 99.50", "le", "99.5"),
        ("request.amount", "от 10 до 20", "between", ["10", "20"]),
        ("request.amount", "10–20", "between", ["10", "20"]),
        ("request.amount", "from 10 up to 20 (not included)", "between", ["10", "20"]),
        ("request.amount", "150000", "is", "150000"),
        ("request.amount", "больше, чем «ожидаемая сумма заявки»", "gt", {"field": "request.expected_value"}),
        ("request.region", "Казахстан; Россия", "in", ["Казахстан", "Россия"]),
        ("request.region", "Казахстан, Россия или Беларусь", "in", ["Казахстан", "Россия", "Беларусь"]),
        ("request.region", "не Казахстан", "is_not", "Казахстан"),
        ("request.region", "кроме: Казахстан; Россия", "not_in", ["Казахстан", "Россия"]),
        ("request.region", "≠ Казахстан", "is_not", "Казахстан"),
        ("request.region", "«не Казахстан»", "is", "не Казахстан"),
        ("request.region", "содержит «обл»", "contains", "обл"),
        ("request.region", "пусто", "is_empty", None),
        ("request.region", "Заполнено", "is_filled", None),
        ("request.channel", "Телефон", "is", "phone"),
        ("request.channel", "phone or chat", "in", ["phone", "chat"]),
        ("request.service", "Хостинг; VPS", "in", ["Хостинг", "VPS"]),
        ("request.service", "«Хостинг; VPS»", "is", "hosting"),
        ("request.language", "Английский", "is", "en"),
        ("request.language", "English; Kazakh", "in", ["en", "kk"]),
        ("request.language", "эсперанто", "is", "эсперанто"),
        ("client.owner", "анна  орлова", "is", "anna"),
        ("client.owner", "указан", "is_filled", None),
        ("client.is_old", "да", "is", True),
        ("client.is_old", "не старый", "is", False),
        ("request.tags", "vip", "has_any", ["vip"]),
        ("request.tags", "все из: vip; опт", "has_all", ["vip", "опт"]),
        ("client.days_since_last_contact", "меньше 21 дн.", "lt", 21),
        ("client.asked_to_call_on", "05.10.2026 – 07.10.2026", "between", ["2026-10-05", "2026-10-08"]),
        ("now.weekday", "суббота или воскресенье", "in", ["sat", "sun"]),
    ],
)
def test_a_cell_is_read_in_the_words_of_people(lang: str, field: str, text: str, op: str, value: object) -> None:
    wanted = {"field": field, "op": op} | ({} if value is None else {"value": value})
    assert cells_of(lang).read_condition(field, text) == wanted


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [
        ("request.amount", "много", "150 000"),
        ("request.amount", "до 20", "«не более»"),
        ("request.amount", "не менее", "Не хватает значения"),
        ("request.amount", "содержит 5", "«содержит» здесь не подходит"),
        ("request.amount", "больше 5; 6", "одно значение"),
        ("request.channel", "телифон", "«телефон»"),
        ("client.owner", "Пётр", "Анна Орлова"),
        ("client.owner", "Иванова", "Здесь нет «Иванова»"),
        ("client.is_old", "иногда", "«старый»"),
        ("client.asked_to_call_on", "13/45/2026", "дата"),
    ],
)
def test_a_cell_that_cannot_be_read_says_why(lang: str, field: str, text: str, said: str) -> None:
    with pytest.raises(CellRefused) as refused:
        cells_of(lang).read_condition(field, text)
    if lang == "ru":
        assert said in str(refused.value)
    else:
        assert str(refused.value).isascii() or "“" in str(refused.value)


@pytest.mark.parametrize(
    ("action", "param", "text", "value"),
    [
        ("assign", "to", "Ключевые", {"pool": "team", "team": "keys"}),
        ("assign", "to", "отдел «Ключевые»", {"pool": "team", "team": "keys"}),
        ("assign", "to", "the owner", {"pool": "owner"}),
        ("assign", "to", "закреплённый менеджер, иначе дежурный", [{"pool": "owner"}, {"pool": "duty"}]),
        ("assign", "to", "замещающий → Анна Орлова", [{"pool": "cover"}, {"pool": "manager", "login": "anna"}]),
        ("assign", "answer_within", "15", 15),
        ("assign", "answer_within", "1 ч 30 мин", 90),
        ("assign", "answer_within", "30 рабочих мин", 30),
        ("assign", "strategy", "по очереди", "round_robin"),
        ("assign", "except", "закреплённый менеджер", ["owner"]),
        ("leave_unassigned", "reason", "«решит руководитель»", "решит руководитель"),
        ("notify", "whom", "Борис", "boris"),
    ],
)
def test_a_parameter_is_read_in_the_words_of_people(
    lang: str, action: str, param: str, text: str, value: object
) -> None:
    assert cells_of(lang).read_parameter(action, param, text) == value


def test_an_answer_time_in_words_only_is_refused(lang: str) -> None:
    with pytest.raises(CellRefused):
        cells_of(lang).read_parameter("assign", "answer_within", "быстро")


def meant(node: dict[str, Any], decision: Decision = Decision.ESCALATION) -> object:
    report = Report()
    group = ConditionReader(report, decision, "").group({"all": [node]}, "")
    assert report.problems == [] and group
    return group.items[0]


@given(node=conditions())
def test_what_a_cell_says_is_read_as_the_same_condition(lang: str, node: dict[str, Any]) -> None:
    cells = cells_of(lang, Decision.ESCALATION)
    text = cells.condition(node)
    if text is None:
        # Texts that cannot stand between quotation marks or on one line have no cell, nor have names that are gone.
        gone = FIELDS[node["field"]].reference in (ReferenceKind.MANAGER, ReferenceKind.TEAM)
        endless = "4611686018427387903" in str(node["value"])
        assert gone or endless or any(sign in str(node["value"]) for sign in ('"', "\u2028", "\\u2028", "  "))
        return
    back = rows_of(text_of([["x", text]]))[0][1]
    assert meant(cells.read_condition(node["field"], back)) == meant(node)


def tabled(body: dict[str, Any], cells: Cells) -> tuple[list[Column], list[list[str]]]:
    """Return a ruleset's columns and rows as they come back from a spreadsheet."""
    decision = Decision(body["decision"])
    laid = [lay_out(one, decision, cells) for one in body["rules"]]
    columns = columns_of(laid, decision, whole=True)
    head = [heading(column, decision, cells.lang) for column in columns]
    rows = rows_of(text_of([head, *([one.texts.get(column, "") for column in columns] for one in laid)]))
    read = [read_heading(text, decision).column for text in rows[0]]
    assert read == list(columns)
    return list(columns), rows[1:]


@settings(max_examples=25)
@given(body=rulesets(3), data=st.data())
def test_a_table_that_comes_back_untouched_changes_nothing(
    lang: str, body: dict[str, Any], data: st.DataObject
) -> None:
    cells = cells_of(lang, Decision.ESCALATION)
    columns, rows = tabled(body, cells)
    order = data.draw(st.permutations(range(len(rows))))
    lines = read_lines(body, columns, [rows[place] for place in order], cells, new_id=new_id)
    assert [(line.kind, line.rule, dict(line.problems)) for line in lines] == [
        (LineKind.UNCHANGED, f"r{place}", {}) for place in order
    ]
    assert lines_edit(lines)(body) == body


@settings(max_examples=40)
@given(nodes=st.lists(st.lists(conditions(), max_size=4, unique_by=lambda one: one["field"]), min_size=1, max_size=4))
def test_rules_that_fit_come_into_another_draft_as_they_were(lang: str, nodes: list[list[dict[str, Any]]]) -> None:
    cells = cells_of(lang, Decision.ESCALATION)
    rules = [
        rule(f"r{number}", {"all": own} if own else None, {"action": "remind", "text": f"текст {number}"})
        for number, own in enumerate(nodes)
    ]
    fitting = [one for one in rules if not lay_out(one, Decision.ESCALATION, cells).more_when]
    body = {"decision": "escalation", "hit_policy": "collect", "rules": fitting}
    if not fitting:
        return
    columns, rows = tabled(body, cells)
    empty = {**body, "rules": []}
    lines = read_lines(empty, columns, rows, cells, new_id=new_id)
    after = lines_edit(lines)(empty)["rules"]
    assert [dict(line.problems) for line in lines] == [{}] * len(fitting)
    assert [one["then"] for one in after] == [one["then"] for one in fitting]
    for made, was in zip(after, fitting, strict=True):
        both = [sorted(map(_canonical, one.get("when", {}).get("all", []))) for one in (made, was)]
        assert both[0] == both[1]


def _canonical(node: dict[str, Any]) -> str:
    found = meant(node)
    value = sorted(found.value) if isinstance(found.value, frozenset) else found.value
    return f"{found.field} {found.op} {value}"


@pytest.mark.parametrize("decision", ["assignment", "escalation", "callbacks", "bonus"])
def test_the_shipped_rules_come_back_as_they_left(lang: str, decision: str) -> None:
    body = json.loads((ROOT / f"rulesets/{decision}.json").read_text(encoding="utf-8"))
    cells = cells_of(lang, Decision(decision))
    columns, rows = tabled(body, cells)
    assert [line.kind for line in read_lines(body, columns, rows, cells, new_id=new_id)] == [LineKind.UNCHANGED] * len(
        rows
    )


def test_the_shipped_rules_say_no_code_before_the_company_has_what_they_name(lang: str) -> None:
    body = json.loads((ROOT / "rulesets/assignment.json").read_text(encoding="utf-8"))
    cells = cells_of(lang, lists=NewCompany())
    said = {text for one in body["rules"] for text in lay_out(one, Decision.ASSIGNMENT, cells).texts.values()}
    columns, rows = tabled(body, cells)

    assert not said & {"en", "team:key", "skill:english"}
    assert {"отдел «Ключевые»", "team “Key accounts”"} & said
    assert {"английский", "English"} & said
    kinds = [line.kind for line in read_lines(body, columns, rows, cells, new_id=new_id)]
    assert set(kinds) == {LineKind.UNCHANGED}


def test_what_only_the_shipped_rules_name_is_not_lent_to_a_new_row(lang: str) -> None:
    with pytest.raises(CellRefused):
        cells_of(lang, lists=NewCompany()).read_parameter("assign", "to", "отдел «Ключевые»")


class TestRows:
    def body(self) -> dict[str, Any]:
        large = rule("large", condition("request.amount", "ge", "150000"), {"action": "assign", "to": {"pool": "duty"}})
        large["title"] = {"ru": "Крупные", "en": "Large"}
        return assignment_rules(large)

    def read(self, lang: str, *rows: list[str]) -> list[Any]:
        head, *rest = rows
        columns = [read_heading(text, Decision.ASSIGNMENT).column for text in head]
        return read_lines(self.body(), columns, rest, cells_of(lang), new_id=new_id)

    def test_a_row_of_a_known_name_changes_what_its_columns_say_and_nothing_else(self, lang: str) -> None:
        name = "Крупные" if lang == "ru" else "LARGE"
        (line,) = self.read(lang, ["Название", "Сумма", "Срок ответа"], [name, "≥ 200 000", ""])
        assert line.kind is LineKind.CHANGED
        assert line.node["when"]["all"] == [condition("request.amount", "ge", "200000")]
        assert line.node["then"] == self.body()["rules"][0]["then"]

    def test_another_answer_time_leaves_the_rest_of_the_action(self, lang: str) -> None:
        body = self.body()
        whole = {**body["rules"][0]["then"][0], "among": {"all": [condition("candidate.open_requests", "lt", 5)]}}
        body["rules"][0]["then"] = [{**whole, "answer_within": 30}]
        columns = [Column(Part.NAME), Column(Part.ACTION, "assign", "answer_within")]
        cells = cells_of(lang)
        name = cells.title(body["rules"][0])
        for text, left in (("45", {"answer_within": 45}), ("", {})):
            (line,) = read_lines(body, columns, [[name, text]], cells, new_id=new_id)
            assert (line.kind, line.node["then"]) == (LineKind.CHANGED, [{**whole, **left}])

    def test_an_emptied_cell_takes_its_condition_away_and_the_rule_does_not_begin_to_match_everything(
        self, lang: str
    ) -> None:
        name = "Крупные" if lang == "ru" else "Large"
        (line,) = self.read(lang, ["Название", "Сумма"], [name, ""])
        assert line.node["when"] == {"all": []}

    def test_a_bad_cell_leaves_the_others(self, lang: str) -> None:
        (line,) = self.read(lang, ["Name", "Amount", "Region", "Кому"], ["Новое", "много", "Казахстан", "Ключевые"])
        assert (line.kind, list(line.problems)) == (LineKind.NEW, [1])
        assert line.node["when"]["all"] == [condition("request.region", "is", "Казахстан")]
        assert line.node["then"] == [{"action": "assign", "to": {"pool": "team", "team": "keys"}}]
        assert line.node["id"] == "novoe"

    def test_two_rows_of_one_name_do_not_share_a_rule(self, lang: str) -> None:
        first, second = self.read(lang, ["Name", "Region", "To whom"], ["Да", "Омск", "duty"], ["Да", "Тула", "duty"])
        assert (first.kind, first.rule, second.rule) == (LineKind.NEW, "da", "da-2")

    def test_a_row_without_a_name_is_named_by_its_conditions(self, lang: str) -> None:
        (line,) = self.read(lang, ["Region", "To whom"], ["Омск", "duty"])
        assert "Омск" in line.node["title"][lang]

    def test_otherwise_changes_its_actions_and_takes_no_conditions(self, lang: str) -> None:
        name = "Остальные" if lang == "ru" else "Otherwise"
        (line,) = self.read(lang, ["Name", "Region", "Answer within"], [name, "Омск", "45"])
        assert list(line.problems) == [1]
        assert line.node["then"][0]["answer_within"] == 45

    def test_what_fits_no_table_is_kept_and_refuses_other_words(self, lang: str) -> None:
        body = self.body()
        body["rules"][0]["when"]["all"].append({"any": [condition("request.region", "is", "Омск")]})
        cells = cells_of(lang)
        name = cells.title(body["rules"][0])
        columns = [Column(Part.NAME), Column(Part.MORE_WHEN)]
        (line,) = read_lines(body, columns, [[name, "совсем другое"]], cells, new_id=new_id)
        assert (line.kind, list(line.problems)) == (LineKind.UNCHANGED, [1])


class Sends(Lists):
    """A company whose programs send the word for a language, not its code."""

    def written(self, key: str) -> tuple[str, ...]:
        return ("английский", "kk") if key == "request.language" else ()


class TestLanguages:
    def conditions(self, lang: str, lists: Lists) -> Conditions:
        return Conditions(Decision.ASSIGNMENT, lang, Reader(lang, MOSCOW), lists)

    def test_a_form_shows_a_word_and_takes_it(self, lang: str) -> None:
        conditions = self.conditions(lang, Lists())
        node = condition("request.language", "is", "en")
        typed = conditions.typed(node)
        (shown,) = conditions.form(typed, candidates=False).widget.values

        assert shown == ("английский" if lang == "ru" else "English")
        assert conditions.read(replace(typed, values=(shown,))) == (node, {})

    def test_boxes_are_labelled_with_words(self, lang: str) -> None:
        conditions = self.conditions(lang, Sends())
        widget = conditions.form(Typed("request.language", "in", ("kk", "en")), candidates=False).widget

        assert [one.value for one in widget.options] == ["английский", "kk"]
        assert widget.options[1].label == ("казахский" if lang == "ru" else "Kazakh")
        assert widget.values == ("английский" if lang == "ru" else "English",)

    def test_a_word_that_programs_send_is_taken_as_it_stands(self, lang: str) -> None:
        node, _errors = self.conditions(lang, Sends()).read(Typed("request.language", "is", ("английский",)))
        assert node["value"] == "английский"
        cells = cells_of(lang, lists=Sends())
        assert cells.read_condition("request.language", "английский")["value"] == "английский"
