"""When something is to hold from, as the forms ask it: now, as was asked, from an instant, or from a month to come."""

from datetime import date, datetime

from babel.dates import format_date
from flask import request

from admin.views.rule_editor.room import Room
from admin.views.rule_editor.wording import _, capital

_MONTHS = 12


def chosen_instant(here: Room) -> tuple[datetime | None, str]:
    """Return the instant chosen in the form, None for now or as was asked; and what is wrong with it, "" for nothing.

    That an instant has passed the service says.
    """
    if request.form.get("when", "now") != "later":
        return None, ""
    text = request.form.get("at", "").strip()
    if not text:
        return None, _("Say from when it is to hold.")
    try:
        at = here.reader.instant(text)
    except (ValueError, OverflowError):
        return None, _("A date and a time are needed.")
    if at < here.now:
        return None, _("This instant is over: choose a later one, or now.")
    return at, ""


def months_to_come(here: Room) -> list[tuple[str, str]]:
    """Return the first instants of the next months, as the form sends them, with the names of the months."""
    today = here.now.astimezone(here.reader.zone).date()
    months = range(today.month, today.month + _MONTHS)
    first = [date(today.year + month // 12, month % 12 + 1, 1) for month in months]
    return [(f"{day.isoformat()}T00:00", capital(format_date(day, "LLLL y", locale=here.lang))) for day in first]


def as_input(here: Room, at: datetime | None) -> str:
    """Return an instant as an input for date and time holds it, "" for none."""
    return f"{at.astimezone(here.reader.zone):%Y-%m-%dT%H:%M}" if at else ""


def revision_sent() -> int:
    """Return the revision of the draft that the sender of the form has seen; 0 for none."""
    text = request.form.get("revision", "")
    return int(text) if text.isdecimal() and len(text) < 10 else 0
