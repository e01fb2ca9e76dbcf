"""Everything under one roof: Redis first, then clock, workers and pages; what dies is started again; Redis goes last.

`python -m workers.supervisor run` works on an installation; `demo` first lets a child fill it, with the pages up.
"""

import argparse
import contextlib
import errno
import fcntl
import logging
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from rules_engine import clock, db, logs
from rules_engine.errors import PolicyViolation, PravilaError
from rules_engine.settings import Settings
from workers import readiness, redis_server
from workers.children import start_child

WORKERS = 2
LOOK_SECONDS = 0.5
STEADY_SECONDS = 30.0
"""Whoever lived this long is started again at once; who dies sooner waits longer each time."""
MAX_PAUSE_SECONDS = 15.0
PATIENCE_SECONDS = 8.0
"""How long a part may take to end by itself before it is ended."""
REDIS_START_SECONDS = 15.0
MAX_FILL_TRIES = 3

log = logging.getLogger("workers.supervisor")


@dataclass(slots=True)
class Part:
    """One process that is kept alive."""

    name: str
    command: Sequence[str]
    stop_with: signal.Signals = signal.SIGTERM
    once: bool = False
    """It does its work and ends: with exit code 0 it is not started again."""
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    failures: int = 0
    is_done: bool = False

    def start(self) -> None:
        self.process = start_child(self.command)
        self.started_at = clock.monotonic()

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def look_after(self) -> None:
        """Start it if it does not run and its pause is over; note when it has just ended."""
        present = clock.monotonic()
        if self.is_done or self.is_running():
            return
        if self.process is not None:
            code, self.process = self.process.returncode, None
            if self.once and code == 0:
                self.is_done = True
                return
            lived = present - self.started_at
            self.failures = 1 if lived > STEADY_SECONDS else self.failures + 1
            self.start_at = present + min(0.25 * 2**self.failures, MAX_PAUSE_SECONDS)
            log.warning("part_ended", extra={"part": self.name, "code": code, "lived": round(lived, 1)})
        if present >= self.start_at:
            self.start()

    def ask_to_stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(self.stop_with)


def python(*words: str) -> tuple[str, ...]:
    return (sys.executable, *words)


def worker_parts(count: int) -> list[Part]:
    return [Part(f"worker-{number + 1}", python("-m", "workers.worker")) for number in range(count)]


def web_part() -> Part:
    # INT: waitress finishes the requests it is at.
    return Part("web", python("-m", "wsgi"), stop_with=signal.SIGINT)


@dataclass(slots=True)
class Supervisor:
    """Keeps parts alive until it is told to stop."""

    settings: Settings
    first: list[Part] = field(default_factory=list)
    """What runs from the beginning; the rest waits until those with `once` are done."""
    then: list[Part] = field(default_factory=list)
    redis: Part | None = None
    _stops: int = 0

    def run(self) -> int:
        """Start everything, keep it alive until TERM, INT or HUP, stop everything; return the exit code."""
        with self._signals() as bell:
            try:
                self._start_redis(bell)
                while not self._stops:
                    for part in [self.redis, *self.first] if self.redis else self.first:
                        part.look_after()
                        if part.once and part.failures >= MAX_FILL_TRIES:
                            log.error("part_given_up", extra={"part": part.name})
                            return 1
                    if all(part.is_done for part in self.first if part.once):
                        for part in self.then:
                            part.look_after()
                    select.select([bell], [], [], LOOK_SECONDS)
                    _empty(bell)
                return 0
            finally:
                self._stop_all(bell)

    def _start_redis(self, bell: int) -> None:
        """Return when Redis answers, or when we are told to stop. Raises PolicyViolation when it does not come up."""
        if self.redis is None:
            readiness.wait_for_redis(self.settings)
            return
        deadline = clock.monotonic() + REDIS_START_SECONDS
        self.redis.look_after()
        while not self._stops and not redis_server.is_answering(self.settings):
            if clock.monotonic() > deadline:
                readiness.wait_for_redis(self.settings, 0)
            select.select([bell], [], [], 0.05)
            _empty(bell)
            self.redis.look_after()

    def _stop_all(self, bell: int) -> None:
        """Workers and clock first, then the pages, Redis last; whoever does not end in time is ended."""
        everything = [*self.first, *self.then]
        web = [part for part in everything if part.name == "web"]
        for group in ([part for part in everything if part not in web], web, [self.redis] if self.redis else []):
            running = [part for part in group if part.is_running()]
            for part in running:
                part.ask_to_stop()
            deadline = clock.monotonic() + PATIENCE_SECONDS
            # A second Ctrl-C: no more patience.
            while any(part.is_running() for part in running) and clock.monotonic() < deadline and self._stops < 2:
                select.select([bell], [], [], 0.05)
                _empty(bell)
            for part in running:
                if part.process is not None and part.is_running():
                    log.warning("part_ended_by_force", extra={"part": part.name})
                    part.process.kill()
                    part.process.wait()

    @contextmanager
    def _signals(self) -> Iterator[int]:
        """Yield a pipe that becomes readable at every signal, also when a child ends."""

        def stop(_number: int, _frame: object) -> None:
            self._stops += 1

        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
        before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        handled = {signal.SIGTERM: stop, signal.SIGINT: stop, signal.SIGCHLD: lambda _number, _frame: None}
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
            handled[signal.SIGHUP] = stop
        kept = {number: signal.signal(number, handler) for number, handler in handled.items()}
        try:
            yield reading
        finally:
            for number, handler in kept.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before)
            os.close(reading)
            os.close(writing)


