"""The claim that one writes first, for the negative control: select, then update, then work, and keys in the code.

It takes an item off the list before it has done the work, it looks and writes in separate transactions, and its
database does without the unique keys. The harness has to find it out.
"""

import time
from datetime import UTC, datetime

from sqlalchemy import Engine, select, text, update
from sqlalchemy.orm import Session

from rules_engine import db
from rules_engine.models import (
    Assignment,
    AssignmentCause,
    LedgerBalance,
    LedgerEntry,
    Request,
    RequestStatus,
    WorkItem,
)
from rules_engine.settings import Settings


def drop_the_keys(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DROP INDEX uq_assignments_open_request"))
        connection.execute(text("DROP INDEX uq_tasks_open_request"))


def work_once(engine: Engine, settings: Settings) -> bool:
    """Do the first thing that is due; return whether there was one."""
    now = datetime.now(UTC)
    month = f"{now.astimezone(settings.zone):%Y-%m}"
    with db.make_reading_sessions(engine, settings)() as session:
        item = session.scalars(
            select(WorkItem).where(WorkItem.wake_at <= now).order_by(WorkItem.wake_at, WorkItem.id).limit(1)
        ).first()
        if item is None:
            return False
        balances = {row.manager_id: row.count for row in session.scalars(select(LedgerBalance))}
        managers = session.execute(text("SELECT id FROM managers ORDER BY id")).scalars().all()
    chosen = min(managers, key=lambda manager: (balances.get(manager, 0), manager))
    sessions = db.make_sessions(engine, settings)
    with db.transaction(sessions) as session:
        session.execute(update(WorkItem).where(WorkItem.id == item.id).values(wake_at=None))
    with db.transaction(sessions) as session:
        _assign(session, item.subject_id, chosen, balances.get(chosen), month, now)
    return True


def _assign(session: Session, request_id: int, manager_id: int, count: int | None, month: str, now: datetime) -> None:
    request = session.get_one(Request, request_id)
    request.manager_id, request.status, request.status_at, request.assigned_at = (
        manager_id, RequestStatus.ASSIGNED, now, now
    )  # fmt: skip
    session.add(Assignment(request_id=request_id, manager_id=manager_id, assigned_at=now, cause=AssignmentCause.RULE))
    session.add(
        LedgerEntry(
            at=now, month=month, request_id=request_id, manager_id=manager_id, delta=1, value_minor=0, cause="rule"
        )
    )
    session.merge(LedgerBalance(month=month, manager_id=manager_id, count=(count or 0) + 1, value_minor=0))


def main() -> None:
    settings = Settings.from_env()
    engine = db.make_engine(settings.database_url)
    print("naive_worker_started", flush=True)
    while True:
        if not work_once(engine, settings):
            time.sleep(0.05)


if __name__ == "__main__":
    main()
