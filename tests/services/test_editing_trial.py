"""Trying rules on a stored request: who would get it, why the others do not act, and that nothing is written."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from rules_engine.models import Base, Request
from rules_engine.services.drafts import body as edits
from rules_engine.services.requests.assignment import decide_and_assign
from rules_engine.services.trials.escalation import ground_of_request
from rules_engine.services.trials.requests import ground
from rules_engine.services.trials.search import find_requests
from tests.factories import (
    MONDAY,
    Cast,
    assignment_rules,
    condition,
    escalation_rules,
    make_cast,
    make_client,
    make_request,
    make_version,
    rule,
)

OWN = {"action": "assign", "to": {"pool": "owner"}, "answer_within": 30}
TO_VERA = {"action": "assign", "to": {"pool": "manager", "login": "vera"}}


def rules_of_two() -> dict[str, Any]:
    return assignment_rules(
        rule("own", condition("client.owner", "is_filled"), OWN),
        rule("large", condition("request.amount", "ge", "150000"), TO_VERA),
    )


@pytest.fixture
def cast(session: Session) -> Cast:
    cast = make_cast(session)
    make_version(session, "assignment", rules_of_two())
    return cast


def tried(session: Session, request: Request, body: dict[str, Any], now: Any = MONDAY) -> Any:
    return ground(session, request, [body], now).run(body)


def test_a_new_request_is_tried_on_the_facts_of_now(session: Session, cast: Cast) -> None:
    request = make_request(session, client=make_client(session, owner=cast.boris), amount_minor=8_000_000)
    trial = tried(session, request, rules_of_two())
    assert trial.outcome.manager == "boris"
    assert trial.fired == ("own",)
    own, large = trial.verdicts
    assert (own.acts, own.failed) == (True, None)
    assert (large.matched, large.failed.field, large.failed.seen) == (False, "request.amount", 8_000_000)


def test_a_draft_is_compared_with_what_is_in_force_on_the_same_ground(session: Session, cast: Cast) -> None:
    request = make_request(session, client=make_client(session, owner=cast.boris), amount_minor=20_000_000)
    draft = edits.move_rule("large", 0)(rules_of_two())
    on = ground(session, request, [rules_of_two(), draft], MONDAY)
    assert on.run(rules_of_two()).outcome.manager == "boris"
    assert on.run(draft).outcome.manager == "vera"


def test_a_decided_request_is_tried_on_the_facts_of_its_decision(session: Session, cast: Cast) -> None:
    request = make_request(session, amount_minor=20_000_000)
    decide_and_assign(session, request, MONDAY)
    request.amount_minor = 100
    later = MONDAY + timedelta(hours=1)
    on = ground(session, request, [rules_of_two()], later)
    assert on.decided is not None and on.decided.at == MONDAY
    assert on.facts["request.amount"] == 20_000_000
    assert on.run(rules_of_two()).fired == ("large",)


def test_an_unfinished_rule_takes_no_part_and_the_others_do(session: Session, cast: Cast) -> None:
    request = make_request(session, amount_minor=20_000_000)
    draft = edits.add_condition("own", ("when",))(rules_of_two())
    trial = tried(session, request, draft)
    assert [verdict.left_out for verdict in trial.verdicts] == [True, False]
    assert trial.outcome.manager == "vera"


def test_a_draft_whose_otherwise_is_unfinished_still_answers(session: Session, cast: Cast) -> None:
    draft = edits.set_action("otherwise", 0, {"action": "assign"})(rules_of_two())
    assert tried(session, make_request(session, amount_minor=100), draft).fired == ("otherwise",)


def test_of_a_document_that_cannot_be_read_as_a_whole_no_rule_takes_part(session: Session, cast: Cast) -> None:
    draft = rules_of_two()
    draft["hit_policy"] = "collect"
    trial = tried(session, make_request(session), draft)
    assert [verdict.left_out for verdict in trial.verdicts] == [True, True]
    assert trial.fired == ("otherwise",)


def test_a_rule_that_is_off_is_said_to_be_off(session: Session, cast: Cast) -> None:
    draft = edits.switch_rule("large", False)(rules_of_two())
    trial = tried(session, make_request(session, amount_minor=20_000_000), draft)
    assert (trial.verdicts[1].enabled, trial.verdicts[1].acts) == (False, False)


def test_a_rule_whose_person_is_away_is_passed_over(session: Session, cast: Cast) -> None:
    body = rules_of_two()
    body["rules"][1]["then"][0]["among"] = {"all": [condition("candidate.open_requests", "ge", 5)]}
    trial = tried(session, make_request(session, amount_minor=20_000_000), body)
    assert (trial.verdicts[1].matched, trial.verdicts[1].passed_over) == (True, True)
    assert trial.fired == ("otherwise",)


def test_escalation_shows_which_rules_act_now(session: Session, cast: Cast) -> None:
    request = make_request(session, amount_minor=20_000_000)
    decide_and_assign(session, request, MONDAY)
    late = MONDAY + timedelta(minutes=20)
    body = escalation_rules(
        rule("quarter", condition("request.working_minutes_since_assigned", "ge", 15), {"action": "remind"}),
        rule("hour", condition("request.working_minutes_since_assigned", "ge", 60), {"action": "remind"}),
    )
    trial = ground_of_request(session, request, [body], late).run(body)
    assert trial.fired == ("quarter",)
    assert [effect.action for effect in trial.outcome.applied] == ["remind"]
    assert trial.verdicts[1].failed is not None and trial.verdicts[1].failed.seen == 20


def test_nothing_is_written(session: Session, cast: Cast) -> None:
    def rows() -> dict[str, int]:
        return {
            table.name: session.scalar(select(func.count()).select_from(table)) or 0
            for table in Base.metadata.sorted_tables
        }

    request = make_request(session, client=make_client(session, owner=cast.boris))
    session.flush()
    before = rows()
    tried(session, request, rules_of_two())
    assert not session.new and not session.dirty
    assert rows() == before


class TestFinding:
    def test_by_number_senders_number_and_part_of_a_name_in_any_case(self, session: Session, cast: Cast) -> None:
        first = make_request(session, client=make_client(session, "ООО «Ромашка»"), external_id="A-7001")
        second = make_request(session, client_name="ИП Тюльпан")
        assert find_requests(session, f" № {first.id} ") == [first]
        assert find_requests(session, "A-7001") == [first]
        for text in ("ромашка", "Ромашка", "РОМАШКА"):
            assert find_requests(session, text) == [first]
        assert find_requests(session, "тюльп") == [second]

    def test_wild_cards_are_plain_letters(self, session: Session, cast: Cast) -> None:
        make_request(session, client_name="ИП Тюльпан")
        assert find_requests(session, "%") == []
        assert find_requests(session, "_") == []
        assert find_requests(session, "9" * 40) == []

    def test_without_words_the_newest_are_offered(self, session: Session, cast: Cast) -> None:
        older = make_request(session, client_name="ИП Тюльпан", received_at=MONDAY - timedelta(days=2))
        newer = make_request(session, client_name="ИП Пион", received_at=MONDAY)
        assert find_requests(session, " ") == [newer, older]
