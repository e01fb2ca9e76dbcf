"""A year of a working calendar at a glance, the form of one date, and taking in a production calendar."""

from datetime import date
from fractions import Fraction
from typing import Any

from babel.dates import format_date, get_day_names, get_month_names
from flask import Blueprint, Flask, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import get_locale, lazy_gettext
from flask_babel import gettext as _
from sqlalchemy import select

from admin.access import may
from admin.base import commit_and_wake, db_session, request_now, shell
from admin.fields import read_windows, windows_text
from admin.language import language, local, number
from admin.security import actor, viewer
from rules_engine.decisions.calendar_year import DayShown, YearDay, year_of
from rules_engine.decisions.opening_hours import DayKind, Windows
from rules_engine.decisions.working_time import FIRST_YEAR, LAST_YEAR
from rules_engine.errors import PravilaError
from rules_engine.models import Calendar, CalendarException
from rules_engine.services.company import calendars, production_calendars
from rules_engine.services.records.outcome import Outcome

blueprint = Blueprint("year", __name__, url_prefix="/calendars")

AS_THE_WEEK = "week"
KINDS = {
    AS_THE_WEEK: lazy_gettext("as in the week"),
    DayKind.OFF: lazy_gettext("day off"),
    DayKind.SHORT: lazy_gettext("an hour shorter"),
    DayKind.WORK: lazy_gettext("working day"),
    DayKind.WINDOWS: lazy_gettext("other hours"),
}
SHOWN = {
    DayShown.WORKED: lazy_gettext("working day"),
    DayShown.FREE: lazy_gettext("free by the week"),
    DayShown.OFF: lazy_gettext("day off"),
    DayShown.SHORT: lazy_gettext("an hour shorter"),
    DayShown.MOVED: lazy_gettext("moved working day"),
    DayShown.OTHER: lazy_gettext("other hours"),
}
NEIGHBOURS = ("RU", "AM", "AZ", "BY", "GE", "KG", "KZ", "MD", "TJ", "UZ")


@blueprint.get("/")
def index() -> ResponseReturnValue:
    """Lead to the company's calendar."""
    calendar = db_session().scalars(select(Calendar).order_by(Calendar.is_default.desc(), Calendar.id)).first()
    if calendar is None:
        return redirect(url_for("calendars.index_view"))
    return redirect(url_for("year.page", calendar_id=calendar.id))


@blueprint.get("/<int:calendar_id>")
def page(calendar_id: int) -> ResponseReturnValue:
    return _page(_calendar(calendar_id), _day(request.args.get("day", "")))


@blueprint.post("/<int:calendar_id>/<day_text>")
def change(calendar_id: int, day_text: str) -> ResponseReturnValue:
    """Let one date differ from the week, or be as the week again."""
    session, calendar, day = db_session(), _calendar(calendar_id), _day(day_text)
    kind = request.form.get("kind", "")
    if day is None or kind not in KINDS:
        abort(400)
    problems: dict[str, str] = {}
    try:
        if kind == AS_THE_WEEK:
            outcome = calendars.remove_day(session, calendar, day, actor=actor())
        else:
            hours = read_windows(request.form.get("windows", ""), day.isoformat()) if kind == DayKind.WINDOWS else []
            if kind == DayKind.WINDOWS and not hours:
                problems["windows"] = _("Give the hours, for example 10:00–15:00.")
                return _page(calendar, day, problems), 422
            note = request.form.get("note", "").strip()[:200]
            outcome = calendars.put_day(session, calendar, day, DayKind(kind), windows=hours, note=note, actor=actor())
        if outcome is not Outcome.UNCHANGED:
            calendars.days_changed(session, request_now())
    except PravilaError as problem:
        session.rollback()
        place = "windows" if kind == DayKind.WINDOWS else "kind"
        problems[place] = str(problem.data.get(language()) or problem.message(language()))
        return _page(_calendar(calendar_id), day, problems), 422
    commit_and_wake()
    flash(_("Nothing is different.") if outcome is Outcome.UNCHANGED else _("The date is kept."), "good")
    return redirect(url_for("year.page", calendar_id=calendar_id, year=day.year, day=day.isoformat()))


@blueprint.get("/<int:calendar_id>/import")
def preview(calendar_id: int) -> ResponseReturnValue:
    """Show what the production calendar of a country would change."""
    return _preview(_calendar(calendar_id), request.args)


@blueprint.post("/<int:calendar_id>/import")
def bring(calendar_id: int) -> ResponseReturnValue:
    """Take the production calendar of a country in."""
    session, calendar = db_session(), _calendar(calendar_id)
    try:
        known = production_calendars.known_days(
            request.form.get("country", ""), production_calendars.years_of(request.form.get("years", ""))
        )
        counts = production_calendars.take(
            session,
            calendar,
            known.days,
            lang=shell().settings.locale,
            actor=actor(),
            keep_own=bool(request.form.get("keep_own")),
        )
        changed = counts[Outcome.CREATED] + counts[Outcome.UPDATED]
        if changed:
            calendars.days_changed(session, request_now())
    except PravilaError as problem:
        session.rollback()
        return _preview(_calendar(calendar_id), request.form, problem), 422
    commit_and_wake()
    flash(_("Dates taken in: %(n)s.", n=number(changed)) if changed else _("Nothing is different."), "good")
    year = known.days[0].day.year if known.days else None
    return redirect(url_for("year.page", calendar_id=calendar_id, year=year))


