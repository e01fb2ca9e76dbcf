"""What people may set for the whole installation; the journal says who changed it."""

from collections.abc import Mapping

from flask import Blueprint, Flask, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from admin.access import may
from admin.base import commit_and_wake, db_session, request_now
from admin.language import language
from admin.security import actor, viewer
from rules_engine.errors import InputError
from rules_engine.models import Role
from rules_engine.services.queue import work
from rules_engine.services.records import settings_store
from rules_engine.services.requests import refusal_reasons

blueprint = Blueprint("settings", __name__, url_prefix="/settings")


@blueprint.get("/")
def index() -> ResponseReturnValue:
    return _page({}, {})


@blueprint.post("/save")
def save() -> ResponseReturnValue:
    """Save all of the form or nothing."""
    problems: dict[str, str] = {}
    before = [settings_store.number(db_session(), key) for key in settings_store.MOVES_CLOCKS]
    for key, setting in settings_store.SETTINGS.items():
        if key in request.form and may_change(setting):
            try:
                settings_store.change(db_session(), key, request.form[key], actor=actor())
            except InputError as problem:
                problems[key] = str(problem.data[language()])
    if problems:
        db_session().rollback()
        return _page(request.form, problems), 422
    if before != [settings_store.number(db_session(), key) for key in settings_store.MOVES_CLOCKS]:
        work.wake_open_requests(db_session(), request_now())
    commit_and_wake()
    flash(_("Saved."), "good")
    return redirect(url_for("settings.index"))


@blueprint.post("/refusal-reasons")
def add_reason() -> ResponseReturnValue:
    """Put a reason on the list of refusal reasons."""
    try:
        refusal_reasons.add(db_session(), request.form.get("new_reason", ""), actor=actor())
    except InputError as problem:
        db_session().rollback()
        return _page(request.form, {"new_reason": str(problem.data[language()])}), 422
    commit_and_wake()
    flash(_("The reason is on the list."), "good")
    return redirect(url_for("settings.index"))


def _page(typed: Mapping[str, str], problems: dict[str, str]) -> str:
    session = db_session()
    stored = settings_store.all_rows(session)
    values = {key: typed.get(key, str(stored.get(key, one.default))) for key, one in settings_store.SETTINGS.items()}
    return render_template(
        "settings.html",
        settings=settings_store.SETTINGS.values(),
        values=values,
        problems=problems,
        reasons=refusal_reasons.refusal_reasons(session).values(),
        typed=typed,
        may_change=may_change,
    )


def may_change(setting: settings_store.Setting) -> bool:
    """Return whether the viewer may set it: some are for administrators alone."""
    return may("settings.save", viewer().role) and (
        viewer().role is Role.ADMINISTRATOR or not setting.for_administrators
    )


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
