"""The words for what is stored as a code: roles, statuses, outcomes, reasons. Other codes show as they are."""

from collections.abc import Mapping
from typing import Any

from flask import Flask
from flask_babel import LazyString, lazy_gettext

from admin.language import language
from rules_engine.language.vocabulary import FIELDS
from rules_engine.models import PaymentKind, RequestStatus, Role

Labels = Mapping[str, LazyString]

ROLES: Labels = {
    Role.ADMINISTRATOR: lazy_gettext("administrator"),
    Role.HEAD: lazy_gettext("head of sales"),
    Role.MANAGER: lazy_gettext("sales manager"),
    Role.AUDITOR: lazy_gettext("auditor"),
}

STATUSES: Labels = {
    RequestStatus.NEW: lazy_gettext("new"),
    RequestStatus.ASSIGNED: lazy_gettext("assigned"),
    RequestStatus.IN_PROGRESS: lazy_gettext("in progress"),
    RequestStatus.WAITING_CLIENT: lazy_gettext("waiting for client"),
    RequestStatus.WON: lazy_gettext("paid"),
    RequestStatus.LOST: lazy_gettext("refusal"),
    RequestStatus.SPAM: lazy_gettext("spam"),
}

STATUS_BADGES = {
    RequestStatus.NEW: "warn",
    RequestStatus.ASSIGNED: "on",
    RequestStatus.IN_PROGRESS: "on",
    RequestStatus.WAITING_CLIENT: "",
    RequestStatus.WON: "good",
    RequestStatus.LOST: "",
    RequestStatus.SPAM: "",
}
"""Which colour a status has: that of who must act."""

DECISIONS: Labels = {
    "assignment": lazy_gettext("Assignment of requests"),
    "escalation": lazy_gettext("Answers in time"),
    "callbacks": lazy_gettext("Calls to old clients"),
    "bonus": lazy_gettext("Bonus"),
}

MODES: Labels = {
    "off": lazy_gettext("off"),
    "watch": lazy_gettext("watch"),
    "hints": lazy_gettext("hints"),
    "live": lazy_gettext("live"),
}


OUTCOMES: Labels = {
    "answered": lazy_gettext("answered"),
    "order": lazy_gettext("orders"),
    "thinks": lazy_gettext("thinks"),
    "not_now": lazy_gettext("not now"),
    "refused": lazy_gettext("refuses"),
    "not_reached": lazy_gettext("not reached"),
    "wrong_number": lazy_gettext("wrong number"),
    "do_not_call": lazy_gettext("asks not to call"),
}

PAYMENT_KINDS: Labels = {
    PaymentKind.PAYMENT: lazy_gettext("payment"),
    PaymentKind.PREPAYMENT: lazy_gettext("prepayment"),
    PaymentKind.REFUND: lazy_gettext("refund"),
    PaymentKind.OFFSET: lazy_gettext("offset"),
}

CONTACT_KINDS: Labels = {
    "call": lazy_gettext("call"),
    "message": lazy_gettext("message"),
    "email": lazy_gettext("mail"),
    "meeting": lazy_gettext("meeting"),
}
DIRECTIONS: Labels = {"out": lazy_gettext("outgoing"), "in": lazy_gettext("incoming")}


def label(labels: Mapping[Any, Any], code: str | None) -> str:
    """Return the words for a code in the viewer's language; an unknown code as it is, None as a dash."""
    if code is None:
        return "—"
    return str(labels.get(code, code))


def role_name(role: str) -> str:
    return label(ROLES, role)


def status_name(status: str) -> str:
    return label(STATUSES, status)


def decision_name(decision: str) -> str:
    return label(DECISIONS, decision)


def mode_name(mode: str) -> str:
    return label(MODES, mode)


def field_value(field: str, value: str | None) -> str:
    """Return how the rules call a value of one of their fields (`request.channel`: web); others as they are."""
    for choice in FIELDS[field].choices:
        if choice.value == value:
            return choice.label.text(language())
    return value or ""


def channel_name(channel: str | None) -> str:
    return field_value("request.channel", channel)


def init_app(app: Flask) -> None:
    app.jinja_env.globals.update(
        role_name=role_name,
        status_name=status_name,
        decision_name=decision_name,
        mode_name=mode_name,
        channel_name=channel_name,
        field_value=field_value,
        label=label,
        STATUSES=STATUSES,
        STATUS_BADGES=STATUS_BADGES,
        OUTCOMES=OUTCOMES,
        CONTACT_KINDS=CONTACT_KINDS,
        PAYMENT_KINDS=PAYMENT_KINDS,
        DIRECTIONS=DIRECTIONS,
    )
