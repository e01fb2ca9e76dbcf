"""Stored values of the vocabulary's fields in words, for explanations."""

from fractions import Fraction

from rules_engine.decisions.money import format_money, parse_amount
from rules_engine.language.kinds import FieldType
from rules_engine.language.vocabulary import FIELDS, OPERATORS

_EMPTY = ("нет данных", "no data")


def condition_words(field: str, op: str, value: object, seen: object, lang: str, *, unwanted: bool = False) -> str:
    """Return what a condition saw and what it needs: "unanswered requests: 12; needed: less than 10".

    `value` and `seen` are in JSON form. An `unwanted` condition is one that holds where it should not.
    """
    label = FIELDS[field].chip.text(lang)
    needed = ("не должно быть" if unwanted else "нужно", "must not be" if unwanted else "needed")
    return f"{label}: {value_words(field, seen, lang)}; {_one(needed, lang)}: {needed_words(field, op, value, lang)}"


def needed_words(field: str, op: str, value: object, lang: str) -> str:
    """Return the right side of a condition: "at least 15", "none of: phone, chat"."""
    declared = FIELDS[field]
    if op in ("is_empty", "is_filled"):
        return declared.filled_words[op == "is_empty"].text(lang)
    chip = OPERATORS[op].chip.text(lang)
    if isinstance(value, dict):
        other = FIELDS[value["field"]].chip.text(lang)
        return chip.format(value=other)
    if op == "between" and isinstance(value, list):
        first, second = (value_words(field, item, lang) for item in value)
        return chip.format(first=first, second=second)
    if isinstance(value, list):
        return chip.format(value=", ".join(value_words(field, item, lang) for item in value))
    return chip.format(value=value_words(field, value, lang))


def value_words(field: str, value: object, lang: str) -> str:
    """Return one value of a field (JSON form) with its unit, label or yes and no."""
    declared = FIELDS[field]
    if value is None:
        return _one(_EMPTY, lang)
    if isinstance(value, bool):
        return declared.boolean_words[not value].text(lang)
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    if declared.type is FieldType.MONEY:
        return format_money(parse_amount(str(value)), lang)
    if declared.type is FieldType.PERCENT:
        return f"{_decimal(str(value), lang)}\u00a0%"
    if declared.type is FieldType.NUMBER:
        return _decimal(str(value), lang)
    if declared.unit is not None:
        return f"{value}\u00a0{declared.unit.text(lang)}"
    return declared.choice_label(str(value), lang)


def quoted(text: str, lang: str) -> str:
    """Return text in the quotation marks of the language."""
    return f"«{text}»" if lang == "ru" else f"“{text}”"


def decimal_words(value: Fraction, lang: str, places: int = 1) -> str:
    """Return a fraction with so many decimals, halves rounded away from zero."""
    scale = 10**places
    units = (abs(value) * scale * 2 + 1) // 2
    sign = "−" if value < 0 and units else ""
    mark = "," if lang == "ru" else "."
    return f"{sign}{units // scale}{mark}{units % scale:0{places}d}"


def _decimal(text: str, lang: str) -> str:
    return text.replace(".", ",") if lang == "ru" else text


def _one(words: tuple[str, str], lang: str) -> str:
    return words[0] if lang == "ru" else words[1]
