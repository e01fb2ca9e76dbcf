"""The way of a draft into force: sent for approval, then approved, rejected, withdrawn or void.

The approver is not the author: neither who sent the draft nor who changed it last. Whoever sent it has vouched for the
whole of it, whoever wrote which part; who changed it last may have written what nobody else has read. Others who had a
hand in it before may approve: in a department with two heads somebody must be left who can. An approval binds to the
content that was sent; any edit makes it void. One person alone switches this off in the settings, and the history says
so. Locks are taken in one order: the draft, then its approval.
"""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.db import settings_of
from rules_engine.errors import Conflict, InputError, NotFound, PolicyViolation
from rules_engine.language.kinds import Decision, Words
from rules_engine.language.ruleset import content_hash
from rules_engine.models import ApprovalState, RulesetApproval, RulesetDraft, RulesetVersion
from rules_engine.services.approvals.checks import check_ready
from rules_engine.services.drafts import editing, letters
from rules_engine.services.drafts import rows as draft_rows
from rules_engine.services.drafts.letters import NAMES, waiting
from rules_engine.services.records import audit, settings_store
from rules_engine.services.rules import rulebook

__all__ = [
    "AlreadyDecided",
    "InstantOver",
    "OwnDraft",
    "approve",
    "four_eyes",
    "history",
    "may_approve",
    "reject",
    "send",
    "send_and_approve",
    "waiting",
    "withdraw",
]

_LONGEST = 1_000


class AlreadyDecided(Conflict):
    """Somebody came first: it is approved, rejected, withdrawn or void. `by` is a name, `at` the instant."""

    def __init__(self, *, state: ApprovalState, by: Words, at: datetime, zone: ZoneInfo) -> None:
        self.state, self.by, self.at = state, by, at
        local = at.astimezone(zone)
        ru, en = _DECIDED[state]
        super().__init__(
            ru=f"{by.ru}, {local:%d.%m.%Y %H:%M}: {ru}; решать больше нечего",
            en=f"{by.en}, {local:%d %b %Y %H:%M}: {en}; there is nothing left to decide",
        )


_DECIDED = {
    ApprovalState.APPROVED: ("уже утверждено", "approved already"),
    ApprovalState.REJECTED: ("уже отклонено", "rejected already"),
    ApprovalState.WITHDRAWN: ("отозвано", "withdrawn"),
    ApprovalState.VOID: ("черновик изменён после отправки", "the draft was changed after it was sent"),
}


class OwnDraft(PolicyViolation):
    """The approver is its author; `is_sender` or else the one who changed it last."""

    def __init__(self, *, is_sender: bool) -> None:
        self.is_sender = is_sender
        ru, en = ("последнюю правку внесли вы", "you edited it last")
        if is_sender:
            ru, en = "вы его отправили", "you sent it"
        super().__init__(ru=f"утверждает не автор: {ru}", en=f"another than the author approves: {en}")


class InstantOver(PolicyViolation):
    """The instant from which it was to hold has passed; the approver chooses again."""

    def __init__(self, *, wanted: datetime, zone: ZoneInfo) -> None:
        self.wanted = wanted
        local = wanted.astimezone(zone)
        super().__init__(
            ru=f"время, с которого это должно действовать ({local:%d.%m.%Y %H:%M}), уже прошло: выберите другое",
            en=f"the instant from which it was to hold ({local:%d %b %Y %H:%M}) has passed: choose another",
        )


def four_eyes(session: Session) -> bool:
    """Return whether another than the author must approve: a setting, recorded in the audit log when changed."""
    return settings_store.choice(session, settings_store.RULES_FOUR_EYES) == "on"


def history(session: Session, decision: str) -> Sequence[RulesetApproval]:
    """Return every sending for approval and what came of it, the newest first."""
    rows = select(RulesetApproval).where(RulesetApproval.decision == decision)
    return session.scalars(rows.order_by(RulesetApproval.sent_at.desc(), RulesetApproval.id.desc())).all()


def may_approve(session: Session, row: RulesetDraft, approval: RulesetApproval, actor: str) -> OwnDraft | None:
    """Return why this person may not approve what waits; None: nothing speaks against it."""
    if not four_eyes(session):
        return None
    if approval.sent_by == actor:
        return OwnDraft(is_sender=True)
    if row.updated_by is not None and row.updated_by.login == actor:
        return OwnDraft(is_sender=False)
    return None


