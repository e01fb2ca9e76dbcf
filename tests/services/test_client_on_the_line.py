"""Before a transfer the holder is warned; with the client on the line he gets fifteen more minutes, once."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.decisions.escalation_warning import WARNING
from rules_engine.errors import PolicyViolation
from rules_engine.models import Assignment, Firing, OutboxMessage, Request, RequestStatus, User
from rules_engine.services.measures import requests
from rules_engine.services.measures.month import month_named
from rules_engine.services.records import settings_store
from rules_engine.services.records.incoming import ContactIn
from rules_engine.services.requests import client_on_the_line, contacts, status
from rules_engine.services.rules import journal
from rules_engine.services.running import agenda
from tests.factories import (
    MONDAY,
    Cast,
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

UNANSWERED = condition("request.is_answered", "is", False)


def used(percent: int, *then: dict) -> dict:  # type: ignore[type-arg]
    when = {"all": [UNANSWERED, condition("request.answer_used_pct", "ge", str(percent))]}
    return rule(f"at-{percent}", when, *then)


LATE = used(100, {"action": "mark_late"})
TRANSFER = used(200, {"action": "reassign", "to": {"pool": "team_of_holder"}})


@pytest.fixture
def cast(sessions: sessionmaker[Session]) -> Cast:
    with db.transaction(sessions) as session:
        cast = make_cast(session)
        cast.vera.left_on = at("2026-01-01").date()
        make_version(session, "assignment", assignment_rules())
        make_version(session, "escalation", escalation_rules(LATE, TRANSFER))
        return cast


def assigned(sessions: sessionmaker[Session], now: datetime = MONDAY) -> int:
    with db.transaction(sessions) as session:
        request_id = make_request(session, received_at=now).id
    agenda.run_due(sessions, now)
    return request_id


def asks(sessions: sessionmaker[Session], request_id: int, now: datetime) -> datetime:
    with db.transaction(sessions) as session:
        row = session.get_one(Request, request_id)
        return client_on_the_line.ask_for_time(session, row, manager_id=row.manager_id, actor="anna", now=now)


def firings(sessions: sessionmaker[Session]) -> list[tuple[str, int]]:
    """Return what fired, with the minutes since Monday's request."""
    with sessions() as session:
        found = session.execute(select(Firing.rule, Firing.at).where(Firing.item_kind == "request").order_by(Firing.id))
        return [(row.rule, (row.at - MONDAY) // MINUTE) for row in found]


def answer(session: Session, request: Request, now: datetime, manager: str | None = None) -> None:
    data = ContactIn.model_validate(
        {
            "source": "phone",
            "external_id": f"C-{now.isoformat()}",
            "at": now.isoformat(),
            "request": {"source": request.source, "external_id": request.external_id},
            "manager": manager,
        }
    )
    contacts.record(session, data, now=now, actor=journal.SYSTEM)


def test_the_holder_is_warned_ten_working_minutes_before_a_transfer(
    sessions: sessionmaker[Session], cast: Cast
) -> None:
    # 12:05, thirty minutes: the transfer falls on 14:05, after lunch.
    start = at("2026-10-05 12:05")
    assigned(sessions, start)

    jump(sessions, start, start + timedelta(hours=3))

    with sessions() as session:
        told = session.scalars(
            select(OutboxMessage)
            .where(OutboxMessage.key.like("escalation:%"), OutboxMessage.channel == "page")
            .order_by(OutboxMessage.id)
        ).first()
        assert told is not None
        assert told.created_at == at("2026-10-05 12:55")
        assert told.subject.endswith("Скоро перейдёт к другому менеджеру")
        assert "Передача: 05.10.2026 14:05" in told.body
        assert session.get_one(User, told.user_id).login == "anna"
        moved = session.scalars(select(Firing.at).where(Firing.rule == "at-200")).one()
        assert moved == at("2026-10-05 14:05")


def test_nobody_is_warned_after_an_answer_and_where_the_setting_is_zero(
    sessions: sessionmaker[Session], cast: Cast
) -> None:
    first = assigned(sessions)
    with db.transaction(sessions) as session:
        answer(session, session.get_one(Request, first), MONDAY + 20 * MINUTE)
    jump(sessions, MONDAY, MONDAY + 70 * MINUTE)
    assert firings(sessions) == []

    with db.transaction(sessions) as session:
        settings_store.change(session, settings_store.TRANSFER_WARNING, 0, actor="denis")
    assigned(sessions, MONDAY + 71 * MINUTE)
    jump(sessions, MONDAY + 71 * MINUTE, MONDAY + timedelta(days=1))
    assert WARNING not in {name for name, _ in firings(sessions)}


def test_with_the_client_on_the_line_everything_comes_fifteen_minutes_later(
    sessions: sessionmaker[Session], cast: Cast
) -> None:
    request_id = assigned(sessions)
    jump(sessions, MONDAY, MONDAY + 55 * MINUTE)

    assert asks(sessions, request_id, MONDAY + 55 * MINUTE) == MONDAY + 70 * MINUTE
    jump(sessions, MONDAY + 55 * MINUTE, MONDAY + 76 * MINUTE)

    # Warned at 50; the transfer was due at 60 and comes at 75, and he was warned of that at 65.
    assert firings(sessions) == [("at-100", 30), (WARNING, 50), (WARNING, 65), ("at-200", 75)]


def test_more_time_changes_nothing_about_being_in_time(sessions: sessionmaker[Session], cast: Cast) -> None:
    request_id = assigned(sessions)
    with sessions() as session:
        due_at = session.get_one(Request, request_id).answer_due_at
    asks(sessions, request_id, MONDAY + 5 * MINUTE)
    with db.transaction(sessions) as session:
        answer(session, session.get_one(Request, request_id), MONDAY + 40 * MINUTE)

    with sessions() as session:
        assert session.get_one(Request, request_id).answer_due_at == due_at == MONDAY + 30 * MINUTE
        found = requests.in_time(session, month_named(session, "2026-10"), at("2026-11-01 00:00"), None)
        # Of one answer that was due, none in time.
        assert list(found.values()) == [(1, 0)]


def test_a_transfer_that_was_due_already_waits_for_the_line(sessions: sessionmaker[Session], cast: Cast) -> None:
    """Nobody could take it at first; the moment somebody can, its holder has the client on the line."""
    with db.transaction(sessions) as session:
        session.merge(cast.boris).left_on = at("2026-01-01").date()
    request_id = assigned(sessions)
    jump(sessions, MONDAY, MONDAY + 61 * MINUTE)
    asks(sessions, request_id, MONDAY + 61 * MINUTE)
    with db.transaction(sessions) as session:
        session.merge(cast.boris).left_on = None

    jump(sessions, MONDAY + 61 * MINUTE, MONDAY + 80 * MINUTE)

    assert firings(sessions)[-1] == ("at-200", 76)


def test_more_time_is_given_once_an_ownership_to_the_holder_before_his_answer(
    sessions: sessionmaker[Session], cast: Cast
) -> None:
    request_id = assigned(sessions)
    with sessions() as session:
        row = session.get_one(Request, request_id)
        assert client_on_the_line.can_ask(row, cast.anna.id)
        assert not client_on_the_line.can_ask(row, cast.boris.id)
        with pytest.raises(PolicyViolation, match="another manager"):
            client_on_the_line.ask_for_time(session, row, manager_id=cast.boris.id, actor="boris", now=MONDAY)
    asks(sessions, request_id, MONDAY + MINUTE)
    with pytest.raises(PolicyViolation, match="once"):
        asks(sessions, request_id, MONDAY + 2 * MINUTE)

    jump(sessions, MONDAY, MONDAY + 76 * MINUTE)

    # The next holder has his own fifteen minutes.
    with sessions() as session:
        row = session.get_one(Request, request_id)
        assert (row.manager_id, row.line_busy_at) == (cast.boris.id, None)
        assert client_on_the_line.can_ask(row, cast.boris.id)
        counts = client_on_the_line.line_busy_counts(session, MONDAY, MONDAY + timedelta(days=1))
        assert {who: (one.asked, one.assignments) for who, one in counts.items()} == {
            cast.anna.id: (1, 1),
            cast.boris.id: (0, 1),
        }
    with db.transaction(sessions) as session:
        row = session.get_one(Request, request_id)
        answer(session, row, MONDAY + 77 * MINUTE)
    with pytest.raises(PolicyViolation, match="answered"):
        asks(sessions, request_id, MONDAY + 78 * MINUTE)


def test_the_days_a_request_waits_for_its_client_are_no_inactivity(sessions: sessionmaker[Session], cast: Cast) -> None:
    quiet = rule(
        "quiet",
        {
            "all": [
                condition("request.status", "is", "in_progress"),
                condition("request.working_minutes_since_activity", "ge", 480),
            ]
        },
        {"action": "remind"},
    )
    back = rule("back", condition("request.waiting_client_days", "ge", 3), {"action": "return_to_work"})
    with db.transaction(sessions) as session:
        make_version(session, "escalation", escalation_rules(quiet, back))
    request_id = assigned(sessions, at("2026-10-05 09:00"))
    now = at("2026-10-05 10:00")
    with db.transaction(sessions) as session:
        row = session.get_one(Request, request_id)
        answer(session, row, now, "anna")
        status.change_status(session, row, RequestStatus.WAITING_CLIENT, reason=None, at=now, actor="anna", now=now)

    jump(sessions, now, at("2026-10-12 00:00"))

    with sessions() as session:
        found = session.execute(select(Firing.rule, Firing.at).where(Firing.item_kind == "request").order_by(Firing.id))
        assert [(row.rule, row.at) for row in found] == [
            ("back", at("2026-10-08 09:00")),
            ("quiet", at("2026-10-08 18:00")),
        ]
        assert session.scalars(select(Assignment)).one().line_busy_at is None
