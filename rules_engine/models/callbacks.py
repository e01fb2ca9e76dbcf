"""Planned calls to old clients, on what occasion, and what followed where one was not made."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from rules_engine.models.base import Keyed, table_args
from rules_engine.models.clients import Client
from rules_engine.models.people import Manager


class Occasion(Keyed):
    """Why a client is called, in words. An offer needs the client's consent on record, a service call does not."""

    __tablename__ = "occasions"

    code: Mapped[str] = mapped_column(unique=True)
    title: Mapped[dict[str, Any]]
    """{"ru", "en"}."""
    is_offer: Mapped[bool] = mapped_column(default=False)
    script: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """One opening phrase, {"ru", "en"}; the rule's own comes first."""
    is_active: Mapped[bool] = mapped_column(default=True)

    def __str__(self) -> str:
        return str(self.title.get("ru", self.code))


class CallbackState(StrEnum):
    PLANNED = "planned"
    """Scheduled; its time has not come, so it stands in nobody's list yet."""
    OPEN = "open"
    """In the caller's list."""
    DONE = "done"
    CANCELLED = "cancelled"


class Callback(Keyed):
    """One planned call: of one client on one occasion for one cause. The database refuses the second one."""

    __tablename__ = "callbacks"
    __table_args__ = table_args(
        UniqueConstraint("client_id", "occasion", "cause", "cycle"),
        Index("ix_callbacks_manager_id_state_due_at", "manager_id", "state", "due_at"),
        Index("ix_callbacks_state_due_at", "state", "due_at"),
        Index("ix_callbacks_done_at", "done_at"),
    )

    client_id: Mapped[int] = mapped_column(ForeignKey("clients.id"))
    occasion: Mapped[str]
    """Code of an Occasion. A second occasion close to the first is named in `also` of the first."""
    cause: Mapped[str]
    """What it is about: `payment:12`, `contact:5` (a promise), `request:7` (a refusal), `year:2026`."""
    cycle: Mapped[int] = mapped_column(default=0)
    """Attempt cycle: counted up when the same cause may call for another round of attempts."""
    also: Mapped[list[str]] = mapped_column(default=list)
    """Other occasions that this one call serves."""
    manager_id: Mapped[int | None] = mapped_column(ForeignKey("managers.id"))
    """Who is to call; None: nobody could be found yet."""
    is_offer: Mapped[bool] = mapped_column(default=False)
    rule: Mapped[str]
    decision_id: Mapped[int | None] = mapped_column(ForeignKey("decisions.id"))
    script: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """{"ru", "en"}."""
    priority: Mapped[str] = mapped_column(default="normal")
    expected_minor: Mapped[int | None]
    """What the client usually pays: his average payment; None: he never paid."""
    state: Mapped[CallbackState] = mapped_column(default=CallbackState.PLANNED)
    call_from: Mapped[datetime]
    """From this instant it may stand in a list."""
    due_at: Mapped[datetime]
    """The end of the working day by which it is to be done."""
    created_at: Mapped[datetime]
    opened_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    times_postponed: Mapped[int] = mapped_column(default=0)
    outcome: Mapped[str | None]
    outcome_reason: Mapped[str | None]
    done_at: Mapped[datetime | None]
    is_valid: Mapped[bool] = mapped_column(default=False)
    """A valid contact by the settings: it counts for the manager's callbacks done."""
    contact_id: Mapped[int | None] = mapped_column(ForeignKey("contacts.id"))
    closed_because: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Why it was cancelled, {"ru", "en"}: a purchase made it pointless, the client asked not to be called…"""

    client: Mapped[Client] = relationship()
    manager: Mapped[Manager | None] = relationship()


class OverdueKind(StrEnum):
    HOLD = "hold"
    """New requests of a manager are held."""
    RELEASE = "release"
    """A client goes to another manager."""


class OverdueState(StrEnum):
    PROPOSED = "proposed"
    DECLINED = "declined"
    CONFIRMED = "confirmed"
    """For a hold: in force until it ends."""
    ENDED = "ended"
    WITHDRAWN = "withdrawn"
    """Nobody answered, and its ground is gone."""


class OverdueAction(Keyed):
    """What is proposed because something was not done, who confirmed or declined it, and how it ended."""

    __tablename__ = "overdue_actions"
    __table_args__ = table_args(
        # One open hold a manager, one open release a client: the database refuses a second proposal.
        Index(
            "uq_overdue_actions_open_hold",
            "manager_id",
            unique=True,
            sqlite_where=text("kind = 'hold' AND state IN ('proposed', 'confirmed')"),
            postgresql_where=text("kind = 'hold' AND state IN ('proposed', 'confirmed')"),
        ),
        Index(
            "uq_overdue_actions_open_release",
            "client_id",
            unique=True,
            sqlite_where=text("kind = 'release' AND state = 'proposed'"),
            postgresql_where=text("kind = 'release' AND state = 'proposed'"),
        ),
        Index("ix_overdue_actions_state_proposed_at", "state", "proposed_at"),
        Index("ix_overdue_actions_manager_id", "manager_id"),
    )

    kind: Mapped[OverdueKind]
    state: Mapped[OverdueState] = mapped_column(default=OverdueState.PROPOSED)
    manager_id: Mapped[int] = mapped_column(ForeignKey("managers.id"))
    client_id: Mapped[int | None] = mapped_column(ForeignKey("clients.id"))
    callback_id: Mapped[int | None] = mapped_column(ForeignKey("callbacks.id"))
    request_id: Mapped[int | None] = mapped_column(ForeignKey("requests.id"))
    rule: Mapped[str]
    decision_id: Mapped[int | None] = mapped_column(ForeignKey("decisions.id"))
    ground: Mapped[dict[str, Any]]
    """What was not done, in a sentence: {"ru", "en"}."""
    until: Mapped[str | None]
    """As the rule says it: end_of_day, end_of_next_working_day."""
    overdue_callbacks_below: Mapped[int | None]
    """A hold ends as soon as the manager has fewer overdue callbacks than this."""
    proposed_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[str | None]
    answer_reason: Mapped[str] = mapped_column(default="")
    ends_at: Mapped[datetime | None]
    """Of a confirmed hold: at the latest."""
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None]
    """time, calls_made, head; None: not ended."""
    new_owner_id: Mapped[int | None] = mapped_column(ForeignKey("managers.id"))
    """Of a confirmed release: who has the client now."""

    manager: Mapped[Manager] = relationship(foreign_keys=[manager_id])
    new_owner: Mapped[Manager | None] = relationship(foreign_keys=[new_owner_id])
    client: Mapped[Client | None] = relationship()
    callback: Mapped[Callback | None] = relationship()
