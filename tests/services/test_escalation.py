"""Answers in time: rules act on clocks once, on facts read anew, and look again when their truth can change."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, event, select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.decisions.escalation_warning import WARNING
from rules_engine.models import (
    ActionState,
    Assignment,
    Decision,
    Firing,
    FiringAction,
    Incident,
    LedgerEntry,
    OutboxMessage,
    Request,
    RequestStatus,
    Task,
    TaskKind,
    User,
    WorkItem,
)
from rules_engine.services.records import settings_store
from rules_engine.services.records.incoming import ContactIn
from rules_engine.services.requests import contacts, escalation, firings, status
from rules_engine.services.rules import journal, modes, rulebook
from rules_engine.services.running import agenda
from rules_engine.settings import Settings
from tests.factories import (
    MONDAY,
    Cast,
    assignment_rules,
    at,
    condition,
    escalation_rules,
    make_cast,
    make_request,
    make_version,
    rule,
    statements_of,
)
from tests.moving import MINUTE, jump

UNANSWERED = condition("request.is_answered", "is", False)


def used(percent: int) -> dict:  # type: ignore[type-arg]
    return {"all": [UNANSWERED, condition("request.answer_used_pct", "ge", str(percent))]}


HALF = rule("half", used(50), {"action": "remind", "text": "Прошла половина срока"})
MISSED = rule("missed", used(100), {"action": "mark_late"}, {"action": "notify", "whom": "manager"})
HEAD = rule("head", used(150), {"action": "notify", "whom": "head", "digest_minutes": 15})
TRANSFER = rule(
    "transfer",
    {"all": [*used(200)["all"], condition("request.times_reassigned", "lt", 2)]},
    {"action": "reassign", "to": {"pool": "team_of_holder"}, "strategy": "fair_share"},
)
LADDER = (HALF, MISSED, HEAD, TRANSFER)


@pytest.fixture
def any_sessions(any_engine: Engine, settings: Settings) -> Iterator[sessionmaker[Session]]:
    yield db.make_sessions(any_engine, settings)


def company(sessions: sessionmaker[Session], *rules: dict, live: bool = True) -> Cast:  # type: ignore[type-arg]
    with db.transaction(sessions) as session:
        cast = make_cast(session, live=live)
        # Only Анна and Борис can receive: Вера is in the other team.
        make_version(session, "assignment", assignment_rules(pool="everyone"))
        make_version(session, "escalation", escalation_rules(*rules))
        return cast


def assigned(sessions: sessionmaker[Session], now: datetime = MONDAY, **more) -> int:  # type: ignore[no-untyped-def]
    """Add a request and let it be assigned."""
    with db.transaction(sessions) as session:
        request_id = make_request(session, received_at=now, **more).id
    agenda.run_due(sessions, now)
    return request_id


def answer(session: Session, request_id: int, now: datetime) -> None:
    request = session.get_one(Request, request_id)
    data = ContactIn.model_validate(
        {
            "source": "phone",
            "external_id": f"C-{request_id}-{now.isoformat()}",
            "at": now.isoformat(),
            "kind": "call",
            "outcome": "answered",
            "request": {"source": request.source, "external_id": request.external_id},
        }
    )
    contacts.record(session, data, now=now, actor=journal.SYSTEM)


def fired(sessions: sessionmaker[Session]) -> list[tuple[str, datetime]]:
    """Return which rules fired when, without the warnings before transfers."""
    with sessions() as session:
        return [
            (row.rule, row.at)
            for row in session.scalars(
                select(Firing).where(Firing.item_kind == "request", Firing.rule != WARNING).order_by(Firing.id)
            )
        ]


def pages(sessions: sessionmaker[Session]) -> list[tuple[str, str]]:
    """Return who got which message by an escalation, without those of assignments."""
    with sessions() as session:
        rows = session.execute(
            select(User.login, OutboxMessage.subject)
            .join(User, User.id == OutboxMessage.user_id)
            .where(OutboxMessage.channel == "page", OutboxMessage.key.like("escalation:%"))
            .order_by(OutboxMessage.id)
        )
        return [(row.login, row.subject) for row in rows]


def holder_of(sessions: sessionmaker[Session], request_id: int) -> str:
    with sessions() as session:
        request = session.get_one(Request, request_id)
        assert request.manager is not None
        return request.manager.login


def test_rules_fire_once_each_at_their_share_of_the_answer_time(any_sessions: sessionmaker[Session]) -> None:
    company(any_sessions, HALF, MISSED, HEAD)
    assigned(any_sessions)

    visited = jump(any_sessions, MONDAY, MONDAY + timedelta(days=3))

    due = [("half", MONDAY + 15 * MINUTE), ("missed", MONDAY + 30 * MINUTE), ("head", MONDAY + 45 * MINUTE)]
    assert fired(any_sessions) == due
    assert visited == [instant for _, instant in due]
    with any_sessions() as session:
        assert session.scalars(select(Assignment)).one().is_late
        assert session.scalars(select(WorkItem.wake_at)).one() is None


def test_the_holder_and_the_head_are_told_which_request_and_why(any_sessions: sessionmaker[Session]) -> None:
    company(any_sessions, HALF, HEAD)
    request_id = assigned(any_sessions, external_id="A-77")
    holder = holder_of(any_sessions, request_id)

    jump(any_sessions, MONDAY, MONDAY + timedelta(days=1))

    assert pages(any_sessions) == [(holder, "Заявка A-77: Прошла половина срока"), ("galina", "Заявка A-77: head")]
    with any_sessions() as session:
        to_head = session.scalars(select(OutboxMessage).where(OutboxMessage.digest_key.is_not(None))).first()
        assert to_head is not None
        # 12:05 by the clock, so the digest goes out at a quarter past.
        assert to_head.not_before == at("2026-10-05 12:15")
        assert "Срок ответа: 05.10.2026 11:50" in to_head.body


def test_who_answered_in_the_meantime_is_left_in_peace(any_sessions: sessionmaker[Session]) -> None:
    company(any_sessions, *LADDER)
    request_id = assigned(any_sessions)
    with db.transaction(any_sessions) as session:
        answer(session, request_id, MONDAY + 10 * MINUTE)

    # No worker was there between the answer and long after every due instant.
    totals = agenda.run_due(any_sessions, MONDAY + timedelta(hours=5))

    assert (totals.handled, totals.escalated) == (1, 0)
    assert fired(any_sessions) == []


def test_after_an_outage_each_rule_is_handled_once_and_late(any_sessions: sessionmaker[Session]) -> None:
    company(any_sessions, HALF, MISSED, HEAD)
    request_id = assigned(any_sessions)
    holder = holder_of(any_sessions, request_id)
    late = MONDAY + timedelta(hours=4)

    agenda.run_due(any_sessions, late)
    agenda.run_due(any_sessions, late + MINUTE)

    assert fired(any_sessions) == [("half", late), ("missed", late), ("head", late)]
    # Two reasons for one person are one message.
    assert [login for login, _ in pages(any_sessions)] == [holder, "galina"]


def test_an_unanswered_request_goes_to_a_colleague_and_stays_on_the_ledger_of_who_had_it(
    any_sessions: sessionmaker[Session],
) -> None:
    cast = company(any_sessions, *LADDER)
    with db.transaction(any_sessions) as session:
        session.merge(cast.vera).left_on = at("2026-01-01").date()
    request_id = assigned(any_sessions)
    first = holder_of(any_sessions, request_id)

    jump(any_sessions, MONDAY, MONDAY + 61 * MINUTE)

    second = holder_of(any_sessions, request_id)
    assert {first, second} == {"anna", "boris"}
    assert ("transfer", MONDAY + 60 * MINUTE) in fired(any_sessions)
    with any_sessions() as session:
        request = session.get_one(Request, request_id)
        assert request.times_reassigned == 1
        held = session.scalars(select(Assignment).order_by(Assignment.id)).all()
        assert [(one.manager.login, one.ended_at) for one in held] == [(first, MONDAY + 60 * MINUTE), (second, None)]
        assert [one.is_late for one in held] == [True, False]
        debits = {first: 0, second: 0}
        for entry in session.scalars(select(LedgerEntry)):
            debits[entry.manager.login] += entry.delta
        assert debits == {first: 1, second: 1}
        moved = session.scalars(select(Decision).where(Decision.fired.is_not(None)).order_by(Decision.id)).all()[-1]
        assert moved.decision == "escalation"
        assert moved.chosen_manager_id == request.manager_id


def test_no_request_is_passed_on_more_than_twice(any_sessions: sessionmaker[Session]) -> None:
    free = rule("pass", used(100), {"action": "reassign", "to": {"pool": "everyone"}, "strategy": "least_loaded"})
    company(any_sessions, free)
    request_id = assigned(any_sessions)

    jump(any_sessions, MONDAY, MONDAY + timedelta(days=2))

    with any_sessions() as session:
        assert session.get_one(Request, request_id).times_reassigned == 2
        assert len(session.scalars(select(Assignment)).all()) == 3


def test_a_transfer_that_finds_nobody_is_tried_again_every_quarter_of_an_hour(
    any_sessions: sessionmaker[Session],
) -> None:
    busy = {"all": [condition("candidate.unanswered_requests", "lt", 1)]}
    stuck = rule("stuck", used(100), {"action": "reassign", "to": {"pool": "team_of_holder"}, "among": busy})
    cast = company(any_sessions, stuck)
    with db.transaction(any_sessions) as session:
        session.merge(cast.vera).left_on = at("2026-01-01").date()
        others = make_request(session, received_at=MONDAY).id
    request_id = assigned(any_sessions)
    assert {holder_of(any_sessions, request_id), holder_of(any_sessions, others)} == {"anna", "boris"}

    visited = jump(any_sessions, MONDAY, MONDAY + 61 * MINUTE)
    assert fired(any_sessions) == []
    # At 20 he is warned.
    assert visited == [MONDAY + minutes * MINUTE for minutes in (20, 30, 45, 60)]

    with db.transaction(any_sessions) as session:
        answer(session, others, MONDAY + 61 * MINUTE)
    jump(any_sessions, MONDAY + 61 * MINUTE, MONDAY + 80 * MINUTE)
    assert fired(any_sessions) == [("stuck", MONDAY + 75 * MINUTE)]


def test_switched_off_it_decides_nothing_and_switching_on_looks_at_once(any_sessions: sessionmaker[Session]) -> None:
    company(any_sessions, MISSED, live=False)
    with db.transaction(any_sessions) as session:
        modes.set_mode(session, "assignment", "live", actor="galina", now=MONDAY)
    assigned(any_sessions)
    later = MONDAY + timedelta(hours=1)
    jump(any_sessions, MONDAY, later)
    assert fired(any_sessions) == []

    with db.transaction(any_sessions) as session:
        modes.set_mode(session, "escalation", "live", actor="galina", now=later)
    jump(any_sessions, later, later + MINUTE)

    assert fired(any_sessions) == [("missed", later)]


@pytest.mark.parametrize(
    ("mode", "states", "told", "moved"),
    [
        ("watch", {ActionState.WITHHELD}, False, False),
        ("hints", {ActionState.APPLIED, ActionState.WITHHELD}, True, False),
        ("live", {ActionState.APPLIED}, True, True),
    ],
)
def test_the_mode_says_how_much_is_done(
    any_sessions: sessionmaker[Session], mode: str, states: set[ActionState], told: bool, moved: bool
) -> None:
    company(any_sessions, HALF, TRANSFER, live=False)
    with db.transaction(any_sessions) as session:
        modes.set_mode(session, "assignment", "live", actor="galina", now=MONDAY)
        modes.set_mode(session, "escalation", mode, actor="galina", now=MONDAY)
    request_id = assigned(any_sessions)
    before = holder_of(any_sessions, request_id)

    jump(any_sessions, MONDAY, MONDAY + 30 * MINUTE)
    agenda.run_due(any_sessions, MONDAY + 90 * MINUTE)

    assert {rule for rule, _ in fired(any_sessions)} >= {"half", "transfer"}
    with any_sessions() as session:
        found = (
            select(FiringAction.state)
            .join(Firing, Firing.id == FiringAction.firing_id)
            .where(Firing.item_kind == "request")
        )
        assert set(session.scalars(found)) == states
        assert {one.mode for one in session.scalars(select(Decision).where(Decision.decision == "escalation"))} == {
            mode
        }
    assert bool(pages(any_sessions)) is told
    assert (holder_of(any_sessions, request_id) != before) is moved


def test_a_reminder_repeats_in_working_time_and_after_an_outage_only_the_newest_is_written(
    any_sessions: sessionmaker[Session],
) -> None:
    again = rule("again", used(100), {"action": "remind", "repeat_every": 30})
    company(any_sessions, again)
    assigned(any_sessions)

    jump(any_sessions, MONDAY, MONDAY + 91 * MINUTE)
    first = fired(any_sessions)
    # 11:50, 12:20, 12:50; lunch is from 13:00 to 14:00, so the next one would be at 14:20.
    assert first == [("again", MONDAY + minutes * MINUTE) for minutes in (30, 60, 90)]
    assert jump(any_sessions, MONDAY + 91 * MINUTE, at("2026-10-05 14:21")) == [at("2026-10-05 14:20")]

    agenda.run_due(any_sessions, at("2026-10-05 17:00"))

    with any_sessions() as session:
        assert session.scalars(
            select(Firing.occurrence).where(Firing.item_kind == "request").order_by(Firing.id)
        ).all() == [0, 1, 2, 3, 8]


def test_a_request_that_waits_too_long_for_its_client_returns_to_work_with_a_task(
    any_sessions: sessionmaker[Session],
) -> None:
    waiting = rule(
        "waiting",
        condition("request.waiting_client_days", "ge", 3),
        {"action": "return_to_work"},
        {"action": "create_task", "title": "Связаться с клиентом", "in_working_minutes": 60},
    )
    company(any_sessions, waiting)
    request_id = assigned(any_sessions)
    with db.transaction(any_sessions) as session:
        now = MONDAY + 20 * MINUTE
        answer(session, request_id, now)
        request = session.get_one(Request, request_id)
        status.change_status(
            session, request, RequestStatus.WAITING_CLIENT, reason=None, at=now, actor="system", now=now
        )

    jump(any_sessions, MONDAY + 20 * MINUTE, at("2026-10-12 00:00"))

    # Monday to Thursday morning are three working days.
    assert fired(any_sessions) == [("waiting", at("2026-10-08 09:00"))]
    with any_sessions() as session:
        request = session.get_one(Request, request_id)
        assert request.status is RequestStatus.IN_PROGRESS
        assert request.waiting_since is None
        extra = session.scalars(select(Task).where(Task.kind == TaskKind.EXTRA)).one()
        assert extra.title["ru"] == "Связаться с клиентом"
        assert extra.manager_id == request.manager_id
        assert extra.due_at == at("2026-10-08 10:00")


def test_a_request_that_nobody_has_is_watched_too(any_sessions: sessionmaker[Session]) -> None:
    alone = rule(
        "alone",
        {
            "all": [
                condition("request.status", "is", "new"),
                condition("request.working_minutes_since_received", "ge", 60),
            ]
        },
        {"action": "notify", "whom": "head", "text": "Заявку некому передать"},
        {"action": "set_priority", "priority": "high"},
    )
    company(any_sessions, alone)
    with db.transaction(any_sessions) as session:
        make_version(session, "assignment", assignment_rules(among=condition_group("candidate.team", "is", "nobody")))
        request_id = make_request(session).id

    jump(any_sessions, MONDAY, MONDAY + 90 * MINUTE)

    assert fired(any_sessions) == [("alone", MONDAY + 60 * MINUTE)]
    with any_sessions() as session:
        assert session.get_one(Request, request_id).priority == "high"
        assert (
            session.scalars(select(Firing.ownership).where(Firing.item_kind == "request")).one()
            == escalation.NO_OWNERSHIP
        )
    assert pages(any_sessions)[-1][0] == "galina"


def condition_group(field: str, op: str, value: object) -> dict:  # type: ignore[type-arg]
    return {"all": [condition(field, op, value)]}


def test_rules_that_set_each_other_off_are_stopped_with_an_incident(any_sessions: sessionmaker[Session]) -> None:
    hot = rule(
        "hot-potato",
        condition("request.status", "is", "assigned"),
        {"action": "reassign", "to": {"pool": "everyone"}, "strategy": "least_loaded"},
    )
    company(any_sessions, hot)
    with db.transaction(any_sessions) as session:
        settings_store.change(session, settings_store.MAX_TRANSFERS, 20, actor="denis")

    request_id = assigned(any_sessions)

    with any_sessions() as session:
        assert session.scalars(select(Incident.kind)).all() == ["rules_without_end"]
        assert session.get_one(Request, request_id).times_reassigned == firings.MAX_STEPS
        assert len(session.scalars(select(Assignment).where(Assignment.ended_at.is_(None))).all()) == 1


def test_a_version_that_comes_into_force_later_is_looked_at_then(any_sessions: sessionmaker[Session]) -> None:
    company(any_sessions)
    assigned(any_sessions)
    tomorrow = at("2026-10-06 10:00")
    with db.transaction(any_sessions) as session:
        rulebook.publish(
            session, "escalation", escalation_rules(MISSED), holds_from=tomorrow, now=MONDAY + MINUTE, actor="galina"
        )
    # Something else wakes it in between; the publication must not be forgotten.
    with db.transaction(any_sessions) as session:
        answerless = session.scalars(select(WorkItem)).one()
        answerless.wake_at = MONDAY + 2 * MINUTE

    visited = jump(any_sessions, MONDAY + 2 * MINUTE, at("2026-10-07 00:00"))

    assert visited == [MONDAY + 2 * MINUTE, tomorrow]
    assert fired(any_sessions) == [("missed", tomorrow)]


def test_a_new_version_does_not_fire_a_rule_again(any_sessions: sessionmaker[Session]) -> None:
    company(any_sessions, MISSED)
    assigned(any_sessions)
    jump(any_sessions, MONDAY, MONDAY + timedelta(hours=1))
    now = MONDAY + timedelta(hours=1)
    with db.transaction(any_sessions) as session:
        rulebook.publish(session, "escalation", escalation_rules(MISSED, HALF), holds_from=now, now=now, actor="galina")

    jump(any_sessions, now, now + timedelta(days=1))

    assert [name for name, _ in fired(any_sessions)] == ["missed", "half"]


def test_what_was_decided_can_be_read_from_its_row(any_sessions: sessionmaker[Session]) -> None:
    company(any_sessions, MISSED)
    assigned(any_sessions)
    jump(any_sessions, MONDAY, MONDAY + timedelta(hours=1))

    with any_sessions() as session:
        decision = session.scalars(select(Decision).where(Decision.decision == "escalation")).one()
        detail = journal.detail_of(session, decision.id)
        assert decision.fired == ["missed"]
        assert [effect["action"] for effect in decision.effects] == ["mark_late", "notify"]
        assert detail is not None
        assert detail["facts"]["request.answer_used_pct"] == "100"
        assert detail["outcome"]["firings"][0]["seen"][1]["seen"] == "100"


def test_a_reminder_costs_a_commit_and_few_statements(any_sessions: sessionmaker[Session]) -> None:
    """The claim of the next item rides with the work of the last; rules about calls read nothing about requests."""
    about_calls = rule(
        "calls",
        {"all": [condition("item.kind", "is", "callback"), condition("manager.overdue_callbacks", "ge", 5)]},
        {"action": "remind"},
    )
    company(any_sessions, HALF, about_calls)
    for _ in range(4):
        assigned(any_sessions)
    engine = any_sessions.kw["bind"]
    commits = []

    def note(_connection: object) -> None:
        commits.append(1)

    event.listen(engine, "commit", note)
    with any_sessions() as session, statements_of(session) as sent:
        totals = agenda.run_due(any_sessions, MONDAY + 15 * MINUTE)
    event.remove(engine, "commit", note)

    assert (totals.handled, totals.escalated) == (4, 4)
    # The first claim, four times the work with the next claim, two looks for what else is due.
    assert len(commits) <= 7
    assert not [one for one in sent if "ledger_balances" in one]
    assert len(sent) <= 4 * 14 + 5
