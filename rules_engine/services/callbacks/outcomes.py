"""How planned calls end: by a contact that was that call, by a purchase, by the client's wish, or unmade."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from rules_engine.decisions.callback_contacts import UNREACHED, finishes_call, is_valid, outcome_of
from rules_engine.models import (
    Callback,
    CallbackState,
    Client,
    Contact,
    OverdueAction,
    OverdueState,
    Payment,
    Task,
    TaskKind,
    TaskState,
    WorkKind,
)
from rules_engine.services.company.reference import reference
from rules_engine.services.queue import work
from rules_engine.services.records import settings_store
from rules_engine.services.requests import request_tasks
from rules_engine.services.rules import occasions

OPEN: Final = (CallbackState.PLANNED, CallbackState.OPEN)
Words = Mapping[str, str]
_NEXT_TRY_MINUTES: Final = 120

PURCHASE: Final = {"ru": "клиент купил, звонок больше не нужен", "en": "the client bought, the call is not needed"}
ASKED_NOT_TO: Final = {"ru": "клиент попросил не звонить", "en": "the client asked not to be called"}
ONE_CALL: Final = {"ru": "один звонок вместо двух", "en": "one call instead of two"}
SPOKEN_WITH: Final = {"ru": "с клиентом уже поговорили", "en": "somebody has spoken with the client"}


def contact_made(
    session: Session,
    contact: Contact,
    *,
    now: datetime,
    callback: Callback | None = None,
    next_at: datetime | None = None,
) -> Callback | None:
    """Let a contact finish the planned call that it was, and return that call; None where it was none.

    It is the call in somebody's list that is due first, of the manager who spoke or of the client's owner, and that
    was there when they spoke. `callback` names it, `next_at` the next attempt where nobody was reached. Whoever was
    reached is not called a second time.
    """
    if contact.client_id is None or contact.is_automatic:
        return None
    calls = _open_calls(session, contact.client_id)
    if callback is None:
        callback = next((call for call in calls if _is_of(session, call, contact)), None)
    if callback is None:
        return None
    outcome = outcome_of(contact.outcome, contact.duration_seconds)
    if outcome == "not_reached":
        _not_reached(session, callback, contact, next_at, now)
        return callback
    callback.is_valid = _counts(session, callback, contact)
    _finish(session, callback, contact, outcome, now)
    if outcome not in UNREACHED:
        for other in calls:
            if other.id != callback.id and other.state is CallbackState.OPEN:
                cancel(session, other, SPOKEN_WITH, now)
    return callback


def close_pointless(session: Session, client_id: int, payment_id: int, now: datetime) -> int:
    """Cancel the open calls that a purchase makes pointless; return how many. What was promised is kept.

    So is what follows a purchase, or has nothing to do with one.
    """
    closed = 0
    catalogue = occasions.catalogue(session)
    paid_at = session.scalar(select(Payment.paid_at).where(Payment.id == payment_id))
    for call in _open_calls(session, client_id):
        is_of_a_payment = call.cause.startswith("payment:")
        if call.cause == f"payment:{payment_id}" or not (is_of_a_payment or _is_before(call.created_at, paid_at)):
            continue
        codes = (call.occasion, *call.also)
        kept = [code for code in codes if not _ends(catalogue.get(code), code)]
        if not kept:
            cancel(session, call, PURCHASE, now)
            closed += 1
        elif len(kept) < len(codes):
            call.also = [code for code in call.also if code in kept]
    session.flush()
    return closed


def close_all(session: Session, client_id: int, because: Words, now: datetime) -> int:
    """Cancel every open call of a client; return how many there were."""
    calls = _open_calls(session, client_id)
    for call in calls:
        cancel(session, call, because, now)
    session.flush()
    return len(calls)


def cancel(session: Session, callback: Callback, because: Words, now: datetime) -> None:
    """Close a planned call unmade; its task leaves the list."""
    callback.state = CallbackState.CANCELLED
    callback.done_at = now
    callback.closed_because = dict(because)
    _leave_list(session, callback, now, outcome=None)


def open_task(session: Session, callback_id: int) -> Task | None:
    """Return the task of a call that stands in somebody's list."""
    return session.scalars(
        select(Task).where(
            Task.callback_id == callback_id, Task.kind == TaskKind.CALLBACK, Task.state == TaskState.OPEN
        )
    ).first()


def next_attempt(session: Session, manager_id: int, attempts: int, now: datetime) -> datetime:
    """Return when to try again whom nobody could reach: two working hours later, then on the next working day."""
    calendar = reference(session).calendar_of(manager_id)
    if attempts % 2 == 1:
        return calendar.add(now, _NEXT_TRY_MINUTES)
    return calendar.add_days(now, 1)


def try_again(session: Session, callback: Callback, at: datetime, now: datetime) -> Task | None:
    """Have a call stay in the list for its next attempt, due by the end of that working day; return its new task."""
    done = open_task(session, callback.id)
    callback.due_at = at
    if callback.manager_id is not None:
        calendar = reference(session).calendar_of(callback.manager_id)
        callback.due_at = max(at, calendar.end_of_current_or_next_working_day(at))
    work.ask(session, WorkKind.CALLBACK, callback.id, now)
    if done is None:
        return None
    request_tasks.finish(done, outcome="not_reached", note="", now=now)
    # Before the next one is added: two open ones are refused by the database.
    session.flush()
    number = callback.attempts + 1
    following = Task(
        kind=TaskKind.CALLBACK,
        manager_id=done.manager_id,
        client_id=done.client_id,
        callback_id=callback.id,
        decision_id=done.decision_id,
        title=dict(done.title),
        reason={
            "ru": f"не дозвонились, попытка {number}, не раньше {_moment(session, at, 'ru')}",
            "en": f"not reached, attempt {number}, not before {_moment(session, at, 'en')}",
        },
        rule=done.rule,
        created_at=now,
        due_at=callback.due_at,
    )
    session.add(following)
    session.flush()
    return following


