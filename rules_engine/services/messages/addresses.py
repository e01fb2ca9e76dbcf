"""Where else a person's messages may go: chats, push services, SMS and web hooks, each by one Apprise URL.

Apprise knows far more than is let through here. What acts on the machine itself (desktop and log plugins), what speaks
other protocols than HTTP, and what may read files is left out; the rest stands in SERVICES by name.
"""

import logging
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from types import ModuleType
from typing import Any

from rules_engine.errors import InputError
from rules_engine.services.messages.outward import is_refused

SERVICES = frozenset(
    {
        *("json", "jsons", "form", "forms", "xml", "xmls"),
        *("tgram", "slack", "discord", "mmost", "mmosts", "rocket", "rockets", "zulip", "gchat", "webex", "wxteams"),
        *("nctalk", "nctalks", "synology", "synologys", "signal", "signals", "viber", "feishu", "lark", "dingtalk"),
        *("gotify", "gotifys", "ntfy", "ntfys", "pover", "pbul", "bark", "barks", "wecombot", "smsc", "twilio"),
    }
)
"""Schemes of the URLs that are let through; for some services the web hook's own https:// address does as well."""
WITH_KEY = frozenset({"json", "jsons", "form", "forms", "xml", "xmls"})
"""Receivers that are given the message's key in a header: they can recognise a repeat."""

MOST = 5
LONGEST = 500
CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 10.0


@dataclass(frozen=True, slots=True)
class Shown:
    """One address as pages show it: `key` names it without giving it away."""

    key: str
    label: str


def read_many(text: str, *, allows_private: bool, path: str = "urls") -> list[str]:
    """Return the addresses of a text, one a line. Raises InputError that names the line and repeats no secret, and
    for more than MOST.
    """
    found: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        url = line.strip()
        if url and url not in found:
            try:
                check(url, allows_private=allows_private)
            except InputError as problem:
                raise InputError(
                    path=path, ru=f"строка {number}: {problem.data['ru']}", en=f"line {number}: {problem.data['en']}"
                ) from None
            found.append(url)
        if len(found) > MOST:
            # Reading one takes a moment: a megabyte of them would hold the process for minutes.
            raise too_many(path)
    return found


def too_many(path: str = "urls") -> InputError:
    return InputError(path=path, ru=f"адресов не больше {MOST}", en=f"at most {MOST} addresses")


def check(url: str, *, allows_private: bool) -> None:
    """Raise InputError for an address that cannot be used or must not be."""
    plugin = open_address(url)
    host = _host(plugin)
    if host is None:
        return
    is_literal = host.strip("[]").replace(".", "").isdigit() or ":" in host
    is_local = host.lower().rstrip(".") == "localhost" or host.lower().endswith(".localhost")
    known = "127.0.0.1" if is_local else host.strip("[]")
    if (is_literal or is_local) and is_refused(known, allows_private=allows_private):
        raise InputError(
            path="urls",
            ru="адрес внутренней сети; разрешить такие может администратор в настройках",
            en="an address of the internal network; an administrator can allow those in the settings",
        )


def open_address(url: str) -> Any:
    """Return the plugin behind an address, ready to send. Raises InputError, which does not repeat the address."""
    scheme = url.partition("://")[0].lower()
    if len(url) > LONGEST:
        raise InputError(path="urls", ru=f"длиннее {LONGEST} знаков", en=f"longer than {LONGEST} characters")
    if not url.isprintable() or (scheme not in SERVICES and scheme != "https"):
        raise InputError(
            path="urls",
            ru="такой службы в списке разрешённых нет; пример: tgram://токен/чат",
            en="no such service is on the list of those allowed; for example tgram://token/chat",
        )
    plugin = _apprise().Apprise.instantiate(url, asset=_asset(), suppress_exceptions=True)
    if plugin is None or not SERVICES & _schemes(plugin):
        raise InputError(path="urls", ru="адрес не разобран", en="the address cannot be understood")
    if getattr(plugin, "template", None):
        # It would be read from the disk of this machine and sent.
        raise InputError(path="urls", ru="параметр template не разрешён", en="the parameter template is not allowed")
    # Whatever the address asks for: a hanging receiver, a redirect or a failure that does not count would cost others.
    plugin.socket_connect_timeout, plugin.socket_read_timeout = CONNECT_SECONDS, ANSWER_SECONDS
    plugin.redirects = plugin.optional = False
    plugin.retry = 0
    plugin.overflow_mode = _apprise().OverflowMode.TRUNCATE
    return plugin


def send(plugin: Any, *, subject: str, body: str, key: str) -> tuple[bool, str]:
    """Send one message; return whether the service took it, and what the plugin wrote about it.

    Blocks for as long as the service lets it: call it through `outward.call`.
    """
    apprise = _apprise()
    if WITH_KEY & _schemes(plugin):
        plugin.headers["Idempotency-Key"] = key
    service = apprise.Apprise(asset=_asset())
    service.add(plugin)
    result = service.notify(body=body or subject, title=subject, body_format=apprise.NotifyFormat.TEXT)
    return bool(result), "\n".join(entry.message for entry in result.logs())


def key_of(url: str, secret: str) -> str:
    """Return by what an address is named where it must not be shown; without `secret` nobody can guess at it."""
    return blake2b(url.encode(), key=secret.encode()[:64], digest_size=6).hexdigest()


def shown(url: str, secret: str) -> Shown:
    """Return an address as pages and the outbox show it: the service, its host where that is no secret, its key."""
    key = key_of(url, secret)
    try:
        plugin = open_address(url)
    except InputError:
        return Shown(key, f"? · {key[:4]}")
    host = _host(plugin)
    place = f" · {host}{f':{plugin.port}' if plugin.port else ''}" if host else ""
    return Shown(key, f"{plugin.service_name}{place} · {key[:4]}")


def brief(url: str, key: str) -> str:
    """Return how the outbox writes an address, without loading what knows the services: its scheme and its key."""
    return f"{url.partition('://')[0].lower()} · {key[:4]}"


def find(urls: Iterable[str], key: str, secret: str) -> str | None:
    """Return the address that a key names; None: it is not among them any more."""
    return next((url for url in urls if key_of(url, secret) == key), None)


def warm_up() -> None:
    """Load Apprise and its plugins: a second of work that processes forked from this one are spared."""
    _apprise()


def _host(plugin: Any) -> str | None:
    """Return the host that the address itself names; None where the service has one of its own."""
    has_host = all("{host}" in template or "{hostname}" in template for template in plugin.templates)
    return str(plugin.host) if has_host and plugin.host else None


def _schemes(plugin: Any) -> set[str]:
    """Return the schemes by which the service is addressed."""
    named = (plugin.protocol, plugin.secure_protocol)
    return {scheme for one in named if one for scheme in ((one,) if isinstance(one, str) else one)}


@cache
def _apprise() -> ModuleType:
    with warnings.catch_warnings():
        # Some of its plugins, none of them let through here, import what Python will do without one day.
        warnings.simplefilter("ignore", DeprecationWarning)
        # Not before somebody has an address: with its plugins it takes a second to load.
        import apprise

        apprise.Apprise.instantiate("json://example.org")
    # It writes whole addresses into its log when it does not understand them.
    log = logging.getLogger("apprise")
    log.propagate = False
    log.addHandler(logging.NullHandler())
    loaded: ModuleType = apprise
    return loaded


@cache
def _asset() -> Any:
    # In this thread and one after the other, so that whoever watches the thread sees its connections.
    return _apprise().AppriseAsset(async_mode=False, app_id="Pravila", http_redirects=False, service_timeout=0)
