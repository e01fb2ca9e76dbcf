"""Undo and redo of a draft: they go along the steps that are kept with it, also after a reload and for everybody."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.errors import PolicyViolation
from rules_engine.models import DraftStep, RulesetDraft
from rules_engine.services.drafts import rows


@dataclass(frozen=True, slots=True)
class Stepped:
    """The draft after an undo or redo. `subjects`: what that edit had changed; `by`: the name of who had made it."""

    draft: RulesetDraft
    subjects: tuple[str, ...]
    by: str


def undo(session: Session, decision: str, *, expected_revision: int, actor: str, now: datetime) -> Stepped:
    """Take the last edit back, whoever made it; the page has shown what there was.

    Raises NotFound, DraftChanged, and PolicyViolation where there is nothing to undo.
    """
    row = _as_seen(session, decision, expected_revision)
    before = _step(session, row, row.step - 1)
    if before is None:
        raise PolicyViolation(ru="отменять больше нечего", en="there is nothing more to undo")
    undone = _step(session, row, row.step)
    rows.put(session, row, before.body, step=before.number, action="undo_draft", actor=actor, now=now)
    return _stepped(session, row, undone)


def redo(session: Session, decision: str, *, expected_revision: int, actor: str, now: datetime) -> Stepped:
    """Make the last undone edit again. Raises as `undo` does."""
    row = _as_seen(session, decision, expected_revision)
    following = _step(session, row, row.step + 1)
    if following is None:
        raise PolicyViolation(ru="возвращать больше нечего", en="there is nothing more to redo")
    rows.put(session, row, following.body, step=following.number, action="redo_draft", actor=actor, now=now)
    return _stepped(session, row, following)


def available(session: Session, row: RulesetDraft) -> tuple[bool, bool]:
    """Return whether there is something to undo, and something to redo."""
    return rows.steps_around(session, row)


def _as_seen(session: Session, decision: str, expected_revision: int) -> RulesetDraft:
    row = rows.open_draft(session, decision)
    if row.revision != expected_revision:
        raise rows.changed_by(session, row)
    return row


def _step(session: Session, row: RulesetDraft, number: int) -> DraftStep | None:
    wanted = select(DraftStep).where(DraftStep.draft_id == row.id, DraftStep.number == number)
    return session.scalars(wanted).one_or_none()


def _stepped(session: Session, row: RulesetDraft, step: DraftStep | None) -> Stepped:
    if step is None:
        return Stepped(row, (), "")
    return Stepped(row, tuple(step.subjects), rows.name_of(session, step.actor))
