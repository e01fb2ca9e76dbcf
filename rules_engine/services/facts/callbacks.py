"""What the rules of callbacks see of clients, and how each of them stands: read for any number of clients at once."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import BindParameter, Select, bindparam, func, literal, or_, select, union_all
from sqlalchemy.orm import Session, aliased

from rules_engine.decisions.callback_contacts import UNREACHED
from rules_engine.decisions.callback_outcome import Cause, CauseKind, KnownCall
from rules_engine.decisions.instants import to_us
from rules_engine.decisions.request_clocks import RequestClocks
from rules_engine.language.engines.base import Facts
from rules_engine.models import (
    Callback,
    CallbackState,
    Client,
    Contact,
    ContactPoint,
    Payment,
    Request,
    RequestStatus,
    UtcDateTime,
)
from rules_engine.models.clients import PHONE
from rules_engine.services.company.reference import Reference
from rules_engine.services.facts import requests as facts
from rules_engine.services.records.reading import rows

EVENT_DAYS: Final = 9
"""So long after the pause of a number an event can still lead to a call: most purchases and refusals follow a talk."""
PROMISE_DAYS: Final = 30
"""A promise that is older than this when it is first seen is history."""
NEEDED: Final = frozenset(
    {"client.segment", "client.do_not_call", "client.consent_to_offers", "client.average_payment"}
)
_BATCH: Final = 500
_Rows = Mapping[int, Sequence[Any]]


@dataclass(frozen=True, slots=True)
class SeenClient:
    """A client as rules see him at one instant, and how he stands.

    `facts` are without `event.name`; `events` are those that happened lately, `due` last. `last_paid_at` and
    `last_payment_id` are of his newest payment. `others_us`: planned calls of other clients with one of his numbers.
    """

    id: int
    facts: Facts
    clocks: RequestClocks
    owner_id: int | None
    cover_id: int | None
    events: tuple[str, ...]
    causes: Mapping[CauseKind, Cause]
    promised_us: int | None = None
    last_payment_id: int | None = None
    last_paid_at: datetime | None = None
    known: tuple[KnownCall, ...] = ()
    called_us: int | None = None
    others: tuple[int, ...] = ()
    others_us: tuple[int, ...] = ()

    def facts_on(self, event: str) -> Facts:
        """Return the facts as they are for one event."""
        return {**self.facts, "event.name": event}

    def is_(self, name: str) -> bool:
        return bool(self.facts.get(f"client.{name}"))


@dataclass(slots=True)
class _Found:
    """What is read of one client beside his facts."""

    payment: tuple[int, datetime] | None = None
    talk: tuple[int, datetime, datetime | None] | None = None
    refusal: tuple[str, datetime] | None = None
    known: list[KnownCall] = field(default_factory=list)
    sharing: set[int] = field(default_factory=set)
    called_us: int | None = None
    others_us: list[int] = field(default_factory=list)


def see_clients(
    session: Session,
    picture: Reference,
    client_ids: Collection[int],
    now: datetime,
    fields: Collection[str],
    *,
    frequency_days: int,
) -> dict[int, SeenClient]:
    """Return what rules see of these clients at `now`, by id; whoever does not exist is left out.

    `fields` are keys of the vocabulary. The number of queries does not depend on the number of clients.
    """
    seen: dict[int, SeenClient] = {}
    ids = sorted(set(client_ids))
    for start in range(0, len(ids), _BATCH):
        seen |= _see(session, picture, ids[start : start + _BATCH], now, fields, frequency_days)
    return seen


def client_facts(
    session: Session,
    picture: Reference,
    holders: Mapping[int, int | None],
    now: datetime,
    fields: Collection[str],
) -> dict[int, facts.SeenRequest]:
    """Return facts and clocks of clients by id; `holders` says for each whose `manager.` facts are meant.

    The providers of facts read clients through requests: each client is seen as one who has just sent a request that
    is closed already, so that none of its own is counted.
    """
    wanted = frozenset(key for key in facts.expand(fields) if key.partition(".")[0] not in ("request", "item", "event"))
    stand_ins = [
        Request(
            id=client_id,
            client_id=client_id,
            manager_id=manager_id,
            received_at=now,
            status=RequestStatus.LOST,
            is_history=True,
        )
        for client_id, manager_id in holders.items()
    ]
    return facts.see(session, stand_ins, now, wanted, picture=picture, with_people=True)


def _see(
    session: Session,
    picture: Reference,
    ids: list[int],
    now: datetime,
    fields: Collection[str],
    frequency_days: int,
) -> dict[int, SeenClient]:
    owners = {row.id: row.owner_id for row in rows(session, _OWNERS, {"clients": ids})}
    seen = client_facts(session, picture, owners, now, {*fields, *NEEDED})
    found = _read(session, list(owners), now, frequency_days)
    fresh = now - timedelta(days=frequency_days + EVENT_DAYS)
    return {client_id: _seen(picture, client_id, seen[client_id], found[client_id], now, fresh) for client_id in owners}


def _seen(
    picture: Reference,
    client_id: int,
    seen: facts.SeenRequest,
    found: _Found,
    now: datetime,
    fresh: datetime,
) -> SeenClient:
    known_facts = dict(seen.facts)
    causes = {CauseKind.YEAR: _year(picture, now)}
    events = []
    promised_us = None
    if found.payment is not None:
        causes[CauseKind.PAYMENT] = Cause(f"payment:{found.payment[0]}", to_us(found.payment[1]))
        if found.payment[1] > fresh:
            events.append("payment")
    if found.refusal is not None:
        causes[CauseKind.REFUSAL] = Cause(found.refusal[0], to_us(found.refusal[1]))
        if found.refusal[1] > fresh and found.refusal[0].startswith("request:"):
            events.append("request_lost")
    if found.talk is not None:
        contact_id, at, asked_at = found.talk
        causes[CauseKind.CONTACT] = Cause(f"contact:{contact_id}", to_us(at))
        if at > fresh:
            events.append("contact")
        if asked_at is not None and asked_at > now - timedelta(days=PROMISE_DAYS):
            causes[CauseKind.PROMISE] = causes[CauseKind.CONTACT]
            promised_us = to_us(asked_at)
    if promised_us is None:
        known_facts.pop("client.asked_to_call_on", None)
    ends_day = seen.clocks.times.contract_ends_day
    if ends_day is not None:
        causes[CauseKind.CONTRACT] = Cause(f"contract:{date.fromordinal(ends_day).isoformat()}", 0)
    return SeenClient(
        id=client_id,
        facts=known_facts,
        clocks=seen.clocks,
        owner_id=seen.owner_id,
        cover_id=seen.cover_id,
        events=(*events, "due"),
        causes=causes,
        promised_us=promised_us,
        last_payment_id=found.payment[0] if found.payment else None,
        last_paid_at=found.payment[1] if found.payment else None,
        known=tuple(found.known),
        called_us=found.called_us,
        others=tuple(sorted(found.sharing)),
        others_us=tuple(found.others_us),
    )


def last_call_at(session: Session, client_id: int, since: datetime, now: datetime) -> datetime | None:
    """Return when somebody was last reached by one of a client's numbers after `since`; None: nobody was."""
    ids = [client_id, *(row.other_id for row in rows(session, SHARED_NUMBERS, {"clients": [client_id]}))]
    return max(
        (row.at for row in rows(session, _LAST_CALLS, {"clients": ids, "now": now, "since": since})), default=None
    )


