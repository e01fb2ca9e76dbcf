"""Editing a draft by plain forms, as a browser without scripts does: each operation, errors in place, publishing."""

import re
from collections.abc import Callable

import pytest

from tests.admin.rule_editor.conftest import LARGE, OWN, Editor, form_with, two_rules
from tests.factories import condition

AMOUNT = "/when/all/0"


def rule_of(head: Editor, rule_id: str) -> dict:
    return next(rule for rule in head.body()["rules"] if rule["id"] == rule_id)


class TestCondition:
    def test_a_value_with_a_decimal_comma_is_saved(self, head: Editor) -> None:
        answer = head.do("condition", "large", AMOUNT, value="180 000,50 ₽")
        assert answer.status_code == 303
        assert rule_of(head, "large")["when"]["all"] == [condition("request.amount", "ge", "180000.5")]
        assert "не менее 180\u00a0000,50\u00a0₽" in head.open()

    def test_an_unfinished_condition_stays_in_the_draft_and_says_so_in_place(self, head: Editor) -> None:
        answer = head.do("condition", "large", AMOUNT, value="")
        assert rule_of(head, "large")["when"]["all"] == [{"field": "request.amount", "op": "ge", "value": None}]
        page = head.browser.get(answer.location).text
        assert 'id="open-form"' in page
        assert 'aria-describedby="e-value"' in page
        assert "Условие не закончено: укажите значение." in page
        assert "1 помеха публикации" in page
        assert "не закончено" in head.open()

    def test_what_cannot_be_read_is_not_stored_and_stays_in_the_form(self, head: Editor) -> None:
        answer = head.do("condition", "large", AMOUNT, value="много")
        assert answer.status_code == 422
        assert 'value="много"' in answer.text
        assert 'aria-invalid="true" aria-describedby="e-value"' in answer.text
        assert head.body() == two_rules()

    def test_another_field_offers_its_own_comparisons_without_changing_anything(self, head: Editor) -> None:
        answer = head.do("refresh", "large", AMOUNT, field="request.channel")
        assert answer.status_code == 200
        assert 'value="in"' in answer.text and 'value="ge"' not in answer.text
        assert head.body() == two_rules()

    def test_several_values_of_a_choice(self, head: Editor) -> None:
        head.do("condition", "large", AMOUNT, field="request.channel", op="in", value=["phone", "chat"])
        assert rule_of(head, "large")["when"]["all"] == [condition("request.channel", "in", ["phone", "chat"])]

    def test_a_person_is_chosen_by_name(self, head: Editor) -> None:
        page = head.do("refresh", "large", AMOUNT, field="client.owner", op="is").text
        assert '<option value="anna">Анна</option>' in page
        head.do("condition", "large", AMOUNT, field="client.owner", op="is", value="anna")
        assert "Анна" in head.open()

    def test_a_range_and_another_field(self, head: Editor) -> None:
        head.do("condition", "large", AMOUNT, op="between", value=["10 000", "20 000"])
        assert rule_of(head, "large")["when"]["all"][0]["value"] == ["10000", "20000"]
        head.do("condition", "large", AMOUNT, op="ge", against="request.expected_value", value="")
        assert rule_of(head, "large")["when"]["all"][0]["value"] == {"field": "request.expected_value"}

    def test_a_negation_asks_what_an_empty_field_means(self, head: Editor) -> None:
        page = head.do("refresh", "large", AMOUNT, field="request.channel", op="is_not").text
        assert 'name="or_empty"' in page
        head.do("condition", "large", AMOUNT, field="request.channel", op="is_not", value="phone", or_empty="yes")
        denied = condition("request.channel", "is_not", "phone")
        assert rule_of(head, "large")["when"]["all"] == [{"any": [denied, condition("request.channel", "is_empty")]}]

    def test_conditions_on_candidates_offer_the_fields_of_candidates(self, head: Editor) -> None:
        page = head.open(edit="own", at="/then/0/among/all/0")
        assert 'value="candidate.open_requests"' in page
        assert 'value="request.amount"' not in page.partition('id="open-form"')[2].partition("</form>")[0]
        head.do("condition", "own", "/then/0/among/all/0", value="7")
        assert rule_of(head, "own")["then"][0]["among"]["all"] == [condition("candidate.unanswered_requests", "lt", 7)]


