"""What is not filled in yet is said quietly; what is wrong, or said to be finished and is not, is said in red."""

import re
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from tests.admin.rule_editor.conftest import Editor, form_with, two_rules
from tests.admin.rule_editor.test_live import open_form, typed

AMOUNT = "/when/all/0"
NEW = "novoe-pravilo"


@pytest.fixture
def added(head: Editor) -> Editor:
    """A draft to which a rule has just been added."""
    head.send(form_with(head.open(), "add-rule"), "add-rule")
    return head


def card(text: str, rule: str) -> str:
    return text.partition(f'id="rule-{rule}"')[2].partition('<li class="card rule')[0]


def said_of(text: str) -> str:
    return text.partition('<p id="said"')[2].partition(">")[2].partition("</p>")[0]


def test_a_rule_just_added_is_to_be_filled_in_and_not_wrong(added: Editor) -> None:
    page = added.open(edit=NEW, at=AMOUNT)
    assert "aria-invalid" not in page and "finding bad" not in page and "troubled" not in page
    # By ear the input says what is to be done with it.
    assert 'aria-describedby="e-field"' in page
    assert '<span class="todo" id="e-field">Условие не закончено: выберите поле.</span>' in page
    assert "note bad" not in page.partition('id="blocks"')[2].partition('id="findings-sum"')[0]
    assert "До публикации осталось заполнить 2 места" in page
    closed = card(added.open(), NEW)
    assert "Осталось заполнить." in closed and ">Заполнить</a>" in closed


def test_it_blocks_approval_where_everything_missing_is_said_in_red(added: Editor) -> None:
    page = added.browser.get("/rules/assignment/approval").text
    assert "2 помехи утверждению" in page and 'id="send"' not in page
    href = page.partition("2 помехи утверждению")[2].partition('href="')[2].partition('"')[0].replace("&amp;", "&")
    assert "checked=1" in href
    shown = added.browser.get(href.partition("#")[0]).text
    assert (
        'aria-invalid="true" aria-describedby="e-field"' in shown and "1 помеха" not in shown.partition("2 помехи")[0]
    )


def test_who_says_that_he_is_done_is_told_what_is_missing(added: Editor) -> None:
    answer = added.do("condition", NEW, AMOUNT, field="request.amount", op="ge", value="")
    page = added.browser.get(answer.location).text
    assert 'aria-invalid="true" aria-describedby="e-value"' in page
    assert '<span class="problem" id="e-value">Условие не закончено: укажите значение.</span>' in page
    assert "finding bad" not in card(page, NEW).partition('id="open-form"')[0]
    assert said_of(page) == "", "the input that gets the focus says it"


def test_a_missing_parameter_of_an_action_is_said_beside_its_input(added: Editor) -> None:
    page = added.open(edit=NEW, at="/then/0")
    assert "aria-invalid" not in page
    assert '<span class="todo" id="e-to">Не заполнено: кому.</span>' in page
    # A group is hardly ever described aloud: its first input is.
    assert re.search(r'id="a-to-1"[^>]* aria-describedby="e-to"', page)


def test_a_wrong_value_is_red_at_once(head: Editor, sessions: sessionmaker[Session]) -> None:
    _store(head, sessions, {"field": "request.amount", "op": "ge", "value": "много"})
    page = head.open()
    assert "troubled" in page and "finding bad" in page and "1 помеха публикации" in page


def test_what_was_wrong_before_is_not_said_beside_what_is_typed_in_its_place(
    head: Editor, sessions: sessionmaker[Session]
) -> None:
    _store(head, sessions, {"field": "request.amount", "op": "contains", "value": "5"})
    assert 'id="e-op"' in head.open(edit="large", at=AMOUNT)
    answer = typed(head, "large", AMOUNT, op="ge", value="много")
    assert 'id="e-value"' in answer.text and 'id="e-op"' not in answer.text
    table = head.browser.post(
        f"{head.path}/draft/table/change",
        form_of_cell(head, "/when/all/0") | {"do": "refresh", "op": "ge", "value": "5"},
    )
    assert table.status_code == 200 and 'id="e-op"' not in table.text


def form_of_cell(head: Editor, at: str) -> dict[str, Any]:
    page = head.browser.get(f"{head.path}/draft/table?rule=large&at={at}&column=field:request.amount").text
    return dict(form_with(page, "condition", "large").fields)


class TestAnnounced:
    """What is said when a change was saved while somebody types."""

    def test_the_new_value_with_what_it_is_the_value_of(self, head: Editor) -> None:
        text = typed(head, "large", AMOUNT, value="170 000").text
        assert said_of(text) == "Сохранено: сумма: не менее 170\u00a0000\u00a0₽."

    def test_of_an_action_only_what_was_changed(self, head: Editor) -> None:
        text = typed(head, "large", "/then/0", "action", answer_within="20").text
        assert said_of(text) == "Сохранено: срок ответа: 20\u00a0мин."

    def test_nothing_is_called_saved_while_something_is_missing(self, head: Editor) -> None:
        assert said_of(typed(head, "large", AMOUNT, value="").text) == "Условие не закончено: укажите значение."
        # A form that is made anew says what it still needs at the input where one goes on.
        assert said_of(typed(head, "large", AMOUNT, field="request.channel").text) == ""

    def test_what_was_removed_is_named(self, head: Editor) -> None:
        answer = head.do("remove", "large", AMOUNT)
        assert said_of(head.browser.get(answer.location).text) == "Условие убрано."
        answer = head.do("remove", "own", "/then/0")
        assert said_of(head.browser.get(answer.location).text) == "Действие убрано."

    def test_a_value_that_is_not_taken_is_said_by_its_input_alone(self, head: Editor) -> None:
        assert open_form(head, "large", AMOUNT, "condition")
        assert said_of(typed(head, "large", AMOUNT, value="много").text) == ""


def _store(head: Editor, sessions: sessionmaker[Session], condition: dict[str, Any]) -> None:
    """Put a condition into the draft as an import would."""
    head.open()
    draft = head.draft()
    assert draft is not None
    body = two_rules()
    body["rules"][1]["when"]["all"][0] = condition
    with db.transaction(sessions) as session:
        session.merge(draft).body = body
