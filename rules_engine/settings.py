"""The only reader of the environment: frozen settings, each with a default that works on one machine."""

import hashlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote
from zoneinfo import ZoneInfo

from rules_engine.errors import SettingsError

_WEAK_SECRETS = frozenset({"", "secret", "changeme", "change-me", "dev", "development", "password"})


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that may differ between two installations. See docs/settings.md."""

    home: Path
    database_url: str
    redis_url: str
    secret_key: str
    host: str
    port: int
    timezone: str
    locale: str
    currency: str
    log: str
    engine: str
    smtp_url: str
    mail_from: str
    secure_cookies: bool
    public_url: str = ""
    """How people reach the pages, without a slash at the end: links in mails begin with it."""
    crash_at: str = ""
    """Where the fault tests let this process die: `label`, or `label:3` for the third time. Else empty."""

    @property
    def zone(self) -> ZoneInfo:
        """The business zone: days, months and calendars without a zone of their own are of this zone."""
        return ZoneInfo(self.timezone)

    @property
    def redis_socket(self) -> Path:
        """Where the embedded Redis listens when no `PRAVILA_REDIS_URL` is given.

        The path of a Unix socket holds at most 107 bytes: below a deeper home it lies in a short folder of its own.
        """
        socket = self.home / "redis" / "redis.sock"
        if len(os.fsencode(socket)) <= 100:
            return socket
        short = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:12]
        return Path("/tmp") / f"pravila-{os.getuid()}-{short}" / "redis.sock"

    @property
    def effective_redis_url(self) -> str:
        return self.redis_url or f"unix://{quote(str(self.redis_socket))}"

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Self:
        """Return the settings of this process; make the home directory and the secret key on first use.

        Raises SettingsError when a value cannot be used.
        """
        source = os.environ if env is None else env
        home = Path(source.get("PRAVILA_HOME") or "var").expanduser().resolve()
        try:
            home.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise SettingsError(name="PRAVILA_HOME", problem=str(problem)) from problem
        timezone = source.get("PRAVILA_TIMEZONE") or "Europe/Moscow"
        try:
            ZoneInfo(timezone)
        except (KeyError, ValueError, OSError) as problem:
            raise SettingsError(name="PRAVILA_TIMEZONE", problem=f"unknown zone {timezone!r}") from problem
        return cls(
            home=home,
            database_url=source.get("PRAVILA_DATABASE_URL") or f"sqlite:///{home / 'pravila.db'}",
            redis_url=source.get("PRAVILA_REDIS_URL") or "",
            secret_key=_secret_key(home, source.get("PRAVILA_SECRET_KEY")),
            host=source.get("PRAVILA_HOST") or "127.0.0.1",
            port=_port(source.get("PRAVILA_PORT") or "8000"),
            timezone=timezone,
            locale=_choice(source, "PRAVILA_LOCALE", ("ru", "en")),
            currency=source.get("PRAVILA_CURRENCY") or "RUB",
            log=_choice(source, "PRAVILA_LOG", ("text", "json")),
            engine=_choice(source, "PRAVILA_ENGINE", ("durable", "native")),
            smtp_url=source.get("PRAVILA_SMTP_URL") or "",
            mail_from=source.get("PRAVILA_MAIL_FROM") or "pravila@localhost",
            secure_cookies=_choice(source, "PRAVILA_SECURE_COOKIES", ("no", "yes")) == "yes",
            public_url=_public_url(source),
            crash_at=source.get("PRAVILA_CRASH_AT") or "",
        )


def _choice(source: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    value = source.get(name) or allowed[0]
    if value not in allowed:
        raise SettingsError(name=name, problem=f"{value!r} is not one of {', '.join(allowed)}")
    return value


def _port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise SettingsError(name="PRAVILA_PORT", problem=f"{text!r} is not a port number")
    return int(text)


def _public_url(source: Mapping[str, str]) -> str:
    value = source.get("PRAVILA_PUBLIC_URL") or ""
    if not value:
        return f"http://{source.get('PRAVILA_HOST') or '127.0.0.1'}:{source.get('PRAVILA_PORT') or '8000'}"
    if not value.startswith(("http://", "https://")):
        raise SettingsError(name="PRAVILA_PUBLIC_URL", problem=f"{value!r} begins neither with http:// nor https://")
    return value.rstrip("/")


def _secret_key(home: Path, given: str | None) -> str:
    """Return the given key, else the one kept in `home`, made once with 256 random bits."""
    if given is not None:
        if given.lower() in _WEAK_SECRETS or len(given) < 16:
            raise SettingsError(name="PRAVILA_SECRET_KEY", problem="too short or a well-known word")
        return given
    kept = home / "secret_key"
    try:
        # O_EXCL: two processes that start at once must end with the same key.
        handle = os.open(kept, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        key = kept.read_text().strip()
        if len(key) < 16:
            raise SettingsError(name="PRAVILA_SECRET_KEY", problem=f"the key kept in {kept} is damaged") from None
        return key
    except OSError as problem:
        raise SettingsError(name="PRAVILA_HOME", problem=str(problem)) from problem
    key = secrets.token_urlsafe(32)
    with os.fdopen(handle, "w") as stream:
        stream.write(key)
    return key
