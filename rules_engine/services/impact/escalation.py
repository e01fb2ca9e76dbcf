"""The impact of a draft of escalation: when each rule would have acted first, by what is recorded of each stretch.

Both rulesets are asked about the same stretches, so what nobody can know (what a manager would have done after a
reminder that he never got) weighs on both alike.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import bindparam, func, or_, select
from sqlalchemy.orm import Session

from rules_engine.decisions.escalation_plan import EscalationPlan
from rules_engine.decisions.impact_escalation import Acted, Followed, acts, fields_of, followed, same_rules, shared
from rules_engine.decisions.instants import from_us, to_us
from rules_engine.language.model import Action, Ruleset
from rules_engine.language.vocabulary import FIELDS
from rules_engine.models import Request, UtcDateTime, WorkKind
from rules_engine.services.company.reference import Reference, reference
from rules_engine.services.facts.requests import IMPLEMENTED
from rules_engine.services.impact.parts import NO_END, Budget, Json, Question, Slice, add_to, shares, titles_of
from rules_engine.services.impact.past_clients import PastClients
from rules_engine.services.impact.past_stretches import CALLS, PastStretches, Stretch
from rules_engine.services.records import settings_store
from rules_engine.services.records.reading import rows

KINDS: Final = ("remind", "head", "late", "reassign", "other")
"""What is counted: reminders to the manager, messages to his head, marks of lateness, transfers, all else."""
KNOWN: Final = frozenset(
    key
    for key in FIELDS
    if key.partition(".")[0] in ("request", "client", "owner", "now", "item") and key in IMPLEMENTED
) | {"manager.name", "manager.team", "manager.skills", "manager.is_working_now", "item.working_days_overdue"}
"""The fields whose past is recorded."""
_BATCH: Final = 200


@dataclass(frozen=True, slots=True)
class _Plans:
    live: tuple[Followed, ...]
    draft: tuple[Followed, ...]
    fields: frozenset[str]
    is_same: bool

    @classmethod
    def of(cls, question: Question, kind: WorkKind) -> "_Plans":
        live = EscalationPlan.of(question.live_rules, kind.value)
        draft = EscalationPlan.of(question.draft_rules, kind.value)
        of_live = followed(live, KNOWN)
        of_draft = shared(of_live, followed(draft, KNOWN))
        return cls(of_live, of_draft, live.fields | draft.fields, same_rules(live, draft))


class EscalationImpact:
    """Compares when the rules in force and those of the draft would have acted."""

    def total(self, session: Session, question: Question) -> int:
        return (session.scalar(_COUNT, _span(question)) or 0) + len(_calls(session, question, [0, NO_END]))

    def beginnings(self, session: Session, question: Question, parts: int) -> list[Json]:
        requests = session.scalars(_IDS, _span(question)).all()
        calls = [row.id for row in _calls(session, question, [0, NO_END])]
        pairs = zip(shares(requests, parts), shares(calls, parts), strict=True)
        return [_beginning({"requests": some, "calls": others}) for some, others in pairs]

    def step(self, session: Session, question: Question, state: Json, budget: Budget) -> Slice:
        state = json.loads(json.dumps(state))
        work = _Work(session, question, state)
        done = 0
        while budget.allows(done):
            most = budget.batch(_BATCH)
            found = work.requests(most) or work.calls(most)
            done += found
            if found == 0:
                return Slice(state, done, True, work.changes)
        return Slice(state, done, False, work.changes)

    def result(self, session: Session, question: Question, state: Json) -> Json:
        left_out: dict[str, list[str]] = {}
        for side, ruleset in (("live", question.live_rules), ("draft", question.draft_rules)):
            plan = EscalationPlan.of(ruleset)
            left_out[side] = [one.id for one in plan.rules if not fields_of(one) <= KNOWN]
        return {
            "sample": state["sample"],
            "changed": state["changed"],
            "cut": state["cut"],
            "left_out": left_out,
            "months": dict(sorted(state["months"].items())),
            "people": [
                {"manager": int(id_), "counts": counts}
                for id_, counts in sorted(state["people"].items(), key=lambda item: int(item[0]))
            ],
            "rules": state["rules"],
            "titles": titles_of(question.live, question.draft),
        }


def _beginning(cursor: Json) -> Json:
    return {
        "cursor": cursor,
        "sample": 0,
        "changed": 0,
        "cut": 0,
        "months": {},
        "people": {},
        "rules": {},
    }


class _Work:
    def __init__(self, session: Session, question: Question, state: Json) -> None:
        self._session = session
        self._question = question
        self._state = state
        self._picture: Reference = reference(session)
        self._clients = PastClients(session, self._picture)
        self._most_transfers = settings_store.number(session, settings_store.MAX_TRANSFERS)
        self._since, self._until = to_us(question.since), to_us(question.until)
        self._plans: dict[WorkKind, _Plans] = {}
        self.changes: list[Json] = []

    def requests(self, most: int) -> int:
        """Compare the next requests; return how many they were."""
        cursor = self._state["cursor"]["requests"]
        here = {**_span(self._question), "after": cursor[0], "last": cursor[1], "most": most}
        found = self._session.scalars(_NEXT, here).all()
        plans = self._of(WorkKind.REQUEST)
        past = PastStretches(self._session, self._picture, self._clients, plans.fields, self._question.until)
        stretches = past.of_requests(found)
        for request in found:
            for stretch in stretches[request.id]:
                if stretch.stages[-1].until_us > self._since:
                    self._compare(stretch, plans, WorkKind.REQUEST)
            cursor[0] = request.id
        return len(found)

    def calls(self, most: int) -> int:
        """Compare the next planned calls; return how many they were."""
        cursor = self._state["cursor"]["calls"]
        found = _calls(self._session, self._question, cursor, most)
        plans = self._of(WorkKind.CALLBACK)
        past = PastStretches(self._session, self._picture, self._clients, plans.fields, self._question.until)
        for stretch in past.of_calls(found):
            self._compare(stretch, plans, WorkKind.CALLBACK)
        if found:
            cursor[0] = found[-1].id
        return len(found)

    def _of(self, kind: WorkKind) -> _Plans:
        found = self._plans.get(kind)
        if found is None:
            found = self._plans[kind] = _Plans.of(self._question, kind)
        return found

    def _compare(self, stretch: Stretch, plans: _Plans, kind: WorkKind) -> None:
        self._state["sample"] += 1
        firsts: dict[Followed, int | None] = {}
        live = acts(plans.live, stretch.stages, self._most_transfers, firsts)
        draft = live if plans.is_same else acts(plans.draft, stretch.stages, self._most_transfers, firsts)
        self._count(stretch, live, self._question.live_rules, 0)
        self._count(stretch, draft, self._question.draft_rules, 1)
        if plans.is_same:
            return
        by_live = {one.rule: one for one in live}
        by_draft = {one.rule: one for one in draft}
        moved = [rule for rule in dict.fromkeys((*by_live, *by_draft)) if by_live.get(rule) != by_draft.get(rule)]
        moved = [rule for rule in moved if self._is_within(by_live.get(rule)) or self._is_within(by_draft.get(rule))]
        if stretch.was_taken and self._transfers(live, plans.live) and not self._transfers(draft, plans.draft):
            self._state["cut"] += 1
        if not moved:
            return
        self._state["changed"] += 1
        self.changes.append(
            {
                "kind": kind.value,
                "item": stretch.item_id,
                "manager": stretch.manager_id,
                "at": stretch.stages[0].from_us,
                "rules": [_moved(rule, by_live.get(rule), by_draft.get(rule)) for rule in moved],
            }
        )

    def _is_within(self, one: Acted | None) -> bool:
        return one is not None and self._since <= one.at_us < self._until

    def _transfers(self, found: Sequence[Acted], rules: Sequence[Followed]) -> bool:
        transferring = {one.planned.id for one in rules if one.transfers}
        return any(one.rule in transferring for one in found)

    def _count(self, stretch: Stretch, found: Sequence[Acted], ruleset: Ruleset, side: int) -> None:
        for one in found:
            if not self._is_within(one):
                continue
            add_to(self._state["rules"], one.rule, side, one.times)
            month = f"{self._picture.day_of(from_us(one.at_us)):%Y-%m}"
            for action in ruleset.actions_of(one.rule):
                place = 2 * KINDS.index(kind_of(action)) + side
                add_to(self._state["months"], month, place, one.times, width=2 * len(KINDS))
                if stretch.manager_id is not None:
                    person = str(stretch.manager_id)
                    add_to(self._state["people"], person, place, one.times, width=2 * len(KINDS))


def kind_of(action: Action) -> str:
    """Return under which of KINDS an action is counted."""
    match action.name:
        case "remind":
            return "remind"
        case "notify":
            return "head" if action.text("whom") == "head" else "remind"
        case "mark_late":
            return "late"
        case "reassign":
            return "reassign"
        case _:
            return "other"


def _moved(rule: str, live: Acted | None, draft: Acted | None) -> list[Any]:
    return [
        rule,
        live.at_us if live else None,
        draft.at_us if draft else None,
        live.times if live else 0,
        draft.times if draft else 0,
    ]


def _span(question: Question) -> dict[str, Any]:
    return {"since": question.since, "until": question.until}


def _calls(session: Session, question: Question, cursor: Sequence[int], most: int = NO_END) -> Sequence[Any]:
    after, last = cursor
    span = {"since": to_us(question.since), "until": to_us(question.until)}
    return rows(session, CALLS, {**span, "after": after, "last": last, "most": most})


_TOUCHED: Final = (
    Request.is_history.is_(False),
    Request.received_at < bindparam("until", type_=UtcDateTime()),
    or_(Request.closed_at.is_(None), Request.closed_at >= bindparam("since", type_=UtcDateTime())),
)
_COUNT: Final = select(func.count(Request.id)).where(*_TOUCHED)
_IDS: Final = select(Request.id).where(*_TOUCHED).order_by(Request.id)
_NEXT: Final = (
    select(Request)
    .where(*_TOUCHED, Request.id > bindparam("after"), Request.id <= bindparam("last"))
    .order_by(Request.id)
    .limit(bindparam("most"))
)
