"""Requests that nobody can take: they wait in lines, and the first of each is tried as soon as somebody may take it.

The key of a line says what decided (decisions/waiting_line.py). Whatever frees somebody calls `someone_can_again`; it
costs one look by index while nothing waits, and one a line otherwise, however many requests stand in it. Who is given
to somebody, or comes to stand in another line, lets the next of his line be tried in the same transaction.

Two transactions can miss each other on PostgreSQL: one frees somebody while the other, which cannot see that yet, puts
the first request into a line. So the first of each line is looked at every few minutes, too (weighing.retry_at).
"""

from collections.abc import Collection
from datetime import datetime
from functools import cache
from typing import Final, cast

from sqlalchemy import Integer, Select, Table, Update, bindparam, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from rules_engine.db import is_sqlite
from rules_engine.models import Request, UtcDateTime, WorkItem, WorkKind
from rules_engine.services.queue.work import BATCH
from rules_engine.services.records.ledger_rows import holds_a_month
from rules_engine.services.records.reading import rows

_TABLE: Final = cast(Table, WorkItem.__table__)
_ITEMS: Final = _TABLE.c
_ANY: Final = select(Request.id).where(Request.waiting_key.is_not(None)).limit(1)
_OF_CLIENTS: Final = (
    select(Request.id)
    .where(
        Request.client_id.in_(bindparam("clients", expanding=True)),
        Request.waiting_key.is_not(None),
        Request.id != bindparam("besides", type_=Integer),
    )
    .order_by(Request.id)
)


def someone_waits(session: Session) -> bool:
    """Return whether any request waits for somebody; one look by index."""
    return bool(rows(session, _ANY, {}))


def someone_can_again(session: Session, now: datetime) -> int:
    """Have the first of each line looked at at once, because somebody may take a request again; return their number.

    To be called after the change is made, by whatever makes it. Lines are found one by one by index, never by looking
    at all that wait.
    """
    if not someone_waits(session):
        return 0
    heads = [row.head for row in rows(session, _heads(), {}) if row.head is not None]
    return _wake(session, heads, now)


def clients_changed(session: Session, client_ids: Collection[int | None], now: datetime, *, besides: int = 0) -> int:
    """Have the waiting requests of clients looked at: another of theirs was given to somebody, or they have changed."""
    known = sorted({client_id for client_id in client_ids if client_id is not None})
    if not known or not someone_waits(session):
        return 0
    found: list[int] = []
    for start in range(0, len(known), BATCH):
        asked = {"clients": known[start : start + BATCH], "besides": besides}
        found += [row.id for row in rows(session, _OF_CLIENTS, asked)]
    return _wake(session, found, now)


def join(session: Session, request: Request, key: str, now: datetime) -> bool:
    """Let a request wait in a line; return whether it is the first there."""
    if request.waiting_key != key:
        leave(session, request, now)
        request.waiting_key = key
    first = _first(session, key)
    return first is None or request.id <= first


def leave(session: Session, request: Request, now: datetime) -> None:
    """Take a request out of its line, and have the next one there looked at at once."""
    key, request.waiting_key = request.waiting_key, None
    if key is None:
        return
    following = _first(session, key)
    if following is not None:
        _wake(session, [following], now)


def _first(session: Session, key: str) -> int | None:
    found = rows(session, _first_of(), {"line": key})
    return found[0].id if found else None


@cache
def _first_of() -> Select[int]:
    """Return the query for the first of a line. One that was given up after errors must not stop the others."""
    return (
        select(Request.id)
        .join(WorkItem, (WorkItem.kind == WorkKind.REQUEST) & (WorkItem.subject_id == Request.id))
        .where(Request.waiting_key == bindparam("line"), WorkItem.quarantined_at.is_(None))
        .order_by(Request.id)
        .limit(1)
    )


@cache
def _heads() -> Select[int]:
    """Return the query for the first of each line: from key to key, by the index of those that wait."""
    lowest = select(func.min(Request.waiting_key).label("key")).where(Request.waiting_key.is_not(None))
    line = lowest.cte("line", recursive=True)
    higher = aliased(Request)
    following = select(func.min(higher.waiting_key)).where(higher.waiting_key > line.c.key).scalar_subquery()
    line = line.union_all(select(following).where(line.c.key.is_not(None)))
    first = (
        select(Request.id)
        .join(WorkItem, (WorkItem.kind == WorkKind.REQUEST) & (WorkItem.subject_id == Request.id))
        .where(Request.waiting_key == line.c.key, WorkItem.quarantined_at.is_(None))
        .order_by(Request.id)
        .limit(1)
        .correlate(line)
        .scalar_subquery()
    )
    return select(first.label("head")).where(line.c.key.is_not(None))


def _wake(session: Session, request_ids: list[int], now: datetime) -> int:
    """Have these requests looked at at `now`, in the order of their ids; return how many would have been later.

    Who holds the ledger's month must not wait for an item: its worker may be waiting for the month. He need not either,
    because that worker will read what is written here.
    """
    if not request_ids:
        return 0
    statement = _waking(holds_a_month(session) and not is_sqlite(session))
    return session.connection().execute(statement, {"requests": sorted(request_ids), "wake": now}).rowcount


@cache
def _waking(passing_by: bool) -> Update:
    wake = bindparam("wake", type_=UtcDateTime())
    late = or_(_ITEMS.wake_at.is_(None), _ITEMS.wake_at > wake)
    found = (
        select(_ITEMS.id)
        .where(_ITEMS.kind == WorkKind.REQUEST, _ITEMS.subject_id.in_(bindparam("requests", expanding=True)), late)
        .order_by(_ITEMS.subject_id)
        .with_for_update(skip_locked=passing_by)
    )
    return update(_TABLE).where(_ITEMS.id.in_(found), late).values(wake_at=wake)
