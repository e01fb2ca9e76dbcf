"""Whatever the scheme and the month: lines add up, tables behave, and the shown figures give every amount."""

from fractions import Fraction
from itertools import pairwise
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from rules_engine.decisions.bonus_calculator import on_calculator, shown
from rules_engine.decisions.bonus_curves import clamp, in_slabs, on_curve, on_matrix, tier_of
from rules_engine.decisions.bonus_lines import FLOOR, GUARANTEE, Line, Statement, rounded
from rules_engine.decisions.bonus_words import line_document, line_json, line_sentence, stored_line_json
from rules_engine.decisions.money import parse_amount
from tests.decisions.calculator import typed_in
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
    tier,
    tiers,
)

CALLS, WORKED, MONTHS = "measure.callbacks_done", "measure.worked_norm_pct", "measure.months_in_job"

rates = st.integers(0, 2000).map(lambda n: Fraction(n, 100))
edges = st.lists(st.integers(1, 10**6), min_size=1, max_size=4, unique=True).map(lambda found: [0, *sorted(found)])


def ratios(low: int, high: int, *below: int) -> st.SearchStrategy[Fraction]:
    """Return fractions from low to high with one of these denominators."""
    one = st.sampled_from(below)
    return one.flatmap(lambda under: st.integers(low * under, high * under).map(lambda over: Fraction(over, under)))


amounts = ratios(-(10**5), 10**7, 1, 3, 97)
shares = ratios(-20, 200, 1, 7, 2100)
numbers = ratios(0, 3, 100)


def text(value: Fraction) -> str:
    """Return a fraction of hundredths as a rule writes it."""
    return str(value) if value.denominator == 1 else f"{value.numerator / value.denominator:.2f}"


@st.composite
def tables(draw: Any) -> tuple[list[int], list[Fraction]]:
    starts = draw(edges)
    return starts, draw(st.lists(rates, min_size=len(starts), max_size=len(starts)))


def by_hand(starts: list[int], found: list[Fraction], at: Fraction) -> Fraction:
    """The tiers of an amount on itself, counted tier by tier."""
    ends = [*starts[1:], None]
    if at <= 0:
        return at * found[0] / 100
    return sum(
        (
            max(Fraction(0), (at if end is None else min(at, Fraction(end))) - start) * rate / 100
            for start, end, rate in zip(starts, ends, found, strict=True)
        ),
        Fraction(0),
    )


def slab(starts: list[int], found: list[Fraction], at: Fraction) -> Fraction:
    return sum(
        (one.part * found[one.tier] / 100 for one in in_slabs([Fraction(s) for s in starts], at, at)), Fraction(0)
    )


class TestTiers:
    @given(tables(), amounts)
    def test_slabs_pay_each_part_at_its_own_rate(self, table: Any, at: Fraction) -> None:
        assert slab(*table, at) == by_hand(*table, at)

    @given(tables(), amounts, amounts)
    def test_slabs_never_fall_and_never_jump(self, table: Any, one: Fraction, other: Fraction) -> None:
        low, high = sorted((one, other))
        gained = slab(*table, high) - slab(*table, low)
        assert 0 <= gained <= (high - low) * max(table[1]) / 100

    @given(edges, amounts, ratios(0, 200, 1, 99))
    def test_the_parts_of_an_amount_are_the_whole_amount(
        self, starts: list[int], amount: Fraction, at: Fraction
    ) -> None:
        assert sum(one.part for one in in_slabs([Fraction(s) for s in starts], at, amount)) == amount

    @given(tables(), amounts)
    @settings(max_examples=30)
    def test_whole_pays_everything_at_the_rate_of_its_tier(self, table: Any, at: Fraction) -> None:
        starts, found = table
        rows = [tier(start, text(rate)) for start, rate in zip(starts, found, strict=True)]
        held = tier_of([Fraction(start) for start in starts], at / 100)
        line = pay(tiers(rows, "whole"), measures={REVENUE: at}).lines[0]
        assert line.exact == at * found[held] / 100


