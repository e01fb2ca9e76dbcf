"""docs/api.md does what it says: its calls are made in order, its answers are what comes back."""

import json
import re
from pathlib import Path
from typing import Any

from flask import Flask

from admin.api.operations import OPERATIONS
from admin.api.problems import TITLES
from rules_engine.models import Manager
from rules_engine.services.company.tokens import SCOPES
from rules_engine.services.requests import assignment, intake
from tests.api.conftest import Program, StandingClock, sessions_of
from tests.factories import MONDAY, Cast

TEXT = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


def holds(answer: Any, told: Any) -> bool:
    """Return whether an answer has all that the documentation shows of it."""
    if isinstance(told, dict):
        return all(holds(answer[name], value) for name, value in told.items())
    if isinstance(told, list):
        return len(answer) == len(told) and all(map(holds, answer, told))
    return bool(answer == told)


def test_the_examples_answer_as_printed(
    app: Flask, program: Program, cast: Cast, business_clock: StandingClock
) -> None:
    calls = re.findall(r"^```http\n(\w+) (\S+)\n(.*?)\n?\n(\d{3})\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    for method, path, sent, status, printed in calls:
        if "/contacts" in path and business_clock.at == MONDAY:
            # Between the chapters somebody gets the request.
            business_clock.forward(hours=1)
            with sessions_of(app)() as session, session.begin():
                request = intake.by_key(session, "site", "A-1001")
                anna = session.query(Manager).order_by(Manager.id).first()
                assert request is not None and anna is not None
                assignment.assign_external(session, request, anna, assigned_at=MONDAY, actor="docs", now=MONDAY)
        headers = dict(re.findall(r"^([A-Z][\w-]+): (.*)$", sent, re.MULTILINE))
        body = sent[sent.index("{") :] if "{" in sent else None
        answer = program.call(method, path.removeprefix("/api/v1"), json.loads(body) if body else None, **headers)
        assert answer.status_code == int(status), (path, answer.text)
        assert holds(answer.json, json.loads(printed)), (path, answer.text)
    assert len(calls) == 10


def test_every_operation_scope_and_refusal_is_mentioned() -> None:
    for one in OPERATIONS.values():
        assert {one.path.removesuffix("/{id}") in TEXT, one.path.replace("{id}", "1") in TEXT} != {False}, one.name
    for scope in SCOPES:
        assert f"`{scope}`" in TEXT
    refusals = TEXT.partition("## When it says no")[2]
    for status in TITLES.keys() - {405, 500}:
        assert str(status) in refusals
