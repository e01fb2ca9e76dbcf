"""What is no longer kept is deleted; what was decided stays."""

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from rules_engine.models import Decision, DecisionDetail, Heartbeat, IdempotencyKey, LoginBackoff, Replay
from rules_engine.services.running import heartbeats, upkeep
from tests.factories import MONDAY

LONG_AGO = MONDAY - timedelta(days=401)


def keep_decision(session: Session, created_at: datetime) -> None:
    decision = Decision(
        decision="assignment", subject_kind="request", subject_id=1, at=created_at, engine="native", mode="live",
        fired=[], effects=[],
    )  # fmt: skip
    session.add(decision)
    session.flush()
    session.add(DecisionDetail(decision_id=decision.id, payload=b"facts", created_at=created_at))
    session.flush()


def count(session: Session, kind: type) -> int | None:
    return session.scalar(select(func.count()).select_from(kind))


def test_details_older_than_the_setting_go_and_their_decisions_stay(any_session: Session) -> None:
    keep_decision(any_session, LONG_AGO)
    keep_decision(any_session, MONDAY - timedelta(days=399))
    assert upkeep.prune(any_session, MONDAY) == 1
    assert (count(any_session, Decision), count(any_session, DecisionDetail)) == (2, 1)


def test_nothing_of_a_decision_is_deleted_while_a_replay_runs(session: Session) -> None:
    keep_decision(session, LONG_AGO)
    session.add(Replay(from_at=LONG_AGO, until_at=MONDAY, clock_at=LONG_AGO, totals={}))
    session.flush()
    assert upkeep.prune(session, MONDAY) == 0
    assert count(session, DecisionDetail) == 1


def test_traces_of_the_machine_go_after_days(any_session: Session) -> None:
    week_ago = MONDAY - timedelta(days=8)
    for key, then in (("old", week_ago), ("new", MONDAY)):
        heartbeats.beat(any_session, f"worker:{key}:1", then, {})
        any_session.add(IdempotencyKey(key=key, body_hash="", status=200, answer={}, created_at=then))
        any_session.add(LoginBackoff(key=key, failures=1, last_at=then))
    any_session.flush()
    assert upkeep.prune(any_session, MONDAY) == 3
    assert any_session.scalars(select(Heartbeat.name)).all() == ["worker:new:1"]
    assert any_session.scalars(select(IdempotencyKey.key)).all() == ["new"]
    assert any_session.scalars(select(LoginBackoff.key)).all() == ["new"]


def test_whoever_was_heard_of_within_a_minute_is_alive(any_session: Session) -> None:
    heartbeats.beat(any_session, "worker:host:1", MONDAY - timedelta(minutes=5), {"pid": 1})
    heartbeats.beat(any_session, "worker:host:2", MONDAY - timedelta(seconds=61), {"pid": 2})
    heartbeats.beat(any_session, "clock:host:3", MONDAY, {"pid": 3})
    assert heartbeats.living(any_session, heartbeats.WORKER, MONDAY) == []
    heartbeats.beat(any_session, "worker:host:1", MONDAY - timedelta(seconds=59), {"pid": 1})
    assert [row.name for row in heartbeats.living(any_session, heartbeats.WORKER, MONDAY)] == ["worker:host:1"]
