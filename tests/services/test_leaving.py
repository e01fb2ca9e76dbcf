"""A manager leaves: forty requests go at once, his clients over days, each with the calls planned with him."""

from collections import Counter
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.errors import InputError
from rules_engine.models import (
    Assignment,
    AssignmentCause,
    AuditEntry,
    Callback,
    Client,
    ClientMove,
    Manager,
    MoveState,
    OutboxMessage,
    Request,
    WorkItem,
    WorkKind,
)
from rules_engine.services.clients import moves as client_moves
from rules_engine.services.company.reference import reference
from rules_engine.services.leaving import leaving
from rules_engine.services.leaving.leaving import Wishes, leave, plan_leaving, progress_of
from rules_engine.services.queue import work
from rules_engine.services.requests.reassignment import assign_by_hand
from rules_engine.services.running import agenda
from rules_engine.settings import Settings
from tests.calls import make_callback
from tests.factories import (
    MONDAY,
    Cast,
    assignment_rules,
    at,
    make_client,
    make_group,
    make_manager,
    make_payment,
    make_request,
    make_version,
    statements_of,
)
from tests.services.test_departures import company, login_of

LAST_DAY = date(2026, 10, 15)


def wishes(cast: Cast, *takers: Manager, **more: Any) -> Wishes:
    ids = tuple(one.id for one in takers or (cast.boris, cast.vera))
    return Wishes(**{"left_on": LAST_DAY, "first_day": date(2026, 10, 6), "days": 5, "takers": ids, **more})


def clients_of(session: Session, cast: Cast, number: int) -> list[Client]:
    """Add clients of Анна who paid 100, 200, 300… roubles within the year, and a million before it."""
    clients = [make_client(session, f"Клиент {n}", owner=cast.anna) for n in range(number)]
    for n, client in enumerate(clients, 1):
        make_payment(session, client, MONDAY - timedelta(days=30), 10_000 * n)
        make_payment(session, client, MONDAY - timedelta(days=400), 100_000_000)
    return clients


def held_by(session: Session, manager: Manager, number: int) -> list[Request]:
    """Add requests that he holds since an hour; every fourth he has answered."""
    since = MONDAY - timedelta(hours=1)
    requests = []
    for n in range(number):
        answered_at = MONDAY if n % 4 == 0 else None
        kept = {"manager_id": manager.id, "assigned_at": since, "status": "assigned", "first_answer_at": answered_at}
        requests.append(make_request(session, received_at=since, **kept))
        session.add(
            Assignment(
                request_id=requests[-1].id, manager_id=manager.id, assigned_at=since, cause=AssignmentCause.EXTERNAL
            )
        )
    session.flush()
    return requests


def test_forty_open_requests_are_shared_out_and_the_clients_follow_day_by_day(session: Session) -> None:
    cast = company(session)
    requests = held_by(session, cast.anna, 40)
    clients = clients_of(session, cast, 21)
    plan = plan_leaving(session, cast.anna.id, wishes(cast), MONDAY)
    done = leave(session, cast.anna.id, wishes(cast), actor="galina", now=MONDAY, expected=plan.fingerprint)

    session.expire_all()
    assert Counter(login_of(session, one.manager_id) for one in requests) == {"boris": 20, "dina": 20}
    assert cast.anna.left_on == LAST_DAY
    numbers = {taker.login: (number, revenue) for taker, number, revenue in done.by_taker}
    assert sorted(number for number, _ in numbers.values()) == [10, 11]
    assert abs(numbers["boris"][1] - numbers["vera"][1]) <= 10_000 * 21
    assert [(day, number) for day, number in done.by_day] == [
        (at(f"2026-10-{day:02} 09:00"), number) for day, number in ((6, 6), (7, 4), (8, 4), (9, 4), (12, 3))
    ]
    moves = session.scalars(select(ClientMove).order_by(ClientMove.id)).all()
    assert len(moves) == 21 and {one.state for one in moves} == {MoveState.PLANNED}
    waking = {
        one.subject_id: one.wake_at
        for one in session.scalars(select(WorkItem).where(WorkItem.kind == WorkKind.CLIENT_MOVE))
    }
    assert waking == {one.id: one.at for one in moves}
    assert {one.owner_id for one in clients} == {cast.anna.id}
    told = session.scalars(
        select(OutboxMessage.subject).where(OutboxMessage.channel == "page", OutboxMessage.link == "/clients/")
    ).all()
    assert sorted(told) == sorted(f"К вам переходят клиенты, Анна: {number}" for number, _ in numbers.values())
    assert session.scalars(select(AuditEntry.action).where(AuditEntry.subject_id == "anna")).all() == ["leave"]


