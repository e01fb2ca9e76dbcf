"""Values of facts and conditions: from JSON to the canonical form that engines compare, and back.

Canonical forms: text NFC, case-folded, trimmed · choice, reference exact · boolean bool · integer int ·
number int of ten-thousandths · money int kopecks · percent int basis points, rounded down · duration int whole
minutes · date int, proleptic ordinal · datetime int, UTC microseconds since 1970 · list tuple of texts.
"""

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

from rules_engine.language.errors import BadValue, FactsInvalid
from rules_engine.language.kinds import LIMIT_CANONICAL, LIMIT_LIST, FieldType
from rules_engine.language.near import near
from rules_engine.language.problems import Problem
from rules_engine.language.vocabulary import FIELDS, Field

Canonical = str | bool | int | tuple[str, ...]
Facts = dict[str, Canonical]

SCALE = {FieldType.NUMBER: 10_000, FieldType.MONEY: 100, FieldType.PERCENT: 100}
"""How many canonical units make one."""
_DECIMALS = {FieldType.NUMBER: 4, FieldType.MONEY: 2, FieldType.PERCENT: 12}

_DECIMAL = re.compile(r"-?[0-9]{1,20}(?:\.([0-9]{1,20}))?\Z")
_EXACT = re.compile(r"-?(?:[0-9]{1,15}(?:\.[0-9]{0,12})?|\.[0-9]{1,12})\Z")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FACT_TEXT = 1_000_000


def canonical_text(text: str) -> str:
    """Return text as it is compared: the same letters in any case and composition give the same text.

    >>> canonical_text("  МОСКВА ") == canonical_text("Москва")
    True
    """
    folded = unicodedata.normalize("NFD", text).casefold()
    return unicodedata.normalize("NFC", folded).strip()


def parse(field: Field, value: object) -> Canonical | None:
    """Return the canonical form of one JSON value of a field; None for null, an empty text or an empty list.

    Types are strict: an integer is not a boolean, "12" is not 12. Raises BadValue. Whether a choice is allowed
    is not looked at here: facts may hold values that rules do not know.
    """
    if value is None:
        return None
    if field.type is FieldType.LIST:
        return _list(field, value)
    return parse_type(field.type, value)


def parse_type(kind: FieldType, value: object) -> Canonical | None:
    """Return the canonical form of one JSON value of a type other than list. Raises BadValue."""
    if kind is FieldType.BOOLEAN:
        if type(value) is not bool:
            raise BadValue("wrong_type", expected=kind)
        return value
    if kind in (FieldType.INTEGER, FieldType.DURATION):
        if type(value) is not int:
            raise BadValue("wrong_type", expected=kind)
        return _bounded(value)
    if type(value) is not str:
        raise BadValue("wrong_type", expected=kind)
    if kind is FieldType.TEXT:
        return canonical_text(_clean(value)) or None
    if kind in (FieldType.CHOICE, FieldType.REFERENCE):
        return _clean(value) or None
    if kind is FieldType.DATE:
        return _date(value)
    if kind is FieldType.DATETIME:
        return _datetime(value)
    return _decimal(kind, value)


def parse_exact(value: object) -> Fraction:
    """Return a number written as text, without rounding: rates and nodes of bonus rules. Raises BadValue."""
    if type(value) is not str or not _EXACT.match(value):
        raise BadValue("wrong_type", expected=FieldType.NUMBER)
    return Fraction(value)


def dump(field: Field, value: Canonical) -> object:
    """Return the JSON form of a canonical value. Text comes back folded; nothing else is lost."""
    kind = field.type
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, bool | str):
        return value
    if kind in SCALE:
        return dump_scaled(kind, value)
    if kind is FieldType.DATE:
        return date.fromordinal(value).isoformat()
    if kind is FieldType.DATETIME:
        return (_EPOCH + value * _MICROSECOND).isoformat()
    return value


