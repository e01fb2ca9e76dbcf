"""Conditions and groups: from JSON to nodes, with every error on the way."""

import json

from rules_engine.language.errors import BadValue
from rules_engine.language.kinds import (
    LIMIT_CONDITIONS,
    LIMIT_DEPTH,
    LIMIT_LIST,
    LIMIT_TEXT,
    Decision,
    FieldGroup,
    FieldType,
)
from rules_engine.language.model import Condition, FieldRef, Group, Mode
from rules_engine.language.model import Operand as Value
from rules_engine.language.near import near
from rules_engine.language.reading import Report, pointer
from rules_engine.language.values import Canonical, parse
from rules_engine.language.vocabulary import FIELDS, OPERATORS, Field, Operand, Operator, fields_of

_MODES = tuple(mode.value for mode in Mode)


class ConditionReader:
    """Reads the conditions of one rule; it counts them, so each rule takes a new one."""

    def __init__(self, report: Report, decision: Decision, path: str) -> None:
        self._report = report
        self._decision = decision
        self._path = path
        self._count = 0

    def group(self, value: object, path: str, *, candidates: bool = False, depth: int = 1) -> Group | None:
        """Return a group, None where anything in it is wrong. With `candidates` it stands in `among`."""
        if not isinstance(value, dict):
            self._report.add("not_a_group", path)
            return None
        modes = [mode for mode in _MODES if mode in value]
        if len(modes) != 1:
            self._report.add("not_a_group", path)
            return None
        if depth > LIMIT_DEPTH:
            self._report.add("too_deep", path, limit=LIMIT_DEPTH)
            return None
        mode = modes[0]
        self._report.mapping(value, path, (mode,))
        place = f"{path}/{mode}"
        written = value[mode]
        if written == []:
            self._report.add("empty_group", place)
            return None
        items = [
            self._item(item, f"{place}/{index}", candidates, depth)
            for index, item in enumerate(self._report.list(written, place, LIMIT_CONDITIONS, "too_many_conditions"))
        ]
        good = tuple(item for item in items if item is not None)
        return Group(Mode(mode), good, path) if good and len(good) == len(items) else None

    def _item(self, value: object, path: str, candidates: bool, depth: int) -> Condition | Group | None:
        if not isinstance(value, dict):
            self._report.add("not_a_condition", path)
            return None
        if any(mode in value for mode in _MODES):
            return self.group(value, path, candidates=candidates, depth=depth + 1)
        self._count += 1
        if self._count > LIMIT_CONDITIONS:
            if self._count == LIMIT_CONDITIONS + 1:
                self._report.add("too_many_conditions", self._path, limit=LIMIT_CONDITIONS)
            return None
        return self._condition(value, path, candidates)

    def _condition(self, value: dict[str, object], path: str, candidates: bool) -> Condition | None:
        self._report.mapping(value, path, ("field", "op", "value"))
        field = self._field(value.get("field"), path, candidates)
        operator = self._operator(value.get("op"), path, field)
        if operator is None:
            return None
        if operator.operand is Operand.NONE:
            if value.get("value") is not None:
                self._report.add("unexpected_value", f"{path}/value")
                return None
            return Condition(field.key, operator.op, None, path) if field else None
        written = value.get("value")
        if written is None or written == "" or written == [] or (isinstance(written, str) and not written.strip()):
            self._report.add("unfinished_condition", path, key="value")
            return None
        if field is None:
            return None
        place = f"{path}/value"
        before = len(self._report.problems)
        operand = self._operand(written, place, field, operator, candidates)
        if operand is None or len(self._report.problems) > before:
            return None
        return Condition(field.key, operator.op, operand, path, json.dumps(written))

    def _field(self, key: object, path: str, candidates: bool) -> Field | None:
        if key is None or key == "":
            self._report.add("unfinished_condition", path, key="field")
            return None
        return self._known_field(key, f"{path}/field", candidates)

    def _known_field(self, key: object, path: str, candidates: bool) -> Field | None:
        if not isinstance(key, str):
            self._report.add("not_text", path)
            return None
        field = FIELDS.get(key)
        here = fields_of(self._decision, candidates=candidates)
        if field is None:
            meant = near(key, (one.key for one in here)) or near(key, FIELDS)
            self._report.add("unknown_field", path, value=key, suggestion=meant)
        elif field in here:
            return field
        elif candidates:
            self._report.add("only_candidates", path, value=key)
        elif field.group is FieldGroup.CANDIDATE:
            self._report.add("only_in_among", path, value=key)
        else:
            self._report.add("field_not_here", path, value=key)
        return None

    def _operator(self, op: object, path: str, field: Field | None) -> Operator | None:
        if op is None or op == "":
            self._report.add("unfinished_condition", path, key="op")
            return None
        place = f"{path}/op"
        if not isinstance(op, str):
            self._report.add("not_text", place)
            return None
        operator = OPERATORS.get(op)
        if operator is None:
            self._report.add("unknown_operator", place, value=op, suggestion=near(op, OPERATORS))
            return None
        if field and field.type not in operator.types:
            self._report.add("operator_not_for_type", place, value=op, field=field.key)
            return None
        return operator

    def _operand(self, written: object, path: str, field: Field, operator: Operator, candidates: bool) -> Value:
        if isinstance(written, dict):
            return self._other_field(written, path, field, operator, candidates)
        if operator.operand is Operand.PAIR:
            return self._pair(written, path, field)
        if field.type is FieldType.LIST:
            return self._set(self._list_items(written, path, field))
        if operator.operand is Operand.MANY:
            if not isinstance(written, list):
                self._report.add("wrong_type", path, expected="list_of_values")
                return None
            items = self._report.list(written, path, LIMIT_LIST)
            return self._set([self.value(item, f"{path}/{index}", field) for index, item in enumerate(items)])
        return self.value(written, path, field)

    def _list_items(self, written: object, path: str, field: Field) -> list[Canonical | None]:
        """Return the items of a list field, each checked by itself so that a problem names its place."""
        if not isinstance(written, list):
            self._report.add("wrong_type", path, expected="list")
            return []
        items = self._report.list(written, path, LIMIT_LIST)
        return [self._list_item(item, f"{path}/{index}", field) for index, item in enumerate(items)]

    def _list_item(self, item: object, path: str, field: Field) -> Canonical | None:
        text = self._report.text(item, path, LIMIT_TEXT)
        if text is None:
            return None
        if field.reference:
            self._report.reference(field.reference, text, path)
        parsed = parse(field, [text])
        return parsed[0] if isinstance(parsed, tuple) else None

    @staticmethod
    def _set(items: list[Canonical | None]) -> frozenset[str] | frozenset[int] | None:
        """Return the items as a set of one type; None where an item is missing (its problem stands already)."""
        texts = frozenset(item for item in items if isinstance(item, str))
        numbers = frozenset(item for item in items if isinstance(item, int))
        if None in items or not items:
            return None
        return texts or numbers

    def _other_field(
        self, written: dict[str, object], path: str, field: Field, operator: Operator, candidates: bool
    ) -> FieldRef | None:
        if not operator.fieldwise:
            self._report.add("no_other_field", path)
            return None
        self._report.mapping(written, path, ("field",))
        other = self._field(written.get("field"), path, candidates)
        if other is None:
            return None
        if other.type is not field.type or (
            field.type is FieldType.REFERENCE and other.reference is not field.reference
        ):
            self._report.add("other_field_type", pointer(path, "field"), value=other.key, field=field.key)
            return None
        return FieldRef(other.key)

    def _pair(self, written: object, path: str, field: Field) -> tuple[int, int] | None:
        if not isinstance(written, list) or len(written) != 2:
            self._report.add("not_a_pair", path)
            return None
        first, second = (self.value(item, f"{path}/{index}", field) for index, item in enumerate(written))
        if not isinstance(first, int) or not isinstance(second, int):
            return None
        if first >= second:
            self._report.add("pair_order", path)
            return None
        return first, second

    def value(self, written: object, path: str, field: Field) -> Canonical | None:
        """Return one canonical value that the field allows, None with a problem where it does not."""
        try:
            parsed = parse(field, written)
        except BadValue as problem:
            self._report.bad_value(problem, path)
            return None
        if parsed is None:
            self._report.add("no_value", path)
        elif isinstance(parsed, str):
            return self._allowed_text(parsed, path, field)
        elif isinstance(parsed, int) and not isinstance(parsed, bool):
            low, high = field.minimum, field.maximum
            if (low is not None and parsed < low) or (high is not None and parsed > high):
                self._report.add(
                    "out_of_range", path, low="−∞" if low is None else low, high="∞" if high is None else high
                )
                return None
        return parsed

    def _allowed_text(self, value: str, path: str, field: Field) -> str | None:
        if len(value) > LIMIT_TEXT:
            self._report.add("too_long", path, limit=LIMIT_TEXT)
            return None
        choices = [choice.value for choice in field.choices]
        if field.reference:
            self._report.reference(field.reference, value, path, also=choices)
        elif choices and value not in choices:
            self._report.add("not_allowed", path, value=value, suggestion=near(value, choices))
            return None
        return value
