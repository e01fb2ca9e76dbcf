"""200 requests under random kill -9; `make faults` sends 10,000 on each database (FAULT_REQUESTS)."""

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from rules_engine import clock, db
from rules_engine.models import Role
from rules_engine.settings import Settings
from tests.factories import make_user
from tests.faults import acts, harness, naive
from tests.faults.warm import Nursery
from tests.web import app_of

pytestmark = pytest.mark.faults

LONG = int(os.environ.get("FAULT_REQUESTS", "0"))
SHORT_PLAN = harness.Plan()
LONG_PLAN = harness.Plan(
    requests=LONG,
    per_second=float(os.environ.get("FAULT_PER_SECOND", "18")),
    workers=3,
    kill_every=float(os.environ.get("FAULT_KILL_EVERY", "2")),
    kill_web=0.1,
    kill_clock=0.15,
    flushes=3,
    hurry_poison=False,
    drain_seconds=600,
)
RESUMED_SECONDS = 10.0
SHOWN_AT_MOST = 100
"""Rows of the jobs page."""


def test_what_was_accepted_is_assigned_once_whoever_is_killed(
    tmp_path: Path, database_url: str, request: pytest.FixtureRequest
) -> None:
    """Injected: kill -9 of pages, clocks, workers and jobs, 5 % sent twice, Redis emptied, 1 % poison.

    Must hold, by the sender's own count: nothing lost, doubled or adrift; all poison set aside and shown, and nothing
    else; at the 99th percentile work goes on within ten seconds of a kill.
    """
    plan = LONG_PLAN if LONG else SHORT_PLAN
    # In the long form parts start as they do in earnest.
    warm: Nursery | None = None if LONG else request.getfixturevalue("warm")
    outcome = harness.run(tmp_path, database_url, plan, warm=warm)
    kind = database_url.partition(":")[0]
    print(f"\n{outcome.table(f'{plan.requests} requests, {kind}')}", flush=True)
    assert outcome.problems == []
    assert outcome.accepted == plan.requests
    assert outcome.stored_twice == []
    assert outcome.kills["job"] + outcome.kills["worker"] >= 5
    assert outcome.flushes == plan.flushes
    verdict = outcome.verdict
    assert (verdict.lost, verdict.doubled, verdict.drift) == ([], [], [])
    assert verdict.spread <= 1
    assert verdict.quarantined == outcome.poisoned
    assert len(outcome.poisoned) == plan.requests // 100
    assert outcome.shown == len(outcome.poisoned)
    assert outcome.percentile(0.99) <= RESUMED_SECONDS
    assert set_aside_on_the_jobs_page(tmp_path, database_url) == min(len(outcome.poisoned), SHOWN_AT_MOST)


def set_aside_on_the_jobs_page(home: Path, database_url: str) -> int:
    """Return how many items the page offers an administrator to try again."""
    settings = Settings.from_env({"PRAVILA_HOME": str(home)})
    with app_of(settings, database_url, clock.now) as app:
        sessions = db.make_sessions(app.extensions["pravila"].engine, settings)
        with db.transaction(sessions) as session:
            make_user(session, "denis", role=Role.ADMINISTRATOR, password_hash="x")
        browser, _ = acts.seat(app, sessions, "denis")
        page = browser.get("/jobs/").text
    return len(re.findall(r"/jobs/\d+/release", page))


def test_a_naive_claim_is_found_out(tmp_path: Path, database_url: str, warm: Nursery) -> None:
    """The negative control: a harness that passes this one proves nothing."""
    engine = db.make_engine(database_url)
    naive.drop_the_keys(engine)
    engine.dispose()
    plan = replace(SHORT_PLAN, requests=60, per_second=15, drain_seconds=10, poison_share=0.0)
    outcome = harness.run(tmp_path, database_url, plan, worker=("-m", "tests.faults.naive"), warm=warm)
    print(f"\n{outcome.table(f'naive, {plan.requests} requests')}")
    assert not outcome.verdict.kept
