"""Test cases of any ruleset, with the money where a bonus case expects some."""

import json
from collections import Counter
from dataclasses import replace
from typing import Any

from rules_engine.decisions.bonus import compute
from rules_engine.decisions.bonus_lines import Statement
from rules_engine.decisions.bonus_measures import read_measures
from rules_engine.language import cases
from rules_engine.language.cases import CaseResult, Paid
from rules_engine.language.engines.base import Engine
from rules_engine.language.kinds import Decision
from rules_engine.language.model import Ruleset


def run_cases(ruleset: Ruleset, engine: Engine | None = None) -> list[CaseResult]:
    """Return the outcome of every test case, in order; the native engine unless another is given.

    The cases of a bonus are paid out: `CaseResult.paid` holds their lines and total. Measures are taken from the
    document, percent with all their digits; only the conditions see basis points.
    """
    results = cases.run_cases(ruleset, engine)
    if ruleset.decision is not Decision.BONUS:
        return results
    written: list[dict[str, Any]] = json.loads(ruleset.document).get("cases", [])
    return [_paid(ruleset, result, case["facts"]) for result, case in zip(results, written, strict=True)]


def paid(statement: Statement) -> Paid:
    """Return what a statement pays: each line by its name, lines of one name together."""
    lines: Counter[str] = Counter()
    for line in statement.lines:
        lines[line.line] += line.amount
    return Paid(dict(lines), statement.total)


def _paid(ruleset: Ruleset, result: CaseResult, facts: dict[str, Any]) -> CaseResult:
    given = read_measures(facts)
    return replace(
        result,
        paid=paid(compute(ruleset, result.fired, given.measures, without_plan=given.without_plan)),
    )
