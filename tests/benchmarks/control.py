"""The pages of control over one month of requests on PostgreSQL, and how long each figure of them takes.

`python -m tests.benchmarks.control [requests]`, 100,000 unless told otherwise. The rows are made by the database
itself; only the counting is measured. Values are lognormal in shape, one request in six has only the mean of its
service; answers take from a minute to four days; two of three are closed within the month.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db, migrations
from rules_engine.models import Manager, Team, User
from rules_engine.services.company.reference import reference_changed
from rules_engine.services.control import control, lists
from rules_engine.services.control import period as control_period
from rules_engine.services.control import shares as control_shares
from rules_engine.services.running import setup
from rules_engine.settings import Settings
from tests.benchmarks.end_to_end import databases

MANAGERS = 120
TEAMS = 8
MONTH = "2026-10"
BEGIN = datetime(2026, 9, 30, 21, tzinfo=UTC)
"""The first instant of October in Moscow."""
AFTER = datetime(2026, 11, 2, 9, tzinfo=UTC)
MINUTE_US = 60_000_000
LIMIT_SECONDS = 2.0

_ROWS = {
    "requests": """
INSERT INTO requests (source, external_id, body_hash, received_at, client_name, amount_minor, expected_value_minor,
    priority, text, tags, is_duplicate, is_history, status, status_at, close_reason, closed_at, manager_id,
    assigned_at, answer_due_at, first_answer_at, times_waiting, times_reassigned, contact_attempts)
SELECT 'bench', n::text, '', at, '', CASE WHEN n % 6 > 0 THEN worth END,
    CASE WHEN n % 6 > 0 THEN worth ELSE 2500000 END,
    'normal', '', '[]', n % 50 = 0, false,
    CASE WHEN n % 40 = 1 THEN 'spam' WHEN n % 3 = 0 THEN 'in_progress' WHEN n % 3 = 1 THEN 'lost' ELSE 'won' END, at,
    CASE n % 3 WHEN 1 THEN 'rival' END, CASE WHEN n % 3 > 0 THEN at + (n % 9000) * {minute}::bigint END,
    1 + n % {managers}, at, at + 60 * {minute}::bigint,
    CASE WHEN n % 11 > 0 THEN at + (1 + n % 5760) * {minute}::bigint END, 0, 0, 0
FROM (SELECT n, {begin} + (n::bigint * 44000 * {minute} / {requests}) AS at,
    (exp(9 + 1.3 * cos(n)) * 100)::bigint AS worth FROM generate_series(1, {requests}) AS n) AS made""",
    "contacts": """
INSERT INTO contacts (source, external_id, at, kind, direction, outcome, note, proof, is_automatic, request_id,
    manager_id)
SELECT 'bench', requests.id || '-' || step, first_answer_at + step * 600 * {minute}::bigint, 'call', 'out',
    CASE WHEN (requests.id + step) % 9 = 0 THEN 'not_reached' END, '',
    CASE WHEN requests.id % 4 = 0 THEN 'by_hand' ELSE 'confirmed' END, false, requests.id, manager_id
FROM requests, generate_series(0, 1) AS step WHERE first_answer_at IS NOT NULL AND (step = 0 OR requests.id % 2 = 0)""",
    "assignments": """
INSERT INTO assignments (request_id, manager_id, assigned_at, ended_at, end_reason, cause, answer_due_at,
    first_answer_at, is_late)
SELECT id, manager_id, assigned_at, closed_at, CASE WHEN closed_at IS NOT NULL THEN 'closed' END, 'rule',
    answer_due_at, first_answer_at, false
FROM requests""",
    "taken": """
INSERT INTO assignments (request_id, manager_id, assigned_at, ended_at, end_reason, cause, answer_due_at, is_late)
SELECT id, 1 + (id + 1) % {managers}, assigned_at - 60 * {minute}::bigint, assigned_at, 'transfer', 'rule',
    assigned_at - 30 * {minute}::bigint, true
FROM requests WHERE id % 20 = 0""",
    "ledger_entries": """
INSERT INTO ledger_entries (at, month, request_id, manager_id, assignment_id, delta, value_minor, cause, strategy)
SELECT a.assigned_at, '2026-10', a.request_id, a.manager_id, a.id, 1, r.expected_value_minor, 'rule', 'fair_share'
FROM assignments AS a JOIN requests AS r ON r.id = a.request_id
UNION ALL
SELECT ended_at, '2026-10', request_id, manager_id, id, 0, 0, 'no_answer', NULL
FROM assignments WHERE end_reason = 'transfer'""",
    "ledger_balances": """
INSERT INTO ledger_balances (month, manager_id, count, value_minor)
SELECT month, manager_id, sum(delta), sum(value_minor) FROM ledger_entries GROUP BY month, manager_id""",
    "tasks": """
INSERT INTO tasks (kind, manager_id, request_id, title, reason, state, created_at, due_at, done_at, outcome, note,
    times_postponed)
