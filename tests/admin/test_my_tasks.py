"""A manager's day: one next thing, few lines, the rest folded; answering, postponing, own tasks; whose list it is."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.models import (
    Callback,
    CallbackState,
    Client,
    Contact,
    Manager,
    OverdueState,
    Request,
    RequestStatus,
    Task,
    TaskKind,
    TaskState,
    User,
    WorkItem,
)
from rules_engine.services.records import settings_store
from rules_engine.services.requests import assignment
from tests.admin.conftest import Browser, StandingClock
from tests.calls import make_callback, make_occasion, make_overdue_action
from tests.factories import (
    MONDAY,
    Cast,
    at,
    condition,
    escalation_rules,
    make_client,
    make_contact,
    make_payment,
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


def hand_out(sessions: Sessions, manager: Manager, number: int = 1, **values: object) -> list[int]:
    """Put calls to different clients into a manager's list; return the ids of their tasks."""
    ids = []
    with db.transaction(sessions) as session:
        make_occasion(session)
        for place in range(number):
            client = make_client(session, f"Фирма {place}", owner=manager, phone=f"+7495100{place:04d}")
            call = make_callback(session, client, manager, **values)
            ids.append(session.scalars(select(Task.id).where(Task.callback_id == call.id)).one())
    return ids


def call_of(sessions: Sessions, task_id: int) -> Callback:
    with sessions() as session:
        return session.get_one(Callback, session.get_one(Task, task_id).callback_id)


