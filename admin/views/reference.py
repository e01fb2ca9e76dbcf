"""Reference data: teams, managers, calendars and the dates that differ, absences; and the page that leads to them."""

from typing import Any

from flask import Flask, url_for
from flask_admin import Admin, AdminIndexView, expose
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import Session
from wtforms import BooleanField, DateField, IntegerField, StringField
from wtforms.validators import DataRequired, Length, NumberRange, Optional, Regexp

from admin.access import may
from admin.base import db_session, request_now, shell
from admin.fields import DAY_LABELS, Instant, OneOf, Row, Thousandths, Windows, Words, windows_text
from admin.labels import label
from admin.language import day as day_text
from admin.reference_view import Choices, ReferenceView, manager_options, managers_query, team_options
from admin.security import viewer
from admin.views import records
from rules_engine.decisions.opening_hours import WEEKDAYS, DayKind
from rules_engine.decisions.working_time import WorkingCalendar
from rules_engine.errors import InputError, PolicyViolation
from rules_engine.models import (
    Absence,
    Calendar,
    CalendarException,
    Manager,
    Role,
    Team,
    User,
)
from rules_engine.services.reference import exception_of
from rules_engine.services.work import wake_open_requests

NAME = [DataRequired(lazy_gettext("This cannot be empty.")), Length(max=200)]
CODE = [
    DataRequired(lazy_gettext("This cannot be empty.")),
    Regexp(
        r"[A-Za-z0-9_.-]{1,60}\Z", message=lazy_gettext("Latin letters, digits, dot, dash and underscore, up to 60.")
    ),
]
MAIL = [Optional(), Regexp(r"[^@\s]+@[^@\s]+\Z", message=lazy_gettext("This is not a mail address."))]


class TeamForm(FlaskForm):
    name = StringField(lazy_gettext("Name"), NAME)
    code = StringField(lazy_gettext("Code"), CODE, description=lazy_gettext("By it rules and files name the team."))
    head_id = Row(
        lazy_gettext("Head"),
        lambda: select(User).where(User.role == Role.HEAD, User.is_active).order_by(User.name),
        empty=lazy_gettext("every head without a team of his own"),
        description=lazy_gettext("Who is told about this team's requests."),
    )
    calendar_id = Row(
        lazy_gettext("Calendar"), lambda: select(Calendar).order_by(Calendar.name), empty=lazy_gettext("the company's")
    )


class TeamView(ReferenceView):
    title = lazy_gettext("Teams")
    subject = "team"
    deletable = True
    form = TeamForm
    column_list = column_details_list = ("name", "code", "head", "calendar")
    column_sortable_list = ("name", "code")
    column_default_sort = "name"
    column_searchable_list = ("name", "code")
    column_labels = {
        "name": lazy_gettext("Name"),
        "code": lazy_gettext("Code"),
        "head": lazy_gettext("Head"),
        "calendar": lazy_gettext("Calendar"),
    }

    def after_change(self, session: Session, model: Any) -> None:
        wake_open_requests(session, request_now())


class ManagerForm(FlaskForm):
    name = StringField(lazy_gettext("Full name"), NAME)
    login = StringField(lazy_gettext("Login"), CODE)
    email = StringField(lazy_gettext("Mail"), MAIL)
    phone = StringField(lazy_gettext("Phone"), [Length(max=60)])
    team_id = Row(lazy_gettext("Team"), lambda: select(Team).order_by(Team.name), empty=lazy_gettext("none"))
    weight_milli = Thousandths(
        lazy_gettext("Weight"),
        at_most=100,
        default=1000,
        description=lazy_gettext("Share of a full manager: 1 is one, 0.5 is half."),
    )
    skills = Words(lazy_gettext("Skills"), description=lazy_gettext("With commas between them."))
    calendar_id = Row(
        lazy_gettext("Calendar"), lambda: select(Calendar).order_by(Calendar.name), empty=lazy_gettext("the team's")
    )
    hired_on = DateField(lazy_gettext("First working day"), [Optional()])
    left_on = DateField(lazy_gettext("No longer works from"), [Optional()])
    daily_cap = IntegerField(lazy_gettext("New requests a day, at most"), [Optional(), NumberRange(0, 10_000)])
    open_cap = IntegerField(lazy_gettext("Open requests, at most"), [Optional(), NumberRange(0, 10_000)])


