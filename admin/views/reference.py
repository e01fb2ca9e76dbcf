"""Reference data: teams, managers, calendars and the dates that differ, absences; and the page that leads to them."""

from typing import Any

from flask import Flask, url_for
from flask_admin import Admin, AdminIndexView, expose
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from wtforms import DateField, IntegerField, StringField
from wtforms.validators import Length, NumberRange, Optional

from admin.access import may
from admin.base import db_session, request_now, shell
from admin.fields import CODE, MAIL, NAME, Row, Thousandths, Words
from admin.reference_view import Choices, ReferenceView, team_options
from admin.security import viewer
from admin.views import presence, records
from admin.views.calendars import CalendarView, ExceptionView
from rules_engine.errors import InputError
from rules_engine.models import OPEN_STATUSES, Calendar, CalendarException, Manager, Request, Role, Team, User
from rules_engine.services.company import calendars
from rules_engine.services.company.reference import reference


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
    catch_up_per_day = IntegerField(
        lazy_gettext("After an absence, so many requests a day more"),
        [Optional(), NumberRange(1, 50, lazy_gettext("A whole number from 1 to 50, or empty."))],
        description=lazy_gettext(
            "Empty: time away does not count, so nothing is made up for. A number: it counts as worked."
        ),
    )


def people_of(team: Team) -> str:
    """Return the names of those who work in a team now, with commas; empty for a team without managers."""
    here = reference(db_session()).managers.values()
    return ", ".join(sorted(one.name for one in here if one.team_id == team.id and one.is_employed(request_now())))


class TeamView(ReferenceView):
    title = lazy_gettext("Teams")
    details_template = "reference/team.html"
    subject = "team"
    deletable = True
    form = TeamForm
    column_list = column_details_list = ("name", "code", "people", "head", "calendar", "catch_up_per_day")
    column_sortable_list = ("name", "code")
    column_default_sort = "name"
    column_searchable_list = ("name", "code")
    column_formatters = column_formatters_detail = column_formatters_export = {
        "people": lambda _v, _c, model, _n: people_of(model) or _("nobody")
    }
    column_labels = {
        "people": lazy_gettext("Managers"),
        "catch_up_per_day": lazy_gettext("After an absence, more a day"),
        "name": lazy_gettext("Name"),
        "code": lazy_gettext("Code"),
        "head": lazy_gettext("Head"),
        "calendar": lazy_gettext("Calendar"),
    }

    def after_change(self, session: Session, model: Any) -> None:
        calendars.days_changed(session, request_now())


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


def open_requests_of(session: Session, manager: Manager) -> int:
    """Return how many requests a manager holds that are not closed."""
    held = select(func.count()).where(
        Request.manager_id == manager.id, Request.status.in_(OPEN_STATUSES), Request.is_history.is_(False)
    )
    return session.scalar(held) or 0


class StillHolds(InputError):
    """Somebody is to have left who holds `requests` open requests."""

    def __init__(self, requests: int) -> None:
        super().__init__(
            path="left_on",
            ru=f"у него открытых заявок: {requests}. Сначала передайте их: кнопка «Уход…» выше",
            en=f"open requests he holds: {requests}. Hand them over first: the button “Leaving…” above",
            requests=requests,
        )


class ManagerView(ReferenceView):
    title = lazy_gettext("Sales managers")
    details_template = "reference/manager.html"
    edit_template = "reference/manager_form.html"
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

    def held(self, model: Manager) -> int:
        return open_requests_of(db_session(), model)

    def apply(self, form: Any, model: Any, *, is_created: bool) -> None:
        user = model.user if not is_created else User(role=Role.MANAGER, created_at=request_now())
        user.login, user.name = form.login.data.strip(), form.name.data.strip()
        user.email, user.phone = form.email.data or "", form.phone.data or ""
        if is_created:
            user.locale = shell().settings.locale
            model.user = user
        if form.left_on.data and form.hired_on.data and form.left_on.data < form.hired_on.data:
            raise InputError(path="left_on", ru="раньше первого рабочего дня", en="before the first working day")
        goes = form.left_on.data and not is_created and form.left_on.data != model.left_on
        if goes and (held := open_requests_of(db_session(), model)):
            raise StillHolds(held)
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
        calendars.days_changed(session, request_now())


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
            ("absences.index_view", presence.AbsenceView.title),
            ("roster.page", lazy_gettext("Duty roster")),
            ("departures.index", lazy_gettext("Away and leaving")),
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
    presence.add_views(admin)
    records.add_views(admin)
    return admin
