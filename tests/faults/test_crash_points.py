"""A process dies at each labelled point, one after another; what it was at is done once all the same."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from random import Random
from threading import Thread
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope
from aiosmtpd.smtp import Session as SmtpSession
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from rules_engine import db
from rules_engine.models import LedgerEntry, OutboxMessage, OutboxState, Replay, Request, WorkItem, WorkKind
from rules_engine.services.company import tokens
from rules_engine.services.queue.crash_points import LABELS
from rules_engine.services.running import agenda, replay
from rules_engine.settings import Settings
from tests.cluster import free_port
from tests.factories import assignment_rules, make_request, make_user, make_version
from tests.faults import company
from tests.faults.installation import Installation
from tests.faults.sender import Sender
from tests.faults.verdict import judge
from tests.faults.warm import Nursery
from tests.workers.processes import environment
from tests.workers.waiting import wait_until

pytestmark = pytest.mark.faults

KILLED = -9
LIVE_LABELS = ("claim.before_commit", "claim.after_commit", "work.before_commit", "work.after_commit")
INTAKE_LABELS = ("intake.before_commit", "intake.after_commit")
REPLAY_LABELS = ("replay.before_commit", "replay.after_commit")
BATCH, REPLAYED = 40, 60
"""Steps of a transaction in the replays that die, and more than it holds; in earnest it holds hundreds."""
REPLAY = (
    f"from rules_engine.services.running import replay; replay.BATCH = {BATCH};"
    " import sys; sys.argv = ['pravila', 'replay', '--from', '{}', '--to', '{}'];"
    " from rules_engine.cli import main; main()"
)
NOW = datetime(2026, 10, 5, 9, tzinfo=UTC)
RUN_DUE = {"main": ["rules_engine.cli", "run-due", "--now", NOW.isoformat()]}
Python = Callable[..., None]


@pytest.fixture
def python(warm: Nursery, settings: Settings, database_url: str) -> Python:
    """Return a function that does something in a process of its own, which has to end with `code`."""

    def run(order: dict[str, Any], *, code: int = 0, **more: str) -> None:
        settings.home.mkdir(parents=True, exist_ok=True)
        log = settings.home / "log"
        child = warm.start(order, environment=environment(settings, database_url, **more), log=log)
        assert child.wait(120) == code, log.read_text()

    return run


def let_leases_end(engine: Engine) -> None:
    """As if the seconds of the dead worker's lease had passed."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE work_items SET lease_until = NULL"))


def receive(engine: Engine, settings: Settings, number: int) -> list[str]:
    """Let requests wait to be looked at; return their external ids."""
    with db.transaction(db.make_sessions(engine, settings)) as session:
        return [
            make_request(session, received_at=NOW - timedelta(minutes=number - index)).external_id
            for index in range(number)
        ]


@pytest.mark.parametrize("label", LIVE_LABELS)
def test_a_worker_that_dies_at_any_commit_leaves_each_request_assigned_once(
    label: str, any_engine: Engine, python: Python, settings: Settings
) -> None:
    company.found(db.make_sessions(any_engine, settings))
    accepted = receive(any_engine, settings, 5)
    python(RUN_DUE, code=KILLED, PRAVILA_CRASH_AT=f"{label}:2")
    assert judge(any_engine, accepted).lost, "it died before it was through"
    let_leases_end(any_engine)
    agenda.run_due(db.make_sessions(any_engine, settings), NOW)
    verdict = judge(any_engine, accepted)
    assert verdict.kept, verdict
    assert verdict.quarantined == []
    assert verdict.spread <= 1


def test_a_worker_that_dies_after_giving_an_item_back_has_counted_the_attempt(
    any_engine: Engine, python: Python, settings: Settings
) -> None:
    sessions = db.make_sessions(any_engine, settings)
    company.found(sessions)
    with db.transaction(sessions) as session:
        make_version(session, "assignment", {"decision": "assignment", "rules": "none"})
    accepted = receive(any_engine, settings, 2)
    python(RUN_DUE, code=KILLED, PRAVILA_CRASH_AT="fail.after_commit")
    with Session(any_engine) as reading:
        assert sorted(reading.scalars(select(WorkItem.attempts))) == [0, 1]
    with db.transaction(sessions) as session:
        make_version(session, "assignment", assignment_rules())
    let_leases_end(any_engine)
    agenda.run_due(sessions, NOW)
    verdict = judge(any_engine, accepted)
    assert verdict.kept, verdict


