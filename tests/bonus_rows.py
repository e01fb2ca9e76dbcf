"""Rows that bonuses are counted from, added as they are: money with its credits, plans, planned calls, assignments."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from rules_engine.models import (
    Assignment,
    AssignmentCause,
    Callback,
    CallbackState,
    Client,
    LedgerEntry,
    Manager,
    MoneyClass,
    Payment,
    PaymentCredit,
    Plan,
    Request,
    Task,
    TaskKind,
    TaskState,
)
from tests.factories import at, make_client, make_payment, make_request

NEW, OLD = MoneyClass.NEW, MoneyClass.OLD


def credit(
    session: Session,
    manager: Manager,
    day: str,
    amount_minor: int,
    money_class: MoneyClass = NEW,
    *,
    client: Client | None = None,
    request: Request | None = None,
    vat_minor: int | None = None,
    booked_at: datetime | None = None,
) -> Payment:
    """Add a payment of that day and its whole credit."""
    payment = make_payment(
        session,
        client or make_client(session),
        at(f"{day} 12:00"),
        amount_minor,
        manager=manager,
        money_class=money_class,
        vat_minor=vat_minor,
    )
    payment.request_id = request.id if request else None
    payment.booked_at = booked_at or payment.paid_at
    session.add(
        PaymentCredit(
            payment_id=payment.id,
            manager_id=manager.id,
            amount_minor=amount_minor,
            vat_minor=vat_minor or 0,
            month=payment.month,
            money_class=money_class,
            cause="owner",
        )
    )
    session.flush()
    return payment


def plan(session: Session, manager: Manager, month: str, new: int | None, old: int | None, number: int = 1) -> Plan:
    """Add a plan in roubles."""
    row = Plan(
        month=month,
        manager_id=manager.id,
        number=number,
        new_minor=None if new is None else new * 100,
        old_minor=None if old is None else old * 100,
        made_at=at(f"{month}-01 00:00"),
        made_by="galina",
    )
    session.add(row)
    session.flush()
    return row


def call(
    session: Session,
    manager: Manager,
    client: Client,
    due_at: datetime,
    *,
    done_at: datetime | None = None,
    **more: Any,
) -> Callback:
    """Add a planned call; with `done_at` it is done and counts, unless told otherwise."""
    values: dict[str, Any] = {
        "occasion": "lapsing",
        "cause": f"test:{id(due_at)}-{due_at.isoformat()}",
        "rule": "lapsing",
        "state": CallbackState.DONE if done_at else CallbackState.OPEN,
        "is_valid": done_at is not None,
        **more,
    }
    row = Callback(
        client_id=client.id,
        manager_id=manager.id,
        due_at=due_at,
        call_from=due_at,
        created_at=due_at,
        done_at=done_at,
        **values,
    )
    session.add(row)
    session.flush()
    return row


def held(
    session: Session,
    manager: Manager,
    assigned: str,
    *,
    answered: str | None = None,
    due: str | None = None,
    month: str | None = None,
    **more: Any,
) -> Request:
    """Add a request that a manager was given, with its assignment and its entry in the ledger."""
    assigned_at = at(assigned)
    answered_at = at(answered) if answered else None
    due_at = at(due) if due else None
    request = make_request(
        session,
        received_at=assigned_at,
        wake=False,
        manager_id=manager.id,
        assigned_at=assigned_at,
        first_answer_at=answered_at,
        answer_due_at=due_at,
        **{"status": "assigned", **more},
    )
    assignment = Assignment(
        request_id=request.id,
        manager_id=manager.id,
        assigned_at=assigned_at,
        cause=AssignmentCause.RULE,
        answer_due_at=due_at,
        first_answer_at=answered_at,
    )
    session.add(assignment)
    session.flush()
    entry(session, request, manager, assigned_at, 1, "rule", month)
    return request


def entry(
    session: Session,
    request: Request,
    manager: Manager,
    instant: datetime,
    delta: int,
    cause: str,
    month: str | None = None,
) -> None:
    session.add(
        LedgerEntry(
            at=instant,
            month=month or f"{instant:%Y-%m}",
            request_id=request.id,
            manager_id=manager.id,
            delta=delta,
            value_minor=0,
            cause=cause,
        )
    )
    session.flush()


def next_step(
    session: Session, request: Request, manager: Manager, made: str, due: str, done: str, outcome: str = "answered"
) -> None:
    """Add a finished task about the next step of a request."""
    session.add(
        Task(
            kind=TaskKind.REQUEST,
            manager_id=manager.id,
            request_id=request.id,
            title={},
            reason={},
            state=TaskState.DONE,
            created_at=at(made),
            due_at=at(due),
            done_at=at(done),
            outcome=outcome,
        )
    )
    session.flush()
