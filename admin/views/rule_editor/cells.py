"""The cells of the table of rules in the words of one person: what stands in them, and what is read from them.

Whatever is written is read back at once and compared; what would not come back as the same gets no cell.
"""

import json
from collections.abc import Iterator, Mapping, Sequence

from admin.views.rule_editor.actions import Actions
from admin.views.rule_editor.cards import title_of
from admin.views.rule_editor.cell_params import Params
from admin.views.rule_editor.cell_text import (
    EMPTY,
    FILLED,
    NO,
    UP_TO,
    YES,
    items_of,
    operator_of,
    range_of,
    squeezed,
    units_of,
    unquoted,
    without_unit,
)
from admin.views.rule_editor.conditions import OPEN_LISTS, Conditions, Typed
from admin.views.rule_editor.sentences import Speaker
from admin.views.rule_editor.typed import Reader, inclusive_end
from admin.views.rule_editor.wording import _
from rules_engine.language.kinds import ORDERED_TYPES, Decision
from rules_engine.language.kinds import FieldType as T
from rules_engine.language.model import OTHERWISE, Condition, FieldRef
from rules_engine.language.near import near
from rules_engine.language.read_conditions import ConditionReader
from rules_engine.language.reading import Report
from rules_engine.language.vocabulary import FIELDS, OPERATORS, Field, Operand, fields_of
from rules_engine.services.drafts.body import Node, group_mode
from rules_engine.services.drafts.table import CellRefused, Column, Part, folded

_NUMBERS = frozenset({T.INTEGER, T.NUMBER, T.MONEY, T.PERCENT, T.DURATION})
_OTHER_IN_LISTS = {"in": "has_any", "is_not": "is_not", "contains": "has_any"}


