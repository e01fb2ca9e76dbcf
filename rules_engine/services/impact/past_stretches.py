"""What is recorded of requests and planned calls, as stages in which nothing happened: for asking rules about the past.

Statuses come from the history, answers and activity from contacts, next steps from the tasks of a request. What is not
kept over time (priority, texts) is taken as it is now.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any, Final, cast

from sqlalchemy import BigInteger, bindparam, select, type_coerce
from sqlalchemy.orm import Session

from rules_engine.decisions.callback_clocks import CallbackClocks
from rules_engine.decisions.impact_escalation import Stage
from rules_engine.decisions.instants import MINUTE_US, NEVER_US, Interval, merged, to_us
from rules_engine.decisions.request_clocks import CLOCK_FIELDS, RequestClocks, RequestTimes
from rules_engine.language.values import Canonical
from rules_engine.models import Assignment, Callback, Contact, Request, RequestEvent, RequestStatus, Task, TaskKind
from rules_engine.services.company.reference import ManagerRef, Reference
from rules_engine.services.facts.loads import NOTHING
from rules_engine.services.facts.requests import own_facts, person_facts
from rules_engine.services.impact.past_clients import PastClients
from rules_engine.services.records import settings_store
from rules_engine.services.records.reading import rows
from rules_engine.services.rules.journal import SYSTEM

UNMOVED: Final = (
    "source",
    "external_id",
    "received_at",
    "client_id",
    "client_name",
    "service",
    "channel",
    "region",
    "city",
    "language",
    "amount_minor",
    "expected_value_minor",
    "priority",
    "text",
    "tags",
    "is_duplicate",
    "is_history",
)
"""What nothing that happens to a request changes: taken as it is stored now."""

NO_HOLDER: Final = 0
_CLIENTS: Final = ("client.", "owner.")
_KNOWN_OF_HOLDER: Final = frozenset(f"manager.{name}" for name in ("name", "team", "skills", "is_working_now"))


@dataclass(frozen=True, slots=True)
class Stretch:
    """The time of a request or call under one holder. `ownership` 0: nobody had it; `manager_id` None then.

    `was_taken`: the rules of that time took it away, so what would have followed is not recorded.
    """

    item_id: int
    ownership: int
    manager_id: int | None
    stages: tuple[Stage, ...]
    was_taken: bool = False


@dataclass(frozen=True, slots=True)
class _Contact:
    at: int
    counts: bool
    by: int | None
    is_missed: bool


@dataclass(frozen=True, slots=True)
class _Status:
    at: int
    after: str
    actor: str


class PastStretches:
    """Reads stretches for `wanted` fields of the vocabulary; nothing after `until` is seen."""

    def __init__(
        self, session: Session, picture: Reference, clients: PastClients, wanted: Collection[str], until: datetime
    ) -> None:
        self._session = session
        self._picture = picture
        self._clients = clients
        self._wanted = frozenset(wanted)
        self._of_clocks = self._wanted & CLOCK_FIELDS
        self._of_holder = self._wanted & _KNOWN_OF_HOLDER
        self._of_clients = frozenset(key for key in self._wanted if key.startswith(_CLIENTS))
        self._until = to_us(until)
        self._line_minutes = settings_store.number(session, settings_store.LINE_MINUTES)

    def of_requests(self, requests: Sequence[Request]) -> dict[int, list[Stretch]]:
        """Return the stretches of these requests by id, in order; three or four queries for all of them."""
        ids = [one.id for one in requests]
        here = {"requests": ids}
        assignments: dict[int, list[Any]] = defaultdict(list)
        for row in rows(self._session, _ASSIGNMENTS, here):
            assignments[row.request_id].append(row)
        statuses: dict[int, list[_Status]] = defaultdict(list)
        for row in rows(self._session, _STATUSES, here):
            # What came late changed nothing.
            if row.data.get("before") is not None:
                statuses[row.request_id].append(_Status(row.at, str(row.data["after"]), row.actor))
        contacts: dict[int, list[_Contact]] = defaultdict(list)
        for row in rows(self._session, _CONTACTS, here):
            counts = row.direction == "out" and not row.is_automatic
            contacts[row.request_id].append(
                _Contact(row.at, counts, row.manager_id, counts and row.outcome == "not_reached")
            )
        steps: dict[int, list[Interval]] = defaultdict(list)
        if "request.has_next_step" in self._wanted:
            for row in rows(self._session, _STEPS, here):
                steps[row.request_id].append((row.created_at, row.done_at or NEVER_US))
        self._clients.of({one.client_id for one in requests if one.client_id is not None} if self._of_clients else ())
        return {
            one.id: list(
                self._stretches(one, assignments[one.id], statuses[one.id], contacts[one.id], steps.get(one.id, []))
            )
            for one in requests
        }

    def of_calls(self, calls: Sequence[Any]) -> list[Stretch]:
        """Return the one stretch of each of these planned calls: while it stood in its manager's list."""
        self._clients.of({one.client_id for one in calls} if self._of_clients else ())
        found = []
        for call in calls:
            holder = self._picture.managers.get(call.manager_id)
            end = min(call.done_at or self._until, self._until)
            if holder is None or end <= call.opened_at:
                continue
            found.append(Stretch(call.id, call.manager_id, call.manager_id, (self._call_stage(call, holder, end),)))
        return found

    def _call_stage(self, call: Any, holder: ManagerRef, end: int) -> Stage:
        us: int = call.opened_at
        facts, base = self._client_facts(call.client_id, us)
        times = RequestTimes(
            company=self._picture.company_calendar,
            received_us=us,
            holder=holder.calendar,
            assigned_us=None,
            owner=base.owner,
            owner_absences=base.owner_absences,
            last_contact_day=base.last_contact_day,
            contract_ends_day=base.contract_ends_day,
            money=base.money,
        )
        clocks = CallbackClocks(times, due_us=call.due_at, opened_us=us)
        facts |= self._clock_facts(clocks, us)
        facts |= {"item.kind": "callback", "item.times_postponed": call.times_postponed}
        facts |= person_facts("manager", holder, NOTHING, us, self._of_holder)
        return Stage(us, end, {key: value for key, value in facts.items() if value is not None}, clocks)

    def _stretches(
        self,
        request: Request,
        assignments: Sequence[Any],
        statuses: Sequence[_Status],
        contacts: Sequence[_Contact],
        steps: Sequence[Interval],
    ) -> Iterator[Stretch]:
        """Yield the time before each holder, and of each."""
        begin = to_us(request.received_at)
        closed = to_us(request.closed_at) if request.closed_at else self._until
        transfers = 0
        returned = frozenset(one.at for one in statuses if one.actor == SYSTEM)
        unmoved = {name: getattr(request, name) for name in UNMOVED}
        past = _Past(request, unmoved, statuses, contacts, steps, returned)
        for row in assignments:
            if begin < min(row.assigned_at, self._until) and past.is_open(begin):
                yield self._stretch(past, None, begin, min(row.assigned_at, self._until), transfers)
            end = min(row.ended_at or self._until, self._until)
            if row.assigned_at < end:
                yield self._stretch(past, row, row.assigned_at, end, transfers)
            begin = end
            transfers += row.end_reason == "transfer"
        if not assignments and begin < min(closed, self._until):
            yield self._stretch(past, None, begin, min(closed, self._until), 0)

    def _stretch(self, past: "_Past", row: Any | None, begin: int, end: int, transfers: int) -> Stretch:
        instants = past.changes(row, begin, end)
        holder = self._picture.managers.get(row.manager_id) if row is not None else None
        stages = []
        taken_at = row.ended_at if row is not None and row.end_reason == "transfer" else None
        for start, until in zip(instants, [*instants[1:], end], strict=True):
            # What the rules themselves ended held at that very instant still.
            own = until in past.returned or until == taken_at
            stages.append(self._stage(past, row, holder, start, until + own, transfers))
        return Stretch(
            past.request.id,
            row.id if row is not None else NO_HOLDER,
            row.manager_id if row is not None else None,
            tuple(stages),
            was_taken=taken_at is not None,
        )

    def _stage(
        self, past: "_Past", row: Any | None, holder: ManagerRef | None, us: int, until: int, transfers: int
    ) -> Stage:
        request = past.request
        seen = past.row_at(row, us, transfers)
        login = self._picture.login_of(row.manager_id) if row is not None else None
        line = self._line(row, holder, us)
        pauses = past.pauses(row, us) + ([line] if line else [])
        of_client, base = self._client_facts(request.client_id, us, request)
        times = RequestTimes(
            company=self._picture.company_calendar,
            received_us=to_us(request.received_at),
            holder=holder.calendar if holder else None,
            assigned_us=row.assigned_at if row is not None else None,
            answer_within=row.answer_within if row is not None else None,
            answer_due_us=row.answer_due_at if row is not None else None,
            first_answer_us=past.first_answer(row, us),
            last_activity_us=past.last_activity(row, us, login) if row is not None else None,
            waiting_since_us=past.waiting_since(us),
            pauses=tuple(merged(pauses)),
            line_until_us=line[1] if line else None,
            owner=base.owner,
            owner_absences=base.owner_absences,
            last_contact_day=base.last_contact_day,
            contract_ends_day=base.contract_ends_day,
            money=base.money,
        )
        clocks = RequestClocks(times)
        facts: dict[str, Canonical | None] = {**of_client, **self._clock_facts(clocks, us)}
        facts |= own_facts(seen, self._wanted)
        if holder is not None:
            facts |= person_facts("manager", holder, NOTHING, us, self._of_holder)
        return Stage(us, until, {key: value for key, value in facts.items() if value is not None}, clocks)

    def _client_facts(
        self, client_id: int | None, us: int, request: Request | None = None
    ) -> tuple[dict[str, Canonical | None], RequestTimes]:
        client = None
        if self._of_clients and client_id is not None:
            client = self._clients.of([client_id]).get(client_id)
        if client is None:
            return {}, RequestTimes(self._picture.company_calendar, us)
        received = to_us(request.received_at) if request is not None else None
        facts, clocks = self._clients.see(
            client, us, self._of_clients, received_us=received, itself=request.id if request is not None else 0
        )
        return dict(facts), clocks.times

    def _clock_facts(self, clocks: RequestClocks, us: int) -> dict[str, Canonical | None]:
        return clocks.facts_at(us, self._of_clocks)

    def _line(self, row: Any | None, holder: ManagerRef | None, us: int) -> Interval | None:
        if row is None or holder is None or row.line_busy_at is None or row.line_busy_at > us:
            return None
        until = holder.calendar.add_us(row.line_busy_at, self._line_minutes * MINUTE_US)
        return None if until is None else (row.line_busy_at, until)


