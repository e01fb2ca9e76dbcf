"""Requests that nobody can ever handle. No sender can bring one about; a bug or another program on the database may.

Three kinds, in turn: a row that cannot be read, facts that no rule can look at, and a client who is gone. Each is
stored by the ordinary service and spoilt in the same transaction, before a worker can see it.
"""

import threading
from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.services.records.incoming import RequestIn
from rules_engine.services.requests import intake
from tests.faults.verdict import SOURCE

WAYS = ("status = 'nonsense'", "tags = '17'", "received_at = 999999999999999999")
"""No status that there is; a number where a list belongs; an instant after the last year of all calendars."""


class Poison:
    def __init__(self, sessions: sessionmaker[Session]) -> None:
        self.spoilt: list[str] = []
        self._sessions = sessions
        self._lock = threading.Lock()

    def store(self, external_id: str) -> None:
        """Store a request that cannot be handled."""
        now = datetime.now(UTC)
        body = {"source": SOURCE, "external_id": external_id, "received_at": now.isoformat()}
        with self._lock:
            way = WAYS[len(self.spoilt) % len(WAYS)]
            with db.transaction(self._sessions) as session:
                stored = intake.receive(session, RequestIn.model_validate(body), now=now, actor="api:faults").request
                session.flush()
                session.execute(text(f"UPDATE requests SET {way} WHERE id = {stored.id}"))
            self.spoilt.append(external_id)

    def hurry(self) -> None:
        """Let the pauses after failed tries be over."""
        with db.transaction(self._sessions) as session:
            session.execute(text("UPDATE work_items SET lease_until = 0 WHERE last_error IS NOT NULL"))