SELECT 'request', manager_id, id, '{{}}', '{{}}', 'done', first_answer_at, first_answer_at + 1440 * {minute}::bigint,
    first_answer_at + 1200 * {minute}::bigint, CASE WHEN id % 5 > 0 THEN 'not_reached' ELSE 'answered' END, '', 0
FROM requests WHERE first_answer_at IS NOT NULL""",
    "clients": """
INSERT INTO clients (source, external_id, name, tags, do_not_call, created_at)
SELECT 'bench', n::text, 'client ' || n, '[]', false, 0 FROM generate_series(1, {requests} / 2) AS n""",
    "callbacks": """
INSERT INTO callbacks (client_id, occasion, cause, cycle, also, manager_id, is_offer, rule, script, priority, state,
    call_from, due_at, created_at, attempts, times_postponed, done_at, is_valid, closed_because)
SELECT n, 'lapsing', 'bench', 0, '[]', 1 + n % {managers}, false, 'lapsing', '{{}}', 'normal',
    CASE WHEN n % 5 = 0 THEN 'open' ELSE 'done' END, {begin}, {begin} + (n % 44000) * {minute}::bigint, {begin}, 1, 0,
    CASE WHEN n % 5 > 0 THEN {begin} + (n % 43000) * {minute}::bigint END, n % 5 > 0, '{{}}'
FROM generate_series(1, {requests} / 2) AS n""",
}


@dataclass(frozen=True)
class Line:
    what: str
    seconds: float
    note: str = ""


def measure(requests: int = 100_000) -> list[Line] | None:
    """Return what each part took, the best of three; None where PostgreSQL is not installed."""
    with databases() as makers, tempfile.TemporaryDirectory(prefix="pravila-bench-") as home:
        if "postgresql" not in makers:
            return None
        settings = Settings.from_env({"PRAVILA_HOME": home})
        engine = db.make_engine(makers["postgresql"]())
        migrations.upgrade(engine)
        sessions = db.make_sessions(engine, settings)
        fill(engine, sessions, requests)
        try:
            return _measured(sessions)
        finally:
            engine.dispose()


def table(lines: list[Line] | None, requests: int) -> str:
    """Return the lines as a table of text."""
    if lines is None:
        return "control: PostgreSQL's server programs are not installed"
    heading = f"control on PostgreSQL: a month of {requests:,} requests, {MANAGERS} managers"
    return "\n".join([heading, *(f"  {line.what:<52}{line.seconds:6.2f} s  {line.note}".rstrip() for line in lines)])


def _measured(sessions: sessionmaker[Session]) -> list[Line]:
    def taken(work: Callable[[Session, control_period.Period], Any]) -> float:
        best = float("inf")
        for _ in range(3):
            with sessions() as session:
                period = control_period.month(session, MONTH)
                began = time.perf_counter()
                work(session, period)
                best = min(best, time.perf_counter() - began)
        return best

    def page(session: Session, period: control_period.Period) -> None:
        control.figures(session, period, AFTER)
        control.unassigned(session, period, AFTER)

    def by_manager(session: Session, period: control_period.Period) -> None:
        control.figures(session, period, AFTER, with_indices=True)

    def listed(session: Session, period: control_period.Period) -> None:
        lists.page(session, period, AFTER, lists.Asked("unprocessed"), number=3)

    def shares(session: Session, _period: control_period.Period) -> None:
        control_shares.shares(session, MONTH, AFTER)
        control_shares.ledger_page(session, MONTH)

    whole = taken(page)
    return [
        Line("the first page: figures and five groups", whole, f"limit of each {LIMIT_SECONDS:.0f} s"),
        Line("five groups from small to large, for a file", taken(lambda s, p: control.sizes(s, p, AFTER))),
        Line("which requests are processed, index by manager", taken(by_manager)),
        Line("a page of the requests that are not processed", taken(listed)),
        Line("fairness proof with a page of the ledger", taken(shares)),
    ]


def fill(engine: Engine, sessions: sessionmaker[Session], requests: int) -> None:
    """Make the company and its month."""
    with db.transaction(sessions) as session:
        setup.initialise(session, now=BEGIN, live=True)
        teams = [Team(code=f"team{number}", name=f"Team {number}") for number in range(TEAMS)]
        users = [
            User(login=f"manager{number}", name=f"Manager {number}", role="manager", created_at=BEGIN)
            for number in range(MANAGERS)
        ]
        session.add_all([*teams, *users])
        session.flush()
        session.add_all(
            Manager(user_id=user.id, team_id=teams[number % TEAMS].id, skills=[]) for number, user in enumerate(users)
        )
        reference_changed(session)
    values = {
        "managers": MANAGERS,
        "requests": requests,
        "begin": (int(BEGIN.timestamp()) * 1_000_000),
        "minute": MINUTE_US,
    }
    with engine.begin() as connection:
        for statement in _ROWS.values():
            connection.execute(text(statement.format(**values)))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))


def main() -> int:
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    lines = measure(requests)
    print(table(lines, requests))
    return 1 if any(line.seconds > LIMIT_SECONDS for line in lines or ()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
