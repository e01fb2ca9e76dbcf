"""Who has a draft open, and in it which rule, so that two people see each other before they change the same one."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from rules_engine.db import is_sqlite
from rules_engine.models import DraftReader, RulesetDraft, User

STEP = timedelta(seconds=20)
"""So often at most a reader's row is written: looking at a page must stay cheap."""
AWAY_AFTER = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody else at the draft: his name, the rule that he has open ("" none), when he was last seen."""

    name: str
    rule: str
    seen_at: datetime


def is_due(session: Session, draft: RulesetDraft, user_id: int, rule: str, now: datetime) -> bool:
    """Return whether `seen` would write: the reader is new, at another rule, or was noted a while ago."""
    row = session.execute(
        select(DraftReader.rule, DraftReader.seen_at).where(
            DraftReader.draft_id == draft.id, DraftReader.user_id == user_id
        )
    ).one_or_none()
    return row is None or row.rule != rule or now - row.seen_at >= STEP


def seen(session: Session, draft: RulesetDraft, user_id: int, rule: str, now: datetime) -> None:
    """Note that somebody has the draft open, at a rule or at none ("")."""
    if not is_due(session, draft, user_id, rule, now):
        return
    insert = (sqlite.insert if is_sqlite(session) else postgresql.insert)(DraftReader)
    statement = insert.values(draft_id=draft.id, user_id=user_id, rule=rule, seen_at=now)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["draft_id", "user_id"],
            set_={"rule": statement.excluded.rule, "seen_at": statement.excluded.seen_at},
            where=or_(DraftReader.seen_at <= statement.excluded.seen_at, DraftReader.rule != statement.excluded.rule),
        )
    )


def others(session: Session, draft: RulesetDraft, user_id: int, now: datetime) -> list[Reader]:
    """Return who else was at the draft within the last two minutes, by name."""
    rows = session.execute(
        select(User.name, DraftReader.rule, DraftReader.seen_at)
        .join(User, User.id == DraftReader.user_id)
        .where(
            DraftReader.draft_id == draft.id,
            DraftReader.user_id != user_id,
            DraftReader.seen_at > now - AWAY_AFTER,
        )
        .order_by(User.name)
    )
    return [Reader(row.name, row.rule, row.seen_at) for row in rows]
