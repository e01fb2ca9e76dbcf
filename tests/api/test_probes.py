"""Is it alive, can it work, and its figures."""

from flask import Flask

from rules_engine import clock, db
from rules_engine.models import WorkItem
from rules_engine.services.running import heartbeats
from tests.api.conftest import BODY, Program, StandingClock, sessions_of
from tests.factories import Cast


def test_the_process_answers_whatever_else_is_down(app: Flask) -> None:
    answer = app.test_client().get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"ok": True})


def checks(app: Flask) -> dict[str, bool]:
    answer = app.test_client().get("/readyz")
    assert answer.status_code == (200 if answer.json["ok"] else 503)
    return {check["name"]: check["ok"] for check in answer.json["checks"]}


def test_readiness_names_what_is_missing(
    app: Flask, cast: Cast, program: Program, business_clock: StandingClock
) -> None:
    assert checks(app) == {"database": True, "redis": False, "workers": False, "overdue work": True}
    with db.transaction(sessions_of(app)) as session:
        for name in ("clock:here:1", "worker:here:2"):
            heartbeats.beat(session, name, clock.now(), {})
    assert checks(app)["workers"]
    program.post("/requests", BODY)
    business_clock.forward(minutes=4)
    assert checks(app)["overdue work"]
    business_clock.forward(minutes=2)
    assert not checks(app)["overdue work"]


def test_what_cannot_be_asked_is_not_well(app: Flask) -> None:
    engine = app.extensions["pravila"].engine
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE heartbeats")
    assert checks(app) == {"database": True, "redis": False, "workers": False, "overdue work": True}


def test_figures_are_those_of_the_rows(app: Flask, cast: Cast, program: Program, business_clock: StandingClock) -> None:
    for number in range(3):
        program.post("/requests", {**BODY, "external_id": f"A-{number}"})
    with db.transaction(sessions_of(app)) as session:
        session.query(WorkItem).filter(WorkItem.subject_id == 1).update({"quarantined_at": clock.now()})
    business_clock.forward(minutes=2)
    text = app.test_client().get("/metrics").text
    for line in (
        'pravila_requests_open{status="new"} 3.0',
        'pravila_requests_open{status="assigned"} 0.0',
        "pravila_requests_received_total 3.0",
        "pravila_assignments_total 0.0",
        "pravila_messages_sent_total 0.0",
        "pravila_outbox_behind_seconds 0.0",
        "pravila_engine_differences_open 0.0",
        "pravila_work_due 2.0",
        "pravila_work_behind_seconds 120.0",
        "pravila_work_quarantined 1.0",
        'pravila_outbox_messages{state="dead"} 0.0',
        'pravila_processes_alive{kind="worker"} 0.0',
    ):
        assert line in text