def _calendar(calendar_id: int) -> Calendar:
    return db_session().get(Calendar, calendar_id) or abort(404)


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if FIRST_YEAR < found.year < LAST_YEAR else None


def _year(day: date | None) -> int:
    if day is not None:
        return day.year
    text = request.args.get("year", "")
    year = int(text) if text.isascii() and text.isdigit() and len(text) == 4 else 0
    return year if FIRST_YEAR < year < LAST_YEAR else local(request_now()).year


def _page(calendar: Calendar, day: date | None, problems: dict[str, str] | None = None) -> str:
    session = db_session()
    year = _year(day)
    working = calendars.working(session, calendar)
    rows = {
        row.day: row
        for row in session.scalars(
            select(CalendarException).where(
                CalendarException.calendar_id == calendar.id,
                CalendarException.day.between(date(year, 1, 1), date(year, 12, 31)),
            )
        )
    }
    months = year_of(working, year)
    chosen = months[day.month - 1].days[day.day - 1] if day else None
    names = get_month_names("wide", "stand-alone", locale=get_locale())
    weekdays = get_day_names("short", "stand-alone", locale=get_locale())
    return render_template(
        "calendars/year.html",
        calendar=calendar,
        others=session.scalars(select(Calendar).order_by(Calendar.is_default.desc(), Calendar.name)).all(),
        year=year,
        today=local(request_now()).date(),
        months=months,
        month_names=names,
        weekdays=[weekdays[n] for n in range(7)],
        rows=rows,
        said=lambda one: _said(one, rows.get(one.day)),
        minutes=sum(month.minutes for month in months),
        working_days=sum(month.working_days for month in months),
        hours=hours,
        shown=SHOWN,
        chosen=chosen,
        chosen_words=format_date(day, "d MMMM y, EEEE", locale=get_locale()) if day else "",
        by_week=_windows(working.week[day.weekday()]) if day else "",
        values=_values(rows.get(day)) if day else {},
        kinds=KINDS,
        problems=problems or {},
        may_change=may("year.change", viewer().role),
        country=production_calendars.country_of_zone(calendar.zone) or "",
        countries=NEIGHBOURS,
        with_short_days=sorted(production_calendars.shipped_years("RU")),
    )


def _values(row: CalendarException | None) -> dict[str, Any]:
    """Return what the form of a date shows: what was typed and refused, else what is stored."""
    if request.method == "POST":
        return request.form.to_dict()
    if row is None:
        return {"kind": AS_THE_WEEK}
    return {"kind": row.kind, "windows": windows_text(row.windows), "note": row.note}


def _preview(calendar: Calendar, asked: Any, problem: PravilaError | None = None) -> str:
    session = db_session()
    changes, known = [], None
    try:
        if problem is not None:
            raise problem
        known = production_calendars.known_days(
            asked.get("country", ""), production_calendars.years_of(asked.get("years", ""))
        )
        changes = production_calendars.preview(session, calendar, known.days)
    except PravilaError as refused:
        problem = refused
    return render_template(
        "calendars/import.html",
        calendar=calendar,
        known=known,
        news=[one for one in changes if one.outcome is Outcome.CREATED],
        others=[one for one in changes if one.outcome is Outcome.UPDATED],
        same=sum(one.outcome is Outcome.UNCHANGED for one in changes),
        asked=asked,
        countries=NEIGHBOURS,
        kinds=KINDS,
        windows_text=windows_text,
        date_words=lambda day: format_date(day, "d MMMM y, EEE", locale=get_locale()),
        problem=str(problem.data.get(language()) or problem.message(language())) if problem else "",
        place=str(problem.data.get("path", "")) if problem else "",
    )


def _said(one: YearDay, row: CalendarException | None) -> str:
    """Return a date as a screen reader says it: the date, what it is, its hours where they differ, the note."""
    parts = [format_date(one.day, "d MMMM", locale=get_locale()), str(SHOWN[one.shown])]
    if one.shown in (DayShown.SHORT, DayShown.MOVED, DayShown.OTHER):
        parts.append(_windows(one.windows))
    if row is not None and row.note:
        parts.append(row.note)
    return ", ".join(parts)


def _windows(windows: Windows) -> str:
    clock = [f"{start // 60:02d}:{start % 60:02d}–{end // 60:02d}:{end % 60:02d}" for start, end in windows]
    return ", ".join(clock) or _("day off")


def hours(minutes: int) -> str:
    """Return norm hours: `151`, `7,5`."""
    return number(Fraction(minutes, 60), 0 if minutes % 60 == 0 else 1)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
