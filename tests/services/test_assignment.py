"""Who gets a request: decided once, written whole, as far as the mode permits; and tried again when nobody can."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from rules_engine.models import (
    Assignment,
    AssignmentCause,
    Decision,
    Firing,
    FiringAction,
    LedgerBalance,
    LedgerEntry,
    OutboxMessage,
    Request,
    RequestEvent,
    RequestStatus,
    RoundRobinPointer,
    Task,
    TaskState,
)
from rules_engine.services.company.reference import reference
from rules_engine.services.requests.assignment import decide_and_assign, proposal
from rules_engine.services.rules import journal, rulebook
from tests.factories import (
    MONDAY,
    assignment_rules,
    at,
    condition,
    make_absence,
    make_cast,
    make_client,
    make_mode,
    make_request,
    make_requests,
    make_version,
    rule,
    statements_of,
)

OWNER = {"action": "assign", "to": {"pool": "owner"}, "answer_within": 15}
OWN = rule("own", condition("client.owner", "is_filled"), OWNER)
WORKING = {"all": [condition("candidate.is_working_now", "is", True)]}


def logins(session: Session, requests: list[Request]) -> list[str | None]:
    picture = reference(session)
    return [picture.login_of(request.manager_id) for request in requests]


def assign_all(session: Session, requests: list[Request]) -> None:
    for request in requests:
        decide_and_assign(session, request, request.received_at)
        session.flush()


def deciding(session: Session, decision_id: int | None) -> dict[str, Any]:
    assert decision_id is not None
    detail = journal.detail_of(session, decision_id)
    assert detail is not None
    return detail


class TestLive:
    def test_everything_that_belongs_to_an_assignment_is_written(self, any_session: Session) -> None:
        cast = make_cast(any_session)
        version = make_version(any_session, "assignment", assignment_rules(OWN))
        request = make_request(any_session, client=make_client(any_session, owner=cast.anna), client_name="Ромашка")

        result = decide_and_assign(any_session, request, MONDAY)
        any_session.commit()

        assert result.manager is not None and result.manager.login == "anna"
        assert result.wake_at is None
        assert (request.status, request.manager_id) == (RequestStatus.ASSIGNED, cast.anna.id)
        assert (request.assigned_at, request.answer_within) == (MONDAY, 15)
        assert request.answer_due_at == at("2026-10-05 11:35")
        assignment = any_session.scalars(select(Assignment)).one()
        assert (assignment.cause, assignment.ended_at) == (AssignmentCause.RULE, None)
        assert assignment.answer_due_at == request.answer_due_at
        entry = any_session.scalars(select(LedgerEntry)).one()
        assert (entry.month, entry.delta, entry.value_minor, entry.cause) == ("2026-10", 1, 1_450_000, "rule")
        assert (entry.rule, entry.strategy, entry.assignment_id) == ("own", None, assignment.id)
        balance = any_session.scalars(select(LedgerBalance)).one()
        assert (balance.manager_id, balance.count, balance.value_minor) == (cast.anna.id, 1, 1_450_000)
        task = any_session.scalars(select(Task)).one()
        assert (task.manager_id, task.state, task.due_at) == (cast.anna.id, TaskState.OPEN, request.answer_due_at)
        assert task.title["ru"] == "Ответить на заявку: Ромашка"
        assert task.reason["ru"] == "Правило: «own»."
        decision = any_session.get_one(Decision, result.decision_id)
        assert (decision.version_id, decision.fired, decision.mode) == (version.id, ["own"], "live")
        assert decision.chosen_manager_id == cast.anna.id
        event = any_session.scalars(select(RequestEvent)).one()
        assert (event.kind, event.data["manager"], event.data["rule"]) == ("assigned", "anna", "own")
        firing = any_session.scalars(select(Firing)).one()
        assert (firing.rule, firing.ownership, firing.decision_id) == ("own", assignment.id, decision.id)
        messages = any_session.scalars(select(OutboxMessage).order_by(OutboxMessage.channel)).all()
        assert [(one.channel, one.user_id) for one in messages] == [
            ("email", cast.anna.user_id),
            ("page", cast.anna.user_id),
        ]
        assert "14" not in messages[0].body.replace("11:35", "")

    def test_the_detail_holds_facts_rules_and_every_candidate(self, session: Session) -> None:
        cast = make_cast(session)
        cast.anna.open_cap = 0
        big = rule("big", condition("request.amount", "ge", "50000.00"), OWNER)
        make_version(session, "assignment", assignment_rules(big, OWN))
        request = make_request(session)

        detail = deciding(session, decide_and_assign(session, request, MONDAY).decision_id)

        assert detail["facts"] == {"request.amount": "14500.00"}
        assert detail["rules"] == [
            {
                "id": "big",
                "matched": False,
                "passed_over": None,
                "first_failed": {
                    "field": "request.amount",
                    "op": "ge",
                    "value": "50000.00",
                    "seen": "14500.00",
                    "unwanted": False,
                },
            },
            {
                "id": "own",
                "matched": False,
                "passed_over": None,
                "first_failed": {
                    "field": "client.owner",
                    "op": "is_filled",
                    "value": None,
                    "seen": None,
                    "unwanted": False,
                },
            },
        ]
        (attempt,) = detail["outcome"]["attempts"]
        by_login = {one["login"]: one for one in attempt["candidates"]}
        assert by_login["anna"]["reason"] == {"code": "open_cap", "seen": 0, "limit": 0}
        assert by_login["boris"]["shortfall"] == "1/2"
        assert (by_login["boris"]["count"], by_login["boris"]["place"]) == (0, 1)

    def test_a_request_is_never_handed_out_twice(self, any_session: Session) -> None:
        make_cast(any_session)
        make_version(any_session, "assignment", assignment_rules())
        request = make_request(any_session)
        decide_and_assign(any_session, request, MONDAY)
        any_session.commit()

        assert decide_and_assign(any_session, request, MONDAY).manager is None
        request.status = RequestStatus.NEW
        with pytest.raises(IntegrityError):
            decide_and_assign(any_session, request, MONDAY)

    @pytest.mark.parametrize("more", [{"is_history": True}, {"status": "won"}, {"status": "in_progress"}])
    def test_only_new_requests_that_nobody_handled_elsewhere_are_decided(
        self, session: Session, more: dict[str, Any]
    ) -> None:
        make_cast(session)
        make_version(session, "assignment", assignment_rules())

        assert decide_and_assign(session, make_request(session, **more), MONDAY).decision_id is None

    def test_the_answer_time_runs_in_the_managers_calendar(self, session: Session) -> None:
        make_cast(session)
        make_version(session, "assignment", assignment_rules(answer_within=120))
        friday_evening = at("2026-10-09 17:30")
        request = make_request(session, received_at=friday_evening)

        decide_and_assign(session, request, friday_evening)

        assert request.answer_due_at == at("2026-10-12 10:30")

    def test_without_an_answer_time_the_setting_holds(self, session: Session) -> None:
        make_cast(session)
        body = assignment_rules()
        del body["otherwise"][0]["answer_within"]
        make_version(session, "assignment", body)
        request = make_request(session)

        decide_and_assign(session, request, MONDAY)

        assert request.answer_within == 30

    def test_a_repeat_goes_to_who_has_the_first_one_and_is_not_counted_again(self, session: Session) -> None:
        cast = make_cast(session)
        previous = rule(
            "previous",
            condition("client.has_open_request", "is", True),
            {"action": "assign", "to": {"pool": "previous"}},
        )
        make_version(session, "assignment", assignment_rules(previous, OWN))
        client = make_client(session, owner=cast.boris)
        first = make_request(session, client=client)
        decide_and_assign(session, first, MONDAY)
        session.flush()
        again = make_request(session, client=client, is_duplicate=True, duplicate_of_id=first.id)

        decide_and_assign(session, again, MONDAY)

        assert again.manager_id == cast.boris.id
        entry = session.scalars(select(LedgerEntry).where(LedgerEntry.request_id == again.id)).one()
        assert (entry.delta, entry.value_minor, entry.cause) == (0, 0, "duplicate")
        assert session.scalars(select(LedgerBalance.count)).all() == [1]

    def test_beside_the_choice_a_rule_sets_priority_and_tag_and_writes_to_people(self, session: Session) -> None:
        cast = make_cast(session)
        urgent = rule(
            "urgent",
            condition("request.channel", "is", "phone"),
            {"action": "assign", "to": {"pool": "team", "team": "sales"}},
            {"action": "set_priority", "priority": "high"},
            {"action": "add_tag", "tag": "срочно"},
            {"action": "notify", "whom": "head", "text": "звонок"},
        )
        make_version(session, "assignment", assignment_rules(urgent))
        request = make_request(session, channel="phone", tags=["vip"])

        decide_and_assign(session, request, MONDAY)

        assert (request.priority, request.tags) == ("high", ["vip", "срочно"])
        told = session.scalars(select(OutboxMessage).where(OutboxMessage.user_id == cast.galina.id)).all()
        assert {message.body for message in told} == {"звонок"}
        actions = session.scalars(select(FiringAction).order_by(FiringAction.ordinal)).all()
        assert [one.action for one in actions] == ["assign", "set_priority", "add_tag", "notify"]
        assert (actions[0].result, actions[1].result) == ({"manager": "anna"}, {"before": "normal"})

    def test_it_costs_few_queries_whatever_the_number_of_candidates(self, session: Session) -> None:
        make_cast(session)
        make_version(session, "assignment", assignment_rules(among=WORKING))
        assign_all(session, make_requests(session, 1))
        session.commit()
        request = make_requests(session, 1, first_at=MONDAY + timedelta(minutes=5))[0]
        session.flush()

        with statements_of(session) as sent:
            decide_and_assign(session, request, MONDAY + timedelta(minutes=5))
            session.flush()

        reads = [text for text in sent if text.startswith("SELECT")]
        # The settings, the managers' figures, and what today's few requests are worth; all else is known already.
        assert len(reads) == 3


class TestChoice:
    def test_equal_managers_get_equal_numbers(self, any_session: Session) -> None:
        make_cast(any_session)
        make_version(any_session, "assignment", assignment_rules())
        requests = make_requests(any_session, 7)

        assign_all(any_session, requests)

        assert sorted(any_session.scalars(select(LedgerBalance.count)).all()) == [2, 2, 3]

    def test_large_requests_go_to_who_is_behind_in_value_and_small_ones_to_who_is_ahead(self, session: Session) -> None:
        cast = make_cast(session)
        make_version(session, "assignment", assignment_rules())
        holders = []
        for place, amount in enumerate((100, 100, 90_000, 100, 100, 90_000, 100, 100, 90_000)):
            request = make_request(session, amount_minor=amount * 100)
            decide_and_assign(session, request, MONDAY + timedelta(minutes=place))
            session.flush()
            holders.append(request.manager_id)
        balances = session.scalars(select(LedgerBalance)).all()
        assert {one.count for one in balances} == {3}
        # By turns one of them would have had all three large ones.
        assert {one.value_minor for one in balances} == {9_020_000}
        assert {holders[2], holders[5], holders[8]} == {cast.anna.id, cast.boris.id, cast.vera.id}

    def test_a_request_without_a_known_value_skips_that_step(self, session: Session) -> None:
        make_cast(session)
        make_version(session, "assignment", assignment_rules())
        assign_all(session, make_requests(session, 2))
        request = make_request(session, amount_minor=None)

        detail = deciding(session, decide_and_assign(session, request, MONDAY).decision_id)

        assert "value_step" not in detail["outcome"]["attempts"][-1]
        entry = session.scalars(select(LedgerEntry).where(LedgerEntry.request_id == request.id)).one()
        assert (entry.delta, entry.value_minor) == (1, 0)

    def test_the_owner_on_leave_leaves_the_request_to_the_next_rule(self, session: Session) -> None:
        cast = make_cast(session)
        make_absence(session, cast.anna, at("2026-10-05 00:00"), at("2026-10-19 00:00"))
        cover = rule("cover", condition("client.owner", "is_filled"), {"action": "assign", "to": [{"pool": "cover"}]})
        make_version(session, "assignment", assignment_rules(OWN, cover))
        request = make_request(session, client=make_client(session, owner=cast.anna, cover=cast.vera))

        result = decide_and_assign(session, request, MONDAY)

        assert logins(session, [request]) == ["vera"]
        detail = deciding(session, result.decision_id)
        assert detail["outcome"]["passed_over"] == [{"rule": "own", "reason": "no_candidate"}]
        assert detail["rules"][0]["passed_over"] == "no_candidate"
        assert session.get_one(Decision, result.decision_id).fired == ["cover"]

    def test_round_robin_goes_round(self, any_session: Session) -> None:
        make_cast(any_session)
        make_version(any_session, "assignment", assignment_rules(strategy="round_robin"))
        requests = make_requests(any_session, 4)

        assign_all(any_session, requests)

        assert logins(any_session, requests) == ["anna", "boris", "vera", "anna"]
        pointer = any_session.scalars(select(RoundRobinPointer)).one()
        assert pointer.pool == "everyone"

    def test_the_least_loaded_is_who_has_fewest_open(self, session: Session) -> None:
        cast = make_cast(session)
        make_version(session, "assignment", assignment_rules(strategy="least_loaded"))
        for manager, number in ((cast.anna, 2), (cast.boris, 1), (cast.vera, 3)):
            for _ in range(number):
                make_request(session, status="in_progress", manager_id=manager.id)
        request = make_request(session)

        decide_and_assign(session, request, MONDAY)

        assert logins(session, [request]) == ["boris"]

    def test_daily_limits_hold(self, session: Session) -> None:
        cast = make_cast(session)
        for manager in (cast.anna, cast.boris, cast.vera):
            manager.daily_cap = 1
        make_version(session, "assignment", assignment_rules())
        requests = make_requests(session, 4)

        assign_all(session, requests)

        assert logins(session, requests) == ["anna", "boris", "vera", None]

    def test_half_a_position_gets_half(self, session: Session) -> None:
        cast = make_cast(session)
        cast.anna.weight_milli = 500
        make_version(session, "assignment", assignment_rules(pool="everyone"))
        assign_all(session, make_requests(session, 25))

        counts = dict(session.execute(select(LedgerBalance.manager_id, LedgerBalance.count)).all())
        assert counts == {cast.anna.id: 5, cast.boris.id: 10, cast.vera.id: 10}

    def test_whoever_came_back_from_leave_is_not_flooded(self, session: Session) -> None:
        cast = make_cast(session)
        make_version(session, "assignment", assignment_rules())
        make_absence(session, cast.vera, at("2026-10-01 00:00"), at("2026-10-12 00:00"))
        before = make_requests(session, 20, first_at=at("2026-10-05 09:00"), every_minutes=60)
        assign_all(session, before)

        after = make_requests(session, 6, first_at=at("2026-10-12 09:00"), every_minutes=5)
        assign_all(session, after)

        assert "vera" not in logins(session, before)
        assert logins(session, after).count("vera") <= 4


class TestNobody:
    def test_out_of_hours_it_waits_for_the_opening(self, any_session: Session) -> None:
        make_cast(any_session)
        make_version(any_session, "assignment", assignment_rules(among=WORKING))
        night = at("2026-10-05 22:07")
        request = make_request(any_session, received_at=night)

        result = decide_and_assign(any_session, request, night)

        assert (result.manager, request.status) == (None, RequestStatus.NEW)
        assert result.wake_at == at("2026-10-06 09:00")
        assert request.unassigned_reason is not None
        assert decide_and_assign(any_session, request, at("2026-10-06 09:00")).manager is not None
        assert request.unassigned_reason is None

    def test_when_all_are_away_it_waits_for_the_first_to_come_back_even_at_night(self, session: Session) -> None:
        cast = make_cast(session)
        make_version(session, "assignment", assignment_rules(pool="everyone"))
        for manager, back in ((cast.anna, "2026-10-08 00:00"), (cast.boris, "2026-10-07 03:00")):
            make_absence(session, manager, at("2026-10-01 00:00"), at(back))
        make_absence(session, cast.vera, at("2026-10-01 00:00"), at("2026-11-01 00:00"))
        request = make_request(session, received_at=at("2026-10-06 23:00"))

        result = decide_and_assign(session, request, at("2026-10-06 23:00"))

        assert result.wake_at == at("2026-10-07 03:00")

    def test_what_other_rows_can_change_is_tried_every_quarter_of_an_hour_from_the_arrival(
        self, session: Session
    ) -> None:
        cast = make_cast(session)
        for manager in (cast.anna, cast.boris, cast.vera):
            manager.open_cap = 0
        make_version(session, "assignment", assignment_rules())
        request = make_request(session, received_at=MONDAY)

        assert decide_and_assign(session, request, MONDAY).wake_at == MONDAY + timedelta(minutes=15)
        later = MONDAY + timedelta(minutes=22)
        assert decide_and_assign(session, request, later).wake_at == MONDAY + timedelta(minutes=30)

    def test_the_head_is_told_once(self, any_session: Session) -> None:
        cast = make_cast(any_session)
        make_version(any_session, "assignment", assignment_rules(among=WORKING))
        request = make_request(any_session, received_at=at("2026-10-05 22:00"))

        first = decide_and_assign(any_session, request, at("2026-10-05 22:00"))
        second = decide_and_assign(any_session, request, at("2026-10-05 23:00"))

        assert first.decision_id is not None and second.decision_id is None
        told = any_session.scalars(select(OutboxMessage).where(OutboxMessage.channel == "page")).all()
        assert [message.user_id for message in told] == [cast.galina.id]
        assert "никто не может" in told[0].body

    def test_a_rule_can_leave_a_request_to_the_head(self, session: Session) -> None:
        make_cast(session)
        spam = rule(
            "suspicious",
            condition("request.text", "contains", "казино"),
            {"action": "leave_unassigned", "reason": "похоже на спам"},
            {"action": "add_tag", "tag": "спам?"},
        )
        make_version(session, "assignment", assignment_rules(spam))
        request = make_request(session, text="Лучшее КАЗИНО города")

        result = decide_and_assign(session, request, MONDAY)

        assert (result.manager, result.wake_at) == (None, None)
        assert request.tags == ["спам?"]
        assert "похоже на спам" in (request.unassigned_reason or "")
        assert session.scalars(select(Firing.rule)).all() == ["suspicious"]

    def test_a_coming_version_is_waited_for(self, session: Session) -> None:
        make_cast(session)
        make_version(session, "assignment", assignment_rules(among=WORKING))
        make_version(session, "assignment", assignment_rules(), holds_from=at("2026-10-06 01:00"))
        request = make_request(session, received_at=at("2026-10-05 22:00"))

        assert decide_and_assign(session, request, at("2026-10-05 22:00")).wake_at == at("2026-10-06 01:00")

    def test_rules_that_begin_to_match_by_time_are_waited_for(self, session: Session) -> None:
        cast = make_cast(session)
        for manager in (cast.anna, cast.boris):
            make_absence(session, manager, at("2026-10-05 00:00"), at("2026-12-01 00:00"))
        late = rule(
            "late",
            condition("request.working_minutes_since_received", "ge", 60),
            {"action": "assign", "to": {"pool": "manager", "login": "vera"}},
        )
        make_version(session, "assignment", assignment_rules(late, pool="team") | only_sales())
        request = make_request(session, received_at=at("2026-10-05 12:30"))

        result = decide_and_assign(session, request, at("2026-10-05 12:30"))

        # Lunch begins at 13:00 and nothing is worked through it.
        assert result.wake_at == at("2026-10-05 14:30")
        assert decide_and_assign(session, request, at("2026-10-05 14:30")).manager is not None


def only_sales() -> dict[str, Any]:
    return {"otherwise": [{"action": "assign", "to": {"pool": "team", "team": "sales"}}]}


class TestModes:
    def test_off_decides_nothing(self, session: Session) -> None:
        make_cast(session, live=False)
        make_version(session, "assignment", assignment_rules())

        result = decide_and_assign(session, make_request(session), MONDAY)

        assert result.decision_id is None
        assert session.scalars(select(Decision)).all() == []

    @pytest.mark.parametrize("mode", ["watch", "hints"])
    def test_watch_and_hints_record_whom_they_would_have_chosen_and_touch_nobody(
        self, any_session: Session, mode: str
    ) -> None:
        cast = make_cast(any_session, live=False)
        make_mode(any_session, "assignment", mode)
        make_version(any_session, "assignment", assignment_rules())
        request = make_request(any_session)

        result = decide_and_assign(any_session, request, MONDAY)

        assert (result.manager, request.status, request.manager_id) == (None, RequestStatus.NEW, None)
        found = proposal(any_session, request)
        assert found is not None
        assert (found.manager_id, found.mode, found.rule) == (cast.anna.id, mode, "otherwise")
        for row in (Assignment, LedgerEntry, Task, OutboxMessage, Firing, RequestEvent):
            assert any_session.scalars(select(row)).all() == []

    def test_the_same_proposal_is_recorded_once_and_a_new_one_again(self, session: Session) -> None:
        cast = make_cast(session, live=False)
        make_mode(session, "assignment", "hints")
        make_version(session, "assignment", assignment_rules())
        request = make_request(session)
        decide_and_assign(session, request, MONDAY)
        decide_and_assign(session, request, MONDAY)
        assert len(session.scalars(select(Decision)).all()) == 1

        make_absence(session, cast.anna, at("2026-10-05 00:00"), at("2026-10-06 00:00"))
        decide_and_assign(session, request, MONDAY)

        found = proposal(session, request)
        assert found is not None and found.manager_id == cast.boris.id

    def test_the_mode_is_that_of_the_chosen_managers_team(self, session: Session) -> None:
        cast = make_cast(session)
        make_mode(session, "assignment", "watch", team=cast.sales)
        make_version(session, "assignment", assignment_rules(OWN))
        watched = make_request(session, client=make_client(session, owner=cast.anna))
        live = make_request(session, client=make_client(session, owner=cast.vera))

        decide_and_assign(session, watched, MONDAY)
        decide_and_assign(session, live, MONDAY)

        assert logins(session, [watched, live]) == [None, "vera"]

    def test_under_watch_nobody_is_told_that_nobody_can_take_it(self, session: Session) -> None:
        make_cast(session, live=False)
        make_mode(session, "assignment", "watch")
        make_version(session, "assignment", assignment_rules(among=WORKING))
        request = make_request(session, received_at=at("2026-10-05 22:00"))

        result = decide_and_assign(session, request, at("2026-10-05 22:00"))

        assert result.decision_id is not None
        assert session.scalars(select(OutboxMessage)).all() == []
        assert request.unassigned_reason is None


class TestEngines:
    def test_the_second_attempt_is_native_alone(self, session: Session) -> None:
        make_cast(session)
        make_version(session, "assignment", assignment_rules(OWN))
        first, second = make_requests(session, 2)

        one = decide_and_assign(session, first, MONDAY)
        two = decide_and_assign(session, second, MONDAY, attempt=2)

        engines = [session.get_one(Decision, result.decision_id).engine for result in (one, two)]
        assert engines[1] == "native"
        published = rulebook.published(session, "assignment", MONDAY)
        assert engines[0] == ("native" if published.engine is published.native else "durable+native")
