"""Tasks: read, finished and postponed, the latter two at most once under an Idempotency-Key."""

import hashlib
import json
from collections.abc import Callable
from typing import Any, Literal

from flask import request
from sqlalchemy import case, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from admin.api import shapes
from admin.api.operations import Call, Operation, operation
from admin.api.problems import Refused
from admin.api.shapes import Completed, TaskList, TaskOut
from admin.base import commit_and_wake, request_now
from rules_engine import clock
from rules_engine.db import is_sqlite
from rules_engine.models import IdempotencyKey, Request, Task, TaskKind, TaskState
from rules_engine.services.company.people import find_manager
from rules_engine.services.records.forms import Code
from rules_engine.services.records.incoming import CompleteIn, PostponeIn
from rules_engine.services.requests import tasks

MAX_KEY = 200


class TasksQuery(shapes.PageQuery):
    manager: Code | None = None
    state: Literal["open", "done", "overdue"] = "open"


@operation(
    Operation(
        "list_tasks",
        "GET",
        "/tasks",
        "tasks:read",
        "Tasks of all managers or of one, a page at a time",
        TaskList,
        query=TasksQuery,
    )
)
def list_tasks(call: Call) -> tuple[TaskList, int]:
    query: TasksQuery = call.query
    state = TaskState.DONE if query.state == "done" else TaskState.OPEN
    rows = (
        select(Task, Request)
        .outerjoin(Request, Request.id == Task.request_id)
        .where(Task.id > query.cursor, Task.state == state)
    )
    if query.manager is not None:
        rows = rows.where(Task.manager_id == find_manager(call.session, query.manager).id)
    if query.state == "overdue":
        before_answer = (Task.kind == TaskKind.REQUEST) & Request.first_answer_at.is_(None)
        shown = case((before_answer, func.coalesce(Request.answer_due_at, Task.due_at)), else_=Task.due_at)
        rows = rows.where(shown < request_now())
    found = call.session.execute(rows.order_by(Task.id).limit(query.limit + 1)).all()
    page = found[: query.limit]
    items = [TaskOut(**shapes.task_values(call.session, task, tasks.due_of(task, of))) for task, of in page]
    return TaskList(items=items, next_cursor=str(page[-1][0].id) if len(found) > len(page) else None), 200


@operation(
    Operation(
        "complete_task",
        "POST",
        "/tasks/{id}/complete",
        "tasks:write",
        "Finish a task with its outcome; `thinks` needs `next_at`, `refused` a `reason`",
        Completed,
        body=CompleteIn,
        is_idempotent_by_key=True,
    )
)
def complete(call: Call) -> tuple[Completed, int]:
    body: CompleteIn = call.body

    def act() -> Completed:
        task = tasks.get_task(call.session, call.id)
        following = tasks.complete(
            call.session,
            task,
            outcome=body.outcome,
            note=body.note,
            next_at=body.next_at,
            reason=body.reason,
            actor=call.actor,
            now=request_now(),
        )
        next_task = TaskOut(**_values(call.session, following)) if following else None
        return Completed(**_values(call.session, task), next_task=next_task)

    return Completed.model_validate_json(_once(call, "complete", act)), 200


@operation(
    Operation(
        "postpone_task",
        "POST",
        "/tasks/{id}/postpone",
        "tasks:write",
        "Put a task off, with a reason; counted",
        TaskOut,
        body=PostponeIn,
        is_idempotent_by_key=True,
    )
)
def postpone(call: Call) -> tuple[TaskOut, int]:
    body: PostponeIn = call.body

    def act() -> TaskOut:
        task = tasks.get_task(call.session, call.id)
        tasks.postpone(call.session, task, until=body.until, reason=body.reason, actor=call.actor, now=request_now())
        return TaskOut(**_values(call.session, task))

    return TaskOut.model_validate_json(_once(call, "postpone", act)), 200


def _values(session: Session, task: Task) -> dict[str, Any]:
    of = session.get(Request, task.request_id) if task.request_id is not None else None
    return shapes.task_values(session, task, tasks.due_of(task, of))


def _once(call: Call, endpoint: str, act: Callable[[], shapes.Document]) -> str:
    """Return the answer of `act` as JSON, or the kept one where the same Idempotency-Key came before; commit.

    A call that was refused keeps nothing: it may be repeated. Raises Refused for the same key with another body.
    """
    given = request.headers.get("Idempotency-Key")
    if given is None:
        written = act().model_dump_json()
        commit_and_wake()
        return written
    if not given.isprintable() or not given.isascii() or not 0 < len(given) <= MAX_KEY:
        raise Refused(422, "Idempotency-Key: от 1 до 200 знаков ASCII", "Idempotency-Key: 1 to 200 ASCII characters")
    key = f"{call.caller.token_id}:{endpoint}:{call.id}:{given}"
    digest = hashlib.sha256(call.body.model_dump_json().encode()).hexdigest()
    insert = sqlite.insert if is_sqlite(call.session) else postgresql.insert
    # The key goes in first: a second call with it waits for this one, and then finds the answer.
    statement = (
        insert(IdempotencyKey)
        .values(key=key, body_hash=digest, status=0, answer={}, created_at=clock.now())
        .on_conflict_do_nothing()
        .returning(IdempotencyKey.key)
    )
    if call.session.scalar(statement) is None:
        kept = call.session.get_one(IdempotencyKey, key)
        if kept.body_hash != digest:
            raise Refused(
                422, "этот Idempotency-Key уже был с другим содержанием", "this Idempotency-Key came with another body"
            )
        return json.dumps(kept.answer)
    written = act().model_dump_json()
    row = call.session.get_one(IdempotencyKey, key)
    row.status, row.answer = 200, json.loads(written)
    commit_and_wake()
    return written
