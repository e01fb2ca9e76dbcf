"""A production calendar comes from a file; its dates move the clocks."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from rules_engine.db import transaction
from rules_engine.errors import NotFound
from rules_engine.importers.calendar_days import import_days
from rules_engine.services.company.reference import reference
from rules_engine.settings import Settings
from tests.factories import make_calendar, make_exception

NOW = datetime(2026, 10, 1, 9, tzinfo=UTC)
DAYS = """date,weekday,type,moved_from
2026-11-04,Wed,off,
2026-11-03,Tue,short,
2026-11-07,Sat,work,2026-11-02
2026-11-09,Mon,party,
2026-11-10,Tue,windows,
"""


@pytest.fixture
def company(sessions: sessionmaker[Session]) -> sessionmaker[Session]:
    with transaction(sessions) as session:
        make_calendar(session)
    return sessions


def test_the_dates_of_a_file_change_the_working_time(
    company: sessionmaker[Session], settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "2026.csv"
    path.write_text(DAYS)
    report = import_days(company, settings, path, calendar_code=None, now=NOW)
    assert (report.read, report.created, len(report.rejected)) == (5, 3, 2)
    assert [(one.row, one.column) for one in report.rejected] == [(5, "type"), (6, "windows")]
    with company() as session:
        calendar = reference(session).company_calendar
    worked = [calendar.is_working_day(date(2026, 11, day)) for day in (3, 4, 7, 8)]
    assert worked == [True, False, True, False]
    short = calendar.elapsed_minutes(datetime(2026, 11, 2, 21, tzinfo=UTC), datetime(2026, 11, 3, 21, tzinfo=UTC))
    assert short == 7 * 60
    again = import_days(company, settings, path, calendar_code=None, now=NOW)
    assert (again.created, again.updated, again.unchanged) == (0, 0, 3)


def test_an_unknown_calendar_is_refused(
    company: sessionmaker[Session], settings: Settings, tmp_path: Path, engine: Engine
) -> None:
    with pytest.raises(NotFound, match="moon"):
        import_days(company, settings, tmp_path / "any.csv", calendar_code="moon", now=NOW)


def test_a_file_cannot_take_the_last_working_time_of_a_calendar(
    company: sessionmaker[Session], settings: Settings, tmp_path: Path
) -> None:
    with transaction(company) as session:
        fair = make_calendar(session, "fair", weekly={"mon": []}, is_default=False)
        make_exception(session, fair, date(2026, 11, 3), "windows", [["10:00", "15:00"]])
    path = tmp_path / "2026.csv"
    path.write_text("date,type\n2026-11-03,off\n")
    report = import_days(company, settings, path, calendar_code="fair", now=NOW)
    assert [one.ru for one in report.rejected] == ["в календаре нет рабочего времени"]
    with company() as session:
        assert reference(session).company_calendar is not None
