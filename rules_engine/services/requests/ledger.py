"""Reading the ledger: who received what in a month, against what was due to him, and why it differs.

**Deviation by cause.** Of the N requests counted in a month, `N·Eᵢ/ΣE` are due to manager i; his deviation is what he
received less that. Each row of the ledger gives its receiver `delta`, and everybody a due of `delta·Eᵢ/ΣE`; what he
received less what was due to him, over the rows of one cause, is the part of that cause. So the parts of a manager add
up to his deviation, and a cause adds up to nothing over all managers: what a client's owner receives by a rule of his
own shows as `other_rule` above zero, and as `fair_share` below zero where fair share made up for it.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from rules_engine.decisions.money import format_amount
from rules_engine.errors import InputError, NotFound
from rules_engine.models import LedgerBalance, LedgerEntry
from rules_engine.services.company.reference import ManagerRef, Reference, reference
from rules_engine.services.facts.candidates import entitlement_at
from rules_engine.services.records.ledger_rows import Cause, correct, month_of
from rules_engine.services.rules import journal

__all__ = ["Cause", "ManagerLine", "Summary", "balances", "correct", "entries", "last_month", "month_of", "summary"]

FAIR_SHARE: Final = "fair_share"
OTHER_RULE: Final = "other_rule"

CAUSE_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    FAIR_SHARE: {"ru": "равными долями", "en": "fair share"},
    OTHER_RULE: {"ru": "другие правила", "en": "other rules"},
    Cause.TRANSFER: {"ru": "переданы без ответа от других", "en": "reassigned from others"},
    Cause.NO_ANSWER: {"ru": "переданы без ответа другим", "en": "reassigned to others"},
    Cause.HAND: {"ru": "вручную", "en": "by hand"},
    Cause.EXTERNAL: {"ru": "из другой системы", "en": "from another system"},
    Cause.DUPLICATE: {"ru": "повторы", "en": "duplicates"},
    Cause.SPAM: {"ru": "спам", "en": "spam"},
}


@dataclass(frozen=True, slots=True)
class ManagerLine:
    """One manager's month. `entitlement` is weight × working minutes; `due` is his share of the requests, exactly.

    `shortfall` is what is missing to it (below zero: surplus), `by_cause` the deviation (its negative) in parts.
    """

    manager_id: int
    login: str
    name: str
    count: int
    value_minor: int
    entitlement: Fraction
    due: Fraction
    by_cause: Mapping[str, Fraction]

    @property
    def shortfall(self) -> Fraction:
        return self.due - self.count

    def to_json(self) -> dict[str, Any]:
        return {
            "login": self.login,
            "count": self.count,
            "value": format_amount(self.value_minor),
            "entitlement": ratio(self.entitlement),
            "due": ratio(self.due),
            "shortfall": ratio(self.shortfall),
            "deviation": ratio(-self.shortfall),
            "by_cause": {cause: ratio(part) for cause, part in self.by_cause.items()},
        }


@dataclass(frozen=True, slots=True)
class Summary:
    """The month of everybody, or of one team, by login."""

    month: str
    managers: tuple[ManagerLine, ...]

    def to_json(self) -> dict[str, Any]:
        return {"month": self.month, "managers": [line.to_json() for line in self.managers]}


def balances(session: Session, month: str) -> dict[int, tuple[int, int]]:
    """Return count and value of each manager who has any, by id."""
    rows = session.execute(
        select(LedgerBalance.manager_id, LedgerBalance.count, LedgerBalance.value_minor).where(
            LedgerBalance.month == month
        )
    )
    return {manager_id: (number, value) for manager_id, number, value in rows}


def last_month(session: Session) -> str | None:
    """Return the month of the last entry, None where there is none."""
    return session.scalar(select(LedgerEntry.month).order_by(LedgerEntry.at.desc(), LedgerEntry.id.desc()).limit(1))


def summary(session: Session, month: str, *, now: datetime, team: str | None = None) -> Summary:
    """Return received, due and deviation by cause of a month, to date where it is not over.

    Shares are those among the managers shown: everybody, or the present members of the team with code `team`. Raises
    InputError for what is no month, NotFound for an unknown team.
    """
    picture = reference(session)
    start, end = _bounds(month, picture)
    entitled = {one.id: entitlement_at(picture, one, start, end, now) for one in _members(picture, team)}
    sums = balances(session, month)
    shown = [one for one in _members(picture, team) if entitled[one.id] or one.id in sums]
    whole = sum((entitled[one.id] for one in shown), Fraction(0))
    shares = {one.id: entitled[one.id] / whole if whole else Fraction(0) for one in shown}
    total = sum(sums.get(one.id, (0, 0))[0] for one in shown)
    parts = _by_cause(session, month, shares)
    lines = [
        ManagerLine(
            manager_id=one.id,
            login=one.login,
            name=one.name,
            count=sums.get(one.id, (0, 0))[0],
            value_minor=sums.get(one.id, (0, 0))[1],
            entitlement=entitled[one.id],
            due=total * shares[one.id],
            by_cause=parts[one.id],
        )
        for one in shown
    ]
    return Summary(month, tuple(sorted(lines, key=lambda line: line.login)))


def entries(session: Session, month: str, *, team: str | None = None) -> list[dict[str, Any]]:
    """Return each row of a month as JSON, in the order in which they were committed.

    `candidates` are those of the pool that decided, with what was known of each at that moment; empty where nobody
    was chosen and where the details of the decision have been pruned. Raises as `summary` does.
    """
    picture = reference(session)
    _bounds(month, picture)
    members = {one.id for one in _members(picture, team)}
    rows = session.scalars(select(LedgerEntry).where(LedgerEntry.month == month).order_by(LedgerEntry.id)).all()
    rows = [row for row in rows if row.manager_id in members]
    details = journal.details_of(
        session, sorted({row.decision_id for row in rows if row.decision_id is not None and row.delta > 0})
    )
    return [
        {
            "id": row.id,
            "at": row.at.isoformat(),
            "request": row.request_id,
            "manager": picture.login_of(row.manager_id),
            "delta": row.delta,
            "value": format_amount(row.value_minor),
            "cause": row.cause,
            "rule": row.rule,
            "strategy": row.strategy,
            **_how(details.get(row.decision_id or 0) if row.delta > 0 else None),
        }
        for row in rows
    ]


def _how(detail: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return on which side of the mean the request stood (None: its value did not count), and the candidates."""
    attempt = deciding_attempt(detail or {})
    return {
        "value_step": (attempt or {}).get("value_step"),
        "candidates": _candidates(detail or {}),
    }


