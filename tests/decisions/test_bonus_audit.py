"""What the incentive audit says of bonus rules; each leap is asked again of the real arithmetic."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules_engine.decisions.bonus import statement_of
from rules_engine.decisions.bonus_audit import audit, leaps_along, middle_month, ordinary
from rules_engine.decisions.bonus_audit_along import lacks_plan, moved, whole_curve
from rules_engine.decisions.bonus_audit_people import PersonMonth
from rules_engine.language.analysis.finding import Finding, FindingKind, Severity
from rules_engine.language.analysis.fixes import fixed
from rules_engine.language.engines.native import NativeEngine
from rules_engine.language.model import Ruleset
from rules_engine.language.ruleset import parse, to_json
from rules_engine.services.running.setup import shipped_ruleset

REVENUE = "measure.revenue"
PLAN_NEW = "measure.plan_new"
TIERS = {
    "action": "pay_tiers",
    "line": "tiers",
    "of": REVENUE,
    "by": REVENUE,
    "mode": "whole",
    "tiers": [{"from": "0", "rate": "1"}, {"from": "500000", "rate": "3"}, {"from": "1000000", "rate": "6"}],
}
CURVE = {"action": "pay_curve", "line": "curve", "amount": "30000", "by": "measure.in_time_pct"}


def rules(*then: dict[str, Any], **more: Any) -> Ruleset:
    rule = {"id": "r", "title": {"ru": "Правило", "en": "Rule"}, "then": list(then), **more}
    return parse({"decision": "bonus", "hit_policy": "collect", "rules": [rule]})


def found(ruleset: Ruleset, kind: FindingKind, history: tuple[PersonMonth, ...] = ()) -> list[Finding]:
    return [one for one in audit(ruleset, history) if one.kind is kind]


def said(one: Finding, lang: str = "ru") -> str:
    return one.message(lang, {}).replace("\u00a0", " ")


def payer(ruleset: Ruleset, axis: str) -> Callable[[Fraction], int]:
    engine, ordinary_month = NativeEngine(ruleset), ordinary(())
    return lambda value: statement_of(ruleset, engine, moved(ordinary_month, axis, value)).total


def month(**values: str) -> PersonMonth:
    return PersonMonth({f"measure.{name}": Fraction(value) for name, value in values.items()}, frozenset())


class TestLeaps:
    def test_one_rouble_more_pays_thirty_thousand_more(self) -> None:
        (cliff,) = found(rules(TIERS), FindingKind.CLIFF)
        assert said(cliff) == (
            "Один рубль сверх платит на 30 000 ₽ больше при 1 000 000 ₽ (оплаты): 29 999,97 ₽ → 60 000 ₽. "
            "То же при 500 000 ₽."
        )
        assert said(cliff, "en").startswith("One rouble more pays 30,000 ₽ more at 1,000,000 ₽ (paid by all clients)")
        assert (cliff.rule, cliff.path, cliff.severity) == ("r", "/then/0", Severity.WARNING)
        assert cliff.example is not None and cliff.example[REVENUE] == 1_000_000_00

    def test_one_action_mends_a_leap_that_one_choice_made(self) -> None:
        ruleset = rules(TIERS)
        (cliff,) = found(ruleset, FindingKind.CLIFF)
        assert cliff.fix is not None
        assert cliff.fix.message("ru", {}) == "Сделать ставку за часть"
        mended = parse(fixed(to_json(ruleset), cliff.fix))
        assert found(mended, FindingKind.CLIFF) == []

    def test_rates_for_the_part_never_leap(self) -> None:
        assert found(rules({**TIERS, "mode": "slab"}), FindingKind.CLIFF) == []

    def test_a_premium_at_plan_leaps_at_its_condition(self) -> None:
        when = {"all": [{"field": "measure.attainment_pct", "op": "ge", "value": "100"}]}
        percent = {"action": "pay_percent", "line": "p", "of": REVENUE, "rate": "2.5"}
        document = {
            "decision": "bonus",
            "hit_policy": "collect",
            "rules": [
                {"id": "p", "title": "p", "then": [percent]},
                {"id": "plan", "title": "plan", "when": when, "then": [{**FIXED, "line": "plan"}]},
            ],
        }
        (cliff,) = found(parse(document), FindingKind.CLIFF)
        assert (cliff.rule, cliff.path) == ("plan", "/when/all/0")

    def test_a_gate_that_is_all_or_nothing_leaps_and_a_soft_one_does_not(self) -> None:
        flat = {**CURVE, "nodes": [["0", "1"], ["100", "1"]]}
        gate = {
            "action": "gate",
            "lines": ["curve"],
            "all": [{"measure": "measure.callbacks_done_pct", "from": "60", "full_at": "80"}],
        }
        (cliff,) = found(rules(flat, gate), FindingKind.CLIFF)
        assert cliff.fix is not None and cliff.fix.message("ru", {}) == "Сделать порог плавным"
        assert fixed(to_json(rules(flat, gate)), cliff.fix)["rules"][0]["then"][1]["soft"] is True
        assert found(rules(flat, {**gate, "soft": True}), FindingKind.CLIFF) == []

    def test_a_ramp_as_steep_as_a_step_is_a_cliff_too(self) -> None:
        ramp = {**CURVE, "nodes": [["0", "0"], ["94.95", "0"], ["95", "1"], ["100", "1.05"]]}
        (cliff,) = found(rules(ramp), FindingKind.CLIFF)
        assert said(cliff).startswith("Между 94,95 % и 95 % (доля ответов в срок) премия растёт на 30 000 ₽")

    def test_more_that_pays_less_is_said_with_both_amounts(self) -> None:
        (fall,) = found(rules({**CURVE, "nodes": [["0", "1"], ["50", "0.5"], ["100", "1"]]}), FindingKind.FALLING_PAY)
        assert said(fall) == "От 0 % до 50 % (доля ответов в срок) премия становится меньше: 30 000 ₽ → 15 000 ₽."

    def test_where_the_money_ends_is_told(self) -> None:
        (end,) = found(rules({**CURVE, "by": REVENUE, "nodes": [["0", "0"], ["1000000", "1"]]}), FindingKind.FLAT_END)
        assert said(end) == "Выше 1 000 000 ₽ (оплаты) премия больше не растёт: 30 000 ₽."
        assert end.severity is Severity.INFORMATION


FIXED = {"action": "pay_fixed", "line": "fixed", "amount": "15000"}


class TestWhatPeopleShow:
    def test_a_tier_that_nobody_reached_and_how_far_they_came(self) -> None:
        history = tuple(month(revenue=str(value * 100_000_00)) for value in range(1, 9))
        (tier,) = found(rules(TIERS), FindingKind.TIER_UNREACHED, history)
        assert said(tier) == (
            "До ступени от 1 000 000 ₽ за последние 12 месяцев не дошёл никто: наибольшее — 800 000 ₽ (оплаты)."
        )

    @pytest.mark.parametrize(
        ("share", "kind"), [("50", FindingKind.GATE_CLOSED), ("99", FindingKind.GATE_OPEN), ("mixed", None)]
    )
    def test_a_gate_that_hardly_ever_or_nearly_always_opens(self, share: str, kind: FindingKind | None) -> None:
        gate = {
            "action": "gate",
            "lines": ["fixed"],
            "soft": True,
            "all": [{"measure": "measure.in_time_pct", "from": "85", "full_at": "95"}],
        }
        values = ["50", "99"] * 5 if share == "mixed" else [share] * 10
        kinds = {one.kind for one in audit(rules(FIXED, gate), tuple(month(in_time_pct=one) for one in values))}
        assert kinds & {FindingKind.GATE_CLOSED, FindingKind.GATE_OPEN} == ({kind} if kind else set())

    def test_a_few_months_show_nothing(self) -> None:
        assert found(rules(TIERS), FindingKind.TIER_UNREACHED, (month(revenue="100"),) * 3) == []


class TestPlain:
    def test_a_rate_above_everything_and_money_paid_for_twice(self) -> None:
        percent = {"action": "pay_percent", "line": "p", "of": REVENUE, "rate": "250"}
        document = {
            "decision": "bonus",
            "hit_policy": "collect",
            "rules": [
                {"id": "a", "title": "Первое", "then": [percent]},
                {"id": "b", "title": "Второе", "then": [{**percent, "line": "q", "rate": "2"}]},
            ],
        }
        kinds = {one.kind: one for one in audit(parse(document))}
        assert said(kinds[FindingKind.RATE_ABOVE_ALL]).startswith("Ставка 250 % больше ста процентов")
        assert (
            said(kinds[FindingKind.PAID_TWICE])
            == "Показатель «оплаты» оплачивается дважды: здесь и в правиле «Первое»."
        )
        assert kinds[FindingKind.PAID_TWICE].others == ("a",)

    def test_a_matrix_where_one_side_makes_the_other_worthless(self) -> None:
        matrix = {
            "action": "pay_matrix",
            "line": "m",
            "amount": "100",
            "rows_by": "measure.attainment_new_pct",
            "cols_by": "measure.attainment_old_pct",
            "nodes": ["0", "100"],
            "values": [["0", "0.7"], ["0.7", "1"]],
        }
        assert len(found(rules(matrix), FindingKind.SUBSTITUTION)) == 1
        matrix["values"] = [["0", "0.2"], ["0.2", "1"]]
        assert found(rules(matrix), FindingKind.SUBSTITUTION) == []

    def test_work_that_pays_nothing_by_itself(self) -> None:
        assert len(found(rules(TIERS), FindingKind.UNPAID_WORK)) == 2

    def test_the_shipped_rules_leap_nowhere_and_leave_no_work_unpaid(self) -> None:
        kinds = {one.kind for one in audit(parse(shipped_ruleset("bonus")))}
        assert kinds == {FindingKind.FLAT_END}

    def test_a_finding_keeps_its_key_until_the_rule_changes(self) -> None:
        (first,) = found(rules(TIERS), FindingKind.CLIFF)
        (again,) = found(rules(TIERS, note="why"), FindingKind.CLIFF)
        (other,) = found(
            rules({**TIERS, "tiers": [*TIERS["tiers"], {"from": "2000000", "rate": "7"}]}), FindingKind.CLIFF
        )
        assert first.key == again.key != other.key


def test_the_whole_curve_leaps_where_a_condition_on_another_measure_turns() -> None:
    when = {"all": [{"field": "measure.attainment_pct", "op": "ge", "value": "75"}]}
    percent = {"action": "pay_percent", "line": "p", "of": REVENUE, "rate": "2"}
    rule = {"id": "plan", "title": "plan", "when": when, "then": [FIXED]}
    ruleset = parse(
        {"decision": "bonus", "hit_policy": "collect", "rules": [{"id": "p", "title": "p", "then": [percent]}, rule]}
    )
    profile = PersonMonth(ordinary(()), frozenset())
    drawn = whole_curve(ruleset, NativeEngine(ruleset).matching, profile, REVENUE, Fraction(2_500_000))
    # Two plans of a million each: 75 % of them are one and a half millions.
    (jump,) = drawn.jumps
    assert abs(jump.at - 1_500_000) < 1
    assert jump.after - jump.before == 15_000_00
    assert len(drawn.runs) == 2


class TestMiddle:
    PEOPLE = [
        PersonMonth({REVENUE: paid, f"{REVENUE}_new": paid, f"{REVENUE}_old": Fraction(0), PLAN_NEW: None}, frozenset())
        for paid in (Fraction(100_000_00), Fraction(300_000_00), Fraction(200_000_00))
    ]

    def test_what_nobody_has_stays_empty_and_no_plan_is_made_up(self) -> None:
        middle = middle_month(self.PEOPLE).measures
        assert middle[REVENUE] == 200_000_00
        assert [middle[key] for key in (PLAN_NEW, "measure.attainment_pct", "measure.rating")] == [None, None, None]
        assert lacks_plan(middle, "measure.attainment_new_pct") and not lacks_plan(middle, REVENUE)

    def test_the_curve_of_people_without_a_plan_goes_through_what_they_are_paid(self) -> None:
        when = {"all": [{"field": "measure.attainment_pct", "op": "ge", "value": "100"}]}
        percent = {"action": "pay_percent", "line": "p", "of": REVENUE, "rate": "2"}
        plan = {"id": "plan", "title": "plan", "when": when, "then": [FIXED]}
        rules = [{"id": "p", "title": "p", "then": [percent]}, plan]
        ruleset = parse({"decision": "bonus", "hit_policy": "collect", "rules": rules})
        engine = NativeEngine(ruleset)
        drawn = whole_curve(ruleset, engine.matching, middle_month(self.PEOPLE), REVENUE, Fraction(300_000))
        worth = dict(point for run in drawn.runs for point in run)
        for one in self.PEOPLE:
            paid = statement_of(ruleset, engine, one.measures, without_plan=one.without_plan).total
            assert worth[one.measures[REVENUE] / 100] == paid

    def test_with_a_plan_on_one_side_only_that_side_is_followed(self) -> None:
        people = [PersonMonth({**one.measures, PLAN_NEW: Fraction(400_000_00)}, frozenset()) for one in self.PEOPLE]
        middle = middle_month(people).measures
        assert (middle["measure.attainment_new_pct"], middle["measure.attainment_old_pct"]) == (50, None)
        assert not lacks_plan(middle, "measure.attainment_pct")
        assert lacks_plan(middle, "measure.attainment_old_pct")

    def test_a_plan_that_most_lack_by_intention_is_lacking_by_intention(self) -> None:
        intended = frozenset({"measure.attainment_new_pct"})
        people = [replace(one, without_plan=intended) for one in self.PEOPLE[:2]] + self.PEOPLE[2:]
        assert middle_month(people).without_plan == intended
        assert middle_month(self.PEOPLE).without_plan == frozenset()


@st.composite
def ladders(draw: st.DrawFn) -> Ruleset:
    starts = sorted(draw(st.sets(st.integers(1, 60), min_size=1, max_size=4)))
    tiers = [
        {
            "from": str(start * 10),
            "rate": str(draw(st.integers(0, 40))),
            "fixed": str(draw(st.sampled_from([0, 0, 5, 90]))),
        }
        for start in [0, *starts]
    ]
    action = {**TIERS, "mode": draw(st.sampled_from(["slab", "whole"])), "tiers": tiers}
    when = {"all": [{"field": REVENUE, "op": draw(st.sampled_from(["ge", "gt", "lt", "le"])), "value": "250"}]}
    premium = {
        "id": "premium",
        "title": "p",
        "when": when,
        "then": [{**FIXED, "amount": str(draw(st.integers(0, 200)))}],
    }
    ladder = {"id": "ladder", "title": "l", "then": [action]}
    return parse({"decision": "bonus", "hit_policy": "collect", "rules": [ladder, premium]})


@settings(max_examples=15, deadline=None)
@given(ladders())
def test_every_reported_leap_is_real_and_none_is_missed(ruleset: Ruleset) -> None:
    reported = leaps_along(ruleset, REVENUE, ordinary(()))
    paid = payer(ruleset, REVENUE)
    for kind, leap in reported:
        assert (paid(leap.low), paid(leap.high)) == (leap.before, leap.after)
        assert leap.more > 0 if kind is FindingKind.CLIFF else leap.more <= 0
    starts = [10 * tens for tens in range(62)]
    values = sorted({Fraction(near) for start in starts for near in (start - 1, start, start + 1) if near >= 0})
    end = Fraction(5, 4) * max([250, *(int(one["from"]) for one in ruleset.rules[0].then[0].to_json()["tiers"])])
    amounts = {value: paid(value) for value in (*values, Fraction(0), end)}
    average = (amounts[end] - amounts[Fraction(0)]) / end
    least = max(10 * (average if average > 0 else amounts[end] / end), Fraction(100))
    for low, high in pairwise(value for value in values if value <= end):
        if high - low == 1 and amounts[high] - amounts[low] > least:
            assert any(kind is FindingKind.CLIFF and leap.low < high and low < leap.high for kind, leap in reported)
        if high - low == 1 and amounts[high] < amounts[low] - 100:
            assert any(
                kind is FindingKind.FALLING_PAY and leap.low < high and low < leap.high for kind, leap in reported
            )
