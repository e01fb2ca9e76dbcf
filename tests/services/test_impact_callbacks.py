"""What a draft of callbacks changes, beside the same weeks lived under that draft; and whose bonus changes."""

import shutil
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.decisions.impact_callbacks import Courses
from rules_engine.decisions.instants import to_us
from rules_engine.models import Callback, CallbackState, Client, Impact, RulesetVersion, WorkItem
from rules_engine.services.clients.wakes import ask_for_clients
from rules_engine.services.drafts.trying import usable
from rules_engine.services.impact import impact
from rules_engine.services.impact.bonus import BonusImpact
from rules_engine.services.impact.callbacks import CallbacksImpact
from rules_engine.services.impact.parts import Json, Reckoner
from rules_engine.services.impact.slices import question_of
from rules_engine.services.records import settings_store
from rules_engine.services.records.incoming import ContactIn
from rules_engine.services.requests import contacts
from rules_engine.services.rules import occasions
from rules_engine.services.running import agenda
from rules_engine.settings import Settings
from tests.bonus_rows import NEW, credit
from tests.factories import (
    assignment_rules,
    at,
    condition,
    escalation_rules,
    make_cast,
    make_client,
    make_payment,
    make_version,
    rule,
)
from tests.reckoning import reckon

BEGIN = at("2026-09-07 09:00")
UNTIL = BEGIN + timedelta(days=28)


def call(occasion: str, **more: Any) -> dict[str, Any]:
    return {"action": "schedule_callback", "occasion": occasion, "within_days": 3, **more}


def callback_rules(*rules: dict[str, Any]) -> dict[str, Any]:
    titled = [{**one, "title": {"ru": one["id"], "en": one["id"]}} for one in rules]
    return {
        "decision": "callbacks",
        "title": {"ru": "Звонки", "en": "Callbacks"},
        "hit_policy": "collect",
        "rules": titled,
    }


PAID = rule("paid", condition("event.name", "is", "payment"), {"action": "set_segment", "segment": "active"})
LIVE = callback_rules(PAID)
DRAFT = callback_rules(
    rule(
        "silence",
        condition("client.days_since_last_contact", "lt", 21),
        {"action": "skip", "reason": "недавно говорили"},
    ),
    PAID,
    rule(
        "bought",
        {"all": [condition("event.name", "is", "payment"), condition("client.segment", "is", "active")]},
        call("first_purchase", in_working_days=4),
    ),
    rule(
        "need",
        {"all": [condition("client.expected_need_in_days", "le", 7), condition("client.overdue_ratio", "lt", "1.5")]},
        call("need_soon"),
    ),
)


def live(sessions: sessionmaker[Session], rules: dict[str, Any]) -> None:
    """Let seven clients buy in their rhythms; who is to be called is called at the end of the last day for it."""
    with db.transaction(sessions) as session:
        cast = make_cast(session)
        make_version(session, "assignment", assignment_rules())
        make_version(session, "escalation", escalation_rules())
        make_version(session, "callbacks", rules)
        occasions.install(session)
        deeds = []
        for n in range(7):
            owner = (cast.anna, cast.boris)[n % 2]
            client = make_client(
                session, owner=owner, consent_on=date(2026, 1, 1), consent_source="договор", created_at=BEGIN
            )
            pace = 17 + 5 * n
            for back in range(5, 0, -1):
                make_payment(session, client, BEGIN + timedelta(days=2 * n - back * pace), 500_000)
            deeds.append((BEGIN + timedelta(days=2 * n, hours=1), client.id))
        ask_for_clients(session, [client_id for _, client_id in deeds], BEGIN)
    while True:
        with sessions() as session:
            wake = session.scalar(select(func.min(WorkItem.wake_at)).where(WorkItem.wake_at.is_not(None)))
            open_call = select(Callback).where(Callback.state == CallbackState.OPEN).order_by(Callback.due_at)
            due = session.scalars(open_call).first()
        coming = [one for one in (wake, due.due_at if due else None, deeds[0][0] if deeds else None) if one is not None]
        now = min(coming, default=UNTIL)
        if now >= UNTIL:
            return
        with db.transaction(sessions) as session:
            if deeds and deeds[0][0] == now:
                _, client_id = deeds.pop(0)
                make_payment(session, session.get_one(Client, client_id), now, 500_000)
                ask_for_clients(session, [client_id], now)
            if due is not None and due.due_at == now:
                made(session, due, now)
        agenda.run_due(sessions, now)


