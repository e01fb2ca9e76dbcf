"""Contacts with clients, each with its level of proof."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from rules_engine.models.base import Keyed, table_args
from rules_engine.models.clients import Client
from rules_engine.models.people import Manager
from rules_engine.models.requests import Request


class Proof(StrEnum):
    CONFIRMED = "confirmed"
    """By telephony or mail."""
    BY_HAND = "by_hand"


class Contact(Keyed):
    __tablename__ = "contacts"
    __table_args__ = table_args(
        UniqueConstraint("source", "external_id"),
        Index("ix_contacts_request_id_at", "request_id", "at"),
        Index("ix_contacts_client_id_at", "client_id", "at"),
        Index("ix_contacts_manager_id_at", "manager_id", "at"),
    )

    source: Mapped[str]
    external_id: Mapped[str]
    at: Mapped[datetime]
    kind: Mapped[str]
    """call, message, email, meeting."""
    direction: Mapped[str]
    """in, out."""
    outcome: Mapped[str | None]
    """answered, order, thinks, not_now, refused, do_not_call, not_reached, wrong_number."""
    reason: Mapped[str | None]
    """Of a refusal: expensive, postponed, rival, no_need, other, or what a head has added."""
    asked_to_call_at: Mapped[datetime | None]
    """When the client himself asked to be called again: a promise."""
    note: Mapped[str] = mapped_column(default="")
    duration_seconds: Mapped[int | None]
    proof: Mapped[Proof]
    is_automatic: Mapped[bool] = mapped_column(default=False)
    """An automatic reply never counts as an answer."""
    client_id: Mapped[int | None] = mapped_column(ForeignKey("clients.id"))
    request_id: Mapped[int | None] = mapped_column(ForeignKey("requests.id"))
    manager_id: Mapped[int | None] = mapped_column(ForeignKey("managers.id"))

    client: Mapped[Client | None] = relationship()
    request: Mapped[Request | None] = relationship()
    manager: Mapped[Manager | None] = relationship()
