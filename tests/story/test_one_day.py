"""Days of a sales department under the shipped rules: an ordinary one, a weekend, a moved Saturday, clock changes."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.decisions.escalation_warning import WARNING
from rules_engine.models import (
    BEGINNING_OF_TIME,
    Assignment,
    Calendar,
    Firing,
    LedgerBalance,
    Manager,
    OutboxMessage,
    Request,
    Task,
    TaskState,
    User,
)
from rules_engine.services.explain import explain
from rules_engine.services.records.incoming import RequestIn
from rules_engine.services.requests import intake, tasks
from rules_engine.services.running import setup
from rules_engine.settings import Settings
from tests.factories import ROUND_THE_CLOCK, Cast, at, make_cast, make_exception
from tests.moving import Happening, jump

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def sessions(engine: Any, settings: Settings) -> sessionmaker[Session]:
    # The days are about time; that both engines agree is tested elsewhere.
    return db.make_sessions(engine, replace(settings, engine="native"))


@pytest.fixture
def cast(sessions: sessionmaker[Session]) -> Cast:
    """Анна и Борис in sales under Галина, Вера in the other team; the rules and hours that ship, all live."""
    with db.transaction(sessions) as session:
        cast = make_cast(session, live=False)
        setup.initialise(session, now=BEGINNING_OF_TIME, live=True)
        return cast


def a_request(number: str, **more: Any) -> Happening:
    def arrive(session: Session, now: datetime) -> None:
        form = {"source": "site", "external_id": number, "received_at": now, "channel": "web", **more}
        intake.receive(session, RequestIn.model_validate(form), now=now, actor="api:site")

    return arrive


def answers(login: str, number: str, outcome: str = "answered") -> Happening:
    """Somebody finishes the task of a request in his list."""

    def answer(session: Session, now: datetime) -> None:
        manager = session.scalars(select(Manager).join(User).where(User.login == login)).one()
        mine = {line.request_id: line.id for line in tasks.open_tasks(session, manager.id, now)}
        request = session.scalars(select(Request).where(Request.external_id == number)).one()
        task = session.get_one(Task, mine[request.id])
        tasks.complete(session, task, outcome=outcome, next_at=None, actor=login, now=now)  # type: ignore[arg-type]

    return answer


def live_through(
    sessions: sessionmaker[Session], start: str, until: str, happenings: Mapping[str, Happening], zone: ZoneInfo
) -> list[datetime]:
    return jump(sessions, at(start, zone), at(until, zone), {at(when, zone): what for when, what in happenings.items()})


def story_of(sessions: sessionmaker[Session], number: str, zone: ZoneInfo) -> list[tuple[str, str]]:
    """Return which rules of escalation fired for a request, with the clock on the wall; without warnings."""
    with sessions() as session:
        fired = session.execute(
            select(Firing.at, Firing.rule)
            .join(Request, Request.id == Firing.item_id)
            .where(Firing.item_kind == "request", Request.external_id == number, Firing.rule != WARNING)
            .order_by(Firing.id)
        )
        return [(row.at.astimezone(zone).strftime("%a %H:%M"), row.rule) for row in fired]


def holders_of(sessions: sessionmaker[Session], number: str) -> list[str]:
    with sessions() as session:
        held = select(Assignment).join(Request).where(Request.external_id == number).order_by(Assignment.id)
        return [one.manager.login for one in session.scalars(held)]


def due_of(sessions: sessionmaker[Session], number: str) -> datetime | None:
    """Return until when its first holder was to answer."""
    with sessions() as session:
        held = select(Assignment.answer_due_at).join(Request).where(Request.external_id == number)
        return session.scalars(held.order_by(Assignment.id)).first()


MOSCOW = ZoneInfo("Europe/Moscow")


def test_an_ordinary_monday(sessions: sessionmaker[Session], cast: Cast) -> None:
    live_through(
        sessions,
        "2026-10-05 00:00",
        "2026-10-06 00:00",
        {
            "2026-10-05 08:30": a_request("early"),
            "2026-10-05 09:10": answers("anna", "early"),
            "2026-10-05 12:50": a_request("lunch"),
            "2026-10-05 14:55": answers("anna", "lunch"),
            "2026-10-05 16:00": a_request("prompt"),
            "2026-10-05 16:10": answers("vera", "prompt"),
        },
        MOSCOW,
    )

    # Before the opening: given to Анна at once, and her two hours count from nine.
    assert holders_of(sessions, "early") == ["anna"]
    assert due_of(sessions, "early") == at("2026-10-05 11:00")
    assert story_of(sessions, "early", MOSCOW) == []

    # Ten minutes before lunch, which nobody's clock counts. Борис does not answer; at two answer times it is Анна's.
    assert story_of(sessions, "lunch", MOSCOW) == [
        ("Mon 14:05", "half"),
        ("Mon 14:20", "missed"),
        ("Mon 14:35", "head"),
        ("Mon 14:50", "transfer"),
    ]
    assert holders_of(sessions, "lunch") == ["boris", "anna"]

    # Вера has had nothing today, and answers in time.
    assert holders_of(sessions, "prompt") == ["vera"]
    assert story_of(sessions, "prompt", MOSCOW) == []

    with sessions() as session:
        # What Борис let go stays on his account.
        counts = session.execute(select(LedgerBalance.manager_id, LedgerBalance.count))
        assert dict(counts.all()) == {cast.anna.id: 2, cast.boris.id: 1, cast.vera.id: 1}
        late = select(Assignment.is_late).join(Request).where(Request.external_id == "lunch").order_by(Assignment.id)
        assert session.scalars(late).all() == [True, False]
        to_head = select(OutboxMessage).where(OutboxMessage.user_id == cast.galina.id, OutboxMessage.channel == "email")
        digest = session.scalars(to_head).one()
        assert digest.not_before == at("2026-10-05 14:45")
        assert "Менеджер: Борис" in digest.body
        cancelled = session.scalars(select(Task).where(Task.manager_id == cast.boris.id)).one()
        assert cancelled.state is TaskState.CANCELLED

        request = session.scalars(select(Request).where(Request.external_id == "lunch")).one()
        told = explain.explain_request(session, request.id, "ru")
        assert told["request"]["manager"] == "anna"
        assert [one["decision"] for one in told["decisions"]].count("escalation") == 5


def test_a_request_of_friday_evening_waits_for_monday_and_nobody_is_disturbed_in_between(
    sessions: sessionmaker[Session], cast: Cast
) -> None:
    visited = live_through(
        sessions,
        "2026-10-09 17:00",
        "2026-10-12 09:20",
        {"2026-10-09 17:50": a_request("friday")},
        MOSCOW,
    )

    assert due_of(sessions, "friday") == at("2026-10-12 09:20")
    assert story_of(sessions, "friday", MOSCOW) == [("Mon 09:05", "half")]
    assert not [instant for instant in visited if at("2026-10-09 18:00") < instant < at("2026-10-12 09:00")]


def test_a_moved_saturday_is_worked_and_the_monday_after_it_is_not(sessions: sessionmaker[Session], cast: Cast) -> None:
    with db.transaction(sessions) as session:
        calendar = session.get_one(Calendar, cast.calendar.id)
        make_exception(session, calendar, date(2026, 10, 10), "work")
        make_exception(session, calendar, date(2026, 10, 12), "off")

    live_through(
        sessions,
        "2026-10-09 17:00",
        "2026-10-13 09:10",
        {"2026-10-09 17:50": a_request("friday"), "2026-10-10 17:50": a_request("saturday")},
        MOSCOW,
    )

    assert due_of(sessions, "friday") == at("2026-10-10 09:20")
    assert ("Sat 09:20", "missed") in story_of(sessions, "friday", MOSCOW)
    assert due_of(sessions, "saturday") == at("2026-10-13 09:20")
    assert story_of(sessions, "saturday", MOSCOW) == [("Tue 09:05", "half")]


def _in_berlin_round_the_clock(sessions: sessionmaker[Session], cast: Cast) -> None:
    with db.transaction(sessions) as session:
        calendar = session.get_one(Calendar, cast.calendar.id)
        calendar.zone = "Europe/Berlin"
        calendar.weekly = ROUND_THE_CLOCK


def test_in_the_night_in_which_clocks_go_forward_half_an_hour_stays_half_an_hour(
    sessions: sessionmaker[Session], cast: Cast
) -> None:
    _in_berlin_round_the_clock(sessions, cast)

    live_through(sessions, "2026-03-29 00:00", "2026-03-29 03:45", {"2026-03-29 01:50": a_request("night")}, BERLIN)

    # From two o'clock the clock shows three.
    assert story_of(sessions, "night", BERLIN) == [
        ("Sun 03:05", "half"),
        ("Sun 03:20", "missed"),
        ("Sun 03:35", "head"),
    ]
    assert due_of(sessions, "night") == at("2026-03-29 03:20", BERLIN)


def test_in_the_night_in_which_clocks_go_back_the_hour_that_comes_twice_counts_twice(
    sessions: sessionmaker[Session], cast: Cast
) -> None:
    _in_berlin_round_the_clock(sessions, cast)

    live_through(sessions, "2026-10-25 00:00", "2026-10-25 03:00", {"2026-10-25 02:40": a_request("night")}, BERLIN)

    # Received in the first hour after two; everything else happens in the second.
    assert story_of(sessions, "night", BERLIN)[:3] == [
        ("Sun 02:55", "half"),
        ("Sun 02:10", "missed"),
        ("Sun 02:25", "head"),
    ]
    assert due_of(sessions, "night") == at("2026-10-25 02:10", BERLIN).replace(fold=1).astimezone(UTC)
    assert holders_of(sessions, "night") == ["anna", "boris"]


def test_a_weekend_with_a_clock_change_in_it_moves_no_opening(sessions: sessionmaker[Session], cast: Cast) -> None:
    with db.transaction(sessions) as session:
        session.get_one(Calendar, cast.calendar.id).zone = "Europe/Berlin"

    live_through(
        sessions,
        "2026-03-27 17:00",
        "2026-03-30 09:10",
        {"2026-03-27 17:50": a_request("friday")},
        BERLIN,
    )

    assert due_of(sessions, "friday") == at("2026-03-30 09:20", BERLIN)
    assert story_of(sessions, "friday", BERLIN) == [("Mon 09:05", "half")]
