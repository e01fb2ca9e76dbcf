"""What every engine answers, and what an explanation consists of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from rules_engine.language.values import Canonical

Facts = Mapping[str, Canonical | None]
"""Canonical facts by the key of the field; a missing key is an empty field."""

Predicate = Callable[[Facts], bool]


class Engine(Protocol):
    """Answers which rules match; `first` and `collect`, and `otherwise`, are the business of the decision."""

    @property
    def name(self) -> str: ...

    def matching(self, facts: Facts) -> tuple[str, ...]:
        """Return the ids of the enabled rules whose conditions hold, in the order of the ruleset."""
        ...


@dataclass(frozen=True, slots=True)
class FailedCondition:
    """The first condition that kept a rule from matching.

    `value` is the right side as it was written (JSON), `seen` the canonical value of the field, None when empty.
    In a group `none` it is a condition that holds and should not: `unwanted` says so.
    """

    path: str
    field: str
    op: str
    value: object
    seen: Canonical | None
    unwanted: bool


@dataclass(frozen=True, slots=True)
class RuleTrace:
    """Whether an enabled rule matched; `first_failed` is None exactly when it did."""

    rule_id: str
    matched: bool
    first_failed: FailedCondition | None
