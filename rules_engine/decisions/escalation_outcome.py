"""The outcome of an escalation as it is stored: what fired, what came of each action, messages, transfer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rules_engine.decisions.effects import Effect
from rules_engine.decisions.fair_share import Strategy
from rules_engine.decisions.picking import Attempt
from rules_engine.language.kinds import Words


class State(StrEnum):
    """What came of an action."""

    APPLIED = "applied"
    SUPERSEDED = "superseded"
    DROPPED = "dropped"
    WITHHELD = "withheld"


class Why(StrEnum):
    """Why an action was not applied."""

    EARLIER_RULE = "earlier_rule"
    MAX_TRANSFERS = "max_transfers"
    TRANSFERRED = "transferred"
    MODE = "mode"


@dataclass(frozen=True, slots=True)
class FiringAction:
    """One action of a firing. `why` is None exactly when it is applied."""

    effect: Effect
    state: State
    why: Why | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "action": self.effect.action,
            "params": self.effect.params,
            "state": str(self.state),
            "why": self.why and str(self.why),
        }


@dataclass(frozen=True, slots=True)
class SeenCondition:
    """A condition that held: `written` is its right side as JSON text, `seen` the field's value in JSON form."""

    field: str
    op: str
    written: str
    seen: object

    def to_json(self) -> dict[str, Any]:
        return {"field": self.field, "op": self.op, "value": json.loads(self.written), "seen": self.seen}


@dataclass(frozen=True, slots=True)
class Firing:
    """A rule that fired, for the row of that name: once a rule, ownership and occurrence."""

    rule: str
    occurrence: int
    actions: tuple[FiringAction, ...]
    seen: tuple[SeenCondition, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "rule": self.rule,
            "occurrence": self.occurrence,
            "actions": [action.to_json() for action in self.actions],
            "seen": [condition.to_json() for condition in self.seen],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Firing":
        rule = document["rule"]
        return cls(
            rule,
            document["occurrence"],
            tuple(
                FiringAction(
                    Effect.from_json({"action": item["action"], "rule": rule, **item["params"]}),
                    State(item["state"]),
                    Why(item["why"]) if item["why"] else None,
                )
                for item in document["actions"]
            ),
            tuple(
                SeenCondition(item["field"], item["op"], json.dumps(item["value"], ensure_ascii=False), item["seen"])
                for item in document["seen"]
            ),
        )


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one person: his login (or `manager`, `head` where that is not known) and his role.

    `reasons` are rules with their texts (None: the rule's title says it). `digest_minutes` 0 is at once.
    """

    to: str
    role: str
    reasons: tuple[tuple[str, str | None], ...]
    digest_minutes: int

    def to_json(self) -> dict[str, Any]:
        return {
            "to": self.to,
            "role": self.role,
            "reasons": [{"rule": rule, "text": text} for rule, text in self.reasons],
            "digest_minutes": self.digest_minutes,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Message":
        reasons = tuple((item["rule"], item["text"]) for item in document["reasons"])
        return cls(document["to"], document["role"], reasons, document["digest_minutes"])


@dataclass(frozen=True, slots=True)
class Transfer:
    """To whom the request goes, with the trace of the choice. `answer_within` None: the rule names none."""

    rule: str
    manager_id: int
    manager: str
    strategy: Strategy | None
    answer_within: int | None
    pointer: tuple[str, int] | None
    attempts: tuple[Attempt, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "rule": self.rule,
            "manager_id": self.manager_id,
            "manager": self.manager,
            "strategy": self.strategy and str(self.strategy),
            "answer_within": self.answer_within,
            "pointer": list(self.pointer) if self.pointer else None,
            "attempts": [attempt.to_json() for attempt in self.attempts],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Transfer":
        strategy, pointer = document["strategy"], document["pointer"]
        return cls(
            document["rule"],
            document["manager_id"],
            document["manager"],
            Strategy(strategy) if strategy else None,
            document["answer_within"],
            (pointer[0], pointer[1]) if pointer else None,
            tuple(map(Attempt.from_json, document["attempts"])),
        )


@dataclass(frozen=True, slots=True)
class PassedOverRule:
    """A rule that matched and could not reassign: `no_candidate` with the pools tried, `overload` or `line_busy`."""

    rule: str
    reason: str
    attempts: tuple[Attempt, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "rule": self.rule,
            "reason": self.reason,
            "attempts": [attempt.to_json() for attempt in self.attempts],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "PassedOverRule":
        return cls(document["rule"], document["reason"], tuple(map(Attempt.from_json, document["attempts"])))


@dataclass(frozen=True, slots=True)
class EscalationOutcome:
    """One evaluation; false where no rule fired, also if one was passed over.

    `messages` and `transfer` say what `applied` actions amount to. In mode `watch` (`is_withheld`) they say what
    would have been; in `hints` the transfer does (its action is withheld): a service carries out only actions
    in the state `applied`. `warned_of`: when (UTC microseconds) the holder was told that the request will go.
    """

    firings: tuple[Firing, ...] = ()
    messages: tuple[Message, ...] = ()
    transfer: Transfer | None = None
    passed_over: tuple[PassedOverRule, ...] = ()
    titles: tuple[tuple[str, Words], ...] = ()
    is_withheld: bool = False
    warned_of: int | None = None

    @property
    def fired(self) -> tuple[str, ...]:
        return tuple(firing.rule for firing in self.firings)

    @property
    def applied(self) -> tuple[Effect, ...]:
        """The effects to carry out, in order."""
        return tuple(
            action.effect for firing in self.firings for action in firing.actions if action.state is State.APPLIED
        )

    def __bool__(self) -> bool:
        return bool(self.firings)

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as one JSON document; `from_json` gives the same outcome back."""
        return {
            "firings": [firing.to_json() for firing in self.firings],
            "messages": [message.to_json() for message in self.messages],
            "transfer": self.transfer.to_json() if self.transfer else None,
            "passed_over": [item.to_json() for item in self.passed_over],
            "titles": {rule: {"ru": title.ru, "en": title.en} for rule, title in self.titles},
            "is_withheld": self.is_withheld,
            "warned_of": self.warned_of,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "EscalationOutcome":
        """Return the outcome that `to_json` wrote."""
        transfer = document["transfer"]
        return cls(
            tuple(map(Firing.from_json, document["firings"])),
            tuple(map(Message.from_json, document["messages"])),
            Transfer.from_json(transfer) if transfer else None,
            tuple(map(PassedOverRule.from_json, document["passed_over"])),
            tuple((rule, Words(title["ru"], title["en"])) for rule, title in document["titles"].items()),
            document["is_withheld"],
            document.get("warned_of"),
        )
