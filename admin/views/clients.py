"""Clients: found by name, tax number or phone; one client with his requests and everything that was said."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from flask import Blueprint, Flask, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_admin import Admin
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.orm import Session, joinedload, selectinload
from wtforms import BooleanField, DateField, StringField
from wtforms.validators import Length, Optional, Regexp

from admin.access import Scope
from admin.base import commit_and_wake, db_session, request_now, row_id
from admin.client_page import history_of_client
from admin.fields import NAME, Row, Words
from admin.language import language
from admin.reference_view import Choices, ReferenceView, manager_options, managers_query
from admin.row_words import value_words
from admin.security import actor, scope, viewer
from admin.views.requests import amounts_shown_to_viewer
from rules_engine.errors import InputError, PravilaError
from rules_engine.models import OPEN_STATUSES, CallbackState, Client, ClientGroup, ContactPoint, Request, WorkKind
from rules_engine.services.clients import wishes
from rules_engine.services.queue.work import ask
from rules_engine.services.requests.refusal_reasons import refusal_reasons

PAGE = 50

CALL_STATES = {
    CallbackState.PLANNED: lazy_gettext("planned"),
    CallbackState.OPEN: lazy_gettext("in the list"),
    CallbackState.DONE: lazy_gettext("made"),
    CallbackState.CANCELLED: lazy_gettext("not needed"),
}

blueprint = Blueprint("clients", __name__, url_prefix="/clients")


@dataclass(frozen=True, slots=True)
class Page:
    clients: list[Client]
    next_cursor: str | None


def visible(query: Select[Any]) -> Select[Any]:
    """Return the query narrowed to whom the viewer may see: a manager his own clients and those of his requests."""
    if scope() is Scope.ALL:
        return query
    own = viewer().manager_id or 0
    asked = select(Request.id).where(Request.client_id == Client.id, Request.manager_id == own)
    return query.where(or_(Client.owner_id == own, Client.cover_id == own, asked.exists()))


def find(session: Session, text: str, owner_id: int | None, cursor: str | None) -> Page:
    """Return a page of clients by name; the cursor is the id of the last one shown."""
    query = visible(select(Client))
    if text:
        query = query.where(matches(text))
    if owner_id is not None:
        query = query.where(Client.owner_id == owner_id)
    last = session.get(Client, int(cursor)) if cursor and cursor.isdecimal() and len(cursor) < 19 else None
    if last is not None:
        query = query.where(or_(Client.name > last.name, and_(Client.name == last.name, Client.id > last.id)))
    found = session.scalars(
        query.order_by(Client.name, Client.id)
        .limit(PAGE + 1)
        .options(joinedload(Client.owner), joinedload(Client.cover), selectinload(Client.points))
    ).all()
    return Page(list(found[:PAGE]), str(found[PAGE - 1].id) if len(found) > PAGE else None)


def matches(text: str) -> Any:
    """Return the condition of the search field: a part of the name, the tax number, the end of a phone, a mail."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    found: list[ColumnElement[bool]] = [Client.name.ilike(f"%{escaped}%", escape="\\")]
    digits = "".join(sign for sign in text if sign.isdigit())
    if len(digits) >= 4 and not any(sign.isalpha() for sign in text):
        found.append(Client.inn.like(f"{digits}%"))
        ending = ContactPoint.normalized.like(f"%{digits[-10:]}")
        found.append(Client.points.any(and_(ContactPoint.kind == "phone", ending)))
    if "@" in text:
        found.append(Client.points.any(ContactPoint.normalized == text.lower()))
    return or_(*found)


@blueprint.get("/")
def index() -> ResponseReturnValue:
    text = request.args.get("q", "").strip()[:100]
    owner = request.args.get("owner", type=row_id)
    page = find(db_session(), text, owner, request.args.get("after"))
    return render_template("clients.html", page=page, text=text, owner=owner, owners=manager_options())


@blueprint.get("/<int:client_id>")
def client(client_id: int) -> ResponseReturnValue:
    return _page(_client(client_id))


@blueprint.post("/<int:client_id>/do-not-call")
def do_not_call(client_id: int) -> ResponseReturnValue:
    """Note in one tap that the client asked not to be called."""
    row = _client(client_id)
    told = viewer().login if viewer().manager_id else None
    wishes.ask_not_to_call(db_session(), row, manager=told, actor=actor(), now=request_now())
    return _done(client_id, _("Noted: no calls from now on."))


@blueprint.post("/<int:client_id>/consent")
def consent(client_id: int) -> ResponseReturnValue:
    """Put the client's consent to offers on record, or take it off."""
    row, session, now = _client(client_id), db_session(), request_now()
    if request.form.get("withdraw"):
        wishes.withdraw_consent(session, row, actor=actor(), now=now)
        return _done(client_id, _("The consent is off the record."))
    try:
        wishes.record_consent(
            session,
            row,
            given_on=_read_day("consent_on"),
            source=request.form.get("consent_source", ""),
            actor=actor(),
            now=now,
        )
    except PravilaError as problem:
        session.rollback()
        words = str(problem.data.get(language()) or problem.message(language()))
        told = {str(problem.data.get("path", "")): words[:1].upper() + words[1:]}
        return _page(_client(client_id), typed=dict(request.form), problems=told), 422
    return _done(client_id, _("The consent is on record."))


