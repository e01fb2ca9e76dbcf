"""The history of a request in words: what happened, by whom, and where one can read why."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from admin.labels import CONTACT_KINDS, DECISIONS, OUTCOMES, STATUSES, label
from admin.language import language, moment, money, words
from admin.row_words import actor_name
from rules_engine.decisions.escalation_warning import WARNING
from rules_engine.models import Contact, Decision, Proof, Request, RequestEvent
from rules_engine.services.company.reference import Reference, reference
from rules_engine.services.requests.refusal_reasons import refusal_reasons

SHOWN = 300


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. `text` is what was said or why; `is_turn` marks what changed the request's course."""

    at: datetime
    title: str
    text: str
    by: str
    is_turn: bool
    decision_id: int | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What the sentences need beside the event itself."""

    picture: Reference
    contacts: Mapping[int, Contact]
    reasons: Mapping[str, Mapping[str, str]]
    titles: Mapping[str, Mapping[str, str]]
    """Of the rules that decided about this request, by id."""
    may_see_money: bool

    def manager(self, found: Any) -> str:
        """Return the name behind an id or a login of a manager; as it is when nobody has it."""
        known = self.picture.managers.get(found) if isinstance(found, int) else self.picture.by_login(str(found))
        return known.name if known else str(found)

    def actor(self, login: str) -> str:
        return actor_name(login, self.picture)

    def rule(self, rule_id: Any) -> str:
        """Return the title of a rule in quotes, as people speak of it; nothing where no rule decided."""
        if rule_id == WARNING:
            return _("the manager is warned: it will go to another")
        if not rule_id or str(rule_id).startswith("~"):
            return ""
        if rule_id == "otherwise":
            return _("by “otherwise”")
        return _("by the rule “%(title)s”", title=words(self.titles.get(str(rule_id))) or rule_id)

    def reason(self, code: Any) -> str:
        known = self.reasons.get(str(code))
        return known[language()] if known else str(code)


def history_of(session: Session, row: Request, *, may_see_money: bool) -> list[Entry]:
    """Return the history of a request, newest first; four queries however long it is."""
    events = session.scalars(
        select(RequestEvent)
        .where(RequestEvent.request_id == row.id)
        .order_by(RequestEvent.at.desc(), RequestEvent.id.desc())
        .limit(SHOWN)
    ).all()
    contacts = session.scalars(select(Contact).where(Contact.request_id == row.id).order_by(Contact.at)).all()
    decisions = session.scalars(
        select(Decision)
        .where(Decision.subject_kind == "request", Decision.subject_id == row.id)
        .order_by(Decision.id)
        .options(joinedload(Decision.version))
    ).all()
    known = Known(
        picture=reference(session),
        contacts={one.id: one for one in contacts},
        reasons=refusal_reasons(session),
        titles=_titles(decisions),
        may_see_money=may_see_money,
    )
    entries = [entry for event in events if (entry := _entry(event, known)) is not None]
    told = {event.data.get("contact_id") for event in events if event.kind == "contact"}
    entries += [_contact_entry(one, known, "") for one in contacts if one.id not in told]
    told_decisions = {entry.decision_id for entry in entries}
    entries += [_decision_entry(one, known) for one in decisions if one.id not in told_decisions]
    return sorted(entries, key=lambda entry: entry.at, reverse=True)


def _titles(decisions: Sequence[Decision]) -> dict[str, Mapping[str, str]]:
    """Return the titles of the rules of every version that decided; a later version's title wins."""
    found: dict[str, Mapping[str, str]] = {}
    for decision in decisions:
        if decision.version is not None:
            found |= {rule["id"]: rule.get("title") or {} for rule in decision.version.body.get("rules", [])}
    return found


def _entry(event: RequestEvent, known: Known) -> Entry | None:
    said = _SAID.get(event.kind)
    title, text = said(event.data, known) if said else (event.kind, "")
    if event.kind == "contact":
        contact = known.contacts.get(event.data.get("contact_id", 0))
        if contact is not None:
            return _contact_entry(contact, known, _("first answer") if event.data.get("is_first_answer") else "")
    decision_id = event.data.get("decision_id")
    return Entry(
        event.at, title, text, known.actor(event.actor), event.kind in _TURNS,
        decision_id if isinstance(decision_id, int) else None,
    )  # fmt: skip


