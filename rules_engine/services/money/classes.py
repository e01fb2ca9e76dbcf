"""New or old money: fixed when a payment is booked; an earlier one that comes late changes open months only."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, cast

from sqlalchemy import Row, Table, bindparam, func, select, update
from sqlalchemy.orm import Session

from rules_engine.decisions.client_intervals import is_new_money
from rules_engine.models import BonusPeriod, Client, MoneyClass, Payment, PaymentCredit, PeriodState
from rules_engine.services.records import audit, settings_store
from rules_engine.services.records.reading import rows


@dataclass(slots=True)
class Classes:
    """On which days whom paid, by payer (see FoundClient.payer), and the settings by which money is new or old.

    While nobody becomes new again the first day of each is enough. `late`: who paid before a day that was known.
    """

    new_days: int
    new_again_after: int
    days: dict[int, list[int]] = field(default_factory=dict)
    late: set[int] = field(default_factory=set)

    def add(self, payer: int, paid_on: date) -> None:
        """Note a payment above zero."""
        day = paid_on.toordinal()
        known = self.days.setdefault(payer, [])
        if known and day < (known[-1] if self.new_again_after else known[0]):
            self.late.add(payer)
        if day not in known:
            known.append(day)
            known.sort()

    def of(self, payer: int, paid_on: date) -> MoneyClass:
        is_new = is_new_money(
            self.days.get(payer, []),
            paid_on.toordinal(),
            new_days=self.new_days,
            new_again_after=self.new_again_after,
        )
        return MoneyClass.NEW if is_new else MoneyClass.OLD


def classes_of(session: Session, payers: Collection[int]) -> Classes:
    """Return on which days these payers are known to have paid."""
    found = Classes(
        settings_store.number(session, settings_store.NEW_CLIENT_DAYS),
        settings_store.number(session, settings_store.NEW_AGAIN_AFTER_DAYS),
    )
    clients = sorted(payer for payer in payers if payer > 0)
    groups = sorted(-payer for payer in payers if payer < 0)
    every_day = bool(found.new_again_after)
    for statement, ids, sign in (
        (_DAYS_OF_CLIENTS[every_day], clients, 1),
        (_DAYS_OF_GROUPS[every_day], groups, -1),
    ):
        if ids:
            for payer, day in rows(session, statement, {"ids": ids}):
                found.days.setdefault(sign * payer, []).append(day.toordinal())
    return found


def closed_months(session: Session) -> frozenset[str]:
    """Return the months whose bonus is closed."""
    return frozenset(session.scalars(select(BonusPeriod.month).where(BonusPeriod.state == PeriodState.CLOSED)))


def reclassify(session: Session, payers: Iterable[int], actor: str) -> int:
    """Bring the classes of all payments of these payers in open months to what is known now; return how many changed.

    A refund follows what it pays back. Each payer's changes are audited.
    """
    payers = sorted(set(payers))
    if not payers:
        return 0
    classes = classes_of(session, payers)
    closed = closed_months(session)
    changed: list[dict[str, Any]] = []
    by_payer: dict[int, dict[str, str]] = {}
    final: dict[int, MoneyClass] = {}
    # What is paid back comes before what pays it back.
    for payer, row in sorted(_payments_of(session, payers), key=lambda found: found[1].amount_minor < 0):
        wanted = final.get(row.reverses_id) if row.reverses_id is not None else None
        if wanted is None:
            wanted = classes.of(payer, row.paid_on)
        final[row.id] = row.money_class if row.month in closed else wanted
        if final[row.id] is not row.money_class:
            changed.append({"payment": row.id, "new_class": final[row.id]})
            by_payer.setdefault(payer, {})[str(row.id)] = final[row.id].value
    if changed:
        session.connection().execute(_CLASSIFY, changed)
        session.connection().execute(_CLASSIFY_CREDITS, changed)
        for known in list(session.identity_map.values()):
            if isinstance(known, Payment | PaymentCredit):
                session.expire(known)
    for payer, classes_now in sorted(by_payer.items()):
        audit.record(
            session,
            actor=actor,
            action="reclassify",
            subject_kind="client" if payer > 0 else "client_group",
            subject_id=abs(payer),
            after={"payments": classes_now},
        )
    return len(changed)


def _payments_of(session: Session, payers: Collection[int]) -> Iterator[tuple[int, Row[*tuple[Any, ...]]]]:
    clients = [payer for payer in payers if payer > 0]
    groups = [-payer for payer in payers if payer < 0]
    for statement, ids, sign in ((_OF_CLIENTS, clients, 1), (_OF_GROUPS, groups, -1)):
        if ids:
            for row in rows(session, statement, {"ids": ids}):
                yield sign * row.payer_id, row


def _days(by: Any) -> Mapping[bool, Any]:
    paid = select(by).where(by.in_(bindparam("ids", expanding=True)), Payment.amount_minor > 0)
    if by is Client.group_id:
        paid = paid.join(Payment, Payment.client_id == Client.id)
    return {
        False: paid.add_columns(func.min(Payment.paid_on, type_=Payment.paid_on.type)).group_by(by),
        True: paid.add_columns(Payment.paid_on).distinct().order_by(Payment.paid_on),
    }


_DAYS_OF_CLIENTS: Final = _days(Payment.client_id)
_DAYS_OF_GROUPS: Final = _days(Client.group_id)
_PAYMENTS: Final = cast(Table, Payment.__table__)
_CREDITS: Final = cast(Table, PaymentCredit.__table__)
_COLUMNS: Final = (
    Payment.id,
    Payment.paid_on,
    Payment.amount_minor,
    Payment.month,
    Payment.money_class,
    Payment.reverses_id,
)
_OF_CLIENTS: Final = select(Payment.client_id.label("payer_id"), *_COLUMNS).where(
    Payment.client_id.in_(bindparam("ids", expanding=True))
)
_OF_GROUPS: Final = (
    select(Client.group_id.label("payer_id"), *_COLUMNS)
    .join(Payment, Payment.client_id == Client.id)
    .where(Client.group_id.in_(bindparam("ids", expanding=True)))
)
_CLASSIFY: Final = (
    update(_PAYMENTS).where(_PAYMENTS.c.id == bindparam("payment")).values(money_class=bindparam("new_class"))
)
_CLASSIFY_CREDITS: Final = (
    update(_CREDITS).where(_CREDITS.c.payment_id == bindparam("payment")).values(money_class=bindparam("new_class"))
)
