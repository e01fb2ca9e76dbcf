"""What the reckoning of an impact is made of: parts, a budget for one slice, what the slice found, who reckons.

A long one is split into parts that several workers do beside each other. Each part is a work item of its own: its
subject is the impact's id × MOST_PARTS + the part's number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

from sqlalchemy.orm import Session

from rules_engine import clock
from rules_engine.language.model import Ruleset

Json = dict[str, Any]

MOST_PARTS: Final = 8
SPLIT_FROM: Final = 10_000
"""From so many subjects on several workers are worth their trouble."""
NO_END: Final = 2**63 - 1


def subject_of(impact_id: int, part: int) -> int:
    """Return the subject of the work item of a part."""
    return impact_id * MOST_PARTS + part


def part_of(subject_id: int) -> tuple[int, int]:
    """Return the impact and the number of the part that a work item is about."""
    return divmod(subject_id, MOST_PARTS)


@dataclass(slots=True)
class Budget:
    """How much one slice may do: so long by the machine's clock, or so many subjects (None: any number)."""

    seconds: float = 1.0
    most: int | None = None
    _started: float = field(default_factory=clock.monotonic, repr=False)

    def allows(self, done: int) -> bool:
        """Return whether another subject may be begun; the first one always."""
        if done == 0:
            return True
        if self.most is not None and done >= self.most:
            return False
        return clock.monotonic() - self._started < self.seconds

    def batch(self, usual: int) -> int:
        """Return how many subjects to read at once."""
        return usual if self.most is None else min(usual, self.most)


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be compared: the rules in force with the draft, over `[since, until)`.

    `live` and `draft` are documents; of an unfinished draft its finished rules are compared.
    """

    impact_id: int
    version_id: int
    live: Json
    draft: Json
    live_rules: Ruleset
    draft_rules: Ruleset
    since: datetime
    until: datetime
    days: int


@dataclass(slots=True)
class Slice:
    """What one slice found. `state` is what the next one goes on from, JSON; `changes` are new ones.

    In a state `cursor` says where a part stands and where it ends. All else are figures that add up, see `sum_of`.
    """

    state: Json
    done: int
    is_over: bool
    changes: list[Json] = field(default_factory=list)


class Reckoner(Protocol):
    """Reckons the impact of one decision. It only reads; what it keeps between slices stands in the state."""

    def total(self, session: Session, question: Question) -> int:
        """Return how many subjects there are in all parts, for the bar."""
        ...

    def beginnings(self, session: Session, question: Question, parts: int) -> list[Json]:
        """Return the states that so many parts begin with, or fewer where it cannot be split so; the oldest first."""
        ...

    def step(self, session: Session, question: Question, state: Json, budget: Budget) -> Slice:
        """Return what came of one slice of a part; `state` is not changed."""
        ...

    def result(self, session: Session, question: Question, state: Json) -> Json:
        """Return the figures of the whole, JSON, from the state of its only part or from what all add up to."""
        ...


def add_to(sums: Json, key: str, place: int, amount: int = 1, width: int = 2) -> None:
    """Add to one of the numbers that stand under a key, which begin at nothing."""
    row = sums.get(key)
    if row is None:
        row = sums[key] = [0] * width
    row[place] += amount


def titles_of(*bodies: Json) -> dict[str, dict[str, str]]:
    """Return the titles of the rules by id, {"ru", "en"}; of a rule in several bodies that of the last."""
    found: dict[str, dict[str, str]] = {}
    for body in bodies:
        for rule in body.get("rules", []):
            title: Mapping[str, str] | str = rule.get("title") or {}
            both = dict(title) if isinstance(title, Mapping) else {"ru": title, "en": title}
            found[str(rule.get("id"))] = both
    return found


def shares(ids: Sequence[int], parts: int) -> list[list[int]]:
    """Return the cursors of so many equal parts of rising ids: after which each begins, and with which it ends.

    The last has no end: what is added meanwhile is its own.
    """
    ends = [ids[len(ids) * part // parts - 1] if len(ids) * part // parts else 0 for part in range(1, parts)]
    return [[after, last] for after, last in zip([0, *ends], [*ends, NO_END], strict=True)]


def whole_of(states: Sequence[Json]) -> Json:
    """Return the figures of all parts together; of a single part its state as it is."""
    if len(states) == 1:
        return states[0]
    figures: Json = sum_of([{key: value for key, value in state.items() if key != "cursor"} for state in states])
    return figures


def sum_of(parts: Sequence[Any]) -> Any:
    """Return numbers added, lists added place by place, and objects key by key, over documents of the same form."""
    first = parts[0]
    if isinstance(first, dict):
        keys = dict.fromkeys(key for part in parts for key in part)
        return {key: sum_of([part[key] for part in parts if key in part]) for key in keys}
    if isinstance(first, list):
        return [sum_of(list(places)) for places in zip(*parts, strict=True)]
    return sum(parts)
