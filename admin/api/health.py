"""Whether this process lives, whether the installation can work, and its figures for Prometheus."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Final

import redis
from flask import Blueprint, Response, current_app
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, literal_column, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import InstrumentedAttribute, Session

from admin.base import Shell, shell
from rules_engine import clock
from rules_engine.models import (
    OPEN_STATUSES,
    Assignment,
    Incident,
    OutboxMessage,
    OutboxState,
    Request,
    WorkItem,
)
from rules_engine.services.running import heartbeats
from rules_engine.services.running.health import ENGINE_KINDS

LATE: Final = timedelta(minutes=5)
"""Work that has been due for so long is not late but stuck."""
_REDIS_PATIENCE: Final = 0.5

blueprint: Final = Blueprint("probes", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """This process answers; nothing else is asked."""
    return _json({"ok": True}, 200)


@blueprint.get("/readyz")
def readyz() -> Response:
    """Database, Redis, workers, overdue work: 200 when all is well, else 503 and which is not."""
    here = shell()
    checks = [
        _asked("database", lambda: _database(here)),
        _asked("redis", lambda: _redis(here)),
        _asked("workers", lambda: _workers(here)),
        _asked("overdue work", lambda: _work(here)),
    ]
    ok = all(check["ok"] for check in checks)
    return _json({"ok": ok, "checks": checks}, 200 if ok else 503)


@blueprint.get("/metrics")
def metrics() -> Response:
    """The figures, counted from indices at each call."""
    # A registry of its own: two applications in one process do not share their figures.
    registry = CollectorRegistry()
    registry.register(Figures(shell()))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class Figures(Collector):
    """Reads the figures of an installation when they are asked for."""

    def __init__(self, of: Shell) -> None:
        self._shell = of

    def describe(self) -> Iterable[Metric]:
        # Without it registering would already ask the database.
        return []

    def collect(self) -> Iterable[Metric]:
        with self._shell.reading_sessions() as session:
            yield from _figures(session, self._shell.now(), clock.now())


def _figures(session: Session, now: datetime, machine_now: datetime) -> Iterable[Metric]:
    open_requests = GaugeMetricFamily("pravila_requests_open", "Open requests by status.", labels=["status"])
    counts = dict.fromkeys((status.value for status in OPEN_STATUSES), 0)
    stored = (
        select(Request.status, func.count())
        .where(Request.status.in_(OPEN_STATUSES), Request.is_history.is_(False))
        .group_by(Request.status)
    )
    counts |= {status.value: number for status, number in session.execute(stored)}
    for status, number in sorted(counts.items()):
        open_requests.add_metric([status], number)
    yield open_requests

    yield _counter("pravila_requests_received", "Requests stored, history included.", _number(session, Request.id))
    yield _counter("pravila_assignments", "Requests handed to a manager.", _number(session, Assignment.id))

    due = select(func.count()).where(WorkItem.wake_at <= now, WorkItem.quarantined_at.is_(None))
    yield _gauge("pravila_work_due", "Work items whose instant has come.", session.scalar(due) or 0)
    first = _first_due(session)
    behind = max(0.0, (now - first).total_seconds()) if first else 0.0
    yield _gauge("pravila_work_behind_seconds", "How long the oldest due item has waited.", behind)
    aside = select(func.count()).where(WorkItem.quarantined_at.is_not(None))
    yield _gauge("pravila_work_quarantined", "Items set aside after errors.", session.scalar(aside) or 0)

    outbox = GaugeMetricFamily("pravila_outbox_messages", "Messages that are not delivered.", labels=["state"])
    for state in (OutboxState.PENDING, OutboxState.DEAD):
        waiting = select(func.count()).where(OutboxMessage.state == state)
        outbox.add_metric([state.value], session.scalar(waiting) or 0)
    yield outbox
    longest = select(func.min(OutboxMessage.not_before, type_=OutboxMessage.not_before.type)).where(
        OutboxMessage.state == OutboxState.PENDING
    )
    waits_since = session.scalar(longest)
    late = max(0.0, (now - waits_since).total_seconds()) if waits_since else 0.0
    yield _gauge("pravila_outbox_behind_seconds", "How long the oldest message that could go has waited.", late)
    # As the partial index spells it.
    sent = select(func.count()).where(
        OutboxMessage.channel != literal_column("'page'"), OutboxMessage.sent_at.is_not(None)
    )
    yield _counter("pravila_messages_sent", "Messages that left the house.", session.scalar(sent) or 0)

    unresolved = select(func.count()).where(Incident.resolved_at.is_(None))
    yield _gauge("pravila_incidents_open", "Incidents that nobody has closed.", session.scalar(unresolved) or 0)
    differ = unresolved.where(Incident.kind.in_(ENGINE_KINDS))
    yield _gauge("pravila_engine_differences_open", "Differences of the two engines.", session.scalar(differ) or 0)
    alive = GaugeMetricFamily("pravila_processes_alive", "Processes heard of within a minute.", labels=["kind"])
    for kind in (heartbeats.CLOCK, heartbeats.WORKER):
        alive.add_metric([kind], len(heartbeats.living(session, kind, machine_now)))
    yield alive


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, value=value)


def _counter(name: str, words: str, value: float) -> Metric:
    return CounterMetricFamily(name, words, value=value)


def _number(session: Session, key: InstrumentedAttribute[int]) -> int:
    return session.scalar(select(func.count(key))) or 0


def _asked(name: str, ask: Callable[[], tuple[bool, str]]) -> dict[str, Any]:
    """Return the answer to one question; who cannot be asked is not well."""
    try:
        ok, detail = ask()
    except (SQLAlchemyError, redis.RedisError, OSError) as problem:
        ok, detail = False, type(problem).__name__
    return {"name": name, "ok": ok, "detail": detail}


def _database(of: Shell) -> tuple[bool, str]:
    with of.reading_sessions() as session:
        session.execute(text("SELECT 1"))
    return True, "answers"


def _redis(of: Shell) -> tuple[bool, str]:
    client = redis.Redis.from_url(
        of.settings.effective_redis_url,
        socket_connect_timeout=_REDIS_PATIENCE,
        socket_timeout=_REDIS_PATIENCE,
        retry=None,
    )
    with client:
        client.ping()
    return True, "answers"


def _workers(of: Shell) -> tuple[bool, str]:
    with of.reading_sessions() as session:
        clocks = len(heartbeats.living(session, heartbeats.CLOCK, clock.now()))
        workers = len(heartbeats.living(session, heartbeats.WORKER, clock.now()))
    return clocks > 0 and workers > 0, f"clocks {clocks}, workers {workers}"


def _work(of: Shell) -> tuple[bool, str]:
    with of.reading_sessions() as session:
        first = _first_due(session)
    if first is None or first >= of.now() - LATE:
        return True, "none"
    return False, f"waiting since {first.isoformat()}"


def _first_due(session: Session) -> datetime | None:
    """Return the earliest instant at which an item wants to be looked at, from the index alone."""
    waiting = (WorkItem.wake_at.is_not(None), WorkItem.quarantined_at.is_(None))
    return session.scalar(select(WorkItem.wake_at).where(*waiting).order_by(WorkItem.wake_at).limit(1))


def _json(document: dict[str, Any], status: int) -> Response:
    return Response(current_app.json.dumps(document), status, content_type="application/json")
