"""Engine, sessions and transactions. Services never commit: the driver that calls them owns the transaction."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.orm import Session, sessionmaker

from rules_engine.settings import Settings

SQLITE_BUSY_MS = 60_000


def make_engine(url: str, *, relaxed: bool = False) -> Engine:
    """Return an engine for SQLite or PostgreSQL.

    `relaxed` switches off SQLite's wait for the disk, for filling a demo or a back-test only. The values of a statement
    that fails stay out of its error: what clients wrote must not get into logs.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(parsed, connect_args={"check_same_thread": False}, hide_parameters=True)
        _prepare_sqlite(engine, relaxed=relaxed)
    else:
        engine = create_engine(parsed, pool_pre_ping=True, hide_parameters=True)
    _quicken_savepoints(engine)
    return engine


def _prepare_sqlite(engine: Engine, *, relaxed: bool) -> None:
    @event.listens_for(engine, "connect")
    def on_connect(connection, _record) -> None:  # type: ignore[no-untyped-def]
        # pysqlite's own BEGIN is deferred: two writers that read first then fail with "database is locked".
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_MS}")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={'OFF' if relaxed else 'FULL'}")
        cursor.execute("PRAGMA foreign_keys=ON")
        # Kibibytes: what a day's work touches stays in memory.
        cursor.execute("PRAGMA cache_size=-32768")
        cursor.close()

    @event.listens_for(engine, "begin")
    def on_begin(connection) -> None:  # type: ignore[no-untyped-def]
        reading = connection.get_execution_options().get("pravila_read_only", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _quicken_savepoints(engine: Engine) -> None:
    """Send savepoints as they are: each has a name of its own, so that a compiled statement is never used again."""

    def sender(words: str) -> Callable[[Connection, str], None]:
        def send(connection: Connection, name: str) -> None:
            connection.exec_driver_sql(f"{words} {name}")

        return send

    for method, words in (
        ("do_savepoint", "SAVEPOINT"),
        ("do_rollback_to_savepoint", "ROLLBACK TO SAVEPOINT"),
        ("do_release_savepoint", "RELEASE SAVEPOINT"),
    ):
        setattr(engine.dialect, method, sender(words))


def make_sessions(engine: Engine, settings: Settings) -> sessionmaker[Session]:
    """Return the factory of sessions that write; objects stay readable after the commit."""
    return sessionmaker(engine, expire_on_commit=False, info={"settings": settings})


def make_reading_sessions(engine: Engine, settings: Settings) -> sessionmaker[Session]:
    """Return the factory of sessions that only read: on SQLite they never wait for a writer."""
    reading = engine.execution_options(pravila_read_only=True)
    return sessionmaker(reading, expire_on_commit=False, info={"settings": settings})


def reading_of(sessions: sessionmaker[Session]) -> sessionmaker[Session]:
    """Return the factory of sessions that only read, for the database of these sessions."""
    return make_reading_sessions(sessions.kw["bind"], sessions.kw["info"]["settings"])


def settings_of(session: Session) -> Settings:
    """Return the settings under which this session was opened: the business zone, the engine, the currency."""
    settings: Settings = session.info["settings"]
    return settings


@contextmanager
def transaction(sessions: sessionmaker[Session]) -> Iterator[Session]:
    """Yield a session; commit at the end, roll everything back on an error."""
    with sessions() as session, session.begin():
        yield session


def is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"
