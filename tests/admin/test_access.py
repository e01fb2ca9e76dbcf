"""Every route of the application, for every role: what the table says is what happens."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask
from werkzeug.routing import Rule

from admin import access
from admin.access import Open
from admin.app import create_app
from rules_engine.models import Role
from rules_engine.settings import Settings
from tests.admin.conftest import Browser
from tests.factories import Cast

LOGINS = {Role.ADMINISTRATOR: "denis", Role.HEAD: "galina", Role.MANAGER: "anna", Role.AUDITOR: "zhanna"}
ANSWERS = {200, 302, 304, 400, 401, 404, 405, 409, 422, 503}
"""What a page may answer to somebody who may open it; 403 and 5xx are not among them."""
ENDS_SESSION = {"login.logout", "login.password"}


def address(rule: Rule) -> str:
    """Return an address of the rule, with a number or a word in each of its places; nothing has this key."""
    return re.sub(r"<(?:(\w+):)?\w+>", lambda found: "999999" if found[1] == "int" else "nothing", rule.rule)


def test_every_route_stands_in_the_table_and_every_row_has_a_route(app: Flask) -> None:
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}

    assert endpoints - set(access.TABLE) == set(), "routes without a row: add them to admin/access.py"
    assert set(access.TABLE) - endpoints == set(), "rows without a route"


def test_a_route_without_a_row_is_open_to_nobody(settings: Settings, sqlite_url: str, cast: Cast) -> None:
    app = create_app(replace(settings, database_url=sqlite_url))
    app.add_url_rule("/forgotten", "forgotten", lambda: "open")
    denis = Browser(app.test_client())
    denis.log_in("denis")

    assert denis.get("/settings/").status_code == 200
    assert denis.get("/forgotten").status_code == 404
    app.extensions["pravila"].engine.dispose()


def test_a_stranger_is_sent_to_the_login_page_from_everywhere(app: Flask, browser: Browser) -> None:
    for rule in app.url_map.iter_rules():
        row = access.row_of(rule.endpoint)
        if isinstance(row, Open):
            continue
        for method in rule.methods & {"GET", "POST"}:
            answer = browser.client.open(address(rule), method=method)
            assert answer.status_code == 302, f"{method} {rule.rule}"
            assert answer.location.startswith("/login"), f"{method} {rule.rule}"


@pytest.mark.parametrize("role", list(Role))
def test_each_role_opens_what_the_table_says_and_nothing_else(
    app: Flask, logged_in: Callable[[str], Browser], role: Role
) -> None:
    browser = logged_in(LOGINS[role])
    wrong = []
    for rule in app.url_map.iter_rules():
        row = access.row_of(rule.endpoint)
        if row is Open.BY_TOKEN or rule.endpoint in ENDS_SESSION:
            continue
        allowed = access.may(rule.endpoint, role)
        for method in sorted(rule.methods & {"GET", "POST"}):
            answer = browser.post(address(rule)) if method == "POST" else browser.client.get(address(rule))
            if (answer.status_code in ANSWERS) != allowed or (not allowed and answer.status_code != 403):
                wrong.append(f"{method} {rule.rule}: {answer.status_code}")
    assert wrong == []


def test_menus_show_only_what_may_be_opened(logged_in: Callable[[str], Browser]) -> None:
    for login in LOGINS.values():
        browser = logged_in(login)
        nav = browser.get("/password").text.partition("<nav")[2].partition("</nav>")[0]
        for link in re.findall(r'href="([^"]+)"', nav):
            assert browser.get(link).status_code == 200, f"{login} {link}"
