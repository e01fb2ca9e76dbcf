"""A request goes from one to another: by hand, for want of an answer, with its import; and comes to its end."""

from datetime import timedelta
from fractions import Fraction

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.decisions.escalation_outcome import Transfer
from rules_engine.decisions.fair_share import Strategy
from rules_engine.decisions.picking import pick
from rules_engine.errors import PolicyViolation
from rules_engine.language.ruleset import parse
from rules_engine.models import (
    Assignment,
    AssignmentCause,
    AuditEntry,
    Decision,
    LedgerBalance,
    LedgerEntry,
    OutboxMessage,
    Request,
    RequestEvent,
    RequestStatus,
    Task,
    TaskState,
    WorkItem,
)
from rules_engine.services.records.ledger_rows import Cause, correct
from rules_engine.services.requests.assignment import (
    assign_by_hand,
    assign_external,
    decide_and_assign,
    end_assignment,
    roster_of,
    take_away_and_reassign,
    take_up_again,
)
from rules_engine.services.rules import journal
from tests.factories import (
    MONDAY,
    Cast,
    assignment_rules,
    at,
    condition,
    escalation_rules,
    make_cast,
    make_mode,
    make_request,
    make_version,
    rule,
)

LATER = at("2026-10-05 15:00")


@pytest.fixture
def held(any_session: Session) -> tuple[Session, Cast, Request]:
    """Анна has a request since eleven and has not answered it."""
    cast = make_cast(any_session)
    make_version(any_session, "assignment", assignment_rules())
    request = make_request(any_session, client_name="Ромашка")
    decide_and_assign(any_session, request, MONDAY)
    any_session.flush()
    assert request.manager_id == cast.anna.id
    return any_session, cast, request


def counts(session: Session) -> dict[int, tuple[int, int]]:
    rows = session.execute(select(LedgerBalance.manager_id, LedgerBalance.count, LedgerBalance.value_minor))
    return {manager_id: (number, value) for manager_id, number, value in rows}


def ledger(session: Session) -> list[tuple[int, int, str]]:
    rows = session.scalars(select(LedgerEntry).order_by(LedgerEntry.id))
    return [(row.manager_id, row.delta, row.cause) for row in rows]


class TestByHand:
    def test_the_new_holder_has_task_and_time_and_the_old_one_has_not(
        self, held: tuple[Session, Cast, Request]
    ) -> None:
        session, cast, request = held

        assignment = assign_by_hand(session, request, cast.vera, reason="знает клиента", actor="galina", now=LATER)

        assert (assignment.cause, assignment.manager_id) == (AssignmentCause.HAND, cast.vera.id)
        assert request.answer_due_at == at("2026-10-05 15:30")
        tasks = session.scalars(select(Task).order_by(Task.id)).all()
        assert [(task.manager_id, task.state) for task in tasks] == [
            (cast.anna.id, TaskState.CANCELLED),
            (cast.vera.id, TaskState.OPEN),
        ]
        assert tasks[0].note == "знает клиента"
        assert tasks[1].reason["ru"] == "Передал руководитель: Галина. знает клиента"
        old = session.scalars(select(Assignment).order_by(Assignment.id)).first()
        assert old is not None and (old.ended_at, old.end_reason) == (LATER, "hand")
        told = session.scalars(select(OutboxMessage).where(OutboxMessage.channel == "page")).all()
        assert [message.user_id for message in told] == [cast.anna.user_id, cast.anna.user_id, cast.vera.user_id]
        assert [event.kind for event in session.scalars(select(RequestEvent).order_by(RequestEvent.id))] == [
            "assigned",
            "taken",
            "assigned",
        ]

    def test_it_is_a_decision_with_its_trace_and_in_the_audit_log(self, held: tuple[Session, Cast, Request]) -> None:
        session, cast, request = held

        assign_by_hand(session, request, cast.vera, reason="знает клиента", actor="galina", now=LATER)

        decision = session.scalars(select(Decision).order_by(Decision.id.desc())).first()
        assert decision is not None
        assert (decision.actor, decision.version_id, decision.chosen_manager_id) == ("galina", None, cast.vera.id)
        detail = journal.detail_of(session, decision.id)
        assert detail is not None
        candidates = detail["outcome"]["attempts"][0]["candidates"]
        assert [(one["login"], one["count"], one["place"]) for one in candidates] == [
            ("anna", 1, 3),
            ("boris", 0, 2),
            ("vera", 0, 1),
        ]
        entry = session.scalars(select(AuditEntry)).one()
        assert (entry.action, entry.before, entry.after) == (
            "reassign",
            {"manager": "anna"},
            {"manager": "vera", "reason": "знает клиента", "keep_debit": True},
        )

    def test_what_the_old_holder_received_stays_counted_unless_the_head_says_otherwise(
        self, held: tuple[Session, Cast, Request]
    ) -> None:
        session, cast, request = held

        assign_by_hand(session, request, cast.vera, reason="раз", actor="galina", now=LATER)
        assert counts(session) == {cast.anna.id: (1, 1_450_000), cast.vera.id: (1, 1_450_000)}
        assign_by_hand(session, request, cast.boris, reason="два", actor="galina", now=LATER, keep_debit=False)

        assert counts(session) == {
            cast.anna.id: (1, 1_450_000),
            cast.vera.id: (0, 0),
            cast.boris.id: (1, 1_450_000),
        }
        assert ledger(session) == [
            (cast.anna.id, 1, "rule"),
            (cast.anna.id, 0, "hand"),
            (cast.vera.id, 1, "hand"),
            (cast.vera.id, -1, "hand"),
            (cast.boris.id, 1, "hand"),
        ]

    def test_a_new_request_can_be_given_in_any_mode(self, any_session: Session) -> None:
        cast = make_cast(any_session, live=False)
        request = make_request(any_session)

        assign_by_hand(any_session, request, cast.vera, reason="нужно сейчас", actor="galina", now=MONDAY)

        assert (request.status, request.manager_id) == (RequestStatus.ASSIGNED, cast.vera.id)
        item = any_session.scalars(select(WorkItem)).one()
        any_session.refresh(item)
        assert item.wake_at == MONDAY

    def test_what_makes_no_sense_is_refused(self, held: tuple[Session, Cast, Request]) -> None:
        session, cast, request = held
        cast.boris.user.is_active = False
        for manager, reason in ((cast.anna, "ему же"), (cast.boris, "не работает"), (cast.vera, "  ")):
            with pytest.raises(PolicyViolation):
                assign_by_hand(session, request, manager, reason=reason, actor="galina", now=LATER)
        request.status = RequestStatus.WON
        session.flush()
        with pytest.raises(PolicyViolation):
            assign_by_hand(session, request, cast.vera, reason="закрыта", actor="galina", now=LATER)


