"""Clients: found by key, tax number or phone, made where nobody is found, and kept as the registry sends them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from rules_engine.decisions.matching import MatchKeys, corporate_domain, match_keys, normal_mail, normal_phone
from rules_engine.models import OPEN_STATUSES, Client, ClientGroup, ContactPerson, ContactPoint, Request, WorkKind
from rules_engine.models.clients import EMAIL, PHONE
from rules_engine.services.clients.wakes import wake_client
from rules_engine.services.company.people import find_manager
from rules_engine.services.queue import work
from rules_engine.services.records import audit
from rules_engine.services.records.incoming import ClientIn, RequestClientIn
from rules_engine.services.records.inserting import insert_if_new, one_at_a_time
from rules_engine.services.records.outcome import Outcome

_SUGGESTIONS = 5
_PLAIN = ("name", "inn", "region", "city", "segment", "do_not_call", "consent_on", "consent_source", "contract_ends_on")


_BY_KEY = select(Client).where(Client.source == bindparam("its_source"), Client.external_id == bindparam("its_id"))


@dataclass(frozen=True, slots=True)
class Matched:
    """The client of a request and how he was found: `key`, `inn`, `phone`, `new`; None: there is none.

    `suggested`: ids of clients with an address of the same firm; nobody is linked by that alone.
    """

    client_id: int | None = None
    by: str | None = None
    suggested: tuple[int, ...] = field(default=())


def by_key(session: Session, source: str, external_id: str) -> Client | None:
    """Return the client with this key in another system."""
    return session.scalars(_BY_KEY, {"its_source": source, "its_id": external_id}).first()


def by_phone(session: Session, text: str) -> Client | None:
    """Return the only client with this phone, None where there is none or several."""
    phone = normal_phone(text)
    found = _with_phones(session, (phone,)) if phone else set()
    return session.get(Client, found.pop()) if len(found) == 1 else None


def match(session: Session, keys: MatchKeys) -> Matched:
    """Return the client whom a tax number or a phone names exactly, or whom a mail address suggests.

    Where several have the same tax number (branches), the phone must decide between them.
    """
    by_inn = set(session.scalars(select(Client.id).where(Client.inn == keys.inn))) if keys.inn else set()
    if len(by_inn) == 1:
        return Matched(by_inn.pop(), "inn")
    by_number = _with_phones(session, keys.phones) if keys.phones else set()
    both = by_inn & by_number
    if len(both) == 1:
        return Matched(both.pop(), "phone")
    if not by_inn and len(by_number) == 1:
        return Matched(by_number.pop(), "phone")
    suggested = by_inn | by_number
    if not suggested and keys.domains:
        same_firm = select(ContactPoint.client_id).where(ContactPoint.domain.in_(keys.domains)).distinct()
        suggested = set(session.scalars(same_firm.order_by(ContactPoint.client_id).limit(_SUGGESTIONS)))
    return Matched(suggested=tuple(sorted(suggested)[:_SUGGESTIONS]))


def of_request(session: Session, data: RequestClientIn, *, source: str, external_id: str, now: datetime) -> Matched:
    """Return the client of a request: by his key (made where he is new), else matched, else made from what he left.

    `source` and `external_id` are those of the request: they name a client who has no key of his own. Who left
    nothing but a name is nobody's client yet.
    """
    keys = match_keys(
        inn=data.inn, phones=(data.phone,) if data.phone else (), mails=(data.email,) if data.email else ()
    )
    if data.source is not None and data.external_id is not None:
        return Matched(_get_or_make(session, data, data.source, data.external_id, now), "key")
    if not (data.inn or data.phone or data.email):
        return Matched()
    one_at_a_time(session, [key for key in (keys.inn, *keys.phones) if key])
    found = match(session, keys)
    if found.client_id is not None:
        # A phone of somebody else is not made to mean two clients from now on.
        if not keys.phones or _with_phones(session, keys.phones) <= {found.client_id}:
            _add_points(session, found.client_id, data)
        return found
    client_id = _get_or_make(session, data, source, f"request:{external_id}", now)
    return Matched(client_id, "new", found.suggested)


def put_client(session: Session, data: ClientIn, *, now: datetime, actor: str) -> tuple[Client, Outcome]:
    """Make the client with this key, or change him; only fields that were given are changed.

    Phones and addresses are added and never taken away: they may have come with a request. Raises UnknownManager.
    """
    new_id = insert_if_new(
        session,
        Client,
        {
            "source": data.source,
            "external_id": data.external_id,
            "name": data.name,
            "tags": [],
            "do_not_call": False,
            "created_at": now,
        },
        ("source", "external_id"),
    )
    client = session.scalars(
        select(Client).where(Client.source == data.source, Client.external_id == data.external_id).with_for_update()
    ).one()
    before = _picture(client) if new_id is None else None
    _fill(session, client, data)
    if _add_points(session, client.id, data):
        session.expire(client, ["points"])
    session.flush()
    share_owner(session, client, before["owner_id"] if before else None, actor=actor, now=now)
    if before is None:
        wake_client(session, client.id, now, now=now)
        return client, Outcome.CREATED
    after = _picture(client)
    if before == after:
        return client, Outcome.UNCHANGED
    people = {"owner_id", "cover_id"}
    if any(before[key] != after[key] for key in people):
        audit.record(
            session,
            actor=actor,
            action="update",
            subject_kind="client",
            subject_id=client.id,
            before={key: before[key] for key in people},
            after={key: after[key] for key in people},
        )
    wake_requests(session, client.id, now)
    wake_client(session, client.id, now, now=now)
    return client, Outcome.UPDATED


def add_points(session: Session, client_id: int, *, phone: str | None, email: str | None) -> None:
    """Add a phone and a mail address to a client, as far as he does not have them yet."""
    _add_points(session, client_id, RequestClientIn(phone=phone, email=email))


def forbid_calls(session: Session, client_id: int) -> None:
    """Note that the client asked not to be called."""
    client = session.get(Client, client_id, with_for_update=True)
    if client is not None:
        client.do_not_call = True


def _with_phones(session: Session, phones: tuple[str, ...]) -> set[int]:
    return set(
        session.scalars(
            select(ContactPoint.client_id).where(ContactPoint.kind == PHONE, ContactPoint.normalized.in_(phones))
        )
    )


def _get_or_make(session: Session, data: RequestClientIn, source: str, external_id: str, now: datetime) -> int:
    known = by_key(session, source, external_id)
    if known is None:
        new_id = insert_if_new(
            session,
            Client,
            {
                "source": source,
                "external_id": external_id,
                "name": data.name or data.phone or data.email or data.inn or external_id,
                "inn": data.inn,
                "tags": [],
                "do_not_call": False,
                "created_at": now,
            },
            ("source", "external_id"),
        )
        if new_id is not None:
            _add_points(session, new_id, data)
            return new_id
        known = by_key(session, source, external_id)
        if known is None:  # pragma: no cover - the key was refused because the row is there
            raise LookupError(f"client {source}/{external_id} vanished")
    if data.inn and known.inn is None:
        known.inn = data.inn
    _add_points(session, known.id, data)
    return known.id


def _add_points(session: Session, client_id: int, data: RequestClientIn | ClientIn) -> bool:
    """Add the phones and addresses that the client does not have yet; return whether there were any."""
    if isinstance(data, ClientIn):
        phones, mails = data.phones, data.emails
    else:
        phones, mails = [data.phone] if data.phone else [], [data.email] if data.email else []
    wanted = [_phone_point(text) for text in phones] + [_mail_point(text) for text in mails]
    if not wanted:
        return False
    # A look first: most come again and again, and an insert that is refused costs more.
    known = {
        (row.kind, row.normalized)
        for row in session.execute(
            select(ContactPoint.kind, ContactPoint.normalized).where(ContactPoint.client_id == client_id)
        )
    }
    added = False
    for point in wanted:
        if (point["kind"], point["normalized"]) not in known:
            insert_if_new(session, ContactPoint, {"client_id": client_id, **point}, ("client_id", "kind", "normalized"))
            added = True
    return added


def _phone_point(text: str) -> dict[str, Any]:
    # What is no phone is kept for people to read; with the mark it can never match.
    return {"kind": PHONE, "value": text, "normalized": normal_phone(text) or f"?{text.casefold()}"}


def _mail_point(text: str) -> dict[str, Any]:
    mail = normal_mail(text)
    domain = corporate_domain(mail) if mail else None
    return {"kind": EMAIL, "value": text, "normalized": mail or f"?{text.casefold()}", "domain": domain}


def _fill(session: Session, client: Client, data: ClientIn) -> None:
    given = data.model_fields_set
    for name in _PLAIN:
        if name in given:
            setattr(client, name, getattr(data, name))
    if "tags" in given and client.tags != data.tags:
        client.tags = list(data.tags)
    if "group" in given:
        client.group_id = _group_id(session, data.group) if data.group else None
    if "owner" in given:
        client.owner_id = find_manager(session, data.owner, path="owner").id if data.owner else None
    if "cover" in given:
        client.cover_id = find_manager(session, data.cover, path="cover").id if data.cover else None
    if "contact_person" in given and data.contact_person:
        if client.persons:
            client.persons[0].name = data.contact_person
        else:
            client.persons.append(ContactPerson(name=data.contact_person))


def firms_of(session: Session, client_id: int) -> list[int]:
    """Return the ids of the firms that go where a client goes: his own, and those of his group that his owner has."""
    client = session.get_one(Client, client_id)
    if client.group_id is None or client.owner_id is None:
        return [client_id]
    together = select(Client.id).where(Client.group_id == client.group_id, Client.owner_id == client.owner_id)
    return list(session.scalars(together.order_by(Client.id)))


def share_owner(
    session: Session,
    client: Client,
    old_owner_id: int | None,
    *,
    actor: str,
    now: datetime,
    why: Mapping[str, Any] | None = None,
) -> None:
    """Give the firms of a group one owner: who has none gets that of the others, who changes takes them along."""
    if client.group_id is None:
        return
    others = session.scalars(
        select(Client).where(Client.group_id == client.group_id, Client.id != client.id).order_by(Client.id)
    ).all()
    if client.owner_id is None:
        client.owner_id = next((other.owner_id for other in others if other.owner_id is not None), None)
    for other in others:
        goes_along = other.owner_id is None or (old_owner_id is not None and other.owner_id == old_owner_id)
        if not goes_along or other.owner_id == client.owner_id:
            continue
        audit.record(
            session,
            actor=actor,
            action="update",
            subject_kind="client",
            subject_id=other.id,
            before={"owner_id": other.owner_id},
            after={"owner_id": client.owner_id, **({} if why is None else {"why": why})},
        )
        other.owner_id = client.owner_id
        if other.cover_id == client.owner_id:
            other.cover_id = None
        wake_requests(session, other.id, now)
    session.flush()


def _group_id(session: Session, code: str) -> int:
    insert_if_new(session, ClientGroup, {"code": code, "name": code}, ("code",))
    return session.scalars(select(ClientGroup.id).where(ClientGroup.code == code)).one()


def _picture(client: Client) -> dict[str, Any]:
    picture = {name: getattr(client, name) for name in _PLAIN}
    picture |= {"tags": list(client.tags), "group_id": client.group_id}
    picture |= {"owner_id": client.owner_id, "cover_id": client.cover_id}
    picture["person"] = client.persons[0].name if client.persons else None
    picture["points"] = sorted((point.kind, point.normalized) for point in client.points)
    return picture


def wake_requests(session: Session, client_id: int, now: datetime) -> None:
    """Have the open requests of a client looked at: his owner is a fact of theirs."""
    open_ones = select(Request.id).where(
        Request.client_id == client_id, Request.status.in_(OPEN_STATUSES), Request.is_history.is_(False)
    )
    for request_id in session.scalars(open_ones.order_by(Request.id)).all():
        work.ask(session, WorkKind.REQUEST, request_id, now)
