"""Who gets a new request: the rules decide, and what they decided is written as far as the mode permits.

Locks in this order: work item, request, ledger month. Nothing here commits. How a request goes from one to another:
reassignment.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.db import settings_of
from rules_engine.decisions.assignment import AssignmentOutcome, OutcomeKind
from rules_engine.decisions.modes import Mode
from rules_engine.decisions.roster import Roster
from rules_engine.decisions.waiting_line import line_of
from rules_engine.errors import NotFound
from rules_engine.models import (
    AssignmentCause,
    Decision,
    Firing,
    Request,
    RequestStatus,
)
from rules_engine.services.company.reference import ManagerRef, Reference, reference
from rules_engine.services.messages import outbox
from rules_engine.services.records import ledger_rows, settings_store
from rules_engine.services.records.ledger_rows import Cause
from rules_engine.services.requests import assignment_texts, repeats, unassigned_alerts, waiting
from rules_engine.services.requests.assignment_effects import FIRING_KIND, UNOWNED, fire
from rules_engine.services.requests.handing_over import Handover, hand_over, write_event
from rules_engine.services.requests.reassignment import (
    assign_by_hand,
    assign_external,
    end_assignment,
    take_away_and_reassign,
    take_up_again,
)
from rules_engine.services.requests.weighing import (
    ASSIGNMENT,
    Weighed,
    record,
    retry_at,
    weigh,
    weigh_draft,
    whole_roster,
)
from rules_engine.services.rules import journal, rulebook
from rules_engine.services.rules.modes import is_off_everywhere, mode_in
from rules_engine.services.rules.rulebook import PublishedRuleset

__all__ = [
    "AssignmentResult",
    "Proposal",
    "assign_by_hand",
    "assign_external",
    "decide_and_assign",
    "end_assignment",
    "proposal",
    "proposals",
    "roster_of",
    "take_away_and_reassign",
    "take_up_again",
    "weigh_draft",
]

NOBODY: Final = "~nobody"
"""Stands for a rule where none acted; no id of a rule begins so."""


@dataclass(frozen=True, slots=True)
class AssignmentResult:
    """What became of a request. `wake_at`: when to weigh it again; None: time alone changes nothing.

    `manager` is the one who has it now, None also where a mode only recorded or proposed one.
    """

    manager: ManagerRef | None = None
    wake_at: datetime | None = None
    decision_id: int | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """Whom the rules would give a request that nobody has, or that another system gave to somebody else."""

    manager_id: int
    rule: str
    mode: str
    at: datetime
    decision_id: int


def decide_and_assign(session: Session, request: Request, now: datetime, *, attempt: int = 1) -> AssignmentResult:
    """Decide who gets a new request and write it, all or nothing; the caller has locked work item and request.

    What repeats an open request goes to whoever has that one, if he is here, without the rules being asked.
    `live`: assignment, ledger, task, decision, firings, event, message. `hints` and `watch`: the decision alone, once
    as long as it stays the same. `off`: nothing. Nobody can take it: the head is told once, and it is tried again.
    The mode is that of the team of whoever was chosen. From the second `attempt` on native decides alone.
    """
    if request.status is not RequestStatus.NEW or request.is_history:
        return AssignmentResult()
    # Before anything is read that another assignment may be about to change.
    ledger_rows.lock_month(session, now)
    picture = reference(session)
    if is_off_everywhere(picture, ASSIGNMENT, now):
        return AssignmentResult()
    first = repeats.first_of(session, request)
    if first is not None:
        if repeats.comes_too_early(first, request, now):
            return AssignmentResult(wake_at=now + timedelta(minutes=1))
        holder = repeats.holder_of(picture, first, now)
        if holder is not None:
            return AssignmentResult(holder, None, repeats.hand_to_same(session, picture, request, first, holder, now))
    coming = picture.next_version_at(ASSIGNMENT, now)
    try:
        ruleset = rulebook.published(session, ASSIGNMENT, now)
    except NotFound:
        return AssignmentResult(wake_at=coming)
    weighed = weigh(session, request, now, ruleset, picture=picture, attempt=attempt)
    outcome = weighed.outcome
    chosen = picture.managers[outcome.manager_id] if outcome.manager_id is not None else None
    mode = mode_in(picture, ASSIGNMENT, chosen.team_id if chosen else None, now)
    if not mode.decides:
        return AssignmentResult(wake_at=coming)
    key = line_of(outcome, ruleset.ruleset, weighed.roster, ruleset.version_id) if mode is not Mode.WATCH else None
    if key is None:
        waiting.leave(session, request, now)
    if chosen is not None and mode is Mode.LIVE:
        decision_id = record(session, request, now, ruleset, weighed, mode)
        _assign(session, picture, request, chosen, weighed, decision_id, now)
        return AssignmentResult(chosen, None, decision_id)
    if chosen is not None or mode is Mode.WATCH:
        known = _same_before(session, request, ruleset, outcome)
        recorded = known or record(session, request, now, ruleset, weighed, mode)
        return AssignmentResult(None, coming, recorded)
    again = retry_at(
        weighed,
        ruleset.ruleset,
        now,
        settings_store.number(session, settings_store.RETRY_MINUTES),
        is_first=key is not None and waiting.join(session, request, key, now),
        tomorrow=picture.start_of_day(picture.day_of(now) + timedelta(days=1)),
    )
    wake_at = min((at for at in (again, coming) if at is not None), default=None)
    unassigned = _leave_unassigned(session, picture, request, ruleset, weighed, mode, now)
    return AssignmentResult(None, wake_at, unassigned)


def roster_of(session: Session, request: Request, now: datetime) -> Roster:
    """Return who could get a request that is taken from its holder; the month's ledger is locked from then on."""
    ledger_rows.lock_month(session, now)
    just_lost = () if request.manager_id is None else (request.manager_id,)
    return whole_roster(session, request, now, just_lost=just_lost)


