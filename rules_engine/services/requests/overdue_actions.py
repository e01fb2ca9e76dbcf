"""What is proposed because something was not done: a hold of a manager's new requests, another owner for a client.

A rule proposes, a head confirms or declines with a reason. A hold ends by itself: when its time is over, or as soon as
the manager has few enough overdue calls. Nothing here is a judgement about a person: every row says its ground.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import Select, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from rules_engine.db import is_sqlite
from rules_engine.errors import Conflict, InputError
from rules_engine.models import (
    Callback,
    CallbackState,
    Client,
    OverdueAction,
    OverdueKind,
    OverdueState,
    Task,
    TaskKind,
    TaskState,
    WorkKind,
)
from rules_engine.services.callbacks.outcomes import OPEN
from rules_engine.services.callbacks.people import Callers
from rules_engine.services.clients.clients import firms_of, share_owner, wake_requests
from rules_engine.services.company.people import find_manager
from rules_engine.services.company.reference import HoldRef, ManagerRef, reference, reference_changed
from rules_engine.services.messages import outbox
from rules_engine.services.queue import work
from rules_engine.services.records import audit, settings_store
from rules_engine.services.requests import waiting
from rules_engine.services.rules import journal

_ACTIONS: Final = cast(Table, OverdueAction.__table__)
LINK: Final = "/overdue/"
TITLES: Final[Mapping[OverdueKind, Mapping[str, str]]] = {
    OverdueKind.HOLD: {
        "ru": "предлагается приостановить менеджеру новые заявки",
        "en": "a hold on new requests of the manager is proposed",
    },
    OverdueKind.RELEASE: {
        "ru": "предлагается передать клиента другому менеджеру",
        "en": "it is proposed that the client goes to another manager",
    },
}


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a rule wants done. `since` is when its ground arose; `is_repeated` that the rule repeats itself."""

    kind: OverdueKind
    manager_id: int
    rule: str
    ground: Mapping[str, str]
    since: datetime
    decision_id: int | None = None
    client_id: int | None = None
    callback_id: int | None = None
    request_id: int | None = None
    until: str | None = None
    overdue_callbacks_below: int | None = None
    is_repeated: bool = False


def propose(session: Session, wanted: Proposal, now: datetime, *, tell: bool = True) -> int | None:
    """Write a proposal and (unless somebody else does) tell the head; return its id, None where none is made.

    None is made while one is open, nor after a declined one unless something new has happened since, nor beyond the
    holds of a month that the setting allows: then the head is told to talk to the manager.
    """
    subject = (
        OverdueAction.manager_id == wanted.manager_id
        if wanted.kind is OverdueKind.HOLD
        else OverdueAction.client_id == wanted.client_id
    )
    last = session.scalars(
        select(OverdueAction)
        .where(OverdueAction.kind == wanted.kind, subject)
        .order_by(OverdueAction.id.desc())
        .limit(1)
        .with_for_update()
    ).first()
    if last is not None:
        holds_on = wanted.kind is OverdueKind.HOLD and last.state is OverdueState.CONFIRMED
        if last.state is OverdueState.PROPOSED or holds_on:
            return None
        answered_at = last.answered_at or last.proposed_at
        if last.state is OverdueState.DECLINED and not wanted.is_repeated and wanted.since <= answered_at:
            return None
    if wanted.kind is OverdueKind.HOLD and _holds_this_month(session, wanted.manager_id, now) >= settings_store.number(
        session, settings_store.MAX_HOLDS
    ):
        _tell_to_talk(session, wanted, now)
        return None
    values = {
        "kind": wanted.kind,
        "state": OverdueState.PROPOSED,
        "manager_id": wanted.manager_id,
        "client_id": wanted.client_id,
        "callback_id": wanted.callback_id,
        "request_id": wanted.request_id,
        "rule": wanted.rule,
        "decision_id": wanted.decision_id,
        "ground": dict(wanted.ground),
        "until": wanted.until,
        "overdue_callbacks_below": wanted.overdue_callbacks_below,
        "proposed_at": now,
    }
    # Two workers may propose the same at once: the partial unique keys let one of them.
    insert = (sqlite.insert if is_sqlite(session) else postgresql.insert)(_ACTIONS)
    action_id: int | None = session.connection().scalar(
        insert.on_conflict_do_nothing().returning(_ACTIONS.c.id), values
    )
    if action_id is None:
        return None
    if tell:
        _notify_heads(session, wanted, f"overdue-action:{action_id}", TITLES[wanted.kind], now)
    return action_id


