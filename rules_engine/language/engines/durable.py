"""durable_rules, the Rete engine, inside guards. The only file that imports it.

The C extension is driven directly: `durable.engine.Host` crashes with threads and cannot replace a ruleset. What the
extension gets is always small and whole: integers under keys of our own, at most 60 leaf conditions a handle, never
a text or a list. Texts that are compared for equality become small codes; whatever it cannot do, or does wrongly
(sets, text operators, lists, emptiness), is computed here and handed over as 0 or 1.
"""

import json
import os
import threading
from dataclasses import dataclass, field
from itertools import count
from math import prod
from typing import Any

from rules_engine.language.engines.base import Facts, Predicate
from rules_engine.language.engines.native import compile_group
from rules_engine.language.errors import EngineFailure
from rules_engine.language.kinds import ORDERED_TYPES, FieldType
from rules_engine.language.model import Condition, FieldRef, Group, Mode, Rule, Ruleset
from rules_engine.language.vocabulary import FIELDS

try:
    import durable_rules_engine as _kernel
except ImportError:  # not installed, or Python 3.13 and later, where it cannot be loaded
    _kernel = None

LIMIT_LEAVES = 60
"""Leaf conditions a handle: 64 matched nodes overflow its buffers."""
LIMIT_GROUPS = 14
"""Groups a rule, ours included: sixteen are refused with error 113."""
LIMIT_PATHS = 64
"""An `$or` fires once per true branch, and branches of several `$or` multiply: ten of four fire a million times."""

_OPERATORS = {"is_not": "$neq", "lt": "$lt", "le": "$lte", "gt": "$gt", "ge": "$gte"}
_NEGATED = {"is": "is_not", "is_not": "is", "lt": "ge", "le": "gt", "gt": "le", "ge": "lt"}
_CODED = frozenset({FieldType.TEXT, FieldType.CHOICE, FieldType.REFERENCE})
_CATCH_ALL = "~all"
_SESSION = "1"

Json = dict[str, Any]


def available() -> bool:
    """Return whether the C extension can be used in this Python."""
    return _kernel is not None


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A condition in the extension's form, and its size. `paths` bounds how often it can fire on one fact."""

    expression: Json
    leaves: int = 1
    groups: int = 0
    paths: int = 1

    @property
    def within_limits(self) -> bool:
        return self.leaves <= LIMIT_LEAVES and self.groups <= LIMIT_GROUPS and self.paths <= LIMIT_PATHS


@dataclass(slots=True)
class _Properties:
    """The properties of a shard's fact: what is computed from the facts of a decision, under which key."""

    values: dict[str, str] = field(default_factory=dict)
    empties: dict[str, str] = field(default_factory=dict)
    codes: dict[str, dict[str, int]] = field(default_factory=dict)
    computed: list[tuple[str, Predicate]] = field(default_factory=list)

    def value(self, key: str) -> str:
        return self.values.setdefault(key, f"v{len(self.values)}")

    def empty(self, key: str) -> str:
        return self.empties.setdefault(key, f"e{len(self.empties)}")

    def code(self, key: str, text: str) -> int:
        """Return the number that stands for a text of this field; 0 is left for all texts that no rule names."""
        codes = self.codes.setdefault(key, {})
        return codes.setdefault(text, len(codes) + 1)

    def verdict(self, condition: Condition) -> str:
        name = f"c{len(self.computed)}"
        self.computed.append((name, compile_group(Group(Mode.ALL, (condition,), condition.path))))
        return name

    def encode(self, facts: Facts) -> str:
        """Return the members of the JSON object to assert; an empty field has no value property."""
        members = []
        for key, name in self.values.items():
            value = facts.get(key)
            if isinstance(value, str):
                value = self.codes.get(key, {}).get(value, 0)
            if value is not None:
                members.append(f'"{name}":{int(value)}')  # type: ignore[arg-type]  # lists get no value property
        members += [f'"{name}":{int(facts.get(key) is None)}' for key, name in self.empties.items()]
        members += [f'"{name}":{int(holds(facts))}' for name, holds in self.computed]
        return ",".join(members)


