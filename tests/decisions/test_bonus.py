"""What each component of a bonus pays, what changes a line, and what empty measures mean."""

from fractions import Fraction

import pytest

from rules_engine.decisions.bonus import compute
from rules_engine.decisions.bonus_cases import run_cases
from rules_engine.decisions.bonus_lines import FLOOR, GUARANTEE, Seen, StepKind, distribute, rounded
from rules_engine.decisions.bonus_measures import canonical_measures, read_measures
from rules_engine.language import cases
from rules_engine.language.engines.native import NativeEngine
from rules_engine.language.errors import FactsInvalid
from rules_engine.language.ruleset import parse
from tests.decisions.schemes import (
    ATTAINMENT,
    CALLS_PCT,
    IN_TIME,
    NEW,
    OLD,
    REVENUE,
    Json,
    cap,
    fixed,
    gate,
    guarantee,
    matrix,
    multiply,
    pay,
    percent,
    roubles,
    tier,
    tiers,
)

MONTHS, WORKED = "measure.months_in_job", "measure.worked_norm_pct"
CALLS = "measure.callbacks_done"
NEWCOMER = {MONTHS: 1, WORKED: 100}


class TestPercentAndTiers:
    def test_a_refund_takes_back_what_the_payment_gave(self) -> None:
        assert pay(percent("2.5"), fixed("100", "more"), measures={REVENUE: -100}).amount("base") == -3
        assert pay(percent("2.5"), measures={REVENUE: 100}).amount("base") == 3

    def test_a_deal_across_an_edge_counts_in_both_tiers(self) -> None:
        rows = [tier(0, 4), tier(150000, 6)]
        assert pay(tiers(rows), measures={REVENUE: roubles(165000)}).total == 690000
        assert pay(tiers(rows, "whole"), measures={REVENUE: roubles(165000)}).total == 990000

    def test_an_edge_belongs_to_the_tier_that_begins_there(self) -> None:
        rows = [tier(0, 1), tier(100, 2)]
        assert pay(tiers(rows, "whole", ATTAINMENT), measures={REVENUE: 10_000, ATTAINMENT: 100}).total == 200
        just_under = {REVENUE: 10_000, ATTAINMENT: Fraction(999_999, 10_000)}
        assert pay(tiers(rows, "whole", ATTAINMENT), measures=just_under).total == 100

    @pytest.mark.parametrize(("mode", "total"), [("slab", 5_000 + 10_000 + 20_000), ("whole", 20_000 + 10_000)])
    def test_fixed_sums_of_reached_slabs_add_up_and_of_whole_tiers_do_not(self, mode: str, total: int) -> None:
        rows = [tier(0, 1, fixed="50"), tier(100, 1, fixed="100"), tier(200, 1, fixed="900")]
        found = pay(tiers(rows, mode, ATTAINMENT), measures={REVENUE: 2_000_000, ATTAINMENT: 150})
        assert found.total == total

    def test_more_paid_back_than_paid_counts_at_the_first_rate_and_earns_no_fixed_sum(self) -> None:
        rows = [tier(0, 1, fixed="50"), tier(1000, 3)]
        for mode in ("slab", "whole"):
            found = pay(tiers(rows, mode), fixed("10", "more"), measures={REVENUE: roubles(-200)})
            assert found.amount("tiers") == -200

    def test_nothing_paid_at_all_is_nothing(self) -> None:
        assert pay(tiers([tier(0, 1), tier(10, 2)]), measures={REVENUE: 0}).total == 0


