"""Who may read why a request went to whom."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.models import Assignment, Decision, Request
from rules_engine.services import journal
from rules_engine.services.reference import reference

ASKED_WITHIN = timedelta(days=30)


def may_read_why(session: Session, row: Request, manager_id: int | None, now: datetime) -> bool:
    """Return whether a manager may read the explanation of a request.

    Whoever has it or had it may; and within 30 days whoever was weighed for it: "why not me?".
    """
    if manager_id is None:
        return False
    held = select(Assignment.id).where(Assignment.request_id == row.id, Assignment.manager_id == manager_id)
    if row.manager_id == manager_id or session.scalar(held.limit(1)) is not None:
        return True
    recent = session.scalars(
        select(Decision.id).where(
            Decision.subject_kind == "request", Decision.subject_id == row.id, Decision.at > now - ASKED_WITHIN
        )
    ).all()
    login = reference(session).login_of(manager_id)
    return any(
        candidate.get("login") == login
        for detail in journal.details_of(session, recent).values()
        for candidate in detail.get("candidates") or ()
    )
