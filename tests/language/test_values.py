"""From JSON to the canonical forms that engines compare, and back, and into words."""

import unicodedata
from datetime import UTC, date, datetime
from fractions import Fraction
from math import floor
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules_engine.language.errors import BadValue, FactsInvalid
from rules_engine.language.kinds import Decision, FieldType, MovedBy, Words
from rules_engine.language.shown import show, show_fraction
from rules_engine.language.values import (
    SCALE,
    canonical_text,
    dump,
    dump_facts,
    parse,
    parse_exact,
    parse_facts,
    parse_type,
)
from rules_engine.language.vocabulary import FIELDS, Field
from tests.language import generate

T = FieldType
INSTANT = Field(
    "request.at", T.DATETIME, Words("", ""), Words("", ""), frozenset(Decision), MovedBy.WITH_ITEM, Words("", "")
)


@pytest.mark.parametrize(
    ("kind", "written", "canonical"),
    [
        (T.MONEY, "50000", 5_000_000),
        (T.MONEY, "50000.5", 5_000_050),
        (T.MONEY, "-0.01", -1),
        (T.PERCENT, "49.999", 4_999),
        (T.PERCENT, "-0.001", -1),
        (T.NUMBER, "1.5", 15_000),
        (T.NUMBER, "-0.0001", -1),
        (T.INTEGER, 12, 12),
        (T.DURATION, 30, 30),
        (T.BOOLEAN, True, True),
        (T.DATE, "2026-10-05", date(2026, 10, 5).toordinal()),
        (T.DATETIME, "2026-10-05T11:20:00+03:00", int(datetime(2026, 10, 5, 8, 20, tzinfo=UTC).timestamp()) * 10**6),
        (T.DATETIME, "1969-12-31T23:59:59.999999Z", -1),
        (T.TEXT, "  МОСКВА ", "москва"),
        (T.TEXT, "   ", None),
        (T.CHOICE, "Phone", "Phone"),
        (T.REFERENCE, "", None),
    ],
)
def test_a_value_becomes_canonical(kind: FieldType, written: Any, canonical: Any) -> None:
    found = parse_type(kind, written)
    assert found == canonical
    assert type(found) is type(canonical)


@pytest.mark.parametrize(
    ("kind", "written", "code"),
    [
        (T.INTEGER, True, "wrong_type"),
        (T.INTEGER, "12", "wrong_type"),
        (T.INTEGER, 12.0, "wrong_type"),
        (T.INTEGER, 2**62, "too_large"),
        (T.BOOLEAN, 1, "wrong_type"),
        (T.MONEY, 50, "wrong_type"),
        (T.MONEY, "1 000", "wrong_type"),
        (T.MONEY, "1,5", "wrong_type"),
        (T.MONEY, "٥", "wrong_type"),
        (T.MONEY, "1.005", "too_exact"),
        (T.NUMBER, "NaN", "wrong_type"),
        (T.NUMBER, "1.00001", "too_exact"),
        (T.DATE, "2026-02-29", "bad_date"),
        (T.DATE, "2026-W01-1", "wrong_type"),
        (T.DATETIME, "2026-10-05T11:20:00", "no_offset"),
        (T.DATETIME, "yesterday", "wrong_type"),
        (T.TEXT, 5, "wrong_type"),
        (T.TEXT, "a\0", "bad_text"),
        (T.REFERENCE, "\udfff", "bad_text"),
    ],
)
def test_a_value_of_another_type_is_refused(kind: FieldType, written: Any, code: str) -> None:
    with pytest.raises(BadValue) as refused:
        parse_type(kind, written)
    assert refused.value.code == code
    assert refused.value.message("ru") != refused.value.message("en")


@pytest.mark.parametrize(("written", "expected"), [(".10", "1/10"), ("2.5", "5/2"), ("-3", "-3"), ("7.", "7")])
def test_rates_and_nodes_keep_every_digit(written: str, expected: str) -> None:
    assert str(parse_exact(written)) == expected


@pytest.mark.parametrize("written", ["", ".", "1e5", "1/2", 5, None, "1" * 16])
def test_what_is_no_decimal_is_no_rate(written: Any) -> None:
    with pytest.raises(BadValue):
        parse_exact(written)


class TestText:
    @pytest.mark.parametrize(
        ("one", "other"),
        [("Ёлка", "е\u0308лка"), ("STRASSE", "straße"), (" Казань\n", "казань"), ("Σίσυφος", "ΣΊΣΥΦΟΣ")],
    )
    def test_case_composition_and_edges_do_not_count(self, one: str, other: str) -> None:
        assert canonical_text(one) == canonical_text(other)

    @given(st.text(max_size=20))
    def test_canonical_text_is_composed_and_stays_as_it_is(self, text: str) -> None:
        once = canonical_text(text)
        assert unicodedata.is_normalized("NFC", once)
        assert canonical_text(once) == once


