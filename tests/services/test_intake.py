"""Requests come in: once each, however often they are delivered, and by whatever door."""

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from rules_engine import db
from rules_engine.errors import Conflict, InputError
from rules_engine.models import (
    Assignment,
    AssignmentCause,
    Client,
    LedgerEntry,
    Request,
    RequestEvent,
    RequestStatus,
    Task,
    WorkItem,
)
from rules_engine.services.company.people import UnknownManager
from rules_engine.services.records.forms import read
from rules_engine.services.records.incoming import RequestChanges, RequestIn
from rules_engine.services.requests import intake
from rules_engine.services.requests.intake import Received, body_hash, receive
from rules_engine.settings import Settings
from tests.factories import MONDAY, make_cast, make_client, make_mode, make_request

BODY: dict[str, Any] = {
    "source": "site",
    "external_id": "A-1001",
    "received_at": MONDAY.isoformat(),
    "client": {"source": "1c", "external_id": "K-17", "name": "ООО Ромашка", "phone": "+7 495 000-00-00"},
    "service": "hosting",
    "channel": "web",
    "amount": "14500.00",
    "text": "Нужен хостинг",
}


def take(session: Session, now: datetime = MONDAY, *, history: bool = False, **changes: Any) -> Received:
    return receive(session, read(RequestIn, {**BODY, **changes}), now=now, actor="api:site", history=history)


def wake_of(session: Session, request: Request) -> datetime | None:
    return session.scalar(select(WorkItem.wake_at).where(WorkItem.subject_id == request.id))


def events(session: Session, request: Request) -> list[RequestEvent]:
    return list(session.scalars(select(RequestEvent).where(RequestEvent.request_id == request.id)))


def test_a_request_is_stored_as_it_was_told_and_wants_to_be_looked_at_when_it_arrived(session: Session) -> None:
    received = take(session)
    request = received.request
    assert received.created
    assert (request.status, request.amount_minor, request.expected_value_minor) == ("new", 1_450_000, 1_450_000)
    assert wake_of(session, request) == MONDAY
    (event,) = events(session, request)
    assert (event.kind, event.actor, event.data["matched_by"]) == ("received", "api:site", "key")
    client = session.get_one(Client, request.client_id)
    assert client.name == request.client_name == "ООО Ромашка"


def test_the_same_delivery_again_is_the_same_request(session: Session) -> None:
    first = take(session)
    # Another order of keys, another offset, empty fields spelled out: the same body.
    again = {**dict(reversed(BODY.items())), "region": None, "tags": [], "received_at": "2026-10-05T08:20:00Z"}
    second = receive(session, read(RequestIn, again), now=MONDAY + timedelta(days=30), actor="api:site")
    assert (second.request.id, second.created) == (first.request.id, False)
    assert len(events(session, first.request)) == 1


@pytest.mark.parametrize("change", [{"amount": "14500.01"}, {"text": "другой"}, {"client": None}, {"region": "Москва"}])
def test_another_body_under_the_same_key_is_a_conflict(session: Session, change: dict[str, Any]) -> None:
    take(session)
    with pytest.raises(Conflict, match="another body"):
        take(session, **change)


