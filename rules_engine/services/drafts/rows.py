"""The row of a draft: found, locked, and written with its step, its entry in the audit log and its approval voided.

What changes a draft goes through `write`, so that undo, the log and the approvals miss nothing.
"""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from rules_engine.db import settings_of
from rules_engine.errors import Conflict, NotFound
from rules_engine.language.model import OTHERWISE
from rules_engine.language.ruleset import content_hash
from rules_engine.models import DraftStep, RulesetDraft, User
from rules_engine.services.company.reference import reference
from rules_engine.services.drafts import letters
from rules_engine.services.drafts.body import Body, changed_rules, rule_ids, rule_of
from rules_engine.services.records import audit

ORDER = "order"
"""Stands for the order of the rules where something names what was changed."""
KEPT_STEPS = 200
"""So many edits can be undone."""


class DraftChanged(Conflict):
    """Somebody else changed the draft since it was shown.

    `by` is a name ("" another program), `at` the instant of his change, `subject` the part that both changed: a rule,
    `otherwise`, ORDER; "" where the sender did not say what he saw.
    """

    def __init__(self, *, by: str, at: datetime, zone: ZoneInfo, subject: str = "") -> None:
        self.by, self.at, self.subject = by, at, subject
        local = at.astimezone(zone)
        super().__init__(
            ru=f"{by or 'другая программа'}: черновик изменён {local:%d.%m в %H:%M}, ваше изменение не сохранено",
            en=f"{by or 'another program'} changed the draft on {local:%d %b at %H:%M}; your change is not saved",
        )


def draft(session: Session, decision: str) -> RulesetDraft | None:
    """Return the draft of a decision, None where nobody edits it."""
    return session.scalars(select(RulesetDraft).where(RulesetDraft.decision == decision)).one_or_none()


def open_draft(session: Session, decision: str) -> RulesetDraft:
    """Return the draft of a decision, locked until the transaction ends. Raises NotFound where there is none."""
    statement = select(RulesetDraft).where(RulesetDraft.decision == decision).with_for_update()
    found = session.scalars(statement.execution_options(populate_existing=True)).one_or_none()
    if found is None:
        raise NotFound(what=f"draft of {decision}")
    return found


def fingerprint(body: Body, subject: str) -> str:
    """Return a short digest of one rule, of `otherwise`, or of the order of the rules."""
    part = rule_ids(body) if subject == ORDER else rule_of(body, subject)
    return content_hash(part)[:16]


def begin(session: Session, row: RulesetDraft, actor: str) -> None:
    """Add a new draft and the step that undo can go back to."""
    session.add(row)
    session.flush()
    session.add(DraftStep(draft_id=row.id, number=0, body=row.body, subjects=[], at=row.created_at, actor=actor))
    session.flush()


def write(session: Session, row: RulesetDraft, body: Body, *, actor: str, now: datetime) -> None:
    """Put `body` into a locked draft as a new step: what had been undone can no longer be redone."""
    gone = or_(DraftStep.number > row.step, DraftStep.number <= row.step - KEPT_STEPS)
    session.execute(delete(DraftStep).where(DraftStep.draft_id == row.id, gone))
    number, changed = row.step + 1, subjects(row.body, body)
    session.add(DraftStep(draft_id=row.id, number=number, body=body, subjects=changed, at=now, actor=actor))
    put(session, row, body, step=number, action="edit_draft", actor=actor, now=now)


def put(session: Session, row: RulesetDraft, body: Body, *, step: int, action: str, actor: str, now: datetime) -> None:
    """Make a locked draft stand at a step; the log gets each changed part before and after."""
    before: dict[str, Any] = {"revision": row.revision}
    after: dict[str, Any] = {"revision": row.revision + 1}
    for rule_id, old, new in changed_rules(row.body, body):
        before[rule_id], after[rule_id] = old, new
    for key in ("title", "cases"):
        if row.body.get(key) != body.get(key):
            before[key], after[key] = row.body.get(key), body.get(key)
    if rule_ids(row.body) != rule_ids(body):
        before[ORDER], after[ORDER] = rule_ids(row.body), rule_ids(body)
    audit.record(
        session,
        actor=actor,
        action=action,
        subject_kind="ruleset",
        subject_id=row.decision,
        before=before,
        after=after,
    )
    row.body, row.step = body, step
    touched(session, row, actor=actor, now=now)


