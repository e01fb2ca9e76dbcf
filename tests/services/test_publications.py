"""After a publication all that is open is looked at again, batch by batch, whoever dies and whatever comes next."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.models import Decision, Publication, Request, WorkItem, WorkKind
from rules_engine.services.queue import publications
from rules_engine.services.rules import rulebook
from rules_engine.services.running import agenda
from rules_engine.settings import Settings
from tests.factories import (
    MONDAY,
    Cast,
    assignment_rules,
    condition,
    escalation_rules,
    make_cast,
    make_client,
    make_request,
    make_requests,
    make_version,
    rule,
)

HOUR = timedelta(hours=1)
OPEN, BATCH = 5, 2
OWN = rule("own", condition("client.owner", "is_filled"), {"action": "assign", "to": {"pool": "owner"}})


@pytest.fixture
def any_sessions(any_engine: Engine, settings: Settings) -> Iterator[sessionmaker[Session]]:
    yield db.make_sessions(any_engine, settings)


@pytest.fixture
def cast(any_sessions: sessionmaker[Session]) -> Cast:
    with db.transaction(any_sessions) as session:
        cast = make_cast(session)
        make_version(session, "assignment", assignment_rules())
        make_version(session, "escalation", escalation_rules())
        make_version(session, "callbacks", {"decision": "callbacks", "rules": []})
        make_requests(session, OPEN)
        session.execute(update(WorkItem).values(wake_at=None))
    return cast


def publish(sessions: sessionmaker[Session], at: datetime, now: datetime = MONDAY) -> None:
    """As `rulebook.publish` does it, with small batches."""
    with db.transaction(sessions) as session:
        version = make_version(session, "escalation", escalation_rules(), holds_from=at)
        publications.begin(session, version, at, now, most=BATCH)


def woken(sessions: sessionmaker[Session], at: datetime) -> int:
    with sessions() as session:
        found = select(func.count()).where(WorkItem.kind == WorkKind.REQUEST, WorkItem.wake_at == at)
        return session.scalar(found) or 0


def test_the_first_batch_is_told_at_once_and_the_rest_by_the_workers(
    any_sessions: sessionmaker[Session], cast: Cast
) -> None:
    publish(any_sessions, MONDAY + HOUR)
    assert woken(any_sessions, MONDAY + HOUR) == BATCH
    agenda.run_due(any_sessions, MONDAY)
    assert woken(any_sessions, MONDAY + HOUR) == OPEN
    with any_sessions() as session:
        assert session.scalars(select(Publication.part)).all() == [""]
        item = session.scalars(select(WorkItem).where(WorkItem.kind == WorkKind.PUBLICATION)).one()
        assert (item.wake_at, item.attempts) == (None, 0)


def test_each_batch_is_a_transaction_and_who_dies_in_one_loses_nothing(
    any_sessions: sessionmaker[Session], cast: Cast
) -> None:
    publish(any_sessions, MONDAY + HOUR)
    with any_sessions() as session:
        number = session.scalars(select(Publication.id)).one()
        assert publications.look(session, number, MONDAY, most=BATCH)
        session.rollback()  # the worker died before its commit
    assert woken(any_sessions, MONDAY + HOUR) == BATCH
    agenda.run_due(any_sessions, MONDAY)
    assert woken(any_sessions, MONDAY + HOUR) == OPEN


def test_a_later_publication_takes_over(any_sessions: sessionmaker[Session], cast: Cast) -> None:
    publish(any_sessions, MONDAY + 2 * HOUR)
    publish(any_sessions, MONDAY + HOUR)
    agenda.run_due(any_sessions, MONDAY)
    assert woken(any_sessions, MONDAY + HOUR) == OPEN
    with any_sessions() as session:
        assert session.scalars(select(Publication.part)).all() == ["", ""]


def test_one_that_holds_only_later_does_not_stop_an_earlier_one(
    any_sessions: sessionmaker[Session], cast: Cast
) -> None:
    publish(any_sessions, MONDAY + HOUR)
    publish(any_sessions, MONDAY + 2 * HOUR)
    agenda.run_due(any_sessions, MONDAY)
    assert woken(any_sessions, MONDAY + HOUR) == OPEN


def test_where_everything_fits_into_one_batch_there_is_nothing_left_to_do(session: Session) -> None:
    make_cast(session)
    make_requests(session, 3)
    rulebook.publish(session, "escalation", escalation_rules(), holds_from=MONDAY, now=MONDAY, actor="galina")
    assert session.scalars(select(Publication)).all() == []


def test_rules_of_callbacks_have_every_client_looked_at(session: Session) -> None:
    make_cast(session)
    clients = [make_client(session).id for _ in range(3)]
    version = make_version(session, "callbacks", {"decision": "callbacks", "rules": []})
    publications.begin(session, version, MONDAY + HOUR, MONDAY)
    found = select(WorkItem.subject_id).where(WorkItem.kind == WorkKind.CLIENT, WorkItem.wake_at <= MONDAY + HOUR)
    assert set(session.scalars(found)) == set(clients)


def test_each_decision_is_made_whole_by_one_version_when_rules_change_between_two(
    any_sessions: sessionmaker[Session],
) -> None:
    with db.transaction(any_sessions) as session:
        make_cast(session)
        first = make_version(session, "assignment", assignment_rules()).id
        make_version(session, "escalation", escalation_rules())
        make_request(session)
        make_request(session)
    agenda.run_due(any_sessions, MONDAY, limit=1)
    with db.transaction(any_sessions) as session:
        second = rulebook.publish(
            session, "assignment", assignment_rules(OWN), holds_from=MONDAY, now=MONDAY, actor="galina"
        ).id
    agenda.run_due(any_sessions, MONDAY)
    with any_sessions() as session:
        made = select(Decision.version_id).where(Decision.decision == "assignment").order_by(Decision.id)
        assert session.scalars(made).all() == [first, second]
        assert session.scalar(select(func.count()).where(Request.manager_id.is_not(None))) == 2
