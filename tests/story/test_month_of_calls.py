"""A month of calls in a small company, under the clock of a replay: one manager calls, the other lets them lie."""

import os
import signal
import sqlite3
from dataclasses import replace as changed
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.models import Callback, Client, OverdueAction, OverdueState, WorkKind
from rules_engine.services.queue import work
from rules_engine.services.requests import overdue_actions
from rules_engine.services.rules import occasions
from rules_engine.services.running import replay
from rules_engine.services.running.replay import lay_down
from rules_engine.services.running.setup import shipped_ruleset
from rules_engine.settings import Settings
from tests.factories import (
    Cast,
    assignment_rules,
    at,
    make_cast,
    make_client,
    make_mode,
    make_payment,
    make_version,
)

START = at("2026-10-01 00:00")
NINTH, TWELFTH, END = at("2026-10-09 12:00"), at("2026-10-12 10:00"), at("2026-11-01 00:00")
CALLED = at("2026-10-13 11:00")
DAY = timedelta(days=1)


def found_company(session: Session) -> Cast:
    cast = make_cast(session)
    make_mode(session, "callbacks", "live")
    make_version(session, "assignment", assignment_rules())
    make_version(session, "escalation", shipped_ruleset("escalation"))
    make_version(session, "callbacks", shipped_ruleset("callbacks"))
    occasions.install(session)
    return cast


def lapsing(session: Session, name: str, owner: Any, phone: str) -> Client:
    client = make_client(session, name, owner=owner, phone=phone, consent_on=date(2026, 1, 1), external_id=name)
    for days in (240, 180, 120):
        paid_at = START - days * DAY
        make_payment(session, client, paid_at, 1_500_000)
    work.ask(session, WorkKind.CLIENT, client.id, paid_at)
    return client


def told(session: Session, name: str, at_: datetime, **more: Any) -> None:
    """Lay a call of telephony down for the replay."""
    body = {
        "source": "pbx",
        "external_id": f"{name}@{at_.isoformat()}",
        "at": at_.isoformat(),
        "client": {"source": "1c", "external_id": name},
        "duration_seconds": 90,
        **more,
    }
    lay_down(session, "contact", "pbx", body["external_id"], at_, body)


def prepare(session: Session) -> None:
    """Three clients of Анна, whom she calls; fourteen of Борис, whom nobody calls until the hold."""
    cast = found_company(session)
    for n in range(3):
        lapsing(session, f"anna-{n}", cast.anna, f"+7999000000{n}")
    for n in range(14):
        lapsing(session, f"boris-{n:02}", cast.boris, f"+799900001{n:02}")
    told(session, "anna-0", at("2026-10-01 10:00"), outcome="order")
    told(session, "anna-1", at("2026-10-01 10:30"), outcome="thinks", asked_to_call_at="2026-10-28T15:00:00+03:00")
    told(session, "anna-2", at("2026-10-01 11:00"), outcome="not_reached", duration_seconds=0)
    told(session, "anna-2", at("2026-10-01 14:00"), outcome="refused", reason="expensive")
    told(session, "anna-1", at("2026-10-28 16:00"), outcome="order")
    paid = {
        "source": "bank",
        "external_id": "P-1",
        "client": {"source": "1c", "external_id": "boris-13"},
        "paid_at": "2026-10-02T12:00:00+03:00",
        "amount": "9000.00",
    }
    lay_down(session, "payment", "bank", "P-1", at("2026-10-02 12:00"), paid)
    for n in range(12):
        told(session, f"boris-{n:02}", CALLED + timedelta(minutes=n), outcome="answered")


def calls_of(session: Session, name: str) -> list[tuple[str, str, str | None]]:
    found = (
        select(Callback.occasion, Callback.state, Callback.outcome)
        .join(Client, Client.id == Callback.client_id)
        .where(Client.name == name)
        .order_by(Callback.id)
    )
    return [(row.occasion, row.state.value, row.outcome) for row in session.execute(found)]


def hold(session: Session) -> OverdueAction:
    return session.scalars(
        select(OverdueAction).where(OverdueAction.kind == "hold").order_by(OverdueAction.id.desc()).limit(1)
    ).one()


def decline(session: Session) -> None:
    overdue_actions.decline(session, hold(session), "galina", NINTH, reason="был на выставке")


def confirm(session: Session) -> None:
    overdue_actions.confirm(session, hold(session), "galina", TWELFTH)


