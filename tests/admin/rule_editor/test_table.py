"""The table of rules: cell by cell, out as a file, and in from a spreadsheet with a preview."""

import re
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from openpyxl import load_workbook
from werkzeug.test import TestResponse

from tests.admin.rule_editor.conftest import LARGE, OWN, Editor, two_rules
from tests.factories import condition

TABLE = "/rules/assignment/draft/table"
PASTE = "/rules/assignment/draft/paste"


def grid(text: str) -> dict[str, str]:
    """Return the texts of the cells by the rule and the column that they belong to."""
    found = re.findall(r'data-cell="([^"]+)"[^>]*>(.*?)</(?:a|span|button)>', text, re.DOTALL)
    return {cell: re.sub(r"<[^>]+>|\s+", " ", inner).strip() for cell, inner in found}


def change(head: Editor, **values: Any) -> TestResponse:
    draft = head.draft()
    assert draft is not None
    data = {"revision": str(draft.revision), "column": values.get("at", "").removeprefix("add:"), **values}
    return head.browser.post(f"{TABLE}/change", data)


def paste(head: Editor, *rows: str, do: str = "check", **values: str) -> TestResponse:
    head.open()
    draft = head.draft()
    assert draft is not None
    return head.browser.post(PASTE, {"revision": str(draft.revision), "text": "\n".join(rows), "do": do, **values})


class TestCells:
    def test_rules_are_rows_and_fields_are_columns(self, head: Editor) -> None:
        head.open()
        cells = grid(head.browser.get(TABLE).text)
        assert cells["large field:request.amount"] == "не менее 150 000 ₽"
        assert cells["own field:client.owner"] == "указан"
        assert cells["own field:request.amount"] == "+"
        assert cells["large action:assign:to"] == "отдел «Ключевые»"
        assert cells["own more_then"] == "заявок без ответа у него: меньше 10"
        assert cells["otherwise action:assign:answer_within"] == "30 мин"

    def test_what_is_in_force_is_read_as_a_table_by_an_auditor(self, editor: Callable[[str], Editor]) -> None:
        page = editor("zhanna").browser.get("/rules/assignment/table")
        assert page.status_code == 200
        assert "не менее 150 000 ₽" in page.text and 'href="/rules/assignment/draft/table?' not in page.text

    def test_a_cell_opens_its_typed_form_and_saves(self, head: Editor) -> None:
        head.open()
        query = {"rule": "large", "at": "/when/all/0", "column": "field:request.amount"}
        page = head.browser.get(TABLE, query_string=query).text
        assert 'id="open-form"' in page and re.search(r'value="150.000"', page)
        same = {"field": "request.amount", "op": "ge"}
        answer = change(head, rule="large", at="/when/all/0", do="condition", value="200 000", **same)
        assert answer.status_code == 303 and answer.location.startswith(TABLE)
        assert head.body()["rules"][1]["when"]["all"] == [condition("request.amount", "ge", "200000")]

    def test_what_cannot_be_read_stays_in_the_form(self, head: Editor) -> None:
        head.open()
        same = {"field": "request.amount", "op": "ge"}
        answer = change(head, rule="large", at="/when/all/0", do="condition", value="много", **same)
        assert answer.status_code == 422
        assert 'value="много"' in answer.text and 'aria-invalid="true"' in answer.text
        assert head.body() == two_rules()

    def test_an_empty_cell_adds_a_condition_of_its_field_only_when_it_is_whole(self, head: Editor) -> None:
        head.open()
        at = {"rule": "large", "at": "add:field:client.owner"}
        assert 'id="open-form"' in head.browser.get(TABLE, query_string=at).text
        unfinished = change(head, **at, do="condition", field="client.owner", op="is", value="")
        assert unfinished.status_code == 422 and "Не хватает значения." in unfinished.text
        assert head.body() == two_rules()
        change(head, **at, do="condition", field="client.owner", op="is", value="anna")
        assert head.body()["rules"][1]["when"]["all"][1] == condition("client.owner", "is", "anna")

    def test_an_action_changes_in_its_cell_and_keeps_who_may_get_it(self, head: Editor) -> None:
        head.open()
        sent = {"action": "assign", "to": "owner", "answer_within": "45"}
        change(head, rule="own", at="/then/0", do="action", **sent)
        assert head.body()["rules"][0]["then"] == [{**OWN, "answer_within": 45}]

    def test_a_rule_is_switched_off_in_its_cell(self, head: Editor) -> None:
        head.open()
        change(head, rule="large", do="switch", enabled="no")
        assert head.body()["rules"][1]["enabled"] is False

    def test_somebody_elses_change_of_the_rule_is_not_overwritten(self, head: Editor) -> None:
        head.open()
        first = {"rule": "large", "at": "/when/all/0", "do": "condition", "field": "request.amount", "op": "ge"}
        change(head, **first, value="200 000")
        late = change(head, **first, value="300 000", revision="1", subject="large", seen="0" * 16)
        assert late.status_code == 409 and 'value="300 000"' in late.text
        assert head.body()["rules"][1]["when"]["all"][0]["value"] == "200000"

    @pytest.mark.parametrize("at", ["/when", "/when/all/0", "/then/0/among", "/then/7"])
    def test_an_action_is_looked_for_among_actions_only(self, head: Editor, at: str) -> None:
        head.open()
        data = {"rule": "own", "at": at, "action": "assign", "revision": "1"}
        assert head.browser.post("/rules/assignment/draft/table/change", data).status_code == 404

    def test_a_column_of_another_field_can_be_asked_for(self, head: Editor) -> None:
        head.open()
        page = head.browser.get(TABLE, query_string={"with": "request.city"}).text
        assert grid(page)["large field:request.city"] == "+"


