"""Two rules that could be one: neighbours that do the same and differ in one condition that can be joined."""

import json
from collections.abc import Iterator
from typing import Any

from rules_engine.language.analysis.finding import Finding, FindingKind, Severity, finding_key
from rules_engine.language.analysis.fixes import Fix, FixKind, fixed
from rules_engine.language.analysis.ground import Ground, Item, both, differ, fits
from rules_engine.language.errors import BadValue, RulesetInvalid
from rules_engine.language.kinds import ORDERED_TYPES, FieldType, HitPolicy, MovedBy
from rules_engine.language.model import Condition, FieldRef, Group, Mode, Rule
from rules_engine.language.ruleset import parse, to_json
from rules_engine.language.values import parse as parse_value
from rules_engine.language.vocabulary import FIELDS, OPERATORS, Field

Written = dict[str, Any]


def mergeable(ground: Ground, rule: Rule) -> Iterator[Finding]:
    """Yield the finding of a rule that could be one with its upper neighbour."""
    place = ground.place[rule.id]
    if place == 0:
        return
    upper = ground.rules[place - 1]
    if (
        ground.outcomes[upper.id] != ground.outcomes[rule.id]
        or not ground.regions.get(upper.id)
        or not ground.regions.get(rule.id)
    ):
        return
    differing = _difference(upper.when, rule.when)
    if differing is None:
        return
    one, other = differing
    written = joined(one, other)
    if written is None or not _may_be_one(ground, upper, rule, one):
        return
    path = one.path.removeprefix(upper.path)
    fix = Fix(FixKind.MERGE, upper.id, other=rule.id, path=path, written=json.dumps(written, ensure_ascii=False))
    whole = _merged(ground, upper, rule, fix)
    if whole is None:
        return
    upper_fits, rule_fits, whole_fits = fits(upper.when), fits(rule.when), fits(whole)
    test = both(differ(upper_fits, rule_fits), whole_fits)
    above, own = ground.regions[upper.id], ground.regions[rule.id]
    fields = ground.fields_of_rules([rule.id, upper.id])
    example = ground.space.example(own, above, fields, test) or ground.space.example(above, own, fields, test)
    if example is None:
        return
    yield Finding(
        FindingKind.MERGEABLE,
        Severity.INFORMATION,
        rule.id,
        (upper.id,),
        other.path.removeprefix(rule.path),
        finding_key(FindingKind.MERGEABLE, ground.ruleset, [rule.id, upper.id]),
        ground.ruleset.decision,
        example=example,
        fix=fix,
        conditions=(one, other),
    )


def joined(one: Condition, other: Condition) -> Written | None:
    """Return a condition that holds where either of the two does, as JSON; None where no single one does."""
    field = FIELDS[one.field]
    if one.field != other.field or isinstance(one.value, FieldRef) or isinstance(other.value, FieldRef):
        return None
    ops = {one.op, other.op}
    if field.type is FieldType.BOOLEAN:
        both = {one.value is (one.op == "is"), other.value is (other.op == "is")}
        return {"field": field.key, "op": "is_filled"} if ops <= {"is", "is_not"} and len(both) == 2 else None
    if ops <= {"is", "in"} and field.type in OPERATORS["in"].types:
        return {"field": field.key, "op": "in", "value": _together(field, one, other)}
    if ops == {"has_any"}:
        return {"field": field.key, "op": "has_any", "value": _together(field, one, other)}
    return _one_range(field, one, other) if field.type in ORDERED_TYPES else None


def _together(field: Field, one: Condition, other: Condition) -> list[object]:
    """Return the values of both as they were written, each once."""
    found: dict[object, object] = {}
    for value in (*one.written_values(), *other.written_values()):
        try:
            canonical = parse_value(field, [value] if field.type is FieldType.LIST else value)
        except BadValue:
            canonical = str(value)
        found.setdefault(canonical, value)
    return list(found.values())


def _one_range(field: Field, one: Condition, other: Condition) -> Written | None:
    ranges = [_range(condition) for condition in (one, other)]
    if None in ranges:
        return None
    (low, low_end), (high, high_end) = sorted(
        (pair for pair in ranges if pair is not None), key=lambda pair: (pair[0] is not None, pair[0] or 0)
    )
    if low_end is not None and high is not None and high > low_end:
        return None
    end = None if low_end is None or high_end is None else max(low_end, high_end)
    if low is None and end is None:
        return {"field": field.key, "op": "is_filled"}
    written = _same_bound(field, (one, other), low, end)
    if written is not None:
        return written
    first, second = _as_written((one, other), low), _as_written((one, other), end)
    if first is None or second is None:
        return None
    return {"field": field.key, "op": "between", "value": [first, second]}


