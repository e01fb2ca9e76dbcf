"""Cells as people write them."""

# ruff: noqa: DTZ001 - what stands in a workbook has no zone

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from rules_engine.importers import cells
from rules_engine.importers.cells import CellRefused, Reading

MOSCOW = Reading(ZoneInfo("Europe/Moscow"))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("01.10.2026 9:05", datetime(2026, 10, 1, 6, 5, tzinfo=UTC)),
        ("1.10.26 09:05:30", datetime(2026, 10, 1, 6, 5, 30, tzinfo=UTC)),
        ("01.10.2026", datetime(2026, 9, 30, 21, tzinfo=UTC)),
        ("2026-10-01 09:05", datetime(2026, 10, 1, 6, 5, tzinfo=UTC)),
        ("2026-10-01", datetime(2026, 9, 30, 21, tzinfo=UTC)),
        ("2010-10-01 00:00:00.020000+02:00", datetime(2010, 9, 30, 22, 0, 0, 20000, tzinfo=UTC)),
        ("2010-11-02T11:42:19.582000Z", datetime(2010, 11, 2, 11, 42, 19, 582000, tzinfo=UTC)),
        ("46296.375", datetime(2026, 10, 1, 6, 0, tzinfo=UTC)),
        ("46296,378472222", datetime(2026, 10, 1, 6, 5, tzinfo=UTC)),
        (datetime(2026, 10, 1, 9, 5), datetime(2026, 10, 1, 6, 5, tzinfo=UTC)),
        (date(2026, 10, 1), datetime(2026, 9, 30, 21, tzinfo=UTC)),
        (None, None),
    ],
)
def test_instants(written: cells.Cell, expected: datetime | None) -> None:
    assert cells.instant(written, MOSCOW) == expected


@pytest.mark.parametrize(
    "written", ["yesterday", "32.10.2026", "01.13.2026 9:05", "01/10/2026", "25:00", "1.1.2026 24:61"]
)
def test_what_is_no_instant_is_refused(written: str) -> None:
    with pytest.raises(CellRefused):
        cells.instant(written, MOSCOW)


def test_a_midnight_of_a_workbook_is_a_bare_date_and_a_written_one_is_not() -> None:
    assert cells.day_or_instant(datetime(2026, 10, 1), MOSCOW) == date(2026, 10, 1)
    assert cells.day_or_instant("01.10.2026", MOSCOW) == date(2026, 10, 1)
    assert cells.day_or_instant("01.10.2026 0:00", MOSCOW) == datetime(2026, 9, 30, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "expected"),
    [("1 234,56", "1234.56"), ("1\u00a0234,5 ₽", "1234.50"), ("14500.00", "14500.00"), ("1234.5600000001", "1234.56")],
)
def test_amounts(written: str, expected: str) -> None:
    assert cells.amount(written, MOSCOW) == expected


@pytest.mark.parametrize("written", ["много", "1,234", "1.2345", "--1", datetime(2026, 1, 1)])
def test_what_is_no_amount_is_refused(written: cells.Cell) -> None:
    with pytest.raises(CellRefused):
        cells.amount(written, MOSCOW)


def test_a_tax_number_gets_its_zero_back() -> None:
    assert cells.inn("7707083893", MOSCOW) == "7707083893"
    assert cells.inn("277047190", MOSCOW) == "0277047190"
    with pytest.raises(CellRefused):
        cells.inn("7,70708E+09", MOSCOW)


def test_lists_and_yes_and_no() -> None:
    assert cells.items("a@x.example; b@x.example;a@x.example", MOSCOW) == ["a@x.example", "b@x.example"]
    assert cells.words("сайты, хостинг;сайты", MOSCOW) == ["сайты", "хостинг"]
    assert [cells.yes_no(text, MOSCOW) for text in ("Да", "no", "1", None)] == [True, False, True, None]
    with pytest.raises(CellRefused):
        cells.yes_no("может быть", MOSCOW)


def test_peoples_words_become_codes_and_others_stay() -> None:
    assert cells.CHANNEL("Телефон", MOSCOW) == "phone"
    assert cells.CHANNEL("Post", MOSCOW) == "Post"
    assert cells.STATUS("В работе", MOSCOW) == "in_progress"
    assert cells.DIRECTION("Входящий", MOSCOW) == "in"
