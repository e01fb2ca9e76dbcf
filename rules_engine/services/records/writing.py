"""Rows written often: by statements that are built once, past the unit of work, which would cost more than they do.

Inside `gathered` those that nobody reads in this transaction are written together at its end, or as soon as the session
is used for anything else: a round trip to the database for many of them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Insert, Table, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, ORMExecuteState, Session

from rules_engine.db import is_sqlite

Row = Mapping[str, Any]
Writer = Callable[[Session, Sequence[Row]], object]
"""Writes rows of one kind, all with the same columns."""

_GATHERED: Final = "pravila_gathered"
_KEYS: Final = "pravila_reserved_keys"
_RESERVED: Final = 20
"""Keys that PostgreSQL is asked for at once; those that are not used are left out."""
_RESERVE: Final = text(
    "SELECT nextval(pg_get_serial_sequence(:name, 'id')::regclass) FROM generate_series(1, CAST(:number AS integer))"
)


def add_row(session: Session, model: type[DeclarativeBase], values: Mapping[str, Any]) -> int:
    """Return the key of a new row; columns that are left out get their defaults.

    What hangs unflushed in the session is not written first.
    """
    write_gathered(session)
    key = session.connection().execute(_insert(model), values).inserted_primary_key
    return int(key[0]) if key else 0


def add_rows(session: Session, model: type[DeclarativeBase], rows: Sequence[Mapping[str, Any]]) -> None:
    """Add rows with the same columns; none is fine."""
    if rows:
        session.connection().execute(_insert(model), rows)


@contextmanager
def gathered(session: Session) -> Iterator[None]:
    """Gather what `add_later` is given, and write it at the end of the block. After an error nothing is written."""
    session.info[_GATHERED] = {}
    session.info[_KEYS] = {}
    try:
        yield
        write_gathered(session)
    finally:
        del session.info[_GATHERED], session.info[_KEYS]


def add_later(session: Session, model: type[DeclarativeBase], rows: Sequence[Row]) -> None:
    """Add rows whose keys nobody asks for: with the others that are gathered, else at once."""
    write_later(session, _adder(model), rows)


def add_row_later(session: Session, model: type[DeclarativeBase], values: Row) -> int:
    """Return the key of a new row that is written with the others that are gathered, else at once."""
    if is_sqlite(session) or session.info.get(_GATHERED) is None:
        return add_row(session, model, values)
    reserved: list[int] = session.info[_KEYS].setdefault(model, [])
    if not reserved:
        reserved += session.connection().scalars(_RESERVE, {"name": _table(model).name, "number": _RESERVED})
    key = reserved.pop(0)
    add_later(session, model, [{**values, "id": key}])
    return key


def write_later(session: Session, writer: Writer, rows: Sequence[Row]) -> None:
    """Hand rows to their writer: with the others that are gathered, else at once."""
    waiting: dict[Writer, list[Row]] | None = session.info.get(_GATHERED)
    if waiting is None:
        writer(session, rows)
    else:
        waiting.setdefault(writer, []).extend(rows)


def write_gathered(session: Session) -> None:
    """Write what has been gathered so far: somebody is about to read."""
    waiting: dict[Writer, list[Row]] | None = session.info.get(_GATHERED)
    if waiting:
        session.info[_GATHERED] = {}
        for writer, rows in waiting.items():
            writer(session, rows)


@event.listens_for(Session, "do_orm_execute")
def _write_before_a_statement(state: ORMExecuteState) -> None:
    write_gathered(state.session)


@event.listens_for(Session, "before_flush")
def _write_before_objects(session: Session, *_: object) -> None:
    # What hangs in the session may point at it.
    write_gathered(session)


def put_row(
    session: Session, model: type[DeclarativeBase], key: Sequence[str], values: Mapping[str, Any], *, add: bool = False
) -> None:
    """Add a row, or change the one with the same `key`: replace what is not key, or with `add` sum it up."""
    write_gathered(session)
    session.connection().execute(_upsert(model, tuple(key), tuple(values), add, is_sqlite(session)), values)


@lru_cache(maxsize=100)
def _adder(model: type[DeclarativeBase]) -> Writer:
    return lambda session, rows: add_rows(session, model, rows)


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
