"""Requests and clients: the list, one page, what may be done there, and what is not one's own to see."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.models import Assignment, AuditEntry, Client, Contact, Request, RequestStatus, WorkItem
from rules_engine.services.requests import assignment
from tests.admin.conftest import Browser, StandingClock
from tests.admin.test_my_tasks import give, request_of
from tests.factories import MONDAY, Cast, assignment_rules, make_client, make_mode, make_request, make_version

LogIn = Callable[[str], Browser]
Sessions = sessionmaker[Session]


def numbers(page: str) -> list[str]:
    return re.findall(r'href="/requests/(\d+)">', page.partition("<tbody>")[2].partition("</tbody>")[0])


class TestTheList:
    def test_newest_first_and_the_next_page_goes_on(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        with db.transaction(sessions) as session:
            # Every third of the same instant: the page must not lose or repeat one of them.
            made = [make_request(session, received_at=MONDAY - timedelta(hours=place // 3)).id for place in range(60)]
        galina = logged_in("galina")

        first = galina.get("/requests/").text
        more = re.search(r'rel="next" href="([^"]+)"', first)[1].replace("&amp;", "&")
        second = galina.get(more).text

        seen = [int(number) for number in numbers(first) + numbers(second)]
        assert len(numbers(first)) == 50
        assert sorted(seen) == sorted(made)
        assert len(set(seen)) == 60

    @pytest.mark.parametrize("cursor", ["x", "1", "1.x", "9" * 30 + ".1", "-1.1", "1.1.1", "99999999999999999.1"])
    def test_a_cursor_made_up_by_hand_breaks_nothing(self, logged_in: LogIn, cursor: str) -> None:
        assert logged_in("galina").get(f"/requests/?after={cursor}").status_code == 200

    def test_the_filters_find_what_burns(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions, business_clock: StandingClock
    ) -> None:
        (late,) = give(sessions, cast.anna)
        with db.transaction(sessions) as session:
            alone = make_request(session, received_at=MONDAY + timedelta(hours=1)).id
            broken = make_request(session, received_at=MONDAY).id
            item = session.scalars(select(WorkItem).where(WorkItem.subject_id == broken)).one()
            item.quarantined_at = MONDAY
            make_request(session, received_at=MONDAY, is_history=True, status=RequestStatus.WON)
        business_clock.forward(minutes=45)
        galina = logged_in("galina")

        def ids(query: str) -> set[int]:
            return {int(number) for number in numbers(galina.get(f"/requests/?{query}").text)}

        assert ids("overdue=1") == {late}
        assert ids("over_hour=1") == set()
        assert ids("unassigned=1") == {alone, broken}
        assert ids("set_aside=1") == {broken}
        assert ids("manager=anna") == {late}
        assert ids("status=open") == {late, alone, broken}
        assert len(ids("status=won")) == 1
        business_clock.forward(minutes=60)
        assert ids("over_hour=1") == {late}

    def test_it_is_searched_by_number_name_and_the_end_of_a_phone(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        with db.transaction(sessions) as session:
            client = make_client(session, "ООО «Ромашка»", phone="+79991234567")
            found = make_request(session, client=client, external_id="Z-100%").id
            make_request(session, external_id="Z-1001")
        galina = logged_in("galina")

        for text in ("РОМАШКА", "ромаш", "4567", "8 (999) 123-45-67", "z-100%"):
            assert numbers(galina.get("/requests/", query_string={"q": text}).text) == [str(found)], text

    def test_more_rows_cost_no_more_queries(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions, count_queries: Callable[[], int]
    ) -> None:
        give(sessions, cast.anna, 2)
        galina = logged_in("galina")
        for path in ("/requests/", "/clients/"):
            galina.get(path)
            count_queries()
            galina.get(path)
            few = count_queries()
            give(sessions, cast.boris, 15)
            galina.get(path)
            count_queries()
            galina.get(path)
            assert count_queries() <= few, path


class TestWhoseItIs:
    def test_a_manager_sees_what_he_has_and_had(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        (had,) = give(sessions, cast.anna)
        (other,) = give(sessions, cast.boris)
        with db.transaction(sessions) as session:
            assignment.assign_by_hand(
                session, session.get_one(Request, had), cast.boris, reason="x", actor="galina", now=MONDAY
            )
        anna = logged_in("anna")

        assert numbers(anna.get("/requests/").text) == [str(had)]
        assert anna.get(f"/requests/{had}").status_code == 200
        assert anna.get(f"/requests/{other}").status_code == 404
        assert anna.get(f"/requests/{other}/why").status_code in (200, 404)

    def test_he_cannot_change_what_is_no_longer_his(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        (had,) = give(sessions, cast.anna)
        with db.transaction(sessions) as session:
            assignment.assign_by_hand(
                session, session.get_one(Request, had), cast.boris, reason="x", actor="galina", now=MONDAY
            )
        anna = logged_in("anna")

        assert anna.post(f"/requests/{had}/status", {"status": "spam"}).status_code == 403
        assert anna.post(f"/requests/{had}/contact", {"kind": "call", "direction": "out"}).status_code == 403
        assert "Что произошло" not in anna.get(f"/requests/{had}").text

    def test_its_amount_is_hidden_from_him_until_the_first_answer_and_never_from_a_head(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        (request_id,) = give(sessions, cast.anna, amount_minor=7_777_700)
        anna = logged_in("anna")
        for path in (f"/requests/{request_id}", "/requests/"):
            assert "777" not in anna.get(path).text
            assert "777" in logged_in("galina").get(path).text

        anna.post(f"/requests/{request_id}/contact", {"kind": "call", "direction": "out", "outcome": "answered"})

        assert "777" in anna.get(f"/requests/{request_id}").text

    def test_of_clients_he_sees_his_own_and_those_of_his_requests(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        with db.transaction(sessions) as session:
            own = make_client(session, "Свой", owner=cast.anna).id
            covered = make_client(session, "Замещаемый", cover=cast.anna).id
            foreign = make_client(session, "Чужой", owner=cast.boris).id
        give(sessions, cast.anna)
        anna = logged_in("anna")

        page = anna.get("/clients/").text

        assert "Свой" in page
        assert "Замещаемый" in page
        assert "Клиент 0" in page
        assert "Чужой" not in page
        assert [anna.get(f"/clients/{one}").status_code for one in (own, covered, foreign)] == [200, 200, 404]


class TestOnePage:
    def test_a_contact_by_hand_is_recorded_once_whatever_the_number_of_clicks(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        (request_id,) = give(sessions, cast.anna)
        anna = logged_in("anna")
        key = re.search(r'name="key" value="(\w+)"', anna.get(f"/requests/{request_id}").text)[1]
        form = {"key": key, "kind": "email", "direction": "out", "outcome": "answered", "note": "отправил счёт"}

        for _ in range(2):
            assert anna.post(f"/requests/{request_id}/contact", form).status_code == 302

        with sessions() as session:
            contact = session.scalars(select(Contact)).one()
        assert (contact.kind, contact.note, contact.manager_id) == ("email", "отправил счёт", cast.anna.id)
        assert "отправил счёт" in anna.get(f"/requests/{request_id}").text

    def test_a_contact_of_the_future_is_refused_and_nothing_typed_is_lost(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        (request_id,) = give(sessions, cast.anna)

        answer = logged_in("anna").post(
            f"/requests/{request_id}/contact",
            {"kind": "call", "direction": "out", "note": "про счёт", "at": "2027-01-01T10:00"},
        )

        assert answer.status_code == 422
        assert 'aria-invalid="true"' in answer.text
        assert 'value="про счёт"' in answer.text

    @pytest.mark.parametrize("form", [{"kind": "pigeon", "direction": "out"}, {"kind": "call"}, {}])
    def test_a_form_made_up_by_hand_is_refused(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions, form: dict[str, object]
    ) -> None:
        (request_id,) = give(sessions, cast.anna)

        assert logged_in("anna").post(f"/requests/{request_id}/contact", form).status_code == 400
        assert request_of(sessions, request_id).first_answer_at is None

    def test_only_statuses_that_may_follow_are_offered(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        (request_id,) = give(sessions, cast.anna)
        anna = logged_in("anna")

        offered = re.findall(
            r'<option value="(\w+)"',
            anna.get(f"/requests/{request_id}").text.partition('id="f-status"')[2].partition("</select>")[0],
        )
        assert offered == ["in_progress", "waiting_client", "won", "lost", "spam"]
        assert "нужна причина отказа" in anna.post(f"/requests/{request_id}/status", {"status": "lost"}).text

        anna.post(f"/requests/{request_id}/status", {"status": "lost", "reason": "rival"})
        assert request_of(sessions, request_id).close_reason == "rival"
        assert anna.post(f"/requests/{request_id}/status", {"status": "flying"}).status_code == 400

    def test_a_head_hands_it_to_another_with_a_reason(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        (request_id,) = give(sessions, cast.anna)
        galina = logged_in("galina")
        address = f"/requests/{request_id}/reassign"
        assert "Скажите почему" in galina.post(address, {"manager": "boris", "reason": " "}).text
        assert "Выберите из списка" in galina.post(address, {"manager": "nobody", "reason": "x"}).text
        assert "уже ведёт" in galina.post(address, {"manager": "anna", "reason": "x"}).text

        answer = galina.post(address, {"manager": "boris", "reason": "клиент просил", "keep_debit": "1"})

        assert "Передана: Борис" in galina.get(answer.location).text
        assert request_of(sessions, request_id).manager_id == cast.boris.id
        page = galina.get(f"/requests/{request_id}").text
        assert "клиент просил" in page
        assert "Передана менеджеру Борис" in page
        with sessions() as session:
            assert "reassign" in session.scalars(select(AuditEntry.action)).all()
            assert len(session.scalars(select(Assignment)).all()) == 2

    def test_a_manager_cannot_hand_it_on(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        (request_id,) = give(sessions, cast.anna)
        anna = logged_in("anna")

        assert anna.post(f"/requests/{request_id}/reassign", {"manager": "boris", "reason": "x"}).status_code == 403
        assert "Передать другому" not in anna.get(f"/requests/{request_id}").text

    def test_a_head_confirms_spam_and_it_no_longer_counts(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        (request_id,) = give(sessions, cast.anna)
        anna, galina = logged_in("anna"), logged_in("galina")
        address = f"/requests/{request_id}/correct"
        assert "не отмечена как спам" in galina.post(address, {"what": "spam"}).text
        anna.post(f"/requests/{request_id}/status", {"status": "spam"})
        assert "Подтвердить: спам" not in anna.get(f"/requests/{request_id}").text
        assert anna.post(address, {"what": "spam"}).status_code == 403
        assert "Подтвердить: спам" in galina.get(f"/requests/{request_id}").text

        answer = galina.post(address, {"what": "spam"})

        page = galina.get(answer.location).text
        assert "Больше не считается полученной: Анна" in page
        assert "Подтверждено: спам" in page
        assert "Подтвердить: спам" not in page

    def test_a_head_confirms_that_a_request_repeats_another(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        (request_id,) = give(sessions, cast.anna)
        galina = logged_in("galina")
        assert galina.post(f"/requests/{request_id}/correct", {"what": "nonsense"}).status_code == 400

        page = galina.get(galina.post(f"/requests/{request_id}/correct", {"what": "duplicate"}).location).text

        assert "Подтверждено: повтор другой заявки" in page
        assert request_of(sessions, request_id).is_duplicate
        assert "Подтвердить: повтор" not in page

    def test_everybody_reads_why_it_went_to_whom(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        with db.transaction(sessions) as session:
            make_version(session, "assignment", assignment_rules())
            request = make_request(session, amount_minor=7_777_700)
            result = assignment.decide_and_assign(session, request, MONDAY)
            holder = result.manager.login
        others = sorted({"anna", "boris", "vera"} - {holder})

        for login in (holder, *others, "galina", "zhanna"):
            answer = logged_in(login).get(f"/requests/{request.id}/why")
            assert answer.status_code == 200, login
            for name in ("Анна", "Борис", "Вера"):
                assert name in answer.text, login
            if login != "galina" and login != "zhanna":
                assert "777" not in answer.text, login


class TestClientAndRepeats:
    def test_the_firm_of_a_mail_is_accepted_in_one_click_by_whoever_has_the_request(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        (request_id,) = give(sessions, cast.anna)
        with db.transaction(sessions) as session:
            firm = make_client(session, "ООО Ромашка")
            session.get_one(Request, request_id).suggested_client_id = firm.id
        anna = logged_in("anna")
        assert "Возможно, это клиент" in anna.get(f"/requests/{request_id}").text
        assert logged_in("boris").post(f"/requests/{request_id}/client", {"what": "accept"}).status_code == 404

        assert anna.post(f"/requests/{request_id}/client", {"what": "accept"}).status_code == 302

        row = request_of(sessions, request_id)
        assert (row.client_id, row.suggested_client_id) == (firm.id, None)
        page = anna.get(f"/requests/{request_id}").text
        assert "Возможно, это клиент" not in page
        assert "ООО Ромашка" in page
        assert anna.post(f"/requests/{request_id}/client", {"what": "decline"}).status_code == 422

    def test_a_repeat_and_its_first_lead_to_each_other(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        first, second = give(sessions, cast.anna, 2)
        with db.transaction(sessions) as session:
            client = make_client(session)
            session.get_one(Request, first).client_id = client.id
            again = session.get_one(Request, second)
            again.client_id, again.is_duplicate, again.duplicate_of_id = client.id, True, first
        galina = logged_in("galina")
        assert f'href="/requests/{first}"' in galina.get(f"/requests/{second}").text
        assert f'href="/requests/{second}"' in galina.get(f"/requests/{first}").text

    def test_of_many_repeats_a_manager_sees_his_own_and_more_cost_no_more_queries(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions, count_queries: Callable[[], int]
    ) -> None:
        first, second = give(sessions, cast.anna, 2)
        with db.transaction(sessions) as session:
            client = make_client(session)
            session.get_one(Request, first).client_id = client.id
            again = session.get_one(Request, second)
            again.client_id, again.is_duplicate, again.duplicate_of_id = client.id, True, first
        anna, costs = logged_in("anna"), []
        for _ in range(2):
            anna.get(f"/requests/{first}")
            count_queries()
            page = anna.get(f"/requests/{first}").text
            costs.append(count_queries())
            with db.transaction(sessions) as session:
                foreign = [
                    make_request(session, client=client, is_duplicate=True, duplicate_of_id=first).id for _ in range(5)
                ]
        assert costs[1] <= costs[0]
        assert f'href="/requests/{second}"' in page
        assert not [one for one in foreign if f'href="/requests/{one}"' in anna.get(f"/requests/{first}").text]


class TestProposals:
    def decided(self, sessions: Sessions, mode: str) -> int:
        with db.transaction(sessions) as session:
            make_version(session, "assignment", assignment_rules())
            make_mode(session, "assignment", mode, since=MONDAY)
            request = make_request(session)
            assignment.decide_and_assign(session, request, MONDAY)
        return request.id

    def test_under_hints_a_head_gives_it_as_the_rules_propose_in_one_click(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        request_id = self.decided(sessions, "hints")
        galina = logged_in("galina")
        page = galina.get(f"/requests/{request_id}").text
        assert "Правила передали бы её менеджеру" in page
        login = re.search(r'name="manager" value="(\w+)"', page)[1]

        galina.post(f"/requests/{request_id}/reassign", {"manager": login, "reason": "как предложили правила"})

        with sessions() as session:
            assert session.get_one(Request, request_id).manager.login == login
        assert "Правила передали бы её" not in galina.get(f"/requests/{request_id}").text

    def test_an_auditor_sees_what_would_have_been_and_no_button(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        request_id = self.decided(sessions, "watch")

        page = logged_in("zhanna").get(f"/requests/{request_id}").text

        assert "режим: наблюдение" in page
        assert "/reassign" not in page


class TestClients:
    def test_a_card_is_changed_and_the_journal_knows(self, logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
        with db.transaction(sessions) as session:
            client = make_client(session, "Ромашка", owner=cast.anna)
        galina = logged_in("galina")
        form = {
            "name": "Ромашка",
            "owner_id": cast.boris.id,
            "tags": "vip, опт",
            "do_not_call": "y",
            "inn": "7701234567",
        }

        assert galina.post(f"/admin/client_cards/edit/?id={client.id}", form).status_code == 302

        with sessions() as session:
            row = session.get_one(Client, client.id)
            assert (row.owner_id, row.tags, row.do_not_call, row.region) == (cast.boris.id, ["vip", "опт"], True, None)
            entry = session.scalars(select(AuditEntry).where(AuditEntry.subject_kind == "client")).one()
            assert entry.after["owner_id"] == cast.boris.id
        assert "просил не звонить" in galina.get(f"/clients/{client.id}").text

    def test_a_client_s_page_shows_requests_and_what_was_said(
        self, logged_in: LogIn, cast: Cast, sessions: Sessions
    ) -> None:
        (request_id,) = give(sessions, cast.anna)
        anna = logged_in("anna")
        anna.post(
            f"/requests/{request_id}/contact",
            {"kind": "call", "direction": "out", "outcome": "thinks", "note": "перезвонить"},
        )

        page = anna.get(f"/clients/{request_of(sessions, request_id).client_id}").text

        assert f"/requests/{request_id}" in page
        assert "перезвонить" in page
        assert "Думает" in page or "думает" in page
