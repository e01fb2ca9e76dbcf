"""Who changed what and when. Rows are chained by hash a moment after they are written."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from rules_engine.models.base import Keyed, table_args


class AuditEntry(Keyed):
    """Append-only. Written unchained in the transaction of the change; one sealer chains rows in order."""

    __tablename__ = "audit_entries"
    __table_args__ = table_args(
        Index("ix_audit_entries_subject_kind_subject_id", "subject_kind", "subject_id"),
        Index("ix_audit_entries_at", "at"),
        Index(
            "ix_audit_entries_unsealed",
            "id",
            sqlite_where=text("position IS NULL"),
            postgresql_where=text("position IS NULL"),
        ),
        Index("uq_audit_entries_position", "position", unique=True),
    )

    at: Mapped[datetime]
    """The machine's clock."""
    actor: Mapped[str]
    action: Mapped[str]
    """create, update, delete, login, publish, mode, reassign…"""
    subject_kind: Mapped[str]
    subject_id: Mapped[str]
    before: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    after: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    position: Mapped[int | None]
    """Place in the chain; None until sealed."""
    digest: Mapped[str | None]
    """SHA-256 over the digest before and this row's canonical JSON."""
