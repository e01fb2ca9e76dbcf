"""`python -m rules_engine.demo live`: after the history, a new request every few seconds, and people who answer."""

import logging
import sys
import time
from datetime import datetime
from random import Random

from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import clock, db
from rules_engine.db import transaction
from rules_engine.demo import KEY, behaviour, document
from rules_engine.demo.requests import invent_one
from rules_engine.errors import PravilaError
from rules_engine.models import AppSetting, Arrival, Manager
from rules_engine.services.records.incoming import RequestIn
from rules_engine.services.requests import intake
from rules_engine.settings import Settings

log = logging.getLogger(__name__)

SECONDS_BETWEEN = 7.0
"""The mean time to the next request."""
STEPS_AT_ONCE = 50


def main() -> int:
    if sys.argv[1:] != ["live"]:
        print("usage: python -m rules_engine.demo live", file=sys.stderr)  # noqa: T201
        return 2
    settings = Settings.from_env()
    sessions = db.make_sessions(db.make_engine(settings.database_url), settings)
    with transaction(sessions) as session:
        asked = session.get_one(AppSetting, KEY).value
        # The first manager's requests are left to the person who tries the demo: what she leaves moves on.
        idle = session.scalars(select(Manager).order_by(Manager.id).limit(1)).one().login
    actors = behaviour.Actors(asked["seed"], frozenset({idle}), hurried=True)
    random = Random()
    next_request = clock.monotonic()
    while True:
        if clock.monotonic() >= next_request:
            next_request = clock.monotonic() + random.expovariate(1 / SECONDS_BETWEEN)
            with transaction(sessions) as session:
                hand_in(session, asked["clients"], random, clock.now())
        act_due(sessions, actors, clock.now())
        time.sleep(1)


def hand_in(session: Session, clients: int, random: Random, now: datetime) -> None:
    """Take in one more invented request, as if it had come by the interface."""
    request = invent_one(f"L-{now:%y%m%d%H%M%S%f}", now, clients, random)
    intake.receive(session, RequestIn.model_validate(document(request)), now=now, actor="demo")
    behaviour.first_look(session, request.external_id, now)


def act_due(sessions: sessionmaker[Session], actors: behaviour.Actors, now: datetime) -> int:
    """Let the invented people do what is due, a transaction each; return how many steps that were."""
    with sessions() as session:
        due = session.scalars(
            select(Arrival)
            .where(Arrival.handed_at.is_(None), Arrival.at <= now, Arrival.kind == behaviour.KIND)
            .order_by(Arrival.at, Arrival.id)
            .limit(STEPS_AT_ONCE)
        ).all()
    for arrival in due:
        with transaction(sessions) as session:
            # Marked first: a step that cannot be done is left out, and not tried for ever.
            session.execute(update(Arrival).where(Arrival.id == arrival.id).values(handed_at=now))
            try:
                with session.begin_nested():
                    actors.act(session, arrival.payload, now)
            except PravilaError as problem:
                log.warning("demo step refused", extra={"arrival_id": arrival.id}, exc_info=problem)
    return len(due)


if __name__ == "__main__":
    sys.exit(main())
