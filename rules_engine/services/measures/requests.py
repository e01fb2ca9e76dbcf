"""Requests of a month by manager: received, answered in time, processed.

A request is *processed*, once in its life and for whoever holds it then, at the first of: it is paid, or refused for a
reason of the list, after an answer with substance; a head confirms it as spam or duplicate; a next step with a date is
kept; nobody could be reached, after three attempts on two days over two channels.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    true,
    type_coerce,
)
from sqlalchemy.orm import Session

from rules_engine.decisions.instants import DAY_US
from rules_engine.models import Assignment, Contact, LedgerEntry, Request, RequestStatus, Task, TaskKind, TaskState
from rules_engine.services.measures.money import PaidRequest
from rules_engine.services.measures.month import Month
from rules_engine.services.records.ledger_rows import Cause
from rules_engine.services.records.reading import rows

WITHOUT_SUBSTANCE: Final = ("not_reached", "wrong_number")
"""Outcomes of contacts that answered nothing."""
ATTEMPTS: Final = 3
ATTEMPT_DAYS: Final = 2
ATTEMPT_CHANNELS: Final = 2
"""So many attempts, on so many days, over so many channels, and nobody can be reached."""


Query = Select[*tuple[Any, ...]]


class HowProcessed(StrEnum):
    PAID = "paid"
    REFUSED = "refused"
    CONFIRMED = "confirmed"
    """Spam or duplicate, confirmed by a head."""
    NEXT_STEP = "next_step"
    NO_REPLY = "no_reply"


@dataclass(frozen=True, slots=True)
class Processed:
    request_id: int
    manager_id: int
    at: datetime
    how: HowProcessed


@dataclass(frozen=True, slots=True)
class Received:
    """What a month's ledger says: the sum of its entries by manager, and what he was given and still has to answer for.

    `cohort` are pairs of manager and request.
    """

    counts: dict[int, int]
    cohort: frozenset[tuple[int, int]]
    confirmed: tuple[Processed, ...]


def received(session: Session, month: Month, until: datetime, ids: Collection[int] | None) -> Received:
    """Return who was given what: by the ledger, and for requests of history, which has none, by their manager."""
    entries = select(
        LedgerEntry.manager_id, LedgerEntry.request_id, LedgerEntry.delta, LedgerEntry.cause, LedgerEntry.at
    ).where(LedgerEntry.month == month.text, LedgerEntry.at < until)
    history = select(Request.manager_id, Request.id).where(
        Request.received_at >= month.start,
        Request.received_at < min(month.end, until),
        Request.is_history.is_(True),
        Request.manager_id.is_not(None),
    )
    counts: dict[int, int] = {}
    balance: dict[tuple[int, int], int] = {}
    confirmed = []
    for row in rows(session, _of(entries, LedgerEntry.manager_id, ids), {}):
        counts[row.manager_id] = counts.get(row.manager_id, 0) + row.delta
        key = (row.manager_id, row.request_id)
        balance[key] = balance.get(key, 0) + row.delta
        if row.cause in (Cause.SPAM, Cause.DUPLICATE):
            confirmed.append(Processed(row.request_id, row.manager_id, row.at, HowProcessed.CONFIRMED))
    for manager_id, request_id in rows(session, _of(history, Request.manager_id, ids), {}):
        counts[manager_id] = counts.get(manager_id, 0) + 1
        balance[manager_id, request_id] = 1
    cohort = frozenset(key for key, delta in balance.items() if delta > 0)
    return Received(counts, cohort, tuple(confirmed))


def in_time(session: Session, month: Month, until: datetime, ids: Collection[int] | None) -> dict[int, tuple[int, int]]:
    """Return by manager how many answers were due in the month up to `until`, and how many were given in time."""
    query = (
        select(
            Assignment.manager_id,
            func.count(Assignment.id),
            func.count(Assignment.id).filter(Assignment.first_answer_at <= Assignment.answer_due_at),
        )
        .where(*answers_due(month, until))
        .group_by(Assignment.manager_id)
    )
    return {
        manager_id: (due, met) for manager_id, due, met in rows(session, _of(query, Assignment.manager_id, ids), {})
    }


def answers_due(month: Month, until: datetime) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for assignments whose answer was due; what a head took away before that owes none."""
    taken_away = and_(
        Assignment.end_reason == "hand",
        Assignment.ended_at <= Assignment.answer_due_at,
        Assignment.first_answer_at.is_(None),
    )
    return (
        Assignment.answer_due_at >= month.start,
        Assignment.answer_due_at < min(month.end, until),
        or_(Assignment.end_reason.is_(None), ~taken_away),
    )


def processed(
    session: Session,
    month: Month,
    until: datetime,
    ids: Collection[int] | None,
    *,
    paid: Collection[PaidRequest],
    confirmed: Collection[Processed],
) -> list[Processed]:
    """Return what was processed in the month, each request once, by rising id; three queries.

    `paid` and `confirmed` come from those who have read them already.
    """
    until = min(until, month.end)
    of_paid = frozenset(one.request_id for one in paid)
    first: dict[int, Processed] = {}
    found = [
        Processed(row.request_id, row.manager_id, row.at, _paid_or(row.how, row.request_id, of_paid))
        for query in processed_queries(month, until, ids)
        for row in rows(session, query, {})
    ]
    for one in (*found, *confirmed):
        known = first.get(one.request_id)
        if known is None or one.at < known.at:
            first[one.request_id] = one
    return [first[request_id] for request_id in sorted(first)]


