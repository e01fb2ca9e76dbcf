"""What requests are worth on the average of the last 90 days: fair share gives large and small ones differently."""

from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from rules_engine.decisions.fair_share import ValueStep
from rules_engine.models import Request, UtcDateTime
from rules_engine.services.company.reference import Reference
from rules_engine.services.records import ledger_rows, settings_store
from rules_engine.services.records.reading import rows

DAYS: Final = 90
ENOUGH: Final = 100
"""With fewer before today, those of today count, too: else the first day of an installation would know no mean."""
_KEPT: Final = "mean_value"
_SUMS: Final = select(func.sum(Request.expected_value_minor), func.count(Request.expected_value_minor)).where(
    Request.received_at >= bindparam("since", type_=UtcDateTime()),
    Request.received_at < bindparam("until", type_=UtcDateTime()),
    Request.id != bindparam("itself"),
)


def step_of(session: Session, picture: Reference, request: Request, now: datetime) -> ValueStep | None:
    """Return whether a request is worth at least the mean of the last 90 days; None where either is not known.

    The mean is that of the 90 days before today, read once a day and kept: whoever decides today, after whatever
    interruption, decides by the same one. Reading it anew for each request would cost more than all the rest.
    """
    value = request.expected_value_minor
    if value is None:
        return None
    total, number = _before_today(session, picture, now)
    if number < ENOUGH:
        today = picture.start_of_day(picture.day_of(now))
        # Those of this very instant have arrived, too.
        until = now + timedelta(microseconds=1)
        found = rows(session, _SUMS, {"since": today, "until": until, "itself": request.id})[0]
        total, number = total + int(found[0] or 0), number + found[1]
    if number == 0:
        return None
    return ValueStep.LARGE if value * number >= total else ValueStep.SMALL


def _before_today(session: Session, picture: Reference, now: datetime) -> tuple[int, int]:
    """Return sum and number of the known values of the 90 days before today.

    Whoever holds the ledger's month and asks first today stores them; who only looks, or looks back, does not.
    """
    day = picture.day_of(now)
    kept_day, _, kept = str(settings_store.all_rows(session).get(_KEPT, "")).partition("|")
    if kept_day == day.isoformat():
        return _read(kept)
    aside: dict[date, str] = session.info.setdefault(_KEPT, {})
    if day not in aside:
        since, until = picture.start_of_day(day - timedelta(days=DAYS)), picture.start_of_day(day)
        found = rows(session, _SUMS, {"since": since, "until": until, "itself": 0})[0]
        aside.clear()
        aside[day] = f"{int(found[0] or 0)}|{found[1]}"
    if kept_day < day.isoformat() and ledger_rows.holds_a_month(session):
        settings_store.put(session, _KEPT, f"{day.isoformat()}|{aside.pop(day)}")
        return _before_today(session, picture, now)
    return _read(aside[day])


def _read(kept: str) -> tuple[int, int]:
    total, _, number = kept.partition("|")
    return int(total), int(number)
