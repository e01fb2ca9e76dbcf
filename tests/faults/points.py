"""Every commit is a point at which a process can die: found while it runs, so that none can be forgotten.

A point is named by the function that commits: `agenda._claim.before` just before the database is told, and
`agenda._claim.after` just after it has answered. `watch` is for a process that was forked for this.
"""

import os
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

from sqlalchemy.engine.default import DefaultDialect

PACKAGES = ("rules_engine.", "admin.", "workers.")
DRIVERS = ("rules_engine.db", "admin.base", "rules_engine.cli.output")
"""They commit for somebody else."""


def watch(record: Path | None = None, die_at: str = "", freeze_at: str = "") -> None:
    """Write each point that this process passes into `record`, and die at `die_at` (`name:3`: the third time).

    At `freeze_at` it stops instead, until somebody lets it go on.
    """
    name, _, number = (die_at or freeze_at).partition(":")
    passed: Counter[str] = Counter()

    def reach(point: str) -> None:
        passed[point] += 1
        if record is not None:
            with record.open("a") as notes:
                notes.write(f"{point}:{passed[point]}\n")
        if point == name and passed[point] == int(number or 1):
            os.kill(os.getpid(), signal.SIGKILL if die_at else signal.SIGSTOP)

    def do_commit(_dialect: DefaultDialect, connection: Any) -> None:
        where = _who_commits(sys._getframe(1))
        reach(f"{where}.before")
        connection.commit()
        reach(f"{where}.after")

    DefaultDialect.do_commit = do_commit  # type: ignore[method-assign]


def _who_commits(frame: FrameType | None) -> str:
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith(PACKAGES) and module not in DRIVERS:
            return f"{module.rpartition('.')[2]}.{frame.f_code.co_name}"
        frame = frame.f_back
    return "elsewhere"
