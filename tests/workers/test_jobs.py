"""A worker runs the jobs of the list and nothing else, whatever stands in Redis."""

import json
import os
import pickle
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import redis
from rq import Callback, Queue, Webhook
from rq.job import Job
from rq.serializers import JSONSerializer
from sqlalchemy.orm import Session

from rules_engine.models import AuditEntry
from rules_engine.services.records import audit
from rules_engine.settings import Settings
from tests.workers import pushed
from tests.workers.processes import burst
from workers.jobs import JOBS
from workers.queues import QUEUE, enqueue_once, open_queue


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """A file that exists afterwards if something ran that must not."""
    return tmp_path / "mark"


@pytest.fixture
def raw(redis_client: redis.Redis) -> Queue:
    """The queue as a stranger opens it, with RQ's own class of jobs."""
    return Queue(QUEUE, connection=redis_client, serializer=JSONSerializer)


def test_the_same_push_does_run_with_the_usual_class_of_jobs(raw: Queue, redis_client: redis.Redis, mark: Path) -> None:
    """The control: what is refused above is what RQ would do."""
    job = raw.enqueue("tests.workers.pushed.leave_a_mark", str(mark))
    Job.fetch(job.id, connection=redis_client, serializer=JSONSerializer).perform()
    assert mark.exists()


@pytest.fixture
def called() -> Iterator[tuple[list[str], str]]:
    """What is asked of an address on loopback, and the address."""
    asked: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *_args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Listener) as listener:
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        yield asked, f"http://127.0.0.1:{listener.server_port}/"
        listener.shutdown()


def test_nothing_that_is_pushed_into_redis_is_run(
    raw: Queue,
    redis_client: redis.Redis,
    settings: Settings,
    sqlite_url: str,
    tmp_path: Path,
    called: tuple[list[str], str],
) -> None:
    """Commands, allowed names with arguments or an object, callbacks and addresses of an allowed job."""
    marks = tmp_path / "marks"
    marks.mkdir()
    refused = [
        raw.enqueue("os.system", f"touch {marks / 'system'}"),
        raw.enqueue("subprocess.call", ["touch", str(marks / "call")]),
        raw.enqueue("tests.workers.pushed.leave_a_mark", str(marks / "function")),
        raw.enqueue("run_due", str(marks / "argument")),
        raw.enqueue("run_due", now="2020-01-01"),
        raw.enqueue("run_due"),
    ]
    redis_client.hset(refused[-1].key, "data", json.dumps(["upper", "an instance", [], {}]))
    asked, address = called
    for name in ("seal_audit", "os.getcwd"):
        raw.enqueue(
            name,
            meta={"mark": str(marks / f"callback of {name}")},
            on_success=Callback(pushed.leave_a_mark_as_callback),
            on_failure=Callback(pushed.leave_a_mark_as_callback),
            webhooks=[Webhook(address, "finished"), Webhook(address, "failed")],
        )
    log = burst(settings, sqlite_url)
    assert (list(marks.iterdir()), asked, raw.count) == ([], [], 0)
    assert log.count("job_refused") == len(refused) + 1


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.path}",)


def test_a_pickle_in_redis_is_not_opened(
    raw: Queue, redis_client: redis.Redis, settings: Settings, sqlite_url: str, mark: Path
) -> None:
    bomb = pickle.dumps(Bomb(mark))
    for part in ("data", "meta", "result"):
        redis_client.hset(raw.enqueue("seal_audit").key, part, bomb)
    burst(settings, sqlite_url)
    assert not mark.exists()
    pickle.loads(bomb)
    assert mark.exists(), "the control: opened, it goes off"


def test_one_wake_up_waits_at_a_time(redis_client: redis.Redis) -> None:
    queue = open_queue(redis_client)
    assert enqueue_once(queue, "run_due")
    assert not enqueue_once(queue, "run_due")
    assert enqueue_once(queue, "seal_audit")
    assert queue.count == 2


def test_only_jobs_of_the_list_can_be_put(redis_client: redis.Redis) -> None:
    with pytest.raises(ValueError, match=r"os\.system"):
        enqueue_once(open_queue(redis_client), "os.system")


def test_every_job_of_the_list_does_its_work_and_leaves_no_failure_and_nothing_in_redis(
    redis_client: redis.Redis, settings: Settings, session: Session, sqlite_url: str
) -> None:
    audit.record(session, actor="denis", action="update", subject_kind="setting", subject_id="answer_within")
    session.commit()
    queue = open_queue(redis_client)
    for name in JOBS:
        assert enqueue_once(queue, name)
    burst(settings, sqlite_url)
    assert (queue.count, queue.failed_job_registry.count, queue.started_job_registry.count) == (0, 0, 0)
    assert redis_client.keys("rq:job:*") == []
    session.expire_all()
    assert [row.position for row in session.query(AuditEntry)] == [1], "the sealing job chains the audit log"


def test_a_worker_refuses_a_database_that_was_never_made(
    settings: Settings, tmp_path: Path, redis_client: redis.Redis
) -> None:
    assert "pravila init" in burst(settings, f"sqlite:///{tmp_path / 'none.db'}", code=1)


def test_a_worker_says_where_it_missed_redis(settings: Settings, sqlite_url: str) -> None:
    impatient = (
        "from workers import readiness, worker; readiness.wait_for_redis.__defaults__ = (0.1,);"
        "import sys; sys.argv = ['worker', '--burst']; worker.main()"
    )
    assert str(settings.redis_socket) in burst(settings, sqlite_url, "-c", impatient, code=1)
