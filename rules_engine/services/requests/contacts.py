"""Contacts with clients, by whatever way they are told to us: by hand, by telephony, by import; late, or twice.

What a contact changes is decided by its own instant, not by when it became known here.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, or_, select
from sqlalchemy.orm import Session

from rules_engine.errors import Conflict, InputError
from rules_engine.models import (
    OPEN_STATUSES,
    Assignment,
    Callback,
    Client,
    Contact,
    Proof,
    Request,
    RequestEvent,
    RequestStatus,
    WorkKind,
)
from rules_engine.services.callbacks import outcomes
from rules_engine.services.clients import clients
from rules_engine.services.clients.wakes import wake_client
from rules_engine.services.company.people import find_manager
from rules_engine.services.queue import work
from rules_engine.services.records.incoming import ContactIn
from rules_engine.services.records.inserting import insert_if_new
from rules_engine.services.records.reading import lock_request
from rules_engine.services.records.writing import add_row
from rules_engine.services.requests import intake, refusal_reasons, request_tasks, waiting

__all__ = ["ContactIn", "Recorded", "holder_at", "record"]

_TOLD = ("at", "kind", "direction", "outcome", "duration_seconds", "is_automatic")
"""What a repeat under the same key must agree in."""

_BY_KEY: Final = select(Contact).where(
    Contact.source == bindparam("its_source"), Contact.external_id == bindparam("its_id")
)
_BY_ID: Final = select(Contact).where(Contact.id == bindparam("contact"))
_OWNERSHIP_AT: Final = (
    select(Assignment)
    .where(
        Assignment.request_id == bindparam("request"),
        Assignment.assigned_at <= bindparam("at"),
        or_(Assignment.ended_at.is_(None), Assignment.ended_at > bindparam("at")),
    )
    .order_by(Assignment.id.desc())
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """The stored contact, and whether this delivery stored it."""

    contact: Contact
    created: bool


def record(
    session: Session,
    data: ContactIn,
    *,
    now: datetime,
    actor: str,
    callback: Callback | None = None,
    next_at: datetime | None = None,
) -> Recorded:
    """Store a contact, or find it where it was told before, and let it act on the request that it is about.

    A planned call of the client that it was is finished by it; `callback` names that call,
    `next_at` its next attempt where nobody was reached.

    Without a request it belongs to the open request of the client that it can answer. Without a manager it is that of
    whoever held the request at that instant, else of the client's owner. Raises Conflict for another contact under
    the same key, InputError for a request, client or instant that cannot be, UnknownManager.
    """
    known = _by_key(session, data)
    if known is not None:
        return _again(known, data)
    intake.check_instant("at", data.at, now)
    if data.outcome == "refused" and data.reason is not None:
        refusal_reasons.check(session, data.reason)
    named = find_manager(session, data.manager).id if data.manager else None
    request, client = _subject(session, data, named)
    manager_id = named
    if manager_id is None and request is not None:
        manager_id = holder_at(session, request, data.at)
    elif manager_id is None and client is not None:
        manager_id = client.owner_id
    if request is not None and request.status.is_open and not request.is_history:
        # Before any other row: see the order of locks in queue/work.py.
        work.ask(session, WorkKind.REQUEST, request.id, now)
    if client is not None and not data.is_automatic:
        wake_client(session, client.id, data.at, now=now)
    contact_id = insert_if_new(
        session, Contact, _values(data, request, client, manager_id, actor), ("source", "external_id")
    )
    if contact_id is None:
        first = _by_key(session, data)
        if first is None:  # pragma: no cover - the key was refused because the row is there
            raise LookupError(f"contact {data.source}/{data.external_id} vanished")
        return _again(first, data)
    contact = session.scalars(_BY_ID, {"contact": contact_id}).one()
    if request is not None:
        _act_on_request(session, contact, request, now=now, actor=actor)
    outcomes.contact_made(session, contact, now=now, callback=callback, next_at=next_at)
    if contact.outcome == "do_not_call" and contact.client_id is not None:
        clients.forbid_calls(session, contact.client_id)
        outcomes.close_all(session, contact.client_id, outcomes.ASKED_NOT_TO, now)
    session.flush()
    if not contact.is_automatic:
        # A first answer and a finished call free a manager; what is known of the client may let another rule match.
        waiting.clients_changed(session, [contact.client_id], now)
        waiting.someone_can_again(session, now)
    return Recorded(contact, created=True)


def holder_at(session: Session, request: Request, at: datetime) -> int | None:
    """Return the id of the manager who held a request at an instant, None where nobody did."""
    held = _ownership_at(session, request.id, at)
    if held is not None:
        return held.manager_id
    return request.manager_id if request.is_history else None


def _by_key(session: Session, data: ContactIn) -> Contact | None:
    return session.scalars(_BY_KEY, {"its_source": data.source, "its_id": data.external_id}).first()


def _again(known: Contact, data: ContactIn) -> Recorded:
    if any(getattr(known, name) != getattr(data, name) for name in _TOLD):
        raise Conflict(
            ru=f"контакт {data.source}/{data.external_id} уже записан с другим содержанием",
            en=f"contact {data.source}/{data.external_id} was recorded with another content",
        )
    return Recorded(known, created=False)


def _subject(session: Session, data: ContactIn, manager_id: int | None) -> tuple[Request | None, Client | None]:
    """Return the request and the client of a contact, either of which may be unknown."""
    request = client = None
    if data.request is not None:
        request = intake.by_key(session, data.request.source, data.request.external_id)
        if request is None:
            raise InputError(
                path="request",
                ru=f"заявки {data.request.source}/{data.request.external_id} нет",
                en=f"there is no request {data.request.source}/{data.request.external_id}",
            )
    if data.client is not None:
        client = clients.by_key(session, data.client.source, data.client.external_id)
        if client is None:
            raise InputError(
                path="client",
                ru=f"клиента {data.client.source}/{data.client.external_id} нет",
                en=f"there is no client {data.client.source}/{data.client.external_id}",
            )
    if client is None and request is not None and request.client_id is not None:
        client = session.get(Client, request.client_id)
    if client is None and request is None and data.phone is not None:
        client = clients.by_phone(session, data.phone)
    if request is None and client is not None:
        request = _answerable(session, client.id, data.at, manager_id)
    return request, client


def _answerable(session: Session, client_id: int, at: datetime, manager_id: int | None) -> Request | None:
    """Return the open request of a client that a contact at `at` belongs to: his who called, unanswered and oldest."""
    held = (
        select(Request)
        .join(Assignment, Assignment.request_id == Request.id)
        .where(
            Request.client_id == client_id,
            Request.status.in_(OPEN_STATUSES),
            Assignment.ended_at.is_(None),
            Assignment.assigned_at <= at,
        )
    )
    if manager_id is not None:
        held = held.where(Assignment.manager_id == manager_id)
    found = session.scalars(held.order_by(Request.received_at, Request.id)).all()
    return next((request for request in found if request.first_answer_at is None), found[0] if found else None)


def _values(
    data: ContactIn, request: Request | None, client: Client | None, manager_id: int | None, actor: str
) -> dict[str, Any]:
    note = data.note
    if client is None and data.phone is not None:
        # Nobody is known by this number: without it the contact would say nothing.
        note = f"{data.phone}\n{note}".strip()
    if data.proof is not None:
        proof = Proof(data.proof)
    else:
        is_traceable = actor.startswith("api:") and data.kind != "meeting"
        proof = Proof.CONFIRMED if is_traceable else Proof.BY_HAND
    return {
        "source": data.source,
        "external_id": data.external_id,
        "at": data.at,
        "kind": data.kind,
        "direction": data.direction,
        "outcome": data.outcome,
        "reason": data.reason if data.outcome == "refused" else None,
        "asked_to_call_at": data.asked_to_call_at,
        "note": note,
        "duration_seconds": data.duration_seconds,
        "proof": proof,
        "is_automatic": data.is_automatic,
        "client_id": client.id if client else None,
        "request_id": request.id if request else None,
        "manager_id": manager_id,
    }


def _ownership_at(session: Session, request_id: int, at: datetime) -> Assignment | None:
    return session.scalars(_OWNERSHIP_AT, {"request": request_id, "at": at}).first()


def _act_on_request(session: Session, contact: Contact, request: Request, *, now: datetime, actor: str) -> None:
    """Let a contact count for its request: first answer, activity, attempts."""
    lock_request(session, request)
    counts = contact.direction == "out" and not contact.is_automatic and not request.is_history
    held = _ownership_at(session, request.id, contact.at) if counts else None
    is_first = False
    if held is not None:
        is_first = held.first_answer_at is None
        if held.first_answer_at is None or contact.at < held.first_answer_at:
            held.first_answer_at = contact.at
        if held.ended_at is None:
            request.first_answer_at = held.first_answer_at
        if contact.manager_id == request.manager_id:
            known = request.last_activity_at
            request.last_activity_at = contact.at if known is None else max(known, contact.at)
    if counts and contact.outcome == "not_reached":
        request.contact_attempts += 1
    _write_event(
        session,
        contact,
        request,
        "contact",
        actor,
        {
            "contact_id": contact.id,
            "kind": contact.kind,
            "direction": contact.direction,
            "outcome": contact.outcome,
            "is_first_answer": is_first,
        },
    )
    if is_first and held is not None and held.ended_at is None:
        _begin(session, contact, request, now, actor)


def _begin(session: Session, contact: Contact, request: Request, now: datetime, actor: str) -> None:
    """The first answer is given: the request is in progress, and its task is to go on with it."""
    if request.status is RequestStatus.ASSIGNED:
        request.status = RequestStatus.IN_PROGRESS
        request.status_at = max(request.status_at, contact.at)
        _write_event(session, contact, request, "status", actor, {"before": "assigned", "after": "in_progress"})
    request_tasks.move_on(session, request, outcome=contact.outcome or "answered", note="", now=now)


def _write_event(
    session: Session, contact: Contact, request: Request, kind: str, actor: str, data: dict[str, Any]
) -> None:
    add_row(
        session, RequestEvent, {"request_id": request.id, "at": contact.at, "kind": kind, "actor": actor, "data": data}
    )
