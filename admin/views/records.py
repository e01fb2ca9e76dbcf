"""What has invariants, to read and export only: requests, tasks, decisions, published rules."""

from collections.abc import Iterable, Mapping
from typing import Any

from flask_admin import Admin
from flask_babel import gettext as _
from flask_babel import lazy_gettext

from admin.base import db_session, request_now
from admin.incident_words import ONE
from admin.labels import DECISIONS, STATUSES, decision_name, label, status_name
from admin.language import language, words
from admin.reference_view import Choices, ReferenceView, manager_options
from admin.row_words import actor_name, value_words
from rules_engine.decisions.escalation_warning import WARNING, WARNING_TITLE
from rules_engine.language.kinds import Decision as DecisionName
from rules_engine.language.model import OTHERWISE
from rules_engine.language.vocabulary import actions_of
from rules_engine.models import Decision, Request, RulesetVersion, Task, TaskKind, TaskState
from rules_engine.services.company.reference import reference
from rules_engine.services.rules import rulebook


def said(_view: Any, _context: Any, model: Any, name: str) -> str:
    """Return a value of a row in words: see `row_words`."""
    return value_words(name, getattr(model, name))


def rule_names(ids: Iterable[str], bodies: Iterable[Mapping[str, Any]]) -> str:
    """Return the titles of rules by the documents that have them; the id of a rule that none of them has."""
    titles = {rule["id"]: words(rule.get("title")) for body in bodies for rule in body.get("rules", [])}
    own = {OTHERWISE: _("Otherwise"), WARNING: WARNING_TITLE.text(language())}
    return "; ".join((own | titles).get(one) or one for one in ids) or "—"


def effect_names(decision: str, effects: Iterable[Mapping[str, Any]]) -> str:
    """Return what a decision did, one action after the other, by the names that the editor has for them."""
    known = actions_of(DecisionName(decision))
    names = [str(one.get("action", "")) for one in effects]
    return "; ".join(dict.fromkeys(known[one].label.text(language()) if one in known else one for one in names)) or "—"


def _bodies_in_force() -> list[Mapping[str, Any]]:
    session, now = db_session(), request_now()
    return [rulebook.in_force_at(session, one, now).body for one in (DecisionName.ESCALATION, DecisionName.CALLBACKS)]


def _who(login: str) -> str:
    return actor_name(login, reference(db_session()))


class RequestRows(ReferenceView):
    title = lazy_gettext("Requests, all columns")
    lead = lazy_gettext("To read and export; a request is worked on at its own page.")
    column_list = (
        "id",
        "external_id",
        "source",
        "received_at",
        "status",
        "manager",
        "client_name",
        "service",
        "channel",
    )
    column_details_list = (
        "id", "source", "external_id", "received_at", "client", "client_name", "service", "channel", "region", "city",
        "language", "priority", "text", "tags", "is_duplicate", "is_history", "status", "status_at", "close_reason",
        "closed_at", "manager", "assigned_at", "answer_within", "answer_due_at", "first_answer_at", "last_activity_at",
        "next_step_at", "waiting_since", "times_waiting", "times_reassigned", "contact_attempts", "unassigned_reason",
    )  # fmt: skip
    column_sortable_list = ("id", "received_at")
    column_default_sort = ("id", True)
    column_searchable_list = ("external_id", "client_name")
    column_filters = (
        Choices(Request.status, lazy_gettext("Status"), lambda: list(STATUSES.items())),
        Choices(Request.manager_id, lazy_gettext("Manager"), manager_options),
    )
    column_formatters = {
        "status": lambda _v, _c, model, _n: status_name(model.status),
        "manager": lambda _v, _c, model, _n: model.manager.name if model.manager else "—",
        **dict.fromkeys(("channel", "priority", "close_reason", "answer_within"), said),
    }
    column_labels = {
        "external_id": lazy_gettext("Number"),
        "source": lazy_gettext("Source"),
        "received_at": lazy_gettext("Received"),
        "status": lazy_gettext("Status"),
        "manager": lazy_gettext("Manager"),
        "client": lazy_gettext("Card of the client"),
        "client_name": lazy_gettext("Client"),
        "service": lazy_gettext("Service"),
        "channel": lazy_gettext("Channel"),
    }


TASK_KINDS = {
    TaskKind.REQUEST: lazy_gettext("request"),
    TaskKind.EXTRA: lazy_gettext("by a rule"),
    TaskKind.CALLBACK: lazy_gettext("callback"),
    TaskKind.OWN: lazy_gettext("own"),
}
TASK_STATES = {
    TaskState.OPEN: lazy_gettext("open"),
    TaskState.DONE: lazy_gettext("done"),
    TaskState.CANCELLED: lazy_gettext("cancelled"),
}


