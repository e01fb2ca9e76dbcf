"""The page of the test cases: the failing first, coverage, the facts changed in a form, a new answer accepted."""

from rules_engine.services.trials import cases
from tests.admin.rule_editor.conftest import Editor, form_with

PAGE = "/rules/assignment/cases"


def test_what_fails_stands_first_with_links_to_its_rules(head: Editor) -> None:
    head.do("condition", "large", "/when/all/0", value="300 000")
    text = head.browser.get(PAGE).text
    assert "1 пример не сходится" in text
    assert "сейчас: Остальные" in text
    assert "/rules/assignment/draft?edit=large#rule-large" in text
    head.send(form_with(text, "accept-case"), "accept-case")
    assert head.body()["cases"][0]["expect"] == {"fired": ["otherwise"]}
    assert "Все примеры сходятся" in head.browser.get(PAGE).text


def test_what_fails_is_taken_over_together(head: Editor) -> None:
    head.open()
    form = form_with(head.browser.get(f"{PAGE}?edit=0").text, "case-facts")
    head.send(form, "case-facts", **{"v:request.amount": "1"})
    assert "accept-cases" not in head.browser.get(PAGE).text, "one alone has its own button"
    body = head.body()
    assert [one.passed for one in cases.judge(body)] == [False]
    twice = {**body, "cases": [*body["cases"], dict(body["cases"][0])]}
    taken = cases.expect_now(twice)
    assert [one.passed for one in cases.judge(taken)] == [True, True]
    assert twice["cases"][0]["expect"] == {"fired": ["large"]}


def test_coverage_names_the_rules_that_no_case_reaches(head: Editor) -> None:
    text = head.browser.get(PAGE).text
    assert "хотя бы один пример: 1 из 3" in text
    missed = text.partition("Ни один пример не доходит до правил:")[2].partition("</p>")[0]
    assert "Свой клиент" in missed and "Остальные" in missed and "Крупные" not in missed


def test_the_facts_of_a_case_are_changed_in_a_form(head: Editor) -> None:
    head.open()
    form = form_with(head.browser.get(f"{PAGE}?edit=0").text, "case-facts")
    head.send(form, "case-facts", **{"v:request.amount": "100 000", "v:client.owner": "boris"})
    assert head.body()["cases"][0]["facts"] == {"request.amount": "100000", "client.owner": "boris"}
    assert "сумма: 100\u00a0000\u00a0₽ · закреплённый менеджер: Борис" in head.browser.get(PAGE).text


def test_facts_that_cannot_be_read_come_back_with_the_reason(head: Editor) -> None:
    head.open()
    form = form_with(head.browser.get(f"{PAGE}?edit=0").text, "case-facts")
    answer = head.send(form, "case-facts", **{"v:request.amount": "сто"})
    assert answer.status_code == 422
    assert 'value="сто"' in answer.text and "Нужна сумма" in answer.text
    assert head.body()["cases"][0]["facts"] == {"request.amount": "200000"}


def test_a_case_gets_another_name_and_never_none(head: Editor) -> None:
    head.open()
    form = form_with(head.browser.get(f"{PAGE}?edit=0").text, "rename-case")
    refused = head.send(form, "rename-case", title=" ")
    assert refused.status_code == 422
    assert "Примеру нужно название" in refused.text
    head.send(form, "rename-case", title="Две сотни")
    assert head.body()["cases"][0]["title"] == {"ru": "Две сотни", "en": "крупная"}


def test_a_case_is_removed(head: Editor) -> None:
    head.open()
    head.send(form_with(head.browser.get(PAGE).text, "remove-case"), "remove-case")
    assert head.body()["cases"] == []
    assert "Контрольных примеров пока нет" in head.browser.get(PAGE).text


def test_a_case_is_not_changed_where_somebody_else_was_faster(head: Editor) -> None:
    head.open()
    form = form_with(head.browser.get(f"{PAGE}?edit=0").text, "case-facts")
    head.do("switch-off", "own")
    answer = head.send(form, "case-facts", **{"v:request.amount": "777 000"})
    assert answer.status_code == 409
    assert "ваше изменение не сохранено" in answer.text and 'value="777 000"' in answer.text
    assert head.body()["cases"][0]["facts"] == {"request.amount": "200000"}
