"""A month's bonuses on PostgreSQL: 1,000 managers, 300,000 payments, their requests and planned calls.

`python -m tests.benchmarks.bonuses`. The rows are made by the database itself; only the counting is measured.
"""

import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db, migrations
from rules_engine.models import BonusLine, BonusStatement, Manager, Team, User
from rules_engine.services.bonus import periods
from rules_engine.services.bonus.today import so_far
from rules_engine.services.company.reference import reference_changed
from rules_engine.services.running import setup
from rules_engine.settings import Settings
from tests.benchmarks.end_to_end import databases

MANAGERS = 1_000
PAYMENTS = 300_000
CLIENTS = 100_000
REQUESTS = 100_000
CALLS = 100_000
MONTH = "2026-10"
BEGIN = datetime(2026, 9, 30, 21, tzinfo=UTC)
"""The first instant of October in Moscow."""
RUNNING, AFTER = datetime(2026, 10, 20, 9, tzinfo=UTC), datetime(2026, 11, 2, 9, tzinfo=UTC)
HOUR_US = 3_600_000_000

_ROWS = {
    "clients": """
INSERT INTO clients (source, external_id, name, tags, do_not_call, created_at)
SELECT 'bench', n::text, 'client ' || n, '[]', false, 0 FROM generate_series(1, {clients}) AS n""",
    "payments": """
INSERT INTO payments (source, external_id, body_hash, client_id, request_id, manager_id, kind, purpose, paid_at,
    paid_on, month, amount_minor, vat_minor, money_class, is_unmatched, problems, booked_at)
SELECT 'bench', n::text, '', 1 + n % {clients}, CASE WHEN n <= {requests} THEN n END, 1 + n % {managers}, 'payment',
    '', {begin} + (n % 700) * {hour}::bigint, '2026-10-01', '2026-10', 100000 + n % 997, 100,
    CASE WHEN n % 3 = 0 THEN 'new' ELSE 'old' END, false, '[]', {begin} + (n % 700) * {hour}::bigint
FROM generate_series(1, {payments}) AS n""",
    "credits": """
INSERT INTO payment_credits (payment_id, manager_id, share_bp, amount_minor, vat_minor, month, money_class, cause)
SELECT id, manager_id, 10000, amount_minor, vat_minor, month, money_class, 'owner' FROM payments""",
    "plans": """
INSERT INTO plans (month, manager_id, number, new_minor, old_minor, reason, made_at, made_by)
SELECT '2026-10', n, 1, 12345678, 23456789, '', 0, 'system' FROM generate_series(1, {managers}) AS n""",
    "requests": """
INSERT INTO requests (source, external_id, body_hash, received_at, client_name, amount_minor, priority, text, tags,
    is_duplicate, is_history, status, status_at, close_reason, closed_at, manager_id, assigned_at, first_answer_at,
    times_waiting, times_reassigned, contact_attempts)
SELECT 'bench', n::text, '', {begin} + (n % 600) * {hour}::bigint, '', 90000, 'normal', '', '[]', false, false,
    CASE n % 4 WHEN 0 THEN 'in_progress' WHEN 1 THEN 'lost' ELSE 'won' END, {begin},
    CASE n % 4 WHEN 1 THEN 'rival' END, CASE WHEN n % 4 > 0 THEN {begin} + (n % 700) * {hour}::bigint END,
    1 + n % {managers}, {begin} + (n % 600) * {hour}::bigint, {begin} + (n % 601) * {hour}::bigint, 0, 0, 0
FROM generate_series(1, {requests}) AS n""",
    "contacts": """
INSERT INTO contacts (source, external_id, at, kind, direction, outcome, note, proof, is_automatic, request_id,
    manager_id)
SELECT 'bench', id::text, first_answer_at, 'call', 'out', CASE WHEN id % 9 = 0 THEN 'not_reached' END, '',
    'confirmed', false, id, manager_id FROM requests""",
    "assignments": """
INSERT INTO assignments (request_id, manager_id, assigned_at, cause, answer_due_at, first_answer_at, is_late)
SELECT id, manager_id, assigned_at, 'rule', assigned_at + {hour} / 2, assigned_at + (id % 3) * {hour} / 3, false
FROM requests""",
    "ledger_entries": """
INSERT INTO ledger_entries (at, month, request_id, manager_id, delta, value_minor, cause)
SELECT assigned_at, '2026-10', id, manager_id, 1, 0, 'rule' FROM requests""",
    "tasks": """
INSERT INTO tasks (kind, manager_id, request_id, title, reason, state, created_at, due_at, done_at, outcome, note,
    times_postponed)
SELECT 'request', manager_id, id, '{{}}', '{{}}', 'done', first_answer_at, first_answer_at + 24 * {hour}::bigint,
    first_answer_at + 20 * {hour}::bigint, 'answered', '', 0 FROM requests""",
    "callbacks": """
INSERT INTO callbacks (client_id, occasion, cause, cycle, also, manager_id, is_offer, rule, script, priority, state,
    call_from, due_at, created_at, attempts, times_postponed, done_at, is_valid, closed_because)
SELECT n, 'lapsing', 'bench', 0, '[]', 1 + n % {managers}, false, 'lapsing', '{{}}', 'normal',
    CASE WHEN n % 5 = 0 THEN 'open' ELSE 'done' END, {begin}, {begin} + (n % 700) * {hour}::bigint, {begin}, 1, 0,
    CASE WHEN n % 5 > 0 THEN {begin} + (n % 690) * {hour}::bigint END, n % 5 > 0, '{{}}'
FROM generate_series(1, {calls}) AS n""",
}


