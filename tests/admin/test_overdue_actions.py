"""What follows from what was not done: a head answers in one tap, a manager reads his own; and one client's page."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.models import (
    AuditEntry,
    Callback,
    CallbackState,
    Client,
    Contact,
    OverdueAction,
    OverdueKind,
    OverdueState,
    PaymentKind,
)
from rules_engine.services.requests import overdue_actions
from tests.admin.conftest import Browser, StandingClock
from tests.admin.test_home import text_of
from tests.calls import make_callback, make_occasion, make_overdue_action
from tests.factories import MONDAY, Cast, at, make_client, make_contact, make_payment

LogIn = Callable[[str], Browser]
Sessions = sessionmaker[Session]
LATE = at("2026-10-02 18:00")


def propose(sessions: Sessions, cast: Cast, **more: object) -> int:
    """Let a hold of Anna's new requests be proposed, because of five overdue calls; return its id."""
    with db.transaction(sessions) as session:
        make_occasion(session)
        for place in range(5):
            make_callback(session, make_client(session, f"Фирма {place}", owner=cast.anna), cast.anna, due_at=LATE)
        return make_overdue_action(session, cast.anna, **more).id


def propose_release(sessions: Sessions, cast: Cast) -> tuple[int, int]:
    """Let it be proposed that Anna's client goes to another manager; return the ids of the proposal and the client."""
    with db.transaction(sessions) as session:
        make_occasion(session)
        client = make_client(session, "ООО «Маяк»", owner=cast.anna)
        call = make_callback(session, client, cast.anna, due_at=LATE)
        row = make_overdue_action(
            session, cast.anna, kind=OverdueKind.RELEASE, client_id=client.id, callback_id=call.id
        )
        return row.id, client.id


def action(sessions: Sessions, action_id: int) -> OverdueAction:
    with sessions() as session:
        return session.get_one(OverdueAction, action_id)