def touched(session: Session, row: RulesetDraft, *, actor: str, now: datetime) -> None:
    """Count a revision of a locked draft, by whom and when; what was sent for approval is void from then on."""
    row.revision += 1
    row.updated_at = now
    row.updated_by = user_of(session, actor)
    letters.void(session, row.decision, actor=actor, now=now)
    session.flush()


def subjects(before: Body, after: Body) -> list[str]:
    """Return what differs: ids of rules, `otherwise`, `order`, `cases`, `title`; of a new or removed rule its id."""
    found = [rule_id for rule_id, _old, _new in changed_rules(before, after)]
    if rule_ids(before) != rule_ids(after):
        found.append(ORDER)
    return found + [key for key in ("cases", "title") if before.get(key) != after.get(key)]


def changed_by(session: Session, row: RulesetDraft, subject: str = "") -> DraftChanged:
    """Return the error that names who changed a part of the draft last, and when; without `subject` any part."""
    by, at = editor(row), row.updated_at
    if subject:
        by, at = last_change(session, row, subject) or (by, at)
    return DraftChanged(by=by, at=at, zone=settings_of(session).zone, subject=subject)


def last_change(session: Session, row: RulesetDraft, subject: str) -> tuple[str, datetime] | None:
    """Return the name of who changed a rule (or `otherwise`, ORDER) last, and when; None: nobody since it was begun.

    Whoever undid a change of it has changed it too.
    """
    steps = session.execute(
        select(DraftStep.number, DraftStep.subjects, DraftStep.actor, DraftStep.at)
        .where(DraftStep.draft_id == row.id)
        .order_by(DraftStep.number.desc())
    ).all()
    undone = any(subject in step.subjects for step in steps if step.number > row.step)
    for step in steps:
        if step.number <= row.step and step.number > 0 and subject in step.subjects:
            if undone and row.updated_at > step.at:
                break
            return name_of(session, step.actor), step.at
    return (editor(row), row.updated_at) if undone else None


def body_seen(session: Session, row: RulesetDraft, subject: str, digest: str) -> Body | None:
    """Return the newest body of the draft in which a rule was as its fingerprint says; None: no step keeps it."""
    steps = session.scalars(select(DraftStep).where(DraftStep.draft_id == row.id).order_by(DraftStep.number.desc()))
    for step in steps:
        is_there = subject in (ORDER, OTHERWISE) or subject in rule_ids(step.body)
        if is_there and fingerprint(step.body, subject) == digest:
            return step.body
    return None


def stood_in(session: Session, row: RulesetDraft, rule_id: str, node: object) -> bool:
    """Return whether a condition, group or action stood in a rule in any step of the draft that is kept."""
    bodies = select(DraftStep.body).where(DraftStep.draft_id == row.id).order_by(DraftStep.number.desc())
    for body in session.scalars(bodies.execution_options(yield_per=10)):
        if (rule_id == OTHERWISE or rule_id in rule_ids(body)) and _holds(rule_of(body, rule_id), node):
            return True
    return False


def _holds(inside: object, node: object) -> bool:
    if inside == node:
        return True
    parts = inside.values() if isinstance(inside, dict) else inside if isinstance(inside, list) else ()
    return any(_holds(part, node) for part in parts)


def steps_around(session: Session, row: RulesetDraft) -> tuple[bool, bool]:
    """Return whether the last edit can be undone, and whether one that was undone can be redone."""
    found = session.execute(
        select(func.min(DraftStep.number), func.max(DraftStep.number)).where(DraftStep.draft_id == row.id)
    ).one()
    first, last = found
    return first is not None and first < row.step, last is not None and last > row.step


def editor(row: RulesetDraft) -> str:
    """Return the name of who changed the draft last, "" for a program."""
    return row.updated_by.name if row.updated_by else ""


def name_of(session: Session, actor: str) -> str:
    """Return the name behind a login, "" for a program."""
    if actor == "system":
        return ""
    return next((user.name for user in reference(session).users.values() if user.login == actor), actor)


def user_of(session: Session, actor: str) -> User | None:
    return session.scalars(select(User).where(User.login == actor)).one_or_none()
