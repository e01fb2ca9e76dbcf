"""The requests behind a figure of control: the rows that it counted, sorted, a page at a time, each with its reason."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Subquery, and_, func, literal, null, select
from sqlalchemy.orm import Session

from rules_engine.decisions.instants import MINUTE_US
from rules_engine.models import Callback, CallbackState, Client, Manager, Request, RequestStatus, User
from rules_engine.services.company.reference import reference
from rules_engine.services.control import rows as control_rows
from rules_engine.services.control.missing import missing_words
from rules_engine.services.control.period import Period
from rules_engine.services.measures import callbacks
from rules_engine.services.measures.behind import HOW_WORDS, TAKEN_OUT
from rules_engine.services.measures.requests import HowProcessed
from rules_engine.services.records.reading import rows

Text = Mapping[str, str]

PAGE: Final = 50
LARGEST: Final = 20_000
"""More rows are never read at once."""

_NOT_MARKED: Final = {"ru": "ответ отмечен вручную", "en": "the answer was marked by hand"}
_SPAM: Final = {"ru": "отмечена как спам", "en": "marked as spam"}
_DUPLICATE: Final = {"ru": "отмечена как повтор", "en": "marked as a duplicate"}
_NOT_CALLED: Final = {"ru": "звонок не сделан", "en": "not called"}
_CALLED_LATER: Final = {"ru": "сделан после конца периода", "en": "made after the end of the period"}
_NOT_VALID: Final = {"ru": "не засчитан: не дозвонились или короткий разговор", "en": "nobody reached, or too short"}

SORTS: Final = ("at", "value", "manager", "number", "status")


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose list of what: `figure` is a key of FIGURES, `ids` are managers (None: all), `size` one of five groups."""

    figure: str
    ids: Collection[int] | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """One row. `minutes`: working minutes until the first answer, None where it is not asked or not given.

    `counts`: what it adds to the figure, -1 where it was taken off.
    """

    at: datetime
    number: str
    client: str
    manager: str
    value_minor: int | None
    status: RequestStatus | None
    counts: int
    minutes: int | None
    why: Text | None
    request_id: int | None = None
    client_id: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    rows: list[Listed]
    total: int
    """Rows of all pages."""
    number: int
    pages: int


