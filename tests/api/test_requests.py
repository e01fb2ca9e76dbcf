"""Requests by the interface: taken in once, changed, listed, explained, answered, closed."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, func, select
from sqlalchemy.orm import Session

from rules_engine.models import Request, RequestEvent, RequestStatus, WorkItem
from tests.api.conftest import BODY, Program, StandingClock, found_company, let_work
from tests.factories import MONDAY, Cast, at


def take(program: Program, **changes: Any) -> dict[str, Any]:
    answer = program.post("/requests", {**BODY, **changes})
    assert answer.status_code == 201, answer.text
    taken: dict[str, Any] = answer.json
    return taken


def test_a_request_is_taken_in_once(program: Program, cast: Cast) -> None:
    first = program.post("/requests", BODY)
    assert first.status_code == 201
    assert first.json == {
        "id": 1, "source": "site", "external_id": "A-1001", "status": "new",
        "received_at": "2026-10-05T08:20:00Z", "assigned_at": None, "first_answer_at": None, "manager": None,
        "client_id": 1, "service": "hosting", "channel": "web", "region": "Москва", "amount": "14500.00",
        "answer_due_at": None, "due_at": None, "quarantined": False,
    }  # fmt: skip
    again = program.post("/requests", dict(reversed({**BODY, "received_at": "2026-10-05T08:20:00Z"}.items())))
    assert (again.status_code, again.json) == (200, first.json)
    other = program.post("/requests", {**BODY, "amount": "14500.01"})
    assert (other.status_code, other.json["type"]) == (409, "urn:pravila:problem:conflict")


def test_only_key_and_arrival_are_mandatory(program: Program, cast: Cast) -> None:
    bare = {"source": "site", "external_id": "A-1", "received_at": "2026-10-05T11:20:00+03:00"}
    assert program.post("/requests", bare).status_code == 201
    for name in bare:
        answer = program.post("/requests", {key: value for key, value in bare.items() if key != name})
        assert (answer.status_code, [place["path"] for place in answer.json["errors"]]) == (422, [name])


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"amount": 14500}, "amount"),
        ({"amount": "14500"}, "amount"),
        ({"received_at": "2026-10-05T11:20:00"}, "received_at"),
        ({"received_at": "2036-10-05T11:20:00Z"}, "received_at"),
        ({"received_at": "1989-10-05T11:20:00Z"}, "received_at"),
        ({"client": "Ромашка"}, "client"),
        ({"client": {"phone": 7}}, "client.phone"),
        ({"urgent": True}, "urgent"),
        ({"text": "a\x00b"}, "text"),
        ({"text": "\ud800"}, "text"),
        ({"service": "s" * 201}, "service"),
        ({"manager": "nobody"}, "manager"),
    ],
)
def test_what_cannot_be_used_is_named_and_nothing_is_stored(
    program: Program, cast: Cast, reading: Session, change: dict[str, Any], path: str
) -> None:
    answer = program.post("/requests", {**BODY, **change})
    assert (answer.status_code, answer.content_type) == (422, "application/problem+json")
    assert [place["path"] for place in answer.json["errors"]] == [path]
    for row in (Request, WorkItem, RequestEvent):
        assert reading.scalar(select(func.count()).select_from(row)) == 0


def test_the_answer_can_wait_for_the_manager(app: Flask, program: Program, cast: Cast) -> None:
    """A worker that rings back while the program waits: run in another thread, as another process would."""
    shell = app.extensions["pravila"]
    worker = threading.Timer(0.2, let_work, (app, MONDAY))
    worker.start()
    answer = program.post("/requests?wait=9", BODY)
    worker.join()
    assert answer.status_code == 201
    assert (answer.json["status"], answer.json["manager"]) == ("assigned", "anna")
    assert answer.json["due_at"] == answer.json["answer_due_at"] == "2026-10-05T08:50:00Z"
    assert shell.now() == MONDAY


def test_waiting_ends_where_nobody_works(program: Program, cast: Cast) -> None:
    answer = program.post("/requests?wait=1", BODY)
    assert (answer.status_code, answer.json["manager"]) == (201, None)
    for wait in ("soon", "-1", "1.5", ""):
        refused = program.post(f"/requests?wait={wait}", BODY)
        assert refused.status_code == (200 if wait == "" else 422)


def test_twenty_deliveries_at_once_are_one_request(any_app: Flask) -> None:
    found_company(any_app)
    program = Program(any_app)
    answers: list[tuple[int, int]] = []
    start = threading.Barrier(20)

    def deliver() -> None:
        own = Program.__new__(Program)
        own.secret, own.client = program.secret, any_app.test_client()
        start.wait()
        answer = own.post("/requests", BODY)
        answers.append((answer.status_code, answer.json["id"]))

    threads = [threading.Thread(target=deliver) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({request_id for _, request_id in answers}) == 1
    assert sorted(status for status, _ in answers) == [200] * 19 + [201]


def test_given_fields_change_and_others_stay(program: Program, cast: Cast, reading: Session) -> None:
    request_id = take(program)["id"]
    answer = program.patch(f"/requests/{request_id}", {"amount": "20000.00", "region": None})
    assert (answer.status_code, answer.json["amount"], answer.json["region"]) == (200, "20000.00", None)
    by_key = program.patch("/requests?source=site&external_id=A-1001", {"service": "site"})
    assert (by_key.json["service"], by_key.json["amount"]) == ("site", "20000.00")
    kinds = reading.scalars(select(RequestEvent.kind).order_by(RequestEvent.id)).all()
    assert kinds == ["received", "changed", "changed"]
    # The delivery that is repeated from a queue is still the same one.
    assert program.post("/requests", BODY).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/requests/1", {"received_at": "2026-10-05T11:20:00Z"}, 422),
        ("/requests/1", {"source": "x"}, 422),
        ("/requests/1", {"status": "won"}, 422),
        ("/requests/7", {"region": "x"}, 404),
        ("/requests/99999999999999999999", {"region": "x"}, 404),
        ("/requests?source=site", {"region": "x"}, 422),
        ("/requests?source=site&external_id=none", {"region": "x"}, 404),
        ("/requests?source=site&external_id=A-1001&x=1", {"region": "x"}, 422),
    ],
)
def test_what_may_not_change_is_refused(
    program: Program, cast: Cast, path: str, body: dict[str, Any], status: int
) -> None:
    take(program)
    assert program.patch(path, body).status_code == status


def test_a_list_is_read_page_by_page(program: Program, cast: Cast) -> None:
    for number in range(5):
        take(program, external_id=f"A-{number}", received_at=f"2026-10-0{number + 1}T11:20:00+03:00")
    first = program.get("/requests?limit=2").json
    second = program.get(f"/requests?limit=2&cursor={first['next_cursor']}").json
    last = program.get(f"/requests?limit=2&cursor={second['next_cursor']}").json
    pages = [[item["external_id"] for item in page["items"]] for page in (first, second, last)]
    assert pages == [["A-0", "A-1"], ["A-2", "A-3"], ["A-4"]]
    assert last["next_cursor"] is None
    since = program.get("/requests?since=2026-10-04T11:20:00+03:00").json["items"]
    assert [item["external_id"] for item in since] == ["A-3", "A-4"]


def test_a_list_can_be_narrowed(app: Flask, program: Program, cast: Cast, reading: Session) -> None:
    take(program)
    take(program, external_id="A-2", client=None, received_at="2026-10-05T11:21:00+03:00")
    let_work(app, MONDAY)
    assert [item["id"] for item in program.get("/requests?manager=anna").json["items"]] == [1]
    assert [item["id"] for item in program.get("/requests?status=new").json["items"]] == [2]
    assert program.get("/requests?status=assigned&manager=boris").json == {"items": [], "next_cursor": None}
    for query in ("status=open", "manager=nobody", "since=yesterday", "cursor=x", "limit=0", "limit=501", "stauts=new"):
        assert program.get(f"/requests?{query}").status_code == 422, query


def test_one_request_is_read_and_another_is_not_there(program: Program, cast: Cast) -> None:
    taken = take(program)
    assert program.get(f"/requests/{taken['id']}").json == taken
    assert program.get("/requests/2").status_code == 404


def test_the_explanation_is_the_stored_one(app: Flask, program: Program, cast: Cast) -> None:
    request_id = take(program)["id"]
    let_work(app, MONDAY)
    russian = program.get(f"/requests/{request_id}/explanation").json
    english = program.get(f"/requests/{request_id}/explanation?lang=en").json
    assert russian["request"]["manager"] == english["request"]["manager"] == "anna"
    assert russian != english
    assert {one["login"] for one in english["candidates"]} == {"anna", "boris", "vera"}
    assert program.get(f"/requests/{request_id}/explanation?lang=de").status_code == 422
    assert program.get("/requests/2/explanation").status_code == 404


def test_a_contact_answers_and_a_status_closes(
    app: Flask, program: Program, cast: Cast, business_clock: StandingClock
) -> None:
    request_id = take(program)["id"]
    let_work(app, MONDAY)
    business_clock.forward(hours=1)
    contact = {"external_id": "C-1", "at": "2026-10-05T11:30:00+03:00", "kind": "call", "direction": "out",
               "outcome": "answered", "note": "", "duration_seconds": 65}  # fmt: skip
    told = program.post(f"/requests/{request_id}/contacts", contact)
    assert (told.status_code, told.json["manager"], told.json["proof"]) == (201, "anna", "confirmed")
    assert program.post(f"/requests/{request_id}/contacts", contact).json == told.json
    assert program.post(f"/requests/{request_id}/contacts", {**contact, "outcome": "order"}).status_code == 409
    now = program.get(f"/requests/{request_id}").json
    assert (now["status"], now["first_answer_at"], now["due_at"]) == ("in_progress", "2026-10-05T08:30:00Z", None)
    status = f"/requests/{request_id}/status"
    assert program.post(status, {"status": "waiting_client"}).json["status"] == "waiting_client"
    assert program.post(status, {"status": "lost"}).json["errors"][0]["path"] == "reason"
    older = {"status": "won", "at": "2026-10-05T11:25:00+03:00"}
    assert program.post(status, older).json["status"] == "waiting_client"
    assert program.post(status, {"status": "lost", "reason": "expensive"}).json["status"] == "lost"
    assert program.post(status, {"status": "waiting_client"}).status_code == 409
    assert program.post(status, {"status": "assigned"}).status_code == 422
    assert program.post(status, {"status": "in_progress"}).json["manager"] == "anna"
    assert program.post("/requests/7/status", {"status": "won"}).status_code == 404


def test_a_new_request_has_no_status_to_change(program: Program, cast: Cast) -> None:
    request_id = take(program)["id"]
    assert program.post(f"/requests/{request_id}/status", {"status": "won"}).status_code == 409


def test_what_was_set_aside_says_so(program: Program, cast: Cast, app: Flask) -> None:
    request_id = take(program)["id"]
    with app.extensions["pravila"].sessions() as session, session.begin():
        session.execute(WorkItem.__table__.update().values(quarantined_at=MONDAY))
    assert program.get(f"/requests/{request_id}").json["quarantined"] is True


def test_a_list_costs_the_same_number_of_questions_however_long_it_is(
    app: Flask, program: Program, cast: Cast, reading: Session
) -> None:
    statements: list[str] = []
    event.listen(
        app.extensions["pravila"].engine, "before_cursor_execute",
        lambda _connection, _cursor, statement, *_rest: statements.append(statement),
    )  # fmt: skip
    counts = []
    for number in range(12):
        take(program, external_id=f"A-{number}", received_at=(MONDAY + timedelta(seconds=number)).isoformat())
        if number in (1, 11):
            statements.clear()
            assert len(program.get("/requests").json["items"]) == number + 1
            counts.append(len(statements))
    assert counts[0] == counts[1] <= 8


def test_statuses_are_those_of_the_rows() -> None:
    assert at("2026-10-05 11:20") == MONDAY
    assert {status.value for status in RequestStatus} == {
        "new", "assigned", "in_progress", "waiting_client", "won", "lost", "spam",
    }  # fmt: skip