class TestGroups:
    def test_a_condition_is_added_and_removed(self, head: Editor) -> None:
        form = form_with(head.open(edit="large"), "add-condition", "large")
        answer = head.send(form, "add-condition")
        assert "at=/when/all/1" in answer.location
        head.do("remove", "large", "/when/all/1")
        assert head.body() == two_rules()

    def test_a_group_of_alternatives(self, head: Editor) -> None:
        answer = head.send(form_with(head.open(edit="large"), "add-group", "large"), "add-group")
        assert "at=/when/all/1/any/0" in answer.location
        head.do("condition", "large", "/when/all/1/any/0", field="request.region", op="is", value="Казахстан")
        assert rule_of(head, "large")["when"]["all"][1] == {"any": [condition("request.region", "is", "Казахстан")]}

    def test_all_becomes_any(self, head: Editor) -> None:
        head.send(form_with(head.open(edit="large"), "mode", "large"), "mode", mode="any")
        assert list(rule_of(head, "large")["when"]) == ["any"]

    def test_a_rule_without_conditions_is_made_on_purpose_only(self, head: Editor) -> None:
        head.do("remove", "large", AMOUNT)
        assert rule_of(head, "large")["when"] == {"all": []}
        page = head.open(edit="large")
        assert "Здесь ещё нет условий: добавьте." in page
        head.send(form_with(page, "everything", "large"), "everything")
        assert "when" not in rule_of(head, "large")
        assert "помех" not in head.open()


class TestAction:
    def test_the_answer_time_changes(self, head: Editor) -> None:
        head.do("action", "own", "/then/0", answer_within="1 ч 15 мин")
        assert rule_of(head, "own")["then"] == [{**OWN, "answer_within": 75}]

    def test_a_wrong_time_is_refused_in_place(self, head: Editor) -> None:
        answer = head.do("action", "own", "/then/0", answer_within="скоро")
        assert answer.status_code == 422
        assert 'id="e-answer_within"' in answer.text and 'value="скоро"' in answer.text
        assert head.body() == two_rules()

    def test_pools_are_tried_in_order(self, head: Editor) -> None:
        head.do("action", "large", "/then/0", to=["team:others", "everyone", ""])
        pools = [{"pool": "team", "team": "others"}, {"pool": "everyone"}]
        assert rule_of(head, "large")["then"] == [{**LARGE, "to": pools}]

    def test_otherwise_is_edited_like_a_rule(self, head: Editor) -> None:
        head.do("action", "otherwise", "/then/0", answer_within="45")
        assert head.body()["otherwise"][0]["answer_within"] == 45

    def test_otherwise_can_be_emptied_but_not_published_so(self, head: Editor) -> None:
        head.do("remove", "otherwise", "/then/0")
        page = head.open(edit="otherwise")
        assert "1 помеха публикации" in page
        head.send(form_with(page, "add-action", "otherwise"), "add-action")
        head.do("action", "otherwise", "/then/0", action="leave_unassigned", reason="решит руководитель")
        assert "помех" not in head.open()

    def test_escalation_may_say_what_happens_when_no_rule_acts(self, editor: Callable[[str], Editor]) -> None:
        head = editor("galina")
        head.path = "/rules/escalation"
        head.send(form_with(head.open(), "add-otherwise"), "add-otherwise")
        head.do("action", "otherwise", "/then/0", action="remind")
        assert head.body()["otherwise"] == [{"action": "remind"}]
        head.do("remove", "otherwise", "/then/0")
        assert "помех" not in head.open()

    def test_an_added_action_blocks_until_it_says_what_to_do(self, head: Editor) -> None:
        head.send(form_with(head.open(edit="own"), "add-action", "own"), "add-action")
        assert "До публикации осталось заполнить 1 место" in head.open()
        head.do("action", "own", "/then/1", action="set_priority", priority="high")
        assert rule_of(head, "own")["then"][1] == {"action": "set_priority", "priority": "high"}
        assert "помех" not in head.open()


def leftover(text: str, rule_id: str) -> str:
    """Return the hint about old numbers under a card."""
    found = re.search(rf'id="leftovers-{rule_id}"[^>]*>((?:\s*<div class="finding told">.*?</div>)?)', text, re.S)
    return found[1] if found else ""


