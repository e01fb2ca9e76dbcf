"""Who is away and when. An absence moves entitlement and clocks, so the requests concerned are looked at again."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.errors import InputError
from rules_engine.models import Absence
from rules_engine.services.company.people import find_manager
from rules_engine.services.company.reference import ManagerRef, reference
from rules_engine.services.company.spans import first_overlap, wake
from rules_engine.services.records import audit
from rules_engine.services.records.incoming import AbsenceIn
from rules_engine.services.records.outcome import Outcome

LONGEST = timedelta(days=3660)


def bounds(first: date | datetime, last: date | datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return `[from, to)` of what a person wrote: a bare last date includes that day."""
    starts_at = first if isinstance(first, datetime) else datetime.combine(first, time(), zone)
    if isinstance(last, datetime):
        return starts_at, last
    return starts_at, datetime.combine(last + timedelta(days=1), time(), zone)


class OverlappingAbsence(InputError):
    """He is away at that time already; `starts_at` and `ends_at` are of the absence that says so."""

    def __init__(self, manager: ManagerRef, other: Absence, zone: ZoneInfo) -> None:
        first, last = (f"{edge.astimezone(zone):%d.%m.%Y %H:%M}" for edge in (other.starts_at, other.ends_at))
        super().__init__(
            path="starts_at",
            ru=f"{manager.name} уже отсутствует с {first} до {last}: измените то отсутствие",
            en=f"{manager.name} is away from {first} to {last} already: change that absence",
            starts_at=other.starts_at,
            ends_at=other.ends_at,
        )


def check(
    session: Session, manager_id: int, starts_at: datetime, ends_at: datetime, *, besides: int | None = None
) -> None:
    """Refuse an absence that a person enters; `besides` is the id of the one that is being changed.

    Raises NotFound for an unknown manager, OverlappingAbsence, and InputError (path `ends_at`) for one without length
    or longer than ten years. Files may overlap: there the absences of other systems come as they are.
    """
    picture = reference(session)
    manager = picture.manager(manager_id)
    if ends_at <= starts_at:
        raise InputError(
            path="ends_at", ru="раньше начала: он уже вернулся бы", en="before it begins: he would be back already"
        )
    if ends_at - starts_at > LONGEST:
        raise InputError(path="ends_at", ru="отсутствие дольше десяти лет", en="the absence is longer than ten years")
    other = first_overlap(session, Absence, manager_id, starts_at, ends_at, besides)
    if other is not None:
        raise OverlappingAbsence(manager, other, picture.zone)


def put(session: Session, data: AbsenceIn, *, now: datetime, actor: str) -> tuple[Absence, Outcome]:
    """Record an absence; one of the same manager that begins at the same instant is changed instead.

    Raises UnknownManager, and InputError for an absence longer than ten years.
    """
    manager = find_manager(session, data.manager)
    if data.ends_at - data.starts_at > LONGEST:
        raise InputError(path="to", ru="отсутствие дольше десяти лет", en="the absence is longer than ten years")
    absence = session.scalars(
        select(Absence).where(Absence.manager_id == manager.id, Absence.starts_at == data.starts_at)
    ).first()
    after = {"manager": manager.login, "from": data.starts_at, "to": data.ends_at, "reason": data.reason}
    if absence is None:
        absence = Absence(manager_id=manager.id, starts_at=data.starts_at, ends_at=data.ends_at, reason=data.reason)
        session.add(absence)
        before, outcome = None, Outcome.CREATED
    else:
        if (absence.ends_at, absence.reason) == (data.ends_at, data.reason):
            return absence, Outcome.UNCHANGED
        before = {**after, "to": absence.ends_at, "reason": absence.reason}
        absence.ends_at, absence.reason = data.ends_at, data.reason
        outcome = Outcome.UPDATED
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="create" if before is None else "update",
        subject_kind="absence",
        subject_id=absence.id,
        before=before,
        after=after,
    )
    wake(session, now, {manager.id})
    return absence, outcome


def remove(session: Session, absence: Absence, *, now: datetime, actor: str) -> None:
    """Delete an absence that was entered by mistake or called off."""
    audit.record(
        session,
        actor=actor,
        action="delete",
        subject_kind="absence",
        subject_id=absence.id,
        before={
            "manager": absence.manager.login,
            "from": absence.starts_at,
            "to": absence.ends_at,
            "reason": absence.reason,
        },
    )
    session.delete(absence)
    session.flush()
    wake(session, now, {absence.manager_id})
