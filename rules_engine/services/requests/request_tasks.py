"""The task of a request: exactly one is open while somebody works at it, and it says what is to be done next."""

from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from rules_engine.models import Assignment, Request, Task, TaskKind, TaskState

_GO_ON: Final = {"ru": "Продолжить работу по заявке", "en": "Go on with the request"}
_NEXT_STEP: Final = {"ru": "наступает следующий шаг", "en": "the next step is due"}
_NO_STEP: Final = {"ru": "ответ дан, следующий шаг не назначен", "en": "answered, and no next step is set"}

_OPEN_TASKS: Final = (
    select(Task).where(Task.request_id == bindparam("request"), Task.state == TaskState.OPEN).order_by(Task.id)
)
_OPEN_TASK: Final = _OPEN_TASKS.where(Task.kind == TaskKind.REQUEST)


def open_task(session: Session, request_id: int) -> Task | None:
    """Return the open task of a request itself; extra ones that rules made stand beside it."""
    return session.scalars(_OPEN_TASK, {"request": request_id}).first()


def move_on(session: Session, request: Request, *, outcome: str | None, note: str, now: datetime) -> Task | None:
    """Finish the open task of a request and open the one that follows, due at the next step; return that one.

    None where the request had no task (the mode makes none) and where nobody works at it any more.
    """
    done = open_task(session, request.id)
    if done is None:
        return None
    finish(done, outcome=outcome, note=note, now=now)
    # Before the next one is added: two open ones are refused by the database.
    session.flush()
    if request.manager_id is None or not request.status.is_open:
        return None
    return _add(session, request, request.manager_id, done.assignment_id, done.decision_id, now)


def begin_again(session: Session, request: Request, held: Assignment, *, now: datetime) -> Task | None:
    """Open a task for a request that was closed and is taken up again; None where it never had one."""
    last = session.scalars(
        select(Task)
        .where(Task.request_id == request.id, Task.kind == TaskKind.REQUEST)
        .order_by(Task.id.desc())
        .limit(1)
    ).first()
    if last is None:
        return None
    return _add(session, request, held.manager_id, held.id, last.decision_id, now)


def _add(
    session: Session,
    request: Request,
    manager_id: int,
    assignment_id: int | None,
    decision_id: int | None,
    now: datetime,
) -> Task:
    task = Task(
        kind=TaskKind.REQUEST,
        manager_id=manager_id,
        request_id=request.id,
        client_id=request.client_id,
        assignment_id=assignment_id,
        decision_id=decision_id,
        title=dict(_GO_ON),
        reason=dict(_NEXT_STEP if request.next_step_at else _NO_STEP),
        created_at=now,
        due_at=request.next_step_at,
    )
    session.add(task)
    session.flush()
    return task


def due_at_next_step(task: Task, request: Request) -> None:
    """Have an open task of a request say when its next step is."""
    task.due_at = request.next_step_at
    task.reason = dict(_NEXT_STEP if request.next_step_at else _NO_STEP)


def finish(task: Task, *, outcome: str | None, note: str, now: datetime) -> None:
    task.state = TaskState.DONE
    task.done_at = now
    task.outcome = outcome
    if note:
        task.note = note


def close_all(session: Session, request: Request, *, outcome: str, now: datetime) -> None:
    """Finish the task of a request that is closed; what rules asked for beside it has become pointless."""
    for task in session.scalars(_OPEN_TASKS, {"request": request.id}).all():
        if task.kind is TaskKind.REQUEST:
            finish(task, outcome=outcome, note="", now=now)
        else:
            task.state = TaskState.CANCELLED
            task.done_at = now
    session.flush()
