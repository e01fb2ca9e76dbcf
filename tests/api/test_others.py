"""Contacts without a request, clients, and tasks by the interface."""

import threading
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from rules_engine.models import Contact, IdempotencyKey, Task
from tests.api.conftest import BODY, Program, StandingClock, found_company, let_work
from tests.factories import MONDAY, Cast

CONTACT = {"source": "pbx", "external_id": "C-1", "at": "2026-10-05T11:30:00+03:00", "phone": "8 495 000-00-00"}
ANSWERED: dict[str, Any] = {"outcome": "answered", "note": "обсудили", "next_at": "2026-10-06T10:00:00+03:00"}


@pytest.fixture
def task_id(app: Flask, program: Program, cast: Cast, business_clock: StandingClock) -> int:
    """The task of Анна to answer a request, ten minutes after she got it."""
    program.post("/requests", BODY)
    let_work(app, MONDAY)
    business_clock.forward(minutes=10)
    (task,) = program.get("/tasks?manager=anna").json["items"]
    return int(task["id"])


def test_a_call_is_told_by_its_phone_alone(program: Program, task_id: int) -> None:
    told = program.post("/contacts", CONTACT)
    assert (told.status_code, told.json["request_id"], told.json["manager"]) == (201, 1, "anna")
    assert program.post("/contacts", CONTACT).status_code == 200
    assert program.post("/contacts", {**CONTACT, "direction": "in"}).status_code == 409
    assert program.get("/requests/1").json["status"] == "in_progress"
    for other in ({"phone": None}, {"request": {"source": "site", "external_id": "x"}}):
        assert program.post("/contacts", {**CONTACT, "external_id": "C-2", **other}).status_code == 422


def test_clients_are_put(program: Program, cast: Cast) -> None:
    client = {"source": "1c", "external_id": "K-1", "name": "Ромашка", "phones": ["8 495 000-00-09"], "owner": "vera"}
    made = program.post("/clients", client)
    assert (made.status_code, made.json["owner"], made.json["phones"]) == (201, "vera", ["8 495 000-00-09"])
    changed = program.post("/clients", {**client, "owner": "anna", "do_not_call": True})
    assert (changed.status_code, changed.json["owner"], changed.json["do_not_call"]) == (200, "anna", True)
    assert program.post("/clients", {**client, "owner": "nobody"}).json["errors"][0]["path"] == "owner"


def test_tasks_are_listed_by_state(program: Program, task_id: int, business_clock: StandingClock) -> None:
    (task,) = program.get("/tasks").json["items"]
    assert (task["id"], task["manager"], task["kind"], task["state"]) == (task_id, "anna", "request", "open")
    assert task["due_at"] == "2026-10-05T08:50:00Z"
    assert task["title"]["ru"] and task["reason"]["en"]
    assert program.get("/tasks?state=overdue").json["items"] == []
    business_clock.forward(hours=1)
    assert [one["id"] for one in program.get("/tasks?state=overdue").json["items"]] == [task_id]
    assert program.get("/tasks?manager=boris").json["items"] == program.get("/tasks?state=done").json["items"] == []
    assert program.get("/tasks?state=closed").status_code == 422


def test_a_task_is_completed_and_the_next_one_is_told(program: Program, task_id: int) -> None:
    answer = program.post(f"/tasks/{task_id}/complete", ANSWERED)
    assert (answer.status_code, answer.json["state"], answer.json["outcome"]) == (200, "done", "answered")
    assert answer.json["next_task"]["due_at"] == "2026-10-06T07:00:00Z"
    assert program.post(f"/tasks/{task_id}/complete", ANSWERED).status_code == 409
    assert program.post("/tasks/99/complete", ANSWERED).status_code == 404
    last = answer.json["next_task"]["id"]
    assert program.post(f"/tasks/{last}/complete", {"outcome": "thinks"}).json["errors"][0]["path"] == "next_at"
    closed = program.post(f"/tasks/{last}/complete", {"outcome": "refused", "reason": "rival"})
    assert closed.json["next_task"] is None
    assert program.get("/requests/1").json["status"] == "lost"


def test_a_task_is_postponed_with_a_reason(program: Program, task_id: int) -> None:
    path = f"/tasks/{task_id}/postpone"
    assert program.post(path, {"until": "2026-10-06T10:00:00+03:00"}).status_code == 422
    postponed = program.post(path, {"until": "2026-10-06T10:00:00+03:00", "reason": "просил завтра"})
    assert (postponed.json["times_postponed"], postponed.json["due_at"]) == (1, "2026-10-05T08:50:00Z")


def test_the_same_idempotency_key_gives_the_same_answer_and_acts_once(
    program: Program, task_id: int, reading: Session
) -> None:
    path = f"/tasks/{task_id}/complete"
    first = program.post(path, ANSWERED, Idempotency_Key="k-1")
    again = program.post(path, ANSWERED, Idempotency_Key="k-1")
    assert (again.status_code, again.json) == (200, first.json)
    assert program.post(path, {"outcome": "order"}, Idempotency_Key="k-1").status_code == 422
    assert program.post(path, ANSWERED, Idempotency_Key="k-2").status_code == 409
    assert program.post(path, ANSWERED, Idempotency_Key="").status_code == 422
    assert reading.scalar(select(func.count()).select_from(Contact)) == 1
    # What was refused keeps no key: it may be tried again.
    assert reading.scalar(select(func.count()).select_from(IdempotencyKey)) == 1


def test_one_key_ten_times_at_once_acts_once(any_app: Flask, business_clock: StandingClock) -> None:
    found_company(any_app)
    program = Program(any_app)
    program.post("/requests", BODY)
    let_work(any_app, MONDAY)
    business_clock.forward(minutes=10)
    answers: list[tuple[int, int]] = []
    start = threading.Barrier(10)

    def complete() -> None:
        own = Program.__new__(Program)
        own.secret, own.client = program.secret, any_app.test_client()
        start.wait()
        answer = own.post("/tasks/1/complete", ANSWERED, Idempotency_Key="k")
        answers.append((answer.status_code, answer.json["next_task"]["id"]))

    threads = [threading.Thread(target=complete) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [(200, 2)] * 10
    with any_app.extensions["pravila"].reading_sessions() as session:
        assert session.scalar(select(func.count()).select_from(Task)) == 2