class TestCurveAndMatrix:
    @pytest.mark.parametrize(
        ("at", "total"), [(-10, 0), (0, 0), (50, 0), (75, 1250), (100, 2500), (240, 3700), (300, 4000), (999, 4000)]
    )
    def test_a_curve_is_straight_between_nodes_and_flat_outside(self, at: int, total: int) -> None:
        nodes = [["0", "0"], ["50", "0"], ["100", "2500"], ["200", "3500"], ["300", "4000"]]
        curve = {"action": "pay_curve", "line": "curve", "amount": "1", "by": ATTAINMENT, "nodes": nodes}
        assert pay(curve, measures={ATTAINMENT: at}).total == total * 100

    def test_nodes_on_money_are_in_roubles(self) -> None:
        nodes = [["0", "0"], ["1000", "1"]]
        curve = {"action": "pay_curve", "line": "curve", "amount": "500", "by": REVENUE, "nodes": nodes}
        assert pay(curve, measures={REVENUE: roubles(250)}).total == 12_500

    def test_the_worked_matrix(self) -> None:
        assert pay(matrix(), measures={NEW: 110, OLD: 60}).total == 2_514_167

    def test_the_part_above_is_a_line_of_its_own(self) -> None:
        split = matrix(above={"from": "1", "line": "over"})
        found = pay(split, measures={NEW: 120, OLD: 120})
        assert [(line.line, line.amount) for line in found.lines] == [("premium", 3_500_000), ("over", 1_120_000)]
        below = pay(split, measures={NEW: 80, OLD: 80})
        assert [(line.line, line.amount) for line in below.lines] == [("premium", 2_520_000), ("over", 0)]

    def test_no_plan_never_pays_by_itself(self) -> None:
        for measures in ({NEW: 100, OLD: None}, {NEW: None, OLD: 100}, {}):
            (line,) = pay(matrix(), measures=measures).lines
            assert line.amount == 0
            assert line.missing in (NEW, OLD)

    def test_a_side_without_plan_by_intention_leaves_the_curve_of_the_other(self) -> None:
        for new, factor in ((0, Fraction("0.28")), (50, Fraction("0.58")), (100, 1), (110, Fraction("1.07"))):
            found = pay(matrix(), measures={NEW: new}, without_plan=(OLD,))
            assert found.total == rounded(3_500_000 * Fraction(factor))
            assert found.lines[0].inputs[1] == Seen(OLD, None, as_planned=True)

    def test_two_sides_without_plan_pay_nothing(self) -> None:
        assert pay(matrix(), without_plan=(NEW, OLD)).total == 0
        assert pay(matrix(), without_plan=(OLD,)).lines[0].missing == NEW


class TestCountsAndSums:
    def test_units_above_the_most_are_not_paid(self) -> None:
        calls = {"action": "pay_per_unit", "line": "calls", "count": CALLS, "amount": "70", "at_most": 120}
        assert [pay(calls, measures={CALLS: n}).total for n in (0, 80, 120, 121)] == [0, 560_000, 840_000, 840_000]

    def test_an_empty_measure_pays_nothing_and_is_named(self) -> None:
        calls = {"action": "pay_per_unit", "line": "calls", "count": CALLS, "amount": "70"}
        (line,) = pay(calls).lines
        assert (line.amount, line.missing) == (0, CALLS)


