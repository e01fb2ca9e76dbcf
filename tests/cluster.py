"""A throw-away PostgreSQL, made from the server programs that are installed, for tests and benchmarks."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.tied import tied

ROOM = 1 << 30
"""Bytes in memory that a cluster may need."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def find_programs() -> Path | None:
    """Return the folder of initdb and pg_ctl; None where they are not installed."""
    if found := shutil.which("initdb"):
        here = Path(found).resolve().parent
        if (here / "pg_ctl").exists():
            return here
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    return versions[0].parent if versions else None


@contextmanager
def throw_away(programs: Path, *, safe: bool = False) -> Iterator[str]:
    """Yield the URL of a new cluster on loopback, without the name of a database; it is deleted at the end.

    `safe`: it waits for the disk at each commit, as it would in earnest.
    """
    # The server refuses to run as root; then everything is done as the user that Debian makes for it.
    user = "postgres" if os.geteuid() == 0 else None
    as_user: dict[str, Any] = {"user": user, "group": user, "extra_groups": []} if user else {}
    home = Path(tempfile.mkdtemp(prefix="pravila-pg-", dir="/tmp" if safe else _quickest_folder()))

    def command(program: str, *words: str) -> list[str]:
        return [str(programs / program), "-D", str(home / "data"), *words]

    try:
        home.chmod(0o755)
        if user:
            shutil.chown(home, user, user)
        port = free_port()
        words = ("-U", "pravila", "-A", "trust", "-E", "UTF8", "-N", "--locale=C.UTF-8")
        subprocess.run(command("initdb", *words), check=True, cwd=home, stdout=subprocess.DEVNULL, **as_user)
        options = ["-p", str(port), "-k", str(home), "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200"]
        if not safe:
            options += ["-c", "fsync=off", "-c", "autovacuum=off", "-c", "max_wal_size=128MB"]
        with (home / "log").open("wb") as log:
            # QUIT is its immediate shutdown.
            whole = tied(command("postgres", *options), by="QUIT")
            server = subprocess.Popen(whole, cwd=home, stdout=log, stderr=log, **as_user)
        try:
            _wait_until_ready(server, port, home / "log")
            yield f"postgresql+psycopg://pravila@127.0.0.1:{port}"
        finally:
            server.send_signal(signal.SIGQUIT)
            server.wait(30)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _quickest_folder() -> str:
    """Return where files are made and deleted quickest: a database has hundreds, and ext4 is slow to reuse them."""
    memory = Path("/dev/shm")
    is_roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM
    return str(memory) if is_roomy else "/tmp"


def _wait_until_ready(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(host="127.0.0.1", port=port, user="pravila", dbname="postgres", connect_timeout=5).close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {log.read_text()}") from None
        time.sleep(0.05)
