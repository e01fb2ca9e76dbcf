"""Requests come in: each is stored once, whatever number of times and by whatever number of doors it is delivered.

Stored is accepted. Who gets it is decided afterwards by the agenda, which this module only asks to look.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import Table, bindparam, func, insert, select
from sqlalchemy.orm import Session

from rules_engine.errors import Conflict, InputError
from rules_engine.models import Request, RequestEvent, RequestStatus, WorkKind
from rules_engine.services.clients import clients
from rules_engine.services.clients.clients import Matched
from rules_engine.services.company.people import find_manager
from rules_engine.services.company.reference import ManagerRef
from rules_engine.services.queue import work
from rules_engine.services.records.incoming import RequestChanges, RequestIn
from rules_engine.services.records.inserting import insert_if_new
from rules_engine.services.records.reading import lock_request
from rules_engine.services.requests import assignment, repeats, request_tasks

__all__ = [
    "Received",
    "RequestChanges",
    "RequestIn",
    "body_hash",
    "by_key",
    "change",
    "check_instant",
    "closed_book",
    "hand_to",
    "receive",
]

EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC)
AHEAD: Final = timedelta(days=1)
"""How far the clock of a sender may be ahead of ours."""
MEAN_OVER: Final = timedelta(days=90)

# Built once: taking in a year of requests would spend more time on making these than on the database.
_BY_KEY: Final = select(Request).where(
    Request.source == bindparam("its_source"), Request.external_id == bindparam("its_id")
)
_BY_ID: Final = select(Request).where(Request.id == bindparam("id"))
_AMOUNTS: Final = select(func.sum(Request.amount_minor), func.count(Request.amount_minor)).where(
    Request.service == bindparam("service"),
    Request.channel == bindparam("channel"),
    Request.received_at >= bindparam("first"),
    Request.received_at < bindparam("until"),
)
_EVENT: Final = insert(cast(Table, RequestEvent.__table__))
_CHANGEABLE: Final = ("service", "channel", "region", "city", "language", "priority", "text", "tags")


@dataclass(frozen=True, slots=True)
class Received:
    """The stored request, and whether this delivery stored it."""

    request: Request
    created: bool


def receive(session: Session, data: RequestIn, *, now: datetime, actor: str, history: bool = False) -> Received:
    """Store a request, or find it where the same was delivered before, and have it looked at when it arrived.

    A request that comes with its manager is already his. One that is closed, or comes with `history`, was handled
    elsewhere: it is kept and nothing is decided about it. Raises Conflict for another body under the same key,
    InputError for instants that cannot be, UnknownManager.
    """
    digest = body_hash(data)
    known = by_key(session, data.source, data.external_id)
    if known is not None:
        return _again(known, digest)
    is_history = history or data.status in ("won", "lost", "spam")
    _check(data, now, is_history=is_history)
    manager = find_manager(session, data.manager) if data.manager else None
    matched = Matched()
    if data.client is not None:
        matched = clients.of_request(session, data.client, source=data.source, external_id=data.external_id, now=now)
    duplicate_of = None
    if not is_history and data.service is not None:
        repeats.one_at_a_time(session, matched.client_id)
        duplicate_of = repeats.open_twin(session, matched.client_id, data.service)
    values = _values(session, data, matched, digest)
    values |= {"is_duplicate": duplicate_of is not None, "duplicate_of_id": duplicate_of}
    values |= {"suggested_client_id": matched.suggested[0] if matched.suggested else None}
    if is_history:
        values |= closed_book(data, manager)
    request_id = insert_if_new(session, Request, values, ("source", "external_id"))
    if request_id is None:
        first = by_key(session, data.source, data.external_id)
        if first is None:  # pragma: no cover - the key was refused because the row is there
            raise LookupError(f"request {data.source}/{data.external_id} vanished")
        return _again(first, digest)
    request = session.scalars(_BY_ID, {"id": request_id}).one()
    _write_received(session, request, data, matched, duplicate_of, actor)
    if is_history:
        return Received(request, created=True)
    if manager is None:
        work.ask(session, WorkKind.REQUEST, request.id, data.received_at)
    else:
        assigned_at = data.assigned_at or data.received_at
        hand_to(session, request, manager, data, assigned_at=assigned_at, now=now, actor=actor)
    return Received(request, created=True)


def by_key(session: Session, source: str, external_id: str) -> Request | None:
    """Return the request with this key in another system."""
    return session.scalars(_BY_KEY, {"its_source": source, "its_id": external_id}).first()


def change(session: Session, request: Request, changes: RequestChanges, *, now: datetime, actor: str) -> bool:
    """Change the given fields of a request and have it looked at; return whether anything was different.

    The value expected at arrival stays once somebody has it: shares were counted by it.
    """
    if "client" not in changes.model_fields_set and not _differences(request, changes):
        return False
    if request.status.is_open and not request.is_history:
        # Before the row is locked: see the order of locks in queue/work.py.
        work.ask(session, WorkKind.REQUEST, request.id, now)
    lock_request(session, request)
    different = _differences(request, changes)
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for name, value in different.items():
        before[name] = getattr(request, name)
        setattr(request, name, value)
        after[name] = value
    if "client" in changes.model_fields_set:
        _change_client(session, request, changes, before, after, now)
    if not after:
        return False
    if "client_id" in after or "service" in after:
        repeats.link(session, request, now)
    if "amount_minor" in after and request.status is RequestStatus.NEW and request.amount_minor is not None:
        request.expected_value_minor = request.amount_minor
    session.add(
        RequestEvent(
            request_id=request.id, at=now, kind="changed", actor=actor, data={"before": before, "after": after}
        )
    )
    session.flush()
    return True


def body_hash(data: RequestIn) -> str:
    """Return the SHA-256 of the canonical body: instants in UTC, empty fields left out, keys sorted."""
    document = data.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    text = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def check_instant(path: str, instant: datetime | None, now: datetime) -> None:
    """Refuse an instant that cannot be: before the year 1990, or more than a day ahead. Raises InputError."""
    if instant is None:
        return
    if instant < EARLIEST:
        raise InputError(path=path, ru="время раньше 1990 года", en="is before the year 1990")
    if instant > now + AHEAD:
        raise InputError(
            path=path, ru="время в будущем, больше чем на сутки вперёд", en="is in the future, by more than a day"
        )


def _again(known: Request, digest: str) -> Received:
    if known.body_hash != digest:
        raise Conflict(
            ru=f"заявка {known.source}/{known.external_id} уже принята с другим содержанием",
            en=f"request {known.source}/{known.external_id} was accepted with another body",
        )
    return Received(known, created=False)


def _check(data: RequestIn, now: datetime, *, is_history: bool) -> None:
    for name in ("received_at", "assigned_at", "first_answer_at", "closed_at"):
        check_instant(name, getattr(data, name), now)
    assigned_at = data.assigned_at or data.received_at
    if assigned_at < data.received_at:
        raise InputError(path="assigned_at", ru="раньше поступления заявки", en="is before the request arrived")
    if data.first_answer_at is not None and data.first_answer_at < assigned_at:
        raise InputError(
            path="first_answer_at", ru="раньше, чем заявка передана", en="is before the request was given to somebody"
        )
    if not is_history and data.status in ("assigned", "in_progress", "waiting_client") and data.manager is None:
        raise InputError(path="status", ru="у такой заявки есть менеджер", en="such a request has a manager")


def _values(session: Session, data: RequestIn, matched: Matched, digest: str) -> dict[str, Any]:
    expected = data.amount if data.amount is not None else _mean_amount(session, data)
    return {
        "source": data.source,
        "external_id": data.external_id,
        "body_hash": digest,
        "received_at": data.received_at,
        "client_id": matched.client_id,
        "client_name": (data.client.name or "") if data.client else "",
        "service": data.service,
        "channel": data.channel,
        "region": data.region,
        "city": data.city,
        "language": data.language,
        "amount_minor": data.amount,
        "expected_value_minor": expected,
        "priority": data.priority,
        "text": data.text,
        "tags": list(data.tags),
        "status": RequestStatus.NEW,
        "status_at": data.received_at,
    }


def closed_book(data: RequestIn, manager: ManagerRef | None) -> dict[str, Any]:
    """Return the columns of a request that was handled elsewhere: its state as it is told, nothing to be decided."""
    status = RequestStatus(data.status) if data.status else RequestStatus.NEW
    if status is RequestStatus.NEW and manager is not None:
        status = RequestStatus.IN_PROGRESS if data.first_answer_at else RequestStatus.ASSIGNED
    closed_at = None if status.is_open else data.closed_at or data.first_answer_at or data.received_at
    return {
        "is_history": True,
        "status": status,
        "status_at": closed_at or data.received_at,
        "closed_at": closed_at,
        "manager_id": manager.id if manager else None,
        "assigned_at": (data.assigned_at or data.received_at) if manager else None,
        "first_answer_at": data.first_answer_at,
    }


def _mean_amount(session: Session, data: RequestIn) -> int | None:
    """Return the mean amount of its service and channel over the 90 days before it arrived, in kopecks."""
    if data.service is None or data.channel is None:
        return None
    asked = {
        "service": data.service,
        "channel": data.channel,
        "first": data.received_at - MEAN_OVER,
        "until": data.received_at,
    }
    total, number = session.execute(_AMOUNTS, asked).one()
    return (2 * int(total) + number) // (2 * number) if total is not None else None


def _write_received(
    session: Session, request: Request, data: RequestIn, matched: Matched, duplicate_of: int | None, actor: str
) -> None:
    note: dict[str, Any] = {"source": data.source, "matched_by": matched.by}
    if data.client is not None:
        # As the sender wrote it: the card of the client may be changed later.
        note["client"] = data.client.model_dump(mode="json", exclude_none=True)
    if matched.suggested:
        note["suggested_clients"] = list(matched.suggested)
    if duplicate_of is not None:
        note["duplicate_of"] = duplicate_of
    line = {"request_id": request.id, "at": data.received_at, "kind": "received", "actor": actor, "data": note}
    session.execute(_EVENT, line)


def hand_to(
    session: Session,
    request: Request,
    manager: ManagerRef,
    data: RequestIn,
    *,
    assigned_at: datetime,
    now: datetime,
    actor: str,
) -> None:
    """Give a request that nobody holds to the manager whom another system names, in the state that it names."""
    held = assignment.assign_external(session, request, manager, assigned_at=assigned_at, actor=actor, now=now)
    answered_at = data.first_answer_at
    if answered_at is not None and answered_at >= assigned_at:
        held.first_answer_at = request.first_answer_at = request.last_activity_at = answered_at
    status = RequestStatus(data.status) if data.status in ("in_progress", "waiting_client") else None
    if status is None and request.first_answer_at is not None:
        status = RequestStatus.IN_PROGRESS
    if status is not None:
        request.status = status
        request.status_at = request.first_answer_at or assigned_at
    if status is RequestStatus.WAITING_CLIENT:
        request.waiting_since = request.status_at
        request.times_waiting += 1
    session.flush()
    if request.first_answer_at is not None:
        request_tasks.move_on(session, request, outcome="answered", note="", now=now)


def _differences(request: Request, changes: RequestChanges) -> dict[str, Any]:
    """Return the columns that would change, with their new values; the client is known only after matching."""
    given = changes.model_fields_set
    wanted: dict[str, Any] = {name: getattr(changes, name) for name in _CHANGEABLE if name in given}
    if "amount" in given:
        wanted["amount_minor"] = changes.amount
    if "client" in given:
        wanted["client_name"] = (changes.client.name or "") if changes.client else ""
    return {name: value for name, value in wanted.items() if getattr(request, name) != value}


def _change_client(
    session: Session,
    request: Request,
    changes: RequestChanges,
    before: dict[str, Any],
    after: dict[str, Any],
    now: datetime,
) -> None:
    found = None
    if changes.client is not None:
        matched = clients.of_request(
            session, changes.client, source=request.source, external_id=request.external_id, now=now
        )
        found = matched.client_id
        request.suggested_client_id = matched.suggested[0] if matched.suggested else None
    if found != request.client_id:
        before["client_id"], after["client_id"] = request.client_id, found
        request.client_id = found
