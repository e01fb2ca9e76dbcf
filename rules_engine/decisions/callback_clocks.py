"""The clocks of a planned call: how long it is overdue in the caller's working days, his client's, the company's."""

from collections.abc import Sequence
from dataclasses import dataclass

from rules_engine.decisions.clocks import Clock, Fixed, WorkingDays
from rules_engine.decisions.opening_hours import DAY_MINUTES
from rules_engine.decisions.request_clocks import RequestClocks, RequestTimes
from rules_engine.decisions.working_time import WorkingCalendar


@dataclass(frozen=True, slots=True)
class DaysOverdue:
    """Working days of `calendar` begun since the day of `due`; 0 until then. Days of absence are none."""

    calendar: WorkingCalendar
    due: int

    def value_at(self, us: int) -> int:
        return 0 if us <= self.due else WorkingDays(self.calendar, self.due).value_at(us)

    def next_change(self, thresholds: Sequence[int], after: int) -> int | None:
        if after >= self.due:
            return WorkingDays(self.calendar, self.due).next_change(thresholds, after)
        reached = [value for value in thresholds if value > 0] if thresholds else [1]
        if not reached:
            return None
        return self.calendar.working_day_opening_us(self.calendar.local_day_us(self.due), reached[0])


class CallbackClocks(RequestClocks):
    """The clocks of one planned call by field; those of a request stand still and show nothing.

    `times` carries the client, his owner and the holder of the call; `opened_us` is when it came into a list.
    """

    def __init__(self, times: RequestTimes, *, due_us: int, opened_us: int) -> None:
        super().__init__(times)
        self._due_us = due_us
        self._opened_us = opened_us

    def clock(self, field: str) -> Clock:
        if field == "item.working_days_overdue":
            return DaysOverdue(self.repeats_in, self._due_us)
        if field.startswith("request."):
            return Fixed(None)
        return super().clock(field)

    @property
    def grid_minutes(self) -> int:
        """Calls are overdue by days, and each that becomes so is looked at then: a day is often enough."""
        return DAY_MINUTES

    @property
    def grid_start_us(self) -> int:
        return self._opened_us
