"""Facts: what rules can look at, read from rows, in the canonical form that engines compare.

One provider serves one part of the vocabulary for any number of requests at once. It is called only where a field of
its own is asked for, and costs at most one query whatever the number of requests or candidates.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from typing import Final

from sqlalchemy import BindParameter, Select, bindparam, func, or_, select, union_all
from sqlalchemy.orm import Session

from rules_engine.decisions.callback_contacts import UNREACHED
from rules_engine.decisions.client_intervals import ClientMoney
from rules_engine.decisions.instants import from_us, to_us
from rules_engine.decisions.request_clocks import CLOCK_FIELDS, RequestClocks, RequestTimes
from rules_engine.language.values import Canonical, Facts, canonical_text
from rules_engine.language.vocabulary import FIELDS
from rules_engine.models import Client, Contact, Request, RequestStatus
from rules_engine.services.company.reference import ManagerRef, Reference, reference
from rules_engine.services.facts import money as money_facts
from rules_engine.services.facts.loads import HELD, NOTHING, Carried, Load, loads
from rules_engine.services.facts.pauses import NO_PAUSES, Pauses, pauses_of
from rules_engine.services.records.reading import rows

_Value = Canonical | Iterable[str] | None
_OfPerson = Callable[[ManagerRef, Carried, int], Canonical | None]


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """A request as rules see it: facts at one instant, and the clocks that say what they will be later.

    `facts` holds only what was asked for and is not empty. `owner_id` and `cover_id` are those of its client, None
    also where nothing about the client was asked for.
    """

    facts: Facts
    clocks: RequestClocks
    owner_id: int | None
    cover_id: int | None


@dataclass(slots=True)
class _ClientRow:
    """What is read of one client; what was not asked for stays empty."""

    owner_id: int | None = None
    cover_id: int | None = None
    contract_ends_on: date | None = None
    last_contact_at: datetime | None = None
    asked_to_call_at: datetime | None = None
    open_requests: int | None = None
    money: ClientMoney | None = None
    facts: dict[str, Canonical | None] = field(default_factory=dict)


def request_facts(session: Session, request: Request, now: datetime, fields: Collection[str]) -> Facts:
    """Return the facts of one request at `now`; `fields` are keys, or names of whole groups such as `request`."""
    return see(session, [request], now, fields)[request.id].facts


def see(
    session: Session,
    requests: Sequence[Request],
    now: datetime,
    fields: Collection[str],
    *,
    picture: Reference | None = None,
    with_people: bool = False,
) -> dict[int, SeenRequest]:
    """Return what rules see of these requests at `now`, by id.

    `fields` are keys of the vocabulary, or names of whole groups; those that no provider fills stay empty.
    `with_people` reads owner and cover of the client even if no field is about them.
    """
    picture = picture or reference(session)
    wanted = expand(fields)
    now_us = to_us(now)
    clients = _clients(session, requests, now, wanted, with_people=with_people)
    holders = _holder_loads(session, picture, requests, now, wanted)
    paused = pauses_of(session, picture, requests)
    return {
        request.id: _see(request, clients, holders, picture, paused.get(request.id, NO_PAUSES), now_us, wanted)
        for request in requests
    }


def candidate_facts(
    session: Session, managers: Sequence[ManagerRef], now: datetime, fields: Collection[str]
) -> dict[int, Facts]:
    """Return the `candidate.` facts of these managers by id, in at most one query; `shortfall` is left out.

    The shortfall is relative to who else is considered: the decision itself fills it in.
    """
    picture = reference(session)
    wanted = expand(fields)
    carried = _loads_for(session, picture, now, [one.id for one in managers], wanted, "candidate")
    now_us = to_us(now)
    return {one.id: person_facts("candidate", one, carried.get(one.id, NOTHING), now_us, wanted) for one in managers}


def person_facts(
    group: str, manager: ManagerRef, load: Carried, now_us: int, wanted: frozenset[str]
) -> dict[str, Canonical]:
    """Return the facts of the holder (group `manager`) or of a candidate, as far as they are wanted."""
    facts: dict[str, Canonical] = {}
    for key, value in _wanted_of_person(group, wanted):
        seen = value(manager, load, now_us)
        if seen is not None:
            facts[key] = seen
    if group == "candidate" and "candidate.is_on_duty" in wanted:
        facts["candidate.is_on_duty"] = manager.is_on_duty(from_us(now_us))
    return facts


@lru_cache(maxsize=256)
def _wanted_of_person(group: str, wanted: frozenset[str]) -> tuple[tuple[str, _OfPerson], ...]:
    return tuple((key, value) for name, value in _PERSON.items() if (key := f"{group}.{name}") in wanted)


def own_facts(request: Request, wanted: Collection[str]) -> dict[str, Canonical | None]:
    """Return the facts that stand in the row of a request itself, as far as they are wanted; empty ones are None."""
    return {key: value(request) for key, value in _OF_REQUEST.items() if key in wanted}


def expand(fields: Collection[str]) -> frozenset[str]:
    """Return the keys that these keys and groups stand for."""
    groups = {name for name in fields if "." not in name}
    if not groups:
        return frozenset(fields)
    keys = {key for key in FIELDS if key.partition(".")[0] in groups}
    return frozenset(keys | {name for name in fields if "." in name})


def load_needs(wanted: Collection[str], group: str) -> tuple[bool, bool, bool]:
    """Return whether facts of this group need open requests, what was received today, and overdue callbacks."""
    work = f"{group}.open_requests" in wanted or f"{group}.unanswered_requests" in wanted
    return work, f"{group}.received_today" in wanted, f"{group}.overdue_callbacks" in wanted


def _see(
    request: Request,
    clients: "_Rows",
    holders: Mapping[int, Load],
    picture: Reference,
    pauses: Pauses,
    now_us: int,
    wanted: frozenset[str],
) -> SeenRequest:
    row = clients[request.client_id] if request.client_id is not None else _ClientRow()
    clocks = RequestClocks(_times(request, row, picture, pauses))
    facts: dict[str, Canonical] = {}
    for key in wanted:
        if key in CLOCK_FIELDS:
            value = clocks.clock(key).value_at(now_us)
        elif key in _OF_REQUEST:
            value = _OF_REQUEST[key](request)
        else:
            value = row.facts.get(key)
        if value is not None:
            facts[key] = value
    if "client.owner" in wanted and (login := picture.login_of(row.owner_id)):
        facts["client.owner"] = login
    if row.asked_to_call_at is not None:
        facts["client.asked_to_call_on"] = picture.day_of(row.asked_to_call_at).toordinal()
    if row.money is not None:
        known = money_facts.old_and_new(row.money, request.received_at)
        facts |= {key: value for key, value in known.items() if key in wanted}
    if row.open_requests is not None:
        itself = request.status.is_open and not request.is_history
        facts["client.has_open_request"] = row.open_requests > itself
    holder = picture.managers.get(request.manager_id) if request.manager_id is not None else None
    if holder is not None:
        facts |= person_facts("manager", holder, holders.get(holder.id, NOTHING), now_us, wanted)
    return SeenRequest(facts, clocks, row.owner_id, row.cover_id)


def _times(request: Request, client: _ClientRow, picture: Reference, pauses: Pauses) -> RequestTimes:
    holder = picture.managers.get(request.manager_id) if request.manager_id is not None else None
    owner = picture.managers.get(client.owner_id) if client.owner_id is not None else None
    company = picture.company_calendar
    return RequestTimes(
        company=company,
        received_us=to_us(request.received_at),
        holder=holder.calendar if holder else None,
        assigned_us=_us(request.assigned_at),
        answer_within=request.answer_within,
        answer_due_us=_us(request.answer_due_at),
        first_answer_us=_us(request.first_answer_at),
        last_activity_us=_us(request.last_activity_at),
        waiting_since_us=_us(request.waiting_since),
        pauses=pauses.intervals,
        line_until_us=pauses.line_until_us,
        owner=owner.hours if owner else None,
        owner_absences=owner.away if owner else (),
        last_contact_day=company.local_day_us(to_us(client.last_contact_at)) if client.last_contact_at else None,
        contract_ends_day=client.contract_ends_on.toordinal() if client.contract_ends_on else None,
        money=client.money,
    )


def _us(instant: datetime | None) -> int | None:
    return None if instant is None else to_us(instant)


def _text(value: str | None) -> str | None:
    return (canonical_text(value) or None) if value else None


def _texts(values: Sequence[str] | None) -> tuple[str, ...] | None:
    return tuple(text for value in values if (text := canonical_text(value))) or None if values else None


_OF_REQUEST: Final[Mapping[str, Callable[[Request], Canonical | None]]] = {
    "request.source": lambda request: _text(request.source),
    "request.channel": lambda request: request.channel or None,
    "request.service": lambda request: request.service or None,
    "request.region": lambda request: _text(request.region),
    "request.city": lambda request: _text(request.city),
    "request.language": lambda request: _text(request.language),
    "request.amount": lambda request: request.amount_minor,
    "request.expected_value": lambda request: request.expected_value_minor,
    "request.priority": lambda request: request.priority or None,
    "request.text": lambda request: _text(request.text),
    "request.tags": lambda request: _texts(request.tags),
    "request.status": lambda request: request.status.value,
    "request.is_duplicate": lambda request: request.is_duplicate,
    "request.times_reassigned": lambda request: request.times_reassigned,
    "request.contact_attempts": lambda request: request.contact_attempts,
    "request.has_next_step": lambda request: request.next_step_at is not None,
    "request.is_answered": lambda request: request.first_answer_at is not None,
    "request.answer_within": lambda request: request.answer_within,
    "request.times_waiting": lambda request: request.times_waiting,
    "item.kind": lambda _: "request",
    # A request is no planned call, and no event of a client wakes it.
    "item.times_postponed": lambda _: None,
    "event.name": lambda _: None,
}

_PERSON: Final[Mapping[str, _OfPerson]] = {
    "name": lambda manager, _load, _now: manager.login,
    "team": lambda manager, _load, _now: manager.team_code,
    "skills": lambda manager, _load, _now: tuple(sorted(manager.skills)) or None,
    "is_working_now": lambda manager, _load, now_us: manager.calendar.is_open_us(now_us),
    "open_requests": lambda _manager, load, _now: load.open_requests,
    "unanswered_requests": lambda _manager, load, _now: load.unanswered_requests,
    "overdue_callbacks": lambda _manager, load, _now: load.overdue_callbacks,
    "received_today": lambda _manager, load, _now: load.received_today,
    "received_this_month": lambda _manager, load, _now: load.count,
}
_LOADED: Final = (
    "open_requests",
    "unanswered_requests",
    "overdue_callbacks",
    "received_today",
    "received_this_month",
)


def _holder_loads(
    session: Session, picture: Reference, requests: Sequence[Request], now: datetime, wanted: frozenset[str]
) -> Mapping[int, Load]:
    ids = sorted({request.manager_id for request in requests if request.manager_id is not None})
    return _loads_for(session, picture, now, ids, wanted, "manager")


def _loads_for(
    session: Session, picture: Reference, now: datetime, ids: Sequence[int], wanted: frozenset[str], group: str
) -> Mapping[int, Load]:
    if not ids or not any(f"{group}.{name}" in wanted for name in _LOADED):
        return {}
    work, today, calls = load_needs(wanted, group)
    return loads(session, picture, now, ids=ids, work=work, today=today, calls=calls)


# Clients: each provider reads what it serves into the rows of the clients asked for.

_Rows = dict[int, _ClientRow]
_Provider = Callable[[Session, _Rows, datetime], None]


_OF_CLIENTS: Final[BindParameter[list[int]]] = bindparam("clients", expanding=True)


def _card(session: Session, found: _Rows, _now: datetime) -> None:
    for one in rows(session, _CARDS, {"clients": list(found)}):
        row = found[one.id]
        row.owner_id, row.cover_id, row.contract_ends_on = one.owner_id, one.cover_id, one.contract_ends_on
        row.facts |= {
            "client.segment": one.segment or None,
            "client.region": _text(one.region),
            "client.tags": _texts(one.tags),
            "client.do_not_call": one.do_not_call,
            "client.consent_to_offers": one.consent_on is not None,
        }


_CARDS: Final = select(
    Client.id,
    Client.owner_id,
    Client.cover_id,
    Client.contract_ends_on,
    Client.segment,
    Client.region,
    Client.tags,
    Client.do_not_call,
    Client.consent_on,
).where(Client.id.in_(_OF_CLIENTS))


def _contacts(session: Session, found: _Rows, _now: datetime) -> None:
    """The last contact of each client; automatic replies are none."""
    for client_id, at, outcome in rows(session, _LAST_CONTACTS, {"clients": list(found)}):
        found[client_id].last_contact_at = at
        found[client_id].facts["client.last_outcome"] = outcome or None


def _last_contacts() -> Select[int, datetime, str]:
    newest = (
        select(
            Contact.client_id,
            Contact.at,
            Contact.outcome,
            func.row_number()
            .over(partition_by=Contact.client_id, order_by=(Contact.at.desc(), Contact.id.desc()))
            .label("place"),
        )
        .where(Contact.client_id.in_(_OF_CLIENTS), Contact.is_automatic.is_(False))
        .subquery()
    )
    return select(newest.c.client_id, newest.c.at, newest.c.outcome).where(newest.c.place == 1)


_LAST_CONTACTS: Final = _last_contacts()


def _open_requests(session: Session, found: _Rows, _now: datetime) -> None:
    """How many open requests each client has; who has none is counted too."""
    for row in found.values():
        row.open_requests = 0
    for client_id, number in rows(session, _OPEN_REQUESTS, {"clients": list(found)}):
        found[client_id].open_requests = number


_OPEN_REQUESTS: Final = (
    select(Request.client_id, func.count())
    .where(
        Request.client_id.in_(_OF_CLIENTS),
        Request.status.in_((RequestStatus.NEW, *HELD)),
        Request.is_history.is_(False),
    )
    .group_by(Request.client_id)
)


def _promises(session: Session, found: _Rows, _now: datetime) -> None:
    """The date on which a client asked to be called, as long as nobody has spoken with him since."""
    for client_id, asked_at in rows(session, _LAST_TALKS, {"clients": list(found)}):
        found[client_id].asked_to_call_at = asked_at


def _last_talks() -> Select[int, datetime]:
    newest = (
        select(
            Contact.client_id,
            Contact.asked_to_call_at,
            func.row_number()
            .over(partition_by=Contact.client_id, order_by=(Contact.at.desc(), Contact.id.desc()))
            .label("place"),
        )
        .where(
            Contact.client_id.in_(_OF_CLIENTS),
            Contact.is_automatic.is_(False),
            or_(Contact.outcome.is_(None), Contact.outcome.not_in(sorted(UNREACHED))),
        )
        .subquery()
    )
    return select(newest.c.client_id, newest.c.asked_to_call_at).where(newest.c.place == 1)


_LAST_TALKS: Final = _last_talks()


def _refusals(session: Session, found: _Rows, _now: datetime) -> None:
    """The reason of each client's last refusal, of a request or on the phone."""
    for client_id, reason in rows(session, _LAST_REFUSALS, {"clients": list(found)}):
        found[client_id].facts["client.refusal_reason"] = reason


