"""Proposals because of calls that were not made: confirmed or declined by a head, and how a hold ends."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from rules_engine import db
from rules_engine.decisions.assignment_words import candidate_words
from rules_engine.decisions.picking import pick
from rules_engine.errors import Conflict, InputError
from rules_engine.language.ruleset import parse
from rules_engine.models import (
    AuditEntry,
    Callback,
    CallbackState,
    Client,
    Decision,
    OutboxMessage,
    OverdueAction,
    OverdueKind,
    OverdueState,
    Task,
    TaskState,
    WorkItem,
    WorkKind,
)
from rules_engine.services.callbacks import callbacks
from rules_engine.services.queue import work
from rules_engine.services.records import settings_store
from rules_engine.services.requests import assignment, overdue_actions
from rules_engine.services.rules import journal
from rules_engine.services.running import agenda
from rules_engine.settings import Settings
from tests.factories import Cast, assignment_rules, at, make_client, make_group, make_request, statements_of
from tests.services.test_callbacks import company

NOW = at("2026-10-05 11:00")
DAY = timedelta(days=1)


@pytest.fixture
def cast(session: Session) -> Cast:
    return company(session)


def overdue_call(session: Session, cast: Cast, due_at: datetime, client: Client | None = None) -> Callback:
    """Add a call that stands in Анна's list since the morning of its day."""
    client = client or make_client(session, owner=cast.anna)
    call = Callback(
        client_id=client.id,
        occasion="valued",
        cause=f"year:{client.id}",
        manager_id=cast.anna.id,
        rule="valued",
        state=CallbackState.OPEN,
        call_from=due_at - timedelta(hours=9),
        opened_at=due_at - timedelta(hours=9),
        due_at=due_at,
        created_at=due_at - timedelta(hours=9),
    )
    session.add(call)
    session.flush()
    session.add(
        Task(
            kind="callback",
            manager_id=cast.anna.id,
            client_id=client.id,
            callback_id=call.id,
            title={"ru": "Позвонить", "en": "Call"},
            reason={"ru": "повод", "en": "occasion"},
            created_at=call.created_at,
            due_at=due_at,
        )
    )
    session.flush()
    return call


def five_overdue(session: Session, cast: Cast) -> list[Callback]:
    calls = [overdue_call(session, cast, at("2026-10-02 18:00")) for _ in range(5)]
    for call in calls:
        callbacks.look_at_callback(session, call.id, NOW)
    return calls


def actions(session: Session) -> list[OverdueAction]:
    session.expire_all()
    return list(session.scalars(select(OverdueAction).order_by(OverdueAction.id)))


def the_hold(session: Session) -> OverdueAction:
    return actions(session)[-1]


def subjects(session: Session, user_id: int) -> list[str]:
    found = select(OutboxMessage.subject).where(OutboxMessage.user_id == user_id, OutboxMessage.channel == "page")
    return list(session.scalars(found))


def receives(session: Session, now: datetime, **more: object) -> int | None:
    request = make_request(session, received_at=now, wake=False, **more)  # type: ignore[arg-type]
    agenda.look(session, request.id, now)
    return request.manager_id


