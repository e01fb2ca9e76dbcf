"""The hourly job: besides deleting, it reckons the usual intervals of clients anew, once a day."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import clock, db
from rules_engine.models import AppSetting, Replay
from tests.factories import MONDAY, make_client, make_payment
from workers import jobs


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, sqlite_url: str) -> None:
    monkeypatch.setenv("PRAVILA_DATABASE_URL", sqlite_url)


def norms(sessions: sessionmaker[Session]) -> AppSetting | None:
    with sessions() as session:
        return session.scalars(select(AppSetting).where(AppSetting.key == "usual_intervals")).one_or_none()


@pytest.mark.usefixtures("here")
def test_intervals_are_reckoned_once_a_day_and_not_during_a_replay(sessions: sessionmaker[Session]) -> None:
    with db.transaction(sessions) as session:
        running = Replay(from_at=MONDAY, until_at=MONDAY, clock_at=MONDAY, totals={})
        session.add(running)
    jobs.tidy()
    assert norms(sessions) is None

    with db.transaction(sessions) as session:
        session.get_one(Replay, running.id).finished_at = clock.now()
        for number in range(5):
            client = make_client(session)
            for month in (1, 2, 3):
                make_payment(session, client, MONDAY.replace(year=2020, month=month, day=number + 1))
    jobs.tidy()
    reckoned = norms(sessions)
    assert reckoned is not None
    assert '"of_all": 30' in reckoned.value["value"]

    with db.transaction(sessions) as session:
        kept = session.get_one(AppSetting, "usual_intervals")
        kept.value = {"value": reckoned.value["value"].replace("30", "31")}
    jobs.tidy()
    again = norms(sessions)
    assert again is not None
    assert '"of_all": 31' in again.value["value"]
