"""A request goes from one to another: by a head, by the rules of escalation, with its import; and comes to its end.

Locks in this order: work item, request, ledger month. Nothing here commits.
"""

from datetime import datetime
from typing import Final, Protocol

from sqlalchemy.orm import Session

from rules_engine.decisions.assignment import AssignmentOutcome, OutcomeKind
from rules_engine.decisions.escalation_outcome import Transfer
from rules_engine.decisions.fair_share import FairShare
from rules_engine.decisions.modes import Mode
from rules_engine.decisions.picking import Attempt, Verdict
from rules_engine.decisions.roster import Roster, refused_by_nature
from rules_engine.errors import NotFound, PolicyViolation
from rules_engine.language.kinds import Words
from rules_engine.models import Assignment, AssignmentCause, Decision, Request, WorkKind
from rules_engine.services.company.reference import ManagerRef, Reference, reference
from rules_engine.services.queue import work
from rules_engine.services.records import audit, ledger_rows, settings_store
from rules_engine.services.records.ledger_rows import Cause
from rules_engine.services.records.reading import lock_request
from rules_engine.services.requests import assignment_texts, repeats, waiting
from rules_engine.services.requests.handing_over import CLOSED, Handover, hand_over, take_back, tell_taken, write_event
from rules_engine.services.requests.weighing import ASSIGNMENT, NO_ENGINE, record, weigh, whole_roster
from rules_engine.services.rules import journal, rulebook
from rules_engine.services.rules.modes import mode_in

BY_HAND: Final = "~hand"
"""Stands for a rule where a person decided; no id of a rule begins so."""
_BY_HAND_WORDS: Final = Words("Вручную", "By hand")


class HasId(Protocol):
    """A manager's row, or his place in the picture."""

    @property
    def id(self) -> int: ...


def assign_by_hand(
    session: Session,
    request: Request,
    manager: HasId,
    *,
    reason: str,
    actor: str,
    now: datetime,
    keep_debit: bool = True,
) -> Assignment:
    """Return the assignment that a head made: to `manager`, for `reason`, whatever the rules and the mode say.

    The clocks start anew. What the old holder received stays counted for him; without `keep_debit` it is taken out.
    Raises PolicyViolation for a closed request, for the manager who has it already, and for who does not work here.
    """
    # Before the row is locked: see the order of locks in queue/work.py.
    work.ask(session, WorkKind.REQUEST, request.id, now)
    lock_request(session, request)
    ledger_rows.lock_month(session, now)
    picture = reference(session)
    chosen = picture.manager(manager.id)
    _refuse_hand(request, chosen, reason, now)
    roster = whole_roster(session, request, now)
    outcome = _hand_outcome(chosen, roster)
    decision_id = journal.write_decision(
        session,
        decision=ASSIGNMENT,
        subject_kind="request",
        subject_id=request.id,
        at=now,
        version_id=None,
        engine=NO_ENGINE,
        mode=Mode.LIVE.value,
        actor=actor,
        fired=[],
        effects=[{"action": "assign", "rule": BY_HAND, "login": chosen.login, "reason": reason}],
        chosen_manager_id=chosen.id,
        detail={"facts": {}, "rules": [], "outcome": outcome.to_json(), "reason": reason},
    )
    is_repeat = repeats.is_repeat_for(session, request, chosen.id)
    before = picture.managers.get(request.manager_id) if request.manager_id is not None else None
    held = take_back(session, request, end_reason="hand", at=now, task_note=reason)
    if held is not None and before is not None:
        still_counts = _debit(session, request, held, Cause.HAND, decision_id, now, keep=keep_debit)
        write_event(session, request, now, "taken", actor, manager=before.login, reason=reason, decision_id=decision_id)
        tell_taken(session, request, held, before, chosen, now, still_counts=still_counts)
    assignment_id = hand_over(
        session,
        picture,
        request,
        Handover(
            manager=chosen,
            at=now,
            cause=AssignmentCause.HAND,
            ledger_cause=Cause.DUPLICATE if is_repeat else Cause.HAND,
            delta=0 if is_repeat else 1,
            reason=assignment_texts.reason_by_hand(_name_of(picture, actor), reason),
            decision_id=decision_id,
            answer_within=request.answer_within,
            actor=actor,
        ),
        now,
    )
    audit.record(
        session,
        actor=actor,
        action="reassign",
        subject_kind="request",
        subject_id=request.id,
        before={"manager": before.login if before else None},
        after={"manager": chosen.login, "reason": reason, "keep_debit": keep_debit},
    )
    session.flush()
    if held is not None:
        waiting.someone_can_again(session, now)
    return session.get_one(Assignment, assignment_id)


