"""A replay: the clock is moved from one due instant to the next, and what the workers would have done is done at each.

There is one driver. It takes no leases: up to 500 steps share a transaction, each in a savepoint, and the replay's
clock is stored with them. So a replay that was killed goes on from its last commit, and because the next step is always
found from the stored rows alone (arrivals by (at, id) before work by (wake_at, id)), it ends in the same rows.
"""

import logging
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from heapq import heappop, heappush
from typing import Any, Final, NamedTuple, cast

from sqlalchemy import Table, bindparam, select, update
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import clock
from rules_engine.db import transaction
from rules_engine.errors import Conflict, PolicyViolation, PravilaError
from rules_engine.models import Arrival, Incident, Replay, WorkKind
from rules_engine.services.callbacks import callbacks
from rules_engine.services.callbacks.callbacks import Readings
from rules_engine.services.queue import work
from rules_engine.services.queue.crash_points import reach
from rules_engine.services.queue.work import Claim
from rules_engine.services.records.outcome import Outcome
from rules_engine.services.records.writing import add_row
from rules_engine.services.running import agenda, quarantine
from rules_engine.services.running.agenda import COUNTED, Totals
from rules_engine.services.running.arrivals import HANDLERS, Handler

log = logging.getLogger(__name__)

BATCH = 500
_LAID_DOWN = "laid_down"
"""During a batch: what its handlers have laid down since the last step."""
Progress = Callable[[datetime, Totals], None]

_ARRIVALS = cast(Table, Arrival.__table__)
_COLUMNS = _ARRIVALS.c
_BY_KEY = select(_COLUMNS.id, _COLUMNS.at, _COLUMNS.payload, _COLUMNS.handed_at).where(
    _COLUMNS.kind == bindparam("its_kind"),
    _COLUMNS.source == bindparam("its_source"),
    _COLUMNS.external_id == bindparam("its_id"),
)
_CHANGE = (
    update(_ARRIVALS)
    .where(_COLUMNS.id == bindparam("arrival"))
    .values(at=bindparam("instant"), payload=bindparam("content"))
)
_HANDED = update(_ARRIVALS).where(_COLUMNS.id == bindparam("arrival")).values(handed_at=bindparam("instant"))


class _Waiting(NamedTuple):
    """An arrival that has not been handed over. Compares as the order does: by instant, then by id."""

    at: datetime
    id: int
    kind: str
    external_id: str
    payload: dict[str, Any]


_READ_ANEW: Final = None
"""Stands for an arrival that was known already and has another instant now."""


def lay_down(
    session: Session, kind: str, source: str, external_id: str, at: datetime, payload: dict[str, Any]
) -> Outcome:
    """Keep a row until a replay reaches its instant; return what changed. The same key replaces what still waits.

    Raises Conflict if it was handed over already and is different now.
    """
    key = {"its_kind": kind, "its_source": source, "its_id": external_id}
    found = session.connection().execute(_BY_KEY, key).one_or_none()
    laid_down: list[_Waiting | None] | None = session.info.get(_LAID_DOWN)
    if found is None:
        values = {"kind": kind, "source": source, "external_id": external_id, "at": at, "payload": payload}
        arrival_id = add_row(session, Arrival, values)
        if laid_down is not None:
            laid_down.append(_Waiting(at, arrival_id, kind, external_id, payload))
        return Outcome.CREATED
    if found.at == at and found.payload == payload:
        return Outcome.UNCHANGED
    if found.handed_at is not None:
        raise Conflict(
            ru=f"{external_id}: уже передано и с тех пор изменилось",
            en=f"{external_id}: was handed over already and is different now",
        )
    session.connection().execute(_CHANGE, {"arrival": found.id, "instant": at, "content": payload})
    if laid_down is not None:
        laid_down.append(_READ_ANEW)
    return Outcome.UPDATED


def unfinished(session: Session) -> Replay | None:
    """Return the replay that has not reached its end, or None. Live workers do not start beside one."""
    return agenda.unfinished_replay(session)


