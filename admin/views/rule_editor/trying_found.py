"""What can be tried: the offers of a search, and how a request, call, client or month of a manager is called."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from flask import url_for

from admin.access import may
from admin.language import day, money, when
from admin.security import viewer
from admin.views.rule_editor.room import Room
from admin.views.rule_editor.wording import _, capital
from rules_engine.language.kinds import Decision
from rules_engine.models import Callback, Client, Request
from rules_engine.services.bonus.texts import month_words
from rules_engine.services.company.reference import reference
from rules_engine.services.drafts.bonus_pay import last_month
from rules_engine.services.measures.month import earlier, month_of_instant
from rules_engine.services.rules.occasions import catalogue
from rules_engine.services.trials import search as trial_search
from rules_engine.services.trials.trials import KINDS, Subject

MONTHS = 13


@dataclass(frozen=True, slots=True)
class Offer:
    """Something that can be tried. `more` is what tells it from others of the same name."""

    subject: str
    name: str
    more: str


@dataclass(frozen=True, slots=True)
class Picked:
    """What is tried now: its name, what the search field shows, and the page where one reads on."""

    subject: str
    name: str
    search: str
    url: str


def offers(here: Room, query: str, month: str) -> list[Offer]:
    """Return what a search finds; without a query a few that one may want to look at."""
    return list(_offers(here, query, month))


def _offers(here: Room, query: str, month: str) -> Iterator[Offer]:
    session = here.session
    for kind in KINDS[here.decision]:
        if kind == "request":
            for row in trial_search.find_requests(session, query):
                yield Offer(str(Subject("request", row.id)), request_name(row), _when(row.received_at))
        elif kind == "call":
            for call in trial_search.find_calls(session, query):
                yield Offer(str(Subject("call", call.id)), _call_name(here, call), _by(call))
        elif kind == "client":
            for client in trial_search.find_clients(session, query):
                more = client.owner.name if client.owner else ""
                yield Offer(str(Subject("client", client.id)), client.name, more)
        else:
            for one in trial_search.find_managers(session, query, here.now):
                yield Offer(str(Subject("month", one.id, month)), one.name, month_words(month, here.lang))


def picked(here: Room, subject: Subject) -> Picked | None:
    """Return what was picked, None where it is not there any more or nothing was."""
    session = here.session
    if subject.kind == "request":
        row = session.get(Request, subject.id)
        if row is not None:
            url = url_for("requests.page", request_id=row.id)
            return Picked(str(subject), request_name(row), str(row.id), url)
    if subject.kind == "call":
        call = session.get(Callback, subject.id)
        if call is not None:
            url = url_for("clients.client", client_id=call.client_id)
            return Picked(str(subject), _call_name(here, call), call.client.name, url)
    if subject.kind == "client":
        client = session.get(Client, subject.id)
        if client is not None:
            return Picked(str(subject), client.name, client.name, url_for("clients.client", client_id=client.id))
    if subject.kind == "month":
        one = reference(session).managers.get(subject.id)
        if one is not None:
            name = f"{one.name}, {month_words(subject.month, here.lang)}"
            url = url_for("bonus.statement", period=subject.month, login=one.login) if _may_read_bonus() else ""
            return Picked(str(subject), name, one.name, url)
    return None


def months(here: Room) -> list[tuple[str, str]]:
    """Return the months that a bonus can be tried on, the running one first; empty for other decisions."""
    if here.decision is not Decision.BONUS:
        return []
    running = month_of_instant(here.session, here.now).text
    named = [earlier(running, back) for back in range(MONTHS)]
    return [(month, capital(month_words(month, here.lang))) for month in named]


def usual_month(here: Room) -> str:
    """Return the month that is offered first: the last whole one."""
    return last_month(here.session, here.now) if here.decision is Decision.BONUS else ""


def request_name(row: Request) -> str:
    """Return how a request is called in the trial: number, client, amount."""
    client = row.client.name if row.client else row.client_name
    parts = [_("Request %(n)s", n=row.id), client, money(row.amount_minor) if row.amount_minor is not None else ""]
    return " · ".join(part for part in parts if part)


def _call_name(here: Room, call: Callback) -> str:
    occasion = catalogue(here.session).get(call.occasion)
    title = str(occasion.title.get(here.lang) or call.occasion) if occasion else call.occasion
    return " · ".join((_("Callback"), call.client.name, title))


def _by(call: Callback) -> str:
    return _("by %(day)s", day=day(call.due_at, "d MMM"))


def _when(at: datetime) -> str:
    return str(when(at).striptags())


def _may_read_bonus() -> bool:
    return may("bonus.statement", viewer().role)
