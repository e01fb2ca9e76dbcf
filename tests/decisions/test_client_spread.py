"""Clients of a leaver are spread evenly, by number, by revenue and over days, whatever they are worth."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from rules_engine.decisions.client_spread import spread
from tests.examples import few

REVENUES = st.lists(st.integers(-1_000, 10_000_000), max_size=60)


@settings(max_examples=few(100), deadline=None)
@given(REVENUES, st.sets(st.integers(1, 20), min_size=1, max_size=6), st.integers(1, 12))
def test_everybody_gets_as_many_and_about_as_much_and_so_does_every_day(
    revenues: list[int], takers: set[int], days: int
) -> None:
    clients = list(enumerate(revenues, 100))
    plan = spread(clients, sorted(takers), days)
    assert sorted(one.client_id for one in plan) == [client_id for client_id, _ in clients]
    number = Counter(one.taker for one in plan)
    assert max(number.values(), default=0) - min((number[taker] for taker in takers), default=0) <= 1
    # Two totals never differ by more than the largest client.
    worth = dict(clients)
    totals = [sum(worth[one.client_id] for one in plan if one.taker == taker) for taker in takers]
    if all(revenue >= 0 for revenue in revenues):
        assert max(totals) - min(totals) <= max(revenues, default=0)
    a_day = Counter(one.day for one in plan)
    assert all(0 <= day < days for day in a_day)
    rounds = -(-len(clients) // len(takers))
    assert max(a_day.values(), default=0) <= -(-rounds // days) * len(takers)
    assert spread(list(reversed(clients)), sorted(takers, reverse=True), days) == plan


def test_days_are_filled_in_order_the_largest_first() -> None:
    plan = spread([(client_id, 100 * client_id) for client_id in range(1, 25)], [1, 2], 4)
    assert Counter(one.day for one in plan) == {0: 6, 1: 6, 2: 6, 3: 6}
    assert {one.client_id for one in plan if one.day == 0} == {24, 23, 22, 21, 20, 19}


def test_nobody_takes_nothing() -> None:
    assert spread([(1, 100)], [], 3) == [] and spread([], [1], 3) == []
