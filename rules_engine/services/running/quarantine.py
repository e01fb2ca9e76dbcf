"""An item that was given up after too many tries: somebody is told, and the rest goes on without it."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.models import Incident, Request, Role, WorkItem, WorkKind
from rules_engine.services.company.reference import reference
from rules_engine.services.impact import impact
from rules_engine.services.impact.parts import part_of
from rules_engine.services.messages import alerts, outbox
from rules_engine.services.queue.work import Claim

_NAMES = {
    WorkKind.CLIENT: ("клиент", "client"),
    WorkKind.CALLBACK: ("плановый звонок", "callback"),
    WorkKind.OVERDUE_ACTION: ("предложение", "proposal"),
    WorkKind.CLIENT_MOVE: ("переход клиента", "client move"),
    WorkKind.IMPACT: ("расчёт «Что изменится»", "reckoning of an impact"),
    WorkKind.PUBLICATION: ("публикация правил", "publication of rules"),
}


def tell(session: Session, claim: Claim, now: datetime) -> None:
    """Write an incident and a message for the administrators, about a request also one to its head.

    In the transaction that quarantined the item. The status of the request does not change.
    """
    error = session.scalar(select(WorkItem.last_error).where(WorkItem.id == claim.item_id))
    reason = (error or "").strip().rpartition("\n")[2]
    if claim.kind is WorkKind.IMPACT:
        subject_id, _ = part_of(claim.subject_id)
        impact.fail(session, subject_id, reason, now)
    else:
        subject_id = claim.subject_id
    if claim.kind is not WorkKind.REQUEST:
        ru, en = _NAMES.get(claim.kind, ("сообщение", "message"))
        words = _incident(session, claim, now, f"{ru} {subject_id}", f"{en} {subject_id}", reason)
        # Of a message that could not be sent no further one goes out.
        channels = (outbox.PAGE,) if claim.kind is WorkKind.OUTBOX else None
        alerts.tell_administrators(session, f"quarantined:{claim.kind}", words, now, channels=channels)
        return
    # Single columns: the row as a whole may be what cannot be read.
    request = session.execute(
        select(Request.external_id, Request.manager_id).where(Request.id == claim.subject_id)
    ).one_or_none()
    number = request.external_id if request else str(claim.subject_id)
    _incident(session, claim, now, f"заявка {number}", f"request {number}", reason)
    outbox.notify(
        session,
        user_ids=_to_be_told(session, request.manager_id if request else None),
        subject={"ru": f"Заявка {number} отложена", "en": f"Request {number} was set aside"},
        body={
            "ru": "Система не смогла её обработать и больше не пробует. Администратор может вернуть её в работу.",
            "en": "The system could not handle it and has stopped trying. An administrator can bring it back.",
        },
        link=f"/requests/{claim.subject_id}",
        key=f"quarantined:{claim.kind}:{claim.subject_id}:{claim.epoch}",
        now=now,
        is_urgent=True,
    )


def _incident(session: Session, claim: Claim, now: datetime, ru: str, en: str, reason: str) -> dict[str, str]:
    """Write the incident and return its words."""
    words = {
        "ru": f"{ru}: отложена после нескольких попыток" + (f": {reason}" if reason else ""),
        "en": f"{en}: set aside after several tries" + (f": {reason}" if reason else ""),
    }
    data = {"kind": str(claim.kind), "subject_id": claim.subject_id, "item_id": claim.item_id}
    session.add(Incident(at=now, kind="quarantined", message=words, data=data))
    return words


def _to_be_told(session: Session, manager_id: int | None) -> list[int]:
    known = reference(session)
    holder = known.managers.get(manager_id) if manager_id is not None else None
    heads = known.heads_for(holder.team_id if holder else None)
    administrators = [user for user in known.users.values() if user.role is Role.ADMINISTRATOR]
    return [user.id for user in (*administrators, *heads)]
