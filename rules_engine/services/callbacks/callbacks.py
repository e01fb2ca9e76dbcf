"""Whom the rules in force would have called, and what becomes of it: the look at one client.

A look reads everything anew in the transaction that writes. A call stands under the key (client, occasion, cause,
cycle), which the database refuses twice, so a look can be repeated at any time. What has no effect is not stored.
"""

import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from rules_engine.decisions.callback_outcome import CallbackOutcome
from rules_engine.decisions.callback_plan import CallbackPlan
from rules_engine.decisions.callbacks import Limits, Situation, decide_callbacks
from rules_engine.decisions.instants import from_us, to_us
from rules_engine.decisions.modes import Mode
from rules_engine.errors import NotFound
from rules_engine.language.kinds import Decision as DecisionName
from rules_engine.language.values import dump_facts
from rules_engine.models import Decision
from rules_engine.services.callbacks.finishing import finish, postpone
from rules_engine.services.callbacks.lists import look_at_callback
from rules_engine.services.callbacks.outcomes import ASKED_NOT_TO, close_all, close_pointless
from rules_engine.services.callbacks.people import Callers
from rules_engine.services.callbacks.planning import carry_out
from rules_engine.services.clients.wakes import ask_for_clients, wake_client
from rules_engine.services.company.reference import Reference, reference
from rules_engine.services.facts.callbacks import SeenClient, see_clients
from rules_engine.services.records import settings_store
from rules_engine.services.records.reading import rows
from rules_engine.services.rules import journal, occasions, rulebook
from rules_engine.services.rules.modes import is_off_everywhere, mode_in
from rules_engine.services.rules.rulebook import PublishedRuleset

__all__ = [
    "Looked",
    "Readings",
    "ask_for_clients",
    "close_all",
    "close_pointless",
    "finish",
    "look_at_callback",
    "look_at_client",
    "postpone",
    "read_ahead",
    "wake_client",
]

CALLBACKS: Final = str(DecisionName.CALLBACKS)
_PLANS_KEPT: Final = 32


@dataclass(frozen=True, slots=True)
class Looked:
    """When to look again (None: time alone changes nothing), and how many calls were scheduled."""

    wake_at: datetime | None
    scheduled: int = 0


@dataclass(slots=True)
class Readings:
    """What was read of many clients at one instant, for looks that follow each other without anything between them."""

    now: datetime
    token: str | None
    callers: Callers
    catalogue: dict[str, bool]
    seen: dict[int, SeenClient] = field(default_factory=dict)


def look_at_client(
    session: Session,
    client_id: int,
    now: datetime,
    *,
    event: str = "due",
    attempt: int = 1,
    read: Readings | None = None,
) -> Looked:
    """Let the rules of callbacks act on a client at `now`; the item of the client is locked by this transaction.

    The rules are asked for each event that happened lately and for none (`due`); `event` names one more. From the
    second `attempt` on the native engine decides alone. `read` is what `read_ahead` read.
    """
    picture = reference(session)
    coming = rulebook.next_change_at(session, CALLBACKS, now)
    if is_off_everywhere(picture, CALLBACKS, now):
        return Looked(None)
    try:
        ruleset = rulebook.published(session, CALLBACKS, now)
    except NotFound:
        return Looked(coming)
    plan = plan_of(ruleset)
    if read is None or client_id not in read.seen:
        alone = read_ahead(session, [client_id], now)
        if read is not None:
            # Whom it gives calls to is counted together with the others.
            alone.callers = read.callers
        read = alone
    seen = read.seen.pop(client_id, None)
    if seen is None:
        return Looked(None)
    if _close_what_is_over(session, seen, now):
        seen = read_ahead(session, [client_id], now).seen[client_id]
    mode = _mode(picture, seen, now)
    if not mode.decides:
        return Looked(coming)
    events = dict.fromkeys((event, *seen.events))
    matching: set[str] = set()
    engine = ""
    for name in events:
        evaluation = rulebook.evaluate(session, ruleset, seen.facts_on(name), now, attempt=attempt)
        matching.update(evaluation.matching)
        engine = evaluation.engine
    ordered = [rule.id for rule in ruleset.ruleset.rules if rule.id in matching]
    outcome = decide_callbacks(ruleset.ruleset, ordered, situation_of(session, picture, seen, read, now))
    scheduled = 0
    if outcome and not _is_known(session, seen, ruleset, mode, outcome):
        decision_id = _record(session, seen, ruleset, engine, mode, outcome, tuple(events), now)
        scheduled = carry_out(session, picture, seen, ruleset.ruleset, outcome, read.callers, mode, decision_id, now)
        for other in seen.others:
            # Their numbers have one more planned call from now on.
            read.seen.pop(other, None)
    now_us = to_us(now)
    changes = [plan.next_change_us([seen.facts_on(name) for name in events], seen.clocks, now_us), outcome.retry_us]
    wakes = [from_us(us) for us in changes if us is not None]
    return Looked(min((at for at in (*wakes, coming) if at is not None and at > now), default=None), scheduled)


