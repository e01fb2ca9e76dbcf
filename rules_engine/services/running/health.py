"""Whether an installation is well, from its rows: each check with its figures, and whether it needs a person."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Select, cast, func, or_, select
from sqlalchemy.orm import Session

from rules_engine import clock
from rules_engine.db import is_sqlite
from rules_engine.models import (
    Assignment,
    AuditEntry,
    Incident,
    LedgerBalance,
    LedgerEntry,
    OutboxMessage,
    OutboxState,
    Replay,
    Request,
    WorkItem,
    from_micros,
)
from rules_engine.services.running import heartbeats

OVERDUE = timedelta(minutes=5)
"""Due for so long, work is not late but stuck."""
SKEW = timedelta(seconds=5)
"""As long as a lease: by so much the clock of the database may differ from this machine's."""
ENGINE_KINDS = ("engine_difference", "engine_failure", "engine_refused")


@dataclass(frozen=True, slots=True)
class Check:
    """One question about an installation; `ok` False: somebody must look."""

    name: str
    ok: bool
    ru: str
    en: str

    def detail(self, locale: str) -> str:
        return self.ru if locale == "ru" else self.en


def checks(session: Session, now: datetime) -> list[Check]:
    """Return every check that the rows can answer; `now` is of the machine's clock."""
    return [
        _parts(session, now),
        _replay(session),
        _work(session, now),
        _quarantined(session),
        _outbox(session, now),
        _engines(session),
        _incidents(session),
        _clock(session),
        _ledger(session),
        _audit(session, now),
    ]


def ledger_drift(session: Session) -> list[str]:
    """Return what does not add up, one line each: months of managers whose balance is not the sum of their entries,
    and open assignments that their request or the ledger does not know. Empty: all is well.
    """
    sums = (
        select(
            LedgerEntry.month,
            LedgerEntry.manager_id,
            func.sum(LedgerEntry.delta).label("number"),
            func.sum(LedgerEntry.value_minor).label("value"),
        )
        .group_by(LedgerEntry.month, LedgerEntry.manager_id)
        .subquery()
    )
    by_key = {
        (row.month, row.manager_id): (int(row.number), int(row.value)) for row in session.execute(select(sums)).all()
    }
    kept = {(row.month, row.manager_id): (row.count, row.value_minor) for row in session.scalars(select(LedgerBalance))}
    lines = [
        f"{month} manager {manager_id}: entries {by_key.get((month, manager_id))}, "
        f"balance {kept.get((month, manager_id))}"
        for month, manager_id in sorted(by_key.keys() | kept.keys())
        if by_key.get((month, manager_id), (0, 0)) != kept.get((month, manager_id), (0, 0))
    ]
    strangers = session.execute(
        select(Assignment.id, Assignment.request_id)
        .join(Request, Request.id == Assignment.request_id)
        .where(
            Assignment.ended_at.is_(None),
            or_(Request.manager_id.is_(None), Request.manager_id != Assignment.manager_id),
        )
    ).all()
    lines += [f"request {request_id}: holder is not that of assignment {number}" for number, request_id in strangers]
    unknown = session.scalars(
        select(Assignment.id)
        .where(~select(LedgerEntry.id).where(LedgerEntry.assignment_id == Assignment.id).exists())
        .order_by(Assignment.id)
    ).all()
    lines += [f"assignment {number}: not in the ledger" for number in unknown]
    return lines


def _parts(session: Session, now: datetime) -> Check:
    clocks = len(heartbeats.living(session, heartbeats.CLOCK, now))
    workers = len(heartbeats.living(session, heartbeats.WORKER, now))
    return Check(
        "workers",
        clocks > 0 and workers > 0,
        f"работают: часы {clocks}, исполнители {workers}" + ("" if clocks and workers else "; запустите «pravila run»"),
        f"alive: clocks {clocks}, workers {workers}" + ("" if clocks and workers else "; start “pravila run”"),
    )