class ManagerView(ReferenceView):
    title = lazy_gettext("Sales managers")
    lead = lazy_gettext("Who receives requests. A password is given on the page of users.")
    subject = "manager"
    form = ManagerForm
    column_list = ("name", "login", "team", "weight_milli", "skills", "hired_on", "left_on")
    column_details_list = (
        "name", "login", "user.email", "user.phone", "team", "weight_milli", "skills", "calendar", "hired_on",
        "left_on", "daily_cap", "open_cap",
    )  # fmt: skip
    column_sortable_list = (("name", "user.name"), ("login", "user.login"), ("team", "team.name"), "weight_milli")
    column_default_sort = "user.name"
    column_searchable_list = ("user.name", "user.login")
    column_filters = (Choices(Manager.team_id, lazy_gettext("Team"), team_options),)
    column_labels = {
        "name": lazy_gettext("Full name"),
        "login": lazy_gettext("Login"),
        "user.email": lazy_gettext("Mail"),
        "user.phone": lazy_gettext("Phone"),
        "team": lazy_gettext("Team"),
        "weight_milli": lazy_gettext("Weight"),
        "skills": lazy_gettext("Skills"),
        "calendar": lazy_gettext("Calendar"),
        "hired_on": lazy_gettext("First working day"),
        "left_on": lazy_gettext("No longer works from"),
        "daily_cap": lazy_gettext("New requests a day, at most"),
        "open_cap": lazy_gettext("Open requests, at most"),
    }
    column_formatters = {"weight_milli": lambda _v, _c, model, _n: Thousandths.text(model.weight_milli)}

    def audit_key(self, model: Any) -> Any:
        return model.login

    def edit_form(self, obj: Any = None) -> Any:
        form = super().edit_form(obj)
        if obj is not None and form.email.raw_data is None:
            form.email.data, form.phone.data = obj.user.email, obj.user.phone
        return form

    def apply(self, form: Any, model: Any, *, is_created: bool) -> None:
        user = model.user if not is_created else User(role=Role.MANAGER, created_at=request_now())
        user.login, user.name = form.login.data.strip(), form.name.data.strip()
        user.email, user.phone = form.email.data or "", form.phone.data or ""
        if is_created:
            user.locale = shell().settings.locale
            model.user = user
        if form.left_on.data and form.hired_on.data and form.left_on.data < form.hired_on.data:
            raise InputError(path="left_on", ru="раньше первого рабочего дня", en="before the first working day")
        for name in (
            "team_id",
            "weight_milli",
            "skills",
            "calendar_id",
            "hired_on",
            "left_on",
            "daily_cap",
            "open_cap",
        ):
            setattr(model, name, form[name].data)

    def after_change(self, session: Session, model: Any) -> None:
        wake_open_requests(session, request_now())


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
        WorkingCalendar.build(weekly, form.zone.data.strip(), exceptions)
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
        wake_open_requests(session, request_now())


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
        wake_open_requests(session, request_now())


class AbsenceForm(FlaskForm):
    manager_id = Row(lazy_gettext("Manager"), managers_query)
    starts_at = Instant(lazy_gettext("From"), [DataRequired(lazy_gettext("This cannot be empty."))])
    ends_at = Instant(
        lazy_gettext("Until"),
        [DataRequired(lazy_gettext("This cannot be empty."))],
        description=lazy_gettext("From this moment on he is back."),
    )
    reason = StringField(lazy_gettext("Reason"), [Length(max=200)])


class AbsenceView(ReferenceView):
    title = lazy_gettext("Absences")
    lead = lazy_gettext(
        "While a manager is away he receives no requests, and the time does not count towards his share."
    )
    subject = "absence"
    deletable = True
    form = AbsenceForm
    column_list = column_details_list = ("manager", "starts_at", "ends_at", "reason")
    column_sortable_list = ("starts_at", "ends_at")
    column_default_sort = ("starts_at", True)
    column_searchable_list = ("reason",)
    column_filters = (Choices(Absence.manager_id, lazy_gettext("Manager"), manager_options),)
    column_labels = {
        "manager": lazy_gettext("Manager"),
        "starts_at": lazy_gettext("From"),
        "ends_at": lazy_gettext("Until"),
        "reason": lazy_gettext("Reason"),
    }

    def name_of(self, model: Absence) -> str:
        return model.manager.name

    def apply(self, form: Any, model: Any, *, is_created: bool) -> None:
        if form.ends_at.data <= form.starts_at.data:
            raise InputError(path="ends_at", ru="раньше начала", en="before it begins")
        form.populate_obj(model)
        # The relationship follows its key only after a flush; the audit and the page want it now.
        model.manager = db_session().get_one(Manager, model.manager_id)

    def after_change(self, session: Session, model: Any) -> None:
        wake_open_requests(session, request_now(), manager_ids=[model.manager_id])


class Index(AdminIndexView):
    """All of the reference data and the pages of the installation, grouped."""

    @expose()
    def index(self) -> str:
        return self.render("reference/index.html", groups=groups())


GROUPS: tuple[tuple[Any, tuple[tuple[str, Any], ...]], ...] = (
    (
        lazy_gettext("People and time"),
        (
            ("teams.index_view", TeamView.title),
            ("managers.index_view", ManagerView.title),
            ("absences.index_view", AbsenceView.title),
            ("client_cards.index_view", lazy_gettext("Clients: cards")),
            ("year.index", lazy_gettext("Working time by the year")),
            ("calendars.index_view", CalendarView.title),
            ("exceptions.index_view", ExceptionView.title),
        ),
    ),
    (
        lazy_gettext("Records"),
        (
            ("request_rows.index_view", records.RequestRows.title),
            ("task_rows.index_view", records.TaskRows.title),
            ("decision_rows.index_view", records.DecisionRows.title),
            ("version_rows.index_view", records.VersionRows.title),
            ("journal.index_view", lazy_gettext("Journal")),
        ),
    ),
    (
        lazy_gettext("Installation"),
        (
            ("users.index_view", lazy_gettext("Users")),
            ("tokens.index_view", lazy_gettext("Tokens of programs")),
            ("settings.index", lazy_gettext("Settings")),
            ("jobs.index", lazy_gettext("Jobs")),
            ("outbox.index_view", lazy_gettext("Outbox")),
        ),
    ),
)


def groups() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the groups of links that the viewer may open: title, and address with label."""
    role = viewer().role
    shown = []
    for title, links in GROUPS:
        open_links = [(url_for(endpoint), str(text)) for endpoint, text in links if may(endpoint, role)]
        if open_links:
            shown.append((str(title), open_links))
    return shown


def init_app(app: Flask) -> Admin:
    """Register Flask-Admin with these views; other modules add theirs to what is returned."""
    admin = Admin(app, name="Pravila", index_view=Index())
    admin.add_view(TeamView(Team, "teams"))
    admin.add_view(ManagerView(Manager, "managers"))
    admin.add_view(CalendarView(Calendar, "calendars"))
    admin.add_view(ExceptionView(CalendarException, "exceptions"))
    admin.add_view(AbsenceView(Absence, "absences"))
    records.add_views(admin)
    return admin
