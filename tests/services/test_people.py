"""Managers and their absences, as files and heads name them."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.errors import InputError
from rules_engine.models import AuditEntry, Team, WorkItem
from rules_engine.services.company import absences, people
from rules_engine.services.company.people import UnknownManager, find_manager, put_manager
from rules_engine.services.company.reference import reference
from rules_engine.services.records.incoming import AbsenceIn, ManagerIn
from rules_engine.services.records.outcome import Outcome
from tests.factories import MONDAY, MOSCOW, at, make_cast, make_manager, make_request


def put(session: Session, **fields: object) -> Outcome:
    _, outcome = put_manager(session, ManagerIn.model_validate(fields), now=MONDAY, actor="import")
    return outcome


def wakes(session: Session) -> list[datetime | None]:
    session.expire_all()
    return list(session.scalars(select(WorkItem.wake_at).order_by(WorkItem.id)))


def test_a_new_manager_gets_a_user_a_team_and_no_password(session: Session) -> None:
    assert put(session, login="ivan", name="Иван", team="sales", weight="2", hired_on="2026-01-12") is Outcome.CREATED
    ivan = reference(session).by_login("ivan")
    assert ivan is not None and (ivan.team_code, ivan.weight) == ("sales", 2)
    assert ivan.hired_at == at("2026-01-12 00:00")
    assert put(session, login="ivan", name="Иван", team="sales", weight="2", hired_on="2026-01-12") is Outcome.UNCHANGED


def test_only_given_fields_change_and_the_change_is_audited(session: Session) -> None:
    put(session, login="ivan", name="Иван", team="sales", weight="0.5")
    assert put(session, login="ivan", name="Иван Иванов") is Outcome.UPDATED
    ivan = reference(session).by_login("ivan")
    assert ivan is not None and (ivan.name, ivan.team_code, ivan.weight.denominator) == ("Иван Иванов", "sales", 2)
    entry = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert entry is not None and entry.before and entry.after
    assert (entry.before["name"], entry.after["name"]) == ("Иван", "Иван Иванов")


def test_a_team_is_found_by_code_or_name_and_made_where_there_is_none(session: Session) -> None:
    make_cast(session)
    put(session, login="ivan", name="Иван", team="ПРОДАЖИ")
    put(session, login="olga", name="Ольга", team="Юг")
    assert sorted(session.scalars(select(Team.code))) == ["others", "sales", "Юг"]


def test_an_unknown_calendar_is_refused(session: Session) -> None:
    with pytest.raises(InputError, match="calendar"):
        put(session, login="ivan", name="Иван", calendar="луна")


def test_a_manager_is_found_by_login_or_by_a_full_name_that_is_his_alone(session: Session) -> None:
    cast = make_cast(session)
    assert find_manager(session, "anna").id == cast.anna.id
    assert find_manager(session, "  вера ").id == cast.vera.id
    with pytest.raises(UnknownManager, match="no manager"):
        find_manager(session, "Глеб")
    make_manager(session, "anna2", "Анна")
    with pytest.raises(UnknownManager, match="several"):
        find_manager(session, "Анна")
    assert find_manager(session, "anna").id == cast.anna.id


def test_who_joins_may_take_what_nobody_could_take(session: Session) -> None:
    make_request(session, wake=True)
    session.execute(WorkItem.__table__.update().values(wake_at=None))
    put(session, login="ivan", name="Иван")
    assert wakes(session) == [MONDAY]


def test_a_bare_last_day_is_a_day_of_absence() -> None:
    zone = ZoneInfo("Europe/Moscow")
    assert absences.bounds(date(2026, 10, 5), date(2026, 10, 9), zone) == (
        datetime(2026, 10, 5, tzinfo=MOSCOW),
        datetime(2026, 10, 10, tzinfo=MOSCOW),
    )
    noon = at("2026-10-05 12:00")
    assert absences.bounds(noon, noon + timedelta(hours=3), zone) == (noon, noon + timedelta(hours=3))


def test_an_absence_is_put_once_changed_in_place_and_wakes_what_the_manager_holds(session: Session) -> None:
    cast = make_cast(session)
    held = make_request(session, manager=cast.anna)
    other = make_request(session, manager=cast.boris)
    session.execute(WorkItem.__table__.update().values(wake_at=None))

    def put_absence(ends: str) -> Outcome:
        data = AbsenceIn(manager="Анна", starts_at=at("2026-10-06 00:00"), ends_at=at(ends), reason="отпуск")
        return absences.put(session, data, now=MONDAY, actor="galina")[1]

    assert put_absence("2026-10-10 00:00") is Outcome.CREATED
    assert wakes(session) == [MONDAY, None]
    assert held.id < other.id
    assert put_absence("2026-10-10 00:00") is Outcome.UNCHANGED
    assert put_absence("2026-10-12 00:00") is Outcome.UPDATED
    away = reference(session).manager(cast.anna.id).absences
    assert away == ((at("2026-10-06 00:00"), at("2026-10-12 00:00")),)
    found = session.scalars(select(people.Manager)).all()
    assert len(found) == 3


def test_an_absence_can_be_called_off(session: Session) -> None:
    cast = make_cast(session)
    data = AbsenceIn(manager="anna", starts_at=at("2026-10-06 00:00"), ends_at=at("2026-10-07 00:00"))
    absence, _ = absences.put(session, data, now=MONDAY, actor="galina")
    absences.remove(session, absence, now=MONDAY, actor="galina")
    assert reference(session).manager(cast.anna.id).absences == ()
