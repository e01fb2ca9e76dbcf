"""The published rulesets: which is in force when, compiled once a process, and publishing a new one.

What is compiled is kept by the hash of its content, so neither another database nor a roll-back compiles it again.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.db import settings_of
from rules_engine.errors import InputError, NotFound, PolicyViolation
from rules_engine.language.engines.base import Engine, Facts
from rules_engine.language.engines.durable import available
from rules_engine.language.engines.native import NativeEngine
from rules_engine.language.engines.trial import trial_compile
from rules_engine.language.engines.verified import Incident, IncidentKind, VerifiedEngine
from rules_engine.language.kinds import Decision as DecisionName
from rules_engine.language.kinds import ReferenceKind
from rules_engine.language.model import Ruleset
from rules_engine.language.ruleset import content_hash, parse, parse_text
from rules_engine.language.thresholds import fields_used
from rules_engine.language.values import dump_facts
from rules_engine.models import Decision, RulesetVersion
from rules_engine.models import Incident as IncidentRow
from rules_engine.services.company.reference import Reference, VersionRef, reference, reference_changed
from rules_engine.services.facts.candidates import RosterNeeds, needs_of
from rules_engine.services.queue import publications
from rules_engine.services.records import audit
from rules_engine.services.rules import journal

DECISIONS: Final = (
    DecisionName.ASSIGNMENT,
    DecisionName.ESCALATION,
    DecisionName.CALLBACKS,
    DecisionName.BONUS,
)
"""Those that this release takes by itself."""

_KEPT: Final = 32
_TRIAL_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class PublishedRuleset:
    """One version, ready to be asked. `engine` decides live; `evaluate` asks it and keeps its incidents."""

    version_id: int
    number: int
    content_hash: str
    ruleset: Ruleset
    fields_used: frozenset[str]
    needs: RosterNeeds
    native: NativeEngine
    engine: Engine


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Which enabled rules match, in order, and which engine said so: `durable+native` or `native`."""

    matching: tuple[str, ...]
    engine: str


@dataclass(frozen=True, slots=True)
class _Compiled:
    ruleset: Ruleset
    fields_used: frozenset[str]
    needs: RosterNeeds
    native: NativeEngine


_compiled: OrderedDict[str, _Compiled] = OrderedDict()
_verified: OrderedDict[str, VerifiedEngine] = OrderedDict()
_lock = threading.Lock()
_reported = threading.local()


def published(session: Session, decision: str, now: datetime) -> PublishedRuleset:
    """Return the ruleset in force at `now`, compiled. Raises NotFound where none was ever published for then."""
    head = _head_at(reference(session), decision, now)
    compiled = _compile(session, head)
    engine: Engine = compiled.native
    if settings_of(session).engine == "durable" and head.durable_refused is None:
        engine = _verified_engine(head.content_hash, compiled.ruleset)
    return PublishedRuleset(
        version_id=head.id,
        number=head.number,
        content_hash=head.content_hash,
        ruleset=compiled.ruleset,
        fields_used=compiled.fields_used,
        needs=compiled.needs,
        native=compiled.native,
        engine=engine,
    )


def evaluate(
    session: Session, ruleset: PublishedRuleset, facts: Facts, now: datetime, *, attempt: int = 1
) -> Evaluation:
    """Return which rules match. The first attempt is durable_rules verified by native, later ones native alone.

    Where the two engines differ, or C fails, native decides and the difference becomes an incident.
    """
    if attempt > 1 or ruleset.engine is ruleset.native:
        return Evaluation(ruleset.native.matching(facts), "native")
    _reported.incidents = []
    matching = ruleset.engine.matching(facts)
    for found in _reported.incidents:
        _write_incident(session, ruleset, found, now)
    alone = isinstance(ruleset.engine, VerifiedEngine) and ruleset.engine.native_alone
    return Evaluation(matching, "native" if alone else "durable+native")


def published_document(session: Session, decision: str, now: datetime) -> tuple[dict[str, Any], int]:
    """Return the JSON document in force at `now` and its number. Raises NotFound."""
    version = in_force_at(session, decision, now)
    return version.body, version.number


def in_force_at(session: Session, decision: str, at: datetime) -> RulesetVersion:
    """Return the version in force at an instant. Raises NotFound."""
    return session.get_one(RulesetVersion, _head_at(reference(session), decision, at).id)


def in_force_before(session: Session, decision: str, at: datetime) -> RulesetVersion:
    """Return the version in force until an instant. Raises NotFound."""
    return in_force_at(session, decision, at - timedelta(microseconds=1))


