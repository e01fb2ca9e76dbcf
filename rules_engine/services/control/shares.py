"""The fairness proof: what each manager received in a month against what was due to him, and the ledger behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any, Final

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from rules_engine.errors import InputError
from rules_engine.models import LedgerEntry, Request, from_micros, to_micros
from rules_engine.services.company.reference import reference
from rules_engine.services.control.control import members
from rules_engine.services.records.ledger_rows import Cause
from rules_engine.services.records.reading import rows
from rules_engine.services.requests import ledger

PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class Share:
    """One manager's month. `due` is his share of the requests and `due_minor` of their value, exactly.

    `by_cause` are the parts of `deviation`: cause → part, none of them zero.
    """

    manager_id: int
    login: str
    name: str
    team: str
    count: int
    due: Fraction
    value_minor: int
    due_minor: Fraction
    entitlement: Fraction
    by_cause: Mapping[str, Fraction]

    @property
    def deviation(self) -> Fraction:
        return self.count - self.due

    @property
    def deviation_minor(self) -> Fraction:
        return self.value_minor - self.due_minor


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the ledger. `cause` is that of the deviation it belongs to; `decision_id` None: nobody decided."""

    id: int
    at: datetime
    request_id: int
    number: str
    manager_id: int
    name: str
    delta: int
    value_minor: int
    cause: str
    rule: str | None
    decision_id: int | None


@dataclass(frozen=True, slots=True)
class LedgerPage:
    entries: list[Entry]
    total: int
    next_cursor: str | None


def shares(session: Session, month: str, now: datetime, *, team: str | None = None) -> list[Share]:
    """Return the shares of a month, to date where it is not over, among all managers or those of one team; by name.

    Who neither was to receive anything nor did is left out. Raises InputError for what is no month, NotFound.
    """
    found = ledger.summary(session, month, now=now, team=team)
    picture = reference(session)
    entitled = sum((line.entitlement for line in found.managers), Fraction(0))
    value = sum(line.value_minor for line in found.managers)
    lines = []
    for line in found.managers:
        of_team = picture.teams.get(picture.manager(line.manager_id).team_id or 0)
        lines.append(
            Share(
                manager_id=line.manager_id,
                login=line.login,
                name=line.name,
                team=of_team.name if of_team else "",
                count=line.count,
                due=line.due,
                value_minor=line.value_minor,
                due_minor=value * line.entitlement / entitled if entitled else Fraction(0),
                entitlement=line.entitlement,
                by_cause=line.by_cause,
            )
        )
    return sorted(lines, key=lambda one: (one.name, one.manager_id))


def ledger_page(
    session: Session,
    month: str,
    *,
    team: str | None = None,
    manager_id: int | None = None,
    cause: str | None = None,
    cursor: str | None = None,
    size: int = PAGE,
) -> LedgerPage:
    """Return a page of a month's ledger, the newest row first; `cause` is one of those that deviations are told by."""
    ids = members(session, team) if manager_id is None else [manager_id]
    conditions: list[Any] = [LedgerEntry.month == month]
    if ids is not None:
        conditions.append(LedgerEntry.manager_id.in_(ids))
    if cause is not None:
        conditions.append(_of_cause(cause))
    total = session.scalar(select(func.count(LedgerEntry.id)).where(*conditions)) or 0
    if place := _place(cursor):
        at, row_id = place
        conditions.append(or_(LedgerEntry.at < at, and_(LedgerEntry.at == at, LedgerEntry.id < row_id)))
    query = (
        select(
            LedgerEntry.id, LedgerEntry.at, LedgerEntry.request_id, Request.external_id, LedgerEntry.manager_id,
            LedgerEntry.delta, LedgerEntry.value_minor, LedgerEntry.cause, LedgerEntry.strategy, LedgerEntry.rule,
            LedgerEntry.decision_id,
        )
        .join(Request, Request.id == LedgerEntry.request_id)
        .where(*conditions)
        .order_by(LedgerEntry.at.desc(), LedgerEntry.id.desc())
        .limit(size + 1)
    )  # fmt: skip
    found = rows(session, query, {})
    shown = found[:size]
    more = f"{to_micros(shown[-1].at)}.{shown[-1].id}" if len(found) > size else None
    return LedgerPage(_entries(session, shown), total, more)


def _entries(session: Session, found: Sequence[Any]) -> list[Entry]:
    picture = reference(session)
    return [
        Entry(
            id=row.id,
            at=row.at,
            request_id=row.request_id,
            number=row.external_id,
            manager_id=row.manager_id,
            name=picture.manager(row.manager_id).name,
            delta=row.delta,
            value_minor=row.value_minor,
            cause=ledger.cause_of(row.cause, row.strategy),
            rule=row.rule,
            decision_id=row.decision_id,
        )
        for row in found
    ]


def _of_cause(cause: str) -> Any:
    if cause == ledger.FAIR_SHARE:
        return and_(LedgerEntry.cause == Cause.RULE, LedgerEntry.strategy == ledger.FAIR_SHARE)
    if cause == ledger.OTHER_RULE:
        other = or_(LedgerEntry.strategy.is_(None), LedgerEntry.strategy != ledger.FAIR_SHARE)
        return and_(LedgerEntry.cause == Cause.RULE, other)
    if cause not in ledger.CAUSE_WORDS:
        raise InputError(path="cause", ru=f"нет причины «{cause}»", en=f"there is no cause {cause!r}")
    return LedgerEntry.cause == cause


def _place(cursor: str | None) -> tuple[datetime, int] | None:
    """Return where a page goes on; None for the first page and for a cursor that somebody made up."""
    micros, _, row_id = (cursor or "").partition(".")
    if not (micros.isdecimal() and row_id.isdecimal() and len(micros) < 17 and len(row_id) < 19):
        return None
    return from_micros(int(micros)), int(row_id)