def confirm(
    session: Session, action: OverdueAction, actor: str, now: datetime, *, new_owner: str | None = None
) -> None:
    """Put a proposal into force: the hold begins, or the client goes to `new_owner` (a login).

    Without `new_owner` fair share among the others of the team says who gets the client. Raises Conflict for one that
    was answered already and where nobody can take the client, UnknownManager, InputError for the present owner.
    """
    if action.kind is OverdueKind.RELEASE:
        # Before the proposal: see the order of locks in queue/work.py.
        work.lock_items(session, WorkKind.CALLBACK, session.scalars(_calls_along(session, action)).all())
    _lock_open(session, action, now)
    if action.kind is OverdueKind.HOLD:
        action.ends_at = _end_of(session, action, now)
        work.ask(session, WorkKind.OVERDUE_ACTION, action.id, action.ends_at, replace=True)
    else:
        _release(session, action, actor, now, new_owner)
    _answer(session, action, OverdueState.CONFIRMED, actor, now, "")
    if action.kind is OverdueKind.HOLD:
        reference_changed(session)
        _tell_manager(session, action, now)


def decline(session: Session, action: OverdueAction, actor: str, now: datetime, *, reason: str) -> None:
    """Leave everything as it is, with a reason. Raises InputError without one, Conflict for what was answered."""
    clean = " ".join(reason.split())
    if not clean:
        raise InputError(path="reason", ru="нужна причина", en="needs a reason")
    _lock_open(session, action, now)
    _answer(session, action, OverdueState.DECLINED, actor, now, clean[:500])
    work.set_wake(session, WorkKind.OVERDUE_ACTION, action.id, None)


def end(session: Session, action: OverdueAction, now: datetime, *, reason: str, actor: str = journal.SYSTEM) -> None:
    """End a hold in force: `reason` is time, calls_made or head. Raises Conflict where none is in force."""
    # Before the row is locked: see the order of locks in queue/work.py.
    work.lock_items(session, WorkKind.OVERDUE_ACTION, [action.id])
    _lock(session, action)
    if action.kind is not OverdueKind.HOLD or action.state is not OverdueState.CONFIRMED:
        raise Conflict(ru="эта приостановка не действует", en="this hold is not in force")
    action.state = OverdueState.ENDED
    action.ended_at = now
    action.end_reason = reason
    audit.record(
        session,
        actor=actor,
        action="end",
        subject_kind="overdue_action",
        subject_id=action.id,
        after={"reason": reason, "at": now.isoformat()},
    )
    work.set_wake(session, WorkKind.OVERDUE_ACTION, action.id, None)
    session.flush()
    reference_changed(session)
    # Requests that nobody could take may have been waiting for him.
    waiting.someone_can_again(session, now)


def look(session: Session, action_id: int, now: datetime) -> datetime | None:
    """End a hold whose time is over or whose calls are made, withdraw what has lost its ground.

    Returns when to look again; None: a person or a call comes first.
    """
    action = session.get(OverdueAction, action_id, with_for_update=True, populate_existing=True)
    if action is None:
        return None
    if action.state is OverdueState.CONFIRMED and action.kind is OverdueKind.HOLD:
        if action.ends_at is not None and action.ends_at <= now:
            end(session, action, now, reason="time")
            return None
        if _few_enough(session, action, now):
            end(session, action, now, reason="calls_made")
            return None
        return action.ends_at
    if action.state is OverdueState.PROPOSED and _has_lost_its_ground(session, action, now):
        action.state = OverdueState.WITHDRAWN
        action.ended_at = now
        session.flush()
    return None


def holds_in_force(session: Session, now: datetime) -> dict[int, HoldRef]:
    """Return the holds that keep new requests from their managers at `now`, by manager."""
    return {manager_id: hold for manager_id, hold in reference(session).holds.items() if hold.is_in_force(now)}


def open_proposals(session: Session) -> list[OverdueAction]:
    """Return what waits for an answer, the oldest first."""
    return list(
        session.scalars(
            select(OverdueAction)
            .where(OverdueAction.state == OverdueState.PROPOSED)
            .order_by(OverdueAction.proposed_at, OverdueAction.id)
        )
    )


