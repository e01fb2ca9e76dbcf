"""Who may call, how often, and how the interface says no."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from redis.exceptions import ConnectionError as RedisAway

from admin.api import auth, limits
from admin.api.limits import Limiter
from admin.api.operations import OPERATIONS
from rules_engine import clock, db
from rules_engine.models import ApiToken, Replay
from rules_engine.services.company import tokens
from tests.api.conftest import BODY, Program, sessions_of
from tests.factories import MONDAY, Cast

REFUSED = "application/problem+json"


def test_without_a_valid_token_nothing_opens(app: Flask, program: Program) -> None:
    for header in ("", "Bearer", "Bearer wrong", f"Basic {program.secret}", "Bearer " + "x" * 10_000, program.secret):
        headers = {"Authorization": header} if header else {}
        answer = app.test_client().get("/api/v1/requests", headers=headers)
        assert (answer.status_code, answer.content_type) == (401, REFUSED)
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_every_operation_asks_for_its_scope(app: Flask, cast: Cast) -> None:
    for one in OPERATIONS.values():
        path = one.path.replace("{id}", "1")
        others = [scope for scope in tokens.SCOPES if scope != one.scope]
        answer = Program(app, *others, name=one.name).call(one.method, path, {})
        assert (answer.status_code, one.scope in answer.json["detail"]) == (403, True), one.name
        allowed = Program(app, one.scope, name=one.name).call(one.method, path, {} if one.body else None)
        assert allowed.status_code in (200, 404, 422), one.name


def test_an_expired_and_a_revoked_token_open_nothing(app: Flask, cast: Cast, program: Program) -> None:
    with db.transaction(sessions_of(app)) as session:
        token = session.query(ApiToken).one()
        token.expires_at = clock.now() - timedelta(seconds=1)
    assert program.get("/requests").status_code == 401


def test_the_use_of_a_token_is_noted(app: Flask, cast: Cast, program: Program) -> None:
    program.get("/requests")
    with sessions_of(app)() as session:
        used_at = session.query(ApiToken).one().last_used_at
    assert used_at is not None and clock.now() - used_at < timedelta(minutes=1)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that a test can reach."""
    monkeypatch.setattr(auth, "CALLS_A_MINUTE", 3)
    monkeypatch.setattr(auth, "FAILURES_A_MINUTE", 3)
    monkeypatch.setattr(clock, "now", lambda: MONDAY)


