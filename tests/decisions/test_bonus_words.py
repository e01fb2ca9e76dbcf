"""Lines of a statement as sentences in both languages, and what stands in their JSON."""

import json
import re
from fractions import Fraction

import pytest

from rules_engine.decisions.bonus_lines import Statement
from rules_engine.decisions.bonus_words import line_document, line_json, line_sentence, statement_json
from tests.decisions.schemes import (
    ATTAINMENT,
    CALLS_PCT,
    IN_TIME,
    NEW,
    OLD,
    REVENUE,
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
from tests.language.test_vocabulary import FORBIDDEN

CALLS = {"action": "pay_per_unit", "line": "calls", "count": "measure.callbacks_done", "amount": "70", "at_most": 120}
NEWCOMER = {"measure.months_in_job": 1, "measure.worked_norm_pct": 50}


def said(found: Statement, lang: str, line: int = 0) -> str:
    return line_sentence(found.lines[line], lang).replace("\u00a0", " ")


SAID = [
    pytest.param(
        pay(percent("2.5"), measures={REVENUE: roubles(104000)}),
        "Оплаты: 104 000,00 ₽ × 2,5 % = 2 600,00 ₽.",
        "Paid by all clients: 104,000.00 ₽ × 2.5% = 2,600.00 ₽.",
        id="percent",
    ),
    pytest.param(
        pay(tiers([tier(0, 6), tier(3000, 8), tier(8000, 10)]), measures={REVENUE: roubles(9000)}),
        "Оплаты: 3 000,00 ₽ × 6 % (от 0 до 3 000) + 5 000,00 ₽ × 8 % (от 3 000 до 8 000) "
        "+ 1 000,00 ₽ × 10 % (от 8 000) = 680,00 ₽.",
        "Paid by all clients: 3,000.00 ₽ × 6% (from 0 up to 3,000) + 5,000.00 ₽ × 8% (from 3,000 up to 8,000) "
        "+ 1,000.00 ₽ × 10% (from 8,000) = 680.00 ₽.",
        id="slabs",
    ),
    pytest.param(
        pay(
            tiers([tier(0, 2), tier(100, 5, fixed="100")], by=ATTAINMENT, line="base"),
            multiply(IN_TIME, ["0", "0"], ["100", "1"]),
            measures={REVENUE: roubles(1000), ATTAINMENT: 125, IN_TIME: 50},
        ),
        "Выполнение плана: 125 %; оплаты: (800,00 ₽ × 2 % (от 0 до 100) + 200,00 ₽ × 5 % (от 100) + 100,00 ₽ (от 100)) "
        "× 0,5 (доля ответов в срок: 50 %) = 63,00 ₽.",
        "Attainment: 125%; paid by all clients: (800.00 ₽ × 2% (from 0 up to 100) + 200.00 ₽ × 5% (from 100) "
        "+ 100.00 ₽ (from 100)) × 0.5 (share of answers in time: 50%) = 63.00 ₽.",
        id="slabs by attainment with a factor",
    ),
    pytest.param(
        pay(matrix(), measures={NEW: 110, OLD: 60}),
        "Выполнение плана по новым: 110 %; выполнение плана по старым: 60 %: 35 000,00 ₽ × 0,7183333 = 25 141,67 ₽.",
        "Attainment, new clients: 110%; attainment, old clients: 60%: 35,000.00 ₽ × 0.7183333 = 25,141.67 ₽.",
        id="matrix",
    ),
    pytest.param(
        pay(matrix(), measures={NEW: 50}, without_plan=(OLD,)),
        "Выполнение плана по новым: 50 %; выполнение плана по старым: плана нет намеренно, взято 100 %: "
        "35 000,00 ₽ × 0,58 = 20 300,00 ₽.",
        "Attainment, new clients: 50%; attainment, old clients: no plan by intention, taken at 100%: "
        "35,000.00 ₽ × 0.58 = 20,300.00 ₽.",
        id="one side",
    ),
    pytest.param(
        pay(matrix(), measures={NEW: 50}),
        "Выполнение плана по старым: плана нет; не начислено.",
        "Attainment, old clients: there is no plan; nothing is paid.",
        id="no plan",
    ),
    pytest.param(
        pay(CALLS, measures={"measure.callbacks_done": 130}),
        "Плановых звонков засчитано: 130, не более 120: 120 × 70,00 ₽ = 8 400,00 ₽.",
        "Callbacks done: 130, at most 120: 120 × 70.00 ₽ = 8,400.00 ₽.",
        id="units",
    ),
    pytest.param(
        pay(
            fixed("6000"),
            gate((IN_TIME, "85", "95"), (CALLS_PCT, "75", "90")),
            cap("1000"),
            measures={IN_TIME: 91},
        ),
        "6 000,00 ₽ × 0,6 (плавный порог: доля ответов в срок: 91 %, от 85 %, полностью с 95 %; "
        "доля сделанных звонков: считать не из чего, без изменения); предел для строки: 1 000,00 ₽ = 1 000,00 ₽.",
        "6,000.00 ₽ × 0.6 (soft gate: share of answers in time: 91%, from 85%, in full from 95%; "
        "share of callbacks done: nothing to count from, unchanged); the cap on the line: 1,000.00 ₽ = 1,000.00 ₽.",
        id="gate and cap",
    ),
    pytest.param(
        pay(fixed("6000"), gate((IN_TIME, "85", "95"), soft=False), measures={IN_TIME: 91}),
        "6 000,00 ₽ × 0 (порог: доля ответов в срок: 91 %, нужно 95 %) = 0,00 ₽.",
        "6,000.00 ₽ × 0 (gate: share of answers in time: 91%, needed 95%) = 0.00 ₽.",
        id="hard gate",
    ),
    pytest.param(
        pay(guarantee("24500"), measures=NEWCOMER),
        "Минимум за отработанное: 24 500,00 ₽ × 50 % − 0,00 ₽ (начислено выше) = 12 250,00 ₽.",
        "The minimum for the time worked: 24,500.00 ₽ × 50% − 0.00 ₽ (paid above) = 12,250.00 ₽.",
        id="guarantee",
    ),
]


@pytest.mark.parametrize(("found", "ru", "en"), SAID)
def test_a_line_reads_in_both_languages(found: Statement, ru: str, en: str) -> None:
    assert (said(found, "ru"), said(found, "en")) == (ru, en)
    assert not FORBIDDEN.search(ru)
    assert not re.search("[а-яё]", en, re.IGNORECASE)


def test_what_is_dropped_and_what_is_not_needed_is_said() -> None:
    below = pay(percent("10"), measures={REVENUE: roubles(-175)})
    assert said(below, "ru", 1) == "Строки дали меньше нуля, итог не бывает ниже нуля: 17,50 ₽."
    enough = pay(fixed("20000"), guarantee("24500"), measures=NEWCOMER)
    assert said(enough, "ru", 1).endswith("(начислено выше) = 0,00 ₽: доплата не нужна.")


def test_a_hair_below_a_hard_gate_is_shown_with_enough_digits() -> None:
    hard = gate((IN_TIME, "85", "95"), soft=False)
    found = pay(fixed("6000"), hard, measures={IN_TIME: Fraction("94.999999")})
    assert "94,999999 %, нужно 95 %" in said(found, "ru")


def test_the_json_has_the_documented_keys_and_text_for_every_number() -> None:
    document = statement_json(pay(percent("2.5"), measures={REVENUE: roubles(104000)}), "ru")
    (line,) = document["lines"]
    assert document["total"] == "2600.00"
    documented = {key: line[key] for key in ("rule", "component", "base", "rate", "amount")}
    assert documented == {
        "rule": "r",
        "component": "pay_percent",
        "base": "104000.00",
        "rate": "2.5",
        "amount": "2600.00",
    }
    assert (line["base_unit"], line["rate_unit"]) == ("money", "percent")
    assert json.loads(json.dumps(line)) == line


def test_slabs_have_one_rate_for_all_and_one_for_each_tier() -> None:
    found = pay(tiers([tier(0, 6), tier(3000, 8), tier(8000, 10)]), measures={REVENUE: roubles(9000)})
    line = line_json(found.lines[0], "ru")
    assert (line["base"], line["rate"], line["rate_unit"]) == ("9000.00", "7.5556", "percent")
    assert [(term["base"], term["rate"], term["tier"]) for term in line["terms"]] == [
        ("3000.00", "6", {"from": "0", "up_to": "3000"}),
        ("5000.00", "8", {"from": "3000", "up_to": "8000"}),
        ("1000.00", "10", {"from": "8000", "up_to": None}),
    ]


def test_a_matrix_shows_the_rows_between_which_it_was_read() -> None:
    line = line_json(pay(matrix(), measures={NEW: 110, OLD: 60}).lines[0], "ru")
    assert [(row["row"], row["low"], row["high"], row["value"]) for row in line["rows"]] == [
        ("100", ["50", "0.58"], ["80", "0.86"], "0.67333333"),
        ("120", ["50", "0.66"], ["80", "0.97"], "0.76333333"),
        (None, ["100", "0.67333333"], ["120", "0.76333333"], "0.71833333"),
    ]


def test_a_kept_line_holds_both_languages() -> None:
    found = pay(fixed("10"), multiply(IN_TIME, ["0", "0"], ["100", "1"]), measures={IN_TIME: 50})
    document = line_document(found.lines[0])
    assert document["sentence"]["ru"].startswith("10,00")
    assert document["steps"][0]["sentence"]["en"] == "× 0.5 (share of answers in time: 50%)"
