"""The figures of control about planned calls, by manager and by week; and, as of now, clients and what waits.

A fixed number of queries whatever the number of managers, weeks and clients. Both tables of a period are sums over the
same rows (a manager in a week), so that they always agree.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.orm import Session

from rules_engine.decisions.callback_contacts import UNREACHED
from rules_engine.decisions.instants import DAY_US
from rules_engine.decisions.reactivation import Terms
from rules_engine.models import (
    Callback,
    CallbackState,
    Client,
    Contact,
    OverdueAction,
    OverdueKind,
    OverdueState,
    Payment,
)
from rules_engine.services.company.reference import reference
from rules_engine.services.control import control
from rules_engine.services.control import rows as control_rows
from rules_engine.services.control.period import Period
from rules_engine.services.measures import callbacks
from rules_engine.services.records.reading import rows

ORDER_DAYS: Final = Terms().within_days
"""An order follows from a call where it was paid within so many days after it: as for clients who came back."""

_OUTSIDE: Final = -1
"""The week of a call that is overdue now and was due before or after the period."""


@dataclass(frozen=True, slots=True)
class CallCounts:
    """What was counted of planned calls; sums may be added up.

    `due`: due in the period by now, as the measure of planned calls counts them (done early too, without those that
    nobody could be reached in). `done`: finished in the period with any outcome, `in_time` of them by their day,
    `valid` of them valid contacts, `reached` of them spoken with the client, in `attempts` attempts. `overdue`: open
    and past their day at this moment. `orders`: payments within ORDER_DAYS after a call of these that reached the
    client, each counted once, for the latest call before it; `order_minor`: their sum less refunds paid in that time.
    """

    due: int = 0
    done: int = 0
    in_time: int = 0
    valid: int = 0
    reached: int = 0
    attempts: int = 0
    overdue: int = 0
    orders: int = 0
    order_minor: int = 0


_NAMES: Final = tuple(one.name for one in fields(CallCounts))
_COUNTED: Final = _NAMES[: _NAMES.index("orders")]


@dataclass(frozen=True, slots=True)
class Week:
    """The days of one ISO week, in the business zone, that lie in the period: from `first` to `last`, both counted."""

    first: date
    last: date
    counts: CallCounts


@dataclass(frozen=True, slots=True)
class Calls:
    """Planned calls of a period by manager, by week (all weeks, rising), and of all together.

    What is overdue now stands in the week it was due in; what was due outside the period, only with its manager and in
    the total.
    """

    period: Period
    managers: Mapping[int, CallCounts]
    weeks: tuple[Week, ...]
    total: CallCounts


@dataclass(frozen=True, slots=True)
class Untouched:
    """Clients of one owner (None: without one), `untouched` of them, and of these who asked not to be called."""

    owner_id: int | None
    clients: int
    untouched: int
    do_not_call: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """Holds on new requests in force at this moment, and proposals that wait for a head."""

    holds: int = 0
    proposed_holds: int = 0
    proposed_releases: int = 0


def calls(session: Session, period: Period, now: datetime, *, ids: Collection[int] | None = None) -> Calls:
    """Return the planned calls of a period for these managers (None: all who had any, or were there); two queries.

    Orders are counted up to `now`: they may still come for calls of the last ORDER_DAYS days.
    """
    control_rows.prepare(session)
    weeks = _weeks(period)
    counted: dict[tuple[int, int], dict[str, int]] = defaultdict(dict)
    for query, names in (
        (_call_query(session, period, weeks, now, ids), _COUNTED),
        (_order_query(session, period, weeks, now, ids), ("orders", "order_minor")),
    ):
        for manager_id, week, *values in rows(session, query, {}):
            found = {name: int(value) for name, value in zip(names, values, strict=True)}
            counted[manager_id, week].update(found)
    of_manager: dict[int, list[CallCounts]] = defaultdict(list)
    of_week: dict[int, list[CallCounts]] = defaultdict(list)
    for (manager_id, week), found in counted.items():
        part = CallCounts(**found)
        of_manager[manager_id].append(part)
        of_week[week].append(part)
    managers = {
        one.id: together(of_manager.get(one.id, ()))
        for one in reference(session).managers.values()
        if (ids is None or one.id in ids) and (one.id in of_manager or control.was_there(one, period))
    }
    return Calls(
        period,
        managers,
        tuple(Week(first, last, together(of_week.get(place, ()))) for place, (first, last) in enumerate(weeks)),
        together(managers.values()),
    )


def together(parts: Iterable[CallCounts]) -> CallCounts:
    """Return several counts as one."""
    parts = list(parts)
    return CallCounts(**{name: sum(getattr(part, name) for part in parts) for name in _NAMES})


def segments(session: Session, *, ids: Collection[int] | None = None) -> dict[str | None, int]:
    """Return how many clients of these owners (None: all clients) are in each segment now; None: in none yet.

    Only now: what a client's segment was on an earlier day is stored nowhere.
    """
    query = select(Client.segment, func.count(Client.id)).group_by(Client.segment)
    return {segment or None: number for segment, number in rows(session, _of_owners(query, ids), {})}


def untouched(
    session: Session, now: datetime, days: int, *, ids: Collection[int] | None = None
) -> dict[int | None, Untouched]:
    """Return by owner how many clients had no contact in either direction in the last `days` days; one query.

    Automatic replies touch nobody. A client of whom nothing is known from before those days is too new to count:
    neither his card, nor a payment, nor a contact of his is older.
    """
    since = now - timedelta(days=days)
    of_client = (Contact.client_id == Client.id, Contact.is_automatic.is_(False))
    is_older = or_(
        Client.created_at <= since,
        exists().where(*of_client, Contact.at < since),
        exists().where(Payment.client_id == Client.id, Payment.paid_at <= since),
    )
    is_untouched = and_(~exists().where(*of_client, Contact.at >= since), is_older)
    each = _of_owners(
        select(
            Client.owner_id,
            case((is_untouched, 1), else_=0).label("untouched"),
            case((Client.do_not_call.is_(True), 1), else_=0).label("do_not_call"),
        ),
        ids,
    ).subquery("each_client")
    query = select(
        each.c.owner_id,
        func.count(),
        func.sum(each.c.untouched),
        func.sum(each.c.untouched * each.c.do_not_call),
    ).group_by(each.c.owner_id)
    return {
        owner_id: Untouched(owner_id, clients, int(without), int(silent))
        for owner_id, clients, without, silent in rows(session, query, {})
    }


def waiting(session: Session, now: datetime, *, ids: Collection[int] | None = None) -> Waiting:
    """Return how many overdue actions of these managers are in force or wait for an answer at `now`."""
    in_force = and_(
        OverdueAction.kind == OverdueKind.HOLD,
        OverdueAction.state == OverdueState.CONFIRMED,
        or_(OverdueAction.ends_at.is_(None), OverdueAction.ends_at > now),
    )
    query = (
        select(OverdueAction.kind, OverdueAction.state, func.count(OverdueAction.id))
        .where(or_(OverdueAction.state == OverdueState.PROPOSED, in_force))
        .group_by(OverdueAction.kind, OverdueAction.state)
    )
    if ids is not None:
        query = query.where(OverdueAction.manager_id.in_(list(ids)))
    found = {(kind, state): number for kind, state, number in rows(session, query, {})}
    return Waiting(
        holds=found.get((OverdueKind.HOLD, OverdueState.CONFIRMED), 0),
        proposed_holds=found.get((OverdueKind.HOLD, OverdueState.PROPOSED), 0),
        proposed_releases=found.get((OverdueKind.RELEASE, OverdueState.PROPOSED), 0),
    )


def _of_owners(query: Select[*tuple[Any, ...]], ids: Collection[int] | None) -> Select[*tuple[Any, ...]]:
    return query if ids is None else query.where(Client.owner_id.in_(list(ids)))


def _weeks(period: Period) -> tuple[tuple[date, date], ...]:
    """Return the first and last day in the period of each ISO week that it touches, rising."""
    found = []
    first = period.first
    while first <= period.last:
        last = min(first + timedelta(days=6 - first.weekday()), period.last)
        found.append((first, last))
        first = last + timedelta(days=1)
    return tuple(found)


def _week(
    session: Session, at: ColumnElement[datetime], period: Period, weeks: Sequence[tuple[date, date]]
) -> ColumnElement[int]:
    """Return in which of the weeks an instant lies, counted from 0; _OUTSIDE beside the period."""
    picture = reference(session)
    # Not by division: a week in which clocks are changed has another length.
    starts = [picture.start_of_day(first) for first, _last in weeks[1:]]
    whens = [(at < start, place) for place, start in enumerate(starts)]
    return case((or_(at < period.start, at >= period.end), _OUTSIDE), *whens, else_=len(starts))


def _is_reached() -> ColumnElement[bool]:
    return or_(Callback.outcome.is_(None), Callback.outcome.not_in(sorted(UNREACHED)))


def _call_query(
    session: Session,
    period: Period,
    weeks: Sequence[tuple[date, date]],
    now: datetime,
    ids: Collection[int] | None,
) -> Select[*tuple[Any, ...]]:
    """Return by manager and week what _COUNTED names, in its order."""
    until = period.until(now)
    month = period.as_month

    def one_if(condition: ColumnElement[bool]) -> ColumnElement[int]:
        return case((condition, 1), else_=0)

    def part(at: Any, condition: ColumnElement[bool], **values: ColumnElement[int]) -> Select[*tuple[Any, ...]]:
        counts = (values.get(name, literal(0)).label(name) for name in _COUNTED)
        week = _week(session, at, period, weeks).label("week")
        query = select(Callback.manager_id, week, *counts).where(Callback.manager_id.is_not(None), condition)
        return query if ids is None else query.where(Callback.manager_id.in_(list(ids)))

    due = and_(Callback.state != CallbackState.CANCELLED, callbacks.due_by(month, until))
    done = and_(Callback.state == CallbackState.DONE, Callback.done_at >= period.start, Callback.done_at < until)
    late = and_(Callback.state == CallbackState.OPEN, Callback.due_at < now)
    every = union_all(
        part(Callback.due_at, due, due=literal(1)),
        part(
            Callback.done_at,
            done,
            done=literal(1),
            in_time=one_if(Callback.done_at <= Callback.due_at),
            valid=one_if(Callback.is_valid.is_(True)),
            reached=one_if(_is_reached()),
            attempts=type_coerce(Callback.attempts, BigInteger),
        ),
        part(Callback.due_at, late, overdue=literal(1)),
    ).subquery("every_call")
    sums = (func.sum(every.c[name]) for name in _COUNTED)
    return select(every.c.manager_id, every.c.week, *sums).group_by(every.c.manager_id, every.c.week)


def _order_query(
    session: Session,
    period: Period,
    weeks: Sequence[tuple[date, date]],
    now: datetime,
    ids: Collection[int] | None,
) -> Select[*tuple[Any, ...]]:
    """Return by manager and week of the call: payments that followed from calls of the period, and their net sum.

    A later call takes a payment from an earlier one, also a call after the period or of another manager. Who spoke with
    nobody brought no order.
    """
    after = type_coerce(Payment.paid_at, BigInteger) - type_coerce(Callback.done_at, BigInteger)
    latest = func.row_number().over(partition_by=Payment.id, order_by=(Callback.done_at.desc(), Callback.id.desc()))
    pairs = (
        select(
            Callback.manager_id,
            Callback.done_at.label("called_at"),
            Payment.amount_minor.label("amount"),
            latest.label("place"),
        )
        .join(Payment, Payment.client_id == Callback.client_id)
        .where(
            Callback.state == CallbackState.DONE,
            _is_reached(),
            Callback.done_at >= period.start,
            Payment.paid_at >= period.start,
            Payment.paid_at <= min(now, period.end + timedelta(days=ORDER_DAYS)),
            after > 0,
            after <= ORDER_DAYS * DAY_US,
        )
        .subquery("pairs")
    )
    first = select(
        pairs.c.manager_id, _week(session, pairs.c.called_at, period, weeks).label("week"), pairs.c.amount
    ).where(pairs.c.place == 1, pairs.c.called_at < period.until(now), pairs.c.manager_id.is_not(None))
    if ids is not None:
        first = first.where(pairs.c.manager_id.in_(list(ids)))
    paid = first.subquery("paid")
    return select(
        paid.c.manager_id,
        paid.c.week,
        func.sum(case((paid.c.amount > 0, 1), else_=0)),
        func.sum(paid.c.amount),
    ).group_by(paid.c.manager_id, paid.c.week)
