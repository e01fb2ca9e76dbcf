"""Facts that belong to no row: what the clock on the wall of the company says."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from rules_engine.decisions.opening_hours import WEEKDAYS
from rules_engine.decisions.working_time import WorkingCalendar

#: Canonical facts by key; a key that is absent or None is an empty field.
Facts = Mapping[str, object]

NOW_FIELDS: Final = ("now.weekday", "now.hour", "now.day_of_month", "now.month", "now.is_working_time")


def now_facts(now: datetime, company: WorkingCalendar) -> dict[str, object]:
    """Return the `now.` fields at an instant: wall time of the company's zone, open by its calendar or not."""
    local = now.astimezone(ZoneInfo(company.zone))
    return {
        "now.weekday": WEEKDAYS[local.weekday()],
        "now.hour": local.hour,
        "now.day_of_month": local.day,
        "now.month": local.month,
        "now.is_working_time": company.is_open(now),
    }
