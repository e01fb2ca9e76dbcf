"""Every operator of the language, declared once."""

from rules_engine.language.kinds import ORDERED_TYPES, FieldType, Words
from rules_engine.language.vocabulary.terms import Operand, Operator

_ALL = frozenset(FieldType)
_LISTED = frozenset({FieldType.TEXT, FieldType.CHOICE, FieldType.NUMBER, FieldType.INTEGER, FieldType.REFERENCE})
_TEXT = frozenset({FieldType.TEXT})
_LIST = frozenset({FieldType.LIST})

OPERATORS: dict[str, Operator] = {
    operator.op: operator
    for operator in (
        Operator(
            "is",
            Words("равно", "is"),
            Words("{value}", "{value}"),
            _ALL,
            Operand.ONE,
            Words("то же, что «{value}»", "the same as “{value}”"),
        ),
        Operator(
            "is_not",
            Words("не равно", "is not"),
            Words("не {value}", "not {value}"),
            _ALL,
            Operand.ONE,
            Words("не то же, что «{value}»", "not the same as “{value}”"),
        ),
        Operator("in", Words("одно из", "is one of"), Words("{value}", "{value}"), _LISTED, Operand.MANY),
        Operator(
            "not_in",
            Words("ни одно из", "is none of"),
            Words("ни одно из: {value}", "none of: {value}"),
            _LISTED,
            Operand.MANY,
        ),
        Operator(
            "lt",
            Words("меньше", "less than"),
            Words("меньше {value}", "less than {value}"),
            ORDERED_TYPES,
            Operand.ONE,
            Words("меньше, чем «{value}»", "less than “{value}”"),
        ),
        Operator(
            "le",
            Words("не более", "at most"),
            Words("не более {value}", "at most {value}"),
            ORDERED_TYPES,
            Operand.ONE,
            Words("не более, чем «{value}»", "at most “{value}”"),
        ),
        Operator(
            "gt",
            Words("больше", "more than"),
            Words("больше {value}", "more than {value}"),
            ORDERED_TYPES,
            Operand.ONE,
            Words("больше, чем «{value}»", "more than “{value}”"),
        ),
        Operator(
            "ge",
            Words("не менее", "at least"),
            Words("не менее {value}", "at least {value}"),
            ORDERED_TYPES,
            Operand.ONE,
            Words("не менее, чем «{value}»", "at least “{value}”"),
        ),
        Operator(
            "between",
            Words("от … до (не включая)", "from … up to (not included)"),
            Words("от {first} до {second} (не включая)", "from {first} up to {second} (not included)"),
            ORDERED_TYPES,
            Operand.PAIR,
        ),
        Operator("is_empty", Words("не заполнено", "is empty"), Words("{value}", "{value}"), _ALL, Operand.NONE),
        Operator("is_filled", Words("заполнено", "is filled"), Words("{value}", "{value}"), _ALL, Operand.NONE),
        Operator(
            "contains",
            Words("содержит", "contains"),
            Words("содержит «{value}»", "contains “{value}”"),
            _TEXT,
            Operand.ONE,
            Words("содержит то, что в поле «{value}»", "contains what “{value}” holds"),
        ),
        Operator(
            "starts_with",
            Words("начинается с", "starts with"),
            Words("начинается с «{value}»", "starts with “{value}”"),
            _TEXT,
            Operand.ONE,
            Words("начинается с того, что в поле «{value}»", "starts with what “{value}” holds"),
        ),
        Operator(
            "has_any",
            Words("содержит любое из", "has any of"),
            Words("любое из: {value}", "any of: {value}"),
            _LIST,
            Operand.MANY,
            Words("есть общее с «{value}»", "shares something with “{value}”"),
        ),
        Operator(
            "has_all",
            Words("содержит все", "has all of"),
            Words("все из: {value}", "all of: {value}"),
            _LIST,
            Operand.MANY,
            Words("есть всё из «{value}»", "has all of “{value}”"),
        ),
    )
}


def operators_for(field_type: FieldType) -> tuple[Operator, ...]:
    """Return the operators that fit a type, in the order in which the editor offers them."""
    return tuple(operator for operator in OPERATORS.values() if field_type in operator.types)
