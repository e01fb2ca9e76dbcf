"""Control in the browser: who sees it, tables that sort and are given out as files, lists, a manager's own place."""

import csv
import io
import re
from collections.abc import Callable

import pytest
from openpyxl import load_workbook
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.models import User
from tests.admin.conftest import Browser, StandingClock
from tests.admin.test_home import text_of
from tests.bonus_rows import held
from tests.factories import Cast, at, make_manager, make_version
from tests.services.test_control import NOW, answered, october_of_anna

LogIn = Callable[[str], Browser]
Sessions = sessionmaker[Session]
OCTOBER = "from=2026-10-01&to=2026-10-31"
PAGES = (
    "/control/", "/control/processed", "/control/requests?figure=received", "/control/fairness",
    "/control/export/managers/csv",
)  # fmt: skip


@pytest.fixture
def october(sessions: Sessions, cast: Cast, business_clock: StandingClock) -> Cast:
    """The month of tests/services/test_control.py, seen on 5 November; Борис has a name that a spreadsheet may run."""
    business_clock.at = NOW
    with db.transaction(sessions) as session:
        october_of_anna(session, cast)
        session.get_one(User, cast.boris.user_id).name = "=cmd|'/c calc'!A1"
    return cast


def rows_of(page: str, table: int = 0) -> list[list[str]]:
    """Return the cells of a table that the page shows, the heading first, as their words."""
    tables = re.findall(r'<table class="sheet[^>]*>(.*?)</table>', page, re.DOTALL)
    return [
        [text_of(cell).strip() for cell in re.findall(r"<t[hd][ >].*?</t[hd]>", row, re.DOTALL)]
        for row in re.findall(r"<tr.*?</tr>", tables[table], re.DOTALL)
    ]


def test_a_manager_sees_nothing_of_it(logged_in: LogIn) -> None:
    anna = logged_in("anna")

    assert {anna.get(page).status_code for page in PAGES} == {403}
    assert "/control/" not in anna.get("/requests/").text


def test_heads_administrators_and_auditors_read_all_of_it(logged_in: LogIn, october: Cast) -> None:
    for login, pages in (("galina", PAGES), ("denis", PAGES[:1]), ("zhanna", PAGES)):
        reader = logged_in(login)
        assert {reader.get(page).status_code for page in pages} == {200}, login
        assert "Контроль" in text_of(reader.get("/clients/").text)


def test_each_number_leads_to_as_many_rows(logged_in: LogIn, october: Cast) -> None:
    galina = logged_in("galina")
    page = galina.get(f"/control/?{OCTOBER}").text
    [row] = re.findall(r'<tr>\s*<th scope="row"[^>]*><a [^>]*>Анна</a>.*?</tr>', page, re.DOTALL)
    links = re.findall(r'href="(/control/requests[^"]+)">([^<]+)</a>(?: <small>из ([\d\s]+)</small>)?', row)

    counted = 0
    for address, shown, of in links:
        listed = text_of(galina.get(address.replace("&amp;", "&")).text)
        number = re.search(r"(\d+) стро", listed)
        assert number is not None, address
        if "%" in shown:
            assert 100 * int(number[1]) // int(of) == int(shown.split("\u00a0")[0]), address
            counted += 1
        elif "figure=answered" not in address:
            # A sum over the ledger; here no row counts but one.
            counted += 1
            extra = 1 if "figure=received" in address else 0
            assert int(number[1]) - extra in (int(shown), int(shown) - extra), address
    assert counted >= 8


def test_tables_sort_by_any_column_and_say_so(logged_in: LogIn, october: Cast) -> None:
    galina = logged_in("galina")

    def names(sort: str) -> list[str]:
        page = galina.get(f"/control/?{OCTOBER}&sort={sort}").text
        head = page.partition('<table class="sheet')[2].partition("</thead>")[0]
        if sort:
            state = "descending" if sort.startswith("-") else "ascending"
            assert head.count(f'aria-sort="{state}"') == 1
        return [row[0] for row in rows_of(page)[1:]]

    boris = "=cmd|&#39;/c calc&#39;!A1"
    assert names("") == [boris, "Анна", "Вера"]
    assert names("-received") == ["Анна", boris, "Вера"]
    assert names("received") == ["Вера", boris, "Анна"]
    # Who has no figure stands last, either way.
    assert names("in_time")[-1] == names("-in_time")[-1] == "Вера"
    assert names("-name") == ["Вера", "Анна", boris]
    assert names("team")[0] == "Вера"


