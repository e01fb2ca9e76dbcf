"""Labelled points, one at each commit, at which the fault tests let a process die.

Nothing happens at them unless `PRAVILA_CRASH_AT` names one.
"""

import os
import signal
from collections import Counter

from sqlalchemy.orm import Session

from rules_engine.db import settings_of

LABELS = (
    "claim.before_commit",
    "claim.after_commit",
    "work.before_commit",
    "work.after_commit",
    "fail.after_commit",
    "outbox.after_send",
    "intake.before_commit",
    "intake.after_commit",
    "replay.before_commit",
    "replay.after_commit",
)

_passed: Counter[str] = Counter()


def reach(session: Session, label: str) -> None:
    """Kill this process without any clean-up if the harness armed `label` (`label:3`: the third time it is reached)."""
    armed = settings_of(session).crash_at
    if not armed:
        return
    name, _, number = armed.partition(":")
    if name != label:
        return
    _passed[label] += 1
    if _passed[label] == int(number or 1):
        os.kill(os.getpid(), signal.SIGKILL)
