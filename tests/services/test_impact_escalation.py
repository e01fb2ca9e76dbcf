"""What a draft of escalation changes, beside the same days lived under that draft."""

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.decisions.instants import from_us
from rules_engine.models import Assignment, Firing, Impact, Request, RequestStatus, RulesetVersion, WorkItem
from rules_engine.services.impact.escalation import EscalationImpact
from rules_engine.services.impact.parts import Json
from rules_engine.services.impact.slices import question_of
from rules_engine.services.records.incoming import ContactIn, RequestIn
from rules_engine.services.requests import contacts, intake, status
from rules_engine.services.running import agenda
from rules_engine.settings import Settings
from tests.factories import (
    MONDAY,
    assignment_rules,
    condition,
    escalation_rules,
    make_cast,
    make_version,
    rule,
)
from tests.reckoning import reckon

UNANSWERED = condition("request.is_answered", "is", False)
MINUTE = timedelta(minutes=1)
UNTIL = MONDAY + timedelta(days=6)


def after(rule_id: str, percent: int, *then: dict[str, Any]) -> dict[str, Any]:
    return rule(rule_id, {"all": [UNANSWERED, condition("request.answer_used_pct", "ge", str(percent))]}, *then)


REMIND = {"action": "remind", "text": "напоминание"}
TELL = {"action": "notify", "whom": "head", "text": "руководителю"}
SILENT = rule(
    "silent",
    {"all": [condition("request.status", "is", "in_progress"), condition("request.has_next_step", "is", False),
             condition("request.working_minutes_since_activity", "ge", 300)]},
    REMIND,
)  # fmt: skip
WAITS = rule(
    "waits",
    {"all": [condition("request.status", "is", "waiting_client"), condition("request.waiting_client_days", "ge", 2)]},
    TELL,
)
LIVE = escalation_rules(after("half", 50, REMIND), after("late", 100, {"action": "mark_late"}, TELL), SILENT, WAITS)
DRAFT = escalation_rules(
    after("half", 30, REMIND),
    after("late", 100, {"action": "mark_late"}, TELL),
    rule("evening", {"all": [UNANSWERED, condition("now.hour", "ge", 16)]}, TELL),
    rule(
        "silent",
        {"all": [*SILENT["when"]["all"][:2], condition("request.working_minutes_since_activity", "ge", 700)]},
        REMIND,
    ),
)
PASSING = escalation_rules(
    after("half", 50, REMIND), after("take", 200, {"action": "reassign", "to": {"pool": "everyone"}})
)


def live(sessions: sessionmaker[Session], rules: dict[str, Any]) -> None:
    """Let twelve requests come in under these rules; what people do does not depend on what the rules say."""
    with db.transaction(sessions) as session:
        make_cast(session)
        make_version(session, "assignment", assignment_rules())
        make_version(session, "escalation", rules)
    for n in range(12):
        came = MONDAY + n * timedelta(hours=5)
        pass_until(sessions, came)
        with db.transaction(sessions) as session:
            data = RequestIn.model_validate({"source": "t", "external_id": f"{n}", "received_at": came})
            intake.receive(session, data, now=came, actor="api:t")
    pass_until(sessions, UNTIL)


def pass_until(sessions: sessionmaker[Session], until: datetime) -> None:
    """Do what falls due, and what people do at their own times, in order."""
    while True:
        with sessions() as session:
            due = session.scalar(select(func.min(WorkItem.wake_at)).where(WorkItem.wake_at.is_not(None)))
            deed = next_deed(session)
        coming = min((one for one in (due, deed[0] if deed else None) if one is not None), default=until)
        if coming >= until:
            return
        if deed is not None and deed[0] == coming:
            with db.transaction(sessions) as session:
                act(session, deed[1], deed[0])
        agenda.run_due(sessions, coming)


def next_deed(session: Session) -> tuple[datetime, int] | None:
    """Every third request is answered after 20 minutes, every fourth after 70; half of those then wait for a client."""
    found = []
    for request_id, at in session.execute(
        select(Request.id, Assignment.assigned_at)
        .join(Assignment, Assignment.request_id == Request.id)
        .where(Request.status.in_((RequestStatus.ASSIGNED, RequestStatus.IN_PROGRESS)), Assignment.ended_at.is_(None))
    ):
        request = session.get_one(Request, request_id)
        if request.first_answer_at is None:
            pause = {0: 20, 1: 70}.get(request_id % 3)
            if pause is not None:
                found.append((at + pause * MINUTE + timedelta(seconds=7), request_id))
        elif request_id % 2 and request.status is RequestStatus.IN_PROGRESS:
            found.append((request.first_answer_at + 90 * MINUTE, request_id))
    return min(found, default=None)


