"""The draft of a ruleset: opened, changed, checked, published, given up; and the way back to an old version.

What is in force is never edited. A decision has at most one draft; each change names what its author had seen,
so that nobody's change is lost without a word. Bodies are changed by the functions of `editing_body`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from rules_engine.db import settings_of
from rules_engine.decisions.bonus_cases import run_cases
from rules_engine.errors import Conflict, NotFound, PolicyViolation
from rules_engine.language.cases import CaseResult
from rules_engine.language.check import check
from rules_engine.language.errors import RulesetInvalid
from rules_engine.language.kinds import Decision
from rules_engine.language.model import OTHERWISE
from rules_engine.language.problems import Problem
from rules_engine.language.ruleset import content_hash, parse
from rules_engine.models import RulesetDraft, RulesetVersion, User
from rules_engine.services import audit, rulebook
from rules_engine.services.editing_body import Body, Edit, changed_rules, rule_ids, rule_of

ORDER = "order"
"""Stands for the order of the rules where `Seen.subject` names what was changed."""


class DraftChanged(Conflict):
    """Somebody else changed the draft since it was shown. `by` is a name, `at` the instant of his change."""

    def __init__(self, *, by: str, at: datetime, zone: ZoneInfo) -> None:
        self.by, self.at = by, at
        local = at.astimezone(zone)
        super().__init__(
            ru=f"{by or 'другая программа'}: черновик изменён {local:%d.%m в %H:%M}, ваше изменение не сохранено",
            en=f"{by or 'another program'} changed the draft on {local:%d %b at %H:%M}; your change is not saved",
        )


class DraftOutdated(Conflict):
    """A version was published after the draft was begun; publishing it would undo that one unseen."""

    def __init__(self, *, base: int, latest: int, by: str) -> None:
        self.base, self.latest = base, latest
        super().__init__(
            ru=f"черновик начат с версии {base}, а с тех пор опубликована версия {latest} ({by})",
            en=f"the draft was begun from version {base}, and version {latest} was published since ({by})",
        )


class NotReady(PolicyViolation):
    """The draft cannot be published: `problems` in it, or test cases that do not hold."""

    def __init__(self, problems: tuple[Problem, ...], failing: tuple[CaseResult, ...]) -> None:
        self.problems, self.failing = problems, failing
        super().__init__(ru=self._sentence("ru"), en=self._sentence("en"))

    def _sentence(self, lang: str) -> str:
        if self.problems:
            return RulesetInvalid(self.problems).message(lang)
        titles = ", ".join(f"«{result.case.title.text(lang)}»" for result in self.failing[:5])
        return f"контрольные примеры не сходятся: {titles}" if lang == "ru" else f"test cases do not hold: {titles}"


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
            made = _new_draft(session, decision, source.body, latest.number, actor=actor, now=now)
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

    A draft that an earlier import left is replaced; one that a person has edited only with `replace`.
    Raises RulesetInvalid with every error, Conflict; then nothing is stored.
    """
    ruleset = parse(document, rulebook.references(session))
    decision = ruleset.decision.value
    latest = latest_version(session, decision)
    present = draft(session, decision)
    if present is not None:
        if present.updated_by_id is not None and not replace:
            raise Conflict(
                ru=f"{_editor(present)} правит черновик; замените его через --replace или опубликуйте",
                en=f"{_editor(present)} is editing the draft; replace it by --replace, or publish it",
            )
        session.delete(present)
        session.flush()
    body: Body = dict(document) if isinstance(document, dict) else {}
    made = _new_draft(session, decision, body, latest.number, actor=actor, now=now)
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
    """Return the draft after one edit; an edit that changes nothing counts no revision.

    Raises DraftChanged when the draft is not the one that the author saw, unless `seen` proves that the part he
    changes is as he saw it. Raises NotFound when the rule or the place in it is gone.
    """
    row = open_draft(session, decision)
    if row.revision != expected_revision and not _still(row.body, seen):
        raise _changed(session, row)
    body = edit(row.body)
    if body == row.body:
        return row
    _record_edit(session, decision, row, body, actor)
    row.body = body
    row.revision += 1
    row.updated_at = now
    row.updated_by = _user(session, actor)
    session.flush()
    return row


