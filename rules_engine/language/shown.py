"""Values in words: numbers grouped, money with its sign, dates and units, as a person reads them."""

from datetime import UTC, date, datetime, timedelta, tzinfo
from fractions import Fraction

from rules_engine.language.kinds import FieldType, ReferenceKind, Words
from rules_engine.language.references import References
from rules_engine.language.values import SCALE, Canonical, dump_scaled
from rules_engine.language.vocabulary import Field
from rules_engine.language.vocabulary.shipped import shipped_name

NBSP = "\u00a0"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTES = Words("мин", "min")
_EMPTY = Words("не заполнено", "not filled in")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def show(
    field: Field,
    value: Canonical | None,
    lang: str,
    *,
    names: References | None = None,
    zone: tzinfo = UTC,
) -> str:
    """Return a canonical value in words: with its unit, its label, its name in the installation.

    Instants are shown in `zone`. An empty value reads as the field's own meaning of empty.
    """
    if value is None:
        return (field.empty or _EMPTY).text(lang)
    if isinstance(value, bool):
        return field.boolean_words[0 if value else 1].text(lang)
    if isinstance(value, tuple):
        return ", ".join(name_of(field.reference, item, names, lang) for item in value)
    if isinstance(value, str):
        known = name_of(field.reference, value, names, lang)
        return field.choice_label(value, lang) if known == value else known
    if field.type is FieldType.DATE:
        return show_date(date.fromordinal(value), lang)
    if field.type is FieldType.DATETIME:
        instant = (_EPOCH + timedelta(microseconds=value)).astimezone(zone)
        return f"{show_date(instant.date(), lang)}, {instant:%H:%M}"
    if field.type in SCALE:
        return show_scaled(field.type, value, lang)
    unit = field.unit or (_MINUTES if field.type is FieldType.DURATION else None)
    number = show_number(str(value), lang)
    return f"{number}{NBSP}{unit.text(lang)}" if unit else number


def show_scaled(kind: FieldType, value: int, lang: str) -> str:
    r"""Return canonical money, percent or number in words; whole roubles are shown without kopecks.

    >>> show_scaled(FieldType.MONEY, 150_000_050, "en")
    '1,500,000.50\xa0₽'
    """
    text = dump_scaled(kind, value)
    if kind is FieldType.MONEY:
        return f"{show_number(text.removesuffix('.00'), lang)}{NBSP}₽"
    if kind is FieldType.PERCENT:
        return show_percent(text, lang)
    return show_number(text, lang)


def show_percent(text: str, lang: str) -> str:
    """Return decimal text as a percentage."""
    return f"{show_number(text, lang)}{NBSP}%" if lang == "ru" else f"{show_number(text, lang)}%"


def show_number(text: str, lang: str) -> str:
    """Return decimal text with its thousands grouped and the decimal mark of the language.

    >>> show_number("-1234567.5", "en")
    '−1,234,567.5'
    """
    sign = "−" if text.startswith("-") else ""
    whole, _, part = text.removeprefix("-").partition(".")
    grouped = f"{int(whole or '0'):,}"
    if lang == "ru":
        return f"{sign}{grouped.replace(',', NBSP)}" + (f",{part}" if part else "")
    return f"{sign}{grouped}" + (f".{part}" if part else "")


def show_fraction(value: Fraction, lang: str) -> str:
    """Return an exact decimal fraction of a bonus rule as it was meant: all its digits, no more."""
    places = 0
    while (value * 10**places).denominator != 1 and places < 12:
        places += 1
    scaled = int(abs(value) * 10**places)
    digits = f"{scaled:0{places + 1}d}"
    text = f"{digits[: len(digits) - places]}.{digits[len(digits) - places :]}" if places else digits
    return show_number(("-" if value < 0 else "") + text, lang)


def show_measured(kind: FieldType, value: Fraction, lang: str) -> str:
    """Return an exact value of a measure as tables write it, with its unit: roubles, percent, else the number."""
    number = show_fraction(value, lang)
    if kind is FieldType.MONEY:
        return f"{number}{NBSP}₽"
    if kind is FieldType.PERCENT:
        return f"{number}{NBSP}%" if lang == "ru" else f"{number}%"
    return number


def show_date(day: date, lang: str) -> str:
    """Return a date: `05.10.2026`, `5 Oct 2026`."""
    if lang == "ru":
        return f"{day.day:02d}.{day.month:02d}.{day.year:04d}"
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year:04d}"


def name_of(kind: ReferenceKind | None, value: str, names: References | None, lang: str) -> str:
    """Return the name that the installation knows a reference by; of what only the shipped rules name, their word.

    Any other value is its own name. So is one whose word is already that of another row: it would be taken for it.
    """
    known = (names.known(kind) if names and kind else None) or {}
    if value in known:
        return known[value]
    shipped = shipped_name(kind, value)
    word = shipped.text(lang) if shipped else value
    return value if word in known.values() else word
