"""One page of each kind that links lead to opens, and in English says nothing in Russian but what people wrote."""

import re
from collections.abc import Callable, Iterator
from html import unescape
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from flask import Flask
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.models import Calendar, Team, User
from rules_engine.services.drafts import editing
from rules_engine.services.requests.assignment import decide_and_assign
from rules_engine.services.rules import occasions
from rules_engine.services.rules.rulebook import DECISIONS
from rules_engine.services.running.setup import shipped_ruleset
from tests.admin.conftest import Browser
from tests.factories import MONDAY, Cast, make_client, make_request, make_version

RUSSIAN = re.compile(r"[А-Яа-яЁё]{2,}[^<>]*")
OWN_NAME = "Русский"
"""A language is called in itself."""


@pytest.fixture
def company(cast: Cast, sessions: sessionmaker[Session]) -> None:
    with db.transaction(sessions) as session:
        for user in session.query(User):
            user.name, user.locale = user.login, "en"
        for row in (*session.query(Team), *session.query(Calendar)):
            row.name = row.code
        occasions.install(session)
        for decision in DECISIONS:
            make_version(session, decision, in_both_languages(shipped_ruleset(decision)))
        editing.start_draft(session, "assignment", actor="galina", now=MONDAY)
        client = make_client(session, "Acme", owner=cast.boris)
        request = make_request(session, client=client, wake=False)
        decide_and_assign(session, request, MONDAY)


def in_both_languages(node: Any) -> Any:
    """Return a document of rules without what is written in Russian alone: notes, and reasons given in words."""
    if isinstance(node, dict):
        return {key: one if key == "ru" else in_both_languages(one) for key, one in node.items()}
    if isinstance(node, list):
        return [in_both_languages(one) for one in node]
    return "text" if isinstance(node, str) and RUSSIAN.search(node) else node


def links_of(page: str, path: str) -> Iterator[str]:
    for found in re.findall(r'href="([^"]+)"', page):
        target = urlsplit(urljoin(f"http://localhost{path}", unescape(found)))
        if target.netloc == "localhost":
            yield target.path + (f"?{target.query}" if target.query else "")


@pytest.mark.parametrize("login", ["galina", "boris"])
def test_all_links_open_and_english_is_english(
    login: str, app: Flask, company: None, logged_in: Callable[[str], Browser]
) -> None:
    browser = logged_in(login)
    match = app.url_map.bind("localhost").match
    waiting, seen, opened = ["/"], {"/"}, set[str]()
    broken, russian = [], []
    while waiting:
        path = waiting.pop(0)
        endpoint, _values = match(path.partition("?")[0], method="GET")
        if endpoint.endswith("static") or endpoint in opened:
            continue
        opened.add(endpoint)
        answer = browser.client.get(path, follow_redirects=True)
        if answer.status_code >= 400:
            broken.append((answer.status_code, path))
        if answer.mimetype != "text/html":
            continue
        text = re.sub(r"<(script|style).*?</\1>", "", answer.text, flags=re.DOTALL)
        russian += [(path, found) for found in RUSSIAN.findall(unescape(text)) if not found.startswith(OWN_NAME)]
        new = [one for one in dict.fromkeys(links_of(answer.text, path)) if one not in seen]
        seen.update(new)
        waiting += new
    assert broken == []
    assert russian == []
    assert len(opened) > (90 if login == "galina" else 10)
