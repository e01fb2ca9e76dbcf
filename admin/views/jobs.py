"""Jobs: what is due and who has it, what was set aside after failing, what an administrator must know, who is alive."""

from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, Flask, abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from admin.base import commit_and_wake, db_session, request_now
from admin.security import actor
from rules_engine import clock
from rules_engine.models import Heartbeat, Incident, OutboxMessage, OutboxState, WorkItem, WorkKind
from rules_engine.services import audit, heartbeats, work

SHOWN = 100

blueprint = Blueprint("jobs", __name__, url_prefix="/jobs")


@dataclass(frozen=True, slots=True)
class Queue:
    """How much of one kind of work there is."""

    kind: WorkKind
    due: int
    leased: int
    later: int
    quarantined: int


def queues(session: Session, now: datetime, machine_now: datetime) -> list[Queue]:
    """Return the numbers of each kind of work: `now` of the business clock, leases by the machine's."""
    is_set_aside = WorkItem.quarantined_at.is_not(None)
    is_leased = and_(WorkItem.lease_until > machine_now, ~is_set_aside)
    is_due = and_(
        WorkItem.wake_at <= now, ~is_set_aside, or_(WorkItem.lease_until.is_(None), WorkItem.lease_until <= machine_now)
    )
    is_later = and_(WorkItem.wake_at > now, ~is_set_aside)
    found = {
        row[0]: Queue(*tuple(row))
        for row in session.execute(
            select(
                WorkItem.kind,
                *(func.count().filter(condition) for condition in (is_due, is_leased, is_later, is_set_aside)),
            ).group_by(WorkItem.kind)
        )
    }
    return [found.get(kind, Queue(kind, 0, 0, 0, 0)) for kind in WorkKind]


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
    session, machine_now = db_session(), clock.now()
    set_aside = select(WorkItem).where(WorkItem.quarantined_at.is_not(None)).order_by(WorkItem.quarantined_at.desc())
    incidents = select(Incident).where(Incident.resolved_at.is_(None)).order_by(Incident.at.desc())
    return render_template(
        "jobs.html",
        queues=queues(session, request_now(), machine_now),
        health=health(session, machine_now),
        machine_now=machine_now,
        set_aside=session.scalars(set_aside.limit(SHOWN)).all(),
        incidents=session.scalars(incidents.limit(SHOWN)).all(),
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
