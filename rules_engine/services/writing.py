"""Rows written often: by statements that are built once, past the unit of work, which would cost more than they do."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Insert, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Session

from rules_engine.db import is_sqlite


def add_row(session: Session, model: type[DeclarativeBase], values: Mapping[str, Any]) -> int:
    """Return the key of a new row; columns that are left out get their defaults.

    What hangs unflushed in the session is not written first.
    """
    key = session.connection().execute(_insert(model), values).inserted_primary_key
    return int(key[0]) if key else 0


def add_rows(session: Session, model: type[DeclarativeBase], rows: Sequence[Mapping[str, Any]]) -> None:
    """Add rows with the same columns; none is fine."""
    if rows:
        session.connection().execute(_insert(model), rows)


def put_row(
    session: Session, model: type[DeclarativeBase], key: Sequence[str], values: Mapping[str, Any], *, add: bool = False
) -> None:
    """Add a row, or change the one with the same `key`: replace what is not key, or with `add` sum it up."""
    session.connection().execute(_upsert(model, tuple(key), tuple(values), add, is_sqlite(session)), values)


@lru_cache(maxsize=100)
def _insert(model: type[DeclarativeBase]) -> Insert:
    return _table(model).insert()


@lru_cache(maxsize=100)
def _upsert(
    model: type[DeclarativeBase], key: tuple[str, ...], names: tuple[str, ...], add: bool, for_sqlite: bool
) -> Insert:
    table = _table(model)
    statement = (sqlite.insert if for_sqlite else postgresql.insert)(table)
    new = statement.excluded
    changed = {name: table.c[name] + new[name] if add else new[name] for name in names if name not in key}
    return statement.on_conflict_do_update(index_elements=list(key), set_=changed)


def _table(model: type[DeclarativeBase]) -> Table:
    table = model.__table__
    if not isinstance(table, Table):
        raise TypeError(f"{model.__name__} is not a plain table")
    return table