class TestWhatChangesLines:
    def test_a_factor_is_read_between_its_nodes(self) -> None:
        quality = multiply(IN_TIME, ["0", ".5"], ["70", ".70"], ["95", "1"], ["100", "1.05"])
        paid = [pay(fixed("1000"), quality, measures={IN_TIME: at}).total for at in (0, 70, 80, 95, 98, 100)]
        assert paid == [50_000, 70_000, 82_000, 100_000, 103_000, 105_000]

    def test_nothing_to_count_from_changes_nothing(self) -> None:
        assert pay(fixed("1000"), multiply(IN_TIME, ["0", ".5"], ["100", "1.5"])).total == 100_000
        assert pay(fixed("1000"), gate((IN_TIME, "85", "95"))).total == 100_000

    def test_no_plan_counts_as_the_lowest_value_unless_it_is_by_intention(self) -> None:
        factor = multiply(ATTAINMENT, ["0", ".5"], ["100", "1"])
        assert pay(fixed("1000"), factor).total == 50_000
        assert pay(fixed("1000"), factor, without_plan=(ATTAINMENT,)).total == 100_000
        assert pay(fixed("1000"), gate((ATTAINMENT, "50", "90"))).total == 0
        assert pay(fixed("1000"), gate((ATTAINMENT, "50", "90")), without_plan=(ATTAINMENT,)).total == 100_000

    def test_a_soft_gate_lets_through_the_smallest_share(self) -> None:
        both = gate((IN_TIME, "85", "95"), (CALLS_PCT, "75", "90"))
        assert pay(fixed("6000"), both, measures={IN_TIME: 91, CALLS_PCT: 88}).total == 360_000

    @pytest.mark.parametrize(("in_time", "total"), [("94.9999999", 0), ("95", 600_000)])
    def test_a_hard_gate_is_all_or_nothing(self, in_time: str, total: int) -> None:
        hard = gate((IN_TIME, "85", "95"), (CALLS_PCT, "75", "90"), soft=False)
        assert pay(fixed("6000"), hard, measures={IN_TIME: Fraction(in_time), CALLS_PCT: 90}).total == total

    def test_a_gate_without_width_is_a_step(self) -> None:
        step = gate((IN_TIME, "95", "95"))
        assert [pay(fixed("10"), step, measures={IN_TIME: at}).total for at in (94, 95)] == [0, 1000]

    def test_a_cap_on_one_line_is_its_new_amount(self) -> None:
        found = pay(percent("10"), cap("100"), measures={REVENUE: roubles(5000)})
        assert found.total == 10_000
        assert [step.kind for step in found.lines[0].steps] == [StepKind.CAP]
        assert pay(percent("10"), cap("100"), measures={REVENUE: roubles(999)}).lines[0].steps == ()

    def test_lines_capped_together_add_up_to_the_cap(self) -> None:
        names = ("c", "a", "b")
        found = pay(*(fixed("500", name) for name in names), cap("100", *names))
        assert {line.line: line.amount for line in found.lines} == {"a": 3334, "b": 3333, "c": 3333}
        assert found.total == 10_000
        (moved,) = [line for line in found.lines if line.steps[-1].kind is StepKind.ROUNDING]
        assert moved.line == "a"

    def test_a_cap_that_a_later_factor_changes_is_only_rounded(self) -> None:
        names = ("a", "b", "c")
        half = multiply(IN_TIME, ["0", ".5"], ["1", ".5"], lines=("a",))
        found = pay(*(fixed("500", name) for name in names), cap("100", *names), half, measures={IN_TIME: 50})
        assert [line.amount for line in found.lines] == [1667, 3333, 3333]

    def test_actions_act_in_their_order(self) -> None:
        double = multiply(IN_TIME, ["0", "2"], ["1", "2"])
        assert pay(fixed("80"), cap("100"), double, measures={IN_TIME: 5}).total == 16_000
        assert pay(fixed("80"), double, cap("100"), measures={IN_TIME: 5}).total == 10_000

    def test_nothing_is_rounded_on_the_way(self) -> None:
        third = multiply(IN_TIME, ["0", "0"], ["100", "1"])
        again = multiply(CALLS_PCT, ["0", "0"], ["1", "3"])
        measures = {IN_TIME: Fraction(100, 3), CALLS_PCT: 50}
        assert pay(fixed("0.01"), third, again, measures=measures).total == 1

    def test_a_line_of_a_rule_that_did_not_fire_is_passed_over(self) -> None:
        document: Json = {
            "decision": "bonus",
            "rules": [
                {
                    "id": "plan",
                    "when": {"all": [{"field": ATTAINMENT, "op": "ge", "value": "100"}]},
                    "then": [fixed("15000")],
                },
                {"id": "limit", "then": [cap("1")]},
            ],
        }
        ruleset = parse(document)
        assert compute(ruleset, ("limit",), {}).lines == ()
        assert compute(ruleset, ("plan", "limit"), {}).total == 100


class TestGuaranteeAndFloor:
    def test_a_newcomer_gets_what_is_missing_to_the_minimum(self) -> None:
        found = pay(fixed("8000.50"), guarantee("24500"), measures={MONTHS: 2, WORKED: 50})
        assert (found.amount(GUARANTEE), found.total) == (1_225_000 - 800_050, 1_225_000)

    @pytest.mark.parametrize("months", [3, 40, None])
    def test_later_and_without_a_date_there_is_no_such_line(self, months: int | None) -> None:
        found = pay(fixed("1"), guarantee("24500"), measures={MONTHS: months, WORKED: 100})
        assert [line.line for line in found.lines] == ["base"]

    def test_overtime_does_not_raise_the_minimum_and_unknown_time_pays_none(self) -> None:
        assert pay(guarantee("100"), measures={MONTHS: 1, WORKED: 130}).total == 10_000
        (line,) = pay(guarantee("100"), measures={MONTHS: 1}).lines
        assert (line.amount, line.missing) == (0, WORKED)

    def test_the_total_is_the_rounded_minimum_to_the_kopeck(self) -> None:
        names = ("a", "b", "c")
        third = multiply(IN_TIME, ["0", "0"], ["100", "1"], lines=names)
        found = pay(
            *(fixed("0.01", name) for name in names),
            third,
            guarantee("0.07"),
            measures={**NEWCOMER, IN_TIME: Fraction(100, 3)},
        )
        assert [line.amount for line in found.lines] == [0, 0, 0, 7]

    def test_what_is_paid_after_it_comes_on_top(self) -> None:
        assert pay(guarantee("100"), fixed("30"), measures=NEWCOMER).total == 13_000

    def test_the_total_is_never_below_zero_and_says_what_was_dropped(self) -> None:
        found = pay(percent("5"), fixed("10", "more"), measures={REVENUE: roubles(-1000)})
        assert [(line.rule, line.line, line.amount) for line in found.lines] == [
            ("r", "base", -5000),
            ("r", "more", 1000),
            (FLOOR, FLOOR, 4000),
        ]
        assert found.total == 0
        assert sum(line.amount for line in found.lines) == 0


