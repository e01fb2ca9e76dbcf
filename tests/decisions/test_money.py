"""Kopecks read, written and divided."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules_engine.decisions.money import (
    NotAnAmount,
    apportion,
    format_amount,
    parse_amount,
    parse_written_amount,
)


@given(st.integers(-(10**15), 10**15))
def test_what_is_written_is_read_back(minor: int) -> None:
    assert parse_amount(format_amount(minor)) == minor
    assert parse_written_amount(format_amount(minor)) == minor


@pytest.mark.parametrize("text", ["", "1,5", "1.234", "1e5", "NaN", " 5", "5 ", "٣", "--5", "1_000", ".5", "5."])
def test_programs_write_strictly(text: str) -> None:
    with pytest.raises(NotAnAmount):
        parse_amount(text)


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("1 234,56", 123456),
        ("1\u00a0234\u202f567,8 ₽", 123456780),
        ("14500", 1450000),
        ("1.234.567,89", 123456789),
        ("1,234.5", 123450),
        ("−12,5 руб.", -1250),
        ("0,01", 1),
    ],
)
def test_people_write_as_they_like(text: str, minor: int) -> None:
    assert parse_written_amount(text) == minor


@pytest.mark.parametrize("text", ["1,234", "1.234", "12 34,5", "сто", "1.2.3", "5 кг", ""])
def test_what_could_be_either_is_refused(text: str) -> None:
    with pytest.raises(NotAnAmount) as caught:
        parse_written_amount(text)
    assert text in caught.value.message("ru")


@given(
    st.integers(-(10**9), 10**9),
    st.lists(st.fractions(min_value=0, max_value=1000, max_denominator=50), min_size=1, max_size=12),
)
def test_no_kopeck_is_lost_and_each_part_is_within_one_of_its_share(total: int, weights: list[Fraction]) -> None:
    parts = apportion(total, weights)
    assert sum(parts) == total
    whole = sum(weights) or len(weights)
    for part, weight in zip(parts, weights if sum(weights) else [Fraction(1)] * len(weights), strict=True):
        assert abs(part - Fraction(total) * weight / whole) < 1


def test_nobody_gets_nothing() -> None:
    assert apportion(100, []) == []
