"""Away today: what cannot wait goes to those who are here, by fair share, and nothing else moves."""

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.errors import InputError
from rules_engine.models import (
    Absence,
    Callback,
    CallbackState,
    Decision,
    DecisionDetail,
    LedgerBalance,
    Manager,
    OutboxMessage,
    Request,
    RequestEvent,
    Task,
    TaskState,
)
from rules_engine.services.company.reference import reference
from rules_engine.services.leaving.departures import PlanChanged, away_today, plan_away
from rules_engine.services.requests.reassignment import assign_by_hand
from tests.calls import make_callback
from tests.factories import MONDAY, Cast, at, make_absence, make_cast, make_client, make_manager, make_request

TONIGHT = at("2026-10-05 18:00")


def company(session: Session) -> Cast:
    """Анна, Борис and Дина work in sales; Анна does not come today."""
    cast = make_cast(session)
    make_manager(session, "dina", "Дина", team=cast.sales)
    return cast


@pytest.fixture
def cast(session: Session) -> Cast:
    return company(session)


def given(session: Session, manager: Manager, number: int, **more: object) -> list[Request]:
    """Have a manager hold requests since ten in the morning."""
    since = MONDAY - timedelta(hours=1)
    requests = [make_request(session, received_at=since, **more) for _ in range(number)]  # type: ignore[arg-type]
    for request in requests:
        assign_by_hand(session, request, manager, reason="учёба", actor="galina", now=since)
    return requests


def login_of(session: Session, manager_id: int | None) -> str | None:
    return reference(session).login_of(manager_id)


def counts(session: Session) -> dict[str | None, int]:
    return {login_of(session, row.manager_id): row.count for row in session.scalars(select(LedgerBalance))}


def test_unanswered_requests_are_shared_in_the_team_and_no_longer_count_for_him(any_session: Session) -> None:
    session = any_session
    cast = company(session)
    open_ = given(session, cast.anna, 5)
    answered = given(session, cast.anna, 1)[0]
    answered.first_answer_at = MONDAY
    assert counts(session) == {"anna": 6}

    plan = plan_away(session, cast.anna.id, MONDAY)
    assert plan.absence == (MONDAY, TONIGHT)
    assert Counter(one.to.login for one in plan.requests if one.to) in (
        {"boris": 3, "dina": 2},
        {"boris": 2, "dina": 3},
    )
    done = away_today(session, cast.anna.id, reason="заболела", actor="galina", now=MONDAY, expected=plan.fingerprint)

    session.expire_all()
    assert [login_of(session, one.manager_id) for one in open_] == [one.to.login for one in done.requests if one.to]
    assert answered.manager_id == cast.anna.id
    shared = Counter(login_of(session, one.manager_id) for one in open_)
    assert counts(session) == {"anna": 1, **shared}
    absence = session.scalars(select(Absence)).one()
    assert (absence.starts_at, absence.ends_at, absence.reason) == (MONDAY, TONIGHT, "заболела")
    decision = session.scalars(select(Decision).order_by(Decision.id.desc()).limit(1)).one()
    detail = session.get_one(DecisionDetail, decision.id)
    assert (decision.actor, decision.effects[0]["reason"]) == ("galina", "заболела") and detail is not None
    taken = session.scalars(select(RequestEvent).where(RequestEvent.kind == "taken")).all()
    assert {one.data["manager"] for one in taken} == {"anna"} and len(taken) == 5


def test_a_request_of_his_own_client_goes_to_the_cover(session: Session, cast: Cast) -> None:
    client = make_client(session, owner=cast.anna, cover=cast.vera)
    request = given(session, cast.anna, 1, client=client)[0]
    plan = away_today(session, cast.anna.id, reason="", actor="galina", now=MONDAY)
    assert [(one.request.id, one.to and one.to.login, one.is_cover) for one in plan.requests] == [
        (request.id, "vera", True)
    ]