def replay(
    sessions: sessionmaker[Session],
    from_at: datetime,
    until_at: datetime,
    *,
    progress: Progress | None = None,
    handlers: Mapping[str, Handler] | None = None,
) -> Totals:
    """Move the clock through `[from_at, until_at)` and return what this call did; nothing if it was done before.

    Goes on from the stored clock of the same two instants. `progress` is called after each transaction with the clock.
    `handlers` take further kinds of arrivals; they may lay down more, for a later instant.
    Raises PolicyViolation for a `from_at` before the clock of another replay, and while another is unfinished.
    """
    totals = Totals(from_at, until_at)
    known = {**HANDLERS, **(handlers or {})}
    sessions = _replaying(sessions)
    with transaction(sessions) as session:
        replay_id = _begin(session, from_at, until_at)
    is_finished = replay_id is None
    while replay_id is not None and not is_finished:
        step = Totals(from_at, until_at)
        with transaction(sessions) as session:
            is_finished, clock_at = _batch(session, replay_id, known, step)
            session.flush()
            reach(session, "replay.before_commit")
        reach(session, "replay.after_commit")
        totals.add(step)
        if progress is not None:
            progress(clock_at, totals)
    return totals.stop_watch()


def _replaying(sessions: sessionmaker[Session]) -> sessionmaker[Session]:
    """Return a factory whose sessions deliver no messages and decide by the native engine alone, without C."""
    info: dict[str, Any] = sessions.kw["info"]
    native = replace(info["settings"], engine="native")
    return sessionmaker(**{**sessions.kw, "info": {**info, "settings": native, "is_replay": True}})


def _begin(session: Session, from_at: datetime, until_at: datetime) -> int | None:
    """Return the id of the replay to go on with, a new one if need be; None if it was finished before."""
    if until_at < from_at:
        raise PolicyViolation(ru="--to раньше, чем --from", en="--to is before --from")
    same = session.scalars(
        select(Replay).where(Replay.from_at == from_at, Replay.until_at == until_at).with_for_update()
    ).one_or_none()
    if same is not None:
        return None if same.finished_at else same.id
    last = session.scalars(select(Replay).order_by(Replay.clock_at.desc(), Replay.id.desc()).limit(1)).first()
    if last is not None and from_at < last.clock_at:
        raise PolicyViolation(
            ru=f"часы прогона уже дошли до {last.clock_at.isoformat()}: --from не может быть раньше",
            en=f"the replay's clock has reached {last.clock_at.isoformat()}: --from cannot be before it",
        )
    if (open_one := unfinished(session)) is not None:
        span = f"--from {open_one.from_at.isoformat()} --to {open_one.until_at.isoformat()}"
        raise PolicyViolation(
            ru=f"прежний прогон не окончен: сначала «pravila replay {span}»",
            en=f"another replay is unfinished: first “pravila replay {span}”",
        )
    row = Replay(from_at=from_at, until_at=until_at, clock_at=from_at, totals={})
    session.add(row)
    session.flush()
    return row.id


def _batch(session: Session, replay_id: int, handlers: Mapping[str, Handler], totals: Totals) -> tuple[bool, datetime]:
    """Do up to 500 steps and store the clock; return whether the end was reached, and the clock."""
    row = session.get_one(Replay, replay_id, with_for_update=True, populate_existing=True)
    now = row.clock_at
    waiting = _waiting(session, row)
    laid_down: list[_Waiting | None] = []
    session.info[_LAID_DOWN] = laid_down
    handed: list[dict[str, Any]] = []
    read: Readings | None = None
    is_finished = False
    for _ in range(BATCH):
        if _READ_ANEW in laid_down:
            _mark_handed(session, handed)
            waiting = _waiting(session, row)
        else:
            # There are never more steps to come than arrivals were read, so none that was not read is overtaken.
            for arrival in laid_down:
                if arrival is not None and row.from_at <= arrival.at < row.until_at:
                    heappush(waiting, arrival)
        laid_down.clear()
        due = work.first_due(session, row.until_at)
        if waiting and (due is None or waiting[0].at <= max(due.wake_at, now)):
            first = heappop(waiting)
            now, read = max(now, first.at), None
            if not _hand_over(session, handlers, first, now, totals):
                laid_down.clear()
            handed.append({"arrival": first.id, "instant": now})
        elif due is not None:
            now = max(now, due.wake_at)
            read = _read_ahead(session, due, now, read)
            _work(session, due, now, totals, read)
        else:
            is_finished = True
            break
    del session.info[_LAID_DOWN]
    _mark_handed(session, handed)
    _store(row, row.until_at if is_finished else now, totals, is_finished)
    return is_finished, row.clock_at


