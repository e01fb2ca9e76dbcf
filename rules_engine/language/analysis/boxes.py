"""Boxes of facts as integers, and the search for a box that no other box covers.

An axis is a list of cells; a box holds some cells of every axis. All axes stand side by side in one integer, each
with a spare bit above it: adding all ones to a segment carries into that bit exactly when the segment holds a cell,
so whether a box is empty, or inside another one, takes a few operations on whole integers.
"""

from collections.abc import Callable, Iterable, Sequence

Local = tuple[tuple[int, int], ...]
"""Pairs of an axis and a mask of its cells; axes that are not named are not restricted."""

_NODES_BETWEEN_LOOKS = 32
_ABSORB_UP_TO = 200
_JOIN_UP_TO = 40


class OutOfTime(Exception):
    """The budget is spent."""


class Budget:
    """Until when may be searched; the clock is looked at now and then, it costs more than a step."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until = clock() + seconds
        self._steps = 0

    def spend(self) -> None:
        """Count one step. Raises OutOfTime."""
        self._steps += 1
        if self._steps % _NODES_BETWEEN_LOOKS == 0:
            self.look()

    def look(self) -> None:
        """Raise OutOfTime if the budget is spent."""
        if self._clock() >= self._until:
            raise OutOfTime


class Layout:
    """Where each axis stands in the integer. `domains` are masks of the cells that there can be, one an axis."""

    def __init__(self, widths: Sequence[int], domains: Sequence[int]) -> None:
        self._offsets: list[int] = []
        self._segments: list[int] = []
        self._of_guard: dict[int, int] = {}
        self.ones = self.guards = self.domain = 0
        at = 0
        for width, domain in zip(widths, domains, strict=True):
            segment = ((1 << width) - 1) << at
            guard = 1 << (at + width)
            self._offsets.append(at)
            self._segments.append(segment)
            self._of_guard[guard] = segment
            self.ones |= segment
            self.guards |= guard
            self.domain |= domain << at
            at += width + 1

    def box(self, local: Local) -> int | None:
        """Return the box of these restrictions, None where it is empty."""
        found = self.domain
        for axis, mask in local:
            segment = self._segments[axis]
            found &= (mask << self._offsets[axis]) | ~segment
            if not found & segment:
                return None
        return found

    def cells(self, box: int, axis: int) -> int:
        """Return the mask of the cells that a box holds on one axis."""
        return (box & self._segments[axis]) >> self._offsets[axis]

    def guard(self, axis: int) -> int:
        """Return the spare bit of an axis: sets of axes are masks of them."""
        return self._segments[axis] + (1 << self._offsets[axis])

    def meet(self, first: int, second: int) -> int | None:
        """Return what two boxes have in common, None where that is nothing."""
        common = first & second
        return common if (common + self.ones) & self.guards == self.guards else None

    def axes_outside(self, box: int, other: int) -> int:
        """Return the set of axes on which `box` goes beyond `other`; 0: it lies within."""
        return ((box & ~other) + self.ones) & self.guards

    def restricted(self, boxes: Iterable[int]) -> int:
        """Return the set of axes that any of these boxes restricts."""
        found = 0
        for box in boxes:
            found |= ((self.domain & ~box) + self.ones) & self.guards
        return found

    def union(self, boxes: Iterable[int]) -> list[int]:
        """Return boxes that cover the same, fewer where that is easily seen."""
        made = list(dict.fromkeys(boxes))
        if 1 < len(made) <= _ABSORB_UP_TO:
            made = self._absorbed(made)
        if 1 < len(made) <= _JOIN_UP_TO:
            while self._join_two(made):
                made = self._absorbed(made)
        return made

    def product(self, first: Sequence[int], second: Sequence[int]) -> list[int]:
        """Return what two unions of boxes have in common."""
        common = (self.meet(a, b) for a in first for b in second)
        return self.union(box for box in common if box is not None)

    def outside(self, boxes: Sequence[int], covers: Sequence[int], budget: Budget) -> int | None:
        """Return a box within one of `boxes` that none of `covers` touches, None where they cover everything.

        A cover that leaves the box on one axis only cuts it without a choice; only where every cover left leaves it
        on several are two halves looked at. Raises OutOfTime.
        """
        ones, guards = self.ones, self.guards
        stack = [(box, covers) for box in reversed(boxes)]
        while stack:
            budget.spend()
            box, left = stack.pop()
            near: list[tuple[int, int, int]] = []
            is_covered, has_shrunk = False, True
            while has_shrunk and not is_covered:
                near, has_shrunk = [], False
                for cover in left:
                    if ((box & cover) + ones) & guards != guards:
                        continue
                    rest = box & ~cover
                    axes = (rest + ones) & guards
                    if not axes:
                        is_covered = True
                        break
                    if axes & (axes - 1):
                        near.append((axes.bit_count(), cover, axes))
                        continue
                    box = (box & ~self._of_guard[axes]) | rest
                    has_shrunk = True
                left = [cover for _, cover, _ in near]
            if is_covered:
                continue
            if not near:
                return box
            _, cover, axes = min(near)
            segment = self._of_guard[axes & -axes]
            stack.append(((box & ~segment) | (box & cover & segment), left))
            stack.append((box & ~(cover & segment), left))
        return None

    def _absorbed(self, boxes: list[int]) -> list[int]:
        kept: list[int] = []
        for box in boxes:
            if any(not box & ~other for other in kept):
                continue
            kept = [other for other in kept if other & ~box]
            kept.append(box)
        return kept

    def _join_two(self, boxes: list[int]) -> bool:
        """Join the first two boxes that differ on one axis only; return whether there were any."""
        for place, first in enumerate(boxes):
            for other in range(place + 1, len(boxes)):
                axes = ((first ^ boxes[other]) + self.ones) & self.guards
                if not axes & (axes - 1):
                    boxes[place] = first | boxes.pop(other)
                    return True
        return False
