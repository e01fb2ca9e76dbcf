"""Findings about the conditions of one rule, or of `among`: those that never hold together, those that say nothing."""

import json
from collections.abc import Iterable, Iterator, Sequence

from rules_engine.language.analysis.finding import Finding, FindingKind, Severity, finding_key
from rules_engine.language.analysis.fixes import Fix, FixKind
from rules_engine.language.analysis.ground import (
    Ground,
    Item,
    both,
    differ,
    fields_of,
    fits,
    flat,
    is_certain,
    nodes,
    without,
)
from rules_engine.language.analysis.merging import joined
from rules_engine.language.analysis.space import Check, Region, Space
from rules_engine.language.kinds import HitPolicy
from rules_engine.language.model import OTHERWISE, Action, Condition, Group, Mode, Rule
from rules_engine.language.values import Facts


def contradiction(ground: Ground, rule: Rule) -> Iterator[Finding]:
    """Yield the finding of a rule that no facts can match; from then on its region is known to be empty."""
    region = ground.region_of(rule)
    if rule.when is None or not ground.space.is_covered(region, [], ground.check([rule.id])):
        return
    ground.regions[rule.id] = []
    yield _never(ground, rule.id, rule.path, rule.when, ground.space)


def who_fits(ground: Ground, rule_id: str, root: str, actions: Iterable[Action]) -> Iterator[Finding]:
    """Yield findings about `among`: nobody can meet it, or one of its conditions says nothing.

    `root` is the place of the rule in the document, "" for `otherwise`.
    """
    for action in actions:
        group = action.group()
        if group is None:
            continue
        space = Space(group.conditions(), today=ground.today, names=ground.names, budget=ground.budget)
        region = space.region(group)
        if space.is_covered(region, [], fits(group)):
            yield _never(ground, rule_id, root, group, space)
            continue
        for node in _saying_nothing(space, group, region):
            test = both(fits(group), fits(without(group, node)))
            yield _redundant(ground, rule_id, root, node, (), space.example(region, [], fields_of(group), test))


def redundant(ground: Ground, rule: Rule) -> Iterator[Finding]:
    """Yield the conditions of a rule that change nothing, be it because of the rules above it."""
    region = ground.region_of(rule)
    if rule.when is None or not region:
        return
    nothing = _saying_nothing(ground.space, rule.when, region)
    for node in nothing:
        test = both(fits(rule.when), fits(without(rule.when, node)))
        example = ground.space.example(region, [], ground.fields[rule.id], test)
        yield _redundant(ground, rule.id, rule.path, node, (), example)
    if ground.ruleset.hit_policy is HitPolicy.FIRST and rule.id not in ground.behind:
        yield from _said_above(ground, rule, rule.when, region, nothing)


def _said_above(ground: Ground, rule: Rule, when: Group, region: Region, nothing: Sequence[Item]) -> Iterator[Finding]:
    above = ground.firm_earlier(rule)
    for node in nodes(when) if above else ():
        if any(_is_within(node, other) or _is_within(other, node) for other in nothing):
            continue
        left = without(when, node)
        changed = _Change(ground, rule, when, left, region)
        # What changes nothing at all has a twin, which is told already.
        if not changed.is_covered(above) or changed.is_covered([]):
            continue
        others = sorted(ground.fewest(above, changed.is_covered), key=lambda one: ground.place[one.id])
        yield _redundant(ground, rule.id, rule.path, node, others, changed.example(others[0]))


class _Change:
    """What a rule without one of its nodes matches and the rule itself does not, or the other way round."""

    def __init__(self, ground: Ground, rule: Rule, when: Group, left: Group | None, region: Region) -> None:
        self._ground = ground
        self._rule = rule
        self._with, self._without = fits(when), fits(left)
        self._here, self._there = region, ground.space.region(left)

    def is_covered(self, above: Sequence[Rule]) -> bool:
        """Return whether rules above take all of it."""
        space, covers = self._ground.space, self._ground.union(above)
        taken = self._taken_by(above)
        test = self._test(lambda facts: not taken(facts))
        return space.is_covered(self._there, [*self._here, *covers], test) and space.is_covered(
            self._here, [*self._there, *covers], test
        )

    def example(self, above: Rule) -> Facts | None:
        """Return some of it that one rule above takes."""
        ground = self._ground
        fields = ground.fields_of_rules([self._rule.id, above.id])
        test = self._test(self._taken_by([above]))
        for more, less in ((self._there, self._here), (self._here, self._there)):
            found = ground.space.example(ground.space.meet(more, ground.regions[above.id]), less, fields, test)
            if found is not None:
                return found
        return None

    def _test(self, and_: Check) -> Check:
        return both(differ(self._with, self._without), and_)

    def _taken_by(self, above: Sequence[Rule]) -> Check:
        tests = [self._ground.check([rule.id]) for rule in above]
        return lambda facts: any(test(facts) for test in tests)


