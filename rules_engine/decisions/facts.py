"""Facts that belong to no row: what the clock on the wall of the company says."""

from datetime import datetime
from zoneinfo import ZoneInfo

from rules_engine.decisions.opening_hours import WEEKDAYS
from rules_engine.decisions.working_time import WorkingCalendar
from rules_engine.language.engines.base import Facts
from rules_engine.language.values import Canonical

__all__ = ["Facts", "now_facts"]


def now_facts(now: datetime, company: WorkingCalendar) -> dict[str, Canonical | None]:
    """Return the `now.` fields at an instant: wall time of the company's zone, open by its calendar or not."""
    local = now.astimezone(ZoneInfo(company.zone))
    return {
        "now.weekday": WEEKDAYS[local.weekday()],
        "now.hour": local.hour,
        "now.day_of_month": local.day,
        "now.month": local.month,
        "now.is_working_time": company.is_open(now),
    }
