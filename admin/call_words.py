"""What the pages say about calls: a hold and what lifts it, the time at a client's, when to come back to him."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from flask_babel import gettext as _

from admin.base import shell
from admin.language import day, local, moment
from rules_engine.decisions.client_time import ClientTime, time_at
from rules_engine.decisions.working_time import WorkingCalendar
from rules_engine.models import OverdueAction, OverdueState


@dataclass(frozen=True, slots=True)
class Later:
    """When to come back to a client who thinks: offered as a button. `value` is local time of the business zone."""

    label: str
    value: str


def hold_words(hold: OverdueAction | None, overdue_calls: int) -> tuple[str, str] | None:
    """Return what a hold on new requests means for its manager, as a kind of note and words; None: there is none."""
    if hold is None:
        return None
    if hold.state is OverdueState.PROPOSED:
        return "", _(
            "A hold on new requests was proposed to the head, who decides. Calls overdue: %(now)s.", now=overdue_calls
        )
    text = _("New requests are on hold.")
    if hold.ends_at is not None:
        text = _("New requests are on hold until %(when)s.", when=moment(hold.ends_at))
    if hold.overdue_callbacks_below:
        lifts = _(
            "The hold ends by itself as soon as fewer than %(below)s calls are overdue; now: %(now)s.",
            below=hold.overdue_callbacks_below,
            now=overdue_calls,
        )
        text = f"{text} {lifts}"
    return "warn", text


def there_words(there: ClientTime | None, calendar: WorkingCalendar, now: datetime) -> tuple[str, bool]:
    """Return what time it is at the client's, in words where it matters, and whether one may call now."""
    if there is None:
        return "", True
    clock = there.local.strftime("%H:%M")
    if there.opens_at is None:
        here = local(now)
        return ("" if here.utcoffset() == there.local.utcoffset() else _("There it is %(time)s.", time=clock)), True
    zone = there.local.tzinfo or UTC
    at: datetime | None = there.opens_at
    # Both have to be at work: a few steps find the next such time, or there is none.
    for _step in range(5):
        at = calendar.next_open(at) if at is not None else None
        opens = time_at(zone, at).opens_at if at is not None else None
        if opens is None:
            break
        at = opens
    else:
        at = None
    if at is None:
        return _("There it is %(time)s: not the time for calls.", time=clock), False
    return _("There it is %(time)s: call %(when)s.", time=clock, when=moment(at)), False


def laters(calendar: WorkingCalendar, now: datetime) -> list[Later]:
    """Return when a conversation may be taken up again: the next working day, in a week, in a month."""
    found = []
    today = local(now).date()
    for days, label in ((1, _("tomorrow")), (7, _("in a week")), (30, _("in a month"))):
        opens = calendar.next_open(datetime.combine(today + timedelta(days=days), time.min, shell().settings.zone))
        if opens is not None:
            is_exact = local(opens).date() == today + timedelta(days=days)
            said = label if is_exact or days > 1 else day(opens, "EEE, d MMM")
            found.append(Later(said, local(opens).strftime("%Y-%m-%dT%H:%M")))
    return found
