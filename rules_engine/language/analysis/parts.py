"""The cells into which the conditions of a ruleset cut one field: two values in one cell meet the same conditions.

Each part has axes of cells; the first cell of its first axis is the empty field. `holds` and `fails` say where a
condition is true and where it is not, as unions of restrictions; `impossible` names the cells that exclude each other.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Protocol

from rules_engine.language.analysis import nice
from rules_engine.language.analysis.boxes import Local
from rules_engine.language.kinds import ORDERED_TYPES, FieldType
from rules_engine.language.model import Condition
from rules_engine.language.references import References
from rules_engine.language.values import Canonical
from rules_engine.language.vocabulary import Field

EMPTY = 0
_NO, _YES = 1, 2
"""Masks of an axis of two cells: no, yes."""


class Part(Protocol):
    """One field. `values` of cells: one cell an axis. `order` is the sequence in which cells make good examples."""

    field: Field
    widths: tuple[int, ...]
    impossible: tuple[Local, ...]

    def holds(self, condition: Condition) -> list[Local]: ...

    def fails(self, condition: Condition) -> list[Local]: ...

    def order(self) -> Sequence[int]: ...

    def value(self, cells: Sequence[int]) -> Canonical | None: ...


def part_of(field: Field, conditions: Sequence[Condition], names: References | None, today: date) -> Part:
    """Return the part of a field for the conditions that compare it with constants."""
    if field.type in ORDERED_TYPES:
        return Ordered(field, conditions, today)
    if field.type is FieldType.TEXT:
        return Texts(field, conditions)
    if field.type is FieldType.LIST:
        return Lists(field, conditions, names)
    return Points(field, conditions, names)


class _OneAxis:
    """What fields share whose conditions are sets of cells of a single axis."""

    field: Field
    widths: tuple[int, ...]
    impossible: tuple[Local, ...] = ()

    @property
    def filled(self) -> int:
        return ((1 << self.widths[0]) - 1) & ~1

    def holds(self, condition: Condition) -> list[Local]:
        return [((0, self._mask(condition)),)]

    def fails(self, condition: Condition) -> list[Local]:
        return [((0, (self.filled | 1) & ~self._mask(condition)),)]

    def _mask(self, condition: Condition) -> int:
        if condition.op == "is_empty":
            return 1
        if condition.op == "is_filled":
            return self.filled
        if condition.op in ("is_not", "not_in"):
            return self.filled & ~self._where(condition)
        return self._where(condition)

    def _where(self, condition: Condition) -> int:
        raise NotImplementedError


class Ordered(_OneAxis):
    """Numbers, money, dates: intervals between the values that conditions name."""

    def __init__(self, field: Field, conditions: Sequence[Condition], today: date) -> None:
        self.field = field
        self._today = today
        low, high = nice.bounds(field)
        cuts = {cut for condition in conditions for cut in _cuts(condition)}
        self._starts = [low, *sorted(cut for cut in cuts if low < cut <= high)]
        self._ends = [start - 1 for start in self._starts[1:]] + [high]
        self.widths = (1 + len(self._starts),)

    def interval(self, cell: int) -> tuple[int, int]:
        """Return the least and the greatest value of a filled cell."""
        return self._starts[cell - 1], self._ends[cell - 1]

    def _where(self, condition: Condition) -> int:
        value = condition.value
        match condition.op:
            case "lt":
                return self._from(None, _int(value))
            case "le":
                return self._from(None, _int(value) + 1)
            case "gt":
                return self._from(_int(value) + 1, None)
            case "ge":
                return self._from(_int(value), None)
            case "between":
                first, second = _pair(value)
                return self._from(first, second)
        found = 0
        for number in _ints(value):
            found |= self._from(number, number + 1)
        return found

    def _from(self, first: int | None, beyond: int | None) -> int:
        """Return the mask of the cells from `first` up to `beyond`, which is not included."""
        start = 0 if first is None else bisect_left(self._starts, first)
        end = len(self._starts) if beyond is None else bisect_left(self._starts, beyond)
        if first is not None and start == len(self._starts):
            return 0
        return ((1 << end) - (1 << start)) << 1 if end > start else 0

    def order(self) -> Sequence[int]:
        cells = range(1, self.widths[0])
        return [*(cell for cell in cells if self._starts[cell - 1] >= 0), *reversed(cells), EMPTY]

    def value(self, cells: Sequence[int]) -> Canonical | None:
        if cells[0] == EMPTY:
            return None
        return nice.number(self.field, *self.interval(cells[0]), self._today)


class Points(_OneAxis):
    """Choices, references, yes and no: each value that is named or allowed, and all others as one more."""

    def __init__(self, field: Field, conditions: Sequence[Condition], names: References | None) -> None:
        self.field = field
        known = [choice.value for choice in field.choices]
        named = {str(value) for condition in conditions for value in _texts(condition.value)}
        self.values: list[Canonical] = [True, False]
        self.rest: str | None = None
        if field.type is not FieldType.BOOLEAN:
            self.values = [*known, *sorted(named - set(known))]
            if field.reference or not known:
                people = (names.known(field.reference) if names and field.reference else None) or {}
                self.values = [*sorted(named)]
                self.rest = nice.other_value(named, [*known, *sorted(people)])
        self._cell = {value: place for place, value in enumerate(self.values, 1)}
        self._named = {self._cell[text] for text in named}
        self.widths = (1 + len(self.values) + (self.rest is not None),)

    def _where(self, condition: Condition) -> int:
        value = condition.value
        if isinstance(value, bool):
            return 1 << self._cell[value]
        found = 0
        for text in _texts(value):
            found |= 1 << self._cell[text]
        return found

    def order(self) -> Sequence[int]:
        # An example reads best with a value that no rule names, and with “no” rather than “yes”.
        cells = list(range(1, self.widths[0]))
        if self.field.type is FieldType.BOOLEAN:
            cells.reverse()
        return [*(cell for cell in cells if cell not in self._named), *(c for c in cells if c in self._named), EMPTY]

    def value(self, cells: Sequence[int]) -> Canonical | None:
        if cells[0] == EMPTY:
            return None
        return self.values[cells[0] - 1] if cells[0] <= len(self.values) else self.rest


class Texts:
    """Texts. First axis: empty, each text named as a whole, else the longest of the beginnings that conditions name.
    One more axis for each part that a text may contain.
    """

    def __init__(self, field: Field, conditions: Sequence[Condition]) -> None:
        self.field = field
        self._whole = sorted({text for c in conditions if c.op in _WHOLE for text in _texts(c.value)})
        begun = {text for c in conditions if c.op == "starts_with" for text in _texts(c.value)}
        self._begun = ["", *sorted(begun)]
        self._inner = sorted({text for c in conditions if c.op == "contains" for text in _texts(c.value)})
        self.widths = (1 + len(self._whole) + len(self._begun), *(2 for _ in self._inner))
        self.impossible = tuple(self._exclusions())

    @property
    def filled(self) -> int:
        return ((1 << self.widths[0]) - 1) & ~1

    def _exclusions(self) -> Iterable[Local]:
        for axis, inner in enumerate(self._inner, 1):
            without, within = 1, 0
            for cell, whole in enumerate(self._whole, 1):
                if inner in whole:
                    within |= 1 << cell
                else:
                    without |= 1 << cell
            for cell, begun in enumerate(self._begun, 1 + len(self._whole)):
                if inner in begun:
                    within |= 1 << cell
            yield ((0, without), (axis, _YES))
            if within:
                yield ((0, within), (axis, _NO))
            for other, longer in enumerate(self._inner, 1):
                if inner != longer and inner in longer:
                    yield ((axis, _NO), (other, _YES))

    def holds(self, condition: Condition) -> list[Local]:
        if condition.op == "contains":
            return [((0, self.filled), (1 + self._inner.index(str(condition.value)), _YES))]
        return [((0, self._mask(condition)),)]

    def fails(self, condition: Condition) -> list[Local]:
        if condition.op == "contains":
            return [((1 + self._inner.index(str(condition.value)), _NO),)]
        return [((0, (self.filled | 1) & ~self._mask(condition)),)]

    def _mask(self, condition: Condition) -> int:
        match condition.op:
            case "is_empty":
                return 1
            case "is_filled":
                return self.filled
            case "starts_with":
                found, start = 0, str(condition.value)
                for cell, text in enumerate([*self._whole, *self._begun], 1):
                    found |= (1 << cell) if text.startswith(start) else 0
                return found
        named = set(_texts(condition.value))
        whole = sum(1 << cell for cell, text in enumerate(self._whole, 1) if text in named)
        return self.filled & ~whole if condition.op in ("is_not", "not_in") else whole

    def order(self) -> Sequence[int]:
        classes = range(1 + len(self._whole), self.widths[0])
        return [*classes, *range(1, 1 + len(self._whole)), EMPTY]

    def value(self, cells: Sequence[int]) -> Canonical | None:
        """Return a text of these cells; None for the empty field. Raises LookupError where none is found."""
        if cells[0] == EMPTY:
            return None
        if cells[0] <= len(self._whole):
            return self._whole[cells[0] - 1]
        begun = self._begun[cells[0] - 1 - len(self._whole)]
        parts = [text for text, cell in zip(self._inner, cells[1:], strict=True) if cell and text not in begun]
        parts = [text for text in parts if not any(text != other and text in other for other in parts)]
        constants = [*self._whole, *self._begun, *self._inner]
        for sign in nice.separators(constants):
            pieces = [begun, *parts] if begun else parts
            joined = sign.join(pieces) if pieces else nice.fresh_text(constants)
            for text in (joined, f"{joined}{sign}", f"{sign}{joined}", sign):
                if nice.is_canonical(text) and self._cells_of(text) == tuple(cells):
                    return text
        raise LookupError(self.field.key)

    def _cells_of(self, text: str) -> tuple[int, ...]:
        if text in self._whole:
            first = 1 + self._whole.index(text)
        else:
            longest = max((begun for begun in self._begun if text.startswith(begun)), key=len)
            first = 1 + len(self._whole) + self._begun.index(longest)
        return first, *(int(inner in text) for inner in self._inner)


class Lists:
    """Lists, compared as sets. First axis: empty, nothing but what is named, something else too; then one axis for
    each item that conditions name.
    """

    _ONLY, _MORE = 2, 4
    _FILLED = 6

    def __init__(self, field: Field, conditions: Sequence[Condition], names: References | None) -> None:
        self.field = field
        self._items = sorted({text for condition in conditions for text in _texts(condition.value)})
        known = (names.known(field.reference) if names and field.reference else None) or {}
        self._other = nice.other_value(self._items, sorted(known))
        self.widths = (3, *(2 for _ in self._items))
        nothing: Local = ((0, self._ONLY), *((axis, _NO) for axis, _ in enumerate(self._items, 1)))
        self.impossible = (nothing, *(((0, 1), (axis, _YES)) for axis, _ in enumerate(self._items, 1)))

    def holds(self, condition: Condition) -> list[Local]:
        axes = self._axes(condition)
        match condition.op:
            case "is_empty":
                return [((0, 1),)]
            case "is_filled":
                return [((0, self._FILLED),)]
            case "has_any":
                return [((0, self._FILLED), (axis, _YES)) for axis in axes]
            case "has_all":
                return [((0, self._FILLED), *((axis, _YES) for axis in axes))]
            case "is":
                return [self._exactly(axes)]
        return self._not_exactly(axes)

    def fails(self, condition: Condition) -> list[Local]:
        axes = self._axes(condition)
        match condition.op:
            case "is_empty":
                return [((0, self._FILLED),)]
            case "is_filled":
                return [((0, 1),)]
            case "has_any":
                return [tuple((axis, _NO) for axis in axes)]
            case "has_all":
                return [((axis, _NO),) for axis in axes]
            case "is":
                return [((0, 1),), *self._not_exactly(axes)]
        return [((0, 1),), self._exactly(axes)]

    def _axes(self, condition: Condition) -> list[int]:
        return [1 + self._items.index(text) for text in sorted(_texts(condition.value))]

    def _exactly(self, axes: list[int]) -> Local:
        items = ((axis, _YES if axis in axes else _NO) for axis, _ in enumerate(self._items, 1))
        return ((0, self._ONLY), *items)

    def _not_exactly(self, axes: list[int]) -> list[Local]:
        differing: list[Local] = [
            ((0, self._FILLED), (axis, _NO if axis in axes else _YES)) for axis, _ in enumerate(self._items, 1)
        ]
        return [((0, self._MORE),), *differing]

    def order(self) -> Sequence[int]:
        return (1, 2, EMPTY)

    def value(self, cells: Sequence[int]) -> Canonical | None:
        if cells[0] == EMPTY:
            return None
        items = [item for item, cell in zip(self._items, cells[1:], strict=True) if cell]
        return tuple(items if cells[0] == 1 else [*items, self._other])


_WHOLE = frozenset({"is", "is_not", "in", "not_in"})


def _cuts(condition: Condition) -> Iterable[int]:
    """Return the values at which the truth of a comparison with constants can change."""
    value = condition.value
    match condition.op:
        case "lt" | "ge":
            return (_int(value),)
        case "le" | "gt":
            return (_int(value) + 1,)
        case "between":
            return _pair(value)
    return [cut for number in _ints(value) for cut in (number, number + 1)]


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0


def _pair(value: object) -> tuple[int, int]:
    first, second = value if isinstance(value, tuple) else (0, 0)
    return first, second


def _ints(value: object) -> list[int]:
    if isinstance(value, int):
        return [value]
    return sorted(item for item in value if isinstance(item, int)) if isinstance(value, frozenset) else []


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [item for item in value if isinstance(item, str)] if isinstance(value, frozenset) else []