def _empty(pipe: int) -> None:
    with contextlib.suppress(BlockingIOError):
        os.read(pipe, 4096)


@contextmanager
def only_one(settings: Settings) -> Iterator[None]:
    """Hold the home for this supervisor: a second one would take the first one's Redis away.

    Raises PolicyViolation when another holds it.
    """
    with (settings.home / "supervisor.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            raise PolicyViolation(
                ru=f"Pravila уже запущена в {settings.home}: остановите её или задайте другой PRAVILA_HOME",
                en=f"Pravila is already running in {settings.home}: stop it or set another PRAVILA_HOME",
            ) from problem
        yield


def check_port(settings: Settings) -> None:
    """Refuse an address on which the pages could not be served. Raises PolicyViolation."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as problem:
            place = f"{settings.host}:{settings.port}"
            why = "" if problem.errno == errno.EADDRINUSE else f" ({problem.strerror})"
            raise PolicyViolation(
                ru=f"адрес {place} занят{why}: задайте другой PRAVILA_PORT",
                en=f"the address {place} is taken{why}: set another PRAVILA_PORT",
            ) from problem


def supervise(settings: Settings, *, workers: int, fill: Sequence[str] | None = None) -> int:
    """Run an installation until it is told to stop; return the exit code.

    `fill`: the options of `pravila demo` with which a child fills it first. The pages are up meanwhile; clock and
    workers follow when it is done, and a live feed with them. Raises PolicyViolation when it must not start.
    """
    engine = db.make_engine(settings.database_url)
    try:
        readiness.check_database(engine)
        if fill is None:
            readiness.check_no_replay(engine)
    finally:
        engine.dispose()
    check_port(settings)
    with only_one(settings):
        working = [Part("clock", python("-m", "workers.schedule")), *worker_parts(workers)]
        if fill is None:
            supervisor = Supervisor(settings, first=[*working, web_part()])
        else:
            filler = Part("filler", python("-m", "rules_engine.cli", "demo", "--no-serve", *fill), once=True)
            feed = Part("feed", python("-m", "rules_engine.demo", "live"))
            supervisor = Supervisor(settings, first=[web_part(), filler], then=[*working, feed])
        if not settings.redis_url:
            supervisor.redis = Part("redis", redis_server.command(settings))
        return supervisor.run()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m workers.supervisor")
    parser.add_argument("--workers", type=int, default=WORKERS)
    parser.add_argument("what", choices=("run", "demo"))
    parser.add_argument("fill", nargs=argparse.REMAINDER, help="options of `pravila demo`")
    given = parser.parse_args()
    language = "en"
    try:
        settings = Settings.from_env()
        language = settings.locale
        logs.configure(settings.log)
        code = supervise(settings, workers=given.workers, fill=given.fill if given.what == "demo" else None)
    except PravilaError as problem:
        sys.exit(problem.message(language))
    sys.exit(code)


if __name__ == "__main__":
    main()
