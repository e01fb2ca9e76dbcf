"""Money that came in, to whom it is credited, and how much of it was planned."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from rules_engine.models.base import Keyed, table_args
from rules_engine.models.clients import Client
from rules_engine.models.people import Manager
from rules_engine.models.requests import Request


class PaymentKind(StrEnum):
    PAYMENT = "payment"
    PREPAYMENT = "prepayment"
    REFUND = "refund"
    OFFSET = "offset"


class MoneyClass(StrEnum):
    NEW = "new"
    """Of a client (group) within so many days of its first payment, or after a long silence."""
    OLD = "old"


class Payment(Keyed):
    """Money received, or paid back (a refund: a negative amount)."""

    __tablename__ = "payments"
    __table_args__ = table_args(
        UniqueConstraint("source", "external_id"),
        Index("ix_payments_client_id_paid_at", "client_id", "paid_at"),
        Index("ix_payments_request_id", "request_id"),
        Index("ix_payments_invoice", "invoice"),
        Index("ix_payments_month_manager_id", "month", "manager_id"),
        Index("ix_payments_reverses_id", "reverses_id"),
        Index(
            "ix_payments_unmatched",
            "paid_at",
            "id",
            sqlite_where=text("is_unmatched"),
            postgresql_where=text("is_unmatched"),
        ),
    )

    source: Mapped[str]
    external_id: Mapped[str]
    body_hash: Mapped[str]
    """SHA-256 of the canonical body: the same key with another body is a conflict."""
    client_id: Mapped[int] = mapped_column(ForeignKey("clients.id"))
    request_id: Mapped[int | None] = mapped_column(ForeignKey("requests.id"))
    manager_id: Mapped[int | None] = mapped_column(ForeignKey("managers.id"))
    """Whoever earned it before any split: of the request, else the client's owner when it was paid; None: nobody."""
    invoice: Mapped[str | None]
    service: Mapped[str | None]
    organization: Mapped[str | None]
    purpose: Mapped[str] = mapped_column(default="")
    kind: Mapped[PaymentKind] = mapped_column(default=PaymentKind.PAYMENT)
    paid_at: Mapped[datetime]
    paid_on: Mapped[date]
    """The day of `paid_at` in the business zone: purchase days are counted by it."""
    month: Mapped[str]
    """`2026-10`, in the business zone."""
    amount_minor: Mapped[int]
    vat_minor: Mapped[int | None]
    money_class: Mapped[MoneyClass]
    """Fixed when it is booked; a late earlier payment changes it in open periods only."""
    reverses_id: Mapped[int | None] = mapped_column(ForeignKey("payments.id"))
    reverses_external_id: Mapped[str | None]
    """What the sender says it reverses, of the same source; kept also where no such payment is known yet."""
    is_unmatched: Mapped[bool] = mapped_column(default=False)
    problems: Mapped[list[str]] = mapped_column(default=list)
    """Why a person must look: request_unknown, invoice_ambiguous, inn_differs, reverses_unknown, no_manager…"""
    booked_at: Mapped[datetime]
    """Business time at which it came to us."""

    client: Mapped[Client] = relationship()
    request: Mapped[Request | None] = relationship()
    manager: Mapped[Manager | None] = relationship()
    reverses: Mapped["Payment | None"] = relationship(remote_side="Payment.id")
    credits: Mapped[list["PaymentCredit"]] = relationship(
        back_populates="payment", cascade="all, delete-orphan", order_by="PaymentCredit.id"
    )


class PaymentCredit(Keyed):
    """The part of a payment that counts for one manager. All parts of a payment add up to it.

    Month, class and instant are repeated here, so that the measures of a month are read from one index.
    """

    __tablename__ = "payment_credits"
    __table_args__ = table_args(
        UniqueConstraint("payment_id", "manager_id"),
        Index("ix_payment_credits_measure", "month", "manager_id", "money_class", "amount_minor", "vat_minor"),
        CheckConstraint("share_bp > 0 AND share_bp <= 10000", name="share_bp"),
    )

    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"))
    manager_id: Mapped[int] = mapped_column(ForeignKey("managers.id"))
    share_bp: Mapped[int] = mapped_column(default=10_000)
    """Basis points: 10,000 is the whole payment."""
    amount_minor: Mapped[int]
    vat_minor: Mapped[int] = mapped_column(default=0)
    """The tax within `amount_minor`; 0 also where the sender did not name it."""
    month: Mapped[str]
    money_class: Mapped[MoneyClass]
    cause: Mapped[str]
    """request, owner, hand (split or moved by a head)."""

    payment: Mapped[Payment] = relationship(back_populates="credits")
    manager: Mapped[Manager] = relationship()


class Plan(Keyed):
    """The payment plan of one manager for one month. A change is a new version: the highest number holds."""

    __tablename__ = "plans"
    __table_args__ = table_args(UniqueConstraint("month", "manager_id", "number"))

    month: Mapped[str]
    manager_id: Mapped[int] = mapped_column(ForeignKey("managers.id"))
    number: Mapped[int]
    new_minor: Mapped[int | None]
    """None: he has no plan for new clients, by intention."""
    old_minor: Mapped[int | None]
    callbacks: Mapped[int | None]
    reason: Mapped[str] = mapped_column(default="")
    made_at: Mapped[datetime]
    made_by: Mapped[str]
    """Login, `api:<token name>` or `system`."""

    manager: Mapped[Manager] = relationship()
