"""What a replay does with the rows that were laid down for it: each kind goes to its ordinary service."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from rules_engine.errors import PravilaError
from rules_engine.services.company import absences
from rules_engine.services.money import payments
from rules_engine.services.money.incoming_money import PaymentIn
from rules_engine.services.records.forms import read
from rules_engine.services.records.incoming import AbsenceIn, ContactIn, RequestIn
from rules_engine.services.requests import contacts, intake
from rules_engine.services.rules.journal import SYSTEM

Handler = Callable[[Session, dict[str, Any], datetime], None]
"""Takes the payload of an arrival at its instant. What it raises is written down as an incident."""


def _request(session: Session, payload: dict[str, Any], now: datetime) -> None:
    intake.receive(session, read(RequestIn, payload), now=now, actor=SYSTEM)


def _contact(session: Session, payload: dict[str, Any], now: datetime) -> None:
    contacts.record(session, read(ContactIn, payload), now=now, actor=SYSTEM)


def _absence(session: Session, payload: dict[str, Any], now: datetime) -> None:
    absences.put(session, read(AbsenceIn, payload), now=now, actor=SYSTEM)


def _payment(session: Session, payload: dict[str, Any], now: datetime) -> None:
    # Not `book`: nobody needs the row, and to read it again would be a fifth of the work.
    (outcome,) = payments.book_many(session, [read(PaymentIn, payload)], now=now, actor=SYSTEM)
    if isinstance(outcome, PravilaError):
        raise outcome


HANDLERS: Final[Mapping[str, Handler]] = {
    "request": _request,
    "contact": _contact,
    "absence": _absence,
    "payment": _payment,
}
