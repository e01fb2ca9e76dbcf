"""Deleting what is no longer kept. What was decided stays for ever; what lies beside it does not."""

from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from rules_engine.models import DecisionDetail, Heartbeat, IdempotencyKey, LoginBackoff, Replay
from rules_engine.services.impact import impact
from rules_engine.services.records import settings_store

KEEP_HEARTBEATS = timedelta(days=1)
KEEP_IDEMPOTENCY_KEYS = timedelta(days=7)
KEEP_BACKOFFS = timedelta(days=7)
BATCH = 5_000
"""Details deleted at once: a first run over a large table must not hold the others up."""


def prune(session: Session, now: datetime) -> int:
    """Delete what is older than it is kept, by the machine's clock; return how many rows.

    Facts and candidates of decisions (setting `keep_details_days`) at most BATCH a call, and never while a replay
    runs; of what drafts would have changed all but the newest. Decisions themselves, firings, the ledger and the
    audit log are never deleted.
    """
    statements = [
        delete(Heartbeat).where(Heartbeat.at < now - KEEP_HEARTBEATS),
        delete(IdempotencyKey).where(IdempotencyKey.created_at < now - KEEP_IDEMPOTENCY_KEYS),
        delete(LoginBackoff).where(LoginBackoff.last_at < now - KEEP_BACKOFFS),
    ]
    if session.scalar(select(Replay.id).where(Replay.finished_at.is_(None)).limit(1)) is None:
        oldest = now - timedelta(days=settings_store.number(session, settings_store.KEEP_DETAILS_DAYS))
        too_old = select(DecisionDetail.decision_id).where(DecisionDetail.created_at < oldest).limit(BATCH)
        statements.append(delete(DecisionDetail).where(DecisionDetail.decision_id.in_(too_old)))
    return impact.prune(session) + sum(
        session.execute(statement.execution_options(synchronize_session=False)).rowcount  # type: ignore[attr-defined]
        for statement in statements
    )
