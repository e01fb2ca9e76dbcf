"""Planned calls and what followed from those that were not made, as rows: for pages and lists that only read them."""

from datetime import datetime
from itertools import count
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.models import (
    Callback,
    CallbackState,
    Client,
    Manager,
    Occasion,
    OverdueAction,
    OverdueKind,
    OverdueState,
    Task,
    TaskKind,
)
from tests.factories import MONDAY, at

TONIGHT = at("2026-10-05 18:00")
_numbers = count(1)


def make_occasion(session: Session, code: str = "need-soon", **more: Any) -> Occasion:
    """Add an occasion, unless the catalogue holds it already."""
    known = session.scalars(select(Occasion).where(Occasion.code == code)).first()
    if known is not None:
        return known
    values: dict[str, Any] = {
        "title": {"ru": "скоро понадобится", "en": "will soon be needed"},
        "script": {"ru": "Подходит срок продления, всё ли устраивает?", "en": "It is time to renew, is all well?"},
        **more,
    }
    row = Occasion(code=code, **values)
    session.add(row)
    session.flush()
    return row


def make_callback(
    session: Session, client: Client, manager: Manager | None, *, due_at: datetime = TONIGHT, **more: Any
) -> Callback:
    """Add a call that stands in its caller's list, with the task for it; PLANNED, DONE and CANCELLED have no open one.

    Nothing is decided and nobody is asked: see services.callbacks for that.
    """
    number = next(_numbers)
    state = more.pop("state", CallbackState.OPEN)
    values: dict[str, Any] = {
        "occasion": "need-soon",
        "cause": f"payment:{number}",
        "rule": "need-soon",
        "call_from": min(MONDAY, due_at),
        "created_at": MONDAY,
        "also": [],
        "script": {},
        "closed_because": {},
        **more,
    }
    row = Callback(
        client_id=client.id, manager_id=manager.id if manager else None, due_at=due_at, state=state, **values
    )
    session.add(row)
    session.flush()
    if state is CallbackState.OPEN and manager is not None:
        session.add(
            Task(
                kind=TaskKind.CALLBACK,
                manager_id=manager.id,
                client_id=client.id,
                callback_id=row.id,
                title={"ru": "плановый звонок", "en": "callback"},
                reason={"ru": "Прошло 57 дней: скоро понадобится продление", "en": "57 days have passed"},
                rule=row.rule,
                created_at=MONDAY,
                due_at=due_at,
            )
        )
        session.flush()
    return row


def make_overdue_action(
    session: Session,
    manager: Manager,
    *,
    kind: OverdueKind = OverdueKind.HOLD,
    state: OverdueState = OverdueState.PROPOSED,
    **more: Any,
) -> OverdueAction:
    """Add a proposal, or what became of one."""
    values: dict[str, Any] = {
        "rule": "calls-first" if kind is OverdueKind.HOLD else "neglected",
        "ground": {"ru": "Просрочено звонков: 5", "en": "Calls overdue: 5"},
        "until": "end_of_next_working_day" if kind is OverdueKind.HOLD else None,
        "overdue_callbacks_below": 3 if kind is OverdueKind.HOLD else None,
        "proposed_at": MONDAY,
        **more,
    }
    row = OverdueAction(manager_id=manager.id, kind=kind, state=state, **values)
    session.add(row)
    session.flush()
    return row
