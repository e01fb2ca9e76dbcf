"""Finding what rules can be tried on: requests, planned calls, clients, managers. A few of each, the newest first."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, joinedload

from rules_engine.models import Callback, CallbackState, Client, ContactPoint, Request
from rules_engine.services.company.picture import ManagerRef
from rules_engine.services.company.reference import reference

FOUND_AT_MOST = 8
NEWEST = 5


def find_requests(session: Session, query: str) -> list[Request]:
    """Return requests by number, by the sender's number, or by a part of the client's name; the newest first.

    Without a query the newest of all.
    """
    statement = select(Request).options(joinedload(Request.client))
    text = _plain(query)
    if not text:
        recent = statement.where(Request.is_history.is_(False)).order_by(Request.received_at.desc(), Request.id.desc())
        return list(session.scalars(recent.limit(NEWEST)))
    wanted: list[ColumnElement[bool]] = [Request.external_id == text]
    number = _number(text)
    if number is not None:
        wanted.append(Request.id == number)
    else:
        wanted += [*_named(Request.client_name, text), *_named(Client.name, text)]
    statement = statement.outerjoin(Client, Request.client_id == Client.id).where(or_(*wanted))
    return list(session.scalars(statement.order_by(Request.received_at.desc(), Request.id.desc()).limit(FOUND_AT_MOST)))


def find_calls(session: Session, query: str) -> list[Callback]:
    """Return planned calls by a part of the client's name or by their number; the open ones first.

    Without a query the open ones that are due first.
    """
    statement = select(Callback).options(joinedload(Callback.client), joinedload(Callback.manager))
    text = _plain(query)
    if not text:
        is_open = statement.where(Callback.state == CallbackState.OPEN)
        return list(session.scalars(is_open.order_by(Callback.due_at, Callback.id).limit(NEWEST)))
    number = _number(text)
    wanted = [Callback.id == number] if number is not None else _named(Client.name, text)
    statement = statement.join(Client, Callback.client_id == Client.id).where(or_(*wanted))
    order = (Callback.state != CallbackState.OPEN, Callback.due_at.desc(), Callback.id.desc())
    return list(session.scalars(statement.order_by(*order).limit(FOUND_AT_MOST)))


def find_clients(session: Session, query: str) -> list[Client]:
    """Return clients by a part of the name, the tax number, another system's number, or the end of a phone; by name.

    Without a query those who are to be called next.
    """
    text = _plain(query)
    if not text:
        planned = (
            select(Callback.client_id)
            .where(Callback.state.in_((CallbackState.OPEN, CallbackState.PLANNED)))
            .order_by(Callback.due_at, Callback.id)
            .limit(3 * NEWEST)
        )
        ids = list(dict.fromkeys(session.scalars(planned)))[:NEWEST]
        rows = {row.id: row for row in session.scalars(select(Client).where(Client.id.in_(ids)))}
        return [rows[client_id] for client_id in ids]
    wanted: list[ColumnElement[bool]] = [Client.external_id == text, *_named(Client.name, text)]
    digits = "".join(sign for sign in text if sign.isdigit())
    if len(digits) >= 4 and not any(sign.isalpha() for sign in text):
        ending = ContactPoint.normalized.like(f"%{digits[-10:]}")
        wanted += [
            Client.inn.like(f"{digits}%"),
            Client.points.any(and_(ContactPoint.kind == "phone", ending)),
        ]
    statement = select(Client).where(or_(*wanted)).order_by(Client.name, Client.id)
    return list(session.scalars(statement.limit(FOUND_AT_MOST)))


def find_managers(session: Session, query: str, now: datetime) -> list[ManagerRef]:
    """Return managers by a part of the name or the login; by name. Without a query those who work here."""
    text = _plain(query).casefold()
    people = sorted(reference(session).managers.values(), key=lambda one: (one.name, one.id))
    found = [
        one
        for one in people
        if (text in one.name.casefold() or text == one.login.casefold() if text else one.is_employed(now))
    ]
    return found[:FOUND_AT_MOST]


def _plain(query: str) -> str:
    return query.strip().removeprefix("№").removeprefix("#").strip()[:100]


def _number(text: str) -> int | None:
    """Return a number that a person wrote, grouped or not; None for anything else."""
    plain = text.replace(" ", "").replace("\u00a0", "")
    return int(plain) if plain.isdecimal() and len(plain) < 16 else None


def _named(column: InstrumentedAttribute[str], text: str) -> list[ColumnElement[bool]]:
    return [column.ilike(f"%{spelling}%", escape="\\") for spelling in _spellings(text)]


def _spellings(text: str) -> Iterator[str]:
    """Yield the usual ways to write a name: LIKE of SQLite knows no case beyond Latin letters."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    yield from dict.fromkeys((escaped, escaped.title(), escaped.upper(), escaped.lower()))
