"""The list of requests as a query: filters, search, and pages that go on from a row instead of counting."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.orm import Session, joinedload

from rules_engine.models import (
    OPEN_STATUSES,
    Assignment,
    Client,
    ContactPoint,
    Request,
    RequestStatus,
    WorkItem,
    WorkKind,
    from_micros,
    to_micros,
)

PAGE = 50
OPEN = "open"


@dataclass(frozen=True, slots=True)
class Filters:
    """What the list is narrowed to. `status` is a status or OPEN; `holder_id` is what a manager is limited to."""

    status: str = ""
    manager_id: int | None = None
    overdue: bool = False
    unassigned: bool = False
    set_aside: bool = False
    waiting_over_hour: bool = False
    text: str = ""
    holder_id: int | None = None

    @property
    def is_any(self) -> bool:
        return bool(
            self.status
            or self.manager_id
            or self.overdue
            or self.unassigned
            or self.set_aside
            or self.waiting_over_hour
            or self.text
        )


@dataclass(frozen=True, slots=True)
class Page:
    requests: list[Request]
    set_aside: frozenset[int]
    """Ids of those that are in quarantine."""
    next_cursor: str | None


def load(session: Session, filters: Filters, now: datetime, cursor: str | None) -> Page:
    """Return one page, newest first: three queries whatever the number of rows."""
    query = narrowed(select(Request), filters, now)
    if place := _place(cursor):
        at, row_id = place
        query = query.where(or_(Request.received_at < at, and_(Request.received_at == at, Request.id < row_id)))
    query = query.order_by(Request.received_at.desc(), Request.id.desc()).limit(PAGE + 1)
    found = session.scalars(query.options(joinedload(Request.manager), joinedload(Request.client))).all()
    shown = list(found[:PAGE])
    last = shown[-1] if len(found) > PAGE else None
    return Page(
        shown,
        quarantined(session, [row.id for row in shown]),
        f"{to_micros(last.received_at)}.{last.id}" if last else None,
    )


def narrowed(query: Select[Any], filters: Filters, now: datetime) -> Select[Any]:
    """Return a query over requests with the filters put to it."""
    if filters.status == OPEN:
        query = query.where(Request.status.in_(OPEN_STATUSES), Request.is_history.is_(False))
    elif filters.status in set(RequestStatus):
        query = query.where(Request.status == filters.status)
    if filters.manager_id is not None:
        query = query.where(Request.manager_id == filters.manager_id)
    if filters.overdue:
        query = query.where(*overdue(now))
    if filters.waiting_over_hour:
        query = query.where(*overdue(now - timedelta(hours=1)))
    if filters.unassigned:
        query = query.where(*unassigned())
    if filters.set_aside:
        query = query.where(
            select(WorkItem.id)
            .where(
                WorkItem.kind == WorkKind.REQUEST,
                WorkItem.subject_id == Request.id,
                WorkItem.quarantined_at.is_not(None),
            )
            .exists()
        )
    if filters.holder_id is not None:
        query = query.where(held_by(filters.holder_id))
    if filters.text:
        query = query.where(matches(filters.text))
    return query


def overdue(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of an open request that nobody answered by its time."""
    return (
        Request.status.in_(OPEN_STATUSES),
        Request.is_history.is_(False),
        Request.first_answer_at.is_(None),
        Request.answer_due_at < now,
    )


def unassigned() -> tuple[ColumnElement[bool], ...]:
    return (Request.status == RequestStatus.NEW, Request.is_history.is_(False))


def held_by(manager_id: int) -> ColumnElement[bool]:
    """Return the condition that a manager has the request or had it once: both are his to see."""
    once = select(Assignment.id).where(Assignment.request_id == Request.id, Assignment.manager_id == manager_id)
    return or_(Request.manager_id == manager_id, once.exists())


def matches(text: str) -> ColumnElement[bool]:
    """Return the condition of the search field: a number, a part of the client's name, the end of his phone."""
    text = text.strip()[:100]
    named = or_(
        Request.external_id.ilike(f"%{_escaped(text)}%", escape="\\"),
        Request.client_name.ilike(f"%{_escaped(text)}%", escape="\\"),
        Request.client.has(Client.name.ilike(f"%{_escaped(text)}%", escape="\\")),
    )
    digits = "".join(sign for sign in text if sign.isdigit())
    if len(digits) >= 4 and not any(sign.isalpha() for sign in text):
        ending = ContactPoint.normalized.like(f"%{digits[-10:]}")
        return or_(named, Request.client.has(Client.points.any(and_(ContactPoint.kind == "phone", ending))))
    return named


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def quarantined(session: Session, ids: list[int]) -> frozenset[int]:
    return frozenset(
        session.scalars(
            select(WorkItem.subject_id).where(
                WorkItem.kind == WorkKind.REQUEST, WorkItem.subject_id.in_(ids), WorkItem.quarantined_at.is_not(None)
            )
        )
    )


def _place(cursor: str | None) -> tuple[datetime, int] | None:
    """Return where a page goes on; None for the first page and for a cursor that somebody made up."""
    micros, _, row_id = (cursor or "").partition(".")
    if not (micros.removeprefix("-").isdecimal() and row_id.isdecimal() and len(micros) < 19 and len(row_id) < 19):
        return None
    try:
        return from_micros(int(micros)).astimezone(UTC), int(row_id)
    except OverflowError:
        return None
