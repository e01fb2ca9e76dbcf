"""The trial beside the rules: something real or typed values, what both bodies do with them, and why. Nothing is kept.

What is tried stands in the session of the person, for each decision by itself, until something else is picked.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flask import request, session
from werkzeug.datastructures import MultiDict

from admin.views.rule_editor import trying_found, trying_typed
from admin.views.rule_editor.case_words import expectation_words, facts_title
from admin.views.rule_editor.conditions import Option
from admin.views.rule_editor.room import Room
from admin.views.rule_editor.trying_found import Offer, Picked
from admin.views.rule_editor.trying_results import Result, result
from admin.views.rule_editor.trying_typed import InputGroup
from admin.views.rule_editor.wording import _
from rules_engine.errors import InputError
from rules_engine.language.errors import FactsInvalid
from rules_engine.language.kinds import Decision
from rules_engine.language.vocabulary.fields_other import EVENTS
from rules_engine.services.drafts.body import Body
from rules_engine.services.drafts.trying import looked_at
from rules_engine.services.trials import trials
from rules_engine.services.trials.bonus import MonthGround
from rules_engine.services.trials.callbacks import EVENT
from rules_engine.services.trials.requests import RequestGround
from rules_engine.services.trials.trials import Ground, Subject

_KEPT = "rules_tried"
_MOST = 1_500
_MOST_IN_ALL = 2_200
"""So many characters of typed values, of one decision and of all, a cookie bears beside everything else."""


@dataclass(frozen=True, slots=True)
class State:
    """What somebody is trying: what he picked, what he typed over it (JSON), whether the form of values is open."""

    subject: Subject = field(default_factory=Subject)
    typed: Mapping[str, object] = field(default_factory=dict)
    is_typing: bool = False


@dataclass(frozen=True, slots=True)
class CaseProposal:
    """The test case that the trial would make: its title, its facts as JSON text, what it would expect, in words."""

    title: str
    facts: str
    expects: str


@dataclass(frozen=True, slots=True)
class Panel:
    """Everything that the template of the trial shows; `result` is None while nothing is tried.

    `people_at` is the instant whose hours say who is here, where that is not now.
    """

    query: str
    offers: tuple[Offer, ...]
    is_search: bool
    picked: Picked | None
    month: str
    months: tuple[tuple[str, str], ...]
    events: tuple[Option, ...]
    is_typing: bool
    is_changed: bool
    groups: tuple[InputGroup, ...]
    problem: str
    result: Result | None
    decided_at: datetime | None
    people_at: datetime | None
    is_stored: bool
    case: CaseProposal | None


def panel(here: Room, in_force: Body, draft: Body | None) -> dict[str, Any]:
    """Return what the template of the trial shows, by what the address of the page asks for and what is kept."""
    state = _asked(here, _state(here))
    _keep(here, state)
    return _shown(here, state, in_force, draft)


def sent_values(here: Room, in_force: Body, draft: Body | None) -> dict[str, str]:
    """Keep what a sent form of values says, and return what in it cannot be taken, by field; empty where all can."""
    state, problems = _typed_now(here, _asked(here, _state(here)), in_force, draft)
    _keep(here, state)
    return problems


def panel_again(here: Room, in_force: Body, draft: Body | None, problems: Mapping[str, str]) -> dict[str, Any]:
    """Return what `panel` does, with the form of values as it was sent and what is wrong with it."""
    return _shown(here, _state(here), in_force, draft, problems, request.form)


def _state(here: Room) -> State:
    kept = session.get(_KEPT, {}).get(here.decision.value)
    if not isinstance(kept, dict):
        return State()
    return State(Subject.read(kept.get("on", "")), dict(kept.get("typed") or {}), bool(kept.get("open")))


def _keep(here: Room, state: State) -> None:
    kept = {"on": str(state.subject), "typed": dict(state.typed), "open": state.is_typing}
    every = dict(session.get(_KEPT, {}))
    if every.get(here.decision.value, {"on": "", "typed": {}, "open": False}) != kept:
        every[here.decision.value] = kept
        if len(json.dumps(every)) > _MOST_IN_ALL:
            every = {here.decision.value: kept}
        session[_KEPT] = every


def _asked(here: Room, state: State) -> State:
    """Return the state after what the address asks for: another subject, the form opened or closed."""
    chosen = request.args.get("try", "")
    if chosen:
        state = State(Subject.read(f"request:{chosen}" if chosen.isdecimal() else chosen), {}, state.is_typing)
    query = request.args.get("q", "").strip()[:100]
    if query:
        found = trying_found.offers(here, query, _month(here, state))
        if len(found) == 1:
            state = State(Subject.read(found[0].subject), {}, state.is_typing)
    opened = request.args.get("typing", "")
    if opened == "only":
        return State(Subject(), {}, True)
    return State(state.subject, state.typed, opened == "yes") if opened in ("yes", "no") else state


def _typed_now(here: Room, state: State, in_force: Body, draft: Body | None) -> tuple[State, dict[str, str]]:
    """Return the state after a sent form of values, and what in it cannot be taken, by field."""
    bodies = [in_force] if draft is None else [in_force, draft]
    do = request.form.get("do", "")
    subject = Subject.read(request.form.get("on", ""))
    if do == "reset":
        return State(subject, {}, state.is_typing), {}
    if do == "event":
        event = request.form.get("event", "")
        kept = {key: value for key, value in state.typed.items() if key != EVENT}
        known = {choice.value for choice in EVENTS}
        return State(subject, {**kept, EVENT: event} if event in known else kept, state.is_typing), {}
    picked = _prepared(here, subject, {}, bodies)
    values = trials.values(picked) if picked is not None else {}
    typed, problems = trying_typed.read(here, _fields(bodies), values, request.form)
    if EVENT in state.typed and EVENT not in typed and f"{trying_typed.PREFIX}{EVENT}" not in request.form:
        typed[EVENT] = state.typed[EVENT]
    if len(json.dumps(typed)) > _MOST:
        longest = max(typed, key=lambda key: len(str(typed[key])))
        problems[longest] = _("All values together are too long; shorten this one.")
    return (State(subject, state.typed, True), problems) if problems else (State(subject, typed, True), {})


def _shown(
    here: Room,
    state: State,
    in_force: Body,
    draft: Body | None,
    problems: Mapping[str, str] | None = None,
    sent: MultiDict[str, str] | None = None,
) -> dict[str, Any]:
    bodies = [in_force] if draft is None else [in_force, draft]
    query = request.args.get("q", "").strip()[:100]
    month = _month(here, state)
    chosen = trying_found.picked(here, state.subject)
    subject = state.subject if chosen else Subject()
    offered = trying_found.offers(here, query, month) if query or (chosen is None and not state.is_typing) else []
    is_tried = chosen is not None or bool(state.typed)
    on = _prepared(here, subject, state.typed, bodies) if is_tried else None
    values: Mapping[str, object] = {}
    if state.is_typing:
        before = _prepared(here, subject, {}, bodies)
        values = trials.values(before) if before is not None else {}
    event = str(state.typed.get(EVENT) or "")
    return {
        "tries_requests": True,
        "trial": Panel(
            query=query or (chosen.search if chosen else ""),
            offers=tuple(offered) if not query or len(offered) != 1 else (),
            is_search=bool(query),
            picked=chosen,
            month=month,
            months=tuple(trying_found.months(here)),
            events=tuple(_events(here, event)) if chosen and here.decision is Decision.CALLBACKS else (),
            is_typing=state.is_typing,
            is_changed=bool(state.typed),
            groups=trying_typed.inputs(here, _fields(bodies), values, state.typed, problems, sent)
            if state.is_typing
            else (),
            problem=_("There is nothing to count for him in this month.") if is_tried and on is None else "",
            result=result(here, on, in_force, draft) if on is not None else None,
            decided_at=on.decided.at if isinstance(on, RequestGround) and on.decided else None,
            people_at=on.people_at if isinstance(on, RequestGround) and on.people_at != here.now else None,
            is_stored=isinstance(on, MonthGround) and on.is_stored,
            case=_case(here, on, chosen, bodies) if on is not None and draft is not None else None,
        ),
    }


def _prepared(here: Room, subject: Subject, typed: Mapping[str, object], bodies: Collection[Body]) -> Ground | None:
    try:
        return trials.prepare(here.session, here.decision, subject, typed, bodies, here.now)
    except (FactsInvalid, InputError):
        # Typed before a field got another type, or an address made by hand: nothing can be tried on it.
        return None


def _fields(bodies: Collection[Body]) -> frozenset[str]:
    return looked_at(bodies)


def _case(here: Room, on: Ground, chosen: Picked | None, bodies: Collection[Body]) -> CaseProposal:
    facts = trials.case_facts(on, bodies)
    body = list(bodies)[-1]
    return CaseProposal(
        title=chosen.name if chosen else facts_title(here, facts),
        facts=json.dumps(facts, ensure_ascii=False),
        expects=expectation_words(here, body, trials.expectation(body, facts)),
    )


def _month(here: Room, state: State) -> str:
    """Return the month that is asked for, of what was picked, or the one that is offered first; "" but for bonuses."""
    offered = {month for month, _label in trying_found.months(here)}
    wanted = request.args.get("month", "")
    return next((month for month in (wanted, state.subject.month) if month in offered), trying_found.usual_month(here))


def _events(here: Room, chosen: str) -> list[Option]:
    named = [Option(one.value, one.label.text(here.lang), one.value == chosen) for one in EVENTS]
    return [Option("", _("as it stands now"), not chosen), *named]
