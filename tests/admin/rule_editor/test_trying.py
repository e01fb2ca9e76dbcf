"""Trying rules beside them: found by number or name, both sides shown, why the others do not act, kept as a case."""

from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from rules_engine import db
from rules_engine.models import Request
from tests.admin.conftest import Browser
from tests.admin.rule_editor.conftest import OWN, Editor, Form, form_with
from tests.factories import (
    MONDAY,
    Cast,
    assignment_rules,
    condition,
    escalation_rules,
    make_client,
    make_request,
    make_version,
    rule,
)
from tests.services.test_trials import bonus_rules


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


def test_the_answer_takes_the_focus_only_of_who_asked_for_it(request_of_boris: Request, head: Editor) -> None:
    """Who types in a rule while its example is tried anew must not be torn away from what he types."""
    head.open(q="Ромашка")
    address = f"{head.path}/try?beside=draft"
    asked = head.browser.get(address, headers={"HX-Request": "true"}).text
    again = head.browser.get(address, headers={"HX-Request": "true", "X-Pravila-Unasked": "1"}).text
    assert "autofocus" in asked and 'role="status"' in asked
    assert "autofocus" not in again and "versus" in again and 'role="status"' not in again
    assert 'data-answer="Пример, в черновике: Борис; ' in again
    refresh = head.open().partition('hx-target="#try-result"')[0].rpartition("<div")[2]
    assert "draft-saved" in refresh
    assert head.open().partition('hx-target="#try-result"')[2].partition(">")[0].count("X-Pravila-Unasked") == 1


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


def values_form(text: str) -> Form:
    return form_with(text, "typed")


def sent(head: Editor, text: str, do: str = "typed", **values: str) -> TestResponse:
    """Send the form of typed values as a browser with htmx does."""
    form = values_form(text)
    data: dict[str, Any] = dict(form.fields) | {key.replace("__", "."): value for key, value in values.items()}
    return head.browser.client.post(
        form.action, data={**data, "csrf_token": head.browser.token, "do": do}, headers={"HX-Request": "true"}
    )


def test_values_are_changed_one_by_one_from_those_of_a_request(request_of_boris: Request, head: Editor) -> None:
    text = head.open(**{"try": f"request:{request_of_boris.id}", "typing": "yes"})
    assert 'value="80 000"' in text
    answer = sent(head, text, **{"v:client__owner": "", "v:request__amount": "200 000,50"})
    assert answer.status_code == 200
    assert answer.text.lstrip().startswith("<aside")
    assert "<b>Вера</b>" in answer.text
    assert "; нужно: указан" in answer.text
    assert answer.text.count("изменено</span>") == 2
    again = sent(head, head.open(), "reset")
    assert "<b>Борис</b>" in again.text


def test_typed_values_need_no_request_and_stay_on_the_next_pages(head: Editor) -> None:
    sent(head, head.open(typing="only"), **{"v:request__amount": "150000"})
    assert "<b>Вера</b>" in head.open()
    assert "<b>Вера</b>" in head.browser.get("/rules/assignment/").text
    assert "<b>Вера</b>" not in head.browser.get("/rules/escalation/").text


def test_a_value_that_cannot_be_read_stays_in_its_form_with_the_reason(head: Editor) -> None:
    answer = sent(head, head.open(typing="only"), **{"v:request__amount": "много"})
    assert answer.status_code == 422
    assert 'value="много"' in answer.text and "Нужна сумма" in answer.text


def test_picking_keeps_the_open_card(request_of_boris: Request, head: Editor) -> None:
    text = head.open(edit="large", at="/when/all/0", q="ромашка")
    assert "edit=large" in text.partition('id="try"')[2]
    answer = head.browser.get(f"/rules/assignment/try?beside=draft&edit=large&try={request_of_boris.id}")
    assert answer.location == "/rules/assignment/draft?edit=large#try"


def test_typed_values_are_kept_as_a_case_with_a_name_of_ones_own(head: Editor) -> None:
    sent(head, head.open(typing="only"), **{"v:request__amount": "150000"})
    form = form_with(head.open(), "add-case")
    assert ("title", "Сумма: 150 000 ₽") in [(name, value.replace("\u00a0", " ")) for name, value in form.fields]
    head.send(form, "add-case", title="Ровно порог")
    case = head.body()["cases"][1]
    assert case == {
        "title": {"ru": "Ровно порог"},
        "facts": case["facts"],
        "expect": {"fired": ["large"]},
    }
    assert case["facts"]["request.amount"] == "150000.00"


@pytest.mark.parametrize(("decision", "words"), [("escalation", "Ничего не происходит"), ("callbacks", "Звонка нет")])
def test_other_decisions_are_tried_too(
    request_of_boris: Request, head: Editor, rulesets: Cast, decision: str, words: str
) -> None:
    with db.transaction(head.sessions) as session:
        make_version(session, "callbacks", {**escalation_rules(), "decision": "callbacks"})
    subject = f"request:{request_of_boris.id}" if decision == "escalation" else f"client:{request_of_boris.client_id}"
    assert words in head.browser.get(f"/rules/{decision}/?try={subject}").text


def test_a_bonus_is_tried_on_typed_measures(head: Editor) -> None:
    with db.transaction(head.sessions) as session:
        make_version(session, "bonus", bonus_rules())
    text = head.browser.get("/rules/bonus/?typing=only").text
    answer = sent(head, text, **{"v:measure__revenue": "1 000 000"})
    assert "25\u00a0000,00\u00a0₽" in answer.text
    assert "выполнение плана по новым: плана нет; нужно: не менее 100\u00a0%" in answer.text


def test_without_scripts_a_refused_form_is_a_page_of_its_own_and_a_good_one_goes_back(head: Editor) -> None:
    form = values_form(head.open(typing="only"))
    refused = head.send(form, "typed", **{"v:request.amount": "много"})
    assert refused.status_code == 422
    assert "<!doctype html>" in refused.text and 'value="много"' in refused.text
    taken = head.send(form, "typed", **{"v:request.amount": "1"})
    assert taken.location == "/rules/assignment/draft#try"


def test_more_than_a_cookie_bears_is_refused(head: Editor) -> None:
    body = assignment_rules(
        *(rule(f"r{key}", condition(f"request.{key}", "is", "a"), OWN) for key in ("text", "city", "region", "source"))
    )
    with db.transaction(head.sessions) as session:
        make_version(session, "assignment", body, holds_from=MONDAY)
    text = head.browser.get("/rules/assignment/?typing=only").text
    long = "ы" * 190
    answer = sent(head, text, **{"v:request__text": long, "v:request__city": long, "v:request__region": long})
    assert answer.status_code == 422
    assert "Все значения вместе слишком длинные" in answer.text


def test_texts_are_shown_as_the_request_has_them_and_as_they_are_typed(head: Editor) -> None:
    in_perm = rule("perm", condition("request.city", "is", "Пермь"), OWN)
    with db.transaction(head.sessions) as session:
        make_version(session, "assignment", assignment_rules(in_perm))
        row = make_request(session, city="Нижний Новгород")
    text = head.browser.get(f"/rules/assignment/?try=request:{row.id}&typing=yes").text
    assert "город: Нижний Новгород; нужно: Пермь" in text
    assert 'value="Нижний Новгород"' in text
    assert "город: Ростов-на-Дону; нужно: Пермь" in sent(head, text, **{"v:request__city": "Ростов-на-Дону"}).text
