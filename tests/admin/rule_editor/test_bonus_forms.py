"""What a person types into the table of a bonus component, and what the draft keeps of it."""

from zoneinfo import ZoneInfo

import pytest

from admin.views.rule_editor.bonus_forms import BonusTexts
from admin.views.rule_editor.bonus_shapes import reshaped
from admin.views.rule_editor.typed import Reader
from rules_engine.language.kinds import Decision
from rules_engine.language.vocabulary import actions_of
from rules_engine.services.drafts.body import Node

READER = Reader("ru", ZoneInfo("Europe/Moscow"))
TEXTS = BonusTexts(READER)
TIERS = {
    "action": ["pay_tiers"],
    "of": ["measure.revenue"],
    "by": ["measure.revenue"],
    "mode": ["slab"],
    "tier_from": ["0", "500 000", "1 000 000,50 ₽"],
    "tier_rate": ["1", "2,5", "3.75 %"],
    "tier_fixed": ["", "", "1 000"],
}
MATRIX = {
    "action": ["pay_matrix"],
    "rows_by": ["measure.attainment_new_pct"],
    "cols_by": ["measure.attainment_old_pct"],
    "mark": ["0", "100"],
    "cell": ["0", "0,4", "0,4", "1"],
}


def typed(**changed: list[str]) -> dict[str, list[str]]:
    return {**TIERS, **changed}


class TestTiers:
    def test_both_decimal_marks_and_signs_are_taken(self) -> None:
        node, errors = TEXTS.read(TIERS)
        assert errors == {}
        assert node["tiers"] == [
            {"from": "0", "rate": "1"},
            {"from": "500000", "rate": "2.5"},
            {"from": "1000000.5", "rate": "3.75", "fixed": "1000"},
        ]

    def test_what_was_stored_reads_back_the_same(self) -> None:
        node, _errors = TEXTS.read(TIERS)
        again, errors = TEXTS.read(TEXTS.typed(node))
        assert (again, errors) == (node, {})

    def test_the_choice_between_part_and_whole_is_never_made_for_anybody(self) -> None:
        node, errors = TEXTS.read(typed(mode=[]))
        assert "mode" not in node and errors == {}

    @pytest.mark.parametrize(
        ("changed", "where"),
        [
            ({"tier_from": ["0", "1 000 000", "500 000"]}, "tier_from-2"),
            ({"tier_from": ["0", "0", "500 000"]}, "tier_from-1"),
            ({"tier_rate": ["1", "250", "3"]}, "tier_rate-1"),
            ({"tier_rate": ["1", "-2", "3"]}, "tier_rate-1"),
            ({"tier_rate": ["1", "", "3"]}, "tier_rate-1"),
            ({"tier_rate": ["1", "много", "3"]}, "tier_rate-1"),
            ({"tier_from": ["0", "", ""], "tier_rate": ["1", "", ""], "tier_fixed": ["", "", ""]}, "tier_from-1"),
        ],
    )
    def test_what_cannot_be_is_said_at_its_cell(self, changed: dict[str, list[str]], where: str) -> None:
        assert where in TEXTS.read(typed(**changed))[1]

    def test_rows_left_empty_at_the_end_are_no_tiers(self) -> None:
        spare = {"tier_from": [*TIERS["tier_from"], ""], "tier_rate": [*TIERS["tier_rate"], ""]}
        node, errors = TEXTS.read(typed(**spare))
        assert len(node["tiers"]) == 3 and errors == {}

    def test_splitting_stands_in_the_middle_and_changes_nothing_yet(self) -> None:
        found = reshaped(READER, TIERS, "split:0")
        assert found["tier_from"][:3] == ["0", "250\u00a0000", "500 000"]
        assert found["tier_rate"][:3] == ["1", "1", "2,5"]
        last = reshaped(READER, TIERS, "split:2")
        assert (last["tier_from"][3], last["tier_rate"][3]) == ("1\u00a0500\u00a0000,75", "3.75 %")

    def test_a_removed_tier_merges_upwards(self) -> None:
        found = reshaped(READER, TIERS, "drop:1")
        assert (found["tier_from"], found["tier_rate"]) == (["0", "1 000 000,50 ₽"], ["1", "3.75 %"])
        first = reshaped(READER, TIERS, "drop:0")
        assert (first["tier_from"][0], first["tier_rate"][0]) == ("0", "2,5")


class TestMatrix:
    def test_a_new_mark_says_what_the_matrix_says_there_already(self) -> None:
        found = reshaped(READER, MATRIX, "split:0")
        assert found["mark"] == ["0", "50", "100"]
        assert found["cell"] == ["0", "0,2", "0,4", "0,2", "0,45", "0,7", "0,4", "0,7", "1"]
        back = reshaped(READER, found, "drop:1")
        assert (back["mark"], back["cell"]) == (MATRIX["mark"], MATRIX["cell"])

    def test_an_empty_cell_and_the_same_measure_twice_are_said_in_place(self) -> None:
        changed = {**MATRIX, "cell": ["0", "", "0.4", "1"], "cols_by": MATRIX["rows_by"]}
        assert set(TEXTS.read(changed)[1]) == {"cell-1", "cols_by"}

    def test_a_stored_matrix_of_a_wrong_shape_opens_with_its_holes(self) -> None:
        stored: Node = {"action": "pay_matrix", "nodes": ["0", "50", "100"], "values": [["0", "1"]]}
        texts = TEXTS.typed(stored)
        assert texts["cell"] == ["0", "1", "", "", "", "", "", "", ""]
        assert "cell-2" in TEXTS.read(texts)[1]


class TestGate:
    GATE = {
        "action": ["gate"],
        "lines": ["premium"],
        "soft": ["yes"],
        "gate_measure": ["measure.in_time_pct", "measure.in_time_pct"],
        "gate_from": ["95", "75"],
        "gate_full": ["85", "90"],
    }

    def test_the_order_and_the_same_measure_twice(self) -> None:
        assert set(TEXTS.read(self.GATE)[1]) == {"gate_full-0", "gate_measure-1"}

    def test_all_or_nothing_needs_one_value_only(self) -> None:
        hard = {
            **self.GATE,
            "soft": ["no"],
            "gate_measure": ["measure.in_time_pct"],
            "gate_from": [""],
            "gate_full": ["90"],
        }
        node, errors = TEXTS.read(hard)
        assert errors == {} and "soft" not in node
        assert node["all"] == [{"measure": "measure.in_time_pct", "from": "90", "full_at": "90"}]


RUBBISH: list[object] = [
    None,
    "",
    "x",
    5,
    -1,
    True,
    [],
    [[]],
    ["a"],
    [["0"]],
    [["0", "1", "2"]],
    {},
    {"from": 3},
    [{"from": "0"}],
]


@pytest.mark.parametrize("name", list(actions_of(Decision.BONUS)))
def test_a_hand_edited_component_opens_whatever_stands_in_it(name: str) -> None:
    keys = actions_of(Decision.BONUS)[name].by_name
    for rubbish in RUBBISH:
        node: Node = {"action": name, **dict.fromkeys(keys, rubbish)}
        texts = TEXTS.typed(node)
        read, _errors = TEXTS.read(texts)
        assert read["action"] == name
        for step in ("split:0", "drop:0", "add", "split:99", "drop:x", "fixed"):
            TEXTS.read(reshaped(READER, texts, step))
