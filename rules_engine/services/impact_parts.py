"""What the reckoning of an impact is made of: a budget for one slice, what the slice found, who reckons."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy.orm import Session

from rules_engine import clock
from rules_engine.language.model import Ruleset

Json = dict[str, Any]


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
    """What one slice found. `state` is what the next one goes on from, JSON; `changes` are new ones."""

    state: Json
    done: int
    is_over: bool
    changes: list[Json] = field(default_factory=list)


class Reckoner(Protocol):
    """Reckons the impact of one decision. It only reads; what it keeps between slices stands in the state."""

    def total(self, session: Session, question: Question) -> int:
        """Return how many subjects there are, for the bar."""
        ...

    def step(self, session: Session, question: Question, state: Json, budget: Budget) -> Slice:
        """Return what came of one slice; `state` is {} at the beginning and is not changed."""
        ...

    def result(self, session: Session, question: Question, state: Json) -> Json:
        """Return the figures of the whole, JSON."""
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
