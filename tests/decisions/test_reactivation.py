"""Who came back because of a call, by days: 1 is a day after the epoch."""

import pytest

from rules_engine.decisions.instants import DAY_US
from rules_engine.decisions.reactivation import Call, CameBack, Terms, came_back

ANNA, BORIS = 1, 2
TERMS = Terms()


def back(calls: list[tuple[int, int]], payments: list[tuple[int, int]]) -> CameBack | None:
    return came_back(
        [Call(day * DAY_US, who) for day, who in calls], [(day * DAY_US, amount) for day, amount in payments], TERMS
    )


def test_silent_called_and_paid() -> None:
    assert back([(200, ANNA)], [(1, 100), (210, 100_000), (220, 200_000)]) == CameBack(220 * DAY_US, ANNA, 300_000)


@pytest.mark.parametrize(
    ("calls", "payments"),
    [
        ([(200, ANNA)], [(210, 300_000)]),
        ([(200, ANNA)], [(21, 100), (210, 300_000)]),
        ([(200, ANNA)], [(1, 100), (210, 299_999)]),
        ([(200, ANNA)], [(1, 100), (246, 300_000)]),
        ([(200, ANNA)], [(1, 100), (210, 200_000), (211, -100_000), (212, 150_000)]),
        ([], [(1, 100), (210, 300_000)]),
    ],
    ids=["never paid before", "not silent", "too little", "too late", "paid back", "no call"],
)
def test_who_did_not_come_back(calls: list[tuple[int, int]], payments: list[tuple[int, int]]) -> None:
    assert back(calls, payments) is None


def test_the_edges_count() -> None:
    assert back([(200, ANNA)], [(20, 100), (245, 300_000)]) is not None


def test_the_last_call_before_the_payment_brought_it() -> None:
    found = back([(200, ANNA), (205, BORIS), (215, ANNA)], [(1, 100), (210, 300_000)])
    assert found is not None and found.manager_id == BORIS