@dataclass(frozen=True, slots=True)
class _Past:
    """What is recorded of one request."""

    request: Request
    unmoved: Mapping[str, Any]
    statuses: Sequence[_Status]
    contacts: Sequence[_Contact]
    steps: Sequence[Interval]
    returned: frozenset[int]
    """When the rules of that time took it up again after its client had been silent."""

    def changes(self, row: Any | None, begin: int, end: int) -> list[int]:
        """Return the instants in `[begin, end)` at which anything changes, the begin first."""
        found = {begin}
        found |= {one.at for one in self.statuses} | {one.at for one in self.contacts if one.counts}
        found |= {us for span in self.steps for us in span}
        if row is not None:
            found |= {us for us in (row.first_answer_at, row.line_busy_at) if us is not None}
        return sorted(us for us in found if begin <= us < end)

    def status(self, us: int, row: Any | None) -> RequestStatus:
        known = next((one for one in reversed(self.statuses) if one.at <= us), None)
        if known is None or (row is not None and known.after == "new"):
            return RequestStatus.ASSIGNED if row is not None else RequestStatus.NEW
        if row is not None and known.at < row.assigned_at:
            # Whoever gets it begins anew, unless he took it up as it was.
            return RequestStatus.ASSIGNED
        return RequestStatus(known.after)

    def is_open(self, us: int) -> bool:
        return self.status(us, None).is_open

    def row_at(self, row: Any | None, us: int, transfers: int) -> Request:
        """Return the request as its row stood at an instant: to be read, it belongs to no session."""
        now = self.request
        answered = self.first_answer(row, us)
        # A real Request takes longer to make than its facts take to read.
        seen = SimpleNamespace(
            id=now.id,
            **self.unmoved,
            status=self.status(us, row),
            times_reassigned=transfers,
            contact_attempts=sum(1 for one in self.contacts if one.is_missed and one.at <= us),
            next_step_at=now.received_at if any(begin <= us < end for begin, end in self.steps) else None,
            first_answer_at=now.received_at if answered is not None else None,
            answer_within=row.answer_within if row is not None else None,
            times_waiting=sum(1 for one in self.statuses if one.after == "waiting_client" and one.at <= us),
        )
        return cast(Request, seen)

    def first_answer(self, row: Any | None, us: int) -> int | None:
        if row is None or row.first_answer_at is None or row.first_answer_at > us:
            return None
        return int(row.first_answer_at)

    def last_activity(self, row: Any, us: int, login: str | None) -> int | None:
        """Return the last outgoing contact or change of status by the holder."""
        found = [one.at for one in self.contacts if one.counts and one.by == row.manager_id and one.at <= us]
        found += [one.at for one in self.statuses if one.actor == login and one.at <= us]
        return max(found, default=None)

    def waiting_since(self, us: int) -> int | None:
        known = next((one for one in reversed(self.statuses) if one.at <= us), None)
        return known.at if known is not None and known.after == "waiting_client" else None

    def pauses(self, row: Any | None, us: int) -> list[Interval]:
        """Return when he waited for the client under this holder; one that has no end yet by then never ends."""
        found: list[Interval] = []
        begun: int | None = None
        for one in self.statuses:
            if one.at > us or (row is not None and one.at < row.assigned_at):
                continue
            if begun is not None:
                found.append((begun, one.at))
                begun = None
            if one.after == "waiting_client":
                begun = one.at
        if begun is not None:
            found.append((begun, NEVER_US))
        return found


