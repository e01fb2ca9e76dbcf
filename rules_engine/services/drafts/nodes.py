"""Edits of where a condition stands: up and down through the groups of its rule, into a group of its own, and whether
it also holds for an empty field. The way of `body`: functions from body to body that know no database."""

from rules_engine.errors import NotFound
from rules_engine.language.model import Mode
from rules_engine.services.drafts.body import MODES, Edit, Node, Pointer, group_mode, node_at, pointer_text, within

LEVELS = 2
"""Groups inside the first one are entered and made no deeper than this."""


def move_node(rule_id: str, at: Pointer, step: int) -> Edit:
    """Move a condition or group one place up (-1) or down (1), into the group that stands there, or out of its own.

    A nested group that is left empty goes. At the ends of the outer group it stays.
    """

    def edit(rule: Node) -> None:
        _move(rule, at, step)

    return within(rule_id, edit)


def place_after_move(rule: Node, at: Pointer, step: int) -> Pointer:
    """Return where that condition stands once it has been moved; `rule` is changed on the way, so give a copy."""
    return _move(rule, at, step)


def wrap_node(rule_id: str, at: Pointer, mode: str = Mode.ANY) -> Edit:
    """Put a condition into a new group of its own, in its place."""

    def edit(rule: Node) -> None:
        _items, place = _holder(rule, at)
        if mode not in MODES or _depth(at) >= LEVELS:
            raise NotFound(what=pointer_text(at))
        _items[place] = {str(mode): [_items[place]]}

    return within(rule_id, edit)


def holds_when_empty(rule: Node, at: Pointer) -> bool:
    """Return whether a condition stands beside "is empty" of the same field, so that an empty field matches too."""
    condition = node_at(rule, at)
    if len(at) < 3 or at[-2] != Mode.ANY or not isinstance(condition, dict):
        return False
    return _empty(condition) in node_at(rule, at[:-1])


def set_when_empty(rule: Node, at: Pointer, *, holds: bool) -> Pointer:
    """Make a condition hold for an empty field too, or no longer, in place; return where it stands then.

    In a group `any` an "is empty" joins it, elsewhere the two become a group of their own; without it a group of one
    that was made so is a plain condition again.
    """
    items, place = _holder(rule, at)
    condition = items[place]
    empty = _empty(condition)
    if holds == holds_when_empty(rule, at):
        return at
    if not holds:
        items.remove(empty)
        place = items.index(condition)
        if len(items) == 1 and len(at) > 3 and at[-4] in MODES:
            node_at(rule, at[:-3])[at[-3]] = condition
            return at[:-2]
        return (*at[:-1], place)
    if at[-2] == Mode.ANY:
        items.insert(place + 1, empty)
        return at
    items[place] = {Mode.ANY.value: [condition, empty]}
    return (*at, Mode.ANY.value, 0)


def _empty(condition: Node) -> Node:
    return {"field": condition.get("field"), "op": "is_empty"}


def _holder(rule: Node, at: Pointer) -> tuple[list[Node], int]:
    """Return the items of the group in which a node stands, and its place among them. Raises NotFound."""
    node_at(rule, at)
    if len(at) < 3 or at[-2] not in MODES or not isinstance(at[-1], int):
        raise NotFound(what=pointer_text(at))
    items: list[Node] = node_at(rule, at[:-1])
    return items, at[-1]


def _depth(at: Pointer) -> int:
    """Return in how many groups a node stands."""
    return sum(step in MODES for step in at)


def _move(rule: Node, at: Pointer, step: int) -> Pointer:
    items, place = _holder(rule, at)
    node = items[place]
    target = place + step
    if 0 <= target < len(items):
        mode = group_mode(items[target])
        if mode is not None and group_mode(node) is None and _depth(at) < LEVELS:
            inner: list[Node] = items[target][mode]
            inside = 0 if step > 0 else len(inner)
            inner.insert(inside, node)
            del items[place]
            return (*at[:-1], target - (step > 0), mode, inside)
        items[place], items[target] = items[target], items[place]
        return (*at[:-1], target)
    if _depth(at) < 2:
        return at
    # Out of its group: before it, or behind it.
    outer_at, group_place = at[:-3], int(at[-3])
    outer: list[Node] = node_at(rule, outer_at)
    del items[place]
    before = group_place + (step > 0)
    outer.insert(before, node)
    if not items:
        del outer[group_place + (step < 0)]
        before -= step > 0
    return (*outer_at, before)
