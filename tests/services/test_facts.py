"""What rules see: each field with its value and its emptiness, and what the reading costs."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from sqlalchemy.orm import Session

from rules_engine.language.vocabulary import FIELDS
from rules_engine.models import LedgerBalance, Request
from rules_engine.services.company.reference import reference
from rules_engine.services.facts.loads import loads
from rules_engine.services.facts.requests import IMPLEMENTED, candidate_facts, expand, request_facts, see
from rules_engine.services.facts.spellings import of_request
from tests.factories import (
    MONDAY,
    Cast,
    at,
    make_absence,
    make_cast,
    make_client,
    make_contact,
    make_group,
    make_manager,
    make_payment,
    make_request,
    make_requests,
    statements_of,
)

EVERYTHING = frozenset(key for key in IMPLEMENTED if not key.startswith("candidate."))


def facts_of(session: Session, request: Request, now: object = MONDAY) -> dict[str, object]:
    return dict(request_facts(session, request, now, EVERYTHING))  # type: ignore[arg-type]


class TestDeclarations:
    def test_what_is_provided_is_exactly_what_the_vocabulary_calls_implemented(self) -> None:
        declared = {key for key, field in FIELDS.items() if field.implemented and field.group != "measure"}

        assert declared == IMPLEMENTED

    def test_of_every_folded_text_the_rows_know_the_spelling(self, session: Session) -> None:
        request = make_request(session, client=make_client(session))

        folded = {key for key in IMPLEMENTED if FIELDS[key].is_folded}

        assert folded == set(of_request(request))

    def test_a_group_stands_for_all_its_keys(self) -> None:
        assert expand(["now", "request.amount"]) == {
            "now.weekday",
            "now.hour",
            "now.day_of_month",
            "now.month",
            "now.is_working_time",
            "request.amount",
        }


class TestRequest:
    def test_texts_are_folded_choices_are_not_and_money_is_kopecks(self, session: Session) -> None:
        make_cast(session)
        request = make_request(
            session,
            region="  МОСКВА ",
            city="",
            text="Нужен  СЕРВЕР",
            tags=["Срочно", " "],
            channel="phone",
            service="VPS",
        )

        facts = facts_of(session, request)

        assert facts["request.region"] == "москва"
        assert "request.city" not in facts
        assert facts["request.text"] == "нужен  сервер"
        assert facts["request.tags"] == ("срочно",)
        assert (facts["request.channel"], facts["request.service"]) == ("phone", "VPS")
        assert facts["request.amount"] == 1_450_000
        assert facts["item.kind"] == "request"

    def test_before_somebody_has_it_his_clocks_are_empty(self, session: Session) -> None:
        make_cast(session)
        request = make_request(session, received_at=MONDAY - timedelta(minutes=10))

        facts = facts_of(session, request)

        assert facts["request.working_minutes_since_received"] == 10
        assert (facts["request.is_answered"], facts["request.has_next_step"]) == (False, False)
        for name in ("working_minutes_since_assigned", "answer_used_pct", "is_past_answer_time", "answer_within"):
            assert f"request.{name}" not in facts
        assert "manager.name" not in facts

    def test_the_clocks_of_the_holder_leave_out_lunch_and_his_absence(self, session: Session) -> None:
        cast = make_cast(session)
        make_absence(session, cast.anna, at("2026-10-05 15:00"), at("2026-10-05 16:00"))
        request = held(session, cast, assigned_at=at("2026-10-05 12:30"), answer_due_at=at("2026-10-05 14:00"))

        facts = facts_of(session, request, at("2026-10-05 16:30"))

        assert facts["request.working_minutes_since_assigned"] == 30 + 60 + 30
        assert facts["request.working_minutes_without_answer"] == 120
        assert facts["request.answer_used_pct"] == 40_000
        assert facts["request.is_past_answer_time"] is True

    def test_once_answered_the_answer_clock_is_empty(self, session: Session) -> None:
        cast = make_cast(session)
        request = held(session, cast, assigned_at=MONDAY, first_answer_at=MONDAY + timedelta(minutes=5))

        facts = facts_of(session, request, MONDAY + timedelta(hours=1))

        assert "request.working_minutes_without_answer" not in facts
        assert "request.answer_used_pct" not in facts
        assert facts["request.is_past_answer_time"] is False

    def test_the_wall_clock_is_that_of_the_company(self, session: Session) -> None:
        make_cast(session)

        facts = facts_of(session, make_request(session))

        assert (facts["now.weekday"], facts["now.hour"], facts["now.is_working_time"]) == ("mon", 11, True)
        assert (facts["now.day_of_month"], facts["now.month"]) == (5, 10)


def held(session: Session, cast: Cast, **more: object) -> Request:
    return make_request(
        session,
        received_at=at("2026-10-05 09:00"),
        status="in_progress",
        manager_id=cast.anna.id,
        answer_within=30,
        **{"answer_due_at": MONDAY + timedelta(minutes=30), **more},
    )


class TestClient:
    def test_an_unknown_client_leaves_all_fields_empty(self, session: Session) -> None:
        make_cast(session)

        facts = facts_of(session, make_request(session))

        assert [key for key in facts if key.startswith(("client.", "owner."))] == []

    def test_his_card(self, session: Session) -> None:
        cast = make_cast(session)
        client = make_client(
            session,
            owner=cast.anna,
            segment="active",
            region="Тверь",
            tags=["VIP"],
            contract_ends_on=date(2026, 11, 4),
            consent_on=date(2026, 1, 1),
        )

        facts = facts_of(session, make_request(session, client=client))

        assert facts["client.owner"] == "anna"
        assert (facts["client.segment"], facts["client.region"], facts["client.tags"]) == ("active", "тверь", ("vip",))
        assert facts["client.contract_ends_in_days"] == 30
        assert (facts["client.consent_to_offers"], facts["client.do_not_call"]) == (True, False)
        assert facts["owner.is_absent"] is False
        assert facts["owner.back_in_working_minutes"] == 0

    def test_an_owner_on_leave_is_absent_and_one_at_lunch_is_not(self, session: Session) -> None:
        cast = make_cast(session)
        make_absence(session, cast.anna, at("2026-10-05 00:00"), at("2026-10-06 00:00"))
        request = make_request(session, client=make_client(session, owner=cast.anna))
        lunch = make_request(session, client=make_client(session, owner=cast.boris))

        away = facts_of(session, request, at("2026-10-05 17:00"))
        eating = facts_of(session, lunch, at("2026-10-05 13:30"))

        assert (away["owner.is_absent"], away["owner.back_in_working_minutes"]) == (True, 60)
        assert eating["owner.is_absent"] is False

    def test_an_owner_who_left_is_absent_for_good(self, session: Session) -> None:
        make_cast(session)
        gone = make_manager(session, "gone", left_on=date(2026, 10, 1))

        facts = facts_of(session, make_request(session, client=make_client(session, owner=gone)))

        assert facts["owner.is_absent"] is True
        assert "owner.back_in_working_minutes" not in facts

    def test_the_last_contact_counts_and_automatic_replies_do_not(self, session: Session) -> None:
        make_cast(session)
        client = make_client(session)
        make_contact(session, client=client, at=at("2026-09-28 23:00"), outcome="thinks")
        make_contact(session, client=client, at=at("2026-09-01 10:00"), outcome="refused")
        make_contact(session, client=client, at=at("2026-10-04 10:00"), outcome="answered", is_automatic=True)

        facts = facts_of(session, make_request(session, client=client))

        assert facts["client.days_since_last_contact"] == 7
        assert facts["client.last_outcome"] == "thinks"

    def test_another_open_request_counts_and_this_one_closed_ones_and_history_do_not(self, session: Session) -> None:
        make_cast(session)
        alone, busy = make_client(session), make_client(session)
        for client in (alone, busy):
            make_request(session, client=client, status="won")
            make_request(session, client=client, is_history=True)
        make_request(session, client=busy, status="in_progress")

        assert facts_of(session, make_request(session, client=alone))["client.has_open_request"] is False
        assert facts_of(session, make_request(session, client=busy))["client.has_open_request"] is True

    def test_the_reason_of_the_last_refusal(self, session: Session) -> None:
        make_cast(session)
        client = make_client(session)
        for day, reason in (("2026-09-01 10:00", "rival"), ("2026-09-20 10:00", "expensive")):
            make_request(session, client=client, status="lost", close_reason=reason, closed_at=at(day))

        assert facts_of(session, make_request(session, client=client))["client.refusal_reason"] == "expensive"


class TestPeople:
    def test_what_the_holder_carries(self, session: Session) -> None:
        cast = make_cast(session)
        request = held(session, cast, assigned_at=MONDAY)
        held(session, cast, assigned_at=MONDAY, first_answer_at=MONDAY)
        make_request(session, status="won", manager_id=cast.anna.id)
        session.add(LedgerBalance(month="2026-10", manager_id=cast.anna.id, count=7, value_minor=0))

        facts = facts_of(session, request)

        assert (facts["manager.name"], facts["manager.team"]) == ("anna", "sales")
        assert (facts["manager.open_requests"], facts["manager.unanswered_requests"]) == (2, 1)
        assert facts["manager.received_this_month"] == 7
        assert facts["manager.is_working_now"] is True

    def test_candidates(self, session: Session) -> None:
        cast = make_cast(session)
        cast.vera.skills = ["Python", "english"]
        held(session, cast, assigned_at=MONDAY)
        managers = list(reference(session).managers.values())

        facts = candidate_facts(session, managers, at("2026-10-05 13:30"), ["candidate"])

        assert facts[cast.vera.id]["candidate.skills"] == ("Python", "english")
        assert facts[cast.vera.id]["candidate.open_requests"] == 0
        assert facts[cast.anna.id]["candidate.unanswered_requests"] == 1
        assert facts[cast.anna.id]["candidate.is_working_now"] is False


class TestCost:
    def test_candidates_cost_one_query_whatever_their_number(self, session: Session) -> None:
        make_cast(session)
        for _ in range(21):
            make_manager(session)
        managers = list(reference(session).managers.values())
        assert len(managers) == 24

        with statements_of(session) as sent:
            candidate_facts(session, managers, MONDAY, ["candidate"])

        assert len(sent) == 1

    @pytest.mark.parametrize(
        ("fields", "queries"),
        [
            (["request", "now", "item"], 0),
            (["client.owner", "owner.is_absent", "client.region"], 1),
            (["client.days_since_last_contact", "client.last_outcome"], 1),
            (["client.has_open_request"], 1),
            (["client.refusal_reason"], 1),
            (["client.is_old", "client.overdue_ratio", "client.revenue_total"], 2),
            (["manager.open_requests", "manager.received_today"], 1),
            (["manager.name", "manager.is_working_now"], 0),
            (["client"], 7),
        ],
    )
    def test_a_group_is_read_only_where_it_is_used_and_at_once_for_all_requests(
        self, session: Session, fields: list[str], queries: int
    ) -> None:
        cast = make_cast(session)
        client = make_client(session, owner=cast.anna)
        # In a group: whether he is old is a question about all its firms.
        client.group_id = make_group(session).id
        requests = make_requests(session, 5)
        for request in requests:
            request.client_id, request.manager_id = client.id, cast.anna.id
        reference(session)

        with statements_of(session) as sent:
            seen = see(session, requests, MONDAY, fields)

        assert len(sent) == queries
        assert len(seen) == 5

    @pytest.mark.parametrize("key", sorted(EVERYTHING))
    def test_every_field_can_be_asked_for_alone(self, session: Session, key: str, full: Callable[[], Request]) -> None:
        request = full()

        facts = request_facts(session, request, MONDAY + timedelta(hours=1), [key])

        assert set(facts) <= {key}
        assert key in facts or key in EMPTY_HERE


EMPTY_HERE = {
    "request.working_minutes_without_answer",
    "request.answer_used_pct",
    "item.working_days_overdue",
    "item.times_postponed",
    "event.name",
}


@pytest.fixture
def full(session: Session) -> Callable[[], Request]:
    """A request of which everything is known that can be known at once; it is answered, so those clocks stand."""

    def make() -> Request:
        cast = make_cast(session)
        cast.anna.skills = ["english"]
        client = make_client(
            session,
            owner=cast.anna,
            segment="active",
            region="Тверь",
            tags=["vip"],
            contract_ends_on=date(2026, 11, 4),
        )
        make_request(session, client=client, status="lost", close_reason="rival", closed_at=MONDAY)
        make_contact(session, client=client, outcome="thinks", asked_to_call_at=MONDAY + timedelta(days=7))
        for day in (100, 70, 40):
            make_payment(session, client, MONDAY - timedelta(days=day))
        return make_request(
            session,
            client=client,
            status="waiting_client",
            manager_id=cast.anna.id,
            assigned_at=MONDAY,
            answer_within=30,
            answer_due_at=MONDAY + timedelta(minutes=30),
            first_answer_at=MONDAY,
            waiting_since=MONDAY,
            region="Москва",
            city="Москва",
            language="ru",
            text="нужен сервер",
            tags=["срочно"],
        )

    return make


def test_what_managers_carry_is_looked_up_by_index(session: Session) -> None:
    make_cast(session)
    with statements_of(session) as sent:
        loads(session, reference(session), MONDAY, ids=[1, 2])
    (statement,) = [text for text in sent if "FROM managers" in text and "ledger_balances" in text]

    plan = session.connection().exec_driver_sql(
        "EXPLAIN QUERY PLAN " + statement, tuple(None for _ in range(statement.count("?")))
    )

    steps = [row[3] for row in plan]
    # What is read through is never a table, only the few rows that a count has gathered.
    assert [step for step in steps if step.startswith("SCAN") and not step.startswith("SCAN anon_")] == []
    assert any("ix_assignments_manager_id_assigned_at" in step for step in steps)
    assert any("ix_requests_manager_id_status" in step for step in steps)
