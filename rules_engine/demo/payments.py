"""What invented clients pay: in parts, sometimes back, and the old ones again and again at their own pace."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Any

from rules_engine.demo.requests import MONTHS, median_amount

ORGANIZATION = "ООО «Сеть услуг»"
PAUSE_DAYS = {"хостинг": 90, "сайт": 220, "поддержка": 30, "реклама": 45, "дизайн": 150, "домены": 180}
"""The median time to the next purchase of a service."""
_IN_PARTS = 0.55
_PAID_BACK = 0.03


@dataclass(frozen=True, slots=True)
class InventedPayment:
    """One payment. `request` is the number of the request that it is for; None: the client came by himself."""

    external_id: str
    paid_at: datetime
    amount: Decimal
    kind: str
    service: str
    client: str | None
    request: str | None = None
    invoice: str | None = None
    reverses: str | None = None

    def without_request(self) -> "InventedPayment":
        """Return the same payment of a client who ordered on the phone: there is an invoice and no request."""
        return replace(self, request=None)

    def row(self) -> dict[str, str]:
        """Return it as a row of a file of payments."""
        columns = {
            "external_id": self.external_id, "client_external_id": self.client, "request_external_id": self.request,
            "invoice": self.invoice, "service": self.service, "organization": ORGANIZATION,
            "paid_at": self.paid_at.isoformat(), "amount": f"{self.amount:.2f}", "kind": self.kind,
            "vat_amount": f"{_vat(self.amount):.2f}", "reverses_external_id": self.reverses,
        }  # fmt: skip
        return {name: value or "" for name, value in columns.items()}

    def document(self, source: str, client: Mapping[str, str]) -> dict[str, Any]:
        """Return it as the interface takes it; `client` and everything it names are keys of `source`."""
        body: dict[str, Any] = {
            "source": source, "external_id": self.external_id, "client": dict(client), "service": self.service,
            "organization": ORGANIZATION, "paid_at": self.paid_at.isoformat(), "amount": f"{self.amount:.2f}",
            "vat_amount": f"{_vat(self.amount):.2f}", "kind": self.kind,
        }  # fmt: skip
        if self.invoice:
            body["invoice"] = self.invoice
        if self.request:
            body["request"] = {"source": source, "external_id": self.request}
        if self.reverses:
            body["reverses"] = {"source": source, "external_id": self.reverses}
        return body


def of_request(
    number: str,
    amount: Decimal,
    service: str,
    client: str | None,
    closed_at: datetime,
    random: Random,
    *,
    days: float = 1,
) -> Iterator[InventedPayment]:
    """Yield what comes of a won request: one payment or two parts of it, of some a part paid back.

    `days` is how long a day of waiting lasts: a live demo does not wait for weeks.
    """
    invoice = f"С-{number}"
    first_at = closed_at + days * timedelta(days=random.randint(0, 3), minutes=random.randint(5, 300))
    parts = [(f"P-{number}", first_at, amount, "payment")]
    if random.random() < _IN_PARTS:
        before = _hundreds(amount * random.choice((Decimal("0.3"), Decimal("0.5"))))
        rest_at = first_at + days * timedelta(days=random.randint(8, 26), minutes=random.randint(0, 200))
        rest = (f"P-{number}-2", rest_at, amount - before, "payment")
        parts = [(f"P-{number}", first_at, before, "prepayment"), rest]
    for external_id, at, part, kind in parts:
        if part > 0:
            yield InventedPayment(external_id, at, part, kind, service, client, number, invoice)
    if random.random() < _PAID_BACK:
        last_id, last_at, last, _ = parts[-1]
        back = _hundreds(last * random.choice((Decimal("0.4"), Decimal(1))))
        if 0 < back <= last:
            at = last_at + days * timedelta(days=random.randint(4, 30))
            yield InventedPayment(f"{last_id}-R", at, -back, "refund", service, client, number, invoice, last_id)


def before_the_past(client: str, service: str, from_: datetime, random: Random) -> InventedPayment:
    """Return the purchase by which an old client was one already when the story begins."""
    at = from_ - timedelta(days=random.randint(62, 300), minutes=random.randrange(600))
    amount = _hundreds(median_amount(service) * Decimal("0.6")) or Decimal("300.00")
    return InventedPayment(f"O-{client}-0", at, amount, "payment", service, client, None, f"С-{client}-0")


def of_old_client(
    client: str, service: str, from_: datetime, until: datetime, random: Random
) -> Iterator[InventedPayment]:
    """Yield the purchases of an old client who comes by himself, until he falls silent or `until`."""
    pause = PAUSE_DAYS[service] * math.exp(random.gauss(0, 0.35))
    usual = float(median_amount(service)) * 0.6 * math.exp(random.gauss(0, 0.5))
    at = from_ + timedelta(days=random.uniform(0, pause))
    number = 0
    while at < until:
        number += 1
        season = MONTHS[at.month - 1]
        amount = max(Decimal(300), _hundreds(Decimal(usual * season * math.exp(random.gauss(0, 0.2)))))
        invoice = f"С-{client}-{number}"
        yield InventedPayment(f"O-{client}-{number}", at, amount, "payment", service, client, None, invoice)
        # Some leave without a word: nobody calls them, so nobody knows.
        silent = random.random()
        if silent < 0.05:
            return
        days = pause * random.uniform(0.75, 1.3) + (random.uniform(120, 260) if silent < 0.1 else 0)
        at = (at + timedelta(days=days)).replace(hour=random.randint(6, 14), minute=random.randrange(60))


def _hundreds(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("1e2"), ROUND_HALF_UP).quantize(Decimal("0.01"))


def _vat(amount: Decimal) -> Decimal:
    """The 20 % that are contained in an amount."""
    return (amount / 6).quantize(Decimal("0.01"), ROUND_HALF_UP)
