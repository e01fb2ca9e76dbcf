"""Who is away and who is on duty: the rows, and the weeks of the duty roster."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

from babel.dates import format_date
from flask import Blueprint, Flask, render_template, request
from flask.typing import ResponseReturnValue
from flask_admin import Admin
from flask_babel import get_locale, lazy_gettext
from flask_wtf import FlaskForm
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload
from wtforms import IntegerField, StringField
from wtforms.validators import DataRequired, Length, NumberRange, Optional

from admin.base import db_session, request_now, shell
from admin.fields import Moment, Row
from admin.language import local
from admin.reference_view import Choices, ReferenceView, manager_options, managers_query
from admin.security import actor
from rules_engine.models import Absence, DutyShift, Manager
from rules_engine.services.company import absences, duty, spans
from rules_engine.services.company.reference import reference

blueprint = Blueprint("roster", __name__, url_prefix="/duty")

WEEKS = 4
NEEDED = DataRequired(lazy_gettext("This cannot be empty."))


class SpanView(ReferenceView):
    """Rows that say from when to when something holds for a manager."""

    deletable = True
    column_sortable_list = ("starts_at", "ends_at")
    column_default_sort = ("starts_at", True)
    column_labels = {
        "manager": lazy_gettext("Manager"),
        "starts_at": lazy_gettext("From"),
        "ends_at": lazy_gettext("Until"),
        "reason": lazy_gettext("Reason"),
        "note": lazy_gettext("Note"),
    }

    def name_of(self, model: Any) -> str:
        name: str = model.manager.name
        return name

    def after_change(self, session: Session, model: Any) -> None:
        """Have the requests and calls of the row's manager looked at again, and of whoever it was before."""
        spans.wake(session, request_now(), {model.manager_id, getattr(model, "former_id", None) or model.manager_id})


class AbsenceForm(FlaskForm):
    manager_id = Row(lazy_gettext("Manager"), managers_query)
    starts_at = Moment(lazy_gettext("From"), validators=[NEEDED])
    ends_at = Moment(
        lazy_gettext("Until"),
        is_last=True,
        validators=[NEEDED],
        description=lazy_gettext("Without a time he is away on that day too; with a time he is back from then on."),
    )
    reason = StringField(lazy_gettext("Reason"), [Length(max=200)])


class AbsenceView(SpanView):
    title = lazy_gettext("Absences")
    lead = lazy_gettext(
        "While a manager is away he receives no requests, and the time does not count towards his share."
    )
    subject = "absence"
    form = AbsenceForm
    column_list = column_details_list = ("manager", "starts_at", "ends_at", "reason")
    column_searchable_list = ("reason",)
    column_filters = (Choices(Absence.manager_id, lazy_gettext("Manager"), manager_options),)

    def apply(self, form: Any, model: Any, *, is_created: bool) -> None:
        span = form.manager_id.data, form.starts_at.data, form.ends_at.data
        absences.check(db_session(), *span, besides=None if is_created else model.id)
        model.former_id = model.manager_id
        form.populate_obj(model)
        # The relationship follows its key only after a flush; the audit and the page want it now.
        model.manager = db_session().get_one(Manager, model.manager_id)


class DutyForm(FlaskForm):
    manager_id = Row(lazy_gettext("Manager"), managers_query)
    starts_at = Moment(lazy_gettext("From"), validators=[NEEDED])
    ends_at = Moment(
        lazy_gettext("Until"),
        is_last=True,
        validators=[NEEDED],
        description=lazy_gettext("Without a time that day is on duty to its end."),
    )
    note = StringField(lazy_gettext("Note"), [Length(max=200)])


class NewDutyForm(DutyForm):
    weeks = IntegerField(
        lazy_gettext("Repeat for so many more weeks"),
        [Optional(), NumberRange(0, 52, lazy_gettext("A whole number from 0 to 52."))],
        default=0,
        description=lazy_gettext("The same weekday and the same hours."),
    )


