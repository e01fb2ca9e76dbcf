"""Writing what the rules of callbacks decided about a client: segment, calls, proposals, and that the rules acted."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import Table, bindparam, select, update
from sqlalchemy.orm import Session

from rules_engine.decisions.callback_outcome import CallbackOutcome, Scheduled
from rules_engine.decisions.instants import from_us
from rules_engine.decisions.modes import Mode
from rules_engine.language.model import Action, Ruleset
from rules_engine.models import (
    ActionState,
    Callback,
    CallbackState,
    Client,
    Firing,
    FiringAction,
    OverdueKind,
    WorkKind,
)
from rules_engine.services.callbacks.outcomes import ONE_CALL, cancel
from rules_engine.services.callbacks.people import Callers
from rules_engine.services.company.reference import ManagerRef, Reference
from rules_engine.services.facts.callbacks import SeenClient
from rules_engine.services.queue import work
from rules_engine.services.records.inserting import insert_if_new
from rules_engine.services.records.writing import add_row, add_rows
from rules_engine.services.requests import overdue_actions
from rules_engine.services.rules import journal

FIRING_KIND: Final = "client"
_CALLS = cast(Table, Callback.__table__)
_CLIENTS = cast(Table, Client.__table__)
_SET_SEGMENT: Final = (
    update(_CLIENTS).where(_CLIENTS.c.id == bindparam("client")).values(segment=bindparam("segment_name"))
)


def carry_out(
    session: Session,
    picture: Reference,
    seen: SeenClient,
    ruleset: Ruleset,
    outcome: CallbackOutcome,
    callers: Callers,
    mode: Mode,
    decision_id: int,
    now: datetime,
) -> int:
    """Do what the mode permits, note for each rule what it did, and return how many calls were scheduled."""
    results: dict[tuple[str, str], dict[str, Any]] = {}
    scheduled = 0
    if outcome.segment is not None and mode.permits("set_segment"):
        rule, name = outcome.segment
        session.flush()
        session.connection().execute(_SET_SEGMENT, {"client": seen.id, "segment_name": name})
        client = session.identity_map.get(session.identity_key(Client, seen.id))
        if client is not None:
            session.expire(client, ["segment"])
        results[rule, "set_segment"] = {"before": seen.facts.get("client.segment")}
    if mode.permits("schedule_callback"):
        for call in outcome.scheduled:
            action = _action_of(ruleset, call)
            found = _plan(session, picture, seen, call, action, callers, mode, decision_id, now)
            if found is not None:
                scheduled += 1
                results[call.rule, "schedule_callback"] = {"callback": found}
        for joined in outcome.joined:
            _join(session, joined.call_id, joined.occasion)
            results[joined.rule, "schedule_callback"] = {"joined": joined.call_id}
    if outcome.released is not None and mode.permits("release_client") and seen.owner_id is not None:
        titles = dict(outcome.titles)
        proposal = overdue_actions.Proposal(
            kind=OverdueKind.RELEASE,
            manager_id=seen.owner_id,
            rule=outcome.released,
            ground={"ru": titles[outcome.released].ru, "en": titles[outcome.released].en},
            since=now,
            decision_id=decision_id,
            client_id=seen.id,
        )
        results[outcome.released, "release_client"] = {"proposal": overdue_actions.propose(session, proposal, now)}
    _fire(session, seen, outcome, mode, decision_id, now, results)
    return scheduled


def _action_of(ruleset: Ruleset, call: Scheduled) -> Action:
    return next(
        action
        for action in ruleset.actions_of(call.rule)
        if action.name == "schedule_callback" and action.text("occasion") == call.occasion
    )


def _plan(
    session: Session,
    picture: Reference,
    seen: SeenClient,
    call: Scheduled,
    action: Action,
    callers: Callers,
    mode: Mode,
    decision_id: int,
    now: datetime,
) -> int | None:
    """Write a planned call and return its id, None where it stands there already."""
    manager = callers.named(action, call.rule, seen.owner_id, seen.cover_id) or callers.own(
        seen.owner_id, seen.cover_id
    )
    if manager is None:
        manager = callers.next_by_share(seen.owner_id)
        if manager is not None and mode is Mode.LIVE:
            client = session.get_one(Client, seen.id)
            words = {"ru": "закреплённого менеджера не было", "en": "there was no owner"}
            overdue_actions.give_client(session, client, manager, actor=journal.SYSTEM, now=now, why=words)
    from_us_, due_us = _when(call, manager, callers)
    average = seen.clocks.times.money.average_payment if seen.clocks.times.money is not None else None
    callback_id = insert_if_new(
        session,
        Callback,
        {
            "client_id": seen.id,
            "occasion": call.occasion,
            "cause": call.cause.key,
            "cycle": call.cycle,
            "also": list(call.also),
            "manager_id": manager.id if manager else None,
            "is_offer": call.is_offer,
            "rule": call.rule,
            "decision_id": decision_id,
            "script": {"ru": call.script, "en": call.script} if call.script else {},
            "priority": call.priority,
            "expected_minor": average,
            "state": CallbackState.PLANNED,
            "call_from": from_us(from_us_),
            "due_at": from_us(due_us),
            "created_at": now,
            "closed_because": {},
        },
        ("client_id", "occasion", "cause", "cycle"),
    )
    if callback_id is None:
        return None
    if manager is not None:
        callers.take(manager, from_us_)
    work.ask(session, WorkKind.CALLBACK, callback_id, from_us(from_us_))
    for absorbed in call.absorbs:
        other = session.get(Callback, absorbed, with_for_update=True, populate_existing=True)
        if other is not None and other.done_at is None:
            cancel(session, other, ONE_CALL, now)
    return callback_id


def _when(call: Scheduled, manager: ManagerRef | None, callers: Callers) -> tuple[int, int]:
    """Return from when and by when: a promise on its day, anything else on the first day with a place left."""
    if manager is None or call.is_promise:
        return call.from_us, call.due_us
    found = callers.first_free(manager, call.from_us, call.within)
    if found is None or found[0] == call.from_us:
        return call.from_us, call.due_us
    return found


def _join(session: Session, call_id: int, occasion: str) -> None:
    also = session.connection().scalar(select(_CALLS.c.also).where(_CALLS.c.id == call_id)) or []
    if occasion not in also:
        session.connection().execute(update(_CALLS).where(_CALLS.c.id == call_id).values(also=[*also, occasion]))
        known = session.identity_map.get(session.identity_key(Callback, call_id))
        if known is not None:
            session.expire(known, ["also"])


def _fire(
    session: Session,
    seen: SeenClient,
    outcome: CallbackOutcome,
    mode: Mode,
    decision_id: int,
    now: datetime,
    results: Mapping[tuple[str, str], dict[str, Any]],
) -> None:
    """Write that each rule acted. One decision is one ownership: what must not happen twice has keys of its own."""
    for rule in outcome.fired:
        firing_id = add_row(
            session,
            Firing,
            {
                "item_kind": FIRING_KIND,
                "item_id": seen.id,
                "rule": rule,
                "ownership": decision_id,
                "occurrence": 0,
                "at": now,
                "decision_id": decision_id,
            },
        )
        actions = [
            {
                "firing_id": firing_id,
                "ordinal": ordinal,
                "action": effect.action,
                "params": effect.params,
                "state": ActionState.APPLIED if mode.permits(effect.action) else ActionState.WITHHELD,
                "result": results.get((rule, effect.action), {}),
            }
            for ordinal, effect in enumerate(effect for effect in outcome.effects if effect.rule == rule)
        ]
        add_rows(session, FiringAction, actions)
