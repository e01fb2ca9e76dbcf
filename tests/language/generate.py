"""Hypothesis strategies: typed rulesets and facts as JSON, drawn from small pools so that conditions meet facts."""

from typing import Any

from hypothesis import strategies as st

from rules_engine.language.kinds import Decision, FieldType
from rules_engine.language.vocabulary import Field, Operand, Operator, fields_of, operators_for

Json = dict[str, Any]

_BIG = 4_611_686_018_427_387_903
_TEXTS = [
    "Москва",
    "москва",
    "  МОСКВА ",
    "моск",
    "ва",
    "Ёлка",
    "е\u0308лка",
    "straße",
    "STRASSE",
    'с "кавычкой" и \\',
    "\u2028",
    "a",
    "😀",
    "x" * 900,
]
_POOLS: dict[FieldType, list[Any]] = {
    FieldType.TEXT: _TEXTS,
    FieldType.BOOLEAN: [True, False],
    FieldType.INTEGER: [0, 1, 2, 3, 9, 10, 11, 12],
    FieldType.DURATION: [0, 1, 29, 30, 31, 480, _BIG],
    FieldType.NUMBER: ["0", "0.0001", "-0.0001", "1.5", "1.5000", "2.9999", "3", "461168601842738.7903"],
    FieldType.MONEY: ["0", "0.00", "0.01", "-0.01", "49999.99", "50000", "50000.01", "46116860184273879.03"],
    FieldType.PERCENT: ["0", "49.99", "49.999", "50", "50.004", "100", "150", "1000000"],
    FieldType.DATE: ["0001-01-01", "2026-02-28", "2026-03-01", "2028-02-29", "9999-12-31"],
    FieldType.LIST: _TEXTS,
    FieldType.REFERENCE: ["ivanova", "Ivanova", "petrov", "Ключевые", "hosting"],
}

FIELDS = fields_of(Decision.ESCALATION)


def values(field: Field) -> st.SearchStrategy[Any]:
    """One allowed, filled value of a field; one item where the field is a list."""
    pool = [choice.value for choice in field.choices] or _POOLS[field.type]
    if field.type in (FieldType.INTEGER, FieldType.DURATION):
        low = 0 if field.minimum is None else field.minimum
        high = _BIG if field.maximum is None else field.maximum
        pool = [number for number in pool if low <= number <= high]
    if field.type is FieldType.PERCENT and field.minimum is not None:
        pool = [text for text in pool if not text.startswith("-")]
    return st.sampled_from(pool)


def fact_values(field: Field) -> st.SearchStrategy[Any]:
    """One value of a field as facts may hold it: also null, an empty text, an empty list, one nobody knows."""
    if field.type is FieldType.LIST:
        return st.lists(values(field) | st.just(""), max_size=3)
    unknown = {FieldType.TEXT: ["", "   ", "x" * 70_000], FieldType.CHOICE: ["", "unheard-of"]}
    return values(field) | st.none() | st.sampled_from([None, *unknown.get(field.type, [])])


@st.composite
def operands(draw: st.DrawFn, field: Field, operator: Operator) -> Any:
    one = values(field)
    twins = [
        other.key
        for other in FIELDS
        if other.type is field.type and other.reference is field.reference and other.key != field.key
    ]
    if operator.fieldwise and twins and draw(st.integers(0, 3)) == 0:
        return {"field": draw(st.sampled_from(twins))}
    if operator.operand is Operand.PAIR:
        pool = draw(st.lists(one, min_size=2, max_size=4))
        ordered = sorted({_size(field, item): item for item in pool}.items())
        return [ordered[0][1], ordered[-1][1]] if len(ordered) > 1 else None
    if operator.operand is Operand.MANY or field.type is FieldType.LIST:
        return draw(st.lists(one.filter(lambda item: item != "\u2028"), min_size=1, max_size=4))
    return draw(one.filter(lambda item: item != "\u2028"))


def _size(field: Field, item: Any) -> Any:
    from rules_engine.language.values import parse

    return parse(field, item)


@st.composite
def conditions(draw: st.DrawFn) -> Json:
    field = draw(st.sampled_from(FIELDS))
    operator = draw(st.sampled_from(operators_for(field.type)))
    if operator.operand is Operand.NONE:
        return {"field": field.key, "op": operator.op}
    value = draw(operands(field, operator))
    if value is None:
        return {"field": field.key, "op": "is_filled"}
    return {"field": field.key, "op": operator.op, "value": value}


def groups(depth: int, width: int = 3) -> st.SearchStrategy[Json]:
    """Nested groups; narrow below the top, so that a rule keeps within 60 conditions."""
    items = conditions() if depth <= 1 else conditions() | groups(depth - 1, 2)
    return st.builds(
        lambda mode, members: {mode: members},
        st.sampled_from(["all", "any", "none"]),
        st.lists(items, min_size=1, max_size=width),
    )


@st.composite
def rulesets(draw: st.DrawFn, depth: int = 5) -> Json:
    """A valid escalation ruleset of up to six rules, some disabled, some without conditions."""
    rules: list[Json] = []
    for index in range(draw(st.integers(1, 6))):
        rule: Json = {"id": f"r{index}", "enabled": draw(st.integers(0, 9)) > 0, "then": [{"action": "mark_late"}]}
        if draw(st.integers(0, 9)) > 0:
            rule["when"] = draw(groups(depth))
        rules.append(rule)
    return {"decision": "escalation", "hit_policy": "collect", "rules": rules}


@st.composite
def facts_for(draw: st.DrawFn, document: Json) -> Json:
    """Facts for the fields that the ruleset looks at; each may be missing."""
    used = sorted(_used(document))
    by_key = {field.key: field for field in FIELDS}
    return {key: draw(fact_values(by_key[key])) for key in used if draw(st.integers(0, 5)) > 0}


def _used(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["field"]} if isinstance(node.get("field"), str) else set()
        return own.union(*(_used(child) for child in node.values()))
    if isinstance(node, list):
        return set().union(*(_used(child) for child in node))
    return set()