class TestTables:
    @given(st.dictionaries(st.integers(-50, 300), numbers, min_size=2, max_size=6), shares)
    def test_a_curve_stays_between_its_neighbouring_nodes(self, nodes: dict[int, Fraction], at: Fraction) -> None:
        sorted_nodes = [(Fraction(x), nodes[x]) for x in sorted(nodes)]
        value = on_curve(ATTAINMENT, sorted_nodes, at).value
        for (left, low), (right, high) in pairwise(sorted_nodes):
            assert on_curve(ATTAINMENT, sorted_nodes, left).value == low
            if left <= at <= right:
                assert min(low, high) <= value <= max(low, high)
        if at <= sorted_nodes[0][0]:
            assert value == sorted_nodes[0][1]
        if at >= sorted_nodes[-1][0]:
            assert value == sorted_nodes[-1][1]

    @given(st.data(), shares, shares)
    def test_a_matrix_is_exact_at_its_nodes_and_symmetric_where_its_values_are(
        self, data: st.DataObject, new: Fraction, old: Fraction
    ) -> None:
        nodes = [Fraction(node) for node in sorted(data.draw(st.sets(st.integers(0, 150), min_size=2, max_size=4)))]
        size = len(nodes)
        drawn = data.draw(st.lists(numbers, min_size=size * size, max_size=size * size))
        values = [[drawn[min(r, c) * size + max(r, c)] for c in range(size)] for r in range(size)]
        assert on_matrix((NEW, OLD), nodes, values, (new, old)).value == (
            on_matrix((OLD, NEW), nodes, values, (old, new)).value
        )
        for row, left in enumerate(nodes):
            for column, right in enumerate(nodes):
                assert on_matrix((NEW, OLD), nodes, values, (left, right)).value == values[row][column]
        assert min(drawn) <= on_matrix((NEW, OLD), nodes, values, (new, old)).value <= max(drawn)

    @given(st.integers(0, 100), st.integers(0, 50), shares, shares)
    def test_a_soft_gate_opens_steadily(self, start: int, width: int, one: Fraction, other: Fraction) -> None:
        low, high = sorted((one, other))
        edges_ = Fraction(start), Fraction(start + width)
        assert 0 <= clamp(*edges_, low) <= clamp(*edges_, high) <= 1


factors = multiply(IN_TIME, ["0", ".5"], ["70", ".70"], ["95", "1"], ["100", "1.05"], lines=("premium", "base"))
gates = gate((IN_TIME, "85", "95"), (CALLS_PCT, "75", "90"), lines=("over", "tiers"))
PAYING: list[Json] = [
    percent("2.5"),
    tiers([tier(0, 1), tier(50, "2.35", fixed="100"), tier(100, 3)], by=ATTAINMENT),
    matrix(above={"from": "1", "line": "over"}),
    {"action": "pay_per_unit", "line": "calls", "count": CALLS, "amount": "70.35", "at_most": 120},
    fixed("1234.56", "plan"),
]
months = st.fixed_dictionaries(
    {
        NEW: st.none() | shares,
        OLD: st.none() | shares,
        ATTAINMENT: st.none() | shares,
        REVENUE: amounts,
        IN_TIME: st.none() | ratios(0, 100, 1, 23, 300),
        CALLS_PCT: st.none() | ratios(0, 100, 1, 119),
        CALLS: st.integers(0, 200).map(Fraction),
        WORKED: st.none() | ratios(0, 110, 1, 184),
        MONTHS: st.none() | st.integers(1, 4).map(Fraction),
    }
)
limits = st.integers(0, 6_000_000).map(lambda minor: f"{minor // 100}.{minor % 100:02d}")


@st.composite
def statements(draw: Any) -> Statement:
    """A month under a scheme with every component, in some order that makes a line before it is changed."""
    changes = draw(st.permutations([factors, gates, cap(draw(limits), "premium", "over", "base"), cap("900", "calls")]))
    return pay(*PAYING, *changes, guarantee(draw(limits)), measures=draw(months))


def recomputed(line: Line) -> int:
    """Kopecks from nothing but what a program reads in the JSON of a line."""
    document = line_json(line, "en")
    assert parse_amount(document["amount"]) == line.amount
    if document["rate"] is None:
        # Nothing to multiply: an empty measure, or a fixed sum of a tier beside payments of nothing.
        return on_calculator(line, shown(line))
    rate = Fraction(document["rate"]) / (100 if document["rate_unit"] == "percent" else 1)
    value = Fraction(document["base"]) * rate
    for step in document["steps"]:
        if step["factor"] is not None:
            value *= Fraction(step["factor"])
        elif step["step"] == "cap":
            value = min(value, Fraction(step["amount"]))
        elif step["step"] == "less":
            value = max(value - Fraction(step["amount"]), Fraction(0))
        else:
            value += Fraction(step["amount"])
    return rounded(value * 100)


