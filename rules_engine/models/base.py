"""The base of all rows, and the one type in which instants are stored."""

import enum
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import JSON, BigInteger, Dialect, Enum, Integer, MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BEGINNING_OF_TIME = datetime(1, 1, 2, tzinfo=UTC)
"""From here hold version 1 of each ruleset, the modes and the calendar that `init` writes."""

# INTEGER on SQLite, or the key would not be an alias of the row id.
Key = BigInteger().with_variant(Integer, "sqlite")


class UtcDateTime(TypeDecorator[datetime]):
    """An instant, stored as whole microseconds since 1970 in UTC (SQLite drops offsets). Naive values are refused."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a naive instant cannot be stored: {value!r}")
        return to_micros(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else from_micros(value)


def to_micros(instant: datetime) -> int:
    """Return whole microseconds since 1970; `instant` must be aware."""
    return (instant - EPOCH) // timedelta(microseconds=1)


def from_micros(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {
        int: Key,
        datetime: UtcDateTime,
        # Their values as text: a native type of PostgreSQL could not lose a value in a migration.
        enum.Enum: Enum(enum.Enum, native_enum=False, length=32, values_callable=lambda kind: [m.value for m in kind]),
        dict[str, Any]: JSON,
        list[str]: JSON,
        list[Any]: JSON,
    }


class Keyed(Base):
    """A row with a surrogate key that is never used again (AUTOINCREMENT on SQLite)."""

    __abstract__ = True
    __table_args__: Any = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(Key, primary_key=True, autoincrement=True)


def table_args(*constraints: Any) -> tuple[Any, ...]:
    """Return `__table_args__` with the constraints and what every keyed table has."""
    return (*constraints, {"sqlite_autoincrement": True})