def fingerprint(body: Body, subject: str) -> str:
    """Return a short digest of one rule, of `otherwise`, or of the order of the rules."""
    part = rule_ids(body) if subject == ORDER else rule_of(body, subject)
    return content_hash(part)[:16]


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
        raise _changed(session, row)
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
        row.revision += 1
        row.updated_at = now
        row.updated_by = _user(session, actor)
        session.flush()
    return row


def publish_draft(
    session: Session,
    decision: str,
    *,
    expected_revision: int | None,
    at: datetime | None,
    actor: str,
    now: datetime,
    note: str = "",
) -> RulesetVersion:
    """Return the new version made of the draft, which is gone then; it holds from `at`, or from now.

    `expected_revision` is the one that the publisher has read; None: whatever is there (a program's answer to its
    own import). Raises DraftChanged, DraftOutdated, NotReady, and what `rulebook.publish` refuses.
    """
    row = open_draft(session, decision)
    if expected_revision is not None and row.revision != expected_revision:
        raise _changed(session, row)
    latest = latest_version(session, decision)
    if latest.number != row.base_number:
        raise DraftOutdated(base=row.base_number, latest=latest.number, by=latest.published_by)
    found = problems(session, row.body)
    failing = tuple(result for result in case_results(row.body) if not result.passed)
    if found or failing:
        raise NotReady(found, failing)
    published = rulebook.publish(session, decision, row.body, holds_from=at or now, now=now, actor=actor, note=note)
    session.delete(row)
    session.flush()
    return published


def discard(session: Session, decision: str, *, expected_revision: int, actor: str, now: datetime) -> None:
    """Give the draft up; its body stays in the audit log. Raises DraftChanged."""
    row = open_draft(session, decision)
    if row.revision != expected_revision:
        raise _changed(session, row)
    audit.record(
        session,
        actor=actor,
        action="discard_draft",
        subject_kind="ruleset",
        subject_id=decision,
        before={"revision": row.revision, "base": row.base_number, "at": now.isoformat(), "body": row.body},
    )
    session.delete(row)
    session.flush()


def roll_back(
    session: Session,
    decision: str,
    number: int,
    *,
    at: datetime | None = None,
    actor: str,
    now: datetime,
    note: str = "",
) -> RulesetVersion:
    """Return a new version that repeats the body of version `number`. An open draft stays, begun from the old one.

    Raises NotFound; PolicyViolation when that body is in force at that instant already.
    """
    old = version(session, decision, number)
    present = rulebook.in_force_at(session, decision, at or now)
    if present.content_hash == old.content_hash:
        raise PolicyViolation(
            ru=f"эти правила и так действуют (версия {present.number})",
            en=f"these rules are in force already (version {present.number})",
        )
    return rulebook.publish(
        session,
        decision,
        old.body,
        holds_from=at or now,
        now=now,
        actor=actor,
        note=note,
        restored_from=number,
    )


def _new_draft(
    session: Session, decision: str, body: Body, base_number: int, *, actor: str, now: datetime
) -> RulesetDraft:
    row = RulesetDraft(
        decision=decision,
        body=body,
        base_number=base_number,
        created_at=now,
        updated_at=now,
        updated_by=_user(session, actor),
    )
    session.add(row)
    session.flush()
    return row


def _record_edit(session: Session, decision: str, row: RulesetDraft, body: Body, actor: str) -> None:
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
        action="edit_draft",
        subject_kind="ruleset",
        subject_id=decision,
        before=before,
        after=after,
    )


def _still(body: Body, seen: Seen | None) -> bool:
    if seen is None:
        return False
    if seen.subject not in (ORDER, OTHERWISE) and seen.subject not in rule_ids(body):
        return False
    return fingerprint(body, seen.subject) == seen.fingerprint


def _changed(session: Session, row: RulesetDraft) -> DraftChanged:
    return DraftChanged(by=_editor(row), at=row.updated_at, zone=settings_of(session).zone)


def _editor(row: RulesetDraft) -> str:
    return row.updated_by.name if row.updated_by else ""


def _user(session: Session, actor: str) -> User | None:
    return session.scalars(select(User).where(User.login == actor)).one_or_none()
