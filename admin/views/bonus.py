"""Bonuses: a manager's running month, the periods and their steps, one statement and what stands behind it."""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from flask import Blueprint, Flask, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select, update
from sqlalchemy.orm import selectinload

from admin import bonus_sheet
from admin.access import Scope
from admin.base import commit_and_wake, db_session, installation_state, request_now, shell
from admin.language import day, language
from admin.security import actor, scope, viewer
from rules_engine import db
from rules_engine.decisions.bonus_figures import measures
from rules_engine.decisions.bonus_words import line_json
from rules_engine.decisions.modes import Mode
from rules_engine.errors import NotFound, PravilaError
from rules_engine.language.kinds import Decision
from rules_engine.language.vocabulary import FIELDS
from rules_engine.models import BonusPeriod, BonusStatement, PeriodState
from rules_engine.services.bonus import periods, show
from rules_engine.services.bonus.reckoning import Rules, counting_of, exact_measures, rules_of_version
from rules_engine.services.bonus.texts import month_words
from rules_engine.services.bonus.today import missing_words, next_words, so_far
from rules_engine.services.company.reference import ManagerRef, reference
from rules_engine.services.control import period as control_period
from rules_engine.services.control import places
from rules_engine.services.measures.behind import behind as rows_behind
from rules_engine.services.measures.behind import has_rows
from rules_engine.services.measures.measures import counting_now
from rules_engine.services.measures.month import Month, earlier, month_named, month_of_instant
from rules_engine.services.money.incoming_money import MONTH_PATTERN
from rules_engine.services.records import settings_store
from rules_engine.services.rules import modes

blueprint = Blueprint("bonus", __name__)

STEPS: Mapping[str, Callable[..., BonusPeriod]] = {
    "compute": periods.compute,
    "present": periods.present,
    "approve": periods.approve,
    "close": periods.close,
    "reopen": periods.reopen,
}
SEEN_IN = (PeriodState.PRESENTED, PeriodState.APPROVED)
PAST_SHOWN = 24
TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@blueprint.get("/my/bonus")
def mine() -> ResponseReturnValue:
    """Show the running month of the viewer, provisional, and his statements of the months before."""
    own = viewer().manager_id
    if own is None:
        return redirect(url_for("bonus.index"))
    session, now = db_session(), request_now()
    try:
        found = so_far(session, own, now)
    except NotFound:
        return render_template("bonus/none.html")
    lines = [line_json(line, language()) for line in found.statement.lines]
    titles = _titles(found.rules)
    return render_template(
        "bonus/mine.html",
        found=found,
        month=month_words(found.month.text, language()),
        lines=bonus_sheet.line_rows(lines, titles),
        sides=bonus_sheet.sides(measures(found.figures)),
        things=[(next_words(thing), missing_words(thing), thing.worth) for thing in found.next],
        picture=bonus_sheet.picture(found),
        past=_past(own),
        places=places.places(session, own, control_period.month(session, found.month.text), now),
        for_information=_for_information(now),
        login=viewer().login,
        until=now,
    )


@blueprint.get("/bonuses/")
def index() -> ResponseReturnValue:
    """Show the periods, and the managers of one: by default the newest that was computed."""
    session, now = db_session(), request_now()
    rows = session.scalars(select(BonusPeriod).order_by(BonusPeriod.month.desc(), BonusPeriod.revision.desc())).all()
    newest: dict[str, BonusPeriod] = {}
    for row in rows:
        newest.setdefault(row.month, row)
    running = month_of_instant(session, now).text
    wanted = request.args.get("period", "")
    if not re.fullmatch(MONTH_PATTERN, wanted):
        wanted = next(iter(newest), running)
    months = sorted({*list(newest)[:PAST_SHOWN], running, earlier(running), wanted}, reverse=True)
    return render_template(
        "bonus/index.html",
        months=[(month, month_words(month, language()), newest.get(month)) for month in months],
        period=wanted,
        title=month_words(wanted, language()),
        row=newest.get(wanted),
        statements=_table(newest[wanted]) if wanted in newest else [],
        is_over=periods.is_over(session, wanted, now),
        has_begun=now >= month_named(session, wanted).start,
        state_words=periods.STATE_WORDS,
        dates=_dates(month_named(session, wanted)),
        for_information=_for_information(now),
    )


