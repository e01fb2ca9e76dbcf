"""Carrying out what an escalation decided. Only actions in the state `applied` are; the others are on record."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from rules_engine.db import settings_of
from rules_engine.decisions.effects import Effect
from rules_engine.decisions.escalation_outcome import EscalationOutcome, Message
from rules_engine.decisions.instants import from_us
from rules_engine.models import Assignment, Decision, OverdueKind, Request, RequestStatus, Task, TaskKind
from rules_engine.services.company.reference import reference
from rules_engine.services.messages import outbox
from rules_engine.services.records.writing import Row, write_later
from rules_engine.services.requests import assignment, overdue_actions, status
from rules_engine.services.requests.handing_over import write_event
from rules_engine.services.rules import journal

_LANGUAGES: Final = ("ru", "en")
_MARK_LATE: Final = update(Assignment).where(Assignment.id == bindparam("assignment")).values(is_late=True)


@dataclass(frozen=True, slots=True)
class Case:
    """What is being carried out: the outcome of one decision about one request, for one ownership."""

    session: Session
    request: Request
    ownership: int
    decision_id: int
    outcome: EscalationOutcome
    now: datetime

    def title(self, rule: str) -> dict[str, str]:
        """Return the title of a rule of this outcome by language."""
        words = dict(self.outcome.titles)[rule]
        return {"ru": words.ru, "en": words.en}


def carry_out(case: Case) -> None:
    """Write the event for the request's page and the messages, then apply the effects.

    What concerns the holder who was late comes before a transfer, what is to be done next after it.
    """
    if not case.outcome.applied:
        return
    write_event(
        case.session,
        case.request,
        case.now,
        "escalated",
        journal.SYSTEM,
        decision_id=case.decision_id,
        rules=list(case.outcome.fired),
    )
    for message in case.outcome.messages:
        _send(case, message)
    for effect in sorted(case.outcome.applied, key=lambda effect: _PLACE[effect.action]):
        _APPLY[effect.action](case, effect)


def _mark_late(case: Case, _: Effect) -> None:
    write_later(case.session, _mark_all_late, [{"assignment": case.ownership}])


def _mark_all_late(session: Session, rows: Sequence[Row]) -> None:
    session.connection().execute(_MARK_LATE, rows)


def _reassign(case: Case, _: Effect) -> None:
    transfer = case.outcome.transfer
    if transfer is not None:
        decision = case.session.get_one(Decision, case.decision_id)
        assignment.take_away_and_reassign(case.session, case.request, transfer, decision, case.now)


def _set_priority(case: Case, effect: Effect) -> None:
    case.request.priority = str(effect.params["priority"])


def _return_to_work(case: Case, _: Effect) -> None:
    """Only a request that waits for its client has anything to return from."""
    if case.request.status is RequestStatus.WAITING_CLIENT:
        status.change_status(
            case.session,
            case.request,
            RequestStatus.IN_PROGRESS,
            reason=None,
            at=case.now,
            actor=journal.SYSTEM,
            now=case.now,
        )


def _create_task(case: Case, effect: Effect) -> None:
    """A task for whoever has the request after this evaluation; nobody, no task."""
    request = case.request
    if request.manager_id is None:
        return
    calendar = reference(case.session).calendar_of(request.manager_id)
    params = effect.params
    case.session.add(
        Task(
            kind=TaskKind.EXTRA,
            manager_id=request.manager_id,
            request_id=request.id,
            client_id=request.client_id,
            assignment_id=case.session.scalar(
                select(Assignment.id).where(Assignment.request_id == request.id, Assignment.ended_at.is_(None))
            ),
            decision_id=case.decision_id,
            title=dict.fromkeys(_LANGUAGES, str(params["title"])),
            reason=case.title(effect.rule),
            rule=effect.rule,
            created_at=case.now,
            due_at=calendar.add(case.now, int(params["in_working_minutes"])),
        )
    )


def _propose(case: Case, effect: Effect) -> None:
    """A proposal stands in the head's list, and he is told: a person decides."""
    request = case.request
    is_hold = effect.action == "hold_new_requests"
    if request.manager_id is not None and (is_hold or request.client_id is not None):
        params = effect.params
        firing = next(firing for firing in case.outcome.firings if firing.rule == effect.rule)
        wanted = overdue_actions.Proposal(
            kind=OverdueKind.HOLD if is_hold else OverdueKind.RELEASE,
            manager_id=request.manager_id,
            rule=effect.rule,
            ground={lang: f"{case.title(effect.rule)[lang]}: {_name(case, lang)}" for lang in _LANGUAGES},
            since=case.now,
            decision_id=case.decision_id,
            client_id=None if is_hold else request.client_id,
            request_id=request.id,
            until=params.get("until"),
            overdue_callbacks_below=params.get("overdue_callbacks_below"),
            is_repeated=firing.occurrence > 0,
        )
        overdue_actions.propose(case.session, wanted, case.now, tell=False)
    words = _PROPOSALS[effect.action]
    outbox.notify(
        case.session,
        user_ids=_heads(case),
        subject={lang: f"{_name(case, lang)}: {words[lang]}" for lang in _LANGUAGES},
        body={
            lang: "\n".join((case.title(effect.rule)[lang], *_circumstances(case, lang, for_head=True)))
            for lang in _LANGUAGES
        },
        link=_link(case),
        key=f"proposal:{case.decision_id}:{effect.rule}:{effect.action}",
        now=case.now,
    )


