"""Values for examples: what a person would have written himself, as far as the bounds allow."""

from collections.abc import Iterable
from datetime import date

from rules_engine.language.kinds import LIMIT_CANONICAL, FieldType
from rules_engine.language.values import SCALE, canonical_text
from rules_engine.language.vocabulary import Field

_LARGEST = LIMIT_CANONICAL - 1
_MICROSECONDS_A_DAY = 86_400_000_000
_FIRST_DATE, _LAST_DATE = date.min.toordinal(), date.max.toordinal()
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_SIGNS = "·…|¦§¶†‡※⁂◦"
_OTHER = "другое"


def bounds(field: Field) -> tuple[int, int]:
    """Return the least and the greatest canonical value of an ordered field."""
    low, high = -_LARGEST, _LARGEST
    if field.type is FieldType.DATE:
        low, high = _FIRST_DATE, _LAST_DATE
    elif field.type is FieldType.DATETIME:
        low, high = ((day - _EPOCH_DAY) * _MICROSECONDS_A_DAY for day in (_FIRST_DATE, _LAST_DATE))
    return (
        low if field.minimum is None else max(low, field.minimum),
        high if field.maximum is None else min(high, field.maximum),
    )


def number(field: Field, low: int, high: int, today: date) -> int:
    """Return a round value from `low` to `high`, both included; a date near today.

    >>> from rules_engine.language.vocabulary import FIELDS
    >>> number(FIELDS["request.amount"], 123_456, 987_654, date(2026, 1, 1))
    200000
    """
    least, greatest = bounds(field)
    if field.type in (FieldType.DATE, FieldType.DATETIME):
        near = today.toordinal()
        if field.type is FieldType.DATETIME:
            near = (near - _EPOCH_DAY) * _MICROSECONDS_A_DAY
        return min(max(near, low), high)
    unit = SCALE.get(field.type, 1)
    from_, to = low, high
    if from_ <= least < 0 <= to:
        from_ = 0
    if to >= greatest and greatest == _LARGEST:
        to = max(from_ * 2, from_ + 10 * unit) if from_ > 0 else 100 * unit
        to = min(max(to, from_), high)
    elif from_ <= least < 0:
        from_ = max(low, 2 * to)
    return _round(from_, to)


def _round(low: int, high: int) -> int:
    """Return the roundest number of a range: positive rather than negative, and rather than nought."""
    if low <= 0 < high:
        low = 1
    if high <= 0:
        return 0 if high == 0 else -_round(-high, -low)
    step: int = 10 ** (len(str(high)) - 1)
    while True:
        multiple = -(-low // step) * step
        if multiple <= high:
            return multiple
        step //= 10


def other_value(taken: Iterable[str], known: Iterable[str]) -> str:
    """Return a value that is not taken: of those known if possible."""
    used = set(taken)
    for value in known:
        if value not in used:
            return value
    return fresh_text(used)


def fresh_text(taken: Iterable[str]) -> str:
    used = set(taken)
    if _OTHER not in used:
        return _OTHER
    return next(text for text in (f"{_OTHER} {place}" for place in range(2, len(used) + 3)) if text not in used)


def separators(constants: Iterable[str]) -> Iterable[str]:
    """Yield what may join texts: a space first, at last a sign that none of the constants holds."""
    yield " "
    yield ", "
    used = "".join(constants)
    yield from (sign for sign in _SIGNS if sign not in used)
    yield from (sign for sign in map(chr, range(0x2500, 0x2600)) if sign not in used)


def is_canonical(text: str) -> bool:
    """Return whether a text is one that facts can hold as it stands."""
    return bool(text) and canonical_text(text) == text
