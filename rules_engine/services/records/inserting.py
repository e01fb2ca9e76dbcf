"""Rows that come from outside may come twice at once: the unique key decides which of two is the first."""

import zlib
from collections.abc import Iterable
from functools import cache
from typing import Any, cast

from sqlalchemy import Insert, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from rules_engine.db import is_sqlite
from rules_engine.models.base import Keyed


def insert_if_new(session: Session, row: type[Keyed], values: dict[str, Any], key: tuple[str, ...]) -> int | None:
    """Return the id of a new row, or None where one with the same `key` (names of columns) is stored already.

    On PostgreSQL it waits for another transaction that is just writing the same key.
    """
    found: int | None = session.connection().scalar(_statement(row, key, is_sqlite(session)), values)
    return found


@cache
def _statement(row: type[Keyed], key: tuple[str, ...], on_sqlite: bool) -> Insert:
    # Built once and on the table: building it anew each time, or going through the mapper, costs more than the insert.
    insert = sqlite.insert if on_sqlite else postgresql.insert
    table = cast(Table, row.__table__)
    return insert(table).on_conflict_do_nothing(index_elements=list(key)).returning(table.c.id)


def one_at_a_time(session: Session, keys: Iterable[str]) -> None:
    """Wait until no other transaction holds one of `keys`; they are free again when this one ends.

    For what no unique key can guard. On SQLite there is only one writer anyway.
    """
    if is_sqlite(session):
        return
    for number in sorted({zlib.crc32(key.encode()) for key in keys}):
        session.execute(select(func.pg_advisory_xact_lock(number)))
