"""Reading the rules: what is in force, the history, two versions compared, a version restored."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.services.rules import rulebook
from tests.admin.conftest import Browser, StandingClock
from tests.admin.rule_editor.conftest import OWN, Editor, two_rules
from tests.factories import MONDAY, Cast


def publish_faster(sessions: sessionmaker[Session], *, after: timedelta = timedelta(), note: str = "быстрее") -> None:
    """Publish a version 2 in which the owner has 15 minutes."""
    body = two_rules()
    body["rules"][0]["then"] = [{**OWN, "answer_within": 15}]
    with db.transaction(sessions) as session:
        rulebook.publish(session, "assignment", body, holds_from=MONDAY + after, now=MONDAY, actor="galina", note=note)


def test_the_first_page_says_what_is_in_force(rulesets: Cast, logged_in: Callable[[str], Browser]) -> None:
    text = logged_in("zhanna").get("/rules/").text
    assert "Распределение заявок" in text
    assert "Сроки ответа" in text
    assert "2 правила" in text


def test_an_auditor_reads_sentences_and_is_offered_no_change(
    rulesets: Cast, logged_in: Callable[[str], Browser]
) -> None:
    text = logged_in("zhanna").get("/rules/assignment/").text
    assert "Свой клиент" in text
    assert "не менее 150\u00a0000\u00a0₽" in text
    assert "Остальные" in text
    assert "draft/start" not in text


def test_a_chip_is_called_by_what_it_is_the_value_of(head: Editor) -> None:
    """By Tab one hears a chip without its sentence: “30 min” alone says nothing, and in the sentence nothing twice."""
    large = head.open().partition('id="sentence-large"')[2].partition("</p>")[0]
    assert 'aria-label="сумма: не менее 150\u00a0000\u00a0₽"' in large
    assert '<span aria-hidden="true">сумма: </span>' in large
    assert 'aria-label="срок ответа: ' in large
    assert '; <span aria-hidden="true">срок ответа: </span>' in large


def test_the_small_buttons_of_a_condition_say_which_one_they_move(head: Editor) -> None:
    page = head.open(edit="large")
    assert '<span id="n-large-when-all-0">' in page
    for do in ("node-up", "node-down", "wrap", "remove"):
        tag = page.partition(f'value="{do}"')[2].partition(">")[0]
        assert 'aria-describedby="n-large-when-all-0"' in tag, do


def test_sentences_that_are_only_read_hide_nothing(rulesets: Cast, logged_in: Callable[[str], Browser]) -> None:
    rules = logged_in("zhanna").get("/rules/assignment/").text.partition('<ol class="rules"')[2].partition("</ol>")[0]
    assert "сумма: " in rules and "aria-label" not in rules
    assert '<span class="seen-by-readers">2. </span>Крупные' in rules


def test_what_people_wrote_in_russian_is_marked_on_an_english_page(head: Editor) -> None:
    head.do("rename", "own", "title", title="Свой клиент", note="Отношения стоят денег")
    assert 'lang="ru"' not in head.open().partition('id="draft"')[2]
    head.browser.post("/locale", {"locale": "en", "next": f"{head.path}/draft"})
    assert '<span lang="ru">Отношения стоят денег</span>' in head.open()


def test_a_manager_does_not_come_in(rulesets: Cast, logged_in: Callable[[str], Browser]) -> None:
    anna = logged_in("anna")
    for path in ("/rules/", "/rules/assignment/", "/rules/assignment/draft", "/rules/assignment/history", "/modes/"):
        assert anna.get(path).status_code == 403, path


def test_an_auditor_changes_nothing(rulesets: Cast, logged_in: Callable[[str], Browser]) -> None:
    zhanna = logged_in("zhanna")
    for name in ("start", "change", "undo", "redo", "discard", "rebase"):
        assert zhanna.post(f"/rules/assignment/draft/{name}").status_code == 403, name
    for name in ("send", "withdraw", "approve", "reject"):
        assert zhanna.post(f"/rules/assignment/approval/{name}").status_code == 403, name
    assert zhanna.post("/rules/assignment/versions/1/take-back").status_code == 403


def test_what_does_not_exist_is_not_found(rulesets: Cast, logged_in: Callable[[str], Browser]) -> None:
    galina = logged_in("galina")
    for path in ("lunch/", "bonus/", "assignment/versions/9", "assignment/compare?from=1&with=x"):
        assert galina.get(f"/rules/{path}").status_code == 404, path


class TestHistory:
    def test_each_version_says_what_it_changed_and_why(
        self, rulesets: Cast, sessions: sessionmaker[Session], logged_in: Callable[[str], Browser]
    ) -> None:
        publish_faster(sessions)
        text = logged_in("galina").get("/rules/assignment/history").text
        assert "быстрее" in text
        assert "изменено «Свой клиент»" in text
        assert "Галина" in text

    def test_what_was_in_force_at_an_instant(
        self, rulesets: Cast, sessions: sessionmaker[Session], logged_in: Callable[[str], Browser]
    ) -> None:
        publish_faster(sessions)
        browser = logged_in("galina")
        before = browser.get("/rules/assignment/history?at=2026-10-05T11:19").text
        after = browser.get("/rules/assignment/history?at=2026-10-05T11:20").text
        assert '/rules/assignment/versions/1">версия 1' in before
        assert '/rules/assignment/versions/2">версия 2' in after
        assert "aria-invalid" in browser.get("/rules/assignment/history?at=lunch").text

    @pytest.mark.parametrize("moment", ["9999-12-31T23:59-12:00", "0001-01-01T00:00+14:00", "вчера"])
    def test_an_instant_beyond_the_calendar_is_refused_in_words(self, head: Editor, moment: str) -> None:
        answer = head.browser.get("/rules/assignment/history", query_string={"at": moment})
        assert "Нужны дата и время." in answer.text

    def test_two_versions_are_compared_in_sentences(
        self, rulesets: Cast, sessions: sessionmaker[Session], logged_in: Callable[[str], Browser]
    ) -> None:
        publish_faster(sessions)
        text = logged_in("galina").get("/rules/assignment/compare?from=1&with=2").text
        assert "Изменено «Свой клиент»" in text
        assert "30\u00a0мин" in text and "15\u00a0мин" in text

    def test_a_coming_version_is_announced(
        self,
        rulesets: Cast,
        sessions: sessionmaker[Session],
        logged_in: Callable[[str], Browser],
        business_clock: StandingClock,
    ) -> None:
        publish_faster(sessions, after=timedelta(days=1))
        browser = logged_in("galina")
        assert "30\u00a0мин" in browser.get("/rules/assignment/").text
        assert "завтра" in browser.get("/rules/").text
        business_clock.forward(days=1)
        assert "15\u00a0мин" in browser.get("/rules/assignment/").text


class TestRestoring:
    def test_an_old_version_opens_as_a_draft(self, head: Editor) -> None:
        publish_faster(head.sessions)
        head.browser.post("/rules/assignment/draft/start", {"number": "1"})
        assert head.body() == two_rules()
        answer = head.browser.post("/rules/assignment/draft/start", {"number": "2"})
        assert answer.location.endswith("/history")
        assert head.body() == two_rules()
