"""200 requests under random kill -9; `make faults` sends 2,000 to more workers (FAULT_REQUESTS)."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from rules_engine import db
from tests.faults import harness, naive

pytestmark = pytest.mark.faults

LONG = int(os.environ.get("FAULT_REQUESTS", "0"))
PLAN = harness.Plan(requests=LONG) if LONG else harness.Plan(requests=200, workers=2, kill_every=0.4, least_kills=6)


def test_what_was_accepted_is_assigned_once_whoever_is_killed(tmp_path: Path, database_url: str) -> None:
    outcome = harness.run(tmp_path, database_url, PLAN)
    print(f"\n{database_url.partition(':')[0]}: {outcome}")
    assert outcome.problems == []
    assert outcome.accepted == PLAN.requests
    assert outcome.stored_twice == []
    assert outcome.kills["job"] + outcome.kills["worker"] >= 5
    assert outcome.flushes == PLAN.flushes
    verdict = outcome.verdict
    assert (verdict.lost, verdict.doubled, verdict.drift) == ([], [], [])
    assert verdict.spread <= 1


def test_a_naive_claim_is_found_out(tmp_path: Path, database_url: str) -> None:
    """The negative control: a harness that passes this one proves nothing."""
    engine = db.make_engine(database_url)
    naive.drop_the_keys(engine)
    engine.dispose()
    plan = replace(PLAN, requests=min(PLAN.requests, 100), drain_seconds=10)
    outcome = harness.run(tmp_path, database_url, plan, worker=("-m", "tests.faults.naive"))
    print(f"\n{database_url.partition(':')[0]}, naive: {outcome}")
    assert not outcome.verdict.kept
