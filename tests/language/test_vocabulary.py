"""Every word of the vocabulary is declared once, in both languages, and the design's lists are complete."""

import re
from pathlib import Path

import pytest

from rules_engine.language.kinds import ORDERED_TYPES, Decision, FieldType, MovedBy, Words
from rules_engine.language.vocabulary import (
    FIELDS,
    OPERATORS,
    actions_of,
    fields_of,
    implemented_fields,
    operators_for,
)
from rules_engine.language.vocabulary.page import page

DESIGNED = {
    "request": "source channel service region city language amount expected_value priority text tags status "
    "is_duplicate times_reassigned contact_attempts has_next_step is_answered working_minutes_since_received "
    "working_minutes_since_assigned working_minutes_without_answer working_minutes_since_activity answer_within "
    "answer_used_pct is_past_answer_time waiting_client_days times_waiting working_days_open",
    "client": "segment is_old is_new owner region tags payments_count revenue_total revenue_365d average_payment "
    "days_since_last_payment days_since_last_contact silence_before_payment_days usual_interval_days overdue_ratio "
    "expected_need_in_days contract_ends_in_days last_outcome refusal_reason do_not_call asked_to_call_on "
    "consent_to_offers has_open_request complaints_90d local_hour",
    "owner": "is_absent back_in_working_minutes",
    "manager": "name team skills is_working_now open_requests unanswered_requests overdue_callbacks received_today "
    "received_this_month plan_attainment_pct callbacks_done_pct",
    "candidate": "name team skills is_working_now open_requests unanswered_requests overdue_callbacks received_today "
    "received_this_month plan_attainment_pct callbacks_done_pct is_on_duty shortfall",
    "item": "kind working_days_overdue times_postponed",
    "now": "weekday hour day_of_month month is_working_time",
    "event": "name",
    "measure": "plan_new plan_old revenue_new revenue_old revenue attainment_new_pct attainment_old_pct attainment_pct "
    "team_attainment_pct paid_requests received_requests processed_requests processed_pct in_time_pct "
    "callbacks_planned callbacks_done callbacks_done_pct reactivated_clients verified_complaints rating quality_score "
    "worked_norm_pct months_in_job cherry_picking_index",
}
ACTIONS = {
    Decision.ASSIGNMENT: "assign leave_unassigned set_priority add_tag notify",
    Decision.ESCALATION: "remind notify reassign mark_late set_priority create_task return_to_work hold_new_requests "
    "release_client",
    Decision.CALLBACKS: "schedule_callback set_segment release_client skip",
    Decision.BONUS: "pay_percent pay_tiers pay_curve pay_matrix pay_per_unit pay_fixed multiply gate cap guarantee",
}
FORBIDDEN = re.compile(
    r"штраф|депремир|лишени\w* преми|удержан|взыскан|наказан|санкци|отстранен|провинност|!", re.IGNORECASE
)


def test_the_fields_are_those_of_the_design() -> None:
    assert {f"{group}.{name}" for group, names in DESIGNED.items() for name in names.split()} == set(FIELDS)


@pytest.mark.parametrize("decision", Decision)
def test_the_actions_are_those_of_the_design(decision: Decision) -> None:
    assert set(actions_of(decision)) == set(ACTIONS[decision].split())


def _words() -> list[Words]:
    words = [
        w for one in FIELDS.values() for w in (one.label, one.chip, one.empty, *one.boolean_words, *one.filled_words)
    ]
    words += [one.unit for one in FIELDS.values() if one.unit]
    words += [choice.label for one in FIELDS.values() for choice in one.choices]
    words += [w for one in OPERATORS.values() for w in (one.label, one.chip)]
    for decision in Decision:
        for spec in actions_of(decision).values():
            words += [spec.label, spec.lead, *(param.label for param in spec.params)]
            words += [choice.label for param in spec.params for choice in param.choices]
    return words


def test_every_word_exists_in_both_languages_and_none_is_forbidden() -> None:
    for words in _words():
        assert words.ru
        assert words.en
        assert not re.search("[а-яё]", words.en, re.IGNORECASE)
        assert not FORBIDDEN.search(words.ru)
        assert "!" not in words.en


@pytest.mark.parametrize("field_type", FieldType)
def test_operators_fit_types_as_documented(field_type: FieldType) -> None:
    offered = {operator.op for operator in operators_for(field_type)}
    expected = {"is", "is_not", "is_empty", "is_filled"}
    if field_type in ORDERED_TYPES:
        expected |= {"lt", "le", "gt", "ge", "between"}
    if field_type in (FieldType.TEXT, FieldType.CHOICE, FieldType.NUMBER, FieldType.INTEGER, FieldType.REFERENCE):
        expected |= {"in", "not_in"}
    if field_type is FieldType.TEXT:
        expected |= {"contains", "starts_with"}
    if field_type is FieldType.LIST:
        expected |= {"has_any", "has_all"}
    assert offered == expected


def test_candidates_are_a_world_of_their_own() -> None:
    for decision in Decision:
        assert not any(one.key.startswith("candidate.") for one in fields_of(decision))
        assert all(one.key.startswith("candidate.") for one in fields_of(decision, candidates=True))


def test_the_editor_offers_only_what_is_filled_and_known_in_time() -> None:
    offered = {one.key for one in implemented_fields(Decision.ASSIGNMENT)}
    assert {"request.amount", "client.owner", "client.is_old", "client.has_open_request"} <= offered
    assert "now.is_working_time" in offered
    assert offered.isdisjoint({"client.complaints_90d", "request.is_answered", "measure.revenue"})
    assert "request.is_answered" in {one.key for one in implemented_fields(Decision.ESCALATION)}


def test_elapsed_time_is_moved_by_time_and_load_by_others() -> None:
    assert FIELDS["request.working_minutes_without_answer"].moved_by is MovedBy.WITH_TIME
    assert FIELDS["manager.open_requests"].moved_by is MovedBy.WITH_OTHERS
    assert FIELDS["request.amount"].moved_by is MovedBy.WITH_ITEM


def test_the_reference_of_the_language_is_up_to_date_and_complete() -> None:
    written = (Path(__file__).parents[2] / "docs/rules.md").read_text(encoding="utf-8")
    assert written == page(), "run: python -m rules_engine.language.vocabulary.page > docs/rules.md"
    named = {*FIELDS, *OPERATORS, *(kind.value for kind in FieldType)}
    for decision in Decision:
        for spec in actions_of(decision).values():
            named |= {spec.name, *spec.by_name, *(one.value for param in spec.params for one in param.choices)}
    named |= {choice.value for declared in FIELDS.values() for choice in declared.choices}
    assert [name for name in sorted(named) if f"`{name}`" not in written] == []
    words = [part for declared in FIELDS.values() for part in (declared.label, declared.empty, declared.unit) if part]
    assert [one for one in words if one.ru not in written or one.en not in written] == []
