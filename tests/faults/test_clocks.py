"""Clocks that jump, work that comes all at once after an outage, and rules that change while somebody decides."""

import threading
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import Engine, func, select, text, update
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import clock, db
from rules_engine.models import Assignment, Decision, Firing, OutboxMessage, Request, WorkItem
from rules_engine.services.queue import work
from rules_engine.services.rules import rulebook
from rules_engine.services.running import agenda
from rules_engine.settings import Settings
from tests.factories import (
    MONDAY,
    ROUND_THE_CLOCK,
    assignment_rules,
    condition,
    escalation_rules,
    make_calendar,
    make_manager,
    make_mode,
    make_request,
    make_team,
    make_version,
    rule,
)
from tests.faults.verdict import judge

pytestmark = pytest.mark.faults

MINUTE = timedelta(minutes=1)
UNANSWERED = condition("request.is_answered", "is", False)


@pytest.fixture
def sessions(any_engine: Engine, settings: Settings) -> sessionmaker[Session]:
    """A manager who works round the clock; who has not answered in time is told at once and every two minutes."""
    sessions = db.make_sessions(any_engine, settings)
    with db.transaction(sessions) as session:
        make_calendar(session, weekly=ROUND_THE_CLOCK)
        make_manager(session, "anna", team=make_team(session, "sales"))
        make_version(session, "assignment", assignment_rules(answer_within=10))
        late = rule(
            "late",
            {"all": [UNANSWERED, condition("request.answer_used_pct", "ge", "100")]},
            {"action": "notify", "whom": "manager", "text": "Срок прошёл", "repeat_every": 2},
        )
        make_version(session, "escalation", escalation_rules(late))
        for decision in ("assignment", "escalation"):
            make_mode(session, decision, "live")
    return sessions


def told(session: Session) -> int:
    return session.scalar(select(func.count()).where(OutboxMessage.channel == "page")) or 0


def fired(session: Session) -> Counter[int]:
    """Count the firings of each request."""
    return Counter(session.scalars(select(Firing.item_id).where(Firing.rule == "late")))


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(days=1)], ids=["an-hour", "a-day"])
def test_a_business_clock_that_jumps_ahead_and_back_does_nothing_twice(
    any_engine: Engine, sessions: sessionmaker[Session], jump: timedelta
) -> None:
    """Injected: the clock of the machine is so much ahead for a while, then put right.

    Must hold: what is due at the false instant is done once; back at the true one nothing is done again, and what
    comes then is decided as ever.
    """
    with db.transaction(sessions) as session:
        first = make_request(session, received_at=MONDAY).external_id
    for now in (MONDAY, MONDAY + jump, MONDAY + MINUTE, MONDAY + jump):
        agenda.run_due(sessions, now)
    with sessions() as session:
        assert session.scalar(select(func.count(Assignment.id))) == 1
        assert list(fired(session).values()) == [1]
        messages = told(session)
    with db.transaction(sessions) as session:
        second = make_request(session, received_at=MONDAY + MINUTE).external_id
    assert agenda.run_due(sessions, MONDAY + MINUTE).assigned == 1
    with sessions() as session:
        assert told(session) == messages + 1, "only of the new request"
    assert judge(any_engine, [first, second]).kept