def act(session: Session, request_id: int, now: datetime) -> None:
    request = session.get_one(Request, request_id)
    if request.first_answer_at is None:
        data = {"source": "t", "external_id": f"c{request_id}", "at": now, "kind": "call", "direction": "out",
                "request": {"source": "t", "external_id": request.external_id}}  # fmt: skip
        contacts.record(session, ContactIn.model_validate(data), now=now, actor="galina")
    else:
        status.change_status(session, request, RequestStatus.WAITING_CLIENT, reason=None, at=now, actor="anna", now=now)


def fired(session: Session) -> dict[tuple[int, str], datetime]:
    """Return when each rule of escalation acted on each request first."""
    found = select(Firing.item_id, Firing.rule, Firing.at).where(
        Firing.item_kind == "request", Firing.occurrence == 0, Firing.rule.not_in(("otherwise", "~transfer-warning"))
    )
    return {(row.item_id, row.rule): row.at for row in session.execute(found)}


def reckoned(
    session: Session, draft: dict[str, Any], most: int | None = None, parts: int = 1
) -> tuple[Json, list[Json]]:
    version = session.scalars(select(RulesetVersion).where(RulesetVersion.decision == "escalation")).one()
    row = Impact(
        decision="escalation",
        version_id=version.id,
        body=draft,
        content_hash="x",
        days=30,
        asked_by="galina",
        asked_at=UNTIL,
    )
    session.add(row)
    session.flush()
    return reckon(session, EscalationImpact(), question_of(session, row), most=most, parts=parts)


def instants(changes: list[Json], place: int) -> dict[tuple[int, str], datetime]:
    """Return when the changed rules act by the rules in force (1) or by the draft (2)."""
    return {
        (one["item"], moved[0]): from_us(moved[place])
        for one in changes
        for moved in one["rules"]
        if moved[place] is not None
    }


@pytest.fixture(scope="module")
def lives(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, sessionmaker[Session]]]:
    """The same days under three rulesets."""
    folder = tmp_path_factory.mktemp("impact")
    settings = Settings.from_env({"PRAVILA_HOME": str(folder)})
    engines, found = [], {}
    for name, rules in (("live", LIVE), ("draft", DRAFT), ("passing", PASSING)):
        shutil.copy(sqlite_template, folder / f"{name}.db")
        engines.append(db.make_engine(f"sqlite:///{folder / name}.db", relaxed=True))
        found[name] = db.make_sessions(engines[-1], settings)
        live(found[name], rules)
    yield found
    for engine in engines:
        engine.dispose()


def test_what_the_draft_changes_is_what_the_same_days_under_it_were(lives: dict[str, sessionmaker[Session]]) -> None:
    with lives["live"]() as session, lives["draft"]() as other:
        before, then = fired(session), fired(other)
        result, changes = reckoned(session, DRAFT)
    differing = {key for key in before.keys() | then.keys() if before.get(key) != then.get(key)}
    assert len(differing) > 12
    assert {rule for _, rule in differing} == {"half", "evening", "silent", "waits"}
    assert instants(changes, 1) == {key: at for key, at in before.items() if key in differing}
    assert instants(changes, 2) == {key: at for key, at in then.items() if key in differing}
    for name in ("half", "late", "silent", "waits", "evening"):
        counted = [sum(1 for _, rule in side if rule == name) for side in (before, then)]
        assert result["rules"].get(name, [0, 0]) == counted, name
    assert sum(numbers[0] for numbers in result["months"].values()) == sum(
        1 for _, rule in before if rule in ("half", "silent")
    )


def test_rules_that_say_the_same_change_nothing(lives: dict[str, sessionmaker[Session]]) -> None:
    for name, rules in (("live", LIVE), ("passing", PASSING)):
        with lives[name]() as session:
            result, changes = reckoned(session, rules)
            assert (changes, result["changed"], result["cut"]) == ([], 0, 0)
            expected: dict[str, int] = {}
            for row in session.execute(
                select(Firing.rule, func.count()).where(Firing.item_kind == "request").group_by(Firing.rule)
            ):
                expected[row[0]] = row[1]
            assert {rule: numbers[0] for rule, numbers in result["rules"].items()} == {
                rule: number for rule, number in expected.items() if rule not in ("otherwise", "~transfer-warning")
            }


def test_a_later_transfer_says_for_how_many_the_record_ends_before_it(lives: dict[str, sessionmaker[Session]]) -> None:
    later = escalation_rules(
        after("half", 50, REMIND), after("take", 400, {"action": "reassign", "to": {"pool": "everyone"}})
    )
    with lives["passing"]() as session:
        taken = session.scalar(select(func.count(Assignment.id)).where(Assignment.end_reason == "transfer"))
        result, _ = reckoned(session, later)
    assert taken and result["cut"] == taken


def test_slices_of_one_and_of_all_give_the_same(lives: dict[str, sessionmaker[Session]]) -> None:
    with lives["live"]() as session:
        whole = reckoned(session, DRAFT)
        assert reckoned(session, DRAFT, most=1) == reckoned(session, DRAFT, most=5) == whole
        assert reckoned(session, DRAFT, most=2, parts=3) == reckoned(session, DRAFT, parts=20) == whole
