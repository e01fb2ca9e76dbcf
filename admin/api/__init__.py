"""The interface for other programs: REST under /api/v1, its OpenAPI document, health and figures."""

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from admin.api import bonuses, clients, contacts, health, openapi, payments, problems, requests, tasks
from admin.api.limits import Limiter
from admin.api.operations import blueprint
from admin.base import Shell
from admin.security import csrf

__all__ = ["blueprint", "bonuses", "clients", "contacts", "init_app", "openapi", "payments", "requests", "tasks"]

problems.init_blueprint(blueprint)


def init_app(app: Flask) -> None:
    """Register the interface. What calls it shows a token and no session, so forms' tokens are not asked of it."""
    shell: Shell = app.extensions["pravila"]
    app.extensions["pravila_limiter"] = Limiter.at(shell.settings.effective_redis_url)
    csrf.exempt(blueprint)
    app.register_blueprint(blueprint)
    app.register_blueprint(health.blueprint)
    app.before_request(_no_such_address)


def _no_such_address() -> Response | None:
    """Answer as the interface does where no operation was found: the handlers of a blueprint do not see that."""
    problem = request.routing_exception
    if not request.path.startswith("/api/") or not isinstance(problem, HTTPException):
        return None
    return None if isinstance(problem, RequestRedirect) else problems.of_http(problem)
