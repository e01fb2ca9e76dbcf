"""Whether an installation may be worked on: refusals with the words that a person needs."""

import time

from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from rules_engine import clock, migrations
from rules_engine.errors import PolicyViolation
from rules_engine.services.running import agenda
from rules_engine.settings import Settings
from workers import redis_server


def check_database(engine: Engine) -> None:
    """Refuse a database that cannot be reached, was never made, or is of another version than this program.

    Raises PolicyViolation.
    """
    try:
        found = migrations.current_revision(engine)
    except OperationalError as problem:
        raise PolicyViolation(
            ru=f"база данных недоступна: {problem.orig}", en=f"the database cannot be reached: {problem.orig}"
        ) from problem
    if found != migrations.head_revision():
        raise PolicyViolation(
            ru="база данных не подготовлена: выполните «pravila init»",
            en="the database is not ready: run “pravila init”",
        )


def check_no_replay(engine: Engine) -> None:
    """Refuse to work in the present while a replay has not come to its end. Raises ReplayRunning."""
    with Session(engine.execution_options(pravila_read_only=True)) as session:
        if agenda.unfinished_replay(session) is not None:
            raise agenda.ReplayRunning


def wait_for_redis(settings: Settings, seconds: float = 10) -> None:
    """Return when Redis answers. Raises PolicyViolation when it does not within `seconds`."""
    deadline = clock.monotonic() + seconds
    while not redis_server.is_answering(settings):
        if clock.monotonic() > deadline:
            place = redis_server.place(settings)
            raise PolicyViolation(
                ru=f"Redis не отвечает ({place}): запустите «pravila run» или задайте PRAVILA_REDIS_URL",
                en=f"Redis does not answer ({place}): start “pravila run” or set PRAVILA_REDIS_URL",
            )
        time.sleep(0.05)
