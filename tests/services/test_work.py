"""Work items: claimed one at a time, given up after five tries, woken by whoever changes something."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine, event, select, update
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import clock, db
from rules_engine.models import RequestStatus, WorkItem, WorkKind
from rules_engine.services.queue import work
from rules_engine.settings import Settings
from tests.factories import MONDAY, make_cast, make_request

LATER = MONDAY + timedelta(hours=1)


@pytest.fixture
def any_sessions(any_engine: Engine, settings: Settings) -> Iterator[sessionmaker[Session]]:
    yield db.make_sessions(any_engine, settings)


def item_of(session: Session, subject_id: int) -> WorkItem:
    return session.scalars(select(WorkItem).where(WorkItem.subject_id == subject_id)).one()


def end_leases(session: Session) -> None:
    """As if the machine's clock had moved on."""
    session.execute(update(WorkItem).where(WorkItem.lease_until.is_not(None)).values(lease_until=MONDAY))


def test_the_item_that_has_been_due_longest_is_claimed_first(any_session: Session) -> None:
    work.ask(any_session, WorkKind.REQUEST, 1, MONDAY)
    work.ask(any_session, WorkKind.REQUEST, 2, MONDAY - timedelta(minutes=5))
    work.ask(any_session, WorkKind.REQUEST, 3, MONDAY)

    found = [work.claim(any_session, MONDAY) for _ in range(4)]

    assert [claim.subject_id if claim else None for claim in found] == [2, 1, 3, None]


def test_what_is_not_due_is_not_claimed(any_session: Session) -> None:
    work.ask(any_session, WorkKind.REQUEST, 1, MONDAY + timedelta(microseconds=1))

    assert work.claim(any_session, MONDAY) is None
    claim = work.claim(any_session, MONDAY + timedelta(microseconds=1))
    assert claim is not None
    assert (claim.attempt, claim.epoch, claim.is_given_up) == (1, 1, False)


def test_only_the_wanted_kinds_are_claimed(any_session: Session) -> None:
    work.ask(any_session, WorkKind.OUTBOX, 1, MONDAY)

    assert work.claim(any_session, MONDAY, kinds=[WorkKind.REQUEST]) is None
    assert work.claim(any_session, MONDAY, kinds=[WorkKind.OUTBOX]) is not None


def test_a_lease_is_measured_by_the_clock_of_the_machine_and_not_by_business_time(any_session: Session) -> None:
    work.ask(any_session, WorkKind.REQUEST, 1, MONDAY)
    before = clock.now()
    work.claim(any_session, MONDAY)

    until = item_of(any_session, 1).lease_until

    assert until is not None
    # The database's clock may be a moment off.
    assert abs(until - before - timedelta(seconds=work.LEASE_SECONDS)) < timedelta(seconds=3)


def test_an_item_whose_worker_died_is_claimed_again_and_the_first_worker_has_lost_it(any_session: Session) -> None:
    work.ask(any_session, WorkKind.REQUEST, 1, MONDAY)
    first = work.claim(any_session, MONDAY)
    assert first is not None
    assert work.claim(any_session, MONDAY) is None
    end_leases(any_session)

    second = work.claim(any_session, MONDAY)

    assert second is not None
    assert second.attempt == 2
    assert not work.lock_mine(any_session, first)
    assert work.lock_mine(any_session, second)


def test_an_item_is_given_up_after_five_tries_that_nobody_finished(any_session: Session) -> None:
    work.ask(any_session, WorkKind.REQUEST, 1, MONDAY)
    for attempt in range(1, 6):
        claim = work.claim(any_session, MONDAY)
        assert claim is not None
        assert (claim.attempt, claim.is_given_up) == (attempt, False)
        end_leases(any_session)

    sixth = work.claim(any_session, LATER)

    assert sixth is not None
    assert sixth.is_given_up
    assert item_of(any_session, 1).quarantined_at == LATER
    assert not work.lock_mine(any_session, sixth)
    assert work.claim(any_session, LATER) is None
    assert work.quarantined_among(any_session, WorkKind.REQUEST, [1, 2]) == {1}


