"""Requests come in while workers, their jobs, the clock and the pages are killed and Redis is emptied.

Some come twice, and some are poison: nobody can ever handle them. The same harness drives the product and the naive
claim of naive.py: it must pass the one and fail the other.
"""

import math
import re
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from urllib.request import urlopen

from sqlalchemy import Engine, text

from rules_engine import db
from rules_engine.services.company import tokens
from tests.faults import company
from tests.faults.installation import WORKER, Installation
from tests.faults.poison import Poison
from tests.faults.sender import Sender
from tests.faults.verdict import Verdict, judge
from tests.faults.warm import Nursery
from tests.workers.waiting import wait_until
from workers.schedule import WAKE_KEY

CLOCK = ("-m", "workers.schedule")
WEB = ("-m", "wsgi")


@dataclass(frozen=True)
class Plan:
    requests: int = 200
    per_second: float = 40.0
    workers: int = 2
    clocks: int = 3
    kill_every: float = 0.4
    """Seconds between two kills, on the average; the next may take half as long or half as long again."""
    least_kills: int = 6
    """Of workers and jobs: it goes on killing while something waits until so many died."""
    kill_web: float = 0.03
    kill_clock: float = 0.05
    """Shares of all kills; the rest are workers and jobs in the middle of their work."""
    flushes: int = 2
    poison_share: float = 0.01
    hurry_poison: bool = True
    """Let the pauses between the tries of a poisoned request end at once: they add up to half a minute."""
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
    poisoned: list[str]
    """External ids of the requests that nobody could handle, in order."""
    shown: int
    """How many set aside items the figures of the running pages tell of."""
    resumed: list[float]
    """For each kill while requests waited or came: seconds until the next one was assigned."""

    def percentile(self, share: float) -> float:
        """Return how soon work went on after a kill, in seconds, for this share of kills; 0.0 without kills."""
        ordered = sorted(self.resumed)
        return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0

    def table(self, title: str) -> str:
        """Return the result as lines of a table."""
        verdict = self.verdict
        killed = ", ".join(f"{number} {name}" for name, number in sorted(self.kills.items()))
        lines = (
            ("requests accepted", f"{self.accepted} ({self.sent_twice} sent twice, {self.asked_again} asked again)"),
            ("kill -9", f"{sum(self.kills.values())} ({killed})"),
            ("Redis emptied", str(self.flushes)),
            ("lost", str(len(verdict.lost))),
            ("doubled", str(len(verdict.doubled) + len(self.stored_twice))),
            ("drift", str(len(verdict.drift))),
            ("poison quarantined", f"{len(verdict.quarantined)} of {len(self.poisoned)}, {self.shown} in the figures"),
            ("counts of managers differ by", str(verdict.spread)),
            ("work resumed after a kill, s", f"{self._resumed()} ({len(self.resumed)} kills)"),
            ("seconds", f"{self.seconds:.0f}"),
        )
        return "\n".join([f"== {title}", *(f"{name:<30} {value}" for name, value in lines)])

    def _resumed(self) -> str:
        return f"p50 {self.percentile(0.5):.2f}, p99 {self.percentile(0.99):.2f}, longest {self.percentile(1):.2f}"


class Watch:
    """Measures how long after a kill the next request is assigned, while there is one to assign."""

    def __init__(self, engine: Engine) -> None:
        self.resumed: list[float] = []
        self._engine = engine.execution_options(pravila_read_only=True)
        self._open: list[tuple[float, int]] = []
        """Kills after which nothing was assigned yet: since when, and how many were assigned by then."""
        self._assigned = 0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_again_and_again)

    def kill(self) -> None:
        """Note that something is killed now."""
        with self._lock:
            self._open.append((time.monotonic(), self._assigned))

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def _look_again_and_again(self) -> None:
        # What failed waits for its pause to be over, and nothing is to be resumed there.
        query = text(
            "SELECT (SELECT count(*) FROM assignments) AS assigned, EXISTS (SELECT 1 FROM requests r"
            " JOIN work_items w ON w.kind = 'request' AND w.subject_id = r.id WHERE r.status = 'new'"
            " AND w.wake_at IS NOT NULL AND w.quarantined_at IS NULL AND w.last_error IS NULL) AS waiting"
        )
        while not self._over.wait(0.05):
            with self._engine.connect() as connection:
                row = connection.execute(query).one()
            present = time.monotonic()
            with self._lock:
                self._assigned = row.assigned
                still: list[tuple[float, int]] = []
                for since, before in self._open:
                    if row.assigned > before:
                        self.resumed.append(present - since)
                    else:
                        # While nothing waits there is nothing to resume: the time runs from when something does.
                        still.append((since if row.waiting else present, before))
                self._open = still


