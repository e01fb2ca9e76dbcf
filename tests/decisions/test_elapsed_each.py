"""Working time of many spans at once is that of each by itself."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from rules_engine.decisions.instants import to_us
from rules_engine.decisions.working_time import WorkingCalendar
from tests.factories import WEEKLY

FIRST = datetime(2026, 9, 1, tzinfo=UTC)
CALENDAR = WorkingCalendar.build(WEEKLY, "Europe/Moscow", None)
THE_SAME = WorkingCalendar.build(WEEKLY, "Europe/Moscow", None)
INSTANTS = st.integers(0, 150 * 24 * 60).map(lambda minutes: to_us(FIRST + timedelta(minutes=minutes)))


@given(st.lists(st.tuples(INSTANTS, INSTANTS), max_size=20))
def test_each_span_is_counted_as_if_it_were_alone(spans: list[tuple[int, int]]) -> None:
    assert CALENDAR.elapsed_each_us(spans) == [THE_SAME.elapsed_us(start, end) for start, end in spans]
