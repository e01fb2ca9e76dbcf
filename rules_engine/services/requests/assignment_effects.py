"""What a rule of assignment does beside choosing somebody, and that it did it: the firing and its actions."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from rules_engine.decisions.assignment import AssignmentOutcome
from rules_engine.decisions.effects import Effect
from rules_engine.models import ActionState, Firing, FiringAction, Request
from rules_engine.services.company.reference import ManagerRef, Reference
from rules_engine.services.messages import outbox
from rules_engine.services.records.writing import add_row, add_rows
from rules_engine.services.requests import assignment_texts

FIRING_KIND: Final = "assignment"
"""Firings of assignment have a kind of their own: their rules may be called like rules of escalation."""
UNOWNED: Final = 0


def fire(
    session: Session,
    picture: Reference,
    request: Request,
    chosen: ManagerRef | None,
    outcome: AssignmentOutcome,
    decision_id: int,
    ownership: int,
    now: datetime,
    *,
    rule: str | None = None,
) -> None:
    """Write that the rule acted, and carry out what it does beside choosing somebody."""
    firing_id = add_row(
        session,
        Firing,
        {
            "item_kind": FIRING_KIND,
            "item_id": request.id,
            "rule": rule or outcome.rule,
            "ownership": ownership,
            "occurrence": 0,
            "at": now,
            "decision_id": decision_id,
        },
    )
    actions: list[dict[str, Any]] = []
    for ordinal, effect in enumerate(outcome.effects):
        result = _apply(session, picture, request, chosen, outcome, effect, firing_id, ordinal, now)
        actions.append(
            {
                "firing_id": firing_id,
                "ordinal": ordinal,
                "action": effect.action,
                "params": effect.params,
                "state": ActionState.APPLIED,
                "result": result,
            }
        )
    add_rows(session, FiringAction, actions)


def _apply(
    session: Session,
    picture: Reference,
    request: Request,
    chosen: ManagerRef | None,
    outcome: AssignmentOutcome,
    effect: Effect,
    firing_id: int,
    ordinal: int,
    now: datetime,
) -> dict[str, Any]:
    """Carry out one effect and return what came of it."""
    params = effect.params
    match effect.action:
        case "assign":
            return {"manager": chosen.login if chosen else None}
        case "set_priority":
            before, request.priority = request.priority, str(params["priority"])
            return {"before": before}
        case "add_tag":
            if params["tag"] not in request.tags:
                request.tags = [*request.tags, str(params["tag"])]
        case "notify":
            told = _whom(picture, chosen, str(params["whom"]))
            title = dict(outcome.titles)[effect.rule]
            text = params.get("text")
            name = assignment_texts.name_of(request)
            outbox.notify(
                session,
                user_ids=told,
                subject={"ru": f"Заявка: {name}", "en": f"Request: {name}"},
                body={"ru": str(text or title.text("ru")), "en": str(text or title.text("en"))},
                link=f"/requests/{request.id}",
                key=f"assignment:{firing_id}:{ordinal}",
                now=now,
                digest_minutes=int(params.get("digest_minutes") or 0),
            )
            return {"users": told}
    return {}


def _whom(picture: Reference, chosen: ManagerRef | None, whom: str) -> list[int]:
    if whom == "manager":
        return [chosen.user_id] if chosen else []
    if whom == "head":
        return [head.id for head in picture.heads_for(chosen.team_id if chosen else None)]
    return [user.id for user in picture.users.values() if user.login == whom]
