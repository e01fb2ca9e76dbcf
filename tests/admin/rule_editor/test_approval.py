"""The way of a draft into force, on the pages: sent, approved by another, rejected, taken back, restored."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from rules_engine import db
from rules_engine.models import AuditEntry
from rules_engine.services.approvals import approvals
from rules_engine.services.drafts import editing
from rules_engine.services.records import settings_store
from rules_engine.services.rules import rulebook
from tests.admin.rule_editor.conftest import Editor, two_rules
from tests.factories import MONDAY, condition

PAGE = "/rules/assignment/approval"
AMOUNT = "/when/all/0"


def send(person: Editor, **values: str) -> TestResponse:
    draft = person.draft()
    data: dict[str, object] = {"revision": str(draft.revision if draft else 0), "when": "now", **values}
    return person.browser.post(f"{PAGE}/send", data)


def waiting(person: Editor) -> int:
    with person.sessions() as session:
        found = approvals.waiting(session, "assignment")
        assert found is not None
        return found.id


def decide(person: Editor, way: str, **values: str) -> TestResponse:
    return person.browser.post(f"{PAGE}/{way}", {"approval": str(waiting(person)), **values})


@pytest.fixture
def denis(editor: Callable[[str], Editor]) -> Editor:
    return editor("denis")


@pytest.fixture
def drafted(head: Editor) -> Editor:
    head.do("action", "own", "/then/0", answer_within="15")
    return head


class TestSending:
    def test_the_page_says_first_what_changes(self, drafted: Editor, denis: Editor) -> None:
        page = drafted.browser.get(PAGE).text
        assert "Изменено «Свой клиент»" in page
        assert send(drafted, note="быстрее").location == PAGE
        shown = drafted.browser.get(PAGE).text
        assert "Отправили вы: утверждает другой." in shown
        page = denis.browser.get(PAGE).text
        assert "быстрее" in page and 'id="approve"' in page
        assert "Ждёт утверждения, отправлено: Галина" in denis.browser.get("/rules/").text

    def test_an_instant_that_is_missing_wrong_or_over_is_refused(self, drafted: Editor) -> None:
        for at in ("", "soon", "2026-10-05T11:00"):
            assert send(drafted, when="later", at=at).status_code == 422, at

    def test_problems_block_it_and_are_linked(self, head: Editor) -> None:
        head.do("condition", "large", AMOUNT, value="")
        assert "edit=large&amp;at=/when/all/0" in head.browser.get(PAGE).text
        assert send(head).status_code == 422

    def test_a_case_that_does_not_hold_blocks_it(self, head: Editor) -> None:
        head.do("condition", "large", AMOUNT, value="250 000")
        answer = send(head)
        assert answer.status_code == 422
        assert "контрольные примеры не сходятся: «крупная»" in answer.text

    def test_what_was_published_meanwhile_must_be_looked_at_first(self, drafted: Editor) -> None:
        body = two_rules()
        body["rules"][1]["enabled"] = False
        with db.transaction(drafted.sessions) as session:
            rulebook.publish(session, "assignment", body, holds_from=MONDAY, now=MONDAY, actor="denis")
        assert send(drafted).status_code == 422
        assert "«Крупные» включено" in drafted.browser.get(PAGE).text
        draft = drafted.draft()
        assert draft is not None
        drafted.browser.post("/rules/assignment/draft/rebase", {"revision": str(draft.revision)})
        assert send(drafted).status_code == 302

    def test_without_a_draft_there_is_the_history(self, head: Editor) -> None:
        assert head.browser.get(PAGE).location == "/rules/assignment/history"


class TestDeciding:
    def test_another_approves_at_an_instant_in_the_business_zone(self, drafted: Editor, denis: Editor) -> None:
        send(drafted)
        assert decide(denis, "approve", when="later", at="2026-10-05T12:00").location == "/rules/assignment/history"
        with denis.sessions() as session:
            version = editing.latest_version(session, "assignment")
            assert (version.holds_from, version.published_by) == (MONDAY + timedelta(minutes=40), "denis")
            actions = session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
        assert {"send_for_approval", "publish", "approval_approved"} <= set(actions)
        history = denis.browser.get("/rules/assignment/history").text
        assert "отправлено: Галина" in history and "утверждено: Денис" in history
        assert "вступит в силу" in history

    def test_the_author_does_not_approve(self, drafted: Editor) -> None:
        send(drafted)
        answer = decide(drafted, "approve", when="now")
        assert answer.status_code == 422
        assert "утверждает не автор: вы его отправили" in answer.text

    def test_a_rejection_says_why_and_the_draft_goes_on(self, drafted: Editor, denis: Editor) -> None:
        send(drafted)
        assert decide(denis, "reject", reason=" ").status_code == 422
        decide(denis, "reject", reason="слишком быстро")
        assert "слишком быстро" in drafted.browser.get(PAGE).text
        assert "слишком быстро" in drafted.browser.get("/rules/assignment/history").text
        assert send(drafted).status_code == 302

    def test_the_sender_takes_it_back(self, drafted: Editor) -> None:
        send(drafted)
        assert decide(drafted, "withdraw").location == PAGE
        assert 'id="send"' in drafted.browser.get(PAGE).text

    def test_who_comes_second_is_told_who_was_first(self, drafted: Editor, denis: Editor) -> None:
        send(drafted)
        data: dict[str, object] = {"approval": str(waiting(denis)), "when": "now"}
        denis.browser.post(f"{PAGE}/approve", data)
        assert denis.browser.post(f"{PAGE}/approve", data).location == "/rules/assignment/history"
        assert "уже утверждено" in denis.browser.get("/rules/assignment/history").text

    def test_a_forged_number_is_not_found(self, drafted: Editor, denis: Editor) -> None:
        send(drafted)
        for number in ("", "x", "999", "9" * 30):
            assert denis.browser.post(f"{PAGE}/approve", {"approval": number}).status_code == 404, number

    def test_one_person_alone_approves_in_one_step(self, drafted: Editor) -> None:
        with db.transaction(drafted.sessions) as session:
            settings_store.change(session, settings_store.RULES_FOUR_EYES, "off", actor="denis")
        assert "один человек" in drafted.browser.get(PAGE).text
        send(drafted)
        assert drafted.draft() is None
        assert (
            "утверждено автором, Галина: работает один человек" in drafted.browser.get("/rules/assignment/history").text
        )


class TestComingAndGoing:
    def test_what_is_to_come_is_taken_back_with_a_reason(self, drafted: Editor, denis: Editor) -> None:
        send(drafted)
        decide(denis, "approve", when="later", at="2026-10-06T09:00")
        path = "/rules/assignment/versions/2/take-back"
        assert denis.browser.post(path, {"reason": ""}).status_code == 422
        assert denis.browser.post(path, {"reason": "рано"}).location == "/rules/assignment/history"
        page = denis.browser.get("/rules/assignment/history").text
        assert "отменена" in page and "рано" in page
        with denis.sessions() as session:
            assert rulebook.in_force_at(session, "assignment", MONDAY + timedelta(days=2)).body == two_rules()

    def test_an_old_version_comes_back_as_a_draft(self, drafted: Editor, denis: Editor) -> None:
        send(drafted)
        decide(denis, "approve", when="now")
        path = "/rules/assignment/versions/1/restore"
        assert "Изменено «Свой клиент»" in denis.browser.get(path).text
        assert denis.browser.post(path, {}).location == PAGE
        assert denis.body() == two_rules()
        refused = denis.browser.post(path, {})
        assert refused.status_code == 409 and "черновик уже открыт" in refused.text


def test_any_condition_is_undone_and_done_again_after_a_reload(drafted: Editor) -> None:
    drafted.do("condition", "large", AMOUNT, value="175 000")
    for way, said in (("undo", "Отменено: «Крупные» (Галина)."), ("redo", "Возвращено: «Крупные».")):
        draft = drafted.draft()
        assert draft is not None
        answer = drafted.browser.post(f"/rules/assignment/draft/{way}", {"revision": str(draft.revision)})
        page = drafted.browser.get(answer.location).text
        assert said in page
    assert condition("request.amount", "ge", "175000") in drafted.body()["rules"][1]["when"]["all"]
    stale = drafted.browser.post("/rules/assignment/draft/undo", {"revision": "1"})
    assert stale.status_code == 409 and "Ничего не отменено: это черновик, какой он сейчас." in stale.text
    assert drafted.browser.get("/rules/assignment/draft/undo").location == "/rules/assignment/draft"


def test_two_at_one_draft_see_each_other(drafted: Editor, denis: Editor) -> None:
    path = "/rules/assignment/draft/presence"
    assert "Денис" not in drafted.browser.get(path).text
    denis.browser.get(path, query_string={"rule": "large"})
    assert "Денис сейчас тоже правит: «Крупные»" in drafted.browser.get(path).text
    assert "Галина сейчас тоже смотрит черновик" in denis.browser.get(path).text
