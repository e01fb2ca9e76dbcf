"""A manager's list: in what order, with what to be seen, and what finishing or postponing a line does."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from rules_engine.errors import Conflict, InputError, NotFound
from rules_engine.models import (
    Callback,
    Client,
    ContactPoint,
    Manager,
    Request,
    RequestEvent,
    RequestStatus,
    Task,
    TaskKind,
    TaskState,
    WorkKind,
)
from rules_engine.models.clients import PHONE
from rules_engine.services.callbacks import finishing
from rules_engine.services.callbacks.outcomes import next_attempt
from rules_engine.services.company.reference import Reference, reference
from rules_engine.services.queue import work
from rules_engine.services.records import settings_store
from rules_engine.services.records.incoming import ContactIn, ContactOutcome, Key
from rules_engine.services.records.reading import lock_request
from rules_engine.services.requests import contacts, refusal_reasons, request_tasks
from rules_engine.services.requests.status import change_status

SOURCE: Final = "pravila"
"""Of the contacts that are recorded with a task."""
_FARTHEST: Final = timedelta(days=3660)
_LOCKED_TASK: Final = (
    select(Task).where(Task.id == bindparam("task")).with_for_update().execution_options(populate_existing=True)
)


class Group(StrEnum):
    OVERDUE = "overdue"
    TODAY = "today"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class TaskLine:
    """One line of a manager's list.

    `due_at`: until the first answer that of the answer, then the task's own; None: no date. `amount_minor` is None
    too where it must not be seen yet: `is_amount_hidden` says so. `expected_minor`, of a call: what its client
    usually pays. `line_busy_at`: when its holder asked for more time, because he had the client on the line.
    """

    id: int
    kind: TaskKind
    title: Mapping[str, str]
    reason: Mapping[str, str]
    rule: str | None
    group: Group
    due_at: datetime | None
    created_at: datetime
    times_postponed: int
    request_id: int | None
    is_answered: bool
    line_busy_at: datetime | None
    status: RequestStatus | None
    received_at: datetime | None
    service: str | None
    channel: str | None
    priority: str | None
    amount_minor: int | None
    is_amount_hidden: bool
    client_id: int | None
    client_name: str
    phone: str | None
    callback_id: int | None
    expected_minor: int | None


def open_tasks(session: Session, manager_id: int, now: datetime) -> list[TaskLine]:
    """Return what a manager is to do: by due time alone, whatever a request is worth; what has no date comes last.

    A call has a whole day, a request minutes: calls come after everything else that is due today, the overdue ones
    first, and of those due together the one of which more money is expected. Three queries, however long the list is.
    """
    rows = session.execute(
        select(Task, Request, Client.name, Callback)
        .outerjoin(Request, Request.id == Task.request_id)
        .outerjoin(Callback, Callback.id == Task.callback_id)
        .outerjoin(Client, Client.id == func.coalesce(Task.client_id, Request.client_id))
        .where(Task.manager_id == manager_id, Task.state == TaskState.OPEN)
    ).all()
    client_ids = {task.client_id or (request.client_id if request else None) for task, request, _, _ in rows}
    phones = _phones(session, {client_id for client_id in client_ids if client_id is not None})
    shown = settings_store.choice(session, settings_store.AMOUNT_SHOWN)
    picture = reference(session)
    lines = []
    for task, request, client_name, callback in rows:
        client_id = task.client_id or (request.client_id if request else None)
        due_at = due_of(task, request)
        is_answered = request is not None and request.first_answer_at is not None
        hidden = request is not None and not may_see_amount(shown, is_answered=is_answered)
        lines.append(
            TaskLine(
                id=task.id,
                kind=task.kind,
                title=task.title,
                reason=task.reason,
                rule=task.rule,
                group=_group(picture, due_at, callback, now),
                due_at=due_at,
                created_at=task.created_at,
                times_postponed=task.times_postponed,
                request_id=task.request_id,
                is_answered=is_answered,
                line_busy_at=request.line_busy_at if request else None,
                status=request.status if request else None,
                received_at=request.received_at if request else None,
                service=request.service if request else None,
                channel=request.channel if request else None,
                priority=request.priority if request else callback.priority if callback else None,
                amount_minor=request.amount_minor if request and not hidden else None,
                is_amount_hidden=hidden,
                client_id=client_id,
                client_name=client_name or (request.client_name if request else ""),
                phone=phones.get(client_id) if client_id is not None else None,
                callback_id=task.callback_id,
                expected_minor=callback.expected_minor if callback else None,
            )
        )
    tonight = picture.start_of_day(picture.day_of(now) + timedelta(days=1))
    return sorted(lines, key=lambda line: _place(line, tonight))


def _group(picture: Reference, due_at: datetime | None, callback: Callback | None, now: datetime) -> Group:
    """Return the part of the list. A call that was handed out is for today, unless it was tried or put off already."""
    if due_at is not None and due_at < now:
        return Group.OVERDUE
    is_handed_out = callback is not None and not (callback.attempts or callback.times_postponed)
    is_today = due_at is not None and picture.day_of(due_at) == picture.day_of(now)
    return Group.TODAY if is_today or is_handed_out else Group.LATER


def _place(line: TaskLine, tonight: datetime) -> tuple[bool, bool, datetime, datetime, int, int]:
    due_at = line.due_at or tonight
    waits = due_at if line.callback_id is None else max(due_at, tonight)
    is_later = line.group is Group.LATER
    return line.due_at is None, is_later, due_at if is_later else waits, due_at, -(line.expected_minor or 0), line.id


def due_of(task: Task, request: Request | None) -> datetime | None:
    """Return the due time that people see: that of the answer until the first one is given, then the task's own."""
    if task.kind is TaskKind.REQUEST and request is not None and request.first_answer_at is None:
        return request.answer_due_at or task.due_at
    return task.due_at


