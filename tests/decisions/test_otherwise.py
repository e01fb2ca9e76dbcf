"""Others gave requests out; the rules are weighed on a ledger of their own, not on what others made of it."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from rules_engine.decisions.fair_share import Strategy, ValueStep
from rules_engine.decisions.otherwise import Received, Watched, compare, simulated

EQUAL = ((1, Fraction(60)), (2, Fraction(60)), (3, Fraction(60)))
SHARES = dict(EQUAL)


def watched(number: int, theirs: int | None, ours: int | None, value: int | None = 100, **more: object) -> Watched:
    values: dict[str, object] = {"strategy": Strategy.FAIR_SHARE, "candidates": EQUAL, **more}
    return Watched(number, number, value, theirs, ours, **values)  # type: ignore[arg-type]


def test_the_rules_are_not_charged_with_the_unfairness_that_they_would_have_mended() -> None:
    """All went to 1, so each time the recorded decision names 2, who is furthest behind on their ledger."""
    found = compare([watched(n, 1, 2) for n in range(9)], SHARES)

    assert (found.compared, found.same) == (9, 0)
    assert [line.ours.count for line in found.lines] == [3, 3, 3]
    assert found.ours.count == found.ours.widest == 0
    assert found.theirs.count == Fraction(2, 3)
    assert found.theirs.widest == 6


def test_what_goes_to_one_person_stays_as_it_was_recorded_and_counts() -> None:
    owners = [watched(n, 2, 1, strategy=None) for n in range(2)]
    assert simulated([*owners, *(watched(n, 1, 1) for n in range(2, 6))]) == [1, 1, 2, 3, 2, 3]


def test_large_requests_go_to_who_is_behind_in_value() -> None:
    first = [watched(1, 1, 1, 1000), watched(2, 1, 1, 10), watched(3, 1, 1, 10)]
    assert simulated([*first, watched(4, 1, 1, 500, value_step=ValueStep.LARGE)])[-1] == 2


def test_requests_that_nobody_has_and_that_would_have_waited_are_counted_apart() -> None:
    found = compare([watched(1, None, 1), watched(2, 1, None), watched(3, 2, 2)], SHARES)
    assert (found.watched, found.compared, found.same, found.unassigned, found.undecided) == (3, 1, 1, 1, 1)
    assert sum(line.theirs.count for line in found.lines) == sum(line.ours.count for line in found.lines) == 1


def test_where_nobody_gave_any_out_ours_stand_alone() -> None:
    found = compare([watched(n, None, 1) for n in range(6)], SHARES)
    assert [line.ours.count for line in found.lines] == [2, 2, 2]
    assert {line.theirs for line in found.lines} == {Received()}


def test_nothing_watched_is_nothing() -> None:
    found = compare([], {})
    assert (found.watched, found.compared, len(found.lines), found.ours.count) == (0, 0, 0, Fraction(0))


@given(st.lists(st.tuples(st.sampled_from([1, 2, 3]), st.integers(0, 1_000)), min_size=1, max_size=60))
def test_among_equals_ours_never_differ_by_more_than_one(given_out: list[tuple[int, int]]) -> None:
    found = compare([watched(n, who, 1, value) for n, (who, value) in enumerate(given_out)], SHARES)
    counts = [line.ours.count for line in found.lines]
    assert max(counts) - min(counts) <= 1
    assert sum(line.theirs.value_minor for line in found.lines) == sum(line.ours.value_minor for line in found.lines)
    assert found.ours.count <= found.theirs.count
