"""How the interface says no: RFC 9457 problem documents, in the language that the sender reads."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final

from flask import Blueprint, Response, current_app, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException

from rules_engine.errors import Conflict, InputError, NotFound, PravilaError
from rules_engine.services.records.forms import InvalidForm, Problem

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
TITLES: Final[Mapping[int, tuple[str, str, str]]] = {
    400: ("malformed", "запрос не читается", "the request cannot be read"),
    401: ("unauthorized", "нужен действующий токен", "a valid token is needed"),
    403: ("forbidden", "у токена нет этого права", "the token lacks this scope"),
    404: ("not-found", "не найдено", "not found"),
    405: ("method-not-allowed", "так сюда не обращаются", "not by this method"),
    409: ("conflict", "противоречит тому, что уже есть", "conflicts with what is there"),
    413: ("too-large", "больше одного мегабайта", "larger than one megabyte"),
    415: ("not-json", "нужен application/json", "must be application/json"),
    422: ("invalid", "содержание не принято", "the content is not accepted"),
    429: ("too-many-requests", "слишком часто", "too many requests"),
    500: ("failed", "сбой, ничего не изменено", "a failure; nothing was changed"),
    503: ("unavailable", "сейчас недоступно, повторите позже", "not available now, try again later"),
}
"""For each status: its name in `type`, and its title in both languages."""


class Refused(Exception):
    """Ends a call with a status; `ru` and `en` say more than its title."""

    def __init__(self, status: int, ru: str = "", en: str = "", *, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.ru = ru
        self.en = en
        self.headers = dict(headers or {})
        super().__init__(en)


def language() -> str:
    """Return `ru` or `en`, whichever the sender likes better; Russian where he names neither."""
    wanted = (tag.partition("-")[0].casefold() for tag in request.accept_languages.values())
    return next((tag for tag in wanted if tag in ("ru", "en")), "ru")


def problem(
    status: int,
    ru: str = "",
    en: str = "",
    *,
    errors: Iterable[Problem] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a problem document; `errors` name each place of a body that is not accepted."""
    lang = language()
    name, title_ru, title_en = TITLES.get(status, TITLES[500])
    document: dict[str, Any] = {
        "type": f"urn:pravila:problem:{name}",
        "title": title_ru if lang == "ru" else title_en,
        "status": status,
    }
    detail = ru if lang == "ru" else en
    places = [{"path": one.path, "message": one.message(lang)} for one in errors]
    if places:
        document["errors"] = places
        detail = detail or "; ".join(f"{place['path']}: {place['message']}" for place in places)
    if detail:
        document["detail"] = detail
    answer = Response(current_app.json.dumps(document), status, headers, content_type=MEDIA_TYPE)
    answer.headers["Content-Language"] = lang
    answer.headers.add("Vary", "Accept-Language")
    return answer


def of_error(error: PravilaError) -> Response:
    """Return the problem that an error of the services means."""
    if isinstance(error, InvalidForm):
        return problem(422, errors=error.problems)
    if isinstance(error, InputError):
        place = Problem(error.path, str(error.data["ru"]), str(error.data["en"]))
        return problem(422, errors=[place])
    status = 404 if isinstance(error, NotFound) else 409 if isinstance(error, Conflict) else 422
    return problem(status, error.message("ru"), error.message("en"))


def of_http(error: HTTPException) -> Response:
    """Return the problem of an error of the web server: no such address, another method, too large."""
    status = error.code or 500
    headers = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
    return problem(status if status in TITLES else 400, headers=headers)


def init_blueprint(blueprint: Blueprint) -> None:
    @blueprint.errorhandler(Refused)
    def refused(error: Refused) -> ResponseReturnValue:
        return problem(error.status, error.ru, error.en, headers=error.headers)

    @blueprint.errorhandler(PravilaError)
    def not_done(error: PravilaError) -> ResponseReturnValue:
        return of_error(error)

    @blueprint.errorhandler(HTTPException)
    def http(error: HTTPException) -> ResponseReturnValue:
        return of_http(error)

    @blueprint.errorhandler(OperationalError)
    def database_away(error: OperationalError) -> ResponseReturnValue:
        # Locked, full, restarting or a broken deadlock: nothing was stored, and the sender is to come again.
        log.error("api_database_unavailable", exc_info=error)
        return problem(503, headers={"Retry-After": "5"})

    @blueprint.errorhandler(Exception)
    def failed(error: Exception) -> ResponseReturnValue:
        log.error("api_call_failed", extra={"endpoint": request.endpoint}, exc_info=error)
        if current_app.testing:
            raise error
        return problem(500)
