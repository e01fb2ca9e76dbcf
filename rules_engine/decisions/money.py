"""Money as whole kopecks: read, written and divided without losing one."""

import re
from collections.abc import Sequence
from fractions import Fraction
from math import floor
from typing import ClassVar, Final

from rules_engine.errors import PravilaError

_STRICT: Final = re.compile(r"(-?)([0-9]{1,15})(?:\.([0-9]{1,2}))?")
_LOOSE: Final = re.compile(r"([-−]?)([0-9]{1,15})(?:[.,]([0-9]{1,2}))?")
_GROUPED: Final = re.compile(r"[-−]?[0-9]{1,3}(?:[ ,.][0-9]{3})+(?:[.,][0-9]{1,2})?")
_CURRENCY: Final = re.compile(r"(?:₽|руб(?:лей|ля|ль|\.)?|р\.|RUB)$", re.IGNORECASE)
_SPACES: Final = dict.fromkeys(map(ord, "\u00a0\u202f\u2009\t"), " ")


class NotAnAmount(PravilaError):
    """A text is not an amount of money with at most two decimals."""

    template: ClassVar[dict[str, str]] = {
        "ru": "«{text}» не сумма; нужно, например, 14500.00",
        "en": "{text!r} is not an amount; 14500.00 would be one",
    }

    def __init__(self, *, text: str) -> None:
        super().__init__(text=text)


def parse_amount(text: str) -> int:
    """Return kopecks of a decimal as programs write it. Raises NotAnAmount.

    >>> parse_amount("14500.5"), parse_amount("-0.01")
    (1450050, -1)
    """
    found = _STRICT.fullmatch(text)
    if found is None:
        raise NotAnAmount(text=text)
    return _kopecks(*found.groups())


def parse_written_amount(text: str) -> int:
    """Return kopecks of an amount as people and their tables write it. Raises NotAnAmount.

    Either decimal mark, spaces or points between thousands, a currency at the end. A single mark followed by
    three digits divides thousands only where spaces or a second mark say so: `1,234` is refused.

    >>> parse_written_amount("1 234,56 ₽"), parse_written_amount("1,234,567.8")
    (123456, 123456780)
    """
    plain = _CURRENCY.sub("", text.translate(_SPACES).strip()).strip()
    if _GROUPED.fullmatch(plain):
        plain = _ungrouped(plain)
    found = _LOOSE.fullmatch(plain)
    if found is None:
        raise NotAnAmount(text=text)
    return _kopecks(*found.groups())


def format_amount(minor: int) -> str:
    """Return the decimal that programs read.

    >>> format_amount(-5)
    '-0.05'
    """
    rubles, kopecks = divmod(abs(minor), 100)
    return f"{'-' if minor < 0 else ''}{rubles}.{kopecks:02d}"


def apportion(total: int, weights: Sequence[Fraction | int]) -> list[int]:
    """Return `total` divided by `weights` into whole parts that add up to it exactly.

    Largest remainder: each gets its share rounded down, the rest goes one by one to the largest remainders,
    the earlier one where they tie. Weights are not negative; all zero means equal parts.

    >>> apportion(100, [1, 1, 1])
    [34, 33, 33]
    """
    if not weights:
        return []
    whole = sum(weights)
    if whole == 0:
        weights, whole = [1] * len(weights), len(weights)
    shares = [Fraction(total * weight) / whole for weight in weights]
    parts = [floor(share) for share in shares]
    by_remainder = sorted(range(len(parts)), key=lambda n: (parts[n] - shares[n], n))
    for n in by_remainder[: total - sum(parts)]:
        parts[n] += 1
    return parts


def _kopecks(sign: str, rubles: str, decimals: str | None) -> int:
    minor = int(rubles) * 100 + int((decimals or "").ljust(2, "0"))
    return -minor if sign else minor


def _ungrouped(text: str) -> str:
    """Return `1 234 567,8` as `1234567,8`; a lone point or comma stays the decimal mark."""
    if " " in text:
        return text.replace(" ", "")
    marks = [sign for sign in text if sign in ".,"]
    if len(marks) < 2:
        return text
    if marks[-1] == marks[0]:
        return text.replace(marks[0], "")
    return text.replace(marks[0], "", len(marks) - 1)