class TaskRows(ReferenceView):
    title = lazy_gettext("Tasks, all columns")
    lead = lazy_gettext("To read and export; tasks are done in the list of their manager.")
    column_list = ("id", "kind", "state", "manager", "request_id", "created_at", "due_at", "done_at", "outcome")
    column_details_list = (*column_list, "rule", "note", "times_postponed", "postpone_reason")
    column_sortable_list = ("id", "created_at", "due_at")
    column_default_sort = ("id", True)
    column_filters = (
        Choices(Task.state, lazy_gettext("State"), lambda: list(TASK_STATES.items())),
        Choices(Task.manager_id, lazy_gettext("Manager"), manager_options),
    )
    column_formatters = {
        "kind": lambda _v, _c, model, _n: label(TASK_KINDS, model.kind),
        "state": lambda _v, _c, model, _n: label(TASK_STATES, model.state),
        "outcome": said,
        "rule": lambda _v, _c, model, _n: rule_names([model.rule], _bodies_in_force()) if model.rule else "—",
    }
    column_labels = {
        "kind": lazy_gettext("Kind"),
        "state": lazy_gettext("State"),
        "manager": lazy_gettext("Manager"),
        "request_id": lazy_gettext("Request"),
        "created_at": lazy_gettext("Made"),
        "due_at": lazy_gettext("Due"),
        "done_at": lazy_gettext("Done"),
        "outcome": lazy_gettext("Outcome"),
    }


class VersionRows(ReferenceView):
    title = lazy_gettext("Published rules")
    lead = lazy_gettext("Every version ever published; none is ever changed.")
    column_list = ("number", "decision", "holds_from", "published_at", "published_by", "note")
    column_details_list = (*column_list, "restored_from", "content_hash")
    column_sortable_list = ("number", "published_at", "holds_from")
    column_default_sort = ("published_at", True)
    column_filters = (Choices(RulesetVersion.decision, lazy_gettext("Decision"), lambda: list(DECISIONS.items())),)
    column_formatters = {
        "decision": lambda _v, _c, model, _n: decision_name(model.decision),
        "published_by": lambda _v, _c, model, _n: _who(model.published_by),
    }
    column_labels = {
        "number": lazy_gettext("Version"),
        "decision": lazy_gettext("Decision"),
        "holds_from": lazy_gettext("In force from"),
        "published_at": lazy_gettext("Published"),
        "published_by": lazy_gettext("Who"),
        "note": lazy_gettext("Note"),
    }


class DecisionRows(ReferenceView):
    title = lazy_gettext("Decisions")
    lead = lazy_gettext("What was decided and by which rules; the whole reasoning stands on the page of the request.")
    column_list = ("id", "at", "decision", "subject_id", "fired", "mode", "actor", "engine")
    column_details_list = (*column_list, "version_id", "chosen_manager_id", "effects")
    column_sortable_list = ("id", "at")
    column_default_sort = ("id", True)
    column_filters = (Choices(Decision.decision, lazy_gettext("Decision"), lambda: list(DECISIONS.items())),)
    column_formatters = {
        "decision": lambda _v, _c, model, _n: decision_name(model.decision),
        "subject_id": lambda _v, _c, model, _n: f"{label(ONE, model.subject_kind)} {model.subject_id}",
        "fired": lambda _v, _c, model, _n: rule_names(model.fired, [model.version.body] if model.version else []),
        "version_id": lambda _v, _c, model, _n: model.version.number if model.version else "—",
        "effects": lambda _v, _c, model, _n: effect_names(model.decision, model.effects),
        "actor": lambda _v, _c, model, _n: _who(model.actor),
        **dict.fromkeys(("mode", "engine", "chosen_manager_id"), said),
    }
    column_labels = {
        "at": lazy_gettext("When"),
        "decision": lazy_gettext("Decision"),
        "subject_id": lazy_gettext("About what"),
        "fired": lazy_gettext("Rules"),
        "mode": lazy_gettext("Mode"),
        "actor": lazy_gettext("Who"),
        "engine": lazy_gettext("Engine"),
    }


def add_views(admin: Admin) -> None:
    admin.add_view(RequestRows(Request, "request_rows"))
    admin.add_view(TaskRows(Task, "task_rows"))
    admin.add_view(VersionRows(RulesetVersion, "version_rows"))
    admin.add_view(DecisionRows(Decision, "decision_rows"))
