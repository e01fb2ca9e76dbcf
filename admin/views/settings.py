"""What people may set for the whole installation; the journal says who changed it."""

from flask import Blueprint, Flask, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from admin.base import commit_and_wake, db_session
from admin.language import language
from admin.security import actor
from rules_engine.errors import InputError
from rules_engine.services import settings_store

blueprint = Blueprint("settings", __name__, url_prefix="/settings")


@blueprint.route("/", methods=["GET", "POST"])
def index() -> ResponseReturnValue:
    session = db_session()
    values = {
        key: str(settings_store.all_rows(session).get(key, one.default)) for key, one in settings_store.SETTINGS.items()
    }
    problems: dict[str, str] = {}
    if request.method == "POST":
        for key in settings_store.SETTINGS:
            values[key] = request.form.get(key, values[key])
            try:
                settings_store.change(session, key, values[key], actor=actor())
            except InputError as problem:
                problems[key] = str(problem.data[language()])
        if not problems:
            commit_and_wake()
            flash(_("Saved."), "good")
            return redirect(url_for("settings.index"))
        session.rollback()
    page = render_template("settings.html", settings=settings_store.SETTINGS.values(), values=values, problems=problems)
    return page, 422 if problems else 200


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
