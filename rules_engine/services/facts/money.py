"""What the payments of clients say, read for any number of clients at once, and the norms for those with too few."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final

from sqlalchemy import BindParameter, Row, Select, bindparam, func, select
from sqlalchemy.orm import Session, aliased

from rules_engine.decisions.client_intervals import ClientMoney, Norms, Paid, money_of, norms_of
from rules_engine.decisions.instants import to_us
from rules_engine.language.values import Canonical
from rules_engine.models import Client, Payment, UtcDateTime
from rules_engine.services.company.reference import reference
from rules_engine.services.records import settings_store
from rules_engine.services.records.reading import rows

_EVER: Final = datetime(9999, 12, 31, tzinfo=UTC)
_NORMS: Final = "usual_intervals"
_BATCH: Final = 10_000
"""Clients in one statement: SQLite bears no more than 32,766 parameters."""

FIELDS: Final = frozenset(
    {
        "client.is_old",
        "client.is_new",
        "client.payments_count",
        "client.revenue_total",
        "client.revenue_365d",
        "client.average_payment",
        "client.days_since_last_payment",
        "client.silence_before_payment_days",
        "client.usual_interval_days",
        "client.overdue_ratio",
        "client.expected_need_in_days",
    }
)
"""The fields of the vocabulary that payments fill."""
_PLAIN: Final = (
    "payments_count",
    "revenue_total",
    "revenue_365d",
    "average_payment",
    "silence_before_payment_days",
    "usual_interval_days",
)
CLOCKS: Final = ("days_since_last_payment", "overdue_ratio", "expected_need_in_days")
"""Those that time moves: `ClientMoney.clock`."""


def client_money(session: Session, client_ids: Collection[int], now: datetime) -> dict[int, ClientMoney]:
    """Return what the payments up to `now` say of each of these clients; for who never paid it is empty.

    Two queries for up to 10,000 clients: one reads their payments, the other, only where a client belongs to a group
    of firms, when its group paid first. Money counts with or without VAT, as the setting says.
    """
    found: dict[int, ClientMoney] = {}
    with_vat = counts_vat(session)
    norms = stored_norms(session)
    ids = sorted(set(client_ids))
    for start in range(0, len(ids), _BATCH):
        batch = ids[start : start + _BATCH]
        of_clients = [(head, list(paid)) for head, paid in _grouped(session, _OF_CLIENTS, {"clients": batch}, with_vat)]
        groups = sorted({head.group_id for head, _ in of_clients if head.group_id is not None})
        first_of = _first_of_groups(session, groups, now)
        for head, paid in of_clients:
            found[head.client_id] = money_of(
                paid,
                to_us(now),
                segment=head.segment,
                norms=norms,
                first_paid_in_group_at=first_of.get(head.group_id),
            )
    return found


def payments_of(session: Session, client_ids: Collection[int], *, with_vat: bool) -> Iterator[tuple[int, int, Paid]]:
    """Yield all payments of these clients (at most 10,000): the client, when it was booked (in µs), the payment."""
    for row in rows(session, _OF_CLIENTS, {"clients": sorted(client_ids)}):
        if row.id is not None:
            yield row.client_id, to_us(row.booked_at), _paid(row, with_vat)


def first_paid_of_groups(session: Session, group_ids: Collection[int]) -> dict[int, int]:
    """Return when each of these groups of firms paid first, in UTC microseconds; those that never did are left out."""
    if not group_ids:
        return {}
    found = rows(session, _FIRST_OF_GROUPS, {"groups": sorted(group_ids), "now": _EVER})
    return {group_id: to_us(at) for group_id, at in found}


def facts_of(money: ClientMoney, names: Iterable[str] = _PLAIN) -> dict[str, Canonical]:
    """Return the facts that time does not move, by key of the vocabulary; empty ones are left out.

    `is_old` and `is_new` depend on what is looked at: see `old_and_new`.
    """
    seen = {f"client.{name}": getattr(money, name) for name in names if name in _PLAIN}
    return {key: value for key, value in seen.items() if value is not None}


def old_and_new(money: ClientMoney, at: datetime) -> dict[str, Canonical]:
    """Return whether the client (or a firm of his group) paid before `at`, and whether he has not paid at all yet.

    For a request `at` is when it was received, for a callback the present.
    """
    first = money.first_paid_in_group_at
    return {"client.is_old": first is not None and first < at, "client.is_new": first is None}


def counts_vat(session: Session) -> bool:
    """Return whether measures and facts count money with VAT, as the setting says."""
    return settings_store.choice(session, settings_store.PAYMENTS_VAT) == "with"


def stored_norms(session: Session) -> Norms:
    """Return the usual intervals of services, segments and all clients as they were last reckoned."""
    document = _stored(session)
    return Norms(document["by_service"], document["by_segment"], document["of_all"]) if document else Norms()


def refresh_norms(session: Session, now: datetime) -> Norms:
    """Reckon the usual intervals of services, segments and all clients from every payment up to `now`; keep them.

    Reads all payments: after an import and once a day, never for a decision.
    """
    norms = reckon_norms(session, now)
    keep_norms(session, norms, now)
    return norms


def reckon_norms(session: Session, now: datetime) -> Norms:
    """Return what `refresh_norms` keeps; a session that only reads is enough."""
    of_all = (
        (head.segment, list(paid)) for head, paid in _grouped(session, _OF_ALL, {"now": now}, counts_vat(session))
    )
    return norms_of(of_all)


def keep_norms(session: Session, norms: Norms, now: datetime) -> None:
    """Keep norms that were reckoned at `now`."""
    document = {
        "on": f"{reference(session).day_of(now)}",
        "by_service": norms.by_service,
        "by_segment": norms.by_segment,
        "of_all": norms.of_all,
    }
    settings_store.put(session, _NORMS, json.dumps(document, ensure_ascii=False, sort_keys=True))


def norms_are_old(session: Session, now: datetime) -> bool:
    """Return whether the norms were last reckoned on another day than that of `now`, or never."""
    document = _stored(session)
    return document is None or document["on"] != f"{reference(session).day_of(now)}"


def _stored(session: Session) -> dict[str, Any] | None:
    stored = settings_store.all_rows(session).get(_NORMS)
    if stored is None:
        return None
    document: dict[str, Any] = json.loads(stored)
    return document


def _first_of_groups(session: Session, groups: Collection[int], now: datetime) -> Mapping[int | None, datetime]:
    if not groups:
        return {}
    return dict(rows(session, _FIRST_OF_GROUPS, {"groups": groups, "now": now}))


def _grouped(
    session: Session, statement: Select[*tuple[Any, ...]], values: Mapping[str, Any], with_vat: bool
) -> Iterator[tuple[Row[*tuple[Any, ...]], Iterator[Paid]]]:
    """Yield the first row of each client with his payments; a client without payments has none."""
    for _, of_client in groupby(rows(session, statement, values), key=lambda row: row.client_id):
        of_client_rows = list(of_client)
        yield of_client_rows[0], (_paid(row, with_vat) for row in of_client_rows if row.id is not None)


def _paid(row: Row[*tuple[Any, ...]], with_vat: bool) -> Paid:
    amount = row.amount_minor if with_vat else row.amount_minor - (row.vat_minor or 0)
    return Paid(row.id, row.paid_on.toordinal(), to_us(row.paid_at), amount, row.service, row.reverses_id)


_CLIENTS: Final[BindParameter[list[int]]] = bindparam("clients", expanding=True)
_GROUPS: Final[BindParameter[list[int]]] = bindparam("groups", expanding=True)
_NOW: Final[BindParameter[datetime]] = bindparam("now", type_=UtcDateTime())
_COLUMNS: Final = (
    Client.id.label("client_id"),
    Client.group_id,
    Client.segment,
    Payment.id,
    Payment.paid_on,
    Payment.paid_at,
    Payment.amount_minor,
    Payment.vat_minor,
    Payment.service,
    Payment.reverses_id,
    Payment.booked_at,
)
_OF_CLIENTS: Final = (
    select(*_COLUMNS)
    .outerjoin(Payment, Payment.client_id == Client.id)
    .where(Client.id.in_(_CLIENTS))
    .order_by(Client.id)
)
_OF_ALL: Final = (
    select(*_COLUMNS).join(Payment, Payment.client_id == Client.id).where(Payment.paid_at <= _NOW).order_by(Client.id)
)
_member = aliased(Client)
_FIRST_OF_GROUPS: Final = (
    select(_member.group_id, func.min(Payment.paid_at))
    .join(Payment, Payment.client_id == _member.id)
    .where(_member.group_id.in_(_GROUPS), Payment.amount_minor > 0, Payment.paid_at <= _NOW)
    .group_by(_member.group_id)
)
