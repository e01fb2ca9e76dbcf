"""“The client is on the line, 15 more minutes”: once an ownership its holder puts a transfer off.

His clocks stand still for so many working minutes, and nothing is taken from him meanwhile: reminders, marks and the
transfer all come that much later. Whether he answered in time, by which his bonus is counted, does not change:
`answer_due_at` stays where the assignment put it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from rules_engine.errors import PolicyViolation
from rules_engine.models import Assignment, Request, WorkKind
from rules_engine.services.company.reference import reference
from rules_engine.services.facts.pauses import line_until
from rules_engine.services.queue import work
from rules_engine.services.records.reading import lock_request
from rules_engine.services.requests.handing_over import write_event

_HELD: Final = select(Assignment).where(Assignment.request_id == bindparam("request"), Assignment.ended_at.is_(None))


@dataclass(frozen=True, slots=True)
class AskedForTime:
    """Of `assignments` that a manager received in a period, for how many he asked for more time."""

    asked: int
    assignments: int


def can_ask(request: Request, manager_id: int | None) -> bool:
    """Return whether this manager may still ask for more time for a request: his own, without answer, once."""
    return (
        manager_id is not None
        and request.manager_id == manager_id
        and request.status.is_open
        and not request.is_history
        and request.first_answer_at is None
        and request.line_busy_at is None
    )


def ask_for_time(session: Session, request: Request, *, manager_id: int | None, actor: str, now: datetime) -> datetime:
    """Return until when the request stays with its holder, who has the client on the line.

    Raises PolicyViolation for who does not hold it, after the first answer, and for the second time.
    """
    # Before the row is locked: see the order of locks in queue/work.py.
    work.ask(session, WorkKind.REQUEST, request.id, now)
    lock_request(session, request)
    held = session.scalars(_HELD, {"request": request.id}).one_or_none()
    if manager_id is None or held is None or held.manager_id != manager_id or not request.status.is_open:
        raise PolicyViolation(ru="заявку ведёт другой менеджер", en="another manager has the request")
    if request.first_answer_at is not None:
        raise PolicyViolation(
            ru="ответ уже дан: заявка никуда не перейдёт", en="it is answered: it will not go to another"
        )
    if held.line_busy_at is not None:
        raise PolicyViolation(
            ru="время уже продлено: так можно один раз", en="there was more time already: this is possible once"
        )
    held.line_busy_at = request.line_busy_at = now
    until = line_until(session, reference(session), manager_id, now)
    write_event(session, request, now, "line_busy", actor, until=until.isoformat())
    session.flush()
    return until


def line_busy_counts(
    session: Session, start: datetime, end: datetime, manager_ids: Collection[int] | None = None
) -> Mapping[int, AskedForTime]:
    """Return by manager id, of what he was assigned during `[start, end)`, how often he asked for more time.

    One query. Managers who received nothing are left out.
    """
    statement = (
        select(Assignment.manager_id, func.count(Assignment.line_busy_at), func.count())
        .where(Assignment.assigned_at >= start, Assignment.assigned_at < end)
        .group_by(Assignment.manager_id)
    )
    if manager_ids is not None:
        statement = statement.where(Assignment.manager_id.in_(manager_ids))
    return {manager_id: AskedForTime(asked, all_) for manager_id, asked, all_ in session.execute(statement)}
