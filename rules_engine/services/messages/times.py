"""When a message may leave the house: in its reader's working time, and gathered if he wants it so."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from rules_engine.decisions.working_time import WorkingCalendar
from rules_engine.services.company.reference import Reference, UserRef

DIGEST: Final = "digest"
"""Messages that were held back until the same instant go out as one, whatever held them back."""


@dataclass(frozen=True, slots=True)
class Slot:
    """From when on a message may be sent; `digest_key`: it is sent with the others of that instant."""

    not_before: datetime
    digest_key: str | None = None


def slot(picture: Reference, user: UserRef, now: datetime, *, digest_minutes: int, is_urgent: bool) -> Slot:
    """Return when a mail to a person may go.

    At once if it is urgent. Else at the next instant of the wider grid, the rule's (`digest_minutes`) or his own, and
    if he is not at work then, at his next opening after his absence, unless he wants messages after hours as well.
    """
    if is_urgent:
        return Slot(now)
    minutes = max(digest_minutes, user.digest_minutes)
    then = next_of_grid(now, minutes, picture.zone) if minutes else now
    then = opening(picture, user, then)
    return Slot(then, DIGEST if then > now else None)


def opening(picture: Reference, user: UserRef, at: datetime) -> datetime:
    """Return `at` if the person may be written to then, else when he is next at work; `at` if he never is again."""
    if user.is_told_after_hours:
        return at
    return _calendar_of(picture, user).next_open(at) or at


def _calendar_of(picture: Reference, user: UserRef) -> WorkingCalendar:
    """Return a manager's own working time, a head's that of the first team he leads, else the company's."""
    if user.manager_id is not None:
        return picture.calendar_of(user.manager_id)
    led = next((team for team in picture.teams.values() if team.head_id == user.id), None)
    return led.calendar if led else picture.company_calendar


def next_of_grid(now: datetime, minutes: int, zone: ZoneInfo) -> datetime:
    """Return the first instant after `now` of a grid of so many minutes from each midnight of the zone."""
    local = now.astimezone(zone)
    start = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    midnight, tomorrow = (one.astimezone(now.tzinfo) for one in (start, start + timedelta(days=1)))
    step = timedelta(minutes=minutes)
    return min(midnight + ((now - midnight) // step + 1) * step, tomorrow)
