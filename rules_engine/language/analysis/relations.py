"""Fields compared with each other: one axis a pair, and values that agree with all pairs at once.

Ordered fields and single values are followed exactly. Texts and lists beyond plain sameness are not: their axis says
only whether the comparison holds, and an example must be tried out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from rules_engine.language.analysis.boxes import Local
from rules_engine.language.analysis.parts import EMPTY, Ordered, Part, Points
from rules_engine.language.kinds import ORDERED_TYPES, FieldType
from rules_engine.language.model import Condition, FieldRef
from rules_engine.language.values import Canonical
from rules_engine.language.vocabulary import FIELDS

_NEITHER, _LESS, _SAME, _MORE = 1, 2, 4, 8
_DIFFERENT = 4
_TRUE_OF: Mapping[str, int] = {
    "is": _SAME,
    "is_not": _LESS | _MORE,
    "lt": _LESS,
    "le": _LESS | _SAME,
    "gt": _MORE,
    "ge": _MORE | _SAME,
}
_TURNED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}
_TRUE_OF_ITSELF = frozenset({"is", "le", "ge", "contains", "starts_with", "has_any", "has_all"})


class Follow(Enum):
    """How exactly a pair is followed."""

    ORDER = "order"
    SAMENESS = "sameness"
    NOT = "not"


@dataclass(frozen=True, slots=True)
class Relation:
    """A pair of fields. `op` is empty where one axis serves every comparison of the two.

    Cells of the axis — ORDER: one of them is empty, less, the same, more. SAMENESS: empty, same, different.
    NOT: does not hold, holds.
    """

    first: str
    second: str
    follow: Follow
    op: str = ""
    width: int = field(default=2)

    @classmethod
    def of(cls, condition: Condition) -> "Relation":
        """Return the relation that a comparison of two fields is about."""
        other = condition.value.field if isinstance(condition.value, FieldRef) else condition.field
        kind = FIELDS[condition.field].type
        first, second = sorted((condition.field, other))
        if kind in ORDERED_TYPES:
            return cls(first, second, Follow.ORDER, width=4)
        if kind in (FieldType.CHOICE, FieldType.REFERENCE, FieldType.BOOLEAN):
            return cls(first, second, Follow.SAMENESS, width=3)
        return cls(condition.field, other, Follow.NOT, op=condition.op)

    def true_cells(self, condition: Condition) -> int:
        """Return the mask of the cells in which a comparison of the two holds."""
        if self.follow is Follow.NOT:
            return 2
        if self.follow is Follow.SAMENESS:
            return 2 if condition.op == "is" else _DIFFERENT
        op = condition.op if condition.field == self.first else _TURNED.get(condition.op, condition.op)
        return _TRUE_OF[op]

    def impossible(self, first: Part, second: Part) -> list[tuple[Local, Local, int]]:
        """Return what cannot be: restrictions of the first field, of the second, and a mask of this axis."""
        every = (1 << self.width) - 1
        found: list[tuple[Local, Local, int]] = [
            (((0, 1),), (), every & ~1),
            ((), ((0, 1),), every & ~1),
        ]
        if self.follow is Follow.NOT:
            return found
        filled_first, filled_second = _filled(first), _filled(second)
        found.append((((0, filled_first),), ((0, filled_second),), _NEITHER))
        alike: dict[tuple[int, int], int] = {}
        for cell in range(1, first.widths[0]):
            for relation in range(1, self.width):
                mask = self._excluded(first, second, cell, relation)
                alike[relation, mask] = alike.get((relation, mask), 0) | 1 << cell
        found += [(((0, cells),), ((0, mask),), 1 << relation) for (relation, mask), cells in alike.items() if mask]
        return found

    def _excluded(self, first: Part, second: Part, cell: int, relation: int) -> int:
        mask = 0
        for other in range(1, second.widths[0]):
            if isinstance(first, Ordered) and isinstance(second, Ordered):
                possible = _ordered_so(first.interval(cell), second.interval(other), 1 << relation)
            else:
                possible = _points_so(first, second, cell, other, is_same=relation == 1)
            mask |= 0 if possible else 1 << other
        return mask


def holds_of_itself(condition: Condition) -> bool:
    """Return whether a filled field compared with itself meets the condition."""
    return condition.op in _TRUE_OF_ITSELF


def is_with_itself(condition: Condition) -> bool:
    return isinstance(condition.value, FieldRef) and condition.value.field == condition.field


def agreed(
    relations: Sequence[tuple[Relation, int]], parts: Mapping[str, Part], cells: Mapping[str, tuple[int, ...]]
) -> dict[str, Canonical | None] | None:
    """Return values of all fields that stand in exact relations, None where their cells do not go together.

    `relations` come with the cell of their axis.
    """
    found: dict[str, Canonical | None] = {}
    ordered = [(one, cell) for one, cell in relations if one.follow is Follow.ORDER]
    same = [(one, cell) for one, cell in relations if one.follow is Follow.SAMENESS]
    for pairs, solve in ((ordered, _numbers), (same, _points)):
        if pairs:
            values = solve(pairs, parts, cells)
            if values is None:
                return None
            found |= values
    return found


def _numbers(
    pairs: Sequence[tuple[Relation, int]], parts: Mapping[str, Part], cells: Mapping[str, tuple[int, ...]]
) -> dict[str, Canonical | None] | None:
    """Return the least integers within their intervals that keep to every less, same and more.

    Lower bounds are raised until nothing moves; it ends, for each is bounded above.
    """
    low: dict[str, int] = {}
    high: dict[str, int] = {}
    found: dict[str, Canonical | None] = {}
    for name in {name for one, _ in pairs for name in (one.first, one.second)}:
        part = parts[name]
        if cells[name][0] == EMPTY or not isinstance(part, Ordered):
            found[name] = None
        else:
            low[name], high[name] = part.interval(cells[name][0])
    steps: list[tuple[str, str, int]] = []
    for one, cell in pairs:
        if cell == 1:
            steps.append((one.first, one.second, 1))
        elif cell == 3:
            steps.append((one.second, one.first, 1))
        elif cell == 2:
            steps += [(one.first, one.second, 0), (one.second, one.first, 0)]
    from_nought = {name: max(value, 0) if high[name] >= 0 else value for name, value in low.items()}
    solved = _raised(from_nought, high, steps)
    if solved is None:
        solved = _raised(low, high, steps)
    return None if solved is None else {**found, **solved}


def _raised(
    low: Mapping[str, int], high: Mapping[str, int], steps: Sequence[tuple[str, str, int]]
) -> dict[str, int] | None:
    values = dict(low)
    # As many rounds as there are fields settle every chain; one that still moves goes round in a circle.
    for _ in range(len(values) + 1):
        has_moved = False
        for smaller, larger, by in steps:
            if values[smaller] + by > values[larger]:
                values[larger] = values[smaller] + by
                has_moved = True
        if any(values[name] > high[name] for name in values):
            return None
        if not has_moved:
            return values
    return None


def _points(
    pairs: Sequence[tuple[Relation, int]], parts: Mapping[str, Part], cells: Mapping[str, tuple[int, ...]]
) -> dict[str, Canonical | None] | None:
    names = sorted({name for one, _ in pairs for name in (one.first, one.second)})
    head = {name: name for name in names}

    def first_of(name: str) -> str:
        while head[name] != name:
            name = head[name]
        return name

    for one, cell in pairs:
        if cell == 1:
            head[first_of(one.first)] = first_of(one.second)
    value: dict[str, Canonical] = {}
    barred: dict[str, set[Canonical]] = {}
    free: dict[str, str] = {}
    for name in names:
        part, cell = parts[name], cells[name][0]
        if cell == EMPTY or not isinstance(part, Points):
            continue
        group = first_of(name)
        if cell > len(part.values):
            barred.setdefault(group, set()).update(part.values)
            free.setdefault(group, part.rest or "")
        elif value.setdefault(group, part.values[cell - 1]) != part.values[cell - 1]:
            return None
    if any(given in barred.get(group, ()) for group, given in value.items()):
        return None
    for group, text in free.items():
        if group not in value:
            taken = {*barred[group], *value.values()}
            value[group] = text if text not in taken else _unlike(text, taken)
    for one, cell in pairs:
        if cell == 2 and value.get(first_of(one.first)) == value.get(first_of(one.second)):
            return None
    return {name: None if cells[name][0] == EMPTY else value[first_of(name)] for name in names}


def _unlike(text: str, taken: set[Canonical]) -> str:
    return next(one for one in (f"{text} {place}" for place in range(2, len(taken) + 3)) if one not in taken)


def _filled(part: Part) -> int:
    return ((1 << part.widths[0]) - 1) & ~1


def _ordered_so(first: tuple[int, int], second: tuple[int, int], relation: int) -> bool:
    if relation == _LESS:
        return first[0] < second[1]
    if relation == _MORE:
        return first[1] > second[0]
    return first[0] <= second[1] and second[0] <= first[1]


def _points_so(first: Part, second: Part, cell: int, other: int, *, is_same: bool) -> bool:
    if not isinstance(first, Points) or not isinstance(second, Points):
        return True
    one = first.values[cell - 1] if cell <= len(first.values) else None
    two = second.values[other - 1] if other <= len(second.values) else None
    if not is_same:
        return one is None or two is None or one != two
    if one is not None and two is not None:
        return one == two
    if one is not None:
        return one not in second.values
    return two is None or two not in first.values