def take_away_and_reassign(
    session: Session, request: Request, transfer: Transfer, decision: Decision, now: datetime
) -> Assignment:
    """Return the assignment of whoever gets a request that its holder did not answer, as escalation decided.

    What the old holder received stays counted for him: dodging does not pay. Choose by `assignment.roster_of`, which
    locks the ledger and leaves out who has just lost it.
    """
    picture = reference(session)
    chosen = picture.manager(transfer.manager_id)
    before = picture.managers.get(request.manager_id) if request.manager_id is not None else None
    held = take_back(session, request, end_reason="transfer", at=now)
    if held is not None and before is not None:
        still_counts = _debit(session, request, held, Cause.NO_ANSWER, decision.id, now, keep=True, rule=transfer.rule)
        write_event(
            session,
            request,
            now,
            "taken",
            journal.SYSTEM,
            manager=before.login,
            rule=transfer.rule,
            decision_id=decision.id,
        )
        tell_taken(session, request, held, before, chosen, now, still_counts=still_counts)
    request.times_reassigned += 1
    is_repeat = repeats.is_repeat_for(session, request, chosen.id)
    assignment_id = hand_over(
        session,
        picture,
        request,
        Handover(
            manager=chosen,
            at=now,
            cause=AssignmentCause.TRANSFER,
            ledger_cause=Cause.DUPLICATE if is_repeat else Cause.TRANSFER,
            delta=0 if is_repeat else 1,
            reason=assignment_texts.reason_of_transfer(before.name if before else ""),
            decision_id=decision.id,
            rule=transfer.rule,
            strategy=transfer.strategy and str(transfer.strategy),
            answer_within=transfer.answer_within or request.answer_within,
            pointer=transfer.pointer,
        ),
        now,
    )
    session.flush()
    waiting.someone_can_again(session, now)
    return session.get_one(Assignment, assignment_id)


def assign_external(
    session: Session,
    request: Request,
    manager: HasId,
    *,
    assigned_at: datetime,
    actor: str,
    now: datetime,
) -> Assignment:
    """Return the assignment of a request that came with its manager from another system.

    Under `hints` and `live` he gets a task and a due time; under `watch` and `off` neither, and under `watch` it is
    recorded whom the rules would have chosen. It counts for him in the month of `assigned_at`. Nobody is written to.
    """
    work.ask(session, WorkKind.REQUEST, request.id, assigned_at)
    ledger_rows.lock_month(session, assigned_at)
    picture = reference(session)
    chosen = picture.manager(manager.id)
    mode = mode_in(picture, ASSIGNMENT, chosen.team_id, now)
    if mode is Mode.WATCH:
        _record_watched(session, picture, request, assigned_at)
    is_repeat = repeats.is_repeat_for(session, request, chosen.id)
    assignment_id = hand_over(
        session,
        picture,
        request,
        Handover(
            manager=chosen,
            at=assigned_at,
            cause=AssignmentCause.EXTERNAL,
            ledger_cause=Cause.DUPLICATE if is_repeat else Cause.EXTERNAL,
            delta=0 if is_repeat else 1,
            reason=assignment_texts.reason_external(),
            actor=actor,
            with_task=mode in (Mode.HINTS, Mode.LIVE),
            is_told=False,
        ),
        now,
    )
    session.flush()
    return session.get_one(Assignment, assignment_id)


def end_assignment(session: Session, request: Request, reason: str, at: datetime) -> Assignment | None:
    """Return the assignment that ended with its request; None where nobody held it. Open tasks are cancelled."""
    return take_back(session, request, end_reason=reason or CLOSED, at=at)


