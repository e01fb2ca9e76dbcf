"""Clocks: what they show, and that they never miss a change."""

from collections.abc import Callable
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules_engine.decisions.client_intervals import ClientMoney
from rules_engine.decisions.clocks import Clock
from rules_engine.decisions.instants import MINUTE_US, from_us, to_us
from rules_engine.decisions.request_clocks import CLOCK_FIELDS, RequestClocks, RequestTimes
from rules_engine.decisions.working_time import WorkingCalendar
from rules_engine.language.kinds import MovedBy
from rules_engine.language.vocabulary import FIELDS

MOSCOW = ZoneInfo("Europe/Moscow")
OFFICE = WorkingCalendar.build(
    {day: [["09:00", "13:00"], ["14:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}, "Europe/Moscow"
)
BERLIN = WorkingCalendar.build(
    {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}, "Europe/Berlin"
)


def us(text: str) -> int:
    return to_us(datetime.fromisoformat(text).replace(tzinfo=MOSCOW))


def clocks(**more: object) -> RequestClocks:
    values: dict[str, object] = {
        "company": OFFICE,
        "holder": OFFICE,
        "owner": OFFICE,
        "received_us": us("2026-10-02T17:00"),
        "assigned_us": us("2026-10-02T17:30"),
        "answer_within": 30,
        "answer_due_us": us("2026-10-02T18:00"),
    }
    return RequestClocks(RequestTimes(**(values | more)))  # type: ignore[arg-type]  # each is an attribute


def value(field: str, at: str, **more: object) -> object:
    return clocks(**more).clock(field).value_at(us(at))


class TestValues:
    def test_minutes_are_whole_and_working(self) -> None:
        assert value("request.working_minutes_since_received", "2026-10-05T09:10:59") == 70
        assert value("request.working_minutes_since_assigned", "2026-10-05T13:30") == 30 + 240
        assert (
            value("request.working_minutes_since_activity", "2026-10-05T09:10", last_activity_us=us("2026-10-05T09:04"))
            == 6
        )

    def test_answer_used_is_of_whole_minutes(self) -> None:
        assert value("request.answer_used_pct", "2026-10-02T17:31:59", answer_within=7) == 10_000 // 7
        assert value("request.answer_used_pct", "2026-10-05T09:00", answer_within=30) == 10_000

    def test_past_is_after_the_due_instant_not_at_it(self) -> None:
        assert value("request.is_past_answer_time", "2026-10-02T18:00") is False
        assert value("request.is_past_answer_time", "2026-10-02T18:01") is True

    def test_an_answer_stops_the_answer_clocks(self) -> None:
        answered = {"first_answer_us": us("2026-10-02T17:40")}
        assert value("request.working_minutes_without_answer", "2026-10-05T10:00", **answered) is None
        assert value("request.answer_used_pct", "2026-10-05T10:00", **answered) is None
        assert value("request.is_past_answer_time", "2026-10-05T10:00", **answered) is False
        late = {"first_answer_us": us("2026-10-05T09:01")}
        assert value("request.is_past_answer_time", "2026-10-05T10:00", **late) is True

    def test_nobody_holds_it(self) -> None:
        nobody = {"holder": None, "assigned_us": None, "answer_due_us": None}
        for name in ("working_minutes_since_assigned", "working_minutes_without_answer", "answer_used_pct"):
            assert value(f"request.{name}", "2026-10-05T10:00", **nobody) is None
        assert value("manager.is_working_now", "2026-10-05T10:00", **nobody) is None

    def test_a_working_day_has_passed_when_the_next_one_opens(self) -> None:
        waiting = {"waiting_since_us": us("2026-10-01T15:00")}
        days = [
            value("request.waiting_client_days", at, **waiting)
            for at in (
                "2026-10-01T16:00",
                "2026-10-02T08:59",
                "2026-10-02T09:00",
                "2026-10-04T12:00",
                "2026-10-05T09:00",
            )
        ]
        assert days == [0, 0, 1, 1, 2]

    def test_back_in_counts_a_begun_minute(self) -> None:
        away = {"owner_absences": ((us("2026-10-01T00:00"), us("2026-10-05T10:00")),)}
        field = "owner.back_in_working_minutes"
        assert value(field, "2026-10-02T17:30:30", **away) == 30 + 60
        assert value(field, "2026-10-05T10:00", **away) == 0
        assert value("owner.is_absent", "2026-10-05T09:59", **away) is True

    def test_the_wall_clock_of_the_company(self) -> None:
        at = "2026-10-04T23:30"
        seen = [value(f"now.{name}", at) for name in ("weekday", "hour", "day_of_month", "month", "is_working_time")]
        assert seen == ["sun", 23, 4, 10, False]

    def test_days_since_and_until(self) -> None:
        days = {"last_contact_day": date(2026, 10, 1).toordinal(), "contract_ends_day": date(2026, 10, 31).toordinal()}
        assert value("client.days_since_last_contact", "2026-10-05T00:00", **days) == 4
        assert value("client.contract_ends_in_days", "2026-10-05T23:59", **days) == 26

    def test_the_interval_is_overdue_from_the_last_purchase(self) -> None:
        bought = ClientMoney(
            purchase_days=(date(2026, 9, 1).toordinal(), date(2026, 10, 1).toordinal()),
            usual_interval_days=30,
            need_from_day=date(2026, 10, 1).toordinal(),
        )
        at = "2026-11-15T00:00"
        names = ("days_since_last_payment", "overdue_ratio", "expected_need_in_days")
        assert [value(f"client.{name}", at, money=bought) for name in names] == [45, 15_000, -15]
        assert [value(f"client.{name}", at, money=ClientMoney()) for name in names] == [None, None, None]

    def test_every_time_moved_field_of_a_request_has_a_clock(self) -> None:
        others = {"candidate"}
        moved = {
            key
            for key, field in FIELDS.items()
            if field.moved_by is MovedBy.WITH_TIME and field.implemented and field.group not in others
        }
        assert moved == CLOCK_FIELDS


def changes(clock: Clock, thresholds: tuple[int, ...], first: int, minutes: int) -> list[int]:
    """Return every minute at which the value crosses a threshold (or changes), by looking at each."""

    def side(at: int) -> object:
        seen = clock.value_at(at)
        if not thresholds or seen is None or isinstance(seen, bool | str):
            return seen
        return [isinstance(seen, int) and seen >= threshold for threshold in thresholds]

    found = []
    before = side(first)
    for n in range(1, minutes):
        at = first + n * MINUTE_US
        now = side(at)
        if now != before:
            found.append(at)
        before = now
    return found


@pytest.mark.parametrize("field", sorted(CLOCK_FIELDS))
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_no_change_is_missed_and_all_fall_on_whole_minutes(field: str, data: st.DataObject) -> None:
    draw: Callable[..., int] = lambda low, high: data.draw(st.integers(low, high))  # noqa: E731 - a short name
    first = us(data.draw(st.sampled_from(["2026-10-02T08:00", "2026-10-23T12:30", "2026-03-27T22:17"])))
    holder = data.draw(st.sampled_from([OFFICE, BERLIN]))
    absences = tuple(
        sorted((first + a * MINUTE_US, first + (a + b) * MINUTE_US) for a, b in [(draw(0, 2000), draw(1, 2000))])
    )
    made = clocks(
        company=data.draw(st.sampled_from([OFFICE, BERLIN])),
        holder=holder.with_absences([(from_us(a), from_us(b)) for a, b in absences]) if draw(0, 1) else holder,
        owner=holder,
        owner_absences=absences,
        received_us=first - draw(0, 3000) * MINUTE_US,
        assigned_us=first - draw(0, 600) * MINUTE_US,
        answer_within=draw(1, 90),
        answer_due_us=first + draw(0, 900) * MINUTE_US,
        waiting_since_us=first - draw(0, 4000) * MINUTE_US,
        last_contact_day=date(2026, 9, 30).toordinal(),
        contract_ends_day=date(2026, 11, 2).toordinal(),
        money=ClientMoney(
            purchase_days=(date(2026, 8, 1).toordinal(), date(2026, 9, 25).toordinal()),
            usual_interval_days=draw(1, 40),
            need_from_day=date(2026, 8, 20).toordinal() + draw(0, 30),
        ),
        pauses=tuple((first + a * MINUTE_US, first + (a + 45) * MINUTE_US) for a in sorted({draw(0, 500)})),
    )
    clock = made.clock(field)
    is_number = isinstance(clock.value_at(first), int) and not isinstance(clock.value_at(first), bool)
    near = clock.value_at(first) if is_number else 0
    thresholds: tuple[int, ...] = ()
    if is_number and draw(0, 3):
        rough = {"request.answer_used_pct": 2_000, "client.overdue_ratio": 777}
        step = rough.get(field, 20 if "minutes" in field else 1)
        thresholds = tuple(sorted({near + draw(-3, 8) * step for _ in range(draw(1, 3))}))
    minutes = 3 * 1440
    expected = changes(clock, thresholds, first, minutes)
    at, end, looked = first, first + (minutes - 1) * MINUTE_US, set()
    while (following := clock.next_change(thresholds, at)) is not None and following <= end:
        assert following > at
        assert following % MINUTE_US == 0
        at = following
        looked.add(at)
    assert set(expected) <= looked
