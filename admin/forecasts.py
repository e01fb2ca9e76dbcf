"""When a request goes to another manager by itself, for the lines that a page shows."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.decisions.escalation_plan import Forecast, transfer_forecast
from rules_engine.errors import NotFound
from rules_engine.models import OPEN_STATUSES, Request, WorkKind
from rules_engine.services.company.reference import reference
from rules_engine.services.facts import requests
from rules_engine.services.records import settings_store
from rules_engine.services.requests.escalation import ownerships_of, plan_of
from rules_engine.services.rules import rulebook
from rules_engine.services.rules.modes import mode_in

Forecasts = Mapping[int, Forecast]

SOONEST, AHEAD = timedelta(minutes=1), timedelta(hours=2)
"""What is further off than this is no news: much can happen until then."""


def forecasts(session: Session, request_ids: Sequence[int], now: datetime) -> Forecasts:
    """Return by request id the next transfer that the rules will make if nothing else happens; others are left out.

    A few queries, however many requests.
    """
    if not request_ids:
        return {}
    try:
        ruleset = rulebook.published(session, "escalation", now)
    except NotFound:
        return {}
    plan = plan_of(ruleset, WorkKind.REQUEST)
    if not any(rule.transfers for rule in plan.rules):
        return {}
    picture = reference(session)
    rows = [
        row
        for row in session.scalars(
            select(Request).where(
                Request.id.in_(request_ids), Request.status.in_(OPEN_STATUSES), Request.manager_id.is_not(None)
            )
        )
        if row.manager_id is not None
        and mode_in(picture, "escalation", picture.manager(row.manager_id).team_id, now).permits("reassign")
    ]
    ownerships = ownerships_of(session, [row.id for row in rows])
    seen = requests.see(session, rows, now, plan.fields, picture=picture)
    most = settings_store.number(session, settings_store.MAX_TRANSFERS)
    found = {}
    for row in rows:
        forecast = transfer_forecast(
            plan,
            ownerships[row.id].fired,
            seen[row.id].clocks,
            seen[row.id].facts,
            now,
            times_reassigned=row.times_reassigned,
            max_transfers=most,
        )
        # What should have happened already is held back (an overload, nobody free): then nobody knows when.
        if forecast is not None and SOONEST <= forecast.at - now <= AHEAD:
            found[row.id] = forecast
    return found
