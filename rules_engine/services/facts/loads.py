"""What managers carry: open and unanswered requests, what they received today and this month, when they last did.

One query, whatever the number of managers: each figure is a look-up by index per manager.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final, Protocol

from sqlalchemy import BindParameter, ColumnElement, Integer, ScalarSelect, Select, bindparam, func, literal, select
from sqlalchemy.orm import Session

from rules_engine.models import (
    Assignment,
    Callback,
    CallbackState,
    LedgerBalance,
    LedgerEntry,
    Manager,
    Request,
    RequestStatus,
    UtcDateTime,
)
from rules_engine.services.company.reference import Reference
from rules_engine.services.records.ledger_rows import month_of
from rules_engine.services.records.reading import rows

HELD: Final = (RequestStatus.ASSIGNED, RequestStatus.IN_PROGRESS, RequestStatus.WAITING_CLIENT)
"""The statuses of a request that somebody works at."""


@dataclass(frozen=True, slots=True)
class Load:
    """One manager's figures. `count` and `value_minor` are his balance in the ledger of the month of the question.

    Figures that were not asked for are 0; `last_received_at` is None for who never received a request.
    """

    count: int = 0
    value_minor: int = 0
    last_received_at: datetime | None = None
    open_requests: int = 0
    unanswered_requests: int = 0
    received_today: int = 0
    overdue_callbacks: int = 0
    counted_today: int = 0
    """What his balance has changed by since local midnight."""


class Carried(Protocol):
    """Whatever tells of a manager the figures of a Load that conditions can ask for."""

    @property
    def count(self) -> int: ...
    @property
    def open_requests(self) -> int: ...
    @property
    def unanswered_requests(self) -> int: ...
    @property
    def received_today(self) -> int: ...
    @property
    def overdue_callbacks(self) -> int: ...


NOTHING: Final = Load()
MOST_COUNTED: Final = 1000
"""Of more requests in one hand nobody asks how many they are; counting on would take longer than the decision."""


def loads(
    session: Session,
    picture: Reference,
    now: datetime,
    *,
    ids: Collection[int] | None = None,
    work: bool = True,
    today: bool = True,
    calls: bool = False,
    counted_today: bool = False,
) -> Mapping[int, Load]:
    """Return the figures of these managers, or of all, by id, in one query.

    `work` asks for open and unanswered requests, `today` for what was received since local midnight, `calls` for
    planned calls that are past their time, `counted_today` for what the ledger counts since local midnight.
    """
    parameters: dict[str, Any] = {"month": month_of(now, picture.zone)}
    if today or counted_today:
        parameters["day_start"] = picture.start_of_day(picture.day_of(now))
    if calls:
        parameters["now"] = now
    if ids is not None:
        parameters["ids"] = list(ids)
    statement = _statement(work, today, calls, counted_today, ids is not None)
    return {
        id_: Load(count or 0, value or 0, last, opened, unanswered, received, overdue, counted or 0)
        for id_, count, value, last, opened, unanswered, received, overdue, counted in rows(
            session, statement, parameters
        )
    }


@cache
def _statement(
    work: bool, today: bool, calls: bool, counted_today: bool, some: bool
) -> Select[int, int, int, datetime, int, int, int, int, int]:
    """Return the query for these figures; built once a process, because building it takes longer than running it."""
    zero: ColumnElement[int] = literal(0, Integer)
    statement = (
        select(
            Manager.id,
            LedgerBalance.count,
            LedgerBalance.value_minor,
            _last_received(),
            _held() if work else zero,
            _held(Request.first_answer_at.is_(None)) if work else zero,
            _received_since(bindparam("day_start", type_=UtcDateTime())) if today else zero,
            _overdue_at(bindparam("now", type_=UtcDateTime())) if calls else zero,
            _counted_since(bindparam("day_start", type_=UtcDateTime())) if counted_today else zero,
        )
        .select_from(Manager)
        .outerjoin(
            LedgerBalance, (LedgerBalance.manager_id == Manager.id) & (LedgerBalance.month == bindparam("month"))
        )
    )
    return statement.where(Manager.id.in_(bindparam("ids", expanding=True))) if some else statement


def _last_received() -> ScalarSelect[datetime]:
    # The newest by index, not max(): PostgreSQL and SQLite both stop at the first row.
    return (
        select(Assignment.assigned_at)
        .where(Assignment.manager_id == Manager.id)
        .order_by(Assignment.assigned_at.desc())
        .limit(1)
        .correlate(Manager)
        .scalar_subquery()
    )


def _held(*conditions: ColumnElement[bool]) -> ScalarSelect[int]:
    held = (
        select(Request.id)
        .where(Request.manager_id == Manager.id, Request.status.in_(HELD), Request.is_history.is_(False), *conditions)
        .correlate(Manager)
        .limit(MOST_COUNTED)
        .subquery()
    )
    return select(func.count()).select_from(held).scalar_subquery()


def _overdue_at(now: BindParameter[datetime]) -> ScalarSelect[int]:
    return (
        select(func.count())
        .select_from(Callback)
        .where(Callback.manager_id == Manager.id, Callback.state == CallbackState.OPEN, Callback.due_at < now)
        .correlate(Manager)
        .scalar_subquery()
    )


def _received_since(start: BindParameter[datetime]) -> ScalarSelect[int]:
    return (
        select(func.count())
        .select_from(Assignment)
        .where(Assignment.manager_id == Manager.id, Assignment.assigned_at >= start)
        .correlate(Manager)
        .scalar_subquery()
    )


def _counted_since(start: BindParameter[datetime]) -> ScalarSelect[int]:
    return (
        select(func.sum(LedgerEntry.delta))
        .where(LedgerEntry.month == bindparam("month"), LedgerEntry.manager_id == Manager.id, LedgerEntry.at >= start)
        .correlate(Manager)
        .scalar_subquery()
    )