class _Shard:
    """One handle of the extension: some rules of a ruleset, asked under a lock."""

    def __init__(self, kernel: Any, rules: list[tuple[int, Json]], properties: _Properties) -> None:
        definition: Json = {
            # Without a rule that every fact matches, freeing the state of the session crashes.
            _CATCH_ALL: {"all": [{"m": {"_t": 1}}], "pri": 65_000}
        }
        for index, expression in rules:
            definition[str(index)] = {"all": [{"m": expression}], "pri": index}
        self._kernel = kernel
        self._encode = properties.encode
        self._ids = count(1)
        self._lock = threading.Lock()
        self._asked = False
        self._handle = kernel.create_ruleset("s", json.dumps(definition))

    def matching(self, facts: Facts) -> set[int]:
        """Return the indices of the rules that matched."""
        found: set[int] = set()
        members = self._encode(facts)
        with self._lock:
            if self._handle is None:
                raise EngineFailure(detail="the handle is closed")
            # A fact with an id that was seen before is refused as "already observed".
            fact = f'{{{members}{"," if members else ""}"_t":1,"sid":"{_SESSION}","id":{next(self._ids)}}}'
            self._asked = True
            outcome, state = self._kernel.assert_fact(self._handle, fact)
            try:
                if outcome != 0:
                    raise EngineFailure(detail=f"assert_fact returned {outcome}")
                first = self._kernel.start_action_for_state(self._handle, state)
                message = first[1] if first else None
                while message:
                    name = message[2 : message.index('"', 2)]
                    if name != _CATCH_ALL:
                        found.add(int(name))
                    message = self._kernel.complete_and_start_action(self._handle, state)
            finally:
                self._kernel.retract_fact(self._handle, fact)
        return found

    def close(self) -> None:
        """Free the handle; the state of its session too, or deleting the ruleset leaks half a megabyte."""
        with self._lock:
            if self._handle is not None:
                if self._asked:
                    self._kernel.delete_state(self._handle, _SESSION)
                self._kernel.delete_ruleset(self._handle)
                self._handle = None


class DurableEngine:
    """Asks durable_rules which enabled rules match. Raises EngineFailure where it cannot be used.

    `native_only` names the rules past its limits; they are evaluated natively inside the same answer. Handles are
    this process's own: after a fork they are built anew. `close` frees them; without it each leaks some 160 kB.
    """

    name = "durable"

    def __init__(self, ruleset: Ruleset) -> None:
        if _kernel is None:
            raise EngineFailure(detail="durable_rules cannot be imported")
        self._kernel: Any = _kernel
        self._rules = tuple(rule for rule in ruleset.rules if rule.enabled)
        self._native: dict[int, Predicate] = {}
        self._build_lock = threading.Lock()
        self._pid = -1
        self._shards: list[_Shard] = []
        self._ready()

    @property
    def native_only(self) -> tuple[str, ...]:
        """The ids of the enabled rules that are too large for the extension, in order."""
        return tuple(self._rules[index].id for index in sorted(self._native))

    @property
    def shard_count(self) -> int:
        return len(self._shards)

    def matching(self, facts: Facts) -> tuple[str, ...]:
        """Return the ids of the enabled rules whose conditions hold, in the order of the ruleset.

        Raises EngineFailure when the extension fails; the handles are dropped and built anew at the next call.
        """
        found = {index for index, holds in self._native.items() if holds(facts)}
        try:
            for shard in self._ready():
                found |= shard.matching(facts)
        except EngineFailure:
            self._drop()
            raise
        except Exception as problem:  # whatever C raises: the handle cannot be trusted any more
            self._drop()
            raise EngineFailure(detail=f"{type(problem).__name__}: {problem}") from problem
        return tuple(self._rules[index].id for index in sorted(found))

    def close(self) -> None:
        """Free the handles of this process; a later call of `matching` builds new ones."""
        with self._build_lock:
            shards, self._shards = self._shards, []
            owner, self._pid = self._pid, -1
        if owner == os.getpid():
            for shard in shards:
                shard.close()

    def _drop(self) -> None:
        # Freeing a handle that has just failed may crash: it is left to leak.
        with self._build_lock:
            self._shards, self._pid = [], -1

    def _ready(self) -> list[_Shard]:
        if self._pid != os.getpid():
            with self._build_lock:
                if self._pid != os.getpid():
                    self._shards = self._build()
                    self._pid = os.getpid()
        return self._shards

    def _build(self) -> list[_Shard]:
        shards: list[_Shard] = []
        rules: list[tuple[int, Json]] = []
        properties, leaves = _Properties(), 0
        for index, rule in enumerate(self._rules):
            form = _fitting(rule)
            if form is None:
                if rule.when is not None:
                    self._native[index] = compile_group(rule.when)
                continue
            if leaves + form.leaves > LIMIT_LEAVES:
                shards.append(self._shard(rules, properties))
                rules, properties, leaves = [], _Properties(), 0
            rules.append((index, _compile(rule, properties, plain=form.plain).expression))
            leaves += form.leaves
        if rules:
            shards.append(self._shard(rules, properties))
        return shards

    def _shard(self, rules: list[tuple[int, Json]], properties: _Properties) -> _Shard:
        try:
            return _Shard(self._kernel, rules, properties)
        except Exception as problem:  # whatever C raises on a definition
            raise EngineFailure(detail=f"{type(problem).__name__}: {problem}") from problem


