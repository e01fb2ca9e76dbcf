"""Each operation of the interface, declared once: guard, reading of bodies and documentation come from it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from flask import Blueprint, Response, request
from pydantic import BaseModel
from sqlalchemy.orm import Session

from admin.api.auth import Caller, authenticate
from admin.api.bodies import read_body
from admin.api.problems import Refused
from admin.base import SAFE_METHODS, db_session, installation_state
from rules_engine.services.records.forms import Form, read

MAX_ID: Final = 2**63 - 1

blueprint: Final = Blueprint("api", __name__, url_prefix="/api/v1")


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `path` is written as OpenAPI writes it; `answers` are the statuses of success."""

    name: str
    method: str
    path: str
    scope: str
    summary: str
    answer: type[BaseModel]
    body: type[Form] | None = None
    query: type[Form] | None = None
    answers: tuple[int, ...] = (200,)
    is_idempotent_by_key: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an operation. `id` or `period` is that of the path; body and query are filled forms as declared."""

    caller: Caller
    session: Session
    id: int
    body: Any
    query: Any
    period: str = ""

    @property
    def actor(self) -> str:
        return self.caller.actor


View = Callable[[Call], tuple[BaseModel, int]]
OPERATIONS: Final[dict[str, Operation]] = {}


def operation(declared: Operation) -> Callable[[View], View]:
    """Register a view under its operation. The view answers with a document and a status; it commits itself."""

    def register(view: View) -> View:
        OPERATIONS[declared.name] = declared

        def handle(id: int = 0, period: str = "") -> Response:
            return _handle(declared, view, id, period)

        rule = declared.path.replace("{id}", f"<int(max={MAX_ID}):id>").replace("{period}", "<string:period>")
        blueprint.add_url_rule(rule, declared.name, handle, methods=[declared.method])
        return view

    return register


def _handle(declared: Operation, view: View, id: int, period: str) -> Response:
    caller = authenticate(declared.scope)
    body = read(declared.body, read_body()) if declared.body is not None else None
    query = _query(declared)
    session = db_session()
    if request.method not in SAFE_METHODS and installation_state(session) is not None:
        raise Refused(
            503, "история ещё заполняется", "the history is still being filled", headers={"Retry-After": "60"}
        )
    document, status = view(Call(caller, session, id, body, query, period))
    return answer(document, status)


def answer(document: BaseModel, status: int) -> Response:
    """Return a document as JSON; instants carry their offset, empty fields stand as null."""
    return Response(document.model_dump_json(), status, content_type="application/json")


def _query(declared: Operation) -> Form | None:
    given = {name: values for name, values in request.args.lists() if values}
    if declared.query is None:
        if given:
            read(Form, {name: values[0] for name, values in given.items()})
        return None
    return read(declared.query, {name: values[0] if len(values) == 1 else values for name, values in given.items()})
