"""Working calendars: their weeks, and the dates on which they differ."""

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import Session
from wtforms import BooleanField, DateField, StringField
from wtforms.validators import DataRequired, Length

from admin.base import db_session, request_now, shell
from admin.fields import CODE, DAY_LABELS, NAME, OneOf, Row, Windows, windows_text
from admin.labels import label
from admin.language import day as day_text
from admin.reference_view import Choices, ReferenceView
from rules_engine.decisions.opening_hours import WEEKDAYS, CalendarError, DayKind
from rules_engine.decisions.working_time import WorkingCalendar
from rules_engine.errors import InputError, PolicyViolation
from rules_engine.models import Calendar, CalendarException
from rules_engine.services.company import calendars
from rules_engine.services.company.picture_loading import exception_of


class CalendarForm(FlaskForm):
    name = StringField(lazy_gettext("Name"), NAME)
    code = StringField(lazy_gettext("Code"), CODE)
    zone = StringField(
        lazy_gettext("Time zone"), NAME, description=lazy_gettext("For example Europe/Moscow or Asia/Yekaterinburg.")
    )
    mon = Windows(
        DAY_LABELS["mon"],
        day="mon",
        description=lazy_gettext("For example 09:00–13:00, 14:00–18:00; empty is a day off."),
    )
    tue = Windows(DAY_LABELS["tue"], day="tue")
    wed = Windows(DAY_LABELS["wed"], day="wed")
    thu = Windows(DAY_LABELS["thu"], day="thu")
    fri = Windows(DAY_LABELS["fri"], day="fri")
    sat = Windows(DAY_LABELS["sat"], day="sat")
    sun = Windows(DAY_LABELS["sun"], day="sun")
    is_default = BooleanField(lazy_gettext("The company's calendar, for everybody without one of his own"))


class CalendarView(ReferenceView):
    title = lazy_gettext("Calendars")
    lead = lazy_gettext("Working hours by the day of the week. Dates that differ stand under their own heading.")
    subject = "calendar"
    details_template = "reference/calendar.html"
    deletable = True
    form = CalendarForm
    column_list = ("name", "code", "zone", "weekly", "is_default")
    column_details_list = column_list
    column_sortable_list = ("name", "code", "zone")
    column_default_sort = "name"
    column_labels = {
        "name": lazy_gettext("Name"),
        "code": lazy_gettext("Code"),
        "zone": lazy_gettext("Time zone"),
        "weekly": lazy_gettext("Working hours"),
        "is_default": lazy_gettext("The company's"),
    }
    column_formatters = {"weekly": lambda _v, _c, model, _n: week_text(model.weekly)}
    column_formatters_export = {"weekly": lambda _v, _c, model, _n: week_text(model.weekly, "; ")}

    def create_form(self, obj: Any = None) -> Any:
        form = super().create_form(obj)
        if not form.zone.raw_data:
            form.zone.data = form.zone.data or shell().settings.timezone
        return form

    def edit_form(self, obj: Any = None) -> Any:
        form = super().edit_form(obj)
        for day in WEEKDAYS:
            if obj is not None and form[day].raw_data is None:
                form[day].data = obj.weekly.get(day, [])
        return form

    def apply(self, form: Any, model: Any, *, is_created: bool) -> None:
        weekly = {day: form[day].data for day in WEEKDAYS if form[day].data}
        exceptions = {row.day: exception_of(row.kind, row.windows, row.day) for row in model.exceptions}
        try:
            WorkingCalendar.build(weekly, form.zone.data.strip(), exceptions)
        except CalendarError as problem:
            place = "zone" if "zone" in problem.data else "mon"
            raise InputError(path=place, ru=str(problem.data["ru"]), en=str(problem.data["en"])) from problem
        if model.is_default and not form.is_default.data:
            raise InputError(
                path="is_default",
                ru="сначала отметьте другой календарь: у компании всегда есть один",
                en="mark another calendar first: the company always has one",
            )
        if form.is_default.data and not model.is_default:
            for other in db_session().scalars(select(Calendar).where(Calendar.is_default)):
                other.is_default = False
        model.name, model.code, model.zone = form.name.data.strip(), form.code.data, form.zone.data.strip()
        model.weekly, model.is_default = weekly, form.is_default.data

    def before_delete(self, session: Session, model: Any) -> None:
        if model.is_default:
            raise PolicyViolation(
                ru="это календарь компании: сначала отметьте другой",
                en="this is the company's calendar: mark another first",
            )

    def after_change(self, session: Session, model: Any) -> None:
        calendars.days_changed(session, request_now())