def _us(column: Any) -> Any:
    return type_coerce(column, BigInteger)


_IDS: Final[Any] = bindparam("requests", expanding=True)
_ASSIGNMENTS: Final = (
    select(
        Assignment.id,
        Assignment.request_id,
        Assignment.manager_id,
        _us(Assignment.assigned_at).label("assigned_at"),
        _us(Assignment.ended_at).label("ended_at"),
        Assignment.end_reason,
        Assignment.answer_within,
        _us(Assignment.answer_due_at).label("answer_due_at"),
        _us(Assignment.line_busy_at).label("line_busy_at"),
        _us(Assignment.first_answer_at).label("first_answer_at"),
    )
    .where(Assignment.request_id.in_(_IDS))
    .order_by(Assignment.request_id, Assignment.assigned_at, Assignment.id)
)
_STATUSES: Final = (
    select(RequestEvent.request_id, _us(RequestEvent.at).label("at"), RequestEvent.actor, RequestEvent.data)
    .where(RequestEvent.request_id.in_(_IDS), RequestEvent.kind == "status")
    .order_by(RequestEvent.request_id, RequestEvent.at, RequestEvent.id)
)
_CONTACTS: Final = (
    select(
        Contact.request_id,
        _us(Contact.at).label("at"),
        Contact.direction,
        Contact.is_automatic,
        Contact.outcome,
        Contact.manager_id,
    )
    .where(Contact.request_id.in_(_IDS))
    .order_by(Contact.request_id, Contact.at, Contact.id)
)
_STEPS: Final = (
    select(Task.request_id, _us(Task.created_at).label("created_at"), _us(Task.done_at).label("done_at"))
    .join(Assignment, Assignment.id == Task.assignment_id)
    .where(
        Task.request_id.in_(_IDS),
        Task.kind == TaskKind.REQUEST,
        Task.due_at.is_not(None),
        # The first task of an ownership is due at the answer time: that is no next step.
        (Task.created_at > Assignment.assigned_at) | Assignment.answer_due_at.is_(None),
    )
)
CALLS: Final = (
    select(
        Callback.id,
        Callback.client_id,
        Callback.manager_id,
        _us(Callback.opened_at).label("opened_at"),
        _us(Callback.due_at).label("due_at"),
        _us(Callback.done_at).label("done_at"),
        Callback.times_postponed,
    )
    .where(
        Callback.id > bindparam("after"),
        Callback.id <= bindparam("last"),
        Callback.opened_at.is_not(None),
        Callback.manager_id.is_not(None),
        _us(Callback.opened_at) < bindparam("until", type_=BigInteger()),
        Callback.done_at.is_(None) | (_us(Callback.done_at) >= bindparam("since", type_=BigInteger())),
    )
    .order_by(Callback.id)
    .limit(bindparam("most"))
)