def _year(picture: Reference, now: datetime) -> Cause:
    day = picture.day_of(now)
    return Cause(f"year:{day.year}", to_us(picture.start_of_day(date(day.year, 1, 1))))


def _read(session: Session, ids: list[int], now: datetime, frequency_days: int) -> dict[int, _Found]:
    found: dict[int, _Found] = defaultdict(_Found)
    if not ids:
        return found
    here = {"clients": ids, "now": now}
    for row in rows(session, _LAST_PAYMENTS, here):
        found[row.client_id].payment = (row.id, row.paid_at)
    for row in rows(session, _LAST_TALKS, here):
        found[row.client_id].talk = (row.id, row.at, row.asked_to_call_at)
    for row in rows(session, _LAST_REFUSALS, here):
        found[row.client_id].refusal = (f"{row.kind}:{row.id}", row.at)
    for row in rows(session, SHARED_NUMBERS, {"clients": ids}):
        found[row.client_id].sharing.add(row.other_id)
    everybody = sorted({*ids, *(other for one in found.values() for other in one.sharing)})
    calls: dict[int, list[KnownCall]] = defaultdict(list)
    for row in rows(session, _KNOWN_CALLS, {"clients": everybody}):
        calls[row.client_id].append(_known(row))
    since = {"clients": everybody, "now": now, "since": now - timedelta(days=frequency_days)}
    called = {row.client_id: to_us(row.at) for row in rows(session, _LAST_CALLS, since)}
    for client_id in ids:
        one = found[client_id]
        one.known = calls[client_id]
        one.called_us = max((called[key] for key in (client_id, *one.sharing) if key in called), default=None)
        one.others_us = sorted(call.call_from_us for key in one.sharing for call in calls[key] if call.is_open)
    return found


