"""Rows for tests, and one cast of people: Анна and Борис in one team, Вера outside it.

Each function adds a row, flushes and returns it; whatever a test does not care about has a default. Nothing
commits. Wall-clock times of tests are of Moscow.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import event, select
from sqlalchemy.orm import Session

from rules_engine.models import (
    BEGINNING_OF_TIME,
    Absence,
    Calendar,
    CalendarException,
    Client,
    ClientGroup,
    Contact,
    ContactPoint,
    Manager,
    ModeChange,
    MoneyClass,
    Payment,
    PaymentKind,
    Proof,
    Request,
    RequestStatus,
    Role,
    RulesetVersion,
    Team,
    User,
    WorkItem,
    WorkKind,
)
from rules_engine.services.rules.rulebook import DECISIONS

MOSCOW = ZoneInfo("Europe/Moscow")
WEEKLY = {day: [["09:00", "13:00"], ["14:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
ROUND_THE_CLOCK = {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
PASSWORD = "three sober accountants"

Row = TypeVar("Row")
_numbers = count(1)


def at(text: str, zone: ZoneInfo = MOSCOW) -> datetime:
    """Return the instant of a local time such as `2026-10-05 11:20`, a Monday."""
    return datetime.fromisoformat(text).replace(tzinfo=zone)


MONDAY = at("2026-10-05 11:20")
"""An ordinary instant: working time, nothing special."""


@dataclass(frozen=True)
class Cast:
    """Анна and Борис work in sales, led by Галина; Вера works in the other team. Денис administers."""

    calendar: Calendar
    sales: Team
    others: Team
    anna: Manager
    boris: Manager
    vera: Manager
    galina: User
    denis: User


def make_cast(session: Session, *, live: bool = True) -> Cast:
    """Add the cast, the company's calendar and, unless `live` is False, the switch of all decisions to live."""
    with _at_once(session):
        calendar = make_calendar(session)
        galina = make_user(session, "galina", "Галина", role=Role.HEAD)
        denis = make_user(session, "denis", "Денис", role=Role.ADMINISTRATOR)
        sales = make_team(session, "sales", "Продажи", head=galina)
        others = make_team(session, "others", "Ключевые")
        cast = Cast(
            calendar=calendar,
            sales=sales,
            others=others,
            anna=make_manager(session, "anna", "Анна", team=sales),
            boris=make_manager(session, "boris", "Борис", team=sales),
            vera=make_manager(session, "vera", "Вера", team=others),
            galina=galina,
            denis=denis,
        )
        if live:
            for decision in DECISIONS:
                make_mode(session, decision, "live")
    return cast


def make_calendar(
    session: Session,
    code: str = "default",
    *,
    weekly: dict[str, Any] | None = None,
    zone: str = "Europe/Moscow",
    is_default: bool = True,
) -> Calendar:
    """Mon–Fri 09:00–18:00 with lunch 13:00–14:00 unless told otherwise."""
    weekly = weekly or WEEKLY
    return _added(
        session,
        Calendar(code=code, name=code, zone=zone, weekly=weekly, is_default=is_default, exceptions=[]),
    )


def make_exception(
    session: Session, calendar: Calendar, day: date, kind: str, windows: list[Any] | None = None
) -> CalendarException:
    """Add a date that differs from its weekday: `off`, `short`, `work`, `windows`."""
    return _added(session, CalendarException(calendar=calendar, day=day, kind=kind, windows=windows))


def make_team(
    session: Session, code: str, name: str | None = None, *, head: User | None = None, calendar: Calendar | None = None
) -> Team:
    return _added(session, Team(code=code, name=name or code, head=head, calendar=calendar))


def make_user(
    session: Session,
    login: str,
    name: str | None = None,
    *,
    role: Role = Role.MANAGER,
    locale: str = "ru",
    password_hash: str | None = None,
    is_active: bool = True,
) -> User:
    return _added(
        session,
        User(
            login=login,
            name=name or login,
            email=f"{login}@example.org",
            role=role,
            locale=locale,
            password_hash=password_hash,
            is_active=is_active,
            created_at=BEGINNING_OF_TIME,
        ),
    )


