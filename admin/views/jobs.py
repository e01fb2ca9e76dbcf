"""Jobs: what is due and who has it, what was set aside or failed, what an administrator must know, who is alive."""

from dataclasses import dataclass
from datetime import datetime

import redis
from flask import Blueprint, Flask, abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from admin import incident_words, redis_queue
from admin.base import commit_and_wake, db_session, request_now, shell
from admin.labels import DECISIONS
from admin.security import actor
from rules_engine import clock
from rules_engine.models import Heartbeat, Incident, OutboxMessage, OutboxState, WorkItem, WorkKind
from rules_engine.services.messages import outbox
from rules_engine.services.queue import work
from rules_engine.services.records import audit
from rules_engine.services.running import heartbeats, throughput

SHOWN = 100

blueprint = Blueprint("jobs", __name__, url_prefix="/jobs")


def alarms(session: Session) -> dict[str, int]:
    """Return what waits for a person: items set aside, open incidents, messages given up."""
    return {
        "quarantined": session.scalar(select(func.count(WorkItem.id)).where(WorkItem.quarantined_at.is_not(None))) or 0,
        "incidents": session.scalar(select(func.count(Incident.id)).where(Incident.resolved_at.is_(None))) or 0,
        "dead": session.scalar(select(func.count(OutboxMessage.id)).where(OutboxMessage.state == OutboxState.DEAD))
        or 0,
    }


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the parts that work in the background were heard of within the last minute."""

    clocks: list[Heartbeat]
    workers: list[Heartbeat]
    last_seen: datetime | None

    @property
    def is_alive(self) -> bool:
        return bool(self.clocks and self.workers)


def health(session: Session, machine_now: datetime) -> Health:
    return Health(
        clocks=heartbeats.living(session, heartbeats.CLOCK, machine_now),
        workers=heartbeats.living(session, heartbeats.WORKER, machine_now),
        last_seen=session.scalar(select(func.max(Heartbeat.at))),
    )


@blueprint.get("/")
def index() -> ResponseReturnValue:
    session, now, machine_now = db_session(), request_now(), clock.now()
    set_aside = session.scalars(
        select(WorkItem)
        .where(WorkItem.quarantined_at.is_not(None))
        .order_by(WorkItem.quarantined_at.desc())
        .limit(SHOWN)
    ).all()
    incidents = session.scalars(
        select(Incident).where(Incident.resolved_at.is_(None)).order_by(Incident.at.desc()).limit(SHOWN)
    ).all()
    dead = select(OutboxMessage).where(OutboxMessage.state == OutboxState.DEAD).order_by(OutboxMessage.id.desc())
    calls = incident_words.clients_of_calls(
        session, [item.subject_id for item in set_aside if item.kind is WorkKind.CALLBACK]
    )
    told = incident_words.shown(session, incidents)
    return render_template(
        "jobs.html",
        queues=throughput.queues(session, now, machine_now),
        hour=throughput.last_hour(session, now),
        decisions=DECISIONS,
        work_names=incident_words.WORK,
        health=health(session, machine_now),
        now=now,
        machine_now=machine_now,
        in_redis=redis_queue.read(shell().settings.effective_redis_url),
        undelivered=throughput.undelivered(session),
        dead=session.scalars(dead.limit(SHOWN)).all(),
        set_aside=[(item, incident_words.place_of(item.kind, item.subject_id, calls)) for item in set_aside],
        of_engines=[one for one in told if one.is_of_engines],
        incidents=[one for one in told if not one.is_of_engines],
        alarms=alarms(session),
    )


@blueprint.post("/<int:item_id>/release")
def release(item_id: int) -> ResponseReturnValue:
    session = db_session()
    item = session.get(WorkItem, item_id) or abort(404)
    if item.quarantined_at is not None:
        work.release_quarantine(session, item, request_now())
        audit.record(
            session,
            actor=actor(),
            action="release",
            subject_kind="work_item",
            subject_id=item_id,
            after={"kind": item.kind, "subject_id": item.subject_id},
        )
        commit_and_wake()
        flash(_("It is tried again now."), "good")
    return redirect(url_for("jobs.index"))


@blueprint.post("/messages/<int:message_id>/send-again")
def send_again(message_id: int) -> ResponseReturnValue:
    session = db_session()
    message = session.get(OutboxMessage, message_id) or abort(404)
    if message.state is OutboxState.DEAD:
        outbox.send_again(session, message, request_now())
        audit.record(
            session, actor=actor(), action="send_again", subject_kind="message", subject_id=message_id,
            after={"channel": message.channel},
        )  # fmt: skip
        commit_and_wake()
        flash(_("It is in the queue again."), "good")
    return redirect(url_for("jobs.index") + "#messages")


@blueprint.post("/queue/<job_id>/retry")
def retry(job_id: str) -> ResponseReturnValue:
    """Put a failed job into the queue again, and note who did it."""
    try:
        is_there = redis_queue.try_again(shell().settings.effective_redis_url, job_id)
    except (redis.RedisError, OSError):
        flash(_("Redis does not answer."), "bad")
        return redirect(url_for("jobs.index"))
    if is_there:
        audit.record(db_session(), actor=actor(), action="retry", subject_kind="job", subject_id=job_id[:100])
        db_session().commit()
        flash(_("It is tried again now."), "good")
    else:
        flash(_("This job is not among the failed ones any more."), "warn")
    return redirect(url_for("jobs.index"))


@blueprint.post("/incidents/<int:incident_id>/resolve")
def resolve(incident_id: int) -> ResponseReturnValue:
    session = db_session()
    incident = session.get(Incident, incident_id) or abort(404)
    if incident.resolved_at is None:
        incident.resolved_at = clock.now()
        audit.record(
            session, actor=actor(), action="resolve", subject_kind="incident", subject_id=incident_id,
            after={"kind": incident.kind},
        )  # fmt: skip
        commit_and_wake()
    return redirect(url_for("jobs.index"))


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
