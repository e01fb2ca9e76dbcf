"""The clock process, turned by hand."""

import subprocess
from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from rules_engine import db
from rules_engine.models import Heartbeat, WorkItem, WorkKind
from rules_engine.settings import Settings
from tests.factories import MONDAY
from tests.workers.waiting import end
from workers.queues import open_queue
from workers.schedule import WAKE_KEY, Clock


@pytest.fixture
def ticking(settings: Settings, any_engine: Engine, redis_client: redis.Redis) -> Clock:
    return Clock(settings, any_engine, redis_client)


def ask(engine: Engine, settings: Settings, wake_at: object, **more: object) -> None:
    with db.transaction(db.make_sessions(engine, settings)) as session:
        session.add(WorkItem(kind=WorkKind.REQUEST, subject_id=1, wake_at=wake_at, **more))


def waiting(client: redis.Redis) -> list[str]:
    return sorted(job_id.partition("-")[0] for job_id in open_queue(client).get_job_ids())


def test_the_first_tick_asks_for_the_upkeep_and_for_nothing_that_is_not_due(
    ticking: Clock, redis_client: redis.Redis, any_engine: Engine, settings: Settings
) -> None:
    ask(any_engine, settings, MONDAY + timedelta(seconds=1))
    ticking.tick(MONDAY)
    assert waiting(redis_client) == ["seal_audit", "tidy"]


def test_what_is_due_wakes_a_worker_once(
    ticking: Clock, redis_client: redis.Redis, any_engine: Engine, settings: Settings
) -> None:
    ask(any_engine, settings, MONDAY)
    for _ in range(3):
        ticking.ring()
        ticking.tick(MONDAY)
    assert waiting(redis_client) == ["run_due", "seal_audit", "tidy"]


def test_a_quarantined_item_wakes_nobody(
    ticking: Clock, redis_client: redis.Redis, any_engine: Engine, settings: Settings
) -> None:
    ask(any_engine, settings, MONDAY, quarantined_at=MONDAY)
    ticking.tick(MONDAY)
    assert "run_due" not in waiting(redis_client)


def test_between_two_looks_only_the_bell_makes_it_look(
    ticking: Clock, redis_client: redis.Redis, any_engine: Engine, settings: Settings
) -> None:
    ticking.tick(MONDAY)
    ask(any_engine, settings, MONDAY)
    ticking.tick(MONDAY)
    assert "run_due" not in waiting(redis_client)
    redis_client.lpush(WAKE_KEY, *[b"1"] * 50)
    ticking.listen()
    ticking.tick(MONDAY)
    assert "run_due" in waiting(redis_client)
    assert redis_client.llen(WAKE_KEY) == 0


def test_it_leaves_a_sign_of_life(ticking: Clock, any_engine: Engine) -> None:
    ticking.tick(MONDAY)
    with Session(any_engine) as session:
        [name] = session.scalars(select(Heartbeat.name))
    assert name.startswith("clock:")


@pytest.fixture
def without_redis(settings: Settings, engine: Engine, redis_process: subprocess.Popen[bytes]) -> Iterator[Clock]:
    client = redis.Redis.from_url(settings.effective_redis_url)
    end(redis_process)
    yield Clock(settings, engine, client)
    client.close()


def test_without_redis_it_does_the_work_itself(without_redis: Clock, engine: Engine, settings: Settings) -> None:
    ask(engine, settings, MONDAY)
    without_redis.listen()
    without_redis.tick(MONDAY)
    with Session(engine) as session:
        # There is no request 1: looked at, it has nothing to wait for.
        assert session.scalars(select(WorkItem.wake_at)).all() == [None]


def test_what_no_worker_comes_for_it_does_itself(
    ticking: Clock, redis_client: redis.Redis, any_engine: Engine, settings: Settings
) -> None:
    ask(any_engine, settings, MONDAY)
    for seconds in (0, 2, 4):
        ticking.ring()
        ticking.tick(MONDAY + timedelta(seconds=seconds))
    with Session(any_engine) as session:
        assert session.scalars(select(WorkItem.epoch)).one() == 0, "a worker may still come"
    ticking.ring()
    ticking.tick(MONDAY + timedelta(seconds=6))
    with Session(any_engine) as session:
        assert session.scalars(select(WorkItem.epoch)).one() == 1
    assert "run_due" in waiting(redis_client)


def test_a_database_that_fails_costs_a_look_and_not_the_clock(
    ticking: Clock, redis_client: redis.Redis, any_engine: Engine, settings: Settings
) -> None:
    ask(any_engine, settings, MONDAY)
    with any_engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE work_items RENAME TO away")
    ticking.tick(MONDAY)
    with any_engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO work_items")
    ticking.ring()
    ticking.tick(MONDAY)
    assert "run_due" in waiting(redis_client)
