"""While somebody works at the draft: saved as soon as it is complete, figures of the last month, findings and mends."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.models import AuditEntry, Team, User
from rules_engine.services.drafts import recent_facts
from rules_engine.services.drafts.editing import fingerprint
from rules_engine.services.requests.assignment import decide_and_assign
from tests.admin.rule_editor.conftest import LARGE, Editor, Form, Forms, form_with, two_rules
from tests.factories import MONDAY, Cast, assignment_rules, condition, make_request, make_version, rule

AMOUNT = "/when/all/0"


def rule_of(head: Editor, rule_id: str) -> dict[str, Any]:
    return next(rule for rule in head.body()["rules"] if rule["id"] == rule_id)


def _forms(text: str) -> list[Form]:
    reader = Forms()
    reader.feed(text)
    return reader.forms


def open_form(head: Editor, rule_id: str, at: str, do: str, **query: str) -> dict[str, Any]:
    """Return what the open form would send by itself."""
    form = form_with(head.open(edit=rule_id, at=at, **query), do, rule_id)
    fields: dict[str, Any] = {}
    for name, value in form.fields:
        fields.setdefault(name, []).append(value)
    return {**fields, "do": do, "auto": "1"}


def typed(head: Editor, rule_id: str, at: str, do: str = "condition", **values: Any) -> Any:
    data = open_form(head, rule_id, at, do) | values
    return head.browser.post(f"{head.path}/draft/change", data)


class TestSavedWhileTyping:
    def test_a_complete_condition_is_saved_and_only_what_it_touches_comes_back(self, head: Editor) -> None:
        answer = typed(head, "large", AMOUNT, value="180 000,50")
        assert answer.status_code == 200
        assert rule_of(head, "large")["when"]["all"] == [condition("request.amount", "ge", "180000.5")]
        assert "не менее 180\u00a0000,50\u00a0₽" in answer.text
        assert 'id="sentence-large" hx-swap-oob="true"' in answer.text
        assert "<html" not in answer.text and "sentence-own" not in answer.text and "open-form" not in answer.text

    def test_the_page_learns_what_there_is_now_so_that_the_next_change_is_no_conflict(self, head: Editor) -> None:
        data = open_form(head, "large", AMOUNT, "condition")
        for value in ("160 000", "170 000"):
            answer = head.browser.post(f"{head.path}/draft/change", data | {"value": value})
            assert answer.status_code == 200
            state = json.loads(answer.headers["HX-Trigger"])["draft-saved"]
            data |= {"revision": state["revision"], "seen": state["seen"]}
        assert rule_of(head, "large")["when"]["all"] == [condition("request.amount", "ge", "170000")]

    def test_a_page_that_has_not_seen_another_rule_change_cannot_remove_it(
        self, editor: Callable[[str], Editor]
    ) -> None:
        galina, denis = editor("galina"), editor("denis")
        data = open_form(galina, "large", AMOUNT, "condition")
        seen = fingerprint(galina.body(), "own")
        denis.do("action", "own", "/then/0", answer_within="20")
        answer = galina.browser.post(f"{galina.path}/draft/change", data | {"value": "160 000"})
        state = json.loads(answer.headers["HX-Trigger"])["draft-saved"]
        assert (answer.status_code, state["order"]) == (200, "")
        remove = {"do": "remove-rule", "rule": "own", "subject": "own", "seen": seen, "revision": state["revision"]}
        assert galina.browser.post(f"{galina.path}/draft/change", remove).status_code == 409
        assert rule_of(galina, "own")["then"][0]["answer_within"] == 20

    def test_another_field_brings_its_comparisons_and_is_kept_unfinished(self, head: Editor) -> None:
        answer = typed(head, "large", AMOUNT, field="request.channel")
        assert rule_of(head, "large")["when"]["all"] == [{"field": "request.channel", "op": "in", "value": None}]
        assert 'id="open-form"' in answer.text and 'value="phone"' in answer.text
        assert "Условие не закончено: укажите значение." in answer.text
        assert "До публикации осталось заполнить 1 место" in answer.text

    def test_a_form_left_unfinished_gives_back_what_stood_there(self, head: Editor) -> None:
        data = open_form(head, "large", AMOUNT, "condition")
        answer = head.browser.post(f"{head.path}/draft/change", data | {"field": "request.channel"})
        seen = json.loads(answer.headers["HX-Trigger"])["draft-saved"]["seen"]
        leave = {name: value for name, value in data.items() if name != "auto"} | {"do": "leave", "seen": seen}
        assert head.browser.post(f"{head.path}/draft/change", leave).status_code == 303
        assert rule_of(head, "large")["when"]["all"] == [condition("request.amount", "ge", "150000")]

    def test_a_new_condition_left_without_a_field_goes(self, head: Editor) -> None:
        head.do("add-condition", "large", at="/when")
        assert len(rule_of(head, "large")["when"]["all"]) == 2
        data = open_form(head, "large", "/when/all/1", "condition")
        head.browser.post(f"{head.path}/draft/change", {**data, "do": "leave", "auto": ""})
        assert rule_of(head, "large")["when"]["all"] == [condition("request.amount", "ge", "150000")]

    def test_what_is_finished_stays_when_the_form_is_left(self, head: Editor) -> None:
        data = open_form(head, "large", AMOUNT, "condition")
        answer = head.browser.post(f"{head.path}/draft/change", data | {"value": "9"})
        seen = json.loads(answer.headers["HX-Trigger"])["draft-saved"]["seen"]
        head.browser.post(f"{head.path}/draft/change", {**data, "do": "leave", "auto": "", "seen": seen})
        assert rule_of(head, "large")["when"]["all"] == [condition("request.amount", "ge", "9")]

    def test_what_cannot_be_read_is_not_stored_and_stays_with_its_reason(self, head: Editor) -> None:
        answer = typed(head, "large", AMOUNT, value="много")
        assert answer.status_code == 200
        assert 'value="много"' in answer.text and 'aria-describedby="e-value"' in answer.text
        assert head.body() == two_rules()

    def test_a_negation_that_holds_for_an_empty_field_too_can_be_taken_back(self, head: Editor) -> None:
        denied = {"field": "request.channel", "op": "is_not", "value": "phone"}
        head.do("condition", "large", AMOUNT, **denied)
        answer = typed(head, "large", AMOUNT, or_empty="yes")
        both = {"any": [denied, condition("request.channel", "is_empty")]}
        assert rule_of(head, "large")["when"]["all"] == [both]
        assert f'name="at" value="{AMOUNT}/any/0"' in answer.text, "the form goes on at the new place"
        assert '<option value="yes" selected>' in answer.text
        typed(head, "large", f"{AMOUNT}/any/0", or_empty="no")
        assert rule_of(head, "large")["when"]["all"] == [denied]

    def test_an_action_is_saved_with_a_duration_in_words(self, head: Editor) -> None:
        assert 'value="15\u00a0мин"' in head.open(edit="large", at="/then/0", on="answer_within")
        typed(head, "large", "/then/0", "action", answer_within="2 ч")
        assert rule_of(head, "large")["then"][0]["answer_within"] == 120
        assert 'value="2\u00a0ч"' in head.open(edit="large", at="/then/0")


class TestPartByPart:
    def press(self, head: Editor, button: str, at: str) -> None:
        found = [form for form in _forms(head.open(edit="large")) if ("at", at) in form.fields]
        form = next(form for form in found if ("do", button) in form.buttons)
        assert head.send(form, button).status_code == 303

    def test_a_condition_goes_into_a_group_and_out_and_says_where_it_is(self, head: Editor) -> None:
        head.do("add-group", "large")
        head.do("condition", "large", "/when/all/1/any/0", field="request.channel", op="is", value="phone")
        amount, phone = condition("request.amount", "ge", "150000"), condition("request.channel", "is", "phone")
        self.press(head, "node-down", AMOUNT)
        assert rule_of(head, "large")["when"] == {"all": [{"any": [amount, phone]}]}
        assert "Условие теперь на месте 1 из 2: выполняется хотя бы одно" in head.open()
        self.press(head, "node-up", "/when/all/0/any/0")
        assert rule_of(head, "large")["when"] == {"all": [amount, {"any": [phone]}]}

    def test_a_day_of_review_is_kept_with_the_name(self, head: Editor) -> None:
        head.do("rename", "large", "title", title="Крупные", review_on="2027-06-30")
        assert rule_of(head, "large")["review_on"] == "2027-06-30"
        assert "пересмотреть 30 июня 2027" in head.open()
        head.do("rename", "large", "title", title="Крупные", review_on="")
        assert "review_on" not in rule_of(head, "large")


@pytest.fixture
def requests(rulesets: Cast, sessions: sessionmaker[Session]) -> None:
    recent_facts._samples.clear()
    with db.transaction(sessions) as session:
        for amount in (100_000, 160_000, 170_000):
            at = MONDAY - timedelta(days=2)
            decide_and_assign(session, make_request(session, amount_minor=amount * 100, received_at=at), at)


class TestFigures:
    def test_the_form_says_how_much_matches_and_how_much_would(self, head: Editor, requests: None) -> None:
        data = open_form(head, "large", AMOUNT, "condition")
        assert "подходят 2 заявки из 3 за месяц" in head.browser.post(f"{head.path}/draft/count", data).text
        other = head.browser.post(f"{head.path}/draft/count", data | {"value": "165000"}).text
        assert "подходят 2 заявки из 3 за месяц; при «не менее 165\u00a0000\u00a0₽» — 1" in other
        assert head.body() == two_rules(), "nothing is saved by asking"

    def test_a_field_that_was_not_looked_at_is_said_to_be_of_now(self, head: Editor, requests: None) -> None:
        data = open_form(head, "large", AMOUNT, "condition")
        asked = data | {"field": "client.segment", "was_field": "client.segment", "op": "is_empty"}
        text = head.browser.post(f"{head.path}/draft/count", asked).text
        assert "По нынешним значениям, не по тогдашним: сегмент клиента." in text

    def test_an_unfinished_form_has_the_figure_of_what_is_saved(self, head: Editor, requests: None) -> None:
        data = open_form(head, "large", AMOUNT, "condition")
        text = head.browser.post(f"{head.path}/draft/count", data | {"value": ""}).text
        assert text.count("<p") == 1 and "подходят 2 заявки" in text

    def test_the_card_shows_the_figure_of_the_draft_beside_that_of_now(self, head: Editor, requests: None) -> None:
        answer = typed(head, "large", AMOUNT, value="165000")
        figures = answer.text.partition('id="hits-large"')[2].partition("</div>")[0]
        assert "1 за месяц" in figures and "сейчас 2" in figures


@pytest.fixture
def hidden(rulesets: Cast, sessions: sessionmaker[Session]) -> None:
    with db.transaction(sessions) as session:
        huge = rule("huge", condition("request.amount", "ge", "900000"), {**LARGE, "answer_within": 5})
        make_version(
            session,
            "assignment",
            assignment_rules(rule("large", condition("request.amount", "ge", "150000"), LARGE), huge),
        )


class TestFindings:
    def findings(self, head: Editor) -> str:
        head.open()
        answer = head.browser.get(f"{head.path}/draft/findings")
        assert answer.status_code == 200
        return answer.text

    def test_a_rule_that_never_acts_says_so_under_its_card_and_is_mended(self, head: Editor, hidden: None) -> None:
        text = self.findings(head)
        under = text.partition('id="findings-huge"')[2].partition('id="findings-')[0]
        assert "Поставить выше 1" in under and "Показать пример" in under and "сумма заявки" in under
        assert "1 замечание" in text.partition('id="findings-sum"')[2]
        answer = head.send(form_with(text, "mend", "huge"), "mend")
        assert answer.status_code == 303
        assert [one["id"] for one in head.body()["rules"]] == ["huge", "large"]
        assert "Поставить выше" not in self.findings(head)

    def test_what_is_new_among_them_can_be_said_by_itself(self, head: Editor, hidden: None) -> None:
        """They come unasked: the page says those that were not there before, in these words."""
        sum_of = self.findings(head).partition('<div id="findings-sum"')[2].partition(">")[0]
        assert 'data-fresh="Новое замечание:"' in sum_of and 'data-none="Замечаний не осталось."' in sum_of
        assert "X-Pravila-Unasked" in head.open().partition("/draft/findings")[2].partition(">")[0]

    def test_its_example_is_tried_beside_the_rules(self, head: Editor, hidden: None) -> None:
        form = next(form for form in _forms(self.findings(head)) if ("do", "typed") in form.buttons)
        head.send(form, "typed")
        panel = head.open().partition('id="try"')[2]
        assert "1 000 000" in panel and "Крупные" not in panel.partition("verdicts")[0]
        assert "verdicts" in panel

    def test_what_is_intended_needs_a_reason_and_can_be_opened_again(
        self, head: Editor, hidden: None, sessions: sessionmaker[Session]
    ) -> None:
        text = self.findings(head)
        intend = next(form for form in _forms(text) if form.action.endswith("/findings/intend"))
        fields = dict(intend.fields)
        assert head.browser.post(intend.action, {**fields, "reason": " "}).status_code == 303
        assert "Так и задумано" in self.findings(head)
        head.browser.post(intend.action, {**fields, "reason": "запасное правило"})
        text = self.findings(head)
        assert "запасное правило (Галина)" in text and "Поставить выше" not in text
        with sessions() as session:
            assert "accept_finding" in session.scalars(select(AuditEntry.action)).all()
        again = next(form for form in _forms(text) if form.action.endswith("/findings/unintend"))
        head.browser.post(again.action, dict(again.fields))
        assert "Поставить выше 1" in self.findings(head)

    def test_a_finding_whose_rules_have_changed_is_not_mended(self, head: Editor, hidden: None) -> None:
        form = form_with(self.findings(head), "mend", "huge")
        head.do("condition", "huge", AMOUNT, value="5")
        assert head.send(form, "mend").status_code == 303
        assert [one["id"] for one in head.body()["rules"]] == ["large", "huge"]


class TestWhatIsGone:
    def test_a_team_that_was_deleted_is_named_at_its_rule_and_another_can_be_chosen(
        self, head: Editor, sessions: sessionmaker[Session]
    ) -> None:
        head.open()
        with db.transaction(sessions) as session:
            team = session.scalars(select(Team).where(Team.code == "others")).one()
            team.code = "renamed"
        page = head.open()
        wrong = page.partition('id="wrong-large"')[2].partition("</div>")[0]
        assert "others" in wrong and "Исправить" in wrong
        form = head.open(edit="large", at="/then/0")
        assert "Нет в списке" in form and 'value="team:others" selected' in form, "saving another part loses nothing"
        typed(head, "large", "/then/0", "action", to=["team:renamed", ""])
        assert rule_of(head, "large")["then"][0]["to"] == {"pool": "team", "team": "renamed"}
        assert "finding bad" not in head.open()

    def test_a_value_of_another_type_stays_until_somebody_mends_it(
        self, head: Editor, sessions: sessionmaker[Session]
    ) -> None:
        head.open()
        with db.transaction(sessions) as session:
            draft = head.draft()
            assert draft is not None
            body = two_rules()
            body["rules"][1]["when"]["all"][0]["value"] = ["phone", "chat"]
            session.merge(draft).body = body
        page = head.open()
        assert "не подходит" in page.partition('id="sentence-large"')[2].partition("</p>")[0]
        assert "1 помеха" in page
        assert 'id="open-form"' in head.open(edit="large", at=AMOUNT)
        typed(head, "large", AMOUNT, value="150 000")
        assert rule_of(head, "large")["when"]["all"] == [condition("request.amount", "ge", "150000")]


def test_a_sentence_says_a_person_as_he_is_called_now(head: Editor, sessions: sessionmaker[Session]) -> None:
    head.do("condition", "large", AMOUNT, field="client.owner", op="is", value="anna")
    assert "Анна" in head.open().partition('id="sentence-large"')[2].partition("</p>")[0]
    with db.transaction(sessions) as session:
        session.scalars(select(User).where(User.login == "anna")).one().name = "Анна Мирная"
    assert "Анна Мирная" in head.open().partition('id="sentence-large"')[2].partition("</p>")[0]


def test_a_page_that_is_loaded_again_after_a_change_is_the_draft(head: Editor) -> None:
    head.open()
    answer = head.browser.get(f"{head.path}/draft/change")
    assert (answer.status_code, answer.location) == (302, "/rules/assignment/draft")
