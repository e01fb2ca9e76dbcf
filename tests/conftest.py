"""Databases, a Redis and a browser for the tests: real ones, made once a session, on loopback or in a folder."""

import gc
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

import psycopg
import pytest
from argon2 import PasswordHasher
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db, migrations
from rules_engine.services.company import passwords
from rules_engine.settings import Settings
from tests import cluster
from tests.compiled import engine_maker

MUST_NOT_SKIP = os.environ.get("CI") == "true"
"""CI installs everything, so there a missing program is a failure and not a reason to skip."""


_copies = count(1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from tests.scheduling import SharedTogether

    return SharedTogether(config, log)


def pytest_collection_finish() -> None:
    """Leave what was imported out of every later search for garbage: that took a sixth of the suite's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def skip_or_fail(reason: str) -> NoReturn:
    if MUST_NOT_SKIP:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session", autouse=True)
def product_hasher() -> Iterator[PasswordHasher]:
    """What the product hashes passwords with. The tests' passwords are hashed by the same algorithm at no cost."""
    kept = passwords._hasher
    passwords._hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    yield kept
    passwords._hasher = kept


@pytest.fixture(scope="session", autouse=True)
def statements_compiled_once() -> Iterator[None]:
    """What was compiled for one database need not be compiled for the next."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(db, "create_engine", engine_maker())
        yield


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file; tests copy it instead of migrating again."""
    path = tmp_path_factory.mktemp("template") / "empty.db"
    engine = db.make_engine(f"sqlite:///{path}", relaxed=True)
    migrations.upgrade(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    engine.dispose()
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    path = tmp_path / "pravila.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a throw-away PostgreSQL cluster without its database name; skipped where it is not installed."""
    programs = cluster.find_programs()
    if programs is None:
        skip_or_fail("PostgreSQL's server programs (initdb, postgres) are not installed")
        return
    with cluster.throw_away(programs) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> str:
    """The name of a migrated, empty database on the throw-away server."""
    with _admin(postgres_server) as connection:
        connection.execute("CREATE DATABASE template_empty")
    engine = db.make_engine(f"{postgres_server}/template_empty")
    migrations.upgrade(engine)
    engine.dispose()
    return "template_empty"


@pytest.fixture
def postgres_url(postgres_server: str, postgres_template: str) -> Iterator[str]:
    with postgres_copy(postgres_server, postgres_template) as url:
        yield url


@contextmanager
def postgres_copy(server: str, template: str) -> Iterator[str]:
    """Yield the URL of a copy of a database, which is deleted at the end."""
    name = f"t{os.getpid()}_{next(_copies)}"
    with _admin(server) as connection:
        # The other way writes the whole copy into the log first, which takes four times as long.
        strategy = "STRATEGY FILE_COPY" if connection.info.server_version >= 150_000 else ""
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} {strategy}".encode())
    yield f"{server}/{name}"
    with _admin(server) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _admin(server: str) -> psycopg.Connection[Any]:
    return psycopg.connect(f"{server.replace('+psycopg', '')}/postgres", autocommit=True)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated, empty database of its own: a test that takes it runs once on each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def engine(sqlite_url: str) -> Iterator[Engine]:
    """SQLite, for what does not depend on the kind of database. See `any_engine` for both."""
    engine = db.make_engine(sqlite_url, relaxed=True)
    yield engine
    engine.dispose()


@pytest.fixture
def any_engine(database_url: str) -> Iterator[Engine]:
    engine = db.make_engine(database_url, relaxed=True)
    yield engine
    engine.dispose()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Moscow, Russian, an empty home, the engine that the customer chose."""
    return Settings.from_env({"PRAVILA_HOME": str(tmp_path / "home")})


@pytest.fixture
def sessions(engine: Engine, settings: Settings) -> sessionmaker[Session]:
    return db.make_sessions(engine, settings)


@pytest.fixture
def session(sessions: sessionmaker[Session]) -> Iterator[Session]:
    with sessions() as session:
        yield session


@pytest.fixture
def any_session(any_engine: Engine, settings: Settings) -> Iterator[Session]:
    with db.make_sessions(any_engine, settings)() as session:
        yield session
