"""The journal of decisions: what was decided, on which facts, and what an administrator must know.

The row of a decision stays for ever. Facts, conditions and candidates lie beside it, compressed, and are pruned after
a time that a setting says.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine import clock
from rules_engine.models import Decision, DecisionDetail, Incident
from rules_engine.services.messages import alerts
from rules_engine.services.records.writing import add_later, add_row_later

SYSTEM = "system"


def write_decision(
    session: Session,
    *,
    decision: str,
    subject_kind: str,
    subject_id: int,
    at: datetime,
    version_id: int | None,
    engine: str,
    mode: str,
    fired: Sequence[str],
    effects: Sequence[Mapping[str, Any]],
    chosen_manager_id: int | None,
    detail: Mapping[str, Any],
    actor: str = SYSTEM,
) -> int:
    """Return the id of a stored decision; `detail` is anything that JSON can hold.

    `version_id` is None for what a person or another system decided, `engine` then `none`.
    """
    decision_id = add_row_later(
        session,
        Decision,
        {
            "decision": decision,
            "subject_kind": subject_kind,
            "subject_id": subject_id,
            "at": at,
            "version_id": version_id,
            "engine": engine,
            "mode": mode,
            "actor": actor,
            "fired": list(fired),
            "effects": [dict(effect) for effect in effects],
            "chosen_manager_id": chosen_manager_id,
        },
    )
    add_later(
        session,
        DecisionDetail,
        [{"decision_id": decision_id, "payload": packed(detail), "created_at": clock.now()}],
    )
    return decision_id


def detail_of(session: Session, decision_id: int) -> dict[str, Any] | None:
    """Return what lies beside a decision; None where it has been pruned."""
    payload = session.scalar(select(DecisionDetail.payload).where(DecisionDetail.decision_id == decision_id))
    return None if payload is None else unpacked(payload)


def details_of(session: Session, decision_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Return what lies beside several decisions; those that have been pruned are left out."""
    found: dict[int, dict[str, Any]] = {}
    for start in range(0, len(decision_ids), 500):
        batch = decision_ids[start : start + 500]
        rows = session.execute(
            select(DecisionDetail.decision_id, DecisionDetail.payload).where(DecisionDetail.decision_id.in_(batch))
        )
        found |= {row.decision_id: unpacked(row.payload) for row in rows}
    return found


def incident(
    session: Session, kind: str, message: Mapping[str, str], data: Mapping[str, Any], now: datetime
) -> Incident:
    """Return a new incident, of which the administrators are told; `message` is {"ru", "en"}."""
    row = Incident(kind=kind, message=dict(message), data=dict(data), at=now)
    session.add(row)
    alerts.tell_administrators(session, kind, message, now)
    return row


def packed(detail: Mapping[str, Any]) -> bytes:
    """Return the detail as compressed JSON; about a fifth of its length."""
    return zlib.compress(json.dumps(detail, ensure_ascii=False, separators=(",", ":")).encode(), 6)


def unpacked(payload: bytes) -> dict[str, Any]:
    detail: dict[str, Any] = json.loads(zlib.decompress(payload))
    return detail