@pytest.fixture
def cast(session: Session) -> Cast:
    return company(session)


def test_requests_can_go_to_one_person_or_stay(session: Session, cast: Cast) -> None:
    request = make_request(session)
    assign_by_hand(session, request, cast.anna, reason="учёба", actor="galina", now=MONDAY)
    stays = plan_leaving(session, cast.anna.id, wishes(cast, requests="stay"), MONDAY)
    assert stays.requests == ()
    leave(session, cast.anna.id, wishes(cast, requests="vera"), actor="galina", now=MONDAY)
    assert login_of(session, session.get_one(Request, request.id).manager_id) == "vera"


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("left_on", {"left_on": date(2026, 10, 1)}),
        ("first_day", {"first_day": date(2026, 10, 1)}),
        ("days", {"days": 0}),
        ("days", {"days": 61}),
        ("takers", {"takers": ()}),
        ("requests", {"requests": "anna"}),
        ("requests", {"requests": "nobody"}),
    ],
)
def test_what_cannot_be_is_said_at_its_field(session: Session, cast: Cast, field: str, wrong: dict[str, Any]) -> None:
    clients_of(session, cast, 1)
    with pytest.raises(InputError) as refused:
        plan_leaving(session, cast.anna.id, wishes(cast, **wrong), MONDAY)
    assert refused.value.path == field


def test_he_cannot_take_his_own_clients_nor_can_who_has_left(session: Session, cast: Cast) -> None:
    gone = make_manager(session, "gone", left_on=date(2026, 9, 1))
    for taker in (cast.anna, gone):
        with pytest.raises(InputError, match="takers"):
            plan_leaving(session, cast.anna.id, wishes(cast, taker), MONDAY)


def planned(session: Session, cast: Cast, taker: Manager) -> tuple[Client, ClientMove]:
    client = make_client(session, owner=cast.anna)
    leave(session, cast.anna.id, wishes(cast, taker, days=1), actor="galina", now=MONDAY)
    return client, session.scalars(select(ClientMove).where(ClientMove.client_id == client.id)).one()


def test_the_agenda_gives_the_client_with_his_calls_on_his_day(
    sessions: sessionmaker[Session], session: Session
) -> None:
    cast = company(session)
    make_version(session, "assignment", assignment_rules())
    client, move = planned(session, cast, cast.vera)
    call = make_callback(session, client, cast.anna, due_at=at("2026-10-06 18:00"))
    session.commit()
    agenda.run_due(sessions, at("2026-10-06 08:59"))
    with db.transaction(sessions) as later:
        assert later.get_one(Client, client.id).owner_id == cast.anna.id
    agenda.run_due(sessions, at("2026-10-06 09:00"))
    with db.transaction(sessions) as later:
        assert later.get_one(Client, client.id).owner_id == cast.vera.id
        assert later.get_one(Callback, call.id).manager_id == cast.vera.id
        done = later.get_one(ClientMove, move.id)
        assert (done.state, done.done_at) == (MoveState.DONE, at("2026-10-06 09:00"))


def look(session: Session, move: ClientMove, text: str) -> datetime | None:
    return client_moves.look(session, move.id, at(text))


def test_a_client_who_was_given_away_meanwhile_stays_where_he_is(session: Session, cast: Cast) -> None:
    client, move = planned(session, cast, cast.vera)
    client.owner_id = cast.boris.id
    session.flush()
    assert look(session, move, "2026-10-06 09:00") is None
    assert (client.owner_id, move.state) == (cast.boris.id, MoveState.CANCELLED)


def test_where_the_new_manager_has_left_too_fair_share_chooses_and_where_nobody_is_here_the_heads_are_told(
    session: Session, cast: Cast
) -> None:
    client, move = planned(session, cast, cast.vera)
    everybody = session.scalars(select(Manager).where(Manager.id != cast.anna.id)).all()
    for one in everybody:
        one.left_on = date(2026, 10, 6)
    cast.anna.left_on = date(2026, 10, 6)
    session.flush()
    assert look(session, move, "2026-10-06 09:00") == at("2026-10-07 09:00")
    told = session.scalars(select(OutboxMessage.subject).where(OutboxMessage.link == "/leaving/anna")).first()
    assert told == "Клиентов передать некому: Анна"
    cast.boris.left_on = None
    session.flush()
    assert look(session, move, "2026-10-07 09:00") is None
    assert (client.owner_id, move.to_manager_id, move.state) == (cast.boris.id, cast.boris.id, MoveState.DONE)


