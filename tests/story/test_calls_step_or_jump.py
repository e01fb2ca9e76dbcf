"""Calls to clients: going from wake to wake does what looking every hour would have done.

Everything happens at whole hours: openings, closings, payments, contacts, what people do.
"""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.models import Callback, Client, Firing, OverdueAction, Task, WorkKind
from rules_engine.services.callbacks import callbacks
from rules_engine.services.queue import work
from rules_engine.services.records import settings_store
from rules_engine.services.records.incoming import ContactIn, Key
from rules_engine.services.requests import contacts, overdue_actions
from rules_engine.services.rules import occasions
from rules_engine.services.running import agenda
from rules_engine.services.running.setup import shipped_ruleset
from rules_engine.settings import Settings
from tests.factories import at, make_absence, make_cast, make_client, make_mode, make_payment, make_version
from tests.moving import Happening, jump

START, END = at("2026-10-05 08:00"), at("2026-10-16 12:00")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BOUGHT = ((240, 180, 120), (170, 110, 53), (400, 380, 360), (3,), (200, 140, 80), (95, 65, 35), (300, 200, 104))
"""Days before START on which each client paid."""


def prepare(session: Session) -> None:
    cast = make_cast(session)
    make_mode(session, "callbacks", "live")
    make_version(session, "escalation", shipped_ruleset("escalation"))
    make_version(session, "callbacks", shipped_ruleset("callbacks"))
    occasions.install(session)
    settings_store.change(session, settings_store.CALLS_PER_DAY, 3, actor="denis")
    make_absence(session, cast.vera, at("2026-10-07 00:00"), at("2026-10-09 00:00"))
    for number, days in enumerate(BOUGHT * 3):
        client = make_client(
            session,
            f"client-{number}",
            external_id=str(number),
            owner=(cast.anna, cast.boris, cast.vera, None)[number % 4],
            phone=f"+7999000{number // 2:04}",
            consent_on=None if number % 5 == 0 else date(2026, 1, 1),
            contract_ends_on=date(2026, 11, 10) if number % 3 == 0 else None,
        )
        for ago in days:
            make_payment(session, client, START - ago * DAY, 4_000_000 + number * 100)
        work.ask(session, WorkKind.CLIENT, client.id, START)


def happenings() -> dict[datetime, Happening]:
    def tell(number: int, **more: Any) -> Happening:
        def act(session: Session, now: datetime) -> None:
            data = ContactIn(
                source="pbx",
                external_id=f"{number}@{now.isoformat()}",
                at=now,
                client=Key(source="1c", external_id=str(number)),
                **more,
            )
            contacts.record(session, data, now=now, actor="api:pbx")

        return act

    def pay(number: int) -> Happening:
        def act(session: Session, now: datetime) -> None:
            client = session.scalars(select(Client).where(Client.external_id == str(number))).one()
            make_payment(session, client, now, 900_000)
            callbacks.wake_client(session, client.id, now, now=now)

        return act

    def put_off(session: Session, now: datetime) -> None:
        first = session.scalars(select(Callback).where(Callback.state == "open").order_by(Callback.id).limit(1)).first()
        if first is not None:
            callbacks.postpone(session, first, until=now + 2 * DAY, reason="занят", actor="anna", now=now)

    def confirm(session: Session, now: datetime) -> None:
        for action in overdue_actions.open_proposals(session):
            overdue_actions.confirm(session, action, "galina", now)

    return {
        at("2026-10-05 11:00"): tell(0, outcome="not_reached"),
        at("2026-10-06 10:00"): tell(2, outcome="thinks", asked_to_call_at=at("2026-10-09 15:00")),
        at("2026-10-06 15:00"): pay(4),
        at("2026-10-07 16:00"): put_off,
        at("2026-10-08 12:00"): tell(9, outcome="refused", reason="rival", duration_seconds=40),
        at("2026-10-13 11:00"): pay(8),
        at("2026-10-14 11:00"): confirm,
        at("2026-10-15 10:00"): tell(6, outcome="order"),
    }


def hourly(sessions: sessionmaker[Session]) -> None:
    now, waiting = START, happenings()
    while now < END:
        happening = waiting.get(now)
        if happening is not None:
            with db.transaction(sessions) as session:
                happening(session, now)
        agenda.run_due(sessions, now)
        now += HOUR


def what_came_of_it(sessions: sessionmaker[Session]) -> list[tuple[Any, ...]]:
    """Return what was planned, handed out, finished, told and proposed; without keys of decisions."""
    with sessions() as session:
        found: list[tuple[Any, ...]] = []
        names = "client_id occasion cause also manager_id state call_from due_at opened_at done_at outcome attempts"
        for call in session.scalars(select(Callback).order_by(Callback.id)):
            found.append(("call", *(getattr(call, name) for name in names.split())))
        firings = select(Firing.item_kind, Firing.item_id, Firing.rule, Firing.at, Firing.occurrence)
        found += sorted(("firing", *row) for row in session.execute(firings))
        found += [
            ("action", row.kind, row.state, row.manager_id, row.proposed_at, row.ended_at)
            for row in session.scalars(select(OverdueAction).order_by(OverdueAction.id))
        ]
        found += sorted(
            ("task", row.callback_id, row.state, str(row.created_at), str(row.due_at))
            for row in session.scalars(select(Task))
        )
        found += [("client", row.id, row.segment, row.owner_id) for row in session.scalars(select(Client))]
        return found


def test_jumping_does_what_looking_every_hour_does(sqlite_template: Path, tmp_path: Path, settings: Settings) -> None:
    seen = []
    for name in ("jump", "hourly"):
        path = tmp_path / f"{name}.db"
        path.write_bytes(sqlite_template.read_bytes())
        engine = db.make_engine(f"sqlite:///{path}", relaxed=True)
        sessions = db.make_sessions(engine, settings)
        with db.transaction(sessions) as session:
            prepare(session)
        if name == "jump":
            visited = jump(sessions, START, END, happenings())
            assert len(visited) < 60
        else:
            hourly(sessions)
        seen.append(what_came_of_it(sessions))
        engine.dispose()
    assert len([row for row in seen[0] if row[0] == "firing" and row[1] == "callback"]) > 5
    assert seen[0] == seen[1]
