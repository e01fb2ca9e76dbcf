"""Handing a request to somebody, and taking it from him: the rows that every way of doing so writes."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from rules_engine.models import (
    Assignment,
    AssignmentCause,
    Request,
    RequestEvent,
    RequestStatus,
    RoundRobinPointer,
    Task,
    TaskKind,
    TaskState,
)
from rules_engine.services.company.reference import ManagerRef, Reference
from rules_engine.services.messages import outbox
from rules_engine.services.records import ledger_rows, settings_store
from rules_engine.services.records.ledger_rows import Cause
from rules_engine.services.records.writing import add_later, add_row, put_row
from rules_engine.services.requests import waiting
from rules_engine.services.requests.assignment_texts import Text, given, taken, task_title

CLOSED: Final = "closed"
_HELD: Final = select(Assignment).where(Assignment.request_id == bindparam("request"), Assignment.ended_at.is_(None))


@dataclass(frozen=True, slots=True)
class Handover:
    """Who gets a request, from when, and why.

    `delta` is what the ledger counts: 0 for a repeat of what he has already. `rule` and `strategy` are those of the
    decision. `answer_within` None: the setting holds. Without `with_task` he has neither a task nor a due time.
    """

    manager: ManagerRef
    at: datetime
    cause: AssignmentCause
    ledger_cause: Cause
    reason: Text
    decision_id: int | None = None
    delta: int = 1
    rule: str | None = None
    strategy: str | None = None
    answer_within: int | None = None
    pointer: tuple[str, int] | None = None
    actor: str = "system"
    with_task: bool = True
    is_told: bool = True


def hand_over(session: Session, picture: Reference, request: Request, to: Handover, now: datetime) -> int:
    """Return the id of the new open assignment of a request that nobody holds at the moment.

    Writes ledger, task, event, message and what the request repeats of its holder. The month of `to.at` is locked by
    this transaction. The database refuses a second open assignment.
    """
    waiting.leave(session, request, now)
    within, due_at = None, None
    if to.with_task:
        within = to.answer_within or settings_store.number(session, settings_store.ANSWER_WITHIN)
        due_at = to.manager.calendar.add(to.at, within)
    session.flush()
    assignment_id = add_row(
        session,
        Assignment,
        {
            "request_id": request.id,
            "manager_id": to.manager.id,
            "assigned_at": to.at,
            "cause": to.cause,
            "decision_id": to.decision_id,
            "answer_within": within,
            "answer_due_at": due_at,
        },
    )
    _set_holder(request, to, within, due_at)
    ledger_rows.enter(
        session,
        at=to.at,
        request_id=request.id,
        manager_id=to.manager.id,
        assignment_id=assignment_id,
        delta=to.delta,
        value_minor=(request.expected_value_minor or 0) * to.delta,
        cause=to.ledger_cause,
        rule=to.rule,
        strategy=to.strategy,
        decision_id=to.decision_id,
    )
    if to.with_task:
        add_row(session, Task, _task(request, assignment_id, to, due_at, now))
    write_event(
        session,
        request,
        to.at,
        "assigned",
        to.actor,
        manager=to.manager.login,
        cause=to.cause.value,
        rule=to.rule,
        decision_id=to.decision_id,
        answer_due_at=due_at.isoformat() if due_at else None,
    )
    # What waits for whoever has a request of the same client has somebody to go to now.
    waiting.clients_changed(session, [request.client_id], now, besides=request.id)
    if to.pointer is not None:
        _move_pointer(session, to.pointer)
    if to.is_told:
        subject, body = given(request, to.reason, due_at, picture.zone)
        outbox.notify(
            session,
            user_ids=(to.manager.user_id,),
            subject=subject,
            body=body,
            link=f"/requests/{request.id}",
            key=f"assigned:{assignment_id}",
            now=now,
        )
    return assignment_id


def take_back(
    session: Session, request: Request, *, end_reason: str, at: datetime, task_note: str = ""
) -> Assignment | None:
    """Return the assignment that was open and is not any more; None where nobody held the request.

    His open tasks about it are cancelled, with `task_note` as the reason.
    """
    held = session.scalars(_HELD, {"request": request.id}).one_or_none()
    if held is None:
        return None
    held.ended_at = at
    held.end_reason = end_reason
    session.execute(
        update(Task)
        .where(Task.request_id == request.id, Task.state == TaskState.OPEN)
        .values(state=TaskState.CANCELLED, done_at=at, note=task_note)
        .execution_options(synchronize_session="evaluate")
    )
    session.flush()
    return held


def tell_taken(
    session: Session,
    request: Request,
    held: Assignment,
    from_: ManagerRef,
    to: ManagerRef,
    now: datetime,
    *,
    still_counts: bool,
) -> None:
    """Write to the old holder that the request has gone to another, and whether it still counts for him."""
    subject, body = taken(request, to.name, still_counts=still_counts)
    outbox.notify(
        session,
        user_ids=(from_.user_id,),
        subject=subject,
        body=body,
        link=f"/requests/{request.id}",
        key=f"taken:{held.id}",
        now=now,
    )


def write_event(session: Session, request: Request, at: datetime, kind: str, actor: str, **data: Any) -> None:
    """Add a line to the history of a request; what is None is left out."""
    kept = {key: value for key, value in data.items() if value is not None}
    row = {"request_id": request.id, "at": at, "kind": kind, "actor": actor, "data": kept}
    add_later(session, RequestEvent, [row])


def _move_pointer(session: Session, pointer: tuple[str, int]) -> None:
    """Remember who of a pool was served last."""
    pool, manager_id = pointer
    put_row(session, RoundRobinPointer, ("pool",), {"pool": pool, "manager_id": manager_id})


def _set_holder(request: Request, to: Handover, within: int | None, due_at: datetime | None) -> None:
    request.manager_id = to.manager.id
    request.assigned_at = to.at
    request.answer_within = within
    request.answer_due_at = due_at
    request.first_answer_at = None
    request.line_busy_at = None
    request.last_activity_at = None
    request.next_step_at = None
    request.waiting_since = None
    request.unassigned_reason = None
    request.status = RequestStatus.ASSIGNED
    request.status_at = to.at


def _task(request: Request, assignment_id: int, to: Handover, due_at: datetime | None, now: datetime) -> dict[str, Any]:
    return {
        "kind": TaskKind.REQUEST,
        "manager_id": to.manager.id,
        "request_id": request.id,
        "client_id": request.client_id,
        "assignment_id": assignment_id,
        "decision_id": to.decision_id,
        "title": task_title(request),
        "reason": dict(to.reason),
        "rule": to.rule,
        "state": TaskState.OPEN,
        "created_at": now,
        "due_at": due_at,
        "times_postponed": 0,
        "note": "",
    }