def cause_of(cause: str, strategy: str | None) -> str:
    """Return under which cause of deviation a row stands."""
    if cause == Cause.RULE:
        return FAIR_SHARE if strategy == FAIR_SHARE else OTHER_RULE
    return cause


def ratio(value: Fraction) -> str:
    """Return a fraction as every interface prints it.

    >>> ratio(Fraction(3))
    '3/1'
    """
    return f"{value.numerator}/{value.denominator}"


def deciding_attempt(detail: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the attempt that chose somebody, from the stored detail of a decision; None where nobody was chosen."""
    outcome = detail.get("outcome") or {}
    chooser = outcome.get("transfer") if "firings" in outcome else outcome
    attempts = (chooser or {}).get("attempts") or []
    if not attempts:
        return None
    last: dict[str, Any] = attempts[-1]
    return last if any(one["place"] == 1 for one in last["candidates"]) else None


def deciding_candidates(detail: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the candidates of the pool that chose somebody, from the stored detail of a decision; else none."""
    attempt = deciding_attempt(detail)
    return attempt["candidates"] if attempt else []


def _candidates(detail: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "login": one["login"],
            "eligible": one["eligible"],
            "reason": one["reason"]["code"] if one["reason"] else None,
            "count": one["count"],
            "value": one["value"],
            "entitlement": one["entitlement"],
            "shortfall": one["shortfall"],
            **({"catch_up": one["catch_up"]} if "catch_up" in one else {}),
        }
        for one in deciding_candidates(detail)
    ]


def _by_cause(session: Session, month: str, shares: Mapping[int, Fraction]) -> dict[int, dict[str, Fraction]]:
    received: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    rows = session.execute(
        select(
            LedgerEntry.manager_id, LedgerEntry.cause, LedgerEntry.strategy, func.sum(LedgerEntry.delta).label("delta")
        )
        .where(LedgerEntry.month == month, LedgerEntry.delta != 0)
        .group_by(LedgerEntry.manager_id, LedgerEntry.cause, LedgerEntry.strategy)
    )
    for row in rows:
        if row.manager_id in shares:
            received[cause_of(row.cause, row.strategy)][row.manager_id] += int(row.delta)
    return {
        manager_id: {
            cause: part
            for cause, counts in sorted(received.items())
            if (part := counts.get(manager_id, 0) - sum(counts.values()) * share)
        }
        for manager_id, share in shares.items()
    }


def _bounds(month: str, picture: Reference) -> tuple[datetime, datetime]:
    try:
        first = date.fromisoformat(f"{month}-01")
    except ValueError:
        raise InputError(path="month", ru=f"«{month}» не месяц вида 2026-10", en=f"{month!r} is no month") from None
    following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return picture.start_of_day(first), picture.start_of_day(following)


def _members(picture: Reference, team: str | None) -> list[ManagerRef]:
    if team is None:
        return list(picture.managers.values())
    found = picture.team_by_code(team)
    if found is None:
        raise NotFound(what=team)
    return [one for one in picture.managers.values() if one.team_id == found.id]
