"""One tick of the workers beside many open requests: with nothing due, and with many due at once.

The rows are laid down by bulk inserts, as months of work would have left them: most requests are answered and wait for
something far off, some are late to every degree. What is measured is `agenda.run_due`, each item in transactions of its
own with all that it writes. `--full` takes 100,000 open requests and 1,000 due, and 10,000 to compare with.
"""

import argparse
import gc
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Table, insert, select, text
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.models import (
    Assignment,
    AssignmentCause,
    Decision,
    Firing,
    Manager,
    Request,
    RequestStatus,
    RulesetVersion,
    Task,
    TaskKind,
    TaskState,
    WorkItem,
    WorkKind,
)
from rules_engine.services.company.reference import reference_changed
from rules_engine.services.queue import work
from rules_engine.services.running import agenda, setup
from rules_engine.settings import Settings
from tests.benchmarks import end_to_end
from tests.benchmarks.end_to_end import BEGIN, Databases, databases
from tests.factories import make_version

NOW = BEGIN + timedelta(days=10)
STAGES: tuple[tuple[int, tuple[str, ...], int], ...] = (
    # minutes since the assignment (of 30 to answer), rules that have fired, how many of a hundred
    (15, (), 40),
    (30, ("half",), 30),
    (45, ("half", "missed"), 20),
    (60, ("half", "missed", "head", "~transfer-warning"), 10),
)
"""Of those that are due: half of the time, all of it, to the head, to another manager."""
BATCH = 5_000


@dataclass(frozen=True)
class Measured:
    """One database with so many open requests. Seconds of a tick, and of our own work in it; memory in MB."""

    kind: str
    open: int
    due: int
    idle: float
    busy: float
    own: float
    escalated: int
    memory: int
    plan: tuple[str, ...]


def measure(kind: str, url: str, settings: Settings, number: int, due: int) -> Measured:
    """Fill a new database and return what a tick costs in it."""
    engine, sessions = end_to_end._company(url, settings)
    fill(sessions, number, due)
    engine.dispose()
    if kind == "postgresql":
        with engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))
    early = NOW - timedelta(minutes=1)
    agenda.run_due(sessions, early)  # the first tick opens a connection and compiles what it says
    idle = min(_seconds(sessions, early)[0] for _ in range(5))
    # Ten of them warm up: a worker compiles the rules and its statements once, not each tick.
    agenda.run_due(sessions, NOW, limit=10)
    # As a worker does before each job.
    gc.freeze()
    begun = time.process_time()
    busy, totals = _seconds(sessions, NOW)
    own = time.process_time() - begun
    if totals.handled != due - 10 or totals.failed or totals.quarantined:
        raise RuntimeError(f"{kind}: {totals}")
    plan = tuple(claim_plan(sessions))
    engine.dispose()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return Measured(kind, number, due, idle, busy, own, totals.escalated, memory, plan)


def _seconds(sessions: sessionmaker[Session], now: datetime) -> tuple[float, agenda.Totals]:
    started = time.perf_counter()
    totals = agenda.run_due(sessions, now)
    return time.perf_counter() - started, totals


def fill(sessions: sessionmaker[Session], number: int, due: int) -> None:
    """Add `number` open requests, of which `due` are to be looked at at NOW; the others at some time after it."""
    with db.transaction(sessions) as session:
        _publish(session)
        managers = session.scalars(select(Manager.id).order_by(Manager.id)).all()
        version = session.scalars(
            select(RulesetVersion.id).where(RulesetVersion.decision == "escalation").order_by(RulesetVersion.id.desc())
        ).first()
        session.execute(
            insert(Decision),
            {
                "decision": "escalation",
                "subject_kind": "request",
                "subject_id": 1,
                "at": NOW,
                "version_id": version,
                "engine": "native",
                "mode": "live",
                "actor": "system",
                "fired": [],
                "effects": [],
            },
        )
        for first in range(0, number, BATCH):
            last = min(first + BATCH, number)
            rows = [_rows(n, due, managers[n % len(managers)]) for n in range(first, last)]
            for model in (Request, Assignment, Task, WorkItem):
                session.execute(insert(_table(model)), [one[model] for one in rows])
            if fired := [firing for one in rows for firing in one[Firing]]:
                session.execute(insert(_table(Firing)), fired)
        for model in (Request, Assignment):
            _move_sequence(session, model, number)
        reference_changed(session)


def _publish(session: Session) -> None:
    """The shipped rules, but a manager may carry as many unanswered requests as lie there."""
    body = dict(setup.shipped_ruleset("escalation"))
    for rule in body["rules"]:
        for action in rule["then"]:
            action.pop("among", None)
    make_version(session, "escalation", body)


