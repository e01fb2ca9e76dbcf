"""Planned calls by the interface: telephony finishes them, programs complete and postpone their tasks."""

from datetime import date, timedelta

import pytest
from flask import Flask

from rules_engine import db
from rules_engine.models import Callback, Client
from rules_engine.services.callbacks import callbacks
from rules_engine.services.explain import explain
from rules_engine.services.rules import occasions
from rules_engine.services.running import agenda
from rules_engine.services.running.setup import shipped_ruleset
from tests.api.conftest import Program, StandingClock, sessions_of
from tests.factories import MONDAY, Cast, make_client, make_mode, make_payment, make_version

PHONE = "+79990001122"


@pytest.fixture
def call(app: Flask, cast: Cast, program: Program) -> int:
    """A call in Анна's list: her client has not bought for twice his usual interval."""
    with db.transaction(sessions_of(app)) as session:
        make_mode(session, "callbacks", "live")
        make_version(session, "callbacks", shipped_ruleset("callbacks"))
        occasions.install(session)
        client = make_client(session, owner=cast.anna, consent_on=date(2026, 1, 1), phone=PHONE, external_id="K-9")
        for days in (240, 180, 120):
            make_payment(session, client, MONDAY - timedelta(days=days), 1_500_000)
        callbacks.ask_for_clients(session, [client.id], MONDAY)
    agenda.run_due(sessions_of(app), MONDAY)
    (task,) = program.get("/tasks?manager=anna").json["items"]
    assert (task["kind"], task["title"]["en"]) == ("callback", "Call: Has not bought for a while")
    return int(task["id"])


def test_a_call_of_telephony_finishes_the_task(
    app: Flask, program: Program, call: int, business_clock: StandingClock
) -> None:
    business_clock.forward(minutes=20)
    told = {
        "source": "pbx",
        "external_id": "C-1",
        "at": business_clock().isoformat(),
        "phone": "8 (999) 000-11-22",
        "outcome": "thinks",
        "asked_to_call_at": "2026-10-19T11:00:00+03:00",
        "duration_seconds": 95,
    }
    assert program.post("/contacts", told).status_code == 201
    assert program.get("/tasks?manager=anna").json["items"] == []
    with sessions_of(app)() as session:
        found = session.get_one(Callback, 1)
        assert (found.outcome, found.is_valid) == ("thinks", True)
    agenda.run_due(sessions_of(app), business_clock())
    with sessions_of(app)() as session:
        assert [one.occasion for one in session.query(Callback).order_by(Callback.id)] == ["lapsing", "promise"]


def test_a_task_is_completed_with_its_next_attempt_and_postponed(program: Program, call: int) -> None:
    refused = program.post(f"/tasks/{call}/complete", {"outcome": "thinks"})
    assert (refused.status_code, refused.json["errors"][0]["path"]) == (422, "next_at")
    answer = program.post(f"/tasks/{call}/complete", {"outcome": "not_reached"})
    assert answer.status_code == 200
    following = answer.json["next_task"]
    assert (following["kind"], following["state"]) == ("callback", "open")
    put_off = program.post(
        f"/tasks/{following['id']}/postpone", {"until": "2026-10-08T12:00:00+03:00", "reason": "в отпуске"}
    )
    assert put_off.json["due_at"] == "2026-10-08T09:00:00Z"
    done = program.post(f"/tasks/{following['id']}/complete", {"outcome": "refused", "reason": "rival"})
    assert (done.status_code, done.json["next_task"]) == (200, None)
    assert program.post(f"/tasks/{following['id']}/complete", {"outcome": "order"}).status_code == 409


def test_the_client_says_why_he_is_called(app: Flask, call: int) -> None:
    with sessions_of(app)() as session:
        client = session.query(Client).filter_by(external_id="K-9").one()
        told = explain.explain_client(session, client.id, "ru")["decisions"]
    assert told[-1]["sentences"] == [
        "Сегмент: забытый. Правило: «Давно не покупал».",
        "Плановый звонок: Давно не покупал; с 05.10.2026, до 12.10.2026. Правило: «Давно не покупал».",
    ]
