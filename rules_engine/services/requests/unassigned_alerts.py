"""Telling the heads that requests have nobody: one message for many, which says how many there are.

Those that arrive while the company is closed share one with those of the first hour after its opening; during the day
there is one an hour. What has not gone out yet, or has not been read, is brought up to date instead of sent again.
"""

from datetime import datetime
from typing import Final, cast

from sqlalchemy import Table, bindparam, func, or_, select, update
from sqlalchemy.orm import Session

from rules_engine.decisions.assignment import AssignmentOutcome, OutcomeKind
from rules_engine.decisions.instants import MINUTE_US, from_us, to_us
from rules_engine.models import Firing, OutboxMessage, OutboxState, Request, UtcDateTime
from rules_engine.services.company.reference import Reference
from rules_engine.services.messages import outbox
from rules_engine.services.messages.outbox import PAGE
from rules_engine.services.records.reading import rows
from rules_engine.services.requests import assignment_texts
from rules_engine.services.requests.assignment_effects import FIRING_KIND

SHOWN_AT_MOST: Final = 1_000
GATHERED_MINUTES: Final = 5
"""A message waits so long for others to join it."""
LIST: Final = "/requests/?unassigned=1"
_MESSAGES: Final = cast(Table, OutboxMessage.__table__)

_WAITING: Final = select(Request.id).where(Request.waiting_key.is_not(None)).limit(SHOWN_AT_MOST).subquery()
_LEFT: Final = (
    select(Firing.id)
    .where(Firing.rule == bindparam("rule"), Firing.at >= bindparam("since", type_=UtcDateTime()))
    .where(Firing.item_kind == FIRING_KIND)
    .limit(SHOWN_AT_MOST)
    .subquery()
)
_NUMBER_WAITING: Final = select(func.count()).select_from(_WAITING)
_NUMBER_LEFT: Final = select(func.count()).select_from(_LEFT)


def tell(
    session: Session, picture: Reference, request: Request, outcome: AssignmentOutcome, rule: str, now: datetime
) -> None:
    """Tell the heads that a request has nobody, together with those before it that have nobody for the same reason.

    To be called once a request and rule, after its firing is written.
    """
    opening = picture.company_calendar.next_open(now) or now
    key = f"unassigned:{rule}:{opening:%Y-%m-%dT%H}"
    if outcome.kind is OutcomeKind.LEFT_UNASSIGNED:
        number = rows(session, _NUMBER_LEFT, {"rule": rule, "since": _gathered_since(picture, now)})[0][0]
    else:
        number = rows(session, _NUMBER_WAITING, {})[0][0]
    if number > 1:
        subject, body = assignment_texts.several_unassigned(number, outcome, is_more=number >= SHOWN_AT_MOST)
        link = LIST
    else:
        subject, body = assignment_texts.unassigned(request, outcome)
        link = f"/requests/{request.id}"
    heads = picture.heads_for(None)
    told = outbox.notify(
        session,
        user_ids=[head.id for head in heads],
        subject=subject,
        body=body,
        link=link,
        key=key,
        now=now,
        digest_minutes=GATHERED_MINUTES,
    )
    if told or number == 1:
        return
    # Kept are those that never go out: there is nothing to send them by, or it is a replay.
    unseen = or_(
        _MESSAGES.c.state.in_((OutboxState.PENDING, OutboxState.KEPT)),
        (_MESSAGES.c.channel == PAGE) & _MESSAGES.c.read_at.is_(None),
    )
    for head in heads:
        session.execute(
            update(_MESSAGES)
            .where(_MESSAGES.c.key >= f"{key}:{head.id}:", _MESSAGES.c.key < f"{key}:{head.id};", unseen)
            .values(subject=outbox.words_in(subject, head.locale), body=outbox.words_in(body, head.locale), link=link)
        )


def _gathered_since(picture: Reference, now: datetime) -> datetime:
    """Return from when on requests share one message with those of `now`: the hour, or the closing before it."""
    hour = to_us(now.replace(minute=0, second=0, microsecond=0))
    calendar = picture.company_calendar
    last_worked = None if calendar.is_open_us(hour - 1) else calendar.add_us(hour, -MINUTE_US)
    return from_us(hour if last_worked is None else last_worked + MINUTE_US)
