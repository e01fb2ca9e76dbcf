"""Whose money a payment is: its client by key or tax number, its request by key or invoice, and who earned it.

Everything is found for many payments at once, in a number of queries that does not grow with theirs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, cast

from sqlalchemy import BindParameter, Table, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from rules_engine.db import is_sqlite
from rules_engine.errors import InputError
from rules_engine.models import Assignment, Client, Payment, Request
from rules_engine.services.clients import clients
from rules_engine.services.company.reference import Reference
from rules_engine.services.money.incoming_money import PaymentIn
from rules_engine.services.records.inserting import one_at_a_time
from rules_engine.services.records.reading import rows

REQUEST_UNKNOWN: Final = "request_unknown"
REQUEST_OF_OTHER_CLIENT: Final = "request_of_other_client"
INVOICE_AMBIGUOUS: Final = "invoice_ambiguous"
INN_DIFFERS: Final = "inn_differs"
INN_AMBIGUOUS: Final = "inn_ambiguous"
REVERSES_UNKNOWN: Final = "reverses_unknown"
REFUND_TOO_LARGE: Final = "refund_too_large"
NO_MANAGER: Final = "no_manager"

BY_REQUEST: Final = "request"
BY_OWNER: Final = "owner"
BY_HAND: Final = "hand"

_Key = tuple[str, str]


@dataclass(slots=True)
class FoundClient:
    """A client as matching needs him; `id` is 0 until he is stored."""

    id: int
    inn: str | None
    group_id: int | None
    owner_id: int | None

    @property
    def payer(self) -> int:
        """Who counts as one client for new and old: the group of firms (below zero), else the client himself."""
        return -self.group_id if self.group_id is not None else self.id


@dataclass(frozen=True, slots=True)
class FoundRequest:
    id: int
    client_id: int | None
    group_id: int | None
    manager_id: int | None


@dataclass(slots=True)
class Draft:
    """A payment on its way in: what the sender said, and step by step what is known about it."""

    data: PaymentIn
    digest: str
    amount_minor: int
    vat_minor: int | None
    paid_on: date
    month: str
    client: FoundClient = field(default_factory=lambda: FoundClient(0, None, None, None))
    request_id: int | None = None
    manager_id: int | None = None
    cause: str = BY_OWNER
    problems: list[str] = field(default_factory=list)

    @property
    def key(self) -> _Key:
        return self.data.source, self.data.external_id


def find_clients(session: Session, drafts: Sequence[Draft], now: datetime) -> dict[int, InputError]:
    """Give each draft its client, made where he is not known; return what cannot be by the place of the draft.

    A key that is not known means the only client with the tax number, if there is one.
    """
    known = _clients_by_key(session, (key for draft in drafts if (key := _client_key(draft))))
    strangers = [draft for draft in drafts if _client_key(draft) not in known]
    inns = {draft.data.client.inn for draft in strangers if draft.data.client.inn}
    one_at_a_time(session, inns)
    by_inn = _clients_by_inn(session, inns)
    refused: dict[int, InputError] = {}
    fresh: dict[_Key, tuple[FoundClient, PaymentIn]] = {}
    learned: dict[int, str] = {}
    for place, draft in enumerate(drafts):
        key, inn = _client_key(draft), draft.data.client.inn
        found = known.get(key) if key else None
        if found is None:
            same = by_inn.get(inn, []) if inn else []
            if len(same) > 1 and key is None:
                refused[place] = InputError(
                    path="client.inn",
                    ru="клиентов с таким ИНН несколько, назовите код клиента",
                    en="several clients have this tax number, give the key of the client",
                )
                continue
            if len(same) > 1:
                draft.problems.append(INN_AMBIGUOUS)
            found = same[0] if len(same) == 1 else None
            if found is None:
                found = FoundClient(0, inn, None, None)
                made_as = key or (draft.data.source, f"payment:{draft.data.external_id}")
                fresh[made_as] = (found, draft.data)
                known[made_as] = found
                if inn:
                    by_inn.setdefault(inn, []).append(found)
        elif inn and found.inn is None:
            found.inn = inn
            by_inn.setdefault(inn, []).append(found)
            if found.id:
                learned[found.id] = inn
        elif inn and found.inn != inn:
            draft.problems.append(INN_DIFFERS)
        draft.client = found
    _store(session, fresh, learned, now)
    return refused


def find_requests(session: Session, drafts: Sequence[Draft], picture: Reference, *, history: bool) -> None:
    """Give each draft its request, where one is named or its invoice tells, and whoever earned it.

    That nobody earned it is something to look at, unless it is `history`.
    """
    by_key = _requests_by_key(session, (draft.data.request for draft in drafts))
    by_invoice = _requests_by_invoice(session, drafts)
    for draft in drafts:
        request = _request_of(draft, by_key, by_invoice)
        if request is not None:
            draft.request_id = request.id
            if draft.data.invoice:
                by_invoice.setdefault((draft.client.id, draft.data.invoice), {})[request.id] = request
        draft.manager_id, draft.cause = earner(
            picture, request.manager_id if request else None, draft.client.owner_id, draft.data.paid_at
        )
        if draft.manager_id is None and not draft.data.is_refund and not history:
            draft.problems.append(NO_MANAGER)


def earner(
    picture: Reference, request_manager: int | None, owner_id: int | None, paid_at: datetime
) -> tuple[int | None, str]:
    """Return who earned a payment and by what: the request's manager, else the client's owner; None: nobody.

    An owner who had left when it was paid has not earned it.
    """
    if request_manager is not None:
        return request_manager, BY_REQUEST
    owner = picture.managers.get(owner_id) if owner_id is not None else None
    if owner is None or (owner.left_at is not None and owner.left_at <= paid_at):
        return None, BY_OWNER
    return owner.id, BY_OWNER


def request_manager(session: Session, request: Request) -> int | None:
    """Return who holds a request, or held it last."""
    if request.manager_id is not None:
        return request.manager_id
    return _last_holders(session, [request.id]).get(request.id)


def _client_key(draft: Draft) -> _Key | None:
    client = draft.data.client
    return (client.source, client.external_id) if client.source and client.external_id else None


def _request_of(
    draft: Draft, by_key: Mapping[_Key, FoundRequest], by_invoice: Mapping[tuple[int, str], Mapping[int, FoundRequest]]
) -> FoundRequest | None:
    if draft.data.request is not None:
        found = by_key.get((draft.data.request.source, draft.data.request.external_id))
        if found is None:
            draft.problems.append(REQUEST_UNKNOWN)
        elif not _is_of(found, draft.client):
            draft.problems.append(REQUEST_OF_OTHER_CLIENT)
        return found
    if not draft.data.invoice:
        return None
    same = by_invoice.get((draft.client.id, draft.data.invoice), {})
    if len(same) > 1:
        draft.problems.append(INVOICE_AMBIGUOUS)
    return next(iter(same.values())) if len(same) == 1 else None


def _is_of(request: FoundRequest, client: FoundClient) -> bool:
    """Return whether a client may have paid a request: one firm of a group may ask and another one pay."""
    if request.client_id is None or request.client_id == client.id:
        return True
    return request.group_id is not None and request.group_id == client.group_id


def _by_source(keys: Iterable[_Key]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for source, external_id in sorted(set(keys)):
        found.setdefault(source, []).append(external_id)
    return found


def _clients_by_key(session: Session, keys: Iterable[_Key]) -> dict[_Key, FoundClient]:
    return {
        (source, row.external_id): FoundClient(row.id, row.inn, row.group_id, row.owner_id)
        for source, ids in _by_source(keys).items()
        for row in rows(session, _CLIENTS_BY_KEY, {"its_source": source, "ids": ids})
    }


def _clients_by_inn(session: Session, inns: Iterable[str]) -> dict[str, list[FoundClient]]:
    found: dict[str, list[FoundClient]] = {}
    wanted = sorted(inns)
    if wanted:
        for row in rows(session, _CLIENTS_BY_INN, {"inns": wanted}):
            found.setdefault(row.inn, []).append(FoundClient(row.id, row.inn, row.group_id, row.owner_id))
    return found


def _store(
    session: Session, fresh: Mapping[_Key, tuple[FoundClient, PaymentIn]], learned: Mapping[int, str], now: datetime
) -> None:
    """Store new clients and tax numbers that were not known; the new ones get their ids."""
    if learned:
        values = [{"client": client_id, "number": inn} for client_id, inn in sorted(learned.items())]
        session.connection().execute(_LEARN_INN, values)
    if not fresh:
        return
    insert = sqlite.insert if is_sqlite(session) else postgresql.insert
    statement = insert(_CLIENTS).on_conflict_do_nothing(index_elements=["source", "external_id"])
    values = [
        {
            "source": source,
            "external_id": external_id,
            "name": data.client.name or data.client.external_id or data.client.inn or external_id,
            "inn": client.inn,
            "tags": [],
            "do_not_call": False,
            "created_at": now,
        }
        for (source, external_id), (client, data) in fresh.items()
    ]
    session.connection().execute(statement, values)
    # Read again, also those that somebody else was just storing.
    for key, stored in _clients_by_key(session, fresh).items():
        client, data = fresh[key]
        client.id, client.group_id, client.owner_id = stored.id, stored.group_id, stored.owner_id
        if data.client.phone or data.client.email:
            clients.add_points(session, client.id, phone=data.client.phone, email=data.client.email)


def _requests_by_key(session: Session, named: Iterable[Any]) -> dict[_Key, FoundRequest]:
    keys = _by_source((key.source, key.external_id) for key in named if key is not None)
    found = {
        (source, row.external_id): row
        for source, ids in keys.items()
        for row in rows(session, _REQUESTS_BY_KEY, {"its_source": source, "ids": ids})
    }
    held = _last_holders(session, [row.id for row in found.values() if row.manager_id is None])
    return {
        key: FoundRequest(row.id, row.client_id, row.group_id, row.manager_id or held.get(row.id))
        for key, row in found.items()
    }


def _requests_by_invoice(session: Session, drafts: Sequence[Draft]) -> dict[tuple[int, str], dict[int, FoundRequest]]:
    """Return the requests that earlier payments of the same client by the same invoice were for."""
    invoices = sorted({draft.data.invoice for draft in drafts if draft.data.invoice})
    found: dict[tuple[int, str], dict[int, FoundRequest]] = {}
    if invoices:
        seen = rows(session, _REQUESTS_BY_INVOICE, {"invoices": invoices})
        held = _last_holders(session, [row.id for row in seen if row.manager_id is None])
        for row in seen:
            request = FoundRequest(row.id, row.client_id, None, row.manager_id or held.get(row.id))
            found.setdefault((row.payer_id, row.invoice), {})[row.id] = request
    return found


def _last_holders(session: Session, request_ids: Sequence[int]) -> dict[int, int]:
    if not request_ids:
        return {}
    # Rising by id: the last one stays.
    return {row.request_id: row.manager_id for row in rows(session, _HOLDERS, {"requests": list(request_ids)})}


def _many(name: str) -> BindParameter[Any]:
    return bindparam(name, expanding=True)


_CLIENTS: Final = cast(Table, Client.__table__)
_CLIENT_COLUMNS: Final = (Client.id, Client.inn, Client.group_id, Client.owner_id)
_CLIENTS_BY_KEY: Final = select(*_CLIENT_COLUMNS, Client.external_id).where(
    Client.source == bindparam("its_source"), Client.external_id.in_(_many("ids"))
)
_CLIENTS_BY_INN: Final = select(*_CLIENT_COLUMNS).where(Client.inn.in_(_many("inns"))).order_by(Client.id)
_LEARN_INN: Final = update(_CLIENTS).where(_CLIENTS.c.id == bindparam("client")).values(inn=bindparam("number"))
_REQUESTS_BY_KEY: Final = (
    select(Request.id, Request.external_id, Request.client_id, Request.manager_id, Client.group_id)
    .outerjoin(Client, Client.id == Request.client_id)
    .where(Request.source == bindparam("its_source"), Request.external_id.in_(_many("ids")))
)
_REQUESTS_BY_INVOICE: Final = (
    select(Payment.client_id.label("payer_id"), Payment.invoice, Request.id, Request.client_id, Request.manager_id)
    .join(Request, Request.id == Payment.request_id)
    .where(Payment.invoice.in_(_many("invoices")))
    .distinct()
    .order_by(Request.id)
)
_HOLDERS: Final = (
    select(Assignment.request_id, Assignment.manager_id)
    .where(Assignment.request_id.in_(_many("requests")))
    .order_by(Assignment.id)
)
