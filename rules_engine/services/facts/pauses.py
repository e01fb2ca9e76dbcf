"""When the clocks of a holder stand still: while his request waits for its client, and while he has him on the line."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from rules_engine.decisions.instants import MINUTE_US, NEVER_US, Interval, merged, to_us
from rules_engine.models import Request, RequestEvent, RequestStatus
from rules_engine.services.company.reference import Reference
from rules_engine.services.records import settings_store
from rules_engine.services.records.reading import rows

_STATUSES: Final = (
    select(RequestEvent.request_id, RequestEvent.at, RequestEvent.data)
    .where(RequestEvent.request_id.in_(bindparam("requests", expanding=True)), RequestEvent.kind == "status")
    .order_by(RequestEvent.request_id, RequestEvent.at, RequestEvent.id)
)


@dataclass(frozen=True, slots=True)
class Pauses:
    """`intervals` are merged, in UTC microseconds; one that has no end yet ends at NEVER_US.

    `line_until_us`: until when nothing is taken from the holder because he has the client on the line; None: he never
    said so.
    """

    intervals: tuple[Interval, ...] = ()
    line_until_us: int | None = None


NO_PAUSES: Final = Pauses()


def pauses_of(session: Session, picture: Reference, requests: Sequence[Request]) -> Mapping[int, Pauses]:
    """Return the pauses since the present assignment by request id; those without any are left out.

    One query, and only where one of the requests has ever waited for its client.
    """
    waited = _waited(session, [request for request in requests if request.times_waiting])
    found = {}
    for request in requests:
        intervals = list(waited.get(request.id, ()))
        line = _line(session, picture, request)
        if line is not None:
            intervals.append(line)
        if intervals:
            found[request.id] = Pauses(tuple(merged(intervals)), None if line is None else line[1])
    return found


def line_until(session: Session, picture: Reference, manager_id: int, asked_at: datetime) -> datetime:
    """Return until when a request stays with a holder who said at `asked_at` that he has the client on the line."""
    minutes = settings_store.number(session, settings_store.LINE_MINUTES)
    return picture.calendar_of(manager_id).add(asked_at, minutes)


def _line(session: Session, picture: Reference, request: Request) -> Interval | None:
    holder = picture.managers.get(request.manager_id) if request.manager_id is not None else None
    if request.line_busy_at is None or holder is None:
        return None
    asked_us = to_us(request.line_busy_at)
    minutes = settings_store.number(session, settings_store.LINE_MINUTES)
    until = holder.calendar.add_us(asked_us, minutes * MINUTE_US)
    return None if until is None else (asked_us, until)


def _waited(session: Session, requests: Sequence[Request]) -> Mapping[int, list[Interval]]:
    """Return by request id when it waited for its client under its present holder."""
    if not requests:
        return {}
    events: dict[int, list[tuple[datetime, Mapping[str, Any]]]] = defaultdict(list)
    for request_id, at, data in rows(session, _STATUSES, {"requests": [request.id for request in requests]}):
        events[request_id].append((at, data))
    return {request.id: _intervals(request, events[request.id]) for request in requests}


def _intervals(request: Request, events: Sequence[tuple[datetime, Mapping[str, Any]]]) -> list[Interval]:
    intervals: list[Interval] = []
    begun: datetime | None = None
    for at, data in events:
        # What happened under an earlier holder is nothing to the clocks of this one; what came late changed nothing.
        if request.assigned_at is None or at < request.assigned_at or data.get("before") is None:
            continue
        if begun is not None:
            intervals.append((to_us(begun), to_us(at)))
            begun = None
        if data.get("after") == RequestStatus.WAITING_CLIENT.value:
            begun = at
    if request.waiting_since is not None:
        intervals.append((to_us(request.waiting_since), NEVER_US))
    return intervals
