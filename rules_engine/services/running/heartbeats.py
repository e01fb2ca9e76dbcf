"""Which parts of the installation are alive, by the machine's clock."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from rules_engine.db import is_sqlite
from rules_engine.models import Heartbeat

EVERY = timedelta(seconds=10)
SILENT_AFTER = timedelta(seconds=60)

CLOCK = "clock"
WORKER = "worker"


def beat(session: Session, name: str, now: datetime, data: dict[str, Any]) -> None:
    """Note that `name` (`clock:<host>:<pid>`, `worker:<host>:<pid>`) was alive at `now`."""
    insert = sqlite.insert if is_sqlite(session) else postgresql.insert
    statement = insert(Heartbeat).values(name=name, at=now, data=data)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[Heartbeat.name], set_={"at": statement.excluded.at, "data": statement.excluded.data}
        )
    )


def living(session: Session, kind: str, now: datetime) -> list[Heartbeat]:
    """Return the parts of a kind (CLOCK, WORKER) that were heard of within the last minute, by name."""
    return list(
        session.scalars(
            select(Heartbeat)
            .where(Heartbeat.name.startswith(f"{kind}:"), Heartbeat.at > now - SILENT_AFTER)
            .order_by(Heartbeat.name)
        )
    )
