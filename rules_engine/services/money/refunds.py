"""What a refund pays back: the payment that it names, else the client's latest one that can still bear it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import BigInteger, bindparam, cast, func, select, text
from sqlalchemy.orm import Session, aliased

from rules_engine.decisions.money import format_amount
from rules_engine.errors import InputError
from rules_engine.models import Client, Payment, UtcDateTime
from rules_engine.services.money.credits import WHOLE_BP, Share, write_credits
from rules_engine.services.money.matching import NO_MANAGER, REFUND_TOO_LARGE, REVERSES_UNKNOWN, Draft
from rules_engine.services.records.reading import rows


@dataclass(frozen=True, slots=True)
class Target:
    """A payment that can be paid back, and how much of it has not been."""

    payment: Payment
    remaining_minor: int


def find_target(session: Session, draft: Draft) -> Payment | None:
    """Return what a refund pays back, locked; None: it names a payment that is not known, or the client never paid.

    Raises InputError for a refund of more than what remains, of another client's payment and of a refund.
    """
    wanted = draft.data.reverses
    if wanted is None:
        return _latest(session, draft)
    found = session.scalars(_BY_KEY, {"its_source": wanted.source, "its_id": wanted.external_id}).one_or_none()
    if found is None:
        return None
    if found.amount_minor <= 0:
        raise InputError(
            path="reverses", ru="это не оплата, вернуть её нельзя", en="is no payment that can be paid back"
        )
    if found.client_id != draft.client.id and not _of_group(session, found, draft):
        raise InputError(path="reverses", ru="это оплата другого клиента", en="is the payment of another client")
    remaining = remaining_of(session, found)
    if -draft.amount_minor > remaining:
        raise too_large(-draft.amount_minor, remaining)
    return found


def remaining_of(session: Session, payment: Payment, *, besides: int = 0) -> int:
    """Return how much of a payment has not been paid back, in kopecks; `besides`: the id of a refund left out."""
    back = session.scalar(_PAID_BACK, {"payment": payment.id, "besides": besides}) or 0
    return payment.amount_minor + back


def candidates(session: Session, refund: Payment) -> list[Target]:
    """Return the payments of its client that could bear a stored refund, the latest first."""
    asked = {"client": refund.client_id, "until": refund.paid_at, "besides": refund.id}
    return [
        Target(session.get_one(Payment, row.id), row.remaining)
        for row in rows(session, _OF_CLIENT, asked)
        if row.remaining >= -refund.amount_minor
    ]


def too_large(refund_minor: int, remaining_minor: int) -> InputError:
    """Return the error of a refund of more than what can still be paid back."""
    refund, remaining = format_amount(refund_minor), format_amount(remaining_minor)
    return InputError(
        path="amount",
        ru=f"возврат {refund} больше, чем осталось от оплаты: {remaining}",
        en=f"the refund of {refund} is more than what remains of the payment: {remaining}",
    )


def link_waiting(session: Session, keys: Sequence[tuple[str, str]]) -> int:
    """Join refunds that came before the payment that they name with it, now that it is here; return how many."""
    arrived = set(keys)
    waiting = [row for row in rows(session, _WAITING, {}) if (row.source, row.reverses_external_id) in arrived]
    for row in waiting:
        refund = session.get_one(Payment, row.id)
        found = session.scalars(_BY_KEY, {"its_source": row.source, "its_id": row.reverses_external_id}).one()
        if -refund.amount_minor <= remaining_of(session, found) and found.amount_minor > 0:
            join(session, refund, found)
        else:
            refund.problems = [REFUND_TOO_LARGE if one == REVERSES_UNKNOWN else one for one in refund.problems]
    session.flush()
    return len(waiting)


def join(session: Session, refund: Payment, found: Payment) -> None:
    """Let a stored refund pay back a payment: in its class, to the debit of those for whom it counts."""
    refund.reverses_id = found.id
    refund.money_class = found.money_class
    solved = {REVERSES_UNKNOWN, REFUND_TOO_LARGE}
    credits = shares_of(found)
    if credits:
        solved.add(NO_MANAGER)
        refund.manager_id = found.manager_id
    refund.problems = [one for one in refund.problems if one not in solved]
    refund.is_unmatched = bool(refund.problems)
    session.flush()
    if credits:
        write_credits(session, refund, credits, found.credits[0].cause)


def shares_of(payment: Payment) -> list[Share]:
    """Return how a payment is parted."""
    return [Share(credit.manager_id, credit.share_bp) for credit in payment.credits]


def whole(manager_id: int) -> list[Share]:
    """Return the shares of a payment that counts for one manager alone."""
    return [Share(manager_id, WHOLE_BP)]


def _latest(session: Session, draft: Draft) -> Payment | None:
    asked = {"client": draft.client.id, "until": draft.data.paid_at, "besides": 0}
    open_ones = [row for row in rows(session, _OF_CLIENT, asked) if row.remaining > 0]
    if not open_ones:
        return None
    bearing = next((row for row in open_ones if row.remaining >= -draft.amount_minor), None)
    if bearing is None:
        raise too_large(-draft.amount_minor, max(row.remaining for row in open_ones))
    found = session.get_one(Payment, bearing.id, with_for_update=True)
    # Counted again under the lock: another refund may just have come.
    remaining = remaining_of(session, found)
    if -draft.amount_minor > remaining:
        raise too_large(-draft.amount_minor, remaining)
    return found


def _of_group(session: Session, found: Payment, draft: Draft) -> bool:
    group_id = draft.client.group_id
    return (
        group_id is not None and session.scalar(select(Client.group_id).where(Client.id == found.client_id)) == group_id
    )


_refund = aliased(Payment)
# As a whole number: PostgreSQL adds such up to a decimal.
_SUM: Final = cast(func.sum(_refund.amount_minor), BigInteger)
_BACK: Final = (
    select(_SUM)
    .where(_refund.reverses_id == Payment.id, _refund.id != bindparam("besides"))
    .correlate(Payment)
    .scalar_subquery()
)
_BY_KEY: Final = (
    select(Payment)
    .where(Payment.source == bindparam("its_source"), Payment.external_id == bindparam("its_id"))
    .with_for_update()
)
_PAID_BACK: Final = select(_SUM).where(_refund.reverses_id == bindparam("payment"), _refund.id != bindparam("besides"))
_OF_CLIENT: Final = (
    select(Payment.id, (Payment.amount_minor + func.coalesce(_BACK, 0)).label("remaining"))
    .where(
        Payment.client_id == bindparam("client"),
        Payment.amount_minor > 0,
        Payment.paid_at <= bindparam("until", type_=UtcDateTime()),
    )
    .order_by(Payment.paid_at.desc(), Payment.id.desc())
)
# As the partial index says it, or it would not be used.
_WAITING: Final = (
    select(Payment.id, Payment.source, Payment.reverses_external_id)
    .where(text("payments.is_unmatched"), Payment.reverses_id.is_(None), Payment.reverses_external_id.is_not(None))
    .order_by(Payment.id)
)
