"""Requests taken in, decided and assigned a second, on each database, beside the bare SQL of the same; replay.

The bare SQL is what the services themselves wrote: every statement that changes something is noted in the measured
run, with its parameters and the ends of its transactions, and repeated by the driver alone on a fresh database.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, make_url, text
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db, migrations
from rules_engine.services import agenda, intake, replay, setup
from rules_engine.services.incoming import RequestIn
from rules_engine.settings import Settings
from tests import cluster
from tests.factories import ROUND_THE_CLOCK, make_calendar, make_manager, make_team

MANAGERS = 24
LIVE = 300
REPLAYED = 2_000
BEGIN = datetime(2026, 10, 5, 8, tzinfo=UTC)
WRITES = ("INSERT", "UPDATE", "DELETE")

Databases = dict[str, Callable[[], str]]
"""By kind, what makes the URL of a new, empty database."""


@dataclass(frozen=True)
class Line:
    """One row of the table that is printed."""

    what: str
    database: str
    per_second: float
    note: str = ""


@contextmanager
def databases() -> Iterator[Databases]:
    """Yield what can be measured here: SQLite always, PostgreSQL where its server programs are installed."""
    folder = Path(tempfile.mkdtemp(prefix="pravila-bench-"))
    numbers = iter(range(1_000))
    makers: Databases = {"sqlite": lambda: f"sqlite:///{folder / f'{next(numbers)}.db'}"}
    programs = cluster.find_programs()
    try:
        if programs is None:
            yield makers
            return
        with cluster.throw_away(programs, safe=True) as server:

            def make() -> str:
                name = f"bench{next(numbers)}"
                admin = create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
                with admin.connect() as connection:
                    connection.execute(text(f"CREATE DATABASE {name}"))
                admin.dispose()
                return f"{server}/{name}"

            yield {**makers, "postgresql": make}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure() -> list[Line]:
    lines: list[Line] = []
    with databases() as makers, tempfile.TemporaryDirectory(prefix="pravila-bench-") as home:
        for kind, make in makers.items():
            settings = Settings.from_env({"PRAVILA_HOME": home})
            lines += _live(kind, make, settings)
            lines.append(_replayed(kind, make(), settings))
    return lines


def _company(url: str, settings: Settings, *, relaxed: bool = False) -> tuple[Engine, sessionmaker[Session]]:
    """Return a migrated database with the shipped rulesets, live, and equal managers who are always at work."""
    engine = db.make_engine(url, relaxed=relaxed)
    migrations.upgrade(engine)
    sessions = db.make_sessions(engine, settings)
    with db.transaction(sessions) as session:
        setup.initialise(session, now=BEGIN, live=True)
        calendar = make_calendar(session, "always", weekly=ROUND_THE_CLOCK, is_default=False)
        teams = [make_team(session, f"team{number}", calendar=calendar) for number in range(3)]
        for number in range(MANAGERS):
            make_manager(session, f"manager{number}", team=teams[number % 3])
    return engine, sessions


def _body(number: int, at: datetime) -> dict[str, Any]:
    return {
        "source": "bench",
        "external_id": f"B-{number}",
        "received_at": at.isoformat(),
        "client": {"source": "1c", "external_id": f"K-{number % 500}", "name": f"Клиент {number % 500}"},
        "service": "hosting",
        "channel": "web",
        "amount": f"{100 + number % 900}.00",
    }


def _live(kind: str, make: Callable[[], str], settings: Settings) -> list[Line]:
    """Each request received, claimed, decided and written in transactions of its own, as the workers do it."""
    engine, sessions = _company(make(), settings)
    _hand_in(sessions, 0, 20)  # the first ones compile the rules
    written: list[list[tuple[str, Any]]] = []
    with _noting(engine, written):
        started = time.perf_counter()
        assigned = _hand_in(sessions, 20, LIVE)
        seconds = time.perf_counter() - started
    engine.dispose()
    if assigned != LIVE:
        raise RuntimeError(f"{kind}: {assigned} of {LIVE} were assigned")

    engine, sessions = _company(make(), settings)
    _hand_in(sessions, 0, 20)
    engine.dispose()
    bare = _repeat(make_url(str(engine.url.render_as_string(hide_password=False))), written)
    count = sum(len(transaction) for transaction in written)
    note = f"{len(written) / LIVE:.1f} transactions, {count / LIVE:.1f} writes a request"
    return [
        Line("received, decided, assigned", kind, LIVE / seconds, note),
        Line("bare SQL of the same writes", kind, LIVE / bare, f"services take {seconds / bare:.1f} × as long"),
    ]


def _hand_in(sessions: sessionmaker[Session], first: int, number: int) -> int:
    """Receive requests and do what is due after each; return how many were assigned."""
    assigned = 0
    for index in range(first, first + number):
        now = BEGIN + timedelta(seconds=30 * index)
        with db.transaction(sessions) as session:
            intake.receive(session, RequestIn.model_validate(_body(index, now)), now=now, actor="api:bench")
        assigned += agenda.run_due(sessions, now).assigned
    return assigned


@contextmanager
def _noting(engine: Engine, written: list[list[tuple[str, Any]]]) -> Iterator[None]:
    """Note every write with its parameters, transaction by transaction; those without a write are left out."""
    open_: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        if statement.lstrip().upper().startswith(WRITES):
            open_.extend((statement, one) for one in (parameters if many else [parameters]))

    def commit(_connection: Any) -> None:
        if open_:
            written.append(open_.copy())
        open_.clear()

    def roll_back(_connection: Any) -> None:
        open_.clear()

    listeners = [("before_cursor_execute", note), ("commit", commit), ("rollback", roll_back)]
    for name, listener in listeners:
        event.listen(engine, name, listener)
    try:
        yield
    finally:
        for name, listener in listeners:
            event.remove(engine, name, listener)


def _repeat(url: Any, written: list[list[tuple[str, Any]]]) -> float:
    """Write the same again through the driver alone; return the seconds."""
    engine = db.make_engine(url.render_as_string(hide_password=False))
    raw = engine.raw_connection()
    cursor = raw.cursor()
    sqlite = engine.dialect.name == "sqlite"
    started = time.perf_counter()
    for transaction in written:
        if sqlite:
            cursor.execute("BEGIN IMMEDIATE")
        for statement, parameters in transaction:
            cursor.execute(statement, parameters)
            if cursor.description:
                cursor.fetchall()
        if sqlite:
            cursor.execute("COMMIT")
        else:
            raw.commit()
    seconds = time.perf_counter() - started
    raw.close()
    engine.dispose()
    return seconds


def _replayed(kind: str, url: str, settings: Settings) -> Line:
    """Two months of requests laid down and lived through by a replay."""
    engine, sessions = _company(url, settings, relaxed=True)
    end = BEGIN + timedelta(days=60)
    step = (end - BEGIN) / REPLAYED
    with db.transaction(sessions) as session:
        for number in range(REPLAYED):
            at = BEGIN + number * step
            replay.lay_down(session, "request", "bench", f"B-{number}", at, _body(number, at))
    started = time.perf_counter()
    totals = replay.replay(sessions, BEGIN, end)
    seconds = time.perf_counter() - started
    engine.dispose()
    note = f"{totals.assigned} assigned, {totals.escalated} rules of escalation fired"
    return Line("replayed requests", kind, REPLAYED / seconds, note)


def table(lines: list[Line]) -> str:
    """Return the lines as a table of text."""
    rows = [("", "database", "a second", "")] + [
        (line.what, line.database, f"{line.per_second:,.0f}", line.note) for line in lines
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]}".rstrip() for row in rows
    )


if __name__ == "__main__":
    print(table(measure()))
