"""Who can log in, one-time passwords, and the tokens of programs."""

from typing import Any

from flask import flash, redirect, request
from flask.typing import ResponseReturnValue
from flask_admin import Admin, expose
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from flask_wtf import FlaskForm
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from wtforms import BooleanField, StringField
from wtforms.validators import DataRequired, Length

from admin.base import commit_and_wake, db_session, request_now
from admin.fields import CODE, MAIL, NAME, Instant, OneOf, Several
from admin.labels import ROLES, role_name
from admin.language import LANGUAGES
from admin.reference_view import Choices, ReferenceView
from admin.security import actor, viewer
from rules_engine.errors import PolicyViolation
from rules_engine.models import ApiToken, Role, User
from rules_engine.services.company import tokens
from rules_engine.services.company.passwords import hash_password, one_time_password
from rules_engine.services.records import audit

LANGUAGE_NAMES = {"ru": "Русский", "en": "English"}


class UserForm(FlaskForm):
    name = StringField(lazy_gettext("Full name"), NAME)
    login = StringField(lazy_gettext("Login"), CODE)
    role = OneOf(lazy_gettext("Role"), lambda: ROLES.items())
    email = StringField(lazy_gettext("Mail"), MAIL)
    phone = StringField(lazy_gettext("Phone"), [Length(max=60)])
    locale = OneOf(lazy_gettext("Language"), lambda: [(code, LANGUAGE_NAMES[code]) for code in LANGUAGES])
    is_active = BooleanField(lazy_gettext("May log in"), default=True)


class UserView(ReferenceView):
    title = lazy_gettext("Users")
    lead = lazy_gettext("Who can log in and with which rights. A user who is not needed any more is switched off.")
    subject = "user"
    form = UserForm
    details_template = "reference/user.html"
    column_list = ("name", "login", "role", "is_active", "created_at")
    column_details_list = ("name", "login", "role", "email", "phone", "locale", "is_active", "created_at")
    column_sortable_list = ("name", "login", "role", "created_at")
    column_default_sort = "name"
    column_searchable_list = ("name", "login", "email")
    column_filters = (Choices(User.role, lazy_gettext("Role"), lambda: list(ROLES.items())),)
    column_formatters = {
        "role": lambda _v, _c, model, _n: role_name(model.role),
        "locale": lambda _v, _c, model, _n: LANGUAGE_NAMES.get(model.locale, model.locale),
    }
    column_labels = {
        "name": lazy_gettext("Full name"),
        "login": lazy_gettext("Login"),
        "role": lazy_gettext("Role"),
        "email": lazy_gettext("Mail"),
        "phone": lazy_gettext("Phone"),
        "locale": lazy_gettext("Language"),
        "is_active": lazy_gettext("May log in"),
        "created_at": lazy_gettext("Made"),
    }

    def audit_key(self, model: Any) -> Any:
        return model.login

    def apply(self, form: Any, model: Any, *, is_created: bool) -> None:
        shuts_out = not is_created and (model.role != form.role.data or (model.is_active and not form.is_active.data))
        if shuts_out:
            if model.role is Role.ADMINISTRATOR and _other_administrators(db_session(), model) == 0:
                raise PolicyViolation(
                    ru="это последний администратор: сначала назначьте другого",
                    en="this is the last administrator: appoint another first",
                )
            # What he may do is read anew at each page; the end of his sessions makes it visible to him at once.
            model.session_epoch += 1
        if is_created:
            model.created_at, model.session_epoch = request_now(), 0
        model.name, model.login = form.name.data.strip(), form.login.data
        model.role, model.locale = Role(form.role.data), form.locale.data
        model.email, model.phone = form.email.data or "", form.phone.data or ""
        model.is_active = form.is_active.data

    @expose("/password/", methods=("POST",))
    def password(self) -> ResponseReturnValue:
        """Make a one-time password and show it, once: it is kept as a hash only."""
        user: User = self.get_one(request.form.get("id", ""))
        secret = one_time_password()
        user.password_hash, user.must_change_password = hash_password(secret), True
        user.session_epoch += 1
        audit.record(db_session(), actor=actor(), action="password", subject_kind="user", subject_id=user.login)
        db_session().commit()
        answer: str = self.render("reference/secret.html", model=user, secret=secret)
        return answer


def _other_administrators(session: Session, user: User) -> int:
    return (
        session.scalar(
            select(func.count(User.id)).where(User.role == Role.ADMINISTRATOR, User.is_active, User.id != user.id)
        )
        or 0
    )


class TokenForm(FlaskForm):
    name = StringField(
        lazy_gettext("Name"),
        [DataRequired(lazy_gettext("This cannot be empty.")), Length(max=100)],
        description=lazy_gettext("Which program it is for."),
    )
    scopes = Several(lazy_gettext("May"), tokens.SCOPES)
    expires_at = Instant(lazy_gettext("Until"), description=lazy_gettext("Empty: until it is revoked."))


class TokenView(ReferenceView):
    title = lazy_gettext("Tokens of programs")
    lead = lazy_gettext("With a token another program sends requests and reads tasks. Its secret is shown once.")
    subject = "token"
    form = TokenForm
    details_template = "reference/token.html"
    column_list = ("name", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at")
    column_details_list = column_list
    column_sortable_list = ("name", "created_at", "last_used_at")
    column_default_sort = ("created_at", True)
    column_labels = {
        "name": lazy_gettext("Name"),
        "scopes": lazy_gettext("May"),
        "created_at": lazy_gettext("Made"),
        "expires_at": lazy_gettext("Until"),
        "last_used_at": lazy_gettext("Last used"),
        "revoked_at": lazy_gettext("Revoked"),
    }

    @property
    def can_edit(self) -> bool:
        return False  # what a token may do is fixed when it is made

    @expose("/new/", methods=("GET", "POST"))
    def create_view(self) -> ResponseReturnValue:
        form = self.create_form()
        if not self.validate_form(form):
            return self._form_page(form)
        made: list[tuple[ApiToken, str]] = []

        def create() -> None:
            made.append(
                tokens.create(
                    db_session(),
                    form.name.data,
                    form.scopes.data or [],
                    now=request_now(),
                    expires_at=form.expires_at.data,
                    actor=actor(),
                    created_by_id=viewer().user.id,
                )
            )

        if not self._carry_out(create, form):
            return self._form_page(form)
        token, secret = made[0]
        answer: str = self.render("reference/secret.html", model=token, secret=secret)
        return answer

    def _form_page(self, form: Any) -> str:
        page: str = self.render(self.create_template, form=form, return_url=self.get_url(".index_view"))
        return page

    @expose("/revoke/", methods=("POST",))
    def revoke(self) -> ResponseReturnValue:
        token: ApiToken = self.get_one(request.form.get("id", ""))
        tokens.revoke(db_session(), token, now=request_now(), actor=actor())
        commit_and_wake()
        flash(_("The token is revoked: from now on it opens nothing."), "good")
        return redirect(self.get_url(".details_view", id=token.id))


def add_views(admin: Admin) -> None:
    admin.add_view(UserView(User, "users"))
    admin.add_view(TokenView(ApiToken, "tokens"))