class TestTransfer:
    def transferred(self, session: Session, request: Request, pool: str = "everyone") -> tuple[Transfer, Decision]:
        body = escalation_rules(
            rule(
                "late",
                condition("request.is_past_answer_time", "is", True),
                {"action": "reassign", "to": {"pool": pool}},
            )
        )
        version = make_version(session, "escalation", body)
        action = parse(body).rules[0].then[0]
        found = pick(action, "late", roster_of(session, request, LATER))
        assert found.chosen is not None
        chosen = found.attempts[-1].chosen
        assert chosen is not None
        transfer = Transfer("late", found.chosen, chosen.login, Strategy.FAIR_SHARE, None, None, found.attempts)
        session.flush()
        decision_id = journal.write_decision(
            session,
            decision="escalation",
            subject_kind="request",
            subject_id=request.id,
            at=LATER,
            version_id=version.id,
            engine="native",
            mode="live",
            fired=["late"],
            effects=[],
            chosen_manager_id=found.chosen,
            detail={},
        )
        return transfer, session.get_one(Decision, decision_id)

    def test_it_goes_to_another_and_dodging_does_not_pay(self, held: tuple[Session, Cast, Request]) -> None:
        session, cast, request = held
        request.answer_within = 10

        assignment = take_away_and_reassign(session, request, *self.transferred(session, request), LATER)
        session.flush()

        assert request.manager_id == cast.boris.id
        assert (request.times_reassigned, request.answer_within) == (1, 10)
        assert request.answer_due_at == at("2026-10-05 15:10")
        assert assignment.cause is AssignmentCause.TRANSFER
        assert ledger(session) == [
            (cast.anna.id, 1, "rule"),
            (cast.anna.id, 0, "no_answer"),
            (cast.boris.id, 1, "transfer"),
        ]
        assert counts(session)[cast.anna.id] == (1, 1_450_000)
        told = session.scalars(select(OutboxMessage).where(OutboxMessage.channel == "page")).all()
        assert [message.user_id for message in told][1:] == [cast.anna.user_id, cast.boris.user_id]

    def test_what_repeats_a_request_of_the_new_holder_is_not_counted_again(
        self, held: tuple[Session, Cast, Request]
    ) -> None:
        session, cast, request = held
        first = make_request(session)
        assign_by_hand(session, first, cast.boris, reason="так", actor="galina", now=MONDAY)
        request.is_duplicate, request.duplicate_of_id = True, first.id
        cast.vera.open_cap = 0

        take_away_and_reassign(session, request, *self.transferred(session, request), LATER)

        assert request.manager_id == cast.boris.id
        assert counts(session)[cast.boris.id] == (1, 1_450_000)
        assert ledger(session)[-1] == (cast.boris.id, 0, "duplicate")

    def test_who_loses_what_was_never_counted_for_him_is_not_told_that_it_still_counts(
        self, held: tuple[Session, Cast, Request]
    ) -> None:
        session, cast, request = held
        correct(session, request, Cause.DUPLICATE, MONDAY)
        take_away_and_reassign(session, request, *self.transferred(session, request), LATER)
        told = select(OutboxMessage.body).where(OutboxMessage.user_id == cast.anna.user_id)
        body = session.scalars(told.where(OutboxMessage.subject.startswith("Заявка передана"))).first()
        assert body == "Теперь её ведёт: Борис."

    def test_who_has_just_lost_it_does_not_get_it_back(self, held: tuple[Session, Cast, Request]) -> None:
        session, cast, request = held
        cast.boris.open_cap = cast.vera.open_cap = 0

        roster = roster_of(session, request, LATER)

        assert roster.just_lost == {cast.anna.id}
        assert roster.holder == cast.anna.id

    def test_the_roster_knows_everything_that_a_rule_can_weigh(self, held: tuple[Session, Cast, Request]) -> None:
        session, cast, request = held

        roster = roster_of(session, request, LATER)

        assert roster.candidates[cast.anna.id].open_requests == 1
        assert roster.facts_of(cast.anna.id)["candidate.unanswered_requests"] == 1
        assert roster.facts_of(cast.boris.id)["candidate.received_today"] == 0
        assert roster.candidates[cast.anna.id].entitlement > Fraction(0)