def test_a_delivery_a_hundred_times_in_parallel_is_one_request(any_engine: Engine, settings: Settings) -> None:
    sessions = db.make_sessions(any_engine, settings)
    found: list[tuple[int, bool]] = []
    start = threading.Barrier(20)

    def deliver() -> None:
        start.wait()
        for _ in range(5):
            with db.transaction(sessions) as session:
                # A client without a key: he must not be made twice either.
                received = take(session, client={"phone": "+7 495 000-00-09"})
            found.append((received.request.id, received.created))

    threads = [threading.Thread(target=deliver) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 100
    assert len({request_id for request_id, _ in found}) == 1
    assert [created for _, created in found].count(True) == 1
    with sessions() as session:
        for table in (Request, Client, WorkItem, RequestEvent):
            assert session.scalar(select(func.count()).select_from(table)) == 1


def test_requests_with_one_new_phone_in_parallel_are_of_one_client(any_engine: Engine, settings: Settings) -> None:
    sessions = db.make_sessions(any_engine, settings)
    start = threading.Barrier(8)

    def deliver(number: int) -> None:
        start.wait()
        with db.transaction(sessions) as session:
            take(session, external_id=f"A-{number}", client={"phone": f"8 (495) 000-00-0{number % 2}"})

    threads = [threading.Thread(target=deliver, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with sessions() as session:
        assert session.scalar(select(func.count()).select_from(Client)) == 2
        assert session.scalar(select(func.count(Request.client_id))) == 8


def test_the_hash_is_of_what_is_said_and_not_of_how(session: Session) -> None:
    plain = {name: BODY[name] for name in ("source", "external_id", "received_at")}
    assert body_hash(read(RequestIn, plain)) == body_hash(read(RequestIn, {**plain, "priority": "normal", "text": ""}))
    assert body_hash(read(RequestIn, plain)) != body_hash(read(RequestIn, {**plain, "priority": "high"}))


@pytest.mark.parametrize("received_at", ["1989-12-31T23:59:59Z", (MONDAY + timedelta(days=1, seconds=1)).isoformat()])
def test_an_arrival_long_ago_or_far_ahead_is_refused(session: Session, received_at: str) -> None:
    with pytest.raises(InputError) as refused:
        take(session, received_at=received_at)
    assert refused.value.path == "received_at"
    assert session.scalar(select(func.count()).select_from(Request)) == 0


def test_a_clock_that_is_a_day_ahead_is_borne(session: Session) -> None:
    ahead = MONDAY + timedelta(days=1)
    request = take(session, received_at=ahead.isoformat()).request
    assert wake_of(session, request) == ahead


def test_what_a_request_is_worth_is_expected_from_its_service_and_channel(session: Session) -> None:
    for number, (amount, days) in enumerate(((10_000, 1), (20_001, 89), (900_000, 91), (700_000, -1))):
        make_request(session, received_at=MONDAY - timedelta(days=days), amount_minor=amount, external_id=f"M-{number}")
    make_request(session, received_at=MONDAY - timedelta(days=1), amount_minor=500_000, service="site")
    assert take(session, amount=None).request.expected_value_minor == 15_001
    assert take(session, external_id="A-2", amount=None, channel="chat").request.expected_value_minor is None
    assert take(session, external_id="A-3", amount=None, service=None).request.expected_value_minor is None
    assert take(session, external_id="A-4", amount="0.00").request.expected_value_minor == 0


def test_the_mean_is_read_from_an_index(session: Session) -> None:
    plan = session.connection().exec_driver_sql(
        "EXPLAIN QUERY PLAN SELECT sum(amount_minor), count(amount_minor) FROM requests"
        " WHERE service = 'a' AND channel = 'b' AND received_at >= 1 AND received_at < 2"
    )
    assert "COVERING INDEX ix_requests_expected_value" in plan.one()[3]


def test_a_repeat_of_an_open_request_is_marked(session: Session) -> None:
    first = take(session).request
    twin = take(session, external_id="A-2", text="Где ответ?").request
    other = take(session, external_id="A-3", service="site").request
    assert (first.is_duplicate, twin.is_duplicate, other.is_duplicate) == (False, True, False)
    assert events(session, twin)[0].data["duplicate_of"] == first.id
    first.status = twin.status = RequestStatus.WON
    assert not take(session, external_id="A-4").request.is_duplicate


def test_a_request_that_comes_with_its_manager_is_his(session: Session) -> None:
    cast = make_cast(session, live=False)
    make_mode(session, "assignment", "hints")
    request = take(session, manager="Анна", assigned_at=(MONDAY - timedelta(0)).isoformat()).request
    assert (request.manager_id, request.status, request.assigned_at) == (cast.anna.id, "assigned", MONDAY)
    (held,) = session.scalars(select(Assignment))
    assert (held.cause, held.manager_id, held.ended_at) == (AssignmentCause.EXTERNAL, cast.anna.id, None)
    assert held.answer_due_at is not None
    assert session.scalars(select(Task)).one().manager_id == cast.anna.id
    assert session.scalars(select(LedgerEntry)).one().delta == 1


def test_under_watch_it_is_his_without_task_and_due_time(session: Session) -> None:
    cast = make_cast(session, live=False)
    make_mode(session, "assignment", "watch")
    request = take(session, manager="anna").request
    assert (request.manager_id, request.answer_due_at) == (cast.anna.id, None)
    assert session.scalars(select(Task)).all() == []


def test_it_comes_in_the_state_in_which_it_was(session: Session) -> None:
    make_cast(session)
    later = MONDAY + timedelta(minutes=30)
    request = take(
        session,
        later,
        manager="anna",
        status="waiting_client",
        first_answer_at=(MONDAY + timedelta(minutes=9)).isoformat(),
    ).request
    assert (request.status, request.waiting_since) == ("waiting_client", MONDAY + timedelta(minutes=9))
    assert request.first_answer_at == session.scalars(select(Assignment.first_answer_at)).one() == request.waiting_since
    assert session.scalars(select(Task).where(Task.state == "open")).one().due_at is None


def test_a_manager_nobody_knows_stores_nothing(session: Session) -> None:
    make_cast(session)
    with pytest.raises(UnknownManager) as refused:
        take(session, manager="глеб")
    assert refused.value.path == "manager"
    assert session.scalar(select(func.count()).select_from(Request)) == 0


def test_history_is_kept_and_nothing_is_decided_about_it(session: Session) -> None:
    cast = make_cast(session)
    answered = (MONDAY + timedelta(minutes=5)).isoformat()
    request = take(session, MONDAY + timedelta(days=1), history=True, manager="anna", first_answer_at=answered).request
    assert request.is_history and request.manager_id == cast.anna.id
    assert request.status == "in_progress"
    assert wake_of(session, request) is None
    assert session.scalars(select(Assignment)).all() == session.scalars(select(LedgerEntry)).all() == []


def test_a_closed_request_is_history_by_itself(session: Session) -> None:
    request = take(session, status="won").request
    assert (request.is_history, request.status, request.closed_at) == (True, "won", MONDAY)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"status": "in_progress"}, "status"),
        ({"manager": "anna", "assigned_at": (MONDAY - timedelta(minutes=1)).isoformat()}, "assigned_at"),
        ({"manager": "anna", "first_answer_at": (MONDAY - timedelta(minutes=1)).isoformat()}, "first_answer_at"),
    ],
)
def test_a_state_that_cannot_be_is_refused(session: Session, fields: dict[str, Any], path: str) -> None:
    make_cast(session)
    with pytest.raises(InputError) as refused:
        take(session, **fields)
    assert refused.value.path == path


