"""What `pravila doctor` reads from the rows."""

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from rules_engine.models import (
    Assignment,
    AssignmentCause,
    AuditEntry,
    Incident,
    LedgerBalance,
    LedgerEntry,
    OutboxMessage,
    OutboxState,
    Replay,
    RequestStatus,
    WorkItem,
    WorkKind,
)
from rules_engine.services.running import health, heartbeats
from tests.factories import MONDAY, make_cast, make_request

LONG_AGO = MONDAY - timedelta(minutes=6)


def bad(session: Session) -> dict[str, str]:
    """Return the details of the checks that need a person."""
    return {check.name: check.en for check in health.checks(session, MONDAY) if not check.ok}


@pytest.fixture
def well(any_session: Session) -> Session:
    """An installation with one assigned request, a clock and a worker."""
    cast = make_cast(any_session)
    request = make_request(
        any_session, manager_id=cast.anna.id, status=RequestStatus.ASSIGNED, assigned_at=MONDAY, wake=False
    )
    held = Assignment(request_id=request.id, manager_id=cast.anna.id, assigned_at=MONDAY, cause=AssignmentCause.RULE)
    any_session.add(held)
    any_session.flush()
    any_session.add_all(
        [
            LedgerEntry(
                at=MONDAY, month="2026-10", request_id=request.id, manager_id=cast.anna.id, assignment_id=held.id,
                delta=1, value_minor=1_450_000, cause="rule",
            ),
            LedgerBalance(month="2026-10", manager_id=cast.anna.id, count=1, value_minor=1_450_000),
        ]
    )  # fmt: skip
    heartbeats.beat(any_session, "clock:host:1", MONDAY, {})
    heartbeats.beat(any_session, "worker:host:2", MONDAY, {})
    any_session.flush()
    return any_session


def test_an_installation_that_is_well_needs_nobody(well: Session) -> None:
    assert bad(well) == {}


def test_without_a_worker_somebody_must_start_one(well: Session) -> None:
    heartbeats.beat(well, "worker:host:2", MONDAY - timedelta(minutes=2), {})
    assert bad(well) == {"workers": "alive: clocks 1, workers 0; start “pravila run”"}


def test_a_balance_that_is_not_the_sum_of_its_entries_is_named(well: Session) -> None:
    balance = well.query(LedgerBalance).one()
    balance.value_minor += 1
    well.flush()
    assert health.ledger_drift(well) == [
        f"2026-10 manager {balance.manager_id}: entries (1, 1450000), balance (1, 1450001)"
    ]


def test_a_balance_without_entries_is_named(well: Session) -> None:
    well.query(LedgerEntry).delete()
    assert len(health.ledger_drift(well)) == 2
    assert "ledger" in bad(well)


def test_a_request_whose_holder_is_not_that_of_its_assignment_is_named(well: Session) -> None:
    held = well.query(Assignment).one()
    held.request.manager_id = None
    well.flush()
    assert health.ledger_drift(well) == [f"request {held.request_id}: holder is not that of assignment {held.id}"]


def test_every_other_thing_that_waits_for_a_person_is_named(well: Session) -> None:
    well.add_all(
        [
            WorkItem(kind=WorkKind.REQUEST, subject_id=901, wake_at=LONG_AGO),
            WorkItem(kind=WorkKind.REQUEST, subject_id=902, wake_at=MONDAY, quarantined_at=MONDAY),
            OutboxMessage(
                key="a", channel="email", subject="", body="", created_at=MONDAY, not_before=MONDAY,
                state=OutboxState.DEAD,
            ),
            OutboxMessage(key="b", channel="email", subject="", body="", created_at=MONDAY, not_before=LONG_AGO),
            Incident(at=MONDAY, kind="rules_without_end", message={"ru": "", "en": ""}),
            Incident(at=MONDAY, kind="engine_difference", message={"ru": "", "en": ""}),
            Incident(at=MONDAY, kind="engine_difference", message={"ru": "", "en": ""}, resolved_at=MONDAY),
            AuditEntry(at=LONG_AGO, actor="denis", action="update", subject_kind="setting", subject_id="x"),
            Replay(from_at=LONG_AGO, until_at=MONDAY, clock_at=LONG_AGO, totals={}),
        ]
    )  # fmt: skip
    well.flush()
    assert bad(well) == {
        "work": "waiting for more than 5 minutes: 1",
        "quarantined": "set aside after errors: 1",
        "outbox": "given up: 1, waiting for more than 5 minutes: 1",
        "incidents": "open incidents: rules_without_end 1",
        "engines": "differences of the engines, not looked at: 1",
        "audit": "unsealed for more than 5 minutes: 1",
        "replay": "unfinished, has come to 2026-10-05T08:14:00+00:00",
    }
