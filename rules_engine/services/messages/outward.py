"""Connections to addresses that people typed: never into the internal network, never for longer than they may take.

Somebody who may say where his messages go could otherwise have the server call what only the server can reach. The
address of each connection is looked at when it is made, so a name that resolves to another address the second time
changes nothing.
"""

import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, TypeVar

_EVENTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_TRANSLATED = IPv6Network("64:ff9b::/96")
"""NAT64: the last four bytes are the IPv4 address behind."""
_NOWHERE_PUBLIC = tuple(IPv6Network(one) for one in ("64:ff9b:1::/48", "::ffff:0:0:0/96", "fec0::/10"))
"""NAT64 of a house, translation without state, site-local: Python takes them for public, and they lead inside."""

Result = TypeVar("Result")


class AddressRefused(OSError):
    """A connection to an address that is not to be reached was not made."""


@dataclass(slots=True)
class Watch:
    """What one call may reach, and whether it tried more."""

    allows_private: bool
    has_refused: bool = False


_watch: ContextVar[Watch | None] = ContextVar("pravila_outward", default=None)
_installing = threading.Lock()
_is_installed = False


def is_refused(address: str, *, allows_private: bool = False) -> bool:
    """Return whether nothing may be sent to this IP address; what is no IP address is refused.

    Private and loopback addresses can be allowed; link-local ones (where clouds keep their machines' secrets),
    multicast and unspecified never.

    >>> [is_refused(one) for one in ("93.184.216.34", "127.0.0.1", "10.0.0.7", "::ffff:192.168.1.1", "169.254.169.254")]
    [False, True, True, True, True]
    >>> [is_refused(one, allows_private=True) for one in ("127.0.0.1", "10.0.0.7", "169.254.169.254", "0.0.0.0")]
    [False, False, True, True]
    >>> [is_refused(one) for one in ("64:ff9b::a00:7", "64:ff9b:1::a00:7", "::ffff:0:10.0.0.7", "fec0::1")]
    [True, True, True, True]
    """
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return True
    behind = _behind(found)
    if behind.is_link_local or behind.is_multicast or behind.is_unspecified:
        return True
    if any(behind in network for network in _NOWHERE_PUBLIC):
        return True
    return not behind.is_global and not (allows_private and (behind.is_private or behind.is_loopback))


def _behind(found: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that an IPv6 one stands for, else the address itself."""
    if isinstance(found, IPv4Address):
        return found
    if found in _TRANSLATED:
        return IPv4Address(int(found) & 0xFFFFFFFF)
    return found.ipv4_mapped or found.sixtofour or found


def call(what: Callable[[], Result], *, seconds: float, allows_private: bool = True, watched: bool = True) -> Result:
    """Return what a blocking call returns, made in a thread of its own. Raises what it raises.

    Raises TimeoutError after `seconds`: nobody waits any longer, and what the call still does is left to itself. With
    `watched` it reaches public addresses only, and with `allows_private` internal ones too; AddressRefused is raised
    when it tried another, whatever it made of the refusal.
    """
    watch = Watch(allows_private) if watched else None
    answers: list[Result] = []
    problems: list[BaseException] = []

    def run() -> None:
        token = _watch.set(watch)
        try:
            answers.append(what())
        except BaseException as problem:
            problems.append(problem)
        finally:
            _watch.reset(token)

    if watched:
        _install()
    thread = threading.Thread(target=copy_context().run, args=(run,), name="outward", daemon=True)
    thread.start()
    thread.join(seconds)
    if watch is not None and watch.has_refused:
        raise AddressRefused("an address that is not to be reached")
    if problems:
        raise problems[0]
    if not answers:
        raise TimeoutError(f"no answer within {seconds:g} s")
    return answers[0]


def _install() -> None:
    """Look at every connection of this process from now on; Python cannot take such a hook back."""
    global _is_installed
    with _installing:
        if not _is_installed:
            sys.addaudithook(_look)
            _is_installed = True


def _look(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in _EVENTS:
        return
    watch = _watch.get()
    if watch is None:
        return
    address = arguments[1]
    host = address[0] if isinstance(address, tuple) and address else ""
    if not isinstance(host, str) or is_refused(host, allows_private=watch.allows_private):
        watch.has_refused = True
        raise AddressRefused("an address that is not to be reached")
