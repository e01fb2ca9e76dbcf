"""Requests that a file hands in again and again, as another system has them now: made, changed, or left alone.

REST refuses another body under a known key. A file is an export of what stands elsewhere: its row is taken over.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from rules_engine.decisions.modes import Mode
from rules_engine.errors import Conflict, InputError
from rules_engine.models import Request, RequestStatus, WorkKind
from rules_engine.services.company.people import find_manager
from rules_engine.services.queue import work
from rules_engine.services.records.incoming import RequestChanges, RequestIn
from rules_engine.services.records.outcome import Outcome
from rules_engine.services.requests import assignment, intake
from rules_engine.services.requests.status import change_status
from rules_engine.services.rules.modes import mode_of


def hand_in(session: Session, data: RequestIn, *, now: datetime, actor: str, history: bool = False) -> Outcome:
    """Make a request or bring it to what the row says; return what that was.

    Nobody decides anew: a holder named in the row replaces the present one only while assignment is not `live`.
    Raises what `intake.receive` raises; InputError for a new instant of arrival and for a holder that may not change,
    Conflict for a status that cannot follow.
    """
    known = intake.by_key(session, data.source, data.external_id)
    if known is None:
        intake.receive(session, data, now=now, actor=actor, history=history)
        return Outcome.CREATED
    digest = intake.body_hash(data)
    if known.body_hash == digest:
        return Outcome.UNCHANGED
    if known.received_at != data.received_at:
        raise InputError(
            path="received_at", ru="время поступления не меняется", en="the instant of arrival does not change"
        )
    given = data.model_fields_set & set(RequestChanges.model_fields)
    changes = RequestChanges.model_construct(_fields_set=given, **{name: getattr(data, name) for name in given})
    changed = intake.change(session, known, changes, now=now, actor=actor)
    if known.is_history:
        changed |= _rewrite_history(session, known, data, now)
    else:
        changed |= _follow_holder(session, known, data, now=now, actor=actor)
        changed |= _follow_status(session, known, data, now=now, actor=actor)
    known.body_hash = digest
    session.flush()
    return Outcome.UPDATED if changed else Outcome.UNCHANGED


def _rewrite_history(session: Session, request: Request, data: RequestIn, now: datetime) -> bool:
    """Bring a closed book to what the row says; nothing was decided about it, so nothing follows."""
    manager = find_manager(session, data.manager) if data.manager else None
    wanted = intake.closed_book(data, manager)
    different = {name: value for name, value in wanted.items() if getattr(request, name) != value}
    for name, value in different.items():
        setattr(request, name, value)
    return bool(different)


def _follow_holder(session: Session, request: Request, data: RequestIn, *, now: datetime, actor: str) -> bool:
    if data.manager is None or not request.status.is_open:
        return False
    manager = find_manager(session, data.manager)
    if request.manager_id == manager.id:
        return False
    if mode_of(session, "assignment", manager.team_id, now) is Mode.LIVE and request.manager_id is not None:
        raise InputError(
            path="manager",
            ru="менеджера этой заявки определили правила, передать её может руководитель",
            en="the rules chose the manager of this request; a head can reassign it",
        )
    # Before the row is locked: see the order of locks in queue/work.py.
    work.ask(session, WorkKind.REQUEST, request.id, now)
    session.refresh(request, with_for_update=True)
    if request.manager_id is not None:
        assignment.end_assignment(session, request, "external", now)
        request.manager_id = None
    intake.hand_to(session, request, manager, data, assigned_at=now, now=now, actor=actor)
    return True


def _follow_status(session: Session, request: Request, data: RequestIn, *, now: datetime, actor: str) -> bool:
    if data.status is None or data.status in ("new", "assigned") or data.status == request.status.value:
        return False
    status = RequestStatus(data.status)
    # A file has no column for the reason of a refusal.
    reason = "other" if status is RequestStatus.LOST else None
    at = data.closed_at if data.closed_at is not None and not status.is_open else now
    try:
        return change_status(session, request, status, reason=reason, at=at, actor=actor, now=now)
    except Conflict as problem:
        raise InputError(path="status", ru=str(problem.data["ru"]), en=str(problem.data["en"])) from problem
