"""Requests, who has held them, the ledger of fair shares, and their history."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from rules_engine.models.base import Base, Keyed, table_args
from rules_engine.models.clients import Client
from rules_engine.models.people import Manager


class RequestStatus(StrEnum):
    NEW = "new"
    ASSIGNED = "assigned"
    IN_PROGRESS = "in_progress"
    WAITING_CLIENT = "waiting_client"
    WON = "won"
    LOST = "lost"
    SPAM = "spam"

    @property
    def is_open(self) -> bool:
        return self in OPEN_STATUSES


OPEN_STATUSES = frozenset(
    {RequestStatus.NEW, RequestStatus.ASSIGNED, RequestStatus.IN_PROGRESS, RequestStatus.WAITING_CLIENT}
)


class Request(Keyed):
    """What a client asked for. Everything about its present holder is repeated here from the open assignment."""

    __tablename__ = "requests"
    __table_args__ = table_args(
        UniqueConstraint("source", "external_id"),
        Index("ix_requests_status_received_at", "status", "received_at"),
        # Also what counts a manager's open and unanswered requests, for each candidate of each decision: from it alone.
        Index("ix_requests_manager_id_status", "manager_id", "status", "is_history", "first_answer_at"),
        Index("ix_requests_client_id", "client_id"),
        Index("ix_requests_received_at", "received_at"),
        # The mean amount of a service and channel is read from the index alone.
        Index("ix_requests_expected_value", "service", "channel", "received_at", "amount_minor"),
        # Those that nobody could take stand in lines; the head of a line is found without looking at the others.
        Index(
            "ix_requests_waiting",
            "waiting_key",
            "id",
            sqlite_where=text("waiting_key IS NOT NULL"),
            postgresql_where=text("waiting_key IS NOT NULL"),
        ),
    )

    source: Mapped[str]
    external_id: Mapped[str]
    body_hash: Mapped[str]
    """SHA-256 of the canonical body: the same key with another body is a conflict."""
    received_at: Mapped[datetime]
    client_id: Mapped[int | None] = mapped_column(ForeignKey("clients.id"))
    client_name: Mapped[str] = mapped_column(default="")
    """As the sender wrote it, also when no client is known."""
    service: Mapped[str | None]
    channel: Mapped[str | None]
    region: Mapped[str | None]
    city: Mapped[str | None]
    language: Mapped[str | None]
    amount_minor: Mapped[int | None]
    expected_value_minor: Mapped[int | None]
    """Fixed at arrival: the amount, else the mean of its service and channel; None: not known."""
    priority: Mapped[str] = mapped_column(default="normal")
    text: Mapped[str] = mapped_column(default="")
    tags: Mapped[list[str]] = mapped_column(default=list)
    is_duplicate: Mapped[bool] = mapped_column(default=False)
    duplicate_of_id: Mapped[int | None] = mapped_column(ForeignKey("requests.id"))
    """The open request of the same client and service that this one repeats."""
    suggested_client_id: Mapped[int | None] = mapped_column(ForeignKey("clients.id"))
    """Whose corporate mail domain the sender has; a person decides."""
    is_history: Mapped[bool] = mapped_column(default=False)
    """Already handled elsewhere before it came here: never assigned, never escalated."""

    status: Mapped[RequestStatus] = mapped_column(default=RequestStatus.NEW)
    status_at: Mapped[datetime]
    """Since when the status holds; a status with an older instant changes nothing."""
    close_reason: Mapped[str | None]
    closed_at: Mapped[datetime | None]

    manager_id: Mapped[int | None] = mapped_column(ForeignKey("managers.id"))
    assigned_at: Mapped[datetime | None]
    answer_within: Mapped[int | None]
    """Working minutes of the holder's calendar."""
    answer_due_at: Mapped[datetime | None]
    line_busy_at: Mapped[datetime | None]
    """Since when the holder has asked for more time before a transfer: he had the client on the line."""
    first_answer_at: Mapped[datetime | None]
    """First outgoing contact after the present assignment."""
    last_activity_at: Mapped[datetime | None]
    """Last outgoing contact or status change by the holder; a client's message does not count."""
    next_step_at: Mapped[datetime | None]
    waiting_since: Mapped[datetime | None]
    """Since when it waits for the client; None: it does not."""
    times_waiting: Mapped[int] = mapped_column(default=0)
    times_reassigned: Mapped[int] = mapped_column(default=0)
    """Automatic transfers only."""
    contact_attempts: Mapped[int] = mapped_column(default=0)
    unassigned_reason: Mapped[str | None]
    """Why nobody has it yet, in the words of the decision; None: it has a holder or was not yet looked at."""
    waiting_key: Mapped[str | None]
    """What decided that nobody can take it; requests with the same key wait in one line. None: it does not wait."""

    client: Mapped[Client | None] = relationship(foreign_keys=[client_id])
    manager: Mapped[Manager | None] = relationship()


