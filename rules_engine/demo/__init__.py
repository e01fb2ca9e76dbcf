"""The demo: an invented company whose history is lived through by the real services under a moving clock."""

import time as time_module
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import clock
from rules_engine.db import transaction
from rules_engine.demo import behaviour
from rules_engine.demo.company import PASSWORD, found_clients, found_company
from rules_engine.demo.requests import InventedRequest, invent
from rules_engine.errors import PolicyViolation
from rules_engine.models import Absence, AppSetting, Manager, User
from rules_engine.services import passwords, setup
from rules_engine.services.agenda import Totals
from rules_engine.services.replay import Progress, lay_down, replay
from rules_engine.settings import Settings

KEY = "demo"
"""The stored row that says that this database holds the invented company, and how it was asked for."""
CLIENTS_FOR_A_MANAGER = 40
ADMINISTRATOR = "admin"
PAUSE_SECONDS = 0.15


def fill(
    sessions: sessionmaker[Session],
    settings: Settings,
    *,
    managers: int = 24,
    months: int = 3,
    requests_per_month: int = 1000,
    seed: int = 1,
    now: datetime | None = None,
    progress: Progress | None = None,
) -> None:
    """Invent a company and live through its last `months` months until `now`; go on where an earlier call was stopped.

    A database that was filled before stays as it is, whatever the sizes. Raises PolicyViolation for one in use.
    """
    with transaction(sessions) as session:
        asked = session.get(AppSetting, KEY)
        if asked is None:
            asked = _found(session, settings, managers, months, requests_per_month, seed, now or clock.now())
        wanted = dict(asked.value)
    from_at, until_at = (datetime.fromisoformat(wanted[name]) for name in ("from", "until"))
    actors = behaviour.Actors(wanted["seed"])

    def breathe(at: datetime, totals: Totals) -> None:
        if progress is not None:
            progress(at, totals)
        # Whoever logs in meanwhile writes too, and SQLite asks for its lock only every tenth of a second.
        time_module.sleep(PAUSE_SECONDS)

    replay(sessions, from_at, until_at, progress=breathe, handlers={behaviour.KIND: actors.act})


def _found(
    session: Session, settings: Settings, managers: int, months: int, per_month: int, seed: int, now: datetime
) -> AppSetting:
    if session.scalar(select(User.id).limit(1)) is not None:
        raise PolicyViolation(
            ru="в этой базе уже работают люди: для показа задайте другой PRAVILA_HOME",
            en="this database is in use by people: give another PRAVILA_HOME for the demo",
        )
    until_at = now.replace(second=0, microsecond=0)
    from_at = _months_before(until_at.astimezone(settings.zone).date(), months, settings)
    password_hash = passwords.hash_password(PASSWORD)
    setup.initialise(session, now=from_at, live=True, admin_login=ADMINISTRATOR, admin_password_hash=password_hash)
    random = Random(f"{seed}:company")
    found_company(session, managers=managers, random=random, password_hash=password_hash, now=from_at)
    clients = found_clients(session, count=managers * CLIENTS_FOR_A_MANAGER, random=random, now=from_at)
    _absences(session, settings, random, from_at, until_at)
    count = 0
    for request in invent(
        from_=from_at, until=until_at, per_month=per_month, clients=len(clients), seed=seed, zone=settings.zone
    ):
        lay_down(session, "request", behaviour.SOURCE, request.external_id, request.received_at, document(request))
        behaviour.first_look(session, request.external_id, request.received_at + timedelta(seconds=30))
        count += 1
    asked = AppSetting(
        key=KEY,
        value={
            "from": from_at.isoformat(), "until": until_at.isoformat(), "seed": seed, "requests": count,
            "requests_per_month": per_month, "clients": len(clients),
        },
    )  # fmt: skip
    session.add(asked)
    session.flush()
    return asked


def _months_before(day: date, months: int, settings: Settings) -> datetime:
    """Return midnight of the same day `months` months earlier, in the business zone; the 28th at the latest."""
    month = day.year * 12 + day.month - 1 - months
    return datetime.combine(date(month // 12, month % 12 + 1, min(day.day, 28)), time(), settings.zone).astimezone(UTC)


def _absences(session: Session, settings: Settings, random: Random, from_at: datetime, until_at: datetime) -> None:
    """Let about every third manager have been on leave for one or two weeks."""
    days = (until_at - from_at).days
    for manager in session.scalars(select(Manager).order_by(Manager.id)):
        if days > 21 and random.random() < 0.35:
            first = from_at.astimezone(settings.zone).date() + timedelta(days=random.randrange(7, days - 14))
            start, end = (
                datetime.combine(first + timedelta(days=add), time(), settings.zone).astimezone(UTC)
                for add in (0, random.choice((7, 14)))
            )
            session.add(Absence(manager_id=manager.id, starts_at=start, ends_at=end, reason="отпуск"))


def document(request: InventedRequest) -> dict[str, Any]:
    """Return an invented request as the interface takes it."""
    if request.client is None:
        client: dict[str, Any] = {"name": request.name, "phone": request.phone}
    else:
        client = {"source": "1c", "external_id": f"K-{request.client + 1:05d}"}
    body = {
        "source": behaviour.SOURCE,
        "external_id": request.external_id,
        "received_at": request.received_at.isoformat(),
        "client": client,
        "service": request.service,
        "channel": request.channel,
        "region": request.region,
        "language": request.language,
        "text": request.text,
    }
    if request.amount is not None:
        body["amount"] = f"{request.amount:.2f}"
    return body
