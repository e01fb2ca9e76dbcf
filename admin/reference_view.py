"""The one base view of Flask-Admin's pages: rights from the table, form tokens, one scoped query, audit, safe export.

Flask-Admin lists, searches, sorts, pages and exports; forms are written out field by field, and the pages are our own
templates, so that nothing of its theme or scripts is sent. Bulk actions, look-ups and inline edits are closed in
access.py, because they would pass the audit by.
"""

import enum
from datetime import date, datetime
from typing import Any, ClassVar

from flask import Response, abort, flash, request
from flask_admin.contrib.sqla import ModelView
from flask_admin.contrib.sqla.filters import FilterEqual
from flask_babel import gettext as _
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import FlaskForm
from sqlalchemy import Select, inspect, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Query, Session
from werkzeug.local import LocalProxy

from admin.access import may
from admin.base import commit_and_wake, db_session, request_now
from admin.language import day, language, local, when
from admin.row_words import COLUMNS
from admin.security import actor, viewer
from rules_engine.errors import PravilaError
from rules_engine.models import Base, Manager, Team, User
from rules_engine.services.records import audit

PAGE_SIZE = 50
LAST_PAGE = 100_000
EXPORT_ROWS = 50_000
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")
SECRET_COLUMNS = frozenset({"password_hash", "digest", "notify_urls"})


class Database(SQLAlchemy):
    """What Flask-Admin asks for a session. It tells by this class that `.session` is one a web request."""

    def __init__(self) -> None:
        pass  # none of Flask-SQLAlchemy's own engines and models are wanted

    session = LocalProxy(db_session)  # type: ignore[assignment]


def defused(text: str) -> str:
    """Return a cell that a spreadsheet will not take for a formula; numbers stay numbers."""
    if text.startswith(FORMULA_SIGNS) and not text.lstrip("+-").replace(".", "", 1).replace(",", "", 1).isdigit():
        return "'" + text
    return text


def _yes_no(_view: object, value: bool, _name: str) -> str:
    return _("yes") if value else _("no")


def _list(_view: object, value: list[Any], _name: str) -> str:
    return ", ".join(str(item) for item in value)


SHOWN = {
    type(None): lambda _view, _value, _name: "—",
    bool: _yes_no,
    datetime: lambda _view, value, _name: when(value),
    date: lambda _view, value, _name: day(value, "d MMM y"),
    list: lambda view, value, name: _list(view, value, name) or "—",
}
EXPORTED = {
    type(None): lambda _view, _value, _name: "",
    bool: _yes_no,
    datetime: lambda _view, value, _name: local(value).isoformat(timespec="seconds"),
    date: lambda _view, value, _name: value.isoformat(),
    list: _list,
}


class Choices(FilterEqual):
    """A filter that offers the values there are; they are asked anew for every page."""

    def __init__(self, column: Any, name: Any, options: Any) -> None:
        super().__init__(column, name)
        self._load = options

    def lines(self) -> list[tuple[str, str]]:
        return [(str(code), str(text)) for code, text in self._load()]

    def validate(self, value: str) -> bool:
        return value == "" or str(value) in dict(self.lines())


