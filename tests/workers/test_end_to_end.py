"""Real Redis, a real clock process and a real RQ worker: a request comes in, is assigned, and is acted on when late."""

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope
from aiosmtpd.smtp import Session as SmtpSession
from sqlalchemy import select, text

from rules_engine import db
from rules_engine.models import (
    Assignment,
    AuditEntry,
    Firing,
    OutboxMessage,
    OutboxState,
    Request,
    RequestStatus,
    User,
    WorkItem,
    WorkKind,
)
from rules_engine.services.records import audit, settings_store
from rules_engine.services.records.incoming import RequestIn
from rules_engine.services.requests import intake
from rules_engine.services.running import heartbeats
from tests.cluster import free_port
from tests.conftest import postgres_copy
from tests.factories import condition, escalation_rules, make_version, rule
from tests.faults import company
from tests.faults.harness import CLOCK
from tests.faults.installation import Installation
from tests.receiver import receiver
from tests.workers.waiting import wait_until
from workers.schedule import WAKE_KEY


class Postbox:
    def __init__(self) -> None:
        self.received: list[EmailMessage] = []

    async def handle_DATA(self, server: SMTP, session: SmtpSession, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        self.received.append(message_from_bytes(content, policy=policy.default))
        return "250 OK"


@pytest.fixture(scope="module")
def postbox() -> Iterator[tuple[Postbox, str]]:
    box = Postbox()
    controller = Controller(box, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield box, f"smtp://127.0.0.1:{controller.port}"
    controller.stop()


@pytest.fixture(
    scope="module",
    params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)],
)
def there(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postbox: tuple[Postbox, str]
) -> Iterator[Installation]:
    """A company with one worker and one clock; who does not answer within 30 minutes is told so.

    The tests of this file follow each other in it, and the last of them ends its Redis for good.
    """
    box, smtp_url = postbox
    box.received.clear()
    home = tmp_path_factory.mktemp("there")
    with ExitStack() as stack:
        if request.param == "sqlite":
            shutil.copy(request.getfixturevalue("sqlite_template"), home / "pravila.db")
            url = f"sqlite:///{home / 'pravila.db'}"
        else:
            server, template = (request.getfixturevalue(name) for name in ("postgres_server", "postgres_template"))
            url = stack.enter_context(postgres_copy(server, template))
        there = stack.enter_context(Installation(home, url, PRAVILA_SMTP_URL=smtp_url, PRAVILA_LOCALE="ru"))
        company.found(there.sessions)
        unanswered = condition("request.is_answered", "is", False)
        missed = condition("request.answer_used_pct", "ge", "100")
        with db.transaction(there.sessions) as session:
            late = rule(
                "missed",
                {"all": [unanswered, missed]},
                {"action": "mark_late"},
                {"action": "notify", "whom": "manager", "text": "Срок ответа прошёл, ответа ещё нет"},
            )
            make_version(session, "escalation", escalation_rules(late))
        there.start_redis()
        there.start("clock", CLOCK)
        there.start("worker")
        yield there


def receive(there: Installation, external_id: str) -> int:
    now = datetime.now(UTC)
    body = {"source": "site", "external_id": external_id, "received_at": now.isoformat(), "amount": "14500.00"}
    with db.transaction(there.sessions) as session:
        received = intake.receive(session, RequestIn.model_validate(body), now=now, actor="api:test")
        request_id = received.request.id
    there.redis().lpush(WAKE_KEY, b"1")
    return request_id


def request_of(there: Installation, request_id: int) -> Request:
    with there.sessions() as session:
        return session.get_one(Request, request_id)


def let_time_pass(there: Installation, request_id: int, minutes: int) -> None:
    """Move everything about a request's holder into the past, as if so many minutes had gone by since."""
    micros = int(timedelta(minutes=minutes) / timedelta(microseconds=1))
    with db.transaction(there.sessions) as session:
        session.execute(
            text("UPDATE work_items SET wake_at = wake_at - :micros WHERE kind = 'request' AND subject_id = :id"),
            {"micros": micros, "id": request_id},
        )
        for table, key in (("requests", "id"), ("assignments", "request_id")):
            session.execute(
                text(
                    f"UPDATE {table} SET assigned_at = assigned_at - :micros, answer_due_at = answer_due_at - :micros"
                    f" WHERE {key} = :id"
                ),
                {"micros": micros, "id": request_id},
            )
    there.redis().lpush(WAKE_KEY, b"1")


