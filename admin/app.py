"""The web shell: `create_app` wires the pages to one installation."""

import logging
from collections.abc import Callable
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy import Engine, event
from werkzeug.exceptions import HTTPException
from werkzeug.routing import IntegerConverter

from admin import api, labels, language, menu, security
from admin.base import ID_DIGITS, Shell, close_session
from admin.views import (
    bonus,
    calendar_year,
    client_line,
    clients,
    control,
    departures,
    guide,
    home,
    jobs,
    journal,
    login,
    me,
    messages,
    my_tasks,
    otherwise,
    outbox,
    overdue_actions,
    payments,
    plans,
    presence,
    reference,
    requests,
    rule_editor,
    users,
    why,
)
from admin.views import modes as modes_page
from admin.views import settings as settings_page
from admin.wake import make_wake
from rules_engine import clock, db
from rules_engine.errors import NotFound, PravilaError
from rules_engine.settings import Settings

BODY_LIMIT = 1_048_576

log = logging.getLogger(__name__)


class RowId(IntegerConverter):
    """A number in a path that may be the id of a row; a longer one is no page of ours."""

    regex = rf"\d{{1,{ID_DIGITS}}}"


def create_app(settings: Settings, *, now: Callable[[], datetime] = clock.now) -> Flask:
    """Return the web application of an installation. `now` is its business clock, sessions have their own."""
    app = Flask(__name__)
    app.config.update(SECRET_KEY=settings.secret_key, MAX_CONTENT_LENGTH=BODY_LIMIT, MAX_FORM_MEMORY_SIZE=BODY_LIMIT)
    app.extensions["pravila"] = make_shell(settings, now)
    app.url_map.converters["int"] = RowId
    app.teardown_request(close_session)
    language.init_app(app)
    labels.init_app(app)
    security.init_app(app)
    menu.init_app(app)
    _serve_htmx(app)
    _answer_errors(app)
    login.init_app(app)
    home.init_app(app)
    my_tasks.init_app(app)
    requests.init_app(app)
    client_line.init_app(app)
    clients.init_app(app)
    why.init_app(app)
    bonus.init_app(app)
    control.init_app(app)
    otherwise.init_app(app)
    overdue_actions.init_app(app)
    guide.init_app(app)
    payments.init_app(app)
    plans.init_app(app)
    messages.init_app(app)
    me.init_app(app)
    jobs.init_app(app)
    settings_page.init_app(app)
    rule_editor.init_app(app)
    modes_page.init_app(app)
    calendar_year.init_app(app)
    presence.init_app(app)
    departures.init_app(app)
    reference_data = reference.init_app(app)
    users.add_views(reference_data)
    journal.add_views(reference_data)
    outbox.add_views(reference_data)
    clients.add_views(reference_data)
    api.init_app(app)
    return app


def make_shell(settings: Settings, now: Callable[[], datetime]) -> Shell:
    """Return what the pages stand on: the database and the bell of an installation."""
    engine = db.make_engine(settings.database_url)
    _ignore_case(engine)
    return Shell(
        settings=settings,
        engine=engine,
        sessions=db.make_sessions(engine, settings),
        reading_sessions=db.make_reading_sessions(engine, settings),
        wake=make_wake(settings.effective_redis_url),
        now=now,
    )


def _ignore_case(engine: Engine) -> None:
    """Let a search find «ромашка» for «РОМАШКА» on SQLite too, whose own `lower` knows ASCII only."""
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def on_connect(connection: Any, _record: object) -> None:
            connection.create_function("lower", 1, _lower, deterministic=True)


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _serve_htmx(app: Flask) -> None:
    """Serve the script that comes with a package, so that nothing is fetched from outside or pasted here."""
    folder = Path(str(files("js_lib_htmx"))) / "static" / "htmx"
    app.register_blueprint(Blueprint("htmx", __name__, static_folder=folder, static_url_path="/static/htmx"))


def _answer_errors(app: Flask) -> None:
    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> ResponseReturnValue:
        title, text = {
            403: (_("Not for your role"), _("Your role does not include this page.")),
            404: (_("There is no such page"), _("It may have been removed, or it is not yours to see.")),
            413: (_("Too much at once"), _("The form holds more than one megabyte.")),
        }.get(error.code or 500, (_("There is no such action here"), _("Go back and press again.")))
        return render_template("error.html", title=title, text=text), error.code or 500

    @app.errorhandler(PravilaError)
    def not_done(problem: PravilaError) -> ResponseReturnValue:
        # Views show what a person can mend beside the form; this is for what none of them expected.
        status = 404 if isinstance(problem, NotFound) else 409
        return render_template("error.html", title=_("Not done"), text=problem.message(language.language())), status

    @app.errorhandler(Exception)
    def failed(error: Exception) -> ResponseReturnValue:
        log.exception("page_failed", extra={"endpoint": request.endpoint})
        if app.testing or app.debug:
            raise error
        text = _("The failure is in the log. Nothing was changed; you can try again.")
        return render_template("error.html", title=_("Something broke here"), text=text), 500
