"""What follows from what was not done: proposals for a head to answer, holds in force and what lifts them, history.

A manager reads his own; only a head answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, Flask, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import Session, joinedload

from admin.access import Scope, may
from admin.base import commit_and_wake, db_session, request_now, row_id
from admin.language import language, words
from admin.security import actor, scope, viewer
from rules_engine.errors import Conflict, PravilaError
from rules_engine.models import Callback, CallbackState, Decision, OverdueAction, OverdueKind, OverdueState
from rules_engine.services.callbacks import sheets
from rules_engine.services.company.reference import Reference, reference
from rules_engine.services.requests import overdue_actions

PAGE = 50

STATES = {
    OverdueState.PROPOSED: lazy_gettext("waits for an answer"),
    OverdueState.DECLINED: lazy_gettext("declined"),
    OverdueState.CONFIRMED: lazy_gettext("confirmed"),
    OverdueState.ENDED: lazy_gettext("ended"),
    OverdueState.WITHDRAWN: lazy_gettext("no longer needed"),
}
ENDINGS = {
    "time": lazy_gettext("its time was over"),
    "calls_made": lazy_gettext("the calls were made"),
    "head": lazy_gettext("ended by the head"),
}

blueprint = Blueprint("overdue", __name__, url_prefix="/overdue")


@dataclass(frozen=True, slots=True)
class LateCalls:
    """The overdue calls of one manager, and since when the oldest of them is."""

    login: str
    name: str
    number: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Refused:
    """An answer that was not accepted: to which action, what was typed, what is wrong."""

    action_id: int = 0
    typed: str = ""
    problem: str = ""


@blueprint.get("/")
def index() -> ResponseReturnValue:
    return _page()


@blueprint.post("/<int:action_id>/confirm")
def confirm(action_id: int) -> ResponseReturnValue:
    """Let a proposal take effect; of a client the form may name who gets him."""
    session, now = db_session(), request_now()
    action = _action(action_id)
    try:
        overdue_actions.confirm(session, action, actor(), now, new_owner=request.form.get("new_owner") or None)
    except PravilaError as problem:
        return _refuse(action_id, problem)
    if action.kind is OverdueKind.HOLD:
        return _done(_("Confirmed: new requests of %(name)s are on hold.", name=_name(action.manager_id)))
    return _done(_("Confirmed: the client goes to %(name)s.", name=_name(action.new_owner_id)))


@blueprint.post("/<int:action_id>/decline")
def decline(action_id: int) -> ResponseReturnValue:
    """Leave all as it is, with a reason: typed, or one of the ready ones."""
    reason = request.form.get("ready") or request.form.get("reason", "")
    try:
        overdue_actions.decline(db_session(), _action(action_id), actor(), request_now(), reason=reason)
    except PravilaError as problem:
        return _refuse(action_id, problem)
    return _done(_("Declined. Everything stays as it is."))


@blueprint.post("/<int:action_id>/end")
def end(action_id: int) -> ResponseReturnValue:
    """End a hold in force at once."""
    action = _action(action_id)
    try:
        overdue_actions.end(db_session(), action, request_now(), reason="head", actor=actor())
    except PravilaError as problem:
        return _refuse(action_id, problem)
    return _done(_("The hold is over: %(name)s gets new requests again.", name=_name(action.manager_id)))


def visible(query: Select[Any]) -> Select[Any]:
    """Return the query narrowed to whom the viewer may read: a manager what concerns himself."""
    return query if scope() is Scope.ALL else query.where(OverdueAction.manager_id == (viewer().manager_id or 0))


def late_calls(session: Session, picture: Reference, now: datetime, manager_id: int | None = None) -> list[LateCalls]:
    """Return who has overdue calls in his list, most of them first; `manager_id` narrows it to one."""
    counted = (
        select(Callback.manager_id, func.count(Callback.id), func.min(Callback.due_at))
        .where(Callback.state == CallbackState.OPEN, Callback.due_at < now, Callback.manager_id.is_not(None))
        .group_by(Callback.manager_id)
    )
    if manager_id is not None:
        counted = counted.where(Callback.manager_id == manager_id)
    found = []
    for holder_id, number, since in session.execute(counted).all():
        manager = picture.managers.get(holder_id or 0)
        if manager is not None:
            found.append(LateCalls(manager.login, manager.name, number, since))
    return sorted(found, key=lambda line: (-line.number, line.since, line.name))


def rule_titles(session: Session, actions: Sequence[OverdueAction]) -> dict[int, Mapping[str, Any]]:
    """Return by action the title of the rule that proposed it, as the version says by which it was decided."""
    decisions = {action.decision_id for action in actions if action.decision_id is not None}
    bodies: dict[int, Mapping[str, Any]] = {}
    if decisions:
        query = select(Decision).where(Decision.id.in_(decisions)).options(joinedload(Decision.version))
        bodies = {row.id: row.version.body for row in session.scalars(query) if row.version is not None}
    titles = {}
    for action in actions:
        rules = bodies.get(action.decision_id or 0, {}).get("rules", [])
        title = next((rule.get("title") for rule in rules if rule.get("id") == action.rule), None)
        titles[action.id] = title or {"ru": action.rule, "en": action.rule}
    return titles


def ground_words(action: OverdueAction, title: Mapping[str, Any]) -> str:
    """Return what was not done as a sentence; the title of the rule, which stands beside it, is not said twice."""
    text = words(action.ground).removeprefix(words(title)).lstrip(" :").rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."


def _page(refused: Refused | None = None) -> str:
    session, now = db_session(), request_now()
    picture = reference(session)
    own = None if scope() is Scope.ALL else viewer().manager_id or 0
    rows = visible(select(OverdueAction)).options(
        joinedload(OverdueAction.client), joinedload(OverdueAction.callback), joinedload(OverdueAction.new_owner)
    )
    in_force = and_(
        OverdueAction.kind == OverdueKind.HOLD,
        OverdueAction.state == OverdueState.CONFIRMED,
        or_(OverdueAction.ends_at.is_(None), OverdueAction.ends_at > now),
    )
    is_open = or_(OverdueAction.state == OverdueState.PROPOSED, in_force)
    opened = session.scalars(rows.where(is_open).order_by(OverdueAction.proposed_at, OverdueAction.id)).all()
    past = rows.where(~is_open)
    before = request.args.get("before", type=row_id)
    if before:
        past = past.where(OverdueAction.id < before)
    history = session.scalars(past.order_by(OverdueAction.id.desc()).limit(PAGE + 1)).all()
    late = late_calls(session, picture, now, own)
    titles = rule_titles(session, [*opened, *history])
    return render_template(
        "overdue_actions.html",
        proposals=[row for row in opened if row.state is OverdueState.PROPOSED],
        holds=[row for row in opened if row.state is not OverdueState.PROPOSED],
        history=history[:PAGE],
        older=history[PAGE - 1].id if len(history) > PAGE else None,
        late=late,
        late_of={line.login: line.number for line in late},
        titles=titles,
        ground_words=lambda row: ground_words(row, titles[row.id]),
        occasions={code: row.title for code, row in sheets.occasions(session).items()},
        people={one.id: one for one in picture.managers.values()},
        takers=sorted(
            ((one.login, one.name) for one in picture.managers.values() if one.is_employed(now)),
            key=lambda pair: pair[1],
        ),
        names={user.login: user.name for user in picture.users.values()},
        ready=ready_reasons(),
        states=STATES,
        endings=ENDINGS,
        may_answer=may("overdue.confirm", viewer().role),
        is_own=own is not None,
        refused=refused or Refused(),
        now=now,
    )


def ready_reasons() -> list[str]:
    """Return the reasons for declining that take one tap."""
    return [_("agreed on another date"), _("was away"), _("the figures are wrong")]


def _action(action_id: int) -> OverdueAction:
    return db_session().get(OverdueAction, action_id) or abort(404)


def _name(manager_id: int | None) -> str:
    found = reference(db_session()).managers.get(manager_id or 0)
    return found.name if found else "—"


def _done(said: str) -> ResponseReturnValue:
    commit_and_wake()
    flash(said, "good")
    return redirect(url_for("overdue.index"))


def _refuse(action_id: int, problem: PravilaError) -> ResponseReturnValue:
    """Show the list again with the problem beside what was typed; what somebody else was faster with, above it."""
    db_session().rollback()
    said = str(problem.data.get(language()) or problem.message(language()))
    said = said[:1].upper() + said[1:]
    if isinstance(problem, Conflict):
        flash(said, "bad")
        return _page(), 409
    return _page(Refused(action_id, request.form.get("reason", ""), said)), 422


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
