"""The impact of a draft of assignment: each stored decision alone, on its stored facts, ledger and candidates.

Where rules in force and draft try the same things as far as the record goes, nothing can differ and nothing more is
read. Else the candidates are put together again: as the record shows them, and whom it does not show as the ledger, the
assignments and the calendars say of that instant.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from sqlalchemy.orm import Session

from rules_engine.decisions.assignment import OutcomeKind
from rules_engine.decisions.impact_assignment import AssignmentRules, Given, unchanged
from rules_engine.decisions.instants import from_us, to_us
from rules_engine.decisions.roster import Roster
from rules_engine.errors import NotFound
from rules_engine.language.errors import FactsInvalid
from rules_engine.language.thresholds import fields_used
from rules_engine.language.values import Facts, parse_facts
from rules_engine.models import Request, RequestStatus
from rules_engine.services.company.reference import Reference, reference
from rules_engine.services.facts.requests import see
from rules_engine.services.impact.decisions import COUNT, NEXT, REQUESTS, Details, after, cursors, span
from rules_engine.services.impact.parts import Budget, Json, Question, Slice, add_to, titles_of
from rules_engine.services.impact.past_clients import PastClients
from rules_engine.services.impact.past_roster import PastPeople
from rules_engine.services.impact.past_stretches import UNMOVED
from rules_engine.services.records import settings_store
from rules_engine.services.records.reading import rows
from rules_engine.services.requests.weighing import ASSIGNMENT
from rules_engine.services.rules import rulebook

_BATCH: Final = 2_000
_FACTS_KEPT: Final = 10_000
_UNKNOWN: Final = object()
_CLIENTS: Final = ("client.", "owner.")


@dataclass(frozen=True, slots=True)
class _Matched:
    """What both rulesets try on the same facts."""

    facts: Facts
    live: tuple[str, ...]
    draft: tuple[str, ...]
    live_keys: tuple[str, ...]
    draft_keys: tuple[str, ...]


class AssignmentImpact:
    """Compares whom each stored decision gives a request by the rules in force and by the draft."""

    def total(self, session: Session, question: Question) -> int:
        return session.scalar(COUNT, span(question)) or 0

    def beginnings(self, session: Session, question: Question, parts: int) -> list[Json]:
        return [_beginning(cursor) for cursor in cursors(question, parts)]

    def step(self, session: Session, question: Question, state: Json, budget: Budget) -> Slice:
        state = json.loads(json.dumps(state))
        work = _Work(session, question)
        done = 0
        changes: list[Json] = []
        while budget.allows(done):
            most = budget.batch(_BATCH) if budget.most is None else budget.most - done
            found = rows(session, NEXT, {**after(state["cursor"]), "most": most})
            work.prepare(found)
            for row in found:
                change = work.compare(row, state)
                if change is not None:
                    changes.append(change)
                state["cursor"][:2] = row.at, row.id
                done += 1
                if not budget.allows(done):
                    break
            if len(found) < most:
                over = not found or state["cursor"][:2] == [found[-1].at, found[-1].id]
                if over:
                    return Slice(state, done, True, changes)
        return Slice(state, done, False, changes)

    def result(self, session: Session, question: Question, state: Json) -> Json:
        picture = reference(session)
        return {
            "sample": state["sample"],
            "unknown": state["unknown"],
            "changed": state["changed"],
            "other_rule": state["other_rule"],
            "waiting": state["waiting"],
            "answer": state["answer"],
            "people": [
                {
                    "manager": int(id_),
                    "team": one.team_id if (one := picture.managers.get(int(id_))) else None,
                    "live": numbers[0],
                    "draft": numbers[1],
                    "live_value": numbers[2],
                    "draft_value": numbers[3],
                }
                for id_, numbers in sorted(state["people"].items(), key=lambda item: int(item[0]))
            ],
            "moves": sorted(
                ([*json.loads(pair), number] for pair, number in state["moves"].items()),
                key=lambda move: (-move[2], str(move[0]), str(move[1])),
            ),
            "rules": dict(sorted(state["rules"].items())),
            "rule_moves": sorted(
                ([*json.loads(pair), number] for pair, number in state["rule_moves"].items()),
                key=lambda move: (-move[2], str(move[0]), str(move[1])),
            ),
            "titles": titles_of(question.live, question.draft),
        }


def _beginning(cursor: list[int]) -> Json:
    return {
        "cursor": cursor,
        "sample": 0,
        "unknown": {},
        "changed": 0,
        "other_rule": 0,
        "waiting": [0, 0],
        "answer": [0, 0, 0, 0],
        "people": {},
        "moves": {},
        "rules": {},
        "rule_moves": {},
    }


class _Work:
    """One slice: what is read once for it, and what the process keeps between slices."""

    def __init__(self, session: Session, question: Question) -> None:
        self._session = session
        self._question = question
        self._picture = reference(session)
        self._kept = _kept_for(session, question, self._picture)
        self._within = settings_store.number(session, settings_store.ANSWER_WITHIN)
        self._requests: dict[int, Request] = {}
        self._clients: PastClients | None = None
        if self._kept.people is not None:
            self._kept.people.loads.read_in(session)

    @property
    def _people(self) -> PastPeople:
        kept = self._kept
        if kept.people is None:
            rulesets = [kept.live.ruleset, kept.draft.ruleset]
            kept.people = PastPeople(self._session, self._picture, kept.since, kept.until, rulesets)
        return kept.people

    def prepare(self, found: Sequence[Any]) -> None:
        """Read what the facts of these decisions lack: what their rules did not look at and ours do."""
        self._requests = {}
        ids = {row.subject_id for row in found if self._kept.lacking(row.version_id)}
        for start in range(0, len(ids), 500):
            part = sorted(ids)[start : start + 500]
            self._requests |= {one.id: one for one in self._session.scalars(REQUESTS, {"requests": part})}
        lacking: frozenset[str] = frozenset().union(*(self._kept.lacking(row.version_id) for row in found))
        if any(key.startswith(_CLIENTS) for key in lacking):
            self._clients = self._clients or self._kept.clients(self._session, self._picture)
            self._clients.of({one.client_id for one in self._requests.values() if one.client_id is not None})

    def compare(self, row: Any, state: Json) -> Json | None:
        """Count one decision; return what there is to show of it where somebody else, or nobody, gets the request."""
        if row.payload is None:
            add_one(state["unknown"], "pruned")
            return None
        try:
            details = Details(row.payload)
            matched = self._matched(row, details.facts)
            pair = self._pair(row, matched, details)
        except (FactsInvalid, NotFound, KeyError, ValueError):
            # Written by another release, or about what is no more.
            add_one(state["unknown"], "unreadable")
            return None
        state["sample"] += 1
        live, draft = pair
        self._count(row, live, draft, state)
        if (live.kind is OutcomeKind.ASSIGNED or draft.kind is OutcomeKind.ASSIGNED) and (
            live.manager_id != draft.manager_id
        ):
            state["changed"] += 1
            add_one(state["moves"], _move(live.manager_id, draft.manager_id))
        elif live.rule == draft.rule:
            return None
        else:
            state["other_rule"] += 1
            add_one(state["rule_moves"], _move(live.rule, draft.rule))
            return None
        add_one(state["rule_moves"], _move(live.rule, draft.rule))
        return {
            "decision": row.id,
            "request": row.subject_id,
            "at": row.at,
            "live": live.manager_id,
            "draft": draft.manager_id,
            "live_rule": live.rule,
            "draft_rule": draft.rule,
            "value": row.value,
        }

    def _count(self, row: Any, live: Given, draft: Given, state: Json) -> None:
        value = row.value or 0
        for place, given in enumerate((live, draft)):
            if given.manager_id is None:
                state["waiting"][place] += 1
            else:
                person = str(given.manager_id)
                add_to(state["people"], person, place, width=4)
                state["people"][person][2 + place] += value
            add_to(state["rules"], given.rule or "", place)
        if live.manager_id is not None and draft.manager_id is not None:
            times = live.within or self._within, draft.within or self._within
            for place, amount in enumerate((1, *times, times[0] != times[1])):
                state["answer"][place] += amount

    def _matched(self, row: Any, written: bytes) -> _Matched:
        kept = self._kept
        lacking = kept.lacking(row.version_id)
        if not lacking and (known := kept.matched.get(written)) is not None:
            return known
        facts = kept.parsed(json.loads(written))
        if lacking:
            facts = {**self._lacking_facts(row, lacking), **facts}
        live, draft = kept.live.matching(facts), kept.draft.matching(facts)
        found = _Matched(facts, live, draft, kept.live.keys(live), kept.draft.keys(draft))
        if not lacking:
            if len(kept.matched) > _FACTS_KEPT:
                kept.matched.clear()
            kept.matched[written] = found
        return found

    def _lacking_facts(self, row: Any, lacking: frozenset[str]) -> Facts:
        """Return facts as they were when the request was decided: it was new then, and nobody had it."""
        request = self._requests[row.subject_id]
        at = from_us(row.at)
        as_new = Request(
            id=request.id,
            status=RequestStatus.NEW,
            **{name: getattr(request, name) for name in UNMOVED},
            times_waiting=0,
            times_reassigned=0,
            contact_attempts=0,
        )
        own = frozenset(key for key in lacking if not key.startswith(_CLIENTS))
        facts = dict(see(self._session, [as_new], at, own, picture=self._picture)[request.id].facts)
        of_clients = lacking - own
        if of_clients and request.client_id is not None and self._clients is not None:
            client = self._clients.of([request.client_id]).get(request.client_id)
            if client is not None:
                received = to_us(request.received_at)
                seen, _ = self._clients.see(client, row.at, of_clients, received_us=received, itself=request.id)
                facts |= seen
        return facts

    def _pair(self, row: Any, matched: _Matched, details: Details) -> tuple[Given, Given]:
        """Return what both rulesets do; the record is read whole only where they can differ."""
        kept = self._kept
        is_live = row.version_id in kept.same_as_live
        fired = row.fired[0] if row.fired else None
        if is_live:
            place = _walked(matched.live, fired)
            live = _recorded(kept.live, row, fired)
            if live is not None and unchanged(matched.live_keys, matched.draft_keys, place):
                rule = None if place is None else kept.draft.rule_at(matched.draft, place)
                return live, Given(live.kind, live.manager_id, rule, kept.draft.within(rule) if rule else None)
        outcome = details.outcome()
        known = kept.stored(self._session, row.version_id).known_of(outcome)
        made: list[Roster] = []

        def roster() -> Roster:
            if not made:
                made.append(self._people.roster(row, outcome, matched.facts))
            return made[0]

        live = kept.live.given(matched.live, known, roster)
        if matched.live_keys == matched.draft_keys:
            place = _walked(matched.live, live.rule)
            rule = None if place is None else kept.draft.rule_at(matched.draft, place)
            return live, replace(live, rule=rule)
        return live, kept.draft.given(matched.draft, known, roster)


@dataclass(slots=True)
class _Kept:
    """What a process keeps between the slices of one impact. Losing it costs time and nothing else."""

    impact_id: int
    token: str | None
    live: AssignmentRules
    draft: AssignmentRules
    same_as_live: frozenset[int]
    wanted: frozenset[str]
    matched: dict[bytes, _Matched]
    versions: dict[int, AssignmentRules]
    fields: dict[int, frozenset[str]]
    since: datetime
    until: datetime
    values: dict[tuple[str, type, Any], Any] = field(default_factory=dict)
    people: PastPeople | None = None
    known_clients: PastClients | None = None

    def parsed(self, document: Mapping[str, Any]) -> Facts:
        """Return facts in canonical form; values that come again and again are parsed once."""
        facts: Facts = {}
        for key, value in document.items():
            if isinstance(value, list):
                facts |= parse_facts({key: value})
                continue
            known = self.values.get((key, type(value), value), _UNKNOWN)
            if known is _UNKNOWN:
                if len(self.values) > _FACTS_KEPT:
                    self.values.clear()
                known = self.values[key, type(value), value] = parse_facts({key: value}).get(key)
            if known is not None:
                facts[key] = known
        return facts

    def lacking(self, version_id: int) -> frozenset[str]:
        """Return which fields the draft or the rules in force look at and that version did not."""
        return self.fields.get(version_id, self.wanted)

    def stored(self, session: Session, version_id: int) -> AssignmentRules:
        found = self.versions.get(version_id)
        if found is None:
            found = self.versions[version_id] = AssignmentRules(rulebook.ruleset_of(session, version_id))
        return found

    def clients(self, session: Session, picture: Reference) -> PastClients:
        self.known_clients = PastClients(session, picture)
        return self.known_clients


_last: list[_Kept] = []


def forget() -> None:
    """Let go of what this process keeps between slices: it is tens of megabytes where there is much to compare."""
    _last.clear()


def _kept_for(session: Session, question: Question, picture: Reference) -> _Kept:
    if _last and _last[0].impact_id == question.impact_id and _last[0].token == picture.token:
        return _last[0]
    heads = picture.versions.get(ASSIGNMENT, ())
    digest = next(head.content_hash for head in heads if head.id == question.version_id)
    wanted = frozenset(
        key
        for key in fields_used(question.live_rules) | fields_used(question.draft_rules)
        if not key.startswith("candidate.")
    )
    kept = _Kept(
        impact_id=question.impact_id,
        token=picture.token,
        live=AssignmentRules(question.live_rules),
        draft=AssignmentRules(question.draft_rules),
        same_as_live=frozenset(head.id for head in heads if head.content_hash == digest),
        wanted=wanted,
        matched={},
        versions={},
        fields={head.id: wanted - fields_used(rulebook.ruleset_of(session, head.id)) for head in heads},
        since=question.since,
        until=question.until,
    )
    _last[:] = [kept]
    return kept


@lru_cache(maxsize=10_000)
def _move(live: int | str | None, draft: int | str | None) -> str:
    """Return the key under which it is counted how often the one became the other, JSON."""
    return json.dumps([live, draft])


def add_one(sums: Json, key: str) -> None:
    """Count one more under a key."""
    sums[key] = sums.get(key, 0) + 1


def _walked(matching: Sequence[str], fired: str | None) -> int | None:
    """Return at which place the rule that acted stands in what was tried; None where none acted."""
    if fired is None:
        return None
    return matching.index(fired) if fired in matching else len(matching)


def _recorded(rules: AssignmentRules, row: Any, fired: str | None) -> Given | None:
    """Return what the record says was done; None where only its details tell (nobody, or somebody to wait for)."""
    if fired is None:
        return Given(OutcomeKind.NOBODY) if row.chosen_manager_id is None else None
    if row.chosen_manager_id is None:
        return Given(OutcomeKind.LEFT_UNASSIGNED, rule=fired)
    return Given(OutcomeKind.ASSIGNED, row.chosen_manager_id, fired, rules.within(fired))
