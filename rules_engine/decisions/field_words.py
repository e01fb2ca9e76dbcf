"""Stored values of the vocabulary's fields in words, for explanations."""

from fractions import Fraction

from rules_engine.language.errors import BadValue
from rules_engine.language.kinds import FieldType
from rules_engine.language.references import References
from rules_engine.language.shown import show
from rules_engine.language.values import parse
from rules_engine.language.vocabulary import FIELDS, OPERATORS


def condition_words(
    field: str,
    op: str,
    value: object,
    seen: object,
    lang: str,
    *,
    unwanted: bool = False,
    names: References | None = None,
) -> str:
    """Return what a condition saw and what it needs: "unanswered requests: 12; needed: less than 10".

    `value` and `seen` are in JSON form. An `unwanted` condition is one that holds where it should not.
    """
    needed = ("не должно быть" if unwanted else "нужно", "must not be" if unwanted else "needed")
    wanted = needed_words(field, op, value, lang, names=names)
    return f"{seen_words(field, seen, lang, names=names)}; {needed[lang != 'ru']}: {wanted}"


def seen_words(field: str, seen: object, lang: str, *, names: References | None = None) -> str:
    """Return what a condition saw: "unanswered requests: 12"."""
    return f"{FIELDS[field].chip.text(lang)}: {value_words(field, seen, lang, names=names)}"


def needed_words(field: str, op: str, value: object, lang: str, *, names: References | None = None) -> str:
    """Return the right side of a condition: "at least 15", "none of: phone, chat"."""
    if op in ("is_empty", "is_filled"):
        return FIELDS[field].filled_words[op == "is_empty"].text(lang)
    chip = OPERATORS[op].chip.text(lang)
    if isinstance(value, dict):
        return chip.format(value=FIELDS[value["field"]].chip.text(lang))
    if isinstance(value, list):
        shown = [value_words(field, item, lang, names=names) for item in value]
        if op == "between":
            return chip.format(first=shown[0], second=shown[1])
        return chip.format(value=", ".join(shown))
    return chip.format(value=value_words(field, value, lang, names=names))


def value_words(field: str, value: object, lang: str, *, names: References | None = None) -> str:
    """Return one value of a field (JSON form) with its unit, label or yes and no; its meaning of empty for None.

    Texts keep the letters that they are given with: see `language.spelling` for those of facts.
    """
    declared = FIELDS[field]
    if declared.type is FieldType.LIST and isinstance(value, str):
        value = [value]
    try:
        canonical = parse(declared, value)
        if declared.is_folded and isinstance(value, str) and canonical is not None:
            canonical = value.strip()
        elif declared.is_folded and isinstance(value, list) and canonical is not None:
            canonical = tuple(item.strip() for item in value if item.strip())
        return show(declared, canonical, lang, names=names)
    except BadValue:
        # Kept from a time when the field had another type.
        return str(value)


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
