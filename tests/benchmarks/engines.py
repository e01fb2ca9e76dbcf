"""Which rules match: native, durable_rules, zen-engine and hand-written Python on the same rules and the same facts.

`python -m tests.benchmarks.engines` prints microseconds a decision. Every contestant gets the same dictionaries and
must give the same answers first; rules have three conditions each, about one in nine matches. The hand-written
contestant is straight-line Python as a careful developer writes it, compiled from its source text.
"""

import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import zen

from rules_engine.language.engines.durable import DurableEngine, available
from rules_engine.language.engines.native import NativeEngine
from rules_engine.language.model import Ruleset
from rules_engine.language.ruleset import parse
from rules_engine.language.values import Canonical, parse_facts

SIZES = (10, 100, 1000)
FACTS = 200
Matching = Callable[[Mapping[str, Any]], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition in three spellings: of the rule language, of Python, of a zen decision table."""

    field: str
    document: dict[str, Any]
    python: str
    cell: str


@dataclass(frozen=True, slots=True)
class Rule:
    id: str
    conditions: tuple[Condition, ...]


def rules(count: int) -> list[Rule]:
    """Return so many rules, the same at every call."""
    chance = random.Random(count)
    makers = (_amount, _value, _minutes, _hour, _channel, _region, _status, _answered)
    return [Rule(f"r{number}", tuple(make(chance) for make in chance.sample(makers, 3))) for number in range(count)]


def facts() -> list[dict[str, Canonical]]:
    """Return the facts of so many requests in canonical form; about one field in ten is empty."""
    chance = random.Random(7)
    found = []
    for _ in range(FACTS):
        document: dict[str, Any] = {
            "request.amount": f"{chance.randrange(0, 200_000)}.00",
            "request.expected_value": f"{chance.randrange(0, 200_000)}.00",
            "request.working_minutes_since_received": chance.randrange(0, 960),
            "now.hour": chance.randrange(0, 24),
            "request.channel": chance.choice(_CHANNELS),
            "request.region": chance.choice(_REGIONS),
            "request.status": chance.choice(_STATUSES),
            "request.is_answered": chance.random() < 0.5,
        }
        found.append(parse_facts({key: value for key, value in document.items() if chance.random() > 0.1}))
    return found


def ruleset(given: list[Rule]) -> Ruleset:
    """Return the rules in the rule language; more than 500 are one ruleset here, which the checker would refuse."""
    parts = [parse(_document(given[start : start + 500])) for start in range(0, len(given), 500)]
    whole = parts[0]
    return Ruleset(
        whole.decision, whole.title, whole.hit_policy, tuple(rule for part in parts for rule in part.rules), (), ()
    )


def hand_written(given: list[Rule]) -> Matching:
    """Return a function as a careful developer would write it: each field read once, one `if` a rule."""
    fields = sorted({condition.field for rule in given for condition in rule.conditions})
    lines = ["def matching(facts):", "    get = facts.get", "    found = []"]
    lines += [f"    {_variable(field)} = get({field!r})" for field in fields]
    for rule in given:
        test = " and ".join(condition.python for condition in rule.conditions)
        lines += [f"    if {test}:", f"        found.append({rule.id!r})"]
    lines.append("    return tuple(found)")
    space: dict[str, Any] = {}
    exec(compile("\n".join(lines), "<hand-written>", "exec"), space)
    matching: Matching = space["matching"]
    return matching


def zen_table(given: list[Rule]) -> Matching:
    """Return zen-engine's answer from one decision table with a column a field, hit policy "collect"."""
    fields = sorted({condition.field for rule in given for condition in rule.conditions})
    inputs = [{"id": _variable(field), "name": field, "field": f'$root["{field}"]'} for field in fields]
    rows = []
    for rule in given:
        cells = {_variable(condition.field): condition.cell for condition in rule.conditions}
        rows.append({"_id": rule.id, **{one["id"]: cells.get(one["id"], "") for one in inputs}, "o": f'"{rule.id}"'})
    table = {
        "hitPolicy": "collect",
        "inputs": inputs,
        "outputs": [{"id": "o", "name": "o", "field": "id"}],
        "rules": rows,
    }
    place = {"x": 0, "y": 0}
    graph = {
        "nodes": [
            {"id": "in", "type": "inputNode", "name": "in", "position": place},
            {"id": "table", "type": "decisionTableNode", "name": "table", "position": place, "content": table},
            {"id": "out", "type": "outputNode", "name": "out", "position": place},
        ],
        "edges": [
            {"id": "a", "sourceId": "in", "targetId": "table", "type": "edge"},
            {"id": "b", "sourceId": "table", "targetId": "out", "type": "edge"},
        ],
    }
    decision = zen.ZenEngine().create_decision(json.dumps(graph))
    return lambda given_facts: tuple(row["id"] for row in decision.evaluate(given_facts)["result"])


def contestants(count: int) -> dict[str, Matching]:
    """Return every contestant for so many rules; durable is missing where it cannot be imported."""
    given = rules(count)
    compiled = ruleset(given)
    found: dict[str, Matching] = {"hand-written": hand_written(given), "native": NativeEngine(compiled).matching}
    if available():
        found["durable"] = DurableEngine(compiled).matching
    found["zen-engine"] = zen_table(given)
    return found


def disagreement(matching: Mapping[str, Matching], given: list[dict[str, Canonical]]) -> str | None:
    """Return who differs from the hand-written rules and on what, None where all agree on all facts."""
    for one in given:
        expected = matching["hand-written"](one)
        for name, ask in matching.items():
            if ask(one) != expected:
                return f"{name} differs on {one}"
    return None


def microseconds(ask: Matching, given: list[dict[str, Canonical]], seconds: float = 0.6) -> float:
    """Return the best of several rounds over all facts: other work on the machine only ever adds."""
    best = float("inf")
    end = time.perf_counter() + seconds
    while True:
        start = time.perf_counter()
        for one in given:
            ask(one)
        now = time.perf_counter()
        best = min(best, now - start)
        if now >= end:
            return best / len(given) * 1e6


def main() -> int:
    """Print the table; exit code 1 where a contestant gives another answer."""
    given = facts()
    table: dict[str, list[float]] = {}
    matched = []
    for count in SIZES:
        found = contestants(count)
        problem = disagreement(found, given)
        if problem is not None:
            print(problem)
            return 1
        matched.append(sum(len(found["native"](one)) for one in given) / len(given))
        for name, ask in found.items():
            table.setdefault(name, []).append(microseconds(ask, given))
    print("Which rules match: µs a decision (times the hand-written rules)")
    print(f"{'rules of 3 conditions':<22}" + "".join(f"{count:>20}" for count in SIZES))
    for name, times in table.items():
        cells = [
            f"{spent:,.1f} ({spent / base:.2f}×)" for spent, base in zip(times, table["hand-written"], strict=True)
        ]
        print(f"{name:<22}" + "".join(f"{cell:>20}" for cell in cells))
    print(f"{'matching on average':<22}" + "".join(f"{number:>20.1f}" for number in matched))
    native = table["native"][SIZES.index(100)]
    print(f"native at 100 rules: {table['zen-engine'][SIZES.index(100)] / native:.0f} times as fast as zen-engine")
    return 0


_CHANNELS = ["phone", "chat", "web", "email", "messenger"]
_REGIONS = ["москва", "казань", "томск", "омск", "псков"]
_STATUSES = ["new", "assigned", "in_progress", "waiting_client"]


def _variable(field: str) -> str:
    return field.replace(".", "_")


def _at_least(field: str, written: Any, canonical: int) -> Condition:
    name = _variable(field)
    return Condition(
        field,
        {"field": field, "op": "ge", "value": written},
        f"{name} is not None and {name} >= {canonical}",
        f">= {canonical}",
    )


def _one_of(field: str, values: list[str]) -> Condition:
    return Condition(
        field,
        {"field": field, "op": "in", "value": values},
        f"{_variable(field)} in {{{', '.join(map(repr, values))}}}",
        ", ".join(f'"{value}"' for value in values),
    )


def _amount(chance: random.Random) -> Condition:
    amount = chance.randrange(20_000, 180_000)
    return _at_least("request.amount", str(amount), amount * 100)


def _value(chance: random.Random) -> Condition:
    field, low = "request.expected_value", chance.randrange(0, 100_000)
    high = low + chance.randrange(50_000, 100_000)
    name = _variable(field)
    return Condition(
        field,
        {"field": field, "op": "between", "value": [str(low), str(high)]},
        f"{name} is not None and {low * 100} <= {name} < {high * 100}",
        f"[{low * 100}..{high * 100})",
    )


def _minutes(chance: random.Random) -> Condition:
    minutes = chance.randrange(60, 900)
    return _at_least("request.working_minutes_since_received", minutes, minutes)


def _hour(chance: random.Random) -> Condition:
    hour = chance.randrange(1, 22)
    return _at_least("now.hour", hour, hour)


def _channel(chance: random.Random) -> Condition:
    return _one_of("request.channel", chance.sample(_CHANNELS, 2))


def _region(chance: random.Random) -> Condition:
    return _one_of("request.region", chance.sample(_REGIONS, 3))


def _status(chance: random.Random) -> Condition:
    status = chance.choice(_STATUSES)
    field = "request.status"
    return Condition(
        field, {"field": field, "op": "is", "value": status}, f"{_variable(field)} == {status!r}", f'"{status}"'
    )


def _answered(chance: random.Random) -> Condition:
    field, wanted = "request.is_answered", chance.random() < 0.5
    return Condition(
        field, {"field": field, "op": "is", "value": wanted}, f"{_variable(field)} is {wanted}", str(wanted).lower()
    )


def _document(given: list[Rule]) -> dict[str, Any]:
    then = [{"action": "mark_late"}]
    return {
        "decision": "escalation",
        "hit_policy": "collect",
        "rules": [
            {"id": rule.id, "when": {"all": [condition.document for condition in rule.conditions]}, "then": then}
            for rule in given
        ],
    }


if __name__ == "__main__":
    raise SystemExit(main())
