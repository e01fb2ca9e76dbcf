"""What the rules of escalation say about a planned call in somebody's list, done once a holder; when to look again.

The same ruleset and the same decision as for requests: only facts, clocks and what an effect does differ.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from rules_engine.decisions.callback_clocks import CallbackClocks
from rules_engine.decisions.effects import Effect
from rules_engine.decisions.escalation import Situation, decide_escalation
from rules_engine.decisions.escalation_outcome import EscalationOutcome, Message
from rules_engine.decisions.escalation_plan import EscalationPlan, Fired, next_wake
from rules_engine.decisions.instants import to_us
from rules_engine.decisions.roster import Roster
from rules_engine.errors import NotFound
from rules_engine.language.engines.base import Facts
from rules_engine.language.values import Canonical
from rules_engine.models import (
    Callback,
    Client,
    Firing,
    OverdueKind,
    Task,
    TaskKind,
    WorkKind,
)
from rules_engine.services.company.reference import ManagerRef, Reference, reference
from rules_engine.services.facts.callbacks import client_facts
from rules_engine.services.messages import outbox
from rules_engine.services.records.reading import rows
from rules_engine.services.requests import escalation, overdue_actions
from rules_engine.services.requests.firings import MAX_STEPS, tell_that_rules_have_no_end, write_outcome
from rules_engine.services.rules import occasions, rulebook
from rules_engine.services.rules.modes import mode_in

_LANGUAGES: Final = ("ru", "en")


@dataclass(frozen=True, slots=True)
class Look:
    """When to look again (None: time alone changes nothing), and how many rules fired."""

    wake_at: datetime | None
    fired: int = 0


@dataclass(frozen=True, slots=True)
class _Case:
    """What is being carried out about one call."""

    session: Session
    picture: Reference
    callback: Callback
    client: Client
    holder: ManagerRef
    decision_id: int
    outcome: EscalationOutcome
    now: datetime

    def title(self, rule: str) -> dict[str, str]:
        words = dict(self.outcome.titles)[rule]
        return {"ru": words.ru, "en": words.en}


def look(session: Session, callback: Callback, client: Client, now: datetime, *, attempt: int = 1) -> Look:
    """Let the rules in force act on a call in a list at `now`; at most ten evaluations at one instant."""
    picture = reference(session)
    coming = rulebook.next_change_at(session, "escalation", now)
    holder = picture.managers.get(callback.manager_id) if callback.manager_id is not None else None
    mode = mode_in(picture, "escalation", holder.team_id if holder else None, now)
    if holder is None or not mode.decides:
        return Look(coming)
    try:
        ruleset = rulebook.published(session, "escalation", now)
    except NotFound:
        return Look(coming)
    plan = escalation.plan_of(ruleset, WorkKind.CALLBACK)
    count = 0
    for _ in range(MAX_STEPS):
        facts, clocks = see(session, picture, callback, holder, now, plan)
        fired = _fired(session, callback, holder)
        matching = rulebook.evaluate(session, ruleset, facts, now, attempt=attempt)
        heads = picture.heads_for(holder.team_id)
        people = {"manager": holder.login, **({"head": heads[0].login} if len(heads) == 1 else {})}
        situation = Situation(
            now_us=to_us(now),
            facts=facts,
            fired=fired,
            clocks=clocks,
            roster=lambda: Roster({}),
            mode=mode,
            people=people,
        )
        outcome = decide_escalation(plan, matching.matching, situation)
        if not outcome:
            again = next_wake(plan, fired, clocks, facts, now)
            return Look(min((at for at in (again, coming) if at), default=None), count)
        decision_id = write_outcome(
            session,
            kind=WorkKind.CALLBACK,
            item_id=callback.id,
            ownership=holder.id,
            version_id=ruleset.version_id,
            engine=matching.engine,
            mode=mode,
            facts=facts,
            outcome=outcome,
            now=now,
        )
        _carry_out(_Case(session, picture, callback, client, holder, decision_id, outcome, now))
        session.flush()
        count += len(outcome.firings)
    tell_that_rules_have_no_end(session, WorkKind.CALLBACK, callback.id, client.name, now)
    return Look(coming, count)


def see(
    session: Session,
    picture: Reference,
    callback: Callback,
    holder: ManagerRef,
    now: datetime,
    plan: EscalationPlan,
) -> tuple[Facts, CallbackClocks]:
    """Return what rules of escalation see of a call in the list of `holder`, and its clocks."""
    found = client_facts(session, picture, {callback.client_id: holder.id}, now, plan.fields)[callback.client_id]
    clocks = CallbackClocks(
        found.clocks.times, due_us=to_us(callback.due_at), opened_us=to_us(callback.opened_at or callback.call_from)
    )
    own: dict[str, Canonical | None] = {
        "item.kind": "callback",
        "item.times_postponed": callback.times_postponed,
        "item.working_days_overdue": clocks.clock("item.working_days_overdue").value_at(to_us(now)),
    }
    facts = {**found.facts, **{key: value for key, value in own.items() if key in plan.fields and value is not None}}
    return facts, clocks


def _fired(session: Session, callback: Callback, holder: ManagerRef) -> dict[str, Fired]:
    """Return what has fired for a call while this holder had it."""
    fired: dict[str, Fired] = {}
    for rule, occurrence, at in rows(session, _FIRED, {"callback": callback.id, "holder": holder.id}):
        first = fired[rule].first_us if rule in fired else to_us(at)
        fired[rule] = Fired(first, occurrence)
    return fired


_FIRED: Final = (
    select(Firing.rule, Firing.occurrence, Firing.at)
    .where(
        Firing.item_kind == WorkKind.CALLBACK.value,
        Firing.item_id == bindparam("callback"),
        Firing.ownership == bindparam("holder"),
    )
    .order_by(Firing.occurrence)
)


def _carry_out(case: _Case) -> None:
    if not case.outcome.applied:
        return
    for message in case.outcome.messages:
        _send(case, message)
    for effect in case.outcome.applied:
        apply = _APPLY.get(effect.action)
        if apply is not None:
            apply(case, effect)


def _set_priority(case: _Case, effect: Effect) -> None:
    case.callback.priority = str(effect.params["priority"])


def _create_task(case: _Case, effect: Effect) -> None:
    params = effect.params
    case.session.add(
        Task(
            kind=TaskKind.EXTRA,
            manager_id=case.holder.id,
            client_id=case.client.id,
            callback_id=case.callback.id,
            decision_id=case.decision_id,
            title=dict.fromkeys(_LANGUAGES, str(params["title"])),
            reason=case.title(effect.rule),
            rule=effect.rule,
            created_at=case.now,
            due_at=case.holder.calendar.add(case.now, int(params["in_working_minutes"])),
        )
    )


def _propose(case: _Case, effect: Effect) -> None:
    params = effect.params
    is_hold = effect.action == "hold_new_requests"
    firing = next(firing for firing in case.outcome.firings if firing.rule == effect.rule)
    overdue_actions.propose(
        case.session,
        overdue_actions.Proposal(
            kind=OverdueKind.HOLD if is_hold else OverdueKind.RELEASE,
            manager_id=case.holder.id,
            rule=effect.rule,
            ground=_ground(case, effect.rule, is_hold=is_hold),
            since=case.callback.due_at,
            decision_id=case.decision_id,
            client_id=None if is_hold else case.client.id,
            callback_id=case.callback.id,
            until=params.get("until"),
            overdue_callbacks_below=params.get("overdue_callbacks_below"),
            is_repeated=firing.occurrence > 0,
        ),
        case.now,
    )


def _ground(case: _Case, rule: str, *, is_hold: bool) -> dict[str, str]:
    """Return what was not done, in a sentence: of a hold how many calls, of a release which one."""
    title = case.title(rule)
    if is_hold:
        number = overdue_actions.overdue_calls(case.session, case.holder.id, case.now)
        return {
            "ru": f"{title['ru']}: просроченных звонков {number}",
            "en": f"{title['en']}: overdue callbacks {number}",
        }
    due = case.callback.due_at.astimezone(case.picture.zone)
    return {
        "ru": f"{title['ru']}: звонок «{_occasion(case, 'ru')}» был до {due:%d.%m.%Y}",
        "en": f"{title['en']}: the call “{_occasion(case, 'en')}” was due on {due:%Y-%m-%d}",
    }


_APPLY: Final[dict[str, Callable[[_Case, Effect], None]]] = {
    "set_priority": _set_priority,
    "create_task": _create_task,
    "hold_new_requests": _propose,
    "release_client": _propose,
}
"""Messages are sent for the whole outcome; what concerns requests alone has nothing to do here."""


def _send(case: _Case, message: Message) -> None:
    reasons = {
        lang: [text if text is not None else case.title(rule)[lang] for rule, text in message.reasons]
        for lang in _LANGUAGES
    }
    if message.to == "head":
        told = [head.id for head in case.picture.heads_for(case.holder.team_id)]
    else:
        told = [user.id for user in case.picture.users.values() if user.login == message.to]
    outbox.notify(
        case.session,
        user_ids=told,
        subject={lang: f"{case.client.name}: {reasons[lang][0]}" for lang in _LANGUAGES},
        body={
            lang: "\n".join((*reasons[lang], *_circumstances(case, lang, for_head=message.role == "head")))
            for lang in _LANGUAGES
        },
        link=f"/clients/{case.client.id}",
        key=f"escalation:{case.decision_id}:{message.to}",
        now=case.now,
        digest_minutes=message.digest_minutes,
    )


def _circumstances(case: _Case, lang: str, *, for_head: bool) -> list[str]:
    """Return the facts that a reader needs, one a line: the occasion, by when, to the head also the manager."""
    is_russian = lang == "ru"
    due = case.callback.due_at.astimezone(case.picture.zone)
    lines = [
        f"Повод: {_occasion(case, lang)}" if is_russian else f"Occasion: {_occasion(case, lang)}",
        f"Срок звонка: {due:%d.%m.%Y}" if is_russian else f"Call due: {due:%Y-%m-%d}",
    ]
    if for_head:
        lines.append(f"Менеджер: {case.holder.name}" if is_russian else f"Manager: {case.holder.name}")
    return lines


def _occasion(case: _Case, lang: str) -> str:
    found = occasions.catalogue(case.session).get(case.callback.occasion)
    return str(found.title.get(lang) or found.code) if found is not None else case.callback.occasion
