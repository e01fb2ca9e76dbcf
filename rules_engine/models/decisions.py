"""What was decided, on which facts, and which effects came of it."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from rules_engine.models.base import Base, Keyed, table_args
from rules_engine.models.rulesets import RulesetVersion


class Decision(Keyed):
    """One evaluation that had an effect, or was asked for. Kept for ever; explanations are read from it."""

    __tablename__ = "decisions"
    __table_args__ = table_args(
        Index("ix_decisions_subject_kind_subject_id_at", "subject_kind", "subject_id", "at"),
        Index("ix_decisions_decision_at", "decision", "at"),
    )

    decision: Mapped[str]
    subject_kind: Mapped[str]
    """request; later callback, client, period."""
    subject_id: Mapped[int]
    at: Mapped[datetime]
    version_id: Mapped[int | None] = mapped_column(ForeignKey("ruleset_versions.id"))
    """None: decided by a person or by another system."""
    engine: Mapped[str]
    mode: Mapped[str]
    actor: Mapped[str] = mapped_column(default="system")
    fired: Mapped[list[str]]
    effects: Mapped[list[Any]]
    """Each effect is the action with its parameters and "rule"."""
    chosen_manager_id: Mapped[int | None] = mapped_column(ForeignKey("managers.id"))

    version: Mapped[RulesetVersion | None] = relationship()
    detail: Mapped["DecisionDetail | None"] = relationship(uselist=False)


class DecisionDetail(Base):
    """Facts, every rule with its first failing condition, every candidate: compressed JSON, kept 400 days."""

    __tablename__ = "decision_details"

    decision_id: Mapped[int] = mapped_column(ForeignKey("decisions.id"), primary_key=True)
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    """The machine's clock: what is too old is pruned by it."""


class Firing(Keyed):
    """A rule acted once: the database refuses the second time."""

    __tablename__ = "firings"
    __table_args__ = table_args(
        UniqueConstraint("item_kind", "item_id", "ownership", "rule", "occurrence"),
        Index("ix_firings_rule_at", "rule", "at"),
    )

    item_kind: Mapped[str]
    item_id: Mapped[int]
    rule: Mapped[str]
    ownership: Mapped[int]
    """Id of the assignment; 0 while the request has none."""
    occurrence: Mapped[int]
    """Whole number of repeat periods since the first firing; 0 for rules that fire once."""
    at: Mapped[datetime]
    decision_id: Mapped[int] = mapped_column(ForeignKey("decisions.id"))

    actions: Mapped[list["FiringAction"]] = relationship(order_by="FiringAction.ordinal")


class ActionState(StrEnum):
    APPLIED = "applied"
    SUPERSEDED = "superseded"
    """An earlier rule of the same evaluation had done the same kind of thing."""
    DROPPED = "dropped"
    """Pointless by then, for example a reminder to somebody who no longer holds the request."""
    WITHHELD = "withheld"
    """The mode did not permit it."""


class FiringAction(Keyed):
    __tablename__ = "firing_actions"
    __table_args__ = table_args(UniqueConstraint("firing_id", "ordinal"))

    firing_id: Mapped[int] = mapped_column(ForeignKey("firings.id"))
    ordinal: Mapped[int]
    action: Mapped[str]
    params: Mapped[dict[str, Any]]
    state: Mapped[ActionState]
    result: Mapped[dict[str, Any]] = mapped_column(default=dict)
