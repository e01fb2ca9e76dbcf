"""The trial beside the rules: a stored request, what the rules in force and the draft do with it, and why."""

from dataclasses import dataclass
from typing import Any

from flask import request, session

from admin.language import money
from admin.views.rule_editor.cards import title_of
from admin.views.rule_editor.room import Room, person
from admin.views.rule_editor.wording import _
from rules_engine.decisions.assignment_words import candidate_words, choice_words, explain_assignment
from rules_engine.decisions.field_words import condition_words
from rules_engine.language.engines.base import FailedCondition
from rules_engine.language.kinds import Decision as Kind
from rules_engine.language.model import OTHERWISE
from rules_engine.language.values import dump
from rules_engine.language.vocabulary import FIELDS
from rules_engine.models import Decision, Request
from rules_engine.services import rulebook
from rules_engine.services.editing_body import Body, rule_ids, rule_of
from rules_engine.services.editing_trial import Ground, Trial, find_requests, ground, try_body

TRIED_ON_REQUESTS = frozenset({Kind.ASSIGNMENT, Kind.ESCALATION})
_KEPT = "rules_tried"


@dataclass(frozen=True, slots=True)
class Side:
    """What one body does: the answer in large, the rule beneath it. `note` where there is more to say."""

    answer: str
    rule: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One rule: `acts`, `matched` or not, and why not. `number` is None for `otherwise`."""

    number: int | None
    rule: str
    title: str
    acts: bool
    matched: bool
    why: str


@dataclass(frozen=True, slots=True)
class Tried:
    """The whole trial. `verdicts` are of the draft where there is one."""

    request: Request
    name: str
    now: Side
    draft: Side | None
    same: bool
    verdicts: tuple[Verdict, ...]
    reasons: tuple[str, ...]
    candidates: tuple[str, ...]
    decided: Decision | None


def panel(here: Room, in_force: Body, draft: Body | None) -> dict[str, Any]:
    """Return what the template of the trial shows; the request that was tried last is kept for the next page."""
    if here.decision not in TRIED_ON_REQUESTS:
        return {"tries_requests": False}
    query = request.args.get("q", "").strip()[:100]
    chosen = request.args.get("try", "")
    kept = dict(session.get(_KEPT, {}))
    if chosen.isdecimal() and len(chosen) < 16:
        kept[here.decision.value] = int(chosen)
        session[_KEPT] = kept
    found = find_requests(here.session, query) if query else []
    if len(found) == 1:
        kept[here.decision.value] = found[0].id
        session[_KEPT] = kept
    row = None
    if not query or len(found) == 1:
        row = here.session.get(Request, kept.get(here.decision.value, 0))
    return {
        "tries_requests": True,
        "query": query,
        "found": [(one, request_name(one)) for one in found] if len(found) != 1 else [],
        "tried": _tried(here, row, in_force, draft) if row else None,
    }


def request_name(row: Request) -> str:
    """Return how a request is called in the trial: number, client, amount."""
    client = row.client.name if row.client else row.client_name
    parts = [_("Request %(n)s", n=row.id), client, money(row.amount_minor) if row.amount_minor is not None else ""]
    return " · ".join(part for part in parts if part)


def _tried(here: Room, row: Request, in_force: Body, draft: Body | None) -> Tried:
    bodies = [in_force, draft] if draft is not None else [in_force]
    on = ground(here.session, row, here.decision.value, bodies, here.now)
    present = try_body(here.session, on, in_force, here.now)
    shown, body = present, in_force
    if draft is not None:
        shown, body = try_body(here.session, on, draft, here.now), draft
    now, then = _side(here, present, in_force), _side(here, shown, body)
    names = rulebook.references(here.session)
    trace = shown.outcome.to_json() if shown.outcome else None
    last = trace["attempts"][-1] if trace and trace["attempts"] else None
    reasons: list[str] = []
    if trace is not None:
        chosen = shown.outcome is not None and shown.outcome.manager_id is not None
        reasons = (
            choice_words(last, here.lang) if last and chosen else explain_assignment(trace, here.lang, names=names)
        )
    return Tried(
        request=row,
        name=request_name(row),
        now=now,
        draft=then if draft is not None else None,
        same=now == then,
        verdicts=_verdicts(here, shown, body, on),
        reasons=tuple(reasons),
        candidates=tuple(candidate_words(one, here.lang) for one in last["candidates"]) if last else (),
        decided=on.decided,
    )


def _side(here: Room, trial: Trial, body: Body) -> Side:
    titles = [_title(here, body, rule_id) for rule_id in trial.fired]
    if trial.outcome is None:
        return Side("; ".join(titles) or _("no rule acts"), "")
    rule = f"«{titles[0]}»" if titles and here.lang == "ru" else f"“{titles[0]}”" if titles else ""
    chosen = trial.outcome.manager
    return Side(person(here.session, chosen) if chosen else _("nobody yet"), rule)


def _verdicts(here: Room, trial: Trial, body: Body, on: Ground) -> tuple[Verdict, ...]:
    names = rulebook.references(here.session)
    found = []
    for number, one in enumerate(trial.verdicts, 1):
        if not one.enabled:
            why = _("switched off")
        elif one.left_out:
            why = _("not finished, takes no part")
        elif one.failed is not None:
            why = _failed(here, one.failed, names)
        elif one.passed_over:
            why = _("matches, but nobody of its people can take it now")
        elif one.matched and not one.acts:
            why = _("matches too, but an earlier rule decides")
        else:
            why = ""
        found.append(Verdict(number, one.rule, _title(here, body, one.rule), one.acts, one.matched, why))
    if body.get("otherwise"):
        acts = OTHERWISE in trial.fired
        found.append(Verdict(None, OTHERWISE, _("Otherwise"), acts, acts, ""))
    return tuple(found)


def _failed(here: Room, failed: FailedCondition, names: rulebook.StoredReferences) -> str:
    seen = None if failed.seen is None else dump(FIELDS[failed.field], failed.seen)
    return condition_words(
        failed.field, failed.op, failed.value, seen, here.lang, unwanted=failed.unwanted, names=names
    )


def _title(here: Room, body: Body, rule_id: str) -> str:
    if rule_id == OTHERWISE:
        return _("Otherwise")
    return title_of(rule_of(body, rule_id), here.lang) if rule_id in rule_ids(body) else rule_id