def send(
    session: Session,
    decision: str,
    *,
    expected_revision: int,
    note: str,
    at: datetime | None,
    actor: str,
    now: datetime,
) -> RulesetApproval:
    """Return the approval that waits from now on; heads and administrators are told.

    `at` is from when the author wants it to hold, None: as soon as it is approved; rules of the bonus need the first
    instant of a month to come. Raises NotFound, DraftChanged, NotReady, DraftOutdated, InstantOver, PolicyViolation.
    """
    approval = _send(session, decision, expected_revision=expected_revision, note=note, at=at, actor=actor, now=now)
    title, author = NAMES[decision], letters.name(session, actor)
    said = f"\n{approval.note}" if approval.note else ""
    letters.tell(
        session,
        approval,
        [user.id for user in letters.approvers(session, approval)],
        subject=Words(f"Ждут утверждения правила «{title.ru}»", f"Rules of {title.en} wait for approval"),
        body=Words(
            f"Отправил: {author.ru}.{said}\nПосмотрите, что изменится, и утвердите или отклоните.",
            f"Sent by {author.en}.{said}\nSee what would change, then approve or reject.",
        ),
        now=now,
    )
    return approval


def withdraw(session: Session, decision: str, approval_id: int, *, actor: str, now: datetime) -> RulesetApproval:
    """Return the approval that its sender has taken back; the draft stays. Raises NotFound, AlreadyDecided."""
    _row, approval = _locked(session, decision, approval_id)
    if approval.sent_by != actor and four_eyes(session):
        raise PolicyViolation(ru="отзывает тот, кто отправил", en="whoever sent it takes it back")
    letters.close(session, approval, ApprovalState.WITHDRAWN, actor=actor, now=now)
    title, who = NAMES[decision], letters.name(session, actor)
    letters.tell(
        session,
        approval,
        [user.id for user in letters.approvers(session, approval) if user.login != actor],
        subject=Words(f"Правила «{title.ru}» отозваны", f"Rules of {title.en} are withdrawn"),
        body=Words(f"Утверждать больше не нужно. Отозвал: {who.ru}.", f"Nothing to approve. Withdrawn by {who.en}."),
        now=now,
    )
    return approval


def reject(
    session: Session, decision: str, approval_id: int, *, reason: str, actor: str, now: datetime
) -> RulesetApproval:
    """Return the approval, rejected for a reason that its author is told; the draft stays to be mended.

    Raises NotFound, AlreadyDecided, InputError without a reason.
    """
    _row, approval = _locked(session, decision, approval_id)
    reason = reason.strip()[:_LONGEST]
    if not reason:
        raise InputError(path="reason", ru="скажите, почему: автору нужно знать, что исправить", en="say why")
    letters.close(session, approval, ApprovalState.REJECTED, actor=actor, now=now, reason=reason)
    title, who = NAMES[decision], letters.name(session, actor)
    letters.tell_author(
        session,
        approval,
        subject=Words(f"Правила «{title.ru}» не утверждены", f"Rules of {title.en} are not approved"),
        body=Words(f"{who.ru}: {reason}\nЧерновик на месте.", f"{who.en}: {reason}\nThe draft is where it was."),
        now=now,
    )
    return approval


def approve(
    session: Session,
    decision: str,
    approval_id: int,
    *,
    at: datetime | None,
    losses_seen: bool = False,
    actor: str,
    now: datetime,
) -> RulesetVersion:
    """Return the new version made of what waits; its draft is gone then, and the author is told.

    `at` is from when it holds; None: as the author asked, from now where he asked for nothing. `losses_seen`: the
    approver has seen who would lose money, which rules of the bonus need. Raises NotFound, AlreadyDecided, OwnDraft,
    InstantOver, NotReady, DraftOutdated, PolicyViolation.
    """
    row, approval = _locked(session, decision, approval_id)
    refused = may_approve(session, row, approval, actor)
    if refused is not None:
        raise refused
    if content_hash(row.body) != approval.content_hash or row.base_number != approval.base_number:
        raise editing.DraftChanged(by=draft_rows.editor(row), at=row.updated_at, zone=_zone(session))
    check_ready(session, row, now)
    if decision == Decision.BONUS and not losses_seen:
        raise InputError(
            path="losses_seen", ru="отметьте, что видели, у кого премия станет меньше", en="say that you saw who loses"
        )
    holds_from = at or approval.holds_from or now
    _refuse_instant(session, decision, holds_from, now)
    version = rulebook.publish(
        session,
        decision,
        row.body,
        holds_from=holds_from,
        now=now,
        actor=actor,
        note=approval.note,
        restored_from=_repeated(session, decision, approval.content_hash),
        authored_by="" if approval.sent_by == actor else approval.sent_by,
        accepted=row.accepted,
    )
    approval.version_id, approval.losses_seen = version.id, losses_seen
    letters.close(session, approval, ApprovalState.APPROVED, actor=actor, now=now)
    session.delete(row)
    session.flush()
    title, who = NAMES[decision], letters.name(session, actor)
    from_when = letters.moment(session, holds_from) if holds_from > now else Words("сейчас", "now")
    letters.tell_author(
        session,
        approval,
        subject=Words(f"Правила «{title.ru}» утверждены", f"Rules of {title.en} are approved"),
        body=Words(
            f"Утвердил: {who.ru}. Версия {version.number} действует с: {from_when.ru}.",
            f"Approved by {who.en}. Version {version.number} holds from: {from_when.en}.",
        ),
        now=now,
    )
    return version


