"""How the invented managers work: some answer everything, some pick the large requests and let the small ones lie.

Each step is an arrival of kind `demo` that lays down the next one, so that the managers act through the same services
and under the same clock as everything else. The same seed gives the same deeds.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from rules_engine.demo import payments
from rules_engine.demo.requests import mean_amount_rank, median_amount
from rules_engine.models import Assignment, Client, Request, RequestStatus, Task, TaskKind, TaskState
from rules_engine.services.company.reference import ManagerRef, reference
from rules_engine.services.records.incoming import ContactIn, ContactOutcome
from rules_engine.services.requests import client_on_the_line, contacts, intake, request_tasks, status, tasks
from rules_engine.services.rules import modes
from rules_engine.services.running.replay import lay_down

KIND = "demo"
SOURCE = "demo"
TELEPHONY = "telephony"
BY_TELEPHONY = 0.7
"""Share of first answers that telephony reports by itself; the others are marked by hand only."""
ASKS_FOR_TIME = 0.1
"""Share of looks without an answer at which the manager has the client on the line."""
GIVE_UP_AFTER = timedelta(days=21)
_HELD = select(Assignment).where(Assignment.request_id == bindparam("request"), Assignment.ended_at.is_(None))
_CALLS = (
    select(Task)
    .where(
        Task.manager_id == bindparam("manager"),
        Task.kind == TaskKind.CALLBACK,
        Task.state == TaskState.OPEN,
        Task.created_at < bindparam("now"),
    )
    .order_by(Task.due_at, Task.id)
    .limit(8)
)
REFUSALS = ("expensive", "postponed", "rival", "no_need", "other")


@dataclass(frozen=True, slots=True)
class Character:
    """A manager's habits. `diligence`: share of middling requests that he answers by himself; `taste`: how much more
    gladly he answers large ones; `pace`: working minutes to an answer, the median; `skill`: how well he sells;
    `calls`: share of the calls on his list that he makes on a day."""

    diligence: float
    taste: float
    pace: float
    skill: float
    calls: float

    @classmethod
    def of(cls, login: str, seed: int) -> "Character":
        random = Random(f"{seed}:character:{login}")
        return cls(
            diligence=random.uniform(0.72, 0.99),
            taste=random.choice((0.02, 0.05, 0.1, 0.35, 0.6)),
            pace=random.uniform(3, 13),
            skill=random.uniform(0.75, 1.25),
            calls=random.choice((0.15, 0.4, 0.6, 0.8, 0.95)),
        )

    def will_answer(self, rank: float) -> float:
        """Return how likely he answers a request of this rank (0 small, 1 large) by himself."""
        return min(0.99, max(0.08, self.diligence + self.taste * (rank - 0.6)))


@dataclass(frozen=True, slots=True)
class Actors:
    """Carries out the steps. `idle` are logins that the demo leaves to the person who tries it.

    `hurried`: what takes days in the history takes minutes, so that a live demo shows requests that end.
    """

    seed: int
    idle: frozenset[str] = frozenset()
    hurried: bool = False

    def act(self, session: Session, payload: dict[str, Any], now: datetime) -> None:
        """Do one step of the life of a request, or of a day of calls, and lay down the next."""
        if "mode" in payload:
            modes.set_mode(session, "callbacks", payload["mode"], actor="svetlana", now=now)
            return
        if "manager" in payload:
            self._call(session, payload, now)
            return
        request = intake.by_key(session, SOURCE, payload["request"])
        if request is None or not request.status.is_open or now - request.received_at > GIVE_UP_AFTER:
            return
        random = Random(f"{self.seed}:{payload['request']}:{payload['number']}")
        held = session.scalars(_HELD, {"request": request.id}).one_or_none()
        if held is None:
            self._next(session, payload, "look", now + timedelta(minutes=30))
            return
        manager = reference(session).manager(held.manager_id)
        if manager.login in self.idle:
            self._next(session, payload, "look", now + timedelta(minutes=30))
        elif payload["step"] == "look" or payload.get("assignment") != held.id:
            self._look(session, payload, request, held, manager, random, now)
        elif payload["step"] == "answer":
            self._answer(session, payload, request, manager, random, now)
        else:
            self._close(session, payload, request, manager, random, now)

    def _look(
        self, session: Session, payload: dict[str, Any], request: Request, held: Assignment, manager: ManagerRef,
        random: Random, now: datetime,
    ) -> None:  # fmt: skip
        calendar = reference(session).calendar_of(manager.id)
        character = Character.of(manager.login, self.seed)
        rank = mean_amount_rank(request.service or "", request.amount_minor)
        # Who let it lie once is told by the reminders, and a second look is a little more willing.
        if random.random() < character.will_answer(rank) + 0.1 * payload.get("looks", 0):
            pace = character.pace * (1.5 - 0.8 * rank if character.taste > 0.3 else 1)
            minutes = max(2, min(400, round(pace * math.exp(random.gauss(0, 0.7)))))
            due = max(calendar.add(held.assigned_at, minutes), now + timedelta(minutes=1))
            self._next(session, payload, "answer", due, assignment=held.id)
        else:
            if random.random() < ASKS_FOR_TIME and client_on_the_line.can_ask(request, manager.id):
                client_on_the_line.ask_for_time(
                    session, request, manager_id=manager.id, actor=manager.login, now=now
                )  # fmt: skip
            later = calendar.add(now, random.randint(70, 200))
            self._next(session, payload, "look", later, looks=payload.get("looks", 0) + 1)

    def _answer(
        self, session: Session, payload: dict[str, Any], request: Request, manager: ManagerRef, random: Random,
        now: datetime,
    ) -> None:  # fmt: skip
        calendar = reference(session).calendar_of(manager.id)
        if request.first_answer_at is None and random.random() < BY_TELEPHONY:
            _ring(session, payload, request, manager, random, now)
        task = request_tasks.open_task(session, request.id)
        if task is None:
            return
        outcomes: tuple[ContactOutcome, ...] = ("answered", "thinks", "not_reached")
        outcome = random.choices(outcomes, (50, 28, 22))[0]
        days = random.choice((1, 1, 2, 3)) if outcome != "not_reached" else 1
        if self.hurried:
            at = now + timedelta(minutes=random.randint(2, 15) * days)
        else:
            at = calendar.add_days(now, days) + timedelta(minutes=random.randint(0, 90))
        if outcome == "answered" and random.random() < 0.08:
            # Forgotten: the rules about requests without a next step will find it.
            tasks.complete(session, task, outcome=outcome, actor=manager.login, now=now)
            return
        tasks.complete(session, task, outcome=outcome, next_at=at, actor=manager.login, now=now)
        if outcome == "not_reached" and request.contact_attempts < 4:
            self._next(session, payload, "answer", at, assignment=payload["assignment"])
            return
        if outcome == "thinks" and random.random() < 0.5 and request.status == RequestStatus.IN_PROGRESS:
            status.change_status(
                session, request, RequestStatus.WAITING_CLIENT, reason=None, at=now, actor=manager.login, now=now
            )
        self._next(session, payload, "close", at, assignment=payload["assignment"])

    def _close(
        self, session: Session, payload: dict[str, Any], request: Request, manager: ManagerRef, random: Random,
        now: datetime,
    ) -> None:  # fmt: skip
        character = Character.of(manager.login, self.seed)
        rank = mean_amount_rank(request.service or "", request.amount_minor)
        kind = random.random()
        if kind < 0.03:
            closing, reason = RequestStatus.SPAM, None
        elif kind < 0.03 + 0.36 * character.skill * (1.15 - 0.4 * rank):
            closing, reason = RequestStatus.WON, None
        else:
            closing, reason = RequestStatus.LOST, random.choice(REFUSALS)
        status.change_status(session, request, closing, reason=reason, at=now, actor=manager.login, now=now)
        if closing is RequestStatus.WON and request.client is not None:
            amount = Decimal(request.amount_minor).scaleb(-2) if request.amount_minor else None
            service = request.service or ""
            due = payments.of_request(
                request.external_id, amount or median_amount(service), service, None, now, random,
                days=0.001 if self.hurried else 1,
            )  # fmt: skip
            for payment in due:
                _lay_down_payment(session, payment, request.client)

    def _call(self, session: Session, payload: dict[str, Any], now: datetime) -> None:
        """Make some of the calls on a manager's list, and come back on his next working day."""
        manager = reference(session).by_login(payload["manager"])
        if manager is None or manager.login in self.idle:
            return
        random = Random(f"{self.seed}:calls:{manager.login}:{payload['number']}")
        calendar = reference(session).calendar_of(manager.id)
        if calendar.is_open(now):
            character = Character.of(manager.login, self.seed)
            for task in session.scalars(_CALLS, {"manager": manager.id, "now": now}).all():
                if random.random() < character.calls:
                    self._call_one(session, task, manager, random, now)
        tomorrow = calendar.add_days(now, 1)
        at = calendar.add(tomorrow.replace(hour=0, minute=0), random.randint(30, 400))
        first_calls(session, manager.login, max(at, now + timedelta(hours=1)), payload["number"] + 1)

    def _call_one(self, session: Session, task: Task, manager: ManagerRef, random: Random, now: datetime) -> None:
        known: tuple[ContactOutcome, ...] = (
            "not_reached", "answered", "not_now", "thinks", "order", "refused", "do_not_call", "wrong_number",
        )  # fmt: skip
        outcome = random.choices(known, (30, 24, 14, 12, 11, 6, 2, 1))[0]
        again = None
        if outcome == "thinks":
            again = reference(session).calendar_of(manager.id).add_days(now, random.randint(2, 6))
        reason = random.choice(REFUSALS) if outcome == "refused" else None
        client = task.client
        tasks.complete(session, task, outcome=outcome, next_at=again, reason=reason, actor=manager.login, now=now)
        if outcome == "order" and client is not None:
            service = random.choice(tuple(payments.PAUSE_DAYS))
            number = f"Z-{task.id}"
            for payment in payments.of_request(number, median_amount(service), service, None, now, random):
                _lay_down_payment(session, payment.without_request(), client)

    def _next(self, session: Session, payload: dict[str, Any], step: str, at: datetime, **more: Any) -> None:
        number = payload["number"] + 1
        kept = {"request": payload["request"], "number": number, "step": step, "looks": payload.get("looks", 0), **more}
        lay_down(session, KIND, SOURCE, f"{payload['request']}:{number}", at, kept)


