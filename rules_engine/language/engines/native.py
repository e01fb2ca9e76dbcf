"""The reference engine: conditions become a Python AST that we build ourselves, compiled once a ruleset.

Only constants and names of our own enter the tree; no text of a user is ever parsed. Nested closures would cost
four to ten times as much.
"""

import ast
import json
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, cast

from rules_engine.language.engines.base import Facts, FailedCondition, Predicate, RuleTrace
from rules_engine.language.kinds import FieldType
from rules_engine.language.model import Condition, FieldRef, Group, Mode, Rule, Ruleset
from rules_engine.language.vocabulary import FIELDS

_COMPARE: dict[str, type[ast.cmpop]] = {
    "is": ast.Eq,
    "is_not": ast.NotEq,
    "lt": ast.Lt,
    "le": ast.LtE,
    "gt": ast.Gt,
    "ge": ast.GtE,
}
_BUILTINS = {"frozenset": frozenset, "tuple": tuple, "__builtins__": {}}


class NativeEngine:
    """Evaluates the enabled rules of one ruleset; safe to share between threads and after a fork."""

    name = "native"

    def __init__(self, ruleset: Ruleset) -> None:
        self._rules = tuple(rule for rule in ruleset.rules if rule.enabled)
        self._matching = _compile_matching(self._rules)

    def matching(self, facts: Facts) -> tuple[str, ...]:
        """Return the ids of the enabled rules whose conditions hold, in the order of the ruleset."""
        return self._matching(facts)

    def explain(self, facts: Facts) -> tuple[RuleTrace, ...]:
        """Return for each enabled rule whether it matched, and the first condition that failed where not."""
        traces = []
        for rule in self._rules:
            failed = first_failed(rule.when, facts) if rule.when else None
            traces.append(RuleTrace(rule.id, failed is None, failed))
        return tuple(traces)


@lru_cache(maxsize=4096)
def compile_group(group: Group) -> Predicate:
    """Return a predicate on facts that holds when the group does: `among` on the facts of one candidate."""
    names = _Names()
    test = _group(group, names)
    return cast(Predicate, _function(names, [ast.Return(test)]))


def first_failed(group: Group, facts: Facts) -> FailedCondition | None:
    """Return the first condition because of which the group does not hold, None when it holds."""
    found = _unmet(group, facts, wanted=True)
    if found is None:
        return None
    condition, wanted = found
    return FailedCondition(
        path=condition.path,
        field=condition.field,
        op=condition.op,
        value=json.loads(condition.written),
        seen=facts.get(condition.field),
        unwanted=not wanted,
    )


def _unmet(item: Condition | Group, facts: Facts, *, wanted: bool) -> tuple[Condition, bool] | None:
    """Return a condition that explains why the item's truth is not `wanted`, and the truth it should have had."""
    if isinstance(item, Condition):
        return None if _probe(item)(facts) is wanted else (item, wanted)
    inner = wanted is not (item.mode is Mode.NONE)
    if (item.mode is Mode.ALL) is inner:
        # All true, or none true: the first member that is otherwise is the reason.
        for member in item.items:
            found = _unmet(member, facts, wanted=inner)
            if found is not None:
                return found
        return None
    first = None
    for member in item.items:
        found = _unmet(member, facts, wanted=inner)
        if found is None:
            return None
        first = first or found
    return first


@lru_cache(maxsize=40_000)
def _probe(condition: Condition) -> Predicate:
    names = _Names()
    test = _condition(condition, names)
    return cast(Predicate, _function(names, [ast.Return(test)]))


