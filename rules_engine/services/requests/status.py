"""The status of a request, changed by people and programs. What may follow what: decisions/lifecycle.py."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from rules_engine.decisions.lifecycle import Status, refusal
from rules_engine.errors import Conflict
from rules_engine.models import Request, RequestEvent, RequestStatus, WorkKind
from rules_engine.services.clients.wakes import wake_client
from rules_engine.services.company.reference import reference
from rules_engine.services.queue import work
from rules_engine.services.records.reading import lock_request
from rules_engine.services.records.writing import add_row
from rules_engine.services.requests import assignment, corrections, intake, refusal_reasons, request_tasks, waiting


def change_status(
    session: Session,
    request: Request,
    status: RequestStatus,
    *,
    reason: str | None,
    at: datetime,
    actor: str,
    now: datetime,
) -> bool:
    """Lead a request to another status; return whether it changed. The same one again changes nothing.

    A change older than the present status is kept in the history and changes nothing. `reason` is needed for `lost`.
    A closed request leaves its manager and his list; one that is taken up again is his again. Raises Conflict for a
    transition that there is not, InputError for a reason or an instant that cannot be.
    """
    intake.check_instant("at", at, now)
    if not request.is_history:
        # Before the row is locked: see the order of locks in queue/work.py.
        work.ask(session, WorkKind.REQUEST, request.id, now)
        if not status.is_open:
            wake_client(session, request.client_id, at, now=now)
    lock_request(session, request)
    old = request.status
    if at < request.status_at:
        _write(session, request, at, actor, {"before": None, "after": status.value, "reason": reason, "is_late": True})
        return False
    if status is old:
        return False
    words = refusal(Status(old.value), Status(status.value), by_head=corrections.is_head(session, actor))
    if words is not None:
        raise Conflict(ru=words["ru"], en=words["en"])
    if status is RequestStatus.WAITING_CLIENT and request.first_answer_at is None:
        raise Conflict(
            ru="ждать клиента можно после исходящего контакта",
            en="one can wait for the client after an outgoing contact",
        )
    if status is RequestStatus.LOST:
        reason = refusal_reasons.check(session, reason)
    else:
        reason = None
    _enter(session, request, status, reason, at, actor)
    data: dict[str, Any] = {"before": old.value, "after": status.value}
    if reason is not None:
        data["reason"] = reason
    _write(session, request, at, actor, data)
    if status.is_open and not old.is_open:
        _take_up_again(session, request, at, now)
    elif old.is_open and not status.is_open:
        _close(session, request, at, now)
        waiting.someone_can_again(session, now)
    session.flush()
    return True


def _enter(
    session: Session, request: Request, status: RequestStatus, reason: str | None, at: datetime, actor: str
) -> None:
    request.status = status
    request.status_at = at
    request.close_reason = reason
    request.closed_at = None if status.is_open else at
    if status is RequestStatus.WAITING_CLIENT:
        request.waiting_since = at
        request.times_waiting += 1
    else:
        request.waiting_since = None
    holder = reference(session).login_of(request.manager_id)
    if actor == holder and (request.last_activity_at is None or request.last_activity_at < at):
        request.last_activity_at = at


def _close(session: Session, request: Request, at: datetime, now: datetime) -> None:
    if request.is_history:
        return
    request.next_step_at = None
    waiting.leave(session, request, now)
    request_tasks.close_all(session, request, outcome=request.status.value, now=now)
    assignment.end_assignment(session, request, "closed", at)


def _take_up_again(session: Session, request: Request, at: datetime, now: datetime) -> None:
    if request.is_history:
        return
    held = assignment.take_up_again(session, request, at=at)
    if held is None:
        return
    corrections.count_again(session, request, held.manager_id, held.id, at)
    request_tasks.begin_again(session, request, held, now=now)


def _write(session: Session, request: Request, at: datetime, actor: str, data: dict[str, Any]) -> None:
    add_row(session, RequestEvent, {"request_id": request.id, "at": at, "kind": "status", "actor": actor, "data": data})
