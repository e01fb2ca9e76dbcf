"""Rows in words: how the pages of reference data and the journal call columns, and the codes that stand in them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask_babel import LazyString, lazy_gettext
from flask_babel import gettext as _

from admin.base import db_session
from admin.labels import DECISIONS, MODES, OUTCOMES, ROLES, STATUSES, Labels, field_value, label
from admin.language import LANGUAGES, language, local, minutes, money, words
from rules_engine.language.vocabulary import FIELDS
from rules_engine.models import ApprovalState, OverdueState
from rules_engine.services.bonus.periods import STATE_WORDS
from rules_engine.services.company.reference import Reference, reference
from rules_engine.services.requests.refusal_reasons import refusal_reasons

PERSON_IDS = frozenset({"owner_id", "cover_id", "manager_id", "chosen_manager_id"})
PERSONS = frozenset({"manager", "managers", "from", "to", "owner", "cover"})
MINUTES = frozenset({"answer_within", "digest_minutes"})


def _of_field(key: str) -> str:
    text = FIELDS[key].label.text(language())
    return text[:1].upper() + text[1:]


COLUMNS: Labels = {
    **{
        name: LazyString(_of_field, f"request.{name}")
        for name in (
            "region", "city", "language", "priority", "text", "tags", "is_duplicate", "answer_within", "times_waiting",
            "times_reassigned", "contact_attempts",
        )
    },
    "id": lazy_gettext("No."),
    "source": lazy_gettext("Source"),
    "external_id": lazy_gettext("Number"),
    "received_at": lazy_gettext("Received"),
    "client": lazy_gettext("Client"),
    "client_id": lazy_gettext("Client"),
    "client_name": lazy_gettext("Client"),
    "is_history": lazy_gettext("Came already handled"),
    "status": lazy_gettext("Status"),
    "status_at": lazy_gettext("Status since"),
    "close_reason": lazy_gettext("Refusal reason"),
    "closed_at": lazy_gettext("Closed"),
    "assigned_at": lazy_gettext("Handed out"),
    "answer_due_at": lazy_gettext("Answer until"),
    "first_answer_at": lazy_gettext("First answer"),
    "last_activity_at": lazy_gettext("Last event"),
    "next_step_at": lazy_gettext("Next step"),
    "waiting_since": lazy_gettext("Waiting for the client since"),
    "unassigned_reason": lazy_gettext("Why nobody has it"),
    "amount_minor": lazy_gettext("Amount"),
    "total_minor": lazy_gettext("Total"),
    "new_minor": lazy_gettext("Plan for new clients"),
    "old_minor": lazy_gettext("Plan for old clients"),
    "manager": lazy_gettext("Manager"),
    "managers": lazy_gettext("Managers"),
    "manager_id": lazy_gettext("Manager"),
    "chosen_manager_id": lazy_gettext("Who received it"),
    "owner": lazy_gettext("Owner"),
    "owner_id": lazy_gettext("Owner"),
    "cover": lazy_gettext("Cover"),
    "cover_id": lazy_gettext("Cover"),
    "why": lazy_gettext("Reason"),
    "reason": lazy_gettext("Reason"),
    "note": lazy_gettext("Note"),
    "state": lazy_gettext("State"),
    "month": lazy_gettext("Month"),
    "revision": lazy_gettext("Edition"),
    "version": lazy_gettext("Version"),
    "version_id": lazy_gettext("Version"),
    "from_version": lazy_gettext("From version"),
    "restored_from": lazy_gettext("Made from version"),
    "mode": lazy_gettext("Mode"),
    "at": lazy_gettext("When"),
    "role": lazy_gettext("Role"),
    "is_author": lazy_gettext("By the author himself"),
    "content_hash": lazy_gettext("Seal"),
    "sent_by": lazy_gettext("Sent by"),
    "rule": lazy_gettext("Rule"),
    "effects": lazy_gettext("What was done"),
    "subject_kind": lazy_gettext("About what"),
    "times_postponed": lazy_gettext("Times postponed"),
    "postpone_reason": lazy_gettext("Why it was postponed"),
    "code": lazy_gettext("Code"),
    "name": lazy_gettext("Name"),
    "login": lazy_gettext("Login"),
    "email": lazy_gettext("Mail"),
    "phone": lazy_gettext("Phone"),
    "team": lazy_gettext("Team"),
    "calendar": lazy_gettext("Calendar"),
    "weight_milli": lazy_gettext("Weight"),
    "skills": lazy_gettext("Skills"),
    "hired_on": lazy_gettext("First working day"),
    "left_on": lazy_gettext("No longer works from"),
    "daily_cap": lazy_gettext("New requests a day, at most"),
    "open_cap": lazy_gettext("Open requests, at most"),
    "catch_up_per_day": lazy_gettext("After an absence, more a day"),
    "inn": lazy_gettext("Tax number"),
    "segment": lazy_gettext("Segment"),
    "do_not_call": lazy_gettext("Asked not to be called"),
    "consent_on": lazy_gettext("Consent to offers given on"),
    "consent_source": lazy_gettext("How the consent was given"),
    "contract_ends_on": lazy_gettext("Contract ends on"),
    "created_at": lazy_gettext("Made"),
    "decision": lazy_gettext("Decision"),
    "reached": lazy_gettext("Reached"),
    "requests": lazy_gettext("Requests"),
    "starts_at": lazy_gettext("From"),
    "ends_at": lazy_gettext("Until"),
    "day": lazy_gettext("Date"),
}  # fmt: skip
"""Columns that more than one page shows; a page may call its own ones otherwise."""

STATES: Labels = {
    **{state: LazyString(words, said) for state, said in STATE_WORDS.items()},
    ApprovalState.WAITING: lazy_gettext("waits for an answer"),
    ApprovalState.REJECTED: lazy_gettext("sent back"),
    ApprovalState.WITHDRAWN: lazy_gettext("taken back"),
    ApprovalState.VOID: lazy_gettext("void: the draft was changed"),
    OverdueState.PROPOSED: lazy_gettext("proposed"),
    OverdueState.DECLINED: lazy_gettext("declined"),
    OverdueState.CONFIRMED: lazy_gettext("confirmed"),
    OverdueState.ENDED: lazy_gettext("ended"),
}
ENDS: Labels = {**STATUSES, **OUTCOMES}
"""How a task ends: by what was said on the phone, or by the status of its request."""
ENGINES: Labels = {
    "durable+native": lazy_gettext("both engines"),
    "native": lazy_gettext("the built-in one"),
    "none": lazy_gettext("none: a person decided"),
}
_CODES: Mapping[str, Labels] = {
    "status": STATUSES,
    "state": STATES,
    "mode": MODES,
    "role": ROLES,
    "decision": DECISIONS,
    "outcome": ENDS,
    "engine": ENGINES,
}
_FIELDS = {"segment": "client.segment", "channel": "request.channel", "priority": "request.priority"}


def column_name(column: str) -> str:
    """Return how a column is called; one without words as it is."""
    return label(COLUMNS, column)


def actor_name(login: str, picture: Reference) -> str:
    """Return who did something: the system, a program, a person by his name."""
    if login == "system":
        return _("the system")
    if login.startswith("api:"):
        return _("program %(name)s", name=login.removeprefix("api:"))
    return next((user.name for user in picture.users.values() if user.login == login), login)


def value_words(column: str, value: Any) -> str:
    """Return a value of a row, or of the journal (JSON), as people read it; a dash where there is none."""
    if value is None or value == "" or value == [] or value == {}:
        return "—"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if column in PERSON_IDS and isinstance(value, int):
        known = reference(db_session()).managers.get(value)
        return known.name if known else f"{COLUMNS['id']} {value}"
    if isinstance(value, int) and column.endswith("_minor"):
        return money(value)
    if isinstance(value, int) and column.endswith("_milli"):
        return f"{value / 1000:g}".replace(".", "," if language() == "ru" else ".")
    if column in MINUTES and isinstance(value, int):
        return minutes(value)
    if isinstance(value, Mapping):
        if set(value) == set(LANGUAGES):
            return words(value)
        return ", ".join(f"{column_name(key)}: {value_words(key, one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(value_words(column, one) for one in value)
    return _text(column, value) if isinstance(value, str) else str(value)


def _text(column: str, value: str) -> str:
    if column == "close_reason":
        return refusal_reasons(db_session()).get(value, {}).get(language(), value)
    if column in PERSONS:
        known = reference(db_session()).by_login(value)
        return known.name if known else value
    if column in _FIELDS:
        return field_value(_FIELDS[column], value)
    if column in _CODES:
        return label(_CODES[column], value)
    if "T" in value and (column == "at" or column.endswith("_at")):
        return _instant(value)
    return value


def _instant(value: str) -> str:
    try:
        return f"{local(datetime.fromisoformat(value)):%d.%m.%Y %H:%M}"
    except ValueError:
        return value
