"""What every check of a ruleset stands on: its enabled rules, where each matches, and the engine's test of each."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date

from rules_engine.language.analysis.boxes import Budget
from rules_engine.language.analysis.space import Check, Region, Space
from rules_engine.language.engines.native import compile_group
from rules_engine.language.model import Condition, FieldRef, Group, Mode, Rule, Ruleset
from rules_engine.language.references import References
from rules_engine.language.values import Facts

Item = Condition | Group
_WIDE_POOLS = frozenset({"everyone", "team", "skill"})


class Ground:
    """The enabled rules of a ruleset. `regions` holds those that were worked out; a contradiction's is empty.

    `behind` are the rules all of whose matches meet a rule above first; `outcomes` say what each does.
    """

    def __init__(self, ruleset: Ruleset, *, today: date, names: References | None, budget: Budget) -> None:
        self.ruleset = ruleset
        self.today = today
        self.names = names
        self.budget = budget
        self.rules = tuple(rule for rule in ruleset.rules if rule.enabled)
        self.place = {rule.id: place for place, rule in enumerate(self.rules)}
        conditions = (condition for rule in self.rules if rule.when for condition in rule.when.conditions())
        self.space = Space(conditions, today=today, names=names, budget=budget)
        self.regions: dict[str, Region] = {}
        self.behind: set[str] = set()
        self._matches = {rule.id: fits(rule.when) for rule in self.rules}
        self.fields = {rule.id: fields_of(rule.when) for rule in self.rules}
        self.outcomes = {rule.id: tuple(action.written for action in rule.then) for rule in self.rules}
        self._firm = {rule.id for rule in self.rules if is_firm(rule)}

    def region_of(self, rule: Rule) -> Region:
        """Return where a rule matches, worked out once. Raises TooWide."""
        if rule.id not in self.regions:
            self.regions[rule.id] = self.space.region(rule.when)
        return self.regions[rule.id]

    def earlier(self, rule: Rule) -> list[Rule]:
        """Return the rules above this one whose region is known, the top one first."""
        return [other for other in self.rules[: self.place[rule.id]] if self.regions.get(other.id)]

    def firm_earlier(self, rule: Rule) -> list[Rule]:
        """Return those of them that are passed over only when nobody at all of a whole group can take anything."""
        return [other for other in self.earlier(rule) if other.id in self._firm]

    def union(self, rules: Iterable[Rule]) -> Region:
        """Return where any of these rules matches, as far as is known."""
        return [box for rule in rules for box in self.regions.get(rule.id, ())]

    def check(self, yes: Iterable[str], no: Iterable[str] = ()) -> Check:
        """Return a test whether the engine lets all of `yes` match and none of `no`."""
        wanted, unwanted = tuple(yes), tuple(no)

        def holds(facts: Facts) -> bool:
            matches = self._matches
            return all(matches[one](facts) for one in wanted) and not any(matches[one](facts) for one in unwanted)

        return holds

    def fields_of_rules(self, ids: Iterable[str]) -> list[str]:
        """Return the fields that these rules look at, in the order in which the rules name them."""
        return list(dict.fromkeys(field for rule_id in ids for field in self.fields.get(rule_id, ())))

    def fewest(self, rules: Sequence[Rule], covers: Callable[[Sequence[Rule]], bool]) -> list[Rule]:
        """Return some of `rules`, all of which are needed for `covers` to hold; it holds of all of them together.

        The last of those named is the first one in order that completes a cover.
        """
        low, high = 0, len(rules)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if covers(rules[:middle]) else (middle, high)
        last = rules[high - 1]
        if covers([last]):
            return [last]
        kept = list(rules[: high - 1])
        for rule in list(reversed(kept)):
            left = [other for other in kept if other is not rule]
            if covers([*left, last]):
                kept = left
        return [*kept, last]


def fields_of(group: Group | None) -> tuple[str, ...]:
    """Return the fields that a group looks at, in its order, without repetition."""
    found: list[str] = []
    for condition in group.conditions() if group else ():
        found.append(condition.field)
        if isinstance(condition.value, FieldRef):
            found.append(condition.value.field)
    return tuple(dict.fromkeys(found))


def is_firm(rule: Rule) -> bool:
    """Return whether a rule is passed over only when nobody at all of a whole group can take anything."""
    if is_certain(rule):
        return True
    for action in rule.then:
        if action.name == "assign":
            return action.group() is None and any(pool.name in _WIDE_POOLS for pool in action.pools())
    return False


def is_certain(rule: Rule) -> bool:
    """Return whether a rule that matches always acts."""
    return any(action.name == "leave_unassigned" for action in rule.then)


def waits(rule: Rule) -> bool:
    """Return whether a rule holds a request for an absent person."""
    return any(action.text("if_absent") == "wait" for action in rule.then)


def nodes(group: Group) -> Iterator[Item]:
    """Yield every condition and every inner group, the last one first, a group before what is in it."""
    for item in reversed(group.items):
        yield item
        if isinstance(item, Group):
            yield from nodes(item)


def without(group: Group, node: Item) -> Group | None:
    """Return the group without one of its nodes, and without groups that it leaves empty; None: nothing is left."""
    items: list[Item] = []
    for item in group.items:
        if item is node:
            continue
        if isinstance(item, Group) and node.path.startswith(f"{item.path}/"):
            inner = without(item, node)
            if inner is not None:
                items.append(inner)
        else:
            items.append(item)
    return Group(group.mode, tuple(items), group.path) if items else None


def flat(group: Group) -> list[Item] | None:
    """Return the items that must all hold; None where the group is not a plain “all”."""
    if group.mode is Mode.NONE or (group.mode is Mode.ANY and len(group.items) > 1):
        return None
    found: list[Item] = []
    for item in group.items:
        inner = flat(item) if isinstance(item, Group) else None
        found += inner if inner is not None else [item]
    return found


def differ(first: Check, second: Check) -> Check:
    """Return a test whether facts meet just one of two."""
    return lambda facts: first(facts) is not second(facts)


def both(first: Check, second: Check) -> Check:
    """Return a test whether facts meet both."""
    return lambda facts: first(facts) and second(facts)


def fits(group: Group | None) -> Check:
    """Return a test whether facts meet a group; all do where there is none."""
    if group is None:
        return lambda facts: True
    compiled: list[Check] = []

    def holds(facts: Facts) -> bool:
        # Only when asked: most questions are answered by boxes alone.
        if not compiled:
            compiled.append(compile_group(group))
        return compiled[0](facts)

    return holds