class TestRules:
    def test_a_rule_is_added_named_filled_and_published(self, head: Editor) -> None:
        head.send(form_with(head.open(), "add-rule"), "add-rule", title="Из Астаны")
        assert "iz-astany" in [rule["id"] for rule in head.body()["rules"]]
        head.do("condition", "iz-astany", AMOUNT, field="request.city", op="is", value="Астана")
        head.do("action", "iz-astany", "/then/0", to="manager:vera")
        assert "помех" not in head.open()

    def test_rules_change_places_by_buttons(self, head: Editor) -> None:
        answer = head.send(form_with(head.open(), "down", "own"), "down")
        assert [rule["id"] for rule in head.body()["rules"]] == ["large", "own"]
        assert "«Свой клиент» теперь на месте 2 из 2" in head.browser.get(answer.location).text
        head.send(form_with(head.open(), "move"), "move", rule="own", to="0")
        assert [rule["id"] for rule in head.body()["rules"]] == ["own", "large"]

    def test_a_rule_is_switched_off_and_on(self, head: Editor) -> None:
        head.send(form_with(head.open(), "switch-off", "own"), "switch-off")
        assert rule_of(head, "own")["enabled"] is False
        head.send(form_with(head.open(), "switch-on", "own"), "switch-on")
        assert rule_of(head, "own")["enabled"] is True

    def test_a_copy_is_off_and_asks_for_its_name(self, head: Editor) -> None:
        answer = head.send(form_with(head.open(), "duplicate", "own"), "duplicate")
        assert "at=title" in answer.location
        assert [rule["enabled"] for rule in head.body()["rules"]] == [True, False, True]

    def test_name_and_note(self, head: Editor) -> None:
        refused = head.do("rename", "own", "title", title=" ", note="почему")
        assert refused.status_code == 422 and "Правилу нужно имя." in refused.text
        head.do("rename", "own", "title", title="Наш клиент", note="почему")
        assert rule_of(head, "own")["title"] == {"ru": "Наш клиент", "en": "Own client"}
        assert rule_of(head, "own")["note"] == {"ru": "почему"}

    def test_a_note_is_read_and_edited_in_the_language_of_its_reader(self, head: Editor) -> None:
        head.do("rename", "own", "title", title="Свой клиент", note="Клиент ждёт.")
        head.browser.post("/locale", {"locale": "en", "next": ""})
        form = head.open(edit="own", at="title")
        assert '<textarea id="t-note"' in form and "In Russian it says: “Клиент ждёт.”" in form

        head.do("rename", "own", "title", title="Own client", note="The client waits.")

        assert rule_of(head, "own")["note"] == {"ru": "Клиент ждёт.", "en": "The client waits."}
        assert '<p class="why-note">The client waits.' in head.open()
        head.browser.post("/locale", {"locale": "ru", "next": ""})
        assert '<p class="why-note">Клиент ждёт.' in head.open()
        assert "По-английски сказано: «The client waits.»" in head.open(edit="own", at="title")

    def test_a_number_that_only_the_note_still_says_is_hinted_at(self, head: Editor) -> None:
        note = "Предел в 10 заявок без ответа и 30 минут."
        head.do("rename", "own", "title", title="Свой клиент", note=note)
        assert leftover(head.open(), "own") == ""

        head.do("condition", "own", "/then/0/among/all/0", field="candidate.unanswered_requests", op="lt", value="12")

        said = leftover(head.open(), "own")
        assert "В пояснении осталось 10: в действующем правиле это число есть, в черновике его уже нет." in said
        assert "edit=own&amp;at=title&amp;on=note" in said and "Изменить пояснение" in said
        form = head.open(edit="own", at="title", on="note")
        assert 'maxlength="5000" autofocus>' in form and "Изменить пояснение" not in leftover(form, "own")

        head.do("rename", "own", "title", title="Свой клиент", note=note.replace("10", "12"))

        assert leftover(head.open(), "own") == ""

    def test_a_change_saved_while_typing_brings_the_hint_along(self, head: Editor) -> None:
        head.do("rename", "large", "title", title="Крупные", note="Срок 15 минут.")
        form = form_with(head.open(edit="large", at="/then/0"), "action", "large")
        answer = head.send(form, "action", answer_within="20", auto="1")
        assert 'id="leftovers-large" hx-swap-oob="true"' in answer.text
        assert "В пояснении осталось 15" in leftover(answer.text, "large")

    def test_the_note_of_the_other_language_is_looked_at_too(self, head: Editor) -> None:
        head.do("rename", "large", "title", title="Крупные", note="От 150 000 ₽.")
        head.browser.post("/locale", {"locale": "en", "next": ""})
        head.do("rename", "large", "title", title="Large ones", note="From 150,000 ₽.")
        head.do("condition", "large", AMOUNT, field="request.amount", op="ge", value="200000")
        said = leftover(head.open(), "large")
        assert "The note still says 150,000: the rule in force has it, the draft no longer does." in said
        assert "In Russian the note still says 150 000. To change it, switch the language." in said

    def test_a_removed_rule_leaves_its_test_case_to_be_looked_at(self, head: Editor) -> None:
        head.do("remove-rule", "large", "remove")
        assert [rule["id"] for rule in head.body()["rules"]] == ["own"]
        assert "1 помеха публикации" in head.open()
        head.send(form_with(head.browser.get("/rules/assignment/cases").text, "remove-case"), "remove-case")
        assert "помех" not in head.open()