def test_only_calls_that_are_due_before_he_is_back_move(session: Session, cast: Cast) -> None:
    covered = make_client(session, owner=cast.anna, cover=cast.vera)
    other = make_client(session, owner=cast.anna)
    today = [make_callback(session, covered, cast.anna), make_callback(session, other, cast.anna)]
    tomorrow = make_callback(session, other, cast.anna, due_at=at("2026-10-06 18:00"))
    done = make_callback(session, other, cast.anna, state=CallbackState.DONE)

    away_today(session, cast.anna.id, reason="", actor="galina", now=MONDAY)

    session.expire_all()
    callers = [login_of(session, one.manager_id) for one in (*today, tomorrow, done)]
    assert callers[0] == "vera" and callers[1] in ("boris", "dina") and callers[2:] == ["anna", "anna"]
    tasks = session.scalars(select(Task).where(Task.state == TaskState.OPEN).order_by(Task.callback_id)).all()
    assert [login_of(session, task.manager_id) for task in tasks] == [*callers[:2], "anna"]
    told = session.scalars(select(OutboxMessage.subject).where(OutboxMessage.channel == "page")).all()
    assert sorted(told) == ["Вам переданы звонки, Анна: 1"] * 2


def test_what_nobody_can_take_stays_and_is_said(session: Session, cast: Cast) -> None:
    requests = given(session, cast.anna, 3)
    cast.boris.daily_cap = 1
    dina = session.scalars(select(Manager).order_by(Manager.id.desc()).limit(1)).one()
    make_absence(session, dina, at("2026-10-05 00:00"), at("2026-10-10 00:00"))

    plan = away_today(session, cast.anna.id, reason="", actor="galina", now=MONDAY)

    assert (plan.staying, sum(one.to is not None for one in plan.requests)) == (2, 1)
    held = Counter(login_of(session, one.manager_id) for one in requests)
    assert held == {"anna": 2, "boris": 1}


def test_a_preview_that_no_longer_holds_changes_nothing(session: Session, cast: Cast) -> None:
    given(session, cast.anna, 2)
    seen = plan_away(session, cast.anna.id, MONDAY).fingerprint
    given(session, cast.anna, 1)
    with pytest.raises(PlanChanged), session.begin_nested():
        away_today(session, cast.anna.id, reason="", actor="galina", now=MONDAY, expected=seen)
    assert session.scalars(select(Absence)).all() == []


def test_who_is_away_already_is_away_until_the_evening_once(session: Session) -> None:
    cast = make_cast(session)
    make_absence(session, cast.anna, at("2026-10-05 09:00"), at("2026-10-05 13:00"))
    make_absence(session, cast.anna, at("2026-10-05 16:00"), at("2026-10-09 00:00"))
    plan = plan_away(session, cast.anna.id, MONDAY)
    assert plan.absence == (at("2026-10-05 13:00"), at("2026-10-05 16:00"))
    away_today(session, cast.anna.id, reason="", actor="galina", now=MONDAY)
    again = plan_away(session, cast.anna.id, MONDAY)
    assert (again.absence, again.until) == (None, at("2026-10-09 00:00"))


def test_before_the_opening_it_is_the_day_to_come(session: Session) -> None:
    cast = make_cast(session)
    night = at("2026-10-04 23:00")
    assert plan_away(session, cast.anna.id, night).absence == (night, TONIGHT)


def test_who_has_left_is_not_away(session: Session) -> None:
    cast = make_cast(session)
    cast.anna.left_on = MONDAY.date()
    with pytest.raises(InputError, match="does not work here"):
        plan_away(session, cast.anna.id, MONDAY)


def test_a_team_without_others_keeps_its_requests(session: Session) -> None:
    cast = make_cast(session)
    given(session, cast.vera, 2)
    plan = plan_away(session, cast.vera.id, MONDAY)
    assert [one.to for one in plan.requests] == [None, None]
    assert session.query(Callback).count() == 0
