"""The published worked examples of commissions, each as a ruleset taken from JSON to the paid kopeck."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from rules_engine.decisions.bonus_lines import distribute
from rules_engine.decisions.money import format_amount, parse_amount
from tests.decisions.schemes import (
    ATTAINMENT,
    CALLS_PCT,
    IN_TIME,
    NEW,
    OLD,
    REVENUE,
    Json,
    fixed,
    gate,
    matrix,
    multiply,
    pay,
    percent,
    roubles,
    tier,
    tiers,
)

CASES = Path(__file__).parents[3] / "shared" / "data" / "commission_cases.json"
LATER = {
    "C05": "a draw with a balance",
    "C11": "seasonality, for the plan builder",
    "C12": "a seasonal plan, for the plan builder",
    "C18": "the carry-over of a negative base",
}


def _cases() -> list[Any]:
    if not CASES.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason=f"the published examples are not here: {CASES}"))]
    return [pytest.param(case, id=case["id"]) for case in json.loads(CASES.read_text()) if case["id"] not in LATER]


def _table(case: Json, mode: str) -> Json:
    return tiers([tier(start, rate) for start, _end, rate in case["tiers"]], mode)


def _each(case: Json, action: Json) -> list[int]:
    return [pay(action, measures={REVENUE: roubles(amount)}).total for amount in case["inputs"]]


def _slab(case: Json) -> None:
    paid = _each(case, _table(case, "slab"))
    assert [format_amount(one) for one in paid] == case["expected"]
    if "total" in case:
        assert format_amount(sum(paid)) == case["total"]


def _retroactive(case: Json) -> None:
    assert [format_amount(one) for one in _each(case, _table(case, "whole"))] == case["expected"]


def _increment(case: Json) -> None:
    table, already = _table(case, "slab"), roubles(case["already"])
    before = pay(table, measures={REVENUE: already}).total
    added = [pay(table, measures={REVENUE: already + roubles(more)}).total - before for more in case["inputs"]]
    assert [format_amount(one) for one in added] == case["expected"]


def _nodes(case: Json) -> None:
    nodes = [[str(at * 100), str(value)] for at, value in case["nodes"]]
    curve = {"action": "pay_curve", "line": "curve", "amount": "1", "by": ATTAINMENT, "nodes": nodes}
    paid = [pay(curve, measures={ATTAINMENT: Fraction(100 * one, case["target"])}).total for one in case["inputs"]]
    assert [format_amount(one) for one in paid] == case["expected"]


def _multiplier(case: Json) -> None:
    found = pay(
        percent(str(case["rate_pct"])),
        multiply(IN_TIME, ["0", "0"], ["100", "1"]),
        measures={REVENUE: roubles(case["base"]), IN_TIME: case["multiplier_pct"]},
    )
    assert [format_amount(found.total)] == case["expected"]


def _side_by_side(case: Json) -> None:
    rows = [tier(start, rate) for start, _end, rate in case["tiers_pct"]]
    for mode, key in (("slab", "expected_slab"), ("whole", "expected_retroactive")):
        paid = [
            pay(
                tiers(rows, mode, by=ATTAINMENT),
                measures={REVENUE: roubles(amount), ATTAINMENT: Fraction(100 * Fraction(amount), case["plan"])},
            ).total
            for amount in case["inputs"]
        ]
        assert [format_amount(one) for one in paid] == case[key]


def _distribute(case: Json) -> None:
    parts = distribute(parse_amount(case["total"]), dict(enumerate(case["weights"])))
    assert [format_amount(part) for part in parts.values()] == case["expected"]


def _matrix(case: Json) -> None:
    nodes = [str(Fraction(node) * 100) for node in case["nodes"]]
    new, old = (Fraction(one) * 100 for one in case["point"])
    found = pay(matrix(case["amount"], nodes=nodes, values=case["matrix"]), measures={NEW: new, OLD: old})
    assert [format_amount(found.total)] == case["expected"]


def _soft_gate(case: Json) -> None:
    keys = {"sla": IN_TIME, "calls": CALLS_PCT}
    ramps = [
        (keys[name], str(Fraction(start) * 100), str(Fraction(full) * 100))
        for name, (start, full) in case["ramps"].items()
    ]
    measures = {keys[name]: Fraction(value) * 100 for name, value in case["measures"].items()}
    found = pay(fixed(case["amount"]), gate(*ramps), measures=measures)
    assert [format_amount(found.total)] == case["expected"]


MODES: dict[str, Callable[[Json], None]] = {
    "slab": _slab,
    "retroactive": _retroactive,
    "slab_increment": _increment,
    "attainment_nodes": _nodes,
    "multiply": _multiplier,
    "slab_vs_retroactive": _side_by_side,
    "distribute": _distribute,
    "matrix": _matrix,
    "soft_gate": _soft_gate,
}


@pytest.mark.parametrize("case", _cases())
def test_published_example(case: Json) -> None:
    MODES[case["mode"]](case)
