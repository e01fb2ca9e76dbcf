"""Somebody leaves: his open requests go to others at once, his clients one by one over days, planned and shown."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session, joinedload

from rules_engine.decisions.client_spread import spread
from rules_engine.errors import InputError
from rules_engine.models import (
    OPEN_STATUSES,
    Callback,
    Client,
    ClientMove,
    Manager,
    MoveState,
    Payment,
    Request,
    UtcDateTime,
    WorkKind,
)
from rules_engine.services.callbacks.outcomes import OPEN
from rules_engine.services.company.reference import ManagerRef, Reference, reference
from rules_engine.services.leaving.departures import (
    CallMove,
    PlanChanged,
    RequestMove,
    fingerprint,
    lock,
    move_calls,
    move_requests,
    plan_calls,
    plan_requests,
)
from rules_engine.services.messages import outbox
from rules_engine.services.queue import work
from rules_engine.services.records import audit
from rules_engine.services.records.reading import rows

MOST_DAYS: Final = 60
BY_SHARE: Final = "share"
STAY: Final = "stay"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a head wants: from when on he no longer works, who takes his clients, from which day and over how many.

    `requests` is BY_SHARE, STAY, or the login of the one who gets all open requests.
    """

    left_on: date
    first_day: date
    days: int
    takers: tuple[int, ...]
    requests: str = BY_SHARE


@dataclass(frozen=True, slots=True)
class _OwnClient:
    """A client of who leaves, before it is known who gets him."""

    id: int
    name: str
    group_id: int | None
    revenue_minor: int


@dataclass(frozen=True, slots=True)
class ClientLine:
    """One client of the plan: his revenue of the last 365 days, who gets him and when."""

    client_id: int
    name: str
    revenue_minor: int
    to: ManagerRef
    at: datetime


