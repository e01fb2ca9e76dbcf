"""The months before Pravila: what the company's 1C knows of them, as the files that `pravila import --history` takes.

Requests were shared out evenly and handled as each manager liked; of the old clients hardly any was called.
"""

import csv
import gzip
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

from rules_engine.demo import payments
from rules_engine.demo.behaviour import Character
from rules_engine.demo.company import REGIONS, SERVICES, contact_name, firm_name
from rules_engine.demo.payments import InventedPayment
from rules_engine.demo.requests import InventedRequest, invent, mean_amount_rank, median_amount

SOURCE = "1c"
CALLS_TO_OLD_CLIENTS = 0.02
"""Of the purchases of an old client, how many were followed by a call: nobody asks for it."""


@dataclass(frozen=True, slots=True)
class Card:
    """An invented client as the registry has him."""

    external_id: str
    name: str
    region: str
    phone: str
    owner: str | None
    inn: str | None
    person: str
    consent_on: date | None
    contract_ends_on: date | None
    service: str


@dataclass(slots=True)
class Past:
    """Rows for the four files, and the payments that fall into the time after them."""

    clients: list[dict[str, str]] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)
    contacts: list[dict[str, str]] = field(default_factory=list)
    payments: list[dict[str, str]] = field(default_factory=list)
    later: list[InventedPayment] = field(default_factory=list)

    def pay(self, paid: Iterator[InventedPayment], until: datetime, end: datetime) -> None:
        for payment in paid:
            if payment.paid_at < until:
                self.payments.append(payment.row())
            elif payment.paid_at < end:
                self.later.append(payment)


def invent_past(
    *, from_: datetime, until: datetime, end: datetime, per_month: int, founders: int, managers: Sequence[str],
    seed: int, zone: ZoneInfo,
) -> Past:  # fmt: skip
    """Return the past `[from_, until)` of a company with `founders` clients at its beginning.

    Old clients go on paying until `end`. The same arguments give the same past.
    """
    random = Random(f"{seed}:past")
    past = Past()
    cards = [_founder(number, managers, random, until) for number in range(founders)]
    for card in cards:
        past.clients.append(_client_row(card))
        _buy_again(past, card, from_, until, end, random)
    asked = invent(from_=from_, until=until, per_month=per_month, clients=founders, seed=seed + 1000, zone=zone)
    characters = {login: Character.of(login, seed) for login in managers}
    for number, request in enumerate(asked):
        login = managers[number % len(managers)]
        known = cards[request.client] if request.client is not None else None
        _live_through(past, request, number, login, characters[login], known, until, end, random)
    return past


def founder_id(number: int) -> str:
    """Return the key of one of the clients whom the company had from the beginning."""
    return f"K-{number + 1:05d}"


def _founder(number: int, managers: Sequence[str], random: Random, today: datetime) -> Card:
    region, code, _ = random.choices(REGIONS, [share for *_, share in REGIONS])[0]
    service = random.choices([name for name, _ in SERVICES], [share for _, share in SERVICES])[0]
    contract = (today + timedelta(days=random.randint(-60, 300))).date() if service == "поддержка" else None
    return Card(
        external_id=founder_id(number),
        name=firm_name(random, number),
        region=region,
        # The exchange 000 is never given out, so that nobody's telephone rings.
        phone=f"+7{code}000{number % 10_000:04d}",
        owner=random.choice(managers) if random.random() < 0.85 else None,
        inn=f"{random.randrange(10**9):010d}" if random.random() < 0.9 else None,
        person=contact_name(random),
        consent_on=(today - timedelta(days=random.randint(200, 900))).date() if random.random() < 0.6 else None,
        contract_ends_on=contract,
        service=service,
    )


def _client_row(card: Card) -> dict[str, str]:
    return {
        "external_id": card.external_id, "name": card.name, "inn": card.inn or "", "phones": card.phone,
        "contact_person": card.person, "region": card.region, "owner": card.owner or "",
        "consent_on": card.consent_on.isoformat() if card.consent_on else "",
        "consent_source": "договор" if card.consent_on else "",
        "contract_ends_on": card.contract_ends_on.isoformat() if card.contract_ends_on else "",
    }  # fmt: skip


