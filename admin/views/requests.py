"""Requests: the list with its filters, one request with its history, and what may be done with it."""

from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any
from uuid import uuid4

from flask import Blueprint, Flask, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from admin import request_list
from admin.access import Scope, may
from admin.base import commit_and_wake, db_session, request_now
from admin.history import history_of
from admin.labels import CONTACT_KINDS, DIRECTIONS, OUTCOMES
from admin.language import language
from admin.request_list import Filters
from admin.security import actor, scope, viewer
from admin.views.my_tasks import read_instant
from rules_engine.decisions.lifecycle import Status, refusal
from rules_engine.errors import PravilaError
from rules_engine.models import Client, Request, RequestStatus, Role
from rules_engine.services.clients import suggested
from rules_engine.services.company.reference import ManagerRef, reference
from rules_engine.services.explain import explain
from rules_engine.services.records import settings_store
from rules_engine.services.records.incoming import ContactIn, Key
from rules_engine.services.requests import assignment, contacts, corrections, repeats
from rules_engine.services.requests.refusal_reasons import refusal_reasons
from rules_engine.services.requests.status import change_status
from rules_engine.services.requests.tasks import SOURCE, may_see_amount

blueprint = Blueprint("requests", __name__, url_prefix="/requests")
_CONFIRMED: dict[str, corrections.Confirmed] = {"spam": "spam", "duplicate": "duplicate"}


@blueprint.get("/")
def index() -> ResponseReturnValue:
    session = db_session()
    picture = reference(session)
    named = picture.by_login(request.args.get("manager", ""))
    filters = Filters(
        status=request.args.get("status", ""),
        manager_id=named.id if named else None,
        overdue=bool(request.args.get("overdue")),
        unassigned=bool(request.args.get("unassigned")),
        set_aside=bool(request.args.get("set_aside")),
        waiting_over_hour=bool(request.args.get("over_hour")),
        text=request.args.get("q", "").strip(),
        holder_id=None if scope() is Scope.ALL else viewer().manager_id or 0,
    )
    page = request_list.load(session, filters, request_now(), request.args.get("after"))
    return render_template(
        "requests.html",
        page=page,
        filters=filters,
        chosen_manager=named.login if named else "",
        managers=sorted(((one.login, one.name) for one in picture.managers.values()), key=lambda pair: pair[1]),
        may_see=amounts_shown_to_viewer(),
        now=request_now(),
    )


@blueprint.get("/<int:request_id>")
def page(request_id: int) -> ResponseReturnValue:
    return _page(_request(request_id))


@blueprint.get("/<int:request_id>/why")
def why(request_id: int) -> ResponseReturnValue:
    """Show who got the request and why, as it was stored when it was decided."""
    session = db_session()
    row = session.get(Request, request_id) or abort(404)
    if scope() is Scope.OWN and not explain.may_ask_why(session, row, viewer().manager_id or 0, request_now()):
        abort(404)
    may_open = scope() is Scope.ALL or _find(request_id) is not None
    return render_template(
        "why.html",
        row=row,
        explanation=prepared(explain.explain_request(session, request_id, language(), viewer().user)),
        names={login: one.name for login, one in _by_login().items()},
        may_open=may_open,
        # Of a colleague's request one reads who was weighed and how, not what its client wrote.
        shows_facts=may_open,
    )


@blueprint.post("/<int:request_id>/contact")
def contact(request_id: int) -> ResponseReturnValue:
    """Record a contact by hand. The key comes with the form: a second click records nothing."""
    row = _changeable(request_id)
    form = request.form
    if form.get("kind") not in CONTACT_KINDS or form.get("direction") not in DIRECTIONS:
        abort(400)
    try:
        data = ContactIn.model_validate(
            {
                "source": SOURCE,
                "external_id": form.get("key") or uuid4().hex,
                "request": Key(source=row.source, external_id=row.external_id),
                "at": read_instant("at") or request_now(),
                "kind": form["kind"],
                "direction": form["direction"],
                "outcome": form.get("outcome") or None,
                "note": form.get("note", ""),
                "proof": "by_hand",
                "manager": viewer().login if viewer().manager_id else None,
            }
        )
        contacts.record(db_session(), data, now=request_now(), actor=actor())
    except (PravilaError, ValueError) as problem:
        return _refuse(request_id, "contact", problem)
    return _done(request_id, _("The contact is recorded."))


