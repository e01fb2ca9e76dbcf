"""Redis: full, away and back. It carries wake-ups only, so it may cost seconds and nothing else."""

from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
import redis

from rules_engine import db
from rules_engine.services.company import tokens
from tests.faults import company
from tests.faults.harness import CLOCK
from tests.faults.installation import Installation
from tests.faults.sender import Sender
from tests.faults.verdict import judge
from tests.faults.warm import Nursery
from tests.workers.waiting import wait_until

pytestmark = pytest.mark.faults


def fill(client: redis.Redis) -> None:
    """Write until Redis takes nothing any more."""
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        for number in range(10_000):
            client.set(f"junk:{number}", b"x" * 1_000_000)
    # The last few kilobytes too: a wake-up is small.
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        for number in range(100_000):
            client.set(f"crumb:{number}", b"x" * 100)


def test_a_redis_that_is_full_away_and_back_costs_no_request(tmp_path: Path, sqlite_url: str, warm: Nursery) -> None:
    """Injected: Redis filled to its limit; then killed, away while requests come; then started again, empty.

    Must hold: the interface goes on answering 201, every request is assigned once and within seconds, and the clock
    finds the new Redis by itself.
    """
    with Installation(tmp_path, sqlite_url, warm=warm) as there:
        company.found(there.sessions)
        with db.transaction(there.sessions) as session:
            _, secret = tokens.create(session, "faults", ["requests:write"], now=datetime.now(UTC))
        there.start_redis()
        there.start_web()
        there.start("worker")
        there.start("clock", CLOCK)
        wait_until(lambda: there.log.read_text().count("_started") == 2)
        accepted: set[str] = set()

        def send(seed: int) -> None:
            sender = Sender(
                there.settings.port, secret, number=5, per_second=50, random=Random(seed), first=len(accepted)
            )
            sender.run(lambda: False)
            assert (sender.problems, sender.asked_again) == ([], 0)
            accepted.update(sender.accepted)
            wait_until(all_are_assigned)

        def all_are_assigned() -> bool:
            if there.processes["worker"].poll() is not None and there.processes["redis"].poll() is None:
                # RQ gives up where Redis goes away at the end of a job; the supervisor starts what has ended.
                there.start("worker")
            return judge(there.engine, accepted).kept

        send(1)
        fill(there.redis())
        send(2)
        there.kill("redis")
        send(3)
        wait_until(lambda: "redis_is_away" in there.log.read_text())
        there.start_redis()
        wait_until(lambda: "redis_is_back" in there.log.read_text())
        # The clock does nothing by itself now: this is the worker.
        send(4)
        verdict = judge(there.engine, accepted)
        assert sum(verdict.counts.values()) == len(accepted) == 20
        assert verdict.quarantined == [] and verdict.spread <= 1
