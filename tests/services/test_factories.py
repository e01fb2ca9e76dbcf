"""The shared cast can be made, and rules made by the factories are good rules."""

from sqlalchemy.orm import Session

from rules_engine.language.check import check
from tests.factories import assignment_rules, condition, escalation_rules, make_cast, make_client, make_request, rule


def test_the_cast_is_two_in_one_team_and_one_outside_it(any_session: Session) -> None:
    cast = make_cast(any_session)

    assert cast.anna.team_id == cast.boris.team_id == cast.sales.id
    assert cast.vera.team_id == cast.others.id


def test_a_request_of_a_client_is_new_and_nobody_has_it(any_session: Session) -> None:
    cast = make_cast(any_session)
    request = make_request(any_session, client=make_client(any_session, owner=cast.anna, phone="+79991234567"))

    assert request.status == "new"
    assert request.manager_id is None


def test_rulesets_of_the_factories_are_valid() -> None:
    own = rule("own", condition("client.owner", "is_filled"), {"action": "assign", "to": {"pool": "owner"}})
    late = rule("late", condition("request.answer_used_pct", "ge", "100"), {"action": "mark_late"})

    assert check(assignment_rules(own)) == ()
    assert check(escalation_rules(late)) == ()
