"""What a manager needs to know before a call: why, what the client usually buys, what was said last, how to begin.

Everything is read for a whole list at once: the number of queries does not grow with it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from rules_engine.decisions.client_time import ClientTime, client_zone, time_at
from rules_engine.models import (
    Callback,
    CallbackState,
    Client,
    Contact,
    ContactPoint,
    Occasion,
    OverdueAction,
    OverdueKind,
    OverdueState,
    Payment,
)
from rules_engine.models.clients import PHONE
from rules_engine.services.company.reference import reference
from rules_engine.services.facts.money import client_money

Text = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LastWord:
    """The last contact with a client that left an outcome or a note."""

    at: datetime
    outcome: str | None
    reason: str | None
    note: str


@dataclass(frozen=True, slots=True)
class CallSheet:
    """What stands beside one call.

    `occasions`: the titles, {"ru", "en"}, that this one call serves, its own first. `script` is the rule's own opening
    phrase, else that of the occasion, None where neither has one. `usual_interval_days` is the client's own one, never
    that of others like him. `silent_days` have passed since his last payment; `service` is what he bought most often.
    `there` is None where his zone is not known.
    """

    occasions: tuple[Text, ...]
    is_offer: bool
    script: Text | None
    attempts: int
    average_payment_minor: int | None
    usual_interval_days: int | None
    silent_days: int | None
    service: str | None
    last_word: LastWord | None
    there: ClientTime | None


@dataclass(frozen=True, slots=True)
class CallsOfDay:
    """How far the calls of one manager are today: done, and those that stand in his list for now."""

    done: int
    left: int

    @property
    def total(self) -> int:
        return self.done + self.left


def call_sheets(session: Session, callback_ids: Collection[int], now: datetime) -> dict[int, CallSheet]:
    """Return the sheet of each of these calls, by its id. Seven queries for any number of them, none for none."""
    if not callback_ids:
        return {}
    rows = session.execute(
        select(Callback, Client.region, Client.city)
        .join(Client, Client.id == Callback.client_id)
        .where(Callback.id.in_(callback_ids))
    ).all()
    client_ids = {row.Callback.client_id for row in rows}
    known = occasions(session)
    money = client_money(session, client_ids, now)
    services = _services(session, client_ids)
    said = last_words(session, client_ids)
    phones = _phones(session, client_ids)
    today = reference(session).day_of(now).toordinal()
    sheets = {}
    for call, region, city in rows:
        paid = money.get(call.client_id)
        zone = client_zone((city, region), phones.get(call.client_id, ()))
        own = known.get(call.occasion)
        script = call.script or (own.script if own else {})
        sheets[call.id] = CallSheet(
            occasions=tuple(title_of(known, code) for code in dict.fromkeys((call.occasion, *call.also))),
            is_offer=call.is_offer,
            script=script or None,
            attempts=call.attempts,
            average_payment_minor=paid.average_payment if paid else None,
            usual_interval_days=paid.usual_interval_days if paid and paid.has_own_interval else None,
            silent_days=today - paid.last_day if paid and paid.last_day is not None else None,
            service=services.get(call.client_id),
            last_word=said.get(call.client_id),
            there=time_at(zone, now) if zone else None,
        )
    return sheets


def occasions(session: Session) -> dict[str, Occasion]:
    """Return the catalogue of occasions by code."""
    return {row.code: row for row in session.scalars(select(Occasion))}


def title_of(known: Mapping[str, Occasion], code: str) -> Text:
    """Return how an occasion is called, {"ru", "en"}; its code where the catalogue does not hold it."""
    return known[code].title if code in known else {"ru": code, "en": code}


def last_words(session: Session, client_ids: Collection[int]) -> dict[int, LastWord]:
    """Return what was said last with each of these clients, by client; automatic replies say nothing."""
    place = (
        func.row_number()
        .over(partition_by=Contact.client_id, order_by=(Contact.at.desc(), Contact.id.desc()))
        .label("place")
    )
    said = (
        select(Contact.client_id, Contact.at, Contact.outcome, Contact.reason, Contact.note, place)
        .where(
            Contact.client_id.in_(client_ids),
            Contact.is_automatic.is_(False),
            (Contact.note != "") | Contact.outcome.is_not(None),
        )
        .subquery()
    )
    return {
        row.client_id: LastWord(row.at, row.outcome, row.reason, row.note)
        for row in session.execute(select(said).where(said.c.place == 1))
    }


def done_today(session: Session, now: datetime, manager_ids: Sequence[int] | None = None) -> dict[int, int]:
    """Return how many calls each manager has finished on the present day of the business zone; None: all of them."""
    picture = reference(session)
    day = picture.day_of(now)
    query = select(Callback.manager_id, func.count(Callback.id)).where(
        Callback.state == CallbackState.DONE,
        Callback.done_at >= picture.start_of_day(day),
        Callback.done_at < picture.start_of_day(day + timedelta(days=1)),
        Callback.manager_id.is_not(None),
    )
    if manager_ids is not None:
        query = query.where(Callback.manager_id.in_(manager_ids))
    counts = session.execute(query.group_by(Callback.manager_id)).all()
    return {manager_id: number for manager_id, number in counts if manager_id is not None}


def hold_of(session: Session, manager_id: int, now: datetime) -> OverdueAction | None:
    """Return the hold on new requests that is in force or proposed for a manager; None: there is none."""
    found = session.scalars(
        select(OverdueAction).where(
            OverdueAction.manager_id == manager_id,
            OverdueAction.kind == OverdueKind.HOLD,
            OverdueAction.state.in_((OverdueState.PROPOSED, OverdueState.CONFIRMED)),
        )
    ).first()
    if found is not None and found.ends_at is not None and found.ends_at <= now:
        return None
    return found


def _services(session: Session, client_ids: Collection[int]) -> dict[int, str]:
    """Return what each client paid for most often, by client."""
    often = (
        select(Payment.client_id, Payment.service)
        .where(Payment.client_id.in_(client_ids), Payment.service.is_not(None), Payment.amount_minor > 0)
        .group_by(Payment.client_id, Payment.service)
        .order_by(func.count(Payment.id).desc(), Payment.service)
    )
    found: dict[int, str] = {}
    for row in session.execute(often):
        found.setdefault(row.client_id, row.service)
    return found


def _phones(session: Session, client_ids: Collection[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    points = (
        select(ContactPoint.client_id, ContactPoint.normalized)
        .where(ContactPoint.client_id.in_(client_ids), ContactPoint.kind == PHONE)
        .order_by(ContactPoint.id)
    )
    for row in session.execute(points):
        found.setdefault(row.client_id, []).append(row.normalized)
    return found