def _ring(
    session: Session, payload: dict[str, Any], request: Request, manager: ManagerRef, random: Random, now: datetime
) -> None:
    """Let telephony report a call; how it went the manager says when he finishes his task."""
    call = {
        "source": TELEPHONY,
        "external_id": f"{payload['request']}:{payload['number']}",
        "request": {"source": request.source, "external_id": request.external_id},
        "manager": manager.login,
        "at": now,
        "duration_seconds": random.randint(40, 900),
        "proof": "confirmed",
    }
    contacts.record(session, ContactIn.model_validate(call), now=now, actor=f"api:{TELEPHONY}")


def _lay_down_payment(session: Session, payment: payments.InventedPayment, client: Client) -> None:
    key = {"source": client.source, "external_id": client.external_id}
    lay_down(session, "payment", SOURCE, payment.external_id, payment.paid_at, payment.document(SOURCE, key))


def first_calls(session: Session, login: str, at: datetime, number: int = 0) -> None:
    """Have a manager look at the calls on his list at an instant; he goes on by himself from then."""
    payload = {"manager": login, "number": number}
    lay_down(session, KIND, SOURCE, f"calls:{login}:{number}", at, payload)


def switch_calls(session: Session, mode: str, at: datetime) -> None:
    """Have a head switch the rules of callbacks at an instant."""
    lay_down(session, KIND, SOURCE, f"mode:{mode}", at, {"mode": mode})


def first_look(session: Session, external_id: str, at: datetime) -> None:
    """Have the managers see a new request a moment after it was shared out."""
    payload = {"request": external_id, "number": 0, "step": "look", "looks": 0}
    lay_down(session, KIND, SOURCE, f"{external_id}:0", at, payload)