def _last_refusals() -> Select[int, str]:
    of_requests = select(Request.client_id, Request.close_reason.label("reason"), Request.closed_at.label("at")).where(
        Request.client_id.in_(_OF_CLIENTS),
        Request.status == RequestStatus.LOST,
        Request.close_reason.is_not(None),
    )
    of_contacts = select(Contact.client_id, Contact.reason, Contact.at).where(
        Contact.client_id.in_(_OF_CLIENTS), Contact.outcome == "refused", Contact.reason.is_not(None)
    )
    every = union_all(of_requests, of_contacts).subquery()
    newest = select(
        every.c.client_id,
        every.c.reason,
        func.row_number().over(partition_by=every.c.client_id, order_by=(every.c.at.desc(), every.c.reason)).label("n"),
    ).subquery()
    return select(newest.c.client_id, newest.c.reason).where(newest.c.n == 1)


_LAST_REFUSALS: Final = _last_refusals()


def _money(session: Session, found: _Rows, now: datetime) -> None:
    """What each client has paid until now."""
    for client_id, money in money_facts.client_money(session, found, now).items():
        found[client_id].money = money
        found[client_id].facts |= money_facts.facts_of(money)


_CLIENT_PROVIDERS: Final[tuple[tuple[frozenset[str], _Provider], ...]] = (
    (
        frozenset(
            {
                "client.segment",
                "client.owner",
                "client.region",
                "client.tags",
                "client.do_not_call",
                "client.consent_to_offers",
                "client.contract_ends_in_days",
                "owner.is_absent",
                "owner.back_in_working_minutes",
            }
        ),
        _card,
    ),
    (frozenset({"client.days_since_last_contact", "client.last_outcome"}), _contacts),
    (frozenset({"client.has_open_request"}), _open_requests),
    (frozenset({"client.asked_to_call_on"}), _promises),
    (frozenset({"client.refusal_reason"}), _refusals),
    (money_facts.FIELDS, _money),
)

IMPLEMENTED: Final = frozenset(
    {
        *_OF_REQUEST,
        *CLOCK_FIELDS,
        *(f"{group}.{name}" for group in ("manager", "candidate") for name in _PERSON),
        "candidate.shortfall",
        "candidate.is_on_duty",
        *(key for keys, _ in _CLIENT_PROVIDERS for key in keys),
    }
)
"""The fields that are filled in this release; the editor offers no others."""


def _clients(
    session: Session, requests: Sequence[Request], now: datetime, wanted: frozenset[str], *, with_people: bool
) -> _Rows:
    found: _Rows = {request.client_id: _ClientRow() for request in requests if request.client_id is not None}
    if found:
        for keys, provide in _CLIENT_PROVIDERS:
            if (with_people and provide is _card) or not keys.isdisjoint(wanted):
                provide(session, found, now)
    return found
