"""Payments come in: each is stored once, matched, classed as new or old money, and credited to whoever earned it.

By REST one at a time, by import some hundreds at a time: both take the same way, whose queries do not grow in number
with the rows. What a person must look at is booked all the same and listed (see mending.py).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import Table, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from rules_engine.db import is_sqlite, settings_of
from rules_engine.errors import Conflict, InputError, PravilaError
from rules_engine.models import MoneyClass, Payment, PaymentCredit, PaymentKind, WorkKind
from rules_engine.services.company.reference import Reference, reference
from rules_engine.services.money import classes as payments_classes
from rules_engine.services.money import matching, refunds
from rules_engine.services.money.classes import Classes
from rules_engine.services.money.credits import WHOLE_BP, set_credits, write_credits
from rules_engine.services.money.incoming_money import PaymentIn
from rules_engine.services.money.matching import NO_MANAGER, REVERSES_UNKNOWN, Draft
from rules_engine.services.money.mending import resolve, unmatched
from rules_engine.services.queue import work
from rules_engine.services.records.inserting import insert_if_new
from rules_engine.services.records.outcome import Outcome
from rules_engine.services.records.reading import rows
from rules_engine.services.records.writing import add_rows
from rules_engine.services.requests import marks, waiting

__all__ = ["Booked", "PaymentIn", "body_hash", "book", "book_many", "by_key", "resolve", "set_credits", "unmatched"]

BATCH: Final = 500
EARLIEST: Final = datetime(1950, 1, 2, tzinfo=UTC)
AHEAD: Final = timedelta(days=1)
"""How far the clock of a sender may be ahead of ours."""
_RUBLE: Final = frozenset({"RUB", "RUR", "РУБ", "РУБ.", "Р", "Р.", "₽", "643"})


@dataclass(frozen=True, slots=True)
class Booked:
    """The stored payment, and whether this delivery stored it."""

    payment: Payment
    created: bool


def book(session: Session, data: PaymentIn, *, now: datetime, actor: str, history: bool = False) -> Booked:
    """Book a payment, or find it where the same was delivered before.

    Raises Conflict for another body under the same key, InputError for an instant, a currency or a refund that cannot
    be, and for a tax number without a key that several clients have.
    """
    (outcome,) = book_many(session, [data], now=now, actor=actor, history=history)
    if isinstance(outcome, PravilaError):
        raise outcome
    payment = by_key(session, data.source, data.external_id)
    if payment is None:  # pragma: no cover - it was stored a moment ago
        raise LookupError(f"payment {data.source}/{data.external_id} vanished")
    return Booked(payment, outcome is Outcome.CREATED)


def book_many(
    session: Session, data: Sequence[PaymentIn], *, now: datetime, actor: str, history: bool = False
) -> list[Outcome | PravilaError]:
    """Book many payments and return for each whether it was created, unchanged, or why it is refused.

    Each client who paid is looked at as of his last payment. Refunds are booked after what was paid, 500 rows at a
    time. With `history` nobody needs to look at what cannot be credited to anybody.
    """
    outcomes: list[Outcome | PravilaError] = []
    for start in range(0, len(data), BATCH):
        outcomes += _Batch(session, now, actor, data[start : start + BATCH], history=history).book()
    return outcomes


def by_key(session: Session, source: str, external_id: str) -> Payment | None:
    """Return the payment with this key in another system, as it is stored now."""
    return session.scalars(_BY_KEY, {"its_source": source, "its_id": external_id}).one_or_none()


def body_hash(data: PaymentIn) -> str:
    """Return the SHA-256 of the canonical body: instants in UTC, empty fields left out, keys sorted."""
    document = data.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    text = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class _Batch:
    """Some hundred payments on their way in. `outcomes` has a place for each; `drafts` those still to be booked."""

    def __init__(
        self, session: Session, now: datetime, actor: str, data: Sequence[PaymentIn], *, history: bool
    ) -> None:
        self.session = session
        self.now = now
        self.actor = actor
        self.is_history = history
        self.data = data
        self.picture: Reference = reference(session)
        self.outcomes: list[Outcome | PravilaError | None] = [None] * len(data)
        self.drafts: dict[int, Draft] = {}
        self.repeats: dict[int, int] = {}

    def book(self) -> list[Outcome | PravilaError]:
        self._draft()
        self._drop_known()
        places = list(self.drafts)
        refused = matching.find_clients(self.session, [self.drafts[place] for place in places], self.now)
        for index, problem in refused.items():
            self._refuse(places[index], problem)
        drafts = list(self.drafts.values())
        matching.find_requests(self.session, drafts, self.picture, history=self.is_history)
        self._wake_clients(drafts)
        classes = payments_classes.classes_of(self.session, {draft.client.payer for draft in drafts})
        received = {place: draft for place, draft in self.drafts.items() if not draft.data.is_refund}
        for draft in received.values():
            if draft.amount_minor > 0:
                classes.add(draft.client.payer, draft.paid_on)
        self._store(received, classes)
        if classes.late:
            payments_classes.reclassify(self.session, classes.late, self.actor)
        refunds.link_waiting(self.session, [draft.key for draft in received.values()])
        for place, draft in self.drafts.items():
            if draft.data.is_refund:
                self._pay_back(place, draft, classes)
        for place, first in self.repeats.items():
            found = self.outcomes[first]
            self.outcomes[place] = Outcome.UNCHANGED if found is Outcome.CREATED else found
        return [cast(Outcome | PravilaError, outcome) for outcome in self.outcomes]

    def _draft(self) -> None:
        currency = settings_of(self.session).currency
        first: dict[tuple[str, str], int] = {}
        for place, data in enumerate(self.data):
            problem = _impossible(data, self.now, currency)
            if problem is not None:
                self.outcomes[place] = problem
                continue
            draft = self._new_draft(data)
            known = first.setdefault(draft.key, place)
            if known == place:
                self.drafts[place] = draft
            elif self.drafts[known].digest == draft.digest:
                self.repeats[place] = known
            else:
                self.outcomes[place] = _conflict(data)

    def _new_draft(self, data: PaymentIn) -> Draft:
        day = self.picture.day_of(data.paid_at)
        month = f"{day:%Y-%m}"
        return Draft(data, body_hash(data), data.signed_minor, data.signed_vat_minor, day, month)

    def _drop_known(self) -> None:
        by_source: dict[str, list[str]] = {}
        for draft in self.drafts.values():
            by_source.setdefault(draft.data.source, []).append(draft.data.external_id)
        known = {
            (source, row.external_id): row.body_hash
            for source, ids in by_source.items()
            for row in rows(self.session, _KNOWN, {"its_source": source, "ids": ids})
        }
        for place, draft in list(self.drafts.items()):
            digest = known.get(draft.key)
            if digest is not None:
                self._settle(place, Outcome.UNCHANGED if digest == draft.digest else _conflict(draft.data))

    def _wake_clients(self, drafts: Sequence[Draft]) -> None:
        """Have each client looked at when he paid last: what rules say about him may be different now."""
        wishes: dict[int, datetime] = {}
        for draft in drafts:
            at = draft.data.paid_at
            wishes[draft.client.id] = max(at, wishes.get(draft.client.id, at))
        work.ask_many(self.session, WorkKind.CLIENT, wishes)
        if wishes:
            waiting.clients_changed(self.session, wishes, max(wishes.values()))
        if not self.is_history:
            paid = {draft.client.id: draft.data.paid_at for draft in drafts if not draft.data.is_refund}
            marks.tell_of_spam_that_pays(self.session, paid, self.now)

    def _store(self, received: Mapping[int, Draft], classes: Classes) -> None:
        if not received:
            return
        insert = sqlite.insert if is_sqlite(self.session) else postgresql.insert
        statement = (
            insert(_PAYMENTS)
            .on_conflict_do_nothing(index_elements=["source", "external_id"])
            .returning(_PAYMENTS.c.id, _PAYMENTS.c.source, _PAYMENTS.c.external_id)
        )
        values = {
            place: self._values(draft, classes.of(draft.client.payer, draft.paid_on))
            for place, draft in received.items()
        }
        stored = self.session.connection().execute(statement, list(values.values()))
        ids = {(row.source, row.external_id): row.id for row in stored}
        credits: list[dict[str, Any]] = []
        for place, draft in received.items():
            payment_id = ids.get(draft.key)
            if payment_id is None:
                self.outcomes[place] = self._came_twice(draft)
                continue
            self.outcomes[place] = Outcome.CREATED
            if draft.manager_id is not None:
                credits.append(_credit(payment_id, draft, values[place]["money_class"]))
        add_rows(self.session, PaymentCredit, credits)

    def _pay_back(self, place: int, draft: Draft, classes: Classes) -> None:
        try:
            found = refunds.find_target(self.session, draft)
        except InputError as problem:
            self.outcomes[place] = problem
            return
        shares = refunds.shares_of(found) if found is not None else []
        cause = draft.cause
        if found is None:
            draft.problems.append(REVERSES_UNKNOWN)
        elif shares:
            draft.manager_id, cause = found.manager_id, found.credits[0].cause
        if not shares and draft.manager_id is not None:
            shares = refunds.whole(draft.manager_id)
        if not shares and not self.is_history:
            draft.problems.append(NO_MANAGER)
        money_class = classes.of(draft.client.payer, draft.paid_on) if found is None else found.money_class
        values = self._values(draft, money_class) | {"reverses_id": found.id if found else None}
        payment_id = insert_if_new(self.session, Payment, values, ("source", "external_id"))
        if payment_id is None:
            self.outcomes[place] = self._came_twice(draft)
            return
        if shares:
            write_credits(self.session, self.session.get_one(Payment, payment_id), shares, cause)
        self.outcomes[place] = Outcome.CREATED

    def _values(self, draft: Draft, money_class: MoneyClass) -> dict[str, Any]:
        data = draft.data
        return {
            "source": data.source,
            "external_id": data.external_id,
            "body_hash": draft.digest,
            "client_id": draft.client.id,
            "request_id": draft.request_id,
            "manager_id": draft.manager_id,
            "invoice": data.invoice,
            "service": data.service,
            "organization": data.organization,
            "purpose": data.purpose,
            "kind": PaymentKind.REFUND if data.is_refund else PaymentKind(data.kind),
            "paid_at": data.paid_at,
            "paid_on": draft.paid_on,
            "month": draft.month,
            "amount_minor": draft.amount_minor,
            "vat_minor": draft.vat_minor,
            "money_class": money_class,
            "reverses_external_id": data.reverses.external_id if data.reverses else None,
            "is_unmatched": bool(draft.problems),
            "problems": list(draft.problems),
            "booked_at": self.now,
        }

    def _came_twice(self, draft: Draft) -> Outcome | PravilaError:
        """Return what becomes of a payment that another transaction has just stored under the same key."""
        stored = rows(self.session, _KNOWN, {"its_source": draft.data.source, "ids": [draft.data.external_id]})
        is_same = bool(stored) and stored[0].body_hash == draft.digest
        return Outcome.UNCHANGED if is_same else _conflict(draft.data)

    def _refuse(self, place: int, problem: PravilaError) -> None:
        self._settle(place, problem)

    def _settle(self, place: int, outcome: Outcome | PravilaError) -> None:
        self.outcomes[place] = outcome
        del self.drafts[place]


def _impossible(data: PaymentIn, now: datetime, currency: str) -> InputError | None:
    if data.paid_at < EARLIEST:
        return InputError(path="paid_at", ru="время раньше 1950 года", en="is before the year 1950")
    if data.paid_at > now + AHEAD:
        return InputError(path="paid_at", ru="время ещё не наступило", en="has not come yet")
    if data.currency is None:
        return None
    written = data.currency.upper()
    if written == currency or (currency == "RUB" and written in _RUBLE):
        return None
    return InputError(
        path="currency",
        ru=f"валюта {data.currency}: оплаты ведутся в {currency}, переведите сумму по курсу дня",
        en=f"the currency is {data.currency}: payments are kept in {currency}, convert it at the rate of the day",
    )


def _conflict(data: PaymentIn) -> Conflict:
    return Conflict(
        ru=f"оплата {data.source}/{data.external_id} уже принята с другим содержанием",
        en=f"payment {data.source}/{data.external_id} was accepted with another body",
    )


def _credit(payment_id: int, draft: Draft, money_class: MoneyClass) -> dict[str, Any]:
    return {
        "payment_id": payment_id,
        "manager_id": draft.manager_id,
        "share_bp": WHOLE_BP,
        "amount_minor": draft.amount_minor,
        "vat_minor": draft.vat_minor or 0,
        "month": draft.month,
        "money_class": money_class,
        "cause": draft.cause,
    }


_PAYMENTS: Final = cast(Table, Payment.__table__)
_BY_KEY: Final = (
    select(Payment)
    .where(Payment.source == bindparam("its_source"), Payment.external_id == bindparam("its_id"))
    .execution_options(populate_existing=True)
)
_KNOWN: Final = select(Payment.external_id, Payment.body_hash).where(
    Payment.source == bindparam("its_source"), Payment.external_id.in_(bindparam("ids", expanding=True))
)
