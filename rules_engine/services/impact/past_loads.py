"""What managers carried at any instant of a period: the ledger and the assignments, read once, asked by bisection."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from itertools import accumulate
from typing import Any, Final

from sqlalchemy import BigInteger, func, select, type_coerce
from sqlalchemy.orm import InstrumentedAttribute, Session

from rules_engine.decisions.fair_share import ValueStep
from rules_engine.decisions.instants import NEVER_US, from_us, to_us
from rules_engine.models import Assignment, Callback, LedgerEntry, Request
from rules_engine.services.company.reference import Reference
from rules_engine.services.facts.request_values import DAYS, ENOUGH
from rules_engine.services.records.ledger_rows import month_of
from rules_engine.services.records.reading import rows

_BEFORE: Final = timedelta(days=35)
AT_ONCE: Final = -1


@dataclass(slots=True)
class _Received:
    """One manager's assignments in the order in which they were made."""

    at: list[int] = field(default_factory=list)
    decisions: list[int] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    """How many of those up to here were to be worked at (history is not)."""
    ended: list[int] = field(default_factory=list)
    settled: list[int] = field(default_factory=list)
    """When each was answered or ended, whichever came first."""


@dataclass(slots=True)
class _Balance:
    at: list[int] = field(default_factory=list)
    decisions: list[int] = field(default_factory=list)
    count: list[int] = field(default_factory=list)
    value: list[int] = field(default_factory=list)


