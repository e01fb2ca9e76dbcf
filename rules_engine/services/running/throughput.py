"""How much work there is and how much was done: figures for the jobs page, each from an index."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, func, literal_column, or_, select
from sqlalchemy.orm import Session

from rules_engine.models import Decision, OutboxMessage, OutboxState, Request, WorkItem, WorkKind
from rules_engine.services.messages.outbox import PAGE
from rules_engine.services.rules.rulebook import DECISIONS


@dataclass(frozen=True, slots=True)
class Queue:
    """How much of one kind of work there is; `due_since`: how long the oldest has been due, None: none is."""

    kind: WorkKind
    due: int = 0
    leased: int = 0
    later: int = 0
    quarantined: int = 0
    due_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Hour:
    """What was done within an hour: requests received, decisions with an effect by kind, messages that left."""

    received: int
    decided: dict[str, int]
    sent: int


@dataclass(frozen=True, slots=True)
class Undelivered:
    """The messages that leave the house and have not, by state."""

    pending: int
    dead: int
    kept: int


def queues(session: Session, now: datetime, machine_now: datetime) -> list[Queue]:
    """Return the numbers of each kind of work: `now` of the business clock, leases by the machine's."""
    is_set_aside = WorkItem.quarantined_at.is_not(None)
    is_leased = and_(WorkItem.lease_until > machine_now, ~is_set_aside)
    is_free = or_(WorkItem.lease_until.is_(None), WorkItem.lease_until <= machine_now)
    is_due = and_(WorkItem.wake_at <= now, ~is_set_aside, is_free)
    is_later = and_(WorkItem.wake_at > now, ~is_set_aside)
    counts = (func.count().filter(condition) for condition in (is_due, is_leased, is_later, is_set_aside))
    oldest = func.min(WorkItem.wake_at, type_=WorkItem.wake_at.type).filter(is_due)
    rows = session.execute(select(WorkItem.kind, *counts, oldest).group_by(WorkItem.kind))
    found = {row[0]: Queue(*tuple(row)) for row in rows}
    return [found.get(kind, Queue(kind)) for kind in WorkKind]


def last_hour(session: Session, now: datetime) -> Hour:
    """Return what was done in the hour before `now`."""
    since = now - timedelta(hours=1)
    received = select(func.count()).where(
        Request.received_at > since, Request.received_at <= now, Request.is_history.is_(False)
    )
    decided = {
        str(decision): session.scalar(
            select(func.count()).where(Decision.decision == decision, Decision.at > since, Decision.at <= now)
        )
        or 0
        for decision in DECISIONS
    }
    sent = select(func.count()).where(
        # As the partial index spells it.
        OutboxMessage.channel != literal_column(f"'{PAGE}'"),
        OutboxMessage.sent_at > since,
        OutboxMessage.sent_at <= now,
    )
    return Hour(session.scalar(received) or 0, decided, session.scalar(sent) or 0)


def undelivered(session: Session) -> Undelivered:
    """Return how many messages wait, were given up, or are kept for want of a way to send them."""
    pending, dead, kept = (
        session.scalar(select(func.count()).where(OutboxMessage.state == state)) or 0
        for state in (OutboxState.PENDING, OutboxState.DEAD, OutboxState.KEPT)
    )
    return Undelivered(pending, dead, kept)
