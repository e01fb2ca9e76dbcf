"""Payments: what could not be matched and why, one payment, and how a head puts it right or parts it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, Flask, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy import or_, select
from sqlalchemy.orm import joinedload, selectinload

from admin.access import may
from admin.base import commit_and_wake, db_session, request_now
from admin.language import language
from admin.security import actor, viewer
from rules_engine.decisions.money import NotAnAmount, parse_written_amount
from rules_engine.errors import InputError, PravilaError
from rules_engine.models import Client, Payment, PaymentCredit, Request, from_micros, to_micros
from rules_engine.services.company.reference import reference
from rules_engine.services.money import payments
from rules_engine.services.money.credits import percent
from rules_engine.services.money.mending import problem_words
from rules_engine.services.money.refunds import candidates

PAGE = 50
REQUESTS_OFFERED = 50
SPARE_PARTS = 2
"""Empty lines in the form of shares, for managers to be added."""

blueprint = Blueprint("payments", __name__, url_prefix="/payments")


@dataclass(frozen=True, slots=True)
class Part:
    """A line of the form of shares, as it was typed."""

    manager: str
    share: str


@blueprint.get("/")
def index() -> ResponseReturnValue:
    """Show what somebody must look at, the oldest first; with `all` every payment, the last booked first."""
    shows_all = bool(request.args.get("all"))
    text = request.args.get("q", "").strip()[:100]
    after = _place(request.args.get("after", ""))
    rows = _all(text, after) if shows_all else payments.unmatched(db_session(), limit=PAGE + 1, after=after)
    shown, last = rows[:PAGE], rows[PAGE - 1] if len(rows) > PAGE else None
    return render_template(
        "payments/list.html",
        rows=shown,
        reasons={row.id: problem_words(row, language()) for row in shown},
        percent_of=lambda share_bp: percent(share_bp, language()),
        shows_all=shows_all,
        text=text,
        next_cursor=f"{to_micros(last.paid_at)}.{last.id}" if last else None,
    )


@blueprint.get("/<int:payment_id>")
def page(payment_id: int) -> ResponseReturnValue:
    return _page(_payment(payment_id))


@blueprint.post("/<int:payment_id>/resolve")
def resolve(payment_id: int) -> ResponseReturnValue:
    """Put a payment right in the way that the button says."""
    row = _payment(payment_id)
    how = request.form.get("how", "")
    try:
        chosen = _chosen(how)
        payments.resolve(db_session(), row, actor=actor(), now=request_now(), **chosen)
    except PravilaError as problem:
        return _refuse(payment_id, how, problem)
    return _done(payment_id, _("The payment is put right."))


@blueprint.post("/<int:payment_id>/credits")
def credits(payment_id: int) -> ResponseReturnValue:
    """Part a payment among managers."""
    row = _payment(payment_id)
    parts = [part for part in _typed_parts() if part.manager or part.share]
    try:
        shares = [(_manager(part.manager), _basis_points(part.share)) for part in parts]
        payments.set_credits(db_session(), row, shares, actor(), request_now())
    except PravilaError as problem:
        return _refuse(payment_id, "credits", problem)
    return _done(payment_id, _("The shares are changed."))


def _chosen(how: str) -> dict[str, Any]:
    """Return what was chosen as arguments of `payments.resolve`. Raises InputError where nothing fits."""
    if how == "accept":
        return {"accept": True}
    if how == "client":
        return {"client": _client(request.form.get("client", "").strip())}
    if how == "manager":
        return {"manager_id": _manager(request.form.get("manager", ""))}
    if how not in ("request", "reverses"):
        abort(400)
    found = db_session().get(Request if how == "request" else Payment, _number(how))
    if found is None:
        raise InputError(path=how, ru="выберите из списка", en="choose one of the list")
    return {how: found}


def _client(text: str) -> Client:
    """Return the only client with this number, tax number or name."""
    if text:
        found = (
            db_session()
            .scalars(
                select(Client).where(or_(Client.external_id == text, Client.inn == text, Client.name == text)).limit(2)
            )
            .all()
        )
        if len(found) == 1:
            return found[0]
        if found:
            raise InputError(path="client", ru="таких клиентов несколько", en="there are several such clients")
    raise InputError(path="client", ru="такого клиента нет", en="there is no such client")


def _manager(login: str) -> int:
    found = reference(db_session()).by_login(login)
    if found is None:
        raise InputError(path="manager", ru="выберите менеджера", en="choose a manager")
    return found.id


def _basis_points(text: str) -> int:
    try:
        return parse_written_amount(text.replace("%", "").strip())
    except NotAnAmount:
        raise InputError(
            path="share", ru="доля — число процентов, например 50 или 33,33", en="a share is a percentage such as 50"
        ) from None


def _number(name: str) -> int:
    text = request.form.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _payment(payment_id: int) -> Payment:
    query = select(Payment).where(Payment.id == payment_id).options(*_EAGER)
    return db_session().scalars(query).first() or abort(404)


_EAGER = (
    joinedload(Payment.client),
    joinedload(Payment.request),
    joinedload(Payment.manager),
    joinedload(Payment.reverses),
    selectinload(Payment.credits).joinedload(PaymentCredit.manager),
)


def _all(text: str, after: tuple[datetime, int] | None) -> Sequence[Payment]:
    query = select(Payment).join(Client, Client.id == Payment.client_id)
    if text:
        escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        query = query.where(
            or_(
                Payment.external_id == text,
                Payment.invoice == text,
                Client.external_id == text,
                Client.inn == text,
                Client.name.ilike(f"%{escaped}%", escape="\\"),
            )
        )
    if after is not None:
        query = query.where(Payment.id < after[1])
    # By the key and not by the day: no index is made for a page that is seldom looked at.
    query = query.order_by(Payment.id.desc()).limit(PAGE + 1)
    return db_session().scalars(query.options(*_EAGER)).all()


def _place(cursor: str) -> tuple[datetime, int] | None:
    """Return the instant and the id that a cursor holds; None for one made up by hand."""
    at, _dot, row_id = cursor.partition(".")
    if not (
        at.removeprefix("-").isdigit() and row_id.isdigit() and cursor.isascii() and len(at) < 18 and len(row_id) < 19
    ):
        return None
    try:
        return from_micros(int(at)), int(row_id)
    except (OverflowError, ValueError):
        return None


def _typed_parts() -> list[Part]:
    managers, shares = request.form.getlist("manager"), request.form.getlist("share")
    return [Part(manager, share) for manager, share in zip(managers, shares, strict=False)][:20]


def _page(row: Payment, form_of: str = "", problems: Mapping[str, str] | None = None) -> str:
    session = db_session()
    may_change = may("payments.resolve", viewer().role)
    stored = [Part(one.manager.login, percent(one.share_bp, language())) for one in row.credits]
    parts = _typed_parts() if form_of == "credits" else [*stored, *([Part("", "")] * SPARE_PARTS)]
    asked = select(Request).where(Request.client_id == row.client_id).order_by(Request.received_at.desc())
    return render_template(
        "payments/payment.html",
        row=row,
        reasons=problem_words(row, language()),
        refunds=session.scalars(select(Payment).where(Payment.reverses_id == row.id).order_by(Payment.paid_at)).all(),
        requests=session.scalars(asked.limit(REQUESTS_OFFERED)).all() if may_change else [],
        targets=candidates(session, row) if may_change and row.amount_minor < 0 else [],
        managers=sorted(
            ((one.login, one.name) for one in reference(session).managers.values()), key=lambda pair: pair[1]
        ),
        parts=parts,
        percent_of=lambda share_bp: percent(share_bp, language()),
        may_change=may_change,
        form_of=form_of,
        problems=problems or {},
        typed=request.form,
    )


def _done(payment_id: int, words: str) -> ResponseReturnValue:
    commit_and_wake()
    flash(words, "good")
    return redirect(url_for("payments.page", payment_id=payment_id))


def _refuse(payment_id: int, form_of: str, problem: PravilaError) -> ResponseReturnValue:
    """Show the page again with the problem beside its field and everything typed kept."""
    db_session().rollback()
    path = str(problem.data.get("path", ""))
    words = str(problem.data.get(language()) or problem.message(language()))
    return _page(_payment(payment_id), form_of, {path: words}), 422


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