def take_up_again(session: Session, request: Request, *, at: datetime) -> Assignment | None:
    """Return a new open assignment of a closed request for its last holder; None where it never had one.

    It counts for nobody: it was counted when he received it. It has a due time only if no answer was ever given.
    """
    if request.manager_id is None:
        return None
    request.assigned_at = at
    request.line_busy_at = None
    within, due_at = None, None
    if request.first_answer_at is None:
        within = request.answer_within or settings_store.number(session, settings_store.ANSWER_WITHIN)
        due_at = reference(session).calendar_of(request.manager_id).add(at, within)
        request.answer_within, request.answer_due_at = within, due_at
    assignment = Assignment(
        request_id=request.id,
        manager_id=request.manager_id,
        assigned_at=at,
        cause=AssignmentCause.HAND,
        answer_within=within,
        answer_due_at=due_at,
        first_answer_at=request.first_answer_at,
    )
    session.add(assignment)
    session.flush()
    return assignment


def _refuse_hand(request: Request, chosen: ManagerRef, reason: str, now: datetime) -> None:
    if not reason.strip():
        raise PolicyViolation(ru="нужна причина передачи", en="a reason is needed")
    if request.is_history or not request.status.is_open:
        raise PolicyViolation(ru="заявка закрыта, передавать нечего", en="the request is closed")
    if request.manager_id == chosen.id:
        raise PolicyViolation(ru=f"заявку уже ведёт {chosen.name}", en=f"{chosen.name} has the request already")
    if not chosen.is_employed(now):
        raise PolicyViolation(ru=f"{chosen.name} не работает в компании", en=f"{chosen.name} does not work here")


def _debit(
    session: Session,
    request: Request,
    held: Assignment,
    cause: Cause,
    decision_id: int,
    now: datetime,
    *,
    keep: bool,
    rule: str | None = None,
) -> bool:
    """Write into the ledger that a request was taken from somebody; return whether it still counts for him."""
    counted, value = ledger_rows.counted_for(session, request.id, held.manager_id)
    ledger_rows.enter(
        session,
        at=now,
        request_id=request.id,
        manager_id=held.manager_id,
        assignment_id=held.id,
        delta=0 if keep else -counted,
        value_minor=0 if keep else -value,
        cause=cause,
        rule=rule,
        decision_id=decision_id,
    )
    return keep and counted > 0


def _hand_outcome(chosen: ManagerRef, roster: Roster) -> AssignmentOutcome:
    """Return the outcome with its trace: who could have got it, with counts and shortfalls, and who was chosen."""
    candidates = [one for one in roster.candidates.values() if one.is_active]
    refusals = {one.id: refused_by_nature(one, roster) for one in candidates}
    standings = [one for one in candidates if refusals[one.id] is None or one.id == chosen.id]
    share = FairShare(standings)
    # He is first because a person chose him; behind him they stand as fair share would have had them.
    order = [chosen.id, *(id_ for id_ in share.order if id_ != chosen.id)]
    places = {id_: place for place, id_ in enumerate(order, 1)}
    verdicts = tuple(
        Verdict(
            one.id,
            one.login,
            one.name,
            None if one.id == chosen.id else refusals[one.id],
            one.count,
            one.value_minor,
            one.entitlement,
            one.open_requests,
            share.shortfalls.get(one.id),
            places.get(one.id),
        )
        for one in candidates
    )
    return AssignmentOutcome(
        OutcomeKind.ASSIGNED,
        manager_id=chosen.id,
        manager=chosen.login,
        rule=BY_HAND,
        pool="everyone",
        attempts=(Attempt(BY_HAND, "everyone", None, None, verdicts),),
        titles=((BY_HAND, _BY_HAND_WORDS),),
    )


def _record_watched(session: Session, picture: Reference, request: Request, at: datetime) -> None:
    """Record whom the rules in force when it arrived would have given the request."""
    try:
        ruleset = rulebook.published(session, ASSIGNMENT, at)
    except NotFound:
        return
    record(session, request, at, ruleset, weigh(session, request, at, ruleset, picture=picture), Mode.WATCH)


def _name_of(picture: Reference, login: str) -> str:
    return next((user.name for user in picture.users.values() if user.login == login), login)
