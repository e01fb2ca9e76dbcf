"""Walking the ledger in the order in which it was committed, and computing every choice again.

What each candidate had received is summed up from the rows before, and compared with what the decision says that it
saw; then the strategy is asked again. So the ledger proves itself: nothing but its own rows and the stored candidates
(who was eligible, his entitlement) goes in.
"""

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from rules_engine.decisions.fair_share import (
    FairShare,
    Standing,
    Strategy,
    ValueStep,
    least_loaded_order,
    round_robin_order,
)
from rules_engine.decisions.instants import to_us
from rules_engine.decisions.money import parse_amount
from rules_engine.models import Assignment, LedgerEntry
from rules_engine.services.company.reference import Reference, reference
from rules_engine.services.requests.ledger import deciding_attempt
from rules_engine.services.rules import journal


@dataclass(frozen=True, slots=True)
class Difference:
    """One row that does not follow from those before it. `what`: count, value, shortfall or choice."""

    entry_id: int
    request_id: int
    what: str
    stored: str
    computed: str


@dataclass(frozen=True, slots=True)
class Recomputed:
    """How many choices of a month were computed again, and those that came out otherwise; `pruned` had no details."""

    month: str
    choices: int
    pruned: int
    differences: tuple[Difference, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "month": self.month,
            "choices": self.choices,
            "pruned": self.pruned,
            "differences": [
                {
                    "id": one.entry_id,
                    "request": one.request_id,
                    "what": one.what,
                    "stored": one.stored,
                    "computed": one.computed,
                }
                for one in self.differences
            ],
        }


@dataclass(frozen=True, slots=True)
class _Given:
    """That a manager received a request, written with this row of the ledger."""

    row_id: int
    manager_id: int
    received_us: int


@dataclass(slots=True)
class _SoFar:
    """What the rows before the present one add up to, by manager."""

    rows: dict[int, list[tuple[datetime, int]]] = field(default_factory=lambda: defaultdict(list))
    count: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    value: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    received: dict[int, int] = field(default_factory=dict)
    pointers: dict[str, int] = field(default_factory=dict)

    def count_before(self, manager_id: int, day_start: datetime) -> int:
        return sum(delta for at, delta in self.rows[manager_id] if at < day_start)

    def add(self, row: LedgerEntry) -> None:
        self.rows[row.manager_id].append((row.at, row.delta))
        self.count[row.manager_id] += row.delta
        self.value[row.manager_id] += row.value_minor

    def receive(self, given: _Given) -> None:
        known = self.received.get(given.manager_id, given.received_us)
        self.received[given.manager_id] = max(given.received_us, known)


def recompute(session: Session, month: str) -> Recomputed:
    """Return what comes out when every choice of a month is computed again, in commit order.

    Reads the whole month. Choices of one person (an owner, by hand) have nothing to compute and are not counted.
    """
    picture = reference(session)
    entries = session.scalars(select(LedgerEntry).where(LedgerEntry.month == month).order_by(LedgerEntry.id)).all()
    so_far = _SoFar(received=_received_before(session, month))
    given = deque(_given(session, entries))
    differences: list[Difference] = []
    choices = pruned = 0
    details: dict[int, dict[str, Any]] = {}
    for place, row in enumerate(entries):
        if place % 500 == 0:
            batch = entries[place : place + 500]
            details = journal.details_of(session, sorted({one.decision_id for one in batch if one.decision_id}))
        while given and given[0].row_id < row.id:
            so_far.receive(given.popleft())
        if row.strategy is not None and row.delta > 0:
            detail = details.get(row.decision_id or 0)
            attempt = deciding_attempt(detail) if detail else None
            if detail is None or attempt is None:
                pruned += 1
            else:
                choices += 1
                differences += _compare(row, detail, attempt, so_far, picture)
        so_far.add(row)
    return Recomputed(month, choices, pruned, tuple(differences))


