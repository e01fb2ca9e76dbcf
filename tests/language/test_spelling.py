"""Texts as they were written: engines compare them folded, people read them as somebody wrote them."""

import pytest

from rules_engine.decisions.field_words import condition_words, value_words
from rules_engine.language import spelling

CITY = "request.city"
TAGS = "request.tags"


@pytest.mark.parametrize(
    ("field", "value", "spellings", "shown"),
    [
        (CITY, "москва", {CITY: ["Москва"]}, "Москва"),
        (CITY, "москва", {CITY: ["Тверь", " МОСКВА "]}, "МОСКВА"),
        (CITY, "москва", {CITY: ["Тверь"]}, "москва"),
        (CITY, "москва", {}, "москва"),
        (CITY, None, {CITY: ["Москва"]}, None),
        (TAGS, ["vip", "ооо ромашка"], {TAGS: ["ООО Ромашка", "VIP"]}, ["VIP", "ООО Ромашка"]),
        (TAGS, ["vip", "архив"], {TAGS: ["VIP"]}, ["VIP", "архив"]),
        ("request.amount", "10.00", {"request.amount": ["10.00"]}, "10.00"),
    ],
)
def test_a_folded_text_reads_as_somebody_wrote_it(
    field: str, value: object, spellings: spelling.Spellings, shown: object
) -> None:
    assert spelling.spelt(field, value, spellings) == shown


def test_what_is_typed_comes_before_what_a_row_says() -> None:
    typed = spelling.of_values({CITY: "МОСКВА", TAGS: None, "request.amount": "5"})
    spellings = spelling.joined(typed, {CITY: ["Москва"]})
    assert spelling.spelt(CITY, "москва", spellings) == "МОСКВА"


def test_a_document_of_rules_says_how_its_texts_are_written() -> None:
    condition = {"field": CITY, "op": "in", "value": ["Нижний Новгород", "Пермь"]}
    body = {"rules": [{"id": "one", "when": {"all": [{"any": [condition]}]}}]}
    assert spelling.spelt(CITY, "пермь", spelling.of_rules(body)) == "Пермь"


def test_words_of_values_and_conditions_keep_the_letters_they_are_given() -> None:
    assert value_words(TAGS, ["VIP", " Архив "], "ru") == "VIP, Архив"
    assert condition_words(CITY, "is", "Казань", "Тверь", "ru") == "город: Тверь; нужно: Казань"