def _contact_entry(contact: Contact, known: Known, mark: str) -> Entry:
    direction = _("outgoing") if contact.direction == "out" else _("incoming")
    parts = [label(CONTACT_KINDS, contact.kind), direction, label(OUTCOMES, contact.outcome) if contact.outcome else ""]
    proof = _("marked by hand") if contact.proof is Proof.BY_HAND else _("confirmed")
    by = known.manager(contact.manager_id) if contact.manager_id else ""
    title = " · ".join(part for part in (*parts, mark) if part)
    text = "\n".join(part for part in (contact.note, proof) if part)
    return Entry(contact.at, title[:1].upper() + title[1:], text, by, bool(mark))


def _decision_entry(decision: Decision, known: Known) -> Entry:
    title = _("Decided: %(what)s", what=label(DECISIONS, decision.decision))
    fired = ", ".join(known.rule(rule) or rule for rule in decision.fired) or _("no rule acted")
    chosen = known.manager(decision.chosen_manager_id) if decision.chosen_manager_id else ""
    text = f"{fired} → {chosen}" if chosen else fired
    return Entry(decision.at, title, text, known.actor(decision.actor), False, decision.id)


Said = tuple[str, str]


def _received(data: Mapping[str, Any], _known: Known) -> Said:
    source = data.get("source")
    return _("Received"), str(source) if source else ""


def _changed(data: Mapping[str, Any], known: Known) -> Said:
    before, after = data.get("before") or {}, data.get("after") or {}
    lines = []
    for key in sorted({*before, *after}):
        if key in ("amount", "amount_minor", "expected_value_minor"):
            if not known.may_see_money:
                continue
            was, now = (
                money(side.get(key)) if isinstance(side.get(key), int) else side.get(key) for side in (before, after)
            )
        else:
            was, now = before.get(key), after.get(key)
        lines.append(f"{key}: {'—' if was in (None, '') else was} → {'—' if now in (None, '') else now}")
    return _("Changed"), "\n".join(lines)


def _amount(value: Any) -> Any:
    return money(value) if isinstance(value, int) else value


def _status(data: Mapping[str, Any], known: Known) -> Said:
    title = _("Status: %(name)s", name=label(STATUSES, data.get("after")))
    reason = known.reason(data["reason"]) if data.get("reason") else ""
    if data.get("is_late"):
        return title, _("told late, nothing changed")
    return title, reason


def _assigned(data: Mapping[str, Any], known: Known) -> Said:
    title = _("Given to %(name)s", name=known.manager(data.get("manager")))
    cause = {
        "transfer": _("taken from another for want of an answer"),
        "hand": _("by hand"),
        "external": _("by another system"),
    }.get(str(data.get("cause")), "")
    lines = [cause, known.rule(data.get("rule"))]
    if data.get("answer_due_at"):
        due_at = datetime.fromisoformat(str(data["answer_due_at"]))
        lines.append(_("answer by %(when)s", when=moment(due_at)))
    return title, "; ".join(line for line in lines if line)


def _taken(data: Mapping[str, Any], known: Known) -> Said:
    title = _("Taken from %(name)s", name=known.manager(data.get("manager")))
    return title, str(data.get("reason") or known.rule(data.get("rule")))


def _unassigned(data: Mapping[str, Any], known: Known) -> Said:
    return _("Nobody could take it; the head was told"), known.rule(data.get("rule"))


def _escalated(data: Mapping[str, Any], known: Known) -> Said:
    return _("The rules of answer times acted"), "; ".join(known.rule(rule) for rule in data.get("rules") or [])


def _line_busy(data: Mapping[str, Any], _known: Known) -> Said:
    until = data.get("until")
    stays = _("it stays until %(when)s", when=moment(datetime.fromisoformat(until))) if until else ""
    return _("Client on the line"), stays


def _postponed(data: Mapping[str, Any], _known: Known) -> Said:
    return _("Next step postponed"), str(data.get("reason", ""))


def _corrected(data: Mapping[str, Any], known: Known) -> Said:
    title = _("Confirmed: spam") if data.get("what") == "spam" else _("Confirmed: it repeats another request")
    names = ", ".join(known.manager(one) for one in data.get("managers") or [])
    return title, _("no longer counts as received: %(names)s", names=names)


_SAID: dict[str, Callable[[Mapping[str, Any], Known], Said]] = {
    "received": _received,
    "changed": _changed,
    "status": _status,
    "assigned": _assigned,
    "taken": _taken,
    "unassigned": _unassigned,
    "escalated": _escalated,
    "postponed": _postponed,
    "line_busy": _line_busy,
    "corrected": _corrected,
}
_TURNS = frozenset({"received", "assigned", "taken", "status"})
