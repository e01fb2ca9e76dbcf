"""The page «Что изменится»: asked for, watched, stopped, read, given out as a file."""

import csv
import io
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.models import Impact, ImpactState
from rules_engine.services.drafts import editing
from rules_engine.services.impact import impact
from rules_engine.services.running import agenda
from tests.admin.conftest import Browser
from tests.admin.rule_editor.conftest import Editor, two_rules
from tests.factories import MONDAY, make_client, make_request, make_version

PATH = "/rules/assignment/impact"
BEFORE = MONDAY - timedelta(days=2)


@pytest.fixture
def changed(head: Editor, sessions: sessionmaker[Session]) -> Editor:
    """Three requests were given out; in the draft the second rule, which took one of them, is off."""
    with db.transaction(sessions) as session:
        for number, amount in enumerate((100_000, 20_000_000, None)):
            client = make_client(session)
            make_request(session, external_id=f"R-{number}", amount_minor=amount, client=client, received_at=BEFORE)
    agenda.run_due(sessions, BEFORE)
    head.open()
    switch_off(sessions, 1)
    return head


def switch_off(sessions: sessionmaker[Session], place: int) -> None:
    """Switch a rule of the draft off, as an edit does."""
    with db.transaction(sessions) as session:
        draft = editing.open_draft(session, "assignment")
        rules = [{**one, "enabled": one["enabled"] and n != place} for n, one in enumerate(draft.body["rules"])]
        draft.body = {**draft.body, "rules": rules}


def reckon(sessions: sessionmaker[Session]) -> None:
    agenda.run_due(sessions, MONDAY + timedelta(seconds=1))


def only(sessions: sessionmaker[Session]) -> Impact:
    with sessions() as session:
        return session.scalars(select(Impact).order_by(Impact.id.desc())).first()  # type: ignore[return-value]


def test_a_head_asks_watches_and_reads_whose_requests_change_hands(
    changed: Editor, sessions: sessionmaker[Session], logged_in: Callable[[str], Browser]
) -> None:
    browser = changed.browser
    assert "Ещё не посчитано" in browser.get(PATH).text
    assert browser.post(PATH, {"days": "30"}).status_code == 302
    waiting = browser.get(PATH).text
    assert "Ждёт своей очереди" in waiting
    assert 'hx-trigger="every 1s"' in waiting
    assert "HX-Refresh" not in browser.get(f"{PATH}/state").headers
    reckon(sessions)
    state = browser.get(f"{PATH}/state")
    assert state.headers["HX-Refresh"] == "true"
    assert "every 1s" not in state.text
    text = browser.get(PATH).text
    assert "из 3 решений за это время" in text
    assert "Заявка R-1" in text
    assert "Заявка R-0" not in text
    assert "Крупные" in text
    assert "знать нельзя" in text or "само по себе" in text
    found = list(csv.reader(io.StringIO(browser.get(f"{PATH}/{only(sessions).id}/changes.csv").text), delimiter=";"))
    assert [row[1] for row in found] == ["Что", "Заявка R-1"]
    zhanna = logged_in("zhanna").get(PATH).text
    assert "Заявка R-1" in zhanna
    assert "Посчитать заново" not in zhanna


def test_progress_is_read_aloud_in_quarters_and_leaves_the_button_alone(
    changed: Editor, sessions: sessionmaker[Session]
) -> None:
    """It asks for itself each second: who stands on “Stop” must not hear that button again each second."""
    changed.browser.post(PATH, {"days": "30"})
    page = changed.browser.get(PATH).text
    assert '<p id="impact-said" class="seen-by-readers" role="status">Ждёт своей очереди' in page
    swapped = page.partition('<div id="impact-progress"')[2].partition("</div>")[0]
    assert "cancel-impact" in page and "cancel-impact" not in swapped and 'role="status"' not in swapped

    def state(said: str) -> str:
        return changed.browser.get(f"{PATH}/state", query_string={"said": said}).text

    assert "impact-said" not in state("")
    with db.transaction(sessions) as session:
        row = session.get_one(Impact, only(sessions).id)
        row.state, row.done, row.total = ImpactState.RUNNING, 30, 100
    assert 'hx-swap-oob="innerHTML">Посчитано: 25 %</p>' in state("0")
    assert "impact-said" not in state("25") and "Считается" in state("25")
    assert "cancel-impact" not in state("0")


def test_it_says_how_many_requests_would_have_had_another_time_to_answer(
    changed: Editor, sessions: sessionmaker[Session]
) -> None:
    with db.transaction(sessions) as session:
        draft = editing.open_draft(session, "assignment")
        first, second = two_rules()["rules"]
        action = {**second["then"][0], "answer_within": 7}
        draft.body = {**draft.body, "rules": [first, {**second, "then": [action, *second["then"][1:]]}]}
    changed.browser.post(PATH, {"days": "30"})
    reckon(sessions)
    assert only(sessions).result["answer"][3] == 1
    text = changed.browser.get(PATH).text
    assert "получили бы другой срок ответа" in text
    assert "мин по черновику" in text


def test_other_rules_in_force_since_make_the_answer_one_of_before(
    changed: Editor, sessions: sessionmaker[Session]
) -> None:
    changed.browser.post(PATH, {"days": "30"})
    reckon(sessions)
    assert "С тех пор" not in changed.browser.get(PATH).text
    with db.transaction(sessions) as session:
        make_version(session, "assignment", {**two_rules(), "cases": []}, holds_from=MONDAY)
    text = changed.browser.get(PATH).text
    assert "С тех пор действуют другие правила" in text
    assert "Черновик с тех пор" not in text


def test_an_edit_makes_the_answer_one_about_the_draft_before(changed: Editor, sessions: sessionmaker[Session]) -> None:
    changed.browser.post(PATH, {"days": "30"})
    reckon(sessions)
    switch_off(sessions, 0)
    text = changed.browser.get(PATH).text
    assert "С тех пор черновик изменён" in text
    assert "Заявка R-1" in text
    assert "Посчитать заново" in text


def test_it_is_stopped_by_a_button_and_can_be_asked_for_again(changed: Editor, sessions: sessionmaker[Session]) -> None:
    browser = changed.browser
    browser.post(PATH, {"days": "30"})
    first = only(sessions)
    answer = browser.post(f"{PATH}/{first.id}/cancel")
    assert answer.status_code == 302
    assert only(sessions).state is ImpactState.CANCELLED
    assert "Расчёт остановлен до конца" in browser.get(PATH).text
    browser.post(PATH, {"days": "30"})
    assert only(sessions).id != first.id
    browser.post(f"{PATH}/{first.id}/cancel")
    assert only(sessions).state is ImpactState.QUEUED


def test_a_failure_is_said_in_words(changed: Editor, sessions: sessionmaker[Session]) -> None:
    changed.browser.post(PATH, {"days": "30"})
    with db.transaction(sessions) as session:
        impact.fail(session, only(sessions).id, "нет такой версии", MONDAY)
    assert "Посчитать не удалось: нет такой версии" in changed.browser.get(PATH).text


def test_an_auditor_asks_for_nothing_and_a_manager_sees_nothing(
    changed: Editor, sessions: sessionmaker[Session], logged_in: Callable[[str], Browser]
) -> None:
    assert logged_in("zhanna").post(PATH, {"days": "30"}).status_code == 403
    assert logged_in("anna").get(PATH).status_code == 403
    for path in (f"{PATH}/99/changes.csv", "/rules/lunch/impact"):
        assert changed.browser.get(path).status_code == 404
    assert changed.browser.post(f"{PATH}/99/cancel").status_code == 404
