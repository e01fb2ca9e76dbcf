"""What outsiders may hand in, and the sentences for what they may not."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules_engine.services.records.forms import InvalidForm, Problem, read
from rules_engine.services.records.incoming import (
    AbsenceIn,
    ClientIn,
    ContactIn,
    ManagerIn,
    RequestIn,
    StatusIn,
    format_weight,
)

BODY = {"source": "site", "external_id": "A-1001", "received_at": "2026-10-05T11:20:00+03:00"}


def problems(form: type, document: object) -> dict[str, str]:
    with pytest.raises(InvalidForm) as refused:
        read(form, document)
    return {problem.path: problem.en for problem in refused.value.problems}


def test_a_request_needs_only_its_key_and_its_arrival() -> None:
    request = read(RequestIn, BODY)
    assert request.received_at == datetime(2026, 10, 5, 8, 20, tzinfo=UTC)
    assert problems(RequestIn, {}) == dict.fromkeys(("source", "external_id", "received_at"), "is missing")


def test_amounts_are_strings_with_two_decimals() -> None:
    assert read(RequestIn, {**BODY, "amount": "14500.00"}).amount == 1_450_000
    for amount in (14500, 14500.0, "14500", "14500.5", "1e5", "-1.00", "١.00", True, [], "9" * 400 + ".00"):
        assert "amount" in problems(RequestIn, {**BODY, "amount": amount})


def test_instants_carry_an_offset() -> None:
    for instant in ("2026-10-05T11:20:00", "2026-10-05", "yesterday", 1759652400, None, "", "0001-01-01T00:00+14:00"):
        assert "received_at" in problems(RequestIn, {**BODY, "received_at": instant})


def test_an_unknown_field_is_an_error_that_names_the_field_that_was_meant() -> None:
    assert problems(RequestIn, {**BODY, "amuont": "1.00"}) == {"amuont": "there is no such field; did you mean amount"}
    nested = problems(RequestIn, {**BODY, "client": {"nmae": "Ромашка"}})
    assert nested == {"client.nmae": "there is no such field; did you mean name"}


def test_every_problem_is_named_in_both_languages_at_its_place() -> None:
    with pytest.raises(InvalidForm) as refused:
        read(RequestIn, {**BODY, "client": {"phone": 7}, "tags": ["a", 3], "priority": "urgent"})
    assert refused.value.problems == (
        Problem("client.phone", "нужен текст", "must be text"),
        Problem("priority", "допустимо: low, normal, high", "must be one of: low, normal, high"),
        Problem("tags[1]", "нужен текст", "must be text"),
    )
    assert refused.value.message("ru").startswith("client.phone: нужен текст; priority: допустимо")


def test_an_empty_text_is_an_empty_field_and_nothing_is_required_of_it() -> None:
    request = read(RequestIn, {**BODY, "region": "", "amount": "", "tags": None})
    assert (request.region, request.amount, request.tags) == (None, None, [])
    assert problems(RequestIn, {**BODY, "source": "  "}) == {"source": "is empty"}


@pytest.mark.parametrize("text", ["\x00", "\ud800", "a\x1bb"])
def test_what_no_database_can_hold_is_refused(text: str) -> None:
    assert "text" in problems(RequestIn, {**BODY, "text": text})
    assert "external_id" in problems(RequestIn, {**BODY, "external_id": f"A{text}"})


def test_texts_are_bounded_and_compare_equal_however_their_accents_are_written() -> None:
    assert "service" in problems(RequestIn, {**BODY, "service": "s" * 201})
    assert "text" in problems(RequestIn, {**BODY, "text": "s" * 20_001})
    assert read(RequestIn, {**BODY, "region": "Йошкар"}) == read(RequestIn, {**BODY, "region": "Йошкар"})


def test_half_a_key_of_a_client_is_refused() -> None:
    assert "client" in problems(RequestIn, {**BODY, "client": {"source": "1c"}})


def test_a_contact_is_about_somebody() -> None:
    contact = {"source": "pbx", "external_id": "1", "at": BODY["received_at"]}
    assert problems(ContactIn, contact) == {"body": "needs a request, a client or a phone"}
    assert read(ContactIn, {**contact, "phone": "+74950000000"}).direction == "out"


def test_an_absence_ends_after_it_began() -> None:
    instant = BODY["received_at"]
    assert "body" in problems(AbsenceIn, {"manager": "anna", "starts_at": instant, "ends_at": instant})


def test_weights_are_shares_of_a_full_position() -> None:
    assert read(ManagerIn, {"login": "a", "name": "А", "weight": "0.5"}).weight == 500
    for weight in ("0", "101", "0,5", 1, "-1", "1.2345"):
        assert "weight" in problems(ManagerIn, {"login": "a", "name": "А", "weight": weight})
    assert [format_weight(milli) for milli in (1000, 500, 1250)] == ["1", "0.5", "1.25"]


def test_a_form_survives_the_way_through_json() -> None:
    data = read(RequestIn, {**BODY, "amount": "0.07", "client": {"phone": "8 495 000-00-00"}, "tags": ["a"]})
    assert read(RequestIn, json.loads(data.model_dump_json())) == data


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(list(BODY.values())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(
    form=st.sampled_from([RequestIn, ContactIn, ClientIn, ManagerIn, StatusIn]),
    document=st.dictionaries(
        st.sampled_from([*RequestIn.model_fields, *ContactIn.model_fields, *ClientIn.model_fields, "zz"]), anything
    )
    | anything,
)
def test_whatever_is_handed_in_is_read_or_refused_in_words(form: type, document: object) -> None:
    try:
        read(form, document)
    except InvalidForm as refused:
        assert refused.message("ru").encode() and refused.message("en").encode()
