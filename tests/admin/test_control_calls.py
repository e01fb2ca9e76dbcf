"""Planned calls in control, in the browser: who sees them, tables that sort and are given out, clients and holds."""

import csv
import io
import re

import pytest
from openpyxl import load_workbook
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.models import Client, OverdueAction, OverdueKind, OverdueState, User
from tests.admin.conftest import StandingClock
from tests.admin.test_control import LogIn, rows_of
from tests.admin.test_home import text_of
from tests.factories import Cast, at
from tests.services.test_control_calls import NOW, calls_of_anna

OCTOBER = "from=2026-10-01&to=2026-10-31"
TABLES = ("calls", "weeks", "segments", "untouched")


@pytest.fixture
def cast(sessions: sessionmaker[Session], business_clock: StandingClock) -> Cast:
    """The month of tests/services/test_control_calls.py; a client of Анна whom nobody has called since January."""
    business_clock.at = NOW
    with db.transaction(sessions) as session:
        cast = calls_of_anna(session)
        quiet = session.query(Client).order_by(Client.id).first()
        quiet.owner, quiet.segment, quiet.created_at = cast.anna, "lost", at("2026-01-10 10:00")
        proposed = {"kind": OverdueKind.HOLD, "state": OverdueState.PROPOSED, "rule": "late", "ground": {}}
        session.add(OverdueAction(manager_id=cast.anna.id, proposed_at=NOW, **proposed))
    return cast


def test_calls_open_sort_and_are_given_out_to_those_who_read_control(
    logged_in: LogIn, cast: Cast, sessions: sessionmaker[Session]
) -> None:
    anna = logged_in("anna")
    refused = [f"/control/calls?{OCTOBER}", *(f"/control/export/{table}/csv?{OCTOBER}" for table in TABLES)]
    assert {anna.get(page).status_code for page in refused} == {403}

    galina = logged_in("galina")
    answer = galina.get(f"/control/calls?{OCTOBER}&sort=-done")
    assert answer.status_code == 200
    managers, weeks, owners = (rows_of(answer.text, place) for place in range(3))
    assert managers[1] == [
        "Анна", "Продажи", "5", "4", "75 % из 4", "2", "2", "33 % из 9", "3", "1 900 ₽",
    ]  # fmt: skip
    assert [row[0] for row in managers[1:]] == ["Анна", "Борис", "Вера"]
    assert [row[0] for row in weeks[1:3]] == ["5 окт. – 11 окт.", "12 окт. – 18 окт."]
    assert ["Анна", "Продажи", "1", "1", "100 %", "0"] in owners
    assert answer.text.count('aria-sort="descending"') == 2
    said = text_of(answer.text)
    assert "в течение 45 дней после звонка" in said
    assert "Потерянный 1" in said
    assert "Предложено приостановок 1" in said
    # The number of calls leads to as many of them, of a manager and of a week.
    for row, number in (("Анна", 5), ("5 окт. – 11 окт.", 2)):
        line, *_rest = re.findall(rf'<tr>\s*<th scope="row"[^>]*>(?:<a [^>]*>)?{row}.*?</tr>', answer.text, re.DOTALL)
        [address] = re.findall(r'href="(/control/requests[^"]+calls_due[^"]*)"', line)
        assert f"{number} стр" in text_of(galina.get(address.replace("&amp;", "&")).text)

    # A quiet client is counted only for as long as the reader asks; a manager alone has no table of managers.
    narrow = galina.get(f"/control/calls?{OCTOBER}&manager=anna&quiet=30&team=sales&sort=name").text
    assert "Без контакта 30 дней" in text_of(narrow)
    assert rows_of(narrow)[0][0].startswith("Неделя")
    assert galina.get("/control/calls?quiet=x&sort=magic").status_code == 200

    for table in TABLES:
        address = f"/control/export/{table}/%s?{OCTOBER}&sort=-done"
        sheet = galina.client.get(address % "csv")
        lines = list(csv.reader(io.StringIO(sheet.get_data().decode("utf-8-sig")), delimiter=";"))
        book = load_workbook(io.BytesIO(galina.client.get(address % "xlsx").get_data()))
        rows = [list(row) for row in book.active.iter_rows(values_only=True)]
        assert re.search(r'filename="control-[a-z]+-[0-9_-]+\.csv"', sheet.headers["Content-Disposition"]), table
        assert len(lines) == len(rows) > 1, table
        assert rows[0] == lines[0]
        if table == "calls":
            assert lines[1] == ["Анна", "Продажи", "5", "4", "75,0%", "4", "2", "2", "33,3%", "9", "3", "1900,00"]
            assert lines[-1][0] == "Все вместе"

    with db.transaction(sessions) as session:
        session.get_one(User, cast.galina.id).locale = "en"
    english = text_of(galina.get(f"/control/calls?{OCTOBER}").text)
    assert "Planned calls by manager" in english
    for name in ("Анна", "Борис", "Вера", "Галина", "Продажи", "Ключевые", "Правила"):
        english = english.replace(name, "")
    assert not re.search("[А-Яа-я]", english)
