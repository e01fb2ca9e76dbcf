"""What stands behind a measure of one manager: the payments, requests, calls and clients that it was counted from."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Select, and_, select
from sqlalchemy.orm import Session

from rules_engine.errors import InputError
from rules_engine.models import (
    Assignment,
    Callback,
    CallbackState,
    Client,
    LedgerEntry,
    MoneyClass,
    Payment,
    PaymentCredit,
    Request,
)
from rules_engine.services.measures import callbacks, money, requests
from rules_engine.services.measures.measures import Counting
from rules_engine.services.measures.month import Month
from rules_engine.services.measures.requests import HowProcessed, Processed

Text = dict[str, str]
PREFIX: Final = "measure."

HOW_WORDS: Final[dict[HowProcessed, Text]] = {
    HowProcessed.PAID: {"ru": "оплачена", "en": "paid"},
    HowProcessed.REFUSED: {"ru": "отказ с причиной", "en": "refused, with a reason"},
    HowProcessed.CONFIRMED: {"ru": "спам или повтор, подтверждено", "en": "spam or a duplicate, confirmed"},
    HowProcessed.NEXT_STEP: {"ru": "следующий шаг выдержан", "en": "the next step was kept"},
    HowProcessed.NO_REPLY: {"ru": "не дозвонились: 3 попытки", "en": "nobody reached: 3 attempts"},
}
NO_ANSWER: Final = {"ru": "ответа клиенту ещё нет", "en": "the client was not answered yet"}
NO_END: Final = {
    "ru": "нужна оплата, отказ с причиной или выдержанный следующий шаг",
    "en": "needs a payment, a refusal with a reason, or a next step that is kept",
}
_REFUND: Final = {"ru": "возврат", "en": "refund"}
_LATE: Final = {"ru": "не в срок", "en": "late"}
_NOT_GIVEN: Final = {"ru": "ответа нет", "en": "no answer"}
_NOT_DONE: Final = {"ru": "звонок не сделан", "en": "not called"}
_NOT_VALID: Final = {"ru": "не засчитан: не дозвонились или короткий разговор", "en": "nobody reached, or too short"}
TAKEN_OUT: Final = {"ru": "спам или повтор, подтверждено", "en": "spam or a duplicate, confirmed"}


@dataclass(frozen=True, slots=True)
class Behind:
    """One row behind a measure. The values of the rows that count add up to it (to its part, for a share).

    `value` is in kopecks for money, else in pieces. `why` says how it counts, or why it does not.
    """

    at: datetime
    value: int
    counts: bool
    name: str
    why: Text | None = None
    payment_id: int | None = None
    request_id: int | None = None
    client_id: int | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    session: Session
    month: Month
    manager_id: int
    until: datetime
    counting: Counting


def behind(
    session: Session, month: Month, manager_id: int, measure: str, until: datetime, counting: Counting
) -> list[Behind]:
    """Return the rows behind a measure, by rising instant; shares have the rows that they are a share of.

    Raises InputError for a measure that has none (plans, hours).
    """
    read = _READERS.get(measure.removeprefix(PREFIX))
    if read is None:
        raise InputError(path="measure", ru="за этим показателем нет списка", en="there is no list behind this measure")
    asked = _Asked(session, month, manager_id, min(until, month.end), counting)
    return sorted(read(asked), key=lambda row: (row.at, row.name))


def has_rows(measure: str) -> bool:
    """Return whether `behind` knows a measure."""
    return measure.removeprefix(PREFIX) in _READERS


def _money(*classes: MoneyClass) -> "Callable[[_Asked], Iterable[Behind]]":
    def read(asked: _Asked) -> Iterable[Behind]:
        query = (
            select(
                Payment.id,
                Payment.paid_at,
                Payment.client_id,
                Client.name,
                PaymentCredit.amount_minor,
                PaymentCredit.vat_minor,
            )
            .join(Payment, Payment.id == PaymentCredit.payment_id)
            .join(Client, Client.id == Payment.client_id)
            .where(
                PaymentCredit.month == asked.month.text,
                PaymentCredit.manager_id == asked.manager_id,
                PaymentCredit.money_class.in_(classes),
            )
        )
        for row in asked.session.execute(query):
            amount = row.amount_minor - (0 if asked.counting.with_vat else row.vat_minor)
            why = _REFUND if amount < 0 else None
            yield Behind(row.paid_at, amount, True, row.name, why, payment_id=row.id, client_id=row.client_id)

    return read


def _paid_requests(asked: _Asked) -> Iterable[Behind]:
    found = {one.request_id: one for one in _paid(asked)}
    for request in _requests(asked.session, found):
        yield Behind(found[request.id].at, 1, True, request.external_id, request_id=request.id)


def _received(asked: _Asked) -> Iterable[Behind]:
    entries = (
        select(LedgerEntry.at, LedgerEntry.delta, Request.id, Request.external_id)
        .join(Request, Request.id == LedgerEntry.request_id)
        .where(
            LedgerEntry.month == asked.month.text,
            LedgerEntry.manager_id == asked.manager_id,
            LedgerEntry.at < asked.until,
            LedgerEntry.delta != 0,
        )
    )
    for row in asked.session.execute(entries):
        why = TAKEN_OUT if row.delta < 0 else None
        yield Behind(row.at, row.delta, True, row.external_id, why, request_id=row.id)
    history = select(Request.received_at, Request.id, Request.external_id).where(
        Request.manager_id == asked.manager_id,
        Request.is_history.is_(True),
        Request.received_at >= asked.month.start,
        Request.received_at < asked.until,
    )
    for at, request_id, name in asked.session.execute(history):
        yield Behind(at, 1, True, name, request_id=request_id)


def _processed(asked: _Asked) -> Iterable[Behind]:
    received = requests.received(asked.session, asked.month, asked.until, [asked.manager_id])
    done = {one.request_id: one for one in _done(asked, received.confirmed)}
    pending = {request_id for _, request_id in received.cohort} - set(done)
    for request in _requests(asked.session, set(done) | pending):
        one = done.get(request.id)
        if one is not None:
            yield Behind(one.at, 1, True, request.external_id, HOW_WORDS[one.how], request_id=request.id)
            continue
        why = NO_ANSWER if request.first_answer_at is None else NO_END
        yield Behind(request.assigned_at or request.received_at, 1, False, request.external_id, why, None, request.id)


def _answers(asked: _Asked) -> Iterable[Behind]:
    query = (
        select(Assignment.answer_due_at, Assignment.first_answer_at, Request.id, Request.external_id)
        .join(Request, Request.id == Assignment.request_id)
        .where(*requests.answers_due(asked.month, asked.until), Assignment.manager_id == asked.manager_id)
    )
    for row in asked.session.execute(query):
        met = row.first_answer_at is not None and row.first_answer_at <= row.answer_due_at
        why = None if met else _NOT_GIVEN if row.first_answer_at is None else _LATE
        yield Behind(row.answer_due_at, 1, met, row.external_id, why, request_id=row.id)


def _calls_done(asked: _Asked) -> Iterable[Behind]:
    finished = and_(Callback.done_at >= asked.month.start, Callback.done_at < asked.until)
    for row in asked.session.execute(_calls_of(asked).where(finished)):
        why = None if row.is_valid else _NOT_VALID
        yield Behind(row.done_at, 1, row.is_valid, row.name, why, client_id=row.client_id)


def _calls_planned(asked: _Asked) -> Iterable[Behind]:
    planned = and_(Callback.due_at >= asked.month.start, Callback.due_at < asked.month.end)
    for row in asked.session.execute(_calls_of(asked).where(planned)):
        yield Behind(row.due_at, 1, True, row.name, client_id=row.client_id)


def _calls_met(asked: _Asked) -> Iterable[Behind]:
    due = callbacks.due_by(asked.month, asked.until)
    for row in asked.session.execute(_calls_of(asked).where(due)):
        met = bool(row.is_valid and row.done_at is not None and row.done_at < asked.until)
        why = None if met else _NOT_DONE if row.done_at is None else _NOT_VALID
        yield Behind(row.due_at, 1, met, row.name, why, client_id=row.client_id)


def _returned(asked: _Asked) -> Iterable[Behind]:
    found = callbacks.returned(
        asked.session, asked.month, asked.until, [asked.manager_id], with_vat=asked.counting.with_vat
    )
    of_client = {one.client_id: one for one in found}
    names = select(Client.id, Client.name).where(Client.id.in_(list(of_client)))
    for row in asked.session.execute(names):
        yield Behind(of_client[row.id].at, 1, True, row.name, client_id=row.id)


def _calls_of(asked: _Asked) -> Select[datetime, datetime | None, bool, int, str]:
    return (
        select(Callback.due_at, Callback.done_at, Callback.is_valid, Callback.client_id, Client.name)
        .join(Client, Client.id == Callback.client_id)
        .where(Callback.manager_id == asked.manager_id, Callback.state != CallbackState.CANCELLED)
    )


def _paid(asked: _Asked) -> list[money.PaidRequest]:
    return money.paid_requests(asked.session, asked.month, [asked.manager_id], percent=asked.counting.paid_pct)


def _done(asked: _Asked, confirmed: Iterable[Processed]) -> list[Processed]:
    return requests.processed(
        asked.session, asked.month, asked.until, [asked.manager_id], paid=_paid(asked), confirmed=list(confirmed)
    )


def _requests(session: Session, ids: Iterable[int]) -> Iterable[Request]:
    wanted = sorted(ids)
    for start in range(0, len(wanted), 500):
        yield from session.scalars(select(Request).where(Request.id.in_(wanted[start : start + 500])))


_NEW, _OLD = _money(MoneyClass.NEW), _money(MoneyClass.OLD)
_BOTH = _money(MoneyClass.NEW, MoneyClass.OLD)
_READERS: Final[dict[str, Callable[[_Asked], Iterable[Behind]]]] = {
    "revenue_new": _NEW,
    "revenue_old": _OLD,
    "revenue": _BOTH,
    "attainment_new_pct": _NEW,
    "attainment_old_pct": _OLD,
    "attainment_pct": _BOTH,
    "paid_requests": _paid_requests,
    "received_requests": _received,
    "processed_requests": _processed,
    "processed_pct": _processed,
    "in_time_pct": _answers,
    "callbacks_planned": _calls_planned,
    "callbacks_done": _calls_done,
    "callbacks_done_pct": _calls_met,
    "reactivated_clients": _returned,
}