class TestTwoPeople:
    def test_both_versions_of_a_rule_are_shown_and_mine_can_be_kept(self, editor: Callable[[str], Editor]) -> None:
        galina, denis = editor("galina"), editor("denis")
        form = form_with(galina.open(edit="own", at="/then/0"), "action", "own")
        denis.do("action", "own", "/then/0", answer_within="20")
        answer = galina.send(form, "action", answer_within="10")
        assert answer.status_code == 409
        assert "Пока вы правили, правило «Свой клиент» уже изменено: Денис, 1 секунду назад." in answer.text
        assert rule_of(galina, "own")["then"][0]["answer_within"] == 20
        kept = galina.send(form_with(answer.text, "action", "own"), "action")
        assert kept.status_code == 303
        assert rule_of(galina, "own")["then"][0]["answer_within"] == 10

    def test_to_take_theirs_loses_nothing_of_it(self, editor: Callable[[str], Editor]) -> None:
        galina, denis = editor("galina"), editor("denis")
        form = form_with(galina.open(edit="own", at="/then/0"), "action", "own")
        denis.do("action", "own", "/then/0", answer_within="20")
        answer = galina.send(form, "action", answer_within="10")
        assert 'id="take-theirs" href="/rules/assignment/draft?edit=own#rule-own"' in answer.text
        assert "20" in galina.open(edit="own") and rule_of(galina, "own")["then"][0]["answer_within"] == 20

    def test_mine_is_the_whole_rule_as_it_was_shown_and_a_third_change_is_seen_first(
        self, editor: Callable[[str], Editor]
    ) -> None:
        galina, denis = editor("galina"), editor("denis")
        form = form_with(galina.open(edit="large", at=AMOUNT), "condition", "large")
        denis.do("action", "large", "/then/0", answer_within="20")
        first = galina.send(form, "condition", value="200 000")
        denis.do("action", "large", "/then/0", answer_within="25")
        second = galina.send(form_with(first.text, "condition", "large"), "condition")
        assert second.status_code == 409
        assert galina.send(form_with(second.text, "condition", "large"), "condition").status_code == 303
        mine = rule_of(galina, "large")
        assert (mine["when"]["all"][0]["value"], mine["then"][0]["answer_within"]) == ("200000", 15)

    def test_changes_of_two_rules_both_stand(self, editor: Callable[[str], Editor]) -> None:
        galina, denis = editor("galina"), editor("denis")
        form = form_with(galina.open(edit="own", at="/then/0"), "action", "own")
        denis.do("action", "large", "/then/0", answer_within="20")
        assert galina.send(form, "action", answer_within="10").status_code == 303
        assert [rule["then"][0]["answer_within"] for rule in galina.body()["rules"]] == [10, 20]

    def test_a_rule_that_somebody_removed_can_be_put_back_as_i_made_it(self, editor: Callable[[str], Editor]) -> None:
        galina, denis = editor("galina"), editor("denis")
        form = form_with(galina.open(edit="own", at="/then/0"), "action", "own")
        denis.do("remove-rule", "own", "remove")
        answer = galina.send(form, "action", answer_within="10")
        assert answer.status_code == 409
        assert "Пока вы правили, это правило убрано: Денис" in answer.text
        galina.send(form_with(answer.text, "action", "own"), "action")
        assert [rule["id"] for rule in galina.body()["rules"]] == ["own", "large"]
        assert rule_of(galina, "own")["then"][0]["answer_within"] == 10

    def test_two_who_add_a_rule_at_once_both_have_one(self, editor: Callable[[str], Editor]) -> None:
        galina, denis = editor("galina"), editor("denis")
        form = form_with(galina.open(), "add-rule")
        denis.send(form_with(denis.open(), "add-rule"), "add-rule", title="Из Астаны")
        assert galina.send(form, "add-rule", title="Из Алматы").status_code == 303
        assert [rule["id"] for rule in galina.body()["rules"]] == ["own", "large", "iz-astany", "iz-almaty"]

    def test_a_draft_that_is_given_up_is_said_to_be_gone(self, editor: Callable[[str], Editor]) -> None:
        galina, denis = editor("galina"), editor("denis")
        galina.do("action", "own", "/then/0", answer_within="10")
        form = form_with(galina.open(edit="own", at="/then/0"), "action", "own")
        draft = galina.draft()
        assert draft is not None
        denis.browser.post("/rules/assignment/draft/discard", {"revision": str(draft.revision)})
        answer = galina.send(form, "action", answer_within="5")
        assert answer.location == "/rules/assignment/"


