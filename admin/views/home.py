"""The first page after login, by role: a manager goes to his list, an administrator sees whether all is well."""

from typing import Any

from flask import Blueprint, Flask, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext

from admin import figures
from admin.base import db_session, request_now
from admin.fairness import fairness
from admin.labels import label
from admin.language import language, local
from admin.security import viewer
from admin.views.jobs import alarms
from rules_engine import clock
from rules_engine.models import Role
from rules_engine.services.bonus.texts import month_words
from rules_engine.services.company.reference import reference
from rules_engine.services.rules import modes, rulebook
from rules_engine.services.running import health

CHECKS = {
    "workers": lazy_gettext("Background part"),
    "replay": lazy_gettext("Filling of the history"),
    "work": lazy_gettext("Queue"),
    "quarantined": lazy_gettext("Set aside"),
    "outbox": lazy_gettext("Outbox"),
    "engines": lazy_gettext("Rules engines"),
    "incidents": lazy_gettext("Incidents"),
    "clock": lazy_gettext("Clocks"),
    "ledger": lazy_gettext("Ledger against assignments"),
    "audit": lazy_gettext("Journal, sealed"),
}
CARDS = ("assignment", "escalation", "callbacks", "bonus")

blueprint = Blueprint("home", __name__)


@blueprint.get("/")
def home() -> ResponseReturnValue:
    role = viewer().role
    if role is Role.MANAGER:
        return redirect(url_for("my.index"))
    session, now = db_session(), request_now()
    page: dict[str, Any] = {
        "burning": figures.burning(session, now),
        "alarms": alarms(session),
        "modes": modes.show(session, now),
        "team_names": {team.code: team.name for team in reference(session).teams.values()},
        "greeting": greeting(),
        "now": now,
    }
    if role is Role.ADMINISTRATOR:
        page["checks"] = [
            (label(CHECKS, check.name), check, check.detail(language()))
            for check in health.checks(session, clock.now())
        ]
        return render_template("health.html", **page)
    return render_template(
        "home.html",
        cards=[figures.card(session, decision, now) for decision in CARDS if decision in rulebook.DECISIONS],
        answers=figures.answers(session, now),
        calls=figures.calls_today(session, now),
        pay=figures.pay(session),
        month_words=lambda month: month_words(month, language()),
        teams=fairness(session, now),
        user_names={user.login: user.name for user in reference(session).users.values()},
        **page,
    )


def greeting() -> str:
    """Return the greeting of the hour, with the first name."""
    hour = local(request_now()).hour
    name = viewer().name.split()[0] if viewer().name.split() else viewer().login
    if hour < 5 or hour >= 22:
        return _("Good night, %(name)s", name=name)
    if hour < 12:
        return _("Good morning, %(name)s", name=name)
    if hour < 18:
        return _("Good afternoon, %(name)s", name=name)
    return _("Good evening, %(name)s", name=name)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