def may_see_amount(shown: str, *, is_answered: bool) -> bool:
    """Return whether a manager sees what a request is worth; `shown` is the setting: never, after_answer, always."""
    return shown == "always" or (shown == "after_answer" and is_answered)


def get_task(session: Session, task_id: int, *, manager_id: int | None = None) -> Task:
    """Return a task. Raises NotFound where there is none, or where it is not that of `manager_id`."""
    task = session.get(Task, task_id)
    if task is None or (manager_id is not None and task.manager_id != manager_id):
        raise NotFound(what=f"task {task_id}")
    return task


def create_own(session: Session, manager: Manager, title: str, due_at: datetime | None, *, now: datetime) -> Task:
    """Return a new task that a manager sets himself. Raises InputError for an empty title or a due time in the past."""
    clean = " ".join(title.split())
    if not clean or len(clean) > 200:
        raise InputError(path="title", ru="от 1 до 200 знаков", en="must have 1 to 200 characters")
    if due_at is not None:
        _check_ahead("due_at", due_at, now)
    task = Task(
        kind=TaskKind.OWN,
        manager_id=manager.id,
        title={"ru": clean, "en": clean},
        reason={"ru": "ваша собственная задача", "en": "your own task"},
        created_at=now,
        due_at=due_at,
    )
    session.add(task)
    session.flush()
    return task


def complete(
    session: Session,
    task: Task,
    *,
    outcome: ContactOutcome,
    note: str = "",
    next_at: datetime | None = None,
    reason: str | None = None,
    actor: str,
    now: datetime,
) -> Task | None:
    """Finish a task with its outcome; return the task that follows for the request, None where it is closed.

    A planned call ends as `callbacks.finishing.finish` says; the task that follows is that of its next attempt.
    Records the contact (marked by hand) for tasks about a request or a client. `thinks` needs `next_at`, `refused` a
    `reason` and closes the request; `not_now` without a date closes it as postponed; `not_reached` without a date
    proposes the next attempt. Raises InputError for these, Conflict for a task that is done.
    """
    request = _lock(session, task, now)
    if task.kind is TaskKind.CALLBACK:
        return finishing.finish(
            session,
            finishing.callback_of(session, task),
            outcome=outcome,
            reason=reason,
            note=note,
            next_at=next_at,
            actor=actor,
            now=now,
        )
    if next_at is not None:
        _check_ahead("next_at", next_at, now)
    elif outcome == "thinks":
        raise InputError(path="next_at", ru="до какого дня думает клиент", en="until when does the client think")
    if outcome == "refused" and request is not None:
        reason = refusal_reasons.check(session, reason)
    if task.kind is TaskKind.OWN:
        request_tasks.finish(task, outcome=outcome, note=note, now=now)
        session.flush()
        return None
    _record(session, task, outcome, note, actor, now)
    if request is None or task.kind is not TaskKind.REQUEST:
        if task.state is TaskState.OPEN:
            request_tasks.finish(task, outcome=outcome, note=note, now=now)
        session.flush()
        return None
    if outcome == "not_reached" and next_at is None:
        next_at = next_attempt(session, task.manager_id, request.contact_attempts, now)
    request.next_step_at = next_at
    closing = "postponed" if outcome == "not_now" and next_at is None else reason if outcome == "refused" else None
    if closing is not None and request.status.is_open:
        change_status(session, request, RequestStatus.LOST, reason=closing, at=now, actor=actor, now=now)
    return _leave_off(session, task, request, outcome, note, now)


