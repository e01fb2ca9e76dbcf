"""The rows that control counts, as queries: each figure is a sum over them, and its list is the same rows, filtered.

`facts`: one row for each manager and each request of which his ledger says something in the period. `answers`: one row
for each assignment whose answer was due in it. `late_now`: open requests that wait too long at this moment.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Select,
    Subquery,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    text,
    type_coerce,
    union_all,
)
from sqlalchemy.orm import Session

from rules_engine.db import is_sqlite
from rules_engine.models import OPEN_STATUSES, Assignment, Contact, LedgerEntry, Proof, Request, RequestStatus
from rules_engine.services.control.period import Period
from rules_engine.services.measures import requests
from rules_engine.services.records.ledger_rows import Cause

GROUPS: Final = 5
_SCATTER, _MODULUS, _PERIOD = 2_654_435_761, 1 << 32, 1_000_003
"""Knuth's multiplicative hash: spreads requests of one value over the groups without regard to their age."""

Ids = Collection[int] | None
"""Managers; None: all."""


def prepare(session: Session) -> None:
    """Let PostgreSQL run the queries of this transaction as they are, in memory.

    Compiling them takes it four seconds and saves nothing: they are long, and each part of them is quick.
    """
    if not is_sqlite(session):
        session.execute(text("SELECT set_config('jit', 'off', true), set_config('work_mem', '64MB', true)"))


def facts(period: Period, now: datetime, ids: Ids) -> CTE:
    """Return a row for each manager and request of the period.

    `net`: what the ledger counts, +1, 0 or -1; `was_given`, `was_taken` (for want of an answer), `is_processed`,
    `is_paid`, `is_marked` (spam or a duplicate): 0 or 1. `at`: since when it is his; `how` it was
    processed, else None; `value`: expected at arrival, None where it is not known. `was_due`: 0 where the time to
    answer is not over yet.
    """
    until = period.until(now)
    of_ledger = _of_ledger(period, until, ids)
    done = _first_done(period, until)
    his = done.c.manager_id == of_ledger.c.manager_id
    held = and_(Request.manager_id == of_ledger.c.manager_id, Request.closed_at < until)
    return (
        select(
            of_ledger.c.manager_id,
            of_ledger.c.request_id,
            of_ledger.c.at,
            of_ledger.c.net,
            of_ledger.c.was_given,
            of_ledger.c.was_taken,
            case((his, 1), else_=0).label("is_processed"),
            case((his, done.c.how)).label("how"),
            case((and_(Request.status == RequestStatus.WON, held), 1), else_=0).label("is_paid"),
            case((or_(Request.status == RequestStatus.SPAM, Request.is_duplicate.is_(True)), 1), else_=0).label(
                "is_marked"
            ),
            Request.expected_value_minor.label("value"),
            case(
                (and_(Request.manager_id == of_ledger.c.manager_id, Request.answer_due_at >= until), 0), else_=1
            ).label("was_due"),
        )
        .join(Request, Request.id == of_ledger.c.request_id)
        .outerjoin(done, and_(done.c.request_id == of_ledger.c.request_id, done.c.manager_id == of_ledger.c.manager_id))
        .cte("facts")
    )


def _of_ledger(period: Period, until: datetime, ids: Ids) -> Subquery:
    """Return what the ledger says of each manager and request; requests of history have none and say it themselves."""
    entry = LedgerEntry
    # A duplicate that is linked to his open request was given to him without being counted.
    given = or_(entry.delta > 0, and_(entry.cause == Cause.DUPLICATE, entry.delta == 0))
    ledger = (
        select(
            entry.manager_id,
            entry.request_id,
            func.sum(entry.delta).label("net"),
            func.max(case((given, 1), else_=0)).label("was_given"),
            func.max(case((entry.cause == Cause.NO_ANSWER, 1), else_=0)).label("was_taken"),
            func.min(entry.at).label("at"),
        )
        .where(entry.month.in_(period.months), entry.at >= period.start, entry.at < until)
        .group_by(entry.manager_id, entry.request_id)
    )
    history = select(
        Request.manager_id, Request.id, literal(1), literal(1), literal(0), Request.received_at.label("at")
    ).where(
        Request.received_at >= period.start,
        Request.received_at < until,
        Request.is_history.is_(True),
        Request.manager_id.is_not(None),
    )
    if ids is not None:
        ledger, history = (
            ledger.where(entry.manager_id.in_(list(ids))),
            history.where(Request.manager_id.in_(list(ids))),
        )
    return union_all(ledger, history).subquery("of_ledger")


