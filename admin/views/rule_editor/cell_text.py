"""Small readings of a table's cell: its operator in words or signs, its items, quoted texts, units."""

import re
from collections.abc import Iterable
from typing import Final

from rules_engine.language.vocabulary import OPERATORS, Field

SIGNS: Final = {
    "≥": "ge",
    ">=": "ge",
    "=>": "ge",
    "≤": "le",
    "<=": "le",
    "=<": "le",
    "≠": "is_not",
    "!=": "is_not",
    "<>": "is_not",
    "==": "is",
    ">": "gt",
    "<": "lt",
    "=": "is",
}
_MORE_WORDS: Final = {
    "не меньше": "ge",
    "не ниже": "ge",
    "не раньше": "ge",
    "минимум": "ge",
    "от": "ge",
    "from": "ge",
    "no less than": "ge",
    "не больше": "le",
    "не выше": "le",
    "не позже": "le",
    "максимум": "le",
    "no more than": "le",
    "up to and including": "le",
    "более": "gt",
    "выше": "gt",
    "свыше": "gt",
    "позже": "gt",
    "over": "gt",
    "after": "gt",
    "менее": "lt",
    "ниже": "lt",
    "раньше": "lt",
    "under": "lt",
    "below": "lt",
    "before": "lt",
    "не": "is_not",
    "not": "is_not",
    "кроме": "not_in",
    "except": "not_in",
    "none of": "not_in",
    "один из": "in",
    "одна из": "in",
    "любое из": "has_any",
    "any of": "has_any",
    "все из": "has_all",
    "всё из": "has_all",
    "all of": "has_all",
}
_OPERATOR_WORDS: Final = (
    {operator.label.ru: operator.op for operator in OPERATORS.values() if operator.op != "between"}
    | {operator.label.en: operator.op for operator in OPERATORS.values() if operator.op != "between"}
    | _MORE_WORDS
)
_LONGEST_FIRST: Final = sorted(_OPERATOR_WORDS.items(), key=lambda pair: -len(pair[0]))
EMPTY: Final = frozenset({"пусто", "не заполнено", "нет данных", "empty", "is empty", "not filled in"})
FILLED: Final = frozenset({"заполнено", "есть значение", "filled", "is filled"})
YES: Final = frozenset({"да", "yes", "true", "истина", "+", "✓", "вкл", "on", "1"})
NO: Final = frozenset({"нет", "no", "false", "ложь", "-", "−", "–", "✗", "выкл", "off", "0"})
_RANGE: Final = re.compile(
    r"(?:от|с|from)\s+(?P<first>.+?)\s+(?:до|по|up to|to)\s+(?P<second>.+?)"
    r"(?P<outside>\s*\((?:не включая|not included)\))?\Z",
    re.IGNORECASE,
)
_SPAN: Final = re.compile(r"(?P<first>[^–—…]+?)\s*(?:–|—|…|\.\.\.?)\s*(?P<second>[^–—…]+)\Z")
_HYPHEN: Final = re.compile(r"(?P<first>[0-9][0-9 .,]*)\s*-\s*(?P<second>[0-9][0-9 .,]*)\Z")
UP_TO: Final = re.compile(r"(?:до|по|up to|to)\s+\S", re.IGNORECASE)
_QUOTED: Final = re.compile(r'(«[^«»]*»|“[^“”]*”|"[^"]*")\Z')
_OR: Final = re.compile(r"\s+(?:или|or)\s+", re.IGNORECASE)


def squeezed(text: str) -> str:
    """Return a text with single plain spaces, and without the sign that keeps a spreadsheet from seeing a formula.

    >>> squeezed("'=5\u00a0 ₽ ")
    '=5 ₽'
    """
    plain = " ".join(text.replace("\u00a0", " ").replace("\u202f", " ").split())
    return plain[1:] if plain[:1] == "'" and plain[1:2] in ("=", "+", "-", "@") else plain


def operator_of(text: str) -> tuple[str, str]:
    """Return the operator that a cell begins with and what follows it; "" and the whole cell where it has none.

    >>> operator_of("не менее 100 000"), operator_of("≥100"), operator_of("Казахстан")
    (('ge', '100 000'), ('ge', '100'), ('', 'Казахстан'))
    """
    for sign in sorted(SIGNS, key=len, reverse=True):
        if text.startswith(sign):
            return SIGNS[sign], text[len(sign) :].strip()
    low = text.casefold()
    for words, op in _LONGEST_FIRST:
        rest = text[len(words) :]
        if low.startswith(words) and (not rest or rest[0] in ' :«“"'):
            return op, rest.lstrip(" :")
    return "", text


def range_of(text: str, *, with_hyphen: bool) -> tuple[str, str, bool] | None:
    """Return both ends of a range and whether the cell says that the second does not belong to it; None for none.

    >>> range_of("от 10 до 20", with_hyphen=True), range_of("10–20", with_hyphen=True)
    (('10', '20', False), ('10', '20', False))
    """
    found = _RANGE.match(text) or _SPAN.match(text) or (_HYPHEN.match(text) if with_hyphen else None)
    if found is None:
        return None
    return found["first"], found["second"], bool(found.groupdict().get("outside"))


def unquoted(text: str) -> str | None:
    """Return what stands between the quotation marks that hold the whole text, None where it has none."""
    return text[1:-1] if _QUOTED.match(text) else None


def items_of(text: str, *, with_commas: bool) -> list[str]:
    """Return the items of a list, between semicolons, else around “or”; quoted ones whole.

    >>> items_of("Казахстан; «Россия; Сибирь»", with_commas=True), items_of("a, b или c", with_commas=True)
    (['Казахстан', 'Россия; Сибирь'], ['a', 'b', 'c'])
    """
    parts = _split(text, ";")
    if len(parts) == 1 and unquoted(parts[0]) is None and _OR.search(parts[0]):
        parts = [item for part in _OR.split(text) for item in (_split(part, ",") if with_commas else [part])]
    read = ((part, unquoted(part.strip())) for part in parts)
    return [part.strip() if quoted is None else quoted for part, quoted in read if part.strip()]


def _split(text: str, mark: str) -> list[str]:
    """Return the parts between marks that do not stand inside quotation marks."""
    parts, depth, start = [], "", 0
    closing = {"«": "»", "“": "”", '"': '"'}
    for place, sign in enumerate(text):
        if depth:
            depth = "" if sign == depth else depth
        elif sign in closing and closing[sign] in text[place + 1 :]:
            depth = closing[sign]
        elif sign == mark:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]


def without_unit(text: str, units: Iterable[str]) -> str:
    """Return a number without the unit behind it.

    >>> without_unit("10 раб. дн.", ["раб. дн."])
    '10'
    """
    for unit in sorted(units, key=len, reverse=True):
        if unit and text.casefold().endswith(unit.casefold()):
            return text[: -len(unit)].strip()
    return text


def units_of(declared: Field) -> list[str]:
    return [declared.unit.ru, declared.unit.en] if declared.unit else []
