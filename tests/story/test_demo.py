"""The invented company: its past from files, its last months lived through, its bonuses paid, and nothing twice."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from rules_engine import db, demo
from rules_engine.errors import PolicyViolation
from rules_engine.models import (
    Arrival,
    Base,
    BonusPeriod,
    Callback,
    Client,
    Incident,
    LedgerEntry,
    MoneyClass,
    Payment,
    PaymentCredit,
    PeriodState,
    Request,
    RequestStatus,
    RulesetDraft,
)
from rules_engine.settings import Settings
from tests.factories import make_cast

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def fill(engine: Engine, settings: Settings) -> list[str]:
    told: list[str] = []
    demo.fill(
        db.make_sessions(engine, settings),
        settings,
        managers=3,
        months=5,
        requests_per_month=12,
        now=NOW,
        progress=lambda what: told.append(what.en),
    )
    return told


def counts(session: Session) -> dict[str, int]:
    tables = Base.metadata.tables.values()
    return {table.name: session.scalar(select(func.count()).select_from(table)) for table in tables}


def test_a_year_is_told_once(engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "PAUSE_SECONDS", 0)
    told = fill(engine, settings)

    assert [told[0], told[1], told[2], told[-1]] == ["the company", "clients", "past requests", "bonuses"]
    with db.make_sessions(engine, settings)() as session:
        before = counts(session)
        assert session.scalars(select(Arrival.id).where(Arrival.handed_at.is_(None), Arrival.at < NOW)).all() == []
        assert [(one.kind, one.message) for one in session.scalars(select(Incident))] == []
        classes = session.scalars(select(PaymentCredit.money_class).distinct()).all()
        assert set(classes) == set(MoneyClass)
        assert session.scalar(select(func.count()).where(Request.is_history)) > 15
        lived = select(Request.status).where(Request.is_history.is_(False))
        assert RequestStatus.WON in session.scalars(lived).all()
        assert session.scalar(select(func.sum(LedgerEntry.delta))) > 15
        assert session.scalar(select(func.count(Callback.id))) > 0
        assert session.scalar(select(func.count()).where(Client.segment.is_not(None))) > 0
        paid = {one.month: one.state for one in session.scalars(select(BonusPeriod))}
        assert paid == {
            **dict.fromkeys(("2026-06", "2026-07", "2026-08", "2026-09"), PeriodState.CLOSED),
            "2026-10": PeriodState.PRESENTED,
        }
        assert session.scalars(select(RulesetDraft.decision)).all() == ["bonus"]
        parts = select(Payment.id).join(PaymentCredit).group_by(Payment.id, Payment.amount_minor)
        wrong = parts.having(func.sum(PaymentCredit.amount_minor) != Payment.amount_minor)
        assert session.scalars(wrong).all() == []

    assert fill(engine, settings)[0] == "the company"
    with db.make_sessions(engine, settings)() as session:
        assert counts(session) == before


def test_a_database_in_use_is_left_alone(engine: Engine, settings: Settings) -> None:
    with db.transaction(db.make_sessions(engine, settings)) as session:
        make_cast(session)
    with pytest.raises(PolicyViolation, match="in use by people"):
        fill(engine, settings)
