"""A throw-away PostgreSQL, made from the server programs that are installed, for tests and benchmarks."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    home = Path(tempfile.mkdtemp(prefix="pravila-pg-", dir="/tmp"))

    def run(program: str, *words: str) -> None:
        command = [*as_user, str(programs / program), "-D", str(home / "data"), *words]
        subprocess.run(command, check=True, cwd=home, stdout=subprocess.DEVNULL)

    try:
        home.chmod(0o755)
        if as_user:
            shutil.chown(home, "postgres", "postgres")
        port = free_port()
        run("initdb", "-U", "pravila", "-A", "trust", "-E", "UTF8", "-N", "--locale=C.UTF-8")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -k {home} -c max_connections=200"
        if not safe:
            options += " -c fsync=off"
        run("pg_ctl", "-w", "-l", str(home / "log"), "-o", options, "start")
        try:
            yield f"postgresql+psycopg://pravila@127.0.0.1:{port}"
        finally:
            run("pg_ctl", "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)
