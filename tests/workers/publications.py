"""Publish new rules many times over in one process as a worker lives through it, and print what its memory grew by.

    python -m tests.workers.publications HOW_MANY [small]

Megabytes of resident memory between the publication after which the caches are full and the last one; of the shipped
rules of assignment, or of small ones. Each version is asked by both engines; versions are stored without the trial in
another process, which the worker does not see. Measured in November 2026, 1,000 publications of the shipped rules:
see the test.
"""

import copy
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from rules_engine import clock, db
from rules_engine.language.engines.trial import probes
from rules_engine.models import Base
from rules_engine.services.rules import rulebook
from rules_engine.services.running import setup
from rules_engine.settings import Settings
from tests.factories import assignment_rules, condition, escalation_rules, make_version, rule
from workers.warmth import Warmth

CACHES_FULL = 34
"""Rulesets are kept compiled up to 32."""


def resident_mb() -> float:
    """Return the resident memory of this process."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


def growth(settings: Settings, times: int, body: dict[str, Any]) -> float:
    """Return by how many megabytes the process grew after its caches were full."""
    engine = db.make_engine(settings.database_url, relaxed=True)
    sessions, warmth = db.make_sessions(engine, settings), Warmth(settings)
    Base.metadata.create_all(engine)
    before, now = 0.0, clock.now()
    with db.transaction(sessions) as session:
        make_version(session, "escalation", escalation_rules())
    for number in range(1, times + 1):
        body = copy.deepcopy(body)
        body["rules"][0]["note"] = f"{number}"
        with db.transaction(sessions) as session:
            make_version(session, "assignment", body, holds_from=now - timedelta(seconds=times - number))
        engine.dispose()
        warmth.renew()
        with sessions() as session:
            live = rulebook.published(session, "assignment", now)
            if live.number != number:
                raise RuntimeError(f"version {live.number} decides, not {number}")
            for facts in list(probes(live.ruleset))[:3]:
                live.engine.matching(facts)
        engine.dispose()
        if number == CACHES_FULL:
            before = resident_mb()
    return resident_mb() - before


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        small = assignment_rules(
            rule("own", condition("client.owner", "is_filled"), {"action": "assign", "to": {"pool": "owner"}})
        )
        rules = small if "small" in sys.argv else setup.shipped_ruleset("assignment")
        print(f"{growth(Settings.from_env({'PRAVILA_HOME': home}), int(sys.argv[1]), rules):.1f}")