class TestFiles:
    def test_the_table_leaves_as_a_file_that_no_spreadsheet_takes_for_formulas(self, head: Editor) -> None:
        paste(head, "Название\tГород\tКому", "=СУММ(1;2)\tОмск\tдежурный", do="add")
        text = head.browser.get(f"{TABLE}.csv").get_data(as_text=True)
        assert text.startswith("\ufeffНазвание;Включено;Город;")
        assert '\n"\'=СУММ(1;2)";да;Омск;' in text.replace("\r", "")
        sheet = load_workbook(BytesIO(head.browser.client.get(f"{TABLE}.xlsx").data)).active
        assert sheet is not None
        assert [cell.value for cell in sheet[1]][:2] == ["Название", "Включено"]
        assert head.browser.get(f"{TABLE}.pdf").status_code == 404

    def test_the_file_comes_back_as_the_same_rules(self, head: Editor) -> None:
        head.open()
        text = head.browser.get(f"{TABLE}.csv").get_data(as_text=True)
        page = paste(head, text).text
        assert "3 без изменений" in page and "Добавить" not in page


class TestPaste:
    HEAD = "Название\tСумма\tКанал\tКому\tСрок ответа"

    def test_nothing_is_written_before_the_sentences_are_seen(self, head: Editor) -> None:
        page = paste(head, self.HEAD, "Срочные\t≥ 500 000\tтелефон\tКлючевые\t10").text
        assert "1 новое" in page and "Добавить 1 правило" in page
        assert "не менее 500\u00a0000\u00a0₽" in page
        assert head.body() == two_rules()

    def test_rows_come_in_as_one_edit(self, head: Editor) -> None:
        answer = paste(
            head, self.HEAD, "Срочные\t≥ 500 000\tтелефон\tКлючевые\t10", "КРУПНЫЕ\t200000\t\tКлючевые\t15", do="add"
        )
        assert answer.status_code == 303
        own, large, urgent = head.body()["rules"]
        assert own == two_rules()["rules"][0]
        assert large["when"]["all"] == [condition("request.amount", "is", "200000")]
        assert large["then"] == [LARGE]
        assert urgent["title"] == {"ru": "Срочные"} and urgent["enabled"] is True
        assert urgent["then"] == [{"action": "assign", "to": {"pool": "team", "team": "others"}, "answer_within": 10}]
        draft = head.draft()
        assert draft is not None and draft.revision == 2
        head.browser.post("/rules/assignment/draft/undo", {"revision": "2"})
        assert head.body() == two_rules()

    def test_three_bad_cells_are_marked_in_place_mended_there_and_nothing_is_lost(self, head: Editor) -> None:
        rows = (
            self.HEAD,
            "Первое\tмного\tтелефон\tКлючевые\t10",
            "Второе\t≥ 100\tголубь\tНикто\t15",
            "Третье\t≥ 300\tчат\tКлючевые\t20",
        )
        page = paste(head, *rows).text
        assert "3 клетки не прочитаны" in page and "Добавить 1 правило" in page
        for name, value in (("fix-0-1", "много"), ("fix-1-2", "голубь"), ("fix-1-3", "Никто")):
            assert re.search(rf'name="{name}" value="{value}"[^>]*aria-invalid="true"', page), name
        assert "Нужна сумма, например 150 000 или 99,50." in page
        assert "Здесь нет «голубь». Есть: телефон, чат" in page

        # What can be read comes in; what cannot stays in the form, as it was typed.
        page = paste(head, *rows, do="add").text
        assert [rule["id"] for rule in head.body()["rules"]] == ["own", "large", "trete"]
        assert 'value="много"' in page and 'value="голубь"' in page and "Третье" not in page

        mended = {"fix-0-1": "≥ 50", "fix-1-2": "чат", "fix-1-3": "дежурный"}
        assert paste(head, *rows[:3], do="add", **mended).status_code == 303
        first, second = head.body()["rules"][3:]
        assert first["when"]["all"][0] == condition("request.amount", "ge", "50")
        assert second["then"][0]["to"] == {"pool": "duty"}

    def test_what_the_checker_refuses_is_said_at_its_cell(self, head: Editor) -> None:
        page = paste(head, self.HEAD, "Наоборот\tот 20 до 10\tчат\tдежурный\t10").text
        assert re.search(r'name="fix-0-1" value="от 20 до 10"', page)

    def test_a_rule_that_lacks_something_comes_in_unfinished_and_says_so(self, head: Editor) -> None:
        page = paste(head, "Название\tСумма", "Без действия\t≥ 5").text
        assert "добавьте действие." in page and "Добавить 1 правило" in page

    def test_an_unknown_heading_is_chosen_from_a_list(self, head: Editor) -> None:
        rows = ("Название\tДеньги\tКому", "Новое\t≥ 5\tдежурный")
        page = paste(head, *rows).text
        assert "1 заголовок не понят" in page and 'name="map-1"' in page
        page = paste(head, *rows, **{"map-1": "field:request.amount"}).text
        assert "не менее 5\u00a0₽" in page and 'name="map-1"' not in page
        assert 'name="map-1"' in paste(head, *rows, **{"map-1": "field:request.nothing"}).text
        assert "заголовок" not in paste(head, *rows, **{"map-1": "none"}).text

    def test_a_draft_changed_meanwhile_is_looked_at_again(self, head: Editor) -> None:
        answer = paste(head, self.HEAD, "Новое\t≥ 5\tчат\tдежурный\t10", do="add", revision="7")
        assert answer.status_code == 409 and "Черновик тем временем изменили" in answer.text
        assert head.body() == two_rules()

    def test_no_rows_and_too_many_are_refused_in_words(self, head: Editor) -> None:
        assert "Вставьте строку заголовков" in paste(head, self.HEAD).text
        many = paste(head, "Название", *(f"п{number}" for number in range(600)))
        assert many.status_code == 422 and "строк не более 500" in many.text

    def test_a_note_comes_and_goes_in_the_language_of_its_reader(self, head: Editor) -> None:
        note = "Зачем это правило"
        paste(head, f"Название\t{note}", "Свой клиент\tКлиент ждёт.", do="add")
        head.browser.post("/locale", {"locale": "en", "next": ""})
        paste(head, "Name\tWhy this rule exists", "Own client\tThe client waits.", do="add")

        assert head.body()["rules"][0]["note"] == {"ru": "Клиент ждёт.", "en": "The client waits."}
        sheet = head.browser.get(f"{TABLE}.csv").get_data(as_text=True)
        assert "The client waits." in sheet and "Клиент ждёт." not in sheet

    def test_in_english_too(self, editor: Callable[[str], Editor]) -> None:
        head = editor("galina")
        head.browser.post("/locale", {"locale": "en", "next": ""})
        page = paste(head, "Name\tAmount\tTo whom", "Urgent\tat least 1,500.50\twhoever is on duty").text
        assert "1 new" in page and "at least 1,500.50\u00a0₽" in page
