"""The regulation of calls, as the rules in force make it: who is called and why, what follows, who decided."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from rules_engine.decisions.modes import Mode
from rules_engine.language.kinds import Decision
from rules_engine.language.ruleset import content_hash
from rules_engine.models import RulesetVersion
from rules_engine.services.company.reference import UserRef, reference
from rules_engine.services.drafts.body import Body, Node
from rules_engine.services.records import settings_store
from rules_engine.services.rules import modes, occasions, rulebook

DECISIONS: Final = (Decision.CALLBACKS, Decision.ESCALATION, Decision.BONUS)
_OF_CALLS: Final = frozenset(
    f"measure.{name}" for name in ("callbacks_planned", "callbacks_done", "callbacks_done_pct", "reactivated_clients")
)
_NUMBERS: Final = (
    settings_store.CALL_FREQUENCY_DAYS,
    settings_store.CALL_CYCLE_DAYS,
    settings_store.CALL_ATTEMPTS,
    settings_store.CALLS_PER_DAY,
    settings_store.VALID_CALL_SECONDS,
    settings_store.MAX_HOLDS,
)


@dataclass(frozen=True, slots=True)
class Call:
    """One occasion on which a rule has a client called. `action` is the rule's `schedule_callback`."""

    rule: Node
    action: Node
    title: dict[str, str]
    is_offer: bool


@dataclass(frozen=True, slots=True)
class Decided:
    """By which version a decision is taken, and in which mode it runs."""

    version: RulesetVersion
    mode: Mode


@dataclass(frozen=True, slots=True)
class Regulation:
    """Rules are documents, as the version has them. `digest` names the whole: rules and numbers together."""

    calls: tuple[Call, ...]
    skips: tuple[Node, ...]
    segments: tuple[Node, ...]
    overdue: tuple[Node, ...]
    bonus: tuple[Node, ...]
    numbers: dict[str, int]
    decided: tuple[Decided, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class Concerned:
    """Whom the regulation concerns in one team, or in all: managers by name, and the heads who control them."""

    managers: tuple[str, ...]
    heads: tuple[UserRef, ...]


def regulation(session: Session, at: datetime) -> Regulation:
    """Return the regulation as it holds at an instant. Raises NotFound where a decision has no rules then."""
    picture = reference(session)
    decided = tuple(
        Decided(rulebook.in_force_at(session, decision, at), modes.mode_in(picture, decision, None, at))
        for decision in DECISIONS
    )
    callbacks, escalation, bonus = (one.version.body for one in decided)
    known = occasions.catalogue(session)
    calls = []
    for rule, action in _actions(callbacks, "schedule_callback"):
        occasion = known.get(str(action.get("occasion")))
        title = dict(occasion.title) if occasion else {}
        calls.append(Call(rule, action, title, occasion.is_offer if occasion else True))
    numbers = {key: settings_store.number(session, key) for key in _NUMBERS}
    digest = content_hash([*(one.version.content_hash for one in decided), numbers])
    return Regulation(
        calls=tuple(calls),
        skips=tuple(rule for rule, _action in _actions(callbacks, "skip")),
        segments=tuple(rule for rule, _action in _actions(callbacks, "set_segment")),
        overdue=tuple(rule for rule in _enabled(escalation) if _is_about_calls(rule.get("when"))),
        bonus=tuple(rule for rule in _enabled(bonus) if _OF_CALLS.intersection(_texts(rule))),
        numbers=numbers,
        decided=decided,
        digest=digest,
    )


def concerned(session: Session, at: datetime, team_id: int | None) -> Concerned:
    """Return who is to know the regulation: those who work at that instant, of one team or of all."""
    picture = reference(session)
    names = sorted(
        one.name for one in picture.managers.values() if one.is_employed(at) and team_id in (None, one.team_id)
    )
    return Concerned(tuple(names), picture.heads_for(team_id))


def _enabled(body: Body) -> list[Node]:
    return [rule for rule in body.get("rules", []) if rule.get("enabled", True) is True]


def _actions(body: Body, name: str) -> Iterator[tuple[Node, Node]]:
    for rule in _enabled(body):
        for action in rule.get("then", []):
            if action.get("action") == name:
                yield rule, action


def _is_about_calls(when: Any) -> bool:
    """Return whether conditions ask for a planned call, or for what only a planned call has."""
    return any(
        (node.get("field") == "item.kind" and node.get("value") == "callback")
        or node.get("field") in ("item.working_days_overdue", "item.times_postponed", "manager.overdue_callbacks")
        for node in _conditions(when)
    )


def _conditions(node: Any) -> Iterator[Node]:
    if isinstance(node, dict) and "field" in node:
        yield node
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _conditions(inner)


def _texts(node: Any) -> Iterable[str]:
    if isinstance(node, str):
        yield node
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _texts(inner)