class Cells:
    """Reads and writes the cells of one ruleset."""

    def __init__(
        self,
        decision: Decision,
        reader: Reader,
        speaker: Speaker,
        conditions: Conditions,
        actions: Actions,
    ) -> None:
        self._decision, self._reader, self._speaker, self._conditions = decision, reader, speaker, conditions
        self._params = Params(decision, reader.lang, actions, speaker)
        self._kept: dict[str, list[tuple[str, str, str]]] = {}
        self._said: dict[str, str | None] = {}

    @property
    def lang(self) -> str:
        return self._reader.lang

    def title(self, rule: Node) -> str:
        return _("Otherwise") if rule.get("id") == OTHERWISE else title_of(rule, self.lang)

    def condition(self, condition: Node) -> str | None:
        """Return the cell of a condition: as its sentence says it where that reads back, else word by word."""
        key = json.dumps(condition, sort_keys=True)
        if key not in self._said:
            self._said[key] = self._worded(condition)
        return self._said[key]

    def _worded(self, condition: Node) -> str | None:
        meant = self._meant(condition)
        if meant is None:
            return None
        for text in self._texts(condition, meant):
            try:
                read = self._meant(self.read_condition(meant.field, text))
            except CellRefused:
                continue
            if read == meant:
                return text
        return None

    def read_condition(self, key: str, text: str) -> Node:
        """Return the condition that the cell of a field says. Raises CellRefused."""
        declared = FIELDS[key]
        plain = squeezed(text)
        low = plain.casefold()
        if low in EMPTY or low in _words(declared, 1):
            return {"field": key, "op": "is_empty"}
        if low in FILLED or low in _words(declared, 0):
            return {"field": key, "op": "is_filled"}
        against = self._against(declared, plain)
        if against:
            return against
        if declared.type in ORDERED_TYPES:
            both = range_of(plain, with_hyphen=declared.type in _NUMBERS)
            if both:
                return self._range(declared, *both)
            if UP_TO.match(plain):
                raise CellRefused(_("Say “less than” or “at most”: here “up to” can mean both."))
        op, rest = ("", plain) if self._flag(declared, plain) else operator_of(plain)
        return self._read(declared, op, rest)

    def parameter(self, action: Node, param: str) -> str | None:
        return self._params.text(action, param)

    def read_parameter(self, action: str, param: str, text: str) -> object:
        return self._params.read(action, param, text) if param else self.read_flag(text) or None

    def more(self, nodes: Sequence[Node]) -> str:
        said = []
        for node in nodes:
            if group_mode(node):
                parts = self._speaker.group(node)
            elif "action" in node:
                parts = self._speaker.action(node)
            else:
                parts = self._speaker.condition(node)
            said.append("".join(part.text for part in parts))
        return "; ".join(said).replace("\u00a0", " ")

    def flag(self, yes: bool) -> str:
        return _("yes") if yes else _("no")

    def read_flag(self, text: str) -> bool:
        low = squeezed(text).casefold()
        if low in YES or low in NO:
            return low in YES
        raise CellRefused(_("Write yes or no."))

    def day(self, written: object) -> str:
        try:
            day = self._reader.day(str(written))
        except ValueError:
            return str(written)
        return f"{day:%d.%m.%Y}" if self.lang == "ru" else day.isoformat()

    def read_day(self, text: str) -> str:
        try:
            return self._reader.day(squeezed(text)).isoformat()
        except ValueError:
            raise CellRefused(_("A date is needed, for example 05.10.2026.")) from None

    def refusal(self, column: Column) -> str:
        if column.part is Part.FIELD or column.part in (Part.ON, Part.NOTE, Part.REVIEW):
            return _("“Otherwise” has no conditions: leave this cell empty.")
        return _("This part does not fit into a table: change it in the list of rules.")

    def _meant(self, condition: Node) -> Condition | None:
        """Return the condition as the language understands it, None where it is not finished or wrong."""
        report = Report()
        candidates = str(condition.get("field")).startswith("candidate.")
        group = ConditionReader(report, self._decision, "").group({"all": [condition]}, "", candidates=candidates)
        found = group.items[0] if group and not report.problems else None
        return found if isinstance(found, Condition) else None

    def _texts(self, condition: Node, meant: Condition) -> Iterator[str]:
        """Yield ways to write a condition, the most natural first."""
        parts = self._speaker.condition(condition)
        yield "".join(part.text for part in parts if part.kind == "chip").replace("\u00a0", " ")
        declared, operator = FIELDS[meant.field], OPERATORS[meant.op]
        label = operator.label.text(self.lang)
        if isinstance(meant.value, FieldRef):
            chip = operator.other_chip or operator.chip
            yield chip.text(self.lang).format(value=meant.value.field)
            return
        typed = self._conditions.typed(condition).values
        if declared.type is T.BOOLEAN:
            typed = tuple(self.flag(value == "yes") for value in typed)
        if operator.operand is Operand.PAIR:
            yield _("from %(first)s up to %(second)s", first=typed[0], second=typed[1])
            return
        names = {value: label for value, label, _other in self._labels(declared)}
        for values in ([names.get(value, value) for value in typed], list(typed)):
            yield "; ".join(values)
            yield f"{label}: {'; '.join(values)}"
            yield f"{label}: {'; '.join(f'«{value}»' for value in values)}"

    def _read(self, declared: Field, op: str, rest: str) -> Node:
        is_list = declared.type is T.LIST
        op = _OTHER_IN_LISTS.get(op, op) if is_list else {"has_any": "in"}.get(op, op)
        if op in ("is_empty", "is_filled"):
            return {"field": declared.key, "op": op}
        many = declared.type not in _NUMBERS
        items = [rest] if op in ("contains", "starts_with") else items_of(rest, with_commas=many)
        if op in ("contains", "starts_with"):
            items = [rest if (quoted := unquoted(rest)) is None else quoted]
        if not any(items):
            raise CellRefused(_("The value is missing."))
        if not op:
            op = "has_any" if is_list else "in" if len(items) > 1 else "is"
        elif len(items) > 1 and not is_list:
            op = {"is": "in", "is_not": "not_in"}.get(op, op)
        operator = OPERATORS[op]
        if declared.type not in operator.types:
            words = operator.label.text(self.lang)
            raise CellRefused(_("“%(words)s” does not fit here.", words=words))
        if len(items) > 1 and operator.operand is Operand.ONE and not is_list:
            raise CellRefused(_("One value is needed here, not several."))
        return self._typed(declared, op, items)

    def _range(self, declared: Field, first: str, second: str, outside: bool) -> Node:
        values = [self._plain(declared, first), self._plain(declared, second)]
        node = self._typed(declared, "between", values)
        if outside and declared.type is T.DATE:
            # The page counts the last day in; here the author says that it does not belong to it.
            node["value"][1] = inclusive_end(T.DATE, node["value"][1])
        return node

    def _typed(self, declared: Field, op: str, items: Sequence[str]) -> Node:
        values = tuple(self._value(declared, item) for item in items)
        if declared.type is T.LIST and not self._named(declared):
            node: Node = {"field": declared.key, "op": op, "value": list(values)}
            return node
        node, errors = self._conditions.read(Typed(declared.key, op, values))
        if errors:
            raise CellRefused(next(iter(errors.values())))
        if declared.type in (T.TEXT, T.LIST, T.REFERENCE, T.CHOICE) and OPERATORS[op].operand is not Operand.NONE:
            # A text is taken as it stands: a form would split it at its semicolons.
            one = OPERATORS[op].operand is Operand.ONE and declared.type is not T.LIST
            node["value"] = values[0] if one else list(dict.fromkeys(values))
        return node

    def _value(self, declared: Field, item: str) -> str:
        """Return what a form would send for one item."""
        plain = self._plain(declared, item)
        if declared.type is T.BOOLEAN:
            flag = self._flag(declared, plain)
            if not flag:
                yes, no = (words.text(self.lang) for words in declared.boolean_words)
                raise CellRefused(_("Write “%(yes)s” or “%(no)s”.", yes=yes, no=no))
            return flag
        named = self._named(declared)
        if not named and declared.reference is None:
            return self._conditions.meant(declared, plain)
        codes = {value for value, _label, _other in self._labels(declared)}
        code = plain if plain in codes else named.get(folded(plain))
        if code:
            return code
        if declared.reference in OPEN_LISTS and not declared.choices:
            return plain
        if not named:
            return plain
        return self._unknown(plain, declared, named)

    def _unknown(self, text: str, declared: Field, named: Mapping[str, str]) -> str:
        labels = {value: label for value, label, _other in self._labels(declared)}
        meant = near(folded(text), named)
        if meant:
            label = labels.get(named[meant], meant)
            raise CellRefused(_("There is no “%(value)s” here. Did you mean “%(label)s”?", value=text, label=label))
        some = ", ".join(list(labels.values())[:6]) + ("…" if len(labels) > 6 else "")
        raise CellRefused(_("There is no “%(value)s” here. There are: %(labels)s.", value=text, labels=some))

    def _plain(self, declared: Field, text: str) -> str:
        return without_unit(text, units_of(declared)) if declared.type in _NUMBERS else text

    def _flag(self, declared: Field, text: str) -> str:
        """Return `yes` or `no` for a cell of a yes-or-no field that says so, else ""."""
        if declared.type is not T.BOOLEAN:
            return ""
        low = text.casefold()
        for value, words, common in zip(("yes", "no"), declared.boolean_words, (YES, NO), strict=True):
            if low in (words.ru.casefold(), words.en.casefold()) or low in common:
                return value
        return ""

    def _labels(self, declared: Field) -> list[tuple[str, str, str]]:
        """Return the values of a field with their names, in the reader's language and in the other."""
        if declared.key not in self._kept:
            other = "en" if self.lang == "ru" else "ru"
            choices = {one.value: one.label.text(other) for one in declared.choices}
            pairs = self._conditions.values_of(declared)
            self._kept[declared.key] = [(value, label, choices.get(value, label)) for value, label in pairs]
        return self._kept[declared.key]

    def _named(self, declared: Field) -> dict[str, str]:
        """Return the values of a field by their folded names in both languages; a name of two is nobody's."""
        named: dict[str, set[str]] = {}
        for value, label, other in self._labels(declared):
            named.setdefault(folded(label), set()).add(value)
            named.setdefault(folded(other), set()).add(value)
        return {name: next(iter(values)) for name, values in named.items() if len(values) == 1}

    def _against(self, declared: Field, text: str) -> Node | None:
        """Return the comparison with another field that a cell says, None where it says none."""
        for operator in OPERATORS.values():
            if operator.other_chip is None or declared.type not in operator.types:
                continue
            for chip in (operator.other_chip.ru, operator.other_chip.en):
                before, after = (folded(part) for part in chip.split("{value}"))
                low = folded(text)
                start = f"{before} " if before and before[-1].isalpha() else before
                if low.startswith(start) and low.endswith(after) and len(low) > len(start) + len(after):
                    name = low[len(start) : len(low) - len(after)].strip()
                    for other in fields_of(self._decision):
                        names = {folded(other.label.ru), folded(other.label.en), other.key}
                        if name in names and other.type is declared.type and other.key != declared.key:
                            return {"field": declared.key, "op": operator.op, "value": {"field": other.key}}
        return None


def _words(declared: Field, place: int) -> set[str]:
    words = declared.filled_words[place]
    return {words.ru.casefold(), words.en.casefold()}
