"""Requests whose clocks run out at once are done several to a transaction, with what each alone would have had."""

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, select, text, update
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.models import (
    Decision,
    DecisionDetail,
    Firing,
    FiringAction,
    LedgerEntry,
    OutboxMessage,
    Request,
    RequestEvent,
    WorkItem,
    WorkKind,
)
from rules_engine.services.running import agenda
from rules_engine.settings import Settings
from tests.factories import (
    MONDAY,
    assignment_rules,
    escalation_rules,
    make_cast,
    make_requests,
    make_version,
    rule,
)

MINUTE = timedelta(minutes=1)
LATE = MONDAY + 45 * MINUTE
NUMBER = 12


@pytest.fixture
def any_sessions(any_engine: Engine, settings: Settings) -> Iterator[sessionmaker[Session]]:
    yield db.make_sessions(any_engine, settings)


def lay_down(sessions: sessionmaker[Session]) -> None:
    """Let twelve requests of one hour be assigned that nobody answers; who carries too many of them loses some."""
    late = {"field": "request.answer_used_pct", "op": "ge", "value": "100"}
    vera = {"pool": "manager", "login": "vera"}
    crowded = {"field": "manager.unanswered_requests", "op": "ge", "value": 4}
    with db.transaction(sessions) as session:
        make_cast(session)
        make_version(session, "assignment", assignment_rules())
        make_version(
            session,
            "escalation",
            escalation_rules(
                rule("tell", {"all": [late]}, {"action": "remind"}, {"action": "mark_late"}),
                rule("crowded", {"all": [late, crowded]}, {"action": "reassign", "to": vera}),
            ),
        )
        make_requests(session, NUMBER)
    agenda.run_due(sessions, MONDAY + 14 * MINUTE)
    with db.transaction(sessions) as session:
        # All at once, as after a night: each would otherwise be looked at in its own minute.
        session.execute(update(WorkItem).where(WorkItem.kind == WorkKind.REQUEST).values(wake_at=LATE))


def left_behind(sessions: sessionmaker[Session]) -> dict[str, list[tuple[object, ...]]]:
    """Return all that the looks wrote, in the order of the keys where decisions follow each other."""
    asked = {
        "items": select(WorkItem.kind, WorkItem.subject_id, WorkItem.wake_at, WorkItem.attempts, WorkItem.lease_until),
        "holders": select(Request.id, Request.manager_id, Request.times_reassigned, Request.status),
        "decisions": select(Decision.subject_id, Decision.decision, Decision.fired, Decision.chosen_manager_id),
        "firings": select(Firing.item_id, Firing.rule, Firing.occurrence, Firing.at),
        "ledger": select(LedgerEntry.request_id, LedgerEntry.manager_id, LedgerEntry.delta, LedgerEntry.cause),
        "details": select(DecisionDetail.decision_id),
        "actions": select(FiringAction.action, FiringAction.state),
        "events": select(RequestEvent.request_id, RequestEvent.kind, RequestEvent.at),
        "messages": select(OutboxMessage.user_id, OutboxMessage.channel, OutboxMessage.subject, OutboxMessage.body),
    }
    with sessions() as session:
        found = {name: [tuple(row) for row in session.execute(query)] for name, query in asked.items()}
    for name in ("items", "holders", "details", "actions", "events", "messages"):
        found[name].sort(key=repr)
    return found


def commits_of(engine: Engine) -> list[object]:
    found: list[object] = []
    event.listen(engine, "commit", found.append)
    return found


def test_together_they_leave_what_each_alone_leaves(
    engine: Engine, sessions: sessionmaker[Session], settings: Settings, tmp_path: Path
) -> None:
    lay_down(sessions)
    copy = tmp_path / "copy.db"
    with closing(sqlite3.connect(str(engine.url.database))) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    other = db.make_engine(f"sqlite:///{copy}", relaxed=True)
    alone = db.make_sessions(other, settings)
    commits = commits_of(engine)

    together = agenda.run_due(sessions, LATE)
    while agenda.run_due(alone, LATE, limit=1).handled:
        pass

    assert together.handled == NUMBER
    assert len(commits) < NUMBER
    ours, theirs = left_behind(sessions), left_behind(alone)
    other.dispose()
    for name, found in ours.items():
        assert found == theirs[name], name
    moved = [times for _, _, times, _ in ours["holders"] if times]
    # Somebody was relieved, and whoever was not crowded any more after it kept his.
    assert 0 < len(moved) < NUMBER


def test_the_same_on_both_databases(any_sessions: sessionmaker[Session], any_engine: Engine) -> None:
    lay_down(any_sessions)
    commits = commits_of(any_engine)

    totals = agenda.run_due(any_sessions, LATE)

    assert (totals.handled, totals.failed, totals.quarantined) == (NUMBER, 0, 0)
    assert len(commits) < NUMBER
    found = left_behind(any_sessions)
    assert len([one for one in found["firings"] if one[1] == "tell"]) == NUMBER
    assert len(found["details"]) == len(found["decisions"])
    assert {one[2] for one in found["items"]} != {LATE}


def test_one_that_cannot_be_done_costs_the_others_nothing(any_sessions: sessionmaker[Session]) -> None:
    lay_down(any_sessions)
    with db.transaction(any_sessions) as session:
        session.execute(text("UPDATE requests SET status = 'nonsense' WHERE id = 5"))

    totals = agenda.run_due(any_sessions, LATE)

    assert (totals.handled, totals.failed) == (NUMBER, 1)
    with any_sessions() as session:
        told = session.scalars(select(Firing.item_id).where(Firing.rule == "tell")).all()
        broken = session.scalars(select(WorkItem).where(WorkItem.subject_id == 5, WorkItem.kind == "request")).one()
    assert sorted(told) == [number for number in range(1, NUMBER + 1) if number != 5]
    assert broken.attempts == 1
    assert broken.last_error


def test_one_that_kills_its_worker_takes_the_others_along_only_once(
    any_sessions: sessionmaker[Session], settings: Settings
) -> None:
    lay_down(any_sessions)
    url = any_sessions.kw["bind"].url.render_as_string(hide_password=False)
    child = os.fork()
    if child == 0:
        # The first goes alone and claims the others; it dies in their transaction, before its commit.
        dying = replace(settings, crash_at="work.before_commit:2")
        agenda.run_due(db.make_sessions(db.make_engine(url), dying), LATE)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    with db.transaction(any_sessions) as session:
        told = session.scalars(select(Firing.item_id).where(Firing.rule == "tell")).all()
        assert len(told) == 1
        session.execute(update(WorkItem).values(lease_until=None))
    commits = commits_of(any_sessions.kw["bind"])

    totals = agenda.run_due(any_sessions, LATE)

    assert (totals.handled, totals.failed) == (NUMBER - 1, 0)
    # Each alone this time.
    assert len(commits) >= NUMBER - 1
    with any_sessions() as session:
        assert len(session.scalars(select(Firing.id).where(Firing.rule == "tell")).all()) == NUMBER
