"""The forms of bonus components: tiers, points, matrices, gates, as texts that a person types, and back.

Nothing typed is lost: what cannot be read stays in the form, with the reason beside its input (`errors` by name and
row, `tier_rate-1`). The code of a statement line is never typed: people see names, the form keeps or makes the code.
"""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

from admin.views.rule_editor.typed import Reader
from admin.views.rule_editor.wording import _
from rules_engine.language.errors import BadValue
from rules_engine.language.kinds import Decision
from rules_engine.language.kinds import FieldType as T
from rules_engine.language.shown import show_fraction, show_measured
from rules_engine.language.values import parse_exact
from rules_engine.language.vocabulary import FIELDS, ActionSpec, ParamType, actions_of
from rules_engine.services.drafts.body import Node

Texts = Mapping[str, Sequence[str]]
Errors = dict[str, str]

STORED = "stored"
"""The mark of texts that come from the draft, not from a form that was sent."""
_HUNDRED = 100
_SIMPLE = {ParamType.MEASURE, ParamType.MONEY, ParamType.EXACT, ParamType.COUNT}
TABLES: Mapping[str, tuple[str, ...]] = {
    "tiers": ("tier_from", "tier_rate", "tier_fixed"),
    "nodes": ("node_at", "node_value"),
    "gates": ("gate_measure", "gate_from", "gate_full"),
}
_BEGINNINGS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "pay_tiers": {"tier_from": ("0", ""), "tier_rate": ("", "")},
    "pay_curve": {"node_at": ("0", "100"), "node_value": ("0", "1")},
    "multiply": {"node_at": ("", ""), "node_value": ("", "")},
    "pay_matrix": {"mark": ("0", "50", "100"), "cell": ("",) * 9},
    "gate": {"gate_measure": ("",), "gate_from": ("",), "gate_full": ("",), "soft": ("yes",)},
}


def spec_of(name: str) -> ActionSpec | None:
    return actions_of(Decision.BONUS).get(name)


def table_of(name: str) -> str:
    """Return what a component is edited as: `tiers`, `nodes`, `matrix`, `gates`, "" for plain inputs alone."""
    kinds = {
        ParamType.TIERS: "tiers",
        ParamType.NODES: "nodes",
        ParamType.MATRIX: "matrix",
        ParamType.GATES: "gates",
    }
    spec = spec_of(name)
    return next((kinds[param.type] for param in (spec.params if spec else ()) if param.type in kinds), "")


def first(typed: Texts, name: str) -> str:
    return next(iter(typed.get(name) or ()), "").strip()


def axis_kind(typed: Texts) -> T:
    """Return the type of the measure that the table is read by; a plain number while none is chosen."""
    measure = first(typed, "rows_by" if first(typed, "action") == "pay_matrix" else "by")
    return FIELDS[measure].type if measure in FIELDS else T.NUMBER