def patch(session: Session, request: Request, **fields: Any) -> bool:
    changes = read(RequestChanges, fields)
    return intake.change(session, request, changes, now=MONDAY + timedelta(minutes=5), actor="api:site")


def test_a_change_is_written_down_and_has_the_request_looked_at(session: Session) -> None:
    request = take(session).request
    session.execute(WorkItem.__table__.update().values(wake_at=None))
    assert patch(session, request, amount="20000.00", region="Москва", service=None)
    assert (request.amount_minor, request.region, request.service) == (2_000_000, "Москва", None)
    assert request.expected_value_minor == 2_000_000
    assert wake_of(session, request) == MONDAY + timedelta(minutes=5)
    event = events(session, request)[-1]
    assert event.kind == "changed"
    assert event.data == {
        "before": {"service": "hosting", "region": None, "amount_minor": 1_450_000},
        "after": {"service": None, "region": "Москва", "amount_minor": 2_000_000},
    }


def test_a_change_to_the_same_changes_nothing(session: Session) -> None:
    request = take(session).request
    session.execute(WorkItem.__table__.update().values(wake_at=None))
    assert not patch(session, request, amount="14500.00", text="Нужен хостинг")
    assert wake_of(session, request) is None


def test_what_was_expected_at_arrival_stays_once_somebody_has_it(session: Session) -> None:
    cast = make_cast(session)
    request = take(session, manager=cast.anna.login).request
    patch(session, request, amount="1.00")
    assert (request.amount_minor, request.expected_value_minor) == (100, 1_450_000)


def test_a_client_can_be_named_later(session: Session) -> None:
    request = take(session, client=None).request
    known = make_client(session, source="1c", external_id="K-9")
    assert patch(session, request, client={"source": "1c", "external_id": "K-9", "name": "Ромашка"})
    assert (request.client_id, request.client_name) == (known.id, "Ромашка")
    assert patch(session, request, client=None)
    assert (request.client_id, request.client_name) == (None, "")
