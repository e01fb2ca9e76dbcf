"""Rulesets: immutable versions, one draft a decision, approvals, impacts, and the recorded switch of modes."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from rules_engine.models.base import Keyed, table_args
from rules_engine.models.people import Team, User


class RulesetVersion(Keyed):
    """One published body of the ruleset of a decision. Never changed, never deleted.

    In force at an instant is the version with the latest `holds_from` not after it; of equal ones the highest number.
    """

    __tablename__ = "ruleset_versions"
    __table_args__ = table_args(
        UniqueConstraint("decision", "number"),
        Index("ix_ruleset_versions_decision_holds_from", "decision", "holds_from"),
    )

    decision: Mapped[str]
    """assignment, escalation, callbacks, bonus."""
    number: Mapped[int]
    body: Mapped[dict[str, Any]]
    content_hash: Mapped[str]
    holds_from: Mapped[datetime]
    published_at: Mapped[datetime]
    published_by: Mapped[str]
    """Login, or `system`."""
    note: Mapped[str] = mapped_column(default="")
    restored_from: Mapped[int | None]
    """Number of the version whose body this one repeats (a roll-back)."""
    durable_refused: Mapped[str | None]
    """Why durable_rules must not be given this version (it crashed or hung on trial); None: it may."""
    authored_by: Mapped[str] = mapped_column(default="")
    """Login of who sent the draft for approval; "" where nobody else approved it."""
    accepted: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Findings that are intended: by their key, {"reason", "by", "at"}. The next draft begins with them."""


class RulesetDraft(Keyed):
    """What is being edited; there is at most one a decision. `revision` refuses a lost change.

    `step` is the number of the step that `body` stands at: those before it can be undone, those after it redone.
    """

    __tablename__ = "ruleset_drafts"

    decision: Mapped[str] = mapped_column(unique=True)
    body: Mapped[dict[str, Any]]
    base_number: Mapped[int]
    revision: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    updated_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    step: Mapped[int] = mapped_column(default=0)
    accepted: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """As in RulesetVersion."""

    updated_by: Mapped[User | None] = relationship()


class DraftStep(Keyed):
    """The body of a draft after one edit; number 0 is the one it began with. Undo and redo go along them."""

    __tablename__ = "ruleset_draft_steps"
    __table_args__ = table_args(UniqueConstraint("draft_id", "number"))

    draft_id: Mapped[int] = mapped_column(ForeignKey("ruleset_drafts.id", ondelete="CASCADE"))
    number: Mapped[int]
    body: Mapped[dict[str, Any]]
    subjects: Mapped[list[str]] = mapped_column(default=list)
    """What the edit changed: ids of rules, `otherwise`, `order`, `cases`, `title`."""
    at: Mapped[datetime]
    actor: Mapped[str]


class DraftReader(Keyed):
    """Who has a draft open, and in it which rule ("" none): the others see it."""

    __tablename__ = "ruleset_draft_readers"
    __table_args__ = table_args(UniqueConstraint("draft_id", "user_id"))

    draft_id: Mapped[int] = mapped_column(ForeignKey("ruleset_drafts.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    rule: Mapped[str] = mapped_column(default="")
    seen_at: Mapped[datetime]

    user: Mapped[User] = relationship()


class ApprovalState(StrEnum):
    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    """Taken back by whoever sent it."""
    VOID = "void"
    """The draft was edited after it was sent."""


class RulesetApproval(Keyed):
    """One sending of a draft for approval, and what came of it. It binds to `content_hash`."""

    __tablename__ = "ruleset_approvals"
    __table_args__ = table_args(
        Index("ix_ruleset_approvals_decision_sent_at", "decision", "sent_at"),
        Index(
            "uq_ruleset_approvals_waiting",
            "decision",
            unique=True,
            sqlite_where=text("state = 'waiting'"),
            postgresql_where=text("state = 'waiting'"),
        ),
    )

    decision: Mapped[str]
    state: Mapped[ApprovalState] = mapped_column(default=ApprovalState.WAITING)
    content_hash: Mapped[str]
    base_number: Mapped[int]
    sent_by: Mapped[str]
    """Login."""
    sent_at: Mapped[datetime]
    note: Mapped[str] = mapped_column(default="")
    """What the author says to the approver; it becomes the note of the version."""
    holds_from: Mapped[datetime | None]
    """From when the author wants it; None: as soon as it is approved."""
    accepted: Mapped[dict[str, Any]] = mapped_column(default=dict)
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(default="")
    """Why it was rejected."""
    losses_seen: Mapped[bool] = mapped_column(default=False)
    """Bonus: the approver ticked that he has seen who loses money."""
    version_id: Mapped[int | None] = mapped_column(ForeignKey("ruleset_versions.id"))


class Publication(Keyed):
    """How far what is open has been told of a new version: batch by batch, so that nobody waits for all of it.

    Only where more is open than one batch holds.
    """

    __tablename__ = "ruleset_publications"

    version_id: Mapped[int] = mapped_column(ForeignKey("ruleset_versions.id"), unique=True)
    decision: Mapped[str]
    wakes_at: Mapped[datetime]
    """When everything open is to be looked at again."""
    part: Mapped[str]
    """Which items are being told: a WorkKind; "" when all have been."""
    after_id: Mapped[int] = mapped_column(default=0)
    """The last subject of that kind that was told."""


class ImpactState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Impact(Keyed):
    """What a draft would change, reckoned in slices by the workers. `progress` is what the next slice goes on from."""

    __tablename__ = "ruleset_impacts"
    __table_args__ = table_args(Index("ix_ruleset_impacts_decision_asked_at", "decision", "asked_at"))

    decision: Mapped[str]
    state: Mapped[ImpactState] = mapped_column(default=ImpactState.QUEUED)
    version_id: Mapped[int] = mapped_column(ForeignKey("ruleset_versions.id"))
    """What was in force when it was asked for."""
    body: Mapped[dict[str, Any]]
    """The draft as it was when it was asked for."""
    content_hash: Mapped[str]
    days: Mapped[int]
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    asked_by: Mapped[str]
    asked_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    progress: Mapped[dict[str, Any]] = mapped_column(default=dict)
    result: Mapped[dict[str, Any]] = mapped_column(default=dict)
    error: Mapped[str] = mapped_column(default="")


class ImpactChange(Keyed):
    """One thing that would have come out otherwise: a request, a client, a statement."""

    __tablename__ = "ruleset_impact_changes"
    __table_args__ = table_args(UniqueConstraint("impact_id", "number"))

    impact_id: Mapped[int] = mapped_column(ForeignKey("ruleset_impacts.id", ondelete="CASCADE"))
    number: Mapped[int]
    """From 0, in the order in which they were found."""
    data: Mapped[dict[str, Any]]
    """What the pages show of it; see services/impact_*.py of the decision."""


class ModeChange(Keyed):
    """From `at` on, a decision runs in `mode` for a team (None: for all teams). The latest row holds."""

    __tablename__ = "mode_changes"
    __table_args__ = table_args(Index("ix_mode_changes_decision_at", "decision", "at"))

    decision: Mapped[str]
    team_id: Mapped[int | None] = mapped_column(ForeignKey("teams.id"))
    mode: Mapped[str]
    """off, watch, hints, live."""
    at: Mapped[datetime]
    actor: Mapped[str]

    team: Mapped[Team | None] = relationship()
