"""What Pravila would have done with requests that somebody else gave out, by month, as mode `watch` recorded it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any, Final

from sqlalchemy import Select, and_, bindparam, func, select
from sqlalchemy.orm import Session

from rules_engine.decisions.fair_share import Strategy, ValueStep
from rules_engine.decisions.instants import to_us
from rules_engine.decisions.modes import Mode
from rules_engine.decisions.otherwise import Comparison, Watched, compare
from rules_engine.models import Assignment, AssignmentCause, Decision, Request, UtcDateTime
from rules_engine.services.company.reference import Reference, reference
from rules_engine.services.facts.candidates import entitlement_at
from rules_engine.services.measures.month import Month
from rules_engine.services.records.reading import rows
from rules_engine.services.requests.weighing import ASSIGNMENT
from rules_engine.services.rules import journal

_OTHERS: Final = (AssignmentCause.EXTERNAL, AssignmentCause.HAND)
"""What was not decided by the rules."""


@dataclass(frozen=True, slots=True)
class Example:
    """One request: who gave it to whom, whom the rules named. None: nobody. `at` is when it was decided."""

    request_id: int
    number: str
    at: datetime
    value_minor: int | None
    theirs: int | None
    ours: int | None
    rule: str | None
    decision_id: int


@dataclass(frozen=True, slots=True)
class Otherwise:
    """A month under `watch`: the comparison, and examples that differ, the newest first."""

    comparison: Comparison
    examples: tuple[Example, ...]


def otherwise(session: Session, month: Month, now: datetime, *, shown: int = 20) -> Otherwise:
    """Return how the requests decided under `watch` in a month were given out, and how the rules would have.

    One query for the requests; the stored details come in batches of 500. `shown`: examples at most.
    """
    picture = reference(session)
    found = rows(session, _WATCHED, {"first": month.start, "last": month.end})
    details = journal.details_of(session, [row.decision_id for row in found])
    watched = [_watched(row, details.get(row.decision_id)) for row in found]
    differing = [
        Example(
            row.request_id, row.external_id, row.at, one.value_minor, one.theirs, one.ours, _rule(row), row.decision_id
        )
        for row, one in zip(reversed(found), reversed(watched), strict=True)
        if one.theirs != one.ours
    ]
    return Otherwise(compare(watched, _entitlements(picture, month, now)), tuple(differing[:shown]))


def months_watched(session: Session) -> tuple[datetime, datetime] | None:
    """Return when the first and the last request was decided under `watch`; None: none was."""
    under_watch = select(func.min(Decision.at), func.max(Decision.at)).where(*_UNDER_WATCH)
    first, last = session.execute(under_watch).one()
    return None if first is None else (first, last)


_UNDER_WATCH: Final = (Decision.decision == ASSIGNMENT, Decision.mode == Mode.WATCH.value)


def _watched_requests() -> Select[*tuple[Any, ...]]:
    latest = (
        select(func.max(Decision.id).label("id"))
        .where(
            *_UNDER_WATCH,
            Decision.subject_kind == "request",
            Decision.at >= bindparam("first", type_=UtcDateTime()),
            Decision.at < bindparam("last", type_=UtcDateTime()),
        )
        .group_by(Decision.subject_id)
        .subquery()
    )
    # Whoever had it first; that it went on from there is another story.
    first = (
        select(func.min(Assignment.id))
        .where(Assignment.request_id == Request.id, Assignment.cause.in_(_OTHERS))
        .correlate(Request)
        .scalar_subquery()
    )
    return (
        select(
            Request.id.label("request_id"),
            Request.external_id,
            Request.expected_value_minor,
            Decision.id.label("decision_id"),
            Decision.at,
            Decision.fired,
            Decision.chosen_manager_id.label("ours"),
            Assignment.manager_id.label("theirs"),
        )
        .select_from(latest)
        .join(Decision, Decision.id == latest.c.id)
        .join(Request, Request.id == Decision.subject_id)
        .outerjoin(Assignment, and_(Assignment.request_id == Request.id, Assignment.id == first))
        .order_by(Decision.at, Decision.id)
    )


_WATCHED: Final = _watched_requests()


def _watched(row: Any, detail: Mapping[str, Any] | None) -> Watched:
    attempt = _deciding(detail)
    return Watched(
        request_id=row.request_id,
        at_us=to_us(row.at),
        value_minor=row.expected_value_minor,
        theirs=row.theirs,
        ours=row.ours,
        strategy=Strategy(attempt["strategy"]) if attempt and attempt["strategy"] else None,
        value_step=ValueStep(attempt["value_step"]) if attempt and attempt.get("value_step") else None,
        candidates=tuple((one["id"], Fraction(one["entitlement"])) for one in attempt["candidates"] if one["eligible"])
        if attempt
        else (),
    )


def _deciding(detail: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return the stored attempt that chose somebody."""
    if detail is None:
        return None
    attempts: Sequence[Mapping[str, Any]] = detail["outcome"]["attempts"]
    return next((one for one in attempts if any(who["place"] == 1 for who in one["candidates"])), None)


def _rule(row: Any) -> str | None:
    return row.fired[0] if row.fired else None


def _entitlements(picture: Reference, month: Month, now: datetime) -> dict[int, Fraction]:
    return {one.id: entitlement_at(picture, one, month.start, month.end, now) for one in picture.managers.values()}
