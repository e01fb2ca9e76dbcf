"""Trying rules beside them: found by number or name, both sides shown, why the others do not act, kept as a case."""

from collections.abc import Callable

import pytest

from rules_engine import db
from rules_engine.models import Request
from tests.admin.conftest import Browser
from tests.admin.rule_editor.conftest import Editor, form_with
from tests.factories import Cast, make_client, make_request


@pytest.fixture
def request_of_boris(head: Editor, rulesets: Cast) -> Request:
    with db.transaction(head.sessions) as session:
        client = make_client(session, "ООО «Ромашка»", owner=rulesets.boris)
        return make_request(session, client=client, amount_minor=8_000_000)


def test_the_rules_in_force_are_tried_by_an_auditor(
    request_of_boris: Request, logged_in: Callable[[str], Browser]
) -> None:
    text = logged_in("zhanna").get("/rules/assignment/?q=ромашка").text
    assert "<b>Борис</b>" in text
    assert "сумма: 80\u00a0000\u00a0₽; нужно: не менее 150\u00a0000\u00a0₽" in text
    assert "add-case" not in text


def test_the_tried_request_stays_on_the_next_pages(request_of_boris: Request, head: Editor) -> None:
    head.browser.get(f"/rules/assignment/?try={request_of_boris.id}")
    assert "Действует сейчас" in head.browser.get("/rules/assignment/").text


def test_a_draft_that_gives_it_to_somebody_else_shows_both(request_of_boris: Request, head: Editor) -> None:
    head.do("condition", "large", "/when/all/0", value="50 000")
    head.send(form_with(head.open(), "up", "large"), "up")
    text = head.open(q=str(request_of_boris.id))
    assert "<b>Борис</b>" in text and "<b>Вера</b>" in text
    assert "тоже подходит, но решает более раннее правило" in text


def test_an_unfinished_rule_is_said_to_take_no_part(request_of_boris: Request, head: Editor) -> None:
    head.do("condition", "own", "/when/all/0", field="request.amount", op="ge", value="")
    assert "не закончено, не участвует" in head.open(q="Ромашка")


def test_the_answer_is_kept_as_a_test_case(request_of_boris: Request, head: Editor) -> None:
    form = form_with(head.open(q="ромашка"), "add-case")
    assert head.send(form, "add-case").location.endswith("/cases")
    case = head.body()["cases"][1]
    assert case["expect"] == {"fired": ["own"]}
    assert case["facts"] == {"client.owner": "boris", "request.amount": "80000.00"}
    page = head.browser.get("/rules/assignment/cases").text
    assert page.count("сходится</span>") == 2
    assert "закреплённый менеджер: Борис" in page


def test_several_requests_are_offered_to_choose_from(request_of_boris: Request, head: Editor) -> None:
    with db.transaction(head.sessions) as session:
        make_request(session, client_name="ИП Ромашка")
    text = head.open(q="ромашк")
    assert text.count("?try=") == 2
    assert "Ничего не найдено" in head.open(q="пион")
