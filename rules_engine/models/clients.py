"""Clients, their groups, contact persons and the phones and mails by which they are recognised."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from rules_engine.models.base import Keyed, table_args
from rules_engine.models.people import Manager


class ClientGroup(Keyed):
    """Several firms with one owner count as one client for new and old."""

    __tablename__ = "client_groups"

    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]

    def __str__(self) -> str:
        return self.name


class Client(Keyed):
    __tablename__ = "clients"
    __table_args__ = table_args(
        UniqueConstraint("source", "external_id"),
        Index("ix_clients_inn", "inn"),
        Index("ix_clients_owner_id", "owner_id"),
    )

    source: Mapped[str]
    external_id: Mapped[str]
    name: Mapped[str]
    inn: Mapped[str | None]
    """Tax number, digits only, with its leading zeros."""
    group_id: Mapped[int | None] = mapped_column(ForeignKey("client_groups.id"))
    region: Mapped[str | None]
    city: Mapped[str | None]
    segment: Mapped[str | None]
    tags: Mapped[list[str]] = mapped_column(default=list)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("managers.id"))
    cover_id: Mapped[int | None] = mapped_column(ForeignKey("managers.id"))
    do_not_call: Mapped[bool] = mapped_column(default=False)
    consent_on: Mapped[date | None]
    consent_source: Mapped[str | None]
    contract_ends_on: Mapped[date | None]
    created_at: Mapped[datetime]

    group: Mapped[ClientGroup | None] = relationship()
    owner: Mapped[Manager | None] = relationship(foreign_keys=[owner_id])
    cover: Mapped[Manager | None] = relationship(foreign_keys=[cover_id])
    persons: Mapped[list["ContactPerson"]] = relationship(back_populates="client", cascade="all, delete-orphan")
    points: Mapped[list["ContactPoint"]] = relationship(
        back_populates="client", cascade="all, delete-orphan", order_by="ContactPoint.id"
    )

    def __str__(self) -> str:
        return self.name


PHONE = "phone"
EMAIL = "email"
"""The kinds of contact points."""


class ContactPerson(Keyed):
    __tablename__ = "contact_persons"
    __table_args__ = table_args(Index("ix_contact_persons_client_id", "client_id"))

    client_id: Mapped[int] = mapped_column(ForeignKey("clients.id"))
    name: Mapped[str]
    position: Mapped[str] = mapped_column(default="")

    client: Mapped[Client] = relationship(back_populates="persons")


class ContactPoint(Keyed):
    """A phone or a mail address. `normalized` is what matching compares: +79991234567, a@example.org."""

    __tablename__ = "contact_points"
    __table_args__ = table_args(
        UniqueConstraint("client_id", "kind", "normalized"),
        Index("ix_contact_points_kind_normalized", "kind", "normalized"),
        Index("ix_contact_points_domain", "domain"),
    )

    client_id: Mapped[int] = mapped_column(ForeignKey("clients.id"))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("contact_persons.id"))
    kind: Mapped[str]
    value: Mapped[str]
    normalized: Mapped[str]
    domain: Mapped[str | None]
    """Of a mail address with a corporate domain: by it a client is suggested. None for phones and public domains."""

    client: Mapped[Client] = relationship(back_populates="points")
    person: Mapped[ContactPerson | None] = relationship()


class MoveState(StrEnum):
    PLANNED = "planned"
    DONE = "done"
    CANCELLED = "cancelled"


class ClientMove(Keyed):
    """A client goes from one manager to another at an instant: one row of the plan made when somebody leaves."""

    __tablename__ = "client_moves"
    __table_args__ = table_args(
        Index("ix_client_moves_from_manager_id", "from_manager_id", "state"),
        # Two plans for one client would fight each other.
        Index(
            "uq_client_moves_planned_client",
            "client_id",
            unique=True,
            sqlite_where=text("state = 'planned'"),
            postgresql_where=text("state = 'planned'"),
        ),
    )

    client_id: Mapped[int] = mapped_column(ForeignKey("clients.id"))
    from_manager_id: Mapped[int] = mapped_column(ForeignKey("managers.id"))
    to_manager_id: Mapped[int] = mapped_column(ForeignKey("managers.id"))
    at: Mapped[datetime]
    state: Mapped[MoveState] = mapped_column(default=MoveState.PLANNED)
    made_at: Mapped[datetime]
    made_by: Mapped[str]
    done_at: Mapped[datetime | None]

    client: Mapped[Client] = relationship()
    from_manager: Mapped[Manager] = relationship(foreign_keys=[from_manager_id])
    to_manager: Mapped[Manager] = relationship(foreign_keys=[to_manager_id])
