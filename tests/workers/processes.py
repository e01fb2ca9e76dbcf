"""Parts of an installation as processes, for the tests."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterable

import psutil

from rules_engine.settings import Settings
from tests.tied import tied


def environment(settings: Settings, database_url: str, **more: str) -> dict[str, str]:
    """Return the environment of a process that shall work on this home and this database and nothing else."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PRAVILA_")}
    return {**clean, "PRAVILA_HOME": str(settings.home), "PRAVILA_DATABASE_URL": database_url, **more}


def burst(settings: Settings, database_url: str, *words: str, code: int = 0) -> str:
    """Let a real worker do what waits in the queue, and return its log; it must end with `code`.

    `words`: what Python is to run instead.
    """
    done = subprocess.run(
        tied([sys.executable, *(words or ("-m", "workers.worker", "--burst"))]),
        env=environment(settings, database_url),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stderr


def are_over(processes: Iterable[psutil.Process | int]) -> bool:
    """Whether none of these (or of these ids) works any more.

    One that ended counts as over before anybody asked for its exit code: who asks for that of a process whose parent
    was killed, and when, is up to the machine.
    """
    for one in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(one) if isinstance(one, int) else one
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                return False
    return True