class TestMeasures:
    def test_conditions_see_basis_points_rounded_down_and_the_arithmetic_does_not(self) -> None:
        measures = {ATTAINMENT: Fraction(999_999_999, 10_000_000), REVENUE: Fraction(1001, 2), CALLS: Fraction(7)}
        facts = canonical_measures({**measures, IN_TIME: None, "measure.rating": Fraction("4.56789")})
        assert facts == {ATTAINMENT: 9_999, REVENUE: 500, CALLS: 7, "measure.rating": 45_678}

    def test_a_plan_missed_by_a_hair_is_missed(self) -> None:
        document: Json = {
            "decision": "bonus",
            "rules": [
                {
                    "id": "plan",
                    "when": {"all": [{"field": ATTAINMENT, "op": "ge", "value": "100"}]},
                    "then": [fixed("15000")],
                }
            ],
        }
        engine = NativeEngine(parse(document))
        assert engine.matching(canonical_measures({ATTAINMENT: Fraction(99_999_999, 1_000_000)})) == ()
        assert engine.matching(canonical_measures({ATTAINMENT: Fraction(100)})) == ("plan",)

    def test_a_file_keeps_every_digit_of_a_percentage(self) -> None:
        given = read_measures({ATTAINMENT: "66.666666666667", REVENUE: "1000.55", CALLS: 3, IN_TIME: None})
        assert given.measures == {ATTAINMENT: Fraction("66.666666666667"), REVENUE: 100_055, CALLS: 3}
        assert given.facts[ATTAINMENT] == 6666

    @pytest.mark.parametrize("value", ["measure.attainment_old_pct", [IN_TIME], [5], {}])
    def test_only_attainments_can_be_without_a_plan(self, value: object) -> None:
        with pytest.raises(FactsInvalid):
            read_measures({"without_plan": value})
        assert read_measures({"without_plan": [OLD]}).without_plan == {OLD}


class TestCases:
    DOCUMENT: Json = {
        "decision": "bonus",
        "rules": [{"id": "r", "then": [matrix(), fixed("100")]}],
        "cases": [
            {
                "title": "half",
                "facts": {NEW: "100", "without_plan": [OLD]},
                "expect": {"fired": ["r"], "lines": {"premium": "35000.00"}, "total": "35100.00"},
            }
        ],
    }

    def test_a_case_holds_to_the_kopeck(self) -> None:
        (result,) = run_cases(parse(self.DOCUMENT))
        assert result.passed
        assert result.paid is not None
        assert result.paid.lines == {"premium": 3_500_000, "base": 10_000}

    def test_expected_money_that_nobody_counted_does_not_hold(self) -> None:
        (result,) = cases.run_cases(parse(self.DOCUMENT))
        assert result.fired == ("r",)
        assert not result.passed

    @pytest.mark.parametrize("expect", [{"total": "35100.01"}, {"lines": {"premium": "0.00"}}])
    def test_a_case_that_expects_other_money_fails(self, expect: Json) -> None:
        (case,) = self.DOCUMENT["cases"]
        spoiled = {**case, "expect": {**case["expect"], **expect}}
        (result,) = run_cases(parse({**self.DOCUMENT, "cases": [spoiled]}))
        assert not result.passed
        assert result.fired == ("r",)


def test_halves_are_rounded_away_from_zero_and_shares_add_up() -> None:
    assert [rounded(Fraction(n, 2)) for n in (-3, -1, 0, 1, 3)] == [-2, -1, 0, 1, 2]
    assert distribute(1_000_000, {"c": 1, "a": 1, "b": 1}) == {"a": 333_334, "b": 333_333, "c": 333_333}
    assert distribute(1_234_567, {1: 50, 2: 30, 3: 20}) == {1: 617_284, 2: 370_370, 3: 246_913}
