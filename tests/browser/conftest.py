"""Chromium against a real server on loopback: the pages as people use them, at both widths and in both languages.

A page that writes an error to its console, breaks its own content policy or scrolls sideways fails its test.
"""

import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy.orm import Session, sessionmaker
from waitress import create_server, wasyncore

from hatch_build import compile_catalogues
from rules_engine import clock, db
from rules_engine.settings import Settings
from tests.browser.chromium import FLAGS, program
from tests.conftest import skip_or_fail
from tests.factories import PASSWORD
from tests.web import app_of

playwright_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

WIDE = {"width": 1440, "height": 1000}
PHONE = {"width": 390, "height": 844}
SHOTS = Path(__file__).parent / "shots"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(str(item.fspath)).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.browser)


@dataclass
class BusinessClock:
    """The clock of the pages: the machine's, unless a test stops it."""

    at: datetime | None = None

    def __call__(self) -> datetime:
        return self.at or clock.now()


@dataclass
class Site:
    """A running web process of one installation."""

    url: str
    app: Flask
    clock: BusinessClock
    sessions: sessionmaker[Session]


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    path = program()
    if path is None:
        skip_or_fail("Chromium is not installed")
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def site(settings: Settings, sqlite_url: str) -> Iterator[Site]:
    """The pages on a free port of loopback, on a database of their own."""
    compile_catalogues(Path(__file__).parents[2])
    business_clock = BusinessClock()
    # Handed over open, so that nobody can take the port in between.
    listener = socket.create_server(("127.0.0.1", 0))
    with app_of(settings, sqlite_url, business_clock) as app:
        app.testing = False  # a view that fails answers with its page, as it would in earnest
        server = create_server(app, sockets=[listener], threads=4)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        shell = app.extensions["pravila"]
        yield Site(
            f"http://127.0.0.1:{listener.getsockname()[1]}",
            app,
            business_clock,
            db.make_sessions(shell.engine, shell.settings),
        )
        # In the thread that waits on these sockets: closed from here, it could find them gone.
        # A task that ends in between wakes the thread first, and then it is gone by itself.
        with suppress(OSError):
            server.trigger.pull_trigger(lambda: wasyncore.close_all(server._map, ignore_all=True))
        thread.join(timeout=10)
        server.task_dispatcher.shutdown()
        listener.close()


@dataclass
class Person:
    """Somebody at a browser. `trouble` gathers what the console and the network complain about."""

    page: object
    url: str
    trouble: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    """Answers that a test provokes on purpose: parts of the messages that Chromium writes about them."""

    def open(self, path: str) -> None:
        self.page.goto(self.url + path)
        self.look()

    def log_in(self, login: str, language: str = "ru") -> None:
        self.page.goto(self.url + "/login")
        if self.page.locator("html").get_attribute("lang") != language:
            self.page.locator(f".langs button[value={language}]").click()
        self.page.locator("input[name=login]").fill(login)
        self.page.locator("input[name=password]").fill(PASSWORD)
        self.page.locator("form.card button").click()
        self.page.wait_for_url(lambda url: "/login" not in url)
        if self.page.locator("html").get_attribute("lang") != language:
            self.page.locator(f".langs button[value={language}]").click()
        self.look()

    def settle(self) -> None:
        """Wait until what was asked for stands in the page: a key that is faster than any hand would be lost."""
        busy = self.page.locator(".htmx-request, .htmx-swapping, .htmx-settling, .htmx-added")
        while busy.count():
            busy.first.wait_for(state="detached")

    def await_focus(self, selector: str) -> None:
        """Wait until the keys go there, and what was asked for stands in the page."""
        self.page.locator(f"{selector}:focus").wait_for()
        self.settle()

    def await_announced(self, text: str) -> None:
        """Wait until a screen reader is told so."""
        self.page.locator("#live", has_text=text).wait_for(state="attached")

    def look(self) -> None:
        """Check what must hold of every page that is shown."""
        self.page.wait_for_load_state("load")
        wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{self.page.url} scrolls sideways by {wide} px"
        assert self.trouble == [], f"{self.page.url}: {self.trouble}"

    def look_at_both_widths(self, name: str) -> None:
        """Check the page that is shown as a wide one and as a phone's, and keep a picture of each."""
        for size in (PHONE, WIDE):
            self.page.set_viewport_size(size)
            self.look()
            self.shot(f"{name}-{size['width']}")

    def shot(self, name: str) -> None:
        """Keep a picture of the page beside the tests, for a person to look at; it is not committed."""
        if os.environ.get("PRAVILA_SHOTS"):
            SHOTS.mkdir(exist_ok=True)
            self.page.screenshot(path=SHOTS / f"{name}.png", full_page=True)

    def noted(self, text: str) -> None:
        if not any(part in text for part in self.expected):
            self.trouble.append(text)


@pytest.fixture
def person(chromium: object, site: Site) -> Iterator[Callable[..., Person]]:
    """Returns a function that seats somebody, `person(PHONE, dark=True)`, each with a browser context of his own."""
    contexts = []

    def seat(width: dict[str, int] = WIDE, *, dark: bool = False, scripts: bool = True) -> Person:
        context = chromium.new_context(
            viewport=width,
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
            locale="ru-RU",
            has_touch=width is PHONE,
        )
        context.set_default_timeout(15_000)
        contexts.append(context)
        someone = Person(context.new_page(), site.url)
        page = someone.page
        page.on("console", lambda said: someone.noted(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: someone.noted(str(error)))
        page.on(
            "requestfailed", lambda one: someone.noted(f"{one.url}: {one.failure}") if _is_foreign(one, site) else None
        )
        return someone

    yield seat
    for context in contexts:
        context.close()


def _is_foreign(request: object, site: Site) -> bool:
    """A request of ours may be cut off by the next page; one to anywhere else must not exist at all."""
    return not request.url.startswith(site.url) and not re.match(r"(tel|mailto|data|blob):", request.url)
