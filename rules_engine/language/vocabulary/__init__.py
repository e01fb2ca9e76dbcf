"""The vocabulary: every field, operator and action, each declared once. One declaration, many uses.

It drives the facts, the editor's lists, the checker, both engines, the sentences and the documentation.
"""

from functools import cache
from types import MappingProxyType

from rules_engine.language.kinds import Decision, FieldGroup
from rules_engine.language.vocabulary import (
    fields_client,
    fields_measure,
    fields_other,
    fields_people,
    fields_request,
)
from rules_engine.language.vocabulary.actions import ACTIONS as _COMMON
from rules_engine.language.vocabulary.actions import ESCALATION_NOTIFY, EXCLUSIVE
from rules_engine.language.vocabulary.actions_bonus import BONUS_ACTIONS
from rules_engine.language.vocabulary.operators import OPERATORS, operators_for
from rules_engine.language.vocabulary.terms import (
    YES_NO,
    ActionSpec,
    Choice,
    Field,
    Operand,
    Operator,
    Param,
    ParamType,
)

__all__ = [
    "ACTION_NAMES",
    "EXCLUSIVE",
    "FIELDS",
    "OPERATORS",
    "YES_NO",
    "ActionSpec",
    "Choice",
    "Field",
    "Operand",
    "Operator",
    "Param",
    "ParamType",
    "actions_of",
    "field",
    "fields_of",
    "implemented_fields",
    "operators_for",
]

FIELDS: MappingProxyType[str, Field] = MappingProxyType(
    {
        declared.key: declared
        for module in (fields_request, fields_client, fields_people, fields_other, fields_measure)
        for declared in module.FIELDS
    }
)

_ACTIONS: dict[Decision, dict[str, ActionSpec]] = {
    decision: {spec.name: spec for spec in (*_COMMON, ESCALATION_NOTIFY, *BONUS_ACTIONS) if decision in spec.decisions}
    for decision in Decision
}
ACTION_NAMES = frozenset(name for specs in _ACTIONS.values() for name in specs)


def field(key: str) -> Field:
    """Return the declaration of a field. Raises KeyError for a key that the vocabulary does not hold."""
    return FIELDS[key]


@cache
def fields_of(decision: Decision, *, candidates: bool = False) -> tuple[Field, ...]:
    """Return the fields that a condition of this decision may use, in the order of declaration.

    With `candidates` the fields of `among`: those of a candidate and no others.
    """
    return tuple(
        declared
        for declared in FIELDS.values()
        if decision in declared.decisions and (declared.group is FieldGroup.CANDIDATE) == candidates
    )


def implemented_fields(decision: Decision, *, candidates: bool = False) -> tuple[Field, ...]:
    """Return the fields that the editor offers: those that a provider fills and that are known in time."""
    return tuple(
        declared
        for declared in fields_of(decision, candidates=candidates)
        if declared.implemented and (declared.known_at_decision or decision is not Decision.ASSIGNMENT)
    )


def actions_of(decision: Decision) -> dict[str, ActionSpec]:
    """Return the actions of a decision by name, in the order in which the editor offers them."""
    return dict(_ACTIONS[decision])
