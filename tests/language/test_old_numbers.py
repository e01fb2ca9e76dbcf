"""Which numbers of a note are no longer those of its rule."""

import pytest

from rules_engine.language.old_numbers import left_behind, numbers_in

NOTE = "Кто говорил с нами меньше 21 дня назад, тому не звоним; пять попыток, всего 3."


class TestLeftBehind:
    def test_a_number_that_the_rule_no_longer_says(self) -> None:
        assert left_behind(NOTE, "ru", "контакт: меньше 21 дн.", "контакт: меньше 30 дн.", "ru") == ("21",)

    def test_one_that_was_never_the_rules_is_none(self) -> None:
        assert left_behind(NOTE, "ru", "контакт: меньше 14 дн.", "контакт: меньше 30 дн.", "ru") == ()

    def test_one_that_the_rule_says_elsewhere_is_none(self) -> None:
        assert left_behind(NOTE, "ru", "меньше 21 дн.", "меньше 30 дн.; через: 21 раб. дн.", "ru") == ()

    def test_a_note_that_says_the_new_number_is_in_order(self) -> None:
        assert left_behind("Раз в 30 дней.", "ru", "меньше 21 дн.", "меньше 30 дн.", "ru") == ()

    def test_they_come_as_the_note_writes_them_each_once(self) -> None:
        note = "Не меньше 24\u00a0500 ₽ в месяцы 1–2: 24 500 ₽."
        assert left_behind(note, "ru", "24\u00a0500 ₽; месяцы: 2", "25\u00a0000 ₽; месяцы: 3", "ru") == (
            "24\u00a0500",
            "2",
        )

    def test_each_text_is_read_in_its_own_language(self) -> None:
        note = "At least 24,500 ₽, by 0.50 or 1,5."
        assert left_behind(note, "en", "24\u00a0500 ₽; 0,5", "25\u00a0000 ₽; 0,6", "ru") == ("24,500", "0.50")


@pytest.mark.parametrize(
    ("text", "lang", "values"),
    [
        ("4\u00a0800 мин, 4 800 и 4800", "ru", ["4800"]),
        ("40, 60, 80 и 100 %", "ru", ["40", "60", "80", "100"]),
        ("40, 60 and 100%", "en", ["40", "60", "100"]),
        ("1,00 при 95,5 %", "ru", ["1", "95.5"]),
        ("1,234,567.50 ₽", "en", ["1234567.5"]),
        ("10 1000", "ru", ["10", "1000"]),
        ("с 01.12.2026 по 2026-12-31.", "ru", ["01.12.2026", "2026-12-31"]),
        ("после 5. И в A4 тоже", "ru", ["5"]),
        ("три дня", "ru", []),
    ],
)
def test_numbers_are_what_they_are_worth(text: str, lang: str, values: list[str]) -> None:
    assert list(numbers_in(text, lang)) == values
