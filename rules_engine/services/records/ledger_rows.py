"""Writing the ledger of fair shares: append-only rows, a balance a manager and month, and one lock a month.

A row belongs to the business month of its own instant; nothing is carried into the next month.
"""

from datetime import datetime
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import event, func, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session, SessionTransaction

from rules_engine.db import is_sqlite, settings_of
from rules_engine.models import LedgerBalance, LedgerEntry, LedgerMonth, Request
from rules_engine.services.records.writing import add_row, put_row

_LOCKED: Final = "pravila_locked_a_month"


class Cause(StrEnum):
    """Why a row was written; `rule`, `strategy` and `delta` of the row say the rest."""

    RULE = "rule"
    """+1: a rule of assignment gave it to him."""
    TRANSFER = "transfer"
    """+1: the rules of escalation took it from another, who did not answer."""
    NO_ANSWER = "no_answer"
    """0: it was taken from him for want of an answer; what he received stays counted."""
    HAND = "hand"
    """+1: a head gave it to him. 0 or −1: a head took it from him, keeping what was counted or not."""
    EXTERNAL = "external"
    """+1: another system gave it to him."""
    DUPLICATE = "duplicate"
    """0: it repeats a request of the same client that he has. −1: a head confirmed later that it does."""
    SPAM = "spam"
    """−1: confirmed spam."""


def month_of(at: datetime, zone: ZoneInfo) -> str:
    """Return the business month of an instant.

    >>> from datetime import UTC
    >>> month_of(datetime(2026, 10, 31, 22, tzinfo=UTC), ZoneInfo("Europe/Moscow"))
    '2026-11'
    """
    local = at.astimezone(zone)
    return f"{local.year:04d}-{local.month:02d}"


def lock_month(session: Session, at: datetime) -> None:
    """Wait until no other transaction chooses by the ledger of the month of `at`, and keep others out until the end.

    The last of the locks: after the work item and the request. On SQLite there is only one writer anyway.
    """
    session.info[_LOCKED] = True
    if is_sqlite(session):
        return
    month = month_of(at, settings_of(session).zone)
    locked = select(LedgerMonth.month).where(LedgerMonth.month == month).with_for_update()
    if session.scalar(locked) is None:
        session.execute(postgresql.insert(LedgerMonth).values(month=month).on_conflict_do_nothing())
        session.scalar(locked)


def holds_a_month(session: Session) -> bool:
    """Return whether this transaction keeps others from choosing; it must not wait for a work item from then on."""
    return bool(session.info.get(_LOCKED))


@event.listens_for(Session, "after_transaction_end")
def _forget(session: Session, transaction: SessionTransaction) -> None:
    # A flush and a savepoint that was released give no lock back; one that was rolled back may, but need not.
    if transaction.parent is None:
        session.info.pop(_LOCKED, None)


def enter(
    session: Session,
    *,
    at: datetime,
    request_id: int,
    manager_id: int,
    assignment_id: int | None,
    delta: int,
    value_minor: int,
    cause: Cause,
    rule: str | None = None,
    strategy: str | None = None,
    decision_id: int | None = None,
) -> None:
    """Write a row and add it to the balance of its month; the month must be locked by this transaction."""
    month = month_of(at, settings_of(session).zone)
    add_row(
        session,
        LedgerEntry,
        {
            "at": at,
            "month": month,
            "request_id": request_id,
            "manager_id": manager_id,
            "assignment_id": assignment_id,
            "delta": delta,
            "value_minor": value_minor,
            "cause": cause.value,
            "rule": rule,
            "strategy": strategy,
            "decision_id": decision_id,
        },
    )
    if delta != 0 or value_minor != 0:
        balance = {"month": month, "manager_id": manager_id, "count": delta, "value_minor": value_minor}
        put_row(session, LedgerBalance, ("month", "manager_id"), balance, add=True)


def counted_for(session: Session, request_id: int, manager_id: int) -> tuple[int, int]:
    """Return how often a request is counted for a manager, and its value there: twice where it came back to him."""
    delta, value = session.execute(
        select(
            func.coalesce(func.sum(LedgerEntry.delta), 0), func.coalesce(func.sum(LedgerEntry.value_minor), 0)
        ).where(LedgerEntry.request_id == request_id, LedgerEntry.manager_id == manager_id)
    ).one()
    return int(delta), int(value)


def correct(session: Session, request: Request, cause: Cause, at: datetime) -> tuple[int, ...]:
    """Take a confirmed spam or duplicate out of the ledger of everybody who has it counted; return their ids.

    Empty where it is counted for nobody (any more): a second correction changes nothing.
    """
    lock_month(session, at)
    counted = (
        select(
            LedgerEntry.manager_id,
            func.sum(LedgerEntry.delta).label("delta"),
            func.sum(LedgerEntry.value_minor).label("value_minor"),
            func.max(LedgerEntry.assignment_id).label("assignment_id"),
        )
        .where(LedgerEntry.request_id == request.id)
        .group_by(LedgerEntry.manager_id)
        .order_by(LedgerEntry.manager_id)
    )
    corrected = [row for row in session.execute(counted) if row.delta > 0]
    for row in corrected:
        enter(
            session,
            at=at,
            request_id=request.id,
            manager_id=row.manager_id,
            assignment_id=row.assignment_id,
            delta=-int(row.delta),
            value_minor=-int(row.value_minor),
            cause=cause,
        )
    return tuple(row.manager_id for row in corrected)