def ruleset_of(session: Session, version_id: int) -> Ruleset:
    """Return the ruleset of a published version. Raises NotFound."""
    for heads in reference(session).versions.values():
        for head in heads:
            if head.id == version_id:
                return _compile(session, head).ruleset
    raise NotFound(what=f"ruleset version {version_id}")


def next_change_at(session: Session, decision: str, now: datetime) -> datetime | None:
    """Return when, strictly after `now`, another version comes into force; an open item must be looked at then."""
    return reference(session).next_version_at(decision, now)


def publish(
    session: Session,
    decision: str,
    body: Mapping[str, Any],
    *,
    holds_from: datetime,
    now: datetime,
    actor: str,
    note: str = "",
    restored_from: int | None = None,
    authored_by: str = "",
    accepted: Mapping[str, Any] | None = None,
    checks_names: bool = True,
) -> RulesetVersion:
    """Return the new version; what is open is looked at again at `now`, or when it comes into force (publications.py).

    `checks_names` False: the body is in force already, and that somebody whom it names has gone must not hold it back.
    Raises RulesetInvalid with every problem, InputError for the ruleset of another decision, PolicyViolation where
    `holds_from` lies in the past and rules decided something at or after it, and for rules of the bonus that would not
    begin with a future month: nobody's running month is paid by other rules than it began with.
    """
    ruleset = parse(body, references(session) if checks_names else None)
    if decision == DecisionName.BONUS:
        refuse_running_month(session, holds_from, now)
    # Publishers wait here for each other, so each sees the number that the other took.
    reference_changed(session)
    if holds_from < now:
        _refuse_rewriting(session, decision, holds_from)
    version = store(
        session,
        decision,
        ruleset,
        body,
        holds_from=holds_from,
        now=now,
        actor=actor,
        note=note,
        restored_from=restored_from,
        authored_by=authored_by,
        accepted=accepted,
    )
    audit.record(
        session,
        actor=actor,
        action="publish",
        subject_kind="ruleset",
        subject_id=decision,
        after={
            "number": version.number,
            "holds_from": holds_from.isoformat(),
            "note": note,
            "content_hash": version.content_hash,
            "restored_from": restored_from,
            "authored_by": authored_by,
        },
    )
    publications.begin(session, version, max(holds_from, now), now)
    return version


def store(
    session: Session,
    decision: str,
    ruleset: Ruleset,
    body: Mapping[str, Any],
    *,
    holds_from: datetime,
    now: datetime,
    actor: str,
    note: str = "",
    restored_from: int | None = None,
    authored_by: str = "",
    accepted: Mapping[str, Any] | None = None,
) -> RulesetVersion:
    """Return a version under the next number, nothing else done: how the shipped rulesets come in.

    Raises InputError where the ruleset is that of another decision.
    """
    if ruleset.decision != decision:
        raise InputError(
            path="decision",
            ru=f"это правила решения «{ruleset.decision}», а не «{decision}»",
            en=f"these are the rules of “{ruleset.decision}”, not of “{decision}”",
        )
    numbers = session.scalars(select(RulesetVersion.number).where(RulesetVersion.decision == decision))
    version = RulesetVersion(
        decision=decision,
        number=max(numbers, default=0) + 1,
        body=dict(body),
        content_hash=content_hash(body),
        holds_from=holds_from,
        published_at=now,
        published_by=actor,
        note=note,
        restored_from=restored_from,
        authored_by=authored_by,
        accepted=dict(accepted or {}),
        durable_refused=_tried(ruleset.document),
    )
    session.add(version)
    session.flush()
    if version.durable_refused is not None:
        journal.incident(
            session,
            "engine_refused",
            {
                "ru": f"durable_rules не принимает версию {version.number} («{decision}»): решает только native",
                "en": f"durable_rules does not take version {version.number} of {decision}: native decides alone",
            },
            {"decision": decision, "number": version.number, "detail": version.durable_refused},
            now,
        )
    return version


@dataclass(frozen=True, slots=True)
class StoredReferences:
    """The people and teams that rules may name; skills, services and the like are open lists and not checked."""

    _known: Mapping[ReferenceKind, Mapping[str, str]]

    def known(self, kind: ReferenceKind) -> Mapping[str, str] | None:
        return self._known.get(kind)


def references(session: Session) -> StoredReferences:
    """Return the names that a ruleset of this installation may use, with what people call them."""
    picture = reference(session)
    return StoredReferences(
        {
            ReferenceKind.MANAGER: {one.login: one.name for one in picture.managers.values()},
            ReferenceKind.TEAM: {team.code: team.name for team in picture.teams.values()},
        }
    )


