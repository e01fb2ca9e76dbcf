"""A manager's day: the one next thing on top, then a few lines, the rest folded. A head opens anybody's list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, Flask, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext, ngettext
from sqlalchemy import select

from admin.access import Scope
from admin.base import commit_and_wake, db_session, request_now, shell
from admin.call_words import hold_words, laters, there_words
from admin.forecasts import Forecasts, forecasts
from admin.labels import OUTCOMES
from admin.language import clock_time, day, language, local, moment, worked
from admin.security import actor, scope, viewer
from rules_engine.errors import InputError, PravilaError
from rules_engine.models import Manager, Task, TaskKind, TaskState
from rules_engine.services.callbacks import sheets as call_sheets
from rules_engine.services.callbacks.sheets import CallsOfDay
from rules_engine.services.company.reference import ManagerRef, reference
from rules_engine.services.requests import tasks
from rules_engine.services.requests.refusal_reasons import refusal_reasons
from rules_engine.services.requests.tasks import Group, TaskLine

SHOWN = 7
SOON = timedelta(minutes=15)
REACHED = ("order", "not_now", "do_not_call")
"""What may come of a call without saying anything more."""

GROUPS = {
    Group.OVERDUE: lazy_gettext("Overdue"),
    Group.TODAY: lazy_gettext("Today"),
    Group.LATER: lazy_gettext("Later"),
}

blueprint = Blueprint("my", __name__, url_prefix="/my")


@dataclass(frozen=True, slots=True)
class Refused:
    """A form that was not accepted: whose it is, what was typed, and what is wrong with which field."""

    form_of: str
    typed: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Day:
    """What the page shows: the lines parted, and how the holder's working day stands."""

    now: TaskLine | None
    groups: list[tuple[str, list[TaskLine]]]
    folded: list[TaskLine]
    total: int


def arrange(lines: list[TaskLine]) -> Day:
    """Return the list parted into the next thing, at most seven lines by group, and the rest."""
    shown, folded = lines[1 : SHOWN + 1], lines[SHOWN + 1 :]
    groups = [(str(GROUPS[group]), [line for line in shown if line.group is group]) for group in GROUPS]
    return Day(lines[0] if lines else None, [(name, found) for name, found in groups if found], folded, len(lines))


@blueprint.get("/")
def index() -> ResponseReturnValue:
    return _page(_whose())


@blueprint.post("/add")
def add() -> ResponseReturnValue:
    """Add a task of one's own."""
    whose = _whose()
    manager = db_session().get_one(Manager, whose.id)
    try:
        due_at = read_instant("due_at")
        tasks.create_own(db_session(), manager, request.form.get("title", ""), due_at, now=request_now())
    except PravilaError as problem:
        return _refuse(whose, "add", problem)
    return _done(whose, _("The task is on the list."))


@blueprint.post("/<int:task_id>/complete")
def complete(task_id: int) -> ResponseReturnValue:
    """Finish a line with its outcome. A button may say the rest too: `thinks@2026-11-30T10:00`, `refused@expensive`."""
    whose, task = _task(task_id)
    pressed, _at, detail = request.form.get("outcome", "").partition("@")
    outcome: Any = pressed
    if outcome not in OUTCOMES and outcome:
        abort(400)
    try:
        if not outcome:
            raise InputError(path="outcome", ru="выберите итог", en="choose the outcome")
        following = tasks.complete(
            db_session(),
            task,
            outcome=outcome,
            note=request.form.get("note", "").strip()[:4000],
            next_at=read_instant("next_at", detail if outcome == "thinks" else ""),
            reason=(detail if outcome == "refused" else "") or request.form.get("reason") or None,
            actor=actor(),
            now=request_now(),
        )
    except PravilaError as problem:
        return _refuse(whose, str(task_id), problem)
    if following is not None and following.due_at is not None:
        return _done(whose, _("Recorded. Next step: %(when)s.", when=moment(following.due_at)))
    return _done(whose, _("Recorded."))


@blueprint.post("/<int:task_id>/postpone")
def postpone(task_id: int) -> ResponseReturnValue:
    """Put a line off: with a reason, and counted."""
    whose, task = _task(task_id)
    try:
        until = read_instant("until")
        if until is None:
            raise InputError(path="until", ru="укажите, до когда", en="say until when")
        tasks.postpone(
            db_session(), task, until=until, reason=request.form.get("why", ""), actor=actor(), now=request_now()
        )
    except PravilaError as problem:
        return _refuse(whose, str(task_id), problem)
    return _done(whose, _("Postponed until %(when)s.", when=moment(until)))


def read_instant(name: str, instead: str = "") -> datetime | None:
    """Return what a date and time field of the form says, in the business zone; `instead` goes before it.

    Raises InputError.
    """
    text = instead or request.form.get(name, "").strip()
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=shell().settings.zone)
    except ValueError:
        raise InputError(path=name, ru="это не дата со временем", en="this is not a date and time") from None