def _known(row: Any) -> KnownCall:
    is_open = row.state in (CallbackState.PLANNED, CallbackState.OPEN)
    return KnownCall(
        id=row.id,
        occasion=row.occasion,
        cause=row.cause,
        cycle=row.cycle,
        call_from_us=to_us(row.call_from),
        also=tuple(row.also),
        is_in_list=row.state is CallbackState.OPEN,
        closed_us=None if is_open else to_us(row.done_at or row.created_at),
    )


_CLIENTS: Final[BindParameter[list[int]]] = bindparam("clients", expanding=True)
_NOW: Final[BindParameter[datetime]] = bindparam("now", type_=UtcDateTime())
_OWNERS: Final = select(Client.id, Client.owner_id).where(Client.id.in_(_CLIENTS)).order_by(Client.id)


def _newest(statement: Select[*tuple[Any, ...]], *by: Callable[[Any], Any]) -> Select[*tuple[Any, ...]]:
    """Return the newest row of each client."""
    every = statement.subquery()
    order = [key(every.c).desc() for key in by]
    ranked = select(every, func.row_number().over(partition_by=every.c.client_id, order_by=order).label("n")).subquery()
    return select(ranked).where(ranked.c.n == 1)


_LAST_PAYMENTS: Final = _newest(
    select(Payment.client_id, Payment.id, Payment.paid_at).where(
        Payment.client_id.in_(_CLIENTS), Payment.amount_minor > 0, Payment.paid_at <= _NOW
    ),
    lambda columns: columns.paid_at,
    lambda columns: columns.id,
)
_SPOKEN: Final = (
    Contact.client_id.in_(_CLIENTS),
    Contact.is_automatic.is_(False),
    Contact.at <= _NOW,
    or_(Contact.outcome.is_(None), Contact.outcome.not_in(sorted(UNREACHED))),
)
_LAST_TALKS: Final = _newest(
    select(Contact.client_id, Contact.id, Contact.at, Contact.asked_to_call_at).where(*_SPOKEN),
    lambda columns: columns.at,
    lambda columns: columns.id,
)
_LAST_REFUSALS: Final = _newest(
    union_all(
        select(
            Request.client_id,
            Request.id,
            Request.closed_at.label("at"),
            literal("request").label("kind"),
        ).where(
            Request.client_id.in_(_CLIENTS),
            Request.status == RequestStatus.LOST,
            Request.close_reason.is_not(None),
            Request.closed_at <= _NOW,
        ),
        select(Contact.client_id, Contact.id, Contact.at, literal("contact").label("kind")).where(
            Contact.client_id.in_(_CLIENTS),
            Contact.outcome == "refused",
            Contact.reason.is_not(None),
            Contact.at <= _NOW,
        ),
    ),  # type: ignore[arg-type]  # a union has a subquery as a select has
    lambda columns: columns.at,
    lambda columns: columns.id,
)
_MINE, _THEIRS = aliased(ContactPoint), aliased(ContactPoint)
SHARED_NUMBERS: Final = (
    select(_MINE.client_id, _THEIRS.client_id.label("other_id"))
    .join(_THEIRS, (_THEIRS.kind == PHONE) & (_THEIRS.normalized == _MINE.normalized))
    .where(_MINE.client_id.in_(_CLIENTS), _MINE.kind == PHONE, _THEIRS.client_id != _MINE.client_id)
    .distinct()
)
_KNOWN_CALLS: Final = (
    select(
        Callback.id,
        Callback.client_id,
        Callback.occasion,
        Callback.cause,
        Callback.cycle,
        Callback.call_from,
        Callback.also,
        Callback.state,
        Callback.done_at,
        Callback.created_at,
    )
    .where(Callback.client_id.in_(_CLIENTS))
    .order_by(Callback.id)
)
_LAST_CALLS: Final = (
    select(Contact.client_id, func.max(Contact.at, type_=UtcDateTime()).label("at"))
    .where(
        *_SPOKEN,
        Contact.kind == "call",
        Contact.direction == "out",
        Contact.at > bindparam("since", type_=UtcDateTime()),
    )
    .group_by(Contact.client_id)
)
