"""Somebody is away today, or leaves: whose work goes to whom, shown before it is done."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from flask import Blueprint, Flask, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from admin.access import may
from admin.base import commit_and_wake, db_session, request_now
from admin.language import language, number
from admin.security import actor, viewer
from rules_engine.errors import InputError, PravilaError
from rules_engine.models import OPEN_STATUSES, Callback, CallbackState, Client, ClientMove, MoveState, Request
from rules_engine.services.company.reference import ManagerRef, Reference, reference
from rules_engine.services.leaving import departures, leaving
from rules_engine.services.leaving.departures import CallMove, PlanChanged, RequestMove
from rules_engine.services.leaving.leaving import BY_SHARE, STAY, Wishes

blueprint = Blueprint("departures", __name__, url_prefix="/leaving")

MOVE_STATES = {
    MoveState.PLANNED: lazy_gettext("planned"),
    MoveState.DONE: lazy_gettext("done"),
    MoveState.CANCELLED: lazy_gettext("cancelled"),
}
DEFAULT_DAYS = 5
SHOWN = 100


@dataclass(frozen=True, slots=True)
class Person:
    """A manager with what he holds; `planned` are the moves of his clients that are to come."""

    manager: ManagerRef
    away_until: datetime | None
    requests: int
    unanswered: int
    calls: int
    clients: int
    planned: int


@blueprint.get("/")
def index() -> str:
    """Show who is here, who is away and who leaves, with what each of them holds."""
    session, now = db_session(), request_now()
    picture = reference(session)
    held = _held(session)
    people = [
        _person(one, held, now)
        for one in picture.managers.values()
        if one.is_employed(now) or held["requests"].get(one.id) or held["planned"].get(one.id)
    ]
    # Whoever is gone and still holds work comes first: somebody has to do something.
    people.sort(key=lambda one: (one.manager.is_employed(now), one.manager.team_code or "", one.manager.name))
    return render_template(
        "departures/index.html",
        people=people,
        now=now,
        team_names={team.code: team.name for team in picture.teams.values()},
    )


@blueprint.get("/<login>/away")
def away(login: str) -> ResponseReturnValue:
    """Show what "away today" would move, and to whom."""
    return _away_page(_manager(login))


@blueprint.post("/<login>/away")
def confirm_away(login: str) -> ResponseReturnValue:
    """Write the absence and hand over what cannot wait."""
    manager = _manager(login)
    try:
        plan = departures.away_today(
            db_session(),
            manager.id,
            reason=request.form.get("reason", "") or _("Away today"),
            actor=actor(),
            now=request_now(),
            expected=request.form.get("plan", ""),
        )
    except PlanChanged as changed:
        db_session().rollback()
        return _away_page(manager, changed.message(language())), 409
    except PravilaError as problem:
        db_session().rollback()
        return _away_page(manager, _words(problem)), 422
    commit_and_wake()
    handed = number(len(plan.requests) + len(plan.calls) - plan.staying)
    flash(_("%(name)s is away today. Handed over: %(n)s.", name=manager.name, n=handed), "good")
    if plan.staying:
        flash(_("Nobody could take %(n)s: they stay with him.", n=number(plan.staying)), "warn")
    return redirect(url_for("departures.index"))


@blueprint.get("/<login>")
def leaving_page(login: str) -> ResponseReturnValue:
    """Ask what is wanted, show what would be done; or how far the plan is."""
    return _leaving_page(_manager(login), request.args)


@blueprint.post("/<login>")
def leave(login: str) -> ResponseReturnValue:
    """Carry the plan out that was shown."""
    manager = _manager(login)
    try:
        wishes = _wishes(reference(db_session()), request.form)
        plan = leaving.leave(
            db_session(),
            manager.id,
            wishes,
            actor=actor(),
            now=request_now(),
            reason=_("Leaving: %(name)s", name=manager.name),
            expected=request.form.get("plan", ""),
        )
    except PravilaError as problem:
        db_session().rollback()
        return _leaving_page(manager, request.form, problem), 409 if isinstance(problem, PlanChanged) else 422
    commit_and_wake()
    flash(
        _(
            "Planned: requests %(requests)s, clients %(clients)s.",
            requests=number(len([one for one in plan.requests if one.to])),
            clients=number(len(plan.clients)),
        ),
        "good",
    )
    return redirect(url_for("departures.leaving_page", login=login))


@blueprint.post("/<login>/cancel")
def cancel(login: str) -> ResponseReturnValue:
    """Cancel the moves that are still planned, and the leaving if it is to come."""
    manager = _manager(login)
    cancelled = leaving.cancel(db_session(), manager.id, actor=actor(), now=request_now())
    commit_and_wake()
    flash(_("Cancelled: %(n)s. What has moved stays where it is.", n=number(cancelled)), "good")
    return redirect(url_for("departures.leaving_page", login=login))


def _manager(login: str) -> ManagerRef:
    return reference(db_session()).by_login(login) or abort(404)


def _words(problem: PravilaError) -> str:
    return str(problem.data.get(language()) or problem.message(language()))


def _away_page(manager: ManagerRef, problem: str = "") -> str:
    session, now = db_session(), request_now()
    plan = None
    try:
        plan = departures.plan_away(session, manager.id, now)
    except PravilaError as refused:
        problem = _words(refused)
    return render_template(
        "departures/away.html",
        manager=manager,
        plan=plan,
        now=now,
        requests=_grouped(plan.requests) if plan else [],
        calls=_grouped(plan.calls) if plan else [],
        problem=problem,
        reason=request.form.get("reason", ""),
        may_confirm=may("departures.confirm_away", viewer().role),
    )


def _leaving_page(manager: ManagerRef, asked: Any, problem: PravilaError | None = None) -> str:
    session, now = db_session(), request_now()
    picture = reference(session)
    plan = None
    wanted = bool(asked.get("left_on"))
    if wanted and (problem is None or isinstance(problem, PlanChanged)):
        try:
            plan = leaving.plan_leaving(session, manager.id, _wishes(picture, asked), now)
        except PravilaError as refused:
            problem = refused
    takers = [one for one in picture.managers.values() if one.id != manager.id and one.is_employed(now)]
    takers.sort(key=lambda one: (one.team_code != manager.team_code, one.name))
    team = {one.login for one in takers if one.team_code == manager.team_code}
    return render_template(
        "departures/leaving.html",
        manager=manager,
        person=_person(manager, _held(session, manager.id), now),
        progress=leaving.progress_of(session, manager.id),
        states=MOVE_STATES,
        takers=takers,
        chosen=set(asked.getlist("takers")) if wanted else team or {one.login for one in takers},
        values={
            "left_on": asked.get("left_on") or (manager.left_at and picture.day_of(manager.left_at).isoformat()) or "",
            "first_day": asked.get("first_day") or leaving.first_day_after(picture, now).isoformat(),
            "days": asked.get("days") or DEFAULT_DAYS,
            "requests": asked.get("requests") or BY_SHARE,
        },
        requests_to=[
            (BY_SHARE, _("by fair share in his team")),
            *((one.login, one.name) for one in takers),
            (STAY, _("stay with him for now")),
        ],
        plan=plan,
        moved=_grouped(plan.requests) if plan else [],
        calls=_grouped(plan.calls) if plan else [],
        shown=SHOWN,
        problems={str(problem.data.get("path", "")): _words(problem)} if problem else {},
        now=now,
    )


def _wishes(picture: Reference, form: Any) -> Wishes:
    """Return what a head typed. Raises InputError with the field that cannot be read."""
    found = [picture.by_login(login) for login in form.getlist("takers")]
    days = form.get("days", "").strip()
    if not (days.isascii() and days.isdigit() and len(days) < 4):
        raise InputError(path="days", ru="нужно целое число", en="a whole number is needed")
    return Wishes(
        left_on=_day(form, "left_on"),
        first_day=_day(form, "first_day"),
        days=int(days),
        takers=tuple(one.id for one in found if one is not None),
        requests=form.get("requests") or BY_SHARE,
    )


def _day(form: Any, name: str) -> date:
    try:
        found = date.fromisoformat(form.get(name, ""))
    except ValueError:
        found = date.min
    if not 1990 < found.year < 2100:
        raise InputError(path=name, ru="нужна дата", en="a date is needed")
    return found


def _grouped(moves: Any) -> list[tuple[ManagerRef | None, list[RequestMove | CallMove]]]:
    """Return the moves by who gets them, by name; what stays comes last."""
    found: dict[int, tuple[ManagerRef | None, list[RequestMove | CallMove]]] = {}
    for move in moves:
        found.setdefault(move.to.id if move.to else 0, (move.to, []))[1].append(move)
    return sorted(found.values(), key=lambda group: (group[0] is None, group[0].name if group[0] else ""))


def _held(session: Session, manager_id: int | None = None) -> dict[str, dict[int, int]]:
    """Return by manager how many requests, unanswered ones, calls in the list, clients and planned moves he has."""
    held = Request.status.in_(OPEN_STATUSES) & Request.is_history.is_(False)
    asked: dict[str, tuple[Any, Any]] = {
        "requests": (Request.manager_id, held),
        "unanswered": (Request.manager_id, held & Request.first_answer_at.is_(None)),
        "calls": (Callback.manager_id, Callback.state == CallbackState.OPEN),
        "clients": (Client.owner_id, Client.owner_id.is_not(None)),
        "planned": (ClientMove.from_manager_id, ClientMove.state == MoveState.PLANNED),
    }
    counts: dict[str, dict[int, int]] = {}
    for name, (whose, condition) in asked.items():
        query = select(whose, func.count()).where(condition, whose.is_not(None)).group_by(whose)
        if manager_id is not None:
            query = query.where(whose == manager_id)
        counts[name] = {row[0]: row[1] for row in session.execute(query)}
    return counts


def _person(manager: ManagerRef, held: dict[str, dict[int, int]], now: datetime) -> Person:
    away = manager.absence_at(now)
    return Person(
        manager, away[1] if away else None, **{name: found.get(manager.id, 0) for name, found in held.items()}
    )


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
