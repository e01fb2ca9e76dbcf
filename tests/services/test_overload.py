"""More than a fifth of a team late at once: one alert to its head, and nothing is passed round until it is over."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.models import Assignment, AssignmentCause, OutboxMessage, Request, User
from rules_engine.services.company.reference import reference
from rules_engine.services.records import settings_store
from rules_engine.services.records.incoming import ContactIn
from rules_engine.services.requests import contacts, overload
from rules_engine.services.rules import journal
from rules_engine.settings import Settings
from tests.factories import (
    assignment_rules,
    at,
    condition,
    escalation_rules,
    make_cast,
    make_request,
    make_version,
    rule,
)
from tests.moving import MINUTE, jump

NINE = at("2026-10-05 09:00")
"""Monday, opening time."""
TRANSFER = rule(
    "transfer",
    {"all": [condition("request.is_answered", "is", False), condition("request.answer_used_pct", "ge", "200")]},
    {"action": "reassign", "to": {"pool": "team_of_holder"}},
)


@pytest.fixture
def any_sessions(any_engine: Engine, settings: Settings) -> Iterator[sessionmaker[Session]]:
    yield db.make_sessions(any_engine, settings)


def company(sessions: sessionmaker[Session], requests: int, *, over: datetime = NINE) -> None:
    """Fill a team of two with requests that all fall due at once."""
    with db.transaction(sessions) as session:
        cast = make_cast(session)
        cast.vera.left_on = at("2026-01-01").date()
        make_version(session, "assignment", assignment_rules())
        make_version(session, "escalation", escalation_rules(TRANSFER))
        for _ in range(requests):
            make_request(session, received_at=over)


def alerts(sessions: sessionmaker[Session]) -> list[tuple[str, datetime]]:
    with sessions() as session:
        found = session.execute(
            select(User.login, OutboxMessage.created_at)
            .join(User, User.id == OutboxMessage.user_id)
            .where(OutboxMessage.key.like("overload:%"), OutboxMessage.channel == "page")
            .order_by(OutboxMessage.id)
        )
        return [(row.login, row.created_at) for row in found]


def transfers(sessions: sessionmaker[Session]) -> int:
    with sessions() as session:
        moved = select(func.count()).select_from(Assignment).where(Assignment.cause == AssignmentCause.TRANSFER)
        return session.scalar(moved) or 0


def answer_all(sessions: sessionmaker[Session], now: datetime) -> None:
    with db.transaction(sessions) as session:
        for row in session.scalars(select(Request).where(Request.first_answer_at.is_(None))).all():
            data = {
                "source": "phone",
                "external_id": f"C-{row.id}",
                "at": now.isoformat(),
                "request": {"source": row.source, "external_id": row.external_id},
            }
            contacts.record(session, ContactIn.model_validate(data), now=now, actor=journal.SYSTEM)


def test_a_team_that_is_late_with_everything_makes_one_alert_and_no_storm(any_sessions: sessionmaker[Session]) -> None:
    company(any_sessions, 14)

    jump(any_sessions, NINE, NINE + timedelta(hours=4))

    # The alert comes with the first warning that would have been due, before the first transfer.
    assert alerts(any_sessions) == [("galina", NINE + 50 * MINUTE)]
    assert transfers(any_sessions) == 0
    with any_sessions() as session:
        subjects = session.scalars(select(OutboxMessage.subject).where(OutboxMessage.key.like("escalation:%"))).all()
        assert list(subjects) == []
        [found] = overload.overloads(session, reference(session), NINE + timedelta(hours=4))
        assert (found.late, found.open) == (14, 14)


def test_the_next_day_of_overload_is_told_anew_and_when_it_is_over_requests_move(
    sessions: sessionmaker[Session],
) -> None:
    company(sessions, 12)
    jump(sessions, NINE, NINE + timedelta(days=1, hours=1))
    assert [at_ for _, at_ in alerts(sessions)] == [NINE + 50 * MINUTE, NINE + timedelta(days=1)]

    answer_all(sessions, NINE + timedelta(days=1, hours=1))
    with db.transaction(sessions) as session:
        make_request(session, received_at=NINE + timedelta(days=1, hours=1, minutes=5))
    jump(sessions, NINE + timedelta(days=1, hours=1), NINE + timedelta(days=1, hours=3))

    assert transfers(sessions) == 1
    assert len(alerts(sessions)) == 2
    with sessions() as session:
        assert overload.overloads(session, reference(session), NINE + timedelta(days=1, hours=3)) == []
        assert not [key for key in settings_store.all_rows(session) if key.startswith("overload:")]


def test_few_late_requests_are_no_overload(any_sessions: sessionmaker[Session]) -> None:
    company(any_sessions, 9)

    jump(any_sessions, NINE, NINE + 61 * MINUTE)

    assert alerts(any_sessions) == []
    assert transfers(any_sessions) == 9