class PastLoads:
    """What managers carried at instants of `[since, until)`. Of equal instants a decision sees what came before it.

    Of open and unanswered requests and of overdue calls only those are looked up that `asked` names (fields of
    LoadBefore); the others are 0.
    """

    def __init__(
        self, session: Session, picture: Reference, since: datetime, until: datetime, asked: Collection[str]
    ) -> None:
        self._session = session
        self._asks_open = "open_requests" in asked
        self._asks_unanswered = "unanswered_requests" in asked
        self._asks_calls = "overdue_callbacks" in asked
        self._picture = picture
        self._since, self._until = since, until
        self._received: dict[int, _Received] = defaultdict(_Received)
        self._balances: dict[tuple[str, int], _Balance] = defaultdict(_Balance)
        self._day = (0, 0, "")
        self._read_assignments()
        self._read_ledger()

    def read_in(self, session: Session) -> None:
        """Read what is still to be read in this session: the one before is over."""
        self._session = session

    def load(self, manager_id: int, us: int, decision_id: int) -> "LoadBefore":
        """Return what a manager carried just before a decision, and until when nothing of it changed."""
        begins, ends, month = self._day_of(us)
        found = LoadBefore(us, ends, AT_ONCE, self._earlier.get(manager_id))
        received = self._received.get(manager_id)
        if received is not None:
            place = _place(received.at, received.decisions, us, decision_id)
            found.received_today = place - bisect_left(received.at, begins)
            if place:
                found.last_received_us = received.at[place - 1]
            found.holds_until(received.at, place, received.decisions)
            held = received.held[place - 1] if place else 0
            if self._asks_open:
                found.open_requests = found.less(held, received.ended)
            if self._asks_unanswered:
                found.unanswered_requests = found.less(held, received.settled)
        balance = self._balances.get((month, manager_id))
        if balance is not None:
            place = _place(balance.at, balance.decisions, us, decision_id)
            if place:
                found.count, found.value_minor = balance.count[place - 1], balance.value[place - 1]
            morning = bisect_left(balance.at, begins)
            found.counted_today = found.count - (balance.count[morning - 1] if morning else 0)
            found.holds_until(balance.at, place, balance.decisions)
        if self._asks_calls:
            begun, over = self._calls.get(manager_id, ([], []))
            first, last = bisect_right(over, us), bisect_right(begun, us)
            found.overdue_callbacks = last - first
            found.holds_until(over, first)
            found.holds_until(begun, last)
        return found

    def previous_holder(self, client_id: int, us: int, itself: int) -> int | None:
        """Return who held the latest other request of the client that somebody had then; None where nobody did."""
        for _, request_id, manager_id, begins, ends in self._held.get(client_id, ()):
            if request_id != itself and begins <= us < ends:
                return manager_id
        return None

    def value_step(self, value: int | None, at: datetime, request_id: int) -> ValueStep | None:
        """Return whether a request of this value was worth at least the mean of the 90 days before."""
        if value is None:
            return None
        instants, ids, sums = self._values
        day = self._picture.day_of(at)
        today = to_us(self._picture.start_of_day(day))
        since = to_us(self._picture.start_of_day(day - timedelta(days=DAYS)))
        first, last = bisect_left(instants, since), bisect_left(instants, today)
        total, number = sums[last] - sums[first], last - first
        if number < ENOUGH:
            # Those of today count too, this one left out.
            until = _place(instants, ids, to_us(at), request_id + 1)
            total, number = total + sums[until] - sums[last] - value, number + max(until - last - 1, 0)
        if number <= 0:
            return None
        return ValueStep.LARGE if value * number >= total else ValueStep.SMALL

    def _day_of(self, us: int) -> tuple[int, int, str]:
        """Return when the business day of an instant begins and ends, and its month."""
        begins, ends, _ = self._day
        if not begins <= us < ends:
            day = self._picture.day_of(at := from_us(us))
            begins = to_us(self._picture.start_of_day(day))
            ends = to_us(self._picture.start_of_day(day + timedelta(days=1)))
            self._day = begins, ends, month_of(at, self._picture.zone)
        return self._day

    def _read_assignments(self) -> None:
        early = self._since - _BEFORE
        statement = (
            select(
                Assignment.manager_id,
                _us(Assignment.assigned_at),
                _us(Assignment.ended_at),
                _us(Assignment.first_answer_at),
                Assignment.decision_id,
                Request.is_history,
            )
            .join(Request, Request.id == Assignment.request_id)
            .where(
                Assignment.assigned_at < self._until,
                (Assignment.assigned_at >= early)
                | Assignment.ended_at.is_(None)
                | (Assignment.ended_at >= self._since),
            )
            .order_by(Assignment.assigned_at, Assignment.id)
        )
        for manager_id, at, ended, answered, decision_id, is_history in rows(self._session, statement, {}):
            one = self._received[manager_id]
            one.at.append(at)
            one.decisions.append(decision_id or 0)
            one.held.append((one.held[-1] if one.held else 0) + (not is_history))
            if is_history:
                continue
            if ended is not None:
                one.ended.append(ended)
            settled = min((us for us in (ended, answered) if us is not None), default=None)
            if settled is not None:
                one.settled.append(settled)
        for one in self._received.values():
            one.ended.sort()
            one.settled.sort()
        latest = (
            select(Assignment.manager_id, func.max(_us(Assignment.assigned_at)))
            .where(Assignment.assigned_at < early)
            .group_by(Assignment.manager_id)
        )
        self._earlier: dict[int, int] = dict(rows(self._session, latest, {}))

    def _read_ledger(self) -> None:
        month_start = self._picture.start_of_day(self._picture.day_of(self._since).replace(day=1))
        statement = (
            select(
                LedgerEntry.month,
                LedgerEntry.manager_id,
                _us(LedgerEntry.at),
                LedgerEntry.decision_id,
                LedgerEntry.delta,
                LedgerEntry.value_minor,
            )
            .where(LedgerEntry.at >= month_start, LedgerEntry.at < self._until)
            .order_by(LedgerEntry.at, LedgerEntry.id)
        )
        for month, manager_id, at, decision_id, delta, value in rows(self._session, statement, {}):
            one = self._balances[(month, manager_id)]
            one.at.append(at)
            one.decisions.append(decision_id or 0)
            one.count.append((one.count[-1] if one.count else 0) + delta)
            one.value.append((one.value[-1] if one.value else 0) + value)

    @cached_property
    def _values(self) -> tuple[list[int], list[int], list[int]]:
        """The known values of requests: when received, their ids, and the sums before each."""
        since = self._since - timedelta(days=DAYS + 1)
        statement = (
            select(_us(Request.received_at), Request.id, Request.expected_value_minor)
            .where(
                Request.received_at >= since,
                Request.received_at < self._until,
                Request.expected_value_minor.is_not(None),
            )
            .order_by(Request.received_at, Request.id)
        )
        found = rows(self._session, statement, {})
        instants, ids = [row[0] for row in found], [row[1] for row in found]
        return instants, ids, [0, *accumulate(int(row[2]) for row in found)]

    @cached_property
    def _calls(self) -> dict[int, tuple[list[int], list[int]]]:
        """When planned calls became overdue in a manager's list, and when that ended."""
        statement = select(
            Callback.manager_id,
            _us(Callback.opened_at),
            _us(Callback.due_at),
            _us(Callback.done_at),
        ).where(Callback.opened_at.is_not(None), Callback.manager_id.is_not(None), Callback.opened_at < self._until)
        found: dict[int, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        for manager_id, opened, due, done in rows(self._session, statement, {}):
            begins = max(opened, due + 1)
            if done is not None and done <= begins:
                continue
            found[manager_id][0].append(begins)
            if done is not None:
                found[manager_id][1].append(done)
        for begun, ended in found.values():
            begun.sort()
            ended.sort()
        return dict(found)

    @cached_property
    def _held(self) -> dict[int, list[tuple[int, int, int, int, int]]]:
        """Who held the requests of each client, the latest request first: received, its id, who, from when, until."""
        statement = (
            select(
                Request.client_id,
                _us(Request.received_at),
                Request.id,
                Assignment.manager_id,
                _us(Assignment.assigned_at),
                func.coalesce(_us(Assignment.ended_at), NEVER_US),
            )
            .join(Request, Request.id == Assignment.request_id)
            .where(
                Request.client_id.is_not(None),
                Request.is_history.is_(False),
                Assignment.assigned_at < self._until,
                Assignment.ended_at.is_(None) | (Assignment.ended_at > self._since),
            )
            .order_by(Request.received_at.desc(), Request.id.desc())
        )
        found: dict[int, list[tuple[int, int, int, int, int]]] = defaultdict(list)
        for client_id, *held in rows(self._session, statement, {}):
            found[client_id].append((held[0], held[1], held[2], held[3], held[4]))
        return dict(found)


@dataclass(slots=True)
class LoadBefore:
    """What one manager carried from `since` on before every decision up to a last one: the figures of a Load.

    That is the last one before the instant `until`, or at it the decision `until_decision` (AT_ONCE: none at it).
    """

    since: int
    until: int
    until_decision: int
    last_received_us: int | None = None
    open_requests: int = 0
    unanswered_requests: int = 0
    received_today: int = 0
    overdue_callbacks: int = 0
    count: int = 0
    value_minor: int = 0
    counted_today: int = 0

    def less(self, held: int, over: list[int]) -> int:
        """Return how many of those held are left after what was over by then; the stretch ends with the next."""
        place = bisect_right(over, self.since)
        self.holds_until(over, place)
        return max(held - place, 0)

    def holds_until(self, instants: list[int], place: int, decisions: list[int] | None = None) -> None:
        """Let the stretch end where the next of these instants comes; at that of a decision, after this one."""
        if place < len(instants) and instants[place] <= self.until:
            until = instants[place], AT_ONCE if decisions is None else decisions[place]
            if until < (self.until, self.until_decision):
                self.until, self.until_decision = until


def _place(instants: list[int], decisions: list[int], us: int, decision_id: int) -> int:
    """Return how many came before a decision: earlier, or at its very instant by an earlier decision."""
    place = bisect_left(instants, us)
    while place < len(instants) and instants[place] == us and decisions[place] < decision_id:
        place += 1
    return place


def _us(column: InstrumentedAttribute[Any]) -> Any:
    # As the whole number that is stored: a hundred thousand of them need not become instants.
    return type_coerce(column, BigInteger)