class ReferenceView(ModelView):
    """A table of the reference data. Without `form` it can only be read."""

    title: ClassVar[Any] = ""
    lead: ClassVar[Any] = ""
    """A sentence under the title: what these rows are for."""
    subject: ClassVar[str] = ""
    """What the audit log calls a row."""
    deletable: ClassVar[bool] = False

    form_base_class = FlaskForm
    list_template = "reference/list.html"
    create_template = edit_template = "reference/form.html"
    details_template = "reference/details.html"
    can_view_details = True
    can_export = True
    export_max_rows = EXPORT_ROWS
    page_size = PAGE_SIZE
    action_disallowed_list = ("delete",)
    column_type_formatters = column_type_formatters_detail = SHOWN
    column_type_formatters_export = EXPORTED
    column_display_actions = False

    def __init__(self, model: type[Base], endpoint: str) -> None:
        super().__init__(model, Database(), name=self.title, endpoint=endpoint)

    # Rights: the guard has asked the table before; this holds when somebody calls a view past it.
    def is_accessible(self) -> bool:
        return may(request.endpoint or "", viewer().role)

    def _allowed(self, action: str) -> bool:
        return may(f"{self.endpoint}.{action}", viewer().role)

    @property
    def can_create(self) -> bool:
        return self.form is not None and self._allowed("create_view")

    @property
    def can_edit(self) -> bool:
        return self.form is not None and self._allowed("edit_view")

    @property
    def can_delete(self) -> bool:
        return self.deletable and self._allowed("delete_view")

    def scoped(self, query: "Query[Any]") -> "Query[Any]":
        """Return the query narrowed to what the viewer may see: list, count, one row and export all pass here."""
        return query

    def get_query(self) -> "Query[Any]":
        return self.scoped(super().get_query())

    def get_count_query(self) -> "Query[Any]":
        return self.scoped(super().get_count_query())

    def get_one(self, id: Any) -> Any:
        text = str(id)
        if not text.isdecimal() or len(text) > 18:
            abort(404)
        return self.get_query().filter(self.model.id == int(text)).first() or abort(404)

    def get_column_name(self, field: str) -> Any:
        """Return how the page calls a column: by its own word, else by the common one."""
        return (self.column_labels or {}).get(field) or COLUMNS.get(field) or super().get_column_name(field)

    def scaffold_form(self) -> type[FlaskForm]:
        return FlaskForm  # a view without a form of its own has none made from its columns

    def _get_list_extra_args(self) -> Any:
        args = super()._get_list_extra_args()
        # Flask-Admin would hand on whatever else stands in the address, as arguments of a function of its own.
        args.extra_args = {}
        return args.clone(page=max(0, min(args.page or 0, LAST_PAGE)), search=(args.search or "")[:200] or None)

    def _get_list_filter_args(self) -> Any:
        # A filter left at "all" arrives as an empty value.
        return [found for found in super()._get_list_filter_args() or [] if found[2] != ""]

    def shown_filters(self, active: Any) -> list[dict[str, Any]]:
        """Return for each filter its name in the address, its label, what it offers and what is chosen."""
        chosen = {index: value for index, _name, value in active or ()}
        return [
            {
                "arg": f"flt{place}_{self.get_filter_arg(place, found)}",
                "label": found.name,
                "lines": found.lines(),
                "chosen": chosen.get(place, ""),
            }
            for place, found in enumerate(self._filters or ())
        ]

    # Changes
    def create_model(self, form: Any) -> Any:
        model = self.model()
        return model if self._save(form, model, None) else False

    def update_model(self, form: Any, model: Any) -> bool:
        return self._save(form, model, snapshot(model))

    def delete_model(self, model: Any) -> bool:
        before, key = snapshot(model), self.audit_key(model)
        session = db_session()

        def delete() -> None:
            self.before_delete(session, model)
            session.delete(model)
            session.flush()
            self._record("delete", key, before, None)
            self.after_change(session, model)

        return self._carry_out(delete, None)

    def apply(self, form: Any, model: Any, *, is_created: bool) -> None:
        """Put the form's values into the row. Raises PravilaError, shown beside the field that its path names."""
        form.populate_obj(model)

    def name_of(self, model: Any) -> str:
        """Return how a page calls the row: by its name, else by its number."""
        name = getattr(model, "name", None) or getattr(model, "external_id", None)
        return str(name or f"{COLUMNS['id']} {model.id}")

    def audit_key(self, model: Any) -> Any:
        """Return by what the audit log names the row."""
        return model.id

    def before_delete(self, session: Session, model: Any) -> None:
        """Raise PravilaError if the row must stay."""

    def after_change(self, session: Session, model: Any) -> None:
        """Wake what depends on the row; in the transaction of the change."""

    def _save(self, form: Any, model: Any, before: dict[str, Any] | None) -> bool:
        session = db_session()

        def save() -> None:
            with session.no_autoflush:
                self.apply(form, model, is_created=before is None)
            session.add(model)
            session.flush()
            after = snapshot(model)
            if before is None:
                self._record("create", self.audit_key(model), None, after)
            elif changed := {key for key in after if after[key] != before.get(key)}:
                was, now = ({key: picture[key] for key in changed} for picture in (before, after))
                self._record("update", self.audit_key(model), was, now)
            self.after_change(session, model)

        return self._carry_out(save, form)

    def _carry_out(self, change: Any, form: Any) -> bool:
        """Do a change and commit it; on a refusal undo it, say why in place, and return False."""
        try:
            change()
            commit_and_wake()
        except PravilaError as problem:
            db_session().rollback()
            self._say(form, str(problem.data.get("path", "")), _reason(problem))
            return False
        except IntegrityError:
            db_session().rollback()
            self._say(form, "", _("There is such a row already, or something still refers to this one."))
            return False
        return True

    def _say(self, form: Any, path: str, words: str) -> None:
        if form is not None and path in form:
            form[path].errors = [*form[path].errors, words]
        else:
            flash(words, "bad")

    def _record(self, action: str, row_id: Any, before: dict[str, Any] | None, after: dict[str, Any] | None) -> None:
        audit.record(
            db_session(),
            actor=actor(),
            action=action,
            subject_kind=self.subject,
            subject_id=row_id,
            before=before,
            after=after,
        )

    # Export
    def get_export_value(self, model: Any, name: Any) -> str:
        return defused(str(super().get_export_value(model, name)))

    def get_export_name(self, export_type: str = "csv") -> str:
        return f"{self.endpoint}-{local(request_now()):%Y-%m-%d}.{export_type}"

    def _export_csv(self, return_url: Any) -> Response:
        answer: Response = super()._export_csv(return_url)
        # Written out at once: what rows say in words is read by the session of this request, which ends with it.
        # Without the mark spreadsheets take UTF-8 for the local code page.
        answer.response = ["\ufeff", *answer.response]
        return answer


def _reason(problem: PravilaError) -> str:
    """Return an error's sentence; without its path, which the page shows as the place."""
    return str(problem.data.get(language()) or problem.message(language()))


def snapshot(model: Any) -> dict[str, Any]:
    """Return the columns of a row as plain values, without secrets: what the audit log keeps."""
    values = {attribute.key: getattr(model, attribute.key) for attribute in inspect(model).mapper.column_attrs}
    return {
        key: value.value if isinstance(value, enum.Enum) else value
        for key, value in values.items()
        if key not in SECRET_COLUMNS
    }


def managers_query() -> Select[Manager]:
    return select(Manager).join(User, Manager.user_id == User.id).order_by(User.name)


def team_options() -> list[tuple[int, str]]:
    return [(team.id, team.name) for team in db_session().scalars(select(Team).order_by(Team.name))]


def manager_options() -> list[tuple[int, str]]:
    return [(manager.id, manager.name) for manager in db_session().scalars(managers_query())]
