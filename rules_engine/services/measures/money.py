"""Money of a month by manager: what was credited, what was planned, which requests are paid."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from rules_engine.models import MoneyClass, Payment, PaymentCredit, Plan, Request
from rules_engine.services.measures.month import Month
from rules_engine.services.records.reading import rows


@dataclass(frozen=True, slots=True)
class PlanRow:
    """The plan in force of one manager, as it was made: not prorated."""

    new_minor: int | None
    old_minor: int | None


@dataclass(frozen=True, slots=True)
class PaidRequest:
    """A request whose invoice was paid in full by a payment of the month."""

    request_id: int
    manager_id: int
    at: datetime
    paid_minor: int
    amount_minor: int | None


def credited(
    session: Session, months: Collection[str], ids: Collection[int] | None, *, with_vat: bool
) -> dict[tuple[str, int, MoneyClass], int]:
    """Return kopecks by month, manager and class, read from one index; who got nothing is left out."""
    total: ColumnElement[int] = func.sum(PaymentCredit.amount_minor)
    if not with_vat:
        total = total - func.sum(PaymentCredit.vat_minor)
    query = (
        select(PaymentCredit.month, PaymentCredit.manager_id, PaymentCredit.money_class, total)
        .where(PaymentCredit.month.in_(list(months)))
        .group_by(PaymentCredit.month, PaymentCredit.manager_id, PaymentCredit.money_class)
    )
    if ids is not None:
        query = query.where(PaymentCredit.manager_id.in_(list(ids)))
    return {
        (month, manager_id, money_class): int(amount)
        for month, manager_id, money_class, amount in rows(session, query, {})
    }


def plan_rows(session: Session, month: str, ids: Collection[int] | None) -> dict[int, PlanRow]:
    """Return the plan that holds by manager; who has none is left out."""
    query = select(Plan.manager_id, Plan.new_minor, Plan.old_minor).where(Plan.month == month).order_by(Plan.number)
    if ids is not None:
        query = query.where(Plan.manager_id.in_(list(ids)))
    return {row.manager_id: PlanRow(row.new_minor, row.old_minor) for row in rows(session, query, {})}


def paid_requests(session: Session, month: Month, ids: Collection[int] | None, *, percent: int) -> list[PaidRequest]:
    """Return the requests of which, with what came in this month, so many percent of the amount are paid.

    A request without an amount is paid by its first payment. Each stands in one month only.
    """
    before = func.coalesce(func.sum(Payment.amount_minor).filter(Payment.month < month.text), 0)
    query: Select[*tuple[object, ...]] = (
        select(
            Payment.request_id,
            Request.manager_id,
            Request.amount_minor,
            func.sum(Payment.amount_minor).label("total"),
            before.label("before"),
            func.max(Payment.paid_at).label("at"),
        )
        .join(Request, Request.id == Payment.request_id)
        .where(Payment.month <= month.text, Request.manager_id.is_not(None))
        .group_by(Payment.request_id, Request.manager_id, Request.amount_minor)
    )
    if ids is None:
        paid_now = select(Payment.request_id).where(Payment.month == month.text, Payment.request_id.is_not(None))
        query = query.where(Payment.request_id.in_(paid_now))
    else:
        query = query.where(Request.manager_id.in_(list(ids)))
    return [
        PaidRequest(row.request_id, row.manager_id, row.at, int(row.total), row.amount_minor)
        for row in rows(session, query, {})
        if _is_paid(row.amount_minor, int(row.total), percent) and not _is_paid(row.amount_minor, row.before, percent)
    ]


def _is_paid(amount_minor: int | None, paid_minor: int, percent: int) -> bool:
    if not amount_minor:
        return paid_minor > 0
    return paid_minor * 100 >= amount_minor * percent
