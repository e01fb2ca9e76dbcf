"""Rows that come from outside may come twice at once: the unique key decides which of two is the first."""

import zlib
from collections.abc import Iterable
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from rules_engine.db import is_sqlite
from rules_engine.models.base import Keyed


def insert_if_new(session: Session, row: type[Keyed], values: dict[str, Any], key: tuple[str, ...]) -> int | None:
    """Return the id of a new row, or None where one with the same `key` (names of columns) is stored already.

    On PostgreSQL it waits for another transaction that is just writing the same key.
    """
    insert = sqlite.insert if is_sqlite(session) else postgresql.insert
    statement = insert(row).values(values).on_conflict_do_nothing(index_elements=list(key)).returning(row.id)
    found: int | None = session.scalar(statement)
    return found


def one_at_a_time(session: Session, keys: Iterable[str]) -> None:
    """Wait until no other transaction holds one of `keys`; they are free again when this one ends.

    For what no unique key can guard. On SQLite there is only one writer anyway.
    """
    if is_sqlite(session):
        return
    for number in sorted({zlib.crc32(key.encode()) for key in keys}):
        session.execute(select(func.pg_advisory_xact_lock(number)))
