"""Requests come in while workers, their jobs, the clock and the pages are killed and Redis is emptied.

The same harness drives the product and the naive claim of naive.py: it must pass the one and fail the other.
"""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import psutil
from sqlalchemy import text

from rules_engine import db
from rules_engine.services import tokens
from tests.faults import company
from tests.faults.installation import WORKER, Installation
from tests.faults.sender import Sender
from tests.faults.verdict import Verdict, judge

WORKERS = 3
CLOCK = ("-m", "workers.schedule")
WEB = ("-m", "wsgi")


@dataclass(frozen=True)
class Plan:
    requests: int = 200
    per_second: float = 12.0
    kill_every: float = 0.6
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
    random = Random(plan.seed)
    with Installation(home, database_url) as there:
        company.found(there.sessions)
        with db.transaction(there.sessions) as session:
            _, secret = tokens.create(session, "faults", ["requests:write"], now=datetime.now(UTC))
        there.start_redis()
        there.start_web()
        there.start("clock", CLOCK)
        for number in range(WORKERS):
            there.start(f"worker-{number}", worker)
        sender = Sender(there.settings.port, secret, plan.requests, plan.per_second, Random(plan.seed))
        over = threading.Event()
        sending = threading.Thread(target=sender.run, args=(over.is_set,))
        sending.start()
        try:
            kills, flushes = _faults(there, worker, plan, random, sending)
            sending.join()
            _drain(there, plan.drain_seconds)
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
    there: Installation, worker: Sequence[str], plan: Plan, random: Random, sending: threading.Thread
) -> tuple[Counter[str], int]:
    """Kill something every moment for as long as requests come in; return how many of each, and the flushes."""
    kills: Counter[str] = Counter()
    flushes = 0
    begun = time.monotonic()
    expected = plan.requests / plan.per_second
    while sending.is_alive():
        time.sleep(random.uniform(0.5, 1.5) * plan.kill_every)
        if time.monotonic() - begun > expected * (flushes + 1) / (plan.flushes + 1) and flushes < plan.flushes:
            there.redis().flushall()
            flushes += 1
        dice = random.random()
        name = f"worker-{random.randrange(WORKERS)}"
        if dice < 0.10:
            name, command = "clock", CLOCK
        elif dice < 0.15:
            name, command = "web", WEB
        else:
            command = tuple(worker)
        horses = there.horses(name) if name.startswith("worker") else []
        if horses and dice < 0.55:
            with contextlib.suppress(psutil.NoSuchProcess):
                horses[0].kill()
                kills["job"] += 1
            continue
        there.kill(name)
        kills[name.partition("-")[0]] += 1
        there.start(name, command)
    while flushes < plan.flushes:
        there.redis().flushall()
        flushes += 1
    return kills, flushes


def _drain(there: Installation, seconds: float) -> None:
    """Wait until nothing is due any more that is not quarantined, or until the time is over."""
    query = text(
        "SELECT count(*) FROM requests r WHERE r.status = 'new' AND NOT EXISTS (SELECT 1 FROM work_items w"
        " WHERE w.kind = 'request' AND w.subject_id = r.id AND (w.quarantined_at IS NOT NULL OR w.wake_at IS NULL))"
    )
    deadline = time.monotonic() + seconds
    reading = there.engine.execution_options(pravila_read_only=True)
    while time.monotonic() < deadline:
        with reading.connect() as connection:
            if connection.scalar(query) == 0:
                return
        time.sleep(0.2)
