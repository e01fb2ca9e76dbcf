"""The rule editor on the cast of tests/factories.py, with two short rulesets in force."""

from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker
from werkzeug.test import TestResponse

from rules_engine import db
from rules_engine.models import RulesetDraft
from rules_engine.services.drafts import editing
from tests.admin.conftest import Browser
from tests.factories import Cast, assignment_rules, condition, escalation_rules, make_version, rule

OWN = {
    "action": "assign",
    "to": {"pool": "owner"},
    "answer_within": 30,
    "among": {"all": [condition("candidate.unanswered_requests", "lt", 10)]},
}
LARGE = {"action": "assign", "to": {"pool": "team", "team": "others"}, "strategy": "fair_share", "answer_within": 15}


def two_rules() -> dict[str, Any]:
    body = assignment_rules(
        rule("own", condition("client.owner", "is_filled"), OWN),
        rule("large", condition("request.amount", "ge", "150000"), LARGE),
    )
    body["rules"][0]["title"] = {"ru": "Свой клиент", "en": "Own client"}
    body["rules"][1]["title"] = {"ru": "Крупные", "en": "Large ones"}
    body["cases"] = [{"title": "крупная", "facts": {"request.amount": "200000"}, "expect": {"fired": ["large"]}}]
    return body


@dataclass
class Form:
    """One form of a page: where it goes and what it would send, without its buttons."""

    action: str
    fields: list[tuple[str, str]]
    buttons: list[tuple[str, str]]


class Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._open: Form | None = None
        self._select: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = Form(given.get("action", ""), [], [])
            self.forms.append(self._open)
        if self._open is None:
            return
        name = given.get("name", "")
        if tag == "input" and name:
            if given.get("type") in ("checkbox", "radio") and "checked" not in given:
                return
            self._open.fields.append((name, given.get("value", "")))
        elif tag == "button" and name:
            self._open.buttons.append((name, given.get("value", "")))
        elif tag == "select":
            self._select = name
            self._open.fields.append((name, ""))
        elif tag == "option" and "selected" in given and self._select:
            self._open.fields[-1] = (self._select, given.get("value", ""))
        elif tag == "textarea":
            self._open.fields.append((name, ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        elif tag == "select":
            self._select = None


def form_with(text: str, button: str, rule_id: str | None = None) -> Form:
    """Return the form of a page that has the button `do=button`, of one rule where it is named."""
    reader = Forms()
    reader.feed(text)
    for form in reader.forms:
        if ("do", button) in (*form.buttons, *form.fields) and (rule_id is None or ("rule", rule_id) in form.fields):
            return form
    raise AssertionError(f"no form with {button}")


@dataclass
class Editor:
    """One person at the draft of the assignment rules, sending the forms that the pages hold."""

    browser: Browser
    sessions: sessionmaker[Session]
    path: str = "/rules/assignment"

    def open(self, **query: str) -> str:
        """Return the page of the draft, begun where there is none."""
        if self.draft() is None:
            assert self.browser.post(f"{self.path}/draft/start").status_code == 302
        answer = self.browser.get(f"{self.path}/draft", query_string=query)
        assert answer.status_code == 200
        return answer.text

    def send(self, form: Form, button: str, **values: Any) -> TestResponse:
        """Send a form as a browser without scripts does: its fields, some of them filled in, and the button."""
        data: dict[str, Any] = {}
        for name, value in form.fields:
            data.setdefault(name, []).append(value)
        data |= values
        data["do"] = button
        return self.browser.post(form.action, data)

    def do(self, button: str, rule_id: str | None = None, at: str = "", **values: Any) -> TestResponse:
        """Open the place in the draft, press the button there, follow to the next page."""
        query = {"edit": rule_id or "", "at": at}
        form = form_with(self.open(**query), button, rule_id)
        if at and ("at", at) not in form.fields:
            values.setdefault("at", at)
        return self.send(form, button, **values)

    def draft(self) -> RulesetDraft | None:
        with self.sessions() as session:
            return editing.draft(session, self.path.rpartition("/")[2])

    def body(self) -> dict[str, Any]:
        draft = self.draft()
        assert draft is not None
        return draft.body


@pytest.fixture
def rulesets(cast: Cast, sessions: sessionmaker[Session]) -> Cast:
    with db.transaction(sessions) as session:
        make_version(session, "assignment", two_rules())
        half = rule("half", condition("request.answer_used_pct", "ge", "50"), {"action": "remind", "text": "ждёт"})
        make_version(session, "escalation", escalation_rules(half))
    return cast


@pytest.fixture
def editor(
    rulesets: Cast, sessions: sessionmaker[Session], logged_in: Callable[[str], Browser]
) -> Callable[[str], Editor]:
    return lambda login: Editor(logged_in(login), sessions)


@pytest.fixture
def head(editor: Callable[[str], Editor]) -> Editor:
    return editor("galina")
