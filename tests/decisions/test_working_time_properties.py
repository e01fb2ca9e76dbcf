"""Working time against a naive evaluator that looks at every minute, and the laws that it must keep."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from rules_engine.decisions.instants import InstantRange
from rules_engine.decisions.opening_hours import (
    WEEKDAYS,
    DayException,
    day_off,
    other_windows,
    short_day,
)
from rules_engine.decisions.working_time import WorkingCalendar
from tests.examples import few

ZONES = ("Europe/Moscow", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "America/Sao_Paulo", "UTC")
#: Spans that hold a change of clock in most of the zones.
FIRST_DAYS = (date(2026, 3, 26), date(2026, 10, 22), date(2018, 11, 2), date(2018, 2, 15), date(2026, 3, 6))
SPAN_DAYS = 6
MINUTE = timedelta(minutes=1)


@st.composite
def windows(draw: st.DrawFn) -> list[list[str]]:
    edges = draw(st.lists(st.integers(0, 96), unique=True, max_size=6).map(sorted))
    times = [f"{edge // 4:02d}:{edge % 4 * 15:02d}" for edge in edges]
    return [list(pair) for pair in zip(times[::2], times[1::2], strict=False)]


@st.composite
def spans(draw: st.DrawFn) -> tuple[datetime, WorkingCalendar, WorkingCalendar]:
    """Return a first instant, a calendar, and a view of it with absences and duty."""
    first = draw(st.sampled_from(FIRST_DAYS))
    weekly = {day: draw(windows()) for day in WEEKDAYS} | {"mon": [["09:00", "18:00"]]}
    exceptions: dict[date, DayException] = {}
    for offset in draw(st.lists(st.integers(0, SPAN_DAYS), max_size=2, unique=True)):
        day = first + timedelta(days=offset)
        exceptions[day] = draw(
            st.one_of(st.just(day_off()), st.just(short_day()), windows().map(lambda w, d=day: other_windows(w, d)))
        )
    calendar = WorkingCalendar.build(weekly, draw(st.sampled_from(ZONES)), exceptions)
    start = datetime(first.year, first.month, first.day, tzinfo=UTC)
    view = calendar.with_duty(draw(ranges(start))).with_absences(draw(ranges(start)))
    return start, calendar, view


@st.composite
def ranges(draw: st.DrawFn, start: datetime) -> list[InstantRange]:
    found = draw(st.lists(st.tuples(st.integers(0, SPAN_DAYS * 1440), st.integers(0, 2000)), max_size=2))
    return [(start + a * MINUTE, start + (a + b) * MINUTE) for a, b in found]


def naive_minutes(start: datetime, calendar: WorkingCalendar, view: WorkingCalendar) -> list[bool]:
    """Return for each minute of the span whether it is worked, by looking at the clock on the wall."""
    zone = ZoneInfo(calendar.zone)
    worked: list[bool] = []
    shown: dict[date, int] = {}
    for n in range(SPAN_DAYS * 1440):
        instant = start + n * MINUTE
        local = instant.astimezone(zone)
        # The latest time that the wall clock has shown this day: hours do not open twice when it goes back.
        if n == 0:
            back = instant - timedelta(hours=26)
            while back < instant:
                wall = back.astimezone(zone)
                if wall.date() == local.date():
                    shown[wall.date()] = max(shown.get(wall.date(), 0), wall.hour * 60 + wall.minute)
                back += MINUTE
        minute = shown[local.date()] = max(shown.get(local.date(), 0), local.hour * 60 + local.minute)
        by_calendar = any(a <= minute < b for a, b in calendar.day_windows(local.date()))
        us = round((instant - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1))
        on_duty = any(a <= us < b for a, b in view.duty)
        away = any(a <= us < b for a, b in view.absences)
        worked.append((by_calendar or on_duty) and not away)
    return worked


@settings(max_examples=few(40), deadline=None)
@given(spans(), st.data())
def test_every_answer_is_that_of_looking_at_every_minute(
    span: tuple[datetime, WorkingCalendar, WorkingCalendar], data: st.DataObject
) -> None:
    start, calendar, view = span
    worked = naive_minutes(start, calendar, view)
    total = len(worked)
    for n in range(0, total, 7):
        assert view.is_open(start + n * MINUTE) is worked[n], n
    a = data.draw(st.integers(0, total - 1))
    b = data.draw(st.integers(a, total))
    pauses = data.draw(ranges(start))
    paused = [any(p <= start + n * MINUTE < q for p, q in pauses if q is not None) for n in range(total)]
    assert view.elapsed(start + a * MINUTE, start + b * MINUTE) == sum(worked[a:b])
    running = [w and not p for w, p in zip(worked, paused, strict=True)]
    assert view.elapsed_minutes(start + a * MINUTE, start + b * MINUTE, pauses) == sum(running[a:b])
    amount = data.draw(st.integers(1, 600))
    for flags, during in ((worked, ()), (running, pauses)):
        count, due = 0, a
        while due < total and count < amount:
            count += flags[due]
            due += 1
        if count == amount:
            assert view.add(start + a * MINUTE, amount, during) == start + due * MINUTE
        count, due = 0, b
        while due > 0 and count < amount:
            due -= 1
            count += flags[due]
        if count == amount:
            assert view.add(start + b * MINUTE, -amount, during) == start + due * MINUTE
    change = next((n for n in range(a + 1, total) if worked[n] != worked[n - 1]), None)
    if change is not None:
        assert view.next_change(start + a * MINUTE) == start + change * MINUTE


instants = st.integers(0, 3 * 365 * 1440 * 60).map(lambda s: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=s))
amounts = st.fractions(min_value=0, max_value=100_000, max_denominator=60)


@settings(max_examples=few(150), deadline=None)
@given(spans(), instants, amounts, amounts)
def test_adding_and_elapsing_are_inverse_monotone_and_additive(
    span: tuple[datetime, WorkingCalendar, WorkingCalendar], start: datetime, first: Fraction, second: Fraction
) -> None:
    _, calendar, _ = span
    exact = Fraction(-(-first * 60_000_000 // 1), 60_000_000)
    due = calendar.add(start, first)
    assert calendar.elapsed(start, due) == exact
    assert calendar.elapsed(calendar.add(due, -exact), due) == exact
    later = calendar.add(due, second)
    assert due <= later
    assert calendar.elapsed(start, later) == exact + calendar.elapsed(due, later)
    assert calendar.add(start, exact + calendar.elapsed(due, later)) <= later


@settings(max_examples=few(100), deadline=None)
@given(spans(), instants, instants)
def test_days_between_counts_the_days_that_have_working_time(
    span: tuple[datetime, WorkingCalendar, WorkingCalendar], one: datetime, other: datetime
) -> None:
    _, _, view = span
    first, last = sorted((view.local_date(one), view.local_date(other)))
    last = min(last, first + timedelta(days=40))
    days = [first + timedelta(days=n) for n in range((last - first).days)]
    assert view.days_between(first, last) == sum(map(view.is_working_day, days))
    assert view.days_between(last, first) == 0
    zone = ZoneInfo(view.zone)
    for day in days[:10]:
        midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
        nights = midnight.astimezone(UTC), (midnight + timedelta(days=1)).astimezone(UTC)
        assert view.is_working_day(day) is (view.elapsed(*nights) > 0)