def make_manager(
    session: Session,
    login: str | None = None,
    name: str | None = None,
    *,
    team: Team | None = None,
    weight_milli: int = 1000,
    calendar: Calendar | None = None,
    skills: list[str] | None = None,
    hired_on: date | None = None,
    left_on: date | None = None,
    daily_cap: int | None = None,
    open_cap: int | None = None,
) -> Manager:
    """Add a sales manager with his user; without a calendar he has that of his team or of the company."""
    user = make_user(session, login or f"manager{next(_numbers)}", name)
    return _added(
        session,
        Manager(
            user=user,
            team=team,
            calendar=calendar,
            weight_milli=weight_milli,
            skills=skills or [],
            hired_on=hired_on,
            left_on=left_on,
            daily_cap=daily_cap,
            open_cap=open_cap,
        ),
    )


def make_absence(
    session: Session, manager: Manager, starts_at: datetime, ends_at: datetime, reason: str = "отпуск"
) -> Absence:
    return _added(session, Absence(manager=manager, starts_at=starts_at, ends_at=ends_at, reason=reason))


def make_client(
    session: Session,
    name: str = "Ромашка",
    *,
    owner: Manager | None = None,
    cover: Manager | None = None,
    phone: str | None = None,
    **more: Any,
) -> Client:
    number = next(_numbers)
    values: dict[str, Any] = {"source": "1c", "external_id": f"K-{number}", "tags": [], "created_at": MONDAY, **more}
    client = _added(session, Client(name=name, owner=owner, cover=cover, **values))
    if phone:
        _added(session, ContactPoint(client=client, kind="phone", value=phone, normalized=phone))
    return client


def make_request(
    session: Session,
    *,
    received_at: datetime = MONDAY,
    client: Client | None = None,
    amount_minor: int | None = 1_450_000,
    wake: bool = True,
    **more: Any,
) -> Request:
    """Add a new request as intake leaves it: nobody has it, and it wants to be looked at when it arrived."""
    number = next(_numbers)
    values: dict[str, Any] = {
        "source": "site",
        "external_id": f"A-{number}",
        "body_hash": f"{number:064d}",
        "status": RequestStatus.NEW,
        "status_at": received_at,
        "service": "hosting",
        "channel": "web",
        "expected_value_minor": amount_minor,
        **more,
    }
    values["status"] = RequestStatus(values["status"])
    request = _added(session, Request(received_at=received_at, client=client, amount_minor=amount_minor, **values))
    if wake:
        _added(session, WorkItem(kind=WorkKind.REQUEST, subject_id=request.id, wake_at=received_at))
    return request


def make_requests(
    session: Session, number: int, *, first_at: datetime = MONDAY, every_minutes: int = 1
) -> list[Request]:
    return [make_request(session, received_at=first_at + timedelta(minutes=n * every_minutes)) for n in range(number)]


def make_contact(
    session: Session,
    *,
    at: datetime = MONDAY,
    client: Client | None = None,
    request: Request | None = None,
    manager: Manager | None = None,
    **more: Any,
) -> Contact:
    """Add a confirmed outgoing call; nothing follows from it (see services.contacts for that)."""
    number = next(_numbers)
    values: dict[str, Any] = {
        "source": "telephony",
        "external_id": f"C-{number}",
        "kind": "call",
        "direction": "out",
        "proof": Proof.CONFIRMED,
        **more,
    }
    return _added(session, Contact(at=at, client=client, request=request, manager=manager, **values))


def make_mode(
    session: Session, decision: str, mode: str, *, team: Team | None = None, since: datetime = BEGINNING_OF_TIME
) -> ModeChange:
    return _added(session, ModeChange(decision=decision, team=team, mode=mode, at=since, actor="system"))


def make_version(
    session: Session, decision: str, body: dict[str, Any], *, holds_from: datetime = BEGINNING_OF_TIME
) -> RulesetVersion:
    """Publish a ruleset without any check, under the next number."""
    numbers = select(RulesetVersion.number).where(RulesetVersion.decision == decision)
    text = json.dumps(body, ensure_ascii=False, sort_keys=True)
    return _added(
        session,
        RulesetVersion(
            decision=decision,
            number=max(session.scalars(numbers), default=0) + 1,
            body=body,
            content_hash=hashlib.sha256(text.encode()).hexdigest(),
            holds_from=holds_from,
            published_at=holds_from,
            published_by="system",
        ),
    )


