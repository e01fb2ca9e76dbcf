"""The duty roster: its hours are worked beside those of the calendar, and whoever has them stands in the picture."""

from datetime import datetime

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.errors import InputError
from rules_engine.models import AuditEntry, WorkItem
from rules_engine.services.company import duty
from rules_engine.services.company.duty import OverlappingShift
from rules_engine.services.company.reference import reference
from tests.factories import MONDAY, Cast, at, make_absence, make_cast, make_request

SUNDAY = at("2026-10-11 10:00"), at("2026-10-11 14:00")


@pytest.fixture
def cast(session: Session) -> Cast:
    return make_cast(session)


def on_sunday(session: Session, cast: Cast, **fields: object) -> int:
    shift = duty.put(session, cast.anna.id, *SUNDAY, now=MONDAY, actor="galina", **fields)  # type: ignore[arg-type]
    return shift.id


def test_hours_on_duty_are_worked_and_counted_as_presence(session: Session, cast: Cast) -> None:
    assert not reference(session).manager(cast.anna.id).is_on_duty(at("2026-10-11 10:00"))
    on_sunday(session, cast)
    anna = reference(session).manager(cast.anna.id)
    week = at("2026-10-05 00:00"), at("2026-10-12 00:00")
    assert anna.is_on_duty(at("2026-10-11 10:00")) and not anna.is_on_duty(at("2026-10-11 14:00"))
    assert [calendar.elapsed_minutes(*week) for calendar in (anna.hours, anna.calendar, anna.presence)] == [2640] * 3
    assert anna.next_presence_change(MONDAY) == at("2026-10-11 10:00")
    assert reference(session).manager(cast.boris.id).presence.elapsed_minutes(*week) == 2400


def test_whoever_is_away_is_not_on_duty(session: Session, cast: Cast) -> None:
    on_sunday(session, cast)
    make_absence(session, cast.anna, at("2026-10-11 00:00"), at("2026-10-12 00:00"))
    anna = reference(session).manager(cast.anna.id)
    assert not anna.is_on_duty(at("2026-10-11 11:00")) and not anna.calendar.is_open(at("2026-10-11 11:00"))
    assert anna.employment.is_open(at("2026-10-11 11:00"))


@pytest.mark.parametrize("ends_at", [at("2026-10-11 10:00"), at("2026-10-11 09:00"), at("2026-12-01 10:00")])
def test_a_shift_has_a_length_and_at_most_a_month(session: Session, cast: Cast, ends_at: datetime) -> None:
    with pytest.raises(InputError, match="ends_at"):
        duty.put(session, cast.anna.id, SUNDAY[0], ends_at, now=MONDAY, actor="galina")


def test_overlapping_shifts_of_one_manager_are_refused_touching_ones_and_those_of_others_are_not(
    session: Session, cast: Cast
) -> None:
    first = on_sunday(session, cast)
    with pytest.raises(OverlappingShift) as refused:
        duty.put(session, cast.anna.id, at("2026-10-11 13:00"), at("2026-10-11 18:00"), now=MONDAY, actor="galina")
    assert refused.value.data["shift_id"] == first
    assert "Анна уже дежурит с 11.10.2026 10:00 до 11.10.2026 14:00" in refused.value.message("ru")
    duty.put(session, cast.anna.id, at("2026-10-11 14:00"), at("2026-10-11 18:00"), now=MONDAY, actor="galina")
    duty.put(session, cast.boris.id, *SUNDAY, now=MONDAY, actor="galina")
    assert [len(one.duty) for one in reference(session).managers.values()] == [2, 1, 0]


def test_a_change_and_a_removal_are_audited_and_wake_the_requests_of_both(session: Session, cast: Cast) -> None:
    shift = duty.put(session, cast.anna.id, *SUNDAY, now=MONDAY, actor="galina")
    held = [make_request(session, manager_id=who.id) for who in (cast.anna, cast.boris, cast.vera)]
    session.query(WorkItem).update({"wake_at": None})

    duty.put(session, cast.boris.id, *SUNDAY, shift=shift, now=MONDAY, actor="galina")

    woken = {item.subject_id: item.wake_at for item in session.scalars(select(WorkItem))}
    assert [woken[request.id] for request in held] == [MONDAY, MONDAY, None]
    duty.remove(session, shift, now=MONDAY, actor="galina")
    entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [(one.action, (one.before or {}).get("manager"), (one.after or {}).get("manager")) for one in entries] == [
        ("create", None, "anna"),
        ("update", "anna", "boris"),
        ("delete", "boris", None),
    ]
    assert not reference(session).manager(cast.boris.id).duty