def overdue_calls(session: Session, manager_id: int, now: datetime) -> int:
    """Return how many calls in a manager's list are past their time."""
    found: int | None = session.scalar(
        select(func.count()).where(
            Callback.manager_id == manager_id, Callback.state == CallbackState.OPEN, Callback.due_at < now
        )
    )
    return found or 0


def _lock(session: Session, action: OverdueAction) -> None:
    session.flush()
    session.refresh(action, with_for_update=True)


def _lock_open(session: Session, action: OverdueAction, now: datetime) -> None:
    # Before the row is locked: see the order of locks in queue/work.py.
    work.ask(session, WorkKind.OVERDUE_ACTION, action.id, now)
    _lock(session, action)
    if action.state is not OverdueState.PROPOSED:
        raise Conflict(ru="на это предложение уже ответили", en="this proposal was answered already")


def _answer(
    session: Session, action: OverdueAction, state: OverdueState, actor: str, now: datetime, reason: str
) -> None:
    action.state = state
    action.answered_at = now
    action.answered_by = actor
    action.answer_reason = reason
    audit.record(
        session,
        actor=actor,
        action="confirm" if state is OverdueState.CONFIRMED else "decline",
        subject_kind="overdue_action",
        subject_id=action.id,
        before={"state": OverdueState.PROPOSED.value},
        after={"state": state.value, "kind": action.kind.value, "reason": reason, "new_owner": action.new_owner_id},
    )
    session.flush()


def _end_of(session: Session, action: OverdueAction, now: datetime) -> datetime:
    """Return when a hold ends at the latest: with his present or next working day, or with the one after it."""
    calendar = reference(session).calendar_of(action.manager_id)
    end_of_day = calendar.end_of_current_or_next_working_day(now)
    if action.until == "end_of_next_working_day" and calendar.local_date(end_of_day) == calendar.local_date(now):
        return calendar.end_of_current_or_next_working_day(end_of_day)
    return end_of_day


def _few_enough(session: Session, action: OverdueAction, now: datetime) -> bool:
    below = action.overdue_callbacks_below
    return below is not None and overdue_calls(session, action.manager_id, now) < below


def _has_lost_its_ground(session: Session, action: OverdueAction, now: datetime) -> bool:
    if action.kind is OverdueKind.HOLD:
        return _few_enough(session, action, now)
    if action.callback_id is None:
        return False
    state = session.scalar(select(Callback.state).where(Callback.id == action.callback_id))
    owner_id = session.scalar(select(Client.owner_id).where(Client.id == action.client_id))
    return state not in OPEN or owner_id != action.manager_id


def _release(session: Session, action: OverdueAction, actor: str, now: datetime, new_owner: str | None) -> None:
    picture = reference(session)
    client = session.get(Client, action.client_id, with_for_update=True) if action.client_id is not None else None
    if client is None:
        raise Conflict(ru="клиента больше нет", en="the client is no longer there")
    callers = Callers(session, picture, now)
    if new_owner is not None:
        chosen: ManagerRef | None = picture.manager(find_manager(session, new_owner, path="new_owner").id)
    else:
        chosen = callers.next_by_share(action.manager_id, besides=action.manager_id)
    if chosen is None:
        raise Conflict(ru="передать клиента некому", en="there is nobody to give the client to")
    if chosen.id == action.manager_id:
        raise InputError(path="new_owner", ru="клиент уже у него", en="he has the client already")
    call_ids = session.scalars(_calls_along(session, action).order_by(Callback.id)).all()
    give_client(session, client, chosen, actor=actor, now=now, why=dict(action.ground))
    action.new_owner_id = chosen.id
    for call_id in call_ids:
        move_call(session, session.get_one(Callback, call_id, populate_existing=True), chosen, now)
    outbox.notify(
        session,
        user_ids=[chosen.user_id],
        subject={"ru": f"Клиент передан вам: {client.name}", "en": f"A client was given to you: {client.name}"},
        body=dict(action.ground),
        link=f"/clients/{client.id}",
        key=f"released:{action.id}",
        now=now,
    )


def _calls_along(session: Session, action: OverdueAction) -> Select[int]:
    """Return the query for the open calls that go with the client of a proposal, those of his other firms too."""
    firms = [] if action.client_id is None else firms_of(session, action.client_id)
    return select(Callback.id).where(
        Callback.client_id.in_(firms), Callback.manager_id == action.manager_id, Callback.state.in_(OPEN)
    )


