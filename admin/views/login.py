"""Coming, going, one's own password, and the language of the pages."""

from flask import Blueprint, Flask, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import refresh
from flask_login import current_user

from admin.base import db_session
from admin.language import LANGUAGES, language
from admin.security import end_session, safe_next, start_session, viewer
from admin.sign_in import sign_in
from rules_engine import clock
from rules_engine.services.company.passwords import hash_password, password_problem, verify_password
from rules_engine.services.records import audit

blueprint = Blueprint("login", __name__)


@blueprint.route("/login", methods=["GET", "POST"])
def login() -> ResponseReturnValue:
    target = safe_next(request.values.get("next"))
    if request.method == "GET":
        if current_user.is_authenticated:
            return redirect(target or url_for("home.home"))
        return render_template("login.html", next=target, typed="")
    typed = request.form.get("login", "")
    user = sign_in(db_session(), typed, request.form.get("password", ""), request.remote_addr or "", now=clock.now())
    db_session().commit()
    if user is None:
        return render_template("login.html", next=target, typed=typed, refused=True), 401
    start_session(user)
    return redirect(target or url_for("home.home"))


@blueprint.post("/logout")
def logout() -> ResponseReturnValue:
    user = viewer().user
    audit.record(db_session(), actor=user.login, action="logout", subject_kind="user", subject_id=user.id)
    db_session().commit()
    end_session()
    return redirect(url_for("login.login"))


@blueprint.post("/locale")
def locale() -> ResponseReturnValue:
    """Change the language: for good when logged in, else for this browser session."""
    chosen = request.form.get("locale", "")
    if chosen in LANGUAGES:
        session["locale"] = chosen
        if current_user.is_authenticated:
            viewer().user.locale = chosen
            db_session().commit()
    return redirect(safe_next(request.form.get("next")) or url_for("home.home"))


@blueprint.route("/password", methods=["GET", "POST"])
def password() -> ResponseReturnValue:
    if request.method == "GET":
        return render_template("password.html", problems={})
    user, new = viewer().user, request.form.get("new", "")
    problems: dict[str, str] = {}
    if not verify_password(user.password_hash, request.form.get("current", "")):
        problems["current"] = _("This is not your present password.")
    elif problem := password_problem(new, user.login):
        problems["new"] = str(problem.data[language()])
    elif new == request.form.get("current"):
        problems["new"] = _("Choose another one than before.")
    elif new != request.form.get("again", ""):
        problems["again"] = _("The two do not match.")
    if problems:
        return render_template("password.html", problems=problems), 422
    user.password_hash, user.must_change_password = hash_password(new), False
    user.session_epoch += 1
    audit.record(db_session(), actor=user.login, action="password", subject_kind="user", subject_id=user.id)
    db_session().commit()
    start_session(user)
    refresh()
    flash(_("Your password is changed; all your other sessions have ended."), "good")
    return redirect(url_for("home.home"))


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
