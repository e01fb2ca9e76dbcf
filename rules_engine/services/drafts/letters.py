"""The one approval of a decision that waits, and what people are told about approvals: on the page and by mail."""

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.db import settings_of
from rules_engine.language.kinds import Words
from rules_engine.models import ApprovalState, Role, RulesetApproval
from rules_engine.services.company.picture import UserRef
from rules_engine.services.company.reference import reference
from rules_engine.services.messages import outbox
from rules_engine.services.records import audit

NAMES = {
    "assignment": Words("распределение", "assignment"),
    "escalation": Words("сроки ответа", "escalation"),
    "callbacks": Words("плановые звонки", "callbacks"),
    "bonus": Words("премия", "bonus"),
}
"""How messages call the rules of a decision."""


def waiting(session: Session, decision: str) -> RulesetApproval | None:
    """Return what was sent for approval and waits, None where nothing does."""
    return session.scalars(
        select(RulesetApproval).where(
            RulesetApproval.decision == decision, RulesetApproval.state == ApprovalState.WAITING
        )
    ).one_or_none()


def void(session: Session, decision: str, *, actor: str, now: datetime) -> None:
    """Make void what waits: its draft is not the one that was sent any more. The author and the approvers are told."""
    row = waiting(session, decision)
    if row is None:
        return
    close(session, row, ApprovalState.VOID, actor=actor, now=now)
    who = name(session, actor)
    tell(
        session,
        row,
        {*(user.id for user in approvers(session, row)), *_author(session, row)} - set(_ids(session, [actor])),
        subject=Words(
            f"Утверждение отменено: правила «{NAMES[decision].ru}»", f"Approval void: rules of {NAMES[decision].en}"
        ),
        body=Words(
            f"После отправки черновик изменён ({who.ru}). Утвердить можно только то, что отправлено: "
            "когда правки закончены, его отправляют снова.",
            f"The draft was changed after it was sent ({who.en}). Only what was sent can be approved: "
            "once the changes are done, it is sent again.",
        ),
        now=now,
    )


def close(
    session: Session, row: RulesetApproval, state: ApprovalState, *, actor: str, now: datetime, reason: str = ""
) -> None:
    """Note what came of an approval, in its row and in the audit log."""
    row.state, row.decided_by, row.decided_at, row.reason = state, actor, now, reason
    audit.record(
        session,
        actor=actor,
        action=f"approval_{state}",
        subject_kind="ruleset",
        subject_id=row.decision,
        before={"state": ApprovalState.WAITING, "sent_by": row.sent_by},
        after={"state": state, "approval": row.id, "content_hash": row.content_hash, "reason": reason},
    )
    session.flush()


def tell(
    session: Session,
    row: RulesetApproval,
    user_ids: Iterable[int],
    *,
    subject: Words,
    body: Words,
    now: datetime,
    channels: Collection[str] | None = None,
) -> None:
    """Write a message about an approval; of each state people are told once."""
    outbox.notify(
        session,
        user_ids=sorted(user_ids),
        subject={"ru": subject.ru, "en": subject.en},
        body={"ru": body.ru, "en": body.en},
        link=f"/rules/{row.decision}/approval",
        key=f"approval:{row.id}:{row.state}",
        now=now,
        channels=channels,
    )


def approvers(session: Session, row: RulesetApproval) -> list[UserRef]:
    """Return who may approve it as far as is known before they do: the heads and administrators but the author."""
    return [user for user in heads(session) if user.login != row.sent_by]


def heads(session: Session) -> list[UserRef]:
    """Return the active heads and administrators."""
    deciding = (Role.HEAD, Role.ADMINISTRATOR)
    return [user for user in reference(session).users.values() if user.is_active and user.role in deciding]


def tell_author(session: Session, row: RulesetApproval, *, subject: Words, body: Words, now: datetime) -> None:
    """Tell who sent the draft what came of it, unless he did it himself."""
    if row.decided_by != row.sent_by:
        tell(session, row, _author(session, row), subject=subject, body=body, now=now)


def name(session: Session, actor: str) -> Words:
    """Return how messages call whoever did something."""
    found = next((user.name for user in reference(session).users.values() if user.login == actor), actor)
    return Words("командная строка", "the command line") if actor == "system" else Words(found, found)


def moment(session: Session, at: datetime) -> Words:
    """Return an instant of the business zone in words."""
    local = at.astimezone(settings_of(session).zone)
    return Words(f"{local:%d.%m.%Y} в {local:%H:%M}", f"{local:%d %b %Y} at {local:%H:%M}")


def _author(session: Session, row: RulesetApproval) -> list[int]:
    return _ids(session, [row.sent_by])


def _ids(session: Session, logins: Collection[str]) -> list[int]:
    return [user.id for user in reference(session).users.values() if user.login in logins]
