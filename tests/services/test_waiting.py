"""Requests that nobody can take: they wait in lines, and the first of a line is tried as soon as somebody can."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.models import (
    Absence,
    DutyShift,
    Manager,
    OutboxMessage,
    OverdueAction,
    OverdueKind,
    OverdueState,
    Request,
    RequestStatus,
    WorkItem,
    WorkKind,
)
from rules_engine.services.company import absences
from rules_engine.services.queue import work
from rules_engine.services.records.incoming import ContactIn, Key
from rules_engine.services.requests import contacts, overdue_actions, waiting
from rules_engine.services.requests.assignment import assign_by_hand, decide_and_assign
from rules_engine.services.requests.status import change_status
from rules_engine.services.running import agenda
from rules_engine.settings import Settings
from tests.factories import (
    MONDAY,
    Cast,
    assignment_rules,
    at,
    condition,
    make_absence,
    make_cast,
    make_client,
    make_request,
    make_requests,
    make_version,
    rule,
    statements_of,
)

Sessions = sessionmaker[Session]
ONE_EACH = {"all": [condition("candidate.unanswered_requests", "lt", 1)]}
WORKING = {"all": [condition("candidate.is_working_now", "is", True)]}
OWN = rule("own", condition("client.owner", "is_filled"), {"action": "assign", "to": {"pool": "owner"}})
LATER = MONDAY + timedelta(minutes=5)


def company(sessions: Sessions, number: int, rules: dict[str, Any]) -> Cast:
    """Anna, Boris and Vera, rules, and so many requests that arrive together."""
    with db.transaction(sessions) as session:
        cast = make_cast(session)
        make_version(session, "assignment", rules)
        make_requests(session, number, every_minutes=0)
    return cast


def answer(session: Session, request: Request, now: datetime) -> None:
    contacts.record(
        session,
        ContactIn(
            source="telephony",
            external_id=f"C-{request.id}",
            request=Key(source=request.source, external_id=request.external_id),
            at=now,
        ),
        now=now,
        actor="api:telephony",
    )


def held_by(session: Session, manager: Manager) -> list[Request]:
    return list(session.scalars(select(Request).where(Request.manager_id == manager.id).order_by(Request.id)))


def waiting_ids(session: Session) -> list[int]:
    return list(session.scalars(select(Request.id).where(Request.waiting_key.is_not(None)).order_by(Request.id)))


def due(session: Session, now: datetime) -> list[int]:
    return list(
        session.scalars(
            select(WorkItem.subject_id)
            .where(WorkItem.kind == WorkKind.REQUEST, WorkItem.wake_at <= now)
            .order_by(WorkItem.subject_id)
        )
    )


class TestLines:
    def test_an_answer_lets_the_first_in_line_be_taken_and_no_other_be_tried(
        self, any_engine: Engine, settings: Settings
    ) -> None:
        sessions = db.make_sessions(any_engine, settings)
        cast = company(sessions, 12, assignment_rules(among=ONE_EACH))
        assert agenda.run_due(sessions, MONDAY).assigned == 3
        with db.transaction(sessions) as session:
            left = waiting_ids(session)
            assert len(left) == 9
            assert len(set(session.scalars(select(Request.waiting_key)))) == 2
            answer(session, held_by(session, cast.anna)[0], LATER)

        totals = agenda.run_due(sessions, LATER)

        # The request that was answered, the first in line, and the second, who finds nobody.
        assert (totals.assigned, totals.handled) == (1, 3)
        with sessions() as session:
            assert waiting_ids(session) == left[1:]
            assert session.get_one(Request, left[0]).manager_id == cast.anna.id
            assert session.get_one(Request, left[0]).unassigned_reason is None

    def test_only_the_first_of_a_line_is_looked_at_again_by_the_clock(self, sessions: Sessions) -> None:
        company(sessions, 8, assignment_rules(among=ONE_EACH))
        agenda.run_due(sessions, MONDAY)
        with sessions() as session:
            first = waiting_ids(session)[0]
            assert due(session, MONDAY + timedelta(minutes=15)) == [first]
        assert agenda.run_due(sessions, MONDAY + timedelta(minutes=15)).handled == 1

    def test_at_the_opening_all_are_taken_one_after_the_other(self, sessions: Sessions) -> None:
        with db.transaction(sessions) as session:
            make_cast(session)
            make_version(session, "assignment", assignment_rules(among=WORKING))
            make_requests(session, 8, first_at=at("2026-10-03 12:00"))
        assert agenda.run_due(sessions, at("2026-10-03 13:00")).assigned == 0

        monday = agenda.run_due(sessions, at("2026-10-05 09:00"))

        assert (monday.assigned, monday.handled) == (8, 8)

    def test_requests_of_different_owners_wait_in_different_lines(self, sessions: Sessions) -> None:
        with db.transaction(sessions) as session:
            cast = make_cast(session)
            for one in (cast.anna, cast.boris, cast.vera):
                one.open_cap = 0
            make_version(session, "assignment", assignment_rules(OWN))
            for owner in (cast.anna, cast.anna, cast.boris, None):
                make_request(session, client=make_client(session, owner=owner) if owner else None)
        agenda.run_due(sessions, MONDAY)

        with db.transaction(sessions) as session:
            ids = waiting_ids(session)
            assert waiting.someone_can_again(session, LATER) == 3
            assert due(session, LATER) == [ids[0], ids[2], ids[3]]

    def test_a_request_that_was_given_up_does_not_stop_its_line(self, sessions: Sessions) -> None:
        cast = company(sessions, 6, assignment_rules(among=ONE_EACH))
        agenda.run_due(sessions, MONDAY)
        with db.transaction(sessions) as session:
            first, second, _ = waiting_ids(session)
            item = session.scalars(select(WorkItem).where(WorkItem.subject_id == first)).one()
            item.quarantined_at = MONDAY
            session.flush()
            answer(session, held_by(session, cast.boris)[0], LATER)
        agenda.run_due(sessions, LATER)
        with sessions() as session:
            assert session.get_one(Request, second).manager_id == cast.boris.id

    def test_the_first_of_each_line_is_found_by_the_index(self, session: Session) -> None:
        compiled = waiting._heads().compile(session.get_bind(), compile_kwargs={"literal_binds": True})
        plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}").all()
        of_requests = [row[3] for row in plan if "requests" in row[3]]
        assert of_requests
        assert all("ix_requests_waiting" in step for step in of_requests)

    def test_while_nothing_waits_it_costs_one_look(self, session: Session) -> None:
        make_cast(session)
        make_request(session)
        with statements_of(session) as sent:
            assert waiting.someone_can_again(session, MONDAY) == 0
        assert len(sent) == 1


def full(session: Session, cast: Cast) -> Request:
    """Every manager has one unanswered request, which is all that the rules let them have; one request waits."""
    make_version(session, "assignment", assignment_rules(among=ONE_EACH))
    for request in make_requests(session, 4):
        decide_and_assign(session, request, MONDAY)
        session.flush()
    (left,) = waiting_ids(session)
    work.set_wake(session, WorkKind.REQUEST, left, None)
    return session.get_one(Request, left)


Event = Callable[[Session, Cast], None]


def _close(session: Session, cast: Cast) -> None:
    (request,) = held_by(session, cast.anna)
    change_status(session, request, RequestStatus.SPAM, reason=None, at=LATER, actor="anna", now=LATER)


def _hand_over(session: Session, cast: Cast) -> None:
    (request,) = held_by(session, cast.anna)
    assign_by_hand(session, request, cast.boris, reason="так", actor="galina", now=LATER)


def _end_hold(session: Session, cast: Cast) -> None:
    hold = OverdueAction(
        kind=OverdueKind.HOLD,
        state=OverdueState.CONFIRMED,
        manager_id=cast.anna.id,
        rule="calls-first",
        ground={"ru": "", "en": ""},
        proposed_at=MONDAY,
        answered_at=MONDAY,
        ends_at=at("2026-10-06 18:00"),
    )
    session.add(hold)
    session.flush()
    overdue_actions.end(session, hold, LATER, reason="head", actor="galina")


@pytest.mark.parametrize("event", [_close, _hand_over, _end_hold])
def test_whatever_frees_somebody_has_the_first_in_line_looked_at(session: Session, event: Event) -> None:
    cast = make_cast(session)
    left = full(session, cast)

    event(session, cast)

    assert left.id in due(session, LATER)


def test_an_absence_that_is_called_off_has_it_looked_at(session: Session) -> None:
    cast = make_cast(session)
    absence: Absence = make_absence(session, cast.anna, at("2026-10-05 00:00"), at("2026-10-09 00:00"))
    make_version(session, "assignment", assignment_rules(OWN, pool="owner"))
    request = make_request(session, client=make_client(session, owner=cast.anna))
    decide_and_assign(session, request, MONDAY)
    work.set_wake(session, WorkKind.REQUEST, request.id, None)

    absences.remove(session, absence, now=LATER, actor="galina")

    assert due(session, LATER) == [request.id]
    assert decide_and_assign(session, request, LATER).manager is not None
    assert request.waiting_key is None


def test_an_absence_wakes_the_first_of_a_line_and_a_publication_all(session: Session) -> None:
    make_cast(session)
    make_version(session, "assignment", assignment_rules(among=ONE_EACH))
    for request in make_requests(session, 8, every_minutes=0):
        decide_and_assign(session, request, MONDAY)
        work.set_wake(session, WorkKind.REQUEST, request.id, None)
        session.flush()
    waiting_now = waiting_ids(session)
    work.wake_open_requests(session, LATER, only_new=True)
    assert due(session, LATER) == waiting_now[:1]
    work.wake_open_requests(session, LATER)
    assert set(waiting_now) < set(due(session, LATER))


def test_who_has_his_limit_of_the_day_is_tried_at_midnight(session: Session) -> None:
    cast = make_cast(session)
    for one in (cast.anna, cast.boris, cast.vera):
        one.daily_cap = 0
    make_version(session, "assignment", assignment_rules())
    request = make_request(session, received_at=at("2026-10-05 23:50"))

    assert decide_and_assign(session, request, at("2026-10-05 23:50")).wake_at == at("2026-10-06 00:00")


def test_whoever_comes_on_duty_is_waited_for(session: Session) -> None:
    cast = make_cast(session)
    make_version(session, "assignment", assignment_rules(pool="duty"))
    session.add(
        DutyShift(manager_id=cast.vera.id, starts_at=at("2026-10-05 20:00"), ends_at=at("2026-10-05 23:00"), note="")
    )
    session.flush()
    request = make_request(session, received_at=at("2026-10-05 19:30"))

    result = decide_and_assign(session, request, at("2026-10-05 19:30"))

    assert result.wake_at == at("2026-10-05 20:00")
    assert "никто не дежурит" in (request.unassigned_reason or "")
    found = decide_and_assign(session, request, at("2026-10-05 20:00"))
    assert found.manager is not None
    assert found.manager.login == "vera"


def test_a_client_s_request_that_waits_for_his_other_one_follows_it(session: Session) -> None:
    cast = make_cast(session)
    client = make_client(session)
    make_version(
        session,
        "assignment",
        assignment_rules(
            rule(
                "follow", condition("request.channel", "is", "email"), {"action": "assign", "to": {"pool": "previous"}}
            ),
            pool="team_of_owner",
        ),
    )
    first = make_request(session, client=client, channel="email", service="a")
    decide_and_assign(session, first, MONDAY)
    work.set_wake(session, WorkKind.REQUEST, first.id, None)
    other = make_request(session, client=client, service="b")

    assign_by_hand(session, other, cast.boris, reason="так", actor="galina", now=LATER)

    assert first.id in due(session, LATER)
    decide_and_assign(session, first, LATER)
    assert first.manager_id == cast.boris.id


class TestAlert:
    def told(self, session: Session, user_id: int) -> list[tuple[str, str, str]]:
        rows = session.execute(
            select(OutboxMessage.channel, OutboxMessage.subject, OutboxMessage.link)
            .where(OutboxMessage.user_id == user_id)
            .order_by(OutboxMessage.channel)
        )
        return [tuple(row) for row in rows]

    def test_a_weekend_of_requests_is_one_message_that_counts_them(self, sessions: Sessions) -> None:
        with db.transaction(sessions) as session:
            cast = make_cast(session)
            make_version(session, "assignment", assignment_rules(among=WORKING))
            for n in range(40):
                make_request(session, received_at=at("2026-10-03 06:00") + timedelta(minutes=70 * n))
        agenda.run_due(sessions, at("2026-10-05 08:00"))
        with sessions() as session:
            assert set(self.told(session, cast.galina.id)) == {
                ("email", "Заявок без менеджера: 40", "/requests/?unassigned=1"),
                ("page", "Заявок без менеджера: 40", "/requests/?unassigned=1"),
            }

    def test_what_was_read_is_not_changed_and_the_next_hour_has_its_own(self, session: Session) -> None:
        cast = make_cast(session)
        for one in (cast.anna, cast.boris, cast.vera):
            one.open_cap = 0
        make_version(session, "assignment", assignment_rules())
        for minute in (0, 10, 70):
            when = at("2026-10-05 10:00") + timedelta(minutes=minute)
            decide_and_assign(session, make_request(session, received_at=when), when)
            session.flush()
        subjects = [subject for channel, subject, _ in self.told(session, cast.galina.id) if channel == "page"]
        assert subjects == ["Заявок без менеджера: 2", "Заявок без менеджера: 3"]

    def test_those_that_a_rule_leaves_while_the_company_is_closed_are_counted_since_its_closing(
        self, session: Session
    ) -> None:
        cast = make_cast(session)
        leave = {"action": "leave_unassigned", "reason": "спросить"}
        make_version(
            session, "assignment", assignment_rules(rule("left", condition("request.channel", "is", "web"), leave))
        )
        for when in (
            "2026-10-02 17:30",
            "2026-10-03 10:00",
            "2026-10-04 12:30",
            "2026-10-05 09:20",
            "2026-10-05 10:20",
        ):
            decide_and_assign(session, make_request(session, received_at=at(when)), at(when))
        session.flush()
        subjects = [subject for channel, subject, _ in self.told(session, cast.galina.id) if channel == "page"]
        assert [subject.partition(":")[0] for subject in subjects].count("Заявка без менеджера") == 2
        assert "Заявок без менеджера: 3" in subjects

    def test_a_team_without_managers_is_named_in_the_trace_and_to_the_head(self, session: Session) -> None:
        cast = make_cast(session)
        cast.vera.team = cast.sales
        body = assignment_rules()
        body["otherwise"][0]["to"] = {"pool": "team", "team": "others"}
        make_version(session, "assignment", body)
        request = make_request(session)

        decide_and_assign(session, request, MONDAY)

        assert "в отделе нет ни одного менеджера" in (request.unassigned_reason or "")
        body_text = session.scalars(select(OutboxMessage.body).where(OutboxMessage.user_id == cast.galina.id)).first()
        assert "в отделе нет ни одного менеджера" in (body_text or "")


def test_answers_and_workers_at_once_leave_nobody_waiting_who_can_be_taken(
    any_engine: Engine, settings: Settings
) -> None:
    sessions = db.make_sessions(any_engine, settings)
    company(sessions, 12, assignment_rules(among=ONE_EACH))
    agenda.run_due(sessions, MONDAY)

    def answer_one(request_id: int) -> None:
        with db.transaction(sessions) as session:
            answer(session, session.get_one(Request, request_id), LATER)

    for _ in range(3):
        with sessions() as session:
            unanswered = list(
                session.scalars(
                    select(Request.id).where(Request.manager_id.is_not(None), Request.first_answer_at.is_(None))
                )
            )
        with ThreadPoolExecutor(5) as pool:
            answers = [pool.submit(answer_one, request_id) for request_id in unanswered]
            workers = [pool.submit(agenda.run_due, sessions, LATER) for _ in range(2)]
            for one in answers:
                one.result()
            assert [worker.result().failed for worker in workers] == [0, 0]
        agenda.run_due(sessions, LATER)
    # What two transactions missed of each other is found by the clock.
    agenda.run_due(sessions, MONDAY + timedelta(minutes=15))

    with sessions() as session:
        assert session.scalar(select(func.count()).where(Request.manager_id.is_not(None))) == 12
        assert waiting_ids(session) == []
