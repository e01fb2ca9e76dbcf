"""Processes that end with the test that started them, also when that test is killed."""

import shutil
from collections.abc import Sequence


def tied(command: Sequence[str], *, by: str = "KILL") -> list[str]:
    """Return a command that the kernel ends by this signal when the starting thread has ended (Linux only).

    `setpriv` becomes the command itself, so that the process and its number are those of the command. Nothing is run
    between fork and exec, which would not be safe in a process with threads.
    """
    program = shutil.which("setpriv")
    return [program, "--pdeathsig", by, "--", *command] if program else [*command]
