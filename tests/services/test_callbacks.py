"""Old clients: who is called, when and why, how calls end, and that nothing happens twice."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.errors import Conflict, InputError
from rules_engine.models import (
    Callback,
    CallbackState,
    Client,
    Contact,
    Decision,
    Firing,
    OutboxMessage,
    Proof,
    Task,
    TaskState,
    WorkItem,
    WorkKind,
)
from rules_engine.services.callbacks import callbacks, outcomes
from rules_engine.services.company import absences
from rules_engine.services.records import settings_store
from rules_engine.services.records.incoming import AbsenceIn, ContactIn, Key
from rules_engine.services.requests import contacts, status, tasks
from rules_engine.services.rules import modes, occasions, rulebook
from rules_engine.services.running import agenda
from rules_engine.services.running.setup import shipped_ruleset
from rules_engine.settings import Settings
from tests.factories import (
    Cast,
    assignment_rules,
    at,
    make_cast,
    make_client,
    make_contact,
    make_manager,
    make_mode,
    make_payment,
    make_request,
    make_version,
    statements_of,
)

NOW = at("2026-10-05 09:00")
"""A Monday morning."""
DAY = timedelta(days=1)


@pytest.fixture
def cast(session: Session) -> Cast:
    return company(session)


def company(session: Session, *, mode: str = "live") -> Cast:
    cast = make_cast(session)
    make_mode(session, "callbacks", mode)
    make_version(session, "assignment", assignment_rules())
    make_version(session, "escalation", shipped_ruleset("escalation"))
    make_version(session, "callbacks", shipped_ruleset("callbacks"))
    occasions.install(session)
    return cast


def client_of(session: Session, cast: Cast, **more: Any) -> Client:
    values: dict[str, Any] = {"owner": cast.anna, "consent_on": date(2026, 1, 1), "consent_source": "договор", **more}
    return make_client(session, **values)


def buyer(session: Session, cast: Cast, *days_ago: int, minor: int = 1_500_000, **more: Any) -> Client:
    """Add a client who paid so many days before NOW."""
    client = client_of(session, cast, **more)
    for days in days_ago:
        make_payment(session, client, NOW - timedelta(days=days), minor)
    return client


def look(session: Session, client: Client, now: datetime = NOW, **more: Any) -> callbacks.Looked:
    looked = callbacks.look_at_client(session, client.id, now, **more)
    session.flush()
    return looked


def calls(session: Session, client: Client) -> list[Callback]:
    session.expire_all()
    return list(session.scalars(select(Callback).where(Callback.client_id == client.id).order_by(Callback.id)))


def only_call(session: Session, client: Client) -> Callback:
    (found,) = calls(session, client)
    return found


def opened(session: Session, client: Client) -> tuple[Callback, Task]:
    """Put the only planned call of a client into its list."""
    look(session, client)
    call = only_call(session, client)
    callbacks.look_at_callback(session, call.id, call.call_from)
    return call, task_of(session, call)


def task_of(session: Session, call: Callback) -> Task:
    return session.scalars(select(Task).where(Task.callback_id == call.id, Task.state == TaskState.OPEN)).one()


class TestPlanning:
    def test_who_bought_less_often_than_usual_is_called_by_his_owner(self, session: Session, cast: Cast) -> None:
        client = buyer(session, cast, 240, 180, 120)

        looked = look(session, client)

        call = only_call(session, client)
        assert looked.scheduled == 1
        assert (call.occasion, call.manager_id, call.state) == ("lapsing", cast.anna.id, CallbackState.PLANNED)
        assert call.call_from == NOW
        # Five working days, and today is the first that may be nearly over.
        assert call.due_at == at("2026-10-12 18:00")
        assert call.expected_minor == 1_500_000
        assert client.segment == "lapsing"
        assert call.cause.startswith("payment:")

    def test_the_same_look_again_changes_nothing(self, session: Session, cast: Cast) -> None:
        client = buyer(session, cast, 240, 180, 120)
        look(session, client)
        before = session.scalar(select(func.count()).select_from(Decision))

        looked = look(session, client, NOW + timedelta(minutes=1))

        assert looked.scheduled == 0
        assert len(calls(session, client)) == 1
        assert session.scalar(select(func.count()).select_from(Decision)) == before

    def test_an_offer_needs_consent_and_a_service_call_does_not(self, session: Session, cast: Cast) -> None:
        silent = buyer(session, cast, 240, 180, 120, consent_on=None)
        ending = client_of(session, cast, consent_on=None, contract_ends_on=date(2026, 10, 25))
        look(session, silent)
        look(session, ending)
        assert calls(session, silent) == []
        assert silent.segment == "lapsing"
        assert only_call(session, ending).occasion == "contract_end"

    def test_who_was_spoken_with_lately_is_left_alone_until_21_days_are_over(
        self, session: Session, cast: Cast
    ) -> None:
        client = buyer(session, cast, 240, 180, 120)
        make_contact(session, at=NOW - 10 * DAY, client=client, outcome="answered")

        looked = look(session, client)

        assert calls(session, client) == []
        assert looked.wake_at == at("2026-10-16 00:00")
        look(session, client, at("2026-10-16 00:00"))
        # The rule allows it from midnight on, the number only 21 whole days after the last call.
        assert only_call(session, client).call_from >= NOW + 11 * DAY

    def test_one_number_is_called_once_in_21_days_whoever_it_belongs_to(self, session: Session, cast: Cast) -> None:
        one = buyer(session, cast, 240, 180, 120, phone="+79990001122")
        other = buyer(session, cast, 240, 180, 120, phone="+79990001122", name="Ромашка-2")
        look(session, one)
        looked = look(session, other)
        assert calls(session, other) == []
        assert looked.wake_at is not None
        assert looked.wake_at <= NOW + 21 * DAY

    def test_do_not_call_is_absolute_and_closes_what_was_planned(self, session: Session, cast: Cast) -> None:
        client = buyer(session, cast, 240, 180, 120)
        look(session, client)
        client.do_not_call = True
        session.flush()
        look(session, client)
        call = only_call(session, client)
        assert (call.state, call.closed_because["ru"]) == (CallbackState.CANCELLED, "клиент попросил не звонить")
        make_contact(session, at=NOW, client=client, outcome="thinks", asked_to_call_at=NOW + DAY)
        look(session, client, NOW + timedelta(minutes=5))
        assert len(calls(session, client)) == 1

    def test_two_occasions_close_together_are_one_call_that_names_both(self, session: Session, cast: Cast) -> None:
        client = buyer(session, cast, 240, 180, 120, contract_ends_on=date(2026, 10, 25))
        looked = look(session, client)
        call = only_call(session, client)
        assert looked.scheduled == 1
        assert (call.occasion, call.also) == ("contract_end", ["lapsing"])
        callbacks.look_at_callback(session, call.id, call.call_from)
        assert task_of(session, call).title["ru"] == "Позвонить: Продление договора; Давно не покупал"

    def test_an_occasion_that_comes_later_joins_the_planned_call(self, session: Session, cast: Cast) -> None:
        client = buyer(session, cast, 240, 180, 120)
        look(session, client)
        client.contract_ends_on = date(2026, 10, 25)
        session.flush()
        looked = look(session, client, NOW + DAY)
        assert looked.scheduled == 0
        assert only_call(session, client).also == ["contract_end"]
        assert look(session, client, NOW + 2 * DAY).scheduled == 0

    def test_a_promise_is_kept_on_its_day_and_takes_other_calls_with_it(self, session: Session, cast: Cast) -> None:
        client = buyer(session, cast, 240, 180, 120)
        look(session, client)
        asked = at("2026-10-08 15:00")
        make_contact(session, at=NOW + timedelta(hours=1), client=client, outcome="thinks", asked_to_call_at=asked)
        look(session, client, NOW + timedelta(hours=1))
        first, promise = calls(session, client)
        assert first.state is CallbackState.CANCELLED
        assert (promise.occasion, promise.also, promise.priority) == ("promise", ["lapsing"], "high")
        assert (promise.call_from, promise.due_at) == (asked, at("2026-10-08 18:00"))

    def test_the_first_purchase_is_followed_up_ten_working_days_later(self, session: Session, cast: Cast) -> None:
        client = buyer(session, cast, 0)
        look(session, client)
        call = only_call(session, client)
        assert (call.occasion, client.segment) == ("first_purchase", "new")
        assert (call.call_from, call.due_at) == (at("2026-10-19 09:00"), at("2026-10-21 18:00"))

    def test_what_follows_a_talk_is_planned_when_its_pause_is_over_and_counted_from_the_event(
        self, session: Session, cast: Cast
    ) -> None:
        refusing, buying = client_of(session, cast), buyer(session, cast, 0)
        for client in (refusing, buying):
            make_contact(session, at=NOW, client=client, outcome="answered")
        make_request(
            session,
            client=refusing,
            status="lost",
            close_reason="expensive",
            closed_at=NOW,
            received_at=NOW,
            wake=False,
        )
        after = at("2026-10-26 00:00")
        assert [look(session, client).wake_at for client in (refusing, buying)] == [after, after]
        assert calls(session, refusing) == calls(session, buying) == []
        look(session, refusing, after)
        look(session, buying, after)
        # Twenty working days after the refusal; the ten after the purchase have passed already.
        assert only_call(session, refusing).call_from == at("2026-11-02 09:00")
        assert only_call(session, buying).call_from == at("2026-10-26 09:00")

    def test_a_first_purchase_of_long_ago_is_history(self, session: Session, cast: Cast) -> None:
        client = buyer(session, cast, 40)
        look(session, client)
        assert calls(session, client) == []

    def test_a_lost_request_is_followed_up_by_its_reason(self, session: Session, cast: Cast) -> None:
        client = client_of(session, cast)
        request = make_request(session, client=client, received_at=NOW, wake=False)
        agenda.look(session, request.id, NOW)
        status.change_status(session, request, request.status.LOST, reason="rival", at=NOW, actor="anna", now=NOW)
        woken = session.scalars(
            select(WorkItem).where(WorkItem.kind == WorkKind.CLIENT, WorkItem.subject_id == client.id)
        ).one()
        assert woken.wake_at == NOW
        look(session, client)
        call = only_call(session, client)
        assert (call.occasion, call.cause) == ("refused_rival", f"request:{request.id}")

    def test_a_closed_call_leads_to_the_next_round_only_after_half_a_year(self, session: Session, cast: Cast) -> None:
        client = buyer(session, cast, 1440, 1080, 720)
        call, _ = opened(session, client)
        outcomes.cancel(session, call, {"ru": "проверка", "en": "test"}, NOW)
        looked = look(session, client, NOW + DAY)
        assert len(calls(session, client)) == 1
        assert looked.wake_at is not None
        again = NOW + 182 * DAY
        look(session, client, again)
        assert [(one.occasion, one.cycle) for one in calls(session, client)] == [("lapsing", 0), ("lapsing", 1)]

    def test_who_has_no_owner_goes_to_whoever_is_due_one_and_calls_are_spread_over_days(
        self, session: Session, cast: Cast
    ) -> None:
        settings_store.change(session, settings_store.CALLS_PER_DAY, 2, actor="denis")
        clients = [buyer(session, cast, 240, 180, 120, owner=None) for _ in range(9)]
        for client in clients:
            look(session, client)
        found = [only_call(session, client) for client in clients]
        owners = [client.owner_id for client in clients]
        assert sorted(owners.count(one.id) for one in (cast.anna, cast.boris, cast.vera)) == [3, 3, 3]
        assert [call.manager_id for call in found] == owners
        days = sorted(call.call_from for call in found if call.manager_id == cast.anna.id)
        assert days == [NOW, NOW, at("2026-10-06 09:00")]

    def test_calls_of_whoever_left_go_to_his_team(self, session: Session, cast: Cast) -> None:
        gone = make_manager(session, "gone", team=cast.others, left_on=date(2026, 9, 1))
        client = buyer(session, cast, 240, 180, 120, owner=gone)
        look(session, client)
        assert only_call(session, client).manager_id == cast.vera.id
        assert client.owner_id == cast.vera.id

    def test_many_clients_are_read_in_as_many_queries_as_one(self, session: Session, cast: Cast) -> None:
        clients = [buyer(session, cast, 240, 180, 120) for _ in range(20)]
        callbacks.read_ahead(session, [], NOW)
        with statements_of(session) as one:
            callbacks.read_ahead(session, [clients[0].id], NOW)
        with statements_of(session) as many:
            callbacks.read_ahead(session, [client.id for client in clients], NOW)
        assert len(many) == len(one) <= 14


class TestModes:
    def test_watch_records_once_what_it_would_have_done(self, session: Session) -> None:
        cast = company(session, mode="watch")
        client = buyer(session, cast, 240, 180, 120)
        look(session, client)
        look(session, client, NOW + DAY)
        assert (calls(session, client), client.segment) == ([], None)
        decisions = session.scalars(select(Decision).where(Decision.subject_kind == "client")).all()
        assert [(one.mode, one.fired) for one in decisions] == [("watch", ["lapsing"])]

    def test_hints_plan_calls_but_give_no_client_away(self, session: Session) -> None:
        cast = company(session, mode="hints")
        client = buyer(session, cast, 240, 180, 120, owner=None)
        look(session, client)
        assert only_call(session, client).manager_id is not None
        assert client.owner_id is None

    def test_off_does_nothing_and_other_rules_wake_every_client(self, session: Session) -> None:
        cast = company(session, mode="off")
        client = buyer(session, cast, 240, 180, 120)
        assert look(session, client) == callbacks.Looked(None)
        rulebook.publish(session, "callbacks", shipped_ruleset("callbacks"), holds_from=NOW, now=NOW, actor="denis")
        woken = select(WorkItem.wake_at).where(WorkItem.kind == WorkKind.CLIENT, WorkItem.subject_id == client.id)
        assert session.scalars(woken).all() == [NOW]


class TestCalling:
    def test_when_its_time_comes_a_call_stands_in_the_list_with_the_sentence_of_its_rule(
        self, session: Session, cast: Cast
    ) -> None:
        client = buyer(session, cast, 240, 180, 120)
        call, task = opened(session, client)
        assert (task.manager_id, task.due_at, task.title["en"]) == (
            cast.anna.id,
            call.due_at,
            "Call: Has not bought for a while",
        )
        assert task.reason["ru"].startswith("Если ")
        assert "забытый" in task.reason["ru"]
        assert "повод: давно не покупал" in task.reason["ru"].replace("плановый звонок, ", "")
        (line,) = tasks.open_tasks(session, cast.anna.id, NOW)
        assert (line.client_id, line.kind.value) == (client.id, "callback")

    def test_a_call_waits_its_21_days_where_somebody_has_spoken_with_the_client_meanwhile(
        self, session: Session, cast: Cast
    ) -> None:
        client = buyer(session, cast, 0)
        look(session, client)
        call = only_call(session, client)
        make_contact(session, at=NOW + 9 * DAY, client=client, outcome="answered")
        looked = callbacks.look_at_callback(session, call.id, call.call_from)
        assert call.state is CallbackState.PLANNED
        assert looked.wake_at == call.call_from == at("2026-11-04 09:00")
        assert call.due_at == at("2026-11-06 18:00")
        callbacks.look_at_callback(session, call.id, call.call_from)
        assert call.state is CallbackState.OPEN

    def test_switched_back_to_watch_a_planned_call_stays_out_of_the_list(self, session: Session, cast: Cast) -> None:
        client = buyer(session, cast, 240, 180, 120)
        look(session, client)
        modes.set_mode(session, "callbacks", "watch", actor="denis", now=NOW)
        call = only_call(session, client)
        assert callbacks.look_at_callback(session, call.id, NOW + DAY).wake_at is None
        modes.set_mode(session, "callbacks", "live", actor="denis", now=NOW + 2 * DAY)
        wake = select(WorkItem.wake_at).where(WorkItem.kind == WorkKind.CALLBACK, WorkItem.subject_id == call.id)
        assert session.scalar(wake) == NOW
        callbacks.look_at_callback(session, call.id, NOW + 2 * DAY)
        assert call.state is CallbackState.OPEN

    def test_the_cover_calls_for_who_is_away(self, session: Session, cast: Cast) -> None:
        client = buyer(session, cast, 240, 180, 120, cover=cast.boris)
        look(session, client)
        absences.put(
            session,
            AbsenceIn(manager="anna", starts_at=NOW - timedelta(hours=1), ends_at=NOW + 10 * DAY),
            now=NOW,
            actor="galina",
        )
        call = only_call(session, client)
        callbacks.look_at_callback(session, call.id, NOW)
        assert task_of(session, call).manager_id == cast.boris.id
        assert call.due_at > NOW + timedelta(hours=20)

    def test_without_a_cover_a_planned_call_waits_until_its_manager_is_back(self, session: Session, cast: Cast) -> None:
        client = buyer(session, cast, 240, 180, 120)
        look(session, client)
        away = AbsenceIn(manager="anna", starts_at=at("2026-10-05 00:00"), ends_at=at("2026-10-08 00:00"))
        absences.put(session, away, now=NOW, actor="galina")
        call = only_call(session, client)
        assert callbacks.look_at_callback(session, call.id, NOW).wake_at == at("2026-10-08 09:00")
        assert (call.state, call.due_at) == (CallbackState.PLANNED, at("2026-10-15 18:00"))

    def test_days_of_absence_are_not_overdue_days(self, session: Session, cast: Cast) -> None:
        client = buyer(session, cast, 240, 180, 120)
        call, _ = opened(session, client)
        absences.put(
            session,
            AbsenceIn(manager="anna", starts_at=at("2026-10-12 00:00"), ends_at=at("2026-10-26 00:00")),
            now=NOW,
            actor="galina",
        )
        callbacks.look_at_callback(session, call.id, at("2026-10-23 12:00"))
        assert session.scalars(select(Firing).where(Firing.item_kind == "callback")).all() == []
        callbacks.look_at_callback(session, call.id, at("2026-10-27 12:00"))
        assert session.scalars(select(Firing.rule).where(Firing.item_kind == "callback")).all() == ["call-overdue"]

    def test_an_overdue_call_is_recalled_and_then_told_to_the_head_once(self, session: Session, cast: Cast) -> None:
        client = buyer(session, cast, 240, 180, 120)
        call, _ = opened(session, client)
        looked = callbacks.look_at_callback(session, call.id, NOW)
        assert looked.wake_at == at("2026-10-13 09:00")
        assert callbacks.look_at_callback(session, call.id, at("2026-10-13 09:00")).fired == 1
        assert callbacks.look_at_callback(session, call.id, at("2026-10-14 09:00")).fired == 1
        assert callbacks.look_at_callback(session, call.id, at("2026-10-14 10:00")).fired == 0
        told = session.scalars(select(OutboxMessage.subject).where(OutboxMessage.channel == "page")).all()
        assert sorted(text.split(": ")[1] for text in told) == [
            "Плановый звонок просрочен на два рабочих дня",
            "Плановый звонок просрочен на рабочий день",
        ]


class TestOutcomes:
    @pytest.fixture
    def open_call(self, session: Session, cast: Cast) -> tuple[Client, Callback, Task]:
        client = buyer(session, cast, 240, 180, 120, phone="+79990001122")
        return client, *opened(session, client)

    def complete(self, session: Session, task: Task, outcome: Any, **more: Any) -> Task | None:
        when = more.pop("now", NOW + timedelta(hours=2))
        return tasks.complete(session, task, outcome=outcome, actor="anna", now=when, **more)

    def test_an_order_ends_the_call_and_counts(
        self, session: Session, open_call: tuple[Client, Callback, Task]
    ) -> None:
        client, call, task = open_call
        assert self.complete(session, task, "order", note="пять мест") is None
        assert (call.state, call.outcome, call.is_valid, call.attempts) == (CallbackState.DONE, "order", True, 1)
        assert (task.state, task.outcome, task.note) == (TaskState.DONE, "order", "пять мест")
        contact = session.get_one(Contact, call.contact_id)
        assert (contact.client_id, contact.manager_id, contact.proof) == (client.id, call.manager_id, Proof.BY_HAND)

    def test_thinks_needs_a_date_and_becomes_a_promise(
        self, session: Session, open_call: tuple[Client, Callback, Task]
    ) -> None:
        client, _, task = open_call
        with pytest.raises(InputError):
            self.complete(session, task, "thinks")
        until = at("2026-11-16 11:00")
        self.complete(session, task, "thinks", next_at=until)
        look(session, client, NOW + timedelta(hours=2))
        promise = calls(session, client)[-1]
        assert (promise.occasion, promise.call_from) == ("promise", until)

    def test_a_refusal_needs_a_reason_of_the_list(
        self, session: Session, open_call: tuple[Client, Callback, Task]
    ) -> None:
        _, call, task = open_call
        with pytest.raises(InputError):
            self.complete(session, task, "refused")
        with pytest.raises(InputError):
            self.complete(session, task, "refused", reason="так")
        self.complete(session, task, "refused", reason="expensive")
        assert (call.outcome, call.outcome_reason) == ("refused", "expensive")

    def test_do_not_call_in_one_tap_closes_everything(
        self, session: Session, open_call: tuple[Client, Callback, Task]
    ) -> None:
        client, call, task = open_call
        self.complete(session, task, "do_not_call")
        session.expire_all()
        assert (client.do_not_call, call.outcome) == (True, "do_not_call")
        assert tasks.open_tasks(session, call.manager_id or 0, NOW) == []

    def test_three_attempts_at_other_times_and_then_it_is_over(
        self, session: Session, open_call: tuple[Client, Callback, Task]
    ) -> None:
        _, call, task = open_call
        second = self.complete(session, task, "not_reached", now=NOW)
        assert second is not None
        assert second.due_at == at("2026-10-05 18:00")
        third = self.complete(session, second, "not_reached", now=NOW + timedelta(hours=2))
        assert third is not None
        assert third.due_at == at("2026-10-06 18:00")
        assert (call.state, call.attempts) == (CallbackState.OPEN, 2)
        assert self.complete(session, third, "not_reached", now=NOW + DAY) is None
        assert (call.state, call.outcome, call.is_valid) == (CallbackState.DONE, "not_reached", False)

    def test_the_next_attempt_may_be_named(self, session: Session, open_call: tuple[Client, Callback, Task]) -> None:
        _, call, task = open_call
        following = self.complete(session, task, "not_reached", next_at=at("2026-10-09 10:00"))
        assert following is not None
        assert following.due_at == call.due_at == at("2026-10-09 18:00")
        assert session.scalar(select(func.count()).where(Task.callback_id == call.id)) == 2

    def test_a_wrong_number_ends_it(self, session: Session, open_call: tuple[Client, Callback, Task]) -> None:
        _, call, task = open_call
        self.complete(session, task, "wrong_number")
        assert (call.state, call.is_valid) == (CallbackState.DONE, False)

    def test_a_closed_call_is_not_closed_again(
        self, session: Session, open_call: tuple[Client, Callback, Task]
    ) -> None:
        _, call, task = open_call
        self.complete(session, task, "order")
        with pytest.raises(Conflict):
            self.complete(session, task, "order")
        with pytest.raises(Conflict):
            callbacks.finish(session, call, outcome="order", actor="anna", now=NOW + DAY)

    def test_postponing_needs_a_reason_and_is_counted(
        self, session: Session, open_call: tuple[Client, Callback, Task]
    ) -> None:
        _, call, task = open_call
        until = at("2026-10-14 12:00")
        with pytest.raises(InputError):
            tasks.postpone(session, task, until=until, reason=" ", actor="anna", now=NOW)
        tasks.postpone(session, task, until=until, reason="в отпуске", actor="anna", now=NOW)
        assert (call.times_postponed, call.due_at) == (1, until)
        assert (task.times_postponed, task.due_at, task.postpone_reason) == (1, until, "в отпуске")

    @pytest.mark.parametrize(
        ("seconds", "is_valid"), [(29, False), (30, True), (None, True)], ids=["too short", "long enough", "by hand"]
    )
    def test_a_call_of_telephony_finishes_the_task(
        self,
        session: Session,
        open_call: tuple[Client, Callback, Task],
        seconds: int | None,
        is_valid: bool,
    ) -> None:
        _, call, task = open_call
        data = ContactIn(
            source="pbx",
            external_id="1",
            at=NOW + timedelta(hours=1),
            phone="8 (999) 000-11-22",
            outcome="answered",
            duration_seconds=seconds,
        )
        contacts.record(session, data, now=NOW + timedelta(hours=1), actor="api:pbx")
        assert (call.state, call.outcome, call.is_valid) == (CallbackState.DONE, "answered", is_valid)
        assert task.state is TaskState.DONE

    def test_what_was_not_that_call_leaves_it_open(
        self, session: Session, cast: Cast, open_call: tuple[Client, Callback, Task]
    ) -> None:
        client, call, _ = open_call
        key = Key(source=client.source, external_id=client.external_id)

        def told(number: int, **more: Any) -> None:
            values: dict[str, Any] = {"at": NOW + timedelta(hours=1), "outcome": "answered", "client": key, **more}
            data = ContactIn(source="crm", external_id=str(number), **values)
            contacts.record(session, data, now=NOW + timedelta(hours=1), actor="api:crm")

        told(1, manager="vera")
        told(2, at=NOW - timedelta(hours=1))
        told(3, kind="email")
        told(4, is_automatic=True)
        assert call.state is CallbackState.OPEN
        told(5, kind="email", direction="in")
        assert call.state is CallbackState.DONE

    def test_a_refusal_told_by_another_program_needs_a_reason_of_the_list_too(
        self, session: Session, open_call: tuple[Client, Callback, Task]
    ) -> None:
        client, call, _ = open_call
        key = Key(source=client.source, external_id=client.external_id)
        told: dict[str, Any] = {"at": NOW + timedelta(hours=1), "outcome": "refused", "client": key}
        with pytest.raises(InputError):
            data = ContactIn(source="crm", external_id="1", reason="так", **told)
            contacts.record(session, data, now=NOW + DAY, actor="api:crm")
        data = ContactIn(source="crm", external_id="2", reason="rival", **told)
        contacts.record(session, data, now=NOW + DAY, actor="api:crm")
        assert (call.outcome, call.outcome_reason) == ("refused", "rival")

    def test_at_most_one_valid_contact_of_a_client_in_21_days(
        self, session: Session, open_call: tuple[Client, Callback, Task]
    ) -> None:
        client, call, task = open_call
        self.complete(session, task, "answered", next_at=NOW + 5 * DAY)
        look(session, client, NOW + timedelta(hours=2))
        promise = calls(session, client)[-1]
        callbacks.look_at_callback(session, promise.id, promise.call_from)
        self.complete(session, task_of(session, promise), "order", now=promise.call_from + timedelta(hours=1))
        assert (call.is_valid, promise.is_valid, promise.outcome) == (True, False, "order")

    def test_a_purchase_closes_what_it_makes_pointless_but_no_promise(
        self, session: Session, cast: Cast, open_call: tuple[Client, Callback, Task]
    ) -> None:
        client, call, task = open_call
        make_payment(session, client, NOW + DAY, 2_000_000)
        look(session, client, NOW + DAY)
        session.refresh(task)
        assert (call.state, call.closed_because["en"]) == (
            CallbackState.CANCELLED,
            "the client bought, the call is not needed",
        )
        assert (task.state, client.segment) == (TaskState.CANCELLED, "active")

        other = client_of(session, cast)
        make_contact(session, at=NOW, client=other, outcome="thinks", asked_to_call_at=NOW + 2 * DAY)
        look(session, other)
        make_payment(session, other, NOW + DAY)
        look(session, other, NOW + DAY)
        assert only_call(session, other).state is CallbackState.PLANNED


def test_both_kinds_of_database_plan_open_finish_and_tell(any_engine: Engine, settings: Settings) -> None:
    sessions = db.make_sessions(any_engine, settings)
    with db.transaction(sessions) as session:
        cast = company(session)
        silent = buyer(session, cast, 240, 180, 120, owner=None, phone="+79990001122")
        refusing = client_of(session, cast)
        make_contact(session, at=NOW - 30 * DAY, client=refusing, outcome="refused", reason="rival")
        make_contact(session, at=NOW - DAY, client=refusing, outcome="thinks", asked_to_call_at=NOW + DAY)
        callbacks.ask_for_clients(session, [silent.id, refusing.id], NOW)
    totals = agenda.run_due(sessions, NOW)
    assert (totals.callbacks, totals.failed) == (2, 0)
    with db.transaction(sessions) as session:
        call = only_call(session, silent)
        assert only_call(session, refusing).occasion == "promise"
        callbacks.postpone(session, call, until=NOW + DAY, reason="занят", actor="anna", now=NOW)
        callbacks.finish(session, call, outcome="do_not_call", actor="anna", now=NOW + timedelta(hours=1))
    assert agenda.run_due(sessions, NOW + 3 * DAY).failed == 0
    with sessions() as session:
        assert [one.state for one in calls(session, silent)] == [CallbackState.DONE]
        assert [one.state for one in calls(session, refusing)] == [CallbackState.OPEN]


def test_run_due_goes_from_the_client_to_the_task_and_does_it_once(sessions: sessionmaker[Session]) -> None:
    with db.transaction(sessions) as session:
        client = buyer(session, company(session), 240, 180, 120)
        callbacks.ask_for_clients(session, [client.id], NOW)
    totals = agenda.run_due(sessions, NOW)
    assert (totals.callbacks, totals.failed) == (1, 0)
    with sessions() as session:
        assert session.scalars(select(Task.kind)).all() == ["callback"]
    again = agenda.run_due(sessions, NOW)
    assert (again.handled, again.callbacks) == (0, 0)
