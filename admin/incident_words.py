"""Incidents as people read them: what happened, about what, and where the two engines differed on which facts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import url_for
from flask_babel import lazy_gettext
from sqlalchemy import select
from sqlalchemy.orm import Session

from admin.labels import DECISIONS, label
from admin.language import language
from admin.row_words import COLUMNS
from rules_engine.decisions.field_words import value_words
from rules_engine.language.vocabulary import FIELDS
from rules_engine.models import Callback, Incident, WorkKind

ENGINE_KINDS = frozenset({"engine_difference", "engine_failure", "engine_refused"})

KINDS = {
    "engine_difference": lazy_gettext("the engines differ"),
    "engine_failure": lazy_gettext("an engine failed"),
    "engine_refused": lazy_gettext("an engine does not take a version"),
    "quarantined": lazy_gettext("set aside"),
    "message_not_delivered": lazy_gettext("message given up"),
    "arrival_refused": lazy_gettext("a row of the replay was refused"),
    "rules_without_end": lazy_gettext("rules set each other off"),
}
WORK = {
    WorkKind.REQUEST: lazy_gettext("requests"),
    WorkKind.CLIENT: lazy_gettext("clients"),
    WorkKind.CALLBACK: lazy_gettext("callbacks"),
    WorkKind.OVERDUE_ACTION: lazy_gettext("proposals and holds"),
    WorkKind.CLIENT_MOVE: lazy_gettext("clients to be handed over"),
    WorkKind.IMPACT: lazy_gettext("reckonings of what a draft changes"),
    WorkKind.PUBLICATION: lazy_gettext("published rules to be told of"),
    WorkKind.OUTBOX: lazy_gettext("messages"),
}
ONE = {
    WorkKind.REQUEST: lazy_gettext("request"),
    WorkKind.CLIENT: lazy_gettext("client"),
    WorkKind.CALLBACK: lazy_gettext("callback"),
    WorkKind.OVERDUE_ACTION: lazy_gettext("proposal"),
    WorkKind.CLIENT_MOVE: lazy_gettext("client to be handed over"),
    WorkKind.IMPACT: lazy_gettext("reckoning of what a draft changes"),
    WorkKind.PUBLICATION: lazy_gettext("published rules to be told of"),
    WorkKind.OUTBOX: lazy_gettext("message"),
}


@dataclass(frozen=True, slots=True)
class Place:
    """What an item is about, with the address of its page; empty: it has none."""

    words: str
    url: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One incident. `native` and `durable` are the rules that each engine found; None: it gave no answer."""

    incident: Incident
    kind: str
    is_of_engines: bool
    place: Place | None
    native: tuple[str, ...] | None
    durable: tuple[str, ...] | None
    detail: str
    facts: tuple[tuple[str, str], ...]


def shown(session: Session, incidents: Iterable[Incident]) -> list[Shown]:
    """Return incidents ready for a page."""
    rows = list(incidents)
    calls = clients_of_calls(
        session, [row.data.get("subject_id") for row in rows if row.data.get("kind") == "callback"]
    )
    return [_shown(row, calls) for row in rows]


def place_of(kind: str, subject_id: int, calls: Mapping[int, int]) -> Place:
    """Return the page of what an item is about. `calls`: see clients_of_calls."""
    words = f"{label(ONE, kind)} {subject_id}"
    match kind:
        case WorkKind.REQUEST:
            return Place(words, url_for("requests.page", request_id=subject_id))
        case WorkKind.CLIENT:
            return Place(words, url_for("clients.client", client_id=subject_id))
        case WorkKind.CALLBACK if subject_id in calls:
            return Place(words, url_for("clients.client", client_id=calls[subject_id]))
        case WorkKind.OVERDUE_ACTION:
            return Place(words, url_for("overdue.index"))
        case WorkKind.OUTBOX:
            return Place(words, url_for("outbox.details_view", id=subject_id))
    return Place(words, "")


def clients_of_calls(session: Session, ids: Iterable[Any]) -> dict[int, int]:
    """Return the client of each planned call, by one query."""
    wanted = [one for one in ids if isinstance(one, int)]
    if not wanted:
        return {}
    rows = session.execute(select(Callback.id, Callback.client_id).where(Callback.id.in_(wanted)))
    return {row.id: row.client_id for row in rows}


def _shown(row: Incident, calls: Mapping[int, int]) -> Shown:
    data = row.data
    facts = data.get("facts")
    return Shown(
        incident=row,
        kind=label(KINDS, row.kind),
        is_of_engines=row.kind in ENGINE_KINDS,
        place=_place(data, calls),
        native=_rules(data.get("native")),
        durable=_rules(data.get("durable")),
        detail=str(data.get("detail") or ""),
        facts=tuple(_fact(key, value) for key, value in sorted(facts.items())) if isinstance(facts, dict) else (),
    )


def _place(data: Mapping[str, Any], calls: Mapping[int, int]) -> Place | None:
    if isinstance(data.get("subject_id"), int):
        return place_of(str(data.get("kind")), data["subject_id"], calls)
    if isinstance(data.get("message_id"), int):
        return place_of(WorkKind.OUTBOX, data["message_id"], calls)
    if isinstance(data.get("request_id"), int):
        return place_of(WorkKind.REQUEST, data["request_id"], calls)
    if "decision" in data:
        words = f"{label(DECISIONS, data['decision'])}, {COLUMNS['id']} {data.get('number', '—')}"
        return Place(words, url_for("rules.history", decision=data["decision"]))
    return None


def _rules(found: Any) -> tuple[str, ...] | None:
    return tuple(str(one) for one in found) if isinstance(found, list) else None


def _fact(key: str, value: Any) -> tuple[str, str]:
    if key not in FIELDS:
        return key, str(value)
    return FIELDS[key].label.text(language()), value_words(key, value, language())
