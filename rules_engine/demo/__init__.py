"""The demo: an invented company. Its past is taken in as files, its last months the real services live through."""

import time as time_module
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import clock
from rules_engine.db import transaction
from rules_engine.demo import behaviour, past, plans
from rules_engine.demo.company import PASSWORD, found_company
from rules_engine.demo.payments import InventedPayment
from rules_engine.demo.requests import InventedRequest, invent
from rules_engine.errors import PolicyViolation
from rules_engine.importers.columns import Job
from rules_engine.importers.run import KINDS, import_file
from rules_engine.language.kinds import Words
from rules_engine.models import Absence, AppSetting, DutyShift, Manager, OutboxMessage, Replay, User
from rules_engine.services.bonus import periods
from rules_engine.services.company import passwords
from rules_engine.services.drafts import editing
from rules_engine.services.rules import modes
from rules_engine.services.running import setup
from rules_engine.services.running.agenda import Totals
from rules_engine.services.running.replay import lay_down, replay
from rules_engine.settings import Settings

KEY = "demo"
"""The stored row that says that this database holds the invented company, and how it was asked for."""
ADMINISTRATOR = "admin"
PAUSE_SECONDS = 0.15
LIVED_MONTHS = 3
"""The last months are lived through under the rules; what was before is only known from files."""
CALLS_SINCE_DAYS = 21
"""So long ago the company began to call its old clients by the regulation."""
FOUNDERS_FOR_A_REQUEST = 2.9
"""Old clients at the beginning, for every request a month."""

Progress = Callable[[Words], None]
"""Is told what is being filled: a month, or a file."""


def fill(
    sessions: sessionmaker[Session],
    settings: Settings,
    *,
    managers: int = 24,
    months: int = 12,
    requests_per_month: int = 600,
    seed: int = 1,
    now: datetime | None = None,
    progress: Progress | None = None,
) -> None:
    """Invent a company with a past of `months` months until `now`; go on where an earlier call was stopped.

    A database that was filled before stays as it is, whatever the sizes. Raises PolicyViolation for one in use.
    """
    say = progress or (lambda _what: None)
    with transaction(sessions) as session:
        asked = session.get(AppSetting, KEY)
        if asked is None:
            asked = _found(session, settings, managers, months, requests_per_month, seed, now or clock.now())
        story = _Story(dict(asked.value), settings)
    say(Words("компания", "the company"))
    if not story.is_laid_down:
        _take_past(sessions, story, say)
    actors = behaviour.Actors(story.seed)

    def breathe(at: datetime, _totals: Totals) -> None:
        month = f"{at.astimezone(settings.zone):%Y-%m}"
        say(Words(month, month))
        # Whoever logs in meanwhile writes too, and SQLite asks for its lock only every tenth of a second.
        time_module.sleep(PAUSE_SECONDS)

    replay(sessions, story.from_at, story.until_at, progress=breathe, handlers={behaviour.KIND: actors.act})
    if not story.is_paid:
        say(Words("премии", "bonuses"))
        _pay(sessions, story)


class _Story:
    """What was asked for, as it is stored: a later call invents the same from it."""

    def __init__(self, value: Mapping[str, Any], settings: Settings) -> None:
        self.settings = settings
        self.began_at, self.from_at, self.until_at = (
            datetime.fromisoformat(value[name]) for name in ("began", "from", "until")
        )
        self.seed: int = value["seed"]
        self.per_month: int = value["requests_per_month"]
        self.founders: int = value["clients"]
        self.is_laid_down: bool = value["is_laid_down"]
        self.is_paid: bool = value["is_paid"]


def _found(
    session: Session, settings: Settings, managers: int, months: int, per_month: int, seed: int, now: datetime
) -> AppSetting:
    if session.scalar(select(User.id).limit(1)) is not None:
        raise PolicyViolation(
            ru="в этой базе уже работают люди: для показа задайте другой PRAVILA_HOME",
            en="this database is in use by people: give another PRAVILA_HOME for the demo",
        )
    until_at = now.replace(second=0, microsecond=0)
    today = until_at.astimezone(settings.zone).date()
    began_at = _months_before(today, months, settings)
    from_at = _months_before(today, min(months, LIVED_MONTHS), settings)
    password_hash = passwords.hash_password(PASSWORD)
    setup.initialise(
        session, now=began_at, live=True, admin_login=ADMINISTRATOR, admin_password_hash=password_hash,
        instead={"bonus": "bonus_today"},
    )  # fmt: skip
    random = Random(f"{seed}:company")
    found_company(session, managers=managers, random=random, password_hash=password_hash, now=began_at)
    _absences(session, settings, random, from_at, until_at)
    _duty(session, settings, from_at, until_at)
    # From here on the pages are for reading only, until the history is complete.
    session.add(Replay(from_at=from_at, until_at=until_at, clock_at=from_at, totals={}))
    asked = AppSetting(
        key=KEY,
        value={
            "began": began_at.isoformat(), "from": from_at.isoformat(), "until": until_at.isoformat(), "seed": seed,
            "requests_per_month": per_month, "clients": round(per_month * FOUNDERS_FOR_A_REQUEST),
            "is_laid_down": False, "is_paid": False,
        },
    )  # fmt: skip
    session.add(asked)
    session.flush()
    return asked