class DutyView(SpanView):
    title = lazy_gettext("Shifts on duty")
    lead = lazy_gettext(
        "Hours on duty are worked beside those of the calendar; rules can give requests to whoever is on duty."
    )
    subject = "duty_shift"
    form = DutyForm
    column_list = column_details_list = ("manager", "starts_at", "ends_at", "note")
    column_searchable_list = ("note",)
    column_filters = (Choices(DutyShift.manager_id, lazy_gettext("Manager"), manager_options),)

    def get_create_form(self) -> Any:
        return NewDutyForm

    def create_form(self, obj: Any = None) -> Any:
        form = super().create_form(obj)
        day = _day(request.args.get("day", ""))
        if day is not None and form.starts_at.raw_data is None:
            form.starts_at.data = datetime.combine(day, datetime.min.time(), shell().settings.zone)
            form.ends_at.data = form.starts_at.data + timedelta(days=1)
        return form

    def apply(self, form: Any, model: Any, *, is_created: bool) -> None:
        span = form.manager_id.data, form.starts_at.data, form.ends_at.data
        duty.check(db_session(), *span, besides=None if is_created else model.id)
        model.former_id = model.manager_id
        model.manager_id, model.starts_at, model.ends_at = span
        model.note = form.note.data or ""
        model.manager = db_session().get_one(Manager, model.manager_id)
        model.weeks_more = (form.weeks.data or 0) if is_created else 0

    def after_change(self, session: Session, model: Any) -> None:
        for week in range(1, getattr(model, "weeks_more", 0) + 1):
            # By the clock on the wall: a shift begins at ten in summer and in winter.
            edges = [local(edge) + timedelta(weeks=week) for edge in (model.starts_at, model.ends_at)]
            duty.put(session, model.manager_id, edges[0], edges[1], note=model.note, now=request_now(), actor=actor())
        super().after_change(session, model)


@blueprint.get("/")
def page() -> ResponseReturnValue:
    """Show four weeks of the duty roster, from the week of `from`, by default the running one."""
    today = local(request_now()).date()
    asked = _day(request.args.get("from", "")) or today
    monday = asked - timedelta(days=asked.weekday())
    picture = reference(db_session())
    first, last = monday, monday + timedelta(weeks=WEEKS)
    shifts = db_session().scalars(
        select(DutyShift)
        .where(DutyShift.ends_at > picture.start_of_day(first), DutyShift.starts_at < picture.start_of_day(last))
        .options(joinedload(DutyShift.manager))
        .order_by(DutyShift.starts_at, DutyShift.id)
    )
    by_day = _by_day(shifts, first, last)
    days = [first + timedelta(days=n) for n in range(7 * WEEKS)]
    return render_template(
        "calendars/roster.html",
        weeks=[days[n : n + 7] for n in range(0, len(days), 7)],
        by_day=by_day,
        today=today,
        on_duty=[one for one in picture.managers.values() if one.is_on_duty(request_now())],
        weekday=lambda day: format_date(day, "EEE", locale=get_locale()),
        before=first - timedelta(weeks=WEEKS),
        after=last,
    )


def _by_day(shifts: Iterable[DutyShift], first: date, last: date) -> dict[date, list[tuple[DutyShift, str]]]:
    """Return by date the shifts that lie in it, each with its hours on that date."""
    pieces = []
    for shift in shifts:
        begins, ends = local(shift.starts_at), local(shift.ends_at)
        day = max(begins.date(), first)
        while day < last and datetime.combine(day, datetime.min.time(), begins.tzinfo) < ends:
            since = f"{begins:%H:%M}" if begins.date() == day else "00:00"
            until = f"{ends:%H:%M}" if ends.date() == day else "24:00"
            pieces.append((day, shift, f"{since}–{until}"))
            day += timedelta(days=1)
    pieces.sort(key=lambda piece: (piece[0], piece[2], piece[1].id))
    return {day: [(shift, text) for _, shift, text in own] for day, own in groupby(pieces, key=lambda piece: piece[0])}


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 1990 < found.year < 2100 else None


def add_views(admin: Admin) -> None:
    admin.add_view(AbsenceView(Absence, "absences"))
    admin.add_view(DutyView(DutyShift, "duty"))


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