def run(
    home: Path, database_url: str, plan: Plan, worker: Sequence[str] = WORKER, *, warm: Nursery | None = None
) -> Outcome:
    """Found a company in an empty, migrated database, let the faults loose on it, and judge what is left.

    `worker`: the command of a worker, the product's or the naive one's. `warm`: see Installation.
    """
    started = time.monotonic()
    with Installation(home, database_url, warm=warm) as there:
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
        poison = Poison(there.sessions) if plan.poison_share else None
        sender = Sender(
            there.settings.port, secret, plan.requests, plan.per_second, Random(plan.seed),
            poison=poison, poison_share=plan.poison_share,
        )  # fmt: skip
        over = threading.Event()
        sending = threading.Thread(target=sender.run, args=(over.is_set,))
        with Watch(there.engine) as watch:
            sending.start()
            try:
                kills, flushes = _faults(there, worker, plan, sender, sending, watch)
                sending.join()
                deadline = time.monotonic() + plan.drain_seconds
                while (waiting := _waiting(there)) and time.monotonic() < deadline:
                    if plan.hurry_poison and poison is not None and waiting <= len(poison.spoilt):
                        poison.hurry()
                        there.redis().lpush(WAKE_KEY, b"1")
                    time.sleep(0.2)
            finally:
                over.set()
                sending.join()
        wait_until(there.web_answers, 60)
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
            poisoned=sorted(poison.spoilt) if poison is not None else [],
            shown=_figure(there, "pravila_work_quarantined"),
            resumed=watch.resumed,
        )


def _faults(
    there: Installation, worker: Sequence[str], plan: Plan, sender: Sender, sending: threading.Thread, watch: Watch
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
        if dice < plan.kill_clock:
            name, command = f"clock-{random.randrange(plan.clocks)}", CLOCK
        elif dice < plan.kill_clock + plan.kill_web:
            name, command = "web", WEB
        else:
            # In the middle of its work, which is when it hurts; the naive worker is always at it, in its own process.
            at_work = tuple(worker) != WORKER
            busy = f"worker-{random.randrange(plan.workers)}" if at_work else _busy_worker(there, plan.workers)
            if busy is None:
                continue
            time.sleep(random.uniform(0, 0.01))
            if random.random() < 0.7 and there.kill_job(busy):
                watch.kill()
                kills["job"] += 1
                continue
            name, command = busy, tuple(worker)
        there.kill(name)
        watch.kill()
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
    """Return how many requests still wait for somebody, or for being set aside."""
    query = text(
        "SELECT count(*) FROM requests r WHERE r.manager_id IS NULL AND NOT EXISTS (SELECT 1 FROM work_items w"
        " WHERE w.kind = 'request' AND w.subject_id = r.id AND (w.quarantined_at IS NOT NULL OR w.wake_at IS NULL))"
    )
    with there.engine.execution_options(pravila_read_only=True).connect() as connection:
        return int(connection.scalar(query) or 0)


def _figure(there: Installation, name: str) -> int:
    """Return one of the figures that the running pages give to Prometheus."""
    with urlopen(f"http://127.0.0.1:{there.settings.port}/metrics", timeout=20) as answer:
        found = re.search(rf"^{name} (\S+)$", answer.read().decode(), re.MULTILINE)
    assert found is not None, name
    return int(float(found[1]))
