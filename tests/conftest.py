"""Databases, a Redis and a browser for the tests: real ones, made once a session, on loopback or in a folder."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db, migrations
from rules_engine.settings import Settings

MUST_NOT_SKIP = os.environ.get("CI") == "true"
"""CI installs everything, so there a missing program is a failure and not a reason to skip."""


def skip_or_fail(reason: str) -> None:
    if MUST_NOT_SKIP:
        pytest.fail(reason)
    pytest.skip(reason)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
    binaries = _postgres_binaries()
    if binaries is None:
        skip_or_fail("PostgreSQL's server programs (initdb, postgres) are not installed")
        return
    # The server refuses to run as root; then everything is done as the user that Debian makes for it.
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    home = Path(tempfile.mkdtemp(prefix="pravila-pg-", dir="/tmp"))
    try:
        home.chmod(0o755)
        if as_user:
            shutil.chown(home, "postgres", "postgres")
        port = free_port()
        run = lambda *args: subprocess.run([*as_user, *args], check=True, cwd=home, stdout=subprocess.DEVNULL)  # noqa: E731
        run(
            str(binaries / "initdb"),
            "-D",
            str(home / "data"),
            "-U",
            "pravila",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "-N",
            "--locale=C.UTF-8",
        )
        options = f"-p {port} -c listen_addresses=127.0.0.1 -k {home} -c fsync=off -c max_connections=200"
        run(
            str(binaries / "pg_ctl"),
            "-D",
            str(home / "data"),
            "-w",
            "-l",
            str(home / "log"),
            "-o",
            options,
            "start",
        )
        try:
            yield f"postgresql+psycopg://pravila@127.0.0.1:{port}"
        finally:
            run(str(binaries / "pg_ctl"), "-D", str(home / "data"), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _postgres_binaries() -> Path | None:
    if found := shutil.which("initdb"):
        here = Path(found).resolve().parent
        if (here / "pg_ctl").exists():
            return here
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    return versions[0].parent if versions else None


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> str:
    """The name of a migrated, empty database on the throw-away server."""
    _admin(postgres_server, "CREATE DATABASE template_empty")
    engine = db.make_engine(f"{postgres_server}/template_empty")
    migrations.upgrade(engine)
    engine.dispose()
    return "template_empty"


@pytest.fixture
def postgres_url(postgres_server: str, postgres_template: str, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"t{os.getpid()}_{abs(hash(request.node.nodeid)) % 10**12}"
    _admin(postgres_server, f"CREATE DATABASE {name} TEMPLATE {postgres_template}")
    yield f"{postgres_server}/{name}"
    _admin(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


def _admin(server: str, statement: str) -> None:
    engine = create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


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
