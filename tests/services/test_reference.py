"""The picture of people, calendars and modes is taken again when one of its rows changes, and only then."""

from datetime import date

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session, sessionmaker

from rules_engine.errors import NotFound
from rules_engine.models import Role
from rules_engine.services.company.picture_loading import compiled
from rules_engine.services.company.reference import reference
from tests.factories import (
    MONDAY,
    ROUND_THE_CLOCK,
    at,
    make_absence,
    make_calendar,
    make_cast,
    make_exception,
    make_manager,
    make_team,
    make_user,
)


def test_a_new_manager_is_in_the_next_picture(any_session: Session) -> None:
    make_cast(any_session)
    assert reference(any_session).by_login("gleb") is None

    gleb = make_manager(any_session, "gleb", "Глеб")

    found = reference(any_session).by_login("gleb")
    assert found is not None and found.id == gleb.id


def test_a_change_that_was_not_flushed_yet_is_in_the_picture(session: Session) -> None:
    cast = make_cast(session)
    reference(session)

    cast.anna.daily_cap = 3

    assert reference(session).manager(cast.anna.id).daily_cap == 3


def test_another_session_sees_the_change_after_the_commit(sessions: sessionmaker[Session]) -> None:
    with sessions() as one:
        cast = make_cast(one)
        one.commit()
        reference(one)
    with sessions() as other:
        assert reference(other).manager(cast.anna.id).absence_at(MONDAY) is None
        make_absence(other, other.merge(cast.anna), at("2026-10-05 09:00"), at("2026-10-12 09:00"))
        other.commit()
    with sessions() as one:
        assert reference(one).manager(cast.anna.id).absence_at(MONDAY) is not None


def test_a_change_that_was_rolled_back_leaves_no_trace(any_session: Session) -> None:
    cast = make_cast(any_session)
    any_session.commit()
    reference(any_session)

    with any_session.begin_nested() as savepoint:
        make_absence(any_session, cast.anna, at("2026-10-05 09:00"), at("2026-10-12 09:00"))
        assert reference(any_session).manager(cast.anna.id).absence_at(MONDAY) is not None
        savepoint.rollback()

    assert reference(any_session).manager(cast.anna.id).absence_at(MONDAY) is None


def test_while_nothing_changes_it_costs_one_query_a_transaction(engine: Engine, session: Session) -> None:
    make_cast(session)
    session.commit()
    reference(session)
    session.commit()
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda _c, _u, statement, *_: statements.append(statement))

    first = reference(session)
    second = reference(session)

    assert first is second
    assert [text for text in statements if not text.startswith("BEGIN")] == [
        'SELECT app_settings."key", app_settings.value \nFROM app_settings'
    ]


def test_absence_hiring_and_leaving_keep_a_manager_out(session: Session) -> None:
    make_cast(session)
    away = make_manager(session, "away")
    make_absence(session, away, at("2026-10-05 09:00"), at("2026-10-06 09:00"))
    make_manager(session, "later", hired_on=date(2026, 10, 6))
    make_manager(session, "gone", left_on=date(2026, 10, 5))

    today = [one.login for one in reference(session).present_managers(MONDAY)]
    tomorrow = [one.login for one in reference(session).present_managers(at("2026-10-06 09:00"))]

    assert today == ["anna", "boris", "vera"]
    assert tomorrow == ["anna", "boris", "vera", "away", "later"]


def test_a_blocked_user_receives_nothing(session: Session) -> None:
    cast = make_cast(session)
    cast.boris.user.is_active = False

    assert [one.login for one in reference(session).present_managers(MONDAY)] == ["anna", "vera"]


def test_presence_leaves_out_the_time_before_hiring_but_the_clocks_of_a_request_do_not(session: Session) -> None:
    make_cast(session)
    later = make_manager(session, "later", hired_on=date(2026, 10, 7))
    found = reference(session).manager(later.id)
    week = at("2026-10-05 00:00"), at("2026-10-12 00:00")

    assert found.presence.elapsed_minutes(*week) == 3 * 480
    assert found.calendar.elapsed_minutes(*week) == 5 * 480


def test_a_manager_has_his_own_calendar_else_that_of_his_team_else_that_of_the_company(session: Session) -> None:
    make_calendar(session)
    night = make_calendar(session, "night", weekly=ROUND_THE_CLOCK, is_default=False)
    round_the_clock = make_team(session, "round", calendar=night)
    own = make_manager(session, "own", calendar=night)
    of_team = make_manager(session, "of_team", team=round_the_clock)
    of_company = make_manager(session, "of_company")
    midnight = at("2026-10-05 00:30")
    found = reference(session)

    assert found.calendar_of(own.id).is_open(midnight)
    assert found.calendar_of(of_team.id).is_open(midnight)
    assert not found.calendar_of(of_company.id).is_open(midnight)


def test_dates_that_differ_are_in_the_calendar(session: Session) -> None:
    cast = make_cast(session)
    make_exception(session, cast.calendar, date(2026, 10, 5), "off")
    make_exception(session, cast.calendar, date(2026, 10, 10), "work")

    company = reference(session).company_calendar
    assert not company.is_working_day(date(2026, 10, 5))
    assert company.is_working_day(date(2026, 10, 10))


def test_the_head_of_the_team_is_told_and_without_one_the_heads_without_a_team(session: Session) -> None:
    cast = make_cast(session)
    found = reference(session)
    assert [user.login for user in found.heads_for(cast.sales.id)] == ["galina"]
    assert [user.login for user in found.heads_for(cast.others.id)] == ["galina"]

    make_user(session, "elena", role=Role.HEAD)

    found = reference(session)
    assert [user.login for user in found.heads_for(cast.others.id)] == ["elena"]
    assert [user.login for user in found.heads_for(None)] == ["elena"]


def test_without_any_head_the_administrator_is_told(session: Session) -> None:
    cast = make_cast(session)
    cast.galina.is_active = False

    assert [user.login for user in reference(session).heads_for(cast.sales.id)] == ["denis"]


def test_equal_calendars_are_one_object(session: Session) -> None:
    cast = make_cast(session)
    first = reference(session).calendar_of(cast.anna.id)
    make_absence(session, cast.boris, at("2026-10-05 09:00"), at("2026-10-12 09:00"))

    second = reference(session).calendar_of(cast.anna.id)

    assert first is second is compiled(second)


def test_an_unknown_manager_is_not_found(session: Session) -> None:
    with pytest.raises(NotFound):
        reference(session).manager(404)
