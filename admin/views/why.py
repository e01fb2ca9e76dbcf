"""Why so: of a client, a planned call, a task, a bonus statement. What was stored is read, nothing is decided again.

A manager reads what concerns him without the right to read rules; of anything else he is told that there is none.
"""

from datetime import datetime
from typing import Any

from flask import Blueprint, Flask, abort, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from admin import bonus_sheet
from admin.access import Scope
from admin.base import db_session, request_now
from admin.language import language, words
from admin.security import scope, viewer
from admin.views.bonus import manager_of, stored
from admin.views.clients import CALL_STATES, visible
from admin.views.requests import prepared
from rules_engine.errors import NotFound
from rules_engine.models import Callback, Client, Request, Task
from rules_engine.services.bonus.reckoning import Reckoned
from rules_engine.services.bonus.texts import money_words, month_words
from rules_engine.services.bonus.today import so_far
from rules_engine.services.explain import explain
from rules_engine.services.explain.bonus import explain_lines, explain_so_far
from rules_engine.services.measures.month import month_of_instant
from rules_engine.services.rules.occasions import catalogue

blueprint = Blueprint("why", __name__)
SHOWN = 20


@blueprint.get("/clients/<int:client_id>/why")
def client(client_id: int) -> ResponseReturnValue:
    """Show whose a client is, and every decision about him and his calls."""
    row = _client(client_id) or abort(404)
    session, own = db_session(), viewer().manager_id or 0
    calls = session.scalars(
        select(Callback)
        .where(Callback.client_id == row.id)
        .order_by(Callback.due_at.desc(), Callback.id.desc())
        .limit(SHOWN)
    ).all()
    requests = session.scalars(
        select(Request)
        .where(Request.client_id == row.id)
        .order_by(Request.received_at.desc(), Request.id.desc())
        .limit(SHOWN)
        .options(joinedload(Request.manager))
    ).all()
    explanation = _dated(explain.explain_client(session, row.id, language(), viewer().user, with_requests=False))
    # As on the page of a request: the oldest first, for the list to turn round.
    explanation["decisions"].reverse()
    return render_template(
        "why_client.html",
        client=row,
        explanation=explanation,
        calls=[(call, _titles(call), CALL_STATES[call.state]) for call in calls],
        requests=[
            {
                "id": one.id,
                "external_id": one.external_id,
                "received_at": one.received_at,
                "manager": one.manager.name if one.manager else None,
                "is_readable": scope() is Scope.ALL or explain.may_ask_why(session, one, own, request_now()),
            }
            for one in requests
        ],
    )


@blueprint.get("/calls/<int:call_id>/why")
def call(call_id: int) -> ResponseReturnValue:
    """Show which rule planned a call, on which facts, and what the rules have done about it since."""
    session = db_session()
    row = session.get(Callback, call_id) or abort(404)
    known = _client(row.client_id)
    if known is None and row.manager_id != viewer().manager_id:
        abort(404)
    explanation = _dated(explain.explain_call(session, row.id, language(), viewer().user))
    return render_template(
        "why_call.html",
        call=row,
        client=known or row.client,
        may_open=known is not None,
        caller=row.manager.name if row.manager else None,
        titles=_titles(row),
        call_state=CALL_STATES[row.state],
        explanation=explanation,
    )


@blueprint.get("/tasks/<int:task_id>/why")
def task(task_id: int) -> ResponseReturnValue:
    """Lead to why the request or the call of a task is where it is; of a manager's own task say so."""
    row = db_session().get(Task, task_id) or abort(404)
    if scope() is Scope.OWN and row.manager_id != viewer().manager_id:
        abort(404)
    anchor = f"decision-{row.decision_id}" if row.decision_id is not None else None
    if row.request_id is not None:
        return redirect(url_for("requests.why", request_id=row.request_id, _anchor=anchor))
    if row.callback_id is not None:
        return redirect(url_for("why.call", call_id=row.callback_id, _anchor=anchor))
    return render_template("why_task.html", task=row)


@blueprint.get("/bonuses/<period>/<login>/why")
def statement(period: str, login: str) -> ResponseReturnValue:
    """Show which rule made each line of a statement, by which version, and why the others paid nothing.

    Of the running month, while it has no statement, as it is reckoned now.
    """
    session, manager = db_session(), manager_of(period, login)
    found = stored(period, manager)
    if found is not None:
        explanation, total = explain_lines(session, found, language()), found.total_minor
    elif period == month_of_instant(session, request_now()).text:
        try:
            reckoned = so_far(session, manager.id, request_now())
        except NotFound:
            abort(404)
        month = Reckoned(reckoned.figures, reckoned.statement)
        explanation, total = explain_so_far(session, month, reckoned.rules, language()), reckoned.total_minor
    else:
        abort(404)
    for line in explanation["lines"]:
        line["amount"] = bonus_sheet.money_text(line["amount"])
    return render_template(
        "bonus/why.html",
        manager=manager,
        period=period,
        has_statement=found is not None,
        month=month_words(period, language()),
        total=money_words(total, language()),
        explanation=explanation,
    )


def _client(client_id: int) -> Client | None:
    """Return a client whom the viewer may see, None for others."""
    found: Client | None = db_session().scalars(visible(select(Client).where(Client.id == client_id))).first()
    return found


def _titles(row: Callback) -> list[str]:
    known = catalogue(db_session())
    codes = (row.occasion, *row.also)
    return [words(known[code].title) if code in known else code for code in codes]


def _dated(explanation: dict[str, Any]) -> dict[str, Any]:
    """Return the explanation with instants and candidates as the pages write them."""
    found = prepared({**explanation, "candidates": explanation.get("candidates", [])})
    planned = found.get("decision")
    if isinstance(planned, dict):
        planned["when"] = datetime.fromisoformat(planned["at"])
    return found


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
