"""What the page of a client shows beside his card: money, calls, requests and everything that was said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from rules_engine.decisions.client_intervals import ClientMoney
from rules_engine.models import Callback, CallbackState, Client, Contact, Payment, Request
from rules_engine.services.callbacks import sheets
from rules_engine.services.company.reference import reference
from rules_engine.services.facts.money import client_money

SHOWN = 100


@dataclass(frozen=True, slots=True)
class Need:
    """When the client is expected to need us again. `in_days` is below zero where that day has passed."""

    on: date
    in_days: int


@dataclass(frozen=True, slots=True)
class History:
    """At most SHOWN of each, newest first; of the calls those to come stand first, the nearest of them on top.

    `notes` are the notes of the contacts by which calls ended, by contact.
    """

    requests: Sequence[Request]
    contacts: Sequence[Contact]
    payments: Sequence[Payment]
    calls: Sequence[Callback]
    occasions: Mapping[str, Mapping[str, Any]]
    notes: Mapping[int, str]
    money: ClientMoney
    need: Need | None

    def titles_of(self, call: Callback) -> list[Mapping[str, Any]]:
        """Return the titles of the occasions that a call serves, its own first."""
        codes = (call.occasion, *call.also)
        return [self.occasions.get(code, {"ru": code, "en": code}) for code in codes]


def history_of_client(session: Session, client: Client, now: datetime) -> History:
    """Return what the page shows; eight queries whatever there is."""
    of_client = {"client_id": client.id}
    requests = session.scalars(
        select(Request)
        .filter_by(**of_client)
        .order_by(Request.received_at.desc(), Request.id.desc())
        .limit(SHOWN)
        .options(joinedload(Request.manager))
    ).all()
    contacts = session.scalars(
        select(Contact)
        .filter_by(**of_client)
        .order_by(Contact.at.desc(), Contact.id.desc())
        .limit(SHOWN)
        .options(joinedload(Contact.manager))
    ).all()
    payments = session.scalars(
        select(Payment)
        .filter_by(**of_client)
        .order_by(Payment.paid_at.desc(), Payment.id.desc())
        .limit(SHOWN)
        .options(joinedload(Payment.manager))
    ).all()
    calls = session.scalars(
        select(Callback)
        .filter_by(**of_client)
        .order_by(Callback.due_at.desc(), Callback.id.desc())
        .limit(SHOWN)
        .options(joinedload(Callback.manager))
    ).all()
    is_open = (CallbackState.PLANNED, CallbackState.OPEN)
    to_come = sorted((call for call in calls if call.state in is_open), key=lambda call: (call.due_at, call.id))
    money = client_money(session, [client.id], now).get(client.id, ClientMoney())
    return History(
        requests=requests,
        contacts=contacts,
        payments=payments,
        calls=[*to_come, *(call for call in calls if call.state not in is_open)],
        occasions={code: row.title for code, row in sheets.occasions(session).items()} if calls else {},
        notes={one.id: one.note for one in contacts if one.note},
        money=money,
        need=_need(money, reference(session).day_of(now)),
    )


def _need(money: ClientMoney, today: date) -> Need | None:
    if money.need_from_day is None or money.usual_interval_days is None:
        return None
    day = money.need_from_day + money.usual_interval_days
    return Need(date.fromordinal(day), day - today.toordinal())
