"""What absences and shifts on duty have in common: somebody's time from one instant to another."""

from datetime import datetime
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.models import Absence, DutyShift
from rules_engine.services.queue import work

Span = TypeVar("Span", Absence, DutyShift)


def first_overlap(
    session: Session, model: type[Span], manager_id: int, starts_at: datetime, ends_at: datetime, besides: int | None
) -> Span | None:
    """Return the earliest row of a manager that overlaps `[starts_at, ends_at)`; None: his time is free.

    `besides` is the id of the row that is being changed. Nothing that is pending is written.
    """
    same_time = select(model).where(
        model.manager_id == manager_id, model.starts_at < ends_at, model.ends_at > starts_at
    )
    if besides is not None:
        same_time = same_time.where(model.id != besides)
    with session.no_autoflush:
        return session.scalars(same_time.order_by(model.starts_at)).first()


def wake(session: Session, now: datetime, manager_ids: set[int]) -> None:
    """Have the open requests and calls of managers looked at: when they work has changed."""
    work.wake_open_requests(session, now, manager_ids=manager_ids)
    work.wake_calls(session, now, manager_ids=manager_ids)
