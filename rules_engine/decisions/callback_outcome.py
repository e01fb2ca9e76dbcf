"""The calls that rules of callbacks amount to: what they are about, when they are made, or why they are not."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rules_engine.decisions.effects import Effect
from rules_engine.decisions.instants import from_us
from rules_engine.language.kinds import Words


class CauseKind(StrEnum):
    """What a call is about. A rule's cause is the first of these that one of its conditions looks at."""

    PROMISE = "promise"
    """The client asked to be called."""
    REFUSAL = "refusal"
    CONTRACT = "contract"
    PAYMENT = "payment"
    CONTACT = "contact"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class Cause:
    """`payment:12`, `contact:5`, `request:7`, `contract:2026-12-01`, `year:2026`; `at_us`: when it arose."""

    key: str
    at_us: int


@dataclass(frozen=True, slots=True)
class KnownCall:
    """A call that was scheduled before. `closed_us` is None while it is planned or in a list."""

    id: int
    occasion: str
    cause: str
    cycle: int
    call_from_us: int
    also: tuple[str, ...] = ()
    is_in_list: bool = False
    closed_us: int | None = None

    @property
    def is_open(self) -> bool:
        return self.closed_us is None

    def serves(self, occasion: str, cause: Cause) -> bool:
        """Return whether this is the call on that occasion for that cause, also as one of several."""
        if occasion == self.occasion and cause.key == self.cause:
            return True
        return occasion in self.also and (self.closed_us is None or self.closed_us >= cause.at_us)


class Why(StrEnum):
    """Why a matching rule schedules nothing."""

    SKIPPED = "skipped"
    DO_NOT_CALL = "do_not_call"
    NO_CONSENT = "no_consent"
    ALREADY_PLANNED = "already_planned"
    ALREADY_MADE = "already_made"
    FREQUENCY = "frequency"
    SAME_NUMBER = "same_number"
    NO_WORKING_TIME = "no_working_time"


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A call to make. `within` is how many working days there are for it, the first one counted.

    `absorbs` are planned calls (ids) that this one makes unnecessary; their occasions stand in `also`.
    """

    rule: str
    occasion: str
    cause: Cause
    cycle: int
    from_us: int
    due_us: int
    within: int
    is_promise: bool
    is_offer: bool
    script: str | None = None
    priority: str = "normal"
    also: tuple[str, ...] = ()
    absorbs: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "rule": self.rule,
            "occasion": self.occasion,
            "cause": self.cause.key,
            "cycle": self.cycle,
            "from": from_us(self.from_us).isoformat(),
            "due": from_us(self.due_us).isoformat(),
            "also": list(self.also),
        }


@dataclass(frozen=True, slots=True)
class Joined:
    """An occasion that the planned call `call_id` serves from now on."""

    rule: str
    occasion: str
    call_id: int

    def to_json(self) -> dict[str, Any]:
        return {"rule": self.rule, "occasion": self.occasion, "call_id": self.call_id}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A call that a rule wanted and that is not made. `until_us`: from then on it could be; None: not by time."""

    rule: str
    occasion: str
    why: Why
    until_us: int | None = None

    def to_json(self) -> dict[str, Any]:
        until = None if self.until_us is None else from_us(self.until_us).isoformat()
        return {"rule": self.rule, "occasion": self.occasion, "why": str(self.why), "until": until}


@dataclass(frozen=True, slots=True)
class CallbackOutcome:
    """One evaluation; false where nothing is to be done.

    `segment` is the rule and the new segment, None where it stays. `skips` are the rules that forbid calls, with their
    reasons. `retry_us`: when a call that was left out could be made.
    """

    segment: tuple[str, str] | None = None
    scheduled: tuple[Scheduled, ...] = ()
    joined: tuple[Joined, ...] = ()
    released: str | None = None
    left_out: tuple[LeftOut, ...] = ()
    skips: tuple[tuple[str, str], ...] = ()
    effects: tuple[Effect, ...] = ()
    titles: tuple[tuple[str, Words], ...] = ()
    retry_us: int | None = None

    def __bool__(self) -> bool:
        return bool(self.segment or self.scheduled or self.joined or self.released)

    @property
    def fired(self) -> tuple[str, ...]:
        """The rules that did something, in order."""
        return tuple(dict.fromkeys(effect.rule for effect in self.effects))

    def to_json(self) -> dict[str, Any]:
        return {
            "segment": list(self.segment) if self.segment else None,
            "scheduled": [call.to_json() for call in self.scheduled],
            "joined": [call.to_json() for call in self.joined],
            "released": self.released,
            "left_out": [call.to_json() for call in self.left_out],
            "skips": [list(skip) for skip in self.skips],
            "titles": {rule: {"ru": title.ru, "en": title.en} for rule, title in self.titles},
        }