def made(session: Session, due: Callback, now: datetime) -> None:
    client = session.get_one(Client, due.client_id)
    data = {"source": "t", "external_id": f"{due.id}", "at": now, "kind": "call", "direction": "out",
            "outcome": "answered", "client": {"source": client.source, "external_id": client.external_id}}  # fmt: skip
    contacts.record(session, ContactIn.model_validate(data), now=now, actor="galina")


def reckoned(
    session: Session,
    reckoner: Reckoner,
    decision: str,
    draft: dict[str, Any],
    days: int,
    most: int | None = None,
    parts: int = 1,
) -> tuple[Json, list[Json]]:
    version = session.scalars(select(RulesetVersion).where(RulesetVersion.decision == decision)).one()
    row = Impact(
        decision=decision,
        version_id=version.id,
        body=draft,
        content_hash="x",
        days=days,
        asked_by="galina",
        asked_at=UNTIL,
    )
    session.add(row)
    session.flush()
    row.result, changes = reckon(session, reckoner, question_of(session, row), most=most, parts=parts)
    return row.result, changes


@pytest.fixture(scope="module")
def lives(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, sessionmaker[Session]]]:
    folder = tmp_path_factory.mktemp("impact")
    settings = Settings.from_env({"PRAVILA_HOME": str(folder)})
    engines, found = [], {}
    for name, rules in (("live", LIVE), ("draft", DRAFT)):
        shutil.copy(sqlite_template, folder / f"{name}.db")
        engines.append(db.make_engine(f"sqlite:///{folder / name}.db", relaxed=True))
        found[name] = db.make_sessions(engines[-1], settings)
        live(found[name], rules)
    yield found
    for engine in engines:
        engine.dispose()


def planned(session: Session) -> list[tuple[int, str, int]]:
    """Return the calls that were planned: of whom, on what occasion, from when."""
    return sorted((one.client_id, one.occasion, to_us(one.call_from)) for one in session.scalars(select(Callback)))


def test_what_the_draft_changes_is_what_the_same_weeks_under_it_were(lives: dict[str, sessionmaker[Session]]) -> None:
    with lives["live"]() as session, lives["draft"]() as other:
        assert planned(session) == []
        then = planned(other)
        result, changes = reckoned(session, CallbacksImpact(), "callbacks", DRAFT, 30)
    assert {occasion for _, occasion, _ in then} == {"first_purchase", "need_soon"}
    assert sorted((one["client"], one["occasion"], one["draft"]) for one in changes) == then
    assert {one["live"] for one in changes} == {None}
    assert (result["calls"], result["sample"]) == ([0, len(then)], 7)
    assert sum(numbers[1] for one in result["people"] for numbers in one["weeks"].values()) == len(then)


def test_rules_that_say_the_same_change_nothing(lives: dict[str, sessionmaker[Session]]) -> None:
    with lives["draft"]() as session:
        result, changes = reckoned(session, CallbacksImpact(), "callbacks", DRAFT, 30)
        assert (changes, result["changed"]) == ([], 0)
        assert result["calls"] == [len(planned(session))] * 2
        a_day = settings_store.number(session, settings_store.CALLS_PER_DAY)
    assert {one["capacity"]["2026-09-07"] for one in result["people"]} == {5 * a_day}


def test_slices_of_one_and_of_all_give_the_same(lives: dict[str, sessionmaker[Session]]) -> None:
    with lives["live"]() as session:
        whole = reckoned(session, CallbacksImpact(), "callbacks", DRAFT, 30)
        assert reckoned(session, CallbacksImpact(), "callbacks", DRAFT, 30, most=1) == whole
        assert reckoned(session, CallbacksImpact(), "callbacks", DRAFT, 30, most=1, parts=3) == whole


