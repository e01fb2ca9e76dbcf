"""Payment plans: the table of a month, one manager's plan with its versions, and a change of it."""

import re
from fractions import Fraction
from math import floor
from typing import Any

from babel.dates import format_date
from flask import Blueprint, Flask, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import get_locale
from flask_babel import gettext as _
from sqlalchemy import select

from admin.access import may
from admin.base import commit_and_wake, db_session, request_now
from admin.language import language
from admin.security import actor, viewer
from rules_engine.decisions.money import NotAnAmount, format_amount, parse_written_amount
from rules_engine.decisions.proration import first_day, month_of, next_month
from rules_engine.errors import PravilaError
from rules_engine.models import BonusPeriod, PeriodState, Plan
from rules_engine.services.company.reference import ManagerRef, reference
from rules_engine.services.money import plans
from rules_engine.services.money.incoming_money import MONTH_PATTERN, PlanIn
from rules_engine.services.records.forms import InvalidForm, read
from rules_engine.services.records.outcome import Outcome

blueprint = Blueprint("plans", __name__, url_prefix="/plans")


@blueprint.get("/")
def index() -> ResponseReturnValue:
    """Show the plans of a month: `month`, by default the running one."""
    wanted = request.args.get("month", "")
    running = _running()
    month = wanted if re.fullmatch(MONTH_PATTERN, wanted) else running
    session = db_session()
    picture = reference(session)
    found = plans.prorated_plans(session, month)
    rows = sorted(
        ((picture.manager(manager_id), one) for manager_id, one in found.items()), key=lambda row: row[0].name
    )
    return render_template(
        "plans/month.html",
        rows=rows,
        month=month,
        title=month_words(month),
        before=plans.month_before(month),
        after=next_month(month),
        month_words=month_words,
        running=running,
        how=_how(month),
        totals={name: _total(found.values(), name) for name in ("new_minor", "old_minor", "callbacks")},
    )


@blueprint.get("/<month>/<login>")
def plan(month: str, login: str) -> ResponseReturnValue:
    return _page(month, _manager(month, login))


@blueprint.post("/<month>/<login>")
def change(month: str, login: str) -> ResponseReturnValue:
    """Make a plan, or a new version of it."""
    manager = _manager(month, login)
    problems: dict[str, str] = {}
    document: dict[str, Any] = {"period": month, "manager": manager.login}
    document["reason"] = request.form.get("reason", "").strip()[:500]
    for name in ("new", "old"):
        document[name] = _amount(name, problems)
    document["callbacks"] = _count(problems)
    try:
        if not problems:
            form = read(PlanIn, document)
            if plans.can_change(db_session(), month, request_now()) is None:
                return _page(month, manager, {"": _("The month is over: its plan stays.")}), 422
            _stored, outcome = plans.put_plan(db_session(), form, now=request_now(), actor=actor())
    except InvalidForm as refused:
        problems = {one.path: one.message(language()) for one in refused.problems}
    except PravilaError as refused:
        problems = {str(refused.data.get("path", "")): str(refused.data.get(language()) or refused.message(language()))}
    if problems:
        db_session().rollback()
        return _page(month, manager, problems), 422
    commit_and_wake()
    flash(_("Nothing is different.") if outcome is Outcome.UNCHANGED else _("The plan is kept."), "good")
    return redirect(url_for("plans.index", month=month))


def month_words(month: str) -> str:
    """Return a month in words: `октябрь 2026`."""
    return format_date(first_day(month), "LLLL y", locale=get_locale())


def _page(month: str, manager: ManagerRef, problems: dict[str, str] | None = None) -> str:
    session = db_session()
    history = plans.history_of(session, month, manager.id)
    held = history[0] if history else None
    names = {user.login: user.name for user in reference(session).users.values()}
    return render_template(
        "plans/plan.html",
        manager=manager,
        month=month,
        title=month_words(month),
        history=history,
        values=request.form if request.method == "POST" else _values(held),
        hours=plans.hours_of(reference(session), month, manager),
        how=_how(month) if may("plans.change", viewer().role) else None,
        is_first=held is None,
        names=names,
        problems=problems or {},
    )


def _values(held: Plan | None) -> dict[str, str]:
    if held is None:
        return {}
    return {
        "new": _typed(held.new_minor),
        "old": _typed(held.old_minor),
        "callbacks": "" if held.callbacks is None else str(held.callbacks),
    }


def _typed(minor: int | None) -> str:
    """Return an amount as a person would type it."""
    return "" if minor is None else format_amount(minor).removesuffix(".00")


def _how(month: str) -> str | None:
    """Return `freely`, `lower`, or None where the plans of the month stay."""
    session = db_session()
    closed = select(BonusPeriod.id).where(BonusPeriod.month == month, BonusPeriod.state == PeriodState.CLOSED).limit(1)
    if session.scalar(closed) is not None:
        return None
    return plans.can_change(session, month, request_now())


def _running() -> str:
    return month_of(reference(db_session()).day_of(request_now()))


def _manager(month: str, login: str) -> ManagerRef:
    found = reference(db_session()).by_login(login)
    if found is None or not re.fullmatch(MONTH_PATTERN, month):
        abort(404)
    return found


def _amount(name: str, problems: dict[str, str]) -> str | None:
    text = request.form.get(name, "").strip()
    if not text:
        return None
    try:
        return format_amount(parse_written_amount(text))
    except NotAnAmount as problem:
        problems[name] = problem.message(language())
        return None


def _count(problems: dict[str, str]) -> int | None:
    text = request.form.get("callbacks", "").strip()
    if not text:
        return None
    if not (text.isascii() and text.lstrip("-").isdigit() and len(text) < 10):
        problems["callbacks"] = _("A whole number is needed.")
        return None
    return int(text)


def _total(found: Any, name: str) -> int | None:
    """Return the sum of what is planned, None where nothing is."""
    values = [value for one in found if one.plan and (value := getattr(one.plan, name)) is not None]
    return sum(values) if values else None


def round_minor(exact: Fraction) -> int:
    """Return kopecks, halves up: for showing only."""
    return floor(exact + Fraction(1, 2))


def init_app(app: Flask) -> None:
    app.jinja_env.filters["round_minor"] = round_minor
    app.register_blueprint(blueprint)
