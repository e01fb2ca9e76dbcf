"""What people type becomes what rulesets keep: both decimal marks, grouped thousands, units, durations, dates."""

from zoneinfo import ZoneInfo

import pytest

from admin.views.rule_editor.typed import Reader, duration, exclusive_end, inclusive_end, split_list
from rules_engine.language.kinds import FieldType as T

MOSCOW = ZoneInfo("Europe/Moscow")
RU, EN = Reader("ru", MOSCOW), Reader("en", MOSCOW)


@pytest.mark.parametrize("reader", [RU, EN])
@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (T.MONEY, "150 000,50 ₽", "150000.5"),
        (T.MONEY, "150,000.50", "150000.5"),
        (T.MONEY, "1.500.000,50", "1500000.5"),
        (T.MONEY, "150\u00a0000", "150000"),
        (T.MONEY, "150,000", "150000"),
        (T.MONEY, "0,5", "0.5"),
        (T.MONEY, "1 500 руб.", "1500"),
        (T.MONEY, "−5", "-5"),
        (T.PERCENT, "12,5 %", "12.5"),
        (T.NUMBER, "1.5", "1.5"),
        (T.INTEGER, "1 000", 1000),
        (T.DURATION, "1 ч 30 мин", 90),
        (T.DATE, "05.10.2026", "2026-10-05"),
        (T.DATE, "2026-10-05", "2026-10-05"),
        (T.DATETIME, "2026-10-05T14:00", "2026-10-05T14:00:00+03:00"),
        (T.BOOLEAN, "no", False),
        (T.TEXT, " Казахстан ", "Казахстан"),
    ],
)
def test_a_typed_value_is_kept_in_the_form_of_the_language(reader: Reader, kind: T, text: str, value: object) -> None:
    assert reader.value(kind, text) == value


def test_a_comma_before_three_digits_is_read_as_the_readers_language_writes_it() -> None:
    assert (RU.value(T.NUMBER, "1,500"), EN.value(T.NUMBER, "1,500")) == ("1.5", "1500")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (T.MONEY, "abc"),
        (T.MONEY, ""),
        (T.MONEY, "1,2,3."),
        (T.MONEY, "1e5"),
        (T.INTEGER, "1,5"),
        (T.INTEGER, "²"),
        (T.DURATION, "soon"),
        (T.DATE, "31.02.2026"),
        (T.DATE, "2026"),
        (T.DATETIME, "tomorrow"),
        (T.BOOLEAN, "maybe"),
        (T.TEXT, "x" * 1001),
    ],
)
def test_what_cannot_be_a_value_is_refused(kind: T, text: str) -> None:
    with pytest.raises(ValueError):
        RU.value(kind, text)


@pytest.mark.parametrize(
    ("kind", "value"),
    [(T.MONEY, "1500000.5"), (T.MONEY, "150000"), (T.PERCENT, "12.5"), (T.INTEGER, 1000), (T.BOOLEAN, True)],
)
def test_what_an_input_shows_is_read_back_as_the_same(kind: T, value: object) -> None:
    for reader in (RU, EN):
        shown = reader.value(kind, reader.shown(kind, value))
        assert shown == value


def test_money_is_shown_grouped_with_the_mark_of_the_language() -> None:
    assert RU.shown(T.MONEY, "1500000.50") == "1\u00a0500\u00a0000,50"
    assert EN.shown(T.MONEY, "1500000.50") == "1,500,000.50"


def test_a_value_of_the_wrong_kind_is_shown_as_it_is_so_that_it_can_be_mended() -> None:
    assert RU.shown(T.MONEY, "many") == "many"


def test_a_range_of_dates_shows_its_last_day() -> None:
    assert inclusive_end(T.DATE, "2026-11-01") == "2026-10-31"
    assert exclusive_end(T.DATE, "2026-10-31") == "2026-11-01"
    assert inclusive_end(T.MONEY, "100") == "100"


def test_durations_and_lists() -> None:
    assert [duration(text) for text in ("30", "1:30", "2h", "1 дн. 2 ч", "45 мин.")] == [30, 90, 120, 1560, 45]
    assert split_list("а\nб; в;а\n\n") == ["а", "б", "в"]
