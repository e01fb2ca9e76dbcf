"""Who is there: the viewer behind a session, the guard in front of every page, and the headers behind it."""

import secrets
from datetime import datetime, timedelta
from typing import Any

from flask import Flask, Response, abort, flash, g, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from flask_wtf.csrf import CSRFError, CSRFProtect
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from admin.access import Open, Scope, row_of
from admin.base import SAFE_METHODS, db_session, installation_state
from rules_engine import clock
from rules_engine.models import Role, User

IDLE_LIMIT = timedelta(hours=8)
ABSOLUTE_LIMIT = timedelta(days=7)
SEEN_STEP = timedelta(minutes=5)
"""How often the instant of the last page is written into the cookie again."""

csrf = CSRFProtect()
login_manager = LoginManager()

UNASKED = frozenset({"messages.bell"})
UNASKED_HEADER = "X-Pravila-Unasked"
"""What an open page asks for by itself: that nobody sits before it any more must end the session all the same.

The header stands on pages that fetch themselves again; who adds it to more only has his session end sooner.
"""
# Open while a history is filled and before a one-time password is changed: one must be able to come and go.
ALWAYS_OPEN = frozenset({"static", "htmx.static", "login.login", "login.logout", "login.locale", "login.password"})


class Viewer(UserMixin):
    """The person behind this session, as the views see him."""

    def __init__(self, user: User) -> None:
        self.user = user

    def get_id(self) -> str:
        return str(self.user.id)

    @property
    def login(self) -> str:
        return self.user.login

    @property
    def name(self) -> str:
        return self.user.name

    @property
    def role(self) -> Role:
        return self.user.role

    @property
    def manager_id(self) -> int | None:
        """Id of his `Manager` row; None: he receives no requests."""
        return self.user.manager.id if self.user.manager else None


def viewer() -> Viewer:
    """Return who is logged in. For views behind the guard, which lets nobody else through."""
    if not current_user.is_authenticated:
        abort(401)
    found: Viewer = current_user._get_current_object()
    return found


def scope() -> Scope:
    """Return what the viewer may see behind the present endpoint: all, or his own."""
    found: Scope = g.pravila_scope
    return found


def actor() -> str:
    """Return the name under which the viewer's changes are recorded."""
    return viewer().login


def init_app(app: Flask) -> None:
    """Register sessions, the guard, CSRF and the headers; in this order, for each relies on the one before."""
    app.config.update(
        SESSION_COOKIE_NAME="pravila",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=app.extensions["pravila"].settings.secure_cookies,
        PERMANENT_SESSION_LIFETIME=ABSOLUTE_LIMIT,
        # A token lives as long as its session: a page that was open over lunch must still save.
        WTF_CSRF_TIME_LIMIT=None,
    )
    login_manager.init_app(app)
    app.before_request(_guard)
    csrf.init_app(app)
    app.after_request(_headers)
    app.register_error_handler(CSRFError, _csrf_refused)


def start_session(user: User) -> None:
    """Begin a new session for a user who has just proved who he is; nothing of an earlier one survives."""
    session.clear()
    session.permanent = True
    now = clock.now()
    session["epoch"] = user.session_epoch
    session["began_at"] = session["seen_at"] = now.timestamp()
    login_user(Viewer(user))


def end_session() -> None:
    logout_user()
    session.clear()


@login_manager.user_loader
def _load_viewer(user_id: str) -> Viewer | None:
    """Return the viewer of the session; None when it has run out, was revoked, or its user may not log in."""
    now = clock.now()
    if _since("began_at", now) > ABSOLUTE_LIMIT or _since("seen_at", now) > IDLE_LIMIT:
        return None
    query = select(User).where(User.id == int(user_id)).options(joinedload(User.manager))
    user = db_session().scalars(query).first()
    if user is None or not user.is_active or user.session_epoch != session.get("epoch"):
        return None
    is_asked = request.endpoint not in UNASKED and UNASKED_HEADER not in request.headers
    if _since("seen_at", now) > SEEN_STEP and is_asked:
        session["seen_at"] = now.timestamp()
    return Viewer(user)


def _since(key: str, now: datetime) -> timedelta:
    """Return how long ago an instant of the session was; for ever when it is missing."""
    stamp = session.get(key)
    return timedelta(seconds=now.timestamp() - stamp) if isinstance(stamp, int | float) else timedelta.max


def _guard() -> ResponseReturnValue | None:
    """Let a request through to its view, or answer instead of it. See access.py."""
    if request.endpoint is None:
        return None  # no such page, or not by this method: Flask's own answer is right
    row = row_of(request.endpoint)
    if row is None:
        abort(404)
    if row is Open.BY_TOKEN:
        return None
    if not isinstance(row, Open):
        if not current_user.is_authenticated:
            return _to_login()
        allowed = row.get(viewer().role)
        if allowed is None:
            abort(403)
        g.pravila_scope = allowed
    if request.endpoint in ALWAYS_OPEN:
        return None
    g.pravila_filling = installation_state(db_session())
    if g.pravila_filling and request.method not in SAFE_METHODS:
        return render_template("filling.html"), 503
    if current_user.is_authenticated and viewer().user.must_change_password:
        flash(_("Choose a password of your own first."), "warn")
        return redirect(url_for("login.password"))
    return None


def _to_login() -> ResponseReturnValue:
    # After a form there is nothing to come back to; htmx needs a header, for it would paste the page into a corner.
    back = request.full_path.rstrip("?") if request.method in SAFE_METHODS else None
    if request.headers.get("HX-Request"):
        if request.endpoint in UNASKED:
            return Response(status=401)  # whoever types into the open page keeps what he typed
        return Response(status=401, headers={"HX-Redirect": url_for("login.login")})
    return redirect(url_for("login.login", next=back if back != "/" else None))


def safe_next(target: str | None) -> str | None:
    """Return a path of this site to go on to; None for anything that could lead elsewhere."""
    if not target or not target.startswith("/") or target.startswith("//") or "\\" in target:
        return None
    return target if target.isprintable() else None


def csp_nonce() -> str:
    """Return this answer's nonce: a script element that carries it may run."""
    if "pravila_nonce" not in g:
        g.pravila_nonce = secrets.token_urlsafe(16)
    nonce: str = g.pravila_nonce
    return nonce


def _headers(response: Response) -> Response:
    headers = response.headers
    headers.setdefault(
        "Content-Security-Policy",
        "default-src 'self'; "
        f"script-src 'self' 'nonce-{csp_nonce()}'; "
        "style-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'",
    )
    headers.setdefault("X-Content-Type-Options", "nosniff")
    # Not "no-referrer": behind TLS the CSRF check compares the referrer.
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    if request.is_secure:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    if request.endpoint not in ("static", "htmx.static"):
        headers.setdefault("Cache-Control", "no-store")
    return response


def _csrf_refused(_error: CSRFError) -> ResponseReturnValue:
    return render_template(
        "error.html",
        title=_("This form is out of date"),
        text=_("You have logged in or out since it was opened. Go back, reload the page and send it again."),
    ), 400


def viewer_or_none() -> Any:
    """Return the viewer, or None before login: for the base template."""
    return current_user if current_user.is_authenticated else None
