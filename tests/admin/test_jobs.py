"""The jobs page: with Redis and without, what failed and how to go on, where the engines differed."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import redis
from rq import SimpleWorker
from rq.serializers import JSONSerializer
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from rules_engine import db
from rules_engine.models import (
    AuditEntry,
    CallbackState,
    Decision,
    Incident,
    OutboxMessage,
    OutboxState,
    WorkItem,
    WorkKind,
)
from rules_engine.services.running import throughput
from rules_engine.settings import Settings
from tests.admin.conftest import Browser
from tests.calls import make_callback
from tests.factories import MONDAY, Cast, make_client, make_request
from tests.workers.waiting import end, wait_until
from workers import redis_server
from workers.jobs import AllowedJob
from workers.queues import open_queue

LogIn = Callable[[str], Browser]
Sessions = sessionmaker[Session]


@pytest.fixture
def in_redis(settings: Settings) -> Iterator[redis.Redis]:
    process = redis_server.start(settings)
    try:
        wait_until(lambda: redis_server.is_answering(settings))
        with redis.Redis.from_url(settings.effective_redis_url) as client:
            yield client
    finally:
        end(process)


def test_without_redis_it_says_so_and_shows_the_rest(logged_in: LogIn, sessions: Sessions) -> None:
    with db.transaction(sessions) as session:
        make_request(session)
    page = logged_in("galina").get("/jobs/").text
    assert "Redis не отвечает" in page
    assert "заявки" in page
    assert logged_in("galina").post("/jobs/queue/run_due-1/retry").status_code == 302


def test_a_job_that_failed_is_tried_again_by_hand(in_redis: redis.Redis, logged_in: LogIn, sessions: Sessions) -> None:
    queue = open_queue(in_redis)
    # Not on the list of what a job may be: a real worker refuses it.
    queue.enqueue("os.getpid", job_id="stranger-1", description="os.getpid")
    SimpleWorker([queue], connection=in_redis, job_class=AllowedJob, serializer=JSONSerializer).work(
        burst=True, logging_level="ERROR"
    )
    galina = logged_in("galina")
    page = galina.get("/jobs/").text
    assert "Redis не отвечает" not in page
    assert "this job is not on the list" in page

    galina.post("/jobs/queue/stranger-1/retry")

    assert queue.get_job_ids() == ["stranger-1"]
    assert "this job is not on the list" not in galina.get("/jobs/").text
    with sessions() as session:
        entry = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
        assert entry is not None
        assert (entry.action, entry.subject_kind, entry.subject_id) == ("retry", "job", "stranger-1")
    galina.post("/jobs/queue/stranger-1/retry")
    assert "уже нет" in galina.get("/jobs/").text


def test_a_message_that_was_given_up_is_sent_again_from_here(logged_in: LogIn, cast: Cast, sessions: Sessions) -> None:
    with db.transaction(sessions) as session:
        message = OutboxMessage(
            key="k", channel="url", user_id=cast.anna.user_id, address="json · 0cb4", subject="Заявка ждёт", body="",
            created_at=MONDAY, not_before=MONDAY, state=OutboxState.DEAD, attempts=8, last_error="код 404",
        )  # fmt: skip
        session.add(message)
    galina = logged_in("galina")
    assert "код 404" in galina.get("/jobs/").text

    galina.post(f"/jobs/messages/{message.id}/send-again")

    with sessions() as session:
        assert session.get_one(OutboxMessage, message.id).state is OutboxState.PENDING
        assert session.scalars(select(AuditEntry.action)).all()[-1] == "send_again"


def test_where_the_engines_differed_the_rules_and_the_facts_stand_in_words(
    logged_in: LogIn, sessions: Sessions
) -> None:
    with db.transaction(sessions) as session:
        session.add(
            Incident(
                at=MONDAY,
                kind="engine_difference",
                message={"ru": "движки ответили по-разному", "en": "the engines differ"},
                data={
                    "decision": "assignment",
                    "number": 3,
                    "native": ["own-client"],
                    "durable": [],
                    "detail": "",
                    "facts": {"client.is_old": True, "request.amount": "14500.00", "gone.field": 7},
                },
            )
        )
    page = logged_in("denis").get("/jobs/").text
    assert "<code>own-client</code>" in page
    assert "ни одно из правил" in page
    assert "14\u00a0500" in page
    assert "Gone.field" in page
    assert "Распределение заявок, № 3" in page


def test_each_item_that_was_set_aside_leads_to_what_it_is_about(logged_in: LogIn, sessions: Sessions) -> None:
    with db.transaction(sessions) as session:
        request, client = make_request(session), make_client(session)
        call = make_callback(session, client, None, state=CallbackState.PLANNED)
        subjects = {
            WorkKind.REQUEST: request.id, WorkKind.CLIENT: client.id, WorkKind.CALLBACK: call.id,
            WorkKind.OVERDUE_ACTION: 9, WorkKind.CLIENT_MOVE: 9, WorkKind.OUTBOX: 9,
        }  # fmt: skip
        for kind, subject_id in subjects.items():
            item = session.scalars(
                select(WorkItem).where(WorkItem.kind == kind, WorkItem.subject_id == subject_id)
            ).first() or WorkItem(kind=kind, subject_id=subject_id)
            item.quarantined_at, item.attempts, item.last_error = MONDAY, 5, "ValueError: яд"
            session.add(item)
    page = logged_in("galina").get("/jobs/").text.partition('id="set-aside"')[2].partition("</section>")[0]
    assert page.count("ValueError: яд</summary>") == 6
    assert f'/requests/{request.id}"' in page
    assert page.count(f'/clients/{client.id}"') == 2
    assert "/overdue/" in page
    assert "/admin/outbox/details/?id=9" in page


def test_figures_are_those_of_the_rows(sessions: Sessions) -> None:
    with db.transaction(sessions) as session:
        session.query(WorkItem).delete()
        for number, minutes in enumerate((-50, -10, 5)):
            session.add(WorkItem(kind=WorkKind.CLIENT, subject_id=number, wake_at=MONDAY + timedelta(minutes=minutes)))
        make_request(session, received_at=MONDAY - timedelta(minutes=30), wake=False)
        make_request(session, received_at=MONDAY - timedelta(minutes=61), wake=False)
        session.add(
            Decision(
                decision="assignment",
                subject_kind="request",
                subject_id=1,
                at=MONDAY,
                fired=[],
                mode="live",
                engine="native",
                effects=[],
            )
        )
    with sessions() as session:
        found = {queue.kind: queue for queue in throughput.queues(session, MONDAY, MONDAY)}
        clients = found[WorkKind.CLIENT]
        assert (clients.due, clients.later, clients.due_since) == (2, 1, MONDAY - timedelta(minutes=50))
        assert found[WorkKind.OUTBOX] == throughput.Queue(WorkKind.OUTBOX)
        hour = throughput.last_hour(session, MONDAY)
        assert (hour.received, hour.decided["assignment"], hour.sent) == (1, 1, 0)
