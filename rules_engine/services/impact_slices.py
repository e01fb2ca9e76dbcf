"""One slice of an impact: read and reckoned without a lock, then written in a short transaction.

What a killed worker had not written is reckoned again from the same place, so nothing is counted twice.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.orm import Session, sessionmaker

from rules_engine.db import reading_of, transaction
from rules_engine.errors import PravilaError
from rules_engine.language.kinds import Decision
from rules_engine.models import Impact, ImpactChange, ImpactState, RulesetVersion
from rules_engine.services import impact, impact_assignment, work
from rules_engine.services.crash_points import reach
from rules_engine.services.editing_trial import usable
from rules_engine.services.impact_assignment import AssignmentImpact
from rules_engine.services.impact_bonus import BonusImpact
from rules_engine.services.impact_callbacks import CallbacksImpact
from rules_engine.services.impact_escalation import EscalationImpact
from rules_engine.services.impact_parts import Budget, Question, Reckoner, Slice
from rules_engine.services.work import Claim
from rules_engine.services.writing import add_rows

LEASE_SECONDS: Final = 30
"""Longer than any slice: how long one that died keeps the impact from the others."""
RECKONERS: Final[Mapping[str, Reckoner]] = {
    Decision.ASSIGNMENT.value: AssignmentImpact(),
    Decision.ESCALATION.value: EscalationImpact(),
    Decision.CALLBACKS.value: CallbacksImpact(),
    Decision.BONUS.value: BonusImpact(),
}


def work_at(sessions: sessionmaker[Session], claim: Claim, now: datetime, budget: Budget | None = None) -> bool:
    """Do one slice of the claimed impact; return whether it goes on at once.

    What was cancelled or is over is let go. An error that a person understands ends it as failed, in words; any other
    leaves as it came, and the item is tried again.
    """
    goes_on = False
    try:
        goes_on = _work_at(sessions, claim, now, budget or Budget())
    finally:
        if not goes_on:
            impact_assignment.forget()
    return goes_on


def _work_at(sessions: sessionmaker[Session], claim: Claim, now: datetime, budget: Budget) -> bool:
    found: Slice | None = None
    failure = ""
    total = 0
    result: dict[str, Any] = {}
    with reading_of(sessions)() as session:
        row = session.get(Impact, claim.subject_id)
        if row is not None and row.state in impact.RUNNING:
            reckoner = RECKONERS[row.decision]
            try:
                question = question_of(session, row)
                total = row.total or reckoner.total(session, question)
                found = reckoner.step(session, question, row.progress.get("state", {}), budget)
                if found.is_over:
                    result = reckoner.result(session, question, found.state)
            except PravilaError as error:
                failure = f"{error.message('ru')}\n{error.message('en')}"

    with transaction(sessions) as session:
        if not work.lock_mine(session, claim):
            return False
        row = impact.locked(session, claim.subject_id)
        if row is None or row.state not in impact.RUNNING:
            work.drop(session, claim)
            return False
        if found is None:
            impact.fail(session, claim.subject_id, failure, now)
            work.drop(session, claim)
            return False
        _write(session, row, found, total, result, now)
        if found.is_over:
            work.drop(session, claim)
        else:
            # The very next instant: whoever asks what is due then has looked at people's work before.
            work.finish(session, claim, now, now + timedelta(microseconds=1))
        reach(session, "work.before_commit")
    return not found.is_over


def question_of(session: Session, row: Impact) -> Question:
    """Return what an impact compares. Unfinished rules of the draft take no part."""
    version = session.get_one(RulesetVersion, row.version_id)
    return Question(
        impact_id=row.id,
        version_id=version.id,
        live=version.body,
        draft=row.body,
        live_rules=usable(version.body)[0],
        draft_rules=usable(row.body)[0],
        since=row.asked_at - timedelta(days=row.days),
        until=row.asked_at,
        days=row.days,
    )


def _write(session: Session, row: Impact, found: Slice, total: int, result: dict[str, Any], now: datetime) -> None:
    before = row.progress.get("changes", 0)
    add_rows(
        session,
        ImpactChange,
        [{"impact_id": row.id, "number": number, "data": data} for number, data in enumerate(found.changes, before)],
    )
    row.state = ImpactState.RUNNING
    row.done += found.done
    row.total = max(total, row.done)
    row.progress = {"state": found.state, "changes": before + len(found.changes)}
    if found.is_over:
        row.state = ImpactState.DONE
        row.result = result
        row.progress = {}
        row.total = row.done
        row.finished_at = now
    session.flush()
