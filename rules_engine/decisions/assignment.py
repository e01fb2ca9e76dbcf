"""Who gets a request: the matching rules of a `first` ruleset are walked until one can be carried out.

A rule whose pools hold nobody eligible is passed over with all its other actions; the next is tried, then
`otherwise`; then the request waits and the head is told. The outcome keeps the whole trace.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from rules_engine.decisions.effects import Effect
from rules_engine.decisions.fair_share import Strategy
from rules_engine.decisions.picking import Attempt, Pick, pick
from rules_engine.decisions.roster import Roster
from rules_engine.language.kinds import Words
from rules_engine.language.model import OTHERWISE, Action, Ruleset


class OutcomeKind(StrEnum):
    """What became of a request."""

    ASSIGNED = "assigned"
    LEFT_UNASSIGNED = "left_unassigned"
    """A rule says so; the head is told; tried again when the request or the rules change, or a person asks."""
    WAITING = "waiting"
    """A rule waits for an absent person; tried again when he is back."""
    NOBODY = "nobody"
    """Nobody can take it; the head is told; tried again as soon as someone can."""


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A rule that matched and did not act: `no_candidate`, or `waiting` for an absent person."""

    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class AssignmentOutcome:
    """The decision with all that explains it; `to_json` is what is stored.

    `rule` is None where none acted. `answer_within` is in working minutes, None where the setting holds.
    `pointer` is the new pointer of round robin, `(pool key, manager id)`. `retry_us`: the first instant at which
    time alone may have changed the answer (UTC microseconds); `depends_on_others`: other rows may change it
    sooner. `titles` are those of the rules named here.
    """

    kind: OutcomeKind
    manager_id: int | None = None
    manager: str | None = None
    rule: str | None = None
    strategy: Strategy | None = None
    pool: str | None = None
    pool_argument: str | None = None
    answer_within: int | None = None
    reason: str | None = None
    effects: tuple[Effect, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    pointer: tuple[str, int] | None = None
    retry_us: int | None = None
    depends_on_others: bool = False
    titles: tuple[tuple[str, Words], ...] = field(default=())

    @property
    def fired(self) -> tuple[str, ...]:
        """The id of the rule that acted, `otherwise` included; empty where none did."""
        return (self.rule,) if self.rule is not None else ()

    @property
    def is_otherwise(self) -> bool:
        return self.rule == OTHERWISE

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as one JSON document; `from_json` gives the same outcome back."""
        return {
            "kind": str(self.kind),
            "manager_id": self.manager_id,
            "manager": self.manager,
            "rule": self.rule,
            "strategy": self.strategy and str(self.strategy),
            "pool": self.pool,
            "pool_argument": self.pool_argument,
            "answer_within": self.answer_within,
            "reason": self.reason,
            "effects": [effect.to_json() for effect in self.effects],
            "passed_over": [{"rule": item.rule, "reason": item.reason} for item in self.passed_over],
            "attempts": [attempt.to_json() for attempt in self.attempts],
            "pointer": list(self.pointer) if self.pointer else None,
            "retry_us": self.retry_us,
            "depends_on_others": self.depends_on_others,
            "titles": {rule: {"ru": title.ru, "en": title.en} for rule, title in self.titles},
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "AssignmentOutcome":
        """Return the outcome that `to_json` wrote."""
        pointer, strategy = document["pointer"], document["strategy"]
        return cls(
            kind=OutcomeKind(document["kind"]),
            manager_id=document["manager_id"],
            manager=document["manager"],
            rule=document["rule"],
            strategy=Strategy(strategy) if strategy else None,
            pool=document["pool"],
            pool_argument=document["pool_argument"],
            answer_within=document["answer_within"],
            reason=document["reason"],
            effects=tuple(map(Effect.from_json, document["effects"])),
            passed_over=tuple(PassedOver(item["rule"], item["reason"]) for item in document["passed_over"]),
            attempts=tuple(map(Attempt.from_json, document["attempts"])),
            pointer=(pointer[0], pointer[1]) if pointer else None,
            retry_us=document["retry_us"],
            depends_on_others=document["depends_on_others"],
            titles=tuple((rule, Words(title["ru"], title["en"])) for rule, title in document["titles"].items()),
        )


def decide(ruleset: Ruleset, matching: Iterable[str], roster: Roster) -> AssignmentOutcome:
    """Return who gets the request, by the rules that match (ids in order, from an engine)."""
    passed_over: list[PassedOver] = []
    attempts: list[Attempt] = []
    titles: dict[str, Words] = {}
    depends_on_others = False
    for rule, actions in _walk(ruleset, matching):
        titles[rule] = _title(ruleset, rule)
        effects = tuple(Effect.of(action, rule) for action in actions)
        decisive = next((a for a in actions if a.name in ("assign", "leave_unassigned")), None)
        if decisive is None:
            passed_over.append(PassedOver(rule, "no_candidate"))
            continue
        if decisive.name == "leave_unassigned":
            return AssignmentOutcome(
                OutcomeKind.LEFT_UNASSIGNED,
                rule=rule,
                reason=decisive.text("reason"),
                effects=effects,
                passed_over=tuple(passed_over),
                attempts=tuple(attempts),
                titles=tuple(titles.items()),
            )
        found = pick(decisive, rule, roster)
        attempts.extend(found.attempts)
        if found.chosen is not None:
            return _assigned(decisive, rule, found, effects, passed_over, attempts, titles)
        if found.waits_for is not None:
            passed_over.append(PassedOver(rule, "waiting"))
            return AssignmentOutcome(
                OutcomeKind.WAITING,
                passed_over=tuple(passed_over),
                attempts=tuple(attempts),
                retry_us=roster.candidates[found.waits_for].back_us,
                titles=tuple(titles.items()),
            )
        passed_over.append(PassedOver(rule, "no_candidate"))
        depends_on_others = depends_on_others or found.depends_on_others
    return AssignmentOutcome(
        OutcomeKind.NOBODY,
        passed_over=tuple(passed_over),
        attempts=tuple(attempts),
        retry_us=_first_change(attempts, roster),
        depends_on_others=depends_on_others,
        titles=tuple(titles.items()),
    )


def _walk(ruleset: Ruleset, matching: Iterable[str]) -> Iterator[tuple[str, tuple[Action, ...]]]:
    for rule in matching:
        yield rule, ruleset.actions_of(rule)
    if ruleset.otherwise:
        yield OTHERWISE, ruleset.otherwise


def _assigned(
    action: Action,
    rule: str,
    found: Pick,
    effects: tuple[Effect, ...],
    passed_over: list[PassedOver],
    attempts: list[Attempt],
    titles: dict[str, Words],
) -> AssignmentOutcome:
    deciding = found.attempts[-1]
    return AssignmentOutcome(
        OutcomeKind.ASSIGNED,
        manager_id=found.chosen,
        manager=deciding.chosen.login if deciding.chosen else None,
        rule=rule,
        strategy=deciding.strategy,
        pool=deciding.pool,
        pool_argument=deciding.argument,
        answer_within=action.number("answer_within"),
        effects=effects,
        passed_over=tuple(passed_over),
        attempts=tuple(attempts),
        pointer=found.pointer,
        titles=tuple(titles.items()),
    )


def _first_change(attempts: list[Attempt], roster: Roster) -> int | None:
    """Return the first instant at which working hours, an absence or duty of anybody who counts change.

    Of who was tried; of who is not here yet; and of everybody where whoever is on duty was asked for.
    """
    tried = {verdict.id for attempt in attempts for verdict in attempt.verdicts}
    for_all = any(attempt.pool == "duty" for attempt in attempts)
    tried |= {one.id for one in roster.candidates.values() if for_all or not one.is_active}
    changes = [change for id_ in tried if (change := roster.next_change_us(id_)) is not None]
    return min(changes, default=None)


def _title(ruleset: Ruleset, rule: str) -> Words:
    found = ruleset.rule(rule)
    return found.title if found else Words("Остальные", "Otherwise")