def postpone(session: Session, task: Task, *, until: datetime, reason: str, actor: str, now: datetime) -> Task:
    """Put a task off, counted; the answer time of a request stays where it is. Raises InputError, Conflict."""
    clean = reason.strip()
    if not clean:
        raise InputError(path="reason", ru="нужна причина", en="needs a reason")
    _check_ahead("until", until, now)
    request = _lock(session, task, now)
    if task.kind is TaskKind.CALLBACK:
        call = finishing.callback_of(session, task)
        finishing.postpone(session, call, until=until, reason=clean, actor=actor, now=now)
        return task
    task.due_at = until
    task.times_postponed += 1
    task.postpone_reason = clean[:500]
    if request is not None and task.kind is TaskKind.REQUEST:
        request.next_step_at = until
        said = {"until": until.isoformat(), "reason": task.postpone_reason, "times": task.times_postponed}
        session.add(RequestEvent(request_id=request.id, at=now, kind="postponed", actor=actor, data=said))
    session.flush()
    return task


def _leave_off(session: Session, task: Task, request: Request, outcome: str, note: str, now: datetime) -> Task | None:
    """Bring the task of a request to what was just said; return the one that follows."""
    if task.state is TaskState.OPEN:
        return request_tasks.move_on(session, request, outcome=outcome, note=note, now=now)
    # The contact was the first answer, or the request is closed: the task is finished already.
    task.outcome, task.note = outcome, note
    following = request_tasks.open_task(session, request.id)
    if following is not None:
        request_tasks.due_at_next_step(following, request)
    session.flush()
    return following


def _lock(session: Session, task: Task, now: datetime) -> Request | None:
    """Lock a task and its request (order: queue/work.py); return the request. Raises Conflict for a closed task."""
    request = session.get(Request, task.request_id) if task.request_id is not None else None
    if request is not None:
        if request.status.is_open and not request.is_history:
            work.ask(session, WorkKind.REQUEST, request.id, now)
        lock_request(session, request)
    session.scalars(_LOCKED_TASK, {"task": task.id}).one()
    if task.state is not TaskState.OPEN:
        raise Conflict(ru="эта задача уже закрыта", en="this task is closed already")
    return request


def _record(session: Session, task: Task, outcome: ContactOutcome, note: str, actor: str, now: datetime) -> None:
    """Write down the contact that finished a task."""
    request = session.get(Request, task.request_id) if task.request_id is not None else None
    client = session.get(Client, task.client_id) if task.client_id is not None else None
    if request is None and client is None:
        return
    picture = reference(session)
    who = picture.by_login(actor) or picture.manager(task.manager_id)
    details: dict[str, Any] = {}
    if request is not None:
        details["request"] = Key(source=request.source, external_id=request.external_id)
    elif client is not None:
        details["client"] = Key(source=client.source, external_id=client.external_id)
    data = ContactIn(
        source=SOURCE,
        external_id=f"task:{task.id}",
        at=now,
        outcome=outcome,
        note=note,
        proof="by_hand",
        manager=who.login,
        **details,
    )
    contacts.record(session, data, now=now, actor=actor)


def _phones(session: Session, client_ids: set[int]) -> dict[int, str]:
    """Return the first phone of each client."""
    if not client_ids:
        return {}
    found: dict[int, str] = {}
    points = (
        select(ContactPoint.client_id, ContactPoint.normalized, ContactPoint.value)
        .where(ContactPoint.client_id.in_(client_ids), ContactPoint.kind == PHONE)
        .order_by(ContactPoint.id)
    )
    for row in session.execute(points):
        found.setdefault(row.client_id, row.value if row.normalized.startswith("?") else row.normalized)
    return found


def _check_ahead(path: str, instant: datetime, now: datetime) -> None:
    if instant <= now:
        raise InputError(path=path, ru="это время уже прошло", en="is not in the future")
    if instant > now + _FARTHEST:
        raise InputError(path=path, ru="дальше десяти лет вперёд", en="is more than ten years ahead")
