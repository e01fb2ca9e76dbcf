"""What could not be matched: the list of it, why, and how a head puts it right."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, or_, select, text
from sqlalchemy.orm import Session, joinedload, selectinload

from rules_engine.errors import InputError, PolicyViolation
from rules_engine.language.kinds import Words
from rules_engine.models import Client, Payment, PaymentCredit, Request, WorkKind
from rules_engine.services.company.reference import reference
from rules_engine.services.money import classes
from rules_engine.services.money.credits import WHOLE_BP, Share, set_credits, write_credits
from rules_engine.services.money.matching import (
    BY_HAND,
    INN_AMBIGUOUS,
    INN_DIFFERS,
    INVOICE_AMBIGUOUS,
    NO_MANAGER,
    REFUND_TOO_LARGE,
    REQUEST_OF_OTHER_CLIENT,
    REQUEST_UNKNOWN,
    REVERSES_UNKNOWN,
    earner,
    request_manager,
)
from rules_engine.services.money.refunds import join, remaining_of, shares_of, too_large
from rules_engine.services.queue import work
from rules_engine.services.records import audit

PROBLEMS: Final[Mapping[str, Words]] = {
    REQUEST_UNKNOWN: Words("названной заявки нет", "there is no such request as it names"),
    REQUEST_OF_OTHER_CLIENT: Words("заявка другого клиента", "the request is that of another client"),
    INVOICE_AMBIGUOUS: Words("по этому счёту оплачены разные заявки", "several requests were paid by this invoice"),
    INN_DIFFERS: Words("ИНН не тот, что в карточке клиента", "the tax number differs from that on the client's card"),
    INN_AMBIGUOUS: Words("клиентов с этим ИНН несколько", "several clients have this tax number"),
    REVERSES_UNKNOWN: Words("не найдено, какая оплата возвращена", "the payment that is paid back was not found"),
    REFUND_TOO_LARGE: Words(
        "возврат больше, чем осталось от оплаты", "the refund is more than what remains of the payment"
    ),
    NO_MANAGER: Words("некому зачесть", "nobody to credit it to"),
}
_OF_CLIENT: Final = frozenset({INN_DIFFERS, INN_AMBIGUOUS, REQUEST_OF_OTHER_CLIENT})
_OF_REQUEST: Final = frozenset({REQUEST_UNKNOWN, REQUEST_OF_OTHER_CLIENT, INVOICE_AMBIGUOUS})


def unmatched(session: Session, *, limit: int = 50, after: tuple[datetime, int] | None = None) -> Sequence[Payment]:
    """Return payments that somebody must look at, the oldest first; `after`: instant and id of the last one shown."""
    # As the partial index says it, or it would not be used.
    query = select(Payment).where(text("payments.is_unmatched"))
    if after is not None:
        at, last = after
        query = query.where(or_(Payment.paid_at > at, and_(Payment.paid_at == at, Payment.id > last)))
    return session.scalars(
        query.order_by(Payment.paid_at, Payment.id)
        .limit(limit)
        .options(joinedload(Payment.client), joinedload(Payment.request), joinedload(Payment.manager))
        .options(selectinload(Payment.credits).joinedload(PaymentCredit.manager))
    ).all()


def problem_words(payment: Payment, lang: str) -> list[str]:
    """Return why a person must look at a payment."""
    return [PROBLEMS[one].text(lang) if one in PROBLEMS else one for one in payment.problems]


def resolve(
    session: Session,
    payment: Payment,
    *,
    actor: str,
    now: datetime,
    client: Client | None = None,
    request: Request | None = None,
    manager_id: int | None = None,
    reverses: Payment | None = None,
    accept: bool = False,
) -> None:
    """Put a payment right in one of the ways: another client, a request, a manager, what it pays back, or as it is.

    The problems that this answers are gone. A new client moves it to his payments, where it
    is classed anew; credits that nobody parted by hand follow the request and the client. Everything is audited.
    Raises PolicyViolation if nothing was chosen, InputError for a request of another client or too large a refund.
    """
    before = _picture(session, payment)
    if client is not None:
        _move(session, payment, client, actor, now)
    if request is not None:
        _choose_request(session, payment, request)
    if reverses is not None:
        _choose_reverses(session, payment, reverses)
    if manager_id is not None:
        set_credits(session, payment, [(manager_id, WHOLE_BP)], actor, now)
        payment.problems = [one for one in payment.problems if one != NO_MANAGER]
    if accept:
        payment.problems = []
    elif client is None and request is None and reverses is None and manager_id is None:
        raise PolicyViolation(ru="ничего не выбрано", en="nothing was chosen")
    payment.is_unmatched = bool(payment.problems)
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="resolve",
        subject_kind="payment",
        subject_id=payment.id,
        before=before,
        after=_picture(session, payment),
    )


def _move(session: Session, payment: Payment, client: Client, actor: str, now: datetime) -> None:
    if payment.reverses_id is not None and client.id != payment.client_id:
        raise PolicyViolation(
            ru="возврат стоит у того же клиента, что и оплата", en="a refund stays with the client of its payment"
        )
    left = payment.client_id
    work.ask_many(session, WorkKind.CLIENT, {left: now, client.id: now})
    payment.client_id = client.id
    session.flush()
    session.expire(payment, ["client"])
    payers = {_payer(session, left), _payer(session, client.id)}
    classes.reclassify(session, payers, actor)
    payment.problems = [one for one in payment.problems if one not in _OF_CLIENT]
    _credit_anew(session, payment)


def _choose_request(session: Session, payment: Payment, request: Request) -> None:
    if request.client_id is not None and request.client_id != payment.client_id:
        asked, paid = _payer(session, request.client_id), _payer(session, payment.client_id)
        if asked != paid:
            raise InputError(path="request", ru="это заявка другого клиента", en="is the request of another client")
    payment.request_id = request.id
    session.flush()
    session.expire(payment, ["request"])
    payment.problems = [one for one in payment.problems if one not in _OF_REQUEST]
    _credit_anew(session, payment)


def _choose_reverses(session: Session, payment: Payment, reverses: Payment) -> None:
    if payment.amount_minor >= 0:
        raise PolicyViolation(ru="это не возврат", en="this is no refund")
    if reverses.amount_minor <= 0 or _payer(session, reverses.client_id) != _payer(session, payment.client_id):
        raise InputError(path="reverses", ru="это не оплата этого клиента", en="is no payment of this client")
    remaining = remaining_of(session, reverses, besides=payment.id)
    if -payment.amount_minor > remaining:
        raise too_large(-payment.amount_minor, remaining)
    join(session, payment, reverses)


def _credit_anew(session: Session, payment: Payment) -> None:
    """Let the credit follow request and client, unless a head parted it or it follows what it pays back."""
    if payment.reverses_id is not None or any(credit.cause == BY_HAND for credit in payment.credits):
        return
    request = session.get(Request, payment.request_id) if payment.request_id is not None else None
    holder = request_manager(session, request) if request is not None else None
    owner_id = session.get_one(Client, payment.client_id).owner_id
    manager_id, cause = earner(reference(session), holder, owner_id, payment.paid_at)
    payment.manager_id = manager_id
    write_credits(session, payment, [Share(manager_id, WHOLE_BP)] if manager_id is not None else [], cause)
    kept = [one for one in payment.problems if one != NO_MANAGER]
    payment.problems = kept if manager_id is not None else [*kept, NO_MANAGER]


def _payer(session: Session, client_id: int) -> int:
    group_id = session.scalar(select(Client.group_id).where(Client.id == client_id))
    return -group_id if group_id is not None else client_id


def _picture(session: Session, payment: Payment) -> dict[str, Any]:
    picture = reference(session)
    return {
        "client_id": payment.client_id,
        "request_id": payment.request_id,
        "manager": picture.login_of(payment.manager_id),
        "reverses_id": payment.reverses_id,
        "problems": list(payment.problems),
        "credits": [[picture.login_of(share.manager_id), share.share_bp] for share in shares_of(payment)],
    }
