"""The audit log: who changed what, chained by hash so that a change behind its back is seen.

Rows are written unchained in the transaction of the change, so that auditing never makes two writers wait for
each other. One sealer chains them a few seconds later; `verify` walks the chain and counts what is not sealed.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from rules_engine import clock
from rules_engine.db import is_sqlite
from rules_engine.models import AppSetting, AuditEntry, to_micros

_HEAD = "audit_head"
_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What a walk along the chain found; `broken_at` is the first position that does not fit."""

    sealed: int
    unsealed: int
    broken_at: int | None

    @property
    def ok(self) -> bool:
        return self.broken_at is None


def record(
    session: Session,
    *,
    actor: str,
    action: str,
    subject_kind: str,
    subject_id: str | int,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> AuditEntry:
    """Return a new, unchained row of the log; it is written with the caller's transaction.

    `before` and `after` hold what changed. Instants and the like are kept as text. Secrets must not be in them.
    """
    entry = AuditEntry(
        at=clock.now(),
        actor=actor,
        action=action,
        subject_kind=subject_kind,
        subject_id=str(subject_id),
        before=_plain(before),
        after=_plain(after),
    )
    session.add(entry)
    return entry


def seal(session: Session) -> int:
    """Chain the rows that are not chained yet, in the order of their ids; return how many.

    At most a thousand a call. Two sealers wait for each other on the head of the chain.
    """
    head = _lock_head(session)
    position, digest = head["position"], head["digest"]
    waiting = session.scalars(
        select(AuditEntry).where(AuditEntry.position.is_(None)).order_by(AuditEntry.id).limit(_BATCH)
    ).all()
    for entry in waiting:
        position += 1
        digest = _digest(digest, position, entry)
        entry.position, entry.digest = position, digest
    if waiting:
        session.execute(
            update(AppSetting)
            .where(AppSetting.key == _HEAD)
            .values(value={"position": position, "digest": digest})
            .execution_options(synchronize_session=False)
        )
        session.flush()
    return len(waiting)


def verify(session: Session) -> AuditReport:
    """Return whether every sealed row is as it was sealed, none is missing, and how many wait for the sealer."""
    expected, digest, broken_at = 0, "", None
    chained = session.scalars(
        select(AuditEntry)
        .where(AuditEntry.position.is_not(None))
        .order_by(AuditEntry.position)
        .execution_options(yield_per=_BATCH)
    )
    for entry in chained:
        expected += 1
        if broken_at is None:
            digest = _digest(digest, expected, entry)
            if entry.position != expected or entry.digest != digest:
                broken_at = expected
    head = session.scalar(select(AppSetting.value).where(AppSetting.key == _HEAD)) or {"position": 0, "digest": ""}
    if broken_at is None and (head["position"], head["digest"]) != (expected, digest):
        # The end of the chain was cut off, or the head was changed.
        broken_at = min(expected, int(head["position"])) + 1
    unsealed = session.scalar(select(func.count()).where(AuditEntry.position.is_(None))) or 0
    return AuditReport(sealed=expected, unsealed=unsealed, broken_at=broken_at)


def _lock_head(session: Session) -> dict[str, Any]:
    found = _head(session)
    if found is None:
        insert = sqlite.insert if is_sqlite(session) else postgresql.insert
        fresh = {"key": _HEAD, "value": {"position": 0, "digest": ""}}
        session.execute(insert(AppSetting).values(fresh).on_conflict_do_nothing())
        found = _head(session)
    return found or {"position": 0, "digest": ""}


def _head(session: Session) -> dict[str, Any] | None:
    return session.scalar(select(AppSetting.value).where(AppSetting.key == _HEAD).with_for_update())


def _digest(before: str, position: int, entry: AuditEntry) -> str:
    content = [
        position,
        entry.id,
        to_micros(entry.at),
        entry.actor,
        entry.action,
        entry.subject_kind,
        entry.subject_id,
        entry.before,
        entry.after,
    ]
    text = json.dumps(content, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256((before + text).encode()).hexdigest()


def _plain(values: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the values as JSON gives them back, so that a digest made before and after storing is the same."""
    if values is None:
        return None
    plain: dict[str, Any] = json.loads(json.dumps(values, default=str))
    return plain