def proposal(session: Session, request: Request) -> Proposal | None:
    """Return whom the rules last proposed for a request, None where they were not asked or found nobody."""
    return proposals(session, [request.id]).get(request.id)


def proposals(session: Session, request_ids: Sequence[int]) -> dict[int, Proposal]:
    """Return the last proposal for each of these requests that has one."""
    rows = session.execute(
        select(Decision.subject_id, Decision.chosen_manager_id, Decision.fired, Decision.mode, Decision.at, Decision.id)
        .where(
            Decision.subject_kind == "request",
            Decision.subject_id.in_(request_ids),
            Decision.decision == ASSIGNMENT,
            Decision.mode.in_((Mode.WATCH.value, Mode.HINTS.value)),
        )
        .order_by(Decision.id)
    )
    found: dict[int, Proposal] = {}
    for row in rows:
        found.pop(row.subject_id, None)
        if row.chosen_manager_id is not None:
            found[row.subject_id] = Proposal(row.chosen_manager_id, row.fired[0], row.mode, row.at, row.id)
    return found


def _assign(
    session: Session,
    picture: Reference,
    request: Request,
    chosen: ManagerRef,
    weighed: Weighed,
    decision_id: int,
    now: datetime,
) -> None:
    outcome = weighed.outcome
    is_repeat = repeats.is_repeat_for(session, request, chosen.id)
    assignment_id = hand_over(
        session,
        picture,
        request,
        Handover(
            manager=chosen,
            at=now,
            cause=AssignmentCause.RULE,
            ledger_cause=Cause.DUPLICATE if is_repeat else Cause.RULE,
            reason=assignment_texts.reason_of_rule(outcome),
            decision_id=decision_id,
            delta=0 if is_repeat else 1,
            rule=outcome.rule,
            strategy=outcome.strategy and str(outcome.strategy),
            answer_within=outcome.answer_within,
            pointer=outcome.pointer,
        ),
        now,
    )
    fire(session, picture, request, chosen, outcome, decision_id, assignment_id, now)
    if outcome.attempts and outcome.attempts[-1].ignores_holds:
        _tell_that_holds_were_ignored(session, picture, chosen, now)


def _tell_that_holds_were_ignored(session: Session, picture: Reference, chosen: ManagerRef, now: datetime) -> None:
    """A pause never empties a pool; the head is told once a day that it could not be kept."""
    outbox.notify(
        session,
        user_ids=[head.id for head in picture.heads_for(chosen.team_id)],
        subject={
            "ru": "Приостановка новых заявок не учтена",
            "en": "A hold on new requests was not counted",
        },
        body={
            "ru": "Новые заявки приостановлены у всех, кто мог взять заявку, поэтому она передана по общему правилу.",
            "en": "New requests of everybody who could take the request are on hold, so it was assigned as usual.",
        },
        link="/overdue/",
        key=f"holds-ignored:{chosen.team_id}:{picture.day_of(now).isoformat()}",
        now=now,
    )


def _leave_unassigned(
    session: Session,
    picture: Reference,
    request: Request,
    ruleset: PublishedRuleset,
    weighed: Weighed,
    mode: Mode,
    now: datetime,
) -> int | None:
    """Say on the request why nobody has it, and tell the head once a rule; return the decision if it is a new one."""
    outcome = weighed.outcome
    request.unassigned_reason = assignment_texts.why_unassigned(outcome, settings_of(session).locale)
    rule = outcome.rule or (outcome.passed_over[-1].rule if outcome.kind is OutcomeKind.WAITING else NOBODY)
    told = select(Firing.id).where(
        Firing.item_kind == FIRING_KIND,
        Firing.item_id == request.id,
        Firing.ownership == UNOWNED,
        Firing.rule == rule,
    )
    if session.scalar(told) is not None:
        return None
    decision_id = record(session, request, now, ruleset, weighed, mode)
    fire(session, picture, request, None, outcome, decision_id, UNOWNED, now, rule=rule)
    write_event(session, request, now, "unassigned", journal.SYSTEM, rule=outcome.rule, decision_id=decision_id)
    if outcome.kind is not OutcomeKind.WAITING:
        unassigned_alerts.tell(session, picture, request, outcome, rule, now)
    return decision_id


def _same_before(
    session: Session, request: Request, ruleset: PublishedRuleset, outcome: AssignmentOutcome
) -> int | None:
    """Return the last decision about the request if it says the same as this one: it is not recorded again."""
    last = session.execute(
        select(Decision.id, Decision.version_id, Decision.chosen_manager_id, Decision.fired)
        .where(Decision.subject_kind == "request", Decision.subject_id == request.id, Decision.decision == ASSIGNMENT)
        .order_by(Decision.id.desc())
        .limit(1)
    ).one_or_none()
    if last is None:
        return None
    same = (last.version_id, last.chosen_manager_id, last.fired) == (
        ruleset.version_id,
        outcome.manager_id,
        list(outcome.fired),
    )
    return last.id if same else None