class BonusTexts:
    """Writes and reads the texts of one person."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def number(self, kind: T, text: str) -> Fraction | None:
        """Return a typed number, None where it is none."""
        try:
            plain = text.replace("₽", "").replace("%", "").strip()
            return parse_exact(str(self._reader.value(T.MONEY if kind is T.MONEY else T.NUMBER, plain)))
        except (ValueError, BadValue):
            return None

    def typed(self, action: Node) -> dict[str, list[str]]:
        """Return a stored component, finished or not, as the texts of its inputs."""
        name = str(action.get("action") or "")
        spec = spec_of(name)
        found: dict[str, list[str]] = {"action": [name], STORED: ["yes"]}
        for param in spec.params if spec else ():
            written = action.get(param.name)
            if param.type in _SIMPLE or param.type is ParamType.CHOICE:
                kind = {ParamType.MONEY: T.MONEY, ParamType.EXACT: T.PERCENT}.get(param.type, T.TEXT)
                found[param.name] = [self.shown(kind, written)]
            elif param.type is ParamType.BOOLEAN:
                found[param.name] = ["yes" if written is True else "no"]
            elif param.type is ParamType.LINES:
                found[param.name] = [str(item) for item in _list(written)]
        kind = axis_kind(found)
        for row in _rows(action.get("tiers")):
            found.setdefault("tier_from", []).append(self.shown(kind, row.get("from")))
            found.setdefault("tier_rate", []).append(self.shown(T.PERCENT, row.get("rate")))
            found.setdefault("tier_fixed", []).append(self.shown(T.MONEY, row.get("fixed")))
        if spec and any(param.type is ParamType.NODES for param in spec.params):
            for pair in _list(action.get("nodes")):
                at, worth = pair if isinstance(pair, list) and len(pair) == 2 else (pair, "")
                found.setdefault("node_at", []).append(self.shown(kind, at))
                found.setdefault("node_value", []).append(self.shown(T.NUMBER, worth))
        for row in _rows(action.get("all")):
            measure = str(row.get("measure") or "")
            of = FIELDS[measure].type if measure in FIELDS else T.NUMBER
            found.setdefault("gate_measure", []).append(measure)
            found.setdefault("gate_from", []).append(self.shown(of, row.get("from")))
            found.setdefault("gate_full", []).append(self.shown(of, row.get("full_at")))
        if name == "pay_matrix":
            marks = _list(action.get("nodes"))
            found["mark"] = [self.shown(kind, mark) for mark in marks]
            found["cell"] = self._cells(action.get("values"), len(marks))
        above = action.get("above")
        if isinstance(above, dict):
            found["above_from"] = [self.shown(T.NUMBER, above.get("from"))]
        return self.begun(found)

    def begun(self, typed: Texts) -> dict[str, list[str]]:
        """Return the texts with a table to begin with where the component has one and it is empty."""
        found = {name: list(texts) for name, texts in typed.items()}
        for name, texts in _BEGINNINGS.get(first(typed, "action"), {}).items():
            if not found.get(name):
                found[name] = list(texts)
        if table_of(first(typed, "action")) == "tiers" and found.get("tier_from"):
            found["tier_from"][0] = "0"
        return found

    def read(self, typed: Texts) -> tuple[Node, Errors]:
        """Return the component that the texts describe and what cannot be taken; missing plain parts are left out."""
        return _Reading(self._reader, typed).node()

    def shown(self, kind: T, value: object) -> str:
        """Return a number of a document as an input shows it; what is none as it stands."""
        if value is None or value == "":
            return ""
        try:
            plain = show_fraction(parse_exact(value), "en").replace(",", "").replace("−", "-")
        except BadValue:
            return str(value)
        return self._reader.shown(T.MONEY if kind is T.MONEY else T.NUMBER, plain)

    def _cells(self, values: object, size: int) -> list[str]:
        rows = _list(values)
        return [
            self.shown(T.NUMBER, row[column] if isinstance(row, list) and column < len(row) else "")
            for place in range(size)
            for row in (rows[place] if place < len(rows) else [],)
            for column in range(size)
        ]


class _Reading:
    """One reading of one form."""

    def __init__(self, reader: Reader, typed: Texts) -> None:
        self._reader, self._typed = reader, typed
        self._kind = axis_kind(typed)
        self._errors: Errors = {}

    def node(self) -> tuple[Node, Errors]:
        name = first(self._typed, "action")
        spec = spec_of(name)
        node: Node = {"action": name}
        for param in spec.params if spec else ():
            text = first(self._typed, param.name)
            if param.type in (ParamType.MEASURE, ParamType.CHOICE):
                node |= {param.name: text} if text else {}
            elif param.type is ParamType.MONEY:
                node |= self._plain(param.name, T.MONEY)
            elif param.type is ParamType.EXACT:
                node |= self._plain(param.name, T.PERCENT, rate=True)
            elif param.type is ParamType.COUNT:
                node |= self._count(param.name, param.minimum or 0)
            elif param.type is ParamType.BOOLEAN:
                node |= {param.name: True} if text == "yes" else {}
            elif param.type is ParamType.LINES:
                lines = [line.strip() for line in self._typed.get(param.name) or () if line.strip()]
                node |= {param.name: lines} if lines else {}
            elif param.type is ParamType.TIERS:
                node[param.name] = self._tiers()
            elif param.type is ParamType.NODES:
                node[param.name] = self._nodes()
            elif param.type is ParamType.AXIS:
                node[param.name] = self._marks()
            elif param.type is ParamType.MATRIX:
                node[param.name] = self._cells()
            elif param.type is ParamType.GATES:
                node[param.name] = self._gates()
            elif param.type is ParamType.ABOVE and text_given(self._typed, "above_from"):
                start = self._cell("above_from", 0, T.NUMBER, key="above_from")
                node[param.name] = {"from": start, "line": ""}
        if node.get("rows_by") and node.get("rows_by") == node.get("cols_by"):
            self._errors["cols_by"] = _("Rows and columns need two different measures.")
        return node, self._errors

    def _plain(self, name: str, kind: T, *, rate: bool = False) -> Node:
        if not first(self._typed, name):
            return {}
        value = self._cell(name, 0, kind, key=name)
        if rate:
            self._rate(value, name)
        elif value and Fraction(value) < 0:
            self._errors[name] = _("An amount below zero cannot be paid.")
        return {name: value} if value else {}

    def _count(self, name: str, low: int) -> Node:
        text = first(self._typed, name)
        if not text:
            return {}
        try:
            number = int(str(self._reader.value(T.INTEGER, text)))
        except ValueError:
            number = -1
        if number < low:
            self._errors[name] = _("A whole number of at least %(low)s is needed.", low=low)
            return {}
        return {name: number}

    def _tiers(self) -> list[Node]:
        found: list[Node] = []
        previous: Fraction | None = None
        for place in self._places("tiers", least=2):
            start = "0" if place == 0 else self._cell("tier_from", place, self._kind)
            rate = self._cell("tier_rate", place, T.PERCENT)
            self._rate(rate, f"tier_rate-{place}")
            previous = self._rises(start, previous, f"tier_from-{place}", of_tiers=True)
            row: Node = {"from": start, "rate": rate}
            if text_given(self._typed, "tier_fixed", place):
                row["fixed"] = self._cell("tier_fixed", place, T.MONEY)
                if row["fixed"] and Fraction(row["fixed"]) < 0:
                    self._errors[f"tier_fixed-{place}"] = _("An amount below zero cannot be paid.")
            found.append(row)
        if len(found) < 2:
            self._errors["tiers"] = _("Two tiers at least: one rate for everything is a percentage.")
        return found

    def _nodes(self) -> list[list[str]]:
        found = []
        previous: Fraction | None = None
        for place in self._places("nodes", least=2):
            at = self._cell("node_at", place, self._kind)
            previous = self._rises(at, previous, f"node_at-{place}")
            found.append([at, self._not_below_zero(self._cell("node_value", place, T.NUMBER), f"node_value-{place}")])
        if len(found) < 2:
            self._errors["nodes"] = _("Two points at least are needed.")
        return found

    def _marks(self) -> list[str]:
        found = []
        previous: Fraction | None = None
        for place in range(len(self._typed.get("mark") or ())):
            mark = self._cell("mark", place, self._kind)
            previous = self._rises(mark, previous, f"mark-{place}")
            found.append(mark)
        if len(found) < 2:
            self._errors["nodes"] = _("Two marks at least are needed.")
        return found

    def _cells(self) -> list[list[str]]:
        size = len(self._typed.get("mark") or ())
        return [
            [
                self._not_below_zero(self._cell("cell", place, T.NUMBER), f"cell-{place}")
                for place in range(row * size, row * size + size)
            ]
            for row in range(size)
        ]

    def _gates(self) -> list[Node]:
        found: list[Node] = []
        hard = first(self._typed, "soft") != "yes"
        for place in self._places("gates", least=1):
            measure = text_at(self._typed, "gate_measure", place)
            kind = FIELDS[measure].type if measure in FIELDS else T.NUMBER
            if not measure:
                self._errors[f"gate_measure-{place}"] = _("Choose a measure.")
            elif measure in [gate["measure"] for gate in found]:
                self._errors[f"gate_measure-{place}"] = _("This measure stands above already.")
            full = self._cell("gate_full", place, kind)
            start = full if hard else self._cell("gate_from", place, kind)
            if hard and text_given(self._typed, "gate_from", place):
                start = self._below(full, place, kind)
            if start and full and Fraction(full) < Fraction(start):
                self._errors[f"gate_full-{place}"] = _("Cannot be less than where it begins.")
            found.append({"measure": measure, "from": start, "full_at": full})
        return found

    def _below(self, full: str, place: int, kind: T) -> str:
        """Return where a gate that is all or nothing would begin if it were soft; what cannot be is not asked for."""
        given = BonusTexts(self._reader).number(kind, text_at(self._typed, "gate_from", place))
        return decimal(given) if given is not None and full and given <= Fraction(full) else full

    def _places(self, table: str, least: int) -> list[int]:
        """Return the rows of a table; rows without any text are left out while enough others are there."""
        columns = TABLES[table]
        count = max(len(self._typed.get(name) or ()) for name in columns)
        filled = [
            place
            for place in range(count)
            if place == 0 or any(text_given(self._typed, name, place) for name in columns)
        ]
        return filled if len(filled) >= least else list(range(count))

    def _cell(self, name: str, place: int, kind: T, key: str = "") -> str:
        """Return a number as documents write it, "" where it is missing or none; both are said."""
        text = text_at(self._typed, name, place)
        key = key or f"{name}-{place}"
        if not text:
            self._errors[key] = _("Fill this in.")
            return ""
        try:
            plain = text.replace("₽", "").replace("%", "").strip()
            value = str(self._reader.value(T.MONEY if kind is T.MONEY else T.NUMBER, plain))
            parse_exact(value)
        except (ValueError, BadValue):
            self._errors[key] = _("A number is needed, for example 2.5 or 1 500 000.")
            return ""
        return value

    def _rate(self, value: str, key: str) -> None:
        if value and not 0 <= Fraction(value) <= _HUNDRED:
            self._errors[key] = _("A rate is between 0 and 100%: more than everything cannot be paid.")

    def _not_below_zero(self, value: str, key: str) -> str:
        if value and Fraction(value) < 0:
            self._errors[key] = _("Cannot be less than zero.")
        return value

    def _rises(self, value: str, previous: Fraction | None, key: str, *, of_tiers: bool = False) -> Fraction | None:
        if not value:
            return previous
        number = Fraction(value)
        if previous is not None and number <= previous:
            more = show_measured(self._kind, previous, self._reader.lang)
            self._errors[key] = (
                _("A tier begins above the one before it: more than %(value)s.", value=more)
                if of_tiers
                else _("The values rise: more than %(value)s is needed.", value=more)
            )
        return number


def decimal(value: Fraction) -> str:
    """Return a number as documents write it."""
    return show_fraction(value, "en").replace(",", "").replace("−", "-")


def text_given(typed: Texts, name: str, place: int = 0) -> bool:
    """Return whether there is anything in a cell."""
    return bool(text_at(typed, name, place))


def text_at(typed: Texts, name: str, place: int) -> str:
    """Return one text of a column, "" behind its end."""
    texts = typed.get(name) or ()
    return texts[place].strip() if place < len(texts) else ""


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _rows(value: object) -> Iterable[Node]:
    return (row for row in _list(value) if isinstance(row, dict))


def spans(starts: Sequence[Fraction]) -> list[tuple[Fraction, Fraction | None]]:
    """Return where each tier begins and ends; the last one has no end."""
    return [*pairwise(starts), (starts[-1], None)] if starts else []
