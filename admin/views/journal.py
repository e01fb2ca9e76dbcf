"""The journal: who changed what and when, with before and after."""

from typing import Any

from flask import request
from flask_admin import Admin
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from markupsafe import Markup
from sqlalchemy.orm import Query

from admin.labels import DECISIONS, label
from admin.reference_view import Choices, ReferenceView
from admin.row_words import column_name, value_words
from rules_engine.models import AuditEntry

ACTIONS = {
    "create": lazy_gettext("added"),
    "update": lazy_gettext("changed"),
    "delete": lazy_gettext("deleted"),
    "login": lazy_gettext("logged in"),
    "logout": lazy_gettext("logged out"),
    "password": lazy_gettext("password changed"),
    "publish": lazy_gettext("published"),
    "mode": lazy_gettext("mode switched"),
    "reassign": lazy_gettext("handed to another manager"),
    "revoke": lazy_gettext("revoked"),
    "status": lazy_gettext("status changed"),
    "release": lazy_gettext("brought back"),
    "send_again": lazy_gettext("sent again"),
    "resolve": lazy_gettext("settled"),
    "open_draft": lazy_gettext("draft begun"),
    "edit_draft": lazy_gettext("draft changed"),
    "import_draft": lazy_gettext("draft taken from a file"),
    "rebase_draft": lazy_gettext("draft brought up to date"),
    "discard_draft": lazy_gettext("draft dropped"),
    "undo_draft": lazy_gettext("change of a draft undone"),
    "redo_draft": lazy_gettext("change of a draft done again"),
    "accept_finding": lazy_gettext("finding kept as intended"),
    "unaccept_finding": lazy_gettext("finding no longer intended"),
    "send_for_approval": lazy_gettext("sent for approval"),
    "approval_approved": lazy_gettext("draft approved"),
    "approval_rejected": lazy_gettext("draft sent back"),
    "approval_withdrawn": lazy_gettext("taken back from approval"),
    "approval_void": lazy_gettext("approval void: the draft was changed"),
    "compute": lazy_gettext("month computed"),
    "presented": lazy_gettext("month shown to the managers"),
    "approved": lazy_gettext("month approved"),
    "closed": lazy_gettext("month closed"),
    "reopen": lazy_gettext("month opened again"),
    "credit": lazy_gettext("payment credited"),
    "reclassify": lazy_gettext("payments classed anew"),
    "correct": lazy_gettext("taken out of the shares"),
    "confirm": lazy_gettext("proposal confirmed"),
    "decline": lazy_gettext("proposal declined"),
    "end": lazy_gettext("hold ended"),
    "leave": lazy_gettext("leaving planned"),
    "cancel_leaving": lazy_gettext("leaving called off"),
    "move": lazy_gettext("handed to a colleague"),
    "retry": lazy_gettext("tried again"),
}
SUBJECTS = {
    "user": lazy_gettext("user"),
    "manager": lazy_gettext("sales manager"),
    "team": lazy_gettext("team"),
    "calendar": lazy_gettext("calendar"),
    "calendar_exception": lazy_gettext("date that differs"),
    "absence": lazy_gettext("absence"),
    "client": lazy_gettext("client"),
    "request": lazy_gettext("request"),
    "token": lazy_gettext("token"),
    "setting": lazy_gettext("setting"),
    "mode": lazy_gettext("mode"),
    "ruleset": lazy_gettext("rules"),
    "work_item": lazy_gettext("job"),
    "message": lazy_gettext("message"),
    "task": lazy_gettext("task"),
    "incident": lazy_gettext("incident"),
    "bonus_period": lazy_gettext("month of bonuses"),
    "callback": lazy_gettext("planned call"),
    "client_group": lazy_gettext("group of firms"),
    "duty_shift": lazy_gettext("duty"),
    "job": lazy_gettext("job"),
    "overdue_action": lazy_gettext("proposal"),
    "payment": lazy_gettext("payment"),
    "plan": lazy_gettext("payment plan"),
}


def changes(entry: AuditEntry) -> list[tuple[str, str, str]]:
    """Return what changed: the name of the value, before and after; a dash where there was nothing."""
    before, after = entry.before or {}, entry.after or {}
    return [
        (column_name(key), _text(key, before.get(key)), _text(key, after.get(key)))
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]


def _text(key: str, value: Any) -> str:
    text = value_words(key, value)
    return text if len(text) <= 400 else text[:400] + "…"


def summary(entry: AuditEntry) -> str:
    """Return the changes in one line, for the list."""
    parts = [f"{key}: {after if before == '—' else f'{before} → {after}'}" for key, before, after in changes(entry)]
    text = "; ".join(parts)
    return text if len(text) <= 160 else text[:160] + "…"


def _which(entry: AuditEntry) -> str:
    """Return what an entry is about: rules and modes are named by their decision, everything else by its key."""
    decision, _mark, team = entry.subject_id.partition(":")
    if entry.subject_kind not in ("ruleset", "mode"):
        return entry.subject_id
    return ", ".join(part for part in (label(DECISIONS, decision), team) if part)


class JournalView(ReferenceView):
    title = lazy_gettext("Journal")
    lead = lazy_gettext("Every change of rules, people, settings and rights. Nothing is ever removed from it.")
    details_template = "reference/entry.html"
    column_list = ("at", "actor", "action", "subject_kind", "subject_id", "changes")
    column_details_list = ("at", "actor", "action", "subject_kind", "subject_id", "position", "digest")
    column_export_list = ("at", "actor", "action", "subject_kind", "subject_id", "changes")
    column_sortable_list = ("at",)
    column_default_sort = ("id", True)
    column_searchable_list = ("actor", "subject_id")
    column_filters = (
        Choices(AuditEntry.action, lazy_gettext("What"), lambda: list(ACTIONS.items())),
        Choices(AuditEntry.subject_kind, lazy_gettext("Of what"), lambda: list(SUBJECTS.items())),
    )
    column_formatters = {
        # People by their login, as one searches for them.
        "actor": lambda _v, _c, model, _n: _("the system") if model.actor == "system" else model.actor,
        "action": lambda _v, _c, model, _n: label(ACTIONS, model.action),
        "subject_kind": lambda _v, _c, model, _n: label(SUBJECTS, model.subject_kind),
        "subject_id": lambda _v, _c, model, _n: _which(model),
        "changes": lambda _v, _c, model, _n: Markup('<span class="muted">{}</span>').format(summary(model)),
    }
    column_formatters_export = {**column_formatters, "changes": lambda _v, _c, model, _n: summary(model)}
    column_labels = {
        "at": lazy_gettext("When"),
        "actor": lazy_gettext("Who"),
        "action": lazy_gettext("What"),
        "subject_kind": lazy_gettext("Of what"),
        "subject_id": lazy_gettext("Which"),
        "changes": lazy_gettext("Changes"),
        "position": lazy_gettext("Place in the chain"),
        "digest": lazy_gettext("Seal"),
    }
    changes = staticmethod(changes)

    def scoped(self, query: "Query[Any]") -> "Query[Any]":
        """Narrow the journal to one subject when a page asks for the changes of what it shows."""
        kind, key = request.args.get("subject"), request.args.get("id")
        if kind and key and request.endpoint == "journal.index_view":
            query = query.filter(AuditEntry.subject_kind == kind, AuditEntry.subject_id == key)
        return query


def add_views(admin: Admin) -> None:
    admin.add_view(JournalView(AuditEntry, "journal"))