def test_every_table_is_given_out_as_csv_and_xlsx(logged_in: LogIn, october: Cast) -> None:
    galina = logged_in("galina")
    for table in ("managers", "teams", "groups", "index", "requests", "fairness", "ledger"):
        address = f"/control/export/{table}/%s?{OCTOBER}&month=2026-10&figure=received"
        sheet = galina.client.get(address % "csv")
        lines = list(csv.reader(io.StringIO(sheet.get_data().decode("utf-8-sig")), delimiter=";"))
        book = load_workbook(io.BytesIO(galina.client.get(address % "xlsx").get_data()))
        rows = [list(row) for row in book.active.iter_rows(values_only=True)]

        assert re.search(r'filename="[a-z-]+2026-10[0-9_-]*\.csv"', sheet.headers["Content-Disposition"])
        assert len(lines) == len(rows) > 1, table
        assert [str(cell) for cell in rows[0] if cell is not None] == lines[0]
        assert not [cell for row in (*lines, *rows) for cell in row if isinstance(cell, str) and cell.startswith("=")]
        assert any("'=cmd" in cell for row in lines for cell in row) is (table not in ("groups", "teams"))
        assert any(isinstance(cell, int | float) for row in rows[1:] for cell in row), table


def test_a_file_has_the_order_the_team_and_the_numbers_of_the_page(logged_in: LogIn, october: Cast) -> None:
    book = load_workbook(
        io.BytesIO(
            logged_in("galina")
            .client.get(f"/control/export/managers/xlsx?{OCTOBER}&team=sales&sort=-received")
            .get_data()
        )
    )
    heading, anna, boris, both = [list(row) for row in book.active.iter_rows()]
    at_column = {cell.value: place for place, cell in enumerate(heading)}

    assert [row[0].value for row in (anna, boris, both)] == ["Анна", "'=cmd|'/c calc'!A1", "Все вместе"]
    assert anna[at_column["Получено"]].value == 5
    share = anna[at_column["В срок"]]
    assert (share.value, share.number_format) == (0.4, "0.0%")
    assert anna[at_column["Первый ответ, медиана, рабочих минут"]].value == 30
    assert both[at_column["Получено"]].value == 6


def test_what_there_is_not_is_not_found_and_bad_days_are_said(logged_in: LogIn, october: Cast) -> None:
    galina = logged_in("galina")

    for address in (
        "requests", "requests?figure=magic", "?team=nobody", "processed?manager=nobody", "export/magic/csv",
        "export/managers/pdf", "fairness?cause=magic", "export/requests/csv?figure=magic",
    ):  # fmt: skip
        assert galina.get(f"/control/{address}").status_code == 404, address
    backwards = galina.get("/control/?from=2026-10-05&to=2026-10-01")
    assert "период кончается раньше, чем начинается" in text_of(backwards.text)
    assert "не больше года" in text_of(galina.get("/control/?from=2020-01-01&to=2026-10-01").text)
    assert "Нужны оба дня" in text_of(galina.get("/control/?from=2026-10-01&to=soon").text)
    assert galina.get("/control/fairness?month=october&after=x").status_code == 200
    assert galina.get("/control/requests?figure=received&page=999999999999&sort=magic&size=9").status_code == 200


def test_an_address_made_up_by_hand_is_answered_and_orders_nothing(logged_in: LogIn, october: Cast) -> None:
    galina = logged_in("galina")

    for address in (
        "requests?figure=size&size=12", "requests?figure=size&size=²", "requests?figure=received&page=²",
        "fairness?month=2026-10&after=².1", "fairness?month=0000-00", "?from=0001-01-01&to=0001-01-02",
        "?from=9999-12-31&to=9999-12-31", "?endpoint=x&self=y",
    ):  # fmt: skip
        assert galina.get(f"/control/{address}").status_code == 200, address
    assert "нужны дни с 2000 по 2199 год" in galina.get("/control/?from=9999-12-31&to=9999-12-31").text
    page = galina.get(f"/control/?{OCTOBER}&_scheme=javascript&_anchor=x").text
    assert "javascript://" not in page
    assert 'href="/control/?from=2026-10-01&amp;to=2026-10-31&amp;' in page


def test_working_time_is_told_in_hours_of_work_and_not_in_days_of_24(
    logged_in: LogIn, sessions: Sessions, cast: Cast, business_clock: StandingClock
) -> None:
    business_clock.at = NOW
    with db.transaction(sessions) as session:
        answered(session, cast.anna, "2026-10-05 10:00", "2026-10-05 10:30", "2026-10-09 10:20")
    galina = logged_in("galina")

    for page in ("?", "requests?figure=answered&"):
        shown = galina.get(f"/control/{page}{OCTOBER}").text
        assert "32\u00a0ч\u00a020\u00a0мин" in shown and "дн." not in shown


