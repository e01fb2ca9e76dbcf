"""How long the analysis of a ruleset takes, and how much the last rules cost beside the first.

`python -m tests.benchmarks.analysis` prints milliseconds of processor time for 50, 100 and 200 rules that look at two
to four of four fields, with bands that overlap as people write them. The promise: 200 rules in under a second.
"""

import random
import time
from collections import Counter
from dataclasses import dataclass
from datetime import date
from typing import Any

from rules_engine.language.analysis import Analysis, analyse
from rules_engine.language.engines.native import NativeEngine
from rules_engine.language.ruleset import parse
from rules_engine.language.values import Facts

SIZES = (50, 100, 200)
FIELDS = (2, 3, 4)
PROMISED_SECONDS = 1.0
_TODAY = date(2026, 11, 23)
_ROUNDS = 3
_CHANNELS = ["phone", "chat", "web", "email", "messenger"]
_REGIONS = [f"город {number}" for number in range(40)]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Measured:
    rules: int
    fields: int
    seconds: float
    compiling: float
    kinds: Counter[str]
    unchecked: int
    proved: bool


def document(rules: int, fields: int) -> Json:
    """Return an assignment of so many rules with so many conditions each, the same at every call."""
    chance = random.Random(rules * 10 + fields)
    makers = (_amount, _hour, _region, _channel)
    made = [
        {
            "id": f"r{number}",
            "when": {"all": [make(chance) for make in chance.sample(makers, fields)]},
            "then": [{"action": "assign", "to": {"pool": "team", "team": f"t{chance.randrange(8)}"}}],
        }
        for number in range(rules)
    ]
    otherwise = [{"action": "assign", "to": {"pool": "everyone"}}]
    return {"decision": "assignment", "rules": made, "otherwise": otherwise}


def measure() -> list[Measured]:
    """Return a row for each size and number of conditions: the best of a few rounds, without a budget."""
    rows = []
    for rules in SIZES:
        for fields in FIELDS:
            ruleset = parse(document(rules, fields))
            seconds = []
            for _ in range(_ROUNDS):
                start = time.process_time()
                found = analyse(ruleset, today=_TODAY, budget_seconds=60)
                seconds.append(time.process_time() - start)
            start = time.process_time()
            engine = NativeEngine(ruleset)
            compiling = time.process_time() - start
            kinds = Counter(finding.kind.value for finding in found.findings)
            proved = _is_proved(engine, found)
            rows.append(Measured(rules, fields, min(seconds), compiling, kinds, len(found.unchecked), proved))
    return rows


def table(rows: list[Measured]) -> str:
    """Return the rows in words; the last line says whether the promise is kept."""
    lines = [
        "Analysis of a ruleset: ms of processor time",
        f"{'rules':>8}{'conditions':>12}{'ms':>8}{'ms a rule':>12}{'× compiling':>14}  found",
    ]
    for row in rows:
        found = ", ".join(f"{kind} {count}" for kind, count in sorted(row.kinds.items()))
        ms, ratio = row.seconds * 1000, row.seconds / row.compiling
        lines.append(f"{row.rules:>8}{row.fields:>12}{ms:>8.0f}{ms / row.rules:>12.2f}{ratio:>14.1f}  {found}")
    worst = max(row.seconds for row in rows)
    kept = worst < PROMISED_SECONDS and all(row.proved and not row.unchecked for row in rows)
    lines.append(
        f"slowest {worst * 1000:.0f} ms; every example proved, all checked, under 1 s: {'yes' if kept else 'NO'}"
    )
    return "\n".join(lines)


def _is_proved(engine: NativeEngine, found: Analysis) -> bool:
    def holds(rule: str, others: tuple[str, ...], facts: Facts) -> bool:
        matching = engine.matching(facts)
        return rule in matching and others[0] in matching

    above = [one for one in found.findings if one.kind.value in ("hidden", "overlap")]
    return all(one.example is not None and holds(one.rule, one.others, one.example) for one in above)


def _amount(chance: random.Random) -> Json:
    low = chance.randrange(200) * 1000
    if chance.random() < 0.5:
        return {"field": "request.amount", "op": "ge", "value": str(low)}
    return {"field": "request.amount", "op": "between", "value": [str(low), str(low + chance.randrange(5, 80) * 1000)]}


def _hour(chance: random.Random) -> Json:
    hour = chance.randrange(20)
    return {"field": "now.hour", "op": "between", "value": [hour, hour + chance.randrange(1, 24 - hour)]}


def _region(chance: random.Random) -> Json:
    return {"field": "request.region", "op": "in", "value": chance.sample(_REGIONS, chance.randrange(1, 6))}


def _channel(chance: random.Random) -> Json:
    return {"field": "request.channel", "op": "in", "value": chance.sample(_CHANNELS, 2)}


if __name__ == "__main__":
    print(table(measure()))