class TestFacts:
    def test_empty_values_are_left_out(self) -> None:
        document = {"request.text": "", "request.tags": [], "client.owner": None, "request.region": "  "}
        assert parse_facts(document) == {}

    def test_lists_keep_their_filled_items(self) -> None:
        assert parse_facts({"request.tags": ["VIP", "", " акция "]}) == {"request.tags": ("vip", "акция")}
        assert parse_facts({"manager.skills": ["English"]}) == {"manager.skills": ("English",)}

    def test_every_problem_is_named_at_once(self) -> None:
        with pytest.raises(FactsInvalid) as refused:
            parse_facts({"request.amount": 5, "request.amuont": "5", "client.is_old": "yes"}, "/facts")
        assert [(one.path, one.code) for one in refused.value.problems] == [
            ("/facts/request.amount", "wrong_type"),
            ("/facts/request.amuont", "unknown_field"),
            ("/facts/client.is_old", "wrong_type"),
        ]

    @pytest.mark.parametrize("document", [None, [], "x", 5])
    def test_what_is_no_object_is_refused(self, document: Any) -> None:
        with pytest.raises(FactsInvalid):
            parse_facts(document)

    @given(st.data())
    def test_facts_written_out_read_back_the_same(self, data: st.DataObject) -> None:
        raw = {
            field.key: data.draw(generate.fact_values(field))
            for field in data.draw(st.lists(st.sampled_from(generate.FIELDS), max_size=8))
        }
        facts = parse_facts(raw)
        assert parse_facts(dump_facts(facts)) == facts

    @given(st.datetimes(timezones=st.just(UTC)))
    def test_instants_are_exact_to_the_microsecond(self, instant: datetime) -> None:
        canonical = parse(INSTANT, instant.isoformat())
        assert isinstance(canonical, int)
        assert datetime.fromisoformat(str(dump(INSTANT, canonical))) == instant


class TestShown:
    @pytest.mark.parametrize(
        ("key", "canonical", "ru", "en"),
        [
            ("request.amount", 150_000_050, "1 500 000,50 ₽", "1,500,000.50 ₽"),
            ("request.amount", -5_000_000, "−50 000 ₽", "−50,000 ₽"),
            ("request.answer_used_pct", 5_000, "50 %", "50%"),
            ("request.answer_used_pct", 5_050, "50,5 %", "50.5%"),
            ("client.overdue_ratio", 15_000, "1,5", "1.5"),
            ("request.answer_within", 30, "30 мин", "30 min"),
            ("request.working_minutes_since_activity", 1_480, "1 480 рабочих мин", "1,480 working min"),
            ("client.asked_to_call_on", date(2026, 10, 5).toordinal(), "05.10.2026", "5 Oct 2026"),
            ("client.is_old", True, "старый", "old"),
            ("client.is_old", None, "клиент неизвестен", "the client is not known"),
            ("request.channel", "phone", "телефон", "phone"),
            ("request.channel", "pigeon", "pigeon", "pigeon"),
            ("request.tags", ("vip", "акция"), "vip, акция", "vip, акция"),
        ],
    )
    def test_a_value_reads_in_both_languages(self, key: str, canonical: Any, ru: str, en: str) -> None:
        assert show(FIELDS[key], canonical, "ru").replace("\u00a0", " ") == ru
        assert show(FIELDS[key], canonical, "en").replace("\u00a0", " ") == en

    def test_an_instant_is_shown_in_the_zone_of_the_reader(self) -> None:
        canonical = parse(INSTANT, "2026-10-05T22:20:00Z")
        assert show(INSTANT, canonical, "ru", zone=ZoneInfo("Europe/Moscow")) == "06.10.2026, 01:20"

    @pytest.mark.parametrize("text", ["0", "0.1", "-2.05", "1234567.25", "7"])
    def test_a_rate_is_shown_with_all_its_digits(self, text: str) -> None:
        assert show_fraction(parse_exact(text), "en").replace(",", "").replace("−", "-") == text


@given(
    st.sampled_from([T.NUMBER, T.MONEY, T.PERCENT]),
    st.from_regex(r"\A-?[0-9]{1,9}(\.[0-9]{1,12})?\Z"),
)
def test_a_decimal_is_its_fraction_rounded_down(kind: T, written: str) -> None:
    exact = Fraction(written)
    places = {T.NUMBER: 4, T.MONEY: 2, T.PERCENT: 12}[kind]
    if len(written.partition(".")[2]) <= places:
        assert parse_type(kind, written) == floor(exact * SCALE[kind])