class TestExternal:
    @pytest.mark.parametrize(("mode", "has_task"), [("off", False), ("watch", False), ("hints", True), ("live", True)])
    def test_the_holder_stays_and_has_a_task_only_where_the_mode_makes_one(
        self, any_session: Session, mode: str, has_task: bool
    ) -> None:
        cast = make_cast(any_session, live=False)
        make_mode(any_session, "assignment", mode)
        make_version(any_session, "assignment", assignment_rules())
        request = make_request(any_session)

        assignment = assign_external(any_session, request, cast.vera, assigned_at=MONDAY, actor="api:crm", now=LATER)

        assert (request.manager_id, request.assigned_at) == (cast.vera.id, MONDAY)
        assert assignment.cause is AssignmentCause.EXTERNAL
        assert (request.answer_due_at is not None) == has_task
        assert len(any_session.scalars(select(Task)).all()) == has_task
        assert ledger(any_session) == [(cast.vera.id, 1, "external")]
        assert any_session.scalars(select(OutboxMessage)).all() == []
        assert len(any_session.scalars(select(Decision)).all()) == (mode == "watch")

    def test_it_counts_in_the_month_in_which_he_got_it(self, session: Session) -> None:
        cast = make_cast(session)
        last_month = at("2026-09-30 23:59")

        assign_external(
            session,
            make_request(session, received_at=last_month),
            cast.vera,
            assigned_at=last_month,
            actor="api:crm",
            now=MONDAY,
        )

        assert session.scalars(select(LedgerEntry.month)).all() == ["2026-09"]


class TestEnd:
    def test_an_assignment_ends_with_its_request(self, held: tuple[Session, Cast, Request]) -> None:
        session, _, request = held

        ended = end_assignment(session, request, "closed", LATER)

        assert ended is not None and (ended.ended_at, ended.end_reason) == (LATER, "closed")
        assert end_assignment(session, request, "closed", LATER) is None
        assert [task.state for task in session.scalars(select(Task))] == [TaskState.CANCELLED]

    def test_taken_up_again_it_is_his_and_counts_no_second_time(self, held: tuple[Session, Cast, Request]) -> None:
        session, cast, request = held
        end_assignment(session, request, "closed", LATER)

        again = take_up_again(session, request, at=LATER + timedelta(hours=1))

        assert again is not None and again.manager_id == cast.anna.id
        assert request.answer_due_at == at("2026-10-05 16:30")
        assert counts(session) == {cast.anna.id: (1, 1_450_000)}

    def test_once_answered_it_has_no_new_answer_time(self, held: tuple[Session, Cast, Request]) -> None:
        session, _, request = held
        request.first_answer_at = MONDAY + timedelta(minutes=5)
        before = request.answer_due_at
        end_assignment(session, request, "closed", LATER)

        again = take_up_again(session, request, at=LATER)

        assert again is not None and again.answer_due_at is None
        assert request.answer_due_at == before

    def test_confirmed_spam_is_taken_out_of_the_ledger_once(self, held: tuple[Session, Cast, Request]) -> None:
        session, cast, request = held

        assert correct(session, request, Cause.SPAM, LATER) == (cast.anna.id,)
        assert correct(session, request, Cause.SPAM, LATER) == ()

        assert counts(session) == {cast.anna.id: (0, 0)}
        assert ledger(session)[-1] == (cast.anna.id, -1, "spam")
