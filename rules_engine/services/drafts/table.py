"""The rules of a draft as a table, and back: rules are rows, fields and parameters of actions are columns.

A rule fits a table where its conditions all hold together and look at one field each, and where it has one action of
a name. What does not fit stays whole in a column “and more”, in words, and comes back untouched. How a cell is worded
is the business of `CellWords`; nothing here knows a language, a database or a page.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from rules_engine.errors import NotFound
from rules_engine.language.kinds import Decision
from rules_engine.language.model import OTHERWISE, Mode
from rules_engine.language.notes import note_text
from rules_engine.language.vocabulary import FIELDS, ParamType, actions_of
from rules_engine.services.drafts.body import Body, Edit, Node, group_mode, pointer_text, rule_of

CELL_PARAMS = frozenset(
    {
        ParamType.TEXT,
        ParamType.CODE,
        ParamType.CHOICE,
        ParamType.BOOLEAN,
        ParamType.COUNT,
        ParamType.MINUTES,
        ParamType.WORKING_DAYS,
        ParamType.MONEY,
        ParamType.PERSON,
        ParamType.POOLS,
        ParamType.EXCEPT,
    }
)
"""Parameters that a cell can hold; the others (conditions on candidates, tiers, curves) are shown and kept."""


class Part(StrEnum):
    """What a column is about."""

    NAME = "name"
    ON = "on"
    FIELD = "field"
    MORE_WHEN = "more_when"
    ACTION = "action"
    MORE_THEN = "more_then"
    NOTE = "note"
    REVIEW = "review"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `key`: a field, or an action; `param`: its parameter, "" for the action by itself."""

    part: Part
    key: str = ""
    param: str = ""

    @property
    def code(self) -> str:
        """Return the column as one text, for forms.

        >>> Column(Part.ACTION, "assign", "to").code
        'action:assign:to'
        """
        return ":".join(text for text in (self.part.value, self.key, self.param) if text)

    @classmethod
    def of(cls, code: str) -> "Column":
        """Return the column of a `code`. Raises NotFound."""
        part, key, param = (*code.split(":"), "", "")[:3]
        if part not in [one.value for one in Part]:
            raise NotFound(what=code[:60])
        return cls(Part(part), key, param)


NAME, ON = Column(Part.NAME), Column(Part.ON)
MORE_WHEN, MORE_THEN = Column(Part.MORE_WHEN), Column(Part.MORE_THEN)
NOTE, REVIEW = Column(Part.NOTE), Column(Part.REVIEW)


class CellRefused(ValueError):
    """A cell cannot be read; its text is the sentence for the reader."""


class CellWords(Protocol):
    """How cells are worded in one language. What reads raises CellRefused."""

    @property
    def lang(self) -> str: ...

    def title(self, rule: Node) -> str:
        """Return the name of a rule, also that of `otherwise`."""

    def condition(self, condition: Node) -> str | None:
        """Return a condition as the text of its field's cell, which reads back as the same; None: there is none."""

    def read_condition(self, key: str, text: str) -> Node: ...

    def parameter(self, action: Node, param: str) -> str | None:
        """Return a given parameter as the text of its cell; None where the words would not read back as the same."""

    def read_parameter(self, action: str, param: str, text: str) -> object: ...

    def more(self, nodes: Sequence[Node]) -> str:
        """Return conditions, groups or actions that fit no cell, in words."""

    def flag(self, yes: bool) -> str: ...

    def read_flag(self, text: str) -> bool: ...

    def day(self, written: object) -> str: ...

    def read_day(self, text: str) -> str: ...

    def refusal(self, column: Column) -> str:
        """Return why what stands in a column that is only shown cannot be changed by a table."""


@dataclass(frozen=True, slots=True)
class Held:
    """What stands in a cell: a condition, a group or an action, and its place inside the rule."""

    at: str
    node: Node


@dataclass(frozen=True, slots=True)
class Laid:
    """One rule, laid out. `texts` has every cell that is not empty; the rest says where what they show stands."""

    texts: Mapping[Column, str]
    fields: Mapping[str, Held]
    more_when: tuple[Held, ...]
    actions: Mapping[str, Held]
    more_then: tuple[Held, ...]