def test_too_many_calls_of_a_token_are_refused_and_other_tokens_are_not(
    app: Flask, cast: Cast, program: Program, few: None
) -> None:
    assert [program.get("/requests").status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    assert program.get("/requests").headers["Retry-After"] == "60"
    assert Program(app, name="other").get("/requests").status_code == 200


def test_guessing_tokens_is_slowed_down(app: Flask, program: Program, few: None) -> None:
    client = app.test_client()
    answers = [client.get("/api/v1/requests", headers={"Authorization": f"Bearer {n}"}).status_code for n in range(5)]
    assert answers == [401, 401, 401, 429, 429]


class AwayRedis:
    """A Redis that cannot be reached: counts how often it was tried."""

    def __init__(self) -> None:
        self.tried = 0

    def pipeline(self, transaction: bool) -> Any:
        self.tried += 1
        raise RedisAway


def test_without_redis_the_process_counts_for_itself_and_leaves_redis_alone_for_a_while() -> None:
    away = AwayRedis()
    limiter = Limiter(away)  # type: ignore[arg-type]
    assert [limiter.is_exceeded("a", 2, MONDAY) for _ in range(3)] == [False, False, True]
    assert not limiter.is_exceeded("a", 2, MONDAY + timedelta(minutes=1))
    assert away.tried == 1


def test_old_windows_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_KEPT", 10)
    limiter = Limiter(AwayRedis())  # type: ignore[arg-type]
    for number in range(30):
        limiter.is_exceeded(str(number), 1, MONDAY + timedelta(minutes=number))
    assert len(limiter._counts) <= 12


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/api/nothing", 404),
        ("GET", "/api/v1/requests/0x10", 404),
        ("DELETE", "/api/v1/requests", 405),
        ("PUT", "/api/v1/clients", 405),
    ],
)
def test_an_address_or_method_that_there_is_not_is_a_problem_too(
    app: Flask, method: str, path: str, status: int
) -> None:
    answer = app.test_client().open(path, method=method)
    assert (answer.status_code, answer.content_type, answer.json["status"]) == (status, REFUSED, status)
    if status == 405:
        assert answer.headers["Allow"]


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b'{"a": 1e999999}', "application/json", 422),
        (b'{"amount": NaN}', "application/json", 422),
        (b'{"amount": Infinity}', "application/json", 422),
        (b'{"source": "a", "source": "b"}', "application/json", 422),
        (b"[" * 21 + b"]" * 21, "application/json", 422),
        (b"[" * 400_000, "application/json", 422),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "application/json", 422),
        (b"[]", "application/json", 422),
        (b'"text"', "application/json", 422),
        (b"9" * 5_000, "application/json", 400),
        (b'{"source": "site"}', "text/plain", 415),
        (b"source=site", "application/x-www-form-urlencoded", 415),
        (b'{"text": "' + b"a" * 2_000_000 + b'"}', "application/json", 413),
        (b'{"text": "' + b"a" * 10_000_000 + b'"}', "text/plain", 413),
    ],
)
def test_bad_bodies_are_told_apart(
    app: Flask, program: Program, cast: Cast, body: bytes, content_type: str, status: int
) -> None:
    answer = app.test_client().post(
        "/api/v1/requests",
        data=body,
        content_type=content_type,
        headers={"Authorization": f"Bearer {program.secret}"},
    )
    assert (answer.status_code, answer.content_type) == (status, REFUSED), answer.text


def test_depth_is_bounded_before_a_body_is_looked_at(program: Program, cast: Cast) -> None:
    nested: Any = "x"
    for _ in range(20):
        nested = [nested]
    assert (
        "nested too deeply" in program.post("/requests", {**BODY, "tags": nested}, Accept_Language="en").json["detail"]
    )


def test_a_problem_is_told_in_the_language_of_the_sender(program: Program, cast: Cast) -> None:
    titles = {}
    for wanted in ("", "ru", "en", "en-GB,ru;q=0.5", "de"):
        answer = program.post("/requests", {**BODY, "amount": 1}, Accept_Language=wanted)
        titles[wanted] = answer.json["errors"][0]["message"]
        assert answer.headers["Content-Language"] in ("ru", "en")
    assert titles[""] == titles["ru"] == titles["de"] == "нужна сумма с копейками, например «14500.00»"
    assert titles["en"] == titles["en-GB,ru;q=0.5"] == 'must be an amount such as "14500.00"'


def test_the_interface_needs_no_form_token_and_gives_no_session(app: Flask, program: Program, cast: Cast) -> None:
    answer = program.post("/requests", BODY)
    assert answer.status_code == 201
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"


def test_while_a_history_is_filled_only_reading_is_open(app: Flask, program: Program, cast: Cast) -> None:
    with db.transaction(sessions_of(app)) as session:
        session.add(Replay(from_at=MONDAY, until_at=MONDAY + timedelta(days=1), clock_at=MONDAY, totals={}))
    refused = program.post("/requests", BODY)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "60")
    assert program.get("/requests").status_code == 200


def test_a_database_that_is_locked_is_said_so_and_stores_nothing(app: Flask, program: Program, cast: Cast) -> None:
    engine = app.extensions["pravila"].engine
    assert program.get("/requests").status_code == 200
    with engine.connect() as holder:
        holder.exec_driver_sql("SELECT 1")
        impatient = engine.raw_connection()
        impatient.execute("PRAGMA busy_timeout=50")
        impatient.close()
        answer = program.post("/requests", BODY)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert program.get("/requests").json["items"] == []
