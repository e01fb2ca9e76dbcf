"""Work items: what must be looked at and when, and who has it at the moment.

Two clocks: `wake_at` is business time and comes in as an argument; leases and backoff are of the machine's clock (on
PostgreSQL of the database's, which all workers share).

Order of locks: **work item, then request, then ledger month**; of items **request, client, planned call, proposal**.
Whoever changes the row of a request and wants it looked at calls `ask` first and changes the row afterwards; the other
way round two transactions can wait for each other on PostgreSQL.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CursorResult,
    Insert,
    Integer,
    Select,
    Table,
    and_,
    bindparam,
    case,
    delete,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql.dml import ReturningUpdate
from sqlalchemy.sql.expression import Update
from sqlalchemy.sql.expression import cast as sql_cast

from rules_engine import clock
from rules_engine.db import is_sqlite
from rules_engine.models import (
    OPEN_STATUSES,
    Callback,
    CallbackState,
    Client,
    Request,
    UtcDateTime,
    WorkItem,
    WorkKind,
)

LEASE_SECONDS = 5
"""How long a worker that died keeps an item from the others."""
STANDSTILL_MS = 10_000
"""How long PostgreSQL lets a worker stand still in the transaction that works: then its locks are free again."""
MAX_ATTEMPTS = 5
MAX_BACKOFF_SECONDS = 60
LONGEST_LEASE_SECONDS = 120
"""No lease and no pause is longer: one that seems to be was taken before the clock of the machine was put back."""
BATCH = 1000
"""Ids in one statement: SQLite bears no more than 32,766 parameters, and locks are taken in small steps."""

_TABLE = cast(Table, WorkItem.__table__)
_ITEMS = _TABLE.c


@dataclass(frozen=True, slots=True)
class Claim:
    """One item in the hands of one worker, for as long as its epoch stands in the row."""

    item_id: int
    kind: WorkKind
    subject_id: int
    wake_at: datetime
    epoch: int
    attempt: int
    """1 the first time; from 2 on the last try was not finished, and the native engine decides alone."""
    is_given_up: bool = False
    """The claim did not take the item but quarantined it, because too many tries were not finished."""


def ask(session: Session, kind: WorkKind, subject_id: int, wake_at: datetime, *, replace: bool = False) -> None:
    """Have the subject looked at when `wake_at` has come, or earlier if that was asked for already.

    With `replace` the present wish is forgotten. A quarantined item stays where it is.
    """
    values = {"kind": kind, "subject_id": subject_id, "wake_at": wake_at, "epoch": 0, "attempts": 0}
    session.connection().execute(_asking(is_sqlite(session), replace), values)


def ask_many(session: Session, kind: WorkKind, wishes: Mapping[int, datetime]) -> None:
    """Have each of many subjects looked at when its instant has come, as `ask` does, in the order of their ids."""
    values = [
        {"kind": kind, "subject_id": subject_id, "wake_at": wake_at, "epoch": 0, "attempts": 0}
        for subject_id, wake_at in sorted(wishes.items())
    ]
    if values:
        session.connection().execute(_asking(is_sqlite(session), False), values)


@lru_cache(maxsize=4)
def _asking(for_sqlite: bool, replace: bool) -> Insert:
    statement = (sqlite.insert if for_sqlite else postgresql.insert)(_TABLE)
    new, kept = statement.excluded.wake_at, _ITEMS.wake_at
    earlier = case((or_(kept.is_(None), kept > new), new), else_=kept)
    return statement.on_conflict_do_update(
        index_elements=["kind", "subject_id"], set_={"wake_at": new if replace else earlier}
    )


def set_wake(session: Session, kind: WorkKind, subject_id: int, wake_at: datetime | None) -> None:
    """Set when an existing item is looked at again, also to later; None: nothing to wait for."""
    session.execute(
        update(WorkItem)
        .where(WorkItem.kind == kind, WorkItem.subject_id == subject_id)
        .values(wake_at=wake_at)
        .execution_options(synchronize_session=False)
    )


def wake_open_requests(
    session: Session, at: datetime, *, manager_ids: Collection[int] | None = None, only_new: bool = False
) -> int:
    """Have open requests looked at when `at` has come; return how many wake earlier than they would have.

    `manager_ids` limits it to the requests of these holders and to those without one (whoever came back may take them);
    `only_new` to the latter. Of those that wait for somebody it is the first of each line (see waiting.py). For changes
    that move many clocks: a calendar, an absence, a publication.
    """
    ids = select(Request.id).where(Request.status.in_(OPEN_STATUSES), Request.is_history.is_(False))
    if only_new:
        ids = ids.where(_takeable())
    elif manager_ids is not None:
        ids = ids.where(or_(_takeable(), Request.manager_id.in_(manager_ids)))
    return wake_some(session, WorkKind.REQUEST, session.scalars(ids.order_by(Request.id)).all(), at)


def _takeable() -> ColumnElement[bool]:
    """Return the condition of a request that somebody who came may take: nobody has it, and none waits before it."""
    before = aliased(Request)
    is_first = ~(
        select(before.id)
        .join(WorkItem, (WorkItem.kind == WorkKind.REQUEST) & (WorkItem.subject_id == before.id))
        .where(
            before.waiting_key == Request.waiting_key,
            before.id < Request.id,
            WorkItem.quarantined_at.is_(None),
        )
        .correlate(Request)
        .exists()
    )
    return and_(Request.manager_id.is_(None), or_(Request.waiting_key.is_(None), is_first))


def wake_calls(session: Session, at: datetime, *, manager_ids: Collection[int] | None = None) -> None:
    """Have the open planned calls looked at when `at` has come, all or those of some managers."""
    ids = select(Callback.id).where(Callback.state.in_((CallbackState.PLANNED, CallbackState.OPEN)))
    if manager_ids is not None:
        ids = ids.where(Callback.manager_id.in_(manager_ids))
    wake_some(session, WorkKind.CALLBACK, session.scalars(ids.order_by(Callback.id)).all(), at)


def wake_clients(session: Session, at: datetime) -> None:
    """Have every client looked at when `at` has come: the rules of callbacks have changed, or were switched on."""
    ids = session.scalars(select(Client.id).order_by(Client.id)).all()
    for batch in _batches(ids):
        ask_many(session, WorkKind.CLIENT, dict.fromkeys(batch, at))


def wake_some(session: Session, kind: WorkKind, ids: Iterable[int], at: datetime) -> int:
    """Have these items looked at when `at` has come; return how many wake earlier than they would have."""
    woken = 0
    # In the order of ids, as every other writer of many: two publications then never wait for each other in a ring.
    for batch in _batches(ids):
        # Those in hand too: whoever is at one decides by what was before, and writes at his end when to look again.
        lock_items(session, kind, batch)
        woken += _changed(
            session,
            update(WorkItem)
            .where(
                WorkItem.kind == kind,
                WorkItem.subject_id.in_(batch),
                or_(WorkItem.wake_at.is_(None), WorkItem.wake_at > at),
            )
            .values(wake_at=at),
        )
    return woken


def claim(
    session: Session,
    now: datetime,
    *,
    lease_seconds: int = LEASE_SECONDS,
    kinds: Collection[WorkKind] = tuple(WorkKind),
) -> Claim | None:
    """Take the item that has been due longest, or return None; see `claim_some`."""
    return next(iter(claim_some(session, now, 1, lease_seconds=lease_seconds, kinds=kinds)), None)


def claim_some(
    session: Session,
    now: datetime,
    most: int,
    *,
    lease_seconds: int = LEASE_SECONDS,
    kinds: Collection[WorkKind] = tuple(WorkKind),
) -> list[Claim]:
    """Take the items that have been due longest, at most `most`; empty if nothing is due that nobody has.

    Several are taken only of those that were never tried, or whose last try was finished: one that kills its worker
    would count up the attempts of all that were taken with it. The caller commits at once, before the risky part, so
    that the attempt counts even if this process dies. An item whose tries are used up is quarantined instead
    (`is_given_up`); the caller tells somebody in the same transaction.
    """
    for_sqlite = is_sqlite(session)
    values = {"now": now, "lease": lease_seconds * 1_000_000, "most": most}
    if for_sqlite:
        values["machine_now"] = clock.now()
    session.flush()
    taken = session.connection().execute(_claiming(for_sqlite, frozenset(kinds), most > 1), values).all()
    claims = [
        Claim(row.id, row.kind, row.subject_id, row.wake_at, row.epoch, row.attempts, row.quarantined_at is not None)
        for row in taken
    ]
    return sorted(claims, key=lambda claim: (claim.wake_at, claim.item_id))


@lru_cache(maxsize=32)
def _claiming(for_sqlite: bool, kinds: frozenset[WorkKind], untried: bool) -> ReturningUpdate[Any]:
    """Return the statement of a claim; built once, because building it takes longer than running it."""
    machine_now = _machine_clock(for_sqlite)
    used_up = _ITEMS.attempts >= MAX_ATTEMPTS
    until = sql_cast(machine_now, BigInteger) + bindparam("lease", type_=BigInteger())
    # Named, so that PostgreSQL asks once: a subquery of its own it may ask anew for each row, and lock more.
    due = next_due(for_sqlite, kinds, untried=untried).cte("due")
    return (
        update(_TABLE)
        .where(_ITEMS.id.in_(select(due.c.id)))
        .values(
            epoch=_ITEMS.epoch + 1,
            attempts=_ITEMS.attempts + 1,
            lease_until=case((used_up, None), else_=until),
            quarantined_at=case((used_up, bindparam("now", type_=UtcDateTime())), else_=None),
        )
        .returning(*_RETURNED, _ITEMS.quarantined_at)
    )


def next_due(for_sqlite: bool, kinds: Collection[WorkKind], *, untried: bool) -> Select[int]:
    """Return the query for the items that have been due longest and that nobody has in hand: `most` rows, by index.

    `untried`: only those of which no attempt is unfinished. Parameters: `now`, `most`, and on SQLite `machine_now`.
    """
    machine_now = _machine_clock(for_sqlite)
    longest = sql_cast(machine_now, BigInteger) + LONGEST_LEASE_SECONDS * 1_000_000
    return (
        select(_ITEMS.id)
        .where(
            _ITEMS.wake_at <= bindparam("now", type_=UtcDateTime()),
            _ITEMS.quarantined_at.is_(None),
            *([_ITEMS.attempts == 0] if untried else []),
            or_(_ITEMS.lease_until.is_(None), _ITEMS.lease_until < machine_now, _ITEMS.lease_until > longest),
            # "Not one of the others": by "one of these" SQLite would pick the index of kinds and sort all items.
            _ITEMS.kind.not_in([kind for kind in WorkKind if kind not in kinds]),
        )
        .order_by(_ITEMS.wake_at, _ITEMS.id)
        .limit(bindparam("most", type_=Integer()))
        .with_for_update(skip_locked=True)
    )


_RETURNED = (_ITEMS.id, _ITEMS.kind, _ITEMS.subject_id, _ITEMS.wake_at, _ITEMS.epoch, _ITEMS.attempts)


def first_due(session: Session, before: datetime) -> Claim | None:
    """Return the request that wants to be looked at first, if before `before`; for a replay, which takes no leases."""
    row = session.connection().execute(_FIRST_DUE, {"before": before}).one_or_none()
    if row is None:
        return None
    return Claim(row.id, row.kind, row.subject_id, row.wake_at, row.epoch, row.attempts + 1)


_NOT_REPLAYED = (WorkKind.OUTBOX, WorkKind.IMPACT)
"""Messages of a replay are never sent, and what a draft would change is asked of the present."""

_FIRST_DUE = (
    select(_ITEMS.id, _ITEMS.kind, _ITEMS.subject_id, _ITEMS.wake_at, _ITEMS.epoch, _ITEMS.attempts)
    .where(
        _ITEMS.wake_at < bindparam("before", type_=UtcDateTime()),
        _ITEMS.quarantined_at.is_(None),
        _ITEMS.kind.not_in(_NOT_REPLAYED),
    )
    .order_by(_ITEMS.wake_at, _ITEMS.id)
    .limit(1)
)


def clients_due(session: Session, now: datetime, most: int) -> list[int]:
    """Return the clients that will be looked at next at `now`, one after the other; for a replay.

    Those that are due before anything else is, at most `most`.
    """
    due = session.connection().execute(_DUE_AT, {"now": now, "most": most}).all()
    found = []
    for kind, subject_id in due:
        if kind is not WorkKind.CLIENT:
            break
        found.append(subject_id)
    return found


_DUE_AT = (
    select(_ITEMS.kind, _ITEMS.subject_id)
    .where(
        _ITEMS.wake_at <= bindparam("now", type_=UtcDateTime()),
        _ITEMS.quarantined_at.is_(None),
        _ITEMS.kind.not_in(_NOT_REPLAYED),
    )
    .order_by(_ITEMS.wake_at, _ITEMS.id)
    .limit(bindparam("most"))
)


def lock_mine(session: Session, claim: Claim) -> bool:
    """Lock the claimed item for the rest of the transaction; False if another worker took it over meanwhile.

    To be the first statement of the transaction that works. Whoever wants the item woken (`ask`) then waits for our
    commit and lowers the `wake_at` that we wrote, so `finish` cannot overwrite his wish; and a wish that was committed
    before came together with the change that caused it, which the facts we read from now on contain.
    """
    return bool(lock_mine_of(session, [claim]))


def lock_mine_of(session: Session, claims: Collection[Claim]) -> list[Claim]:
    """Return those of the claims that are still ours, locked for the rest of the transaction, in their order.

    As `lock_mine`; in the order of `lock_items`, so that two that lock many wait for each other in a row.
    """
    session.flush()
    values: dict[str, Any] = {"items": [claim.item_id for claim in claims]}
    if not is_sqlite(session):
        values["standstill"] = str(STANDSTILL_MS)
    found = session.connection().execute(_locking(is_sqlite(session)), values).all()
    epochs = {row.id: row.epoch for row in found}
    return [claim for claim in claims if epochs.get(claim.item_id) == claim.epoch]


@lru_cache(maxsize=2)
def _locking(for_sqlite: bool) -> Select[Any]:
    """Return the query for items by their ids; PostgreSQL also bounds how long the transaction may stand still."""
    patience = func.set_config("idle_in_transaction_session_timeout", bindparam("standstill"), True)
    return (
        select(_ITEMS.id, _ITEMS.epoch, *([] if for_sqlite else [patience]))
        .where(_ITEMS.id.in_(bindparam("items", expanding=True)), _ITEMS.quarantined_at.is_(None))
        .order_by(_ITEMS.subject_id)
        .with_for_update()
    )


def lock_items(session: Session, kind: WorkKind, subject_ids: Collection[int]) -> None:
    """Lock the items of subjects whose rows will be changed, before those are: see the order of locks above."""
    if subject_ids and not is_sqlite(session):
        items = select(WorkItem.id).where(WorkItem.kind == kind, WorkItem.subject_id.in_(subject_ids))
        session.scalars(items.order_by(WorkItem.subject_id).with_for_update()).all()


def finish(session: Session, claim: Claim, now: datetime, wake_at: datetime | None) -> None:
    """Give the item back, to be looked at again at `wake_at`, strictly after `now`; None: nothing to wait for.

    In the transaction that did the work and called `lock_mine`. Raises ValueError for a `wake_at` that is already due:
    it would be worked at for ever.
    """
    finish_all(session, [(claim, wake_at)], now)


def finish_all(session: Session, wakes: Iterable[tuple[Claim, datetime | None]], now: datetime) -> None:
    """Give several items back, each to be looked at again at its instant; see `finish`."""
    values = []
    for claim, wake_at in wakes:
        if wake_at is not None and wake_at <= now:
            raise ValueError(f"{claim.kind} {claim.subject_id} wants to wake at {wake_at}, not after {now}")
        values.append({"item": claim.item_id, "wake": wake_at})
    if values:
        session.connection().execute(_FINISHING, values)


_FINISHING = (
    update(_TABLE)
    .where(_ITEMS.id == bindparam("item"))
    .values(wake_at=bindparam("wake"), lease_until=None, attempts=0, last_error=None)
)


def go_on(session: Session, claim: Claim) -> None:
    """Give an item back that is done in part and is due still: whoever is free goes on with it."""
    session.execute(
        update(WorkItem)
        .where(WorkItem.id == claim.item_id)
        .values(lease_until=None, attempts=0, last_error=None)
        .execution_options(synchronize_session=False)
    )


def drop(session: Session, claim: Claim) -> None:
    """Delete an item that will never be needed again; keys are not used twice, so a late worker finds nothing."""
    session.execute(delete(WorkItem).where(WorkItem.id == claim.item_id).execution_options(synchronize_session=False))


def fail(session: Session, claim: Claim, now: datetime, error: str, *, counts: bool = True) -> bool:
    """Give the item back after an error, to be tried after a pause; return whether it was quarantined instead.

    `counts` False: the machine was to blame (the database was locked or away), and the attempt is taken back.
    Changes nothing if another worker has the item by now.
    """
    is_last = counts and claim.attempt >= MAX_ATTEMPTS
    pause = min(2**claim.attempt, MAX_BACKOFF_SECONDS)
    values: dict[str, Any] = {"last_error": error[-2000:], "attempts": claim.attempt if counts else claim.attempt - 1}
    if is_last:
        values |= {"quarantined_at": now, "lease_until": None}
    else:
        values["lease_until"] = _later(_machine_now(session), pause)
    changed = _changed(
        session,
        update(WorkItem).where(WorkItem.id == claim.item_id, WorkItem.epoch == claim.epoch).values(values),
    )
    return is_last and bool(changed)


def release_quarantine(session: Session, item: WorkItem, now: datetime) -> None:
    """Let the item be tried again, at once and with all its attempts."""
    session.execute(
        update(WorkItem)
        .where(WorkItem.id == item.id)
        .values(quarantined_at=None, lease_until=None, attempts=0, wake_at=now)
        .execution_options(synchronize_session=False)
    )
    session.expire(item)


def quarantined_among(session: Session, kind: WorkKind, subject_ids: Iterable[int]) -> set[int]:
    """Return those of the subjects whose items were given up."""
    found: set[int] = set()
    for batch in _batches(list(subject_ids)):
        found.update(
            session.scalars(
                select(WorkItem.subject_id).where(
                    WorkItem.kind == kind, WorkItem.subject_id.in_(batch), WorkItem.quarantined_at.is_not(None)
                )
            )
        )
    return found


def _changed(session: Session, statement: Update) -> int:
    result = session.execute(statement.execution_options(synchronize_session=False))
    return cast(CursorResult[Any], result).rowcount


def _machine_now(session: Session) -> ColumnElement[Any]:
    """Return the present of the clock that leases are measured by, as microseconds since 1970."""
    return _instant(clock.now()) if is_sqlite(session) else _machine_clock(False)


def _machine_clock(for_sqlite: bool) -> ColumnElement[Any]:
    """Return the same as part of a statement that is kept; on SQLite the parameter `machine_now`."""
    if for_sqlite:
        return bindparam("machine_now", type_=UtcDateTime())
    seconds = func.extract("epoch", func.clock_timestamp())
    return sql_cast(seconds * 1_000_000, BigInteger)


def _instant(value: datetime) -> ColumnElement[Any]:
    return literal(value, UtcDateTime())


def _later(instant: ColumnElement[Any], seconds: int) -> ColumnElement[Any]:
    # As a plain number: an instant plus a timedelta is not arithmetic that the stored type knows.
    return sql_cast(instant, BigInteger) + int(timedelta(seconds=seconds) / timedelta(microseconds=1))


def _batches(ids: Iterable[int]) -> Iterable[list[int]]:
    ids = list(ids)
    return (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))
