"""The benchmark compares like with like: every contestant gives the same answers to the same facts."""

from tests.benchmarks import engines


def test_all_contestants_give_the_same_answers() -> None:
    given = engines.facts()[:50]
    found = engines.contestants(60)
    assert engines.disagreement(found, given) is None
    assert sum(len(found["native"](one)) for one in given) > 50


def test_a_contestant_that_differs_is_named() -> None:
    found = {**engines.contestants(10), "lazy": lambda facts: ()}
    assert "lazy differs" in str(engines.disagreement(found, engines.facts()))
