"""The agenda: what is due is done, once, whoever dies; what cannot be done is set aside and the rest goes on."""

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select, text, update
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.models import (
    Assignment,
    Decision,
    Incident,
    LedgerEntry,
    OutboxMessage,
    Replay,
    Request,
    RequestStatus,
    WorkItem,
    WorkKind,
)
from rules_engine.services.queue import work
from rules_engine.services.records.incoming import ContactIn
from rules_engine.services.requests import contacts
from rules_engine.services.running import agenda
from rules_engine.settings import Settings
from tests.factories import (
    MONDAY,
    Cast,
    assignment_rules,
    condition,
    escalation_rules,
    make_cast,
    make_request,
    make_requests,
    make_version,
    rule,
)

MINUTE = timedelta(minutes=1)


@pytest.fixture
def any_sessions(any_engine: Engine, settings: Settings) -> Iterator[sessionmaker[Session]]:
    yield db.make_sessions(any_engine, settings)


@pytest.fixture
def cast(any_sessions: sessionmaker[Session]) -> Cast:
    with db.transaction(any_sessions) as session:
        return make_company(session)


def make_company(session: Session) -> Cast:
    cast = make_cast(session)
    make_version(session, "assignment", assignment_rules())
    late = rule("late", condition("request.answer_used_pct", "ge", "100"), {"action": "mark_late"})
    make_version(session, "escalation", escalation_rules(late))
    return cast


def add_request(sessions: sessionmaker[Session], **more) -> int:  # type: ignore[no-untyped-def]
    with db.transaction(sessions) as session:
        return make_request(session, **more).id


def poison(sessions: sessionmaker[Session], request_id: int) -> None:
    """Spoil the row so that nobody can read it."""
    with db.transaction(sessions) as session:
        session.execute(text(f"UPDATE requests SET status = 'nonsense' WHERE id = {request_id}"))


def item_of(session: Session, subject_id: int) -> WorkItem:
    return session.scalars(
        select(WorkItem).where(WorkItem.subject_id == subject_id, WorkItem.kind == WorkKind.REQUEST)
    ).one()


def end_leases(sessions: sessionmaker[Session]) -> None:
    with db.transaction(sessions) as session:
        session.execute(update(WorkItem).values(lease_until=None))


def test_a_request_is_assigned_when_it_has_arrived_and_not_before(
    any_sessions: sessionmaker[Session], cast: Cast
) -> None:
    request_id = add_request(any_sessions)

    assert agenda.run_due(any_sessions, MONDAY - MINUTE).assigned == 0
    totals = agenda.run_due(any_sessions, MONDAY)
    again = agenda.run_due(any_sessions, MONDAY)

    assert (totals.assigned, totals.handled, totals.quarantined) == (1, 1, 0)
    assert again.handled == 0
    with any_sessions() as session:
        request = session.get_one(Request, request_id)
        assert request.status is RequestStatus.ASSIGNED
        assert request.manager_id is not None
        assert len(session.scalars(select(Assignment)).all()) == 1


def test_after_the_assignment_the_request_is_looked_at_when_its_answer_time_ends(
    any_sessions: sessionmaker[Session], cast: Cast
) -> None:
    request_id = add_request(any_sessions)

    agenda.run_due(any_sessions, MONDAY)
    with any_sessions() as session:
        assert item_of(session, request_id).wake_at == MONDAY + 30 * MINUTE
    totals = agenda.run_due(any_sessions, MONDAY + 30 * MINUTE)

    assert totals.escalated == 1
    with any_sessions() as session:
        assert session.scalars(select(Assignment)).one().is_late
        assert item_of(session, request_id).wake_at is None


def test_no_more_than_the_limit_is_taken_in_hand(any_sessions: sessionmaker[Session], cast: Cast) -> None:
    with db.transaction(any_sessions) as session:
        make_requests(session, 5)

    assert agenda.run_due(any_sessions, MONDAY + 10 * MINUTE, limit=2).assigned == 2
    assert agenda.run_due(any_sessions, MONDAY + 10 * MINUTE).assigned == 3


def test_a_request_that_cannot_be_handled_stops_nobody_else(any_sessions: sessionmaker[Session], cast: Cast) -> None:
    broken = add_request(any_sessions)
    sound = add_request(any_sessions, received_at=MONDAY + MINUTE)
    poison(any_sessions, broken)

    totals = agenda.run_due(any_sessions, MONDAY + MINUTE)

    assert (totals.failed, totals.assigned) == (1, 1)
    with any_sessions() as session:
        item = item_of(session, broken)
        assert item.attempts == 1
        assert item.last_error is not None
        assert "nonsense" in item.last_error
        assert session.get_one(Request, sound).status is RequestStatus.ASSIGNED


def test_after_five_tries_it_is_set_aside_and_the_administrator_and_the_head_are_told(
    any_sessions: sessionmaker[Session], cast: Cast
) -> None:
    broken = add_request(any_sessions)
    poison(any_sessions, broken)

    quarantined = []
    for _ in range(6):
        quarantined.append(agenda.run_due(any_sessions, MONDAY).quarantined)
        end_leases(any_sessions)

    assert quarantined == [0, 0, 0, 0, 1, 0]
    with any_sessions() as session:
        assert [incident.kind for incident in session.scalars(select(Incident))] == ["quarantined"]
        told = session.scalars(select(OutboxMessage.user_id).where(OutboxMessage.channel == "page")).all()
        assert set(told) == {cast.galina.id, cast.denis.id}