class TestHold:
    def test_five_overdue_calls_are_one_proposal_and_one_message(self, session: Session, cast: Cast) -> None:
        five_overdue(session, cast)
        (action,) = actions(session)
        assert (action.kind, action.state, action.manager_id) == (
            OverdueKind.HOLD,
            OverdueState.PROPOSED,
            cast.anna.id,
        )
        assert (action.until, action.overdue_callbacks_below) == ("end_of_next_working_day", 3)
        assert action.ground["ru"].endswith("просроченных звонков 5")
        assert [text for text in subjects(session, cast.galina.id) if "приостановить" in text] == [
            "Анна: предлагается приостановить менеджеру новые заявки"
        ]
        # Until somebody confirms it, nothing is held.
        assert overdue_actions.holds_in_force(session, NOW) == {}

    def test_a_confirmed_hold_keeps_new_requests_away_and_says_so(self, session: Session, cast: Cast) -> None:
        five_overdue(session, cast)
        overdue_actions.confirm(session, the_hold(session), "galina", NOW)
        action = the_hold(session)
        assert (action.state, action.answered_by, action.ends_at) == (
            OverdueState.CONFIRMED,
            "galina",
            at("2026-10-06 18:00"),
        )
        assert set(overdue_actions.holds_in_force(session, NOW)) == {cast.anna.id}
        assert cast.anna.id not in {receives(session, NOW + timedelta(minutes=n)) for n in range(6)}
        decision = session.scalars(select(Decision).where(Decision.decision == "assignment").limit(1)).one()
        detail = journal.detail_of(session, decision.id)
        assert detail is not None
        candidates = detail["outcome"]["attempts"][-1]["candidates"]
        mine = next(item for item in candidates if item["login"] == "anna")
        assert candidate_words(mine, "ru") == "Анна: новые заявки приостановлены"
        assert candidate_words(mine, "en") == "Анна: new requests are on hold"
        assert "Новые заявки приостановлены" in subjects(session, cast.anna.user_id)

    def test_own_clients_still_reach_their_manager(self, session: Session, cast: Cast) -> None:
        five_overdue(session, cast)
        overdue_actions.confirm(session, the_hold(session), "galina", NOW)
        roster = assignment.roster_of(session, make_request(session), NOW)
        assert [one.login for one in roster.candidates.values() if one.is_on_hold] == ["anna"]
        document = assignment_rules(pool="owner")
        action = parse(document).otherwise[0]
        owned = type(roster)(candidates=roster.candidates, owner=cast.anna.id)
        assert pick(action, "otherwise", owned).chosen == cast.anna.id

    def test_a_hold_never_empties_a_pool(self, session: Session, cast: Cast) -> None:
        five_overdue(session, cast)
        overdue_actions.confirm(session, the_hold(session), "galina", NOW)
        for one in (cast.boris, cast.vera):
            one.user.is_active = False
        session.flush()
        assert receives(session, NOW) == cast.anna.id
        assert "Приостановка новых заявок не учтена" in subjects(session, cast.galina.id)

    def test_it_ends_with_its_time(self, session: Session, cast: Cast) -> None:
        five_overdue(session, cast)
        overdue_actions.confirm(session, the_hold(session), "galina", NOW)
        action = the_hold(session)
        wake = session.scalars(
            select(WorkItem.wake_at).where(WorkItem.kind == WorkKind.OVERDUE_ACTION, WorkItem.subject_id == action.id)
        ).one()
        assert wake == action.ends_at
        assert overdue_actions.look(session, action.id, wake - timedelta(minutes=1)) == wake
        assert overdue_actions.look(session, action.id, wake) is None
        action = the_hold(session)
        assert (action.state, action.end_reason) == (OverdueState.ENDED, "time")
        assert overdue_actions.holds_in_force(session, NOW) == {}

    def test_it_ends_as_soon_as_the_calls_are_made(self, session: Session, cast: Cast) -> None:
        calls = five_overdue(session, cast)
        overdue_actions.confirm(session, the_hold(session), "galina", NOW)
        later = NOW + timedelta(hours=1)
        for number, call in enumerate(calls[:3], 1):
            callbacks.finish(session, call, outcome="order", actor="anna", now=later)
            overdue_actions.look(session, the_hold(session).id, later)
            state = the_hold(session).state
            assert state is (OverdueState.ENDED if number == 3 else OverdueState.CONFIRMED)
        assert the_hold(session).end_reason == "calls_made"
        assert cast.anna.id in {receives(session, later + timedelta(minutes=n)) for n in range(4)}

    def test_a_declined_one_comes_again_only_after_something_new(self, session: Session, cast: Cast) -> None:
        calls = five_overdue(session, cast)
        action = the_hold(session)
        with pytest.raises(InputError):
            overdue_actions.decline(session, action, "galina", NOW, reason=" ")
        overdue_actions.decline(session, action, "galina", NOW, reason="был на выставке")
        assert (action.state, action.answer_reason) == (OverdueState.DECLINED, "был на выставке")
        for call in calls:
            callbacks.look_at_callback(session, call.id, NOW + timedelta(hours=3))
        assert len(actions(session)) == 1
        sixth = overdue_call(session, cast, at("2026-10-05 18:00"))
        callbacks.look_at_callback(session, sixth.id, at("2026-10-06 09:00"))
        assert [one.state for one in actions(session)] == [OverdueState.DECLINED, OverdueState.PROPOSED]

    def test_what_lost_its_ground_is_withdrawn(self, session: Session, cast: Cast) -> None:
        calls = five_overdue(session, cast)
        for call in calls[:3]:
            callbacks.finish(session, call, outcome="order", actor="anna", now=NOW)
        overdue_actions.look(session, the_hold(session).id, NOW)
        assert the_hold(session).state is OverdueState.WITHDRAWN

    def test_an_answer_is_given_once_and_stands_in_the_audit_log(self, session: Session, cast: Cast) -> None:
        five_overdue(session, cast)
        action = the_hold(session)
        overdue_actions.confirm(session, action, "galina", NOW)
        with pytest.raises(Conflict):
            overdue_actions.confirm(session, action, "denis", NOW)
        with pytest.raises(Conflict):
            overdue_actions.decline(session, action, "denis", NOW, reason="передумал")
        overdue_actions.end(session, action, NOW + DAY, reason="head", actor="galina")
        with pytest.raises(Conflict):
            overdue_actions.end(session, action, NOW + DAY, reason="head", actor="galina")
        logged = session.scalars(select(AuditEntry).where(AuditEntry.subject_kind == "overdue_action")).all()
        assert [(one.actor, one.action) for one in logged] == [("galina", "confirm"), ("galina", "end")]

    def test_after_so_many_holds_a_month_the_head_is_told_to_talk(self, session: Session, cast: Cast) -> None:
        settings_store.change(session, settings_store.MAX_HOLDS, 1, actor="denis")
        five_overdue(session, cast)
        overdue_actions.confirm(session, the_hold(session), "galina", NOW)
        overdue_actions.end(session, the_hold(session), NOW, reason="head", actor="galina")
        sixth = overdue_call(session, cast, at("2026-10-05 18:00"))
        callbacks.look_at_callback(session, sixth.id, at("2026-10-06 09:00"))
        assert len(actions(session)) == 1
        assert any("поговорите с менеджером" in text for text in subjects(session, cast.galina.id))