class _Names:
    """Gives each field one local variable, loaded once a call."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}

    def load(self, field: str) -> ast.Name:
        return ast.Name(self.fields.setdefault(field, f"v{len(self.fields)}"), ast.Load())


def _compile_matching(rules: Iterable[Rule]) -> Callable[[Facts], tuple[str, ...]]:
    names = _Names()
    body: list[ast.stmt] = [_assign("found", ast.List([], ast.Load()))]
    for rule in rules:
        hit = ast.Expr(_call(ast.Attribute(_name("found"), "append", ast.Load()), ast.Constant(rule.id)))
        body.append(ast.If(_group(rule.when, names), [hit], []) if rule.when else hit)
    body.append(ast.Return(_call(_name("tuple"), _name("found"))))
    return cast(Callable[[Facts], tuple[str, ...]], _function(names, body))


def _function(names: _Names, body: list[ast.stmt]) -> Callable[[Facts], Any]:
    """Return `def matching(facts)` that loads every field once and then runs the body."""
    get = ast.Attribute(_name("facts"), "get", ast.Load())
    loads: list[ast.stmt] = [_assign("get", get)] if names.fields else []
    loads += [_assign(name, _call(_name("get"), ast.Constant(key))) for key, name in names.fields.items()]
    arguments = ast.arguments([], [ast.arg("facts")], None, [], [], None, [])
    function = ast.FunctionDef("matching", arguments, [*loads, *body], [], None)
    module = ast.fix_missing_locations(ast.Module([function], []))
    space: dict[str, Any] = dict(_BUILTINS)
    exec(compile(module, "<ruleset>", "exec"), space)
    return cast(Callable[[Facts], Any], space["matching"])


def _group(group: Group, names: _Names) -> ast.expr:
    tests = [_condition(item, names) if isinstance(item, Condition) else _group(item, names) for item in group.items]
    operator = ast.And() if group.mode is Mode.ALL else ast.Or()
    joined = tests[0] if len(tests) == 1 else ast.BoolOp(operator, tests)
    return ast.UnaryOp(ast.Not(), joined) if group.mode is Mode.NONE else joined


def _condition(condition: Condition, names: _Names) -> ast.expr:
    """Return the test of one condition; it is False on an empty field, and never an error."""
    left = names.load(condition.field)
    op, value = condition.op, condition.value
    if op in ("is_empty", "is_filled"):
        return _compare(left, ast.Is if op == "is_empty" else ast.IsNot, ast.Constant(None))
    if isinstance(value, FieldRef):
        right = names.load(value.field)
        return ast.BoolOp(ast.And(), [_filled(left), _filled(right), _fieldwise(condition, left, right)])
    if isinstance(value, bool):
        # Canonical booleans are the two constants: "not true" of a filled field is false.
        return _compare(left, ast.Is, ast.Constant(value is (op == "is")))
    if isinstance(value, frozenset):
        return _with_set(op, left, value, FIELDS[condition.field].type is FieldType.LIST)
    if op == "is":
        return _compare(left, ast.Eq, ast.Constant(cast(Any, value)))
    return ast.BoolOp(ast.And(), [_filled(left), _with_constant(op, left, value)])


def _with_set(op: str, left: ast.expr, value: frozenset[Any], is_list: bool) -> ast.expr:
    constant = ast.Constant(cast(Any, value))
    if op == "in":
        return _compare(left, ast.In, constant)
    if op == "not_in":
        test = _compare(left, ast.NotIn, constant)
    elif op == "has_any":
        test = ast.UnaryOp(ast.Not(), _call(ast.Attribute(constant, "isdisjoint", ast.Load()), left))
    elif op == "has_all":
        test = _call(ast.Attribute(constant, "issubset", ast.Load()), left)
    elif is_list:
        test = _compare(_call(_name("frozenset"), left), _COMPARE[op], constant)
    else:
        raise ValueError(op)
    return ast.BoolOp(ast.And(), [_filled(left), test])


def _with_constant(op: str, left: ast.expr, value: object) -> ast.expr:
    if op == "between" and isinstance(value, tuple):
        first, second = value
        return ast.Compare(ast.Constant(first), [ast.LtE(), ast.Lt()], [left, ast.Constant(second)])
    constant = ast.Constant(cast(Any, value))
    if op == "contains":
        return _compare(constant, ast.In, left)
    if op == "starts_with":
        return _call(ast.Attribute(left, "startswith", ast.Load()), constant)
    return _compare(left, _COMPARE[op], constant)


def _fieldwise(condition: Condition, left: ast.expr, right: ast.expr) -> ast.expr:
    op = condition.op
    if op == "contains":
        return _compare(right, ast.In, left)
    if op == "starts_with":
        return _call(ast.Attribute(left, "startswith", ast.Load()), right)
    if FIELDS[condition.field].type is not FieldType.LIST:
        return _compare(left, _COMPARE[op], right)
    left_set, right_set = _call(_name("frozenset"), left), _call(_name("frozenset"), right)
    if op == "has_any":
        return ast.UnaryOp(ast.Not(), _call(ast.Attribute(left_set, "isdisjoint", ast.Load()), right))
    return _compare(left_set, ast.GtE if op == "has_all" else _COMPARE[op], right_set)


def _filled(name: ast.expr) -> ast.expr:
    return _compare(name, ast.IsNot, ast.Constant(None))


def _compare(left: ast.expr, operator: type[ast.cmpop], right: ast.expr) -> ast.expr:
    return ast.Compare(left, [operator()], [right])


def _call(function: ast.expr, *arguments: ast.expr) -> ast.expr:
    return ast.Call(function, list(arguments), [])


def _name(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _assign(name: str, value: ast.expr) -> ast.stmt:
    return ast.Assign([ast.Name(name, ast.Store())], value)
