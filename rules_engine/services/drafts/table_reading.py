"""A pasted table as rules: each row makes a rule, changes the one that has its name, or says what is there already."""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from rules_engine.errors import NotFound, PolicyViolation
from rules_engine.language.kinds import LIMIT_RULES, Decision
from rules_engine.language.model import OTHERWISE
from rules_engine.language.notes import edited
from rules_engine.language.vocabulary import actions_of
from rules_engine.services.drafts.body import Body, Edit, Node, rule_of
from rules_engine.services.drafts.table import (
    NAME,
    CellRefused,
    CellWords,
    Column,
    Laid,
    Part,
    folded,
    is_kept,
    lay_out,
    together,
)


class LineKind(StrEnum):
    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


ROW = -1
"""Stands for the whole row where `Line.problems` names a column."""


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a pasted table as the rule that it makes.

    `problems`: what cannot be read, by the place of the column; such a cell leaves the rule as it was.
    """

    number: int
    kind: LineKind
    rule: str
    node: Node
    problems: Mapping[int, str] = field(default_factory=dict)


def read_lines(
    body: Body,
    columns: Sequence[Column | None],
    rows: Sequence[Sequence[str]],
    words: CellWords,
    *,
    new_id: Callable[[str, set[str]], str],
) -> list[Line]:
    """Return what each row of a table would make of the rules; a column that is None is passed over.

    A row whose name is that of a rule changes it, in the columns that the table has; others make new rules. Of
    several rules or rows of one name the first belongs to the first, and so on.
    """
    decision = Decision(body["decision"])
    free: dict[str, list[Node]] = {}
    for rule in (*body.get("rules", []), rule_of(body, OTHERWISE)):
        free.setdefault(folded(words.title(rule)), []).append(rule)
    taken: set[str] = set()
    lines = []
    for number, row in enumerate(rows):
        cells = {
            place: _cell(row, place) for place, column in enumerate(columns) if column is not None and place < len(row)
        }
        title = next((cells[place] for place in cells if columns[place] == NAME), "")
        present = free.get(folded(title), [])
        rule = present.pop(0) if title and present else None
        reading = _Reading(decision, words, copy.deepcopy(rule) if rule else {"then": []}, rule is not None)
        for place, text in cells.items():
            column = columns[place]
            if column is not None:
                reading.take(place, column, text)
        node = reading.finished()
        if rule is None:
            node = _named(node, title or reading.told() or str(number + 1), words.lang, new_id, taken)
            taken.add(node["id"])
        kind = LineKind.NEW if rule is None else LineKind.UNCHANGED if node == rule else LineKind.CHANGED
        lines.append(Line(number, kind, str(node["id"]), node, reading.problems))
    return lines


def lines_edit(lines: Iterable[Line]) -> Edit:
    """Return the one edit that puts the rules of a table into a draft: changed ones in place, new ones at the end."""
    wanted = [line for line in lines if line.kind is not LineKind.UNCHANGED]

    def edit(body: Body) -> Body:
        changed = copy.deepcopy(body)
        rules = changed.setdefault("rules", [])
        places = {str(rule.get("id")): place for place, rule in enumerate(rules)}
        for line in wanted:
            node = copy.deepcopy(line.node)
            if line.rule == OTHERWISE:
                changed["otherwise"] = node["then"]
            elif line.kind is LineKind.NEW:
                rules.append(node)
            elif line.rule in places:
                rules[places[line.rule]] = node
            else:
                raise NotFound(what=f"rule {line.rule}")
        if len(rules) > LIMIT_RULES:
            raise PolicyViolation(ru=f"правил больше {LIMIT_RULES}", en=f"more than {LIMIT_RULES} rules")
        return changed

    return edit


class _Reading:
    """Puts the cells of one row into a rule, cell by cell."""

    def __init__(self, decision: Decision, words: CellWords, rule: Node, is_present: bool) -> None:
        self._decision, self._words, self._rule, self._is_present = decision, words, rule, is_present
        self._laid = lay_out(rule, decision, words) if is_present else Laid({}, {}, (), {}, ())
        self._conditions: dict[str, Node | None] = {}
        self._params: dict[str, dict[str, Any]] = {}
        self.problems: dict[int, str] = {}

    def take(self, place: int, column: Column, text: str) -> None:
        """Read one cell; one that says what the rule says already leaves it as it is written."""
        present = self._laid.texts.get(column, "")
        if column.part is Part.NAME or " ".join(text.split()) == " ".join(present.split()):
            return
        try:
            self._put(column, text)
        except CellRefused as refused:
            self.problems[place] = str(refused)

    def _put(self, column: Column, text: str) -> None:
        is_otherwise = self._rule.get("id") == OTHERWISE
        if is_kept(column, self._decision) or (is_otherwise and column.part is not Part.ACTION):
            raise CellRefused(self._words.refusal(column))
        if column.part is Part.FIELD:
            self._conditions[column.key] = self._words.read_condition(column.key, text) if text else None
        elif column.part is Part.ACTION:
            value = self._words.read_parameter(column.key, column.param, text) if text else None
            self._params.setdefault(column.key, {})[column.param] = value
        elif column.part is Part.ON and text:
            self._rule["enabled"] = self._words.read_flag(text)
        elif column.part is Part.NOTE:
            changed = edited(self._rule.get("note"), self._words.lang, text)
            if changed is not None:
                self._rule["note"] = changed
        elif column.part is Part.REVIEW and text:
            self._rule["review_on"] = self._words.read_day(text)
        elif column.part is Part.REVIEW:
            self._rule.pop("review_on", None)

    def told(self) -> str:
        """Return a name for a rule that has none: its conditions in words."""
        told = [self._words.more([one]) for one in self._conditions.values() if one]
        return "; ".join(told)[:120]

    def finished(self) -> Node:
        """Return the rule with all cells taken."""
        rule = self._rule
        gone = [key for key, one in self._conditions.items() if one is None and key in self._laid.fields]
        items = together(rule) if gone or any(self._conditions.values()) else []
        for key, condition in self._conditions.items():
            present = self._laid.fields.get(key)
            where = items.index(present.node) if present else -1
            if condition is None and present:
                del items[where]
            elif condition is not None and present:
                items[where] = condition
            elif condition is not None:
                items.append(condition)
        for name in actions_of(self._decision):
            if name in self._params:
                self._act(rule["then"], name, self._params[name])
        return rule

    def _act(self, actions: list[Node], name: str, params: Mapping[str, Any]) -> None:
        present = self._laid.actions.get(name)
        given = {param: value for param, value in params.items() if param and value is not None}
        if present is None:
            # Bad cells keep the action of a new rule: its other cells are there.
            if given or params.get(""):
                actions.append({"action": name, **given})
            return
        kept = {key: value for key, value in present.node.items() if key not in params or key == "action"}
        changed = {key: given.get(key, kept.get(key)) for key in (*present.node, *given) if key in given or key in kept}
        place = actions.index(present.node)
        was_named = Column(Part.ACTION, name) in self._laid.texts
        if set(changed) == {"action"} and (params.get("") is None if was_named else True):
            del actions[place]
        else:
            actions[place] = changed


def _cell(row: Sequence[str], place: int) -> str:
    return row[place].strip()


def _named(node: Node, title: str, lang: str, new_id: Callable[[str, set[str]], str], taken: set[str]) -> Node:
    """Return a new rule with its name and id, its keys in the order in which the editor writes them."""
    made: Node = {
        "id": new_id(title, taken),
        "title": {lang: title[:200]},
        "note": node.get("note", ""),
        "enabled": node.get("enabled", True),
    }
    return made | {key: node[key] for key in ("when", "then", "review_on") if key in node}