class TestRelease:
    @pytest.fixture
    def neglected(self, session: Session, cast: Cast) -> Callback:
        call = overdue_call(session, cast, at("2026-09-25 18:00"))
        callbacks.look_at_callback(session, call.id, NOW)
        return call

    def test_a_neglected_client_goes_to_a_colleague_with_his_call(
        self, session: Session, cast: Cast, neglected: Callback
    ) -> None:
        action = the_hold(session)
        assert (action.kind, action.client_id) == (OverdueKind.RELEASE, neglected.client_id)
        assert "был до 25.09.2026" in action.ground["ru"]
        overdue_actions.confirm(session, action, "galina", NOW)
        client = session.get_one(Client, neglected.client_id)
        session.expire_all()
        # In the same team there is only Борис besides.
        assert (client.owner_id, neglected.manager_id) == (cast.boris.id, cast.boris.id)
        assert neglected.due_at == at("2026-10-06 18:00")
        task = session.scalars(select(Task).where(Task.callback_id == neglected.id, Task.state == TaskState.OPEN)).one()
        assert (task.manager_id, task.due_at) == (cast.boris.id, neglected.due_at)
        assert the_hold(session).new_owner_id == cast.boris.id
        # For the new holder the rules begin anew.
        assert callbacks.look_at_callback(session, neglected.id, NOW).fired == 0

    def test_the_head_may_name_who_gets_the_client(self, session: Session, cast: Cast, neglected: Callback) -> None:
        with pytest.raises(InputError):
            overdue_actions.confirm(session, the_hold(session), "galina", NOW, new_owner="anna")
        overdue_actions.confirm(session, the_hold(session), "galina", NOW, new_owner="vera")
        assert session.get_one(Client, neglected.client_id).owner_id == cast.vera.id

    def test_the_other_firms_of_the_group_go_along_with_their_calls(
        self, session: Session, cast: Cast, neglected: Callback
    ) -> None:
        group = make_group(session)
        session.get_one(Client, neglected.client_id).group_id = group.id
        sister = make_client(session, owner=cast.anna, cover=cast.boris, group_id=group.id)
        other_owner = make_client(session, owner=cast.vera, group_id=group.id)
        call = overdue_call(session, cast, at("2026-10-05 18:00"), sister)
        overdue_actions.confirm(session, the_hold(session), "galina", NOW, new_owner="boris")
        session.expire_all()
        assert (sister.owner_id, sister.cover_id, call.manager_id) == (cast.boris.id, None, cast.boris.id)
        assert other_owner.owner_id == cast.vera.id
        trace = session.scalars(select(AuditEntry).where(AuditEntry.subject_kind == "client")).all()
        assert {one.subject_id for one in trace} == {str(neglected.client_id), str(sister.id)}

    def test_a_call_that_was_made_takes_the_proposal_back(
        self, session: Session, cast: Cast, neglected: Callback
    ) -> None:
        callbacks.finish(session, neglected, outcome="answered", actor="anna", now=NOW)
        overdue_actions.look(session, the_hold(session).id, NOW)
        assert the_hold(session).state is OverdueState.WITHDRAWN


