"""The receipt log under the shipped escalation: nobody answered in time, it moves on; killed half way, the same.

The first month; `python -m tests.story.receipt` lives through all seventeen and prints control by month.
"""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from rules_engine.models import Assignment, AssignmentCause, Contact, Firing, Incident, Request
from rules_engine.services.control import control
from rules_engine.services.running.agenda import Totals
from tests.story import receipt
from tests.tied import tied

pytestmark = pytest.mark.skipif(
    not receipt.FOLDER.exists(), reason="the receipt log (../shared/data/receipt) is not there"
)

UNTIL = datetime(2010, 11, 1, tzinfo=ZoneInfo("Europe/Amsterdam"))


@dataclass(frozen=True)
class Runs:
    """One replay without a break, and one that was killed at its second commit and started again."""

    plain: Path
    killed: Path
    killed_with: int
    requests: int
    totals: Totals


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    folder = tmp_path_factory.mktemp("receipt")
    plain, killed = folder / "plain", folder / "killed"
    requests = receipt.lay(plain, UNTIL)
    killed.mkdir()
    for file in plain.iterdir():
        (killed / file.name).write_bytes(file.read_bytes())
    words = tied([sys.executable, "-m", "tests.story.receipt", "run", str(killed), UNTIL.isoformat()])
    dies = {**os.environ, "PRAVILA_CRASH_AT": "replay.before_commit:2"}
    first = subprocess.run(words, env=dies, capture_output=True, text=True, check=False)
    totals = receipt.run(plain, UNTIL)
    receipt.run(killed, UNTIL)
    yield Runs(plain, killed, first.returncode, requests, totals)


def test_killed_half_way_it_ends_in_the_same_rows(runs: Runs) -> None:
    assert runs.killed_with == -signal.SIGKILL
    assert receipt.effects(runs.killed) == receipt.effects(runs.plain)


def test_each_ownership_saw_each_rule_once_and_nothing_went_further_than_twice(runs: Runs) -> None:
    with receipt.sessions_of(runs.plain)() as session:
        firings = session.execute(select(Firing.item_id, Firing.ownership, Firing.rule, Firing.occurrence)).all()
        assert len(firings) == len(set(firings)) > 20
        moved = Counter(
            session.scalars(select(Assignment.request_id).where(Assignment.cause == AssignmentCause.TRANSFER))
        )
        assert moved
        assert max(moved.values()) <= 2
        assert session.scalars(select(Incident.kind)).all() == []


def test_a_contact_is_that_of_whoever_held_the_request_then(runs: Runs) -> None:
    with receipt.sessions_of(runs.plain)() as session:
        held = session.scalars(select(Assignment)).all()
        contacts = session.scalars(select(Contact).where(Contact.request_id.is_not(None))).all()
        assert len(contacts) > 50
        for one in contacts:
            holders = {
                own.manager_id
                for own in held
                if own.request_id == one.request_id
                and own.assigned_at <= one.at
                and (own.ended_at is None or one.at < own.ended_at)
            }
            # After the end of its case a request has no holder any more.
            assert not holders or {one.manager_id} == holders


def test_the_figures_of_control_agree_with_the_assignments(runs: Runs) -> None:
    with receipt.sessions_of(runs.plain)() as session:
        counts = control.month_figures(session, "2010-10", UNTIL).total
        due = [one for one in session.scalars(select(Assignment)) if one.answer_due_at and one.answer_due_at < UNTIL]
        answered = [one for one in due if one.first_answer_at and one.first_answer_at <= one.answer_due_at]
        assert (counts.due, counts.in_time) == (len(due), len(answered))
        assert counts.taken == sum(1 for one in session.scalars(select(Assignment)) if one.end_reason == "transfer")
        assert len(session.scalars(select(Request)).all()) == runs.requests


def test_each_is_assigned_once_and_goes_up_the_ladder_at_most_three_times(runs: Runs) -> None:
    assert runs.totals.assigned == runs.requests
    assert 0 < runs.totals.escalated <= 3 * 6 * runs.requests