def dump_scaled(kind: FieldType, value: int) -> str:
    """Return canonical money, percent or number as decimal text.

    >>> dump_scaled(FieldType.MONEY, -150), dump_scaled(FieldType.NUMBER, 15_000)
    ('-1.50', '1.5')
    """
    scale = SCALE[kind]
    whole, part = divmod(abs(value), scale)
    digits = f"{part:0{len(str(scale)) - 1}d}"
    if kind is not FieldType.MONEY:
        digits = digits.rstrip("0")
    return f"{'-' if value < 0 else ''}{whole}" + (f".{digits}" if digits else "")


def parse_facts(document: object, path: str = "") -> Facts:
    """Return canonical facts from one flat JSON object; empty values are left out.

    Raises FactsInvalid with every problem at once: unknown fields (with a suggestion) and wrong types.
    """
    if not isinstance(document, Mapping):
        raise FactsInvalid((Problem("not_an_object", path),))
    facts: Facts = {}
    problems: list[Problem] = []
    for key, value in document.items():
        place = f"{path}/{key}"
        if key not in FIELDS:
            problems.append(Problem("unknown_field", place, {"value": key, "suggestion": near(key, FIELDS)}))
            continue
        try:
            parsed = parse(FIELDS[key], value)
        except BadValue as problem:
            problems.append(Problem(problem.code, place, problem.data))
            continue
        if parsed is not None:
            facts[key] = parsed
    if problems:
        raise FactsInvalid(tuple(problems))
    return facts


def dump_facts(facts: Mapping[str, Canonical | None]) -> dict[str, object]:
    """Return canonical facts as a flat JSON object, empty ones left out; `parse_facts` reads it back."""
    return {key: dump(FIELDS[key], value) for key, value in facts.items() if value is not None}


def _clean(text: str) -> str:
    if len(text) > _FACT_TEXT:
        raise BadValue("too_long", limit=_FACT_TEXT)
    # Lone surrogates cannot be encoded, and NUL ends a text inside the C engine.
    if "\0" in text or any("\ud800" <= sign <= "\udfff" for sign in text):
        raise BadValue("bad_text")
    return text


def _bounded(number: int) -> int:
    if abs(number) >= LIMIT_CANONICAL:
        raise BadValue("too_large")
    return number


def _decimal(kind: FieldType, text: str) -> int:
    match = _DECIMAL.match(text)
    if match is None:
        raise BadValue("wrong_type", expected=kind)
    if len(match.group(1) or "") > _DECIMALS[kind]:
        raise BadValue("too_exact", limit=_DECIMALS[kind])
    # floor(Fraction(text) × scale) in a third of the time: amounts come by the hundred thousand.
    whole, _, part = text.partition(".")
    places = len(str(SCALE[kind])) - 1
    number = int(whole + part[:places].ljust(places, "0"))
    return _bounded(number - 1 if whole[0] == "-" and part[places:].strip("0") else number)


def _date(text: str) -> int:
    if not _DATE.match(text):
        raise BadValue("wrong_type", expected=FieldType.DATE)
    try:
        return date.fromisoformat(text).toordinal()
    except ValueError as problem:
        raise BadValue("bad_date") from problem


def _datetime(text: str) -> int:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as problem:
        raise BadValue("wrong_type", expected=FieldType.DATETIME) from problem
    if instant.tzinfo is None:
        raise BadValue("no_offset")
    return (instant - _EPOCH) // _MICROSECOND


def _list(field: Field, value: object) -> tuple[str, ...] | None:
    if type(value) is not list:
        raise BadValue("wrong_type", expected=FieldType.LIST)
    if len(value) > LIMIT_LIST:
        raise BadValue("list_too_long", limit=LIMIT_LIST)
    items: list[str] = []
    for item in value:
        if type(item) is not str:
            raise BadValue("wrong_type", expected=FieldType.LIST)
        text = _clean(item) if field.exact_items else canonical_text(_clean(item))
        if text:
            items.append(text)
    return tuple(items) or None
