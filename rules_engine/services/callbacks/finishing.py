"""Finishing a planned call with its outcome, or putting it off: what a person says who has made it, or has not."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.errors import Conflict, InputError
from rules_engine.models import Callback, CallbackState, Client, Task, WorkKind
from rules_engine.services.callbacks.outcomes import OPEN, open_task, wake_actions
from rules_engine.services.company.reference import reference
from rules_engine.services.queue import work
from rules_engine.services.records.incoming import ContactIn, ContactOutcome, Key
from rules_engine.services.requests import contacts, refusal_reasons, waiting

SOURCE: Final = "pravila"
_FARTHEST: Final = timedelta(days=3660)
_MAY_NAME_A_DAY: Final = frozenset({"answered", "thinks", "not_now", "refused", "order"})


def finish(
    session: Session,
    callback: Callback,
    *,
    outcome: ContactOutcome,
    reason: str | None = None,
    note: str = "",
    next_at: datetime | None = None,
    actor: str,
    now: datetime,
) -> Task | None:
    """Record the call with its outcome; return the task of the next attempt, None where the call is over.

    `thinks` needs `next_at`: the client is called then, as he asked. `refused` needs a reason of the list.
    `not_reached` is tried again at `next_at` or at the instant that is proposed, at most as often as the setting says.
    Raises InputError for these and for an instant that is not ahead, Conflict for a call that is over.
    """
    if next_at is not None:
        _check_ahead("next_at", next_at, now)
    elif outcome == "thinks":
        raise InputError(path="next_at", ru="до какого дня думает клиент", en="until when does the client think")
    if outcome == "refused":
        reason = refusal_reasons.check(session, reason)
    client = session.get_one(Client, callback.client_id)
    work.ask(session, WorkKind.CLIENT, client.id, now)
    _lock(session, callback, now)
    picture = reference(session)
    caller = picture.by_login(actor)
    login = caller.login if caller is not None else picture.login_of(callback.manager_id)
    data = ContactIn(
        source=SOURCE,
        external_id=f"callback:{callback.id}:{callback.attempts + 1}",
        at=now,
        outcome=outcome,
        reason=reason if outcome == "refused" else None,
        asked_to_call_at=next_at if outcome in _MAY_NAME_A_DAY else None,
        note=note,
        proof="by_hand",
        manager=login,
        client=Key(source=client.source, external_id=client.external_id),
    )
    contacts.record(session, data, now=now, actor=actor, callback=callback, next_at=next_at)
    session.flush()
    return open_task(session, callback.id) if callback.state is CallbackState.OPEN else None


def postpone(
    session: Session, callback: Callback, *, until: datetime, reason: str, actor: str, now: datetime
) -> Callback:
    """Put a call off, with a reason; it is counted. Raises InputError, Conflict for a call that is over."""
    clean = " ".join(reason.split())
    if not clean:
        raise InputError(path="reason", ru="нужна причина", en="needs a reason")
    _check_ahead("until", until, now)
    _lock(session, callback, now)
    callback.due_at = until
    callback.times_postponed += 1
    if callback.state is CallbackState.PLANNED:
        callback.call_from = until
    task = open_task(session, callback.id)
    if task is not None:
        task.due_at = until
        task.times_postponed = callback.times_postponed
        task.postpone_reason = clean[:500]
    wake_actions(session, callback.manager_id, callback.client_id, now)
    session.flush()
    waiting.someone_can_again(session, now)
    return callback


def callback_of(session: Session, task: Task) -> Callback:
    """Return the call that a task is about. Raises Conflict for a task that is about none."""
    found = session.get(Callback, task.callback_id) if task.callback_id is not None else None
    if found is None:
        raise Conflict(ru="это не плановый звонок", en="this is not a planned call")
    return found


def _lock(session: Session, callback: Callback, now: datetime) -> None:
    # Before the row is locked: see the order of locks in queue/work.py.
    work.ask(session, WorkKind.CALLBACK, callback.id, now)
    session.flush()
    session.scalars(
        select(Callback).where(Callback.id == callback.id).with_for_update().execution_options(populate_existing=True)
    ).one()
    if callback.state not in OPEN:
        raise Conflict(ru="этот звонок уже закрыт", en="this call is closed already")


def _check_ahead(path: str, instant: datetime, now: datetime) -> None:
    if instant <= now:
        raise InputError(path=path, ru="это время уже прошло", en="is not in the future")
    if instant > now + _FARTHEST:
        raise InputError(path=path, ru="дальше десяти лет вперёд", en="is more than ten years ahead")
