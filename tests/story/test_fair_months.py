"""Five weeks of a department in which everything happens: leave, a joiner, a leaver, a hold, limits, spam, no answers.

Three quiet managers are equals who answer at once and whom nothing befalls. Whatever befalls the others, the three
receive the same, give or take one, at every moment; and the ledger of both months can be computed again, row by row.
"""

from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from random import Random

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.models import (
    LedgerEntry,
    Manager,
    OverdueAction,
    OverdueKind,
    OverdueState,
    Request,
    RequestStatus,
    WorkItem,
    WorkKind,
)
from rules_engine.services.company.reference import reference_changed
from rules_engine.services.records.incoming import ContactIn, Key
from rules_engine.services.requests import corrections, ledger, overdue_actions
from rules_engine.services.requests.contacts import record
from rules_engine.services.requests.ledger_check import recompute
from rules_engine.services.requests.status import change_status
from rules_engine.services.running import agenda
from tests.factories import (
    assignment_rules,
    at,
    condition,
    escalation_rules,
    make_absence,
    make_cast,
    make_manager,
    make_request,
    make_version,
    rule,
)

QUIET = ("anna", "boris", "vera")
FIRST = at("2026-10-12 09:00")
WORKING = {"all": [condition("candidate.is_working_now", "is", True), condition("candidate.open_requests", "lt", 25)]}
TAKEN = rule(
    "taken",
    {
        "all": [
            condition("request.working_minutes_without_answer", "ge", 60),
            condition("request.times_reassigned", "lt", 2),
        ]
    },
    {"action": "reassign", "to": {"pool": "everyone"}, "among": WORKING, "strategy": "fair_share"},
)


def test_quiet_equals_receive_the_same_whatever_befalls_the_others(sessions: sessionmaker[Session]) -> None:
    chance = Random(7)
    with db.transaction(sessions) as session:
        ids = _hire(session)
    with db.transaction(sessions) as session:
        for _ in range(64):
            day = FIRST + timedelta(days=chance.randrange(35), minutes=chance.randrange(60 * 12))
            amount = round(chance.lognormvariate(9.5, 1.2)) * 100
            make_request(session, received_at=day, amount_minor=amount if chance.random() < 0.9 else None)
    now = FIRST
    while now < FIRST + timedelta(days=36):
        assert agenda.run_due(sessions, now).failed == 0
        with db.transaction(sessions) as session:
            _answer(session, ids, now, chance)
            if now == at("2026-10-14 12:00"):
                _hold(session, ids["gleb"], now)
            if now == at("2026-10-16 17:00"):
                hold = session.scalars(select(OverdueAction)).one()
                overdue_actions.end(session, hold, now, reason="head", actor="galina")
        now = _next(sessions, now)

    with sessions() as session:
        entries = session.scalars(select(LedgerEntry).order_by(LedgerEntry.id)).all()
        logins = {manager_id: login for login, manager_id in ids.items()}
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for entry in entries:
            month = counts[entry.month]
            month[logins[entry.manager_id]] += entry.delta
            quiet = [month[login] for login in QUIET]
            assert max(quiet) - min(quiet) <= 1
        causes = Counter(entry.cause for entry in entries)
        assert set(counts) == {"2026-10", "2026-11"}
        # It was no quiet time.
        assert causes["transfer"] > 4
        assert causes["no_answer"] == causes["transfer"]
        assert causes["spam"] > 0
        assert {login for month in counts.values() for login in month} == set(ids)
        for month in counts:
            found = recompute(session, month)
            assert found.choices > 20
            assert found.differences == ()
            told = ledger.summary(session, month, now=now)
            assert sum(line.due for line in told.managers) == sum(line.count for line in told.managers)
        assert session.scalars(select(Request.id).where(Request.status == RequestStatus.NEW)).all() == []


def _hire(session: Session) -> dict[str, int]:
    cast = make_cast(session)
    others: dict[str, Manager] = {
        "gleb": make_manager(session, "gleb", "Глеб", team=cast.sales),
        "dina": make_manager(session, "dina", "Дина", team=cast.sales, daily_cap=2),
        "egor": make_manager(session, "egor", "Егор", team=cast.others, weight_milli=500, hired_on=date(2026, 10, 21)),
        "zoya": make_manager(session, "zoya", "Зоя", team=cast.others, left_on=date(2026, 11, 5)),
    }
    make_absence(session, others["zoya"], at("2026-10-19 00:00"), at("2026-10-24 00:00"))
    make_absence(session, others["dina"], at("2026-11-02 13:00"), at("2026-11-09 00:00"))
    make_version(session, "assignment", assignment_rules(among=WORKING))
    make_version(session, "escalation", escalation_rules(TAKEN))
    managers = {"anna": cast.anna, "boris": cast.boris, "vera": cast.vera, **others}
    return {login: one.id for login, one in managers.items()}


def _hold(session: Session, manager_id: int, now: datetime) -> None:
    session.add(
        OverdueAction(
            kind=OverdueKind.HOLD,
            state=OverdueState.CONFIRMED,
            manager_id=manager_id,
            rule="calls-first",
            ground={"ru": "", "en": ""},
            proposed_at=now,
            answered_at=now,
            ends_at=at("2026-10-16 18:00"),
        )
    )
    session.flush()
    reference_changed(session)


def _answer(session: Session, ids: dict[str, int], now: datetime, chance: Random) -> None:
    """The quiet ones answer at once; of the others each second time nobody does. Some of what they have is spam."""
    held = session.scalars(
        select(Request).where(Request.status == RequestStatus.ASSIGNED, Request.first_answer_at.is_(None))
    ).all()
    quiet = {ids[login] for login in QUIET}
    for request in held:
        is_quiet = request.manager_id in quiet
        if not is_quiet and (request.times_reassigned < 2 and request.id % 2):
            continue
        contact = ContactIn(
            source="telephony",
            external_id=f"{request.id}:{request.times_reassigned}",
            request=Key(source=request.source, external_id=request.external_id),
            at=now,
        )
        record(session, contact, now=now, actor="api:telephony")
        status = RequestStatus.SPAM if not is_quiet and chance.random() < 0.2 else RequestStatus.WON
        change_status(session, request, status, reason=None, at=now, actor="galina", now=now)
        if status is RequestStatus.SPAM:
            corrections.confirm(session, request, "spam", actor="galina", now=now)


def _next(sessions: sessionmaker[Session], now: datetime) -> datetime:
    """Return the next instant at which anything is due, or something happens in the story."""
    with sessions() as session:
        due = session.scalar(
            select(WorkItem.wake_at)
            .where(WorkItem.kind == WorkKind.REQUEST, WorkItem.wake_at > now)
            .order_by(WorkItem.wake_at)
            .limit(1)
        )
    told = [when for when in (at("2026-10-14 12:00"), at("2026-10-16 17:00")) if when > now]
    return min([FIRST + timedelta(days=36), *told, *([due] if due else [])])
