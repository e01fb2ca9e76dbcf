"""Requests taken in, decided and assigned a second, on each database, beside the bare SQL of the same; replay.

The bare SQL is what the services themselves wrote: every statement that changes something is noted in the measured
run, with its parameters and the ends of its transactions, and repeated by the driver alone on a fresh database.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, text
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db, migrations
from rules_engine.services.records.incoming import RequestIn
from rules_engine.services.requests import intake
from rules_engine.services.running import agenda, replay, setup
from rules_engine.settings import Settings
from tests import cluster
from tests.factories import (
    ROUND_THE_CLOCK,
    assignment_rules,
    escalation_rules,
    make_calendar,
    make_manager,
    make_team,
    make_version,
)

MANAGERS = 24
LIVE = 100
"""With those before: as many as the shipped rules give to managers of whom none answers."""
REPLAYED = 1_500
ANSWERED = 500
"""Fewer than all managers may have open at once by the shipped rules: nobody closes these."""
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
            lines += [_replayed(kind, make(), settings, answered=answered) for answered in (False, True)]
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
        "client": {"source": "1c", "external_id": f"K-{number}", "name": f"Клиент {number}"},
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
    bare = _repeat(engine.url, written)
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
        now = BEGIN + timedelta(seconds=index)  # so close that nobody is late yet
        with db.transaction(sessions) as session:
            intake.receive(session, RequestIn.model_validate(_body(index, now)), now=now, actor="api:bench")
        assigned += agenda.run_due(sessions, now).assigned
    return assigned


@contextmanager
def _noting(engine: Engine, written: list[list[tuple[str, Any]]]) -> Iterator[None]:
    """Note every write with its parameters, transaction by transaction; those without a write are left out."""
    open_: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        if statement.lstrip().upper().startswith(WRITES):
            # A list is one set of values a row; several rows in one statement come as one set.
            sets = parameters if isinstance(parameters, list) else [parameters]
            open_.extend((statement, dict(one) if isinstance(one, Mapping) else one) for one in sets)

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


def _repeat(url: URL, written: list[list[tuple[str, Any]]]) -> float:
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


def _replayed(kind: str, url: str, settings: Settings, *, answered: bool) -> Line:
    """Two months of requests laid down and lived through by a replay.

    `answered`: by the shipped rules, each request answered after ten minutes; else by fair share alone.
    """
    engine, sessions = _company(url, settings, relaxed=True)
    end = BEGIN + timedelta(days=60)
    count = ANSWERED if answered else REPLAYED
    step = (end - BEGIN) / count
    with db.transaction(sessions) as session:
        if not answered:
            make_version(session, "assignment", assignment_rules())
            make_version(session, "escalation", escalation_rules())
        for number in range(count):
            at = BEGIN + number * step
            replay.lay_down(session, "request", "bench", f"B-{number}", at, _body(number, at))
            if answered:
                later = at + timedelta(minutes=10)
                replay.lay_down(session, "contact", "bench", f"C-{number}", later, _answer(number, later))
    started = time.perf_counter()
    totals = replay.replay(sessions, BEGIN, end)
    seconds = time.perf_counter() - started
    engine.dispose()
    what = "replayed requests, answered" if answered else "replayed requests"
    return Line(what, kind, count / seconds, f"{totals.assigned} assigned, {totals.escalated} rules acted on them")


def _answer(number: int, at: datetime) -> dict[str, Any]:
    return {
        "source": "bench",
        "external_id": f"C-{number}",
        "request": {"source": "bench", "external_id": f"B-{number}"},
        "at": at.isoformat(),
        "kind": "call",
        "direction": "out",
        "outcome": "answered",
    }


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
