"""Why this manager, why not me, why this task: the stored decisions in words. Nothing is decided again.

A manager reads counts and shortfalls of everybody, money only of himself; what a request is worth he sees when the
setting lets him.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.decisions.modes import Mode
from rules_engine.errors import NotFound
from rules_engine.models import Assignment, AssignmentCause, Callback, Client, Decision, Request, Role, Task
from rules_engine.services.company.reference import reference
from rules_engine.services.explain.decision import Reader, describe
from rules_engine.services.facts import spellings
from rules_engine.services.records import settings_store
from rules_engine.services.requests.tasks import may_see_amount
from rules_engine.services.rules import journal
from rules_engine.services.rules.rulebook import references

ASKED_WITHIN: Final = timedelta(days=30)
"""How long a manager may ask "why not me" about a colleague's request."""
_OF_CLIENT: Final = 50

_NOT_DECIDED: Final = {
    "ru": "Решения по этой заявке ещё не было.",
    "en": "Nothing was decided about this request yet.",
}
_EXTERNAL: Final = {
    "ru": "Заявка пришла из другой системы вместе с менеджером: {name}.",
    "en": "The request came from another system with its manager: {name}.",
}
_HISTORY: Final = {
    "ru": "Заявка обработана до того, как попала сюда: система по ней ничего не решала.",
    "en": "The request was handled before it came here: nothing was decided about it.",
}


class Viewer(Protocol):
    """Who asks: a user, or his place in the picture."""

    @property
    def login(self) -> str: ...

    @property
    def role(self) -> Role: ...


def explain_request(session: Session, request_id: int, lang: str, viewer: Viewer | None = None) -> dict[str, Any]:
    """Return why a request is where it is: of its deciding decision version, rules, facts and candidates, then all.

    The deciding one is the last that gave it to somebody; while there is none, the last of all. `lang` is ru or en.
    `viewer` None sees everything. Raises NotFound.
    """
    request = session.get(Request, request_id)
    if request is None:
        raise NotFound(what=f"request {request_id}")
    reader = _reader(session, request, lang, viewer)
    rows = session.scalars(
        select(Decision)
        .where(Decision.subject_kind == "request", Decision.subject_id == request.id)
        .order_by(Decision.id)
    ).all()
    details = journal.details_of(session, [row.id for row in rows])
    told = [describe(row, details.get(row.id), reader) for row in rows]
    deciding = _deciding(rows)
    chosen = next((one for one in told if deciding is not None and one["id"] == deciding.id), None)
    return {
        "request": {
            "id": request.id,
            "source": request.source,
            "external_id": request.external_id,
            "status": request.status.value,
            "manager": reader.picture.login_of(request.manager_id),
            "received_at": request.received_at.isoformat(),
            "assigned_at": _iso(request.assigned_at),
            "answer_due_at": _iso(request.answer_due_at),
            "first_answer_at": _iso(request.first_answer_at),
        },
        "sentences": _summary(session, request, chosen, reader),
        **{key: chosen[key] if chosen else default for key, default in _TOP.items()},
        "decisions": told,
    }


_TOP: Final[dict[str, Any]] = {
    "decision": None,
    "version": None,
    "mode": None,
    "fired": [],
    "rules": [],
    "facts": [],
    "candidates": [],
}


def explain_task(session: Session, task_id: int, lang: str, viewer: Viewer | None = None) -> dict[str, Any]:
    """Return why a task exists, and the explanation of its request. Raises NotFound."""
    task = session.get(Task, task_id)
    if task is None:
        raise NotFound(what=f"task {task_id}")
    return {
        "task": {
            "id": task.id,
            "kind": task.kind.value,
            "state": task.state.value,
            "manager": reference(session).login_of(task.manager_id),
            "title": task.title.get(lang) or task.title.get("ru"),
            "due_at": _iso(task.due_at),
            "rule": task.rule,
        },
        "sentences": [task.reason.get(lang) or task.reason.get("ru") or ""],
        "request": None if task.request_id is None else explain_request(session, task.request_id, lang, viewer),
    }


def explain_client(
    session: Session, client_id: int, lang: str, viewer: Viewer | None = None, *, with_requests: bool = True
) -> dict[str, Any]:
    """Return whose a client is, why he is called or not, and why each of his last requests is with whom it is.

    Without requests the last part is empty. Raises NotFound.
    """
    client = session.get(Client, client_id)
    if client is None:
        raise NotFound(what=f"client {client_id}")
    picture = reference(session)
    statement = select(Request.id).where(Request.client_id == client.id).order_by(Request.received_at.desc())
    ids = session.scalars(statement.limit(_OF_CLIENT)).all() if with_requests else []
    owner, cover = (picture.managers.get(key or 0) for key in (client.owner_id, client.cover_id))
    labels = ("Закреплённый менеджер", "Замещающий") if lang == "ru" else ("Owner", "Cover")
    return {
        "client": {
            "id": client.id,
            "source": client.source,
            "external_id": client.external_id,
            "name": client.name,
            "owner": owner.login if owner else None,
            "cover": cover.login if cover else None,
        },
        "sentences": [
            f"{label}: {one.name if one else '—'}." for label, one in zip(labels, (owner, cover), strict=True)
        ],
        "decisions": _of_client(session, client, lang, viewer),
        "requests": [explain_request(session, request_id, lang, viewer) for request_id in ids],
    }


