"""Bonus rulesets of one rule, taken the whole way: JSON → parse → match → compute."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from rules_engine.decisions.bonus import statement_of
from rules_engine.decisions.bonus_lines import Statement
from rules_engine.language.engines.native import NativeEngine
from rules_engine.language.ruleset import parse

Json = dict[str, Any]
ATTAINMENT = "measure.attainment_pct"
NEW, OLD = "measure.attainment_new_pct", "measure.attainment_old_pct"
REVENUE = "measure.revenue"
IN_TIME = "measure.in_time_pct"
CALLS_PCT = "measure.callbacks_done_pct"

NODES = ["0", "50", "80", "100", "120", "150"]
MATRIX = [
    ["0", ".10", ".20", ".28", ".34", ".40"],
    [".10", ".30", ".48", ".58", ".66", ".75"],
    [".20", ".48", ".72", ".86", ".97", "1.08"],
    [".28", ".58", ".86", "1.00", "1.14", "1.30"],
    [".34", ".66", ".97", "1.14", "1.32", "1.53"],
    [".40", ".75", "1.08", "1.30", "1.53", "1.80"],
]


def percent(rate: str = "5", line: str = "base", of: str = REVENUE) -> Json:
    return {"action": "pay_percent", "line": line, "of": of, "rate": rate}


def tiers(rows: list[Json], mode: str = "slab", by: str = REVENUE, line: str = "tiers") -> Json:
    return {"action": "pay_tiers", "line": line, "of": REVENUE, "by": by, "mode": mode, "tiers": rows}


def tier(start: object, rate: object, **more: str) -> Json:
    return {"from": str(start), "rate": str(rate), **more}


def matrix(amount: str = "35000", **more: Any) -> Json:
    sides = {"rows_by": NEW, "cols_by": OLD, "nodes": NODES, "values": MATRIX}
    return {"action": "pay_matrix", "line": "premium", "amount": amount, **sides, **more}


def fixed(amount: str, line: str = "base") -> Json:
    return {"action": "pay_fixed", "line": line, "amount": amount}


def multiply(by: str, *nodes: list[str], lines: tuple[str, ...] = ("base",)) -> Json:
    return {"action": "multiply", "lines": list(lines), "by": by, "nodes": list(nodes)}


def gate(*measures: tuple[str, str, str], soft: bool = True, lines: tuple[str, ...] = ("base",)) -> Json:
    every = [{"measure": name, "from": start, "full_at": full} for name, start, full in measures]
    return {"action": "gate", "lines": list(lines), "soft": soft, "all": every}


def cap(amount: str, *lines: str) -> Json:
    return {"action": "cap", "lines": list(lines or ("base",)), "amount": amount}


def guarantee(amount: str, months: int = 2) -> Json:
    return {"action": "guarantee", "amount": amount, "first_months": months}


def pay(
    *then: Json, measures: Mapping[str, Fraction | int | None] | None = None, without_plan: tuple[str, ...] = ()
) -> Statement:
    """Return the statement of one rule with these actions; measures in kopecks, percent and pieces."""
    ruleset = parse({"decision": "bonus", "hit_policy": "collect", "rules": [{"id": "r", "then": list(then)}]})
    exact = {key: None if value is None else Fraction(value) for key, value in (measures or {}).items()}
    return statement_of(ruleset, NativeEngine(ruleset), exact, without_plan=without_plan)


def roubles(text: object) -> Fraction:
    """Return kopecks of an amount in roubles."""
    return Fraction(str(text)) * 100
