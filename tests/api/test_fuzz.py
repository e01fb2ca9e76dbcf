"""Whatever is sent, the interface answers with a sentence and never with a failure."""

import json
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from admin.api.bodies import read_body
from admin.api.operations import OPERATIONS, Operation
from admin.api.problems import Refused
from tests.api.conftest import BODY, Program, let_work
from tests.factories import MONDAY, Cast

EXAMPLES = 25
SENSIBLE = [
    "site", "A-1001", "anna", "2026-10-05T11:20:00+03:00", "2026-10-06T10:00:00Z", "14500.00", "answered", "thinks",
    "lost", "expensive", "in_progress", "call", "out", "", "\x00", "+7 495 000-00-00", "ru", "open",
]  # fmt: skip
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | st.sampled_from(SENSIBLE)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def bodies(one: Operation) -> st.SearchStrategy[Any]:
    """Bodies near enough to the right one that they go deep, and some that are not."""
    if one.body is None:
        return st.none()
    fields = st.sampled_from([*one.body.model_fields, "zz"])
    right = {**BODY, "at": BODY["received_at"], "name": "x"}
    near = st.dictionaries(fields, values, max_size=4).map(
        lambda some: {**{name: value for name, value in right.items() if name in one.body.model_fields}, **some}
    )
    return near | st.dictionaries(fields, values, max_size=8) | values


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_no_body_breaks_it(name: str, app: Flask, program: Program, cast: Cast) -> None:
    program.post("/requests", BODY)
    let_work(app, MONDAY)
    one = OPERATIONS[name]

    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow],
    )  # fmt: skip
    @given(body=bodies(one), number=st.sampled_from([0, 1, 2, 2**63 - 1, 2**63, 10**30]))
    def check(body: Any, number: int) -> None:
        answer = app.test_client().open(
            "/api/v1" + one.path.replace("{id}", str(number)),
            method=one.method,
            data=json.dumps(body) if one.body else None,
            content_type="application/json",
            headers={"Authorization": f"Bearer {program.secret}"},
        )
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400:
            assert answer.content_type == "application/problem+json"

    check()


@settings(max_examples=60, deadline=None, database=None)
@given(raw=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_bytes_break_it(raw: bytes) -> None:
    with Flask("x").test_request_context(method="POST", data=raw, content_type="application/json"):
        try:
            read_body()
        except Refused as refused:
            assert refused.status in (400, 422)


@settings(max_examples=40, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    query=st.dictionaries(st.sampled_from(["status", "manager", "since", "cursor", "limit", "x"]), st.text(max_size=20))
)
def test_no_query_breaks_it(query: dict[str, str], app: Flask, program: Program) -> None:
    for path in ("/api/v1/requests", "/api/v1/tasks"):
        answer = app.test_client().get(path, query_string=query, headers={"Authorization": f"Bearer {program.secret}"})
        assert answer.status_code in (200, 422)
