"""What a draft of assignment changes, beside what the service itself would have said at each of those moments."""

import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine import db
from rules_engine.decisions.instants import to_us
from rules_engine.language.ruleset import parse
from rules_engine.models import CallbackState, Decision, Impact, Request, RequestStatus, RulesetVersion
from rules_engine.services.company.reference import reference
from rules_engine.services.impact import assignment as impact_assignment
from rules_engine.services.impact.assignment import AssignmentImpact
from rules_engine.services.impact.parts import Json
from rules_engine.services.impact.past_loads import LoadBefore, PastLoads
from rules_engine.services.impact.slices import question_of
from rules_engine.services.records.incoming import ContactIn
from rules_engine.services.requests import assignment, contacts, status
from rules_engine.services.requests.weighing import weigh_draft
from rules_engine.settings import Settings
from tests.calls import make_callback
from tests.factories import (
    MONDAY,
    assignment_rules,
    condition,
    make_absence,
    make_cast,
    make_client,
    make_manager,
    make_request,
    make_version,
    rule,
)
from tests.reckoning import reckon


def given(rule_id: str, when: dict[str, Any], pool: str, **more: Any) -> dict[str, Any]:
    to = {"pool": "team", "team": pool.removeprefix("team:")} if pool.startswith("team:") else {"pool": pool}
    return rule(rule_id, when, {"action": "assign", "to": to, **more})


ONE_DAY = timedelta(days=1)
OWN = given("own", condition("client.owner", "is_filled"), "owner", answer_within=20)
DEAR = condition("request.amount", "ge", "5000")
FREE = {"all": [condition("candidate.unanswered_requests", "lt", 2)]}
LIVE = assignment_rules(OWN)


def overdue(op: str, number: int) -> dict[str, Any]:
    return {"all": [condition("candidate.overdue_callbacks", op, number)]}


DRAFTS: dict[str, dict[str, Any]] = {
    "a threshold on what nobody had looked at": assignment_rules(
        given("dearer", condition("request.amount", "ge", "7000"), "duty"),
        given("dear", DEAR, "team_of_owner"),
        OWN,
    ),
    "another order": assignment_rules(given("dear", DEAR, "everyone", among=FREE), OWN),
    "only one team": assignment_rules(given("team", DEAR, "team:sales")),
    "the least loaded": assignment_rules(OWN, strategy="least_loaded"),
    "those with few unanswered": assignment_rules(OWN, among=FREE),
    "those without overdue calls": assignment_rules(OWN, among=overdue("lt", 1)),
    "those who received little": assignment_rules(
        OWN,
        among={
            "all": [
                condition("candidate.received_today", "lt", 3),
                condition("candidate.received_this_month", "lt", 9),
                condition("candidate.is_working_now", "is", True),
            ]
        },
    ),
    "old clients": assignment_rules(
        given("old", condition("client.has_open_request", "is", True), "previous"),
        given("often", condition("client.days_since_last_contact", "lt", 3), "cover"),
        given("hours", condition("now.hour", "lt", 12), "everyone", answer_within=15),
    ),
}


@dataclass
class History:
    """What was decided, and what each draft would have said at that very moment."""

    decisions: list[int] = field(default_factory=list)
    live: dict[int, int | None] = field(default_factory=dict)
    drafts: dict[str, dict[int, int | None]] = field(default_factory=dict)


def lived(session: Session, *, number: int = 45, seed: int = 7) -> History:
    """Let requests come in, be decided, answered and closed for some days; ask every draft along the way."""
    dice = random.Random(seed)
    cast = make_cast(session)
    igor = make_manager(session, "igor", "Игорь", team=cast.sales, daily_cap=4)
    make_version(session, "assignment", LIVE)
    make_absence(session, cast.boris, MONDAY + timedelta(days=1), MONDAY + timedelta(days=2))
    people = [cast.anna, cast.boris, cast.vera, igor]
    clients = [make_client(session, owner=dice.choice([*people, None])) for _ in range(8)]
    parsed = {name: parse(body) for name, body in DRAFTS.items()}
    history = History(drafts={name: {} for name in DRAFTS})
    # Vera's and Igor's; who has received nothing yet counts his overdue calls, too.
    calls = [
        make_callback(
            session, make_client(session), manager, due_at=MONDAY + timedelta(hours=hours), opened_at=MONDAY - ONE_DAY
        )
        for manager, hours in ((cast.vera, -3), (cast.vera, -2), (igor, 2), (igor, 5), (igor, 9), (cast.anna, 12))
    ]
    held: list[Request] = []
    now = MONDAY
    for _ in range(number):
        minutes = dice.choice([0, 3, 40, 170])
        if minutes and held:
            act(session, held, dice, now + timedelta(seconds=30))
        now += timedelta(minutes=minutes)
        if minutes > 100 and calls:
            done = calls.pop(dice.randrange(len(calls)))
            done.state, done.done_at = CallbackState.DONE, now - timedelta(seconds=20)
        request = make_request(
            session,
            received_at=now,
            client=dice.choice([*clients, None, None]),
            amount_minor=dice.choice([None, 100_000, 600_000, 900_000]),
        )
        would = {name: weigh_draft(session, request, now, draft).outcome for name, draft in parsed.items()}
        made = assignment.decide_and_assign(session, request, now)
        if made.decision_id is None:
            continue
        history.decisions.append(made.decision_id)
        history.live[made.decision_id] = made.manager.id if made.manager else None
        for name, outcome in would.items():
            history.drafts[name][made.decision_id] = outcome.manager_id
        held.append(request)
    return history


