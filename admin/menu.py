"""The top bar: a link for each page that the viewer's role may open."""

from dataclasses import dataclass
from typing import Any

from flask import Flask, g, request, url_for
from flask_babel import LazyString, lazy_gettext

from admin.access import may
from admin.base import Filling
from admin.security import csp_nonce, viewer_or_none
from rules_engine.models import Role


@dataclass(frozen=True, slots=True)
class Item:
    endpoint: str
    label: LazyString
    prefixes: tuple[str, ...]
    """Pages under these paths belong to the item."""
    roles: frozenset[Role] = frozenset(Role)
    """Whose top bar shows it; whether one may open it says access.py."""


STAFF = frozenset({Role.HEAD, Role.ADMINISTRATOR, Role.AUDITOR})

ITEMS: tuple[Item, ...] = (
    Item("home.home", lazy_gettext("Home"), ("/",), STAFF),
    Item("my.index", lazy_gettext("My tasks"), ("/my/",), frozenset({Role.MANAGER})),
    Item("rules.index", lazy_gettext("Rules"), ("/rules/", "/modes/"), STAFF),
    Item("control.index", lazy_gettext("Control"), ("/control/", "/otherwise/"), STAFF),
    Item("overdue.index", lazy_gettext("Overdue actions"), ("/overdue/",), frozenset({Role.HEAD})),
    Item("requests.index", lazy_gettext("Requests"), ("/requests/",)),
    Item("clients.index", lazy_gettext("Clients"), ("/clients/",)),
    Item("bonus.mine", lazy_gettext("Bonus"), ("/my/bonus", "/bonuses/"), frozenset({Role.MANAGER})),
    Item("payments.index", lazy_gettext("Payments"), ("/payments/", "/plans/"), STAFF),
    Item("bonus.index", lazy_gettext("Bonuses"), ("/bonuses/",), STAFF),
    Item(
        "admin.index",
        lazy_gettext("Reference data"),
        ("/admin/", "/jobs/", "/settings/", "/calendars/", "/duty/", "/leaving/"),
        STAFF,
    ),
)


def items(role: Role, path: str) -> list[dict[str, Any]]:
    """Return the links of the top bar: label, address, and whether the present page is below it.

    Of two items that a page is below the longer path has it: /my/bonus is not one of the tasks under /my/.
    """
    shown = [item for item in ITEMS if role in item.roles and may(item.endpoint, role)]
    longest = max((_match(item, path) for item in shown), default=0)
    return [
        {"label": item.label, "url": url_for(item.endpoint), "current": 0 < _match(item, path) == longest}
        for item in shown
    ]


def _match(item: Item, path: str) -> int:
    """Return how many characters of the path lead to the item; 0: none do."""
    fitting = (one for one in item.prefixes if path == one or (one != "/" and path.startswith(one)))
    return max(map(len, fitting), default=0)


def init_app(app: Flask) -> None:
    @app.context_processor
    def top_bar() -> dict[str, Any]:
        viewer = viewer_or_none()
        filling: Filling | None = g.get("pravila_filling")
        return {
            "viewer": viewer,
            "may": lambda endpoint: viewer is not None and may(endpoint, viewer.role),
            "menu_items": items(viewer.role, request.path) if viewer else [],
            "filling": filling,
            "csp_nonce": csp_nonce,
        }