def _take_past(sessions: sessionmaker[Session], story: _Story, say: Progress) -> None:
    """Take in the files of the time before, then lay down what the rules will live through. May be repeated."""
    with transaction(sessions) as session:
        logins = [manager.login for manager in session.scalars(select(Manager).order_by(Manager.id))]
    invented = past.invent_past(
        from_=story.began_at, until=story.from_at, end=story.until_at, per_month=story.per_month,
        founders=story.founders, managers=logins, seed=story.seed, zone=story.settings.zone,
    )  # fmt: skip
    job = Job(past.SOURCE, story.settings.zone, story.from_at, "import", is_history=True)
    folder = story.settings.home / "demo"
    for kind, path in past.write_files(invented, folder).items():
        say(_FILES[kind])
        import_file(sessions, KINDS[kind], path, job)
    say(_FILES["plans"])
    with transaction(sessions) as session:
        planned = plans.invent_plans(session, story.began_at, story.until_at, story.settings.zone)
    if planned:
        import_file(sessions, KINDS["plans"], plans.write_file(planned, folder), job)
    with transaction(sessions) as session:
        _lay_down(session, story, invented.later)


_FILES = {
    "clients": Words("клиенты", "clients"),
    "requests": Words("прошлые заявки", "past requests"),
    "contacts": Words("прошлые звонки", "past calls"),
    "payments": Words("прошлые оплаты", "past payments"),
    "plans": Words("планы", "plans"),
}


def _lay_down(session: Session, story: _Story, later: list[InventedPayment]) -> None:
    """Lay down what comes from outside during the lived months, and the first step of everybody's days."""
    for request in invent(
        from_=story.from_at, until=story.until_at, per_month=story.per_month, clients=story.founders,
        seed=story.seed, zone=story.settings.zone,
    ):  # fmt: skip
        lay_down(session, "request", behaviour.SOURCE, request.external_id, request.received_at, document(request))
        behaviour.first_look(session, request.external_id, request.received_at + timedelta(seconds=30))
    for payment in later:
        body = payment.document(past.SOURCE, {"source": past.SOURCE, "external_id": payment.client or ""})
        lay_down(session, "payment", past.SOURCE, payment.external_id, payment.paid_at, body)
    calls_at = max(story.from_at, story.until_at - timedelta(days=CALLS_SINCE_DAYS))
    modes.set_mode(session, "callbacks", "off", actor="system", now=story.began_at)
    behaviour.switch_calls(session, "live", calls_at)
    for manager in session.scalars(select(Manager).order_by(Manager.id)):
        behaviour.first_calls(session, manager.login, calls_at)
    asked = session.get_one(AppSetting, KEY)
    asked.value = {**asked.value, "is_laid_down": True}


def _pay(sessions: sessionmaker[Session], story: _Story) -> None:
    """End the story: the months gone are paid, the last one is shown, the shipped scheme lies beside as a draft."""
    now, zone = story.until_at, story.settings.zone
    *gone, last, _running = plans.months_of(story.began_at, now, zone)[-12:]
    with transaction(sessions) as session:
        for month in (*gone, last):
            periods.compute(session, month, actor="svetlana", now=now)
            periods.present(session, month, actor="svetlana", now=now)
            if month != last:
                periods.approve(session, month, actor="viktor", now=now)
                periods.close(session, month, actor="viktor", now=now)
        editing.import_document(session, setup.shipped_ruleset("bonus"), actor="svetlana", now=now)
        # In their own time people read their messages: only those of the last day are new.
        session.execute(
            update(OutboxMessage)
            .where(OutboxMessage.created_at < now - timedelta(days=1))
            .values(read_at=OutboxMessage.created_at)
        )
        asked = session.get_one(AppSetting, KEY)
        asked.value = {**asked.value, "is_paid": True}


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


def _duty(session: Session, settings: Settings, from_at: datetime, until_at: datetime) -> None:
    """Let one after another of those who have the company's hours be on duty on Saturdays, four weeks ahead too."""
    by_turns = session.scalars(select(Manager.id).where(Manager.calendar_id.is_(None)).order_by(Manager.id)).all()
    first, last = (at.astimezone(settings.zone).date() for at in (from_at, until_at))
    saturday = first + timedelta(days=(5 - first.weekday()) % 7)
    turn = 0
    while by_turns and saturday <= last + timedelta(weeks=4):
        start, end = (datetime.combine(saturday, time(hour), settings.zone).astimezone(UTC) for hour in (10, 16))
        session.add(DutyShift(manager_id=by_turns[turn % len(by_turns)], starts_at=start, ends_at=end, note="суббота"))
        saturday, turn = saturday + timedelta(weeks=1), turn + 1


def document(request: InventedRequest) -> dict[str, Any]:
    """Return an invented request as the interface takes it."""
    if request.client is None:
        client: dict[str, Any] = {"name": request.name, "phone": request.phone}
    else:
        client = {"source": past.SOURCE, "external_id": past.founder_id(request.client)}
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
