"""What a draft of the bonus rules would pay for a month that happened."""

from typing import Any

import pytest
from sqlalchemy.orm import Session

from rules_engine.errors import InputError
from rules_engine.services.bonus import periods
from rules_engine.services.drafts.bonus_pay import ground_of, last_month, pay_under, statements_under
from rules_engine.services.drafts.trying import usable
from tests.bonus_rows import NEW, credit, plan
from tests.factories import Cast, at, make_cast, make_version, statements_of
from tests.services.test_bonus import AFTER, OCTOBER, PERCENT, RUNNING, TODAY, bonus_rules

THREE = bonus_rules({**PERCENT, "then": [{**PERCENT["then"][0], "rate": "3"}]})


@pytest.fixture
def cast(session: Session) -> Cast:
    cast = make_cast(session)
    make_version(session, "bonus", TODAY)
    plan(session, cast.anna, OCTOBER, 100_000, None)
    credit(session, cast.anna, "2026-10-05", 200_000_00, NEW)
    credit(session, cast.boris, "2026-10-06", 50_000_00, NEW)
    return cast


def test_both_bodies_are_paid_on_what_the_statements_keep(session: Session, cast: Cast) -> None:
    periods.compute(session, OCTOBER, actor="galina", now=AFTER)
    credit(session, cast.anna, "2026-10-30", 900_000_00, NEW)
    ground = ground_of(session, OCTOBER, AFTER)
    live, draft = pay_under(ground, TODAY), pay_under(ground, THREE)

    assert ground.is_stored
    assert [(line.rule, line.line, line.amount_minor) for line in live[cast.anna.id].lines] == [
        ("percent", "percent", 5_000_00),
        ("plan", "plan", 15_000_00),
    ]
    assert (live[cast.anna.id].total_minor, draft[cast.anna.id].total_minor) == (20_000_00, 6_000_00)
    assert (live[cast.boris.id].total_minor, draft[cast.boris.id].total_minor) == (1_250_00, 1_500_00)


def test_a_running_month_is_measured_as_of_now(session: Session, cast: Cast) -> None:
    periods.compute(session, OCTOBER, actor="galina", now=RUNNING)
    credit(session, cast.boris, "2026-10-21", 50_000_00, NEW)
    found = statements_under(session, THREE, OCTOBER, at("2026-10-22 09:00"), [cast.boris.id])
    assert {one: pay.total_minor for one, pay in found.items()} == {cast.boris.id: 3_000_00}


def test_a_month_to_come_pays_nobody_and_what_is_no_month_is_refused(session: Session, cast: Cast) -> None:
    assert statements_under(session, TODAY, "2026-12", RUNNING) == {}
    with pytest.raises(InputError):
        statements_under(session, TODAY, "2026-13", RUNNING)


def test_the_last_whole_month_is_the_one_before(session: Session, cast: Cast) -> None:
    assert last_month(session, RUNNING) == "2026-09"


def test_an_unfinished_rule_is_left_out_with_those_that_change_its_lines() -> None:
    broken: dict[str, Any] = {**PERCENT, "then": [{**PERCENT["then"][0], "rate": ""}]}
    cap = {"id": "cap", "enabled": True, "then": [{"action": "cap", "lines": ["percent"], "amount": "100"}]}
    fixed = {"id": "fixed", "enabled": True, "then": [{"action": "pay_fixed", "line": "fixed", "amount": "100"}]}
    ruleset, left_out = usable(bonus_rules(broken, cap, fixed))
    assert [rule.id for rule in ruleset.rules] == ["fixed"]
    assert left_out == {"percent", "cap"}


def test_stored_months_cost_two_queries_whatever_the_number_of_managers(session: Session, cast: Cast) -> None:
    periods.compute(session, OCTOBER, actor="galina", now=AFTER)
    ground_of(session, OCTOBER, AFTER)
    with statements_of(session) as sent:
        statements_under(session, THREE, OCTOBER, AFTER)
    assert len(sent) <= 3
