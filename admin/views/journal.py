"""The journal: who changed what and when, with before and after."""

import json
from typing import Any

from flask import request
from flask_admin import Admin
from flask_babel import lazy_gettext
from markupsafe import Markup
from sqlalchemy.orm import Query

from admin.labels import label
from admin.reference_view import Choices, ReferenceView
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
}


def changes(entry: AuditEntry) -> list[tuple[str, str, str]]:
    """Return what changed: the name of the value, before and after; a dash where there was nothing."""
    before, after = entry.before or {}, entry.after or {}
    return [
        (key, _text(before.get(key)), _text(after.get(key)))
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]


def _text(value: Any) -> str:
    if value is None or value == "":
        return "—"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 400 else text[:400] + "…"


def summary(entry: AuditEntry) -> str:
    """Return the changes in one line, for the list."""
    parts = [f"{key}: {after if before == '—' else f'{before} → {after}'}" for key, before, after in changes(entry)]
    text = "; ".join(parts)
    return text if len(text) <= 160 else text[:160] + "…"


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
        "action": lambda _v, _c, model, _n: label(ACTIONS, model.action),
        "subject_kind": lambda _v, _c, model, _n: label(SUBJECTS, model.subject_kind),
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
