"""The bonus editor by plain forms: tables, the choice between part and whole, lines by name, errors in place."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.services.bonus import periods
from rules_engine.services.drafts import editing
from tests.admin.conftest import Browser
from tests.admin.rule_editor.conftest import Editor, form_with
from tests.bonus_rows import NEW, credit, plan
from tests.factories import Cast, at, condition, make_version, rule

NOW = at("2026-11-10 10:00")


def bonus_body() -> dict[str, Any]:
    def one(rule_id: str, title: str, *then: dict[str, Any]) -> dict[str, Any]:
        return {"id": rule_id, "title": {"ru": title, "en": title}, "note": "", "enabled": True, "then": list(then)}

    tiers = {
        "action": "pay_tiers",
        "line": "t-1",
        "of": "measure.revenue",
        "by": "measure.revenue",
        "mode": "slab",
        "tiers": [{"from": "0", "rate": "1"}, {"from": "1000000", "rate": "8"}],
    }
    cap = {"action": "cap", "lines": ["t-1"], "amount": "60000"}
    rules = [one("steps", "Процент по ступеням", tiers), one("limit", "Предел", cap)]
    return {"decision": "bonus", "title": {"ru": "Премия", "en": "Bonus"}, "hit_policy": "collect", "rules": rules}


@pytest.fixture
def head(cast: Cast, sessions: sessionmaker[Session], logged_in: Callable[[str], Browser]) -> Editor:
    with db.transaction(sessions) as session:
        make_version(session, "bonus", bonus_body())
    return Editor(logged_in("galina"), sessions, "/rules/bonus")


def tiers_of(head: Editor) -> Any:
    return head.body()["rules"][0]["then"][0]


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


class TestTiers:
    def test_the_choice_stands_with_a_worked_line_each_by_the_real_arithmetic(self, head: Editor) -> None:
        page = plain(head.open(edit="steps", at="/then/0"))
        assert "при 1 200 000 ₽: 1 000 000 ₽ × 1 % + 200 000 ₽ × 8 % = 26 000 ₽" in page
        assert "при 1 200 000 ₽: 1 200 000 ₽ × 8 % = 96 000 ₽" in page

    def test_the_same_in_english(self, head: Editor) -> None:
        head.browser.post("/locale", {"locale": "en", "next": "/"})
        page = plain(head.open(edit="steps", at="/then/0"))
        assert "at 1,200,000 ₽: 1,000,000 ₽ × 1% + 200,000 ₽ × 8% = 26,000 ₽" in page
        assert "1,200,000 ₽ × 8% = 96,000 ₽" in page

    def test_tiers_are_saved_and_the_line_keeps_its_code(self, head: Editor) -> None:
        answer = head.do(
            "action", "steps", "/then/0", tier_from=["0", "500 000,5"], tier_rate=["1,5", "3.25"], mode="whole"
        )
        assert answer.status_code == 303
        assert tiers_of(head) == {
            "action": "pay_tiers",
            "of": "measure.revenue",
            "by": "measure.revenue",
            "mode": "whole",
            "tiers": [{"from": "0", "rate": "1.5"}, {"from": "500000.5", "rate": "3.25"}],
            "line": "t-1",
        }

    def test_what_cannot_be_read_stays_with_the_reason_at_its_cell(self, head: Editor) -> None:
        answer = head.do("action", "steps", "/then/0", tier_from=["0", "1 000"], tier_rate=["1", "250"])
        assert answer.status_code == 422
        assert 'value="250"' in answer.text and 'value="1 000"' in answer.text
        assert 'aria-describedby="e-b-tier_rate-1"' in answer.text
        assert "Ставка — от 0 до 100" in answer.text
        assert tiers_of(head) == bonus_body()["rules"][0]["then"][0]

    def test_an_unmade_choice_blocks_as_unfinished(self, head: Editor) -> None:
        answer = head.do("action", "steps", "/then/0", mode=[])
        page = head.browser.get(answer.location).text
        assert "mode" not in tiers_of(head)
        assert "Не заполнено" in page and 'id="open-form"' in page

    def test_splitting_changes_the_form_and_not_the_draft(self, head: Editor) -> None:
        answer = head.do("bonus:split:0", "steps", "/then/0")
        assert answer.status_code == 200
        assert 'value="500\u00a0000"' in answer.text
        assert tiers_of(head) == bonus_body()["rules"][0]["then"][0]


class TestLines:
    def test_lines_are_chosen_and_said_by_the_names_of_their_rules(self, head: Editor) -> None:
        page = head.open(edit="limit", at="/then/0")
        assert "«Процент по ступеням»" in page
        assert 'name="lines" value="t-1" checked' in page

    def test_a_rule_whose_line_is_gone_says_so_in_words(self, head: Editor) -> None:
        head.do("remove-rule", "steps", "remove")
        page = head.open(edit="limit", at="/then/0")
        assert "Строки, которую меняет действие, выше больше нет" in page
        assert "A line that is gone" not in page and "Строка, которой больше нет" in page

    def test_a_copy_makes_lines_of_its_own(self, head: Editor) -> None:
        head.open()
        head.do("duplicate", "steps")
        assert [rule["then"][0].get("line") for rule in head.body()["rules"]][:2] == ["t-1", "t-1-2"]

    def test_a_new_rule_begins_with_what_it_pays_and_gets_a_line_of_its_own(self, head: Editor) -> None:
        head.open()
        head.do("add-rule")
        new = head.body()["rules"][-1]
        assert "when" not in new and new["then"] == [{"action": ""}]
        head.do("refresh", new["id"], "/then/0", action="pay_per_unit")
        head.do(
            "action",
            new["id"],
            "/then/0",
            action="pay_per_unit",
            count="measure.callbacks_done",
            amount="70",
            at_most="120",
        )
        saved = head.body()["rules"][-1]["then"][0]
        assert (saved["amount"], saved["at_most"], bool(saved["line"])) == ("70", 120, True)


def test_a_measure_that_there_is_not_is_said_at_its_input(head: Editor, sessions: sessionmaker[Session]) -> None:
    head.open()
    with db.transaction(sessions) as session:
        draft = editing.open_draft(session, "bonus")
        body = bonus_body()
        body["rules"][0]["then"][0]["by"] = "measure.plan"
        draft.body = body
    page = head.open(edit="steps", at="/then/0")
    assert "Такого показателя нет: выберите другой." in page
    assert "показателя с таким именем нет" in page


class TestBeside:
    def test_people_of_last_month_stand_in_their_tiers_and_on_the_curve(
        self, head: Editor, cast: Cast, sessions: sessionmaker[Session]
    ) -> None:
        with db.transaction(sessions) as session:
            credit(session, cast.anna, "2026-09-05", 1_500_000_00, NEW)
            credit(session, cast.boris, "2026-09-06", 200_000_00, NEW)
            periods.compute(session, "2026-09", actor="galina", now=at("2026-10-02 10:00"))
        page = plain(head.open(edit="steps", at="/then/0"))
        assert page.count('<circle class="dot"') == 3, "Vera, who brought nothing, stands at nothing"
        assert "<title>Анна: 1 500 000 ₽ → 50 000 ₽</title>" in page
        sent = form_with(page, "action", "steps")
        data: dict[str, Any] = {}
        for name, value in sent.fields:
            data.setdefault(name, []).append(value)
        data |= {"tier_rate": ["1", "10"]}
        beside = head.browser.post("/rules/bonus/draft/beside", data)
        text = plain(beside.text)
        assert beside.status_code == 200
        assert "<title>Анна: 1 500 000 ₽ → 60 000 ₽</title>" in text
        assert 'id="b-worked-whole" hx-swap-oob="true">при 1 200 000 ₽: 1 200 000 ₽ × 10 % = 120 000 ₽' in text
        assert tiers_of(head) == bonus_body()["rules"][0]["then"][0]

    def test_the_whole_bonus_is_drawn_over_a_measure_of_choice(self, head: Editor) -> None:
        head.open()
        page = head.browser.get("/rules/bonus/draft/curve", query_string={"by": "measure.revenue"})
        assert page.status_code == 200
        assert '<option value="measure.revenue" selected>Оплаты</option>' in page.text
        assert "<polyline" in page.text
        assert "Сентябрь 2026: считать некому." in page.text
        assert "планы и оплаты по 1 000 000 ₽" in plain(page.text)
        assert head.browser.get("/rules/assignment/draft/curve").status_code == 404

    @pytest.mark.parametrize("has_plan", [False, True])
    def test_where_nobody_has_a_plan_none_is_assumed(
        self, head: Editor, cast: Cast, sessions: sessionmaker[Session], has_plan: bool
    ) -> None:
        fixed = {"action": "pay_fixed", "line": "done", "amount": "15000"}
        done = rule("done", condition("measure.attainment_new_pct", "ge", "100"), fixed)
        with db.transaction(sessions) as session:
            body = bonus_body()
            make_version(session, "bonus", {**body, "rules": [*body["rules"], done]})
            credit(session, cast.anna, "2026-09-05", 300_000_00, NEW)
            if has_plan:
                plan(session, cast.anna, "2026-09", 600_000, None)
        head.open()
        by_revenue, by_plan = (
            head.browser.get("/rules/bonus/draft/curve", query_string={"by": f"measure.{name}"}).text
            for name in ("revenue", "attainment_new_pct")
        )
        assert "<polyline" in by_revenue
        assert ("плана нет ни у кого" in by_revenue) is not has_plan
        assert ("<polyline" in by_plan) is has_plan
        assert ("Выберите другой показатель" in by_plan) is not has_plan
