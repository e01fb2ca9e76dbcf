"""Trying rules of escalation: what would be done about a request, a planned call, or typed values. Nothing is written.

Facts, clocks and load are those of now. What has acted already is not held against a rule, so that two bodies are
compared on the same ground; `acted` says since when, for the page to tell.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.decisions.callback_clocks import CallbackClocks
from rules_engine.decisions.escalation import Situation, decide_escalation
from rules_engine.decisions.escalation_plan import EscalationPlan
from rules_engine.decisions.instants import to_us
from rules_engine.decisions.request_clocks import RequestClocks
from rules_engine.decisions.roster import Roster
from rules_engine.language.cases import fired
from rules_engine.language.spelling import Spellings, joined, of_values
from rules_engine.language.values import Facts
from rules_engine.models import Callback, Firing, Request, WorkKind
from rules_engine.services.callbacks import escalation as callback_escalation
from rules_engine.services.company.reference import ManagerRef, Reference, reference
from rules_engine.services.drafts.body import Body
from rules_engine.services.drafts.trying import Trial, Typed, looked_at, ready, verdicts_of, with_typed
from rules_engine.services.facts import spellings
from rules_engine.services.facts.callbacks import client_facts
from rules_engine.services.facts.requests import see
from rules_engine.services.records import settings_store
from rules_engine.services.requests import escalation
from rules_engine.services.requests.weighing import whole_roster
from rules_engine.services.trials.requests import new_request


@dataclass(frozen=True, slots=True)
class EscalationGround:
    """On what rules are tried. `holder` has the item; `acted` says when a rule first acted while he had it."""

    session: Session
    now: datetime
    kind: WorkKind
    facts: Facts
    clocks: RequestClocks
    roster: Callable[[], Roster]
    holder: ManagerRef | None
    times_reassigned: int = 0
    acted: Mapping[str, datetime] = field(default_factory=dict)
    spellings: Spellings = field(default_factory=dict)

    def run(self, body: Body) -> Trial:
        """Return what a body of rules does; of an unfinished draft, what its finished rules do."""
        made = ready(body)
        plan = EscalationPlan.of(made.ruleset, self.kind.value)
        outcome = decide_escalation(plan, made.engine.matching(self.facts), self._situation())
        passed = {item.rule for item in outcome.passed_over}
        return Trial(outcome.fired, verdicts_of(made, body, self.facts, outcome.fired, passed), outcome)

    def fired_on(self, body: Body) -> tuple[str, ...]:
        """Return what a test case on these facts would expect: every pool is taken to have somebody."""
        made = ready(body)
        return fired(made.ruleset, made.engine.matching(self.facts))

    def _situation(self) -> Situation:
        picture = reference(self.session)
        heads = picture.heads_for(self.holder.team_id if self.holder else None)
        people = {"manager": self.holder.login} if self.holder else {}
        if len(heads) == 1:
            people["head"] = heads[0].login
        return Situation(
            now_us=to_us(self.now),
            facts=self.facts,
            fired={},
            clocks=self.clocks,
            roster=self.roster,
            times_reassigned=self.times_reassigned,
            max_transfers=settings_store.number(self.session, settings_store.MAX_TRANSFERS),
            people=people,
        )


def ground_of_request(
    session: Session, request: Request | None, bodies: Collection[Body], now: datetime, typed: Typed | None = None
) -> EscalationGround:
    """Return what these bodies are tried on for a request; None: for one that has just come. Raises FactsInvalid."""
    picture = reference(session)
    row = request if request is not None else new_request(now)
    seen = see(session, [row], now, looked_at(bodies), picture=picture)[row.id]
    facts = with_typed(seen.facts, typed or {})
    times = facts.get("request.times_reassigned", row.times_reassigned)
    acted = {}
    if request is not None:
        acted = _acted(session, WorkKind.REQUEST, request.id, escalation.ownership_of(session, request).id)
    return EscalationGround(
        session,
        now,
        WorkKind.REQUEST,
        facts,
        seen.clocks,
        lambda: whole_roster(session, row, now, just_lost=() if row.manager_id is None else (row.manager_id,)),
        _holder(picture, row.manager_id, typed),
        times if isinstance(times, int) else 0,
        acted,
        joined(of_values(typed or {}), spellings.of_request(request) if request is not None else {}),
    )


def ground_of_call(
    session: Session, call: Callback | None, bodies: Collection[Body], now: datetime, typed: Typed | None = None
) -> EscalationGround:
    """Return what these bodies are tried on for a planned call; None: for one that is due now. Raises FactsInvalid."""
    picture = reference(session)
    fields = looked_at(bodies)
    holder = _holder(picture, call.manager_id if call is not None else None, typed)
    acted: dict[str, datetime] = {}
    if call is None:
        found = see(session, [new_request(now)], now, fields, picture=picture)[0]
        kept = {key: value for key, value in found.facts.items() if not key.startswith("request.")}
        facts: Facts = {**kept, "item.kind": "callback"}
        clocks: RequestClocks = found.clocks
    elif holder is None:
        seen = client_facts(session, picture, {call.client_id: None}, now, fields)[call.client_id]
        facts = {**seen.facts, "item.kind": "callback", "item.times_postponed": call.times_postponed}
        clocks = CallbackClocks(seen.clocks.times, due_us=to_us(call.due_at), opened_us=to_us(call.call_from))
    else:
        plan = replace(EscalationPlan.of(ready(next(iter(bodies))).ruleset, "callback"), fields=fields)
        known, clocks = callback_escalation.see(session, picture, call, holder, now, plan)
        facts = {key: value for key, value in known.items() if value is not None}
        acted = _acted(session, WorkKind.CALLBACK, call.id, holder.id)
    return EscalationGround(
        session,
        now,
        WorkKind.CALLBACK,
        with_typed(facts, typed or {}),
        clocks,
        lambda: Roster({}),
        holder,
        acted=acted,
        spellings=joined(of_values(typed or {}), spellings.of_client(call.client) if call is not None else {}),
    )


def _holder(picture: Reference, manager_id: int | None, typed: Typed | None) -> ManagerRef | None:
    if typed and "manager.name" in typed:
        return picture.by_login(str(typed["manager.name"] or ""))
    return picture.managers.get(manager_id) if manager_id is not None else None


def _acted(session: Session, kind: WorkKind, item_id: int, ownership: int) -> dict[str, datetime]:
    statement = select(Firing.rule, Firing.at).where(
        Firing.item_kind == kind.value, Firing.item_id == item_id, Firing.ownership == ownership, Firing.occurrence == 0
    )
    return {row.rule: row.at for row in session.execute(statement)}
