"""Working time by example: lunch, weekends, moved days, both changes of clock, absences, duty, pauses."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest

from rules_engine.decisions.opening_hours import CalendarError, day_off, other_windows, short_day, work_day
from rules_engine.decisions.working_time import WorkingCalendar

MOSCOW = ZoneInfo("Europe/Moscow")
BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = {day: [["09:00", "13:00"], ["14:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
ALWAYS = {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}


@pytest.fixture(scope="module")
def office() -> WorkingCalendar:
    return WorkingCalendar.build(OFFICE, "Europe/Moscow")


def moscow(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=MOSCOW)


def berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


class TestAdding:
    def test_lunch_is_skipped(self, office: WorkingCalendar) -> None:
        assert office.add(moscow("2026-10-05T12:45"), 30) == moscow("2026-10-05T14:15")

    def test_weekend_is_skipped(self, office: WorkingCalendar) -> None:
        assert office.add(moscow("2026-10-02T17:50"), 30) == moscow("2026-10-05T09:20")

    def test_exactly_on_closing_time_is_the_closing_time(self, office: WorkingCalendar) -> None:
        assert office.add(moscow("2026-10-02T17:30"), 30) == moscow("2026-10-02T18:00")
        assert office.add(moscow("2026-10-05T12:30"), 30) == moscow("2026-10-05T13:00")

    def test_counting_back_exactly_to_opening_time_is_the_opening_time(self, office: WorkingCalendar) -> None:
        assert office.add(moscow("2026-10-05T09:30"), -30) == moscow("2026-10-05T09:00")
        assert office.add(moscow("2026-10-05T09:30"), -31) == moscow("2026-10-02T17:59")

    def test_zero_minutes_outside_working_hours_is_the_start(self, office: WorkingCalendar) -> None:
        assert office.add(moscow("2026-10-04T03:00"), 0) == moscow("2026-10-04T03:00")

    def test_a_rest_of_a_microsecond_is_rounded_away_from_the_start(self, office: WorkingCalendar) -> None:
        start = moscow("2026-10-05T10:00")
        third = Fraction(1, 3) / 60_000_000
        assert office.add(start, third) == start + timedelta(microseconds=1)
        assert office.add(start, -third) == start - timedelta(microseconds=1)

    def test_years_of_working_minutes(self, office: WorkingCalendar) -> None:
        start = moscow("2026-01-01T00:00")
        due = office.add(start, 10_000_000)
        assert office.elapsed(start, due) == 10_000_000

    def test_the_far_future_is_refused_not_computed(self, office: WorkingCalendar) -> None:
        with pytest.raises(CalendarError):
            office.add(moscow("2026-01-01T00:00"), 10**12)
        with pytest.raises(CalendarError):
            office.is_open(datetime(9999, 12, 31, 23, tzinfo=UTC))


class TestDatesThatDiffer:
    def test_moved_saturday_works_and_a_day_off_does_not(self) -> None:
        calendar = WorkingCalendar.build(
            OFFICE, "Europe/Moscow", {date(2026, 10, 3): work_day(), date(2026, 10, 5): day_off()}
        )
        assert calendar.add(moscow("2026-10-02T17:50"), 30) == moscow("2026-10-03T09:20")
        assert calendar.add(moscow("2026-10-03T17:50"), 30) == moscow("2026-10-06T09:20")

    def test_short_day_ends_an_hour_earlier(self) -> None:
        calendar = WorkingCalendar.build(OFFICE, "Europe/Moscow", {date(2026, 10, 2): short_day()})
        assert calendar.add(moscow("2026-10-02T16:50"), 30) == moscow("2026-10-05T09:20")

    def test_short_saturday_is_a_moved_day_but_a_part_timers_free_thursday_stays_free(self) -> None:
        calendar = WorkingCalendar.build(
            {day: OFFICE[day] for day in ("mon", "tue", "wed")},
            "Europe/Moscow",
            {date(2026, 10, 3): short_day(), date(2026, 10, 8): short_day()},
        )
        assert calendar.day_windows(date(2026, 10, 3)) == ((540, 780), (840, 1020))
        assert calendar.day_windows(date(2026, 10, 8)) == ()

    def test_other_windows(self) -> None:
        day = date(2026, 10, 5)
        calendar = WorkingCalendar.build(OFFICE, "Europe/Moscow", {day: other_windows([["10:00", "11:00"]], day)})
        assert not calendar.is_open(moscow("2026-10-05T09:30"))
        assert calendar.elapsed(moscow("2026-10-05T00:00"), moscow("2026-10-06T00:00")) == 60


class TestChangesOfClock:
    """Berlin: forward on 29 March 2026 at 02:00, back on 25 October 2026 at 03:00."""

    def test_round_the_clock_has_a_day_of_23_and_one_of_25_hours(self) -> None:
        calendar = WorkingCalendar.build(ALWAYS, "Europe/Berlin")
        assert calendar.elapsed(berlin("2026-03-29T00:00"), berlin("2026-03-30T00:00")) == 23 * 60
        assert calendar.elapsed(berlin("2026-10-25T00:00"), berlin("2026-10-26T00:00")) == 25 * 60
        assert calendar.next_change(berlin("2026-10-25T00:00")) is None

    def test_office_hours_follow_the_wall_clock(self) -> None:
        calendar = WorkingCalendar.build({"fri": [["09:00", "17:00"]], "mon": [["09:00", "17:00"]]}, "Europe/Berlin")
        assert calendar.add(berlin("2026-03-27T16:30"), 60) == berlin("2026-03-30T09:30")
        assert calendar.add(berlin("2026-10-23T16:30"), 60) == berlin("2026-10-26T09:30")

    def test_a_window_across_the_change_is_longer_or_shorter(self) -> None:
        calendar = WorkingCalendar.build({"sun": [["01:00", "04:00"]]}, "Europe/Berlin")
        assert calendar.elapsed(berlin("2026-03-29T00:00"), berlin("2026-03-30T00:00")) == 120
        assert calendar.elapsed(berlin("2026-10-25T00:00"), berlin("2026-10-26T00:00")) == 240

    def test_opening_in_the_hour_left_out_is_the_change_itself(self) -> None:
        calendar = WorkingCalendar.build({"sun": [["02:30", "04:00"]]}, "Europe/Berlin")
        assert calendar.next_open(berlin("2026-03-29T00:00")) == datetime(2026, 3, 29, 1, tzinfo=UTC)

    def test_opening_in_the_hour_that_comes_twice_is_the_first(self) -> None:
        calendar = WorkingCalendar.build({"sun": [["02:30", "04:00"]]}, "Europe/Berlin")
        assert calendar.next_open(berlin("2026-10-25T00:00")) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)

    def test_a_date_that_never_was(self) -> None:
        calendar = WorkingCalendar.build(ALWAYS, "Pacific/Apia")
        assert not calendar.is_working_day(date(2011, 12, 30))
        assert calendar.days_between(date(2011, 12, 29), date(2012, 1, 1)) == 2


class TestViewsOfAPerson:
    def test_absence_subtracts_and_duty_adds(self, office: WorkingCalendar) -> None:
        away = office.with_absences([(moscow("2026-10-05T11:00"), moscow("2026-10-06T00:00"))])
        assert away.add(moscow("2026-10-05T10:30"), 60) == moscow("2026-10-06T09:30")
        on_duty = office.with_duty([(moscow("2026-10-04T10:00"), moscow("2026-10-04T12:00"))])
        assert on_duty.add(moscow("2026-10-02T17:30"), 60) == moscow("2026-10-04T10:30")

    def test_absence_beats_duty(self, office: WorkingCalendar) -> None:
        sunday = (moscow("2026-10-04T10:00"), moscow("2026-10-04T12:00"))
        assert not office.with_duty([sunday]).with_absences([sunday]).is_working_day(date(2026, 10, 4))

    def test_who_never_comes_back_has_no_next_opening(self, office: WorkingCalendar) -> None:
        gone = office.with_absences([(moscow("2026-10-05T11:00"), None)])
        assert gone.next_open(moscow("2026-10-05T11:00")) is None
        assert gone.next_change(moscow("2026-10-05T11:00")) is None
        with pytest.raises(CalendarError):
            gone.add(moscow("2026-10-05T10:30"), 60)
        with pytest.raises(CalendarError):
            gone.end_of_current_or_next_working_day(moscow("2026-10-05T12:00"))

    def test_views_leave_the_calendar_as_it_was(self, office: WorkingCalendar) -> None:
        office.with_absences([(moscow("2026-10-05T00:00"), moscow("2026-10-06T00:00"))])
        assert office.is_open(moscow("2026-10-05T10:00"))
        assert office.with_absences([]) is office


class TestPauses:
    def test_a_pause_over_the_weekend_costs_only_working_time(self, office: WorkingCalendar) -> None:
        pause = (moscow("2026-10-02T17:00"), moscow("2026-10-05T10:00"))
        assert office.add(moscow("2026-10-02T16:30"), 60, [pause]) == moscow("2026-10-05T10:30")
        assert office.elapsed(moscow("2026-10-02T16:30"), moscow("2026-10-05T10:30"), [pause]) == 60

    def test_overlapping_pauses_count_once(self, office: WorkingCalendar) -> None:
        pauses = [
            (moscow("2026-10-05T10:00"), moscow("2026-10-05T11:00")),
            (moscow("2026-10-05T10:30"), moscow("2026-10-05T11:30")),
        ]
        assert office.elapsed(moscow("2026-10-05T09:00"), moscow("2026-10-05T12:00"), pauses) == 90

    def test_a_pause_without_end_stops_the_clock(self, office: WorkingCalendar) -> None:
        pause = (moscow("2026-10-05T10:00"), None)
        assert office.elapsed(moscow("2026-10-05T09:00"), moscow("2027-10-05T12:00"), [pause]) == 60
        with pytest.raises(CalendarError):
            office.add(moscow("2026-10-05T09:00"), 61, [pause])


class TestDays:
    def test_end_of_the_working_day_under_way_or_next(self, office: WorkingCalendar) -> None:
        end = office.end_of_current_or_next_working_day
        assert end(moscow("2026-10-05T07:00")) == moscow("2026-10-05T18:00")
        assert end(moscow("2026-10-05T13:30")) == moscow("2026-10-05T18:00")
        assert end(moscow("2026-10-05T18:00")) == moscow("2026-10-06T18:00")
        assert end(moscow("2026-10-31T12:00")) == moscow("2026-11-02T18:00")

    def test_the_day_of_those_who_work_through_midnight_ends_at_midnight(self) -> None:
        calendar = WorkingCalendar.build(ALWAYS, "Europe/Berlin")
        end = calendar.end_of_current_or_next_working_day
        assert end(berlin("2026-10-25T12:00")) == berlin("2026-10-26T00:00")
        assert end(berlin("2026-10-26T00:00")) == berlin("2026-10-27T00:00")

    def test_adding_days_moves_out_of_lunch_to_the_next_opening(self) -> None:
        calendar = WorkingCalendar.build(OFFICE | {"wed": [["09:00", "11:00"], ["15:00", "18:00"]]}, "Europe/Moscow")
        assert calendar.add_days(moscow("2026-10-05T12:30"), 2) == moscow("2026-10-07T15:00")

    def test_adding_days_from_a_day_off_counts_from_the_next_opening(self, office: WorkingCalendar) -> None:
        assert office.add_days(moscow("2026-10-03T12:30"), 0) == moscow("2026-10-05T09:00")
        assert office.add_days(moscow("2026-10-03T12:30"), 1) == moscow("2026-10-06T09:00")
        assert office.add_days(moscow("2026-10-03T12:30"), -1) == moscow("2026-10-01T18:00")

    def test_next_change(self, office: WorkingCalendar) -> None:
        assert office.next_change(moscow("2026-10-05T09:00")) == moscow("2026-10-05T13:00")
        assert office.next_change(moscow("2026-10-05T13:00")) == moscow("2026-10-05T14:00")
        assert office.next_change(moscow("2026-10-02T18:00")) == moscow("2026-10-05T09:00")


class TestRefused:
    def test_no_working_time_at_all(self) -> None:
        with pytest.raises(CalendarError) as caught:
            WorkingCalendar.build({"mon": []}, "Europe/Moscow")
        assert caught.value.message("ru") == "в календаре нет рабочего времени"

    def test_overlapping_windows_name_the_day(self) -> None:
        with pytest.raises(CalendarError) as caught:
            WorkingCalendar.build({"tue": [["09:00", "13:00"], ["12:00", "18:00"]]}, "Europe/Moscow")
        assert caught.value.data["day"] == "tue"
        assert caught.value.message("ru") == "вт: окна 09:00–13:00 и 12:00–18:00 пересекаются"

    @pytest.mark.parametrize("window", [["18:00", "09:00"], ["09:00", "09:00"], ["9", "18:00"], ["09:00", "25:00"]])
    def test_reversed_or_unreadable_windows_name_the_day(self, window: list[str]) -> None:
        with pytest.raises(CalendarError) as caught:
            WorkingCalendar.build({"sat": [window]}, "Europe/Moscow")
        assert caught.value.data["day"] == "sat"

    def test_unknown_day_and_zone(self) -> None:
        with pytest.raises(CalendarError):
            WorkingCalendar.build({"monday": [["09:00", "18:00"]]}, "Europe/Moscow")
        with pytest.raises(CalendarError):
            WorkingCalendar.build(OFFICE, "Europe/Nowhere")

    def test_naive_instants(self, office: WorkingCalendar) -> None:
        with pytest.raises(TypeError):
            office.is_open(datetime(2026, 10, 5, 10))  # noqa: DTZ001 - that is the point
