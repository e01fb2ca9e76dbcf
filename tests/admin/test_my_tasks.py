"""A manager's day: one next thing, few lines, the rest folded; answering, postponing, own tasks; whose list it is."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.models import Contact, Manager, Request, RequestStatus, Task, TaskState
from rules_engine.services import assignment, settings_store
from tests.admin.conftest import Browser, StandingClock
from tests.factories import (
    MONDAY,
    Cast,
    condition,
    escalation_rules,
    make_client,
    make_request,
    make_version,
    rule,
)

LogIn = Callable[[str], Browser]
Sessions = sessionmaker[Session]


def give(sessions: Sessions, manager: Manager, number: int = 1, **values: object) -> list[int]:
    """Hand new requests of different clients to a manager; return their ids."""
    ids = []
    with db.transaction(sessions) as session:
        for place in range(number):
            client = make_client(session, f"Клиент {place}", phone=f"+7495000{place:04d}")
            request = make_request(session, client=client, client_name=client.name, **values)
            assignment.assign_by_hand(session, request, manager, reason="для примера", actor="galina", now=MONDAY)
            ids.append(request.id)
    return ids


def task_of(sessions: Sessions, request_id: int, state: TaskState = TaskState.OPEN) -> Task:
    with sessions() as session:
        found = select(Task).where(Task.request_id == request_id, Task.state == state).order_by(Task.id.desc())
        return session.scalars(found).first()


def request_of(sessions: Sessions, request_id: int) -> Request:
    with sessions() as session:
        return session.get_one(Request, request_id)


def cards(page: str) -> list[str]:
    return re.findall(r'<li class="card task".*?</li>', page, re.DOTALL)


class TestWhatIsShown:
    def test_an_empty_list_says_so(self, logged_in: LogIn) -> None:
        assert "Всё сделано" in logged_in("anna").get("/my/").text

    def test_one_thing_on_top_seven_more_and_the_rest_folded(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        give(sessions, cast.anna, 11)

        page = logged_in("anna").get("/my/").text

        assert len(cards(page)) == 11
        before, _, folded = page.partition("ещё 3")
        assert len(cards(before)) == 8
        assert len(cards(folded)) == 3
        assert page.count("btn primary") == 1

    def test_the_amount_is_hidden_until_the_first_answer(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        give(sessions, cast.anna, amount_minor=7_777_700)
        anna = logged_in("anna")
        assert not re.search(r"77\s777", anna.get("/my/").text)

        with db.transaction(sessions) as session:
            settings_store.change(session, "amount_shown", "always", actor="galina")

        assert re.search(r"77\s777\s₽", anna.get("/my/").text)

    def test_a_line_says_why_it_is_there_and_links_to_the_whole_reason(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        (request_id,) = give(sessions, cast.anna)

        card = cards(logged_in("anna").get("/my/").text)[0]

        assert "для примера" in card
        assert f"/requests/{request_id}/why" in card
        assert 'href="tel:+74950000000"' in card

    def test_it_warns_when_the_request_is_about_to_go_to_another(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions, business_clock: StandingClock
    ) -> None:
        transfer = rule(
            "transfer",
            condition("request.answer_used_pct", "ge", "200"),
            {"action": "reassign", "to": {"pool": "team_of_owner"}},
        )
        with db.transaction(sessions) as session:
            make_version(session, "escalation", escalation_rules(transfer))
        give(sessions, cast.anna)
        business_clock.forward(minutes=48)

        card = cards(logged_in("anna").get("/my/").text)[0]

        assert re.search(r"Через 12.мин заявка перейдёт к другому менеджеру", card)
        assert re.search(r"опоздание 18.мин", card)

    def test_more_lines_cost_no_more_queries(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions, count_queries: Callable[[], int]
    ) -> None:
        give(sessions, cast.anna, 2)
        anna = logged_in("anna")
        anna.get("/my/")
        count_queries()
        anna.get("/my/")
        few = count_queries()
        give(sessions, cast.anna, 12)
        anna.get("/my/")
        count_queries()

        anna.get("/my/")

        assert count_queries() <= few


class TestWhatIsDone:
    def test_an_answer_sent_is_one_click(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions, business_clock: StandingClock
    ) -> None:
        (request_id,) = give(sessions, cast.anna)
        business_clock.forward(minutes=10)
        anna = logged_in("anna")

        answer = anna.post(f"/my/{task_of(sessions, request_id).id}/complete", {"outcome": "answered"})

        assert answer.location == "/my/"
        row = request_of(sessions, request_id)
        assert row.first_answer_at == MONDAY + timedelta(minutes=10)
        assert row.status == RequestStatus.IN_PROGRESS
        assert "Записано" in anna.get("/my/").text

    def test_who_thinks_needs_a_date_and_nothing_typed_is_lost(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        (request_id,) = give(sessions, cast.anna)
        task = task_of(sessions, request_id)
        anna = logged_in("anna")

        refused = anna.post(f"/my/{task.id}/complete", {"outcome": "thinks", "note": "ждёт директора"})
        assert refused.status_code == 422
        assert "До какого дня думает клиент" in refused.text
        assert 'value="ждёт директора"' in refused.text
        assert re.search(rf'id="more-{task.id}" open', refused.text)

        anna.post(f"/my/{task.id}/complete", {"outcome": "thinks", "next_at": "2026-10-08T12:00", "note": "ждёт"})
        row = request_of(sessions, request_id)
        assert row.next_step_at.isoformat() == "2026-10-08T09:00:00+00:00"
        assert task_of(sessions, request_id).due_at == row.next_step_at

    def test_a_refusal_needs_its_reason_and_closes_the_request(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        (request_id,) = give(sessions, cast.anna)
        anna, address = logged_in("anna"), f"/my/{task_of(sessions, request_id).id}/complete"
        assert "причина отказа" in anna.post(address, {"outcome": "refused"}).text

        assert anna.post(address, {"outcome": "refused", "reason": "expensive"}).status_code == 302

        row = request_of(sessions, request_id)
        assert (row.status, row.close_reason) == (RequestStatus.LOST, "expensive")

    def test_a_second_click_records_no_second_contact(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        (request_id,) = give(sessions, cast.anna)
        anna, address = logged_in("anna"), f"/my/{task_of(sessions, request_id).id}/complete"
        anna.post(address, {"outcome": "answered"})

        again = anna.post(address, {"outcome": "answered"})

        assert again.status_code == 422
        assert "уже закрыта" in again.text
        with sessions() as session:
            assert len(session.scalars(select(Contact)).all()) == 1

    def test_postponing_needs_a_reason_and_is_counted(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        (request_id,) = give(sessions, cast.anna)
        task = task_of(sessions, request_id)
        anna, address = logged_in("anna"), f"/my/{task.id}/postpone"
        refused = anna.post(address, {"until": "2026-10-07T10:00", "why": ""})
        assert "Нужна причина" in refused.text
        assert 'value="2026-10-07T10:00"' in refused.text
        assert "Укажите, до когда" in anna.post(address, {"until": "", "why": "просил"}).text

        anna.post(address, {"until": "2026-10-07T10:00", "why": "просил"})

        assert task_of(sessions, request_id).times_postponed == 1

    def test_an_own_task_is_added_and_done(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        anna = logged_in("anna")
        assert anna.post("/my/add", {"title": "Позвонить в банк", "due_at": "2026-10-05T15:00"}).status_code == 302
        assert "Позвонить в банк" in anna.get("/my/").text
        with sessions() as session:
            task = session.scalars(select(Task)).one()

        anna.post(f"/my/{task.id}/complete", {"outcome": "answered"})

        assert "Всё сделано" in anna.get("/my/").text

    @pytest.mark.parametrize(
        ("form", "words"),
        [
            ({"title": ""}, "От 1 до 200 знаков"),
            ({"title": "x", "due_at": "2020-01-01T10:00"}, "уже прошло"),
            ({"title": "x", "due_at": "завтра"}, "не дата"),
        ],
    )
    def test_an_own_task_that_makes_no_sense_is_refused_in_place(
        self, logged_in: LogIn, form: dict[str, object], words: str
    ) -> None:
        answer = logged_in("anna").post("/my/add", form)

        assert answer.status_code == 422
        assert words in answer.text


class TestWhose:
    def test_a_manager_cannot_touch_what_is_another_s(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        (request_id,) = give(sessions, cast.anna)
        task = task_of(sessions, request_id)
        boris = logged_in("boris")

        assert boris.post(f"/my/{task.id}/complete", {"outcome": "answered"}).status_code == 404
        assert boris.post(f"/my/{task.id}/postpone", {"until": "2026-10-07T10:00", "why": "x"}).status_code == 404
        assert boris.get("/my/?manager=anna").status_code == 404
        assert task_of(sessions, request_id).id == task.id

    def test_a_head_opens_anybody_s_list_and_stays_there(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        (request_id,) = give(sessions, cast.anna)
        galina = logged_in("galina")
        assert "Клиент 0" in galina.get("/my/?manager=anna").text

        answer = galina.post(
            f"/my/{task_of(sessions, request_id).id}/complete", {"outcome": "answered", "manager": "anna"}
        )

        assert answer.location == "/my/?manager=anna"
        with sessions() as session:
            assert session.scalars(select(Contact.manager_id)).one() == cast.anna.id

    def test_a_list_of_nobody_is_not_found(self, logged_in: LogIn) -> None:
        galina = logged_in("galina")

        assert galina.get("/my/?manager=nobody").status_code == 404
        assert galina.get("/my/").status_code == 404