def _saying_nothing(space: Space, group: Group, region: Region) -> list[Item]:
    """Return nodes that may go, one by one and all together, without any change; rather the last ones."""
    found: list[Item] = []
    left: Group | None = group
    for node in nodes(group):
        if left is None or any(_is_within(node, other) for other in found):
            continue
        alone, together = without(group, node), without(left, node)
        if _is_same(space, group, region, alone) and (not found or _is_same(space, group, region, together)):
            found.append(node)
            left = together
    return found


def _is_same(space: Space, group: Group, region: Region, other: Group | None) -> bool:
    changed = space.region(other)
    first, second = fits(group), fits(other)
    test = differ(first, second)
    return space.is_covered(changed, region, test) and space.is_covered(region, changed, test)


def _is_within(node: Item, other: Item) -> bool:
    return node.path == other.path or node.path.startswith(f"{other.path}/")


def _redundant(
    ground: Ground, rule_id: str, root: str, node: Item, others: Sequence[Rule], example: Facts | None
) -> Finding:
    ids = tuple(other.id for other in others)
    path = node.path.removeprefix(root)
    return Finding(
        FindingKind.REDUNDANT,
        Severity.INFORMATION if others else Severity.WARNING,
        rule_id,
        ids,
        path,
        finding_key(FindingKind.REDUNDANT, ground.ruleset, [rule_id, *ids], path),
        ground.ruleset.decision,
        example=example,
        fix=None if rule_id == OTHERWISE else Fix(FixKind.REMOVE_CONDITION, rule_id, path=path),
        places=(path,),
        conditions=(node,),
        is_certain=all(is_certain(other) for other in others),
    )


def _never(ground: Ground, rule_id: str, root: str, group: Group, space: Space) -> Finding:
    guilty = _conflict(space, group)
    places = tuple(node.path.removeprefix(root) for node in guilty)
    path = places[0] if guilty else group.path.removeprefix(root)
    return Finding(
        FindingKind.CONTRADICTION,
        Severity.WARNING,
        rule_id,
        (),
        path,
        finding_key(FindingKind.CONTRADICTION, ground.ruleset, [rule_id], group.path.removeprefix(root)),
        ground.ruleset.decision,
        fix=None if rule_id == OTHERWISE else _way_out(rule_id, space, group, guilty, places),
        places=places or (path,),
        conditions=tuple(guilty),
    )


def _way_out(rule_id: str, space: Space, group: Group, guilty: Sequence[Item], places: Sequence[str]) -> Fix:
    """Return the edit that is most likely meant: “phone” and “chat” at once is how people write “phone or chat”."""
    if len(guilty) == 2:
        one, other = guilty
        if isinstance(one, Condition) and isinstance(other, Condition) and {one.op, other.op} <= {"is", "in"}:
            written = joined(one, other)
            if written is not None and _would_match(space, group, one, other):
                text = json.dumps(written, ensure_ascii=False)
                return Fix(FixKind.JOIN_CONDITIONS, rule_id, path=places[0], second=places[1], written=text)
    return Fix(FixKind.SWITCH_OFF, rule_id)


def _would_match(space: Space, group: Group, one: Condition, other: Condition) -> bool:
    """Return whether any facts meet a group if either of two of its conditions were enough."""
    rest = [item for item in flat(group) or () if item is not one and item is not other]
    region = [*space.part_region(one), *space.part_region(other)]
    for item in rest:
        region = space.meet(region, space.part_region(item))
    either = Group(Mode.ANY, (one, other), "")
    return not space.is_covered(region, [], _all_of([either, *rest]))


def _conflict(space: Space, group: Group) -> list[Item]:
    """Return the one condition that never holds, or two that never hold together; empty where it takes more."""
    items = flat(group)
    if items is None:
        return []
    regions = [space.part_region(item) for item in items]
    for item, region in zip(items, regions, strict=True):
        if space.is_covered(region, [], _all_of([item])):
            return [item]
    for place, first in enumerate(items):
        for other in range(place + 1, len(items)):
            common = space.meet(regions[place], regions[other])
            if space.is_covered(common, [], _all_of([first, items[other]])):
                return [first, items[other]]
    return []


def _all_of(items: Sequence[Item]) -> Check:
    return fits(Group(Mode.ALL, tuple(items), ""))
