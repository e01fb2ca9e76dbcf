"""A replay does what the workers would have done, goes on where it was killed, and never sees the future."""

import os
import signal
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.errors import Conflict, PolicyViolation
from rules_engine.models import (
    Arrival,
    Assignment,
    Contact,
    Decision,
    Firing,
    Incident,
    LedgerEntry,
    OutboxMessage,
    OutboxState,
    Replay,
    Request,
    WorkItem,
)
from rules_engine.services.records.outcome import Outcome
from rules_engine.services.running import agenda, replay
from rules_engine.services.running.replay import lay_down
from rules_engine.settings import Settings
from tests.factories import (
    MONDAY,
    assignment_rules,
    at,
    condition,
    escalation_rules,
    make_cast,
    make_request,
    make_version,
    rule,
)
from tests.moving import MINUTE, jump

START = at("2026-10-05 00:00")
END = at("2026-10-08 00:00")
LATE = rule(
    "late",
    {"all": [condition("request.is_answered", "is", False), condition("request.answer_used_pct", "ge", "100")]},
    {"action": "mark_late"},
    {"action": "notify", "whom": "manager"},
)


@pytest.fixture
def company(sessions: sessionmaker[Session]) -> None:
    with db.transaction(sessions) as session:
        make_company(session)


def make_company(session: Session) -> None:
    make_cast(session)
    make_version(session, "assignment", assignment_rules())
    make_version(session, "escalation", escalation_rules(LATE))


def request_body(number: int, received_at: datetime) -> dict[str, Any]:
    return {"source": "site", "external_id": f"A-{number}", "received_at": received_at.isoformat(), "amount": "100.00"}


def lay_requests(session: Session, number: int, *, every: timedelta = timedelta(minutes=7)) -> None:
    for n in range(number):
        received_at = MONDAY + n * every
        lay_down(session, "request", "site", f"A-{n}", received_at, request_body(n, received_at))


def picture(sessions: sessionmaker[Session]) -> list[tuple[Any, ...]]:
    """Return everything that a replay decided, keys included."""
    with sessions() as session:
        rows: list[tuple[Any, ...]] = []
        for model in (Assignment, LedgerEntry, Decision, Firing, WorkItem, Request, OutboxMessage):
            columns = [column for column in model.__table__.columns if column.name != "created_at"]
            rows += [tuple(row) for row in session.execute(select(*columns).order_by(model.__table__.c.id))]
        return rows


def test_each_arrival_is_handed_over_at_its_instant_and_decided_then(
    sessions: sessionmaker[Session], company: None
) -> None:
    with db.transaction(sessions) as session:
        lay_requests(session, 3)

    totals = replay.replay(sessions, START, END)

    assert (totals.arrived, totals.assigned, totals.escalated, totals.quarantined) == (3, 3, 3, 0)
    with sessions() as session:
        held = session.scalars(select(Assignment).order_by(Assignment.id)).all()
        assert [one.assigned_at for one in held] == [MONDAY, MONDAY + 7 * MINUTE, MONDAY + 14 * MINUTE]
        assert len({one.manager_id for one in held}) == 3
        fired = session.scalars(select(Firing.at).where(Firing.item_kind == "request").order_by(Firing.id)).all()
        assert fired == [MONDAY + minutes * MINUTE for minutes in (30, 37, 44)]
        assert session.scalars(select(Arrival.handed_at).order_by(Arrival.id)).all() == [
            one.at for one in _arrivals(session)
        ]


def _arrivals(session: Session) -> list[Arrival]:
    return list(session.scalars(select(Arrival).order_by(Arrival.id)))


def test_a_replay_does_what_the_workers_would_have_done(
    sessions: sessionmaker[Session], company: None, sqlite_template: Any, tmp_path: Any, settings: Settings
) -> None:
    with db.transaction(sessions) as session:
        lay_requests(session, 8)
    replay.replay(sessions, START, END)

    engine = db.make_engine(f"sqlite:///{_copy(sqlite_template, tmp_path / 'live.db')}", relaxed=True)
    live = db.make_sessions(engine, settings)
    with db.transaction(live) as session:
        make_company(session)
        for n in range(8):
            make_request(session, received_at=MONDAY + n * 7 * MINUTE, external_id=f"A-{n}", amount_minor=10_000)
    jump(live, START, END)

    assert _decided(sessions) == _decided(live)
    engine.dispose()


def _decided(sessions: sessionmaker[Session]) -> list[Any]:
    with sessions() as session:
        assigned = select(Assignment.request_id, Assignment.manager_id, Assignment.assigned_at, Assignment.is_late)
        fired = select(Firing.item_id, Firing.rule, Firing.at).where(Firing.item_kind == "request")
        return [*session.execute(assigned.order_by(Assignment.id)), *session.execute(fired.order_by(Firing.id))]


def _copy(source: Any, target: Any) -> Any:
    target.write_bytes(source.read_bytes())
    return target