class Postbox:
    def __init__(self) -> None:
        self.keys: list[str] = []

    async def handle_DATA(self, server: SMTP, session: SmtpSession, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        self.keys.append(str(message_from_bytes(content)["Message-ID"]))
        return "250 OK"


@pytest.fixture
def postbox() -> Iterator[tuple[Postbox, str]]:
    box = Postbox()
    controller = Controller(box, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield box, f"smtp://127.0.0.1:{controller.port}"
    controller.stop()


def test_a_letter_whose_sender_died_goes_out_once_more_with_the_same_key(
    any_engine: Engine, python: Python, settings: Settings, postbox: tuple[Postbox, str]
) -> None:
    box, url = postbox
    sessions = db.make_sessions(any_engine, settings)
    with db.transaction(sessions) as session:
        anna = make_user(session, "anna")
        message = OutboxMessage(
            key="late:1:email", channel="email", user_id=anna.id, address="anna@example.org", subject="Заявка",
            body="Срок ответа прошёл", created_at=NOW, not_before=NOW, is_urgent=True,
        )  # fmt: skip
        session.add(message)
        session.flush()
        session.add(WorkItem(kind=WorkKind.OUTBOX, subject_id=message.id, wake_at=NOW))
    job = {"call": "workers.jobs:run_due"}
    python(job, code=KILLED, PRAVILA_CRASH_AT="outbox.after_send", PRAVILA_SMTP_URL=url)
    assert len(box.keys) == 1
    let_leases_end(any_engine)
    for _ in range(2):
        python(job, PRAVILA_SMTP_URL=url)
    assert len(box.keys) == 2
    assert len(set(box.keys)) == 1
    with Session(any_engine) as reading:
        assert reading.scalars(select(OutboxMessage.state)).all() == [OutboxState.SENT]


@pytest.mark.parametrize("label", INTAKE_LABELS)
def test_the_pages_die_around_the_commit_of_a_delivery_and_the_sender_asks_again(
    label: str, database_url: str, tmp_path: Path, warm: Nursery
) -> None:
    with Installation(tmp_path, database_url, warm=warm) as there:
        company.found(there.sessions)
        with db.transaction(there.sessions) as session:
            _, secret = tokens.create(session, "faults", ["requests:write"], now=datetime.now(UTC))
        there.start("web", ("-m", "wsgi"), PRAVILA_CRASH_AT=f"{label}:2")
        wait_until(there.web_answers, 60)
        sender = Sender(there.settings.port, secret, number=3, per_second=50, random=Random(1))
        sending = Thread(target=sender.run, args=(lambda: False,))
        sending.start()
        there.processes["web"].wait(30)
        assert there.processes["web"].returncode == KILLED
        there.start_web()
        sending.join()
        assert (sender.problems, len(sender.accepted)) == ([], 3)
        assert all(len(ids) == 1 for ids in sender.ids.values())
        agenda.run_due(there.sessions, datetime.now(UTC))
        verdict = judge(there.engine, sender.accepted)
        assert verdict.kept, verdict
        assert sum(verdict.counts.values()) == 3


def lay_down(engine: Engine, settings: Settings, number: int) -> tuple[datetime, datetime]:
    """Lay requests down for a replay over two days; return its two instants."""
    end = NOW + timedelta(days=2)
    with db.transaction(db.make_sessions(engine, settings)) as session:
        for index in range(number):
            at = NOW + index * (end - NOW) / number
            body = {"source": "faults", "external_id": f"R-{index}", "received_at": at.isoformat()}
            replay.lay_down(session, "request", "faults", f"R-{index}", at, body)
    return NOW, end


def ledger(engine: Engine) -> list[tuple[object, ...]]:
    with Session(engine) as reading:
        query = select(
            LedgerEntry.at, Request.external_id, LedgerEntry.manager_id, LedgerEntry.delta, LedgerEntry.cause
        ).join(Request)
        return [tuple(row) for row in reading.execute(query.order_by(LedgerEntry.id))]


@pytest.fixture(scope="module")
def undisturbed(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[object, ...]]:
    """The ledger of the same replay when nobody dies, on a database of its own."""
    home = tmp_path_factory.mktemp("undisturbed")
    settings = Settings.from_env({"PRAVILA_HOME": str(home)})
    shutil.copy(sqlite_template, home / "undisturbed.db")
    engine = db.make_engine(f"sqlite:///{home / 'undisturbed.db'}", relaxed=True)
    sessions = db.make_sessions(engine, settings)
    company.found(sessions)
    replay.replay(sessions, *lay_down(engine, settings, REPLAYED))
    found = ledger(engine)
    engine.dispose()
    return found


@pytest.mark.parametrize("label", REPLAY_LABELS)
def test_a_replay_that_dies_goes_on_and_ends_in_the_same_ledger(
    label: str, any_engine: Engine, python: Python, settings: Settings, undisturbed: list[tuple[object, ...]]
) -> None:
    company.found(db.make_sessions(any_engine, settings))
    from_at, until_at = lay_down(any_engine, settings, REPLAYED)
    order = {"code": REPLAY.format(from_at.isoformat(), until_at.isoformat())}
    python(order, code=KILLED, PRAVILA_CRASH_AT=f"{label}:2")
    with Session(any_engine) as reading:
        assert reading.scalars(select(Replay.finished_at)).all() == [None]
    python({"main": ["workers.worker", "--burst"]}, code=1)
    python(order)
    assert len(undisturbed) == REPLAYED
    assert ledger(any_engine) == undisturbed


def test_every_labelled_point_is_died_at_here() -> None:
    here = {*LIVE_LABELS, *REPLAY_LABELS, *INTAKE_LABELS, "fail.after_commit", "outbox.after_send"}
    assert here == set(LABELS)
