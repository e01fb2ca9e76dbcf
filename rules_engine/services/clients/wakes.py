"""Having clients looked at by the rules of callbacks: after an event, or all of them."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.orm import Session

from rules_engine.models import WorkKind
from rules_engine.services.company.reference import reference
from rules_engine.services.queue import work
from rules_engine.services.rules.modes import is_off_everywhere

CALLBACKS = "callbacks"


def wake_client(session: Session, client_id: int | None, at: datetime, *, now: datetime) -> None:
    """Have a client looked at when `at` has come, unless callbacks are switched off everywhere.

    Before the rows of the client's request are locked: see the order of locks in queue/work.py.
    """
    if client_id is not None and not is_off_everywhere(reference(session), CALLBACKS, now):
        work.ask(session, WorkKind.CLIENT, client_id, at)


def ask_for_clients(session: Session, client_ids: Iterable[int], at: datetime) -> None:
    """Have each of these clients looked at when `at` has come."""
    work.ask_many(session, WorkKind.CLIENT, dict.fromkeys(client_ids, at))
