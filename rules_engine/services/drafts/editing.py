"""The draft of a ruleset: opened, changed, checked, given up. How it is approved: approvals/approvals.py.

What is in force is never edited. A decision has at most one draft; each change names what its author had seen,
so that nobody's change is lost without a word. Bodies are changed by the functions of `body`.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from rules_engine.decisions.bonus_cases import run_cases
from rules_engine.errors import Conflict, InputError, NotFound
from rules_engine.language.cases import CaseResult
from rules_engine.language.check import check
from rules_engine.language.errors import RulesetInvalid
from rules_engine.language.kinds import Decision
from rules_engine.language.model import OTHERWISE
from rules_engine.language.problems import Problem
from rules_engine.language.ruleset import content_hash, parse
from rules_engine.models import RulesetDraft, RulesetVersion
from rules_engine.services.drafts import letters, rows
from rules_engine.services.drafts.body import Body, Edit, rule_ids
from rules_engine.services.drafts.rows import ORDER, DraftChanged, draft, fingerprint, open_draft
from rules_engine.services.records import audit
from rules_engine.services.rules import rulebook

__all__ = [
    "ORDER",
    "DraftChanged",
    "Seen",
    "accept_finding",
    "case_results",
    "change",
    "coming_versions",
    "discard",
    "draft",
    "fingerprint",
    "import_document",
    "known_decision",
    "latest_version",
    "open_draft",
    "problems",
    "rebase",
    "start_draft",
    "taken_ids",
    "unaccept_finding",
    "version",
    "versions",
]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the author of a change had before him: a rule (or `otherwise`, or ORDER) and its fingerprint.

    When another part of the draft was changed meanwhile, his change still goes through.
    """

    subject: str
    fingerprint: str


def known_decision(decision: str) -> Decision:
    """Return the decision of that name. Raises NotFound."""
    try:
        return Decision(decision)
    except ValueError:
        raise NotFound(what=decision) from None


def versions(session: Session, decision: str) -> list[RulesetVersion]:
    """Return all published versions, the newest first."""
    statement = select(RulesetVersion).where(RulesetVersion.decision == decision)
    return list(session.scalars(statement.order_by(RulesetVersion.number.desc())))


def version(session: Session, decision: str, number: int) -> RulesetVersion:
    """Return one published version. Raises NotFound."""
    statement = select(RulesetVersion).where(RulesetVersion.decision == decision, RulesetVersion.number == number)
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise NotFound(what=f"{decision}, version {number}")
    return found


def latest_version(session: Session, decision: str) -> RulesetVersion:
    """Return the version with the highest number. Raises NotFound where nothing was ever published."""
    statement = select(RulesetVersion).where(RulesetVersion.decision == decision)
    found = session.scalars(statement.order_by(RulesetVersion.number.desc()).limit(1)).first()
    if found is None:
        raise NotFound(what=decision)
    return found


def coming_versions(session: Session, decision: str, now: datetime) -> list[RulesetVersion]:
    """Return the versions that will come into force after `now`, the next one first."""
    statement = select(RulesetVersion).where(RulesetVersion.decision == decision, RulesetVersion.holds_from > now)
    return list(session.scalars(statement.order_by(RulesetVersion.holds_from, RulesetVersion.number)))


def start_draft(
    session: Session, decision: str, *, actor: str, now: datetime, number: int | None = None
) -> RulesetDraft:
    """Return the draft of a decision; where there is none, a new one that repeats the last version.

    With `number` it repeats that version. An existing draft is never replaced: with `number` that is a Conflict.
    """
    present = draft(session, decision)
    if present is not None:
        if number is not None:
            raise Conflict(
                ru="черновик уже открыт: опубликуйте его или откажитесь от него",
                en="a draft is open already: publish it or give it up first",
            )
        return present
    latest = latest_version(session, decision)
    source = latest if number is None else version(session, decision, number)
    try:
        with session.begin_nested():
            made = _new_draft(session, source, latest.number, actor=actor, now=now)
    except IntegrityError:
        # Somebody opened it in the same instant; the two go on in one draft.
        return open_draft(session, decision)
    audit.record(
        session,
        actor=actor,
        action="open_draft",
        subject_kind="ruleset",
        subject_id=decision,
        after={"from_version": source.number},
    )
    return made


def import_document(
    session: Session, document: object, *, actor: str, now: datetime, replace: bool = False
) -> RulesetDraft:
    """Return the draft made of a document, which must be a valid ruleset; the decision is the document's own.

    In a draft that is open it becomes one more step, which can be undone; a draft that a person has edited takes it
    only with `replace`. Raises RulesetInvalid with every error, Conflict; then nothing is stored.
    """
    ruleset = parse(document, rulebook.references(session))
    decision = ruleset.decision.value
    latest = latest_version(session, decision)
    present = draft(session, decision)
    if present is not None and present.updated_by_id is not None and not replace:
        by = rows.editor(present)
        raise Conflict(
            ru=f"{by} правит черновик; замените его через --replace или опубликуйте",
            en=f"{by} is editing the draft; replace it by --replace, or publish it",
        )
    body: Body = dict(document) if isinstance(document, dict) else {}
    made = present or _new_draft(session, latest, latest.number, actor=actor, now=now)
    made.base_number = latest.number
    rows.write(session, open_draft(session, decision), body, actor=actor, now=now)
    audit.record(
        session,
        actor=actor,
        action="import_draft",
        subject_kind="ruleset",
        subject_id=decision,
        after={"content_hash": content_hash(body)},
    )
    return made


