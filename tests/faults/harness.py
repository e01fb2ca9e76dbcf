"""Requests come in while workers, their jobs, the clock and the pages are killed and Redis is emptied.

The same harness drives the product and the naive claim of naive.py: it must pass the one and fail the other.
"""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from sqlalchemy import text

from rules_engine import db
from rules_engine.services import tokens
from tests.faults import company
from tests.faults.installation import WORKER, Installation
from tests.faults.sender import Sender
from tests.faults.verdict import Verdict, judge
from tests.workers.waiting import wait_until

CLOCK = ("-m", "workers.schedule")
WEB = ("-m", "wsgi")


@dataclass(frozen=True)
class Plan:
    requests: int = 200
    per_second: float = 15.0
    workers: int = 3
    clocks: int = 2
    kill_every: float = 0.5
    least_kills: int = 8
    flushes: int = 2
    drain_seconds: float = 180.0
    seed: int = 1


@dataclass(frozen=True)
class Outcome:
    verdict: Verdict
    accepted: int
    sent_twice: int
    asked_again: int
    kills: Counter[str]
    flushes: int
    seconds: float
    problems: list[str]
    stored_twice: list[str]
    """External ids for which answers named more than one id."""

    def __str__(self) -> str:
        killed = ", ".join(f"{number} × {name}" for name, number in sorted(self.kills.items()))
        return (
            f"accepted {self.accepted} ({self.sent_twice} sent twice, {self.asked_again} asked again);"
            f" killed: {killed}; Redis emptied {self.flushes} times; {self.verdict}; {self.seconds:.0f} s"
        )


def run(home: Path, database_url: str, plan: Plan, worker: Sequence[str] = WORKER) -> Outcome:
    """Found a company in an empty, migrated database, let the faults loose on it, and judge what is left.

    `worker`: the command of a worker, the product's or the naive one's.
    """
    started = time.monotonic()
    with Installation(home, database_url) as there:
        company.found(there.sessions)
        with db.transaction(there.sessions) as session:
            _, secret = tokens.create(session, "faults", ["requests:write"], now=datetime.now(UTC))
        there.start_redis()
        there.start_web()
        for number in range(plan.clocks):
            there.start(f"clock-{number}", CLOCK)
        for number in range(plan.workers):
            there.start(f"worker-{number}", worker)
        wait_until(lambda: there.log.read_text().count("_started") == plan.clocks + plan.workers, 120)
        sender = Sender(there.settings.port, secret, plan.requests, plan.per_second, Random(plan.seed))
        over = threading.Event()
        sending = threading.Thread(target=sender.run, args=(over.is_set,))
        sending.start()
        try:
            kills, flushes = _faults(there, worker, plan, sender, sending)
            sending.join()
            deadline = time.monotonic() + plan.drain_seconds
            while _waiting(there) and time.monotonic() < deadline:
                time.sleep(0.2)
        finally:
            over.set()
            sending.join()
        return Outcome(
            verdict=judge(there.engine, sender.accepted),
            accepted=len(sender.accepted),
            sent_twice=sender.sent_twice,
            asked_again=sender.asked_again,
            kills=kills,
            flushes=flushes,
            seconds=time.monotonic() - started,
            problems=sender.problems,
            stored_twice=[name for name, ids in sender.ids.items() if len(ids) > 1],
        )


def _faults(
    there: Installation, worker: Sequence[str], plan: Plan, sender: Sender, sending: threading.Thread
) -> tuple[Counter[str], int]:
    """Kill something every moment while requests come in, and after that until enough was killed at its work.

    Return how many of each, and how often Redis was emptied.
    """
    random = Random(plan.seed)
    kills: Counter[str] = Counter()
    flushes = 0
    while sending.is_alive() or (kills["job"] + kills["worker"] < plan.least_kills and _waiting(there)):
        time.sleep(random.uniform(0.5, 1.5) * plan.kill_every)
        if flushes < plan.flushes and len(sender.accepted) > plan.requests * (flushes + 1) / (plan.flushes + 1):
            there.redis().flushall()
            flushes += 1
        dice = random.random()
        if dice < 0.05:
            name, command = f"clock-{random.randrange(plan.clocks)}", CLOCK
        elif dice < 0.08:
            name, command = "web", WEB
        else:
            # In the middle of its work, which is when it hurts; the naive worker is always at it, in its own process.
            at_work = tuple(worker) != WORKER
            busy = f"worker-{random.randrange(plan.workers)}" if at_work else _busy_worker(there, plan.workers)
            if busy is None:
                continue
            time.sleep(random.uniform(0, 0.01))
            if dice < 0.75 and there.kill_job(busy):
                kills["job"] += 1
                continue
            name, command = busy, tuple(worker)
        there.kill(name)
        kills[name.partition("-")[0]] += 1
        there.start(name, command)
    return kills, flushes


def _busy_worker(there: Installation, workers: int) -> str | None:
    """Return a worker that is at a job, if there is one within a second."""
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        for number in range(workers):
            if there.jobs(f"worker-{number}"):
                return f"worker-{number}"
        time.sleep(0.001)
    return None


def _waiting(there: Installation) -> int:
    """Return how many requests still wait for somebody and are not quarantined."""
    query = text(
        "SELECT count(*) FROM requests r WHERE r.status = 'new' AND NOT EXISTS (SELECT 1 FROM work_items w"
        " WHERE w.kind = 'request' AND w.subject_id = r.id AND (w.quarantined_at IS NOT NULL OR w.wake_at IS NULL))"
    )
    with there.engine.execution_options(pravila_read_only=True).connect() as connection:
        return int(connection.scalar(query) or 0)
