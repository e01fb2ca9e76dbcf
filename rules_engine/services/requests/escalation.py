"""A clock runs: what the rules of escalation say about one request now, done once, and when to look again.

Every look reads the facts anew, in the transaction that writes. Whatever has fired for the present ownership (the open
assignment) stands in `firings`; its unique key is written in the transaction of the effects: the database refuses a
second time.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.orm import Session

from rules_engine.decisions.escalation import Situation, decide_escalation
from rules_engine.decisions.escalation_outcome import EscalationOutcome
from rules_engine.decisions.escalation_plan import EscalationPlan, Fired, next_wake
from rules_engine.decisions.escalation_warning import WARNING, TransferWarning, transfer_warning, wake_for
from rules_engine.decisions.instants import to_us
from rules_engine.decisions.modes import Mode
from rules_engine.errors import NotFound
from rules_engine.models import Assignment, Firing, Request, WorkKind
from rules_engine.services.company.reference import Reference, reference
from rules_engine.services.facts import requests as facts
from rules_engine.services.facts.requests import SeenRequest
from rules_engine.services.records import settings_store
from rules_engine.services.records.reading import rows
from rules_engine.services.requests import assignment, overload
from rules_engine.services.requests.escalation_effects import Case, carry_out
from rules_engine.services.requests.firings import MAX_STEPS, tell_that_rules_have_no_end, write_outcome
from rules_engine.services.rules import rulebook
from rules_engine.services.rules.modes import mode_in
from rules_engine.services.rules.rulebook import PublishedRuleset

NO_OWNERSHIP = 0
_PLANS_KEPT = 32
_CHANGES_NO_FACT: Final = frozenset({"remind", "notify", "mark_late", "create_task"})
"""After these alone nothing that a rule looks at is different: deciding again would find nothing."""


@dataclass(frozen=True, slots=True)
class Look:
    """When to look again (None: time alone changes nothing), and how many rules fired.

    `moved`: something was done that facts of other requests may tell of, such as a transfer.
    """

    wake_at: datetime | None
    fired: int = 0
    moved: bool = False


@dataclass(frozen=True, slots=True)
class Ownership:
    """The open assignment of a request and what has fired for it; id 0 while nobody has it."""

    id: int
    fired: dict[str, Fired]


@dataclass(frozen=True, slots=True)
class Read:
    """What was read of several requests at one instant; it holds until something is moved."""

    token: str
    seen: dict[int, SeenRequest]
    ownerships: dict[int, Ownership]


def read_ahead(session: Session, requests: Sequence[Request], now: datetime) -> Read | None:
    """Return what looks at these requests need, read once for all; None without requests or rules in force."""
    if not requests:
        return None
    try:
        ruleset = rulebook.published(session, "escalation", now)
    except NotFound:
        return None
    plan = plan_of(ruleset, WorkKind.REQUEST)
    if not plan.rules and not plan.ruleset.otherwise:
        return None
    return Read(
        ruleset.content_hash,
        facts.see(session, requests, now, plan.fields),
        ownerships_of(session, [request.id for request in requests]),
    )


def look(session: Session, request: Request, now: datetime, *, attempt: int = 1, read: Read | None = None) -> Look:
    """Let the rules in force act on an open request at `now`.

    Effects can make further rules match, so it is decided again at the same instant until nothing more fires, at most
    ten times; then an incident is written. The item of the request must be locked by this transaction; `read` is what
    `read_ahead` read in it.
    """
    picture = reference(session)
    coming = rulebook.next_change_at(session, "escalation", now)
    try:
        ruleset = rulebook.published(session, "escalation", now)
    except NotFound:
        return Look(coming)
    plan = plan_of(ruleset, WorkKind.REQUEST)
    if not plan.rules and not plan.ruleset.otherwise:
        return Look(coming)
    if read is not None and read.token != ruleset.content_hash:
        read = None
    count = 0
    moved = False
    for _ in range(MAX_STEPS):
        mode = _mode(picture, request, now)
        if not mode.decides:
            return Look(coming, count, moved)
        if read is not None:
            seen, ownership = read.seen[request.id], read.ownerships[request.id]
        else:
            seen = facts.see(session, [request], now, plan.fields, picture=picture)[request.id]
            ownership = ownership_of(session, request)
        read = None
        evaluation = rulebook.evaluate(session, ruleset, seen.facts, now, attempt=attempt)
        warning = _warning(session, plan, request, seen, ownership, now) if mode is Mode.LIVE else None
        situation = _situation(session, picture, request, seen, ownership, mode, warning, now)
        outcome = decide_escalation(plan, evaluation.matching, situation)
        if not outcome:
            again = _again(plan, seen, ownership, warning, now)
            return Look(min((at for at in (again, coming) if at is not None), default=None), count, moved)
        decision_id = write_outcome(
            session,
            kind=WorkKind.REQUEST,
            item_id=request.id,
            ownership=ownership.id,
            version_id=ruleset.version_id,
            engine=evaluation.engine,
            mode=mode,
            facts=seen.facts,
            outcome=outcome,
            now=now,
        )
        carry_out(Case(session, request, ownership.id, decision_id, outcome, now))
        session.flush()
        count += len(outcome.firings)
        if _CHANGES_NO_FACT.issuperset(effect.action for effect in outcome.applied):
            after = with_fired(ownership, outcome, now)
            if mode is Mode.LIVE and _moves_the_warning(plan, outcome):
                warning = _warning(session, plan, request, seen, after, now)
            again = _again(plan, seen, after, warning, now)
            return Look(min((at for at in (again, coming) if at is not None), default=None), count, moved)
        moved = True
    tell_that_rules_have_no_end(session, WorkKind.REQUEST, request.id, request.external_id, now)
    return Look(coming, count, moved)


def plan_of(ruleset: PublishedRuleset, kind: WorkKind) -> EscalationPlan:
    """Return the plan of a published version for one kind of item; made once a process."""
    key = (ruleset.content_hash, kind)
    with _plans_lock:
        found = _plans.get(key)
        if found is None:
            found = _plans[key] = EscalationPlan.of(ruleset.ruleset, kind.value)
            if len(_plans) > _PLANS_KEPT:
                _plans.popitem(last=False)
        _plans.move_to_end(key)
        return found


_plans: OrderedDict[tuple[str, WorkKind], EscalationPlan] = OrderedDict()
_plans_lock = threading.Lock()


def _moves_the_warning(plan: EscalationPlan, outcome: EscalationOutcome) -> bool:
    """Return whether what has fired changes which transfer the holder is to be warned of."""
    transfers = {planned.id for planned in plan.rules if planned.transfers}
    return any(rule == WARNING or rule in transfers for rule in outcome.fired)


def _again(
    plan: EscalationPlan, seen: SeenRequest, ownership: Ownership, warning: TransferWarning | None, now: datetime
) -> datetime | None:
    """Return when the rules, or the warning before a transfer, want this request to be looked at again."""
    wakes = (next_wake(plan, ownership.fired, seen.clocks, seen.facts, now), wake_for(warning, now))
    return min((at for at in wakes if at is not None), default=None)


def with_fired(ownership: Ownership, outcome: EscalationOutcome, now: datetime) -> Ownership:
    """Return the ownership with what has fired just now."""
    fired = dict(ownership.fired)
    for firing in outcome.firings:
        known = fired.get(firing.rule)
        fired[firing.rule] = Fired(known.first_us if known else to_us(now), firing.occurrence)
    return Ownership(ownership.id, fired)


def ownership_of(session: Session, request: Request) -> Ownership:
    """Return under which assignment a request is held now, and what has fired for it, in one query."""
    return ownerships_of(session, [request.id])[request.id]


def ownerships_of(session: Session, request_ids: list[int]) -> dict[int, Ownership]:
    """Return what `ownership_of` does for several requests, in one query."""
    found = {id_: Ownership(NO_OWNERSHIP, {}) for id_ in request_ids}
    for request_id, ownership, rule, occurrence, at in rows(session, _OWNERSHIPS, {"requests": request_ids}):
        if found[request_id].id != ownership:
            found[request_id] = Ownership(ownership, {})
        if rule is None:
            continue
        fired = found[request_id].fired
        # The first firing is always occurrence 0; what repeats is counted from its instant.
        first = fired[rule].first_us if rule in fired else to_us(at)
        fired[rule] = Fired(first, occurrence)
    return found


def _ownerships() -> Select[int, int, str, int, datetime]:
    held = (
        select(Request.id.label("request_id"), func.coalesce(Assignment.id, NO_OWNERSHIP).label("ownership"))
        .outerjoin(Assignment, (Assignment.request_id == Request.id) & Assignment.ended_at.is_(None))
        .where(Request.id.in_(bindparam("requests", expanding=True)))
        .subquery()
    )
    return (
        select(held.c.request_id, held.c.ownership, Firing.rule, Firing.occurrence, Firing.at)
        .outerjoin(
            Firing,
            (Firing.item_kind == WorkKind.REQUEST.value)
            & (Firing.item_id == held.c.request_id)
            & (Firing.ownership == held.c.ownership),
        )
        .order_by(Firing.occurrence)
    )


_OWNERSHIPS: Final = _ownerships()


def _mode(picture: Reference, request: Request, now: datetime) -> Mode:
    holder = picture.managers.get(request.manager_id) if request.manager_id is not None else None
    return mode_in(picture, "escalation", holder.team_id if holder else None, now)


def _situation(
    session: Session,
    picture: Reference,
    request: Request,
    seen: SeenRequest,
    ownership: Ownership,
    mode: Mode,
    warning: TransferWarning | None,
    now: datetime,
) -> Situation:
    people: dict[str, str] = {}
    holder = picture.managers.get(request.manager_id) if request.manager_id is not None else None
    if holder is not None:
        people["manager"] = holder.login
    heads = picture.heads_for(holder.team_id if holder else None)
    if len(heads) == 1:
        people["head"] = heads[0].login
    return Situation(
        now_us=to_us(now),
        facts=seen.facts,
        fired=ownership.fired,
        clocks=seen.clocks,
        roster=lambda: assignment.roster_of(session, request, now),
        times_reassigned=request.times_reassigned,
        max_transfers=settings_store.number(session, settings_store.MAX_TRANSFERS),
        mode=mode,
        is_overloaded=lambda: overload.is_overloaded(session, picture, holder.team_id if holder else None, now),
        people=people,
        warning=warning,
    )


def _warning(
    session: Session, plan: EscalationPlan, request: Request, seen: SeenRequest, ownership: Ownership, now: datetime
) -> TransferWarning | None:
    if request.manager_id is None:
        return None
    return transfer_warning(
        plan,
        ownership.fired,
        seen.clocks,
        seen.facts,
        now,
        minutes=settings_store.number(session, settings_store.TRANSFER_WARNING),
        times_reassigned=request.times_reassigned,
        max_transfers=settings_store.number(session, settings_store.MAX_TRANSFERS),
    )
