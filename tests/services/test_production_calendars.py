"""The production calendars that can be taken in: Russia's whole, the days off of other countries."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.decisions.opening_hours import DayKind
from rules_engine.errors import InputError
from rules_engine.importers.calendar_days import import_known
from rules_engine.models import CalendarException, WorkItem
from rules_engine.services.company import calendars, production_calendars
from rules_engine.services.company.production_calendars import known_days, shipped_years, years_of
from rules_engine.services.company.reference import reference
from rules_engine.services.records.outcome import Outcome
from rules_engine.services.running import setup
from rules_engine.settings import Settings
from tests.factories import MONDAY, at, make_calendar, make_exception, make_request

PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "russian_production_calendar_2020_2027.csv"


@pytest.fixture
def company(session: Session) -> Session:
    setup.initialise(session, now=MONDAY)
    return session


@pytest.mark.parametrize(("year", "days", "hours"), [(2024, 248, 1979), (2025, 247, 1972), (2026, 247, 1972)])
def test_a_new_company_in_russia_works_the_norm_hours_of_its_production_calendar(
    company: Session, year: int, days: int, hours: int
) -> None:
    calendar = reference(company).company_calendar
    assert calendar.days_between(date(year, 1, 1), date(year + 1, 1, 1)) == days
    assert calendar.elapsed(at(f"{year}-01-01 00:00"), at(f"{year + 1}-01-01 00:00")) == hours * 60


def test_what_ships_is_what_was_published() -> None:
    if not PUBLISHED.exists():
        pytest.skip(f"the published calendar is not here: {PUBLISHED}")
    published = {}
    for line in PUBLISHED.read_text().splitlines()[1:]:
        text, _, kind, _ = line.split(",")
        published[date.fromisoformat(text)] = kind
    ours = {one.day: one for year in shipped_years("RU").values() for one in year.days}
    # We name holidays on a weekend too: for whoever works on Saturdays.
    differing = {day: one for day, one in ours.items() if day.weekday() < 5 or one.kind is not DayKind.OFF}
    assert {day: one.kind.value for day, one in differing.items()} == {
        day: kind for day, kind in published.items() if 2024 <= day.year <= 2026
    }


def test_a_moved_saturday_before_a_holiday_is_worked_an_hour_less(company: Session) -> None:
    calendar = reference(company).company_calendar
    assert calendar.elapsed_minutes(at("2025-11-01 00:00"), at("2025-11-02 00:00")) == 7 * 60
    note = company.scalars(select(CalendarException.note).where(CalendarException.day == date(2025, 11, 1))).one()
    assert note == "канун праздника; рабочий день вместо 03.11"


def test_a_company_elsewhere_begins_with_a_plain_week(sessions: sessionmaker[Session], tmp_path: Path) -> None:
    settings = Settings.from_env({"PRAVILA_HOME": str(tmp_path / "home"), "PRAVILA_TIMEZONE": "Asia/Almaty"})
    with db.make_sessions(sessions.kw["bind"], settings)() as session:
        setup.initialise(session, now=MONDAY)
        assert session.scalars(select(CalendarException)).all() == []


def test_other_countries_and_years_have_days_off_only_and_it_is_said() -> None:
    kazakhstan = known_days("kz", (2025, 2026))
    assert kazakhstan.without_short_days == (2025, 2026)
    kinds = {one.day: one.kind for one in kazakhstan.days}
    assert kinds[date(2026, 3, 23)] is DayKind.OFF  # Nowruz
    assert kinds[date(2025, 1, 5)] is DayKind.WORK  # a Sunday instead of 3 January
    assert DayKind.SHORT not in kinds.values()
    mixed = known_days("RU", (2026, 2027))
    assert mixed.without_short_days == (2027,)
    assert {one.day.year for one in mixed.days if one.kind is DayKind.SHORT} == {2026}


@pytest.mark.parametrize(("country", "years"), [("XX", (2026,)), ("", (2026,)), ("RU", ()), ("KZ", (1800,))])
def test_what_nobody_knows_is_refused(country: str, years: tuple[int, ...]) -> None:
    with pytest.raises(InputError):
        known_days(country, years)


@pytest.mark.parametrize("text", ["", "soon", "2026-2024", "0-9999", "1-99999999999999999999"])
def test_years_are_one_or_a_span(text: str) -> None:
    assert list(years_of("2024–2026")) == [2024, 2025, 2026] and list(years_of("2026")) == [2026]
    with pytest.raises(InputError):
        years_of(text)


@pytest.fixture
def own_day(session: Session) -> Iterator[CalendarException]:
    """A company with a calendar of its own, for which 4 November is a day like any other."""
    yield make_exception(session, make_calendar(session), date(2026, 11, 4), "windows", [["10:00", "16:00"]])


def test_a_preview_says_what_would_change_and_own_dates_can_be_kept(
    session: Session, own_day: CalendarException
) -> None:
    calendar = own_day.calendar
    days = known_days("RU", (2026,)).days
    changes = production_calendars.preview(session, calendar, days)
    assert [(one.known.day, one.before) for one in changes if one.outcome is Outcome.UPDATED] == [
        (own_day.day, own_day)
    ]
    kept = production_calendars.take(session, calendar, days, lang="ru", actor="galina", keep_own=True)
    assert (kept[Outcome.CREATED], kept[Outcome.UPDATED], own_day.kind) == (len(days) - 1, 0, "windows")
    taken = production_calendars.take(session, calendar, days, lang="ru", actor="galina")
    assert (taken[Outcome.CREATED], taken[Outcome.UPDATED], own_day.kind) == (0, 1, "off")
    assert calendars.by_code(session, None) is calendar


def test_an_import_wakes_what_is_open(sessions: sessionmaker[Session], settings: Settings) -> None:
    with db.transaction(sessions) as session:
        make_calendar(session)
        make_request(session)
        session.query(WorkItem).update({"wake_at": None})
    report = import_known(sessions, settings, known_days("RU", (2026,)), calendar_code=None, now=MONDAY)
    assert (report.created, report.updated, report.unchanged) == (report.read, 0, 0)
    with sessions() as session:
        assert session.scalars(select(WorkItem.wake_at)).all() == [MONDAY]
        assert not reference(session).company_calendar.is_working_day(date(2026, 11, 4))