class TestGivingUp:
    def test_a_draft_is_given_up_after_a_look_at_what_is_lost(self, head: Editor) -> None:
        head.do("action", "own", "/then/0", answer_within="15")
        assert "Изменено «Свой клиент»" in head.browser.get("/rules/assignment/draft/discard").text
        draft = head.draft()
        assert draft is not None
        head.browser.post("/rules/assignment/draft/discard", {"revision": str(draft.revision)})
        assert head.draft() is None


FORGED = (
    {"do": "condition", "rule": "own", "at": "/title/ru"},
    {"do": "condition", "rule": "nobody", "at": "/when/all/0"},
    {"do": "condition", "rule": "own", "at": "/when/all/99"},
    {"do": "action", "rule": "own", "at": "/when/all/0"},
    {"do": "remove", "rule": "own", "at": "/when"},
    {"do": "move", "rule": "own", "to": "-1"},
    {"do": "move", "rule": "otherwise", "to": "0"},
    {"do": "up", "rule": "otherwise"},
    {"do": "mode", "rule": "own", "at": "/when", "mode": "some"},
    {"do": "accept-case", "case": "7"},
    {"do": "add-case", "request": "999"},
    {"do": "add-case", "facts": "[" * 3000},
    {"do": "explode"},
    {},
)


def test_forged_forms_change_nothing_and_break_nothing(head: Editor) -> None:
    head.open()
    for values in FORGED:
        answer = head.browser.post("/rules/assignment/draft/change", {"revision": "1", **values})
        assert answer.status_code == 404, values
    assert head.body() == two_rules()


@pytest.mark.parametrize("was", ['{"field": "x", "all": 3}', '{"action": ["x"]}', "[" * 3000])
def test_what_never_stood_in_a_rule_is_not_put_back_into_it(head: Editor, was: str) -> None:
    head.do("add-condition", "large", at="/when")
    revision = str(head.draft().revision)  # type: ignore[union-attr]
    data = {"do": "leave", "rule": "large", "at": "/when/all/1", "revision": revision, "was": was}
    assert head.browser.post("/rules/assignment/draft/change", data).status_code == 303
    assert head.body() == two_rules()


def test_a_finding_that_is_mended_already_is_said_to_be_gone(head: Editor) -> None:
    head.open()
    data = {"do": "mend", "rule": "large", "key": "hidden:large:0", "revision": "1"}
    answer = head.browser.post("/rules/assignment/draft/change", data)
    assert answer.status_code == 303
    assert "замечания больше нет" in head.open()
    assert head.body() == two_rules()


def test_without_the_token_of_the_session_nothing_is_changed(head: Editor) -> None:
    head.open()
    data = {"do": "switch", "rule": "own", "enabled": "no", "revision": "1"}
    assert head.browser.client.post("/rules/assignment/draft/change", data=data).status_code == 400
    assert head.body() == two_rules()


def test_a_page_of_the_draft_asks_few_questions_of_the_database(head: Editor, count_queries: Callable[[], int]) -> None:
    head.open()
    count_queries()
    head.open(edit="own", at="/then/0")
    assert count_queries() <= 18
