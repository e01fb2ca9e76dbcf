"""When the truth of a condition can change by time alone, and which fields a ruleset looks at.

From this follows when an item must be looked at again: the service that provides a time-moved field can say at
which instant the field reaches a threshold.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from rules_engine.language.kinds import MovedBy
from rules_engine.language.model import Action, Condition, FieldRef, Group, Rule, Ruleset
from rules_engine.language.vocabulary import FIELDS


class Change(StrEnum):
    """How a time-moved condition changes its truth."""

    AT_THRESHOLD = "at_threshold"
    """When the field reaches one of `thresholds`."""
    AT_ANY_CHANGE = "at_any_change"
    """Whenever the field takes another value: a weekday, a yes or no, a comparison of two fields."""
    WHEN_FILLED = "when_filled"
    """When the field becomes empty or filled; time alone does neither."""


@dataclass(frozen=True, slots=True)
class TimeCondition:
    """One condition that time can move. `thresholds` are canonical, rising, without repetition.

    The truth on one side of a threshold may differ from the truth at it; between two of them it is constant.
    `other` is the second field of a comparison of two fields. `in_among` marks a condition on candidates.
    """

    path: str
    field: str
    change: Change
    thresholds: tuple[int, ...]
    other: str | None
    in_among: bool


def time_conditions(rule: Rule) -> tuple[TimeCondition, ...]:
    """Return every condition of a rule, `among` included, whose truth time alone can change."""
    return tuple(
        _time_condition(condition, in_among)
        for condition, in_among in _conditions(rule)
        if MovedBy.WITH_TIME in _movers(condition)
    )


def moved_by_others(rule: Rule, *, among: bool = True) -> bool:
    """Return whether other rows (a manager's load, say) can change the truth of a condition of the rule.

    Without `among` only the rule's own conditions are looked at.
    """
    return any(
        MovedBy.WITH_OTHERS in _movers(condition) for condition, in_among in _conditions(rule) if among or not in_among
    )


def fields_used(ruleset: Ruleset) -> frozenset[str]:
    """Return the keys of all fields that the enabled rules and `otherwise` look at, `among` included."""
    keys: set[str] = set()
    for rule in ruleset.rules:
        if rule.enabled:
            for condition, _ in _conditions(rule):
                keys |= _fields(condition)
    for condition in _among(ruleset.otherwise):
        keys |= _fields(condition)
    return frozenset(keys)


def _conditions(rule: Rule) -> Iterator[tuple[Condition, bool]]:
    if rule.when is not None:
        for condition in rule.when.conditions():
            yield condition, False
    for condition in _among(rule.then):
        yield condition, True


def _among(actions: tuple[Action, ...]) -> Iterator[Condition]:
    for action in actions:
        for value in action.params.values():
            if isinstance(value, Group):
                yield from value.conditions()


def _fields(condition: Condition) -> frozenset[str]:
    if isinstance(condition.value, FieldRef):
        return frozenset({condition.field, condition.value.field})
    return frozenset({condition.field})


def _movers(condition: Condition) -> frozenset[MovedBy]:
    return frozenset(FIELDS[key].moved_by for key in _fields(condition))


def _time_condition(condition: Condition, in_among: bool) -> TimeCondition:
    change, thresholds, other = Change.AT_THRESHOLD, _thresholds(condition), None
    if isinstance(condition.value, FieldRef):
        change, other = Change.AT_ANY_CHANGE, condition.value.field
    elif condition.op in ("is_empty", "is_filled"):
        change = Change.WHEN_FILLED
    elif not thresholds:
        change = Change.AT_ANY_CHANGE
    return TimeCondition(condition.path, condition.field, change, thresholds, other, in_among)


def _thresholds(condition: Condition) -> tuple[int, ...]:
    """Return the canonical values at which the comparison of an ordered field with a constant can change.

    A rising integer makes `at least v` true at v, `at most v` false at v + 1, `is v` true at v and false at v + 1.
    """
    op, value = condition.op, condition.value
    numbers: tuple[int, ...]
    if value is None or isinstance(value, bool | str | FieldRef):
        return ()
    if isinstance(value, int):
        numbers = (value,)
    else:
        numbers = tuple(item for item in value if isinstance(item, int))
    if op in ("lt", "ge", "between"):
        return tuple(sorted(numbers))
    if op in ("le", "gt"):
        return tuple(sorted(number + 1 for number in numbers))
    return tuple(sorted({number + step for number in numbers for step in (0, 1)}))
