"""The interface on an installation of its own, called as another program calls it, with a clock that stands still."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker
from werkzeug.test import TestResponse

from admin.base import Shell
from rules_engine import clock, db
from rules_engine.services.company import tokens
from rules_engine.services.company.tokens import SCOPES
from rules_engine.services.running import agenda
from rules_engine.settings import Settings
from tests.factories import MONDAY, Cast, assignment_rules, escalation_rules, make_cast, make_version
from tests.web import app_of


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
def any_app(settings: Settings, database_url: str, business_clock: StandingClock) -> Iterator[Flask]:
    with app_of(settings, database_url, business_clock) as app:
        yield app


def sessions_of(app: Flask) -> sessionmaker[Session]:
    shell: Shell = app.extensions["pravila"]
    return db.make_sessions(shell.engine, shell.settings)


def found_company(app: Flask) -> Cast:
    """Make the cast with rules that give everything to everybody in turn."""
    with db.transaction(sessions_of(app)) as session:
        cast = make_cast(session)
        make_version(session, "assignment", assignment_rules())
        make_version(session, "escalation", escalation_rules())
    return cast


def let_work(app: Flask, now: datetime) -> None:
    """Do what the workers would do at that instant."""
    agenda.run_due(sessions_of(app), now)


class Program:
    """Another program with a token; `scopes` None: it may do everything."""

    def __init__(self, app: Flask, *scopes: str, name: str = "crm") -> None:
        with db.transaction(sessions_of(app)) as session:
            _, self.secret = tokens.create(session, name, scopes or SCOPES, now=clock.now())
        self.client: FlaskClient = app.test_client()

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> TestResponse:
        more: dict[str, Any] = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.open(
            f"/api/v1{path}", method=method, headers={"Authorization": f"Bearer {self.secret}", **named}, **more
        )

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> TestResponse:
        return self.call("POST", path, {} if body is None else body, **headers)

    def patch(self, path: str, body: Any, **headers: str) -> TestResponse:
        return self.call("PATCH", path, body, **headers)


@pytest.fixture
def cast(app: Flask) -> Cast:
    return found_company(app)


@pytest.fixture
def program(app: Flask) -> Program:
    return Program(app)


@pytest.fixture
def reading(app: Flask) -> Iterator[Session]:
    """What is stored, read anew after each rollback; it keeps no writer out."""
    shell: Shell = app.extensions["pravila"]
    engine: Engine = shell.engine
    with db.make_reading_sessions(engine, shell.settings)() as session:
        yield session


BODY: dict[str, Any] = {
    "source": "site",
    "external_id": "A-1001",
    "received_at": "2026-10-05T11:20:00+03:00",
    "client": {
        "source": "1c",
        "external_id": "K-17",
        "name": "ООО Ромашка",
        "phone": "+7 495 000-00-00",
        "email": "a@example.org",
    },
    "service": "hosting",
    "channel": "web",
    "region": "Москва",
    "amount": "14500.00",
    "text": "Нужен хостинг",
}
