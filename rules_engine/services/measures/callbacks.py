"""Planned calls of a month by manager, and the clients who came back because of one."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, not_, or_, select
from sqlalchemy.orm import Session

from rules_engine.decisions.callback_contacts import UNREACHED
from rules_engine.decisions.instants import from_us, to_us
from rules_engine.decisions.reactivation import Call, Terms, came_back
from rules_engine.models import Callback, CallbackState, Payment
from rules_engine.services.measures.month import Month
from rules_engine.services.records.reading import rows


@dataclass(frozen=True, slots=True)
class Calls:
    """`planned` in the month, `due` of them already (done early counts too), `done` in it, `not_counted` beside it."""

    planned: int = 0
    due: int = 0
    done: int = 0
    done_of_due: int = 0
    not_counted: int = 0


@dataclass(frozen=True, slots=True)
class Returned:
    client_id: int
    manager_id: int
    at: datetime
    amount_minor: int


def calls(session: Session, month: Month, until: datetime, ids: Collection[int] | None) -> dict[int, Calls]:
    """Return the planned calls by manager. What was cancelled, because it had become pointless, was never planned.

    Whom nobody could reach in all attempts is left out of those that are due: no work would have made that call.
    """
    until = min(until, month.end)
    planned = and_(Callback.due_at >= month.start, Callback.due_at < month.end)
    finished = and_(Callback.done_at >= month.start, Callback.done_at < until)
    met = and_(planned, Callback.is_valid.is_(True), Callback.done_at < until)
    number = func.count(Callback.id)
    query = (
        select(
            Callback.manager_id,
            number.filter(planned).label("planned"),
            number.filter(due_by(month, until)).label("due"),
            number.filter(and_(finished, Callback.is_valid.is_(True))).label("done"),
            number.filter(met).label("met"),
            number.filter(and_(finished, Callback.is_valid.is_(False))).label("not_counted"),
        )
        .where(Callback.manager_id.is_not(None), Callback.state != CallbackState.CANCELLED, or_(planned, finished))
        .group_by(Callback.manager_id)
    )
    if ids is not None:
        query = query.where(Callback.manager_id.in_(list(ids)))
    return {
        row.manager_id: Calls(row.planned, row.due, row.done, row.met, row.not_counted)
        for row in rows(session, query, {})
    }


def due_by(month: Month, until: datetime) -> ColumnElement[bool]:
    """Return the condition for planned calls that were to be made by `until`; done before their day they count too."""
    planned = and_(Callback.due_at >= month.start, Callback.due_at < month.end)
    is_vain = and_(Callback.outcome.is_not(None), Callback.outcome.in_(sorted(UNREACHED)))
    met = and_(Callback.is_valid.is_(True), Callback.done_at < until)
    return and_(planned, or_(Callback.due_at < until, met), not_(is_vain))


def returned(
    session: Session, month: Month, until: datetime, ids: Collection[int] | None, *, with_vat: bool
) -> list[Returned]:
    """Return the clients who came back in the month, by rising id, each with the manager whose call it was."""
    until = min(until, month.end)
    terms = Terms()
    since = month.start - timedelta(days=terms.within_days)
    called = and_(
        Callback.is_valid.is_(True),
        Callback.manager_id.is_not(None),
        Callback.done_at >= since,
        Callback.done_at < until,
    )
    whose = select(Callback.client_id).where(
        called,
        exists().where(
            Payment.client_id == Callback.client_id,
            Payment.paid_at >= month.start,
            Payment.paid_at < until,
            Payment.amount_minor > 0,
        ),
    )
    if ids is not None:
        whose = whose.where(Callback.manager_id.in_(list(ids)))
    amount = Payment.amount_minor if with_vat else Payment.amount_minor - func.coalesce(Payment.vat_minor, 0)
    made = select(Callback.client_id, Callback.manager_id, Callback.done_at).where(
        called, Callback.client_id.in_(whose)
    )
    paid = (
        select(Payment.client_id, Payment.paid_at, amount.label("amount"))
        .where(Payment.client_id.in_(whose), Payment.paid_at < until)
        .order_by(Payment.client_id, Payment.paid_at, Payment.id)
    )
    of_client: dict[int, list[Call]] = {}
    for row in rows(session, made, {}):
        of_client.setdefault(row.client_id, []).append(Call(to_us(row.done_at), row.manager_id))
    found = (
        (client_id, came_back(of_client.get(client_id, ()), payments, terms))
        for client_id, payments in _by_client(rows(session, paid, {}))
    )
    return [
        Returned(client_id, back.manager_id, from_us(back.at), back.amount_minor)
        for client_id, back in found
        if back is not None and back.at >= month.start_us and (ids is None or back.manager_id in ids)
    ]


def _by_client(paid: Any) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    for client_id, of_client in groupby(paid, key=lambda row: row.client_id):
        yield client_id, [(to_us(row.paid_at), row.amount) for row in of_client]
