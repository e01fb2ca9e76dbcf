"""Somebody is away for the day: what cannot wait for him goes to others, once, as a person decided it.

His requests that nobody has answered and his calls that are due before he is back. Nothing else moves. Who gets a
request is found as rules find it: the client's cover, else fair share in his team; each is a decision with its trace
and its place in the ledger, and it no longer counts as received for him, for he did not choose to be away.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from rules_engine.decisions.instants import to_us
from rules_engine.decisions.picking import pick
from rules_engine.decisions.roster import Candidate, Roster
from rules_engine.errors import Conflict, InputError
from rules_engine.language.model import Action, Pool
from rules_engine.models import OPEN_STATUSES, Callback, Client, Request, WorkKind
from rules_engine.services.callbacks.outcomes import OPEN
from rules_engine.services.callbacks.people import Callers
from rules_engine.services.company import absences
from rules_engine.services.company.reference import ManagerRef, Reference, reference
from rules_engine.services.messages import outbox
from rules_engine.services.queue import work
from rules_engine.services.records import audit, ledger_rows
from rules_engine.services.records.forms import LATEST
from rules_engine.services.records.incoming import AbsenceIn
from rules_engine.services.records.reading import locked_request
from rules_engine.services.requests import reassignment
from rules_engine.services.requests.overdue_actions import move_call
from rules_engine.services.requests.weighing import whole_roster

_TO_COVER: Final = Pool("cover", None, "")
_TO_EVERYONE: Final = Pool("everyone", None, "")


@dataclass(frozen=True, slots=True)
class RequestMove:
    """A request and who would get it; `to` None: nobody can, it stays. `is_cover`: he stands in for the owner."""

    request: Request
    to: ManagerRef | None
    is_cover: bool = False


@dataclass(frozen=True, slots=True)
class CallMove:
    """A planned call and who would make it; `to` None: nobody is here, it stays."""

    call: Callback
    to: ManagerRef | None


@dataclass(frozen=True, slots=True)
class AwayPlan:
    """What "away today" would do at `at`: he is away during `[from, until)`; None: that is written already."""

    manager: ManagerRef
    at: datetime
    absence: tuple[datetime, datetime] | None
    until: datetime
    requests: tuple[RequestMove, ...]
    calls: tuple[CallMove, ...]

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.requests, self.calls)

    @property
    def staying(self) -> int:
        """How many requests and calls nobody can take."""
        return [one.to for one in self.requests].count(None) + [one.to for one in self.calls].count(None)


class PlanChanged(Conflict):
    """Between the preview and the answer something moved: there is a new preview to look at."""

    def __init__(self) -> None:
        super().__init__(
            ru="пока вы смотрели, кое-что изменилось: проверьте новый список",
            en="something changed while you were looking: check the new list",
        )


def fingerprint(requests: Iterable[RequestMove], calls: Iterable[CallMove], *more: object) -> str:
    """Return a short text that is the same for the same plan."""
    parts = [f"r{one.request.id}>{one.to and one.to.id}" for one in requests]
    parts += [f"c{one.call.id}>{one.to and one.to.id}" for one in calls]
    return sha256(" ".join([*parts, *map(str, more)]).encode()).hexdigest()[:16]


def plan_away(session: Session, manager_id: int, now: datetime) -> AwayPlan:
    """Return what "away today" would do for a manager at `now`; nothing is written.

    The absence lasts until the end of his current or next working day, or until an absence that begins before.
    Raises NotFound, and InputError for who is not employed or never works again.
    """
    picture = reference(session)
    manager = _here(picture, manager_id, now)
    span, until = _absence(manager, now)
    return AwayPlan(
        manager,
        now,
        span,
        until,
        plan_requests(session, picture, manager, _unanswered(session, manager_id), now),
        plan_calls(session, picture, manager, _due_calls(session, manager_id, until), now),
    )


def away_today(
    session: Session, manager_id: int, *, reason: str, actor: str, now: datetime, expected: str | None = None
) -> AwayPlan:
    """Carry out "away today" and return what was done; `expected` is the fingerprint of the preview that was confirmed.

    Raises PlanChanged where it no longer holds, and what `plan_away` raises.
    """
    picture = reference(session)
    span = _absence(_here(picture, manager_id, now), now)[0]
    why = " ".join(reason.split())[:200] or "Сегодня отсутствует"
    if span is not None:
        login = picture.manager(manager_id).login
        form = AbsenceIn(manager=login, starts_at=span[0], ends_at=span[1], reason=why)
        # First of all: it wakes requests, whose items are locked before the month of the ledger is.
        absences.put(session, form, now=now, actor=actor)
    lock(session, _unanswered(session, manager_id), _due_calls(session, manager_id, LATEST), now)
    plan = replace(plan_away(session, manager_id, now), absence=span)
    if expected is not None and expected != plan.fingerprint:
        raise PlanChanged
    move_requests(session, plan.requests, reason=why, actor=actor, now=now)
    move_calls(session, plan.manager, plan.calls, actor=actor, now=now)
    session.flush()
    return plan


def lock(session: Session, requests: Iterable[Request], calls: Iterable[Callback], now: datetime) -> None:
    """Lock what may move, in the order of all writers, and the month: nobody changes the counts in between."""
    request_ids = sorted(one.id for one in requests)
    work.lock_items(session, WorkKind.REQUEST, request_ids)
    work.lock_items(session, WorkKind.CALLBACK, sorted(one.id for one in calls))
    for request_id in request_ids:
        locked_request(session, request_id)
    ledger_rows.lock_month(session, now)


def plan_requests(
    session: Session,
    picture: Reference,
    manager: ManagerRef,
    requests: Sequence[Request],
    now: datetime,
    *,
    picked: ManagerRef | None = None,
) -> tuple[RequestMove, ...]:
    """Return who would get each of these requests of a manager, in their order, each counting for the next.

    `picked` gets all of them, whatever his share. Otherwise the client's cover, else fair share in the team of the old
    holder (of the company, where he has no team), by the limits, pauses and absences that hold for rules.
    """
    if picked is not None:
        return tuple(RequestMove(one, picked) for one in requests)
    team = _TO_EVERYONE if manager.team_code is None else Pool("team", manager.team_code, "")
    received: dict[int, Candidate] = {}
    moves = []
    for request in requests:
        roster = whole_roster(session, request, now, just_lost=(manager.id,))
        roster = replace(roster, candidates={**roster.candidates, **received})
        owned = roster.owner == manager.id and roster.cover not in (None, manager.id)
        chosen, by = None, None
        for pool in (*([_TO_COVER] if owned else []), team):
            chosen, by = _picked(pool, roster), pool
            if chosen is not None:
                break
        if chosen is None:
            moves.append(RequestMove(request, None))
            continue
        known = roster.candidates[chosen]
        received[chosen] = replace(
            known,
            count=known.count + 1,
            value_minor=known.value_minor + (request.expected_value_minor or 0),
            last_received_us=to_us(now),
            open_requests=known.open_requests + 1,
            received_today=known.received_today + 1,
        )
        moves.append(RequestMove(request, picture.manager(chosen), is_cover=by is _TO_COVER))
    return tuple(moves)


def plan_calls(
    session: Session, picture: Reference, manager: ManagerRef, calls: Sequence[Callback], now: datetime
) -> tuple[CallMove, ...]:
    """Return who would make each of these calls: the client's cover if he is here, else whoever is due a call."""
    callers = Callers(session, picture, now)
    moves = []
    for call in calls:
        to = callers.present_cover(call.client.cover_id)
        if to is None or to.id == manager.id:
            to = callers.next_by_share(manager.id, besides=manager.id)
        if to is not None:
            callers.take(to, to_us(max(now, call.call_from)))
        moves.append(CallMove(call, to))
    return tuple(moves)