class AssignmentCause(StrEnum):
    RULE = "rule"
    TRANSFER = "transfer"
    """By the escalation rules, for want of an answer."""
    HAND = "hand"
    EXTERNAL = "external"
    """By another system: imported with its manager."""


class Assignment(Keyed):
    """One manager holds one request during `[assigned_at, ended_at)`. Its id is the "ownership" of firings."""

    __tablename__ = "assignments"
    __table_args__ = table_args(
        # The database, not the code, refuses to hand a request out twice.
        Index(
            "uq_assignments_open_request",
            "request_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("ix_assignments_request_id", "request_id"),
        Index("ix_assignments_manager_id_assigned_at", "manager_id", "assigned_at"),
        Index("ix_assignments_answer_due_at", "answer_due_at"),
        # What a team has open, and what of it is late.
        Index(
            "ix_assignments_open_manager_id",
            "manager_id",
            "first_answer_at",
            "answer_due_at",
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    request_id: Mapped[int] = mapped_column(ForeignKey("requests.id"))
    manager_id: Mapped[int] = mapped_column(ForeignKey("managers.id"))
    assigned_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None]
    """`transfer`, `hand`, `closed`; None: still open."""
    cause: Mapped[AssignmentCause]
    decision_id: Mapped[int | None] = mapped_column(ForeignKey("decisions.id"))
    answer_within: Mapped[int | None]
    answer_due_at: Mapped[datetime | None]
    line_busy_at: Mapped[datetime | None]
    """When he asked for more time, once, because he had the client on the line."""
    first_answer_at: Mapped[datetime | None]
    is_late: Mapped[bool] = mapped_column(default=False)
    """Marked "not in time" by a rule."""

    request: Mapped[Request] = relationship()
    manager: Mapped[Manager] = relationship()


class LedgerEntry(Keyed):
    """Append-only: what a manager was given, for the month of `at` in the business zone."""

    __tablename__ = "ledger_entries"
    __table_args__ = table_args(
        Index("ix_ledger_entries_month_manager_id", "month", "manager_id"),
        Index("ix_ledger_entries_request_id", "request_id"),
    )

    at: Mapped[datetime]
    month: Mapped[str]
    """`2026-10`."""
    request_id: Mapped[int] = mapped_column(ForeignKey("requests.id"))
    manager_id: Mapped[int] = mapped_column(ForeignKey("managers.id"))
    assignment_id: Mapped[int | None] = mapped_column(ForeignKey("assignments.id"))
    delta: Mapped[int]
    """+1 assigned, 0 taken away for want of an answer (the debit stays), −1 confirmed spam or duplicate."""
    value_minor: Mapped[int]
    cause: Mapped[str]
    rule: Mapped[str | None]
    strategy: Mapped[str | None]
    decision_id: Mapped[int | None] = mapped_column(ForeignKey("decisions.id"))

    manager: Mapped[Manager] = relationship()
    request: Mapped[Request] = relationship()


class LedgerBalance(Base):
    """The sum of a manager's ledger entries of one month, kept in the transaction that writes the entry."""

    __tablename__ = "ledger_balances"

    month: Mapped[str] = mapped_column(primary_key=True)
    manager_id: Mapped[int] = mapped_column(ForeignKey("managers.id"), primary_key=True)
    count: Mapped[int]
    value_minor: Mapped[int]


class LedgerMonth(Base):
    """One row a month, locked by every assignment, so that two workers never choose on one snapshot."""

    __tablename__ = "ledger_months"

    month: Mapped[str] = mapped_column(primary_key=True)


class RoundRobinPointer(Base):
    """Who of a pool was served last."""

    __tablename__ = "round_robin_pointers"

    pool: Mapped[str] = mapped_column(primary_key=True)
    manager_id: Mapped[int] = mapped_column(ForeignKey("managers.id"))


class RequestEvent(Keyed):
    """What happened to a request, for its page: received, assigned, status, contact, taken, changed…"""

    __tablename__ = "request_events"
    __table_args__ = table_args(Index("ix_request_events_request_id_at", "request_id", "at"))

    request_id: Mapped[int] = mapped_column(ForeignKey("requests.id"))
    at: Mapped[datetime]
    kind: Mapped[str]
    actor: Mapped[str]
    """Login of a person, `api:<token name>`, or `system`."""
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)