SILENCE, _, BOUGHT, NEED = DRAFT["rules"]
QUIET = rule(
    "quiet",
    {"all": [condition("client.days_since_last_payment", "ge", 9), condition("client.segment", "is", "active")]},
    {"action": "set_segment", "segment": "lapsing"},
)  # fmt: skip
OTHERS = {
    "without silence": (PAID, BOUGHT, NEED),
    "without the segment that another rule asks for": (SILENCE, BOUGHT, NEED),
    "another order": (NEED, BOUGHT, PAID, SILENCE),
    "a day earlier": (
        SILENCE, PAID, BOUGHT, {**NEED, "when": {"all": [condition("client.expected_need_in_days", "le", 8)]}},
    ),
    "other days": (SILENCE, PAID, BOUGHT, {**NEED, "then": [call("need_soon", within_days=1)]}),
    "a rule that waits for its own day": (SILENCE, PAID, BOUGHT, NEED, QUIET),
    "a rule before one that asks for what it does": (QUIET, SILENCE, PAID, BOUGHT, NEED),
    "a rule that holds for two days": (
        SILENCE, PAID, BOUGHT, NEED,
        rule("between", condition("client.days_since_last_payment", "between", [37, 38]), call("lapsing")),
    ),
    "a rule on the segment that another takes from him": (
        SILENCE, PAID, BOUGHT, NEED,
        rule("first", {"all": [condition("event.name", "is", "payment"), condition("client.segment", "is_empty")]},
             call("returned")),
    ),
    "a rule that never holds": (
        SILENCE, PAID, BOUGHT, NEED,
        rule("never", condition("client.days_since_last_payment", "ge", 900), call("lapsing")),
    ),
    "only another title": ({**SILENCE, "title": {"ru": "Тишина", "en": "Silence"}}, PAID, BOUGHT, NEED),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_whom_no_changed_rule_concerns_is_played_once_with_what_two_plays_give(
    lives: dict[str, sessionmaker[Session]], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = {**DRAFT, "rules": [*OTHERS[name]]}
    assert usable(draft)[1] == frozenset()
    with lives["draft"]() as session:
        once = reckoned(session, CallbacksImpact(), "callbacks", draft, 30)
        monkeypatch.setattr(Courses, "different", property(lambda self: None, lambda self, course: None), raising=False)
        assert reckoned(session, CallbacksImpact(), "callbacks", draft, 30) == once


def bonus(rate: str, *more: dict[str, Any]) -> dict[str, Any]:
    pay = {"action": "pay_percent", "line": "base", "of": "measure.revenue", "rate": rate}
    titled = [{**one, "title": {"ru": one["id"], "en": one["id"]}} for one in (rule("base", None, pay), *more)]
    return {"decision": "bonus", "title": {"ru": "Премия", "en": "Bonus"}, "hit_policy": "collect", "rules": titled}


def test_who_loses_under_a_draft_of_the_bonus_is_named(session: Session) -> None:
    cast = make_cast(session)
    make_version(session, "bonus", bonus("2.5"))
    credit(session, cast.anna, "2026-09-10", 40_000_000, NEW)
    credit(session, cast.boris, "2026-09-10", 4_000_000, NEW)
    credit(session, cast.anna, "2026-08-10", 8_000_000, NEW)
    fixed = rule(
        "fixed", condition("measure.revenue", "gt", "0"), {"action": "pay_fixed", "line": "fixed", "amount": "1000"}
    )
    draft = bonus("2", fixed)
    result, changes = reckoned(session, BonusImpact(), "bonus", draft, 90, most=1)
    assert [one["month"] for one in changes] == ["2026-08", "2026-09", "2026-09"]
    assert {month: (one["live"], one["draft"]) for month, one in result["months"].items() if one["live"]} == {
        "2026-08": (200_000, 260_000),
        "2026-09": (1_100_000, 1_080_000),
    }
    row = session.scalars(select(Impact)).one()
    (loser,) = impact.losers(row)
    assert (loser.manager_id, loser.live_minor, loser.draft_minor, loser.months) == (
        cast.anna.id,
        1_200_000,
        1_160_000,
        ("2026-09",),
    )
    assert changes[1]["lines"] == [["base", "base", 1_000_000, 800_000], ["fixed", "fixed", 0, 100_000]]
    same, nothing = reckoned(session, BonusImpact(), "bonus", bonus("2.5"), 30)
    assert (nothing, same["changed"], impact.losers(row)) == ([], 0, impact.losers(row))
