"""The shapes of a vocabulary entry: field, operator, action and the parameters of an action."""

from dataclasses import dataclass, field
from enum import StrEnum

from rules_engine.language.kinds import Decision, FieldGroup, FieldType, MovedBy, ReferenceKind, Words


@dataclass(frozen=True, slots=True)
class Choice:
    """One allowed value of a choice field or parameter, with its label."""

    value: str
    label: Words


YES_NO = (Words("да", "yes"), Words("нет", "no"))
FILLED_EMPTY = (Words("заполнено", "filled"), Words("не заполнено", "empty"))
NAMED = (Words("указан", "named"), Words("не указан", "not named"))
GIVEN = (Words("указана", "given"), Words("не указана", "not given"))
NOT_KNOWN = Words("нет данных", "not known")
ALWAYS_FILLED = Words("всегда заполнено", "always filled")


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that a condition can look at.

    `chip` is the short label in sentences. `unit` follows shown numbers. `minimum` and `maximum` are canonical and
    inclusive. `readings` are words for some values of a free text; any other may stand there too and reads as it is
    written. `boolean_words` are the chips for true and false, `filled_words` for filled and empty.
    `implemented` is False while no provider fills the field: it parses, evaluates as empty, and the editor
    does not offer it. `known_at_decision` is False for what arises only after the request was handed over.
    """

    key: str
    type: FieldType
    label: Words
    chip: Words
    decisions: frozenset[Decision]
    moved_by: MovedBy
    empty: Words
    unit: Words | None = None
    choices: tuple[Choice, ...] = ()
    readings: tuple[Choice, ...] = ()
    reference: ReferenceKind | None = None
    minimum: int | None = None
    maximum: int | None = None
    boolean_words: tuple[Words, Words] = YES_NO
    filled_words: tuple[Words, Words] = FILLED_EMPTY
    exact_items: bool = False
    known_at_decision: bool = True
    implemented: bool = True

    @property
    def group(self) -> FieldGroup:
        return FieldGroup(self.key.partition(".")[0])

    @property
    def is_folded(self) -> bool:
        """Whether its texts are compared in any case and composition."""
        return self.type is FieldType.TEXT or (self.type is FieldType.LIST and not self.exact_items)

    @property
    def can_be_empty(self) -> bool:
        return self.empty != ALWAYS_FILLED

    def choice_label(self, value: str, lang: str) -> str:
        """Return the label of an allowed value, or the word for it; the value itself where no list holds it."""
        for choice in self.choices:
            if choice.value == value:
                return choice.label.text(lang)
        for reading in self.readings:
            if reading.value == value.strip().casefold():
                return reading.label.text(lang)
        return value

    def meant_by(self, text: str) -> str:
        """Return the value for which a free text is the word, in either language; the text itself where it is none."""
        said = text.strip().casefold()
        for reading in self.readings:
            if said in (reading.label.ru.casefold(), reading.label.en.casefold()):
                return reading.value
        return text


class Operand(StrEnum):
    """What stands on the right side of an operator."""

    NONE = "none"
    ONE = "one"
    PAIR = "pair"
    MANY = "many"


@dataclass(frozen=True, slots=True)
class Operator:
    """One comparison. `chip` is a format with `{value}`; `between` has `{first}` and `{second}`.

    `other_chip` is the same with another field's label; None where no other field may stand on the right.
    """

    op: str
    label: Words
    chip: Words
    types: frozenset[FieldType]
    operand: Operand
    other_chip: Words | None = None

    @property
    def fieldwise(self) -> bool:
        return self.other_chip is not None


class ParamType(StrEnum):
    """How a parameter of an action is written, checked and shown."""

    TEXT = "text"
    CODE = "code"
    CHOICE = "choice"
    BOOLEAN = "boolean"
    COUNT = "count"
    MINUTES = "minutes"
    WORKING_DAYS = "working_days"
    MONEY = "money"
    EXACT = "exact"
    REFERENCE = "reference"
    PERSON = "person"
    POOLS = "pools"
    EXCEPT = "except"
    GROUP = "group"
    MEASURE = "measure"
    LINE = "line"
    LINES = "lines"
    TIERS = "tiers"
    NODES = "nodes"
    AXIS = "axis"
    MATRIX = "matrix"
    GATES = "gates"
    ABOVE = "above"


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter of an action. `chip` precedes the value in a sentence; empty words: the value alone."""

    name: str
    type: ParamType
    label: Words
    chip: Words
    required: bool = False
    choices: tuple[Choice, ...] = ()
    reference: ReferenceKind | None = None
    minimum: int | None = None
    maximum: int | None = None
    measures: frozenset[FieldType] = frozenset()

    def choice_label(self, value: str, lang: str) -> str:
        """Return the label of an allowed value, or the value itself where the list does not hold it."""
        for choice in self.choices:
            if choice.value == value:
                return choice.label.text(lang)
        return value


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """One effect that a rule can have. `lead` opens its part of the sentence."""

    name: str
    label: Words
    lead: Words
    decisions: frozenset[Decision]
    params: tuple[Param, ...] = ()
    proposal: bool = False
    by_name: dict[str, Param] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.by_name.update({param.name: param for param in self.params})
