"""After a publication all that is open is looked at again: told in batches, so that no worker waits for all of it.

The first batch is told with the publication itself, the rest by whoever is free, each batch in a transaction of its own
that also notes how far it came: a worker that dies loses nothing. Until an item is told it waits for the instant that
the rules before gave it; when it is looked at, for whatever reason, the rules of that instant decide.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import Session

from rules_engine.language.kinds import Decision
from rules_engine.models import (
    OPEN_STATUSES,
    Callback,
    CallbackState,
    Client,
    Publication,
    Request,
    RulesetVersion,
    WorkKind,
)
from rules_engine.services.queue import work

_PARTS: dict[str, tuple[WorkKind, ...]] = {
    Decision.ASSIGNMENT: (WorkKind.REQUEST,),
    Decision.ESCALATION: (WorkKind.REQUEST, WorkKind.CALLBACK),
    Decision.CALLBACKS: (WorkKind.CLIENT,),
    Decision.BONUS: (),
}
"""What each decision looks at; nothing waits for an instant of the bonus."""
BATCH = work.BATCH


def begin(session: Session, version: RulesetVersion, at: datetime, now: datetime, *, most: int = BATCH) -> None:
    """Have all that the rules of a new version look at looked at again when `at` has come, at most so many at once."""
    parts = _PARTS[version.decision]
    if not parts:
        return
    row = Publication(version_id=version.id, decision=version.decision, wakes_at=at, part=parts[0], after_id=0)
    if _tell(session, row, most):
        session.add(row)
        session.flush()
        work.ask(session, WorkKind.PUBLICATION, row.id, now)


def look(session: Session, publication_id: int, now: datetime, *, most: int = BATCH) -> bool:
    """Tell the next batch of a publication; return whether there are more.

    Where a later version of the same rules holds by then, its own publication tells them all, and this one ends.
    """
    row = session.get_one(Publication, publication_id, with_for_update=True)
    if not row.part:
        return False
    if _is_overtaken(session, row, now) or not _tell(session, row, most):
        row.part = ""
    session.flush()
    return bool(row.part)


def _tell(session: Session, row: Publication, most: int) -> bool:
    """Wake the next batch; return whether there are more. Parts that have nothing open are passed over."""
    ids = _next(session, WorkKind(row.part), row.after_id, most)
    if row.part == WorkKind.CLIENT:
        work.ask_many(session, WorkKind.CLIENT, dict.fromkeys(ids, row.wakes_at))
    else:
        work.wake_some(session, WorkKind(row.part), ids, row.wakes_at)
    if len(ids) == most:
        row.after_id = ids[-1]
        return True
    parts = _PARTS[row.decision]
    place = parts.index(WorkKind(row.part)) + 1
    if place == len(parts):
        return False
    row.part, row.after_id = parts[place], 0
    return bool(_next(session, parts[place], 0, 1))


def _next(session: Session, kind: WorkKind, after_id: int, most: int) -> Sequence[int]:
    """Return the next subjects of a kind that are open, in the order of their ids."""
    found: Select[int]
    if kind is WorkKind.REQUEST:
        found = select(Request.id).where(Request.status.in_(OPEN_STATUSES), Request.is_history.is_(False))
        found = found.where(Request.id > after_id).order_by(Request.id)
    elif kind is WorkKind.CALLBACK:
        found = select(Callback.id).where(Callback.state.in_((CallbackState.PLANNED, CallbackState.OPEN)))
        found = found.where(Callback.id > after_id).order_by(Callback.id)
    else:
        found = select(Client.id).where(Client.id > after_id).order_by(Client.id)
    return session.scalars(found.limit(most)).all()


def _is_overtaken(session: Session, row: Publication, now: datetime) -> bool:
    number = select(RulesetVersion.number).where(RulesetVersion.id == row.version_id).scalar_subquery()
    later = exists().where(
        RulesetVersion.decision == row.decision,
        RulesetVersion.number > number,
        RulesetVersion.holds_from <= max(now, row.wakes_at),
    )
    return bool(session.scalar(select(later)))
