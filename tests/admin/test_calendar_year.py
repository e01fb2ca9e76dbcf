"""The year of a calendar in the browser: what a head sees, and how a date is made to differ."""

import re
from collections.abc import Callable
from datetime import date

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.models import AuditEntry, Calendar, CalendarException, WorkItem
from tests.admin.conftest import Browser
from tests.factories import MONDAY, Cast, make_calendar, make_exception, make_request

LogIn = Callable[[str], Browser]
Sessions = sessionmaker[Session]


@pytest.fixture
def address(cast: Cast) -> str:
    return f"/calendars/{cast.calendar.id}"


def days(sessions: Sessions) -> dict[date, tuple[str, object]]:
    with sessions() as session:
        return {row.day: (row.kind, row.windows) for row in session.scalars(select(CalendarException))}


def test_a_year_shows_what_each_date_is_and_the_norm_hours(
    logged_in: LogIn, cast: Cast, address: str, sessions: Sessions
) -> None:
    with db.transaction(sessions) as session:
        calendar = session.get_one(Calendar, cast.calendar.id)
        make_exception(session, calendar, date(2026, 11, 3), "short")
        make_exception(session, calendar, date(2026, 11, 4), "off")
        make_exception(session, calendar, date(2026, 11, 7), "work")
        make_exception(session, calendar, date(2026, 11, 9), "windows", [["10:00", "15:00"]])
    galina = logged_in("galina")
    assert galina.get("/calendars/").headers["Location"].endswith(address)
    shown = galina.get(f"{address}?year=2026").text
    for said in (
        "3 ноября, на час короче, 09:00–13:00, 14:00–17:00",
        "4 ноября, выходной",
        "7 ноября, перенесённый рабочий день, 09:00–13:00, 14:00–18:00",
        "9 ноября, другие часы, 10:00–15:00",
        "8 ноября, выходной по неделе",
        "5 октября, рабочий день",
    ):
        assert f'aria-label="{said}"' in shown
    # 21 weekdays: one off, one shorter, one of five hours; and a Saturday.
    november = re.search(r"<b>Ноябрь</b> <small>([^<]+)</small>", shown)
    assert november and november[1] == "164 ч · 21 дн."
    assert "Норма года: 2 084 ч, рабочих дней: 261".replace(" 084", "\u00a0084") in shown


def test_a_date_is_made_to_differ_and_to_be_as_the_week_again(
    logged_in: LogIn, address: str, sessions: Sessions
) -> None:
    with db.transaction(sessions) as session:
        make_request(session)
        session.query(WorkItem).update({"wake_at": None})
    galina = logged_in("galina")
    form = {"kind": "windows", "windows": "10:00-12:00, 13:00–15:00", "note": "Учёба"}
    answer = galina.post(f"{address}/2026-10-20", form)
    assert answer.headers["Location"].endswith(f"{address}?year=2026&day=2026-10-20")
    assert days(sessions) == {date(2026, 10, 20): ("windows", [["10:00", "12:00"], ["13:00", "15:00"]])}
    with sessions() as session:
        assert session.scalars(select(WorkItem.wake_at)).all() == [MONDAY]
    galina.post(f"{address}/2026-10-20", {"kind": "short"})
    assert days(sessions) == {date(2026, 10, 20): ("short", None)}
    galina.post(f"{address}/2026-10-20", {"kind": "week"})
    assert days(sessions) == {}
    with sessions() as session:
        entries = session.scalars(
            select(AuditEntry.action).where(AuditEntry.subject_kind == "calendar_exception").order_by(AuditEntry.id)
        ).all()
    assert entries == ["create", "update", "delete"]


@pytest.mark.parametrize(
    ("windows", "words"),
    [
        ("", "Укажите часы"),
        ("18:00-09:00", "окно 18:00–09:00 кончается не позже, чем начинается"),
        ("09:00-12:00, 11:00-13:00", "окна 09:00–12:00 и 11:00–13:00 пересекаются"),
        ("утром", "2026-10-20: окно задаётся двумя временами"),
    ],
)
def test_hours_that_make_no_sense_are_refused_and_nothing_typed_is_lost(
    logged_in: LogIn, address: str, sessions: Sessions, windows: str, words: str
) -> None:
    answer = logged_in("galina").post(f"{address}/2026-10-20", {"kind": "windows", "windows": windows, "note": "Учёба"})
    assert answer.status_code == 422 and words in answer.text
    assert f'value="{windows}"' in answer.text and 'value="Учёба"' in answer.text
    assert days(sessions) == {}


def test_the_last_working_date_of_a_calendar_cannot_be_taken_away(
    logged_in: LogIn, cast: Cast, sessions: Sessions
) -> None:
    with db.transaction(sessions) as session:
        fair = make_calendar(session, "fair", weekly={"mon": []}, is_default=False)
        make_exception(session, fair, date(2026, 10, 20), "windows", [["10:00", "15:00"]])
    answer = logged_in("galina").post(f"/calendars/{fair.id}/2026-10-20", {"kind": "week"})
    assert answer.status_code == 422 and "в календаре нет рабочего времени" in answer.text
    assert len(days(sessions)) == 1


def test_a_production_calendar_is_previewed_and_taken_in(
    logged_in: LogIn, cast: Cast, address: str, sessions: Sessions
) -> None:
    with db.transaction(sessions) as session:
        calendar = session.get_one(Calendar, cast.calendar.id)
        make_exception(session, calendar, date(2026, 11, 4), "windows", [["10:00", "15:00"]])
    galina = logged_in("galina")
    shown = galina.get(f"{address}/import?country=RU&years=2026").text
    assert "Отличаются от записанных: 1." in shown and "другие часы 10:00–15:00" in shown
    assert len(days(sessions)) == 1
    galina.post(f"{address}/import", {"country": "RU", "years": "2026", "keep_own": "1"})
    kept = days(sessions)
    assert kept[date(2026, 11, 4)][0] == "windows" and kept[date(2026, 11, 3)] == ("short", None)
    galina.post(f"{address}/import", {"country": "RU", "years": "2026"})
    assert days(sessions)[date(2026, 11, 4)] == ("off", None)
    assert "Все эти даты в календаре уже есть" in galina.get(f"{address}/import?country=RU&years=2026").text


@pytest.mark.parametrize(
    ("query", "words"), [("country=XX&years=2026", "не известна"), ("country=RU&years=x", "не годы")]
)
def test_a_country_or_years_that_nobody_knows_are_said_in_place(
    logged_in: LogIn, address: str, query: str, words: str
) -> None:
    answer = logged_in("galina").get(f"{address}/import?{query}")
    assert words in answer.text


@pytest.mark.parametrize("query", ["year=x", "year=0", "year=9999", "day=x", "day=1800-01-01", "day=2028-02-29"])
def test_an_address_made_up_by_hand_shows_a_year(logged_in: LogIn, address: str, query: str) -> None:
    assert logged_in("zhanna").get(f"{address}?{query}").status_code == 200