def _paid_or(how: str, request_id: int, paid: frozenset[int]) -> HowProcessed:
    if how == HowProcessed.REFUSED and request_id in paid:
        return HowProcessed.PAID
    return HowProcessed(how)


def processed_queries(month: Month, until: datetime, ids: Collection[int] | None) -> tuple[Query, Query, Query]:
    """Return what reads the ways of being processed that need no ledger: `request_id, manager_id, at, how`.

    A request may come more than once; the first instant counts, at the same one the earlier query. `until` lies
    within the month.
    """
    queries = _closed(month, until), _kept_steps(month, until), _nobody_reached(month, until, ids)
    columns = Request.manager_id, Task.manager_id, Request.manager_id
    closed, kept, unreached = (_of(query, column, ids) for query, column in zip(queries, columns, strict=True))
    return closed, kept, unreached


def _closed(month: Month, until: datetime) -> Query:
    """Return what was paid or refused after an answer with substance, unless a kept step had counted it before."""
    ended = and_(
        Request.closed_at >= month.start,
        Request.closed_at < until,
        or_(
            Request.status == RequestStatus.WON,
            and_(Request.status == RequestStatus.LOST, Request.close_reason.is_not(None)),
        ),
    )
    kept_before = exists().where(_kept(month.offset_us), Task.request_id == Request.id, Task.done_at < month.start)
    how = case((Request.status == RequestStatus.WON, HowProcessed.PAID.value), else_=HowProcessed.REFUSED.value)
    return select(
        Request.id.label("request_id"), Request.manager_id, Request.closed_at.label("at"), how.label("how")
    ).where(
        ended,
        Request.manager_id.is_not(None),
        or_(
            exists().where(_with_substance(), Contact.request_id == Request.id, Contact.at < until),
            and_(Request.is_history.is_(True), Request.first_answer_at.is_not(None)),
        ),
        ~kept_before,
    )


def _kept_steps(month: Month, until: datetime) -> Query:
    first = func.min(Task.done_at)
    return (
        select(Task.request_id, Task.manager_id, first.label("at"), literal(HowProcessed.NEXT_STEP.value).label("how"))
        .where(_kept(month.offset_us), Task.done_at < until)
        .group_by(Task.request_id, Task.manager_id)
        .having(first >= month.start)
    )


def _kept(offset_us: int) -> ColumnElement[bool]:
    """A task about the next step of an answered request, done with substance not later than on its day."""
    answered = exists().where(
        Request.id == Task.request_id,
        Request.first_answer_at.is_not(None),
        Task.created_at >= Request.first_answer_at,
    )
    return and_(
        Task.kind == TaskKind.REQUEST,
        Task.state == TaskState.DONE,
        Task.due_at.is_not(None),
        Task.outcome.is_not(None),
        Task.outcome.not_in(WITHOUT_SUBSTANCE),
        local_day(Task.done_at, offset_us) <= local_day(Task.due_at, offset_us),
        answered,
    )


def _nobody_reached(month: Month, until: datetime, ids: Collection[int] | None) -> Query:
    """Return what was tried in vain often enough, where the attempt that made it enough lies in the month."""
    vain = and_(
        Contact.outcome.in_(WITHOUT_SUBSTANCE),
        Contact.direction == "out",
        Contact.is_automatic.is_(False),
        Contact.request_id.is_not(None),
    )
    lately = select(Contact.request_id).where(vain, Contact.at >= month.start, Contact.at < until)
    if ids is not None:
        # Said here too: few managers' attempts are found by index, not among those of all.
        lately = lately.where(Contact.request_id.in_(select(Request.id).where(Request.manager_id.in_(list(ids)))))
    tried = (
        select(Contact.request_id, func.max(Contact.at).label("at"))
        .where(vain, Contact.at < until, Contact.request_id.in_(lately))
        .group_by(Contact.request_id)
        .having(_is_enough(true(), month))
        .having(~_is_enough(Contact.at < month.start, month))
        .subquery("tried")
    )
    reached = exists().where(_with_substance(), Contact.request_id == Request.id, Contact.at < until)
    return (
        select(tried.c.request_id, Request.manager_id, tried.c.at, literal(HowProcessed.NO_REPLY.value).label("how"))
        .join(Request, Request.id == tried.c.request_id)
        .where(Request.manager_id.is_not(None), ~reached)
    )


def _is_enough(which: ColumnElement[bool], month: Month) -> ColumnElement[bool]:
    """Return the condition that these attempts are enough to say that nobody can be reached."""
    return and_(
        func.count().filter(which) >= ATTEMPTS,
        func.count(local_day(Contact.at, month.offset_us).distinct()).filter(which) >= ATTEMPT_DAYS,
        func.count(Contact.kind.distinct()).filter(which) >= ATTEMPT_CHANNELS,
    )


def _with_substance() -> ColumnElement[bool]:
    return and_(
        Contact.direction == "out",
        Contact.is_automatic.is_(False),
        or_(Contact.outcome.is_(None), Contact.outcome.not_in(WITHOUT_SUBSTANCE)),
    )


def local_day(instant: Any, offset_us: int) -> ColumnElement[int]:
    """Return the number of the local day of a stored instant."""
    return (type_coerce(instant, BigInteger) + offset_us) // DAY_US


def _of(query: Any, column: Any, ids: Collection[int] | None) -> Any:
    return query if ids is None else query.where(column.in_(list(ids)))