def test_nothing_is_delivered_in_a_replay(sessions: sessionmaker[Session], company: None) -> None:
    with db.transaction(sessions) as session:
        lay_requests(session, 2)

    replay.replay(sessions, START, END)

    with sessions() as session:
        assert set(session.scalars(select(OutboxMessage.state))) == {OutboxState.KEPT}
        assert session.scalars(select(WorkItem).where(WorkItem.kind == "outbox")).all() == []


def test_a_replay_decides_without_the_c_engine(sessions: sessionmaker[Session], company: None) -> None:
    with db.transaction(sessions) as session:
        lay_requests(session, 1)

    replay.replay(sessions, START, END)

    with sessions() as session:
        assert set(session.scalars(select(Decision.engine))) == {"native"}


def test_what_arrives_at_the_end_belongs_to_the_next_replay(sessions: sessionmaker[Session], company: None) -> None:
    with db.transaction(sessions) as session:
        lay_requests(session, 2, every=timedelta(hours=1))
    noon = MONDAY + timedelta(hours=1)

    first = replay.replay(sessions, START, noon)
    second = replay.replay(sessions, noon, END)

    assert (first.arrived, first.escalated) == (1, 1)
    assert (second.arrived, second.escalated) == (1, 1)


def test_the_same_words_again_do_nothing_when_it_is_finished(sessions: sessionmaker[Session], company: None) -> None:
    with db.transaction(sessions) as session:
        lay_requests(session, 2)
    replay.replay(sessions, START, END)
    before = picture(sessions)

    again = replay.replay(sessions, START, END)

    assert {again.arrived, again.assigned, again.escalated, again.quarantined} == {0}
    assert picture(sessions) == before


@pytest.mark.parametrize(("from_at", "until_at"), [(START, END + MINUTE), (START - MINUTE, END), (END - MINUTE, END)])
def test_another_beginning_before_the_clock_is_refused(
    sessions: sessionmaker[Session], company: None, from_at: datetime, until_at: datetime
) -> None:
    replay.replay(sessions, START, END)

    with pytest.raises(PolicyViolation, match="cannot be before"):
        replay.replay(sessions, from_at, until_at)


def test_another_replay_is_refused_while_one_is_unfinished(sessions: sessionmaker[Session], company: None) -> None:
    with db.transaction(sessions) as session:
        session.add(Replay(from_at=START, until_at=MONDAY, clock_at=START))

    with pytest.raises(PolicyViolation, match="another replay is unfinished"):
        replay.replay(sessions, END, END + MINUTE)
    with pytest.raises(agenda.ReplayRunning):
        agenda.run_due(sessions, END)


def test_an_end_before_the_beginning_is_refused(sessions: sessionmaker[Session]) -> None:
    with pytest.raises(PolicyViolation, match="before --from"):
        replay.replay(sessions, END, START)


@pytest.mark.parametrize("label", ["replay.before_commit:2", "replay.after_commit:2"])
def test_a_killed_replay_goes_on_and_ends_in_the_same_rows(
    sqlite_template: Any, tmp_path: Any, settings: Settings, label: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "BATCH", 10)
    undisturbed = _prepared(sqlite_template, tmp_path / "one.db", settings)
    replay.replay(undisturbed, START, END)

    disturbed = _prepared(sqlite_template, tmp_path / "two.db", settings)
    child = os.fork()
    if child == 0:
        try:
            url = f"sqlite:///{tmp_path / 'two.db'}"
            doomed = db.make_sessions(db.make_engine(url, relaxed=True), replace(settings, crash_at=label))
            replay.replay(doomed, START, END)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    with disturbed() as session:
        unfinished = replay.unfinished(session)
        assert unfinished is not None
        assert START < unfinished.clock_at < END
    rest = replay.replay(disturbed, START, END)

    assert 0 < rest.arrived < 40
    assert picture(disturbed) == picture(undisturbed)
    for factory in (disturbed, undisturbed):
        factory.kw["bind"].dispose()


def _prepared(template: Any, path: Any, settings: Settings) -> sessionmaker[Session]:
    sessions = db.make_sessions(db.make_engine(f"sqlite:///{_copy(template, path)}", relaxed=True), settings)
    with db.transaction(sessions) as session:
        make_company(session)
        lay_requests(session, 40)
    with sessions.kw["bind"].connect() as connection:
        # The child opens the file by itself.
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    sessions.kw["bind"].dispose()
    return sessions


