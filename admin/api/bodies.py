"""The body of a call: bounded, JSON, and nothing that another reader of JSON would understand otherwise."""

import json
from typing import Any, Final, NoReturn

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge

from admin.api.problems import Refused

MAX_BODY: Final = 1_048_576
MAX_DEPTH: Final = 20


def read_body() -> Any:
    """Return the parsed body.

    Raises Refused: 413 over one megabyte, 415 for another type, 400 for what is no JSON, 422 for JSON that is no
    plain document (NaN, a key twice, too deep).
    """
    request.max_content_length = MAX_BODY
    try:
        raw = request.get_data(cache=False)
    except RequestEntityTooLarge:
        raise Refused(413) from None
    if request.mimetype != "application/json":
        raise Refused(415)
    try:
        text = raw.decode("utf-8")
        document = json.loads(text, parse_constant=_constant, object_pairs_hook=_once)
    except RecursionError:
        raise _too_deep() from None
    except ValueError as problem:
        place = f" (строка {problem.lineno})" if isinstance(problem, json.JSONDecodeError) else ""
        line = f" (line {problem.lineno})" if isinstance(problem, json.JSONDecodeError) else ""
        raise Refused(400, f"это не JSON{place}", f"is not JSON{line}") from None
    _check_depth(document)
    return document


def _constant(name: str) -> NoReturn:
    raise Refused(422, f"{name} не число", f"{name} is not a number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise Refused(422, "поле названо дважды", "a field is named twice")
    return document


def _check_depth(document: Any) -> None:
    level, depth = [document], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise _too_deep()
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]


def _too_deep() -> Refused:
    return Refused(422, "слишком глубокая вложенность", "is nested too deeply")
