"""One stored decision in words, as far as the reader may see it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy.orm import Session

from rules_engine.decisions.assignment_words import (
    HIDDEN_STEP,
    candidate_words,
    explain_assignment,
    pool_name,
    reason_words,
)
from rules_engine.decisions.callback_words import explain_callbacks, rule_words
from rules_engine.decisions.escalation_warning import WARNING, WARNING_TITLE
from rules_engine.decisions.escalation_words import explain_escalation
from rules_engine.decisions.field_words import condition_words, value_words
from rules_engine.language.engines.base import FailedCondition, RuleTrace
from rules_engine.language.engines.native import NativeEngine
from rules_engine.language.errors import BadValue
from rules_engine.language.kinds import Decision as DecisionName
from rules_engine.language.model import OTHERWISE, Ruleset
from rules_engine.language.ruleset import parse
from rules_engine.language.sentence import otherwise_spans, plain, rule_text
from rules_engine.language.spelling import Spellings, spelt
from rules_engine.language.values import Canonical, dump
from rules_engine.language.values import parse as parse_value
from rules_engine.language.vocabulary import FIELDS
from rules_engine.models import Decision, RulesetVersion
from rules_engine.services.company.reference import Reference
from rules_engine.services.requests.reassignment import BY_HAND
from rules_engine.services.rules.occasions import catalogue
from rules_engine.services.rules.rulebook import StoredReferences

MONEY_FIELDS: Final = frozenset({"request.amount", "request.expected_value"})
"""What a request is worth."""
_EVENT: Final = "event.name"
_HIDDEN: Final = {"ru": "скрыто до первого ответа", "en": "hidden until the first answer"}
_OTHERWISE: Final = {"ru": "Остальные", "en": "Otherwise"}
_PRUNED: Final = {
    "ru": "Подробности этого решения уже не хранятся.",
    "en": "The details of this decision are no longer kept.",
}


@dataclass(slots=True)
class Reader:
    """Who reads: `login` of a sales manager, None for whoever may see everything. `names` are those of today.

    `spellings` are the texts of what was decided about, as its rows have them today.
    """

    session: Session
    picture: Reference
    names: StoredReferences
    lang: str
    login: str | None = None
    sees_amounts: bool = True
    spellings: Spellings = field(default_factory=dict)
    _rulesets: dict[int, Ruleset] = field(default_factory=dict)
    _engines: dict[int, NativeEngine] = field(default_factory=dict)
    _occasions: dict[str, str] | None = None

    def ruleset(self, version_id: int) -> tuple[int, Ruleset]:
        """Return number and body of a published version."""
        version = self.session.get_one(RulesetVersion, version_id)
        if version_id not in self._rulesets:
            self._rulesets[version_id] = parse(version.body)
        return version.number, self._rulesets[version_id]

    def engine(self, version_id: int) -> NativeEngine:
        """Return the conditions of a published version, ready to be asked."""
        if version_id not in self._engines:
            self._engines[version_id] = NativeEngine(self.ruleset(version_id)[1])
        return self._engines[version_id]

    def occasions(self) -> dict[str, str]:
        """Return the titles of the occasions for calls by code."""
        if self._occasions is None:
            self._occasions = {
                code: str(one.title.get(self.lang) or code) for code, one in catalogue(self.session).items()
            }
        return self._occasions

    def hides(self, key: str) -> bool:
        return key in MONEY_FIELDS and not self.sees_amounts


def describe(row: Decision, detail: Mapping[str, Any] | None, reader: Reader) -> dict[str, Any]:
    """Return a decision as a document: what was decided in sentences, rules, facts, and every candidate.

    `version` is None where a person decided. Without its details (`detail` None) the rules that fired remain.
    """
    number: int | None = None
    ruleset: Ruleset | None = None
    if row.version_id is not None:
        number, ruleset = reader.ruleset(row.version_id)
    detail = _shown(detail, reader) if detail is not None else None
    outcome = detail.get("outcome") if detail else None
    candidates = [_candidate(one, reader) for one in _deciding(outcome)] if outcome else []
    return {
        "id": row.id,
        "decision": row.decision,
        "at": row.at.isoformat(),
        "mode": row.mode,
        "engine": row.engine,
        "actor": row.actor,
        "version": number,
        "manager": reader.picture.login_of(row.chosen_manager_id),
        "sentences": list(_sentences(row, detail, reader)),
        "fired": [_rule(ruleset, rule, reader) for rule in row.fired] if ruleset else [],
        "rules": [
            {**_traced(ruleset, item, row.fired, reader), "notes": _notes(item["id"], outcome, reader)}
            for item in _traces(row, detail, reader)
        ]
        if ruleset and detail
        else [],
        "facts": [_fact(key, value, reader) for key, value in sorted(((detail or {}).get("facts") or {}).items())],
        "candidates": candidates,
        "attempts": [_attempt(item, reader) for item in _attempts(outcome)],
        "effects": list(row.effects),
        "is_pruned": detail is None,
    }


def _sentences(row: Decision, detail: Mapping[str, Any] | None, reader: Reader) -> Iterator[str]:
    if detail is None:
        yield _PRUNED[reader.lang]
        return
    outcome = detail["outcome"]
    if "scheduled" in outcome:
        yield from explain_callbacks(outcome, reader.lang, reader.occasions(), reader.picture.zone)
    elif "firings" in outcome:
        yield from explain_escalation(_spelt_firings(outcome, reader), reader.lang, reader.names)
    elif outcome["rule"] == BY_HAND:
        yield from _by_hand(row, detail, reader)
    else:
        yield from explain_assignment(outcome, reader.lang, reader.login, reader.names)


def _spelt_firings(outcome: Mapping[str, Any], reader: Reader) -> Mapping[str, Any]:
    """Return the outcome of an escalation with the texts that its conditions saw as they were written."""
    firings = [
        {
            **firing,
            "seen": [{**one, "seen": spelt(one["field"], one["seen"], reader.spellings)} for one in firing["seen"]],
        }
        for firing in outcome["firings"]
    ]
    return {**outcome, "firings": firings}


def _by_hand(row: Decision, detail: Mapping[str, Any], reader: Reader) -> Iterator[str]:
    chosen = reader.picture.managers.get(row.chosen_manager_id or 0)
    name = chosen.name if chosen else "—"
    who = next((user.name for user in reader.picture.users.values() if user.login == row.actor), row.actor)
    if reader.lang == "ru":
        yield f"Заявку получает: {name}. Решение принял человек: {who}."
        yield f"Причина: {detail['reason']}"
    else:
        yield f"The request goes to: {name}. Decided by a person: {who}."
        yield f"Reason: {detail['reason']}"


def _rule(ruleset: Ruleset, rule_id: str, reader: Reader) -> dict[str, Any]:
    """Return a rule by its title and its sentence, as it was published."""
    if rule_id == OTHERWISE:
        sentence = plain(otherwise_spans(ruleset, reader.lang, names=reader.names))
        return {"id": rule_id, "title": _OTHERWISE[reader.lang], "sentence": sentence, "note": ""}
    rule = ruleset.rule(rule_id)
    if rule is None:
        title = WARNING_TITLE.text(reader.lang) if rule_id == WARNING else rule_id
        return {"id": rule_id, "title": title, "sentence": "", "note": ""}
    return {
        "id": rule_id,
        "title": rule.title.text(reader.lang),
        "sentence": rule_text(ruleset, rule, reader.lang, names=reader.names),
        "note": rule.note.text(reader.lang),
    }


def _traces(row: Decision, detail: Mapping[str, Any], reader: Reader) -> list[Mapping[str, Any]]:
    """Return what became of each enabled rule, in order.

    An assignment keeps it. Of the others it is read off the facts that they keep: the conditions of that version say
    the same of the same facts for ever, and who was chosen is not asked again.
    """
    if detail.get("rules") or row.version_id is None or row.decision == DecisionName.ASSIGNMENT:
        return list(detail.get("rules") or ())
    known = _stored_facts(detail.get("facts") or {})
    if row.decision == DecisionName.ESCALATION:
        known.setdefault("item.kind", row.subject_kind)
    # That a day has come says least of why.
    events = sorted(detail.get("events") or (None,), key=lambda event: event == "due")
    passed = {item["rule"]: item["reason"] for item in detail["outcome"].get("passed_over") or ()}
    found: dict[str, RuleTrace] = {}
    for event in events:
        facts = known if event is None else {**known, _EVENT: event}
        for trace in reader.engine(row.version_id).explain(facts):
            before = found.get(trace.rule_id)
            # Of several events the one on which a rule comes furthest explains it.
            comes_further = trace.matched or not _fails_on_the_event(trace)
            if before is None or (not before.matched and comes_further and _fails_on_the_event(before)):
                found[trace.rule_id] = trace
    return [
        {
            "id": trace.rule_id,
            "matched": trace.matched,
            "passed_over": passed.get(trace.rule_id),
            "first_failed": failed_json(trace.first_failed),
        }
        for trace in found.values()
    ]


def _notes(rule_id: str, outcome: Mapping[str, Any] | None, reader: Reader) -> list[str]:
    """Return what became of the calls that a rule wanted; nothing for other decisions."""
    if outcome is None or "scheduled" not in outcome:
        return []
    return rule_words(outcome, rule_id, reader.lang, reader.occasions(), reader.picture.zone)


def failed_json(failed: FailedCondition | None) -> dict[str, Any] | None:
    """Return a failed condition as decisions keep it."""
    if failed is None:
        return None
    return {
        "field": failed.field,
        "op": failed.op,
        "value": failed.value,
        "seen": None if failed.seen is None else dump(FIELDS[failed.field], failed.seen),
        "unwanted": failed.unwanted,
    }


def _fails_on_the_event(trace: RuleTrace) -> bool:
    return trace.first_failed is not None and trace.first_failed.field == _EVENT


def _stored_facts(document: Mapping[str, Any]) -> dict[str, Canonical]:
    """Return the stored facts that the vocabulary still knows in the type that they had."""
    facts: dict[str, Canonical] = {}
    for key, value in document.items():
        if key not in FIELDS:
            continue
        try:
            canonical = parse_value(FIELDS[key], value)
        except BadValue:
            continue
        if canonical is not None:
            facts[key] = canonical
    return facts


def _traced(ruleset: Ruleset, item: Mapping[str, Any], fired: Sequence[str], reader: Reader) -> dict[str, Any]:
    """Return what became of one rule, with its first failing condition in words. `acted`: it did something."""
    failed = item["first_failed"]
    words = None
    if failed is not None:
        words = condition_words(
            failed["field"],
            failed["op"],
            failed["value"],
            spelt(failed["field"], failed["seen"], reader.spellings),
            reader.lang,
            unwanted=failed["unwanted"],
            names=reader.names,
        )
        if reader.hides(failed["field"]):
            words = f"{FIELDS[failed['field']].chip.text(reader.lang)}: {_HIDDEN[reader.lang]}"
            failed = {**failed, "seen": None}
    document = {**_rule(ruleset, item["id"], reader), **item, "acted": item["id"] in fired}
    return {**document, "first_failed": failed, "why_not": words}


def _fact(key: str, value: object, reader: Reader) -> dict[str, Any]:
    declared = FIELDS.get(key)
    if declared is None:
        return {"field": key, "label": key, "value": value, "words": str(value)}
    label = declared.label.text(reader.lang)
    if reader.hides(key):
        return {"field": key, "label": label, "value": None, "words": _HIDDEN[reader.lang]}
    return {
        "field": key,
        "label": label,
        "value": value,
        "words": value_words(key, spelt(key, value, reader.spellings), reader.lang, names=reader.names),
    }


def _attempt(attempt: Mapping[str, Any], reader: Reader) -> dict[str, Any]:
    return {
        "rule": attempt["rule"],
        "pool": attempt["pool"],
        "argument": attempt["argument"],
        "pool_words": pool_name(attempt, reader.lang, reader.names),
        "strategy": attempt["strategy"],
        "candidates": [_candidate(one, reader) for one in attempt["candidates"]],
    }


def _candidate(one: Mapping[str, Any], reader: Reader) -> dict[str, Any]:
    """Return a candidate with his ledger at that moment; what others received in money a manager is not shown.

    His own neither while amounts are hidden: the difference of two sums would be the amount.
    """
    sees_money = reader.login is None or (reader.login == one["login"] and reader.sees_amounts)
    return {
        **one,
        "value": one["value"] if sees_money else None,
        "reason": one["reason"]["code"] if one["reason"] else None,
        "reason_words": reason_words(one["reason"], reader.lang) if one["reason"] else None,
        "words": candidate_words(one, reader.lang),
    }


def _attempts(outcome: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """Return every pool that was tried, in order."""
    if outcome is None or "scheduled" in outcome:
        return []
    if "firings" not in outcome:
        return list(outcome["attempts"])
    tried = [attempt for item in outcome["passed_over"] for attempt in item["attempts"]]
    return [*tried, *(outcome["transfer"]["attempts"] if outcome["transfer"] else ())]


def _deciding(outcome: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the candidates of the last pool that was tried, which is the one that decided if any did."""
    attempts = _attempts(outcome)
    return list(attempts[-1]["candidates"]) if attempts else []


def _shown(detail: Mapping[str, Any], reader: Reader) -> Mapping[str, Any]:
    """Return the detail without what firings and strategies saw of the amount, where the reader may not see it."""
    outcome = detail["outcome"]
    if reader.sees_amounts or "scheduled" in outcome:
        return detail
    if "firings" not in outcome:
        return {**detail, "outcome": {**outcome, "attempts": _without_step(outcome["attempts"])}}
    firings = [
        {**firing, "seen": [item for item in firing["seen"] if item["field"] not in MONEY_FIELDS]}
        for firing in outcome["firings"]
    ]
    transfer = outcome["transfer"]
    if transfer:
        transfer = {**transfer, "attempts": _without_step(transfer["attempts"])}
    return {**detail, "outcome": {**outcome, "firings": firings, "transfer": transfer}}


def _without_step(attempts: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the attempts without the side of the mean on which the request stood: it tells what it is worth."""
    return [{**one, "value_step": HIDDEN_STEP} if one.get("value_step") else one for one in attempts]
