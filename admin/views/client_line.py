"""“Client on the line, 15 more minutes”: a button of the holder, on his list and on the request's page."""

from flask import Blueprint, Flask, abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy import select

from admin import request_list
from admin.access import Scope
from admin.base import commit_and_wake, db_session, request_now
from admin.language import language, moment
from admin.request_list import Filters
from admin.security import actor, scope, viewer
from rules_engine.errors import PravilaError
from rules_engine.models import Request
from rules_engine.services.records import settings_store
from rules_engine.services.requests import client_on_the_line

blueprint = Blueprint("line", __name__, url_prefix="/requests")


@blueprint.post("/<int:request_id>/line")
def ask(request_id: int) -> ResponseReturnValue:
    """Put the transfer off, once; back to where the button was. 404 for what the viewer may not open."""
    mine = Filters(holder_id=None if scope() is Scope.ALL else viewer().manager_id or 0)
    found = request_list.narrowed(select(Request), mine, request_now()).where(Request.id == request_id)
    row = db_session().scalars(found).first() or abort(404)
    try:
        until = client_on_the_line.ask_for_time(
            db_session(), row, manager_id=viewer().manager_id, actor=actor(), now=request_now()
        )
    except PravilaError as problem:
        db_session().rollback()
        words = problem.message(language())
        flash(words[:1].upper() + words[1:], "bad")
    else:
        commit_and_wake()
        flash(_("It stays with you until %(when)s.", when=moment(until)), "good")
    if request.form.get("back") == "my":
        return redirect(url_for("my.index"))
    return redirect(url_for("requests.page", request_id=request_id))


def may_ask_for_time(row: Request) -> bool:
    """Return whether the viewer sees the button beside a request."""
    return client_on_the_line.can_ask(row, viewer().manager_id)


def line_minutes() -> int:
    """Return how many working minutes the button gives."""
    return settings_store.number(db_session(), settings_store.LINE_MINUTES)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
    app.jinja_env.globals["may_ask_for_time"] = may_ask_for_time
    app.jinja_env.globals["line_minutes"] = line_minutes
