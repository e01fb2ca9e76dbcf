"""Spam and duplicates leave the ledger of fair shares only when a head confirms them."""

from datetime import datetime
from typing import Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from rules_engine.errors import PolicyViolation
from rules_engine.models import LedgerEntry, Request, RequestEvent, RequestStatus, Role, WorkKind
from rules_engine.services.company.reference import reference
from rules_engine.services.queue import work
from rules_engine.services.records import audit, ledger_rows
from rules_engine.services.records.ledger_rows import Cause
from rules_engine.services.requests import waiting

Confirmed = Literal["spam", "duplicate"]
_CAUSES = {"spam": Cause.SPAM, "duplicate": Cause.DUPLICATE}


def is_head(session: Session, actor: str) -> bool:
    """Return whether a login is that of somebody who leads: a head, or an administrator."""
    return any(
        user.login == actor and user.role in (Role.HEAD, Role.ADMINISTRATOR)
        for user in reference(session).users.values()
    )


def to_confirm(session: Session, request: Request) -> tuple[Confirmed, ...]:
    """Return what a head could confirm of a request; nothing where it is counted for nobody (any more)."""
    counts = select(LedgerEntry.manager_id).where(LedgerEntry.request_id == request.id)
    counted = counts.group_by(LedgerEntry.manager_id).having(func.sum(LedgerEntry.delta) > 0).limit(1)
    if session.scalar(counted) is None:
        return ()
    return ("spam",) if request.status is RequestStatus.SPAM else ("duplicate",)


def confirm(session: Session, request: Request, what: Confirmed, *, actor: str, now: datetime) -> tuple[int, ...]:
    """Take a request out of the shares of those for whom it was counted; return the ids of these managers.

    `spam` needs that status; a `duplicate` is marked as one. A second time changes nothing. Raises PolicyViolation for
    who is no head, and for spam that nobody has called so.
    """
    if not is_head(session, actor):
        raise PolicyViolation(ru="подтверждает руководитель", en="a head confirms this")
    # Before the row is locked: see the order of locks in queue/work.py.
    work.ask(session, WorkKind.REQUEST, request.id, now)
    session.refresh(request, with_for_update=True)
    if what == "spam" and request.status is not RequestStatus.SPAM:
        raise PolicyViolation(ru="заявка не отмечена как спам", en="the request is not marked as spam")
    managers = ledger_rows.correct(session, request, _CAUSES[what], now)
    if what == "duplicate":
        request.is_duplicate = True
    if managers:
        logins = [reference(session).login_of(manager_id) for manager_id in managers]
        said = {"what": what, "managers": logins}
        session.add(RequestEvent(request_id=request.id, at=now, kind="corrected", actor=actor, data=said))
        audit.record(session, actor=actor, action="correct", subject_kind="request", subject_id=request.id, after=said)
    session.flush()
    # Who has received less may be within the limit of a rule again.
    waiting.someone_can_again(session, now)
    return managers


def count_again(session: Session, request: Request, manager_id: int, assignment_id: int, at: datetime) -> None:
    """Write into the ledger that a closed request is somebody's again; it counts only if it was taken out before."""
    ledger_rows.lock_month(session, at)
    last = session.scalars(
        select(LedgerEntry)
        .where(LedgerEntry.request_id == request.id, LedgerEntry.manager_id == manager_id)
        .order_by(LedgerEntry.id.desc())
        .limit(1)
    ).first()
    was_corrected = last is not None and last.delta < 0 and last.cause in (Cause.SPAM, Cause.DUPLICATE)
    ledger_rows.enter(
        session,
        at=at,
        request_id=request.id,
        manager_id=manager_id,
        assignment_id=assignment_id,
        delta=-last.delta if last is not None and was_corrected else 0,
        value_minor=-last.value_minor if last is not None and was_corrected else 0,
        cause=Cause.HAND,
    )
