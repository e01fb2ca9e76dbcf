"""The documentation of the interface, made from the operations and the forms themselves: OpenAPI 3.1."""

from importlib.metadata import version
from typing import Any

from flask import Response, current_app
from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import models_json_schema

from admin.api.operations import OPERATIONS, Operation, blueprint
from admin.api.problems import MEDIA_TYPE, TITLES
from rules_engine.services.company.tokens import SCOPES
from rules_engine.services.money.incoming_money import MONTH_PATTERN

_REFUSALS = (400, 401, 403, 404, 409, 413, 415, 422, 429, 503)
_WITHOUT_BODY = (401, 403, 404, 422, 429)


class Place(BaseModel):
    path: str
    message: str


class ProblemDocument(BaseModel):
    """An error, as RFC 9457 describes it; its words are in the language of Accept-Language."""

    model_config = ConfigDict(title="Problem")

    type: str
    title: str
    status: int
    detail: str | None = None
    errors: list[Place] | None = None


def document() -> dict[str, Any]:
    """Return the OpenAPI document of every operation."""
    asked = {one.body for one in OPERATIONS.values() if one.body} | {
        one.query for one in OPERATIONS.values() if one.query
    }
    answered = {one.answer for one in OPERATIONS.values()} | {ProblemDocument}
    by_name = sorted(asked, key=lambda form: form.__name__), sorted(answered, key=lambda form: form.__name__)
    refs, schemas = models_json_schema(
        [*((form, "validation") for form in by_name[0]), *((form, "serialization") for form in by_name[1])],
        ref_template="#/components/schemas/{model}",
    )
    paths: dict[str, dict[str, Any]] = {}
    for one in OPERATIONS.values():
        paths.setdefault(f"/api/v1{one.path}", {})[one.method.lower()] = _operation(one, refs, schemas["$defs"])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pravila",
            "version": version("pravila"),
            "summary": "Requests in, decisions out: the interface for other programs",
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": f"`pravila token create`; scopes: {', '.join(SCOPES)}",
                }
            },
            "schemas": schemas["$defs"],
        },
    }


def _operation(one: Operation, refs: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = []
    if "{id}" in one.path:
        parameters.append({"name": "id", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}})
    if "{period}" in one.path:
        month = {"type": "string", "pattern": MONTH_PATTERN, "examples": ["2026-10"]}
        parameters.append({"name": "period", "in": "path", "required": True, "schema": month})
    if one.query is not None:
        schema = schemas[refs[one.query, "validation"]["$ref"].rpartition("/")[2]]
        needed = schema.get("required", [])
        parameters += [
            {"name": name, "in": "query", "required": name in needed, "schema": field}
            for name, field in schema["properties"].items()
        ]
    if one.is_idempotent_by_key:
        parameters.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "schema": {"type": "string", "maxLength": 200},
                "description": "the same key and body again: the same answer, done once",
            }
        )
    refusals = _REFUSALS if one.body is not None else _WITHOUT_BODY
    answer = {"application/json": {"schema": refs[one.answer, "serialization"]}}
    problem = {MEDIA_TYPE: {"schema": refs[ProblemDocument, "serialization"]}}
    described: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.summary,
        "description": f"Scope: `{one.scope}`.",
        "parameters": parameters,
        "responses": {
            **{str(status): {"description": "done", "content": answer} for status in one.answers},
            **{str(status): {"description": TITLES[status][2], "content": problem} for status in refusals},
        },
    }
    if one.body is not None:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": refs[one.body, "validation"]}},
        }
    return described


@blueprint.get("/openapi.json")
def openapi() -> Response:
    return Response(current_app.json.dumps(document()), content_type="application/json")
