"""Writing what an escalation decided about a request or a call: the decision, and each firing with its actions.

The unique key of `firings` is written in the transaction of the effects, so the database refuses what was done before.
"""

from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from rules_engine.decisions.escalation_outcome import EscalationOutcome, State
from rules_engine.decisions.modes import Mode
from rules_engine.language.engines.base import Facts
from rules_engine.language.values import dump_facts
from rules_engine.models import ActionState, Firing, FiringAction, WorkKind
from rules_engine.services.records.writing import add_later, add_row_later
from rules_engine.services.rules import journal

MAX_STEPS: Final = 10
"""Rules that set each other off are stopped after so many evaluations at one instant."""
_STATES: Final = {state: ActionState(state.value) for state in State}


def write_outcome(
    session: Session,
    *,
    kind: WorkKind,
    item_id: int,
    ownership: int,
    version_id: int,
    engine: str,
    mode: Mode,
    facts: Facts,
    outcome: EscalationOutcome,
    now: datetime,
) -> int:
    """Return the id of the stored decision. `ownership`: id of the assignment of a request, of the holder of a call."""
    transfer = outcome.transfer
    is_moved = transfer is not None and any(effect.action == "reassign" for effect in outcome.applied)
    decision_id = journal.write_decision(
        session,
        decision="escalation",
        subject_kind=kind.value,
        subject_id=item_id,
        at=now,
        version_id=version_id,
        engine=engine,
        mode=mode.value,
        fired=outcome.fired,
        effects=[effect.to_json() for effect in outcome.applied],
        chosen_manager_id=transfer.manager_id if transfer is not None and is_moved else None,
        detail={"facts": dump_facts(facts), "outcome": outcome.to_json()},
    )
    for firing in outcome.firings:
        firing_id = add_row_later(
            session,
            Firing,
            {
                "item_kind": kind.value,
                "item_id": item_id,
                "rule": firing.rule,
                "ownership": ownership,
                "occurrence": firing.occurrence,
                "at": now,
                "decision_id": decision_id,
            },
        )
        actions = [
            {
                "firing_id": firing_id,
                "ordinal": ordinal,
                "action": action.effect.action,
                "params": action.effect.params,
                "state": _STATES[action.state],
                "result": {} if action.why is None else {"why": str(action.why)},
            }
            for ordinal, action in enumerate(firing.actions)
        ]
        add_later(session, FiringAction, actions)
    return decision_id


def tell_that_rules_have_no_end(session: Session, kind: WorkKind, item_id: int, name: str, now: datetime) -> None:
    """Tell an administrator that rules set each other off about an item, called `name` by people."""
    ru, en = ("заявка", "request") if kind is WorkKind.REQUEST else ("звонок клиенту", "the call of client")
    journal.incident(
        session,
        "rules_without_end",
        {
            "ru": f"{ru} {name}: правила вызывают друг друга, остановлено после {MAX_STEPS} шагов",
            "en": f"{en} {name}: rules set each other off, stopped after {MAX_STEPS} steps",
        },
        {f"{kind.value}_id": item_id},
        now,
    )