_PROPOSALS: Final = {
    "hold_new_requests": overdue_actions.TITLES[OverdueKind.HOLD],
    "release_client": overdue_actions.TITLES[OverdueKind.RELEASE],
}


def _told(case: Case, effect: Effect) -> None:
    """Messages are sent for the whole outcome, one a person."""


_APPLY: Final[dict[str, Callable[[Case, Effect], None]]] = {
    "remind": _told,
    "notify": _told,
    "mark_late": _mark_late,
    "reassign": _reassign,
    "return_to_work": _return_to_work,
    "set_priority": _set_priority,
    "create_task": _create_task,
    "hold_new_requests": _propose,
    "release_client": _propose,
}
_PLACE: Final = {action: place for place, action in enumerate(_APPLY)}


def _send(case: Case, message: Message) -> None:
    reasons = {
        lang: [text if text is not None else case.title(rule)[lang] for rule, text in message.reasons]
        for lang in _LANGUAGES
    }
    outbox.notify_later(
        case.session,
        user_ids=_recipients(case, message),
        subject={lang: f"{_name(case, lang)}: {reasons[lang][0]}" for lang in _LANGUAGES},
        body={
            lang: "\n".join((*reasons[lang], *_circumstances(case, lang, for_head=message.role == "head")))
            for lang in _LANGUAGES
        },
        link=_link(case),
        key=f"escalation:{case.decision_id}:{message.to}",
        now=case.now,
        digest_minutes=message.digest_minutes,
    )


def _recipients(case: Case, message: Message) -> list[int]:
    if message.to == "head":
        return _heads(case)
    # While nobody has the request a message to its manager stays addressed to "manager", which is no login.
    return [user.id for user in reference(case.session).users.values() if user.login == message.to]


def _heads(case: Case) -> list[int]:
    picture = reference(case.session)
    holder = picture.managers.get(case.request.manager_id) if case.request.manager_id is not None else None
    return [head.id for head in picture.heads_for(holder.team_id if holder else None)]


def _name(case: Case, lang: str) -> str:
    word = "Заявка" if lang == "ru" else "Request"
    return f"{word} {case.request.external_id}"


def _circumstances(case: Case, lang: str, *, for_head: bool) -> list[str]:
    """Return the facts that a reader needs, one a line: the client, the due instant, to the head also the holder."""
    request, is_russian = case.request, lang == "ru"
    client = request.client.name if request.client else request.client_name
    lines = []
    if client:
        lines.append(f"Клиент: {client}" if is_russian else f"Client: {client}")
    if for_head and request.manager_id is not None:
        name = reference(case.session).manager(request.manager_id).name
        lines.append(f"Менеджер: {name}" if is_russian else f"Manager: {name}")
    if request.answer_due_at is not None and request.first_answer_at is None:
        due = request.answer_due_at.astimezone(settings_of(case.session).zone)
        lines.append(f"Срок ответа: {due:%d.%m.%Y %H:%M}" if is_russian else f"Answer due: {due:%Y-%m-%d %H:%M}")
    if case.outcome.warned_of is not None and not for_head:
        goes = from_us(case.outcome.warned_of).astimezone(settings_of(case.session).zone)
        lines.append(f"Передача: {goes:%d.%m.%Y %H:%M}" if is_russian else f"Goes to another: {goes:%Y-%m-%d %H:%M}")
    return lines


def _link(case: Case) -> str:
    return f"/requests/{case.request.id}"