@dataclass(frozen=True)
class Result:
    """Seconds; `lines` are those that were stored for `statements` managers."""

    first: float
    again: float
    one_manager: float
    statements: int
    lines: int


def measure() -> Result | None:
    """Return what it took; None where PostgreSQL is not installed."""
    with databases() as makers, tempfile.TemporaryDirectory(prefix="pravila-bench-") as home:
        if "postgresql" not in makers:
            return None
        settings = Settings.from_env({"PRAVILA_HOME": home})
        engine = db.make_engine(makers["postgresql"]())
        migrations.upgrade(engine)
        sessions = db.make_sessions(engine, settings)
        _fill(engine, sessions)
        try:
            return _measured(sessions)
        finally:
            engine.dispose()


def table(result: Result | None) -> str:
    if result is None:
        return "bonuses: PostgreSQL's server programs are not installed"
    return (
        f"bonuses on PostgreSQL: {MANAGERS:,} managers, {PAYMENTS:,} payments, {REQUESTS:,} requests, {CALLS:,} calls\n"
        f"  all statements computed and stored  {result.first:6.2f} s ({result.lines:,} lines)\n"
        f"  the same again                      {result.again:6.2f} s\n"
        f"  one manager's running month         {1000 * result.one_manager:6.0f} ms"
    )


def _measured(sessions: sessionmaker[Session]) -> Result:
    first = _timed(sessions, AFTER)
    again = _timed(sessions, AFTER)
    with sessions() as session:
        so_far(session, 7, RUNNING)
    began = time.perf_counter()
    for manager_id in range(100, 110):
        with sessions() as session:
            so_far(session, manager_id, RUNNING)
    one = (time.perf_counter() - began) / 10
    with sessions() as session:
        statements = session.scalar(select(func.count(BonusStatement.id))) or 0
        lines = session.scalar(select(func.count(BonusLine.id))) or 0
    return Result(first, again, one, statements, lines)


def _timed(sessions: sessionmaker[Session], now: datetime) -> float:
    began = time.perf_counter()
    with db.transaction(sessions) as session:
        periods.compute(session, MONTH, actor="system", now=now)
    return time.perf_counter() - began


def _fill(engine: Engine, sessions: sessionmaker[Session]) -> None:
    with db.transaction(sessions) as session:
        setup.initialise(session, now=BEGIN, live=True)
        teams = [Team(code=f"team{number}", name=f"Team {number}") for number in range(40)]
        session.add_all(teams)
        for number in range(MANAGERS):
            user = User(login=f"m{number}", name=f"m{number}", role="manager", created_at=BEGIN)
            session.add(Manager(user=user, team=teams[number % 40], skills=[]))
        reference_changed(session)
    figures = {
        "clients": CLIENTS,
        "payments": PAYMENTS,
        "managers": MANAGERS,
        "requests": REQUESTS,
        "calls": CALLS,
        "begin": int(BEGIN.timestamp()) * 1_000_000,
        "hour": HOUR_US,
    }
    order = (
        "clients", "requests", "payments", "credits", "plans", "contacts", "assignments", "ledger_entries", "tasks",
        "callbacks",
    )  # fmt: skip
    with engine.begin() as connection:
        for name in order:
            connection.execute(text(_ROWS[name].format(**figures)))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


if __name__ == "__main__":
    print(table(measure()))