def assignment_rules(
    *rules: dict[str, Any],
    pool: str = "everyone",
    strategy: str = "fair_share",
    answer_within: int = 30,
    among: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return an assignment ruleset; what no rule takes goes to `pool` by `strategy`."""
    otherwise: dict[str, Any] = {
        "action": "assign",
        "to": {"pool": pool},
        "strategy": strategy,
        "answer_within": answer_within,
    }
    if among:
        otherwise["among"] = among
    return {
        "decision": "assignment",
        "title": {"ru": "Распределение заявок", "en": "Assignment of requests"},
        "hit_policy": "first",
        "rules": [_titled(rule) for rule in rules],
        "otherwise": [otherwise],
    }


def make_group(session: Session, code: str = "group") -> ClientGroup:
    return _added(session, ClientGroup(code=code, name=code))


def make_payment(
    session: Session,
    client: Client,
    paid_at: datetime,
    amount_minor: int = 100_000,
    *,
    service: str | None = None,
    reverses: Payment | None = None,
    manager: Manager | None = None,
    money_class: MoneyClass = MoneyClass.OLD,
    vat_minor: int | None = None,
) -> Payment:
    """Add a row as it is, without booking: no credits, no matching. Below zero it is a refund."""
    local = paid_at.astimezone(MOSCOW)
    number = next(_numbers)
    return _added(
        session,
        Payment(
            source="test",
            external_id=f"pay-{number}",
            body_hash=str(number),
            client_id=client.id,
            manager_id=manager.id if manager else None,
            kind=PaymentKind.REFUND if amount_minor < 0 else PaymentKind.PAYMENT,
            paid_at=paid_at,
            paid_on=local.date(),
            month=f"{local:%Y-%m}",
            amount_minor=amount_minor,
            vat_minor=vat_minor,
            service=service,
            money_class=money_class,
            reverses_id=reverses.id if reverses else None,
            booked_at=paid_at,
            problems=[],
        ),
    )


def escalation_rules(*rules: dict[str, Any]) -> dict[str, Any]:
    """Return an escalation ruleset of the given rules."""
    return {
        "decision": "escalation",
        "title": {"ru": "Сроки ответа", "en": "Escalation"},
        "hit_policy": "collect",
        "rules": [_titled(rule) for rule in rules],
    }


def rule(
    rule_id: str, when: dict[str, Any] | None = None, *then: dict[str, Any], enabled: bool = True
) -> dict[str, Any]:
    """Return a rule as it stands in a ruleset; one condition may come without its group."""
    document: dict[str, Any] = {"id": rule_id, "enabled": enabled, "then": list(then)}
    if when:
        document["when"] = {"all": [when]} if "field" in when else when
    return document


def condition(field: str, op: str, value: Any = None) -> dict[str, Any]:
    """Return `field op value`; without a value for `is_empty` and `is_filled`."""
    return {"field": field, "op": op} if value is None else {"field": field, "op": op, "value": value}


@contextmanager
def statements_of(session: Session) -> Iterator[list[str]]:
    """Collect the SQL statements that are sent meanwhile on the session's database, BEGIN and SAVEPOINT left out."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith(("BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK", "PRAGMA")):
            sent.append(statement)

    engine = session.get_bind()
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)


def _titled(document: dict[str, Any]) -> dict[str, Any]:
    return {"title": {"ru": document["id"], "en": document["id"]}, "note": "", **document}


@contextmanager
def _at_once(session: Session) -> Iterator[None]:
    """Flush the rows that are added meanwhile together, in the order in which they were added."""
    session.info["at once"] = True
    try:
        with session.no_autoflush:
            yield
    finally:
        del session.info["at once"]
    session.flush()


def _added(session: Session, row: Row) -> Row:
    session.add(row)
    if "at once" not in session.info:
        session.flush()
    return row