def _same_bound(field: Field, pair: tuple[Condition, Condition], low: int | None, end: int | None) -> Written | None:
    """Return the range that is bounded on one side, or the same as one of the two, in the words used there."""
    for condition in pair:
        if _range(condition) == (low, end) and condition.op != "is":
            return {"field": field.key, "op": condition.op, "value": json.loads(condition.written)}
    for op, bound, beyond in (("ge", low, end), ("lt", end, low)):
        written = _as_written(pair, bound)
        if beyond is None and written is not None:
            return {"field": field.key, "op": op, "value": written}
    return None


def _as_written(pair: tuple[Condition, Condition], bound: int | None) -> object | None:
    """Return a bound as one of the two conditions writes it; None for the number next to what is written."""
    for condition in pair:
        values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
        for value, written in zip(values, condition.written_values(), strict=True):
            if value == bound:
                return written
    return None


def _range(condition: Condition) -> tuple[int | None, int | None] | None:
    """Return from where up to where (not included) a condition holds."""
    value = condition.value
    if condition.op == "between" and isinstance(value, tuple):
        first, second = value
        return (first, second) if isinstance(first, int) and isinstance(second, int) else None
    if not isinstance(value, int):
        return None
    bounds: dict[str, tuple[int | None, int | None]] = {
        "lt": (None, value),
        "le": (None, value + 1),
        "gt": (value + 1, None),
        "ge": (value, None),
        "is": (value, value + 1),
    }
    return bounds.get(condition.op)


def _difference(one: Group | None, other: Group | None) -> tuple[Condition, Condition] | None:
    """Return the only two conditions in which two groups differ."""
    if one is None or other is None or one.mode is not other.mode or len(one.items) != len(other.items):
        return None
    if one.mode is not Mode.ALL and len(one.items) > 1:
        return None
    left = {_shape(item): item for item in one.items}
    right = {_shape(item): item for item in other.items}
    first = [item for shape, item in left.items() if shape not in right]
    second = [item for shape, item in right.items() if shape not in left]
    if one.mode is Mode.NONE or len(first) != 1 or len(second) != 1:
        return None
    if isinstance(first[0], Condition) and isinstance(second[0], Condition):
        return first[0], second[0]
    return None


def _shape(item: Item) -> tuple[object, ...]:
    if isinstance(item, Condition):
        return item.field, item.op, item.value
    return item.mode, *(_shape(member) for member in item.items)


def _may_be_one(ground: Ground, upper: Rule, rule: Rule, condition: Condition) -> bool:
    """Return whether one rule would act like two.

    With `collect` both act where both match, and as time goes by each fires for itself: only rules that exclude each
    other by something that stands still are one.
    """
    if ground.ruleset.hit_policy is HitPolicy.FIRST:
        return True
    common = ground.space.meet(ground.regions[upper.id], ground.regions[rule.id])
    return FIELDS[condition.field].moved_by is not MovedBy.WITH_TIME and ground.space.is_covered(
        common, [], ground.check([upper.id, rule.id])
    )


def _merged(ground: Ground, upper: Rule, rule: Rule, fix: Fix) -> Group | None:
    """Return the conditions of the joined rule, None where they are not what the two say together."""
    document = to_json(ground.ruleset)
    rules: Any = document["rules"]
    pair = [one for one in rules if one.get("id") in (upper.id, rule.id)]
    try:
        made = parse(fixed({**document, "rules": pair, "cases": []}, fix)).rules[0].when
    except RulesetInvalid:
        return None
    if made is None:
        return None
    region = ground.space.region(made)
    above, own = ground.regions[upper.id], ground.regions[rule.id]
    whole, parts = fits(made), (fits(upper.when), fits(rule.when))
    test = differ(whole, lambda facts: any(part(facts) for part in parts))
    space = ground.space
    is_same = space.is_covered(region, [*above, *own], test) and space.is_covered([*above, *own], region, test)
    return made if is_same else None