def test_what_is_planned_can_be_cancelled_and_planned_anew(session: Session, cast: Cast) -> None:
    clients = clients_of(session, cast, 4)
    leave(session, cast.anna.id, wishes(cast, cast.boris, days=2), actor="galina", now=MONDAY)
    first = session.scalars(select(ClientMove).order_by(ClientMove.at, ClientMove.id).limit(1)).one()
    look(session, first, "2026-10-06 09:00")
    # A second plan leaves alone who is planned already.
    assert plan_leaving(session, cast.anna.id, wishes(cast, cast.boris), MONDAY).clients == ()

    assert leaving.cancel(session, cast.anna.id, actor="galina", now=at("2026-10-06 10:00")) == 3

    session.expire_all()
    assert cast.anna.left_on is None
    found = progress_of(session, cast.anna.id)
    assert found is not None and (found.planned, found.done, found.counts[MoveState.CANCELLED]) == (0, 1, 3)
    assert Counter(one.owner_id for one in clients) == {cast.anna.id: 3, cast.boris.id: 1}
    again = plan_leaving(
        session, cast.anna.id, wishes(cast, cast.vera, first_day=date(2026, 10, 7)), at("2026-10-06 10:00")
    )
    assert len(again.clients) == 3
    assert reference(session).manager(cast.anna.id).left_at is None


def test_calls_to_clients_of_others_do_not_stay_behind(session: Session, cast: Cast) -> None:
    of_vera = make_client(session, owner=cast.vera)
    call = make_callback(session, of_vera, cast.anna)
    done = leave(session, cast.anna.id, wishes(cast), actor="galina", now=MONDAY)
    assert [one.call.id for one in done.calls] == [call.id]
    assert login_of(session, call.manager_id) in ("boris", "dina")


def test_firms_of_one_group_go_together_with_their_calls(session: Session, cast: Cast) -> None:
    group = make_group(session)
    firms = [make_client(session, owner=cast.anna, group_id=group.id) for _ in range(2)]
    alone = make_client(session, owner=cast.anna)
    calls = [make_callback(session, firm, cast.anna) for firm in firms]
    plan = leave(session, cast.anna.id, wishes(cast), actor="galina", now=MONDAY)
    places = {one.client_id: (one.to.id, one.at) for one in plan.clients}
    assert places[firms[0].id] == places[firms[1].id] and len(places) == 3
    assert places[alone.id][0] != places[firms[0].id][0]

    taker, _ = places[firms[0].id]
    first, second = session.scalars(
        select(ClientMove).where(ClientMove.client_id.in_([one.id for one in firms])).order_by(ClientMove.id)
    ).all()
    look(session, first, "2026-10-09 09:00")
    assert {one.owner_id for one in firms} == {one.manager_id for one in calls} == {taker}
    look(session, second, "2026-10-09 09:00")
    assert (first.state, second.state) == (MoveState.DONE, MoveState.DONE)


@pytest.mark.postgres
def test_who_cancels_waits_for_a_worker_without_keeping_from_him_what_he_needs(
    postgres_url: str, settings: Settings
) -> None:
    engine = db.make_engine(postgres_url)
    sessions = db.make_sessions(engine, settings)
    with db.transaction(sessions) as session:
        cast = company(session)
        client, move = planned(session, cast, cast.vera)
        client_id, move_id, anna_id = client.id, move.id, cast.anna.id
    with sessions() as worker, sessions() as head:
        for one in (worker, head):
            one.execute(text("SET LOCAL lock_timeout = '50ms'"))
        work.lock_items(worker, WorkKind.CLIENT_MOVE, [move_id])
        with statements_of(head) as sent, pytest.raises(OperationalError, match="lock timeout"):
            leaving.cancel(head, anna_id, actor="galina", now=MONDAY)
        assert not any("FROM client_moves" in one and "FOR UPDATE" in one for one in sent)
        client_moves.look(worker, move_id, at("2026-10-06 09:00"))
        assert worker.get_one(Client, client_id).owner_id != anna_id
    engine.dispose()