def dump(path: Path) -> list[str]:
    """Return every row of a database but what the machine's clock wrote."""
    skipped = ("decision_details", "audit_entries", "app_settings", "replays", "sqlite_sequence")
    connection = sqlite3.connect(path)
    names = [row[0] for row in connection.execute("select name from sqlite_master where type = 'table' order by name")]
    rows = [
        f"{name}: {row}"
        for name in names
        if name not in skipped
        for row in connection.execute(f'select * from "{name}" order by 1')
    ]
    connection.close()
    return rows


@pytest.fixture
def company(sessions: sessionmaker[Session]) -> sessionmaker[Session]:
    with db.transaction(sessions) as session:
        prepare(session)
    return sessions


def test_a_month_of_calls(company: sessionmaker[Session], engine: Engine) -> None:
    first = replay.replay(company, START, NINTH)
    with db.transaction(company) as session:
        assert calls_of(session, "anna-0") == [("lapsing", "done", "order")]
        # The client named a day: it is planned, and nothing else until then.
        assert calls_of(session, "anna-1") == [("lapsing", "done", "thinks"), ("promise", "planned", None)]
        assert calls_of(session, "anna-2") == [("lapsing", "done", "refused")]
        # He bought on the second: his call has become pointless.
        assert calls_of(session, "boris-13") == [("lapsing", "cancelled", None)]
        proposed = hold(session)
        assert (proposed.state, proposed.proposed_at) == (OverdueState.PROPOSED, at("2026-10-09 09:00"))
        decline(session)
    assert first.callbacks == 3 + 14 + 1

    replay.replay(company, NINTH, TWELFTH)
    with db.transaction(company) as session:
        again = hold(session)
        assert (again.state, again.proposed_at) == (OverdueState.PROPOSED, at("2026-10-12 09:00"))
        confirm(session)
        assert again.ends_at == at("2026-10-13 18:00")
    replay.replay(company, TWELFTH, END)

    with company() as session:
        ended = hold(session)
        assert (ended.state, ended.end_reason) == (OverdueState.ENDED, "calls_made")
        assert ended.ended_at is not None
        assert CALLED <= ended.ended_at < CALLED + timedelta(minutes=12)
        received = session.scalars(select(Callback.manager_id).where(Callback.occasion == "promise")).all()
        assert len(received) == 1
        assert calls_of(session, "anna-1")[-1] == ("promise", "done", "order")
        borises = [calls_of(session, f"boris-{n:02}")[0][1:] for n in range(12)]
        assert borises == [("done", "answered")] * 12
        valid = session.scalars(select(Callback).where(Callback.is_valid)).all()
        # Анна 3 and her promise, Борис 12: a client counts once in 21 days.
        assert len(valid) == 3 + 1 + 12

    path = Path(str(engine.url.database))
    before = dump(path)
    for from_at, until_at in ((START, NINTH), (NINTH, TWELFTH), (TWELFTH, END)):
        totals = replay.replay(company, from_at, until_at)
        assert (totals.handled, totals.callbacks, totals.escalated, totals.arrived) == (0, 0, 0, 0)
    assert dump(path) == before


def test_killed_at_any_commit_it_ends_in_the_same_rows(
    sqlite_template: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "BATCH", 12)
    whole, killed = tmp_path / "whole.db", tmp_path / "killed.db"
    whole.write_bytes(sqlite_template.read_bytes())
    engine = db.make_engine(f"sqlite:///{whole}", relaxed=True)
    with db.transaction(db.make_sessions(engine, settings)) as session:
        prepare(session)
    with engine.connect() as connection:
        # The copy and the child open the file by itself.
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    engine.dispose()
    killed.write_bytes(whole.read_bytes())
    for point in ("replay.before_commit:2", "replay.after_commit:1", "replay.before_commit:1"):
        _die_at(killed, settings, point)
    for path in (whole, killed):
        engine = db.make_engine(f"sqlite:///{path}", relaxed=True)
        replay.replay(db.make_sessions(engine, settings), START, NINTH)
        engine.dispose()
    assert dump(killed) == dump(whole)


def _die_at(path: Path, settings: Settings, point: str) -> None:
    child = os.fork()
    if child == 0:
        engine = db.make_engine(f"sqlite:///{path}", relaxed=True)
        replay.replay(db.make_sessions(engine, changed(settings, crash_at=point)), START, NINTH)
        os._exit(0)
    _, ended = os.waitpid(child, 0)
    assert os.WTERMSIG(ended) == signal.SIGKILL
