"""A client suggested for a request, because the sender writes from the same firm: a person accepts or declines."""

from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from rules_engine.errors import Conflict
from rules_engine.models import Client, Contact, ContactPoint, Request, RequestEvent, Task, WorkKind
from rules_engine.services.clients.clients import wake_requests
from rules_engine.services.clients.wakes import wake_client
from rules_engine.services.queue import work
from rules_engine.services.records import audit
from rules_engine.services.records.reading import lock_request
from rules_engine.services.requests import repeats


def accept(session: Session, request: Request, *, actor: str, now: datetime) -> Client:
    """Return the suggested client, to whom the request belongs from now on, with the sender's phone and mail.

    Where the sender had been taken for a new client, all that stands under that one goes along. Raises Conflict where
    nothing is suggested (any more).
    """
    client = _answer(session, request, now)
    before = request.client_id
    request.client_id = client.id
    made = session.get(Client, before) if before is not None else None
    if made is not None and made.external_id.startswith("request:") and made.id != client.id:
        _move(session, made, client)
    repeats.link(session, request, now)
    was, is_now = {"client_id": before}, {"client_id": client.id}
    said = {"before": was, "after": is_now}
    session.add(RequestEvent(request_id=request.id, at=now, kind="changed", actor=actor, data=said))
    audit.record(
        session,
        actor=actor,
        action="update",
        subject_kind="request",
        subject_id=request.id,
        before=was,
        after=is_now,
    )
    session.flush()
    return client


def decline(session: Session, request: Request, *, actor: str, now: datetime) -> None:
    """Note that a request is not of the suggested client. Raises Conflict where nothing is suggested (any more)."""
    client = _answer(session, request, now)
    audit.record(
        session,
        actor=actor,
        action="decline",
        subject_kind="request",
        subject_id=request.id,
        before={"suggested_client_id": client.id},
    )
    session.flush()


def _answer(session: Session, request: Request, now: datetime) -> Client:
    # Before the row is locked: see the order of locks in queue/work.py.
    if request.client_id is not None:
        # This one, and those that go along with the sender.
        wake_requests(session, request.client_id, now)
    elif request.status.is_open and not request.is_history:
        work.ask(session, WorkKind.REQUEST, request.id, now)
    wake_client(session, request.suggested_client_id, now, now=now)
    lock_request(session, request)
    client = session.get(Client, request.suggested_client_id) if request.suggested_client_id is not None else None
    if client is None:
        raise Conflict(ru="для этой заявки клиент не предложен", en="no client is suggested for this request")
    request.suggested_client_id = None
    return client


def _move(session: Session, made: Client, client: Client) -> None:
    """Give a client what stands under one that was made from a request alone: a phone must not mean two clients."""
    for table in (Request, Contact, Task):
        session.execute(
            update(table)
            .where(table.client_id == made.id)
            .values(client_id=client.id)
            .execution_options(synchronize_session="fetch")
        )
    known = {
        (point.kind, point.normalized)
        for point in session.scalars(select(ContactPoint).where(ContactPoint.client_id == client.id))
    }
    for point in session.scalars(select(ContactPoint).where(ContactPoint.client_id == made.id)).all():
        if (point.kind, point.normalized) not in known:
            point.client_id = client.id
    session.flush()
    session.execute(delete(ContactPoint).where(ContactPoint.client_id == made.id))
    session.expire(client, ["points"])
    session.expire(made, ["points"])