def test_a_quarantined_item_stays_there_until_a_person_releases_it(any_session: Session) -> None:
    work.ask(any_session, WorkKind.REQUEST, 1, MONDAY)
    for _ in range(6):
        work.claim(any_session, MONDAY)
        end_leases(any_session)
    work.ask(any_session, WorkKind.REQUEST, 1, MONDAY - timedelta(days=1))
    assert work.claim(any_session, MONDAY) is None

    work.release_quarantine(any_session, item_of(any_session, 1), LATER)

    claim = work.claim(any_session, LATER)
    assert claim is not None
    assert claim.attempt == 1


def test_success_forgets_the_failed_tries(any_session: Session) -> None:
    work.ask(any_session, WorkKind.REQUEST, 1, MONDAY)
    first = work.claim(any_session, MONDAY)
    assert first is not None
    work.fail(any_session, first, MONDAY, "boom")
    item = item_of(any_session, 1)
    assert item.last_error == "boom"
    assert item.attempts == 1
    end_leases(any_session)
    second = work.claim(any_session, MONDAY)
    assert second is not None

    work.finish(any_session, second, MONDAY, LATER)

    any_session.expire_all()
    assert (item.attempts, item.last_error, item.lease_until, item.wake_at) == (0, None, None, LATER)


def test_after_an_error_the_item_waits_longer_each_time_and_is_given_up_after_the_fifth(any_session: Session) -> None:
    work.ask(any_session, WorkKind.REQUEST, 1, MONDAY)
    pauses = []
    for attempt in range(1, 6):
        claim = work.claim(any_session, MONDAY)
        assert claim is not None
        given_up = work.fail(any_session, claim, MONDAY, "boom")
        assert given_up == (attempt == 5)
        until = item_of(any_session, 1).lease_until
        pauses.append(until and round((until - clock.now()).total_seconds()))
        any_session.expire_all()
        end_leases(any_session)

    assert pauses == [2, 4, 8, 16, None]
    assert item_of(any_session, 1).quarantined_at == MONDAY


def test_a_fault_of_the_machine_is_not_counted_against_the_item(any_session: Session) -> None:
    work.ask(any_session, WorkKind.REQUEST, 1, MONDAY)
    for _ in range(12):
        claim = work.claim(any_session, MONDAY)
        assert claim is not None
        assert claim.attempt == 1
        work.fail(any_session, claim, MONDAY, "the database is locked", counts=False)
        end_leases(any_session)


def test_a_wish_for_earlier_wins_and_a_wish_for_later_changes_nothing(any_session: Session) -> None:
    work.ask(any_session, WorkKind.REQUEST, 1, LATER)
    work.ask(any_session, WorkKind.REQUEST, 1, MONDAY)
    assert item_of(any_session, 1).wake_at == MONDAY
    work.ask(any_session, WorkKind.REQUEST, 1, LATER)
    any_session.expire_all()
    assert item_of(any_session, 1).wake_at == MONDAY

    work.ask(any_session, WorkKind.REQUEST, 1, LATER, replace=True)
    any_session.expire_all()
    assert item_of(any_session, 1).wake_at == LATER

    work.set_wake(any_session, WorkKind.REQUEST, 1, None)
    work.ask(any_session, WorkKind.REQUEST, 1, MONDAY)
    any_session.expire_all()
    assert item_of(any_session, 1).wake_at == MONDAY


def test_an_item_may_not_be_finished_with_an_instant_that_is_already_due(any_session: Session) -> None:
    work.ask(any_session, WorkKind.REQUEST, 1, MONDAY)
    claim = work.claim(any_session, MONDAY)
    assert claim is not None

    with pytest.raises(ValueError, match="not after"):
        work.finish(any_session, claim, MONDAY, MONDAY)


def test_a_wish_that_comes_while_the_item_is_worked_at_is_not_overwritten(any_sessions: sessionmaker[Session]) -> None:
    with db.transaction(any_sessions) as session:
        work.ask(session, WorkKind.REQUEST, 1, MONDAY)
    with db.transaction(any_sessions) as session:
        claim = work.claim(session, MONDAY)
    assert claim is not None
    begun = threading.Event()

    def wish() -> None:
        with db.transaction(any_sessions) as session:
            begun.set()
            work.ask(session, WorkKind.REQUEST, 1, MONDAY + timedelta(minutes=1))

    thread = threading.Thread(target=wish)
    with db.transaction(any_sessions) as session:
        assert work.lock_mine(session, claim)
        if db.is_sqlite(session):
            # There the second writer cannot even begin.
            begun.set()
        thread.start()
        begun.wait()
        work.finish(session, claim, MONDAY, LATER)
    thread.join()

    with any_sessions() as session:
        assert item_of(session, 1).wake_at == MONDAY + timedelta(minutes=1)


