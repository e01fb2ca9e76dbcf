"""One slice of a part of an impact: read and reckoned without a lock, then written in a short transaction.

What a killed worker had not written is reckoned again from the same place, so nothing is counted twice.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session, sessionmaker

from rules_engine.db import reading_of, transaction
from rules_engine.errors import PravilaError
from rules_engine.language.kinds import Decision
from rules_engine.models import Impact, ImpactChange, ImpactState, RulesetVersion, WorkKind
from rules_engine.services.drafts.trying import usable
from rules_engine.services.impact import assignment, impact
from rules_engine.services.impact.assignment import AssignmentImpact
from rules_engine.services.impact.bonus import BonusImpact
from rules_engine.services.impact.callbacks import CallbacksImpact
from rules_engine.services.impact.escalation import EscalationImpact
from rules_engine.services.impact.parts import (
    MOST_PARTS,
    SPLIT_FROM,
    Budget,
    Json,
    Question,
    Reckoner,
    Slice,
    part_of,
    subject_of,
    whole_of,
)
from rules_engine.services.queue import work
from rules_engine.services.queue.crash_points import reach
from rules_engine.services.queue.work import Claim
from rules_engine.services.records.writing import add_rows

LEASE_SECONDS: Final = 30
"""Longer than any slice: how long one that died keeps its part from the others."""
_CHANGES_OF_A_PART: Final = 100_000_000
"""More than any part finds: each numbers its own."""
RECKONERS: Final[Mapping[str, Reckoner]] = {
    Decision.ASSIGNMENT.value: AssignmentImpact(),
    Decision.ESCALATION.value: EscalationImpact(),
    Decision.CALLBACKS.value: CallbacksImpact(),
    Decision.BONUS.value: BonusImpact(),
}


def work_at(sessions: sessionmaker[Session], claim: Claim, now: datetime, budget: Budget | None = None) -> bool:
    """Do one slice of the claimed part of an impact; return whether that goes on at once.

    What was cancelled or is over is let go. An error that a person understands ends it as failed, in words; any other
    leaves as it came, and the item is tried again.
    """
    budget = budget or Budget()
    impact_id, number = part_of(claim.subject_id)
    found: Slice | None = None
    failure = ""
    total = 0
    result: Json | None = None
    parts: list[Json] = []
    with reading_of(sessions)() as session:
        row = session.get(Impact, impact_id)
        if row is not None and row.state in impact.RUNNING:
            reckoner = RECKONERS[row.decision]
            try:
                question = question_of(session, row)
                total = row.total or reckoner.total(session, question)
                parts = row.progress.get("parts") or _parts(session, reckoner, question, total)
                found = reckoner.step(session, question, parts[number]["state"], budget)
                others = [part for place, part in enumerate(parts) if place != number]
                if found.is_over and all(part["is_over"] for part in others):
                    states = [found.state if place == number else part["state"] for place, part in enumerate(parts)]
                    result = reckoner.result(session, question, whole_of(states))
            except PravilaError as error:
                failure = f"{error.message('ru')}\n{error.message('en')}"

    with transaction(sessions) as session:
        if not work.lock_mine(session, claim):
            return False
        row = impact.locked(session, impact_id)
        if row is None or row.state not in impact.RUNNING:
            work.drop(session, claim)
            return False
        if found is None:
            impact.fail(session, impact_id, failure, now)
            work.drop(session, claim)
            return False
        if not row.progress:
            row.progress = {"parts": parts}
            for place in range(1, len(parts)):
                work.ask(session, WorkKind.IMPACT, subject_of(impact_id, place), now)
        goes_on = _write(session, row, number, found, total, result, now)
        if goes_on:
            # The very next instant: whoever asks what is due then has looked at people's work before.
            work.finish(session, claim, now, now + timedelta(microseconds=1))
        else:
            work.drop(session, claim)
        reach(session, "work.before_commit")
    return goes_on


def forget() -> None:
    """Let go of what this process keeps between slices: there is nothing to reckon."""
    assignment.forget()


def _parts(session: Session, reckoner: Reckoner, question: Question, total: int) -> list[Json]:
    """Return the parts as they begin."""
    beginnings = reckoner.beginnings(session, question, MOST_PARTS if total >= SPLIT_FROM else 1)
    return [{"state": state, "changes": 0, "is_over": False} for state in beginnings]


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


def _write(
    session: Session, row: Impact, number: int, found: Slice, total: int, result: Json | None, now: datetime
) -> bool:
    """Keep what a slice of part `number` found; return whether that part is to be looked at again."""
    parts: list[Json] = [dict(part) for part in row.progress["parts"]]
    before = parts[number]["changes"]
    first = number * _CHANGES_OF_A_PART + before
    add_rows(
        session,
        ImpactChange,
        [{"impact_id": row.id, "number": place, "data": data} for place, data in enumerate(found.changes, first)],
    )
    others_are_over = all(part["is_over"] for place, part in enumerate(parts) if place != number)
    # Where the others ended only while this slice was reckoned, another look puts all together.
    is_over = found.is_over and (result is not None or not others_are_over)
    parts[number] = {"state": found.state, "changes": before + len(found.changes), "is_over": is_over}
    row.state = ImpactState.RUNNING
    row.done += found.done
    row.total = max(total, row.done)
    row.progress = {"parts": parts}
    if is_over and others_are_over:
        row.state = ImpactState.DONE
        row.result = result or {}
        row.progress = {}
        row.total = row.done
        row.finished_at = now
    session.flush()
    return not is_over
