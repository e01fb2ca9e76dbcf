"""Going from wake to wake does what looking every minute would have done: none is missed, and an early one is harmless.

All instants are whole minutes. The hours are short and broken, so that a few hours hold several openings and closings.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.models import Assignment, Firing, FiringAction, OutboxMessage, Request, Task, WorkKind
from rules_engine.services.queue import work
from rules_engine.services.records.incoming import ContactIn
from rules_engine.services.requests import client_on_the_line, contacts
from rules_engine.services.rules import journal
from rules_engine.settings import Settings
from tests.examples import few
from tests.factories import (
    assignment_rules,
    at,
    condition,
    escalation_rules,
    make_absence,
    make_calendar,
    make_manager,
    make_mode,
    make_request,
    make_team,
    make_user,
    make_version,
    rule,
)
from tests.moving import MINUTE, Happening, jump, step

START = at("2026-10-05 09:30")
HORIZON = 110
HOURS = {"mon": [["09:35", "09:55"], ["10:05", "10:30"], ["10:40", "10:50"], ["11:00", "18:00"]]}

minutes = st.integers(1, 45)


def _time_conditions() -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(
        st.builds(lambda n: condition("request.answer_used_pct", "ge", str(n)), st.integers(5, 400)),
        st.builds(lambda n: condition("request.answer_used_pct", "lt", str(n)), st.integers(5, 400)),
        st.builds(lambda n: condition("request.working_minutes_since_received", "ge", n), minutes),
        st.builds(lambda n: condition("request.working_minutes_since_assigned", "gt", n), minutes),
        st.builds(
            lambda a, b: condition("request.working_minutes_without_answer", "between", [a, a + b]), minutes, minutes
        ),
        st.builds(lambda n: condition("request.working_minutes_since_activity", "is", n), minutes),
        st.builds(lambda h: condition("now.hour", "is", h), st.integers(9, 13)),
        st.builds(lambda b: condition("now.is_working_time", "is", b), st.booleans()),
        st.builds(lambda b: condition("manager.is_working_now", "is", b), st.booleans()),
        st.builds(lambda b: condition("request.is_past_answer_time", "is", b), st.booleans()),
    )


def _still_conditions() -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(
        st.builds(lambda b: condition("request.is_answered", "is", b), st.booleans()),
        st.builds(lambda p: condition("request.priority", "is", p), st.sampled_from(["normal", "high"])),
    )


def _other_conditions() -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(lambda n: condition("manager.unanswered_requests", "ge", n), st.integers(1, 2))


def _actions(*, transfers: bool) -> st.SearchStrategy[dict[str, Any]]:
    quiet: list[st.SearchStrategy[dict[str, Any]]] = [
        st.just({"action": "remind"}),
        st.builds(lambda n: {"action": "remind", "repeat_every": n}, st.integers(7, 60)),
        st.just({"action": "mark_late"}),
        st.builds(lambda n: {"action": "notify", "whom": "head", "digest_minutes": n}, st.sampled_from([0, 15])),
        st.builds(lambda p: {"action": "set_priority", "priority": p}, st.sampled_from(["normal", "high"])),
        st.builds(lambda n: {"action": "create_task", "title": "Проверить", "in_working_minutes": n}, minutes),
    ]
    if not transfers:
        return st.one_of(*quiet)
    few = {"all": [condition("candidate.unanswered_requests", "lt", 2)]}
    reassign = {"action": "reassign", "to": {"pool": "everyone"}, "strategy": "least_loaded"}
    return st.one_of(*quiet, st.just(reassign), st.just({**reassign, "among": few}))


@st.composite
def _rules(draw: st.DrawFn, *, others: bool) -> list[dict[str, Any]]:
    """Rules of one to three conditions; `others` also with what other rows move, and with transfers."""
    kinds = [_time_conditions(), _time_conditions(), _still_conditions(), *([_other_conditions()] if others else [])]
    rules = []
    for n in range(draw(st.integers(1, 4))):
        mode = draw(st.sampled_from(["all", "all", "any", "none"]))
        when = {"all": [{mode: draw(st.lists(st.one_of(*kinds), min_size=1, max_size=2))}, draw(_time_conditions())]}
        rules.append(rule(f"r{n}", when, draw(_actions(transfers=others))))
    return rules


@dataclass(frozen=True)
class Day:
    """What a generated day holds: when requests come, after how many minutes each is answered, who is away."""

    rules: list[dict[str, Any]]
    received: list[int]
    answered: list[int | None]
    away: tuple[int, int] | None
    on_the_line: int | None = None
    """After how many minutes whoever then has the first request asks for more time."""


@st.composite
def _days(draw: st.DrawFn, *, others: bool) -> Day:
    received = draw(st.lists(st.integers(0, 20), min_size=1, max_size=2))
    answered = [draw(st.none() | st.integers(1, 60)) for _ in received]
    away = draw(st.none() | st.tuples(st.integers(0, 90), st.integers(1, 60)))
    return Day(draw(_rules(others=others)), received, answered, away, draw(st.none() | st.integers(1, 60)))


_numbers = count(1)


class Company:
    """A new company in a file of its own, in which a generated day takes place."""

    def __init__(self, template: Path, folder: Path, settings: Settings, day: Day) -> None:
        path = folder / f"day{next(_numbers)}.db"
        path.write_bytes(template.read_bytes())
        self.sessions = db.make_sessions(
            db.make_engine(f"sqlite:///{path}", relaxed=True), replace(settings, engine="native")
        )
        with db.transaction(self.sessions) as session:
            make_calendar(session, weekly=HOURS)
            team = make_team(session, "sales", head=make_user(session, "galina"))
            managers = [make_manager(session, name, team=team) for name in ("anna", "boris")]
            if day.away:
                begins = START + day.away[0] * MINUTE
                make_absence(session, managers[0], begins, begins + day.away[1] * MINUTE)
            for decision in ("assignment", "escalation"):
                make_mode(session, decision, "live")
            make_version(session, "assignment", assignment_rules(answer_within=20))
            make_version(session, "escalation", escalation_rules(*day.rules))
            for n, minute in enumerate(day.received):
                make_request(session, received_at=START + minute * MINUTE, external_id=f"A-{n}")
        self.happenings: dict[datetime, Happening] = {}
        for n, (received, answered) in enumerate(zip(day.received, day.answered, strict=True)):
            if answered is not None:
                instant = START + (received + answered) * MINUTE
                self.happenings[instant] = _both(self.happenings.get(instant), _answering(f"A-{n}"))
        if day.on_the_line is not None:
            instant = START + (day.received[0] + day.on_the_line) * MINUTE
            self.happenings[instant] = _both(self.happenings.get(instant), _asking_for_time("A-0"))

    def effects(self) -> list[Any]:
        with self.sessions() as session:
            found: list[Any] = []
            for statement in (
                select(
                    Assignment.request_id,
                    Assignment.manager_id,
                    Assignment.assigned_at,
                    Assignment.ended_at,
                    Assignment.is_late,
                ),
                select(Firing.item_id, Firing.rule, Firing.ownership, Firing.occurrence, Firing.at),
                select(FiringAction.action, FiringAction.state),
                select(
                    OutboxMessage.user_id, OutboxMessage.subject, OutboxMessage.created_at, OutboxMessage.not_before
                ),
                select(Task.kind, Task.manager_id, Task.created_at, Task.due_at, Task.state),
                select(Request.status, Request.priority, Request.times_reassigned),
            ):
                found += session.execute(statement.order_by(statement.columns_clause_froms[0].c.id)).all()
            return found

    def close(self) -> None:
        self.sessions.kw["bind"].dispose()


def _answering(external_id: str) -> Happening:
    def answer(session: Session, now: datetime) -> None:
        data = {
            "source": "phone",
            "external_id": external_id,
            "at": now,
            "request": {"source": "site", "external_id": external_id},
        }
        contacts.record(session, ContactIn.model_validate(data), now=now, actor=journal.SYSTEM)

    return answer


def _asking_for_time(external_id: str) -> Happening:
    def ask(session: Session, now: datetime) -> None:
        row = session.scalars(select(Request).where(Request.external_id == external_id)).one()
        if client_on_the_line.can_ask(row, row.manager_id):
            client_on_the_line.ask_for_time(session, row, manager_id=row.manager_id, actor="anna", now=now)

    return ask


def _both(first: Happening | None, second: Happening) -> Happening:
    def happen(session: Session, now: datetime) -> None:
        if first is not None:
            first(session, now)
        second(session, now)

    return happen


Mover = Callable[[sessionmaker[Session], datetime, datetime, Mapping[datetime, Happening]], object]


def _look_at_everything(
    sessions: sessionmaker[Session], start: datetime, until: datetime, happenings: Mapping[datetime, Happening]
) -> None:
    """Every minute, look at all requests, whether they asked for it or not."""

    def wake_all(session: Session, now: datetime) -> None:
        for request_id in session.scalars(select(Request.id).where(Request.received_at <= now)).all():
            work.ask(session, WorkKind.REQUEST, request_id, now)

    every = {}
    now = start
    while now < until:
        every[now] = _both(happenings.get(now), wake_all)
        now += MINUTE
    step(sessions, start, until, every)


def _same(template: Path, folder: Path, settings: Settings, day: Day, *movers: Mover) -> None:
    seen = []
    for mover in movers:
        company = Company(template, folder, settings, day)
        mover(company.sessions, START, START + timedelta(minutes=HORIZON), company.happenings)
        seen.append(company.effects())
        company.close()
    assert all(one == seen[0] for one in seen[1:])


_quiet = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


@examples(max_examples=few(10), deadline=None, suppress_health_check=_quiet)
@given(_days(others=True))
def test_stepping_and_jumping_have_the_same_effects(
    sqlite_template: Path, tmp_path: Path, settings: Settings, day: Day
) -> None:
    _same(sqlite_template, tmp_path, settings, day, jump, step)


@examples(max_examples=few(10), deadline=None, suppress_health_check=_quiet)
@given(_days(others=False))
def test_looking_at_everything_every_minute_finds_nothing_that_a_wake_missed(
    sqlite_template: Path, tmp_path: Path, settings: Settings, day: Day
) -> None:
    _same(sqlite_template, tmp_path, settings, day, jump, _look_at_everything)
