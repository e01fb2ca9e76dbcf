"""How much of the last month rules would match: the figures beside a rule while somebody edits it.

The ground are the decisions of the month as they are kept: on which facts each was made. A field that was looked at
then is taken as it stood; what nobody looked at is read now, a clock at the instant of the decision. Which fields are
so is said, for a figure of now is not one of then.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from threading import Lock
from typing import Any, Final

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from rules_engine.decisions.bonus_measures import canonical_measures
from rules_engine.decisions.instants import to_us
from rules_engine.decisions.request_clocks import CLOCK_FIELDS
from rules_engine.errors import NotFound
from rules_engine.language.engines.base import Predicate
from rules_engine.language.engines.native import compile_group
from rules_engine.language.errors import FactsInvalid
from rules_engine.language.kinds import HIT_POLICIES, HitPolicy
from rules_engine.language.kinds import Decision as Kind
from rules_engine.language.model import OTHERWISE, FieldRef, Group
from rules_engine.language.read_conditions import ConditionReader
from rules_engine.language.reading import Report
from rules_engine.language.thresholds import fields_used
from rules_engine.language.values import Canonical, parse_facts
from rules_engine.language.vocabulary import FIELDS
from rules_engine.models import BonusPeriod, BonusStatement, Client, Decision, DecisionDetail, Request
from rules_engine.services.bonus.reckoning import exact_measures
from rules_engine.services.company.reference import reference
from rules_engine.services.drafts.body import Body, group_mode
from rules_engine.services.facts.callbacks import client_facts
from rules_engine.services.facts.requests import SeenRequest, see
from rules_engine.services.rules import journal, rulebook

OVER: Final = timedelta(days=30)
MOST: Final = 5_000
"""So many of the newest decisions are looked at; of more the page says that it is a sample."""
_FRESH: Final = timedelta(minutes=1)
_LARGE: Final = 1_000
"""A sample of so many is good for a minute even where further decisions have been made since."""
_TALLIES_KEPT: Final = 64
_BATCH: Final = 500

_AS_THEN: Final = frozenset(
    f"request.{name}" for name in ("source", "channel", "service", "region", "city", "language", "amount", "text")
) | {"client.is_old", "client.is_new", "item.kind", "request.working_minutes_since_received"}
"""Fields that are the same now as then, beside the clocks on the wall (`now.`)."""


@dataclass(frozen=True, slots=True)
class Ground:
    """On what is counted: how many requests, clients or months of managers; `sampled`: only the newest of more.

    `of_now` are fields of the conditions that were read as they are now; `unknown` those that could not be read for
    some (of planned calls nothing is read that their decision did not keep).
    """

    total: int
    sampled: bool
    of_now: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tally:
    """By rule: how many it would match; with the policy `first` how many it would be the first to match.

    A rule that is not finished has no figure, one that is switched off has 0.
    """

    counts: Mapping[str, int]
    ground: Ground


@dataclass(frozen=True, slots=True)
class Matched:
    count: int
    ground: Ground


@dataclass(slots=True)
class _Look:
    """One decision: about what, when, on which facts; `asked` are the fields that were looked at (None: all)."""

    subject: tuple[str, int]
    at_us: int
    facts: dict[str, Canonical | None]
    asked: frozenset[str] | None


@dataclass(slots=True)
class _Sample:
    looks: list[_Look]
    total: int
    sampled: bool
    last: object
    taken: datetime
    filled: set[str] = field(default_factory=set)
    of_now: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    tallies: dict[str, Tally] = field(default_factory=dict)

    def ground(self, fields: Collection[str]) -> Ground:
        return Ground(
            self.total,
            self.sampled,
            tuple(sorted(self.of_now & set(fields))),
            tuple(sorted(self.unknown & set(fields))),
        )


_samples: dict[tuple[str, str], _Sample] = {}
_lock = Lock()


def counts(session: Session, decision: Kind, body: Body, now: datetime) -> Tally:
    """Return what each rule of a body, finished or not, would have matched in the month before `now`."""
    rules: list[tuple[str, Predicate | None, bool]] = []
    fields: set[str] = set()
    signature = []
    for rule in body.get("rules", []):
        rule_id, enabled = str(rule.get("id", "")), rule.get("enabled", True) is True
        when = rule.get("when")
        read = _read(decision, when) if when is not None else _EVERYTHING
        signature.append((rule_id, enabled, when))
        rules.append((rule_id, read.test if read else None, enabled))
        if read is not None and enabled:
            fields |= read.fields
    key = json.dumps(signature, sort_keys=True, ensure_ascii=False)
    with _lock:
        sample = _sample(session, decision, now)
        found = sample.tallies.get(key)
        if found is None:
            _fill(session, decision, sample, fields, now)
            first = HIT_POLICIES[decision] is HitPolicy.FIRST
            found = Tally(_tallied(sample.looks, rules, first=first), sample.ground(fields))
            while len(sample.tallies) >= _TALLIES_KEPT:
                del sample.tallies[next(iter(sample.tallies))]
            sample.tallies[key] = found
    return found


def matching(session: Session, decision: Kind, when: Mapping[str, Any] | None, now: datetime) -> Matched | None:
    """Return how much of the month before `now` these conditions match; None while they are not finished."""
    read = _read(decision, when) if when is not None else _EVERYTHING
    if read is None:
        return None
    with _lock:
        sample = _sample(session, decision, now)
        _fill(session, decision, sample, read.fields, now)
        count = len({look.subject for look in sample.looks if read.test(look.facts)})
        return Matched(count, sample.ground(read.fields))


@dataclass(frozen=True, slots=True)
class _Read:
    test: Predicate
    fields: frozenset[str]


_EVERYTHING: Final = _Read(lambda _facts: True, frozenset())


def _read(decision: Kind, when: object) -> _Read | None:
    """Return the conditions of a rule, ready to be asked; None while they are not finished."""
    if group_mode(when) is None:
        return None
    return _read_text(decision, json.dumps(when, sort_keys=True, ensure_ascii=False))


@lru_cache(maxsize=2048)
def _read_text(decision: Kind, text: str) -> _Read | None:
    report = Report()
    group = ConditionReader(report, decision, "").group(json.loads(text), "/when")
    if not isinstance(group, Group) or report.problems:
        return None
    keys: set[str] = set()
    for condition in group.conditions():
        keys.add(condition.field)
        if isinstance(condition.value, FieldRef):
            keys.add(condition.value.field)
    return _Read(compile_group(group), frozenset(keys))


def _tallied(
    looks: Iterable[_Look], rules: Sequence[tuple[str, Predicate | None, bool]], *, first: bool
) -> dict[str, int]:
    found: dict[str, set[tuple[str, int]]] = {rule_id: set() for rule_id, test, _enabled in rules if test is not None}
    asked = [(rule_id, test) for rule_id, test, enabled in rules if test is not None and enabled]
    rest: set[tuple[str, int]] = set()
    for look in looks:
        is_caught = False
        for rule_id, test in asked:
            if test(look.facts):
                found[rule_id].add(look.subject)
                is_caught = True
                if first:
                    break
        if not is_caught:
            rest.add(look.subject)
    counted = {rule_id: len(subjects) for rule_id, subjects in found.items()}
    return counted | {OTHERWISE: len(rest)} if first else counted


def _sample(session: Session, decision: Kind, now: datetime) -> _Sample:
    key = (str(session.get_bind().engine.url), decision.value)
    last = _last(session, decision)
    kept = _samples.get(key)
    if kept is not None and timedelta() <= now - kept.taken < _FRESH and (kept.last == last or kept.total > _LARGE):
        return kept
    taken = _statements(session, last, now) if decision is Kind.BONUS else _decisions(session, decision, last, now)
    _samples[key] = taken
    return taken


def _last(session: Session, decision: Kind) -> object:
    """Return what changes when something new has been decided."""
    found: Select[*tuple[Any, ...]] = (
        select(BonusPeriod.id, BonusPeriod.month, BonusPeriod.computed_at)
        .where(BonusPeriod.statements.any())
        .order_by(BonusPeriod.month.desc(), BonusPeriod.revision.desc())
    )
    if decision is not Kind.BONUS:
        found = (
            select(Decision.id, Decision.at)
            .where(Decision.decision == decision.value)
            .order_by(Decision.at.desc(), Decision.id.desc())
        )
    row = session.execute(found.limit(1)).first()
    return None if row is None else tuple(row)


def _statements(session: Session, last: object, now: datetime) -> _Sample:
    """Return the months of managers of the last month for which a bonus was reckoned."""
    looks = []
    if isinstance(last, tuple):
        rows = session.execute(
            select(BonusStatement.manager_id, BonusStatement.measures).where(BonusStatement.period_id == last[0])
        )
        looks = [
            _Look(("month", row.manager_id), 0, dict(canonical_measures(exact_measures(row.measures))), None)
            for row in rows
        ]
    return _Sample(looks, len(looks), False, last, now)


def _decisions(session: Session, decision: Kind, last: object, now: datetime) -> _Sample:
    statement = (
        select(Decision.subject_kind, Decision.subject_id, Decision.at, Decision.version_id, DecisionDetail.payload)
        .join(DecisionDetail, DecisionDetail.decision_id == Decision.id)
        .where(Decision.decision == decision.value, Decision.at >= now - OVER, Decision.at <= now)
        .where(Decision.version_id.is_not(None))
        .order_by(Decision.at.desc(), Decision.id.desc())
        .limit(MOST + 1)
    )
    rows = session.execute(statement).all()
    once = HIT_POLICIES[decision] is HitPolicy.FIRST
    looks: list[_Look] = []
    known: set[tuple[str, int]] = set()
    asked: dict[int, frozenset[str] | None] = {}
    for row in rows[:MOST]:
        subject = (row.subject_kind, row.subject_id)
        if once and subject in known:
            continue
        known.add(subject)
        if row.version_id not in asked:
            asked[row.version_id] = _asked_by(session, row.version_id)
        stored = _stored(journal.unpacked(row.payload))
        looks.append(_Look(subject, to_us(row.at), stored, asked[row.version_id]))
    return _Sample(looks, len(known), len(rows) > MOST, last, now)


def _asked_by(session: Session, version_id: int) -> frozenset[str]:
    try:
        return fields_used(rulebook.ruleset_of(session, version_id))
    except NotFound:
        return frozenset()


def _stored(detail: Mapping[str, Any]) -> dict[str, Canonical | None]:
    """Return the facts of a decision that the vocabulary still knows."""
    written = {key: value for key, value in (detail.get("facts") or {}).items() if key in FIELDS}
    try:
        return dict(parse_facts(written))
    except FactsInvalid:
        # Written under a vocabulary where a field had another type: what can be read is read.
        found: dict[str, Canonical | None] = {}
        for key, value in written.items():
            try:
                found |= parse_facts({key: value})
            except FactsInvalid:
                continue
        return found


def _fill(session: Session, decision: Kind, sample: _Sample, fields: Collection[str], now: datetime) -> None:
    """Read into the sample what its decisions did not look at."""
    wanted = {key for key in fields if key not in sample.filled and not key.startswith("candidate.")}
    if not wanted or decision is Kind.BONUS:
        return
    sample.filled |= wanted
    lacking: dict[tuple[str, int], list[_Look]] = {}
    for look in sample.looks:
        if look.asked is not None and not wanted <= look.asked:
            lacking.setdefault(look.subject, []).append(look)
    ids: dict[str, list[int]] = {}
    for kind, subject_id in lacking:
        ids.setdefault(kind, []).append(subject_id)
    for kind, found in ids.items():
        readable = {key for key in wanted if key.partition(".")[0] not in ("event", "item")}
        if kind == "client":
            readable = {key for key in readable if not key.startswith("request.")}
        elif kind != "request":
            readable = set()
        sample.unknown |= {key for key in wanted - readable if any(_lacks(look, key) for look in sample.looks)}
        for start in range(0, len(found) if readable else 0, _BATCH):
            seen = _seen(session, kind, found[start : start + _BATCH], now, readable)
            for subject_id, one in seen.items():
                for look in lacking[kind, subject_id]:
                    _complete(sample, look, one, readable)


def _lacks(look: _Look, key: str) -> bool:
    return look.asked is not None and key not in look.asked and key not in look.facts


def _complete(sample: _Sample, look: _Look, seen: SeenRequest, fields: Iterable[str]) -> None:
    for key in fields:
        if not _lacks(look, key):
            continue
        if key in CLOCK_FIELDS:
            look.facts[key] = seen.clocks.clock(key).value_at(look.at_us)
        else:
            look.facts[key] = seen.facts.get(key)
        if key not in _AS_THEN and not key.startswith("now."):
            sample.of_now.add(key)


def _seen(
    session: Session, kind: str, ids: Sequence[int], now: datetime, fields: Collection[str]
) -> dict[int, SeenRequest]:
    if kind == "client":
        owners = {row.id: row.owner_id for row in session.execute(_OWNERS.where(Client.id.in_(ids)))}
        return client_facts(session, reference(session), owners, now, fields)
    requests = list(session.scalars(select(Request).where(Request.id.in_(ids))))
    return see(session, requests, now, fields)


_OWNERS: Final = select(Client.id, Client.owner_id)
