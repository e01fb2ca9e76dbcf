"""The documentation covers every operation, and says of each what really happens."""

import re
from typing import Any

import pytest
from flask import Flask
from jsonschema import Draft202012Validator

from admin.api.openapi import document
from admin.api.operations import OPERATIONS
from tests.api.conftest import BODY, Program, let_work
from tests.factories import MONDAY, Cast

OPENAPI: dict[str, Any] = document()


def test_it_is_served_to_everybody(app: Flask) -> None:
    answer = app.test_client().get("/api/v1/openapi.json")
    assert (answer.status_code, answer.json) == (200, OPENAPI)
    assert OPENAPI["openapi"] == "3.1.0"


def test_every_route_is_documented_and_every_documented_route_is_there(app: Flask) -> None:
    routes = {
        (re.sub(r"<[^>]*:(\w+)>", r"{\1}", rule.rule), method)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/v1/") and rule.endpoint != "api.openapi"
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    documented = {(path, method.upper()) for path, methods in OPENAPI["paths"].items() for method in methods}
    assert routes == documented
    assert len(documented) == len(OPERATIONS) == 15


def test_every_reference_leads_somewhere() -> None:
    wanted = set(re.findall(r"#/components/schemas/([\w-]+)", str(OPENAPI["paths"]) + str(OPENAPI["components"])))
    assert wanted and wanted <= set(OPENAPI["components"]["schemas"])
    for schema in OPENAPI["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def schema_of(name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": OPENAPI["components"]})


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_refusals_and_scope_are_described(name: str) -> None:
    one = OPERATIONS[name]
    described = OPENAPI["paths"][f"/api/v1{one.path}"][one.method.lower()]
    assert one.scope in described["description"]
    assert {"401", "403", "404", "422", "429"} <= set(described["responses"])
    assert ("requestBody" in described) == (one.body is not None) == ("415" in described["responses"])


def test_answers_are_as_documented(app: Flask, program: Program, cast: Cast) -> None:
    made = program.post("/requests", BODY).json
    let_work(app, MONDAY)
    schema_of("RequestIn").validate(BODY)
    schema_of("RequestOut").validate(made)
    schema_of("RequestList").validate(program.get("/requests").json)
    schema_of("TaskList").validate(program.get("/tasks").json)
    contact = {"external_id": "C-1", "at": "2026-10-05T11:20:00+03:00"}
    schema_of("ContactOut").validate(program.post("/requests/1/contacts", contact).json)
    client = {"source": "1c", "external_id": "K-1", "name": "Ромашка"}
    schema_of("ClientOut").validate(program.post("/clients", client).json)
    schema_of("ProblemDocument").validate(program.get("/requests/99").json)
    (task,) = program.get("/tasks").json["items"]
    schema_of("Completed").validate(program.post(f"/tasks/{task['id']}/complete", {"outcome": "order"}).json)
    assert not schema_of("RequestIn").is_valid({**BODY, "amount": 1})