@blueprint.post("/bonuses/<period>/step/<name>")
def step(period: str, name: str) -> ResponseReturnValue:
    """Take a period one step on: compute, present, approve, close; or open it again, with a reason."""
    take = STEPS.get(name)
    if take is None or not re.fullmatch(MONTH_PATTERN, period):
        abort(404)
    more = {"reason": request.form.get("reason", "")} if name == "reopen" else {}
    try:
        row = take(db_session(), period, actor=actor(), now=request_now(), **more)
    except PravilaError as refused:
        db_session().rollback()
        words = str(refused.data.get(language()) or refused.message(language()))
        flash(f"{words[:1].upper()}{words[1:]}.", "bad")
        return redirect(url_for("bonus.index", period=period))
    commit_and_wake()
    words = periods.STATE_WORDS[row.state][language()]
    flash(f"{month_words(period, language()).capitalize()}: {words}.", "good")
    return redirect(url_for("bonus.index", period=period))


@blueprint.get("/bonuses/<period>/<login>")
def statement(period: str, login: str) -> ResponseReturnValue:
    manager, found = stored_statement(period, login)
    _mark_seen(manager, found)
    rules = rules_of_version(db_session(), found.period.version_id)
    document = show.statement_document(found, manager.login, language())
    return render_template(
        "bonus/statement.html",
        manager=manager,
        found=found,
        period=found.period,
        month=month_words(period, language()),
        lines=bonus_sheet.line_rows(document["lines"], _titles(rules)),
        total=bonus_sheet.money_text(document["total"]),
        notes=document["notes"],
        sides=bonus_sheet.sides(exact_measures(found.measures)),
        state=periods.STATE_WORDS[found.period.state][language()],
        dates=_dates(month_named(db_session(), period)),
        is_over=periods.is_over(db_session(), period, request_now()),
        is_own=viewer().manager_id == manager.id,
        for_information=_for_information(request_now()),
    )


@blueprint.get("/bonuses/<period>/<login>/behind/<measure>")
def behind(period: str, login: str, measure: str) -> ResponseReturnValue:
    """List what a measure was counted from; of the running month without a stored statement as it is now."""
    if not has_rows(measure):
        abort(404)
    session, now = db_session(), request_now()
    manager = manager_of(period, login)
    month = month_named(session, period)
    found = stored(period, manager)
    counting = counting_of({manager.id: found.measures}) if found is not None else counting_now(session)
    # A page of today counts up to now, a stored statement up to when it was computed.
    until = found.period.computed_at if found is not None and "stored" in request.args else now
    rows = rows_behind(session, month, manager.id, measure, until, counting)
    is_money = measure.startswith(("revenue", "attainment"))
    return render_template(
        "bonus/behind.html",
        manager=manager,
        period=period,
        has_statement=found is not None,
        month=month_words(period, language()),
        label=FIELDS[f"measure.{measure}"].chip.text(language()),
        rows=rows,
        is_money=is_money,
        total=sum(row.value for row in rows if row.counts),
        with_vat=counting.with_vat,
    )


@blueprint.get("/bonuses/<period>/<login>/export/<kind>")
def export(period: str, login: str, kind: str) -> ResponseReturnValue:
    """Give a statement out as CSV or XLSX."""
    if kind not in TYPES:
        abort(404)
    manager, found = stored_statement(period, login)
    rules = rules_of_version(db_session(), found.period.version_id)
    document = show.statement_document(found, manager.login, language())
    return _file(bonus_sheet.cells(document, _titles(rules)), f"bonus-{period}-{manager.id}", period, kind)


@blueprint.get("/bonuses/<period>/export/<kind>")
def export_period(period: str, kind: str) -> ResponseReturnValue:
    """Give the table of a period out as CSV or XLSX."""
    if kind not in TYPES or not re.fullmatch(MONTH_PATTERN, period):
        abort(404)
    try:
        row = periods.newest(db_session(), period)
    except NotFound:
        abort(404)
    return _file(bonus_sheet.period_cells(_table(row)), f"bonus-{period}", period, kind)


def _file(cells: bonus_sheet.Cells, name: str, title: str, kind: str) -> Response:
    body = bonus_sheet.as_csv(cells) if kind == "csv" else bonus_sheet.as_xlsx(cells, title)
    answer = Response(body, content_type=TYPES[kind])
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.{kind}"'
    return answer