def change(
    session: Session,
    decision: str,
    edit: Edit,
    *,
    expected_revision: int,
    actor: str,
    now: datetime,
    seen: Seen | None = None,
) -> RulesetDraft:
    """Return the draft after one edit, which is a step that can be undone; one that changes nothing is none.

    Raises DraftChanged when the draft is not the one that the author saw, unless `seen` proves that the part he
    changes is as he saw it; then it names who changed that part. Raises NotFound when the rule or the place in it is
    gone. What was sent for approval becomes void.
    """
    row = open_draft(session, decision)
    if row.revision != expected_revision and not _still(row.body, seen):
        raise rows.changed_by(session, row, seen.subject if seen else "")
    body = edit(row.body)
    if body != row.body:
        rows.write(session, row, body, actor=actor, now=now)
    return row


def accept_finding(
    session: Session, decision: str, key: str, reason: str, *, actor: str, now: datetime
) -> RulesetDraft:
    """Return the draft in which the finding of this key is intended, for a reason that those who come later read.

    Raises NotFound without a draft, InputError without a reason.
    """
    row = open_draft(session, decision)
    reason = reason.strip()[:1000]
    if not reason:
        raise InputError(path="reason", ru="скажите, почему так задумано", en="say why this is intended")
    _accepted(session, row, "accept_finding", {"key": key, "reason": reason}, actor, now)
    row.accepted = {**row.accepted, key: {"reason": reason, "by": actor, "at": now.isoformat()}}
    session.flush()
    return row


def unaccept_finding(session: Session, decision: str, key: str, *, actor: str, now: datetime) -> RulesetDraft:
    """Return the draft in which the finding of this key stands open again."""
    row = open_draft(session, decision)
    if key in row.accepted:
        _accepted(session, row, "unaccept_finding", {"key": key}, actor, now)
        row.accepted = {one: why for one, why in row.accepted.items() if one != key}
        session.flush()
    return row


def taken_ids(session: Session, decision: str, body: Body) -> set[str]:
    """Return every id that a rule has or ever had: what fired under an old rule must not be taken for a new one."""
    bodies = session.scalars(select(RulesetVersion.body).where(RulesetVersion.decision == decision))
    return {rule_id for document in (*bodies, body) for rule_id in rule_ids(document)}


def problems(session: Session, body: Body) -> tuple[Problem, ...]:
    """Return every error of a draft's body, with people, teams and the like looked up; empty when it may go out."""
    return check(body, rulebook.references(session))


def case_results(body: Body) -> list[CaseResult]:
    """Return the outcome of every test case; empty while the body has errors."""
    try:
        return run_cases(parse(body))
    except RulesetInvalid:
        return []


def rebase(session: Session, decision: str, *, expected_revision: int, actor: str, now: datetime) -> RulesetDraft:
    """Return the draft, from now on compared with the last version: its author has seen what would be undone."""
    row = open_draft(session, decision)
    if row.revision != expected_revision:
        raise rows.changed_by(session, row)
    latest = latest_version(session, decision)
    if row.base_number != latest.number:
        audit.record(
            session,
            actor=actor,
            action="rebase_draft",
            subject_kind="ruleset",
            subject_id=decision,
            before={"base": row.base_number},
            after={"base": latest.number},
        )
        row.base_number = latest.number
        rows.touched(session, row, actor=actor, now=now)
    return row


def discard(session: Session, decision: str, *, expected_revision: int, actor: str, now: datetime) -> None:
    """Give the draft up; its body stays in the audit log. Raises DraftChanged."""
    row = open_draft(session, decision)
    if row.revision != expected_revision:
        raise rows.changed_by(session, row)
    audit.record(
        session,
        actor=actor,
        action="discard_draft",
        subject_kind="ruleset",
        subject_id=decision,
        before={"revision": row.revision, "base": row.base_number, "at": now.isoformat(), "body": row.body},
    )
    letters.void(session, decision, actor=actor, now=now)
    session.delete(row)
    session.flush()


def _new_draft(
    session: Session, source: RulesetVersion, base_number: int, *, actor: str, now: datetime
) -> RulesetDraft:
    row = RulesetDraft(
        decision=source.decision,
        body=source.body,
        base_number=base_number,
        created_at=now,
        updated_at=now,
        updated_by=rows.user_of(session, actor),
        accepted=dict(source.accepted),
    )
    rows.begin(session, row, actor)
    return row


def _accepted(
    session: Session, row: RulesetDraft, action: str, what: dict[str, str], actor: str, now: datetime
) -> None:
    audit.record(
        session,
        actor=actor,
        action=action,
        subject_kind="ruleset",
        subject_id=row.decision,
        before={"accepted": row.accepted.get(what["key"])},
        after=what,
    )
    # The approver decides on the reasons too.
    letters.void(session, row.decision, actor=actor, now=now)


def _still(body: Body, seen: Seen | None) -> bool:
    if seen is None:
        return False
    if seen.subject not in (ORDER, OTHERWISE) and seen.subject not in rule_ids(body):
        return False
    return fingerprint(body, seen.subject) == seen.fingerprint