def _whose() -> ManagerRef:
    """Return whose list this is: a manager's own, or the one that a head names. Anything else is not found."""
    picture = reference(db_session())
    named = request.values.get("manager")
    if named and scope() is Scope.ALL:
        return picture.by_login(named) or abort(404)
    own = viewer().manager_id
    if own is None or (named and named != viewer().login):
        abort(404)
    return picture.manager(own)


def _task(task_id: int) -> tuple[ManagerRef, Task]:
    """Return a task and whose list it stands on. NotFound (404) for one that is not the viewer's to touch."""
    limit = None if scope() is Scope.ALL else viewer().manager_id
    if scope() is Scope.OWN and limit is None:
        abort(404)
    task = tasks.get_task(db_session(), task_id, manager_id=limit)
    return reference(db_session()).manager(task.manager_id), task


def _done(whose: ManagerRef, words: str) -> ResponseReturnValue:
    commit_and_wake()
    flash(words, "good")
    return redirect(url_for("my.index", manager=None if whose.login == viewer().login else whose.login))


def _refuse(whose: ManagerRef, form_of: str, problem: PravilaError) -> ResponseReturnValue:
    """Show the list again with the problem beside its field and everything typed kept."""
    db_session().rollback()
    path = str(problem.data.get("path", ""))
    words = str(problem.data.get(language()) or problem.message(language()))
    if not path or form_of not in ("add", *(str(one) for one in _open_ids(whose))):
        flash(words[:1].upper() + words[1:], "bad")  # there is no field or no line any more to say it beside
    # The reason of a refusal and of postponing are different fields of one panel.
    path = "why" if path == "reason" and "why" in request.form else path
    return _page(whose, Refused(form_of, dict(request.form), {path: words[:1].upper() + words[1:]})), 422


def _open_ids(whose: ManagerRef) -> Sequence[int]:
    open_ones = select(Task.id).where(Task.manager_id == whose.id, Task.state == TaskState.OPEN)
    return db_session().scalars(open_ones).all()


def _page(whose: ManagerRef, refused: Refused | None = None) -> str:
    session, now = db_session(), request_now()
    lines = tasks.open_tasks(session, whose.id, now)
    arranged = arrange(lines)
    visible = [line for line in (arranged.now, *(line for _name, found in arranged.groups for line in found)) if line]
    looked_at: Forecasts = forecasts(session, [line.request_id for line in visible if line.request_id], now)
    calls = [line for line in lines if line.kind is TaskKind.CALLBACK]
    reason_names = {code: words[language()] for code, words in refusal_reasons(session).items()}
    sheets = call_sheets.call_sheets(session, [line.callback_id for line in calls if line.callback_id], now)
    return render_template(
        "my/index.html",
        day=arranged,
        calls=CallsOfDay(
            call_sheets.done_today(session, now, [whose.id]).get(whose.id, 0),
            sum(line.group is not Group.LATER for line in calls),
        ),
        hold=hold_words(
            call_sheets.hold_of(session, whose.id, now), sum(line.group is Group.OVERDUE for line in calls)
        ),
        sheets=sheets,
        there=lambda sheet: there_words(sheet.there, whose.calendar, now),
        laters=laters(whose.calendar, now) if calls else [],
        reached=REACHED,
        whose=whose,
        is_own=whose.id == viewer().manager_id,
        forecasts=looked_at,
        working=_working(whose, now),
        due=lambda line: _due(line, whose, now),
        reasons=list(reason_names.items()),
        reason_names=reason_names,
        outcomes=OUTCOMES,
        refused=refused or Refused(""),
        now=now,
    )


def _working(whose: ManagerRef, now: datetime) -> tuple[str, str]:
    """Return the badge of the working day: its kind and its words."""
    away = whose.absence_at(now)
    if away is not None:
        return "warn", _("away until %(when)s", when=moment(away[1]))
    if whose.calendar.is_open(now):
        until = whose.calendar.next_change(now)
        return "good", _("working until %(time)s", time=clock_time(until)) if until else _("working")
    opens = whose.calendar.next_open(now)
    return "", _("not working until %(when)s", when=moment(opens)) if opens else _("not working")


def _due(line: TaskLine, whose: ManagerRef, now: datetime) -> tuple[str, str]:
    """Return how urgent a line is, as a class, and its due time in words; lateness counts his working minutes."""
    if line.due_at is None:
        return "muted", _("no date")
    if line.due_at < now and line.callback_id is not None:
        return "late", _("was due %(day)s", day=moment(line.due_at))
    if line.due_at < now:
        late = whose.calendar.elapsed_minutes(line.due_at, now)
        return "late", _("late by %(time)s", time=worked(late)) if late else _("due now")
    is_today = local(line.due_at).date() == local(now).date()
    if line.callback_id is not None and not is_today:
        return "", _("by %(day)s", day=day(line.due_at, "d MMM"))
    if is_today:
        return "soon" if line.due_at - now <= SOON else "", _("until %(time)s", time=clock_time(line.due_at))
    return "", moment(line.due_at)


def folded_words(lines: list[TaskLine]) -> str:
    """Return the title of the folded part."""
    return ngettext("%(num)s more", "%(num)s more", len(lines))


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
    app.jinja_env.globals["folded_words"] = folded_words
