"""Who is on duty and when: hours that a manager works beside those of his calendar, for the pool of that name."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from rules_engine.errors import InputError
from rules_engine.models import DutyShift
from rules_engine.services.company.reference import ManagerRef, reference
from rules_engine.services.company.spans import first_overlap, wake
from rules_engine.services.records import audit

LONGEST = timedelta(days=31)


class OverlappingShift(InputError):
    """Two shifts of one manager would overlap; `starts_at` and `ends_at` are of the one that is there already."""

    def __init__(self, manager: ManagerRef, other: DutyShift, zone: ZoneInfo) -> None:
        first, last = (f"{edge.astimezone(zone):%d.%m.%Y %H:%M}" for edge in (other.starts_at, other.ends_at))
        super().__init__(
            path="starts_at",
            ru=f"{manager.name} уже дежурит с {first} до {last}: измените то дежурство",
            en=f"{manager.name} is on duty from {first} to {last} already: change that shift",
            shift_id=other.id,
            starts_at=other.starts_at,
            ends_at=other.ends_at,
        )


def put(
    session: Session,
    manager_id: int,
    starts_at: datetime,
    ends_at: datetime,
    *,
    note: str = "",
    shift: DutyShift | None = None,
    now: datetime,
    actor: str,
) -> DutyShift:
    """Return the shift `[starts_at, ends_at)` of a manager, added, or `shift` changed to it.

    The requests and calls whose clocks it moves are looked at again. Raises NotFound for an unknown manager,
    OverlappingShift, and InputError (path `ends_at`) for a shift without length or longer than 31 days.
    """
    check(session, manager_id, starts_at, ends_at, besides=None if shift is None else shift.id)
    before = None if shift is None else _picture(session, shift)
    concerned = {manager_id} if shift is None else {manager_id, shift.manager_id}
    if shift is None:
        shift = DutyShift()
        session.add(shift)
    shift.manager_id, shift.starts_at, shift.ends_at, shift.note = manager_id, starts_at, ends_at, note
    session.flush()
    after = _picture(session, shift)
    if before == after:
        return shift
    audit.record(
        session,
        actor=actor,
        action="create" if before is None else "update",
        subject_kind="duty_shift",
        subject_id=shift.id,
        before=before,
        after=after,
    )
    wake(session, now, concerned)
    return shift


def check(
    session: Session, manager_id: int, starts_at: datetime, ends_at: datetime, *, besides: int | None = None
) -> None:
    """Refuse what cannot be a shift; `besides` is the one that is being changed. See `put` for what is raised."""
    picture = reference(session)
    manager = picture.manager(manager_id)
    if ends_at <= starts_at:
        raise InputError(
            path="ends_at", ru="дежурство кончается раньше, чем начинается", en="the shift ends before it begins"
        )
    if ends_at - starts_at > LONGEST:
        raise InputError(path="ends_at", ru="дежурство дольше месяца", en="the shift is longer than a month")
    other = first_overlap(session, DutyShift, manager_id, starts_at, ends_at, besides)
    if other is not None:
        raise OverlappingShift(manager, other, picture.zone)


def remove(session: Session, shift: DutyShift, *, now: datetime, actor: str) -> None:
    """Delete a shift that was entered by mistake or given away."""
    audit.record(
        session,
        actor=actor,
        action="delete",
        subject_kind="duty_shift",
        subject_id=shift.id,
        before=_picture(session, shift),
    )
    concerned = {shift.manager_id}
    session.delete(shift)
    session.flush()
    wake(session, now, concerned)


def _picture(session: Session, shift: DutyShift) -> dict[str, Any]:
    return {
        "manager": reference(session).login_of(shift.manager_id),
        "from": shift.starts_at,
        "to": shift.ends_at,
        "note": shift.note,
    }