def _replay(session: Session) -> Check:
    replay = session.scalars(select(Replay).where(Replay.finished_at.is_(None)).limit(1)).first()
    if replay is None:
        return Check("replay", True, "не идёт", "none")
    reached = replay.clock_at.isoformat()
    return Check("replay", False, f"не окончен, дошёл до {reached}", f"unfinished, has come to {reached}")


def _work(session: Session, now: datetime) -> Check:
    stuck = _count(
        session, select(WorkItem.id).where(WorkItem.wake_at <= now - OVERDUE, WorkItem.quarantined_at.is_(None))
    )
    return Check("work", stuck == 0, f"ждут дольше 5 минут: {stuck}", f"waiting for more than 5 minutes: {stuck}")


def _quarantined(session: Session) -> Check:
    number = _count(session, select(WorkItem.id).where(WorkItem.quarantined_at.is_not(None)))
    return Check("quarantined", number == 0, f"отложено после ошибок: {number}", f"set aside after errors: {number}")


def _outbox(session: Session, now: datetime) -> Check:
    dead = _count(session, select(OutboxMessage.id).where(OutboxMessage.state == OutboxState.DEAD))
    late = _count(
        session,
        select(OutboxMessage.id).where(
            OutboxMessage.state == OutboxState.PENDING, OutboxMessage.not_before <= now - OVERDUE
        ),
    )
    return Check(
        "outbox",
        dead == 0 and late == 0,
        f"не доставлено: {dead}, ждут дольше 5 минут: {late}",
        f"given up: {dead}, waiting for more than 5 minutes: {late}",
    )


def _engines(session: Session) -> Check:
    number = _count(session, select(Incident.id).where(Incident.resolved_at.is_(None), Incident.kind.in_(ENGINE_KINDS)))
    return Check(
        "engines",
        number == 0,
        f"расхождений вычислителей, не разобрано: {number}",
        f"differences of the engines, not looked at: {number}",
    )


def _incidents(session: Session) -> Check:
    rows = session.execute(
        select(Incident.kind, func.count())
        .where(Incident.resolved_at.is_(None), Incident.kind.not_in(ENGINE_KINDS))
        .group_by(Incident.kind)
    ).all()
    kinds = ", ".join(f"{kind} {number}" for kind, number in sorted((str(k), int(n)) for k, n in rows)) or "0"
    return Check("incidents", not rows, f"открытых происшествий: {kinds}", f"open incidents: {kinds}")


def _clock(session: Session) -> Check:
    if is_sqlite(session):
        return Check("clock", True, "база данных на этой же машине", "the database is on this machine")
    # All workers share the clock of the database for leases, and take their own for business time.
    micros = session.scalar(select(cast(func.extract("epoch", func.clock_timestamp()) * 1_000_000, BigInteger)))
    skew = abs(from_micros(int(micros or 0)) - clock.now())
    seconds = f"{skew.total_seconds():.1f}"
    return Check(
        "clock",
        skew <= SKEW,
        f"часы базы данных и машины расходятся на {seconds} с",
        f"the clocks of the database and this machine differ by {seconds} s",
    )


def _ledger(session: Session) -> Check:
    drift = ledger_drift(session)
    more = "; ".join(drift[:3])
    return Check(
        "ledger",
        not drift,
        f"расхождений: {len(drift)}" + (f" ({more})" if drift else ""),
        f"differences: {len(drift)}" + (f" ({more})" if drift else ""),
    )


def _audit(session: Session, now: datetime) -> Check:
    tail = _count(session, select(AuditEntry.id).where(AuditEntry.position.is_(None), AuditEntry.at <= now - OVERDUE))
    return Check(
        "audit", tail == 0, f"не скреплено дольше 5 минут: {tail}", f"unsealed for more than 5 minutes: {tail}"
    )


def _count(session: Session, query: Select[Any]) -> int:
    return session.scalar(select(func.count()).select_from(query.subquery())) or 0