def act(session: Session, held: list[Request], dice: random.Random, now: datetime) -> None:
    """Let somebody answer a request, and now and then lose one."""
    request = dice.choice(held)
    if request.manager_id is None or not request.status.is_open:
        return
    number = f"{request.id}-{now.timestamp()}-{dice.random()}"
    contacts.record(
        session,
        ContactIn.model_validate(
            {
                "source": "t",
                "external_id": number,
                "at": now,
                "kind": "call",
                "direction": "out",
                "request": {"source": request.source, "external_id": request.external_id},
            }
        ),
        now=now,
        actor="galina",
    )
    if dice.random() < 0.3:
        status.change_status(session, request, RequestStatus.LOST, reason="rival", at=now, actor="galina", now=now)


def impact_of(session: Session, draft: dict[str, Any], *, until: datetime | None = None) -> Impact:
    version = session.query(RulesetVersion).filter_by(decision="assignment").order_by(RulesetVersion.id.desc()).first()
    assert version is not None
    row = Impact(
        decision="assignment",
        version_id=version.id,
        body=draft,
        content_hash="x",
        days=30,
        asked_by="galina",
        asked_at=until or MONDAY + timedelta(days=20),
    )
    session.add(row)
    session.flush()
    return row


def reckoned(
    session: Session, draft: dict[str, Any], most: int | None = None, *, parts: int = 1, forgetful: bool = False
) -> tuple[Json, list[Json]]:
    """Return result and changes, by slices of so many decisions; `forgetful`: each by a process of its own."""
    question = question_of(session, impact_of(session, draft))
    before_each = impact_assignment.forget if forgetful else lambda: None
    return reckon(session, AssignmentImpact(), question, most=most, parts=parts, before_each=before_each)


@pytest.fixture(scope="module")
def session(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """One history for the module: nothing here changes it."""
    path = tmp_path_factory.mktemp("impact") / "history.db"
    shutil.copy(sqlite_template, path)
    engine = db.make_engine(f"sqlite:///{path}", relaxed=True)
    with db.make_sessions(engine, Settings.from_env({"PRAVILA_HOME": str(path.parent)}))() as session:
        yield session
    engine.dispose()


@pytest.fixture(scope="module")
def history(session: Session) -> History:
    return lived(session)


def test_the_draft_of_each_kind_changes_exactly_what_the_service_would_have_decided_otherwise(
    session: Session, history: History
) -> None:
    assert len(history.decisions) > 40
    for name, draft in DRAFTS.items():
        result, changes = reckoned(session, draft)
        wanted = {
            id_: (history.live[id_], would) for id_, would in history.drafts[name].items() if would != history.live[id_]
        }
        assert {one["decision"]: (one["live"], one["draft"]) for one in changes} == wanted, name
        assert wanted, name
        assert (result["changed"], result["sample"], result["unknown"]) == (len(wanted), len(history.decisions), {})
        assert sum(one["live"] for one in result["people"]) + result["waiting"][0] == len(history.decisions)
        assert sum(one["draft"] for one in result["people"]) + result["waiting"][1] == len(history.decisions)


def test_a_draft_that_says_the_same_changes_nothing(session: Session, history: History) -> None:
    result, changes = reckoned(session, LIVE)
    assert (changes, result["changed"], result["other_rule"]) == ([], 0, 0)
    assert result["sample"] == len(history.decisions)


def test_slices_of_one_and_of_all_give_the_same(session: Session, history: History) -> None:
    draft = DRAFTS["another order"]
    whole = reckoned(session, draft)
    assert reckoned(session, draft, most=1) == reckoned(session, draft, most=7) == whole
    assert reckoned(session, draft, most=2, parts=5) == whole


@pytest.mark.parametrize("name", ["those without overdue calls", "those with few unanswered", "the least loaded"])
def test_what_is_kept_from_one_decision_to_the_next_is_what_each_finds_alone(
    session: Session, history: History, name: str
) -> None:
    assert reckoned(session, DRAFTS[name], most=1, forgetful=True) == reckoned(session, DRAFTS[name])


def test_what_a_manager_carried_holds_as_long_as_it_says(session: Session, history: History) -> None:
    asked = {"open_requests", "unanswered_requests", "overdue_callbacks"}
    past = PastLoads(session, reference(session), MONDAY, MONDAY + timedelta(days=30), asked)
    found = session.execute(select(Decision.id, Decision.at).order_by(Decision.at, Decision.id)).all()
    decided = [(to_us(row.at), row.id) for row in found]
    held = 0
    for manager_id in reference(session).managers:
        known = past.load(manager_id, *decided[0])
        for us, id_ in decided:
            now = past.load(manager_id, us, id_)
            if (known.until, known.until_decision) >= (us, id_):
                held += 1
                assert figures(now) == figures(known)
            known = now
    assert held > len(decided)


def figures(load: LoadBefore) -> tuple[object, ...]:
    names = ("last_received_us", "open_requests", "unanswered_requests", "received_today", "overdue_callbacks")
    return tuple(getattr(load, name) for name in (*names, "count", "value_minor", "counted_today"))
