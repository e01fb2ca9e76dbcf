"""Payments by the interface."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.models import Payment
from tests.api.conftest import BODY, Program, let_work
from tests.factories import MONDAY, Cast

CLIENT = {"source": "1c", "external_id": "K-17", "name": "ООО Ромашка", "inn": "7707083893", "owner": "vera"}
PAYMENT: dict[str, Any] = {
    "source": "1c",
    "external_id": "P-1",
    "client": {"source": "1c", "external_id": "K-17"},
    "paid_at": "2026-10-05T11:00:00+03:00",
    "amount": "14500.00",
}


def test_a_payment_is_booked_once_and_another_body_is_a_conflict(program: Program, cast: Cast) -> None:
    program.post("/clients", CLIENT)

    made = program.post("/payments", PAYMENT)

    assert (made.status_code, made.json["manager"], made.json["money_class"]) == (201, "vera", "new")
    assert made.json["credits"] == [{"manager": "vera", "share": "100.00", "amount": "14500.00"}]
    again = program.post("/payments", {**PAYMENT, "paid_at": "2026-10-05T08:00:00Z"})
    assert (again.status_code, again.json["id"]) == (200, made.json["id"])
    assert program.post("/payments", {**PAYMENT, "amount": "1.00"}).status_code == 409


def test_it_counts_for_the_manager_of_its_request(app: Flask, program: Program, cast: Cast) -> None:
    request = program.post("/requests", BODY).json
    let_work(app, MONDAY)

    paid = program.post("/payments", {**PAYMENT, "request": {"source": "site", "external_id": "A-1001"}}).json

    assert (paid["request_id"], paid["client_id"]) == (request["id"], request["client_id"])
    assert paid["manager"] == program.get(f"/requests/{request['id']}").json["manager"] == "anna"


def test_a_refund_is_an_amount_below_zero(program: Program, cast: Cast, reading: Session) -> None:
    program.post("/payments", PAYMENT)
    refund = {**PAYMENT, "external_id": "R-1", "amount": "-500.00", "reverses": {"source": "1c", "external_id": "P-1"}}

    paid_back = program.post("/payments", refund)

    assert (paid_back.status_code, paid_back.json["kind"], paid_back.json["amount"]) == (201, "refund", "-500.00")
    too_much = program.post("/payments", {**refund, "external_id": "R-2", "amount": "-14000.01"})
    assert (too_much.status_code, too_much.json["errors"][0]["path"]) == (422, "amount")
    assert len(reading.scalars(select(Payment)).all()) == 2


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"client": None}, "client"),
        ({"client": {"name": "x"}}, "client"),
        ({"currency": "USD"}, "currency"),
        ({"amount": "1"}, "amount"),
        ({"paid_at": "2027-10-05T11:00:00+03:00"}, "paid_at"),
    ],
)
def test_bad_input_is_named(program: Program, cast: Cast, more: dict[str, Any], path: str) -> None:
    answer = program.post("/payments", {**PAYMENT, **more})

    assert (answer.status_code, answer.json["errors"][0]["path"]) == (422, path)


def test_the_scope_is_asked_for(app: Flask, cast: Cast) -> None:
    assert Program(app, "requests:write").post("/payments", PAYMENT).status_code == 403
    assert Program(app, "payments:write", name="1c").post("/payments", PAYMENT).status_code == 201
