"""Personal tasks: what a manager is to do, why, and by when."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from rules_engine.models.base import Base, Keyed, table_args
from rules_engine.models.callbacks import Callback
from rules_engine.models.clients import Client
from rules_engine.models.people import Manager
from rules_engine.models.requests import Request


class TaskState(StrEnum):
    OPEN = "open"
    DONE = "done"
    CANCELLED = "cancelled"


class TaskKind(StrEnum):
    REQUEST = "request"
    """Answer or go on with a request."""
    EXTRA = "extra"
    """Made by a rule (`create_task`) beside the request's own task."""
    CALLBACK = "callback"
    OWN = "own"
    """Made by the manager for himself."""


class Task(Keyed):
    __tablename__ = "tasks"
    __table_args__ = table_args(
        Index("ix_tasks_manager_id_state_due_at", "manager_id", "state", "due_at"),
        Index("ix_tasks_request_id", "request_id"),
        Index(
            "uq_tasks_open_request",
            "request_id",
            unique=True,
            sqlite_where=text("state = 'open' AND kind = 'request'"),
            postgresql_where=text("state = 'open' AND kind = 'request'"),
        ),
        Index(
            "uq_tasks_open_callback",
            "callback_id",
            unique=True,
            sqlite_where=text("state = 'open' AND kind = 'callback'"),
            postgresql_where=text("state = 'open' AND kind = 'callback'"),
        ),
    )

    kind: Mapped[TaskKind]
    manager_id: Mapped[int] = mapped_column(ForeignKey("managers.id"))
    request_id: Mapped[int | None] = mapped_column(ForeignKey("requests.id"))
    client_id: Mapped[int | None] = mapped_column(ForeignKey("clients.id"))
    callback_id: Mapped[int | None] = mapped_column(ForeignKey("callbacks.id"))
    assignment_id: Mapped[int | None] = mapped_column(ForeignKey("assignments.id"))
    decision_id: Mapped[int | None] = mapped_column(ForeignKey("decisions.id"))
    title: Mapped[dict[str, Any]]
    """{"ru", "en"}."""
    reason: Mapped[dict[str, Any]]
    """Why it exists, one sentence: {"ru", "en"}."""
    rule: Mapped[str | None]
    state: Mapped[TaskState] = mapped_column(default=TaskState.OPEN)
    created_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    note: Mapped[str] = mapped_column(default="")
    times_postponed: Mapped[int] = mapped_column(default=0)
    postpone_reason: Mapped[str | None]

    manager: Mapped[Manager] = relationship()
    request: Mapped[Request | None] = relationship()
    client: Mapped[Client | None] = relationship()
    callback: Mapped[Callback | None] = relationship()


class IdempotencyKey(Base):
    """The stored answer to a request that came with an Idempotency-Key: a repeat gets the same answer."""

    __tablename__ = "idempotency_keys"

    key: Mapped[str] = mapped_column(primary_key=True)
    """`<token id>:<endpoint>:<subject>:<key>`."""
    body_hash: Mapped[str]
    status: Mapped[int]
    answer: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime]