@dataclass(frozen=True, slots=True)
class _Form:
    """How a rule goes to the extension. `plain`: what needs a group of its own there is computed here instead."""

    leaves: int
    plain: bool


def _fitting(rule: Rule) -> _Form | None:
    """Return the form in which a rule keeps within the extension's limits, None where neither does."""
    for plain in (False, True):
        size = _compile(rule, _Properties(), plain=plain)
        if size.within_limits:
            return _Form(size.leaves, plain)
    return None


def _compile(rule: Rule, properties: _Properties, *, plain: bool) -> _Compiled:
    typed = _Compiled({"_t": 1}, leaves=0)
    if rule.when is None:
        return _Compiled(typed.expression)
    return _joined("$and", [typed, _item(rule.when, True, properties, plain)])


def _item(item: Condition | Group, wanted: bool, properties: _Properties, plain: bool) -> _Compiled:
    """Return the expression that holds when the truth of the item is `wanted`; negation goes to the leaves."""
    if isinstance(item, Condition):
        leaf = _leaf(item, wanted, properties)
        if leaf is None or (plain and leaf.groups):
            leaf = _Compiled({properties.verdict(item): int(wanted)})
        return leaf
    inner = wanted is not (item.mode is Mode.NONE)
    kind = "$and" if (item.mode is Mode.ALL) is inner else "$or"
    return _joined(kind, [_item(member, inner, properties, plain) for member in item.items])


def _joined(kind: str, parts: list[_Compiled]) -> _Compiled:
    """Return one group of the parts; a part that is a group of the same kind is dissolved in it."""
    if len(parts) == 1:
        return parts[0]
    members: list[Json] = []
    groups = 1
    for part in parts:
        same = part.expression.get(kind)
        members += [part.expression] if same is None else same
        groups += part.groups if same is None else part.groups - 1
    paths = [part.paths for part in parts]
    return _Compiled(
        {kind: members},
        leaves=sum(part.leaves for part in parts),
        groups=groups,
        paths=prod(paths) if kind == "$and" else sum(paths),
    )


def _leaf(condition: Condition, wanted: bool, properties: _Properties) -> _Compiled | None:
    """Return one condition for the extension, None where it has to be computed here."""
    key, op, value = condition.field, condition.op, condition.value
    if op in ("is_empty", "is_filled"):
        return _Compiled({properties.empty(key): int((op == "is_empty") is wanted)})
    right = _right(condition, properties)
    if right is None:
        return None
    name = properties.value(key)
    if op == "between" and isinstance(value, tuple):
        low, high = value
        if wanted:
            return _Compiled({"$and": [{"$gte": {name: low}}, {"$lt": {name: high}}]}, leaves=2, groups=1)
        outside = [{"$lt": {name: low}}, {"$gte": {name: high}}, {properties.empty(key): 1}]
        return _Compiled({"$or": outside}, leaves=3, groups=1)
    # A missing right field makes the extension's comparison true; ours is false.
    other = properties.empty(value.field) if isinstance(value, FieldRef) else None
    if wanted:
        test = _test(op, name, right)
        if other is None:
            return _Compiled(test)
        return _Compiled({"$and": [{other: 0}, test]}, leaves=2, groups=1)
    branches = [_test(_NEGATED[op], name, right), {properties.empty(key): 1}]
    if other is None:
        # The two exclude each other, so the group still fires once.
        return _Compiled({"$or": branches}, leaves=2, groups=1)
    return _Compiled({"$or": [*branches, {other: 1}]}, leaves=3, groups=1, paths=3)


def _right(condition: Condition, properties: _Properties) -> Any:
    """Return the right side for the extension; None where the condition has to be computed here."""
    value, kind = condition.value, FIELDS[condition.field].type
    if condition.op not in _NEGATED and condition.op != "between":
        return None
    if isinstance(value, FieldRef):
        comparable = kind in ORDERED_TYPES or kind is FieldType.BOOLEAN
        return {"$m": properties.value(value.field)} if comparable else None
    if isinstance(value, str) and kind in _CODED:
        return properties.code(condition.field, value)
    if isinstance(value, int):
        return int(value)
    return value if isinstance(value, tuple) else None


def _test(op: str, name: str, right: Any) -> Json:
    if op == "is":
        return {name: right}
    return {_OPERATORS[op]: {name: right}}