def _read_ahead(session: Session, due: Claim, now: datetime, read: Readings | None) -> Readings | None:
    """Return what the looks at clients that follow each other at this instant need: read once, not once each."""
    if due.kind is not WorkKind.CLIENT:
        return None
    if read is not None and read.now == now and read.seen:
        # One that is missing shares a number with a client who was just given a call: it is read anew, alone.
        return read
    return callbacks.read_ahead(session, work.clients_due(session, now, BATCH), now)


def _waiting(session: Session, row: Replay) -> list[_Waiting]:
    """Return the first arrivals that have not been handed over, in order, which makes them a heap."""
    stored = session.execute(
        select(Arrival.at, Arrival.id, Arrival.kind, Arrival.external_id, Arrival.payload)
        .where(Arrival.handed_at.is_(None), Arrival.at >= row.from_at, Arrival.at < row.until_at)
        .order_by(Arrival.at, Arrival.id)
        .limit(BATCH)
    )
    return [_Waiting(*found) for found in stored]


def _mark_handed(session: Session, handed: list[dict[str, Any]]) -> None:
    if handed:
        session.connection().execute(_HANDED, handed)
        handed.clear()


def _hand_over(
    session: Session, handlers: Mapping[str, Handler], arrival: _Waiting, now: datetime, totals: Totals
) -> bool:
    """Give a row to its service; return whether it took it. One that is refused leaves an incident, stops nothing."""
    try:
        with session.begin_nested():
            handlers[arrival.kind](session, arrival.payload, now)
    except Exception as error:
        if agenda.is_fault_of_the_machine(error):
            raise
        log.warning("arrival refused", extra={"kind": arrival.kind, "arrival_id": arrival.id}, exc_info=error)
        reason = {
            lang: error.message(lang) if isinstance(error, PravilaError) else repr(error) for lang in ("ru", "en")
        }
        session.add(
            Incident(
                at=now,
                kind="arrival_refused",
                message={
                    "ru": f"{arrival.kind} {arrival.external_id}: не принято: {reason['ru']}",
                    "en": f"{arrival.kind} {arrival.external_id}: refused: {reason['en']}",
                },
                data={"arrival_id": arrival.id},
            )
        )
        return False
    totals.arrived += 1
    return True


def _work(session: Session, item: Claim, now: datetime, totals: Totals, read: Readings | None = None) -> None:
    try:
        with session.begin_nested():
            looked = agenda.look_at(session, item.kind, item.subject_id, now, attempt=item.attempt, read=read)
            agenda.give_back(session, item, now, looked)
    except Exception as error:
        if agenda.is_fault_of_the_machine(error):
            raise
        log.error("work failed", extra={"subject_id": item.subject_id, "attempt": item.attempt}, exc_info=error)
        totals.failed += 1
        if work.fail(session, item, now, "".join(traceback.format_exception(error))):
            quarantine.tell(session, item, now)
            totals.quarantined += 1
        return
    totals.assigned += looked.assigned
    totals.escalated += looked.escalated
    totals.callbacks += looked.callbacks


def _store(row: Replay, clock_at: datetime, totals: Totals, is_finished: bool) -> None:
    row.clock_at = clock_at
    row.totals = {key: row.totals.get(key, 0) + getattr(totals, key) for key in COUNTED}
    if is_finished:
        row.finished_at = clock.now()
