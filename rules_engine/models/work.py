"""What must be looked at and when, what is laid down for a replay, what is to be sent."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from rules_engine.models.base import Base, Keyed, table_args


class WorkKind(StrEnum):
    REQUEST = "request"
    CLIENT = "client"
    """What the rules of callbacks say about a client."""
    CALLBACK = "callback"
    """A planned call: put into a list when its time comes, then watched by the rules of escalation."""
    OVERDUE_ACTION = "overdue_action"
    """A hold that ends by itself."""
    CLIENT_MOVE = "client_move"
    """A client goes to another manager on the day that was planned."""
    IMPACT = "impact"
    """What a draft of rules would change, reckoned slice by slice."""
    PUBLICATION = "publication"
    """What is open is told, batch by batch, that other rules hold."""
    OUTBOX = "outbox"


class WorkItem(Keyed):
    """A subject that must be looked at when `wake_at` has come. See docs/architecture.md."""

    __tablename__ = "work_items"
    __table_args__ = table_args(
        UniqueConstraint("kind", "subject_id"),
        Index(
            "ix_work_items_due",
            "wake_at",
            "id",
            sqlite_where=text("wake_at IS NOT NULL AND quarantined_at IS NULL"),
            postgresql_where=text("wake_at IS NOT NULL AND quarantined_at IS NULL"),
        ),
        Index(
            "ix_work_items_quarantined_at",
            "quarantined_at",
            sqlite_where=text("quarantined_at IS NOT NULL"),
            postgresql_where=text("quarantined_at IS NOT NULL"),
        ),
    )

    kind: Mapped[WorkKind]
    subject_id: Mapped[int]
    wake_at: Mapped[datetime | None]
    """Business time: when to look again. None: nothing to wait for."""
    lease_until: Mapped[datetime | None]
    """The machine's clock: until when a worker has it."""
    epoch: Mapped[int] = mapped_column(default=0)
    """Counted up by every claim; whoever finds another number than his own has lost the item."""
    attempts: Mapped[int] = mapped_column(default=0)
    """Claims since the last success."""
    quarantined_at: Mapped[datetime | None]
    last_error: Mapped[str | None]


class Arrival(Keyed):
    """A row laid down to be handed to the ordinary service at its instant, so that nothing sees the future."""

    __tablename__ = "arrivals"
    __table_args__ = table_args(
        UniqueConstraint("kind", "source", "external_id"),
        Index(
            "ix_arrivals_waiting",
            "at",
            "id",
            sqlite_where=text("handed_at IS NULL"),
            postgresql_where=text("handed_at IS NULL"),
        ),
    )

    at: Mapped[datetime]
    kind: Mapped[str]
    """request, contact, absence…: which service takes it."""
    source: Mapped[str]
    external_id: Mapped[str]
    payload: Mapped[dict[str, Any]]
    handed_at: Mapped[datetime | None]


class Replay(Keyed):
    """The stored clock of a replay: a restart goes on from it; live workers refuse to start while it runs."""

    __tablename__ = "replays"

    from_at: Mapped[datetime]
    until_at: Mapped[datetime]
    clock_at: Mapped[datetime]
    totals: Mapped[dict[str, Any]] = mapped_column(default=dict)
    finished_at: Mapped[datetime | None]


class OutboxState(StrEnum):
    PENDING = "pending"
    SENT = "sent"
    DEAD = "dead"
    """Given up after the last try; a person can send it again."""
    KEPT = "kept"
    """There is no channel to send it by: readable in the outbox page only."""


class OutboxMessage(Keyed):
    """One message to one person by one channel, written in the transaction that decided it."""

    __tablename__ = "outbox_messages"
    __table_args__ = table_args(
        Index("ix_outbox_messages_user_id_created_at", "user_id", "created_at"),
        Index("ix_outbox_messages_state", "state"),
        # The bell of every page counts these.
        Index(
            "ix_outbox_messages_unread",
            "user_id",
            "id",
            sqlite_where=text("channel = 'page' AND read_at IS NULL"),
            postgresql_where=text("channel = 'page' AND read_at IS NULL"),
        ),
        Index(
            "ix_outbox_messages_sent_at",
            "sent_at",
            sqlite_where=text("channel <> 'page' AND sent_at IS NOT NULL"),
            postgresql_where=text("channel <> 'page' AND sent_at IS NOT NULL"),
        ),
    )

    key: Mapped[str] = mapped_column(unique=True)
    """The same on every repeat: a receiver can recognise a double."""
    channel: Mapped[str]
    """page, email, url."""
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    address: Mapped[str] = mapped_column(default="")
    subject: Mapped[str]
    body: Mapped[str]
    link: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]
    not_before: Mapped[datetime]
    digest_key: Mapped[str | None]
    """Messages of one person with the same key and instant go out as one."""
    is_urgent: Mapped[bool] = mapped_column(default=False)
    """Waits neither for working hours nor for a digest."""
    state: Mapped[OutboxState] = mapped_column(default=OutboxState.PENDING)
    attempts: Mapped[int] = mapped_column(default=0)
    sent_at: Mapped[datetime | None]
    read_at: Mapped[datetime | None]
    last_error: Mapped[str | None]


class Incident(Keyed):
    """Something that an administrator must know: engines that differ, rules that loop, an item given up."""

    __tablename__ = "incidents"
    __table_args__ = table_args(Index("ix_incidents_resolved_at", "resolved_at", "at"))

    at: Mapped[datetime]
    kind: Mapped[str]
    message: Mapped[dict[str, Any]]
    """{"ru", "en"}."""
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)
    resolved_at: Mapped[datetime | None]


class Heartbeat(Base):
    """When a part of the installation (clock, worker, web) was last seen, by the machine's clock."""

    __tablename__ = "heartbeats"

    name: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)


class AppSetting(Base):
    """A setting that people change in the web page; every change is in the audit log."""

    __tablename__ = "app_settings"

    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[dict[str, Any]]