def _client(client_id: int) -> Client:
    """Return a client whom the viewer may see; 404 otherwise."""
    query = visible(select(Client).where(Client.id == client_id)).options(
        joinedload(Client.owner),
        joinedload(Client.cover),
        joinedload(Client.group),
        selectinload(Client.points),
        selectinload(Client.persons),
    )
    found: Client = db_session().scalars(query).first() or abort(404)
    return found


def _page(row: Client, *, typed: Mapping[str, str] | None = None, problems: Mapping[str, str] | None = None) -> str:
    session, now = db_session(), request_now()
    return render_template(
        "client.html",
        row=row,
        history=history_of_client(session, row, now),
        may_see=amounts_shown_to_viewer(),
        reasons={code: words[language()] for code, words in refusal_reasons(session).items()},
        call_states=CALL_STATES,
        typed=typed or {},
        problems=problems or {},
        now=now,
    )


def _read_day(name: str) -> date | None:
    text = request.form.get(name, "").strip()
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(path=name, ru="это не дата", en="this is not a date") from None


def _done(client_id: int, words: str) -> ResponseReturnValue:
    commit_and_wake()
    flash(words, "good")
    return redirect(url_for("clients.client", client_id=client_id))


class ClientForm(FlaskForm):
    name = StringField(lazy_gettext("Name"), NAME)
    inn = StringField(
        lazy_gettext("Tax number"), [Optional(), Regexp(r"\d{5,20}\Z", message=lazy_gettext("Digits only."))]
    )
    owner_id = Row(lazy_gettext("Owner"), managers_query, empty=lazy_gettext("nobody"))
    cover_id = Row(lazy_gettext("Cover"), managers_query, empty=lazy_gettext("nobody"))
    group_id = Row(
        lazy_gettext("Group of firms"),
        lambda: select(ClientGroup).order_by(ClientGroup.name),
        empty=lazy_gettext("none"),
    )
    region = StringField(lazy_gettext("Region"), [Length(max=200)])
    city = StringField(lazy_gettext("City"), [Length(max=200)])
    segment = StringField(lazy_gettext("Segment"), [Length(max=60)])
    tags = Words(lazy_gettext("Tags"), description=lazy_gettext("With commas between them."))
    do_not_call = BooleanField(lazy_gettext("Asked not to be called"))
    consent_on = DateField(lazy_gettext("Consent to offers given on"), [Optional()])
    consent_source = StringField(lazy_gettext("How the consent was given"), [Length(max=200)])
    contract_ends_on = DateField(lazy_gettext("Contract ends on"), [Optional()])


TEXTS = ("inn", "region", "city", "segment", "consent_source")


class ClientView(ReferenceView):
    """The card of a client as reference data; the page with his history is in this module too."""

    title = lazy_gettext("Clients: cards")
    lead = lazy_gettext("Clients come with requests and from the registry; here their cards are put right.")
    subject = "client"
    form = ClientForm
    column_list = ("name", "inn", "owner", "cover", "region", "segment", "do_not_call")
    column_details_list = (
        *column_list, "city", "group", "tags", "consent_on", "consent_source", "contract_ends_on", "source",
        "external_id", "created_at",
    )  # fmt: skip
    column_sortable_list = ("name", "inn", "region", "segment")
    column_default_sort = "name"
    column_searchable_list = ("name", "inn", "external_id")
    column_filters = (Choices(Client.owner_id, lazy_gettext("Owner"), manager_options),)
    column_formatters = {"segment": lambda _v, _c, model, _n: value_words("segment", model.segment)}
    column_labels = {
        "name": lazy_gettext("Name"),
        "inn": lazy_gettext("Tax number"),
        "owner": lazy_gettext("Owner"),
        "cover": lazy_gettext("Cover"),
        "region": lazy_gettext("Region"),
        "city": lazy_gettext("City"),
        "segment": lazy_gettext("Segment"),
        "group": lazy_gettext("Group of firms"),
        "tags": lazy_gettext("Tags"),
        "do_not_call": lazy_gettext("Asked not to be called"),
        "consent_on": lazy_gettext("Consent to offers given on"),
        "consent_source": lazy_gettext("How the consent was given"),
        "contract_ends_on": lazy_gettext("Contract ends on"),
        "source": lazy_gettext("Source"),
        "external_id": lazy_gettext("Number"),
        "created_at": lazy_gettext("Made"),
    }

    def apply(self, form: Any, model: Any, *, is_created: bool) -> None:
        form.populate_obj(model)
        for name in TEXTS:
            setattr(model, name, (getattr(model, name) or "").strip() or None)
        model.name = model.name.strip()

    def after_change(self, session: Session, model: Any) -> None:
        mine = select(Request.id).where(Request.client_id == model.id, Request.status.in_(OPEN_STATUSES))
        for request_id in session.scalars(mine.where(Request.is_history.is_(False)).order_by(Request.id)):
            ask(session, WorkKind.REQUEST, request_id, request_now())


def add_views(admin: Admin) -> None:
    admin.add_view(ClientView(Client, "client_cards"))


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
