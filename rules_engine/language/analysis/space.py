"""All facts that the conditions of a ruleset tell apart, and the questions that can be asked about them."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date

from rules_engine.language.analysis.boxes import Budget, Layout, Local
from rules_engine.language.analysis.parts import EMPTY, Part, part_of
from rules_engine.language.analysis.relations import (
    Follow,
    Relation,
    agreed,
    holds_of_itself,
    is_with_itself,
)
from rules_engine.language.model import Condition, FieldRef, Group, Mode
from rules_engine.language.references import References
from rules_engine.language.values import Canonical, Facts
from rules_engine.language.vocabulary import FIELDS

BOXES_AT_MOST = 600
_TRIES = 24

Region = list[int]
"""Boxes: where something holds is their union."""
Check = Callable[[Facts], bool]


class TooWide(Exception):
    """A rule's conditions make more boxes than are looked at."""


class NotExact(Exception):
    """Whether there are such facts cannot be said: nothing was found, and not everything could be followed."""


class Space:
    """The facts that these conditions can tell apart, cut into cells."""

    def __init__(
        self, conditions: Iterable[Condition], *, today: date, names: References | None, budget: Budget
    ) -> None:
        self._budget = budget
        by_field: dict[str, list[Condition]] = {}
        self._relations: dict[Relation, int] = {}
        for condition in conditions:
            own = by_field.setdefault(condition.field, [])
            if not isinstance(condition.value, FieldRef):
                own.append(condition)
            elif not is_with_itself(condition):
                by_field.setdefault(condition.value.field, [])
                self._relations[Relation.of(condition)] = 0
        self._parts: dict[str, Part] = {}
        self._first_axis: dict[str, int] = {}
        widths: list[int] = []
        domains: list[int] = []
        for key, own in by_field.items():
            part = self._parts[key] = part_of(FIELDS[key], own, names, today)
            self._first_axis[key] = len(widths)
            domains.append((1 << part.widths[0]) - (1 if FIELDS[key].can_be_empty else 2))
            domains += [(1 << width) - 1 for width in part.widths[1:]]
            widths += part.widths
        for relation in self._relations:
            self._relations[relation] = len(widths)
            widths.append(relation.width)
            domains.append((1 << relation.width) - 1)
        self.layout = Layout(widths, domains)
        self._together = self._components()
        self._impossible = [(axes, box) for axes, box in self._exclusions() if box is not None]
        self._learned: list[int] = []

    @property
    def everything(self) -> Region:
        return [self.layout.domain]

    def region(self, group: Group | None) -> Region:
        """Return where a group holds; without one everywhere. Raises TooWide."""
        return self.everything if group is None else self._region(group, wanted=True)

    def unfulfilled(self, item: Condition | Group) -> Region:
        """Return where a condition or a group does not hold. Raises TooWide."""
        return self._region(item, wanted=False)

    def part_region(self, item: Condition | Group) -> Region:
        """Return where a condition or a group holds. Raises TooWide."""
        return self._region(item, wanted=True)

    def meet(self, first: Region, second: Region) -> Region:
        return self.layout.product(first, second)

    def is_covered(self, region: Region, covers: Region, check: Check) -> bool:
        """Return whether no facts lie in `region` and outside `covers`.

        `check` says of facts whether they do: it is asked where fields are compared with each other, for there cells
        alone do not prove that there are such facts. Raises NotExact, OutOfTime.
        """
        return self._outside(region, covers, (), check) is None

    def example(self, region: Region, covers: Region, fields: Iterable[str], check: Check) -> Facts | None:
        """Return facts in `region` and outside `covers`, None where there are none. Raises NotExact, OutOfTime.

        Of `fields` as many as possible are filled, the others are left out where they may be.
        """
        wanted = [key for key in fields if key in self._parts]
        filled = [((self._first_axis[key], ((1 << self._parts[key].widths[0]) - 1) & ~1),) for key in wanted]
        full = self.layout.box(tuple(pair for local in filled for pair in local))
        if full is not None:
            try:
                found = self._outside(self.meet(region, [full]), covers, wanted, check, is_example=True)
            except NotExact:
                found = None
            if found is not None:
                return found
        return self._outside(region, covers, wanted, check, is_example=True)

    def _outside(
        self,
        region: Region,
        covers: Region,
        fields: Sequence[str],
        check: Check,
        *,
        is_example: bool = False,
    ) -> Facts | None:
        axes = self._touched(self.layout.restricted([*region, *covers])) if self._impossible else 0
        compared = [one for one, axis in self._relations.items() if self.layout.guard(axis) & axes]
        must_build = is_example or bool(compared)
        excluded = [box for own, box in self._impossible if must_build or own & axes] + self._learned
        is_exact = True
        for _ in range(_TRIES):
            box = self.layout.outside(region, [*covers, *excluded], self._budget)
            if box is None:
                if is_exact:
                    return None
                raise NotExact
            if not must_build:
                return {}
            cells = self._chosen(box, fields)
            facts = self._facts(cells)
            if facts is None:
                learned = self._point(cells, lambda one: one.follow is not Follow.NOT)
                self._learned.append(learned)
                excluded.append(learned)
            elif check(facts):
                return facts
            else:
                is_exact = False
                excluded.append(self._point(cells, lambda one: True))
        raise NotExact

    def _region(self, item: Condition | Group, *, wanted: bool) -> Region:
        self._budget.look()
        if isinstance(item, Condition):
            return self._condition(item, wanted)
        inner = wanted is not (item.mode is Mode.NONE)
        members = sorted((self._region(member, wanted=inner) for member in item.items), key=len)
        if (item.mode is Mode.ALL) is inner:
            found = self.everything
            for member in members:
                if len(found) * len(member) > BOXES_AT_MOST * 8:
                    raise TooWide
                found = self.layout.product(found, member)
        else:
            found = self.layout.union(box for member in members for box in member)
        if len(found) > BOXES_AT_MOST:
            raise TooWide
        return found

    def _condition(self, condition: Condition, wanted: bool) -> Region:
        if isinstance(condition.value, FieldRef) and not is_with_itself(condition):
            relation = Relation.of(condition)
            mask = relation.true_cells(condition)
            if not wanted:
                mask = ((1 << relation.width) - 1) & ~mask
            locals_: list[Local] = [((self._relations[relation], mask),)]
        else:
            locals_ = self._plain(condition, wanted)
        found = (self.layout.box(local) for local in locals_)
        return [box for box in found if box is not None]

    def _plain(self, condition: Condition, wanted: bool) -> list[Local]:
        part, start = self._parts[condition.field], self._first_axis[condition.field]
        if is_with_itself(condition):
            filled = ((1 << part.widths[0]) - 1) & ~1
            mask = filled if holds_of_itself(condition) else 0
            return [((start, mask if wanted else (filled | 1) & ~mask),)]
        found = part.holds(condition) if wanted else part.fails(condition)
        return [tuple((start + axis, mask) for axis, mask in local) for local in found]

    def _components(self) -> list[int]:
        """Return sets of axes that exclude cells of each other: those of a field, and of fields compared."""
        sets = []
        for key, part in self._parts.items():
            start = self._first_axis[key]
            sets.append(sum(self.layout.guard(axis) for axis in range(start, start + len(part.widths))))
        for relation, axis in self._relations.items():
            own = self.layout.guard(axis)
            for key in (relation.first, relation.second):
                own |= self.layout.guard(self._first_axis[key])
            joined = own
            for other in [one for one in sets if one & own]:
                sets.remove(other)
                joined |= other
            sets.append(joined)
        return sets

    def _touched(self, axes: int) -> int:
        return sum(together for together in self._together if together & axes)

    def _exclusions(self) -> Iterable[tuple[int, int | None]]:
        for key, part in self._parts.items():
            start = self._first_axis[key]
            for local in part.impossible:
                yield self._excluded(tuple((start + axis, mask) for axis, mask in local))
        for relation, axis in self._relations.items():
            one, two = self._first_axis[relation.first], self._first_axis[relation.second]
            for first, second, mask in relation.impossible(self._parts[relation.first], self._parts[relation.second]):
                local = (*((one + place, cells) for place, cells in first),)
                local += (*((two + place, cells) for place, cells in second),)
                yield self._excluded((*local, (axis, mask)))

    def _excluded(self, local: Local) -> tuple[int, int | None]:
        return sum({self.layout.guard(axis) for axis, _ in local}), self.layout.box(local)

    def _chosen(self, box: int, fields: Sequence[str]) -> list[int]:
        """Return one cell of each axis of a box, such as make a good example."""
        cells: list[int] = []
        for key, part in self._parts.items():
            there = self.layout.cells(box, len(cells))
            order = part.order()
            if key not in fields and there & 1:
                order = (EMPTY,)
            cells.append(next(cell for cell in order if there >> cell & 1))
            for _ in part.widths[1:]:
                there = self.layout.cells(box, len(cells))
                cells.append(0 if there & 1 else 1)
        for relation in self._relations:
            there = self.layout.cells(box, len(cells))
            cells.append(next(cell for cell in range(relation.width) if there >> cell & 1))
        return cells

    def _facts(self, cells: Sequence[int]) -> Facts | None:
        """Return facts of these cells, None where cells of compared fields do not go together."""
        of_field = {
            key: tuple(cells[self._first_axis[key] : self._first_axis[key] + len(part.widths)])
            for key, part in self._parts.items()
        }
        pairs = [(one, cells[axis]) for one, axis in self._relations.items() if one.follow is not Follow.NOT]
        bound = agreed(pairs, self._parts, of_field)
        if bound is None:
            return None
        facts: dict[str, Canonical | None] = dict(bound)
        try:
            for key, part in self._parts.items():
                if key not in facts:
                    facts[key] = part.value(of_field[key])
        except LookupError as nothing:
            raise NotExact from nothing
        return {key: value for key, value in facts.items() if value is not None}

    def _point(self, cells: Sequence[int], counts: Callable[[Relation], bool]) -> int:
        """Return the box of these cells of all fields that stand in relations that count; others are free."""
        axes = {axis for one, axis in self._relations.items() if counts(one)}
        for one in self._relations:
            if counts(one):
                for key in (one.first, one.second):
                    start = self._first_axis[key]
                    axes |= set(range(start, start + len(self._parts[key].widths)))
        return self.layout.box(tuple((axis, 1 << cells[axis]) for axis in sorted(axes))) or 0
