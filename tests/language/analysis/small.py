"""Rulesets of assignment over a few values, and every set of facts that they could tell apart.

The points are written down without looking at how the analysis cuts fields: each constant, its neighbours, and what
lies beyond; texts built of all constants in all combinations; all sets of items.
"""

from collections.abc import Iterator
from copy import deepcopy
from itertools import chain, combinations, product
from typing import Any

from hypothesis import strategies as st

from rules_engine.language.kinds import FieldType
from rules_engine.language.values import Canonical, Facts
from rules_engine.language.vocabulary import FIELDS, Operand, operators_for

Json = dict[str, Any]

POOLS: dict[str, list[Any]] = {
    "client.is_old": [True, False],
    "client.is_new": [True, False],
    "request.channel": ["phone", "chat", "fax"],
    "request.priority": ["low", "high"],
    "client.segment": ["new", "lost"],
    "request.amount": ["-5", "10", "20", "20.01"],
    "client.revenue_total": ["0", "10", "30"],
    "client.overdue_ratio": ["0.5", "1.5"],
    "client.asked_to_call_on": ["2026-11-20", "2026-12-01"],
    "now.hour": [0, 9, 10, 23],
    "client.owner": ["anna", "boris"],
    "request.service": ["hosting"],
    "request.tags": ["a", "b"],
    "request.region": ["Аб", "б", "абв"],
}
COMPARED = [
    ("request.amount", "client.revenue_total"),
    ("client.is_old", "client.is_new"),
    ("request.channel", "client.segment"),
]
_EVERYONE = {"action": "assign", "to": {"pool": "everyone"}}
OUTCOMES: list[Json] = [
    _EVERYONE,
    {"action": "assign", "to": {"pool": "team", "team": "key"}},
    {"action": "leave_unassigned", "reason": "позже"},
    {"action": "assign", "to": {"pool": "owner"}, "if_absent": "wait"},
    {
        "action": "assign",
        "to": {"pool": "everyone"},
        "among": {"all": [{"field": "candidate.open_requests", "op": "lt", "value": 5}]},
    },
]


@st.composite
def conditions(draw: st.DrawFn, keys: list[str]) -> Json:
    field = FIELDS[draw(st.sampled_from(keys))]
    operator = draw(st.sampled_from(operators_for(field.type)))
    condition: Json = {"field": field.key, "op": operator.op}
    twins = [b if a == field.key else a for a, b in COMPARED if field.key in (a, b) and {a, b} <= set(keys)]
    if operator.operand is Operand.NONE:
        return condition
    if twins and operator.fieldwise and draw(st.booleans()):
        return {**condition, "value": {"field": twins[0]}}
    one = st.sampled_from(POOLS[field.key])
    if operator.operand is Operand.PAIR:
        first, second = sorted(
            draw(st.lists(st.integers(0, len(POOLS[field.key]) - 1), min_size=2, max_size=2, unique=True))
        )
        return {**condition, "value": [POOLS[field.key][first], POOLS[field.key][second]]}
    if operator.operand is Operand.MANY or field.type is FieldType.LIST:
        return {**condition, "value": draw(st.lists(one, min_size=1, max_size=2, unique=True))}
    return {**condition, "value": draw(one)}


def groups(keys: list[str], depth: int = 2) -> st.SearchStrategy[Json]:
    items = conditions(keys) if depth == 1 else conditions(keys) | conditions(keys) | groups(keys, depth - 1)
    modes = st.sampled_from(["all", "all", "all", "any", "none"])
    return st.builds(lambda mode, members: {mode: members}, modes, st.lists(items, min_size=1, max_size=3))


@st.composite
def altered(draw: st.DrawFn, group: Json) -> Json:
    """The same group with another condition on the field of the first one."""
    made = deepcopy(group)
    for items in made.values():
        place = next((place for place, item in enumerate(items) if "field" in item), None)
        if place is not None:
            items[place] = draw(conditions([items[place]["field"]]))
    return made


@st.composite
def rulesets(draw: st.DrawFn) -> Json:
    """An assignment of up to five rules that look at no more than three fields."""
    keys = draw(
        st.lists(st.sampled_from(sorted(POOLS)), min_size=1, max_size=2, unique=True)
        | st.sampled_from([list(pair) for pair in COMPARED])
    )
    rules: list[Json] = []
    for index in range(draw(st.integers(1, 5))):
        when, then = draw(groups(keys)), [draw(st.sampled_from(OUTCOMES))]
        if rules and draw(st.integers(0, 3)) == 0:
            # Much the same as the rule above: what people copy and change.
            when, then = draw(altered(rules[-1]["when"])), rules[-1]["then"]
        rules.append({"id": f"r{index}", "enabled": draw(st.integers(0, 9)) > 0, "when": when, "then": then})
    return {"decision": "assignment", "hit_policy": "first", "rules": rules, "otherwise": [_EVERYONE]}


def all_facts(document: Json) -> Iterator[Facts]:
    """Yield facts for every combination that conditions over the pools can tell apart."""
    keys = sorted(used(document))
    for values in product(*(points(key) for key in keys)):
        yield {key: value for key, value in zip(keys, values, strict=True) if value is not None}


def used(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["field"]} if isinstance(node.get("field"), str) and node["field"] in POOLS else set()
        return own.union(*(used(child) for child in node.values()))
    if isinstance(node, list):
        return set().union(*(used(child) for child in node))
    return set()


def points(key: str) -> list[Canonical | None]:
    field = FIELDS[key]
    found: list[Canonical | None] = [] if key.startswith("now.") else [None]
    match field.type:
        case FieldType.BOOLEAN:
            return [*found, True, False]
        case FieldType.CHOICE | FieldType.REFERENCE:
            others = ["nobody knows", "nor this"] if field.reference else []
            # Fields that are compared with each other meet each other's values.
            pooled = {
                *POOLS[key],
                *(value for a, b in COMPARED if key in (a, b) for value in POOLS[b if key == a else a]),
            }
            declared = {choice.value for choice in field.choices}
            return [*found, *sorted(declared | (pooled if field.reference else set())), *others]
        case FieldType.LIST:
            items = [*POOLS[key], "z"]
            return [*found, *(one for size in range(1, 4) for one in combinations(items, size))]
        case FieldType.TEXT:
            return [*found, *texts([text.casefold() for text in POOLS[key]])]
    return [*found, *numbers(key)]


def numbers(key: str) -> list[int]:
    from rules_engine.language.values import parse

    field = FIELDS[key]
    keys = {key, *(b if key == a else a for a, b in COMPARED if key in (a, b))}
    constants = [parse(FIELDS[one], value) for one in keys for value in POOLS[one]]
    near = {number + step for number in constants if isinstance(number, int) for step in (-2, -1, 0, 1, 2)}
    least = -(10**12) if field.minimum is None else field.minimum
    greatest = 10**12 if field.maximum is None else field.maximum
    if field.type is FieldType.DATE:
        least, greatest = 1, 3_652_059
    return sorted(number for number in near | {least, greatest} if least <= number <= greatest)


def texts(constants: list[str]) -> list[str]:
    subsets = chain.from_iterable(combinations(constants, size) for size in range(len(constants) + 1))
    built = {f"{begun}-{'-'.join(subset)}" for subset in list(subsets) for begun in ["", *constants]}
    return sorted(built | set(constants))