@blueprint.post("/<int:request_id>/status")
def status(request_id: int) -> ResponseReturnValue:
    row = _changeable(request_id)
    wanted = request.form.get("status", "")
    if wanted not in set(RequestStatus):
        abort(400)
    try:
        change_status(
            db_session(),
            row,
            RequestStatus(wanted),
            reason=request.form.get("reason") or None,
            at=request_now(),
            actor=actor(),
            now=request_now(),
        )
    except PravilaError as problem:
        return _refuse(request_id, "status", problem)
    return _done(request_id, _("The status is changed."))


@blueprint.post("/<int:request_id>/reassign")
def reassign(request_id: int) -> ResponseReturnValue:
    """Hand the request to somebody by hand: a decision too, with its reason and its place in the ledger."""
    row = _request(request_id)
    session = db_session()
    manager = reference(session).by_login(request.form.get("manager", ""))
    if manager is None:
        return _refuse(request_id, "reassign", None, {"manager": _("Choose one of the list.")})
    reason = request.form.get("reason", "").strip()
    if not reason:
        return _refuse(request_id, "reassign", None, {"reason": _("Say why: it stays in the history.")})
    try:
        assignment.assign_by_hand(
            session,
            row,
            manager,
            reason=reason[:500],
            actor=actor(),
            now=request_now(),
            keep_debit=bool(request.form.get("keep_debit")),
        )
    except PravilaError as problem:
        return _refuse(request_id, "reassign", problem)
    return _done(request_id, _("Handed to %(name)s.", name=manager.name))


@blueprint.post("/<int:request_id>/correct")
def correct(request_id: int) -> ResponseReturnValue:
    """Confirm that a request is spam or repeats another: it leaves the shares of whoever received it."""
    row = _request(request_id)
    what: corrections.Confirmed | None = _CONFIRMED.get(request.form.get("what", ""))
    if what is None:
        abort(400)
    try:
        managers = corrections.confirm(db_session(), row, what, actor=actor(), now=request_now())
    except PravilaError as problem:
        return _refuse(request_id, "correct", problem)
    if not managers:
        return _done(request_id, _("It was counted for nobody: nothing changes."))
    names = ", ".join(reference(db_session()).manager(one).name for one in managers)
    return _done(request_id, _("It no longer counts as received: %(names)s.", names=names))


@blueprint.post("/<int:request_id>/client")
def suggested_client(request_id: int) -> ResponseReturnValue:
    """Accept or decline the client that is suggested because the sender writes from the same firm."""
    row = _changeable(request_id)
    what = request.form.get("what", "")
    if what not in ("accept", "decline"):
        abort(400)
    try:
        if what == "decline":
            suggested.decline(db_session(), row, actor=actor(), now=request_now())
            return _done(request_id, _("Noted: it is another client."))
        client = suggested.accept(db_session(), row, actor=actor(), now=request_now())
    except PravilaError as problem:
        return _refuse(request_id, "client", problem)
    return _done(request_id, _("The client of the request: %(name)s.", name=client.name))


def prepared(explanation: dict[str, Any]) -> dict[str, Any]:
    """Return the explanation with figures and instants as the page writes them, candidates by place."""
    for decision in explanation["decisions"]:
        decision["when"] = datetime.fromisoformat(decision["at"])
        decision["candidates"] = _ranked(decision["candidates"])
    explanation["candidates"] = _ranked(explanation["candidates"])
    return explanation


