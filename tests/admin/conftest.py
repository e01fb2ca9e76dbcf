"""The web shell on a database of its own, with the cast of tests/factories.py and a clock that stands still."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask import session as web_session
from flask.testing import FlaskClient
from flask_wtf.csrf import generate_csrf
from sqlalchemy import Engine, event, select
from sqlalchemy.orm import Session, sessionmaker
from werkzeug.test import TestResponse

from admin.security import start_session
from hatch_build import compile_catalogues
from rules_engine import db
from rules_engine.models import Role, User
from rules_engine.services.company.passwords import hash_password
from rules_engine.settings import Settings
from tests.factories import MONDAY, PASSWORD, Cast, make_cast, make_user
from tests.web import app_of


@pytest.fixture(scope="session", autouse=True)
def catalogues() -> None:
    compile_catalogues(Path(__file__).parents[2])


@pytest.fixture(scope="session")
def password_hash() -> str:
    return hash_password(PASSWORD)


@dataclass
class StandingClock:
    at: datetime = MONDAY

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **delta: float) -> None:
        self.at += timedelta(**delta)


@pytest.fixture
def business_clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
def app(settings: Settings, sqlite_url: str, business_clock: StandingClock) -> Iterator[Flask]:
    with app_of(settings, sqlite_url, business_clock) as app:
        yield app


@pytest.fixture
def sessions(app: Flask) -> sessionmaker[Session]:
    shell = app.extensions["pravila"]
    return db.make_sessions(shell.engine, shell.settings)


@pytest.fixture
def cast(sessions: sessionmaker[Session], password_hash: str) -> Cast:
    """Everybody of the cast can log in with PASSWORD; beside them an auditor, Жанна."""
    with db.transaction(sessions) as session:
        cast = make_cast(session)
        make_user(session, "zhanna", "Жанна", role=Role.AUDITOR)
        for user in session.query(User):
            user.password_hash = password_hash
    return cast


class Browser:
    """A test client that carries the form token and remembers the last page, as a person's browser does."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.token = ""

    def get(self, path: str, **more: object) -> TestResponse:
        answer = self.client.get(path, **more)
        if found := re.search(r'name="csrf-token" content="([^"]+)"', answer.text):
            self.token = found[1]
        return answer

    def post(self, path: str, data: dict[str, object] | None = None, **more: object) -> TestResponse:
        return self.client.post(path, data={"csrf_token": self.token, **(data or {})}, **more)

    def log_in(self, login: str, password: str = PASSWORD) -> TestResponse:
        self.get("/login")
        answer = self.post("/login", {"login": login, "password": password})
        # A new session has a new token; the password page is open to everybody who is in.
        self.get("/password")
        return answer


@pytest.fixture
def browser(app: Flask) -> Browser:
    return Browser(app.test_client())


@pytest.fixture
def logged_in(app: Flask, cast: Cast, sessions: sessionmaker[Session]) -> Callable[[str], Browser]:
    """Returns a function that seats somebody who has logged in; test_login.py does it by the login page."""

    def enter(login: str) -> Browser:
        browser = Browser(app.test_client())
        with sessions() as session:
            user = session.scalars(select(User).where(User.login == login)).one()
        with app.test_request_context(environ_base=browser.client.environ_base):
            start_session(user)
            browser.token = generate_csrf()
            begun = dict(web_session)
        with browser.client.session_transaction() as kept:
            kept.update(begun)
        return browser

    return enter


@pytest.fixture
def count_queries(app: Flask) -> Iterator[Callable[[], int]]:
    """Returns a function that says how many statements ran since it was last asked."""
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    engine: Engine = app.extensions["pravila"].engine
    event.listen(engine, "before_cursor_execute", note)

    def count() -> int:
        number = len(statements)
        statements.clear()
        return number

    yield count
    event.remove(engine, "before_cursor_execute", note)
