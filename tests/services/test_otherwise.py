"""Requests that another system gave out are imported under watch: what the rules would have done stands beside it."""

from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.importers.columns import Job
from rules_engine.importers.run import KINDS, import_file
from rules_engine.models import AssignmentCause
from rules_engine.services.measures.month import month_named
from rules_engine.services.requests import assignment, otherwise
from rules_engine.services.requests.otherwise import Otherwise
from tests.factories import (
    MONDAY,
    Cast,
    assignment_rules,
    condition,
    make_cast,
    make_client,
    make_mode,
    make_request,
    make_version,
    rule,
    statements_of,
)

LATER = MONDAY + timedelta(days=1)
OWNER = rule("own", condition("client.owner", "is_filled"), {"action": "assign", "to": {"pool": "owner"}})


@pytest.fixture
def cast(sessions: sessionmaker[Session]) -> Cast:
    with db.transaction(sessions) as session:
        cast = make_cast(session, live=False)
        make_mode(session, "assignment", "watch")
        make_version(session, "assignment", assignment_rules(OWNER))
        return cast


def imported(sessions: sessionmaker[Session], folder: Path, managers: list[str], prefix: str = "N") -> None:
    """Import a file of requests, one a minute, with the managers who received them elsewhere."""
    lines = [f"{prefix}-{n};{(MONDAY + timedelta(minutes=n)).isoformat()};1000;{who}" for n, who in enumerate(managers)]
    path = folder / "requests.csv"
    path.write_text("\n".join(["external_id;received_at;amount;manager", *lines]))
    job = Job(source="crm", zone=ZoneInfo("Europe/Moscow"), now=LATER, actor="galina")
    report = import_file(sessions, KINDS["requests"], path, job)
    assert (report.created, report.rejected) == (len(managers), [])


def seen(session: Session, month: str = "2026-10") -> Otherwise:
    return otherwise.otherwise(session, month_named(session, month), LATER)


def test_an_import_with_managers_is_compared_with_what_the_rules_would_have_done(
    sessions: sessionmaker[Session], session: Session, cast: Cast, tmp_path: Path
) -> None:
    imported(sessions, tmp_path, ["anna"] * 9)

    found = seen(session)

    comparison = found.comparison
    assert (comparison.watched, comparison.compared, comparison.unassigned) == (9, 9, 0)
    # The first goes to Анна by the rules too; from then on somebody else is always further behind.
    assert comparison.same == 1
    assert {line.manager_id: line.theirs.count for line in comparison.lines} == {
        cast.anna.id: 9,
        cast.boris.id: 0,
        cast.vera.id: 0,
    }
    assert [line.ours.count for line in comparison.lines] == [3, 3, 3]
    assert comparison.theirs.count == Fraction(2, 3)
    assert comparison.ours.count == 0
    assert len(found.examples) == 8
    newest = found.examples[0]
    assert (newest.number, newest.theirs, newest.rule) == ("N-8", cast.anna.id, "otherwise")
    assert newest.ours in (cast.boris.id, cast.vera.id)


def test_another_month_has_its_own_and_nothing_watched_is_said_so(
    sessions: sessionmaker[Session], session: Session, cast: Cast, tmp_path: Path
) -> None:
    assert otherwise.months_watched(session) is None
    session.rollback()
    imported(sessions, tmp_path, ["anna"])
    assert otherwise.months_watched(session) == (MONDAY, MONDAY)
    assert seen(session, "2026-09").comparison.watched == 0


def test_what_belongs_to_an_owner_is_his_by_the_rules(session: Session, cast: Cast) -> None:
    client = make_client(session, owner=cast.vera)
    request = make_request(session, client=client)
    assignment.assign_external(session, request, cast.boris, assigned_at=MONDAY, actor="galina", now=LATER)

    [example] = seen(session).examples
    assert (example.theirs, example.ours, example.rule) == (cast.boris.id, cast.vera.id, "own")


def test_a_request_that_came_without_a_manager_is_watched_too(session: Session, cast: Cast) -> None:
    waiting, given = make_request(session), make_request(session)
    for one in (waiting, given):
        assignment.decide_and_assign(session, one, MONDAY)
    held = assignment.assign_by_hand(session, given, cast.vera, reason="её клиент", actor="galina", now=LATER)

    assert held.cause is AssignmentCause.HAND
    comparison = seen(session).comparison
    assert (comparison.watched, comparison.compared, comparison.unassigned) == (2, 1, 1)


def test_as_many_queries_for_many_requests_as_for_few(
    sessions: sessionmaker[Session], session: Session, cast: Cast, tmp_path: Path
) -> None:
    imported(sessions, tmp_path, ["anna", "boris"])
    with statements_of(session) as few:
        seen(session)
    session.rollback()
    imported(sessions, tmp_path, ["boris"] * 10 + ["vera"] * 8, prefix="M")
    with statements_of(session) as many:
        assert seen(session).comparison.watched == 20
    assert len(many) == len(few) <= 5