def test_both_kinds_of_database_propose_decline_confirm_and_end(any_session: Session) -> None:
    session = any_session
    cast = company(session)
    calls = five_overdue(session, cast)
    overdue_actions.decline(session, the_hold(session), "galina", NOW, reason="выставка")
    sixth = overdue_call(session, cast, at("2026-10-05 18:00"))
    tuesday = at("2026-10-06 09:00")
    callbacks.look_at_callback(session, sixth.id, tuesday)
    overdue_actions.confirm(session, the_hold(session), "galina", tuesday)
    assert cast.anna.id not in {receives(session, tuesday + timedelta(minutes=n)) for n in range(3)}
    for call in calls[:4]:
        callbacks.finish(session, call, outcome="order", actor="anna", now=tuesday + timedelta(hours=1))
    overdue_actions.look(session, the_hold(session).id, tuesday + timedelta(hours=1))
    assert the_hold(session).state is OverdueState.ENDED
    neglected = overdue_call(session, cast, at("2026-09-25 18:00"))
    callbacks.look_at_callback(session, neglected.id, tuesday)
    overdue_actions.confirm(session, the_hold(session), "galina", tuesday)
    assert neglected.manager_id == cast.boris.id


@pytest.mark.postgres
def test_who_ends_a_hold_waits_for_a_worker_without_keeping_from_him_what_he_needs(
    postgres_url: str, settings: Settings
) -> None:
    engine = db.make_engine(postgres_url)
    sessions = db.make_sessions(engine, settings)
    with db.transaction(sessions) as session:
        five_overdue(session, company(session))
        action_id = the_hold(session).id
        overdue_actions.confirm(session, the_hold(session), "galina", NOW)
    with sessions() as worker, sessions() as head:
        for one in (worker, head):
            one.execute(text("SET LOCAL lock_timeout = '50ms'"))
        work.lock_items(worker, WorkKind.OVERDUE_ACTION, [action_id])
        with statements_of(head) as sent, pytest.raises(OperationalError, match="lock timeout"):
            overdue_actions.end(head, head.get_one(OverdueAction, action_id), NOW, reason="head")
        assert not any("FROM overdue_actions" in one and "FOR UPDATE" in one for one in sent)
        assert overdue_actions.look(worker, action_id, NOW) is not None
    engine.dispose()


@pytest.mark.postgres
def test_who_gives_a_client_away_locks_his_calls_before_the_proposal(postgres_url: str, settings: Settings) -> None:
    engine = db.make_engine(postgres_url)
    sessions = db.make_sessions(engine, settings)
    with db.transaction(sessions) as session:
        call = overdue_call(session, company(session), at("2026-09-25 18:00"))
        callbacks.look_at_callback(session, call.id, NOW)
        call_id = call.id
        work.ask(session, WorkKind.CALLBACK, call_id, NOW)
    with sessions() as worker, sessions() as head:
        head.execute(text("SET LOCAL lock_timeout = '50ms'"))
        work.lock_items(worker, WorkKind.CALLBACK, [call_id])
        action = the_hold(head)
        with statements_of(head) as sent, pytest.raises(OperationalError, match="lock timeout"):
            overdue_actions.confirm(head, action, "galina", NOW)
        assert not any(one.startswith("INSERT INTO work_items") for one in sent)
    engine.dispose()
