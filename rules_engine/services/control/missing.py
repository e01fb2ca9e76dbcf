"""What is missing until a request counts as processed, in words: "one more attempt, on another day"."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from rules_engine.models import Contact, Request, RequestStatus
from rules_engine.services.control.period import Period
from rules_engine.services.measures import requests
from rules_engine.services.measures.behind import NO_ANSWER, NO_END
from rules_engine.services.measures.requests import ATTEMPT_CHANNELS, ATTEMPT_DAYS, ATTEMPTS, WITHOUT_SUBSTANCE
from rules_engine.services.records.reading import rows

Text = Mapping[str, str]

_SPAM: Text = {"ru": "спам ещё не подтверждён руководителем", "en": "a head has not confirmed the spam yet"}
_LATER: Text = {"ru": "закрыта после конца периода", "en": "closed after the end of the period"}
_ELSEWHERE: Text = {"ru": "обработана не у него", "en": "processed by another manager"}
_ONE: Text = {"ru": "ещё одна попытка", "en": "one more attempt"}
_BOTH: Text = {
    "ru": "ещё попытка в другой день и другим способом связи",
    "en": "one more attempt, on another day and by another channel",
}
_OTHER_DAY: Text = {"ru": "ещё попытка в другой день", "en": "one more attempt, on another day"}
_OTHER_CHANNEL: Text = {"ru": "ещё попытка другим способом связи", "en": "one more attempt, by another channel"}


def missing_words(session: Session, period: Period, until: datetime, request_ids: Collection[int]) -> dict[int, Text]:
    """Return what each of these unprocessed requests lacks; two queries whatever their number."""
    if not request_ids:
        return {}
    vain = Contact.outcome.in_(WITHOUT_SUBSTANCE)
    day = requests.local_day(Contact.at, period.as_month.offset_us)
    tried = {
        row.request_id: row
        for row in rows(
            session,
            select(
                Contact.request_id,
                func.count().filter(vain).label("attempts"),
                func.count(day.distinct()).filter(vain).label("days"),
                func.count(Contact.kind.distinct()).filter(vain).label("channels"),
                func.count().filter(~vain | Contact.outcome.is_(None)).label("answers"),
            )
            .where(
                Contact.request_id.in_(list(request_ids)),
                Contact.direction == "out",
                Contact.is_automatic.is_(False),
                Contact.at < until,
            )
            .group_by(Contact.request_id),
            {},
        )
    }
    states = select(Request.id, Request.status, Request.closed_at).where(Request.id.in_(list(request_ids)))
    found: dict[int, Text] = {}
    for row in rows(session, states, {}):
        of_request = tried.get(row.id)
        if row.status is RequestStatus.SPAM:
            found[row.id] = _SPAM
        elif row.closed_at is not None and row.closed_at >= until:
            found[row.id] = _LATER
        elif of_request is None:
            found[row.id] = NO_ANSWER
        elif of_request.answers:
            found[row.id] = _ELSEWHERE if row.closed_at is not None else NO_END
        else:
            found[row.id] = _more(of_request.attempts, of_request.days, of_request.channels)
    return found


def _more(attempts: int, days: int, channels: int) -> Text:
    """Return which attempts are missing until one may say that nobody can be reached.

    >>> _more(1, 1, 1)["en"]
    '2 more attempts, one of them on another day, one by another channel'
    """
    left = ATTEMPTS - attempts
    if left > 1:
        return _several(left, days < ATTEMPT_DAYS, channels < ATTEMPT_CHANNELS)
    if days < ATTEMPT_DAYS and channels < ATTEMPT_CHANNELS:
        return _BOTH
    if days < ATTEMPT_DAYS:
        return _OTHER_DAY
    return _OTHER_CHANNEL if channels < ATTEMPT_CHANNELS else _ONE


def _several(left: int, needs_day: bool, needs_channel: bool) -> Text:
    ru, en = [f"ещё попыток: {left}"], [f"{left} more attempts"]
    if needs_day:
        ru.append("одна из них в другой день")
        en.append("one of them on another day")
    if needs_channel:
        ru.append("одна другим способом связи")
        en.append("one by another channel")
    return {"ru": ", ".join(ru), "en": ", ".join(en)}