def _ranked(candidates: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ranked = []
    for one in candidates:
        missing = Fraction(one["shortfall"]) if one["shortfall"] else None
        due = missing + one["count"] if missing is not None else None
        ranked.append({**one, "missing": missing, "due": due})
    return sorted(ranked, key=lambda one: (one["place"] is None, one["place"] or 0, one["name"]))


def amounts_shown_to_viewer() -> Any:
    """Return a function that says of a request whether the viewer may see what it is worth."""
    if viewer().role is not Role.MANAGER:
        return lambda _row: True
    shown = settings_store.choice(db_session(), settings_store.AMOUNT_SHOWN)
    own = viewer().manager_id
    return lambda row: (
        (row.manager_id == own and may_see_amount(shown, is_answered=row.first_answer_at is not None))
        or shown == "always"
    )


def _request(request_id: int) -> Request:
    """Return a request that the viewer may open; 404 otherwise."""
    return _find(request_id) or abort(404)


def _find(request_id: int) -> Request | None:
    query = request_list.narrowed(
        select(Request),
        Filters(holder_id=None if scope() is Scope.ALL else viewer().manager_id or 0),
        request_now(),
    ).where(Request.id == request_id)
    found: Request | None = (
        db_session()
        .scalars(query.options(joinedload(Request.manager), joinedload(Request.client).selectinload(Client.points)))
        .first()
    )
    return found


def _seen(rows: Sequence[Request]) -> list[Request]:
    """Return those of these requests that the viewer may open: one query, none for who sees all."""
    if not rows or scope() is Scope.ALL:
        return list(rows)
    mine = request_list.held_by(viewer().manager_id or 0)
    ids = set(db_session().scalars(select(Request.id).where(Request.id.in_([one.id for one in rows]), mine)))
    return [one for one in rows if one.id in ids]


def _seen_one(request_id: int | None) -> Request | None:
    """Return another request if there is one and the viewer may open it."""
    return _find(request_id) if request_id is not None else None


def _changeable(request_id: int) -> Request:
    row = _request(request_id)
    if not _may_change(row):
        abort(403)
    return row


def _by_login() -> dict[str, ManagerRef]:
    return {one.login: one for one in reference(db_session()).managers.values()}


def _is_own(row: Request) -> bool:
    return row.manager_id is not None and row.manager_id == viewer().manager_id


def _may_change(row: Request) -> bool:
    """Return whether the viewer may record contacts and statuses: the present holder, and who leads."""
    return viewer().role in (Role.HEAD, Role.ADMINISTRATOR) or _is_own(row)


def _page(row: Request, form_of: str = "", problems: dict[str, str] | None = None) -> str:
    session = db_session()
    by_head = viewer().role in (Role.HEAD, Role.ADMINISTRATOR)
    next_statuses = [
        one
        for one in RequestStatus
        if one is not row.status and refusal(Status(row.status), Status(one), by_head=by_head) is None
    ]
    picture = reference(session)
    return render_template(
        "request.html",
        row=row,
        history=history_of(session, row, may_see_money=amounts_shown_to_viewer()(row)),
        may_see=amounts_shown_to_viewer(),
        may_change=_may_change(row),
        next_statuses=next_statuses,
        managers=sorted(
            ((one.login, one.name) for one in picture.present_managers(request_now()) if one.id != row.manager_id),
            key=lambda pair: pair[1],
        ),
        reasons=[(code, text[language()]) for code, text in refusal_reasons(session).items()],
        outcomes=OUTCOMES,
        proposed=_proposed(row),
        to_confirm=corrections.to_confirm(session, row) if may("requests.correct", viewer().role) else (),
        repeats_first=_seen_one(row.duplicate_of_id),
        repeated_by=_seen(repeats.repeats_of(session, row)),
        suggested=session.get(Client, row.suggested_client_id) if row.suggested_client_id else None,
        sees_all=scope() is Scope.ALL,
        is_set_aside=row.id in request_list.quarantined(session, [row.id]),
        form_of=form_of,
        problems=problems or {},
        typed=request.form,
        key=request.form.get("key") or uuid4().hex,
        now=request_now(),
    )


def _proposed(row: Request) -> tuple[ManagerRef, str] | None:
    """Return whom the rules would give a request, and under which mode; None where they decide by themselves."""
    if row.is_history or not row.status.is_open:
        return None
    found = assignment.proposal(db_session(), row)
    if found is None or found.manager_id == row.manager_id:
        return None
    if row.assigned_at is not None and found.at < row.assigned_at:
        return None
    return reference(db_session()).manager(found.manager_id), found.mode


def _done(request_id: int, words: str) -> ResponseReturnValue:
    commit_and_wake()
    flash(words, "good")
    return redirect(url_for("requests.page", request_id=request_id))


def _refuse(
    request_id: int, form_of: str, problem: Exception | None, problems: dict[str, str] | None = None
) -> ResponseReturnValue:
    """Show the page again with the problem beside its field and everything typed kept."""
    db_session().rollback()
    found = dict(problems or {})
    if isinstance(problem, PravilaError):
        found[str(problem.data.get("path", ""))] = str(problem.data.get(language()) or problem.message(language()))
    elif problem is not None:
        found[""] = _("Some of what was typed cannot be used.")
    return _page(_request(request_id), form_of, found), 422


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
