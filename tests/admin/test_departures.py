"""Two clicks for who is away today, a wizard for who leaves."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.models import Absence, Client, ClientMove, Manager, MoveState, Request
from rules_engine.services.requests.reassignment import assign_by_hand
from tests.admin.conftest import Browser, StandingClock
from tests.calls import make_callback
from tests.factories import MONDAY, Cast, make_client, make_manager, make_request

LogIn = Callable[[str], Browser]
Sessions = sessionmaker[Session]


@pytest.fixture
def busy(cast: Cast, sessions: Sessions) -> Cast:
    """Анна holds 14 requests without an answer, six calls due today and ten clients; Борис and Дина are there."""
    with db.transaction(sessions) as session:
        make_manager(session, "dina", "Дина", team=cast.sales)
        anna = session.get_one(Manager, cast.anna.id)
        clients = [make_client(session, f"Клиент {n}", owner=anna) for n in range(10)]
        for number in range(14):
            request = make_request(session, client=clients[number % 10], received_at=MONDAY - timedelta(hours=1))
            assign_by_hand(session, request, anna, reason="учёба", actor="galina", now=MONDAY - timedelta(hours=1))
        for client in clients[:6]:
            make_callback(session, client, anna)
    return cast


def plan_in(page: str) -> str:
    found = re.search(r'name="plan" value="(\w+)"', page)
    assert found is not None
    return found[1]


def holders(sessions: Sessions) -> set[int | None]:
    with sessions() as session:
        return set(session.scalars(select(Request.manager_id)))


def test_away_today_takes_two_clicks(logged_in: LogIn, busy: Cast, sessions: Sessions) -> None:
    galina = logged_in("galina")
    assert 'href="/leaving/anna/away"' in galina.get("/leaving/").text
    shown = galina.get("/leaving/anna/away").text
    assert "14 заявок, 6 звонков" in shown and "Борис" in shown and "Дина" in shown and "до 18:00" in shown

    answer = galina.post("/leaving/anna/away", {"plan": plan_in(shown), "reason": "заболела"})

    assert answer.headers["Location"] == "/leaving/"
    after = galina.get("/leaving/").text
    assert "Передано: 20" in after and "отсутствует до 18:00" in after
    assert busy.anna.id not in holders(sessions)
    with sessions() as session:
        assert session.scalars(select(Absence.reason)).all() == ["заболела"]


def test_a_preview_that_no_longer_holds_is_shown_anew(logged_in: LogIn, busy: Cast, sessions: Sessions) -> None:
    galina = logged_in("galina")
    seen = plan_in(galina.get("/leaving/anna/away").text)
    with db.transaction(sessions) as session:
        request = make_request(session)
        assign_by_hand(session, request, busy.anna, reason="учёба", actor="galina", now=MONDAY)
    answer = galina.post("/leaving/anna/away", {"plan": seen})
    assert answer.status_code == 409
    assert "проверьте новый список" in answer.text and "15 заявок" in answer.text
    assert holders(sessions) == {busy.anna.id}


WISHES = {"left_on": "2026-10-15", "first_day": "2026-10-06", "days": "5", "requests": "share"}


def test_a_leaving_is_shown_confirmed_followed_and_cancelled(
    logged_in: LogIn, busy: Cast, sessions: Sessions, business_clock: StandingClock
) -> None:
    galina = logged_in("galina")
    form = {**WISHES, "takers": ["boris", "vera"]}
    shown = galina.get("/leaving/anna", query_string=form).text
    assert "14 открытых заявок и 0 звонков" in shown and "10 клиентов" in shown
    answer = galina.post("/leaving/anna", {**form, "plan": plan_in(shown)})
    assert answer.headers["Location"] == "/leaving/anna"
    progress = galina.get("/leaving/anna").text
    assert "Передано клиентов: 0 из 10" in progress and "уходит 15 октября" in progress
    assert busy.anna.id not in holders(sessions)
    with sessions() as session:
        assert {one.state for one in session.scalars(select(ClientMove))} == {MoveState.PLANNED}
    galina.post("/leaving/anna/cancel")
    with sessions() as session:
        assert {one.state for one in session.scalars(select(ClientMove))} == {MoveState.CANCELLED}
        assert session.get_one(Manager, busy.anna.id).left_on is None
        assert set(session.scalars(select(Client.owner_id))) == {busy.anna.id}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"days": "soon"}, "нужно целое число"),
        ({"days": "99"}, "нужно от 1 до 60 рабочих дней"),
        ({"left_on": "2026-10-01"}, "этот день уже прошёл"),
        ({"first_day": "x"}, "нужна дата"),
        ({"takers": []}, "выберите, кто примет клиентов"),
        ({"requests": "nobody"}, "выберите того, кто работает"),
    ],
)
def test_what_cannot_be_is_said_in_place_and_nothing_typed_is_lost(
    logged_in: LogIn, busy: Cast, sessions: Sessions, wrong: dict[str, object], words: str
) -> None:
    form = {**WISHES, "takers": ["boris"], **wrong}
    galina = logged_in("galina")
    shown = galina.get("/leaving/anna", query_string=form)
    refused = galina.post("/leaving/anna", form)
    assert words in shown.text and refused.status_code == 422 and words in refused.text
    assert f'value="{form["left_on"]}"' in refused.text
    with sessions() as session:
        assert session.query(ClientMove).count() == 0


def test_the_form_of_a_manager_who_holds_requests_leads_to_the_wizard(logged_in: LogIn, busy: Cast) -> None:
    galina = logged_in("galina")
    shown = galina.get(f"/admin/managers/edit/?id={busy.anna.id}").text
    assert "У него 14 открытых заявок" in shown and 'href="/leaving/anna"' in shown
    assert "/leaving/anna/away" in galina.get(f"/admin/managers/details/?id={busy.anna.id}").text


def test_who_has_left_and_still_holds_work_comes_first_and_can_be_relieved(
    logged_in: LogIn, busy: Cast, sessions: Sessions
) -> None:
    with db.transaction(sessions) as session:
        session.get_one(Manager, busy.anna.id).left_on = MONDAY.date()
    galina = logged_in("galina")
    shown = galina.get("/leaving/").text
    assert "больше не работает, но заявки или клиенты у него" in shown and shown.index("Анна") < shown.index("Борис")
    form = {**WISHES, "left_on": "2026-10-05", "takers": ["boris"]}
    plan = galina.get("/leaving/anna", query_string=form).text
    galina.post("/leaving/anna", {**form, "plan": plan_in(plan)})
    assert busy.anna.id not in holders(sessions)


def test_an_auditor_sees_and_changes_nothing(logged_in: LogIn, busy: Cast) -> None:
    zhanna = logged_in("zhanna")
    shown = zhanna.get("/leaving/anna/away").text
    assert "14 заявок" in shown and 'name="plan"' not in shown
    assert zhanna.post("/leaving/anna/away").status_code == 403
