"""Numbers that a text about a rule still says though the rule no longer does: a note that was true of the old value."""

import re
from collections.abc import Mapping
from decimal import Decimal

_DATE = r"\d{1,2}\.\d{1,2}\.\d{4}|\d{4}-\d{2}-\d{2}"
_NUMBERS: Mapping[str, re.Pattern[str]] = {
    "ru": re.compile(rf"(?<!\w)(?:{_DATE}|\d{{1,3}}(?:[ \u00a0\u202f]\d{{3}}(?!\d))+(?:,\d+)?|\d+(?:[.,]\d+)?)"),
    "en": re.compile(rf"(?<!\w)(?:{_DATE}|\d{{1,3}}(?:[,\u00a0\u202f]\d{{3}}(?!\d))+(?:\.\d+)?|\d+(?:\.\d+)?)"),
}
_IS_DATE = re.compile(_DATE)


def left_behind(text: str, lang: str, before: str, after: str, said_in: str) -> tuple[str, ...]:
    """Return the numbers that stand in a text and in the sentence before, and not in the sentence after, as written.

    `lang` is the language of the text, `said_in` that of both sentences: each writes its numbers in its own way.

    >>> left_behind("Не чаще раза в 21 день.", "ru", "контакт: меньше 21 дн.", "контакт: меньше 30 дн.", "ru")
    ('21',)
    """
    gone = numbers_in(before, said_in).keys() - numbers_in(after, said_in).keys()
    return tuple(written for value, written in numbers_in(text, lang).items() if value in gone)


def numbers_in(text: str, lang: str) -> dict[str, str]:
    """Return the numbers of a text as it writes them, by what they are worth; a date is one number of its own.

    Numbers in words (“three days”) are none, and neither are digits inside a word.

    >>> list(numbers_in("35 000 ₽ при 0,50, а с 01.12.2026 — 40, 60 %", "ru"))
    ['35000', '0.5', '01.12.2026', '40', '60']
    >>> list(numbers_in("35,000 ₽ at 0.50", "en"))
    ['35000', '0.5']
    """
    found: dict[str, str] = {}
    for match in _NUMBERS["ru" if lang == "ru" else "en"].finditer(text):
        written = match[0]
        found.setdefault(written if _IS_DATE.fullmatch(written) else _worth(written, lang), written)
    return found


def _worth(written: str, lang: str) -> str:
    plain = re.sub(r"[ \u00a0\u202f]", "", written)
    plain = plain.replace(",", ".") if lang == "ru" else plain.replace(",", "")
    return f"{Decimal(plain).normalize():f}"
