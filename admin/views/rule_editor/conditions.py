"""The form of one condition: what it offers for a field and an operator, and the condition that it sends back."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from admin.views.rule_editor.typed import Reader, exclusive_end, inclusive_end, split_list
from admin.views.rule_editor.wording import _, capital
from rules_engine.language.kinds import Decision, FieldGroup, ReferenceKind
from rules_engine.language.kinds import FieldType as T
from rules_engine.language.values import canonical_text
from rules_engine.language.vocabulary import FIELDS, OPERATORS, Field, Operand, implemented_fields, operators_for
from rules_engine.language.vocabulary.declare import WORKING_MINUTES

Node = dict[str, Any]
OPEN_LISTS = frozenset({ReferenceKind.SERVICE, ReferenceKind.SKILL, ReferenceKind.SEGMENT})
"""Their values are whatever people write: a form suggests the known ones and takes others."""
_NEGATED = frozenset({"is_not", "not_in"})
SEARCHED_FROM = 8
_FIRST_OPERATOR = {T.TEXT: "in", T.CHOICE: "in", T.REFERENCE: "in", T.BOOLEAN: "is", T.LIST: "has_any"}
"""What a newly chosen field is compared by until somebody chooses otherwise; numbers, money and days by "at least"."""


class Lists(Protocol):
    """The live values of an installation."""

    def known(self, kind: ReferenceKind) -> Mapping[str, str] | None: ...

    def written(self, key: str) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Option:
    value: str
    label: str
    selected: bool = False


@dataclass(frozen=True, slots=True)
class OptionGroup:
    label: str
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class Widget:
    """One input. `kind`: none, text, lines, select, checks, date, datetime, pair (two of `part`).

    `free`: beside the boxes of `checks` other values can be written.
    """

    kind: str
    values: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    suffix: str = ""
    inputmode: str = ""
    part: str = "text"
    suggestions: tuple[str, ...] = ()
    free: bool = False

    @property
    def searched(self) -> bool:
        """Whether there are so many boxes that one would rather search in them."""
        return len(self.options) > SEARCHED_FROM


@dataclass(frozen=True, slots=True)
class Typed:
    """A condition as it stands in the form: all texts. `against` is another field, "" for a value."""

    field: str = ""
    op: str = ""
    values: tuple[str, ...] = ()
    against: str = ""
    or_empty: bool = False


@dataclass(frozen=True, slots=True)
class ConditionForm:
    """Everything that the template shows; by the name of the input, with a sentence each, what is wrong in it
    (`errors`) and what is to be filled in (`todo`)."""

    typed: Typed
    fields: tuple[OptionGroup, ...]
    operators: tuple[Option, ...]
    against: tuple[Option, ...]
    widget: Widget
    hint: str
    asks_empty: bool
    errors: Mapping[str, str] = field(default_factory=dict)
    todo: Mapping[str, str] = field(default_factory=dict)


class Conditions:
    """Makes and reads the forms of one ruleset's conditions, in the language of one person."""

    def __init__(self, decision: Decision, lang: str, reader: Reader, lists: Lists) -> None:
        self._decision, self._lang, self._reader, self._lists = decision, lang, reader, lists
        self._written: dict[str, frozenset[str]] = {}

    def typed(self, condition: Node, *, or_empty: bool = False) -> Typed:
        """Return a stored condition, finished or not, as texts; `or_empty`: an empty field matches too."""
        key, op, written = str(condition.get("field") or ""), str(condition.get("op") or ""), condition.get("value")
        declared = FIELDS.get(key)
        if isinstance(written, dict):
            return Typed(key, op, (), str(written.get("field") or ""), or_empty)
        items = written if isinstance(written, list) else [] if written is None else [written]
        kind = declared.type if declared else T.TEXT
        if op == "between" and len(items) == 2:
            items = [items[0], inclusive_end(kind, items[1])]
        item_kind = T.TEXT if kind is T.LIST else kind
        return Typed(key, op, tuple(self._reader.shown(item_kind, item) for item in items), or_empty=or_empty)

    def form(
        self,
        typed: Typed,
        *,
        candidates: bool,
        errors: Mapping[str, str] | None = None,
        todo: Mapping[str, str] | None = None,
    ) -> ConditionForm:
        """Return the form; an operator or a value that does not fit a newly chosen field is left out.

        A field without a fitting operator begins with the one that people mean most often.
        """
        offered = implemented_fields(self._decision, candidates=candidates)
        declared = FIELDS.get(typed.field)
        fitting = operators_for(declared.type) if declared else ()
        names = {operator.op for operator in fitting}
        op = typed.op if typed.op in names else _first_operator(declared) if declared else ""
        operator = OPERATORS.get(op)
        others = self._others(declared, candidates) if declared and operator and operator.fieldwise else ()
        against = typed.against if typed.against in {other.key for other in others} else ""
        shown = Typed(typed.field, op, typed.values, against, typed.or_empty)
        widget = self._widget(declared, operator.operand, shown) if declared and operator else Widget("none")
        return ConditionForm(
            typed=shown,
            fields=self._field_options(offered, declared, typed.field),
            operators=tuple(Option(one.op, one.label.text(self._lang), one.op == op) for one in fitting),
            against=tuple(self._option(other, against) for other in others),
            widget=widget,
            hint=self._hint(declared, op),
            asks_empty=op in _NEGATED,
            errors=errors or {},
            todo=todo or {},
        )

    def begun(self, typed: Typed) -> Typed:
        """Return what stands in a form right after another field was chosen: a fitting comparison, and no value."""
        declared = FIELDS.get(typed.field)
        if declared is None:
            return Typed(typed.field)
        names = {operator.op for operator in operators_for(declared.type)}
        return Typed(typed.field, typed.op if typed.op in names else _first_operator(declared))

    def read(self, typed: Typed) -> tuple[Node, dict[str, str]]:
        """Return the condition that the form describes, and what cannot be taken, by input.

        Parts that are missing are no errors here: the condition is kept unfinished.
        """
        operator, declared = OPERATORS.get(typed.op), FIELDS.get(typed.field)
        node: Node = {"field": typed.field, "op": typed.op}
        if operator is None or declared is None:
            return {**node, "value": None}, {}
        if operator.operand is Operand.NONE:
            return node, {}
        if typed.against:
            return {**node, "value": {"field": typed.against}}, {}
        try:
            value = self._value(declared, operator.operand, typed.values)
        except ValueError:
            return node, {"value": self._expected(declared.type)}
        return {**node, "value": value}, {}

    def _value(self, declared: Field, operand: Operand, values: Sequence[str]) -> object:
        kind = T.TEXT if declared.type is T.LIST else declared.type
        texts = [text for text in values if text.strip()]
        if operand is Operand.PAIR:
            pair = [self._reader.value(kind, text) if text.strip() else None for text in (*values, "", "")[:2]]
            return [pair[0], exclusive_end(kind, pair[1])] if any(part is not None for part in pair) else None
        if operand is Operand.MANY or declared.type is T.LIST:
            if not self._chosen(declared):
                texts = [item for text in texts for item in split_list(text)]
            return [self._reader.value(kind, self.meant(declared, text)) for text in texts] or None
        return self._reader.value(kind, self.meant(declared, texts[0])) if texts else None

    def _widget(self, declared: Field, operand: Operand, typed: Typed) -> Widget:
        if operand is Operand.NONE or typed.against:
            return Widget("none")
        unit = self.suffix(declared)
        many = operand is Operand.MANY or declared.type is T.LIST
        if declared.type is T.BOOLEAN:
            yes, no = (words.text(self._lang) for words in declared.boolean_words)
            return Widget("select", typed.values, self._options((("yes", yes), ("no", no)), typed.values))
        if self._chosen(declared):
            options = self.values_of(declared)
            return Widget("checks" if many else "select", typed.values, self._options(options, typed.values))
        if many:
            return self._several(declared, typed, unit)
        part = {T.DATE: "date", T.DATETIME: "datetime"}.get(declared.type, "text")
        numeric = declared.type in (T.INTEGER, T.NUMBER, T.MONEY, T.PERCENT)
        mode = "numeric" if declared.type is T.INTEGER else "decimal" if numeric else ""
        values = (*typed.values, "", "")
        if operand is Operand.PAIR:
            return Widget("pair", values[:2], suffix=unit, inputmode=mode, part=part)
        known = tuple(value for value, _label in self.values_of(declared)) or self._lists.written(declared.key)
        suggestions = self._words(declared, known)
        return Widget(part, self._words(declared, values[:1]), suffix=unit, inputmode=mode, suggestions=suggestions)

    def _several(self, declared: Field, typed: Typed, unit: str) -> Widget:
        """Return boxes for the values that the installation has seen, and lines for those that it has not."""
        seen = self._lists.written(declared.key) if declared.type in (T.TEXT, T.LIST) else ()
        if not seen:
            return Widget("lines", ("\n".join(self._words(declared, typed.values)),), suffix=unit)
        chosen = {canonical_text(value) for value in typed.values}
        options = tuple(
            Option(value, declared.choice_label(value, self._lang), canonical_text(value) in chosen) for value in seen
        )
        listed = {canonical_text(value) for value in seen}
        others = [value for value in typed.values if canonical_text(value) not in listed]
        return Widget("checks", ("\n".join(self._words(declared, others)),), options, free=True)

    def meant(self, declared: Field, text: str) -> str:
        """Return the value that somebody means by a text: where programs send the very word, the word itself."""
        meant = declared.meant_by(text)
        if meant == text:
            return text
        if declared.key not in self._written:
            self._written[declared.key] = frozenset(map(canonical_text, self._lists.written(declared.key)))
        return text if canonical_text(text) in self._written[declared.key] else meant

    def _words(self, declared: Field, values: Iterable[str]) -> tuple[str, ...]:
        """Return values of a free text as people read and write them."""
        return tuple(declared.choice_label(value, self._lang) if declared.readings else value for value in values)

    def values_of(self, declared: Field) -> tuple[tuple[str, str], ...]:
        """Return the values that a field can have with their labels; empty where they are not known."""
        listed = {choice.value: choice.label.text(self._lang) for choice in declared.choices}
        live = self._lists.known(declared.reference) if declared.reference else None
        return tuple((listed | {value: label for value, label in (live or {}).items() if value not in listed}).items())

    def _chosen(self, declared: Field) -> bool:
        """Return whether values are chosen from a list and not typed."""
        if declared.reference in OPEN_LISTS and not declared.choices:
            return bool(self.values_of(declared)) and declared.type is T.LIST
        return bool(self.values_of(declared))

    @staticmethod
    def _options(options: Sequence[tuple[str, str]], chosen: Sequence[str]) -> tuple[Option, ...]:
        """Return the options; a chosen value that is no longer listed stays, or saving would lose it."""
        known = [Option(value, label, value in chosen) for value, label in options]
        listed = {value for value, _label in options}
        gone = [Option(value, _("%(value)s (not in the list)", value=value), True) for value in chosen if value]
        return (*known, *(option for option in gone if option.value not in listed))

    def _others(self, declared: Field, candidates: bool) -> tuple[Field, ...]:
        return tuple(
            other
            for other in implemented_fields(self._decision, candidates=candidates)
            if other.type is declared.type and other.reference is declared.reference and other.key != declared.key
        )

    def _field_options(self, offered: Sequence[Field], present: Field | None, key: str) -> tuple[OptionGroup, ...]:
        fields = list(offered)
        if present is not None and present not in fields:
            fields.append(present)
        groups: dict[FieldGroup, list[Option]] = {}
        for one in fields:
            groups.setdefault(one.group, []).append(self._option(one, key))
        found = [OptionGroup(group_label(group), tuple(options)) for group, options in groups.items()]
        if key and present is None:
            found.append(OptionGroup(_("not known"), (Option(key, key, True),)))
        return tuple(found)

    def _option(self, one: Field, chosen: str) -> Option:
        return Option(one.key, capital(one.label.text(self._lang)), one.key == chosen)

    def _hint(self, declared: Field | None, op: str) -> str:
        if declared is None or not op:
            return ""
        if op == "between" and declared.type is T.DATE:
            return _("Both days belong to it.")
        if op == "between":
            return _("The second value does not belong to it.")
        if op in ("is_empty", "is_filled") or op in _NEGATED:
            return _("Empty means: %(meaning)s.", meaning=declared.empty.text(self._lang))
        many = declared.type is T.LIST or OPERATORS[op].operand is Operand.MANY
        if many and not self._chosen(declared) and not self._lists.written(declared.key):
            return _("One value a line.")
        return ""

    def suffix(self, declared: Field) -> str:
        """Return what stands behind an input of a field; durations name their unit themselves, all but whose time."""
        if declared.type is T.DURATION:
            return _("of working time") if declared.unit == WORKING_MINUTES else ""
        if declared.unit:
            return declared.unit.text(self._lang)
        return {T.MONEY: "₽", T.PERCENT: "%"}.get(declared.type, "")

    @staticmethod
    def _expected(kind: T) -> str:
        return {
            T.BOOLEAN: _("Choose yes or no."),
            T.INTEGER: _("A whole number is needed, for example 10."),
            T.NUMBER: _("A number is needed, for example 1.5."),
            T.MONEY: _("An amount is needed, for example 150 000 or 99.50."),
            T.PERCENT: _("A percentage is needed, for example 75."),
            T.DURATION: _("A duration is needed, for example 30 or 1 h 30 min."),
            T.DATE: _("A date is needed, for example 05.10.2026."),
            T.DATETIME: _("A date and a time are needed."),
        }.get(kind, _("This value does not fit."))


def _first_operator(declared: Field) -> str:
    return _FIRST_OPERATOR.get(declared.type, "ge")


def submitted(form: Mapping[str, Any], values: Sequence[str]) -> Typed:
    """Return what a sent form says; `values` are all its inputs named `value`."""
    return Typed(
        field=form.get("field", "").strip(),
        op=form.get("op", "").strip(),
        values=tuple(values),
        against=form.get("against", "").strip(),
        or_empty=form.get("or_empty") == "yes",
    )


def group_label(group: FieldGroup) -> str:
    return {
        FieldGroup.REQUEST: _("Request"),
        FieldGroup.CLIENT: _("Client"),
        FieldGroup.OWNER: _("Owner"),
        FieldGroup.MANAGER: _("Manager of the request"),
        FieldGroup.CANDIDATE: _("Candidate"),
        FieldGroup.ITEM: _("Item"),
        FieldGroup.NOW: _("The present moment"),
        FieldGroup.EVENT: _("Event"),
        FieldGroup.MEASURE: _("Measure"),
    }[group]
