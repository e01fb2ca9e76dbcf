"""One's own messages: what the rules had to tell. Opening the page marks what it shows as read."""

from flask import Blueprint, Flask, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy import func, select, update

from admin.base import db_session, request_now
from admin.security import viewer
from rules_engine.models import OutboxMessage
from rules_engine.services.outbox import PAGE

SHOWN = 50

blueprint = Blueprint("messages", __name__, url_prefix="/messages")


def unread() -> int:
    """Return how many messages the viewer has not seen: for the top bar, asked once a page."""
    if not current_user.is_authenticated:
        return 0
    if "pravila_unread" not in g:
        query = select(func.count(OutboxMessage.id)).where(
            OutboxMessage.user_id == viewer().user.id,
            OutboxMessage.channel == PAGE,
            OutboxMessage.read_at.is_(None),
            OutboxMessage.not_before <= request_now(),
        )
        g.pravila_unread = db_session().scalar(query) or 0
    number: int = g.pravila_unread
    return number


@blueprint.get("/")
def index() -> ResponseReturnValue:
    before = request.args.get("before", type=int)
    query = select(OutboxMessage).where(
        OutboxMessage.user_id == viewer().user.id,
        OutboxMessage.channel == PAGE,
        OutboxMessage.not_before <= request_now(),
    )
    if before:
        query = query.where(OutboxMessage.id < before)
    found = db_session().scalars(query.order_by(OutboxMessage.id.desc()).limit(SHOWN + 1)).all()
    return render_template(
        "messages.html", messages=found[:SHOWN], older=found[SHOWN - 1].id if len(found) > SHOWN else None
    )


@blueprint.post("/read")
def read() -> ResponseReturnValue:
    db_session().execute(
        update(OutboxMessage)
        .where(
            OutboxMessage.user_id == viewer().user.id,
            OutboxMessage.channel == PAGE,
            OutboxMessage.read_at.is_(None),
            # What came while he was reading stays unread.
            OutboxMessage.id <= request.form.get("up_to", 0, type=int),
        )
        .values(read_at=request_now())
        .execution_options(synchronize_session=False)
    )
    db_session().commit()
    return redirect(url_for("messages.index"))


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
    app.jinja_env.globals["unread_messages"] = unread
