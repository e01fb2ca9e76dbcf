"""Rows read often: by statements that are built once; and a request, locked and read anew once a transaction."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Row, Select, bindparam, event, select
from sqlalchemy.orm import Session, SessionTransaction, selectinload

from rules_engine.models import Request
from rules_engine.services.records.writing import write_gathered

_LOCKED: Final = "pravila_locked_requests"
_BY_ID: Final = (
    select(Request)
    .where(Request.id == bindparam("request"))
    .with_for_update()
    .execution_options(populate_existing=True)
)
_BY_IDS: Final = (
    select(Request)
    .where(Request.id.in_(bindparam("requests", expanding=True)))
    .order_by(Request.id)
    .options(selectinload(Request.client))
    .with_for_update()
    .execution_options(populate_existing=True)
)


def rows(
    session: Session, statement: Select[*tuple[Any, ...]], values: Mapping[str, Any]
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return the rows of a statement about columns; what hangs unwritten in the session is written first."""
    session.flush()
    write_gathered(session)
    return session.connection().execute(statement, values).all()


def locked_request(session: Session, request_id: int) -> Request | None:
    """Return a request as it is stored now, locked until the end of the transaction; None where there is none."""
    found = session.scalars(_BY_ID, {"request": request_id}).one_or_none()
    if found is not None:
        session.info.setdefault(_LOCKED, set()).add(request_id)
    return found


def locked_requests(session: Session, request_ids: Collection[int]) -> dict[int, Request]:
    """Return requests with their clients as `locked_request` does, by id, in one round trip each."""
    found = session.scalars(_BY_IDS, {"requests": list(request_ids)}).all()
    session.info.setdefault(_LOCKED, set()).update(request.id for request in found)
    return {request.id: request for request in found}


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