def mail_states(there: Installation) -> set[OutboxState]:
    with there.sessions() as session:
        return set(session.scalars(select(OutboxMessage.state).where(OutboxMessage.channel == "email")))


@pytest.mark.faults
def test_a_request_is_assigned_within_seconds_and_acted_on_when_nobody_answers(
    there: Installation, postbox: tuple[Postbox, str]
) -> None:
    box, _ = postbox
    request_id = receive(there, "A-1")
    wait_until(lambda: request_of(there, request_id).status is RequestStatus.ASSIGNED)
    request = request_of(there, request_id)
    assert request.answer_due_at is not None
    assert request.assigned_at is not None
    assert request.answer_due_at - request.assigned_at == timedelta(minutes=30)

    with there.sessions() as session:
        wake_at = session.scalar(
            select(WorkItem.wake_at).where(WorkItem.kind == WorkKind.REQUEST, WorkItem.subject_id == request_id)
        )
    assert wake_at == request.answer_due_at, "it sleeps until the next instant at which a rule can act"

    let_time_pass(there, request_id, 31)
    wait_until(lambda: len(box.received) == 2)
    [answered_to] = {message["To"] for message in box.received}
    assert answered_to.startswith("manager")
    assert any("Срок ответа прошёл" in message.get_content() + message["Subject"] for message in box.received)
    with there.sessions() as session:
        assert session.scalars(select(Firing.rule).where(Firing.rule != "otherwise")).all() == ["missed"]
        assert session.scalars(select(Assignment.is_late)).all() == [True]
    # A mail is in the box a moment before its row says so.
    wait_until(lambda: mail_states(there) == {OutboxState.SENT})


@pytest.mark.faults
def test_who_gets_a_request_reads_of_it_within_ten_seconds_by_mail_and_where_he_named(
    there: Installation, postbox: tuple[Postbox, str]
) -> None:
    box, _ = postbox
    with receiver() as chat:
        with db.transaction(there.sessions) as session:
            settings_store.change(session, "notify_private_addresses", "on", actor="denis")
            for user in session.scalars(select(User)):
                user.notify_urls = [chat.url]
        before = len(box.received)
        began = time.monotonic()
        request_id = receive(there, "A-10")
        wait_until(lambda: len(box.received) > before, 10)
        by_mail = time.monotonic() - began
        wait_until(lambda: chat.received, 10 - by_mail)
        print(f"mail after {by_mail:.2f} s, chat after {time.monotonic() - began:.2f} s")

        # A double would come with the next look of the clock: there is none, though several parts are at work.
        looked = receive(there, "A-11")
        wait_until(lambda: request_of(there, looked).status is RequestStatus.ASSIGNED)
        wait_until(lambda: len(chat.received) == 2)
    link = f"/requests/{request_id}"
    assert sum(link in message.get_content() for message in box.received) == 1
    assert sum(link in body["message"] for _key, body in chat.received) == 1
    assert len({key for key, _body in chat.received}) == 2


@pytest.mark.faults
def test_without_a_bell_the_clock_finds_it_by_itself_and_redis_emptied_costs_nothing(there: Installation) -> None:
    request_id = receive(there, "A-2")
    there.redis().flushall()
    wait_until(lambda: request_of(there, request_id).status is RequestStatus.ASSIGNED)


@pytest.mark.faults
def test_clock_and_worker_are_heard_of_and_the_audit_log_is_sealed(there: Installation) -> None:
    def alive(kind: str) -> bool:
        with there.sessions() as session:
            return len(heartbeats.living(session, kind, datetime.now(UTC))) == 1

    wait_until(lambda: alive(heartbeats.CLOCK) and alive(heartbeats.WORKER))
    with db.transaction(there.sessions) as session:
        audit.record(session, actor="denis", action="update", subject_kind="setting", subject_id="answer_within")

    def sealed() -> bool:
        with there.sessions() as session:
            return None not in session.scalars(select(AuditEntry.position)).all()

    wait_until(sealed)


@pytest.mark.faults
def test_redis_gone_for_good_costs_speed_and_nothing_else(there: Installation) -> None:
    there.kill("redis")
    now = datetime.now(UTC)
    body = {"source": "site", "external_id": "A-3", "received_at": now.isoformat()}
    with db.transaction(there.sessions) as session:
        request_id = intake.receive(session, RequestIn.model_validate(body), now=now, actor="api:test").request.id
    wait_until(lambda: request_of(there, request_id).status is RequestStatus.ASSIGNED)
