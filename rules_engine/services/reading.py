"""Rows read often: by statements that are built once; and a request, locked and read anew once a transaction."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Row, Select, bindparam, event, select
from sqlalchemy.orm import Session, SessionTransaction

from rules_engine.models import Request

_LOCKED: Final = "pravila_locked_requests"
_BY_ID: Final = (
    select(Request)
    .where(Request.id == bindparam("request"))
    .with_for_update()
    .execution_options(populate_existing=True)
)


def rows(
    session: Session, statement: Select[*tuple[Any, ...]], values: Mapping[str, Any]
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return the rows of a statement about columns; what hangs unflushed in the session is written first."""
    session.flush()
    return session.connection().execute(statement, values).all()


def locked_request(session: Session, request_id: int) -> Request | None:
    """Return a request as it is stored now, locked until the end of the transaction; None where there is none."""
    found = session.scalars(_BY_ID, {"request": request_id}).one_or_none()
    if found is not None:
        session.info.setdefault(_LOCKED, set()).add(request_id)
    return found


def lock_request(session: Session, request: Request) -> None:
    """Lock a request until the end of the transaction and read it anew, unless this transaction has done so.

    From then on nobody else can change it, and its own changes are in the object: all of them go through it.
    """
    if request.id not in session.info.get(_LOCKED, ()):
        locked_request(session, request.id)


@event.listens_for(Session, "after_transaction_end")
def _forget(session: Session, transaction: SessionTransaction) -> None:
    # A flush and a savepoint that was released give no lock back.
    if transaction.parent is None:
        session.info.pop(_LOCKED, None)


@event.listens_for(Session, "after_soft_rollback")
def _forget_what_was_rolled_back(session: Session, _transaction: SessionTransaction) -> None:
    session.info.pop(_LOCKED, None)