def test_an_item_whose_workers_died_five_times_is_set_aside_with_nobody_touching_it(
    any_sessions: sessionmaker[Session], cast: Cast
) -> None:
    request_id = add_request(any_sessions)
    for _ in range(5):
        with db.transaction(any_sessions) as session:
            assert work.claim(session, MONDAY) is not None
        end_leases(any_sessions)

    totals = agenda.run_due(any_sessions, MONDAY)

    assert (totals.quarantined, totals.assigned) == (1, 0)
    with any_sessions() as session:
        assert session.get_one(Request, request_id).status is RequestStatus.NEW
        assert session.scalars(select(Incident.kind)).all() == ["quarantined"]


def test_the_second_try_is_decided_by_the_native_engine_alone(any_sessions: sessionmaker[Session], cast: Cast) -> None:
    add_request(any_sessions)
    with db.transaction(any_sessions) as session:
        work.claim(session, MONDAY)
    end_leases(any_sessions)

    agenda.run_due(any_sessions, MONDAY)

    with any_sessions() as session:
        assert session.scalars(select(Decision.engine)).all() == ["native"]


def test_closed_requests_and_those_from_before_are_left_alone(any_sessions: sessionmaker[Session], cast: Cast) -> None:
    closed = add_request(any_sessions, status=RequestStatus.LOST)
    history = add_request(any_sessions, is_history=True)

    totals = agenda.run_due(any_sessions, MONDAY)

    assert (totals.handled, totals.assigned) == (2, 0)
    with any_sessions() as session:
        assert item_of(session, closed).wake_at is None
        assert item_of(session, history).wake_at is None


def test_live_work_is_refused_while_a_replay_is_unfinished(any_sessions: sessionmaker[Session], cast: Cast) -> None:
    add_request(any_sessions)
    with db.transaction(any_sessions) as session:
        session.add(Replay(from_at=MONDAY, until_at=MONDAY + MINUTE, clock_at=MONDAY))

    with pytest.raises(agenda.ReplayRunning):
        agenda.run_due(any_sessions, MONDAY)


CRASHES = ("claim.before_commit", "claim.after_commit", "work.before_commit", "work.after_commit")


@pytest.mark.parametrize("label", CRASHES)
def test_a_worker_killed_at_a_commit_loses_nothing_and_does_nothing_twice(
    label: str, database_url: str, settings: Settings
) -> None:
    engine = db.make_engine(database_url, relaxed=True)
    sessions = db.make_sessions(engine, settings)
    with db.transaction(sessions) as session:
        make_company(session)
    add_request(sessions)
    engine.dispose()

    worker = os.fork()
    if worker == 0:
        try:
            agenda.run_due(db.make_sessions(db.make_engine(database_url), replace(settings, crash_at=label)), MONDAY)
        finally:
            os._exit(0)
    _, status = os.waitpid(worker, 0)
    end_leases(sessions)
    agenda.run_due(sessions, MONDAY)

    assert os.WTERMSIG(status) == signal.SIGKILL
    with sessions() as session:
        assert len(session.scalars(select(Assignment)).all()) == 1
        assert [entry.delta for entry in session.scalars(select(LedgerEntry))] == [1]
        assert item_of(session, session.scalars(select(Request.id)).one()).attempts == 0
    engine.dispose()


@pytest.mark.postgres
def test_an_answer_that_comes_while_the_request_is_worked_at_waits_and_is_looked_at_afterwards(
    postgres_url: str, settings: Settings
) -> None:
    engine = db.make_engine(postgres_url)
    sessions = db.make_sessions(engine, settings)
    with db.transaction(sessions) as session:
        make_company(session)
    request_id = add_request(sessions, external_id="A-1")
    agenda.run_due(sessions, MONDAY)
    late = MONDAY + 30 * MINUTE
    answer = {"source": "phone", "external_id": "C-1", "at": late, "request": {"source": "site", "external_id": "A-1"}}

    def call() -> None:
        with db.transaction(sessions) as session:
            contacts.record(session, ContactIn.model_validate(answer), now=late, actor="api:phone")

    caller = threading.Thread(target=call)
    with db.transaction(sessions) as session:
        claim = work.claim(session, late)
    assert claim is not None
    with db.transaction(sessions) as session:
        assert work.lock_mine(session, claim)
        caller.start()
        with engine.connect() as watcher:
            # He asks for the item before he touches the request; otherwise each would wait for the other.
            waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            while not watcher.scalar(waiting) and caller.is_alive():
                watcher.rollback()
        looked = agenda.look(session, request_id, late)
        work.finish(session, claim, late, looked.wake_at)
    caller.join()

    assert looked.escalated == 1
    with sessions() as session:
        assert session.get_one(Request, request_id).first_answer_at == late
        assert item_of(session, request_id).wake_at == late
    engine.dispose()