def _buy_again(past: Past, card: Card, from_: datetime, until: datetime, end: datetime, random: Random) -> None:
    bought_before = payments.before_the_past(card.external_id, card.service, from_, random)
    past.payments.append(bought_before.row())
    for payment in payments.of_old_client(card.external_id, card.service, from_, end, random):
        past.pay(iter((payment,)), until, end)
        if card.owner and payment.paid_at < until and random.random() < CALLS_TO_OLD_CLIENTS:
            at = payment.paid_at + timedelta(days=random.randint(5, 20))
            if at < until:
                past.contacts.append(
                    {
                        "external_id": f"T-{payment.external_id}", "client_external_id": card.external_id,
                        "manager": card.owner, "at": at.isoformat(), "kind": "call", "direction": "out",
                        "outcome": random.choice(("answered", "not_now", "not_reached")),
                        "duration_seconds": str(random.randint(12, 400)), "proof": "confirmed",
                    }
                )  # fmt: skip


def _live_through(
    past: Past, request: InventedRequest, number: int, login: str, character: Character, known: Card | None,
    until: datetime, end: datetime, random: Random,
) -> None:  # fmt: skip
    """Write down what became of one request: who had it, when he answered, how it ended, what was paid."""
    external_id = f"H-{number + 1:06d}"
    amount_minor = int(request.amount * 100) if request.amount is not None else None
    rank = mean_amount_rank(request.service, amount_minor)
    answers = random.random() < character.will_answer(rank) * 0.93
    waited = character.pace * math.exp(random.gauss(0.6, 1.0)) if answers else random.uniform(200, 2500)
    is_answered = answers or random.random() < 0.35
    answered_at = request.received_at + timedelta(minutes=max(2.0, waited))
    closed_at = min(answered_at + timedelta(days=random.uniform(0.5, 12)), until - timedelta(minutes=1))
    wins = is_answered and random.random() < 0.36 * character.skill * (1.15 - 0.4 * rank)
    status = "won" if wins else "spam" if random.random() < 0.03 else "lost"
    row = {
        "external_id": external_id, "received_at": request.received_at.isoformat(), "service": request.service,
        "channel": request.channel, "region": request.region, "text": request.text, "manager": login,
        "amount": f"{request.amount:.2f}" if request.amount is not None else "", "status": status,
        "assigned_at": (request.received_at + timedelta(seconds=40)).isoformat(),
        "first_answer_at": answered_at.isoformat() if is_answered and answered_at < closed_at else "",
        "closed_at": closed_at.isoformat(), "client_external_id": "", "client_name": "", "client_phone": "",
    }  # fmt: skip
    if known is not None:
        row["client_external_id"] = known.external_id
    elif wins:
        # Who orders gets a card, and stays with the manager who won him.
        card = Card(
            external_id=f"N-{number + 1:06d}", name=request.name, region=request.region, phone=request.phone,
            owner=login, inn=None, person=contact_name(random),
            consent_on=closed_at.date() if random.random() < 0.5 else None, contract_ends_on=None,
            service=request.service,
        )  # fmt: skip
        past.clients.append(_client_row(card))
        row["client_external_id"] = card.external_id
        known = card
    else:
        row |= {"client_name": request.name, "client_phone": request.phone}
    past.requests.append(row)
    if wins and known is not None:
        amount = request.amount or median_amount(request.service)
        paid = payments.of_request(external_id, amount, request.service, known.external_id, closed_at, random)
        past.pay(paid, until, end)


def write_files(past: Past, folder: Path) -> Mapping[str, Path]:
    """Write the files and return where they are, in the order in which they must be taken in; an empty one is none."""
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    kinds = {
        "clients": past.clients, "requests": past.requests, "contacts": past.contacts, "payments": past.payments,
    }  # fmt: skip
    for kind, rows in kinds.items():
        if not rows:
            continue
        path = folder / f"{kind}.csv.gz"
        with gzip.open(path, "wt", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        written[kind] = path
    return written
