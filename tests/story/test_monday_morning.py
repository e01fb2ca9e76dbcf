"""A Monday morning of 150 requests that have come over the weekend: one alert, and no storm of transfers."""

from collections import Counter
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.models import Assignment, AssignmentCause, OutboxMessage, Request, RequestStatus, Role, User
from rules_engine.services.running import agenda, setup
from tests.factories import (
    assignment_rules,
    at,
    condition,
    make_manager,
    make_requests,
    make_team,
    make_user,
    make_version,
)
from tests.moving import jump

SATURDAY = at("2026-10-03 10:00")
MONDAY = at("2026-10-05 09:00")
REQUESTS, WAITING = 150, 42


def company(sessions: sessionmaker[Session]) -> None:
    with db.transaction(sessions) as session:
        setup.initialise(session, now=SATURDAY - timedelta(days=30), live=True)
        team = make_team(session, "sales", head=make_user(session, "galina", "Галина", role=Role.HEAD))
        for name in ("anna", "boris", "vera", "gleb", "inna", "egor"):
            make_manager(session, name, team=team)


def told(sessions: sessionmaker[Session], login: str) -> Counter[str]:
    """Return how many messages of which kind somebody has on his page, by the beginning of their keys."""
    with sessions() as session:
        keys = session.scalars(
            select(OutboxMessage.key)
            .join(User, User.id == OutboxMessage.user_id)
            .where(User.login == login, OutboxMessage.channel == "page")
        )
        return Counter(key.split(":")[0] for key in keys)


def test_nobody_answers_what_came_over_the_weekend_one_alert_and_nothing_is_passed_round(
    sessions: sessionmaker[Session],
) -> None:
    """By the shipped rules each has a manager at once, with two hours from the opening on: all are late together."""
    company(sessions)
    with db.transaction(sessions) as session:
        make_requests(session, REQUESTS, first_at=SATURDAY, every_minutes=10)

    agenda.run_due(sessions, SATURDAY + timedelta(hours=30))
    jump(sessions, SATURDAY + timedelta(hours=30), MONDAY + timedelta(hours=4, minutes=1))

    with sessions() as session:
        assert session.scalar(select(func.count()).where(Assignment.cause == AssignmentCause.TRANSFER)) == 0
        assert session.scalar(select(func.count()).where(Assignment.is_late)) == REQUESTS
        counts = session.execute(select(func.count()).select_from(Assignment).group_by(Assignment.manager_id)).all()
        assert {count for (count,) in counts} == {REQUESTS // 6}
    head = told(sessions, "galina")
    assert head["overload"] == 1
    # What else he is told of comes in digests: one letter a quarter of an hour.
    with sessions() as session:
        digests = session.scalars(
            select(OutboxMessage.not_before)
            .join(User, User.id == OutboxMessage.user_id)
            .where(User.login == "galina", OutboxMessage.key.like("escalation:%"))
            .distinct()
        ).all()
        assert len(digests) <= 2


def test_what_waits_for_whoever_is_there_is_given_out_by_and_by_with_one_alert(
    sessions: sessionmaker[Session],
) -> None:
    company(sessions)
    there = {
        "all": [
            condition("candidate.is_working_now", "is", True),
            condition("candidate.unanswered_requests", "lt", 5),
        ]
    }
    with db.transaction(sessions) as session:
        make_version(session, "assignment", assignment_rules(among=there), holds_from=SATURDAY - timedelta(days=1))
        make_requests(session, WAITING, first_at=SATURDAY, every_minutes=10)

    agenda.run_due(sessions, SATURDAY + timedelta(hours=30))
    jump(sessions, SATURDAY + timedelta(hours=30), MONDAY + timedelta(minutes=1))

    with sessions() as session:
        assert session.scalar(select(func.count()).where(Request.status == RequestStatus.NEW)) == WAITING - 6 * 5
    assert sum(told(sessions, "galina").values()) == 1
