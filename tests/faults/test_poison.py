"""What a sender or an author of rules might send to break it: facts, patterns and effects without measure."""

import json
from time import process_time

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.language.engines.native import NativeEngine
from rules_engine.language.ruleset import parse
from rules_engine.models import Firing, OutboxMessage, Request
from rules_engine.services.running import agenda
from rules_engine.settings import Settings
from tests.factories import (
    MONDAY,
    ROUND_THE_CLOCK,
    assignment_rules,
    condition,
    escalation_rules,
    make_calendar,
    make_manager,
    make_mode,
    make_request,
    make_team,
    make_version,
    rule,
)
from tests.faults import acts
from tests.web import app_of

pytestmark = pytest.mark.faults

PLAIN = '{"source":"site","external_id":"A-1","received_at":"2026-10-05T11:20:00+03:00","text":%s}'
POISON = {
    "infinity": (PLAIN % "Infinity", 422),
    "not a number": (PLAIN % "NaN", 422),
    "a number beyond all": (PLAIN % "1e999", 422),
    "a number of 5,000 digits": (PLAIN % ("9" * 5_000), 400),
    "half a surrogate pair": (PLAIN % r'"\ud800"', 422),
    "NUL": (PLAIN % r'"\u0000"', 422),
    "3,000 keys": (json.dumps({f"key{number}": number for number in range(3_000)}), 422),
    "a key twice": (PLAIN % '"x","source":"other"', 422),
    "20,000 levels": (PLAIN % ("[" * 20_000 + "]" * 20_000), 422),
    "ten megabytes": (PLAIN % json.dumps("x" * 10_000_000), 413),
    "half a document": (PLAIN[:40], 400),
}


def test_poisonous_bodies_are_refused_in_words_and_nothing_of_them_is_stored(
    settings: Settings, sqlite_url: str, sessions: sessionmaker[Session]
) -> None:
    """Injected: each of POISON as a delivery. Must hold: its refusal, as a problem document, and no row."""
    with db.transaction(sessions) as session:
        acts.found(session, "deliver_a_request")
    with app_of(settings, sqlite_url, lambda: MONDAY) as app:
        client = app.test_client()
        answers = {
            name: client.post(
                "/api/v1/requests",
                data=body,
                content_type="application/json",
                headers={"Authorization": f"Bearer {acts.SECRET}"},
            )
            for name, (body, _) in POISON.items()
        }
    assert {name: answer.status_code for name, answer in answers.items()} == {
        name: status for name, (_, status) in POISON.items()
    }
    assert {answer.content_type for answer in answers.values()} == {"application/problem+json"}
    with sessions() as session:
        assert session.scalar(select(func.count(Request.id))) == 0


@pytest.mark.parametrize("pattern", ["(a+)+$", "%", "_", ".*", "[", "\\", "'; DROP TABLE requests; --"])
def test_a_pattern_is_only_text(pattern: str) -> None:
    """Injected: what other languages take for a pattern, some of it without end. Must hold: it matches itself alone."""
    assign = {"action": "assign", "to": {"pool": "everyone"}, "strategy": "fair_share", "answer_within": 30}
    document = assignment_rules(rule("pattern", condition("request.text", "contains", pattern), assign))
    engine = NativeEngine(parse(document))
    begun = process_time()
    assert engine.matching({"request.text": "a" * 60_000 + "!"}) == ()
    assert process_time() - begun < 1
    assert engine.matching({"request.text": f"x{pattern}x".casefold()}) == ("pattern",)


def test_a_million_effects_are_as_many_as_there_are_rules(sessions: sessionmaker[Session]) -> None:
    """Injected: as many rules as a ruleset may hold, each to be repeated every minute, and an outage of 2,000 minutes.

    Must hold: one firing a rule, one message to the one person who is told, in a few seconds.
    """
    with db.transaction(sessions) as session:
        make_calendar(session, weekly=ROUND_THE_CLOCK)
        make_manager(session, "anna", team=make_team(session, "sales"))
        make_version(session, "assignment", assignment_rules(answer_within=10))
        unanswered = condition("request.is_answered", "is", False)
        notify = {"action": "notify", "whom": "manager", "text": "Срок прошёл", "repeat_every": 1}
        rules = [rule(f"rule-{number}", unanswered, notify) for number in range(500)]
        make_version(session, "escalation", escalation_rules(*rules))
        for decision in ("assignment", "escalation"):
            make_mode(session, decision, "live")
        make_request(session, received_at=MONDAY)
    agenda.run_due(sessions, MONDAY)
    with sessions() as session:
        before = session.scalar(select(func.count(OutboxMessage.id))) or 0
        assert session.scalar(select(func.count(Firing.id)).where(Firing.rule != "otherwise")) == 500
    begun = process_time()
    agenda.run_due(sessions, MONDAY.replace(day=6, hour=20))
    assert process_time() - begun < 5
    with sessions() as session:
        assert session.scalar(select(func.count(Firing.id)).where(Firing.rule != "otherwise")) == 1_000
        told = (session.scalar(select(func.count(OutboxMessage.id))) or 0) - before
        assert told <= 2, "one message, on the page and by mail"
