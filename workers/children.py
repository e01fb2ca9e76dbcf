"""Starting processes that never outlive the one that started them.

`python -m workers.children PARENT COMMAND…` ties itself to PARENT and becomes COMMAND: this works for any program,
and unlike code between fork and exec it is safe in a process that has threads.
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int, how: signal.Signals) -> None:
    """Let the kernel send this process `how` when its parent ends, however it ends (Linux; elsewhere nothing).

    `parent`: who the parent was to be; if it has ended in between, this process ends now.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, how, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)


def start_child(command: Sequence[str], *, log: Path | None = None) -> subprocess.Popen[bytes]:
    """Start a program and return its process; it has a session of its own, so that Ctrl-C reaches only us.

    `log`: a file to which its output is appended, instead of ours.
    """
    whole = [sys.executable, "-m", "workers.children", str(os.getpid()), *command]
    if log is None:
        return subprocess.Popen(whole, stdin=subprocess.DEVNULL, start_new_session=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            whole, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )


if __name__ == "__main__":
    # TERM, not KILL: a server may have something to tidy up.
    die_with_parent(int(sys.argv[1]), signal.SIGTERM)
    try:
        os.execvp(sys.argv[2], sys.argv[2:])
    except OSError as problem:
        sys.exit(f"{sys.argv[2]}: {problem.strerror}")