def test_which_requests_are_processed_as_bars_with_a_table_behind(
    logged_in: LogIn, sessions: Sessions, cast: Cast, business_clock: StandingClock
) -> None:
    business_clock.at = NOW
    with db.transaction(sessions) as session:
        for number in range(1, 71):
            more = {"status": "won", "closed_at": at("2026-10-08 10:00")} if number > 35 else {}
            answered(
                session, cast.anna, "2026-10-05 10:00", "2026-10-05 10:30", "2026-10-05 10:10",
                amount_minor=number * 100_000, **more,
            )  # fmt: skip
        answered(session, cast.boris, "2026-10-05 10:00", "2026-10-05 10:30", "2026-10-05 10:10", status="lost",
                 close_reason="rival", closed_at=at("2026-10-08 10:00"), amount_minor=100)  # fmt: skip
    galina = logged_in("galina")

    page = galina.get(f"/control/processed?{OCTOBER}").text
    assert page.count('class="bar"') == 5
    assert "Из 100 мелких обработано 6, из 100 крупных — 100." in text_of(page)
    [first, *_] = re.findall(r'<a href="(/control/requests[^"]+)" aria-label', page)
    assert "15 строк" in text_of(galina.get(first.replace("&amp;", "&")).text)
    assert page.count("style=") == 0
    anna, boris = (next(row for row in rows_of(page) if row[0] == name) for name in ("Анна", "Борис"))
    assert anna[4].startswith("+0,50 (+0,3")
    assert (anna[6], boris[4], boris[6]) == ("перекос к крупным", "—", "слишком мало заявок")
    own = text_of(galina.get(f"/control/processed?{OCTOBER}&manager=anna").text)
    assert "Перекос к крупным заявкам +0,50" in own
    assert "по 70 заявкам" in own


def test_the_fairness_proof_shows_deviation_by_cause_and_leads_to_the_ledger(logged_in: LogIn, october: Cast) -> None:
    galina = logged_in("galina")
    page = galina.get("/control/fairness?month=2026-10").text

    assert "Получено и норма: октябрь 2026" in text_of(page)
    assert "9 записей" in text_of(page)
    own = galina.get("/control/fairness?month=2026-10&manager=anna&cause=spam").text
    [_, entry] = rows_of(own, 1)
    assert "1 запись" in text_of(own)
    assert (entry[2], entry[3], entry[5]) == ("Анна", "−1", "спам")
    assert "В этом месяце заявок никто не получал" in text_of(galina.get("/control/fairness?month=2024-01").text)


def test_it_is_whole_in_english_and_says_what_to_do_when_there_is_nothing(
    logged_in: LogIn, october: Cast, sessions: Sessions
) -> None:
    with db.transaction(sessions) as session:
        session.get_one(User, october.galina.id).locale = "en"
    galina = logged_in("galina")

    page = text_of(galina.get(f"/control/?{OCTOBER}").text)
    assert "Of 100 small requests" in page
    assert not re.search("[А-Яа-я]", page.replace("Анна", "").replace("Вера", "").replace("Галина", "")
                         .replace("Продажи", "").replace("Ключевые", "").replace("Правила", ""))  # fmt: skip
    empty = galina.get("/control/?from=2024-01-01&to=2024-01-31").text
    assert "Nobody was given a request in these days." in text_of(empty)


def test_more_managers_cost_no_more_queries(
    logged_in: LogIn, october: Cast, sessions: Sessions, count_queries: Callable[[], int]
) -> None:
    galina = logged_in("galina")
    pages = [f"/control/?{OCTOBER}", f"/control/processed?{OCTOBER}", f"/control/requests?{OCTOBER}&figure=owed"]
    for page in pages:
        galina.get(page)
    few = []
    for page in pages:
        count_queries()
        galina.get(page)
        few.append(count_queries())
    with db.transaction(sessions) as session:
        for _ in range(8):
            held(session, make_manager(session), "2026-10-12 10:00", due="2026-10-12 10:30")
    galina.get(pages[0])

    for page, number in zip(pages, few, strict=True):
        count_queries()
        galina.get(page)
        assert count_queries() <= number


def test_a_manager_sees_his_place_as_a_range_without_names(
    logged_in: LogIn, sessions: Sessions, cast: Cast, business_clock: StandingClock
) -> None:
    business_clock.at = at("2026-10-20 12:00")
    with db.transaction(sessions) as session:
        rules = {"decision": "bonus", "title": {"ru": "Премия", "en": "Bonus"}, "hit_policy": "collect", "rules": []}
        make_version(session, "bonus", rules)
        mates = [make_manager(session, f"mate{number}", f"Коллега{number}", team=cast.sales) for number in range(4)]
        for number, manager in enumerate([cast.anna, cast.boris, *mates]):
            for place in range(6):
                when = "10:10" if place >= number else "11:10"
                answered(session, manager, "2026-10-05 10:00", "2026-10-05 10:30", f"2026-10-05 {when}")

    page = text_of(logged_in("boris").get("/my/bonus").text)

    assert "Моё место в отделе" in page
    assert "Ответ в срок 83 % места 1–2 из 6" in page
    assert "Коллега" not in page
    assert "Моё место в отделе" not in text_of(logged_in("vera").get("/my/bonus").text)
