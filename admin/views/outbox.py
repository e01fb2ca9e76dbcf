"""The outbox: every message to a person, what became of it, and sending again what was given up or kept."""

from flask import flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_admin import Admin, expose
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from markupsafe import Markup

from admin.base import commit_and_wake, db_session, request_now
from admin.labels import label
from admin.language import lines
from admin.reference_view import Choices, ReferenceView
from admin.security import actor
from rules_engine.models import OutboxMessage, OutboxState
from rules_engine.services.messages import outbox
from rules_engine.services.records import audit

STATES = {
    OutboxState.PENDING: lazy_gettext("to be sent"),
    OutboxState.SENT: lazy_gettext("sent"),
    OutboxState.DEAD: lazy_gettext("given up"),
    OutboxState.KEPT: lazy_gettext("kept here: there was no way to send it"),
}
CHANNELS = {
    outbox.PAGE: lazy_gettext("page"),
    outbox.EMAIL: lazy_gettext("mail"),
    outbox.URL: lazy_gettext("other address"),
}
AGAIN = frozenset({OutboxState.DEAD, OutboxState.KEPT})


def _link(path: str) -> str:
    return Markup('<a href="{}">{}</a>').format(path, path) if path.startswith("/") else path or "—"


class OutboxView(ReferenceView):
    title = lazy_gettext("Outbox")
    lead = lazy_gettext("Messages to people. What could not be delivered after several tries waits here for a person.")
    subject = "message"
    details_template = "reference/message.html"
    column_list = ("created_at", "subject", "channel", "address", "state", "attempts")
    column_details_list = (*column_list, "body", "link", "not_before", "sent_at", "read_at", "last_error", "key")
    column_sortable_list = ("created_at",)
    column_default_sort = ("id", True)
    column_searchable_list = ("subject", "address")
    column_filters = (
        Choices(OutboxMessage.state, lazy_gettext("State"), lambda: list(STATES.items())),
        Choices(OutboxMessage.channel, lazy_gettext("By"), lambda: list(CHANNELS.items())),
    )
    column_formatters = {
        "state": lambda _v, _c, model, _n: label(STATES, model.state),
        "channel": lambda _v, _c, model, _n: label(CHANNELS, model.channel),
    }
    column_formatters_detail = {
        **column_formatters,
        "body": lambda _v, _c, model, _n: lines(model.body),
        "link": lambda _v, _c, model, _n: _link(model.link),
    }
    column_labels = {
        "created_at": lazy_gettext("Made"),
        "subject": lazy_gettext("Subject"),
        "channel": lazy_gettext("By"),
        "address": lazy_gettext("To"),
        "state": lazy_gettext("State"),
        "attempts": lazy_gettext("Tries"),
        "body": lazy_gettext("Text"),
        "link": lazy_gettext("Link"),
        "not_before": lazy_gettext("Not before"),
        "sent_at": lazy_gettext("Sent"),
        "read_at": lazy_gettext("Read"),
        "last_error": lazy_gettext("Last failure"),
        "key": lazy_gettext("Key"),
    }

    def name_of(self, model: OutboxMessage) -> str:
        return model.subject

    def may_send_again(self, message: OutboxMessage) -> bool:
        return message.state in AGAIN and message.channel != outbox.PAGE and self._allowed("send_again")

    @expose("/send-again/", methods=("POST",))
    def send_again(self) -> ResponseReturnValue:
        message: OutboxMessage = self.get_one(request.form.get("id", ""))
        if self.may_send_again(message):
            outbox.send_again(db_session(), message, request_now())
            audit.record(
                db_session(), actor=actor(), action="send_again", subject_kind=self.subject, subject_id=message.id
            )
            commit_and_wake()
            flash(_("It is in the queue again."), "good")
        return redirect(self.get_url(".details_view", id=message.id))


def add_views(admin: Admin) -> None:
    admin.add_view(OutboxView(OutboxMessage, "outbox"))