@dataclass(frozen=True, slots=True)
class LeavingPlan:
    """What would be done. `calls` are those of his planned calls whose client is not among his own."""

    manager: ManagerRef
    wishes: Wishes
    requests: tuple[RequestMove, ...]
    clients: tuple[ClientLine, ...]
    calls: tuple[CallMove, ...]

    @property
    def fingerprint(self) -> str:
        clients = [f"k{one.client_id}>{one.to.id}@{one.at.date()}" for one in self.clients]
        return fingerprint(self.requests, self.calls, self.wishes, *clients)

    @property
    def by_taker(self) -> list[tuple[ManagerRef, int, int]]:
        """Who takes how many clients and how much revenue, in kopecks; by name."""
        number, revenue = Counter[int](), Counter[int]()
        people = {one.to.id: one.to for one in self.clients}
        for one in self.clients:
            number[one.to.id] += 1
            revenue[one.to.id] += one.revenue_minor
        return [(person, number[id_], revenue[id_]) for id_, person in sorted(people.items(), key=lambda p: p[1].name)]

    @property
    def by_day(self) -> list[tuple[datetime, int]]:
        """How many clients go on which day."""
        return sorted(Counter(one.at for one in self.clients).items())


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the plan of a manager is: rows by state, the planned ones and the last that were done."""

    counts: Mapping[MoveState, int]
    moves: tuple[ClientMove, ...]

    @property
    def planned(self) -> int:
        return self.counts.get(MoveState.PLANNED, 0)

    @property
    def done(self) -> int:
        return self.counts.get(MoveState.DONE, 0)


def plan_leaving(session: Session, manager_id: int, wishes: Wishes, now: datetime) -> LeavingPlan:
    """Return what a leaving would do; nothing is written. A client with a planned move already is left out.

    Raises InputError with the path of what cannot be: `left_on`, `first_day`, `days`, `takers`, `requests`.
    """
    picture = reference(session)
    manager = picture.manager(manager_id)
    _check(picture, manager, wishes, now)
    requests = _open_requests(session, manager_id) if wishes.requests != STAY else []
    picked = None if wishes.requests in (BY_SHARE, STAY) else _taker(picture, wishes, manager, now)
    clients = _clients(session, manager_id, now)
    return LeavingPlan(
        manager,
        wishes,
        plan_requests(session, picture, manager, requests, now, picked=picked),
        _lines(picture, clients, wishes, now),
        plan_calls(session, picture, manager, _calls_elsewhere(session, manager_id), now),
    )


def leave(
    session: Session,
    manager_id: int,
    wishes: Wishes,
    *,
    actor: str,
    now: datetime,
    reason: str = "",
    expected: str | None = None,
) -> LeavingPlan:
    """Carry a plan out and return it: requests and other people's calls move now, each client on his day.

    `reason` stands in the history of each request. Raises PlanChanged where `expected`, the fingerprint of the preview,
    no longer holds, and what `plan_leaving` does.
    """
    # First of all: items are locked before the month of the ledger is.
    work.wake_open_requests(session, now, manager_ids=(manager_id,))
    lock(session, _open_requests(session, manager_id), _calls_elsewhere(session, manager_id), now)
    plan = plan_leaving(session, manager_id, wishes, now)
    if expected is not None and expected != plan.fingerprint:
        raise PlanChanged
    manager = session.get_one(Manager, manager_id)
    before = manager.left_on
    manager.left_on = wishes.left_on
    audit.record(
        session,
        actor=actor,
        action="leave",
        subject_kind="manager",
        subject_id=plan.manager.login,
        before={"left_on": before},
        after={
            "left_on": wishes.left_on,
            "requests": len(plan.requests),
            "clients": len(plan.clients),
            "days": wishes.days,
        },
    )
    session.flush()
    why = reason or f"Уход: {plan.manager.name}"
    move_requests(session, plan.requests, reason=why, actor=actor, now=now)
    move_calls(session, plan.manager, plan.calls, actor=actor, now=now)
    moves = [
        ClientMove(
            client_id=line.client_id,
            from_manager_id=manager_id,
            to_manager_id=line.to.id,
            at=line.at,
            made_at=now,
            made_by=actor,
        )
        for line in plan.clients
    ]
    session.add_all(moves)
    session.flush()
    for move in moves:
        work.ask(session, WorkKind.CLIENT_MOVE, move.id, move.at)
    _tell(session, plan, now)
    return plan


def cancel(session: Session, manager_id: int, *, actor: str, now: datetime) -> int:
    """Cancel the planned moves of a manager's clients, and his leaving if it is to come; return how many.

    What has moved already stays where it is.
    """
    theirs = (ClientMove.from_manager_id == manager_id, ClientMove.state == MoveState.PLANNED)
    # Before the rows are locked, as the agenda does it.
    work.lock_items(session, WorkKind.CLIENT_MOVE, session.scalars(select(ClientMove.id).where(*theirs)).all())
    planned = session.scalars(select(ClientMove).where(*theirs).order_by(ClientMove.id).with_for_update()).all()
    for move in planned:
        move.state = MoveState.CANCELLED
        work.set_wake(session, WorkKind.CLIENT_MOVE, move.id, None)
    manager = session.get_one(Manager, manager_id)
    before = manager.left_on
    if before is not None and before > reference(session).day_of(now):
        manager.left_on = None
    audit.record(
        session,
        actor=actor,
        action="cancel_leaving",
        subject_kind="manager",
        subject_id=manager.login,
        before={"left_on": before, "planned": len(planned)},
        after={"left_on": manager.left_on},
    )
    session.flush()
    work.wake_open_requests(session, now, manager_ids=(manager_id,))
    return len(planned)


def progress_of(session: Session, manager_id: int, *, limit: int = 500) -> Progress | None:
    """Return how far the plan is, the next moves first, then what was done; None where there never was one."""
    counted = session.execute(
        select(ClientMove.state, func.count())
        .where(ClientMove.from_manager_id == manager_id)
        .group_by(ClientMove.state)
    ).all()
    if not counted:
        return None
    moves = session.scalars(
        select(ClientMove)
        .where(ClientMove.from_manager_id == manager_id)
        .options(joinedload(ClientMove.client), joinedload(ClientMove.to_manager))
        .order_by(ClientMove.state != MoveState.PLANNED, ClientMove.at, ClientMove.id)
        .limit(limit)
    ).all()
    return Progress({row[0]: row[1] for row in counted}, tuple(moves))


def first_day_after(picture: Reference, now: datetime) -> date:
    """Return the next working day of the company after today: from then on clients go by default."""
    return picture.company_calendar.add_working_days(picture.day_of(now) + timedelta(days=1), 0)


def _check(picture: Reference, manager: ManagerRef, wishes: Wishes, now: datetime) -> None:
    today = picture.day_of(now)
    if wishes.left_on < today and manager.left_at is None:
        raise InputError(path="left_on", ru="этот день уже прошёл", en="this day has passed")
    if manager.hired_at is not None and picture.start_of_day(wishes.left_on) < manager.hired_at:
        raise InputError(path="left_on", ru="раньше первого рабочего дня", en="before the first working day")
    if wishes.first_day < today:
        raise InputError(path="first_day", ru="этот день уже прошёл", en="this day has passed")
    if not 1 <= wishes.days <= MOST_DAYS:
        raise InputError(
            path="days", ru=f"нужно от 1 до {MOST_DAYS} рабочих дней", en=f"1 to {MOST_DAYS} working days are needed"
        )
    for taker_id in wishes.takers:
        taker = picture.manager(taker_id)
        if taker.id == manager.id or not taker.is_employed(now):
            raise InputError(
                path="takers", ru=f"{taker.name} не может принять клиентов", en=f"{taker.name} cannot take clients"
            )


def _taker(picture: Reference, wishes: Wishes, manager: ManagerRef, now: datetime) -> ManagerRef:
    found = picture.by_login(wishes.requests)
    if found is None or found.id == manager.id or not found.is_employed(now):
        raise InputError(path="requests", ru="выберите того, кто работает", en="choose somebody who works here")
    return found


def _lines(picture: Reference, clients: list[_OwnClient], wishes: Wishes, now: datetime) -> tuple[ClientLine, ...]:
    if clients and not wishes.takers:
        raise InputError(path="takers", ru="выберите, кто примет клиентов", en="choose who takes the clients")
    calendar = picture.company_calendar
    days = [calendar.add_working_days(wishes.first_day, number) for number in range(wishes.days)]
    instants = [max(now, calendar.next_open(picture.start_of_day(day)) or now) for day in days]
    # Firms of one group have one owner: they go to the same one on the same day, as if they were one client.
    together: dict[int, list[_OwnClient]] = {}
    first_of: dict[int, int] = {}
    for one in clients:
        first = one.id if one.group_id is None else first_of.setdefault(one.group_id, one.id)
        together.setdefault(first, []).append(one)
    worth = [(first, sum(one.revenue_minor for one in firms)) for first, firms in together.items()]
    return tuple(
        ClientLine(one.id, one.name, one.revenue_minor, picture.manager(place.taker), instants[place.day])
        for place in spread(worth, wishes.takers, wishes.days)
        for one in together[place.client_id]
    )


def _open_requests(session: Session, manager_id: int) -> list[Request]:
    return list(
        session.scalars(
            select(Request)
            .where(
                Request.manager_id == manager_id,
                Request.status.in_(OPEN_STATUSES),
                Request.is_history.is_(False),
            )
            .options(joinedload(Request.client))
            .order_by(Request.first_answer_at.is_not(None), Request.answer_due_at, Request.id)
        )
    )


def _clients(session: Session, manager_id: int, now: datetime) -> list[_OwnClient]:
    """Return the clients that have no planned move, with their revenue of the last 365 days."""
    found = rows(session, _OWN, {"manager": manager_id, "since": now - timedelta(days=365), "now": now})
    return [_OwnClient(row.id, row.name, row.group_id, int(row.revenue or 0)) for row in found]


_PAID: Final = (
    select(func.sum(Payment.amount_minor))
    .where(
        Payment.client_id == Client.id,
        Payment.paid_at > bindparam("since", type_=UtcDateTime()),
        Payment.paid_at <= bindparam("now", type_=UtcDateTime()),
    )
    .correlate(Client)
    .scalar_subquery()
)
_OWN: Final = (
    select(Client.id, Client.name, Client.group_id, _PAID.label("revenue"))
    .where(
        Client.owner_id == bindparam("manager"),
        ~select(ClientMove.id)
        .where(ClientMove.client_id == Client.id, ClientMove.state == MoveState.PLANNED)
        .correlate(Client)
        .exists(),
    )
    .order_by(Client.id)
)


def _calls_elsewhere(session: Session, manager_id: int) -> list[Callback]:
    """Return his open calls to clients who are not his: no plan of clients would carry them along."""
    return list(
        session.scalars(
            select(Callback)
            .join(Client, Client.id == Callback.client_id)
            .where(
                Callback.manager_id == manager_id,
                Callback.state.in_(OPEN),
                Client.owner_id.is_distinct_from(manager_id),
            )
            .options(joinedload(Callback.client))
            .order_by(Callback.due_at, Callback.id)
        )
    )


def _tell(session: Session, plan: LeavingPlan, now: datetime) -> None:
    """Write to each who takes clients how many come to him, once."""
    for taker, number, _revenue in plan.by_taker:
        own = sorted(line.at for line in plan.clients if line.to.id == taker.id)
        zone = reference(session).zone
        first, last = (f"{at.astimezone(zone):%d.%m.%Y}" for at in (own[0], own[-1]))
        outbox.notify(
            session,
            user_ids=[taker.user_id],
            subject={
                "ru": f"К вам переходят клиенты, {plan.manager.name}: {number}",
                "en": f"Clients of {plan.manager.name} come to you: {number}",
            },
            body={
                "ru": f"С {first} по {last}; каждый появится среди ваших клиентов в свой день.",
                "en": f"From {first} to {last}; each appears among your clients on his day.",
            },
            link="/clients/",
            key=f"leaving:{plan.manager.id}:{taker.id}:{now.isoformat()}",
            now=now,
        )