@pytest.mark.parametrize("days", [-1, 1])
def test_a_machine_whose_clock_is_put_back_or_forward_soon_takes_up_what_a_dead_worker_left(
    sqlite_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """Injected: a worker dies with an item in hand, and the clock that leases are measured by jumps by a day.

    Must hold: the item is taken up within the longest lease, not after the day. (On PostgreSQL leases go by the clock
    of the database; the statement is the same.)
    """
    engine = db.make_engine(sqlite_url, relaxed=True)
    sessions = db.make_sessions(engine, settings)
    with db.transaction(sessions) as session:
        make_request(session, received_at=MONDAY)
    with db.transaction(sessions) as session:
        assert work.claim(session, MONDAY) is not None
    then = clock.now() + timedelta(days=days, seconds=work.LEASE_SECONDS + 1)
    monkeypatch.setattr(clock, "now", lambda: then)
    with db.transaction(sessions) as session:
        assert work.claim(session, MONDAY) is not None
    engine.dispose()


def test_after_ten_minutes_without_any_worker_each_request_is_late_once_and_told_of_once(
    any_engine: Engine, sessions: sessionmaker[Session]
) -> None:
    """Injected: no worker at all from one minute before the answer is due until ten minutes after it.

    Must hold: each is marked late once; of the repetitions that were missed only the newest is written, and told of
    in one message; requests that came meanwhile are assigned.
    """
    with db.transaction(sessions) as session:
        accepted = [make_request(session, received_at=MONDAY).external_id for _ in range(3)]
    agenda.run_due(sessions, MONDAY)
    with db.transaction(sessions) as session:
        accepted += [make_request(session, received_at=MONDAY + 15 * MINUTE).external_id for _ in range(2)]
        before = told(session)

    back = MONDAY + 20 * MINUTE
    for _ in range(2):
        agenda.run_due(sessions, back)

    with sessions() as session:
        assert sorted(fired(session).values()) == [1, 1, 1]
        assert told(session) - before == 3 + 2, "one of each late request, one of each new one"
        assert session.scalar(select(func.count()).where(WorkItem.wake_at <= back)) == 0
    assert judge(any_engine, accepted).kept
    agenda.run_due(sessions, back + 2 * MINUTE)
    with sessions() as session:
        assert sorted(fired(session).values()) == [2, 2, 2], "then it goes on at its pace"


@pytest.mark.postgres
def test_rules_published_while_a_request_is_decided_hold_for_the_next_look(
    postgres_url: str, settings: Settings
) -> None:
    """Injected: a version is published after a worker has decided and before it has committed.

    Must hold: the decision keeps the version by which it was made; the publication waits for nobody but the item, and
    the request is looked at again by the new rules at once.
    """
    engine = db.make_engine(postgres_url)
    sessions = db.make_sessions(engine, settings)
    with db.transaction(sessions) as session:
        make_calendar(session, weekly=ROUND_THE_CLOCK)
        make_manager(session, "anna", team=make_team(session, "sales"))
        make_version(session, "assignment", assignment_rules())
        make_version(session, "escalation", escalation_rules())
        for decision in ("assignment", "escalation"):
            make_mode(session, decision, "live")
        request_id = make_request(session, received_at=MONDAY).id

    def publish() -> None:
        with db.transaction(sessions) as session:
            late = rule("late", UNANSWERED, {"action": "mark_late"})
            document = {**escalation_rules(late), "title": {"ru": "Сроки", "en": "Times"}}
            rulebook.publish(session, "escalation", document, holds_from=MONDAY + MINUTE, actor="galina", now=MONDAY)

    publisher = threading.Thread(target=publish)
    with db.transaction(sessions) as session:
        claim = work.claim(session, MONDAY)
    assert claim is not None
    with db.transaction(sessions) as session:
        assert work.lock_mine(session, claim)
        looked = agenda.look(session, request_id, MONDAY)
        publisher.start()
        with engine.connect() as watcher:
            waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            while not watcher.scalar(waiting) and publisher.is_alive():
                watcher.rollback()
        work.finish(session, claim, MONDAY, looked.wake_at)
    publisher.join()
    with sessions() as session:
        assert session.scalars(select(Decision.decision)).all().count("assignment") == 1
        assert session.get_one(Request, request_id).manager_id is not None
        item = session.scalars(select(WorkItem).where(WorkItem.subject_id == request_id)).one()
        assert item.wake_at == MONDAY + MINUTE
    assert agenda.run_due(sessions, MONDAY + MINUTE).escalated == 1
    with db.transaction(sessions) as session:
        session.execute(update(WorkItem).values(wake_at=MONDAY + 2 * MINUTE))
    assert agenda.run_due(sessions, MONDAY + 2 * MINUTE).escalated == 0, "and only once"
    engine.dispose()
