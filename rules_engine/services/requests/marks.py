"""Requests marked as spam or as repeats: how many by each manager, how many a head confirmed, and what paid later."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from rules_engine.models import Assignment, LedgerEntry, Request, RequestStatus, UtcDateTime
from rules_engine.services.company.reference import reference
from rules_engine.services.messages import outbox
from rules_engine.services.records.ledger_rows import Cause
from rules_engine.services.records.reading import rows

PAYS_WITHIN: Final = timedelta(days=45)
BATCH: Final = 1_000


@dataclass(frozen=True, slots=True)
class Marks:
    """Of one manager and period: requests he received, those he marked as spam, and corrections that were confirmed."""

    received: int = 0
    spam: int = 0
    confirmed_spam: int = 0
    confirmed_duplicates: int = 0

    @property
    def spam_share(self) -> Fraction | None:
        """Which share of what he received he marked as spam; None where he received nothing."""
        return Fraction(self.spam, self.received) if self.received else None

    @property
    def duplicate_share(self) -> Fraction | None:
        """Which share of what he received was confirmed to repeat another; None where he received nothing."""
        return Fraction(self.confirmed_duplicates, self.received) if self.received else None


def marks(session: Session, start: datetime, end: datetime) -> Mapping[int, Marks]:
    """Return the marks of `[start, end)` by manager, of those who received or marked anything; three queries.

    A request counts for whoever has it, or had it when it was closed; corrections for those from whose share it went.
    """
    span = {"start": start, "end": end}
    received = {row.manager_id: row.number for row in rows(session, _RECEIVED, span)}
    spam = {row.manager_id: row.number for row in rows(session, _SPAM, span)}
    confirmed = {(row.manager_id, row.cause): row.number for row in rows(session, _CONFIRMED, span)}
    managers = sorted({*received, *spam, *(manager_id for manager_id, _ in confirmed)})
    return {
        manager_id: Marks(
            received.get(manager_id, 0),
            spam.get(manager_id, 0),
            confirmed.get((manager_id, Cause.SPAM), 0),
            confirmed.get((manager_id, Cause.DUPLICATE), 0),
        )
        for manager_id in managers
    }


def tell_of_spam_that_pays(session: Session, paid: Mapping[int, datetime], now: datetime) -> int:
    """Tell the heads about requests marked as spam whose client paid within 45 days; return how many there are.

    `paid` says when each client paid. Once a request, however often he pays.
    """
    found = 0
    clients = sorted(paid)
    for place in range(0, len(clients), BATCH):
        for row in rows(session, _SPAM_OF, {"clients": clients[place : place + BATCH]}):
            if not row.status_at <= paid[row.client_id] <= row.status_at + PAYS_WITHIN:
                continue
            found += 1
            _tell(session, row.id, row.external_id, row.manager_id, now)
    return found


def _tell(session: Session, request_id: int, external_id: str, manager_id: int | None, now: datetime) -> None:
    picture = reference(session)
    manager = picture.managers.get(manager_id) if manager_id is not None else None
    who = {"ru": f"Менеджер: {manager.name}.", "en": f"Manager: {manager.name}."} if manager else {"ru": "", "en": ""}
    days = PAYS_WITHIN.days
    outbox.notify(
        session,
        user_ids=[head.id for head in picture.heads_for(manager.team_id if manager else None)],
        subject={
            "ru": f"Заявка {external_id}: отмечена как спам, а клиент заплатил",
            "en": f"Request {external_id}: marked as spam, and its client has paid",
        },
        body={
            "ru": f"Оплата пришла не позже чем через {days} дней после отметки «спам». {who['ru']}",
            "en": f"The payment came within {days} days after it was marked as spam. {who['en']}",
        },
        link=f"/requests/{request_id}",
        key=f"spam-paid:{request_id}",
        now=now,
    )


_START: Final = bindparam("start", type_=UtcDateTime())
_END: Final = bindparam("end", type_=UtcDateTime())
_RECEIVED: Final = (
    select(Assignment.manager_id, func.count().label("number"))
    .where(Assignment.assigned_at >= _START, Assignment.assigned_at < _END)
    .group_by(Assignment.manager_id)
)
_SPAM: Final = (
    select(Request.manager_id, func.count().label("number"))
    .where(
        Request.status == RequestStatus.SPAM,
        Request.closed_at >= _START,
        Request.closed_at < _END,
        Request.manager_id.is_not(None),
        Request.is_history.is_(False),
    )
    .group_by(Request.manager_id)
)
_CONFIRMED: Final = (
    select(LedgerEntry.manager_id, LedgerEntry.cause, func.count().label("number"))
    .where(
        LedgerEntry.at >= _START,
        LedgerEntry.at < _END,
        LedgerEntry.delta < 0,
        LedgerEntry.cause.in_((Cause.SPAM, Cause.DUPLICATE)),
    )
    .group_by(LedgerEntry.manager_id, LedgerEntry.cause)
)
_SPAM_OF: Final = (
    select(Request.id, Request.client_id, Request.external_id, Request.manager_id, Request.status_at)
    .where(
        Request.client_id.in_(bindparam("clients", expanding=True)),
        Request.status == RequestStatus.SPAM,
        Request.is_history.is_(False),
    )
    .order_by(Request.id)
)
