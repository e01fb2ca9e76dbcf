"""One's own messages: what the rules had to tell, how many are new, and what could not be delivered elsewhere."""

from flask import Blueprint, Flask, Response, abort, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user
from sqlalchemy import ColumnElement, Select, func, literal_column, select, update
from sqlalchemy.orm import InstrumentedAttribute

from admin.base import commit_and_wake, db_session, request_now, row_id
from admin.security import actor, safe_next, viewer
from rules_engine.models import OutboxMessage, OutboxState
from rules_engine.services.messages import outbox
from rules_engine.services.messages.outbox import PAGE
from rules_engine.services.records import audit

SHOWN = 50
SHOWN_IN_BELL = 7
COUNTED = 99
"""The bell counts no further."""

blueprint = Blueprint("messages", __name__, url_prefix="/messages")

# As the partial index spells it: with a parameter in its place SQLite would not know the index for its own.
_OF_PAGE: ColumnElement[bool] = OutboxMessage.channel == literal_column(f"'{PAGE}'")
_UNREAD: tuple[ColumnElement[bool], ...] = (_OF_PAGE, OutboxMessage.read_at.is_(None))


def unread() -> int:
    """Return how many messages the viewer has not seen, at most one more than COUNTED; asked once a page."""
    if not current_user.is_authenticated:
        return 0
    if "pravila_unread" not in g:
        g.pravila_unread = db_session().scalar(unread_query(viewer().user.id)) or 0
    number: int = g.pravila_unread
    return number


def unread_query(user_id: int) -> Select[int]:
    """Return the question of every page, which the index of unread messages answers alone."""
    found = select(OutboxMessage.id).where(OutboxMessage.user_id == user_id, *_UNREAD).limit(COUNTED + 1).subquery()
    return select(func.count()).select_from(found)


@blueprint.get("/")
def index() -> ResponseReturnValue:
    before = request.args.get("before", type=row_id)
    query = select(OutboxMessage).where(_mine(), _OF_PAGE)
    if before:
        query = query.where(OutboxMessage.id < before)
    found = db_session().scalars(query.order_by(OutboxMessage.id.desc()).limit(SHOWN + 1)).all()
    undelivered = select(OutboxMessage).where(_mine(), OutboxMessage.state == OutboxState.DEAD)
    return render_template(
        "messages.html",
        messages=found[:SHOWN],
        older=found[SHOWN - 1].id if len(found) > SHOWN else None,
        undelivered=db_session().scalars(undelivered.order_by(OutboxMessage.id.desc()).limit(SHOWN)).all(),
    )


@blueprint.get("/bell")
def bell() -> ResponseReturnValue:
    """Return the number on the bell, nothing where it is still what the page shows."""
    if request.args.get("shown", type=int) == unread():
        return Response(status=204)
    return render_template("_bell_count.html")


@blueprint.get("/latest")
def latest() -> ResponseReturnValue:
    """Return the list under the bell: the newest messages, read or not."""
    query = select(OutboxMessage).where(_mine(), _OF_PAGE).order_by(OutboxMessage.id.desc()).limit(SHOWN_IN_BELL)
    return render_template("_bell_list.html", messages=db_session().scalars(query).all())


@blueprint.post("/read")
def read() -> ResponseReturnValue:
    """Mark all up to a message as read: what came while he was reading stays unread."""
    _mark_read(OutboxMessage.id <= request.form.get("up_to", 0, type=row_id))
    return redirect(safe_next(request.form.get("next")) or url_for("messages.index"))


@blueprint.post("/<int:message_id>/read")
def read_one(message_id: int) -> ResponseReturnValue:
    _mark_read(OutboxMessage.id == message_id)
    return redirect(url_for("messages.index"))


@blueprint.post("/<int:message_id>/open")
def follow(message_id: int) -> ResponseReturnValue:
    """Mark a message as read and go where it leads."""
    message = _own(message_id, _OF_PAGE)
    link = message.link
    _mark_read(OutboxMessage.id == message_id)
    return redirect(safe_next(link) or url_for("messages.index"))


@blueprint.post("/<int:message_id>/send-again")
def send_again(message_id: int) -> ResponseReturnValue:
    """Let a message of one's own that was given up be sent once more."""
    message = _own(message_id, OutboxMessage.state == OutboxState.DEAD)
    outbox.send_again(db_session(), message, request_now())
    audit.record(
        db_session(), actor=actor(), action="send_again", subject_kind="message", subject_id=message.id,
        after={"channel": message.channel},
    )  # fmt: skip
    commit_and_wake()
    flash(_("It is in the queue again."), "good")
    return redirect(url_for("messages.index"))


def _mine() -> ColumnElement[bool]:
    owner: InstrumentedAttribute[int | None] = OutboxMessage.user_id
    return owner == viewer().user.id


def _own(message_id: int, condition: ColumnElement[bool]) -> OutboxMessage:
    query = select(OutboxMessage).where(OutboxMessage.id == message_id, _mine(), condition)
    return db_session().scalars(query).first() or abort(404)


def _mark_read(which: ColumnElement[bool]) -> None:
    db_session().execute(
        update(OutboxMessage)
        .where(_mine(), *_UNREAD, which)
        .values(read_at=request_now())
        .execution_options(synchronize_session=False)
    )
    db_session().commit()


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
    app.jinja_env.globals.update(unread_messages=unread, MOST_UNREAD=COUNTED)