def send_and_approve(
    session: Session,
    decision: str,
    *,
    expected_revision: int,
    note: str,
    at: datetime | None,
    losses_seen: bool = False,
    actor: str,
    now: datetime,
) -> RulesetVersion:
    """Return the new version in one step, for one person alone; both halves are in the history.

    Raises PolicyViolation where another must approve, and what `send` and `approve` do.
    """
    if four_eyes(session):
        raise PolicyViolation(
            ru="утверждает не автор: отправьте на утверждение", en="another than the author approves: send it"
        )
    approval = _send(session, decision, expected_revision=expected_revision, note=note, at=at, actor=actor, now=now)
    return approve(session, decision, approval.id, at=at, losses_seen=losses_seen, actor=actor, now=now)


def _send(
    session: Session,
    decision: str,
    *,
    expected_revision: int,
    note: str,
    at: datetime | None,
    actor: str,
    now: datetime,
) -> RulesetApproval:
    row = draft_rows.open_draft(session, decision)
    if row.revision != expected_revision:
        raise draft_rows.changed_by(session, row)
    present = waiting(session, decision)
    if present is not None:
        who = letters.name(session, present.sent_by)
        raise Conflict(ru=f"уже на утверждении, отправил: {who.ru}", en=f"sent for approval already, by {who.en}")
    check_ready(session, row, now)
    if at is not None or decision == Decision.BONUS:
        _refuse_instant(session, decision, at or now, now)
    approval = RulesetApproval(
        decision=decision,
        state=ApprovalState.WAITING,
        content_hash=content_hash(row.body),
        base_number=row.base_number,
        sent_by=actor,
        sent_at=now,
        note=note.strip()[:_LONGEST],
        holds_from=at,
        accepted=dict(row.accepted),
    )
    session.add(approval)
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="send_for_approval",
        subject_kind="ruleset",
        subject_id=decision,
        before={"base": row.base_number},
        after={
            "approval": approval.id,
            "content_hash": approval.content_hash,
            "holds_from": at.isoformat() if at else None,
            "note": approval.note,
            "accepted": approval.accepted,
        },
    )
    return approval


def _locked(session: Session, decision: str, approval_id: int) -> tuple[RulesetDraft, RulesetApproval]:
    """Return the draft and its waiting approval, both locked; two approvers at once wait for each other here."""
    row = session.scalars(
        select(RulesetDraft)
        .where(RulesetDraft.decision == decision)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    approval = session.scalars(
        select(RulesetApproval)
        .where(RulesetApproval.id == approval_id, RulesetApproval.decision == decision)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if approval is None:
        raise NotFound(what=f"approval of {decision}")
    if approval.state is not ApprovalState.WAITING or row is None:
        raise AlreadyDecided(
            state=approval.state,
            by=letters.name(session, approval.decided_by or ""),
            at=approval.decided_at or approval.sent_at,
            zone=_zone(session),
        )
    return row, approval


def _refuse_instant(session: Session, decision: str, holds_from: datetime, now: datetime) -> None:
    if holds_from < now:
        raise InstantOver(wanted=holds_from, zone=_zone(session))
    if decision == Decision.BONUS:
        rulebook.refuse_running_month(session, holds_from, now)


def _repeated(session: Session, decision: str, digest: str) -> int | None:
    """Return the number of the newest version of the same content, None where this content is new."""
    same = select(RulesetVersion.number).where(
        RulesetVersion.decision == decision, RulesetVersion.content_hash == digest
    )
    return session.scalars(same.order_by(RulesetVersion.number.desc()).limit(1)).first()


def _zone(session: Session) -> ZoneInfo:
    return settings_of(session).zone
