"""What rules would have seen of clients at any instant of the past: their payments, contacts and requests, read once.

As the providers of facts read the present (facts/requests.py, facts/callbacks.py), cut off at an instant. What the
cards keep no history of (segment, owner, tags, the end of a contract) is taken as it is now.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from sqlalchemy import BigInteger, bindparam, select, type_coerce
from sqlalchemy.orm import Session

from rules_engine.decisions.callback_contacts import UNREACHED
from rules_engine.decisions.client_intervals import ClientMoney, Norms, Paid, money_of
from rules_engine.decisions.instants import from_us
from rules_engine.decisions.request_clocks import CLOCK_FIELDS, RequestClocks, RequestTimes
from rules_engine.language.values import Canonical, Facts, canonical_text
from rules_engine.models import Client, Contact, Request, RequestStatus
from rules_engine.services.company.reference import Reference
from rules_engine.services.facts import money as money_facts
from rules_engine.services.facts.callbacks import SHARED_NUMBERS
from rules_engine.services.records.reading import rows

_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class PastContact:
    """A contact that no machine made. Instants in UTC microseconds."""

    id: int
    at_us: int
    kind: str
    direction: str
    outcome: str | None
    reason: str | None
    asked_us: int | None

    @property
    def is_talk(self) -> bool:
        """Whether somebody was reached."""
        return self.outcome is None or self.outcome not in UNREACHED


@dataclass(frozen=True, slots=True)
class PastRequest:
    """A request of a client; `refusal` is the reason where it was lost."""

    id: int
    received_us: int
    closed_us: int | None
    refusal: str | None
    is_history: bool


@dataclass(slots=True)
class PastClient:
    """One client. Contacts, requests and payments rise by their instants."""

    id: int
    card: Any
    contacts: list[PastContact] = field(default_factory=list)
    requests: list[PastRequest] = field(default_factory=list)
    paid: list[Paid] = field(default_factory=list)
    booked_us: list[int] = field(default_factory=list)
    """When each of the payments became known here."""
    sharing: set[int] = field(default_factory=set)
    """Other clients with one of his numbers."""

    def last_contact(self, us: int) -> PastContact | None:
        return next((one for one in reversed(self.contacts) if one.at_us <= us), None)

    def last_talk(self, us: int) -> PastContact | None:
        return next((one for one in reversed(self.contacts) if one.at_us <= us and one.is_talk), None)

    def paid_by(self, us: int) -> list[Paid]:
        """Return the payments that were known at an instant."""
        return [one for one, booked in zip(self.paid, self.booked_us, strict=True) if max(one.at_us, booked) <= us]

    def last_payment(self, us: int) -> Paid | None:
        return max(
            (one for one in self.paid_by(us) if one.amount_minor > 0),
            key=lambda one: (one.at_us, one.id),
            default=None,
        )

    def last_refusal(self, us: int) -> tuple[str, int, int, str] | None:
        """Return `request` or `contact`, its id, its instant and the reason of the newest refusal."""
        found = [
            ("request", one.id, one.closed_us, one.refusal)
            for one in self.requests
            if one.refusal is not None and one.closed_us is not None and one.closed_us <= us
        ]
        found += [
            ("contact", one.id, one.at_us, one.reason)
            for one in self.contacts
            if one.outcome == "refused" and one.reason is not None and one.at_us <= us
        ]
        return max(found, key=lambda one: (one[2], one[1]), default=None)

    def asked_not_to_be_called(self, us: int) -> bool:
        """Whether he had asked by then; where nobody noted when, he is taken to have asked always."""
        if not self.card.do_not_call:
            return False
        asked = [one.at_us for one in self.contacts if one.outcome == "do_not_call"]
        return not asked or min(asked) <= us


class PastClients:
    """Clients by id, read in batches and kept; `of` reads those that are not there yet."""

    def __init__(self, session: Session, picture: Reference) -> None:
        self._session = session
        self._picture = picture
        self._with_vat = money_facts.counts_vat(session)
        self._norms: Norms = money_facts.stored_norms(session)
        self._known: dict[int, PastClient] = {}
        self._groups: dict[int, int | None] = {}

    def of(self, client_ids: Collection[int]) -> dict[int, PastClient]:
        """Return these clients; whoever does not exist is left out."""
        if not client_ids:
            return {}
        missing = sorted(set(client_ids) - self._known.keys())
        if len(self._known) + len(missing) > 20 * _BATCH:
            self._known.clear()
            missing = sorted(set(client_ids))
        for start in range(0, len(missing), _BATCH):
            self._read(missing[start : start + _BATCH])
        return {id_: self._known[id_] for id_ in client_ids if id_ in self._known}

    def money(self, client: PastClient, us: int) -> ClientMoney:
        """Return what his payments up to an instant say."""
        first = self._groups.get(client.card.group_id) if client.card.group_id is not None else None
        return money_of(
            client.paid_by(us),
            us,
            segment=client.card.segment,
            norms=self._norms,
            first_paid_in_group_at=from_us(first) if first is not None and first <= us else None,
        )

    def see(
        self, client: PastClient, us: int, wanted: Collection[str], *, received_us: int | None = None, itself: int = 0
    ) -> tuple[Facts, RequestClocks]:
        """Return the facts about a client and his people at an instant, and the clocks that say what they will be.

        `received_us` and `itself` are of the request that asks, if one does.
        """
        money = self.money(client, us) if not money_facts.FIELDS.isdisjoint(wanted) else None
        clocks = RequestClocks(self.times(client, us, money, received_us or us))
        facts: dict[str, Canonical | None] = clocks.facts_at(us, (key for key in wanted if key in CLOCK_FIELDS))
        facts |= {key: value for key, value in self._card(client, us).items() if key in wanted}
        last, talk, refusal = client.last_contact(us), client.last_talk(us), client.last_refusal(us)
        noted: dict[str, Canonical | None] = {
            "client.last_outcome": last.outcome or None if last else None,
            "client.asked_to_call_on": self._day(talk.asked_us) if talk and talk.asked_us else None,
            "client.refusal_reason": refusal[3] if refusal else None,
            "client.has_open_request": any(
                one.id != itself
                and not one.is_history
                and one.received_us <= us
                and (one.closed_us is None or one.closed_us > us)
                for one in client.requests
            ),
        }
        facts |= {key: value for key, value in noted.items() if key in wanted}
        if money is not None:
            known = {
                **money_facts.facts_of(money),
                **money_facts.old_and_new(money, from_us(us if received_us is None else received_us)),
            }
            facts |= {key: value for key, value in known.items() if key in wanted}
        return {key: value for key, value in facts.items() if value is not None}, clocks

    def times(self, client: PastClient, us: int, money: ClientMoney | None, received_us: int) -> RequestTimes:
        """Return the instants of a client as the clocks of a request or a call need them."""
        company = self._picture.company_calendar
        owner = self._picture.managers.get(client.card.owner_id or 0)
        last = client.last_contact(us)
        ends = client.card.contract_ends_on
        return RequestTimes(
            company=company,
            received_us=received_us,
            owner=owner.hours if owner else None,
            owner_absences=owner.away if owner else (),
            last_contact_day=company.local_day_us(last.at_us) if last else None,
            contract_ends_day=ends.toordinal() if ends else None,
            money=money,
        )

    def _card(self, client: PastClient, us: int) -> dict[str, Canonical | None]:
        card = client.card
        consent: date | None = card.consent_on
        return {
            "client.segment": card.segment or None,
            "client.owner": self._picture.login_of(card.owner_id),
            "client.region": _text(card.region),
            "client.tags": tuple(text for value in card.tags or () if (text := canonical_text(value))) or None,
            "client.do_not_call": client.asked_not_to_be_called(us),
            "client.consent_to_offers": consent is not None and consent.toordinal() <= self._day(us),
        }

    def _day(self, us: int) -> int:
        return self._picture.company_calendar.local_day_us(us)

    def _read(self, ids: list[int]) -> None:
        here = {"clients": ids}
        found = {card.id: PastClient(card.id, card) for card in rows(self._session, _CARDS, here)}
        for row in rows(self._session, _CONTACTS, here):
            found[row.client_id].contacts.append(
                PastContact(row.id, row.at, row.kind, row.direction, row.outcome, row.reason, row.asked_at)
            )
        for row in rows(self._session, _REQUESTS, here):
            refusal = row.close_reason if row.status is RequestStatus.LOST else None
            found[row.client_id].requests.append(
                PastRequest(row.id, row.received_at, row.closed_at, refusal, row.is_history)
            )
        payments = sorted(
            money_facts.payments_of(self._session, ids, with_vat=self._with_vat),
            key=lambda one: (one[2].at_us, one[2].id),
        )
        for client_id, booked_us, paid in payments:
            found[client_id].paid.append(paid)
            found[client_id].booked_us.append(booked_us)
        for row in rows(self._session, SHARED_NUMBERS, here):
            found[row.client_id].sharing.add(row.other_id)
        groups = sorted({one.card.group_id for one in found.values() if one.card.group_id} - self._groups.keys())
        self._groups |= money_facts.first_paid_of_groups(self._session, groups)
        self._known |= found


def with_segment(facts: Facts, segment: str | None) -> Facts:
    """Return the facts of a client who is in another segment by now."""
    changed = {key: value for key, value in facts.items() if key != "client.segment"}
    return {**changed, "client.segment": segment} if segment else changed


def _text(value: str | None) -> str | None:
    return (canonical_text(value) or None) if value else None


def _us(column: Any) -> Any:
    return type_coerce(column, BigInteger)


_IDS: Final[Any] = bindparam("clients", expanding=True)
_CARDS: Final = select(
    Client.id,
    Client.owner_id,
    Client.cover_id,
    Client.group_id,
    Client.segment,
    Client.region,
    Client.tags,
    Client.do_not_call,
    Client.consent_on,
    Client.contract_ends_on,
    Client.created_at,
).where(Client.id.in_(_IDS))
_CONTACTS: Final = (
    select(
        Contact.id,
        Contact.client_id,
        _us(Contact.at).label("at"),
        Contact.kind,
        Contact.direction,
        Contact.outcome,
        Contact.reason,
        _us(Contact.asked_to_call_at).label("asked_at"),
    )
    .where(Contact.client_id.in_(_IDS), Contact.is_automatic.is_(False))
    .order_by(Contact.client_id, Contact.at, Contact.id)
)
_REQUESTS: Final = (
    select(
        Request.id,
        Request.client_id,
        _us(Request.received_at).label("received_at"),
        _us(Request.closed_at).label("closed_at"),
        Request.status,
        Request.close_reason,
        Request.is_history,
    )
    .where(Request.client_id.in_(_IDS))
    .order_by(Request.client_id, Request.received_at, Request.id)
)
