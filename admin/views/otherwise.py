"""“We would have done otherwise”: what another system gave to whom, beside what the rules would have done, by month."""

import re
from fractions import Fraction

from flask import Blueprint, Flask, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from admin.base import db_session, request_now
from admin.language import language
from rules_engine.models import RulesetVersion
from rules_engine.services.bonus.texts import month_words
from rules_engine.services.company.reference import reference
from rules_engine.services.measures.month import earlier, month_named, month_of_instant
from rules_engine.services.money.incoming_money import MONTH_PATTERN
from rules_engine.services.requests import otherwise

blueprint = Blueprint("otherwise", __name__, url_prefix="/otherwise")


@blueprint.get("/")
def index() -> ResponseReturnValue:
    """Show one month: that of the address, else the newest in which something was decided under watch."""
    session, now = db_session(), request_now()
    watched = otherwise.months_watched(session)
    asked = request.args.get("month", "").strip()
    if not re.fullmatch(MONTH_PATTERN, asked):
        asked = month_of_instant(session, watched[1] if watched else now).text
    month = month_named(session, asked)
    found = otherwise.otherwise(session, month, now)
    picture = reference(session)
    first = month_of_instant(session, watched[0]).text if watched else asked
    last = month_of_instant(session, watched[1]).text if watched else asked
    return render_template(
        "otherwise.html",
        found=found.comparison,
        examples=found.examples,
        titles=_titles(),
        has_any=watched is not None,
        month=month.text,
        month_words=month_words(month.text, language()),
        before=earlier(month.text) if month.text > first else None,
        after=earlier(month.text, -1) if month.text < last else None,
        names={one.id: one.name for one in picture.managers.values()},
        part=part,
    )


def part(share: Fraction) -> str:
    """Return a part of one as whole per cent; below one but not nothing is said so."""
    whole = round(share * 100)
    return _("under one per cent") if share and not whole else f"{whole}\u00a0%"


def _titles() -> dict[str, str]:
    """Return the titles of the rules of assignment in the reader's language; a later version's title wins."""
    found = {"otherwise": _("Otherwise")}
    versions = db_session().query(RulesetVersion.body).filter_by(decision="assignment").order_by(RulesetVersion.number)
    for (body,) in versions:
        for rule in body.get("rules", []):
            title = rule.get("title") or {}
            found[rule["id"]] = title.get(language()) or title.get("ru") or rule["id"]
    return found


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