@pytest.mark.postgres
def test_two_workers_never_get_the_same_item_on_postgresql(postgres_url: str, settings: Settings) -> None:
    _everybody_claims(postgres_url, settings)


def test_two_workers_never_get_the_same_item_on_sqlite(sqlite_url: str, settings: Settings) -> None:
    _everybody_claims(sqlite_url, settings)


def _everybody_claims(url: str, settings: Settings) -> None:
    engine = db.make_engine(url, relaxed=True)
    sessions = db.make_sessions(engine, settings)
    with db.transaction(sessions) as session:
        for subject in range(60):
            work.ask(session, WorkKind.REQUEST, subject, MONDAY)
    claimed: list[int] = []

    def run() -> None:
        while True:
            with db.transaction(sessions) as session:
                claim = work.claim(session, MONDAY)
            if claim is None:
                return
            claimed.append(claim.subject_id)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.dispose()

    assert sorted(claimed) == list(range(60))


def test_the_claim_reads_the_index_of_due_items_and_sorts_nothing(session: Session) -> None:
    statements: list[str] = []

    @event.listens_for(session.get_bind(), "before_cursor_execute")
    def note(_connection, cursor, statement, parameters, *_more) -> None:  # type: ignore[no-untyped-def]
        if "UPDATE work_items" in statement:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            statements.extend(row[-1] for row in cursor.fetchall())

    work.claim(session, MONDAY, kinds=[WorkKind.REQUEST])

    assert "SEARCH work_items USING INDEX ix_work_items_due (wake_at<?)" in statements
    assert not [line for line in statements if ("SCAN" in line and line != "SCAN due") or "TEMP B-TREE" in line]


def test_open_requests_of_a_manager_and_those_without_one_are_woken(any_session: Session) -> None:
    cast = make_cast(any_session)
    held = {"manager_id": cast.anna.id, "status": RequestStatus.ASSIGNED}
    mine = make_request(any_session, **held)
    others = make_request(any_session, manager_id=cast.vera.id, status=RequestStatus.ASSIGNED)
    nobodys = make_request(any_session)
    closed = make_request(any_session, manager_id=cast.anna.id, status=RequestStatus.WON)
    for request in (mine, others, nobodys, closed):
        work.set_wake(any_session, WorkKind.REQUEST, request.id, None)

    assert work.wake_open_requests(any_session, LATER, manager_ids=[cast.anna.id]) == 2
    assert item_of(any_session, mine.id).wake_at == LATER
    assert item_of(any_session, nobodys.id).wake_at == LATER
    assert item_of(any_session, others.id).wake_at is None
    assert item_of(any_session, closed.id).wake_at is None

    assert work.wake_open_requests(any_session, MONDAY, only_new=True) == 1
    assert work.wake_open_requests(any_session, LATER) == 1


def test_an_item_that_is_not_needed_any_more_is_gone_also_for_a_late_worker(any_session: Session) -> None:
    work.ask(any_session, WorkKind.OUTBOX, 1, MONDAY)
    claim = work.claim(any_session, MONDAY)
    assert claim is not None
    work.drop(any_session, claim)
    work.ask(any_session, WorkKind.OUTBOX, 1, MONDAY)

    assert not work.lock_mine(any_session, claim)


def test_a_replay_finds_the_first_item_before_an_instant_whoever_has_it(any_session: Session) -> None:
    assert work.first_due(any_session, LATER) is None
    work.ask(any_session, WorkKind.REQUEST, 1, LATER)
    work.ask(any_session, WorkKind.REQUEST, 2, MONDAY)
    work.claim(any_session, MONDAY)

    found = work.first_due(any_session, LATER)

    assert found is not None
    assert (found.subject_id, found.attempt) == (2, 2)
    any_session.execute(update(WorkItem).where(WorkItem.subject_id == 2).values(quarantined_at=MONDAY))
    assert work.first_due(any_session, LATER) is None