def read_ahead(session: Session, client_ids: Collection[int], now: datetime) -> Readings:
    """Return what looks at these clients at `now` need, in a number of queries that does not depend on how many.

    Good only as long as nothing else is written in between.
    """
    picture = reference(session)
    catalogue = {code: one.is_offer for code, one in occasions.catalogue(session).items() if one.is_active}
    found = Readings(now, picture.token, Callers(session, picture, now), catalogue)
    if is_off_everywhere(picture, CALLBACKS, now):
        return found
    try:
        plan = plan_of(rulebook.published(session, CALLBACKS, now))
    except NotFound:
        return found
    days = settings_store.number(session, settings_store.CALL_FREQUENCY_DAYS)
    found.seen = see_clients(session, picture, client_ids, now, plan.fields, frequency_days=days)
    return found


def plan_of(ruleset: PublishedRuleset) -> CallbackPlan:
    """Return the plan of a published version; made once a process."""
    with _plans_lock:
        found = _plans.get(ruleset.content_hash)
        if found is None:
            found = _plans[ruleset.content_hash] = CallbackPlan.of(ruleset.ruleset)
            if len(_plans) > _PLANS_KEPT:
                _plans.popitem(last=False)
        _plans.move_to_end(ruleset.content_hash)
        return found


_plans: OrderedDict[str, CallbackPlan] = OrderedDict()
_plans_lock = threading.Lock()


def _mode(picture: Reference, seen: SeenClient, now: datetime) -> Mode:
    owner = picture.managers.get(seen.owner_id) if seen.owner_id is not None else None
    return mode_in(picture, CALLBACKS, owner.team_id if owner else None, now)


def _close_what_is_over(session: Session, seen: SeenClient, now: datetime) -> int:
    """Cancel the open calls of who asked not to be called, and those that his newest payment makes pointless."""
    if not any(call.is_open for call in seen.known):
        return 0
    if seen.is_("do_not_call"):
        return close_all(session, seen.id, ASKED_NOT_TO, now)
    if seen.last_payment_id is not None:
        return close_pointless(session, seen.id, seen.last_payment_id, now)
    return 0


def situation_of(session: Session, picture: Reference, seen: SeenClient, read: Readings, now: datetime) -> Situation:
    """Return how a client stands when rules are carried out; also for one that is only tried."""
    caller = read.callers.own(seen.owner_id, seen.cover_id)
    segment = seen.facts.get("client.segment")
    return Situation(
        now_us=to_us(now),
        causes=seen.causes,
        calendar=caller.presence if caller else picture.company_calendar,
        segment=segment if isinstance(segment, str) else None,
        do_not_call=seen.is_("do_not_call"),
        has_consent=seen.is_("consent_to_offers"),
        promised_us=seen.promised_us,
        known=seen.known,
        called_us=seen.called_us,
        others_us=seen.others_us,
        occasions=read.catalogue,
        limits=Limits(
            settings_store.number(session, settings_store.CALL_FREQUENCY_DAYS),
            settings_store.number(session, settings_store.CALL_CYCLE_DAYS),
        ),
    )


def _is_known(
    session: Session, seen: SeenClient, ruleset: PublishedRuleset, mode: Mode, outcome: CallbackOutcome
) -> bool:
    """Return whether the last decision about the client says the same: what was only recorded, or only proposed."""
    if mode is Mode.LIVE and (outcome.segment or outcome.scheduled or outcome.joined):
        return False
    last = rows(session, _LAST_DECISION, {"client": seen.id})
    effects = [effect.to_json() for effect in outcome.effects]
    return bool(last) and (last[0].version_id, last[0].mode, last[0].effects) == (
        ruleset.version_id,
        mode.value,
        effects,
    )


_LAST_DECISION: Final = (
    select(Decision.version_id, Decision.mode, Decision.effects)
    .where(
        Decision.subject_kind == "client", Decision.subject_id == bindparam("client"), Decision.decision == CALLBACKS
    )
    .order_by(Decision.at.desc(), Decision.id.desc())
    .limit(1)
)


def _record(
    session: Session,
    seen: SeenClient,
    ruleset: PublishedRuleset,
    engine: str,
    mode: Mode,
    outcome: CallbackOutcome,
    events: Sequence[str],
    now: datetime,
) -> int:
    detail: dict[str, Any] = {
        "facts": dump_facts(seen.facts_on(events[0])),
        "events": list(events),
        "outcome": outcome.to_json(),
    }
    return journal.write_decision(
        session,
        decision=CALLBACKS,
        subject_kind="client",
        subject_id=seen.id,
        at=now,
        version_id=ruleset.version_id,
        engine=engine,
        mode=mode.value,
        fired=outcome.fired,
        effects=[effect.to_json() for effect in outcome.effects],
        chosen_manager_id=None,
        detail=detail,
    )