def move_requests(session: Session, moves: Iterable[RequestMove], *, reason: str, actor: str, now: datetime) -> int:
    """Hand over what somebody can take, each as a decision by hand; return how many. It is not counted for the old
    holder any more.
    """
    moved = 0
    for move in moves:
        if move.to is not None:
            reassignment.assign_by_hand(
                session, move.request, move.to, reason=reason, actor=actor, now=now, keep_debit=False
            )
            moved += 1
    return moved


def move_calls(session: Session, manager: ManagerRef, moves: Iterable[CallMove], *, actor: str, now: datetime) -> int:
    """Give the calls that somebody can make to him, and tell each once; return how many."""
    numbers: dict[int, int] = {}
    for move in moves:
        if move.to is None:
            continue
        move_call(session, move.call, move.to, now)
        numbers[move.to.user_id] = numbers.get(move.to.user_id, 0) + 1
        audit.record(
            session,
            actor=actor,
            action="move",
            subject_kind="callback",
            subject_id=move.call.id,
            before={"manager": manager.login},
            after={"manager": move.to.login},
        )
    for user_id, number in numbers.items():
        outbox.notify(
            session,
            user_ids=[user_id],
            subject={
                "ru": f"Вам переданы звонки, {manager.name}: {number}",
                "en": f"Calls of {manager.name} were given to you: {number}",
            },
            body={"ru": "Они в списке задач.", "en": "They stand in your list of tasks."},
            link="/my/",
            key=f"calls-of:{manager.id}:{now.isoformat()}",
            now=now,
        )
    return sum(numbers.values())


def _here(picture: Reference, manager_id: int, now: datetime) -> ManagerRef:
    manager = picture.manager(manager_id)
    if not manager.is_employed(now):
        raise InputError(
            path="manager", ru=f"{manager.name} не работает в компании", en=f"{manager.name} does not work here"
        )
    return manager


def _absence(manager: ManagerRef, now: datetime) -> tuple[tuple[datetime, datetime] | None, datetime]:
    """Return the absence that is to be written, None where it stands already, and when he is back."""
    start = now
    while (there := manager.absence_at(start)) is not None:
        start = there[1]
    until = manager.hours.end_of_current_or_next_working_day(now)
    # Where one more absence begins later today, that one takes over.
    until = min([until, *(span[0] for span in manager.absences if start < span[0] < until)])
    return ((start, until), until) if start < until else (None, start)


def _picked(pool: Pool, roster: Roster) -> int | None:
    action = Action("reassign", {"to": (pool,)}, "")
    return pick(action, reassignment.BY_HAND, roster).chosen


def _unanswered(session: Session, manager_id: int) -> list[Request]:
    return list(
        session.scalars(
            select(Request)
            .where(
                Request.manager_id == manager_id,
                Request.status.in_(OPEN_STATUSES),
                Request.is_history.is_(False),
                Request.first_answer_at.is_(None),
            )
            .options(joinedload(Request.client))
            .order_by(Request.answer_due_at.is_(None), Request.answer_due_at, Request.id)
        )
    )


def _due_calls(session: Session, manager_id: int, until: datetime) -> list[Callback]:
    return list(
        session.scalars(
            select(Callback)
            .join(Client, Client.id == Callback.client_id)
            .where(Callback.manager_id == manager_id, Callback.state.in_(OPEN), Callback.due_at <= until)
            .options(joinedload(Callback.client))
            .order_by(Callback.due_at, Callback.id)
        )
    )