class TestProposals:
    def test_a_proposal_says_what_was_not_done_by_which_rule_since_when_and_what_would_lift_it(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        propose(sessions, cast)
        propose_release(sessions, cast)

        page = text_of(logged_in("galina").get("/overdue/").text)

        for words in (
            "Ждут ответа 2", "Анна", "приостановка новых заявок", "Просрочено звонков: 5.", "Правило: «calls-first».",
            "Сейчас просрочено 6 звонков.", "как только просроченных звонков станет меньше 3",
            "в конце его следующего рабочего дня", "ООО «Маяк»", "клиент другому менеджеру",
            "Звонок: скоро понадобится, срок был",
        ):  # fmt: skip
            assert words in page, words

    def test_a_hold_is_confirmed_in_one_tap_and_told_with_what_lifts_it(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions, business_clock: StandingClock
    ) -> None:
        action_id = propose(sessions, cast)
        galina = logged_in("galina")

        assert galina.post(f"/overdue/{action_id}/confirm").location == "/overdue/"

        row = action(sessions, action_id)
        assert (row.state, row.answered_by, row.ends_at) == (OverdueState.CONFIRMED, "galina", at("2026-10-06 18:00"))
        with sessions() as session:
            assert set(overdue_actions.holds_in_force(session, MONDAY)) == {cast.anna.id}
        page = text_of(galina.get("/overdue/").text)
        assert "Подтверждено. Новые заявки приостановлены: Анна." in page
        assert "Самое позднее: завтра 18:00" in page
        assert "Закончить сейчас" in page
        business_clock.at = at("2026-10-06 18:00")
        assert "Приостановок нет: новые заявки получают все." in text_of(galina.get("/overdue/").text)

    @pytest.mark.parametrize(
        ("form", "reason"),
        [({"reason": " обсудили "}, "обсудили"), ({"ready": "менеджера не было"}, "менеджера не было")],
    )
    def test_a_proposal_is_declined_with_a_reason_typed_or_ready(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions, form: dict[str, object], reason: str
    ) -> None:
        action_id = propose(sessions, cast)
        galina = logged_in("galina")
        assert 'name="ready" value="менеджера не было"' in galina.get("/overdue/").text

        galina.post(f"/overdue/{action_id}/decline", form)

        row = action(sessions, action_id)
        assert (row.state, row.answer_reason) == (OverdueState.DECLINED, reason)
        page = text_of(galina.get("/overdue/").text)
        assert "Ответа ничего не ждёт." in page
        assert f"Приостановка новых заявок: отклонено «{reason}»" in page

    def test_declining_without_a_reason_is_refused_beside_the_field(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        action_id = propose(sessions, cast)

        answer = logged_in("galina").post(f"/overdue/{action_id}/decline", {"reason": "  "})

        assert answer.status_code == 422
        assert re.search(rf'id="d-reason-{action_id}">Нужна причина', answer.text)
        assert action(sessions, action_id).state is OverdueState.PROPOSED

    def test_whoever_was_slower_is_told_and_changes_nothing(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        action_id = propose(sessions, cast)
        galina = logged_in("galina")
        galina.post(f"/overdue/{action_id}/confirm")

        late = galina.post(f"/overdue/{action_id}/decline", {"reason": "поздно"})

        assert late.status_code == 409
        assert "уже ответили" in late.text
        assert action(sessions, action_id).state is OverdueState.CONFIRMED

    def test_a_client_goes_to_whom_the_head_names_or_by_fair_share(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        galina = logged_in("galina")
        named, client_id = propose_release(sessions, cast)
        page = galina.get("/overdue/").text
        assert '<option value="anna"' not in page
        galina.post(f"/overdue/{named}/confirm", {"new_owner": "vera"})
        with sessions() as session:
            assert session.get_one(Client, client_id).owner_id == cast.vera.id
        shared, other_id = propose_release(sessions, cast)

        galina.post(f"/overdue/{shared}/confirm", {"new_owner": ""})

        with sessions() as session:
            assert session.get_one(Client, other_id).owner_id == cast.boris.id
        assert "клиент другому менеджеру: подтверждено → Борис" in text_of(
            galina.get("/overdue/").text
        ).lower().replace("борис", "Борис")

    def test_an_owner_who_does_not_exist_is_refused(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        action_id, client_id = propose_release(sessions, cast)

        assert logged_in("galina").post(f"/overdue/{action_id}/confirm", {"new_owner": "nobody"}).status_code == 422
        with sessions() as session:
            assert session.get_one(Client, client_id).owner_id == cast.anna.id


class TestHolds:
    def test_a_hold_is_ended_now_and_goes_into_the_history(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions, business_clock: StandingClock
    ) -> None:
        action_id = propose(sessions, cast)
        galina = logged_in("galina")
        galina.post(f"/overdue/{action_id}/confirm")
        business_clock.forward(minutes=30)

        galina.post(f"/overdue/{action_id}/end")

        row = action(sessions, action_id)
        assert (row.state, row.end_reason, row.ended_at) == (
            OverdueState.ENDED, "head", MONDAY + timedelta(minutes=30),
        )  # fmt: skip
        assert "закончилась (закончил руководитель)" in text_of(galina.get("/overdue/").text)
        assert galina.post(f"/overdue/{action_id}/end").status_code == 409

    def test_the_history_is_parted_into_pages(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        with db.transaction(sessions) as session:
            for _ in range(53):
                make_overdue_action(session, cast.anna, state=OverdueState.WITHDRAWN)
        galina = logged_in("galina")

        first = galina.get("/overdue/").text
        older = re.search(r'rel="next" href="([^"]+)"', first)[1]

        assert first.count("больше не нужно") == 50
        assert galina.get(older).text.count("больше не нужно") == 3

    def test_more_rows_cost_no_more_queries(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions, count_queries: Callable[[], int]
    ) -> None:
        propose_release(sessions, cast)
        galina = logged_in("galina")
        galina.get("/overdue/")
        count_queries()
        galina.get("/overdue/")
        few = count_queries()
        for _ in range(4):
            propose_release(sessions, cast)
        galina.get("/overdue/")
        count_queries()

        galina.get("/overdue/")

        assert count_queries() <= few


class TestWhose:
    def test_a_manager_reads_his_own_and_answers_nothing(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        action_id = propose(sessions, cast)
        anna, boris = logged_in("anna"), logged_in("boris")

        page = text_of(anna.get("/overdue/").text)

        assert "Просрочено звонков: 5." in page
        assert "станет меньше 3" in page
        assert "Подтвердить" not in page
        assert "Анна" not in text_of(boris.get("/overdue/").text)
        for answer in ("confirm", "decline", "end"):
            assert anna.post(f"/overdue/{action_id}/{answer}", {"reason": "x"}).status_code == 403
        assert action(sessions, action_id).state is OverdueState.PROPOSED

    def test_an_auditor_reads_everything_and_answers_nothing(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        action_id = propose(sessions, cast)
        zhanna = logged_in("zhanna")

        page = zhanna.get("/overdue/").text

        assert "Просрочено звонков: 5." in page
        assert "<form" not in page.partition("<main")[2]
        assert zhanna.post(f"/overdue/{action_id}/confirm").status_code == 403

    def test_the_first_page_counts_what_burns_and_links_to_it(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        galina = logged_in("galina")
        assert "ничего не горит" in galina.get("/").text
        propose(sessions, cast)

        page = galina.get("/").text

        assert re.search(r'href="/overdue/">1.предложение ждёт ответа', page)
        assert re.search(r'href="/overdue/#calls">5.звонков просрочено', page)
        assert re.search(r"Анна</a></td><td class=\"r\">5</td>", galina.get("/overdue/").text)


class TestClientPage:
    def test_it_tells_what_he_buys_when_he_will_need_us_and_every_call(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        with db.transaction(sessions) as session:
            make_occasion(session)
            client = make_client(session, "ООО «Маяк»", owner=cast.anna, segment="lapsing")
            for day in ("2026-04-01", "2026-05-31", "2026-07-30"):
                paid = make_payment(
                    session, client, at(f"{day} 12:00"), 4_000_000, service="хостинг", manager=cast.anna
                )
            paid.kind = PaymentKind.PREPAYMENT
            said = make_contact(
                session, client=client, at=at("2026-09-01 12:00"), outcome="refused", note="пока не надо"
            )
            make_callback(session, client, cast.anna)
            make_callback(
                session, client, cast.anna, state=CallbackState.DONE, outcome="refused", outcome_reason="expensive",
                attempts=2, contact_id=said.id, due_at=at("2026-09-01 18:00"), done_at=at("2026-09-01 12:00"),
            )  # fmt: skip
            make_callback(
                session, client, cast.anna, state=CallbackState.CANCELLED, done_at=at("2026-07-30 12:00"),
                due_at=at("2026-08-01 18:00"), closed_because={"ru": "клиент купил", "en": "the client bought"},
            )  # fmt: skip
            client_id = client.id

        page = text_of(logged_in("anna").get(f"/clients/{client_id}").text)

        for words in (
            "забытый", "Средняя оплата 40 000 ₽", "Всего 120 000 ₽, 3 оплаты", "Обычный интервал 60 дней",
            "Ожидаемая потребность 28 сентября 7 дней назад", "предоплата", "в списке", "сделан", "отказ: дорого",
            "не засчитан", "2 попытки", "пока не надо", "не понадобился", "Клиент купил.",
        ):  # fmt: skip
            assert words in page.replace("\xa0", " "), words

    def test_asking_not_to_be_called_is_one_tap_leaves_evidence_and_ends_the_calls(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        with db.transaction(sessions) as session:
            client = make_client(session, owner=cast.anna)
            make_callback(session, client, cast.anna)
            client_id = client.id
        anna = logged_in("anna")

        for _ in range(2):
            assert anna.post(f"/clients/{client_id}/do-not-call").location == f"/clients/{client_id}"

        with sessions() as session:
            assert session.get_one(Client, client_id).do_not_call
            assert session.scalars(select(Callback)).one().state is not CallbackState.OPEN
            contact = session.scalars(select(Contact)).one()
            assert (contact.outcome, contact.direction, contact.manager_id) == ("do_not_call", "in", cast.anna.id)
        page = anna.get(f"/clients/{client_id}").text
        assert "просил не звонить" in page
        assert "/do-not-call" not in page

    def test_consent_is_recorded_with_its_date_and_source_and_can_be_withdrawn(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        with db.transaction(sessions) as session:
            client_id = make_client(session, owner=cast.anna).id
        anna, address = logged_in("anna"), f"/clients/{client_id}/consent"

        anna.post(address, {"consent_on": "2026-10-01", "consent_source": " письмо  от 1.10 "})

        assert "1 октября, письмо от 1.10" in text_of(anna.get(f"/clients/{client_id}").text)
        with sessions() as session:
            entry = session.scalars(select(AuditEntry).where(AuditEntry.subject_kind == "client")).one()
            assert (entry.actor, entry.after["consent_source"]) == ("anna", "письмо от 1.10")
        anna.post(address, {"withdraw": "1"})
        with sessions() as session:
            assert session.get_one(Client, client_id).consent_on is None

    @pytest.mark.parametrize(
        ("form", "field", "words"),
        [
            ({"consent_on": "", "consent_source": "письмо"}, "consent_on", "Укажите, когда дано согласие"),
            ({"consent_on": "2026-10-06", "consent_source": "письмо"}, "consent_on", "Эта дата ещё не наступила"),
            ({"consent_on": "вчера", "consent_source": "письмо"}, "consent_on", "Это не дата"),
            ({"consent_on": "2026-10-01", "consent_source": " "}, "consent_source", "От 1 до 200 знаков"),
        ],
    )
    def test_a_consent_that_proves_nothing_is_refused_in_place(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions, form: dict[str, object], field: str, words: str
    ) -> None:
        with db.transaction(sessions) as session:
            client_id = make_client(session, owner=cast.anna).id

        answer = logged_in("anna").post(f"/clients/{client_id}/consent", form)

        assert answer.status_code == 422
        assert re.search(rf'id="d-f-{field}">{words}', answer.text)

    def test_another_manager_s_client_cannot_be_found(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        with db.transaction(sessions) as session:
            client_id = make_client(session, owner=cast.anna).id
        boris = logged_in("boris")

        assert boris.get(f"/clients/{client_id}").status_code == 404
        assert boris.post(f"/clients/{client_id}/do-not-call").status_code == 404
        assert boris.post(f"/clients/{client_id}/consent", {"withdraw": "1"}).status_code == 404