class TestCallsAreShown:
    def test_a_call_says_why_what_he_buys_what_was_said_and_how_to_begin(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        (task_id,) = hand_out(sessions, cast.anna)
        with db.transaction(sessions) as session:
            client = session.get_one(Client, call_of(sessions, task_id).client_id)
            client.region = "Новосибирская область"
            for day in ("2026-04-01", "2026-05-31", "2026-07-30"):
                make_payment(session, client, at(f"{day} 12:00"), 4_000_000, service="хостинг")
            make_contact(
                session,
                client=client,
                at=at("2026-09-01 12:00"),
                outcome="refused",
                reason="postponed",
                note="в октябре",
            )

        (card,) = cards(logged_in("anna").get("/my/").text)

        for words in (
            "плановый звонок", "скоро понадобится", "обычно платит 40\xa0000\xa0₽ раз в 60 дней", "хостинг",
            "Прошло 67 дней с последней оплаты.",
            "Прошло 57 дней: скоро понадобится продление.",
            "Прошлый раз, 1 сент.:", "отказ, отложили, «в октябре»", "У клиента 15:20",
            "«Подходит срок продления, всё ли устраивает?»", "до 18:00",
        ):  # fmt: skip
            assert words in re.sub(r"[ \n]+", " ", card), words
        assert f'href="tel:+74951000000" data-opens="talk-{task_id}"' in card

    @pytest.mark.parametrize(
        ("region", "words"),
        [
            # 18:20 there; both are at work again at nine in Moscow, which is four in the afternoon in Vladivostok.
            ("Приморский край", "У клиента 18:20, звонить: завтра\xa009:00"),
            # There the day for calls ends when it begins in Moscow.
            ("Камчатский край", "У клиента 20:20, не время для звонков"),
        ],
    )
    def test_outside_the_client_s_hours_it_says_when_to_call(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions, region: str, words: str
    ) -> None:
        (task_id,) = hand_out(sessions, cast.anna)
        with db.transaction(sessions) as session:
            session.get_one(Client, call_of(sessions, task_id).client_id).region = region

        (card,) = cards(logged_in("anna").get("/my/").text)

        assert words in card
        assert "btn primary" not in card

    def test_the_day_s_progress_is_shown(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        anna = logged_in("anna")
        assert "Звонки сегодня" not in anna.get("/my/").text
        hand_out(sessions, cast.anna, 2)
        hand_out(sessions, cast.anna, 1, attempts=1, due_at=at("2026-10-06 18:00"))
        with db.transaction(sessions) as session:
            for _ in range(4):
                make_callback(
                    session,
                    make_client(session),
                    cast.anna,
                    state=CallbackState.DONE,
                    done_at=MONDAY - timedelta(hours=1),
                )

        page = anna.get("/my/").text

        assert re.search(r"Звонки сегодня:</span> <b>4 из 6|Звонки сегодня: <b>4 из 6", page)
        assert "ещё 2 — и новая порция" in page

    def test_a_hold_is_told_first_with_what_lifts_it(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        hand_out(sessions, cast.anna, 5, due_at=at("2026-10-02 18:00"))
        with db.transaction(sessions) as session:
            row_id = make_overdue_action(session, cast.anna).id
        anna = logged_in("anna")
        assert "решение за ним. Просрочено звонков: 5." in anna.get("/my/").text

        with db.transaction(sessions) as session:
            row = session.get(type(make_overdue_action(session, cast.boris)), row_id)
            row.state, row.ends_at = OverdueState.CONFIRMED, at("2026-10-06 18:00")

        page = anna.get("/my/").text
        assert "Новые заявки приостановлены, самое позднее до завтра\xa018:00." in page
        assert "как только просроченных звонков станет меньше 3; сейчас: 5." in page

    def test_more_calls_cost_no_more_queries(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions, count_queries: Callable[[], int]
    ) -> None:
        give(sessions, cast.anna)
        hand_out(sessions, cast.anna, 2)
        anna = logged_in("anna")
        anna.get("/my/")
        count_queries()
        anna.get("/my/")
        few = count_queries()
        hand_out(sessions, cast.anna, 12)
        anna.get("/my/")
        count_queries()

        anna.get("/my/")

        assert count_queries() <= few

    def test_in_english_every_word_is_english(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        give(sessions, cast.anna)
        hand_out(sessions, cast.anna, 2, due_at=at("2026-10-02 18:00"))
        with db.transaction(sessions) as session:
            make_overdue_action(session, cast.anna, state=OverdueState.CONFIRMED, ends_at=at("2026-10-06 18:00"))
            session.get_one(User, cast.anna.user_id).locale = "en"
        anna = logged_in("anna")

        for path in ("/my/", "/overdue/"):
            said = re.sub(r"<[^>]+>|Клиент \d|Фирма \d|Анна|для примера|Галина", " ", anna.get(path).text)
            assert re.findall(r"[А-Яа-яё]+", said) == []


class TestCallsAreMade:
    @pytest.mark.parametrize(
        ("pressed", "outcome"),
        [
            ("order", "order"),
            ("not_now", "not_now"),
            ("do_not_call", "do_not_call"),
            ("refused@expensive", "refused"),
            ("thinks@2026-10-12T09:00", "thinks"),
            ("wrong_number", "wrong_number"),
        ],
    )
    def test_an_outcome_is_one_button(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions, pressed: str, outcome: str
    ) -> None:
        (task_id,) = hand_out(sessions, cast.anna)
        anna = logged_in("anna")
        if "@2026" not in pressed and pressed != "wrong_number":
            assert f'value="{pressed}"' in anna.get("/my/").text

        answer = anna.post(f"/my/{task_id}/complete", {"outcome": pressed, "note": "поговорили"})

        assert answer.location == "/my/"
        call = call_of(sessions, task_id)
        assert (call.state, call.outcome) == (CallbackState.DONE, outcome)
        assert cards(anna.get("/my/").text) == []
        with sessions() as session:
            contact = session.scalars(select(Contact)).one()
            assert (contact.outcome, contact.note) == (outcome, "поговорили")
            assert contact.reason == ("expensive" if outcome == "refused" else None)
            assert (contact.asked_to_call_at == at("2026-10-12 09:00")) == (outcome == "thinks")

    def test_the_days_offered_to_who_thinks_are_working_days(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        hand_out(sessions, cast.anna)

        page = logged_in("anna").get("/my/").text

        assert re.findall(r'value="thinks@([^"]+)">([^<]+)<', page) == [
            ("2026-10-06T09:00", "Завтра"), ("2026-10-12T09:00", "Через неделю"), ("2026-11-04T09:00", "Через месяц"),
        ]  # fmt: skip

    def test_who_was_not_reached_stays_on_the_list_for_the_next_attempt(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        (task_id,) = hand_out(sessions, cast.anna)
        anna = logged_in("anna")

        anna.post(f"/my/{task_id}/complete", {"outcome": "not_reached"})

        call = call_of(sessions, task_id)
        assert (call.state, call.attempts) == (CallbackState.OPEN, 1)
        (card,) = cards(anna.get("/my/").text)
        assert "попытка 2" in card

    @pytest.mark.parametrize(
        ("form", "words", "kept"),
        [
            ({"outcome": "thinks", "note": "ждёт"}, "До какого дня думает клиент", 'value="ждёт"'),
            ({"outcome": "refused", "note": "нет"}, "ричина отказа", 'value="нет"'),
            ({"outcome": "", "note": "Enter"}, "Выберите итог", 'value="Enter"'),
            ({"outcome": "thinks@вчера"}, "не дата", ""),
            ({"outcome": "refused@чепуха"}, "нет такой причины", ""),
        ],
    )
    def test_what_is_missing_is_said_in_the_panel_and_nothing_typed_is_lost(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions, form: dict[str, object], words: str, kept: str
    ) -> None:
        (task_id,) = hand_out(sessions, cast.anna)

        answer = logged_in("anna").post(f"/my/{task_id}/complete", form)

        assert answer.status_code == 422
        assert words.lower() in answer.text.lower()
        assert kept in answer.text
        assert f'id="talk-{task_id}" open' in answer.text
        assert call_of(sessions, task_id).state is CallbackState.OPEN

    def test_an_outcome_that_does_not_exist_is_refused(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        (task_id,) = hand_out(sessions, cast.anna)

        assert logged_in("anna").post(f"/my/{task_id}/complete", {"outcome": "sold@everything"}).status_code == 400

    def test_putting_a_call_off_needs_a_reason_beside_its_field(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        (task_id,) = hand_out(sessions, cast.anna)
        anna, address = logged_in("anna"), f"/my/{task_id}/postpone"

        refused = anna.post(address, {"until": "2026-10-07T10:00", "why": ""})
        assert refused.status_code == 422
        assert f'id="more-{task_id}" open' in refused.text
        assert f'id="d-why-{task_id}">Нужна причина' in refused.text

        anna.post(address, {"until": "2026-10-07T10:00", "why": "в отпуске"})
        call = call_of(sessions, task_id)
        assert (call.times_postponed, call.due_at) == (1, at("2026-10-07 10:00"))
        assert "Перенесён 1 раз." in anna.get("/my/").text

    def test_another_manager_s_call_cannot_be_found(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        (task_id,) = hand_out(sessions, cast.anna)
        boris = logged_in("boris")

        assert boris.post(f"/my/{task_id}/complete", {"outcome": "order"}).status_code == 404
        assert boris.post(f"/my/{task_id}/postpone", {"until": "2026-10-07T10:00", "why": "x"}).status_code == 404
        assert call_of(sessions, task_id).state is CallbackState.OPEN

    def test_a_head_finishes_a_call_for_its_manager_and_stays_on_his_list(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        (task_id,) = hand_out(sessions, cast.anna)

        answer = logged_in("galina").post(f"/my/{task_id}/complete", {"outcome": "order", "manager": "anna"})

        assert answer.location == "/my/?manager=anna"
        with sessions() as session:
            assert session.scalars(select(Contact)).one().manager_id == cast.anna.id

    def test_a_second_click_on_an_outcome_records_one_contact(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        (task_id,) = hand_out(sessions, cast.anna)
        anna = logged_in("anna")
        anna.post(f"/my/{task_id}/complete", {"outcome": "order"})

        again = anna.post(f"/my/{task_id}/complete", {"outcome": "refused@rival"})

        assert again.status_code == 422
        assert "уже закрыт" in again.text
        with sessions() as session:
            assert [one.outcome for one in session.scalars(select(Contact))] == ["order"]
            assert session.scalars(select(Task).where(Task.kind == TaskKind.CALLBACK)).one().state is TaskState.DONE


def test_with_the_client_on_the_line_the_holder_puts_the_transfer_off_once(
    sessions: Sessions, cast: Cast, logged_in: LogIn, business_clock: StandingClock
) -> None:
    late = rule(
        "transfer",
        {"all": [condition("request.is_answered", "is", False), condition("request.answer_used_pct", "ge", "200")]},
        {"action": "reassign", "to": {"pool": "team_of_holder"}},
    )
    with db.transaction(sessions) as session:
        make_version(session, "escalation", escalation_rules(late))
    request_id = give(sessions, cast.anna)[0]
    business_clock.forward(minutes=50)
    anna = logged_in("anna")
    assert "Клиент на линии, ещё 15 мин" in anna.get("/my/").text

    shown = anna.post(f"/requests/{request_id}/line", {"back": "my"}, follow_redirects=True).text

    assert "Заявка остаётся у вас до" in shown
    assert "Клиент на линии, ещё" not in shown
    assert re.search(r"Через 25\s+мин заявка перейдёт к другому менеджеру", shown)
    page = logged_in("galina").get(f"/requests/{request_id}").text
    assert "Клиент на линии с" in page
    assert anna.post(f"/requests/{request_id}/line", follow_redirects=True).text.count("так можно один раз") == 1
    # A colleague does not find it; a head does not have it on the line.
    assert logged_in("boris").post(f"/requests/{request_id}/line").status_code == 404


def test_whoever_changes_how_long_the_line_counts_has_open_requests_looked_at(
    sessions: Sessions, cast: Cast, logged_in: LogIn, business_clock: StandingClock
) -> None:
    request_id = give(sessions, cast.anna)[0]
    with db.transaction(sessions) as session:
        item = session.scalars(select(WorkItem).where(WorkItem.subject_id == request_id)).one()
        item.wake_at = None
    logged_in("galina").post("/settings/save", {"line_minutes": "30"})
    with sessions() as session:
        item = session.scalars(select(WorkItem).where(WorkItem.subject_id == request_id)).one()
        assert item.wake_at == business_clock.at


def test_each_button_says_by_ear_whose_it_is(cast: Cast, sessions: Sessions, logged_in: LogIn) -> None:
    """Lines have the same buttons: by Tab one must hear which client is called or written off."""
    give(sessions, cast.anna, 2)
    for card in cards(logged_in("anna").get("/my/").text):
        name = re.search(r'<span id="(who-\d+)">', card)
        assert name is not None
        for words in ("Почему мне?", "Позвонить", "Ответ отправлен", "Ещё…"):
            tag = card.partition(words)[0].rpartition("<")[2]
            assert f'aria-describedby="{name[1]}"' in tag, words