def read_again(rows: list[Json]) -> Fraction:
    """The value of a table, read between the shown nodes at the shown measures."""
    inside: dict[str, Fraction] = {}
    value = Fraction(0)
    for row in rows:
        at, (left, low), (right, high) = Fraction(row["at"]), row["low"], row["high"]
        first, second = Fraction(low), Fraction(high)
        if row["row"] is None:
            first, second = inside.get(left, first), inside.get(right, second)
        value = first
        if left != right:
            value += (second - first) * (at - Fraction(left)) / (Fraction(right) - Fraction(left))
        if row["row"] is not None:
            inside[row["row"]] = value
    return value


def assert_typed_in(line: Line) -> None:
    """The numbers of the sentence give the amount that it ends with."""
    sentence = line_sentence(line, "en")
    if " = " in sentence:
        assert typed_in(sentence) == (line.amount, line.amount), sentence
    else:
        assert line.missing or line.component == FLOOR


def assert_filled_up(line: Line, found: Statement) -> None:
    """A guarantee that pays brings the lines to the rounded minimum."""
    if line.component == GUARANTEE and line.amount:
        base, factor = line.terms[0].base.value, line.terms[0].factor
        others = sum(one.amount for one in found.lines if one.component not in (GUARANTEE, FLOOR))
        assert factor is not None
        assert others + line.amount == rounded(base * factor.value)


class TestStatements:
    @given(statements())
    @settings(max_examples=80, deadline=None)
    def test_every_line_adds_up_and_can_be_recomputed(self, found: Statement) -> None:
        assert found.total == sum(line.amount for line in found.lines)
        assert found.total >= 0
        for line in found.lines:
            assert abs(line.exact - line.amount) < len(found.lines)
            assert on_calculator(line, shown(line)) == line.amount
            assert recomputed(line) == line.amount
            assert_typed_in(line)
            assert_filled_up(line, found)
            for lang in ("ru", "en"):
                assert stored_line_json(line_document(line), lang) == line_json(line, lang)

    @given(st.permutations(PAYING), months)
    @settings(max_examples=40, deadline=None)
    def test_the_order_of_paying_components_does_not_matter(self, order: list[Json], month: Any) -> None:
        usual, other = pay(*PAYING, measures=month), pay(*order, measures=month)
        assert {line.line: line.amount for line in usual.lines} == {line.line: line.amount for line in other.lines}

    @given(months)
    @settings(max_examples=40, deadline=None)
    def test_the_order_of_factors_does_not_matter(self, month: Any) -> None:
        wide = gate((CALLS_PCT, "0", "90"), lines=("premium", "over", "base"))
        usual, other = pay(*PAYING, factors, wide, measures=month), pay(*PAYING, wide, factors, measures=month)
        assert [line.amount for line in usual.lines] == [line.amount for line in other.lines]


class TestPocketCalculator:
    @given(shares, shares, ratios(0, 100, 1, 23, 300))
    # Exactly half a kopeck, which a third of a hundredth cut to the nearest never reaches.
    @example(Fraction(125), Fraction(150), Fraction(1, 300))
    @settings(max_examples=60, deadline=None)
    def test_the_shown_measures_read_in_the_table_give_the_amount(
        self, new: Fraction, old: Fraction, in_time: Fraction
    ) -> None:
        quality = {**factors, "lines": ["premium"]}
        (line,) = pay(matrix(), quality, measures={NEW: new, OLD: old, IN_TIME: in_time}).lines
        document = line_json(line, "ru")
        value = Fraction(document["base"]) * read_again(document["rows"]) * read_again(document["steps"][0]["rows"])
        assert rounded(value * 100) == line.amount

    def test_half_a_kopeck_of_thirds_is_met_from_above(self) -> None:
        third = multiply(IN_TIME, ["0", "0"], ["100", "1"])
        (line,) = pay(fixed("0.03"), third, measures={IN_TIME: Fraction(100, 6)}).lines
        assert (line.amount, on_calculator(line, shown(line))) == (1, 1)
        (line,) = pay(fixed("1.50"), third, measures={IN_TIME: Fraction(100, 300)}).lines
        assert (line.exact, line.amount) == (Fraction(1, 2), 1)
        assert typed_in(line_sentence(line, "en")) == (1, 1)
