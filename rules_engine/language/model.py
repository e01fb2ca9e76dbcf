"""A ruleset as frozen values. Every node knows its place in the document (`path`, a JSON pointer).

Nodes are made by `check.read` alone; whoever holds one may rely on every type and limit of the language.
`written` and `document` keep what the author wrote, so that sentences show his spelling and a ruleset goes
back to JSON unchanged; they are JSON text, because text cannot be changed behind a frozen value's back.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as attribute
from enum import StrEnum
from fractions import Fraction

from rules_engine.language.kinds import Decision, HitPolicy, Words
from rules_engine.language.values import Canonical

OTHERWISE = "otherwise"
"""The reserved id under which `otherwise` fires."""


@dataclass(frozen=True, slots=True)
class FieldRef:
    """The other field of a field-to-field comparison."""

    field: str


Operand = Canonical | tuple[int, int] | frozenset[str] | frozenset[int] | FieldRef | None
"""The right side of a condition: None for is_empty and is_filled, a pair for between, a set for the `in` family.

For `is` and `is_not` on a list it is a frozenset too: lists compare as sets.
"""


@dataclass(frozen=True, slots=True)
class Condition:
    """`field op value`; false on an empty field, whatever the operator, except `is_empty`."""

    field: str
    op: str
    value: Operand
    path: str
    written: str = attribute(default="null", compare=False)

    def written_values(self) -> tuple[object, ...]:
        """Return the value as it was written, always as a tuple; empty without a value or with another field."""
        value = json.loads(self.written)
        if isinstance(value, dict) or value is None:
            return ()
        return tuple(value) if isinstance(value, list) else (value,)


class Mode(StrEnum):
    ALL = "all"
    ANY = "any"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Group:
    """`all`, `any` or `none` of conditions and groups; `none` is the plain negation of `any`."""

    mode: Mode
    items: tuple["Condition | Group", ...]
    path: str

    def conditions(self) -> Iterator[Condition]:
        """Yield every condition in it, in reading order."""
        for item in self.items:
            if isinstance(item, Condition):
                yield item
            else:
                yield from item.conditions()


@dataclass(frozen=True, slots=True)
class Pool:
    """Where candidates come from. `argument` is the team, skill or login where the pool needs one."""

    name: str
    argument: str | None
    path: str


@dataclass(frozen=True, slots=True)
class Tier:
    """One tier of pay_tiers; it lasts until the next one begins. `fixed` is in kopecks."""

    start: Fraction
    rate: Fraction
    fixed: int | None


@dataclass(frozen=True, slots=True)
class GateCondition:
    """One measure of a gate: nothing below `start`, all from `full_at`."""

    measure: str
    start: Fraction
    full_at: Fraction


@dataclass(frozen=True, slots=True)
class Above:
    """The part of a curve or matrix above `start` goes to a line of its own."""

    start: Fraction
    line: str


Parameter = (
    str
    | bool
    | int
    | Fraction
    | Group
    | Above
    | tuple[str, ...]
    | tuple[Pool, ...]
    | tuple[Tier, ...]
    | tuple[GateCondition, ...]
    | tuple[Fraction, ...]
    | tuple[tuple[Fraction, ...], ...]
)


@dataclass(frozen=True, slots=True)
class Action:
    """One effect. `params` holds the given parameters only, typed; absent ones are absent."""

    name: str
    params: Mapping[str, Parameter]
    path: str
    written: str = attribute(default="{}", compare=False)

    def to_json(self) -> dict[str, object]:
        """Return the action as it stands in the document: its name and its parameters."""
        document: dict[str, object] = json.loads(self.written)
        return document

    def text(self, name: str) -> str | None:
        """Return a text, code, choice, reference or person; None where it is not given."""
        value = self.params.get(name)
        return value if isinstance(value, str) else None

    def number(self, name: str) -> int | None:
        """Return a count, minutes, days or kopecks; None where it is not given."""
        value = self.params.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts (`except`, `lines`); empty where it is not given."""
        value = self.params.get(name, ())
        return tuple(item for item in value if isinstance(item, str)) if isinstance(value, tuple) else ()

    def pools(self, name: str = "to") -> tuple[Pool, ...]:
        """Return the pools, to be tried in order; empty where none is given."""
        value = self.params.get(name, ())
        return tuple(item for item in value if isinstance(item, Pool)) if isinstance(value, tuple) else ()

    def group(self, name: str = "among") -> Group | None:
        """Return the group of conditions on candidates; None where it is not given."""
        value = self.params.get(name)
        return value if isinstance(value, Group) else None


@dataclass(frozen=True, slots=True)
class Rule:
    """`when` is None for a rule that always matches."""

    id: str
    title: Words
    note: Words
    enabled: bool
    when: Group | None
    then: tuple[Action, ...]
    review_on: int | None
    path: str


@dataclass(frozen=True, slots=True)
class TestCase:
    """Facts and the ids of the rules that must fire on them.

    For a bonus also what must be paid, in kopecks: `lines` by name (those not named are not looked at) and `total`,
    None where the case does not say. `without_plan` are the attainments that have no plan by intention.
    """

    __test__ = False  # pytest would take the name for a test class

    title: Words
    facts: Mapping[str, Canonical]
    fired: tuple[str, ...]
    path: str
    lines: Mapping[str, int] = attribute(default_factory=dict)
    total: int | None = None
    without_plan: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Ruleset:
    """`otherwise` is empty where the document has none (possible with `collect` only)."""

    decision: Decision
    title: Words
    hit_policy: HitPolicy
    rules: tuple[Rule, ...]
    otherwise: tuple[Action, ...]
    cases: tuple[TestCase, ...]
    document: str = attribute(default="{}", compare=False)

    def rule(self, rule_id: str) -> Rule | None:
        """Return the rule with this id, None where there is none (`otherwise` included)."""
        return next((rule for rule in self.rules if rule.id == rule_id), None)

    def actions_of(self, rule_id: str) -> tuple[Action, ...]:
        """Return what a fired rule does; `otherwise` is a valid id here."""
        if rule_id == OTHERWISE:
            return self.otherwise
        rule = self.rule(rule_id)
        return rule.then if rule else ()
