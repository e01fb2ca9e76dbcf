"""A real installation for the fault tests: Redis, pages, clock and workers as processes that can be killed."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import redis
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.settings import Settings
from tests.faults.warm import Child, Nursery
from tests.tied import tied
from tests.workers.waiting import wait_until
from workers import redis_server

WORKER = ("-m", "workers.worker")


class Installation:
    """Parts of one installation, by name; whatever was killed can be started again under the same name.

    With `warm` its parts are forks of a process that has imported everything; else each starts an interpreter.
    """

    def __init__(self, home: Path, database_url: str, *, warm: Nursery | None = None, **environment: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        own = {"PRAVILA_HOME": str(home), "PRAVILA_DATABASE_URL": database_url, "PRAVILA_PORT": str(port)}
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PRAVILA_")}
        self.environment = {**clean, **own, **environment}
        self.settings = Settings.from_env(self.environment)
        self.log = home / "parts.log"
        self.engine = db.make_engine(database_url)
        self.processes: dict[str, subprocess.Popen[bytes] | Child] = {}
        self._warm = warm

    @property
    def sessions(self) -> sessionmaker[Session]:
        return db.make_sessions(self.engine, self.settings)

    def start(self, name: str, command: Sequence[str] = WORKER, **environment: str) -> subprocess.Popen[bytes] | Child:
        """Start a module of Python; `environment` holds for this one process."""
        everything = {**self.environment, **environment}
        if self._warm is not None:
            child = self._warm.start({"main": command[1:]}, environment=everything, log=self.log)
            self.processes[name] = child
            return child
        with self.log.open("ab") as output:
            process = subprocess.Popen(
                tied([sys.executable, *command]),
                env=everything,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.processes[name] = process
        return process

    def start_redis(self) -> None:
        self.processes["redis"] = redis_server.start(self.settings)
        wait_until(lambda: redis_server.is_answering(self.settings))

    def start_web(self) -> None:
        self.start("web", ("-m", "wsgi"))
        wait_until(self.web_answers, 60)

    def web_answers(self) -> bool:
        """Return whether the pages can be reached; raise when their process has ended."""
        if self.processes["web"].poll() is not None:
            raise AssertionError(f"the pages have ended: {self.log.read_text()[-2000:]}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.settings.port), timeout=1):
            return True
        return False

    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.settings.effective_redis_url, socket_timeout=5)

    def kill(self, name: str) -> None:
        """End a part as a power cut would; what it had forked is left to the kernel and to itself."""
        process = self.processes[name]
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        process.wait(10)

    def jobs(self, name: str) -> list[int]:
        """Return the processes in which a worker does its jobs: none or one."""
        pid = self.processes[name].pid
        try:
            # psutil reads every process of the machine for this, and by then the job is done.
            return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        except OSError:
            return []

    def kill_job(self, name: str) -> bool:
        """End the process of the job that a worker is at; return whether there still was one."""
        for pid in self.jobs(name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                return True
        return False

    def close(self) -> None:
        for name in [*(name for name in self.processes if name != "redis"), "redis"]:
            if name in self.processes:
                self.kill(name)
        self.engine.dispose()

    def __enter__(self) -> "Installation":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