def test_a_contact_that_was_laid_down_answers_the_request(sessions: sessionmaker[Session], company: None) -> None:
    with db.transaction(sessions) as session:
        lay_requests(session, 1)
        answered_at = MONDAY + 20 * MINUTE
        body = {
            "source": "phone",
            "external_id": "C-1",
            "at": answered_at.isoformat(),
            "request": {"source": "site", "external_id": "A-0"},
            "outcome": "answered",
        }
        lay_down(session, "contact", "phone", "C-1", answered_at, body)

    totals = replay.replay(sessions, START, END)

    assert (totals.arrived, totals.escalated) == (2, 0)
    with sessions() as session:
        request = session.scalars(select(Request)).one()
        assert request.first_answer_at == answered_at
        assert session.scalars(select(Contact.manager_id)).one() == request.manager_id


def test_an_arrival_that_is_refused_leaves_an_incident_and_stops_nothing(
    sessions: sessionmaker[Session], company: None
) -> None:
    with db.transaction(sessions) as session:
        lay_down(session, "request", "site", "B-1", MONDAY, {"source": "site", "external_id": "B-1"})
        lay_down(session, "weather", "site", "W-1", MONDAY, {})
        lay_requests(session, 1)

    totals = replay.replay(sessions, START, END)

    assert (totals.arrived, totals.assigned) == (1, 1)
    with sessions() as session:
        incidents = session.scalars(select(Incident).order_by(Incident.id)).all()
        assert [incident.kind for incident in incidents] == ["arrival_refused", "arrival_refused"]
        assert "received_at" in incidents[0].message["en"]


def test_a_request_that_cannot_be_handled_is_quarantined_and_the_replay_reaches_its_end(
    sessions: sessionmaker[Session], company: None
) -> None:
    with db.transaction(sessions) as session:
        broken = make_request(session, received_at=MONDAY).id
        session.execute(text(f"UPDATE requests SET status = 'nonsense' WHERE id = {broken}"))
        lay_requests(session, 2)

    totals = replay.replay(sessions, START, END)

    assert (totals.assigned, totals.quarantined, totals.failed) == (2, 1, 5)
    with sessions() as session:
        assert replay.unfinished(session) is None
        quarantined = select(WorkItem.subject_id).where(WorkItem.quarantined_at == MONDAY)
        assert session.scalars(quarantined).all() == [broken]


def test_a_handler_may_lay_down_what_follows(sessions: sessionmaker[Session], company: None) -> None:
    """As the demo does: whoever got the request answers it a little later."""
    called: list[datetime] = []

    def call(session: Session, payload: dict[str, Any], now: datetime) -> None:
        called.append(now)
        if payload["again"]:
            lay_down(session, "call", "demo", f"{payload['n']}-2", now + MINUTE, {**payload, "again": False})

    with db.transaction(sessions) as session:
        for n in range(3):
            lay_down(session, "call", "demo", str(n), MONDAY + n * 2 * MINUTE, {"n": n, "again": True})

    replay.replay(sessions, START, END, handlers={"call": call})

    assert called == [MONDAY + n * MINUTE for n in range(6)]


def test_progress_is_told_after_each_transaction(
    sessions: sessionmaker[Session], company: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "BATCH", 4)
    with db.transaction(sessions) as session:
        lay_requests(session, 4)
    seen: list[tuple[datetime, int]] = []

    replay.replay(sessions, START, END, progress=lambda clock_at, totals: seen.append((clock_at, totals.arrived)))

    assert seen[-1] == (END, 4)
    assert [clock_at for clock_at, _ in seen] == sorted(clock_at for clock_at, _ in seen)
    assert len(seen) == 4


class TestLayingDown:
    def test_the_same_row_again_changes_nothing(self, session: Session) -> None:
        assert lay_down(session, "request", "site", "A-1", MONDAY, {"a": 1}) is Outcome.CREATED
        assert lay_down(session, "request", "site", "A-1", MONDAY, {"a": 1}) is Outcome.UNCHANGED
        assert lay_down(session, "request", "site", "A-1", MONDAY, {"a": 2}) is Outcome.UPDATED
        assert lay_down(session, "contact", "site", "A-1", MONDAY, {"a": 1}) is Outcome.CREATED

    def test_what_was_handed_over_cannot_change_any_more(self, sessions: sessionmaker[Session], company: None) -> None:
        with db.transaction(sessions) as session:
            lay_requests(session, 1)
        replay.replay(sessions, START, END)
        with db.transaction(sessions) as session:
            assert lay_down(session, "request", "site", "A-0", MONDAY, request_body(0, MONDAY)) is Outcome.UNCHANGED
            with pytest.raises(Conflict):
                lay_down(session, "request", "site", "A-0", MONDAY, request_body(1, MONDAY))


@pytest.mark.postgres
def test_a_replay_runs_on_postgresql_too(postgres_url: str, settings: Settings) -> None:
    engine: Engine = db.make_engine(postgres_url)
    sessions = db.make_sessions(engine, settings)
    with db.transaction(sessions) as session:
        make_company(session)
        lay_requests(session, 5)

    totals = replay.replay(sessions, START, END)

    assert (totals.arrived, totals.assigned, totals.escalated) == (5, 5, 5)
    engine.dispose()
