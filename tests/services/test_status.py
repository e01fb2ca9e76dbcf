"""Statuses: which follow which, which are too old to count, and what closing and reopening do."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from rules_engine.errors import Conflict, InputError, PolicyViolation
from rules_engine.models import Assignment, LedgerEntry, Request, RequestEvent, RequestStatus, Task, WorkItem
from rules_engine.services.records.incoming import ContactIn, Key
from rules_engine.services.requests import assignment, contacts, corrections, refusal_reasons
from rules_engine.services.requests.status import change_status
from rules_engine.services.running import health
from tests.factories import MONDAY, Cast, make_cast, make_request

IN_PROGRESS, WAITING, WON, LOST, SPAM = (
    RequestStatus.IN_PROGRESS,
    RequestStatus.WAITING_CLIENT,
    RequestStatus.WON,
    RequestStatus.LOST,
    RequestStatus.SPAM,
)


def minutes(number: int) -> datetime:
    return MONDAY + timedelta(minutes=number)


@pytest.fixture
def cast(session: Session) -> Cast:
    return make_cast(session)


@pytest.fixture
def held(session: Session, cast: Cast) -> Request:
    request = make_request(session)
    assignment.assign_external(session, request, cast.anna, assigned_at=MONDAY, actor="import", now=MONDAY)
    return request


def lead(
    session: Session, request: Request, status: RequestStatus, at: int = 10, *, reason: str | None = None,
    actor: str = "anna",
) -> bool:  # fmt: skip
    return change_status(session, request, status, reason=reason, at=minutes(at), actor=actor, now=minutes(60))


def answer(session: Session, request: Request, at: int = 5) -> None:
    data = ContactIn(
        source="pbx", external_id=f"C-{at}", at=minutes(at),
        request=Key(source=request.source, external_id=request.external_id),
    )  # fmt: skip
    contacts.record(session, data, now=minutes(60), actor="anna")


def last_event(session: Session) -> RequestEvent:
    event = session.scalars(select(RequestEvent).order_by(RequestEvent.id.desc())).first()
    assert event is not None
    return event


def test_a_status_of_the_holder_is_activity_and_history(session: Session, held: Request) -> None:
    assert lead(session, held, IN_PROGRESS)
    assert (held.status, held.status_at, held.last_activity_at) == (IN_PROGRESS, minutes(10), minutes(10))
    event = last_event(session)
    assert (event.kind, event.actor, event.data) == ("status", "anna", {"before": "assigned", "after": "in_progress"})
    assert session.scalar(select(WorkItem.wake_at)) is not None


def test_a_status_of_somebody_else_is_no_activity_of_the_holder(session: Session, held: Request) -> None:
    lead(session, held, IN_PROGRESS, actor="galina")
    assert held.last_activity_at is None


def test_the_same_status_again_changes_nothing(session: Session, held: Request) -> None:
    lead(session, held, IN_PROGRESS)
    before = last_event(session).id
    assert not lead(session, held, IN_PROGRESS, 20)
    assert (held.status_at, last_event(session).id) == (minutes(10), before)


def test_a_status_older_than_the_present_one_is_only_remembered(session: Session, held: Request) -> None:
    lead(session, held, WON, 30)
    assert not lead(session, held, IN_PROGRESS, 20)
    assert held.status is WON
    assert last_event(session).data == {"before": None, "after": "in_progress", "reason": None, "is_late": True}


def test_waiting_for_the_client_needs_an_answer_and_is_counted(session: Session, held: Request) -> None:
    with pytest.raises(Conflict, match="outgoing contact"):
        lead(session, held, WAITING)
    answer(session, held)
    lead(session, held, WAITING, 10)
    assert (held.waiting_since, held.times_waiting) == (minutes(10), 1)
    lead(session, held, IN_PROGRESS, 20)
    assert (held.waiting_since, held.times_waiting) == (None, 1)
    lead(session, held, WAITING, 30)
    assert (held.waiting_since, held.times_waiting) == (minutes(30), 2)


def test_a_refusal_needs_a_reason_of_the_list_which_a_head_extends(session: Session, held: Request) -> None:
    for reason in (None, "надоело"):
        with pytest.raises(InputError) as refused:
            lead(session, held, LOST, reason=reason)
        assert refused.value.path == "reason"
    assert held.status == "assigned"
    refusal_reasons.add(session, " надоело ", actor="galina")
    refusal_reasons.add(session, "надоело", actor="galina")
    assert list(refusal_reasons.refusal_reasons(session))[-2:] == ["other", "надоело"]
    lead(session, held, LOST, reason="надоело")
    assert (held.status, held.close_reason, held.closed_at) == (LOST, "надоело", minutes(10))


def test_closing_ends_the_assignment_and_the_task(session: Session, held: Request) -> None:
    answer(session, held)
    lead(session, held, WON)
    ended = session.scalars(select(Assignment)).one()
    assert (ended.ended_at, ended.end_reason) == (minutes(10), "closed")
    assert [(task.state, task.outcome) for task in session.scalars(select(Task).order_by(Task.id))] == [
        ("done", "answered"),
        ("done", "won"),
    ]
    assert held.manager_id is not None


def test_what_is_taken_up_again_is_the_same_managers_again(session: Session, held: Request, cast: Cast) -> None:
    answer(session, held)
    lead(session, held, LOST, reason="rival")
    assert lead(session, held, IN_PROGRESS, 20)
    assert (held.status, held.closed_at, held.close_reason) == (IN_PROGRESS, None, None)
    _, again = session.scalars(select(Assignment).order_by(Assignment.id))
    assert (again.manager_id, again.assigned_at, again.ended_at) == (cast.anna.id, minutes(20), None)
    (task,) = session.scalars(select(Task).where(Task.state == "open"))
    assert (task.manager_id, task.assignment_id) == (cast.anna.id, again.id)
    assert health.ledger_drift(session) == []


def test_a_lost_request_can_be_paid_after_all(session: Session, held: Request) -> None:
    lead(session, held, LOST, reason="rival")
    assert lead(session, held, WON, 20)
    assert (held.close_reason, held.closed_at) == (None, minutes(20))


def test_spam_is_taken_back_by_a_head_alone(session: Session, held: Request) -> None:
    lead(session, held, SPAM)
    with pytest.raises(Conflict, match="head"):
        lead(session, held, IN_PROGRESS, 20)
    assert lead(session, held, IN_PROGRESS, 20, actor="galina")


def test_what_is_paid_is_final_and_what_is_new_waits_for_a_manager(session: Session, held: Request) -> None:
    lead(session, held, WON)
    with pytest.raises(Conflict):
        lead(session, held, LOST, 20, reason="rival")
    new = make_request(session)
    with pytest.raises(Conflict):
        lead(session, new, WON)
    with pytest.raises(Conflict):
        lead(session, held, RequestStatus.ASSIGNED, 20)


def test_an_instant_far_ahead_is_refused(session: Session, held: Request) -> None:
    with pytest.raises(InputError) as refused:
        lead(session, held, IN_PROGRESS, 60 * 26)
    assert refused.value.path == "at"


def counted(session: Session) -> int:
    return session.scalar(select(func.sum(LedgerEntry.delta))) or 0


def test_spam_leaves_the_share_of_a_manager_when_a_head_confirms_it(
    session: Session, held: Request, cast: Cast
) -> None:
    with pytest.raises(PolicyViolation, match="not marked"):
        corrections.confirm(session, held, "spam", actor="galina", now=minutes(5))
    lead(session, held, SPAM)
    assert counted(session) == 1
    with pytest.raises(PolicyViolation, match="head"):
        corrections.confirm(session, held, "spam", actor="anna", now=minutes(20))
    assert corrections.confirm(session, held, "spam", actor="galina", now=minutes(20)) == (cast.anna.id,)
    assert corrections.confirm(session, held, "spam", actor="galina", now=minutes(21)) == ()
    assert counted(session) == 0
    assert last_event(session).data == {"what": "spam", "managers": ["anna"]}
    lead(session, held, IN_PROGRESS, 30, actor="galina")
    assert counted(session) == 1
    assert health.ledger_drift(session) == []


def test_a_confirmed_duplicate_is_marked_and_not_counted(session: Session, held: Request) -> None:
    corrections.confirm(session, held, "duplicate", actor="denis", now=minutes(20))
    assert (held.is_duplicate, counted(session), held.status) == (True, 0, "assigned")