def page(
    session: Session,
    period: Period,
    now: datetime,
    asked: Asked,
    *,
    sort: str = "-at",
    number: int = 1,
    size: int = PAGE,
) -> Page:
    """Return one page of the rows behind a figure; a page that there is not is the nearest one.

    `sort` is one of SORTS, a minus before it turns it round; what is none of them sorts by time, the newest first.
    """
    control_rows.prepare(session)
    number = max(1, number)
    if asked.figure in CALLS:
        return _calls_page(session, period, now, asked, number, size)
    behind = FIGURES[asked.figure](period, now, asked)
    query = (
        select(
            behind, Request.external_id, Request.client_name, Client.name, Request.expected_value_minor, Request.status,
            Request.is_duplicate, User.name.label("manager"), func.count().over().label("of_all"),
        )
        .join(Request, Request.id == behind.c.request_id)
        .outerjoin(Client, Client.id == Request.client_id)
        .join(Manager, Manager.id == behind.c.manager_id)
        .join(User, User.id == Manager.user_id)
        .order_by(*_order(sort, behind))
        .limit(min(size, LARGEST))
    )  # fmt: skip
    found = rows(session, query.offset((number - 1) * size), {})
    if not found and number != 1:
        # There is no such page, and nothing that says how many there are.
        total = session.scalar(select(func.count()).select_from(behind)) or 0
        number = max(1, -(-total // size))
        found = rows(session, query.offset((number - 1) * size), {})
    total = found[0].of_all if found else 0
    return Page(list(_listed(session, period, now, asked, found)), total, number, max(1, -(-total // size)))


def _order(sort: str, behind: Subquery) -> tuple[Any, ...]:
    columns: dict[str, Any] = {
        "at": behind.c.at,
        "value": func.coalesce(Request.expected_value_minor, -1),
        "manager": User.name,
        "number": Request.external_id,
        "status": Request.status,
    }
    name = sort.removeprefix("-")
    column = columns.get(name, behind.c.at)
    falls = sort.startswith("-") or name not in columns
    return (column.desc() if falls else column.asc(), behind.c.request_id.desc(), behind.c.manager_id)


def _listed(session: Session, period: Period, now: datetime, asked: Asked, found: Sequence[Any]) -> Iterable[Listed]:
    picture = reference(session)
    unfinished = [row.request_id for row in found if _says_what_is_missing(asked.figure) and row.how is None]
    missing = missing_words(session, period, period.until(now), unfinished)
    for row in found:
        minutes = None
        if row.answered is not None:
            waited = picture.manager(row.manager_id).calendar.elapsed_us(row.assigned, row.answered)
            minutes = waited // MINUTE_US
        yield Listed(
            at=row.at,
            number=row.external_id,
            client=row.name or row.client_name,
            manager=row.manager,
            value_minor=row.expected_value_minor,
            status=row.status,
            counts=int(row.net),
            minutes=minutes,
            why=_why(asked.figure, row, missing),
            request_id=row.request_id,
        )


def _says_what_is_missing(figure: str) -> bool:
    return figure in ("owed", "unprocessed", "size", "size_unprocessed")


def _why(figure: str, row: Any, missing: Mapping[int, Text]) -> Text | None:
    if figure == "marked":
        return _SPAM if row.status is RequestStatus.SPAM else _DUPLICATE
    if figure == "by_hand":
        return _NOT_MARKED
    if figure == "received":
        return TAKEN_OUT if row.net < 0 else None
    if row.how is not None:
        return HOW_WORDS[HowProcessed(row.how)]
    return missing.get(row.request_id)


def _facts(
    condition: Callable[[Any], ColumnElement[bool]], *, by_ledger: bool = False
) -> Callable[[Period, datetime, Asked], Subquery]:
    """Return a list of the facts; `by_ledger`: a row counts what the ledger counts, else it is one."""

    def read(period: Period, now: datetime, asked: Asked) -> Subquery:
        found = control_rows.facts(period, now, asked.ids)
        counts = found.c.net if by_ledger else literal(1)
        return (
            select(
                found.c.request_id, found.c.manager_id, found.c.at, counts.label("net"), found.c.how,
                null().label("assigned"), null().label("answered"),
            )
            .where(condition(found.c))
            .subquery("behind")
        )  # fmt: skip

    return read


def _answers(condition: Callable[[Any], ColumnElement[bool]] | None) -> Callable[[Period, datetime, Asked], Subquery]:
    def read(period: Period, now: datetime, asked: Asked) -> Subquery:
        found = control_rows.answers(period, now, asked.ids)
        query = select(
            found.c.request_id, found.c.manager_id, found.c.at, literal(1).label("net"), null().label("how"),
            found.c.assigned, found.c.answered,
        )  # fmt: skip
        return (query if condition is None else query.where(condition(found.c))).subquery("behind")

    return read


def _sized(condition: Callable[[Any], ColumnElement[bool]] | None) -> Callable[[Period, datetime, Asked], Subquery]:
    def read(period: Period, now: datetime, asked: Asked) -> Subquery:
        found = control_rows.sized(control_rows.facts(period, now, asked.ids))
        query: Select[*tuple[Any, ...]] = select(
            found.c.request_id, found.c.manager_id, found.c.at, literal(1).label("net"), found.c.how,
            null().label("assigned"), null().label("answered"),
        )  # fmt: skip
        if asked.size is not None:
            query = query.where(found.c.size == asked.size)
        return (query if condition is None else query.where(condition(found.c))).subquery("behind")

    return read


def _late_now(_period: Period, now: datetime, asked: Asked) -> Subquery:
    found = control_rows.late_now(now, asked.ids)
    return select(
        found.c.request_id, found.c.manager_id, found.c.at, literal(1).label("net"), null().label("how"),
        null().label("assigned"), null().label("answered"),
    ).subquery("behind")  # fmt: skip


FIGURES: Final[Mapping[str, Callable[[Period, datetime, Asked], Subquery]]] = {
    "received": _facts(lambda row: row.net != 0, by_ledger=True),
    "owed": _facts(lambda row: row.net > 0),
    "processed": _facts(lambda row: and_(row.net > 0, row.is_processed == 1)),
    "unprocessed": _facts(lambda row: and_(row.net > 0, row.is_processed == 0)),
    "paid": _facts(lambda row: and_(row.net > 0, row.is_paid == 1)),
    "taken": _facts(lambda row: row.was_taken == 1),
    "marked": _facts(lambda row: and_(row.was_given == 1, row.is_marked == 1)),
    "due": _answers(None),
    "in_time": _answers(lambda row: row.is_in_time == 1),
    "late": _answers(lambda row: row.is_in_time == 0),
    "answered": _answers(lambda row: row.answered.is_not(None)),
    "by_hand": _answers(lambda row: row.is_by_hand == 1),
    "line_busy": _answers(lambda row: row.is_line_busy == 1),
    "overdue": _late_now,
    "size": _sized(None),
    "size_processed": _sized(lambda row: row.is_processed == 1),
    "size_unprocessed": _sized(lambda row: row.is_processed == 0),
}
"""What each list holds. Its rows are those that the figure of the same name counted."""

CALLS: Final = ("calls_due", "calls_met", "calls_missed")
"""Lists of planned calls: the same page, with clients in place of requests."""


def _calls_page(session: Session, period: Period, now: datetime, asked: Asked, number: int, size: int) -> Page:
    until = period.until(now)
    met = and_(Callback.is_valid.is_(True), Callback.done_at < until)
    conditions = [
        Callback.manager_id.is_not(None),
        Callback.state != CallbackState.CANCELLED,
        callbacks.due_by(period.as_month, until),
    ]
    if asked.figure != "calls_due":
        conditions.append(met if asked.figure == "calls_met" else func.coalesce(met, False).is_(False))
    if asked.ids is not None:
        conditions.append(Callback.manager_id.in_(list(asked.ids)))
    total = session.scalar(select(func.count(Callback.id)).where(*conditions)) or 0
    pages = max(1, -(-total // size))
    number = min(max(1, number), pages)
    query = (
        select(
            Callback.due_at, Callback.client_id, Client.name, User.name.label("manager"), Callback.expected_minor,
            Callback.done_at, Callback.is_valid,
        )
        .join(Client, Client.id == Callback.client_id)
        .join(Manager, Manager.id == Callback.manager_id)
        .join(User, User.id == Manager.user_id)
        .where(*conditions)
        .order_by(Callback.due_at.desc(), Callback.id.desc())
        .limit(min(size, LARGEST))
        .offset((number - 1) * size)
    )  # fmt: skip
    found = [
        Listed(
            at=row.due_at,
            number="",
            client=row.name,
            manager=row.manager,
            value_minor=row.expected_minor,
            status=None,
            counts=1,
            minutes=None,
            why=_why_not_met(row, until),
            client_id=row.client_id,
        )
        for row in rows(session, query, {})
    ]
    return Page(found, total, number, pages)


def _why_not_met(row: Any, until: datetime) -> Text | None:
    if row.done_at is None:
        return _NOT_CALLED
    if not row.is_valid:
        return _NOT_VALID
    return _CALLED_LATER if row.done_at >= until else None
