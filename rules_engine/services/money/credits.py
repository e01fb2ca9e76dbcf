"""For whom a payment counts, and how it is parted: whole kopecks that add up to it exactly."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from rules_engine.decisions.money import apportion
from rules_engine.errors import InputError
from rules_engine.models import Manager, Payment, PaymentCredit
from rules_engine.services.company.reference import reference
from rules_engine.services.money.matching import BY_HAND
from rules_engine.services.records import audit
from rules_engine.services.records.writing import add_rows

WHOLE_BP: Final = 10_000


@dataclass(frozen=True, slots=True)
class Share:
    """A manager's part of a payment in basis points."""

    manager_id: int
    share_bp: int


def set_credits(
    session: Session, payment: Payment, shares: Sequence[tuple[Manager | int, int]], actor: str, now: datetime
) -> None:
    """Part a payment among managers (or their ids) by basis points; refunds of it that nobody parted follow.

    Raises InputError where the shares do not make exactly 100 %, for a share of nothing, and for a manager named twice.
    """
    wanted = [Share(one if isinstance(one, int) else one.id, share_bp) for one, share_bp in shares]
    _check(session, wanted)
    before = _picture(session, payment)
    write_credits(session, payment, wanted, BY_HAND)
    payment.manager_id = max(wanted, key=lambda share: (share.share_bp, -share.manager_id)).manager_id
    for refund in session.scalars(select(Payment).where(Payment.reverses_id == payment.id).order_by(Payment.id)).all():
        if all(credit.cause != BY_HAND for credit in refund.credits):
            causes = {credit.cause for credit in refund.credits}
            write_credits(session, refund, wanted, causes.pop() if len(causes) == 1 else "request")
            refund.manager_id = payment.manager_id
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="credit",
        subject_kind="payment",
        subject_id=payment.id,
        before={"credits": before},
        after={"credits": _picture(session, payment), "at": now},
    )


def write_credits(session: Session, payment: Payment, shares: Sequence[Share], cause: str) -> None:
    """Replace the credits of a payment; what is rounded goes to the largest remainder, ties to the lower id."""
    session.flush()
    session.execute(delete(PaymentCredit).where(PaymentCredit.payment_id == payment.id))
    ordered = sorted(shares, key=lambda share: share.manager_id)
    weights = [share.share_bp for share in ordered]
    amounts, taxes = parted(payment.amount_minor, weights), parted(payment.vat_minor or 0, weights)
    add_rows(
        session,
        PaymentCredit,
        [
            {
                "payment_id": payment.id,
                "manager_id": share.manager_id,
                "share_bp": share.share_bp,
                "amount_minor": amount,
                "vat_minor": tax,
                "month": payment.month,
                "money_class": payment.money_class,
                "cause": cause,
            }
            for share, amount, tax in zip(ordered, amounts, taxes, strict=True)
        ],
    )
    session.expire(payment, ["credits"])


def parted(minor: int, weights: Sequence[int]) -> list[int]:
    """Return an amount in parts that add up to it; one below zero is parted as its opposite.

    >>> parted(100, [1, 1, 1]), parted(-100, [1, 1, 1])
    ([34, 33, 33], [-34, -33, -33])
    """
    sign = -1 if minor < 0 else 1
    return [sign * part for part in apportion(abs(minor), weights)]


def _check(session: Session, shares: Sequence[Share]) -> None:
    managers = reference(session).managers
    for share in shares:
        if share.manager_id not in managers:
            raise InputError(path="manager", ru="такого менеджера нет", en="there is no such manager")
        if not 0 < share.share_bp <= WHOLE_BP:
            raise InputError(
                path="share", ru="доля больше 0 и не больше 100 %", en="a share is above 0 and at most 100 %"
            )
    if len({share.manager_id for share in shares}) != len(shares):
        raise InputError(path="manager", ru="менеджер назван дважды", en="a manager is named twice")
    total = sum(share.share_bp for share in shares)
    if total != WHOLE_BP:
        raise InputError(
            path="share",
            ru=f"сумма долей {percent(total, 'ru')} %, нужно 100 %",
            en=f"the shares make {percent(total, 'en')} %, 100 % is needed",
        )


def percent(bp: int, lang: str) -> str:
    """Return basis points as a percentage without needless zeros.

    >>> percent(9_900, "ru"), percent(3_333, "ru"), percent(50, "en")
    ('99', '33,33', '0.5')
    """
    whole, rest = divmod(bp, 100)
    mark = "," if lang == "ru" else "."
    return f"{whole}{mark}{rest:02d}".rstrip("0").rstrip(mark)


def _picture(session: Session, payment: Payment) -> list[dict[str, object]]:
    logins = reference(session)
    return [
        {
            "manager": logins.login_of(credit.manager_id),
            "share_bp": credit.share_bp,
            "amount_minor": credit.amount_minor,
        }
        for credit in sorted(payment.credits, key=lambda credit: credit.manager_id)
    ]
