"""What the next thing is worth, on the shipped scheme and on today's."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from rules_engine.decisions.bonus import compute
from rules_engine.decisions.bonus_figures import ATTAINMENT, NEW_ATTAINMENT, OLD_ATTAINMENT, Figures, measures
from rules_engine.decisions.bonus_measures import canonical_measures
from rules_engine.decisions.bonus_outlook import (
    NextKind,
    NextThing,
    at_this_pace,
    curve,
    edges_of,
    next_things,
)
from rules_engine.language.cases import fired
from rules_engine.language.engines.native import NativeEngine
from rules_engine.language.model import Ruleset
from rules_engine.language.ruleset import parse

FOLDER = Path(__file__).parents[2] / "rulesets"
SHIPPED, TODAY = (parse(json.loads((FOLDER / f"{name}.json").read_text())) for name in ("bonus", "bonus_today"))
FIGURES = Figures(
    new_minor=45_000_000, old_minor=15_000_000, plan_new_minor=Fraction(56_000_000),
    plan_old_minor=Fraction(35_000_000), is_planned=True, received=100, processed=92, cohort=100,
    processed_of_cohort=92, due=100, in_time=90, calls_planned=80, calls_due=60, calls_done=50, calls_done_of_due=50,
    worked=Fraction(1),
)  # fmt: skip


def pay_by(ruleset: Ruleset, figures: Figures) -> int:
    exact = measures(figures)
    ids = fired(ruleset, NativeEngine(ruleset).matching(canonical_measures(exact)))
    return compute(ruleset, ids, exact, without_plan=figures.without_plan).total


def found(ruleset: Ruleset, figures: Figures = FIGURES) -> dict[tuple[NextKind, str | None], NextThing]:
    things = next_things(lambda changed: pay_by(ruleset, changed), edges_of(ruleset), figures)
    return {(one.kind, one.measure): one for one in things}


def test_one_more_of_each_is_the_difference_it_makes() -> None:
    things = found(SHIPPED)
    now = pay_by(SHIPPED, FIGURES)

    assert things[NextKind.REQUEST, None].worth == 60_00
    assert things[NextKind.CALL, None].worth == 70_00
    more = replace(FIGURES, old_minor=25_000_000)
    assert things[NextKind.OLD_MONEY, None].worth == pay_by(SHIPPED, more) - now > 0
    answered = replace(FIGURES, due=101, in_time=91)
    assert things[NextKind.ANSWER, None].worth == pay_by(SHIPPED, answered) - now > 0


def test_the_next_step_says_what_is_missing_to_it() -> None:
    things = found(SHIPPED)
    old = things[NextKind.EDGE, OLD_ATTAINMENT]
    assert (old.edge, old.missing) == (50, 2_500_000)
    assert old.worth == pay_by(SHIPPED, replace(FIGURES, old_minor=17_500_000)) - pay_by(SHIPPED, FIGURES)
    answers = things[NextKind.EDGE, "measure.in_time_pct"]
    assert (answers.edge, answers.missing) == (95, 100)


def test_todays_scheme_has_its_one_step() -> None:
    things = found(TODAY)
    assert set(things) == {(NextKind.NEW_MONEY, None), (NextKind.OLD_MONEY, None), (NextKind.EDGE, ATTAINMENT)}
    edge = things[NextKind.EDGE, ATTAINMENT]
    assert (edge.missing, edge.worth) == (31_000_000, 31_000_000 * 25 // 1000 + 15_000_00)


def test_without_a_plan_there_is_nothing_to_reach() -> None:
    figures = replace(FIGURES, plan_new_minor=None, plan_old_minor=None, is_planned=False)
    assert not [key for key in found(TODAY, figures) if key[0] is NextKind.EDGE]
    assert curve(lambda changed: pay_by(TODAY, changed), {}, figures, NEW_ATTAINMENT) == ()


def test_the_pace_makes_money_and_counts_grow_and_leaves_shares() -> None:
    whole = at_this_pace(FIGURES, Fraction(1, 3), Fraction(1))
    assert whole is not None
    assert (whole.new_minor, whole.processed, whole.calls_done) == (135_000_000, 276, 150)
    assert measures(whole)["measure.in_time_pct"] == 90
    assert at_this_pace(FIGURES, Fraction(0), Fraction(1)) is None


def test_the_curve_passes_through_the_present() -> None:
    points = curve(lambda changed: pay_by(SHIPPED, changed), edges_of(SHIPPED), FIGURES, OLD_ATTAINMENT)
    here = Fraction(100 * 15, 35)
    assert [stop for stop, _ in points] == sorted({0, 50, 80, 100, 120, 150, here})
    assert dict(points)[here] == pytest.approx(pay_by(SHIPPED, FIGURES), abs=1)
    assert [amount for _, amount in points] == sorted(amount for _, amount in points)
