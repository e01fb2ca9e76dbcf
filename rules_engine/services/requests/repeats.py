"""Requests that repeat an open one of the same client for the same service: linked, same manager, not counted again."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from rules_engine.db import is_sqlite
from rules_engine.decisions.assignment import AssignmentOutcome, OutcomeKind
from rules_engine.decisions.modes import Mode
from rules_engine.decisions.picking import Attempt, Verdict
from rules_engine.language.kinds import Words
from rules_engine.models import OPEN_STATUSES, AssignmentCause, Client, Request, RequestEvent, RequestStatus
from rules_engine.services.company.reference import ManagerRef, Reference, reference
from rules_engine.services.facts.loads import HELD
from rules_engine.services.records import ledger_rows, settings_store
from rules_engine.services.records.ledger_rows import Cause
from rules_engine.services.requests import assignment_texts
from rules_engine.services.requests.handing_over import Handover, hand_over
from rules_engine.services.requests.weighing import ASSIGNMENT, NO_ENGINE, whole_roster
from rules_engine.services.rules import journal
from rules_engine.services.rules.modes import mode_in

REPEAT: Final = "~repeat"
"""Stands for a rule where a request went to whoever has the one that it repeats; no id of a rule begins so."""
_WORDS: Final = Words("Повтор открытой заявки", "Repeats an open request")
FIRST_COMES_FIRST: Final = timedelta(minutes=5)
"""So long a repeat waits for the first of the two, if nobody has looked at that one yet."""

_TWIN: Final = select(func.min(Request.id)).where(
    Request.client_id == bindparam("client"),
    Request.service == bindparam("service"),
    Request.id < bindparam("before"),
    Request.status.in_(OPEN_STATUSES),
    Request.is_history.is_(False),
)
_NEWEST: Final = 1 << 62


def open_twin(session: Session, client_id: int | None, service: str | None, *, before: int = _NEWEST) -> int | None:
    """Return the id of the oldest open request of the same client for the same service; None where there is none.

    `before`: only those with a lower id.
    """
    if client_id is None or service is None:
        return None
    return session.scalar(_TWIN, {"client": client_id, "service": service, "before": before})


def one_at_a_time(session: Session, client_id: int | None) -> None:
    """Wait until no other transaction takes in a request of this client: of two at once one must see the other.

    On SQLite there is only one writer anyway.
    """
    if client_id is not None and not is_sqlite(session):
        # Rows that refer to the client are still written meanwhile.
        session.execute(select(Client.id).where(Client.id == client_id).with_for_update(key_share=True))


def repeats_of(session: Session, request: Request) -> Sequence[Request]:
    """Return the requests that repeat this one, the oldest first."""
    if request.client_id is None:
        return ()
    return session.scalars(
        select(Request)
        .where(Request.client_id == request.client_id, Request.duplicate_of_id == request.id)
        .order_by(Request.id)
    ).all()


def first_of(session: Session, request: Request) -> Request | None:
    """Return the open request that this one repeats; None where it repeats none or that one is closed."""
    first = session.get(Request, request.duplicate_of_id) if request.duplicate_of_id is not None else None
    return first if first is not None and first.status.is_open else None


def is_repeat_for(session: Session, request: Request, manager_id: int) -> bool:
    """Return whether a request repeats an open one that this manager has: it does not count for him again."""
    first = first_of(session, request)
    return first is not None and first.manager_id == manager_id


def comes_too_early(first: Request, request: Request, now: datetime) -> bool:
    """Return whether the first of the two has not been looked at yet, and should be soon."""
    is_untouched = first.status is RequestStatus.NEW and first.waiting_key is None and first.unassigned_reason is None
    return is_untouched and now - request.received_at < FIRST_COMES_FIRST


def holder_of(picture: Reference, first: Request, now: datetime) -> ManagerRef | None:
    """Return who has the first of the two, if he is here and assignment is live for him; else the rules decide."""
    holder = picture.managers.get(first.manager_id) if first.manager_id is not None else None
    if holder is None or first.status not in HELD:
        return None
    is_here = holder.is_employed(now) and holder.absence_at(now) is None
    return holder if is_here and mode_in(picture, ASSIGNMENT, holder.team_id, now) is Mode.LIVE else None


def hand_to_same(
    session: Session, picture: Reference, request: Request, first: Request, holder: ManagerRef, now: datetime
) -> int:
    """Give a repeat to whoever has the first of the two, counted for nobody; return the id of the decision.

    The month of `now` is locked by this transaction.
    """
    seen = whole_roster(session, request, now).candidates[holder.id]
    usual = settings_store.number(session, settings_store.ANSWER_WITHIN)
    # What came by night had a longer time to answer than its repeat by day needs.
    within = min(first.answer_within or usual, usual)
    verdict = Verdict(
        seen.id,
        seen.login,
        seen.name,
        None,
        seen.count,
        seen.value_minor,
        seen.entitlement,
        seen.open_requests,
        place=1,
    )
    outcome = AssignmentOutcome(
        OutcomeKind.ASSIGNED,
        manager_id=holder.id,
        manager=holder.login,
        rule=REPEAT,
        pool="previous",
        answer_within=within,
        attempts=(Attempt(REPEAT, "previous", None, None, (verdict,)),),
        titles=((REPEAT, _WORDS),),
    )
    decision_id = journal.write_decision(
        session,
        decision=ASSIGNMENT,
        subject_kind="request",
        subject_id=request.id,
        at=now,
        version_id=None,
        engine=NO_ENGINE,
        mode=Mode.LIVE.value,
        fired=[],
        effects=[{"action": "assign", "rule": REPEAT, "login": holder.login, "request": first.id}],
        chosen_manager_id=holder.id,
        detail={"facts": {}, "rules": [], "outcome": outcome.to_json()},
    )
    hand_over(
        session,
        picture,
        request,
        Handover(
            manager=holder,
            at=now,
            cause=AssignmentCause.RULE,
            ledger_cause=Cause.DUPLICATE,
            reason=assignment_texts.reason_of_repeat(first),
            decision_id=decision_id,
            delta=0,
            answer_within=within,
        ),
        now,
    )
    return decision_id


def link(session: Session, request: Request, now: datetime) -> bool:
    """Link an open request to an older open one that it turns out to repeat; return whether it does.

    Its client was recognised exactly, so where both are with one manager it leaves his share by itself.
    """
    if request.status is RequestStatus.NEW and not request.is_history:
        # Nobody has it and nothing is counted: what it was taken to repeat before may be of another client or service.
        request.is_duplicate, request.duplicate_of_id = False, None
    if request.duplicate_of_id is not None or request.is_history or not request.status.is_open:
        return False
    twin = open_twin(session, request.client_id, request.service, before=request.id)
    if twin is None:
        return False
    request.is_duplicate, request.duplicate_of_id = True, twin
    first = session.get_one(Request, twin)
    if request.manager_id is not None and request.manager_id == first.manager_id:
        corrected = ledger_rows.correct(session, request, Cause.DUPLICATE, now)
        if corrected:
            logins = [reference(session).login_of(manager_id) for manager_id in corrected]
            said = {"what": "duplicate", "managers": logins, "duplicate_of": twin}
            session.add(RequestEvent(request_id=request.id, at=now, kind="corrected", actor=journal.SYSTEM, data=said))
    return True
