"""A manager's list: its order, what it hides, and what finishing and postponing do."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from rules_engine.errors import Conflict, InputError, NotFound
from rules_engine.models import Contact, Manager, Request, RequestEvent, Task, TaskKind
from rules_engine.services.records import settings_store
from rules_engine.services.requests import assignment, tasks
from rules_engine.services.requests.tasks import TaskLine, complete, create_own, get_task, open_tasks, postpone
from tests.factories import MONDAY, Cast, at, make_cast, make_client, make_request

NOW = at("2026-10-05 11:40")


@pytest.fixture
def cast(session: Session) -> Cast:
    return make_cast(session)


def give(session: Session, manager: Manager, assigned_at: datetime = MONDAY, **fields: Any) -> Request:
    request = make_request(session, received_at=assigned_at, **fields)
    assignment.assign_external(session, request, manager, assigned_at=assigned_at, actor="import", now=assigned_at)
    return request


def task_of(session: Session, request: Request) -> Task:
    return session.scalars(select(Task).where(Task.request_id == request.id, Task.state == "open")).one()


def lines(session: Session, cast: Cast, now: datetime = NOW) -> list[TaskLine]:
    return open_tasks(session, cast.anna.id, now)


def finish(session: Session, request: Request, outcome: Any, **more: Any) -> Task | None:
    return complete(session, task_of(session, request), outcome=outcome, actor="anna", now=NOW, **more)


def test_the_list_goes_by_due_time_alone_whatever_a_request_is_worth(session: Session, cast: Cast) -> None:
    settings_store.change(session, settings_store.AMOUNT_SHOWN, "always", actor="galina")
    large = give(session, cast.anna, at("2026-10-05 11:30"), amount_minor=90_000_000)
    small = give(session, cast.anna, at("2026-10-05 10:00"), amount_minor=100)
    undated = create_own(session, cast.anna, "Позвонить  маме", None, now=NOW)
    tomorrow = create_own(session, cast.anna, "Отчёт", at("2026-10-06 09:00"), now=NOW)
    give(session, cast.boris)
    found = [(line.request_id or line.id, line.group.value) for line in lines(session, cast)]
    assert found == [(small.id, "overdue"), (large.id, "today"), (tomorrow.id, "later"), (undated.id, "later")]
    assert lines(session, cast)[-1].title["ru"] == "Позвонить маме"


def test_the_amount_is_hidden_until_the_first_answer_unless_the_setting_says_otherwise(
    session: Session, cast: Cast
) -> None:
    request = give(session, cast.anna)
    (line,) = lines(session, cast)
    assert (line.amount_minor, line.is_amount_hidden, line.is_answered) == (None, True, False)
    settings_store.change(session, settings_store.AMOUNT_SHOWN, "always", actor="galina")
    assert lines(session, cast)[0].amount_minor == 1_450_000
    settings_store.change(session, settings_store.AMOUNT_SHOWN, "after_answer", actor="galina")
    finish(session, request, "answered")
    assert lines(session, cast)[0].amount_minor == 1_450_000
    settings_store.change(session, settings_store.AMOUNT_SHOWN, "never", actor="galina")
    assert lines(session, cast)[0].amount_minor is None


def test_a_line_says_who_and_by_what_phone(session: Session, cast: Cast) -> None:
    client = make_client(session, "ООО Ромашка", phone="+74950000001")
    give(session, cast.anna, client=client)
    give(session, cast.anna, client=None, client_name="Пётр")
    known, unknown = lines(session, cast)
    assert (known.client_name, known.phone) == ("ООО Ромашка", "+74950000001")
    assert (unknown.client_name, unknown.phone) == ("Пётр", None)
    assert known.due_at == at("2026-10-05 11:50")
    assert known.reason["ru"] and known.reason["en"]


def test_a_long_list_costs_no_more_questions_than_a_short_one(session: Session, cast: Cast) -> None:
    for number in range(30):
        give(session, cast.anna, client=make_client(session, phone=f"+7495000{number:04d}"))
    session.flush()
    statements: list[str] = []
    event.listen(
        session.get_bind(), "before_cursor_execute", lambda _c, _k, statement, *_rest: statements.append(statement)
    )
    assert len(lines(session, cast)) == 30
    assert len(statements) <= 4


def test_answering_finishes_the_task_and_opens_the_next_step(session: Session, cast: Cast) -> None:
    request = give(session, cast.anna)
    done = task_of(session, request)
    following = finish(session, request, "answered", note="обсудили", next_at=at("2026-10-06 10:00"))
    assert (done.state, done.outcome, done.note, done.done_at) == ("done", "answered", "обсудили", NOW)
    assert following is not None and following.due_at == request.next_step_at == at("2026-10-06 10:00")
    assert (request.status, request.first_answer_at) == ("in_progress", NOW)
    contact = session.scalars(select(Contact)).one()
    assert (contact.proof, contact.manager_id, contact.note) == ("by_hand", cast.anna.id, "обсудили")
    second = finish(session, request, "order")
    assert second is not None and (second.due_at, request.next_step_at) == (None, None)
    assert request.status == "in_progress"


def test_who_thinks_thinks_until_a_day(session: Session, cast: Cast) -> None:
    request = give(session, cast.anna)
    with pytest.raises(InputError) as refused:
        finish(session, request, "thinks")
    assert refused.value.path == "next_at"
    assert session.scalars(select(Contact)).all() == []
    assert finish(session, request, "thinks", next_at=at("2026-10-08 10:00")) is not None


def test_a_refusal_needs_its_reason_and_closes_the_request(session: Session, cast: Cast) -> None:
    request = give(session, cast.anna)
    with pytest.raises(InputError) as refused:
        finish(session, request, "refused", reason="луна")
    assert refused.value.path == "reason"
    done = task_of(session, request)
    assert finish(session, request, "refused", reason="rival", note="к соседям") is None
    assert (request.status, request.close_reason) == ("lost", "rival")
    assert (done.state, done.outcome, done.note) == ("done", "refused", "к соседям")
    assert lines(session, cast) == []


def test_not_now_without_a_day_is_a_postponed_refusal_and_with_a_day_a_next_step(session: Session, cast: Cast) -> None:
    closed, kept = give(session, cast.anna), give(session, cast.anna)
    assert finish(session, closed, "not_now") is None
    assert (closed.status, closed.close_reason) == ("lost", "postponed")
    assert finish(session, kept, "not_now", next_at=at("2026-11-05 10:00")) is not None
    assert kept.status == "in_progress"


def test_not_reached_proposes_another_hour_and_then_another_day(session: Session, cast: Cast) -> None:
    request = give(session, cast.anna)
    first = finish(session, request, "not_reached")
    assert first is not None and first.due_at == at("2026-10-05 14:40")
    second = finish(session, request, "not_reached")
    assert second is not None and second.due_at == at("2026-10-06 11:40")
    assert request.contact_attempts == 2
    assert finish(session, request, "not_reached", next_at=at("2026-10-07 09:30")) is not None
    assert request.next_step_at == at("2026-10-07 09:30")


def test_who_asks_not_to_be_called_is_marked(session: Session, cast: Cast) -> None:
    client = make_client(session)
    request = give(session, cast.anna, client=client)
    assert finish(session, request, "do_not_call") is not None
    assert client.do_not_call


def test_a_task_is_finished_once(session: Session, cast: Cast) -> None:
    request = give(session, cast.anna)
    task = task_of(session, request)
    finish(session, request, "answered")
    for again in (
        lambda: complete(session, task, outcome="answered", actor="anna", now=NOW),
        lambda: postpone(session, task, until=NOW + timedelta(hours=1), reason="занят", actor="anna", now=NOW),
    ):
        with pytest.raises(Conflict):
            again()


def test_an_extra_task_of_a_rule_is_finished_with_its_contact_and_nothing_follows_it(
    session: Session, cast: Cast
) -> None:
    request = give(session, cast.anna)
    extra = Task(
        kind=TaskKind.EXTRA, manager_id=cast.anna.id, request_id=request.id, created_at=MONDAY, due_at=NOW,
        title={"ru": "Уточнить", "en": "Ask"}, reason={"ru": "правило", "en": "a rule"},
    )  # fmt: skip
    session.add(extra)
    session.flush()
    assert complete(session, extra, outcome="answered", actor="anna", now=NOW) is None
    assert (extra.state, request.first_answer_at) == ("done", NOW)
    assert task_of(session, request).kind is TaskKind.REQUEST


def test_an_own_task_is_no_contact(session: Session, cast: Cast) -> None:
    task = create_own(session, cast.anna, "Отчёт", NOW + timedelta(hours=1), now=NOW)
    assert complete(session, task, outcome="answered", actor="anna", now=NOW) is None
    assert task.state == "done"
    assert session.scalars(select(Contact)).all() == []
    for title, due_at in (("", None), ("x" * 201, None), ("Отчёт", NOW)):
        with pytest.raises(InputError):
            create_own(session, cast.anna, title, due_at, now=NOW)


def test_postponing_needs_a_reason_is_counted_and_moves_no_answer_time(session: Session, cast: Cast) -> None:
    request = give(session, cast.anna)
    task = task_of(session, request)
    due_before = request.answer_due_at
    with pytest.raises(InputError) as refused:
        postpone(session, task, until=at("2026-10-06 10:00"), reason=" ", actor="anna", now=NOW)
    assert refused.value.path == "reason"
    with pytest.raises(InputError):
        postpone(session, task, until=NOW, reason="занят", actor="anna", now=NOW)
    for times in (1, 2):
        postpone(session, task, until=at("2026-10-06 10:00"), reason="просил завтра", actor="anna", now=NOW)
        assert task.times_postponed == times
    assert (request.next_step_at, request.answer_due_at) == (at("2026-10-06 10:00"), due_before)
    (line,) = lines(session, cast)
    assert line.due_at == due_before
    finish(session, request, "answered", next_at=at("2026-10-06 12:00"))
    assert lines(session, cast)[0].due_at == at("2026-10-06 12:00")
    history = session.scalars(select(RequestEvent).where(RequestEvent.kind == "postponed")).all()
    assert [event.data["times"] for event in history] == [1, 2]


def test_another_managers_task_is_not_there(session: Session, cast: Cast) -> None:
    task = task_of(session, give(session, cast.anna))
    assert get_task(session, task.id, manager_id=cast.anna.id) is task
    assert get_task(session, task.id) is task
    for task_id, manager_id in ((task.id, cast.boris.id), (task.id + 1, None)):
        with pytest.raises(NotFound):
            get_task(session, task_id, manager_id=manager_id)


def test_the_head_can_answer_for_a_manager(session: Session, cast: Cast) -> None:
    request = give(session, cast.anna)
    complete(session, task_of(session, request), outcome="answered", actor="galina", now=NOW)
    assert session.scalars(select(Contact)).one().manager_id == cast.anna.id
    assert session.scalars(select(Contact)).one().source == tasks.SOURCE