def give_client(
    session: Session,
    client: Client,
    manager: ManagerRef,
    *,
    actor: str,
    now: datetime,
    why: Mapping[str, Any] | None = None,
) -> None:
    """Make a manager the owner of a client and of the firms of his group that had the same; it stands in the audit log.

    Their calls are the caller's to move: see clients.firms_of.
    """
    before = client.owner_id
    client.owner_id = manager.id
    if client.cover_id == manager.id:
        client.cover_id = None
    audit.record(
        session,
        actor=actor,
        action="update",
        subject_kind="client",
        subject_id=client.id,
        before={"owner_id": before},
        after={"owner_id": manager.id, "why": why},
    )
    session.flush()
    wake_requests(session, client.id, now)
    share_owner(session, client, before, actor=actor, now=now, why=why)


def move_call(session: Session, call: Callback, manager: ManagerRef, now: datetime) -> None:
    """Give an open call to another manager, who has until the end of his next full working day for it."""
    call.manager_id = manager.id
    if call.state is CallbackState.OPEN:
        call.due_at = manager.calendar.end_of_current_or_next_working_day(manager.calendar.add_days(now, 1))
        for task in session.scalars(
            select(Task).where(
                Task.callback_id == call.id, Task.state == TaskState.OPEN, Task.kind == TaskKind.CALLBACK
            )
        ).all():
            task.manager_id = manager.id
            task.due_at = call.due_at
    work.ask(session, WorkKind.CALLBACK, call.id, max(now, call.call_from))
    session.flush()


def _holds_this_month(session: Session, manager_id: int, now: datetime) -> int:
    picture = reference(session)
    month = picture.start_of_day(picture.day_of(now).replace(day=1))
    confirmed = select(func.count()).where(
        OverdueAction.kind == OverdueKind.HOLD,
        OverdueAction.manager_id == manager_id,
        OverdueAction.state.in_((OverdueState.CONFIRMED, OverdueState.ENDED)),
        OverdueAction.answered_at >= month,
    )
    return session.scalar(confirmed) or 0


def _tell_to_talk(session: Session, wanted: Proposal, now: datetime) -> None:
    month = f"{reference(session).day_of(now):%Y-%m}"
    words = {
        "ru": "новые заявки в этом месяце уже приостанавливались, поговорите с менеджером",
        "en": "new requests were held often enough this month, talk to the manager",
    }
    _notify_heads(session, wanted, f"talk:{wanted.manager_id}:{month}", words, now)


def _notify_heads(session: Session, wanted: Proposal, key: str, words: Mapping[str, str], now: datetime) -> None:
    picture = reference(session)
    manager = picture.manager(wanted.manager_id)
    client = session.get(Client, wanted.client_id) if wanted.client_id is not None else None
    about = {"ru": f"Менеджер: {manager.name}", "en": f"Manager: {manager.name}"}
    if client is not None:
        about = {"ru": f"{about['ru']}\nКлиент: {client.name}", "en": f"{about['en']}\nClient: {client.name}"}
    outbox.notify(
        session,
        user_ids=[head.id for head in picture.heads_for(manager.team_id)],
        subject={lang: f"{manager.name}: {words[lang]}" for lang in ("ru", "en")},
        body={lang: f"{wanted.ground[lang]}\n{about[lang]}" for lang in ("ru", "en")},
        link=LINK,
        key=key,
        now=now,
    )


def _tell_manager(session: Session, action: OverdueAction, now: datetime) -> None:
    picture = reference(session)
    ends = (action.ends_at or now).astimezone(picture.zone)
    below = action.overdue_callbacks_below
    lifted = {
        "ru": "" if below is None else f", или как только просроченных звонков станет меньше {below}",
        "en": "" if below is None else f", or as soon as overdue callbacks are below {below}",
    }
    outbox.notify(
        session,
        user_ids=[picture.manager(action.manager_id).user_id],
        subject={"ru": "Новые заявки приостановлены", "en": "New requests are held"},
        body={
            "ru": f"{action.ground['ru']}\nДо {ends:%d.%m.%Y %H:%M}{lifted['ru']}",
            "en": f"{action.ground['en']}\nUntil {ends:%Y-%m-%d %H:%M}{lifted['en']}",
        },
        link="/my/",
        key=f"hold:{action.id}",
        now=now,
    )
