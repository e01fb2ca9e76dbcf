"""Bonus periods, statements and their lines. What is closed never changes: triggers of the database refuse it."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from rules_engine.models.base import Keyed, table_args
from rules_engine.models.people import Manager
from rules_engine.models.rulesets import RulesetVersion


class PeriodState(StrEnum):
    COMPUTED = "computed"
    PRESENTED = "presented"
    """Shown to the managers, who may object."""
    APPROVED = "approved"
    CLOSED = "closed"
    REVERSED = "reversed"
    """Was closed and has been opened again: a later revision stands in its place."""


class BonusPeriod(Keyed):
    """The bonus of one calendar month. Opening a closed one again makes a row with the next revision."""

    __tablename__ = "bonus_periods"
    __table_args__ = table_args(UniqueConstraint("month", "revision"))

    month: Mapped[str]
    """`2026-10`."""
    revision: Mapped[int] = mapped_column(default=1)
    state: Mapped[PeriodState] = mapped_column(default=PeriodState.COMPUTED)
    version_id: Mapped[int] = mapped_column(ForeignKey("ruleset_versions.id"))
    """The bonus rules in force at the first instant of the month."""
    computed_at: Mapped[datetime]
    """Facts up to this instant are counted."""
    computed_by: Mapped[str]
    presented_at: Mapped[datetime | None]
    presented_by: Mapped[str | None]
    approved_at: Mapped[datetime | None]
    approved_by: Mapped[str | None]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None]
    reason: Mapped[str] = mapped_column(default="")
    """Why it was opened again."""

    version: Mapped[RulesetVersion] = relationship()
    statements: Mapped[list["BonusStatement"]] = relationship(back_populates="period", cascade="all, delete-orphan")


class BonusStatement(Keyed):
    """One manager's bonus for one period."""

    __tablename__ = "bonus_statements"
    __table_args__ = table_args(
        UniqueConstraint("period_id", "manager_id"),
        Index("ix_bonus_statements_manager_id", "manager_id"),
    )

    period_id: Mapped[int] = mapped_column(ForeignKey("bonus_periods.id"))
    manager_id: Mapped[int] = mapped_column(ForeignKey("managers.id"))
    total_minor: Mapped[int]
    """The sum of its lines, never below zero."""
    measures: Mapped[dict[str, Any]]
    """Exact values by name, fractions as "p/q"; null: nothing to count from, or no plan."""
    notes: Mapped[list[Any]] = mapped_column(default=list)
    """What did not count and why: [{"ru", "en"}]."""
    is_closed: Mapped[bool] = mapped_column(default=False)
    seen_at: Mapped[datetime | None]
    """When the manager first opened it after it was presented; silence is no consent."""

    period: Mapped[BonusPeriod] = relationship(back_populates="statements")
    manager: Mapped[Manager] = relationship()
    lines: Mapped[list["BonusLine"]] = relationship(
        back_populates="statement", cascade="all, delete-orphan", order_by="BonusLine.ordinal"
    )


class BonusLine(Keyed):
    __tablename__ = "bonus_lines"
    __table_args__ = table_args(
        UniqueConstraint("statement_id", "rule", "line", "basis"),
        Index("ix_bonus_lines_correction_of_id", "correction_of_id"),
    )

    statement_id: Mapped[int] = mapped_column(ForeignKey("bonus_statements.id"))
    ordinal: Mapped[int]
    rule: Mapped[str]
    line: Mapped[str]
    basis: Mapped[str] = mapped_column(default="")
    """What distinguishes lines of one name: empty, or `correction:2026-09`."""
    component: Mapped[str]
    """The action that made it: pay_percent, pay_matrix…, or correction."""
    base: Mapped[str]
    rate: Mapped[str]
    amount_minor: Mapped[int]
    exact: Mapped[str]
    """The unrounded amount in kopecks, "p/q"."""
    sentence: Mapped[dict[str, Any]]
    """{"ru", "en"}."""
    steps: Mapped[list[Any]] = mapped_column(default=list)
    """How it was reckoned, for the pocket calculator."""
    correction_of_id: Mapped[int | None] = mapped_column(ForeignKey("bonus_lines.id"))

    statement: Mapped[BonusStatement] = relationship(back_populates="lines")
