"""What the payments of a client say: intervals, needs, new and old money."""

from datetime import date
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rules_engine.decisions.client_intervals import (
    ClientMoney,
    Interval,
    Norms,
    Paid,
    is_new_money,
    median_gap,
    money_of,
    norms_of,
    own_interval,
    purchases,
    window_start,
)
from rules_engine.decisions.instants import DAY_US

TODAY = date(2026, 10, 5).toordinal()
DAY_ZERO = date(1970, 1, 1).toordinal()

amounts = st.integers(-500_00, 1_000_00)
days = st.lists(st.integers(TODAY - 900, TODAY), min_size=0, max_size=30)


def paid(number: int, day: int, amount: int = 100_00, service: str | None = None, reverses: int | None = None) -> Paid:
    return Paid(number, day, (day - DAY_ZERO) * DAY_US, amount, service, reverses)


def now_us(day: int = TODAY) -> int:
    return (day - DAY_ZERO + 1) * DAY_US - 1


class TestPurchases:
    def test_what_was_paid_back_wholly_is_no_purchase(self) -> None:
        rows = [paid(1, 10, 100), paid(2, 20, 100), paid(3, 21, -100, reverses=2), paid(4, 30, -40, reverses=1)]

        assert [row.id for row in purchases(rows)] == [1]

    def test_an_order_of_zero_is_a_purchase_day_without_money(self) -> None:
        seen = money_of([paid(1, TODAY - 10, 0)], now_us())

        assert (seen.last_day, seen.payments_count, seen.average_payment) == (TODAY - 10, 0, None)
        assert seen.first_paid_at is None


class TestMoney:
    def test_sums_take_refunds_off_and_the_average_is_of_what_stayed(self) -> None:
        rows = [paid(1, TODAY - 400, 1000), paid(2, TODAY - 5, 500), paid(3, TODAY - 4, -100, reverses=1)]

        seen = money_of(rows, now_us())

        assert (seen.revenue_total, seen.revenue_365d) == (1400, 400)
        assert (seen.payments_count, seen.average_payment) == (2, 700)
        assert seen.silence_before_payment_days == 395

    def test_what_is_paid_later_is_not_seen_yet(self) -> None:
        rows = [paid(1, TODAY - 20), paid(2, TODAY + 1)]

        assert money_of(rows, now_us()).payments_count == 1

    def test_who_never_paid_has_nothing(self) -> None:
        assert money_of([], now_us()) == ClientMoney()


class TestInterval:
    def test_it_is_that_of_the_service_bought_most_often(self) -> None:
        hosting = [paid(n, day, service="hosting") for n, day in enumerate((0, 30, 61, 90))]
        design = [paid(n + 10, day, service="design") for n, day in enumerate((5, 7, 95))]

        assert own_interval(hosting + design) == Interval(30, 90)

    def test_services_bought_too_seldom_are_taken_together(self) -> None:
        rows = [paid(1, 0, service="a"), paid(2, 10, service="b"), paid(3, 40, service="c")]

        assert own_interval(rows) == Interval(20, 40)

    def test_two_purchases_make_none_and_the_norm_stands_in(self) -> None:
        rows = [paid(1, TODAY - 50, service="ssl"), paid(2, TODAY - 20, service="ssl")]
        norms = Norms({"ssl": 365}, {"active": 90}, 60)

        own = money_of(rows, now_us())
        by_service = money_of(rows, now_us(), segment="active", norms=norms)
        by_segment = money_of([paid(1, TODAY - 20, service="x")], now_us(), segment="active", norms=norms)
        by_all = money_of([paid(1, TODAY - 20)], now_us(), norms=norms)

        assert own.usual_interval_days is None
        assert (by_service.usual_interval_days, by_service.need_from_day) == (365, TODAY - 20)
        assert not by_service.has_own_interval
        assert (by_segment.usual_interval_days, by_all.usual_interval_days) == (90, 60)

    def test_norms_need_several_clients(self) -> None:
        def client(number: int, gap: int) -> tuple[str | None, list[Paid]]:
            return "active", [paid(number * 10 + n, n * gap, service="vps") for n in range(4)]

        few = norms_of(client(n, 30) for n in range(4))
        enough = norms_of(client(n, 10 * (n + 1)) for n in range(5))

        assert few == Norms()
        assert enough == Norms({"vps": 30}, {"active": 30}, 30)

    @given(days)
    def test_the_median_lies_between_the_smallest_and_the_largest_gap(self, found: list[int]) -> None:
        rising = sorted(set(found))
        gaps = [later - earlier for earlier, later in pairwise(rising)]
        gap = median_gap(rising)

        assert (gap is None) == (len(rising) < 3)
        if gap is not None:
            assert 1 <= min(gaps) <= gap <= max(gaps)
            assert sum(one < gap for one in gaps) <= len(gaps) / 2
            assert sum(one > gap for one in gaps) <= len(gaps) / 2

    @given(days, st.integers(1, 400))
    def test_moving_all_days_moves_only_the_need(self, found: list[int], by: int) -> None:
        there = own_interval([paid(n, day) for n, day in enumerate(found)])
        moved = own_interval([paid(n, day + by) for n, day in enumerate(found)])

        assert (there is None) == (moved is None)
        if there is not None and moved is not None:
            assert (moved.days, moved.from_day) == (there.days, there.from_day + by)


@given(st.lists(st.tuples(st.integers(TODAY - 900, TODAY), amounts), max_size=20), st.randoms())
def test_the_order_of_payments_does_not_matter(found: list[tuple[int, int]], chance: object) -> None:
    rows = [paid(n, day, amount, reverses=n - 1 if amount < 0 else None) for n, (day, amount) in enumerate(found)]
    mixed = list(rows)
    chance.shuffle(mixed)  # type: ignore[attr-defined]

    assert money_of(mixed, now_us()) == money_of(rows, now_us())


class TestNewMoney:
    def test_it_is_new_for_so_many_days_from_the_first_payment(self) -> None:
        assert is_new_money([TODAY], TODAY, new_days=60)
        assert is_new_money([TODAY], TODAY + 60, new_days=60)
        assert not is_new_money([TODAY], TODAY + 61, new_days=60)
        assert is_new_money([], TODAY, new_days=60)
        # A payment dated before what was thought the first: it is the first itself.
        assert is_new_money([TODAY], TODAY - 300, new_days=60)

    @given(st.lists(st.integers(0, 3000), min_size=1, max_size=20, unique=True).map(sorted), st.integers(1, 500))
    def test_silence_makes_new_again_and_never_the_reverse(self, found: list[int], after: int) -> None:
        for day in found:
            plain = is_new_money(found, day, new_days=60)
            again = is_new_money(found, day, new_days=60, new_again_after=after)
            assert again or not plain
            start = window_start(found, day, after)
            assert start is not None
            assert start == found[0] or start - found[found.index(start) - 1] >= after