def wake_actions(session: Session, manager_id: int | None, client_id: int, now: datetime) -> None:
    """Have what is proposed or in force because of overdue calls looked at: one of them was made or put off."""
    states = (OverdueState.PROPOSED, OverdueState.CONFIRMED)
    found = select(OverdueAction.id).where(
        OverdueAction.state.in_(states),
        (OverdueAction.manager_id == manager_id) | (OverdueAction.client_id == client_id),
    )
    for action_id in session.scalars(found.order_by(OverdueAction.id)).all():
        work.ask(session, WorkKind.OVERDUE_ACTION, action_id, now)


def _open_calls(session: Session, client_id: int) -> Sequence[Callback]:
    """Return the open calls of a client, locked, those in a list first and by due time."""
    ids = session.scalars(_OPEN_IDS, {"client": client_id}).all()
    if not ids:
        return []
    work.lock_items(session, WorkKind.CALLBACK, ids)
    calls = session.scalars(_OPEN_OF_CLIENT, {"client": client_id}).all()
    return sorted(calls, key=lambda call: (call.state is not CallbackState.OPEN, call.due_at, call.id))


_OPEN_IDS: Final = select(Callback.id).where(Callback.client_id == bindparam("client"), Callback.state.in_(OPEN))
_OPEN_OF_CLIENT: Final = (
    select(Callback)
    .where(Callback.client_id == bindparam("client"), Callback.state.in_(OPEN))
    .order_by(Callback.id)
    .with_for_update()
    .execution_options(populate_existing=True)
)


def _is_of(session: Session, call: Callback, contact: Contact) -> bool:
    if call.state is not CallbackState.OPEN or not finishes_call(contact.kind, contact.direction):
        return False
    if call.opened_at is not None and contact.at < call.opened_at:
        return False
    owner_id = session.scalar(select(Client.owner_id).where(Client.id == call.client_id))
    return contact.manager_id in (None, call.manager_id, owner_id)


def _not_reached(
    session: Session, callback: Callback, contact: Contact, next_at: datetime | None, now: datetime
) -> None:
    callback.attempts += 1
    callback.contact_id = contact.id
    caller_id = callback.manager_id or contact.manager_id
    if caller_id is None or callback.attempts >= settings_store.number(session, settings_store.CALL_ATTEMPTS):
        _finish(session, callback, contact, "not_reached", now)
        return
    try_again(session, callback, next_at or next_attempt(session, caller_id, callback.attempts, now), now)
    wake_actions(session, callback.manager_id, callback.client_id, now)


def _finish(session: Session, callback: Callback, contact: Contact, outcome: str, now: datetime) -> None:
    if outcome != "not_reached":
        callback.attempts += 1
    callback.state = CallbackState.DONE
    callback.outcome = outcome
    callback.outcome_reason = contact.reason
    callback.done_at = max(contact.at, callback.opened_at or contact.at)
    callback.contact_id = contact.id
    _leave_list(session, callback, now, outcome=outcome, note=contact.note)


def _leave_list(session: Session, callback: Callback, now: datetime, *, outcome: str | None, note: str = "") -> None:
    session.flush()
    for task in session.scalars(
        select(Task).where(Task.callback_id == callback.id, Task.state == TaskState.OPEN)
    ).all():
        if task.kind is TaskKind.CALLBACK and outcome is not None:
            request_tasks.finish(task, outcome=outcome, note=note, now=now)
        else:
            task.state = TaskState.CANCELLED
            task.done_at = now
    work.set_wake(session, WorkKind.CALLBACK, callback.id, None)
    wake_actions(session, callback.manager_id, callback.client_id, now)
    session.flush()


def _counts(session: Session, callback: Callback, contact: Contact) -> bool:
    """Return whether a contact is a valid one: long enough, and the first of this client in so many days."""
    minimum = settings_store.number(session, settings_store.VALID_CALL_SECONDS)
    outcome = outcome_of(contact.outcome, contact.duration_seconds) if contact.duration_seconds else contact.outcome
    if not is_valid(contact.kind, contact.direction, outcome, contact.duration_seconds, minimum):
        return False
    days = settings_store.number(session, settings_store.CALL_FREQUENCY_DAYS)
    earlier = select(func.count()).where(
        Callback.client_id == callback.client_id,
        Callback.is_valid,
        Callback.id != callback.id,
        Callback.done_at > contact.at - timedelta(days=days),
    )
    return not session.scalar(earlier)


def _is_before(created_at: datetime, paid_at: datetime | None) -> bool:
    return paid_at is not None and created_at <= paid_at


def _ends(occasion: Any, code: str) -> bool:
    return occasions.ends_with_purchase(code, is_offer=occasion is not None and occasion.is_offer)


def _moment(session: Session, at: datetime, lang: str) -> str:
    local = at.astimezone(reference(session).zone)
    return f"{local:%d.%m %H:%M}" if lang == "ru" else f"{local:%Y-%m-%d %H:%M}"