def explain_call(session: Session, callback_id: int, lang: str, viewer: Viewer | None = None) -> dict[str, Any]:
    """Return why a client is called: the decision that planned the call, and what became of it by the rules since.

    `decision` is None where no rule planned it, or none that is still known. Raises NotFound.
    """
    call = session.get(Callback, callback_id)
    if call is None:
        raise NotFound(what=f"callback {callback_id}")
    about = (Decision.subject_kind == "callback") & (Decision.subject_id == call.id)
    rows = session.scalars(select(Decision).where(about).order_by(Decision.id)).all()
    planned = session.get(Decision, call.decision_id) if call.decision_id is not None else None
    wanted = [row.id for row in (*rows, planned) if row is not None]
    details = journal.details_of(session, wanted)
    reader = _reader_of_client(session, call.client, lang, viewer)
    decision = describe(planned, details.get(planned.id), reader) if planned is not None else None
    return {
        "call": {
            "id": call.id,
            "client": call.client_id,
            "occasions": [call.occasion, *call.also],
            "state": call.state.value,
            "manager": reader.picture.login_of(call.manager_id),
            "rule": call.rule,
            "call_from": call.call_from.isoformat(),
            "due_at": call.due_at.isoformat(),
        },
        "sentences": decision["sentences"] if decision else [_NOT_BY_RULES[reader.lang]],
        "decision": decision,
        "decisions": [describe(row, details.get(row.id), reader) for row in rows],
    }


_NOT_BY_RULES: Final = {
    "ru": "Какое решение назначило этот звонок, уже не хранится.",
    "en": "Which decision planned this call is no longer kept.",
}


def _reader_of_client(session: Session, client: Client, lang: str, viewer: Viewer | None) -> Reader:
    """Return a reader of what is about clients: there the worth of requests is no part of what is told."""
    reader = Reader(session, reference(session), references(session), lang if lang == "ru" else "en")
    reader.spellings = spellings.of_client(client)
    if viewer is not None and viewer.role is Role.MANAGER:
        reader.login = viewer.login
    return reader


def _of_client(session: Session, client: Client, lang: str, viewer: Viewer | None) -> list[dict[str, Any]]:
    """Return what the rules of callbacks last decided about a client, and those of escalation about his calls."""
    calls = select(Callback.id).where(Callback.client_id == client.id)
    about_client = (Decision.subject_kind == "client") & (Decision.subject_id == client.id)
    about_calls = (Decision.subject_kind == "callback") & Decision.subject_id.in_(calls)
    found = session.scalars(
        select(Decision).where(about_client | about_calls).order_by(Decision.id.desc()).limit(_OF_CLIENT)
    ).all()
    details = journal.details_of(session, [row.id for row in found])
    reader = _reader_of_client(session, client, lang, viewer)
    return [describe(row, details.get(row.id), reader) for row in found]


def may_ask_why(session: Session, request: Request, manager_id: int, now: datetime) -> bool:
    """Return whether a manager may read the explanation of a request: he has it or had it, or was weighed for it.

    Who was only weighed may ask for 30 days after the decision.
    """
    held = select(Assignment.id).where(Assignment.request_id == request.id, Assignment.manager_id == manager_id)
    if request.manager_id == manager_id or session.scalar(held.limit(1)) is not None:
        return True
    recent = session.scalars(
        select(Decision.id).where(
            Decision.subject_kind == "request", Decision.subject_id == request.id, Decision.at > now - ASKED_WITHIN
        )
    ).all()
    login = reference(session).login_of(manager_id)
    return any(
        candidate["login"] == login
        for detail in journal.details_of(session, recent).values()
        for attempt in _attempts(detail)
        for candidate in attempt["candidates"]
    )


def _attempts(detail: dict[str, Any]) -> list[dict[str, Any]]:
    outcome = detail["outcome"]
    if "firings" not in outcome:
        found: list[dict[str, Any]] = outcome["attempts"]
        return found
    return [
        *(attempt for item in outcome["passed_over"] for attempt in item["attempts"]),
        *(outcome["transfer"]["attempts"] if outcome["transfer"] else ()),
    ]


def _reader(session: Session, request: Request, lang: str, viewer: Viewer | None) -> Reader:
    picture = reference(session)
    lang = lang if lang == "ru" else "en"
    if viewer is None or viewer.role is not Role.MANAGER:
        return Reader(session, picture, references(session), lang, spellings=spellings.of_request(request))
    shown = settings_store.choice(session, settings_store.AMOUNT_SHOWN)
    is_his = picture.login_of(request.manager_id) == viewer.login
    answered = is_his and request.first_answer_at is not None
    return Reader(
        session,
        picture,
        references(session),
        lang,
        login=viewer.login,
        sees_amounts=may_see_amount(shown, is_answered=answered),
        spellings=spellings.of_request(request),
    )


def _deciding(rows: Sequence[Decision]) -> Decision | None:
    """Return the last decision that gave the request to somebody, else the last about its assignment, else the last."""
    gave = [row for row in rows if row.chosen_manager_id is not None and row.mode == Mode.LIVE.value]
    about = [row for row in rows if row.decision == "assignment"]
    return next((group[-1] for group in (gave, about, list(rows)) if group), None)


def _summary(session: Session, request: Request, chosen: dict[str, Any] | None, reader: Reader) -> list[str]:
    """Return the sentences of the deciding decision; of a request that came with its manager, that it did."""
    if request.is_history:
        return [_HISTORY[reader.lang]]
    last = session.scalars(
        select(Assignment).where(Assignment.request_id == request.id).order_by(Assignment.id.desc()).limit(1)
    ).first()
    if last is not None and last.cause is AssignmentCause.EXTERNAL:
        return [_EXTERNAL[reader.lang].format(name=reader.picture.manager(last.manager_id).name)]
    if chosen is None:
        return [_NOT_DECIDED[reader.lang]]
    sentences: list[str] = chosen["sentences"]
    return sentences


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()
