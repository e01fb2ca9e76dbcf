"""Processes that begin with everything imported: a fork takes milliseconds where an interpreter takes seconds.

`python -m tests.faults.warm` reads orders, a line of JSON each, and answers each with a line. It has neither threads
nor connections, so what it forks begins like a new process, only sooner.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.tied import tied

IMPORTED = (
    "admin.app",
    "alembic.command",
    "durable_rules_engine",
    "psycopg",
    "rq",
    "tests.faults.acts",
    "tests.faults.naive",
    "waitress.server",
    "workers.schedule",
    "workers.worker",
)


class Child:
    """A process that the nursery has forked, handled like one of `subprocess`."""

    def __init__(self, nursery: "Nursery", pid: int, log: Path) -> None:
        self._nursery = nursery
        self.pid = pid
        self.log = log
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._nursery.code_of(self.pid)
        return self.returncode

    def wait(self, timeout: float = 60) -> int:
        if self.poll() is None:
            ended = os.pidfd_open(self.pid)
            try:
                select.select([ended], [], [], timeout)
            finally:
                os.close(ended)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(str(self.log), timeout)
        return code


class Nursery:
    """The other end of the pipe to the process that forks."""

    def __init__(self) -> None:
        command = tied([sys.executable, "-m", "tests.faults.warm"])
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._lock = threading.Lock()

    def start(self, order: Mapping[str, Any], *, environment: Mapping[str, str], log: Path) -> Child:
        """Fork a process for `order`: {"main": [module, words…]}, {"code": …} or {"call": "module:name", "with": {}}.

        Its output is appended to `log`.
        """
        told = {**order, "environment": dict(environment), "log": str(log)}
        return Child(self, int(self._ask(told)), log)

    def rehearse(self, name: str, noted: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        """Do an act of acts.py once where the others are forked from."""
        self._ask({"rehearse": {"name": name, "noted": noted, "environment": dict(environment)}})

    def code_of(self, pid: int) -> int | None:
        """Return the exit code of an ended child, negative for a signal; None while it lives."""
        code = self._ask({"code_of": pid})
        return None if code is None else int(code)

    def _ask(self, order: Mapping[str, Any]) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())["answer"]

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def nursery() -> Iterator[Nursery]:
    opened = Nursery()
    try:
        yield opened
    finally:
        opened.close()


def main() -> None:
    for name in IMPORTED:
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(name)
    acts = importlib.import_module("tests.faults.acts")
    acts.warm_up()
    # What is never collected is never copied into a fork.
    gc.freeze()
    for line in sys.stdin:
        order = json.loads(line)
        if "code_of" in order:
            pid, status = os.waitpid(order["code_of"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        elif "rehearse" in order:
            answer = acts.rehearse(**order["rehearse"])
            gc.freeze()
        else:
            answer = _fork(order)
        print(json.dumps({"answer": answer}), flush=True)


def _fork(order: Mapping[str, Any]) -> int:
    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        _settle(order, parent)
        code = _carry_out(order)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _settle(order: Mapping[str, Any], parent: int) -> None:
    """Make the fork a process of its own: session, environment, output, and an end with its parent."""
    from workers.children import die_with_parent

    os.setsid()
    die_with_parent(parent, signal.SIGKILL)
    output = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(number, target)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - the pipe of orders belongs to the parent
    os.environ.clear()
    os.environ.update(order["environment"])


def _carry_out(order: Mapping[str, Any]) -> int:
    if "call" in order:
        module, _, name = order["call"].partition(":")
        getattr(importlib.import_module(module), name)(**order.get("with", {}))
    elif "main" in order:
        sys.argv = list(order["main"])
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        exec(order["code"], {"__name__": "__main__"})
    return 0


if __name__ == "__main__":
    main()
