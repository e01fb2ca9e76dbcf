"""A plan goes by hours: half a position, an absence, a month begun late, all exactly."""

from datetime import datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules_engine.decisions.instants import NEVER_US, merged, to_us
from rules_engine.decisions.proration import MonthHours, first_day, month_hours, next_month, prorated
from rules_engine.decisions.working_time import WorkingCalendar

MOSCOW = ZoneInfo("Europe/Moscow")
OFFICE = WorkingCalendar.build(
    {day: [["09:00", "13:00"], ["14:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}, "Europe/Moscow"
)
ONE = Fraction(1)


def us(text: str) -> int:
    return to_us(datetime.fromisoformat(text).replace(tzinfo=MOSCOW))


OCTOBER = us("2026-10-01"), us("2026-11-01")
"""22 working days, 176 hours."""


def hours(weight: Fraction = ONE, *away: tuple[int, int]) -> MonthHours:
    return month_hours(OFFICE, *OCTOBER, weight=weight, away=away)


class TestHours:
    def test_the_norm_is_that_of_the_calendar(self) -> None:
        assert (hours().norm_hours, hours().hours, hours().share) == (176, 176, 1)

    def test_half_a_position_has_half_of_them_and_loses_half_by_an_absence(self) -> None:
        week = (us("2026-10-05"), us("2026-10-12"))

        assert hours(Fraction(1, 2)).hours == 88
        assert hours(Fraction(1, 2), week).hours == 88 - 20
        assert hours(ONE, week).share == Fraction(136, 176)

    def test_only_working_time_of_an_absence_counts(self) -> None:
        assert hours(ONE, (us("2026-10-03"), us("2026-10-05T09:00"))).share == 1
        assert hours(ONE, (us("2026-10-05T12:00"), us("2026-10-05T15:00"))).hours == 176 - 2

    def test_who_comes_on_the_twentieth_has_the_days_from_then(self) -> None:
        assert hours(ONE, (0, us("2026-10-20"))).hours == 9 * 8

    def test_who_was_never_there_has_none(self) -> None:
        assert hours(ONE, (0, NEVER_US)).share == 0


class TestPlan:
    def test_it_is_the_plan_times_hours_by_norm(self) -> None:
        assert prorated(56_000_000, hours(Fraction(1, 2))) == 28_000_000
        assert prorated(100, hours(ONE, (us("2026-10-05"), us("2026-10-06")))) == Fraction(100 * 168, 176)

    def test_no_plan_stays_none(self) -> None:
        assert prorated(None, hours()) is None
        assert prorated(0, hours()) is None
        assert prorated(100, hours(ONE, (0, NEVER_US))) is None
        assert prorated(100, MonthHours(0, 0, ONE)) is None


absences = st.lists(
    st.tuples(st.integers(-5_000, 60_000), st.integers(1, 20_000)).map(
        lambda span: (OCTOBER[0] + span[0] * 60_000_000, OCTOBER[0] + (span[0] + span[1]) * 60_000_000)
    ),
    max_size=5,
)


@given(st.integers(1, 3_000), absences, st.integers(1, 10**12))
def test_a_part_is_between_nothing_and_the_weight_and_parts_of_a_month_add_up(
    milli: int, away: list[tuple[int, int]], plan: int
) -> None:
    weight = Fraction(milli, 1000)
    whole = month_hours(OFFICE, *OCTOBER, weight=weight, away=merged(away))
    middle = us("2026-10-16")
    halves = [
        month_hours(OFFICE, start, end, weight=weight, away=merged(away))
        for start, end in ((OCTOBER[0], middle), (middle, OCTOBER[1]))
    ]

    assert 0 <= whole.share <= weight
    assert sum(half.hours for half in halves) == whole.hours
    share = prorated(plan, whole)
    assert share is None if whole.share == 0 else share == plan * whole.hours / whole.norm_hours


@given(absences, absences)
def test_more_absence_never_makes_more_hours(some: list[tuple[int, int]], others: list[tuple[int, int]]) -> None:
    fewer = month_hours(OFFICE, *OCTOBER, weight=ONE, away=merged([*some, *others]))

    assert fewer.present_us <= month_hours(OFFICE, *OCTOBER, weight=ONE, away=merged(some)).present_us


@pytest.mark.parametrize("month", ["2026-01", "2026-02", "2026-11", "2026-12", "2028-02"])
def test_months_follow_each_other(month: str) -> None:
    after = first_day(next_month(month))

    assert after.day == 1
    assert (after - timedelta(days=1)).strftime("%Y-%m") == month
