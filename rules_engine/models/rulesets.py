"""Rulesets: immutable versions, one draft a decision, and the recorded switch of modes."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
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


class RulesetDraft(Keyed):
    """What is being edited; there is at most one a decision. `revision` refuses a lost change."""

    __tablename__ = "ruleset_drafts"

    decision: Mapped[str] = mapped_column(unique=True)
    body: Mapped[dict[str, Any]]
    base_number: Mapped[int]
    revision: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    updated_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))

    updated_by: Mapped[User | None] = relationship()


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
