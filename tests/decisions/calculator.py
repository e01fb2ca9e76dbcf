"""A pocket calculator: it follows the numbers of a sentence as a reader types them in, and rounds once."""

import re
from fractions import Fraction

from rules_engine.decisions.bonus_lines import rounded

_REMARK = re.compile(r" \([^()]*[a-zA-Z][^()]*\)")
_TOKEN = re.compile(r"[()+*/-]|[0-9.]+")


def typed_in(sentence: str) -> tuple[int, int]:
    """Return kopecks of the left side of an English sentence of a line, and those on its right side."""
    plain = sentence.replace("\u00a0", " ")
    while _REMARK.search(plain):
        plain = _REMARK.sub("", plain)
    left, _, right = plain.removesuffix(".").rpartition(" = ")
    formula = re.split(r"[;:] ", left)[-1]
    return max(_kopecks(formula), 0) if " − " in formula else _kopecks(formula), _kopecks(right.split(":")[0])


def _kopecks(formula: str) -> int:
    typed = formula.replace("₽", "").replace(",", "").replace("×", "*").replace("−", "-").replace("%", "/100")
    tokens = _TOKEN.findall(typed)
    value = _sum(tokens)
    assert not tokens, formula
    return rounded(value * 100)


def _sum(tokens: list[str]) -> Fraction:
    value = _product(tokens)
    while tokens and tokens[0] in "+-":
        value = value + _product(tokens) if tokens.pop(0) == "+" else value - _product(tokens)
    return value


def _product(tokens: list[str]) -> Fraction:
    value = _number(tokens)
    while tokens and tokens[0] in "*/":
        value = value * _number(tokens) if tokens.pop(0) == "*" else value / _number(tokens)
    return value


def _number(tokens: list[str]) -> Fraction:
    first = tokens.pop(0)
    if first == "-":
        return -_number(tokens)
    if first == "(":
        value = _sum(tokens)
        assert tokens.pop(0) == ")"
        return value
    return Fraction(first)