def week_text(weekly: dict[str, Any], between: str = "") -> str:
    """Return the working hours of a week; days with the same hours are put together."""
    groups: list[tuple[list[str], str]] = []
    for day in WEEKDAYS:
        text = windows_text(weekly.get(day)) or _("day off")
        if groups and groups[-1][1] == text:
            groups[-1][0].append(day)
        else:
            groups.append(([day], text))
    lines = []
    for days, text in groups:
        first, last = str(DAY_LABELS[days[0]]), str(DAY_LABELS[days[-1]])
        lines.append(f"{first if first == last else f'{first} – {last}'}: {text}")
    return between.join(lines) if between else Markup("<br>").join(lines)


KINDS = {
    DayKind.OFF: lazy_gettext("day off"),
    DayKind.SHORT: lazy_gettext("an hour shorter"),
    DayKind.WORK: lazy_gettext("working day"),
    DayKind.WINDOWS: lazy_gettext("other hours"),
}


class ExceptionForm(FlaskForm):
    calendar_id = Row(
        lazy_gettext("Calendar"), lambda: select(Calendar).order_by(Calendar.is_default.desc(), Calendar.name)
    )
    day = DateField(lazy_gettext("Date"), [DataRequired(lazy_gettext("This cannot be empty."))])
    kind = OneOf(lazy_gettext("How it differs"), lambda: KINDS.items())
    windows = Windows(lazy_gettext("Hours, if other"), day="mon", description=lazy_gettext("For example 10:00–15:00."))
    note = StringField(lazy_gettext("Note"), [Length(max=200)])


class ExceptionView(ReferenceView):
    title = lazy_gettext("Dates that differ")
    lead = lazy_gettext("Holidays, moved and short days of each calendar.")
    subject = "calendar_exception"
    deletable = True
    form = ExceptionForm
    column_list = column_details_list = ("day", "calendar", "kind", "windows", "note")
    column_sortable_list = ("day",)
    column_default_sort = ("day", True)
    column_searchable_list = ("note",)
    column_filters = (
        Choices(
            CalendarException.calendar_id,
            lazy_gettext("Calendar"),
            lambda: [(row.id, row.name) for row in db_session().scalars(select(Calendar).order_by(Calendar.name))],
        ),
        Choices(CalendarException.kind, lazy_gettext("How it differs"), lambda: list(KINDS.items())),
    )
    column_labels = {
        "day": lazy_gettext("Date"),
        "calendar": lazy_gettext("Calendar"),
        "kind": lazy_gettext("How it differs"),
        "windows": lazy_gettext("Hours"),
        "note": lazy_gettext("Note"),
    }
    column_formatters = {
        "kind": lambda _v, _c, model, _n: label(KINDS, model.kind),
        "windows": lambda _v, _c, model, _n: windows_text(model.windows) or "—",
    }

    def name_of(self, model: CalendarException) -> str:
        return f"{model.calendar.name}: {day_text(model.day)}"

    def apply(self, form: Any, model: Any, *, is_created: bool) -> None:
        if form.kind.data == DayKind.WINDOWS and not form.windows.data:
            raise InputError(path="windows", ru="укажите часы", en="give the hours")
        windows = form.windows.data if form.kind.data == DayKind.WINDOWS else None
        model.calendar_id, model.day, model.kind = form.calendar_id.data, form.day.data, form.kind.data
        model.windows, model.note = windows, form.note.data or ""
        calendar = db_session().get_one(Calendar, model.calendar_id)
        others = {
            row.day: exception_of(row.kind, row.windows, row.day) for row in calendar.exceptions if row is not model
        }
        others[model.day] = exception_of(model.kind, model.windows, model.day)
        WorkingCalendar.build(calendar.weekly, calendar.zone, others)

    def after_change(self, session: Session, model: Any) -> None:
        calendars.days_changed(session, request_now())