def _rows(n: int, due: int, manager_id: int) -> dict[Any, Any]:
    request_id = n + 1
    is_due = n < due
    minutes, fired = _stage(n % 100)
    assigned_at = NOW - timedelta(minutes=minutes) if is_due else NOW - timedelta(days=1 + n % 9)
    answered_at = None if is_due else assigned_at + timedelta(minutes=20)
    # Those that are not due lie ahead; some have nothing to wait for.
    wake_at = NOW if is_due else None if n % 10 == 0 else NOW + timedelta(minutes=1 + n % 10_000)
    common = {"manager_id": manager_id, "assigned_at": assigned_at, "answer_within": 30}
    due_at = assigned_at + timedelta(minutes=30)
    return {
        Request: {
            **common,
            "id": request_id,
            "source": "bench",
            "external_id": f"B-{n}",
            "body_hash": "",
            "received_at": assigned_at,
            "client_name": f"Клиент {n}",
            "service": "hosting",
            "channel": "web",
            "amount_minor": 100_000 + n,
            "expected_value_minor": 100_000 + n,
            "status": RequestStatus.ASSIGNED if is_due else RequestStatus.IN_PROGRESS,
            "status_at": assigned_at,
            "answer_due_at": due_at,
            "first_answer_at": answered_at,
            "last_activity_at": answered_at,
            "next_step_at": None if is_due else NOW + timedelta(days=3),
            "priority": "normal",
            "text": "",
            "tags": [],
            "is_duplicate": False,
            "is_history": False,
            "times_waiting": 0,
            "times_reassigned": 0,
            "contact_attempts": 0,
        },
        Assignment: {
            **common,
            "id": request_id,
            "request_id": request_id,
            "cause": AssignmentCause.RULE,
            "answer_due_at": due_at,
            "first_answer_at": answered_at,
            "is_late": False,
        },
        Task: {
            "kind": TaskKind.REQUEST,
            "manager_id": manager_id,
            "request_id": request_id,
            "assignment_id": request_id,
            "title": {"ru": "Заявка", "en": "Request"},
            "reason": {"ru": "очередь", "en": "turn"},
            "state": TaskState.OPEN,
            "created_at": assigned_at,
            "due_at": due_at,
            "times_postponed": 0,
            "note": "",
        },
        WorkItem: {"kind": WorkKind.REQUEST, "subject_id": request_id, "wake_at": wake_at, "epoch": 0, "attempts": 0},
        Firing: [
            {
                "item_kind": "request",
                "item_id": request_id,
                "rule": rule,
                "ownership": request_id,
                "occurrence": 0,
                "at": assigned_at,
                "decision_id": 1,
            }
            for rule in (fired if is_due else ())
        ],
    }


def _stage(place: int) -> tuple[int, tuple[str, ...]]:
    """Return since how many minutes one of a hundred is held, and which rules have acted on it."""
    for minutes, fired, share in STAGES:
        if place < share:
            return minutes, fired
        place -= share
    raise ValueError(place)


def _table(model: Any) -> Table:
    table: Table = model.__table__
    return table


def _move_sequence(session: Session, model: Any, to: int) -> None:
    """PostgreSQL does not see keys that were given."""
    if not db.is_sqlite(session):
        name = _table(model).name
        session.execute(text(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), {to})"))


def claim_plan(sessions: sessionmaker[Session]) -> Iterator[str]:
    """Yield the lines in which the database says how it finds the next due item."""
    with sessions() as session:
        yield from plan_lines(session, NOW)


def plan_lines(session: Session, now: datetime) -> list[str]:
    """Return the query plan of the claim's inner statement."""
    for_sqlite = db.is_sqlite(session)
    statement = work.next_due(for_sqlite, agenda.PEOPLE, untried=True)
    values = {"now": now, "most": agenda.TOGETHER, **({"machine_now": now} if for_sqlite else {})}
    literal = statement.params(**values).compile(session.connection(), compile_kwargs={"literal_binds": True})
    prefix = "EXPLAIN QUERY PLAN " if for_sqlite else "EXPLAIN "
    return [str(row[-1]) for row in session.execute(text(prefix + str(literal)))]


def table(found: Iterable[Measured]) -> str:
    """Return the figures as a table of text, with the ratio of the larger to the smaller of one kind."""
    lines = [
        f"{'database':<11} {'open':>8} {'due':>6} {'nothing due':>12} {'all due':>9} {'own work':>9} {'memory':>8}"
    ]
    by_kind: dict[str, list[Measured]] = {}
    for one in found:
        by_kind.setdefault(one.kind, []).append(one)
        lines.append(
            f"{one.kind:<11} {one.open:>8,} {one.due:>6,} {one.idle * 1000:>9.1f} ms {one.busy:>7.2f} s "
            f"{one.own:>7.2f} s {one.memory:>5} MB"
        )
    for kind, pair in by_kind.items():
        if len(pair) > 1:
            small, large = sorted(pair, key=lambda one: one.open)[:: len(pair) - 1]
            lines.append(f"{kind}: {large.open:,} to {small.open:,} open: {large.busy / small.busy:.2f} times as long")
        lines += [f"  {line}" for line in pair[-1].plan]
    return "\n".join(lines)


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="100,000 open requests, 1,000 of them due")
    parser.add_argument("--one", nargs=4, metavar=("KIND", "URL", "OPEN", "DUE"), help=argparse.SUPPRESS)
    chosen = parser.parse_args(words)
    if chosen.one:
        print(json.dumps(asdict(_alone(*chosen.one))))
        return 0
    sizes, due = ((10_000, 100_000), 1_000) if chosen.full else ((1_000, 10_000), 200)
    with databases() as makers:
        print(table(_each(makers, sizes, due)))
    return 0


def _alone(kind: str, url: str, number: str, due: str) -> Measured:
    with tempfile.TemporaryDirectory(prefix="pravila-bench-") as home:
        return measure(kind, url, Settings.from_env({"PRAVILA_HOME": home}), int(number), int(due))


def _each(makers: Databases, sizes: tuple[int, ...], due: int) -> Iterator[Measured]:
    """Each in a process of its own, so that its memory is its own too."""
    for kind, make in makers.items():
        for number in sizes:
            code = [sys.executable, "-m", "tests.benchmarks.escalation", "--one", kind, make(), str(number), str(due)]
            done = subprocess.run(code, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(done.stderr)
            yield Measured(**json.loads(done.stdout))


if __name__ == "__main__":
    raise SystemExit(main())
