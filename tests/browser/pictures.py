"""The pictures of the guide for heads: `python -m tests.browser.pictures [--home DIR] [--to DIR]`.

Fills a small demo company of its own, or takes a copy of a filled home, starts the pages on it and photographs them in
both languages with Chromium. What is photographed is what the pages show: nothing is drawn by hand.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from tests.browser.chromium import FLAGS, program

ROOT = Path(__file__).parents[2]
TO = ROOT / "docs/img/guide"
PASSWORD = "pravila-demo"
HEAD = "svetlana"
SIZE = {"width": 1280, "height": 540}
LARGEST = 150_000
FILL = ("--managers", "8", "--months", "3", "--requests-per-month", "120", "--seed", "4")
ASSIGNMENT = "/rules/assignment"
BONUS = "/rules/bonus"
ROWS = {
    "ru": (
        "Название\tСумма\tРегион\tКому\tСрок ответа",
        "Крупные из Казахстана\t≥ 1 000 000\tКазахстан; Киргизия\tзакреплённый менеджер; дежурный\t15",
        "Средние\tот 200 000 до 1 000 000\t\tлюбой менеджер\tскоро",
        "Мелкие\tменьше 200 000\tне Москва\tлюбой менеджер\t1 ч",
    ),
    "en": (
        "Name\tAmount\tRegion\tTo whom\tAnswer within",
        "Large from Kazakhstan\t≥ 1,000,000\tKazakhstan; Kyrgyzstan\tthe owner; whoever is on duty\t15",
        "Medium\tfrom 200,000 to 1,000,000\t\tany manager\tsoon",
        "Small\tless than 200,000\tnot Moscow\tany manager\t1 h",
    ),
}


def main() -> int:
    reading = argparse.ArgumentParser(description=__doc__)
    reading.add_argument("--home", type=Path, help="a filled home to copy instead of filling one")
    reading.add_argument("--to", type=Path, default=TO)
    asked = reading.parse_args()
    asked.to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        if asked.home:
            shutil.copytree(asked.home, home)
        else:
            _run(home, "demo", "--no-serve", *FILL)
        with _served(home) as url:
            photograph(url, asked.to)
    return 0


def photograph(url: str, to: Path) -> None:
    """Write the pictures of both languages; each run begins without a draft of the assignment rules."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program(), args=FLAGS)
        for lang in ("ru", "en"):
            page = chromium.new_page(viewport=SIZE, locale="ru-RU", color_scheme="light", reduced_motion="reduce")
            page.set_default_timeout(20_000)
            Photographer(page, url, to, lang).all()
            page.close()
        chromium.close()


class Photographer:
    """One head at one browser, in one language."""

    def __init__(self, page: Page, url: str, to: Path, lang: str) -> None:
        self._page, self._url, self._to, self._lang = page, url, to, lang

    def all(self) -> None:
        self._log_in()
        self._give_up(ASSIGNMENT)
        self._begin(ASSIGNMENT)
        steps: tuple[tuple[str, Callable[[], None]], ...] = (
            ("change", self._change),
            ("try", self._try),
            ("approve", self._approve),
            ("paste", self._paste),
            ("bonus", self._bonus),
        )
        for name, step in steps:
            step()
            self._shot(name)
        self._give_up(ASSIGNMENT)

    def _change(self) -> None:
        self._go(f"{ASSIGNMENT}/draft")
        self._page.locator("#rule-own-client a.chip").first.click()
        self._page.locator("#open-form").wait_for()
        self._page.locator("#rule-own-client").evaluate("one => window.scrollTo(0, one.offsetTop - 70)")

    def _try(self) -> None:
        self._go(f"{ASSIGNMENT}/draft")
        self._page.locator("#try .found a").first.click()
        self._page.locator("#try .verdicts").wait_for()
        self._page.locator("#try").scroll_into_view_if_needed()

    def _approve(self) -> None:
        for rule, value in (("phone-chat", "15"), ("own-client", "45")):
            at = {"rule": rule, "at": "/then/0", "column": "action:assign:answer_within"}
            self._page.goto(
                f"{self._url}{ASSIGNMENT}/draft/table?" + "&".join(f"{key}={text}" for key, text in at.items())
            )
            self._page.locator("#a-answer_within").fill(value)
            self._page.locator("#open-form button[value=action]").click()
            self._page.locator("#open-form").wait_for(state="detached")
        self._go(f"{ASSIGNMENT}/approval")

    def _paste(self) -> None:
        self._go(f"{ASSIGNMENT}/draft/paste")
        self._page.locator("#paste-box").fill("\n".join(ROWS[self._lang]))
        self._page.locator("button[value=check]").click()
        self._page.locator(".preview").wait_for()

    def _bonus(self) -> None:
        self._begin(BONUS)
        for rule in ("quality", "plan"):
            self._go(f"{BONUS}/draft?edit={rule}&at=/then/0")
            if self._page.locator(".pay-curve").count():
                self._page.locator(".pay-curve svg").first.evaluate("one => one.scrollIntoView({block: 'end'})")
                self._page.evaluate("window.scrollBy(0, 40)")
                return

    def _log_in(self) -> None:
        page = self._page
        page.goto(f"{self._url}/login")
        page.locator("input[name=login]").fill(HEAD)
        page.locator("input[name=password]").fill(PASSWORD)
        page.locator("form.card button").click()
        page.wait_for_url(lambda url: "/login" not in url)
        page.locator(f".langs button[value={self._lang}]").click()
        page.wait_for_load_state()

    def _begin(self, path: str) -> None:
        """Open a draft where there is none."""
        self._go(f"{path}/")
        start = self._page.locator(f'form[action="{path}/draft/start"] button')
        if start.count():
            start.first.click()
            self._page.wait_for_load_state()

    def _give_up(self, path: str) -> None:
        self._page.goto(f"{self._url}{path}/draft/discard")
        if self._page.url.endswith("/discard"):
            self._page.locator("main form button").last.click()
            self._page.wait_for_load_state()

    def _go(self, path: str) -> None:
        self._page.goto(self._url + path)
        self._page.wait_for_load_state("networkidle")

    def _shot(self, name: str) -> None:
        self._page.wait_for_timeout(600)
        file = self._to / f"{name}-{self._lang}.png"
        self._page.screenshot(path=file, scale="css", caret="initial")
        size = file.stat().st_size
        print(f"{file.name}: {size // 1000} kB")
        if size > LARGEST:
            raise SystemExit(f"{file.name} is larger than {LARGEST // 1000} kB")


@contextmanager
def _served(home: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    server = subprocess.Popen([*_pravila(), "web"], env=_environment(home, port))
    try:
        _wait_for(f"{url}/login", server)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=20)


def _wait_for(url: str, server: "subprocess.Popen[bytes]") -> None:
    for _attempt in range(120):
        if server.poll() is not None:
            raise SystemExit("the pages did not start")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.5)
    raise SystemExit("the pages did not answer")


def _run(home: Path, *words: str) -> None:
    home.mkdir(parents=True)
    subprocess.run([*_pravila(), *words], env=_environment(home), check=True)


def _pravila() -> list[str]:
    return [sys.executable, "-m", "rules_engine.cli"]


def _environment(home: Path, port: int = 8000) -> dict[str, Any]:
    return {**os.environ, "PRAVILA_HOME": str(home), "PRAVILA_PORT": str(port)}


if __name__ == "__main__":
    sys.exit(main())