def _compare(
    row: LedgerEntry, detail: Mapping[str, Any], attempt: Mapping[str, Any], so_far: _SoFar, picture: Reference
) -> list[Difference]:
    found: list[Difference] = []

    def differs(what: str, stored: object, computed: object) -> None:
        if stored != computed:
            found.append(Difference(row.id, row.request_id, what, str(stored), str(computed)))

    for one in attempt["candidates"]:
        differs("count", one["count"], so_far.count[one["id"]])
        differs("value", parse_amount(one["value"]), so_far.value[one["id"]])
    day_start = picture.start_of_day(picture.day_of(row.at))
    eligible = [one for one in attempt["candidates"] if one["eligible"]]
    # A limit that kept nothing for later changed nothing: then it does not matter what was received before today.
    limited = any(one.get("catch_up") for one in eligible)
    standings = [_standing(one, so_far, day_start if limited else None) for one in eligible]
    if row.strategy == Strategy.FAIR_SHARE:
        step = attempt.get("value_step")
        share = FairShare(standings, ValueStep(step) if step else None)
        for one in eligible:
            differs("shortfall", Fraction(one["shortfall"]), share.shortfalls[one["id"]])
        order: Sequence[int] = share.order
    elif row.strategy == Strategy.ROUND_ROBIN:
        pool = _pool_of(detail)
        order = round_robin_order(standings, so_far.pointers.get(pool)) if pool in so_far.pointers else [row.manager_id]
        so_far.pointers[pool] = row.manager_id
    else:
        order = least_loaded_order(standings)
    differs("choice", row.manager_id, order[0] if order else None)
    return found


def _standing(one: Mapping[str, Any], so_far: _SoFar, day_start: datetime | None) -> Standing:
    caught = one.get("catch_up")
    return Standing(
        id=one["id"],
        entitlement=Fraction(one["entitlement"]),
        count=so_far.count[one["id"]],
        value_minor=so_far.value[one["id"]],
        last_received_us=so_far.received.get(one["id"]),
        open_requests=one["open"],
        count_before=so_far.count_before(one["id"], day_start) if day_start is not None else 0,
        extra_per_day=caught["limit"] if caught else None,
    )


def _pool_of(detail: Mapping[str, Any]) -> str:
    outcome = detail["outcome"]
    pointer = (outcome.get("transfer") if "firings" in outcome else outcome)["pointer"]
    return str(pointer[0]) if pointer else ""


def _first_rows() -> Any:
    """Return the first row of the ledger of each assignment: the one with which it was given."""
    return (
        select(LedgerEntry.assignment_id, func.min(LedgerEntry.id).label("row_id"))
        .where(LedgerEntry.assignment_id.is_not(None))
        .group_by(LedgerEntry.assignment_id)
        .subquery()
    )


def _received_before(session: Session, month: str) -> dict[int, int]:
    """Return when each manager had last received a request when the month's first row was committed."""
    first = session.scalar(select(func.min(LedgerEntry.id)).where(LedgerEntry.month == month))
    given = _first_rows()
    newest = (
        select(Assignment.manager_id, Assignment.assigned_at)
        .join(given, given.c.assignment_id == Assignment.id)
        .where(given.c.row_id < (first or 0))
    )
    found: dict[int, int] = {}
    for manager_id, assigned_at in session.execute(newest):
        found[manager_id] = max(to_us(assigned_at), found.get(manager_id, to_us(assigned_at)))
    return found


def _given(session: Session, entries: Sequence[LedgerEntry]) -> list[_Given]:
    """Return who received a request and when, of all that were given while these rows were written, in their order.

    Of other months too: what another system tells late stands in the month before, and is the last he received.
    """
    if not entries:
        return []
    given = _first_rows()
    rows = session.execute(
        select(given.c.row_id, Assignment.manager_id, Assignment.assigned_at)
        .join(Assignment, given.c.assignment_id == Assignment.id)
        .where(given.c.row_id >= entries[0].id, given.c.row_id < entries[-1].id)
        .order_by(given.c.row_id)
    )
    return [_Given(row_id, manager_id, to_us(assigned_at)) for row_id, manager_id, assigned_at in rows]
