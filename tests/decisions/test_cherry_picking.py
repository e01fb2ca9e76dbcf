"""The cherry-picking index against its definition, worked examples and what must hold for any requests."""

from fractions import Fraction
from math import sqrt
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from rules_engine.decisions.cherry_picking import FEWEST, Concentration, concentration

REQUESTS = st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=1, max_size=40)
"""Value and whether it was processed; few values, so that ties are common."""


def index(requests: list[tuple[int, bool]]) -> Concentration | None:
    return concentration((value, 1, int(done)) for value, done in requests)


def textbook(requests: list[tuple[int, bool]]) -> Fraction:
    """(2/(n·μ))·Σ h·r − 1 with r = (k − ½)/n, ties at the mean of their places."""
    ordered = sorted(value for value, _ in requests)
    number, done = len(requests), sum(done for _, done in requests)
    places = {
        value: Fraction(sum(k for k, one in enumerate(ordered, 1) if one == value), ordered.count(value))
        for value in set(ordered)
    }
    ranked = sum((places[value] - Fraction(1, 2)) / number for value, is_done in requests if is_done)
    return 2 / (number * Fraction(done, number)) * ranked - 1


def textbook_error(outcomes: list[int]) -> float:
    """The standard error for single observations, none of equal value, as printed, in floats."""
    number, mean = len(outcomes), sum(outcomes) / len(outcomes)
    ranks = [(k - 0.5) / number for k in range(1, number + 1)]
    value = 2 / (number * mean) * sum(h * r for h, r in zip(outcomes, ranks, strict=True)) - 1
    passed, squares = 0.0, 0.0
    for h, r in zip(outcomes, ranks, strict=True):
        before, passed = passed, passed + h / (number * mean)
        squares += (h / mean * (2 * r - 1 - value) + 2 - before - passed) ** 2
    return sqrt(max(0.0, (squares / number - (1 + value) ** 2) / number))


def test_five_requests_by_hand() -> None:
    """Worth 1…5, the 2nd, 4th and 5th processed: ranks 0.3, 0.7, 0.9; 2/(5·0.6)·1.9 − 1 = 4/15."""
    found = index([(1, False), (2, True), (3, False), (4, True), (5, True)])

    assert found is not None
    assert found.value == Fraction(4, 15)
    assert (found.requests, found.processed) == (5, 3)


def test_ties_by_hand() -> None:
    """Two of one value stand at 1.5 both: ranks 0.25, 0.25, 0.625, 0.875; 2/(4·0.5)·(0.25 + 0.875) − 1 = 1/8."""
    found = index([(7, True), (7, False), (8, False), (9, True)])

    assert found is not None
    assert found.value == Fraction(1, 8)


@given(REQUESTS)
def test_it_is_the_textbook_s_and_lies_between_minus_one_and_one(requests: list[tuple[int, bool]]) -> None:
    found = index(requests)

    if found is None:
        assert not any(done for _, done in requests)
        return
    assert found.value == textbook(requests)
    assert -1 <= found.low <= found.value <= found.high <= 1


@given(REQUESTS)
def test_the_sign_flips_when_the_order_is_reversed(requests: list[tuple[int, bool]]) -> None:
    found, reversed_ = index(requests), index([(-value, done) for value, done in requests])

    if found is not None:
        assert reversed_ is not None
        assert reversed_.value == -found.value
        assert (reversed_.low, reversed_.high) == (-found.high, -found.low)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=8, unique=True), st.integers(1, 5), st.integers(1, 5))
def test_it_is_zero_where_every_value_is_handled_alike(values: list[int], done: int, left: int) -> None:
    found = concentration((value, done + left, done) for value in values)

    assert found is not None
    assert found.value == 0


@given(REQUESTS, st.randoms())
def test_the_order_of_what_is_given_does_not_matter(requests: list[tuple[int, bool]], random: Random) -> None:
    shuffled = requests[:]
    random.shuffle(shuffled)

    assert index(shuffled) == index(requests)


@given(st.lists(st.booleans(), min_size=2, max_size=40).filter(any))
def test_without_ties_the_interval_is_the_printed_formula_s(outcomes: list[bool]) -> None:
    found = index(list(enumerate(outcomes)))

    assert found is not None
    error = textbook_error([int(done) for done in outcomes])
    assert abs(float(found.low) - max(-1.0, float(found.value) - 1.96 * error)) < 1e-6


def test_the_interval_holds_the_truth_about_19_times_of_20() -> None:
    """Requests of ten values, large ones processed more often: the index of the whole is known."""
    random = Random(20261123)
    chances = [Fraction(4 + place, 20) for place in range(10)]
    truth = concentration((place, 20, int(20 * chance)) for place, chance in enumerate(chances))
    assert truth is not None
    held = 0
    for _ in range(400):
        drawn = [random.randrange(10) for _ in range(150)]
        found = index([(place, random.random() < chances[place]) for place in drawn])
        assert found is not None
        held += found.low <= truth.value <= found.high

    assert 365 <= held <= 395


def test_below_sixty_it_is_said_to_be_too_few_and_leans_nowhere() -> None:
    few = concentration([(1, FEWEST // 2, 0), (2, FEWEST // 2 - 1, FEWEST // 2 - 1)])
    enough = concentration([(1, FEWEST // 2, 0), (2, FEWEST // 2, FEWEST // 2)])

    assert few is not None
    assert enough is not None
    assert (few.is_few, few.leans) == (True, 0)
    assert (enough.is_few, enough.leans) == (False, 1)
    reversed_ = concentration([(2, FEWEST // 2, 0), (1, FEWEST // 2, FEWEST // 2)])
    assert reversed_ is not None
    assert reversed_.leans == -1