def lay_out(rule: Node, decision: Decision, words: CellWords) -> Laid:
    """Return the cells of one rule, or of `otherwise`."""
    texts: dict[Column, str] = {NAME: words.title(rule)}
    fields: dict[str, Held] = {}
    more_when: list[Held] = []
    for held in _conditions(rule.get("when")):
        key = str(held.node.get("field") or "")
        text = words.condition(held.node) if key in FIELDS and key not in fields else None
        if text:
            fields[key], texts[Column(Part.FIELD, key)] = held, text
        else:
            more_when.append(held)
    actions: dict[str, Held] = {}
    more_then: list[Held] = []
    for index, action in enumerate(rule.get("then") or []):
        if not isinstance(action, dict):
            continue
        held = Held(pointer_text(("then", index)), action)
        cells = None if str(action.get("action")) in actions else _action_cells(action, decision, words)
        if cells is None:
            more_then.append(held)
            continue
        actions[str(action["action"])] = held
        texts |= cells
        if isinstance(action.get("among"), dict):
            more_then.append(Held(f"{held.at}/among", action["among"]))
    if rule.get("id") != OTHERWISE:
        texts[ON] = words.flag(rule.get("enabled", True) is True)
    shown = {
        MORE_WHEN: words.more([held.node for held in more_when]) if more_when else "",
        MORE_THEN: words.more([held.node for held in more_then]) if more_then else "",
        NOTE: note_text(rule.get("note"), words.lang),
        REVIEW: words.day(rule.get("review_on")) if rule.get("review_on") else "",
    }
    texts |= {column: text for column, text in shown.items() if text}
    return Laid(texts, fields, tuple(more_when), actions, tuple(more_then))


def columns_of(
    laid: Iterable[Laid], decision: Decision, *, extra: Sequence[str] = (), whole: bool = False
) -> tuple[Column, ...]:
    """Return the columns that the rules need, in the order of the vocabulary.

    `extra` are fields that get a column though no rule looks at them. `whole`: with the notes and the dates of
    review, as a table that is to come back has them.
    """
    used = {column for one in laid for column in one.texts}
    fields = [Column(Part.FIELD, key) for key in FIELDS]
    conditions = [column for column in fields if column in used or column.key in extra]
    names = {column.key for column in used if column.part is Part.ACTION}
    actions = []
    for spec in actions_of(decision).values():
        holds = {param.name for param in spec.params if param.required and param.type in CELL_PARAMS}
        required = holds if spec.name in names else set()
        for name in ("", *spec.by_name):
            column = Column(Part.ACTION, spec.name, name)
            if column in used or name in required:
                actions.append(column)
    ends = (NOTE, REVIEW) if whole else ()
    some = [column for column in (MORE_WHEN, MORE_THEN, *ends) if column in used]
    before, after = some[: MORE_WHEN in some], [column for column in some if column != MORE_WHEN]
    return (NAME, ON, *conditions, *before, *actions, *after)


def is_kept(column: Column, decision: Decision) -> bool:
    """Return whether a column is only shown: what stands there is changed in the list of rules."""
    if column.part is Part.ACTION and column.param:
        return _param_type(column, decision) not in CELL_PARAMS
    return column.part in (Part.MORE_WHEN, Part.MORE_THEN)


def condition_edit(rule_id: str, condition: Node) -> Edit:
    """Add a condition that must hold together with those that a rule has."""

    def edit(body: Body) -> Body:
        changed = copy.deepcopy(body)
        rule = rule_of(changed, rule_id)
        if rule_id == OTHERWISE:
            raise NotFound(what="otherwise")
        together(rule).append(condition)
        return changed

    return edit


def together(rule: Node) -> list[Any]:
    """Return the list of the conditions that must all hold; it is made where the rule has none."""
    when = rule.get("when")
    if not isinstance(when, dict) or not group_mode(when):
        rule["when"] = {Mode.ALL.value: []}
    elif group_mode(when) != Mode.ALL:
        rule["when"] = {Mode.ALL.value: [when]}
    items: list[Any] = rule["when"][Mode.ALL.value]
    return items


def folded(text: str) -> str:
    """Return a text as headings and names are compared: without case and idle spaces."""
    return " ".join(text.replace("\u00a0", " ").split()).casefold()


def _conditions(when: object) -> list[Held]:
    """Return the conditions that must all hold; any other group as one piece."""
    if not isinstance(when, dict):
        return []
    if group_mode(when) != Mode.ALL:
        return [Held("/when", when)] if group_mode(when) else []
    return [
        Held(pointer_text(("when", Mode.ALL.value, index)), item)
        for index, item in enumerate(when[Mode.ALL])
        if isinstance(item, dict)
    ]


def _action_cells(action: Node, decision: Decision, words: CellWords) -> dict[Column, str] | None:
    """Return the cells of an action; None where one of its parameters cannot be worded."""
    name = str(action.get("action"))
    spec = actions_of(decision).get(name)
    if spec is None or any(key != "action" and key not in spec.by_name for key in action):
        return None
    texts: dict[Column, str] = {}
    for param in spec.params:
        if action.get(param.name) is None or param.type is ParamType.GROUP:
            continue
        text = words.parameter(action, param.name)
        if text is None:
            return None
        if text:
            texts[Column(Part.ACTION, name, param.name)] = text
    return texts or {Column(Part.ACTION, name): words.flag(True)}


def _param_type(column: Column, decision: Decision) -> ParamType | None:
    spec = actions_of(decision).get(column.key)
    param = spec.by_name.get(column.param) if spec else None
    return param.type if param else None