def _first_done(period: Period, until: datetime) -> Subquery:
    """Return how each request was first processed in the period, and by whom: nobody else gets it counted."""
    queries = requests.processed_queries(period.as_month, until, None)
    ways = union_all(*(query.add_columns(literal(place).label("place")) for place, query in enumerate(queries)))
    every = ways.subquery("every_way")
    order = func.row_number().over(partition_by=every.c.request_id, order_by=(every.c.at, every.c.place))
    numbered = select(every, order.label("number")).subquery("numbered")
    return select(numbered).where(numbered.c.number == 1).subquery("done")


def is_received(rows: CTE) -> ColumnElement[bool]:
    """Return the condition that a row of `facts` is his to process: given, and not taken off again."""
    return rows.c.net > 0


def sized(rows: CTE) -> Subquery:
    """Return each request of `facts` once that was received, worth something known, and whose answer was due.

    `size`: 1 (small) to 5 (large), five equal groups by the value expected at arrival; `is_processed` by any of these
    managers.
    """
    once = (
        select(
            rows.c.request_id,
            func.max(rows.c.manager_id).label("manager_id"),
            func.min(rows.c.at).label("at"),
            func.max(rows.c.is_processed).label("is_processed"),
            func.max(rows.c.how).label("how"),
            func.max(rows.c.value).label("value"),
        )
        .where(is_received(rows), rows.c.value.is_not(None))
        .group_by(rows.c.request_id)
        .having(func.min(rows.c.was_due) == 1)
        .subquery("once")
    )
    group = func.ntile(GROUPS).over(order_by=(once.c.value, once.c.request_id % _PERIOD * _SCATTER % _MODULUS))
    return select(once, group.label("size")).subquery("sized")


def is_ranked(rows: CTE) -> ColumnElement[bool]:
    """Return the condition that a row of `facts` counts where requests are ranked by value: received, known and due."""
    return and_(is_received(rows), rows.c.value.is_not(None), rows.c.was_due == 1)


def answers(period: Period, now: datetime, ids: Ids) -> Subquery:
    """Return a row for each assignment whose answer was due in the period, up to now.

    `assigned`, `answered` in UTC microseconds; `is_in_time`, `is_line_busy`, `is_by_hand` (nothing but his own mark
    proves the first answer): 0 or 1.
    """
    query = select(
        Assignment.manager_id,
        Assignment.request_id,
        Assignment.assigned_at.label("at"),
        type_coerce(Assignment.assigned_at, BigInteger).label("assigned"),
        type_coerce(Assignment.first_answer_at, BigInteger).label("answered"),
        case((Assignment.first_answer_at <= Assignment.answer_due_at, 1), else_=0).label("is_in_time"),
        case((Assignment.line_busy_at.is_not(None), 1), else_=0).label("is_line_busy"),
        case((_is_by_hand(), 1), else_=0).label("is_by_hand"),
    ).where(*requests.answers_due(period.as_month, period.until(now)))
    if ids is not None:
        query = query.where(Assignment.manager_id.in_(list(ids)))
    return query.subquery("answers")


def by_hand(period: Period, now: datetime, ids: Ids) -> Select[int, int]:
    """Return by manager how many rows of `answers` are `is_by_hand`: as a join, and not by looking each of them up."""
    due = requests.answers_due(period.as_month, period.until(now))
    query = (
        select(Assignment.manager_id, func.count().label("number"))
        .where(*due, _is_by_hand())
        .group_by(Assignment.manager_id)
    )
    return query if ids is None else query.where(Assignment.manager_id.in_(list(ids)))


def _is_by_hand() -> ColumnElement[bool]:
    first = and_(
        Contact.request_id == Assignment.request_id,
        Contact.at == Assignment.first_answer_at,
        Contact.direction == "out",
        Contact.is_automatic.is_(False),
    )
    return and_(
        exists().where(first, Contact.proof == Proof.BY_HAND), ~exists().where(first, Contact.proof != Proof.BY_HAND)
    )


def late_now(now: datetime, ids: Ids) -> Subquery:
    """Return the open requests whose answer is overdue at this moment, of those who have them."""
    query = select(Request.manager_id, Request.id.label("request_id"), Request.answer_due_at.label("at")).where(
        Request.status.in_(OPEN_STATUSES),
        Request.is_history.is_(False),
        Request.first_answer_at.is_(None),
        Request.answer_due_at < now,
        Request.manager_id.is_not(None),
    )
    if ids is not None:
        query = query.where(Request.manager_id.in_(list(ids)))
    return query.subquery("late_now")


def nobodys(period: Period, now: datetime) -> Select[Any]:
    """Return the number of requests that came in the period and that nobody has been given."""
    return select(func.count(Request.id)).where(
        Request.received_at >= period.start,
        Request.received_at < period.until(now),
        Request.status == RequestStatus.NEW,
        Request.is_history.is_(False),
    )