def _titles(rules: Rules) -> dict[str, str]:
    return {rule.id: rule.title.text(language()) for rule in rules.ruleset.rules}


def manager_of(period: str, login: str) -> ManagerRef:
    """Return a manager that the viewer may look at; 404 for others, and for what is no month."""
    found = reference(db_session()).by_login(login)
    if found is None or not re.fullmatch(MONTH_PATTERN, period):
        abort(404)
    if scope() is Scope.OWN and found.id != viewer().manager_id:
        abort(404)
    return found


def stored(period: str, manager: ManagerRef) -> BonusStatement | None:
    """Return the statement that stands for a month."""
    query = (
        select(BonusStatement)
        .join(BonusPeriod, BonusPeriod.id == BonusStatement.period_id)
        .where(BonusPeriod.month == period, BonusStatement.manager_id == manager.id)
        .order_by(BonusPeriod.revision.desc())
        .limit(1)
        .options(selectinload(BonusStatement.period), selectinload(BonusStatement.lines))
    )
    return db_session().scalars(query).first()


def stored_statement(period: str, login: str) -> tuple[ManagerRef, BonusStatement]:
    """Return a stored statement that the viewer may look at; 404 for others."""
    manager = manager_of(period, login)
    return manager, stored(period, manager) or abort(404)


def _past(manager_id: int) -> list[dict[str, Any]]:
    """Return the statements of a manager that stand, the newest first."""
    query = (
        select(BonusPeriod.month, BonusPeriod.state, BonusStatement.total_minor)
        .join(BonusStatement, BonusStatement.period_id == BonusPeriod.id)
        .where(BonusStatement.manager_id == manager_id, BonusPeriod.state != PeriodState.REVERSED)
        .order_by(BonusPeriod.month.desc())
        .limit(PAST_SHOWN)
    )
    return [
        {
            "period": row.month,
            "month": month_words(row.month, language()),
            "state": periods.STATE_WORDS[row.state][language()],
            "total": row.total_minor,
        }
        for row in db_session().execute(query)
    ]


def _table(row: BonusPeriod) -> list[dict[str, Any]]:
    """Return one line a manager, by name."""
    picture = reference(db_session())
    found = db_session().execute(
        select(
            BonusStatement.manager_id, BonusStatement.total_minor, BonusStatement.measures, BonusStatement.seen_at
        ).where(BonusStatement.period_id == row.id)
    )
    table = []
    for one in found:
        manager = picture.managers.get(one.manager_id)
        if manager is None:
            continue
        exact = exact_measures(one.measures)
        team = picture.teams.get(manager.team_id or 0)
        new, old = bonus_sheet.sides(exact)
        table.append(
            {
                "manager": manager,
                "team": team.name if team else "",
                "attainment": bonus_sheet.attainment_text(exact),
                "new": new.percent,
                "old": old.percent,
                "total": one.total_minor,
                "seen_at": one.seen_at,
            }
        )
    return sorted(table, key=lambda line: (line["manager"].name, line["manager"].id))


def _dates(month: Month) -> dict[str, str]:
    """Return until when one may object, and by when it is approved, in words."""
    session = db_session()
    following = earlier(month.text, -1)
    first = date(int(following[:4]), int(following[5:]), 1)
    return {
        name: day(first.replace(day=settings_store.number(session, key)))
        for name, key in (
            ("objections", settings_store.BONUS_OBJECTIONS_DAY),
            ("approval", settings_store.BONUS_APPROVAL_DAY),
        )
    }


def _for_information(now: datetime) -> bool:
    """Return whether bonuses are only counted and nobody is paid by them yet."""
    return modes.mode_of(db_session(), Decision.BONUS, None, now) is not Mode.LIVE


def _mark_seen(manager: ManagerRef, found: BonusStatement) -> None:
    """Note that a manager has looked at what he was presented: silence is no consent."""
    if found.seen_at is not None or viewer().manager_id != manager.id or found.period.state not in SEEN_IN:
        return
    if installation_state(db_session()) is not None:
        return
    with db.transaction(shell().sessions) as session:
        session.execute(
            update(BonusStatement)
            .where(BonusStatement.id == found.id, BonusStatement.is_closed.is_(False))
            .values(seen_at=request_now())
        )


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