def _head_at(picture: Reference, decision: str, at: datetime) -> VersionRef:
    head = picture.version_at(decision, at)
    if head is None:
        raise NotFound(what=f"{decision}, {at.isoformat()}")
    return head


def _refuse_rewriting(session: Session, decision: str, holds_from: datetime) -> None:
    """Rules must not come into force at an instant after which others have already decided."""
    later = (
        select(Decision.at)
        .where(Decision.decision == decision, Decision.at >= holds_from, Decision.version_id.is_not(None))
        .order_by(Decision.at.desc())
        .limit(1)
    )
    last = session.scalar(later)
    if last is not None:
        zone = settings_of(session).zone
        raise PolicyViolation(
            ru=f"с этого времени правила уже принимали решения, последнее {last.astimezone(zone):%d.%m.%Y %H:%M}: "
            "новая версия может действовать только позже",
            en=f"rules have decided since then, last on {last.astimezone(zone):%Y-%m-%d %H:%M}: "
            "a new version can only hold from later on",
        )


def refuse_running_month(session: Session, holds_from: datetime, now: datetime) -> None:
    """Refuse an instant from which rules of the bonus cannot hold, by a PolicyViolation.

    A version begins at the first instant of a month to come; the very first one when it likes.
    """
    picture = reference(session)
    if not picture.versions.get(DecisionName.BONUS):
        return
    first = picture.start_of_day(picture.day_of(holds_from).replace(day=1))
    if holds_from == first and holds_from > now:
        return
    this_month = picture.day_of(now).replace(day=1)
    following = this_month.replace(year=this_month.year + this_month.month // 12, month=this_month.month % 12 + 1)
    raise PolicyViolation(
        ru="правила премии начинают действовать с первого мгновения будущего месяца, "
        f"ближайшее — {following:%d.%m.%Y} 00:00; идущий месяц считается по прежним",
        en="rules of the bonus begin at the first instant of a month to come, "
        f"the next is {following:%Y-%m-%d} 00:00; the running month keeps those it began with",
    )


def _compile(session: Session, head: VersionRef) -> _Compiled:
    with _lock:
        found = _compiled.get(head.content_hash)
        if found is not None:
            _compiled.move_to_end(head.content_hash)
            return found
    ruleset = parse(session.get_one(RulesetVersion, head.id).body)
    found = _Compiled(ruleset, fields_used(ruleset), needs_of(ruleset), NativeEngine(ruleset))
    with _lock:
        _compiled[head.content_hash] = found
        while len(_compiled) > _KEPT:
            _compiled.popitem(last=False)
    return found


def _verified_engine(digest: str, ruleset: Ruleset) -> VerifiedEngine:
    with _lock:
        engine = _verified.get(digest)
        if engine is None:
            engine = _verified[digest] = VerifiedEngine(ruleset, note_difference)
            while len(_verified) > _KEPT:
                _verified.popitem(last=False)[1].close()
        _verified.move_to_end(digest)
        return engine


def note_difference(found: Incident) -> None:
    """Keep what an engine reports until `evaluate` writes it down."""
    # The engine is shared by threads; each collects what its own question brought up.
    _reported.__dict__.setdefault("incidents", []).append(found)


def _write_incident(session: Session, ruleset: PublishedRuleset, found: Incident, now: datetime) -> None:
    """Write it unless the same one stands unresolved: an engine that is down would fill the page in an hour."""
    kind = f"engine_{found.kind}"
    data = {
        "decision": str(ruleset.ruleset.decision),
        "number": ruleset.number,
        "native": list(found.native),
        "durable": None if found.durable is None else list(found.durable),
        "detail": found.detail,
    }
    unresolved = session.scalars(
        select(IncidentRow.data).where(IncidentRow.kind == kind, IncidentRow.resolved_at.is_(None))
    )
    if any({key: known.get(key) for key in data} == data for known in unresolved):
        return
    words = {
        IncidentKind.DIFFERENCE: ("движки ответили по-разному, решил native", "the engines differ; native decided"),
        IncidentKind.FAILURE: ("durable_rules не ответил, решил native", "durable_rules failed; native decided"),
    }[found.kind]
    journal.incident(
        session,
        kind,
        {
            "ru": f"«{data['decision']}», версия {ruleset.number}: {words[0]}",
            "en": f"{data['decision']}, version {ruleset.number}: {words[1]}",
        },
        {**data, "facts": dump_facts(found.facts)},
        now,
    )


@lru_cache(maxsize=256)
def _tried(document: str) -> str | None:
    """Return why durable_rules must not be given this ruleset, None where it may or cannot be imported at all."""
    if not available():
        return None
    result = trial_compile(parse_text(document), _TRIAL_SECONDS)
    return None if result.usable else result.detail
