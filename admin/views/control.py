"""Control: figures of a period by manager and team, which requests are processed, the fairness proof, lists, files."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Flask, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from admin import control_calls_page, control_lists_page, control_tables
from admin.base import db_session, request_now
from admin.control_tables import Line
from admin.language import language, money
from admin.sheets import TYPES, Cell, Sheet, as_file
from rules_engine.errors import InputError
from rules_engine.services.bonus.texts import month_words
from rules_engine.services.company.reference import ManagerRef, TeamRef, reference
from rules_engine.services.control import control, lists, shares
from rules_engine.services.control import period as control_period
from rules_engine.services.control.control import Figures, Size
from rules_engine.services.control.lists import Asked
from rules_engine.services.control.period import Period
from rules_engine.services.measures.month import earlier, month_of_instant
from rules_engine.services.money.incoming_money import MONTH_PATTERN
from rules_engine.services.requests.ledger import CAUSE_WORDS

blueprint = Blueprint("control", __name__, url_prefix="/control")


@dataclass(frozen=True, slots=True)
class View:
    """What a page looks at: a period, a team, one manager. `problem`: what was wrong with the dates that were typed."""

    period: Period
    team: TeamRef | None
    manager: ManagerRef | None
    problem: str | None

    @property
    def ids(self) -> list[int] | None:
        """Return the managers that count; None: all."""
        if self.manager is not None:
            return [self.manager.id]
        return control.members(db_session(), self.team.code) if self.team else None

    @property
    def link(self) -> dict[str, Any]:
        """Return what leads to the same period and team on another page."""
        return {
            "from": self.period.first.isoformat(),
            "to": self.period.last.isoformat(),
            "team": self.team.code if self.team else None,
        }


@blueprint.get("/")
def index() -> ResponseReturnValue:
    """Show the figures of a period, by team and by manager."""
    view, sort = _view(), request.args.get("sort", "")
    session, now = db_session(), request_now()
    found = control.figures(session, view.period, now, ids=view.ids)
    picture = reference(session)
    return render_template(
        "control/index.html",
        view=view,
        sort=sort,
        total=Line(_("All together"), "", found.total),
        managers=control_tables.manager_lines(found, picture, sort),
        teams=control_tables.team_lines(found, picture, sort) if view.team is None else [],
        columns=control_tables.COLUMNS,
        chart=chart(found.sizes, view.link),
        unassigned=control.unassigned(session, view.period, now) if view.team is None else 0,
        **_around(view),
    )


@blueprint.get("/processed")
def processed() -> ResponseReturnValue:
    """Show which requests are processed: small ones and large ones, and how much each manager leans to large ones."""
    view = _view()
    session, now = db_session(), request_now()
    found = control.figures(session, view.period, now, ids=view.ids, with_indices=True)
    own = found.managers.get(view.manager.id) if view.manager else None
    return render_template(
        "control/processed.html",
        view=view,
        chart=chart(found.sizes, {**view.link, "manager": view.manager.login if view.manager else None}),
        lines=_with_index(found, request.args.get("sort", "")),
        own=Line(view.manager.name, "", own, login=view.manager.login) if view.manager and own else None,
        sort=request.args.get("sort", ""),
        index_text=control_tables.index_text,
        verdict=control_tables.verdict,
        **_around(view),
    )


@blueprint.get("/requests")
def behind() -> ResponseReturnValue:
    """List the requests (or planned calls) behind a figure."""
    view, asked = _view(), _asked()
    sort = request.args.get("sort", "-at")
    page = request.args.get("page", "1")
    number = int(page) if page.isdecimal() and len(page) < 9 else 1
    found = lists.page(db_session(), view.period, request_now(), asked, sort=sort, number=number)
    return render_template(
        "control/list.html",
        view=view,
        asked=asked,
        page=found,
        sort=sort,
        title=control_lists_page.title(asked.figure),
        relatives=control_lists_page.relatives(asked.figure),
        columns=control_lists_page.columns(asked.figure),
        of_size=control_lists_page.size_name(asked.size),
        kept={**view.link, "manager": view.manager.login if view.manager else None, "size": asked.size},
        **_around(view),
    )


@blueprint.get("/fairness")
def fairness() -> ResponseReturnValue:
    """Show what each manager received in a month against what was due to him, and the ledger behind it."""
    session, now = db_session(), request_now()
    month, view, cause = _month(), _view(), _cause()
    team = view.team.code if view.team else None
    sort = request.args.get("sort", "")
    lines = shares.shares(session, month, now, team=team)
    return render_template(
        "control/fairness.html",
        view=view,
        month=month,
        month_words=month_words(month, language()),
        before=earlier(month),
        after=earlier(month, -1) if month < month_of_instant(session, now).text else None,
        lines=sorted_shares(lines, sort) if any(line.count or line.by_cause for line in lines) else [],
        sort=sort,
        cause=cause,
        cause_words=lambda code: CAUSE_WORDS[code][language()],
        ledger=shares.ledger_page(
            session,
            month,
            team=team,
            manager_id=view.manager.id if view.manager else None,
            cause=cause,
            cursor=request.args.get("after"),
        ),
        kept={"month": month, "team": team, "manager": view.manager.login if view.manager else None, "cause": cause},
        **_around(view),
    )


@blueprint.get("/calls")
def calls() -> ResponseReturnValue:
    """Show planned calls by manager and by week; as of now: clients by segment, quiet ones, what waits for a head."""
    view, sort = _view(), request.args.get("sort", "")
    shown = control_calls_page.page(view.period, view.ids, sort)
    return render_template("control/calls.html", view=view, sort=sort, **shown, **_around(view))


@blueprint.get("/export/<table>/<kind>")
def export(table: str, kind: str) -> ResponseReturnValue:
    """Give a table out as CSV or XLSX: the same period, team and order as on its page."""
    make = _SHEETS.get(table)
    if make is None or kind not in TYPES:
        abort(404)
    return as_file(make(_view()), kind)


# What is asked for


def _view() -> View:
    """Return what the address asks for; the running month where it says nothing, or what cannot be."""
    session = db_session()
    picture = reference(session)
    today = picture.day_of(request_now())
    first, last = request.args.get("from", ""), request.args.get("to", "")
    problem = None
    period = _running_month(today)
    if first or last:
        try:
            period = control_period.days(session, date.fromisoformat(first), date.fromisoformat(last))
        except InputError as refused:
            problem = str(refused.data.get(language()))
        except ValueError:
            problem = _("Both days are needed.")
    team = picture.team_by_code(request.args.get("team", ""))
    if team is None and request.args.get("team"):
        abort(404)
    manager = picture.by_login(request.args.get("manager", ""))
    if manager is None and request.args.get("manager"):
        abort(404)
    return View(period, team, manager, problem)


def _running_month(today: date) -> Period:
    return control_period.month(db_session(), f"{today:%Y-%m}")


def _asked() -> Asked:
    figure, size = request.args.get("figure", ""), request.args.get("size", "")
    if figure not in lists.FIGURES and figure not in lists.CALLS:
        abort(404)
    return Asked(figure, _view().ids, int(size) if len(size) == 1 and size in "12345" else None)


def _month() -> str:
    wanted = request.args.get("month", "")
    return wanted if re.fullmatch(MONTH_PATTERN, wanted) else month_of_instant(db_session(), request_now()).text


def _cause() -> str | None:
    wanted = request.args.get("cause") or None
    if wanted is not None and wanted not in CAUSE_WORDS:
        abort(404)
    return wanted


def _around(view: View) -> dict[str, Any]:
    """Return what the head of each page needs: the usual periods, the teams, links that sort."""
    picture = reference(db_session())
    this = _running_month(picture.day_of(request_now()))
    last = _running_month(this.first - timedelta(days=1))
    return {
        "periods": [(_("This month"), this), (_("Last month"), last)],
        "all_teams": [(team.code, team.name) for team in sorted(picture.teams.values(), key=lambda one: one.name)],
        "now": request_now(),
        "sorting": _sorting,
    }


def _sorting(key: str, sort: str, *, first_falls: bool = True) -> dict[str, str]:
    """Return for the head of a column the address that sorts by it, and how it is sorted now."""
    name, falls = sort.removeprefix("-"), sort.startswith("-")
    turned = (not falls) if name == key else first_falls
    args = {**request.args.to_dict(), "sort": f"-{key}" if turned else key}
    args.pop("page", None)
    args.pop("after", None)
    state = ("descending" if falls else "ascending") if name == key else "none"
    # Not by url_for: `_scheme` and the like in the address would be orders to it.
    return {"url": f"{url_for(str(request.endpoint))}?{urlencode(args)}", "state": state}


# What is shown


def chart(sizes: Sequence[Size], link: dict[str, Any]) -> dict[str, Any] | None:
    """Return the bars of a picture, in the units of its view box; None where there is nothing to compare."""
    if not sizes:
        return None
    bars = []
    for place, size in enumerate(sizes):
        height = max(2, CHART_HEIGHT * size.processed // size.requests)
        bars.append(
            {
                "size": size,
                "x": 12 + place * 108,
                "y": CHART_TOP + CHART_HEIGHT - height,
                "height": height,
                "url": url_for("control.behind", figure="size", size=size.size, **link),
                "processed_url": url_for("control.behind", figure="size_processed", size=size.size, **link),
            }
        )
    return {"bars": bars, "floor": CHART_TOP + CHART_HEIGHT, "requests": sum(one.requests for one in sizes)}


CHART_TOP, CHART_HEIGHT = 24, 130


def _with_index(found: Figures, sort: str) -> list[tuple[Line, Any]]:
    picture = reference(db_session())
    lines = [
        (line, found.indices.get(one.id))
        for line in control_tables.manager_lines(found, picture, sort)
        if (one := picture.by_login(line.login)) is not None and line.counts.owed
    ]
    if sort.removeprefix("-") == "index":
        # Those of whom nothing can be said stand last, either way.
        known = [pair for pair in lines if pair[1] is not None and not pair[1].is_few]
        known.sort(key=lambda pair: pair[1].value if pair[1] else 0, reverse=sort.startswith("-"))
        lines = known + [pair for pair in lines if pair not in known]
    return lines


_SHARE_KEYS: dict[str, Callable[[shares.Share], Any]] = {
    "name": lambda one: one.name,
    "team": lambda one: one.team,
    "count": lambda one: one.count,
    "due": lambda one: one.due,
    "deviation": lambda one: one.deviation,
    "value": lambda one: one.value_minor,
    "due_value": lambda one: one.due_minor,
    "deviation_value": lambda one: one.deviation_minor,
}


def sorted_shares(lines: list[shares.Share], sort: str) -> list[shares.Share]:
    """Return the lines of the fairness proof by a column; by what is none, as they are."""
    key = _SHARE_KEYS.get(sort.removeprefix("-"))
    return sorted(lines, key=key, reverse=sort.startswith("-")) if key else lines


# Files


def _named(view: View, name: str) -> str:
    return f"control-{name}-{view.period.first}_{view.period.last}"


def _figures_sheet(view: View, name: str, whose: str) -> Sheet:
    found = control.figures(db_session(), view.period, request_now(), ids=view.ids)
    picture, sort = reference(db_session()), request.args.get("sort", "")
    of_teams = name == "teams"
    lines = (control_tables.team_lines if of_teams else control_tables.manager_lines)(found, picture, sort)
    lines.append(Line(_("All together"), "", found.total))
    rows = control_tables.figure_rows(lines, with_team=not of_teams, whose=whose)
    return Sheet(_named(view, name), f"{view.period.first} - {view.period.last}", rows)


def _managers_sheet(view: View) -> Sheet:
    return _figures_sheet(view, "managers", _("Manager"))


def _teams_sheet(view: View) -> Sheet:
    return _figures_sheet(view, "teams", _("Team"))


def _sizes_sheet(view: View) -> Sheet:
    rows: list[list[Cell]] = [[_("Group"), _("Value from"), _("Value to"), _("Requests"), _("Processed"), _("Share")]]
    for one in control.sizes(db_session(), view.period, request_now(), ids=view.ids):
        worth: list[Cell] = [control_tables.roubles(one.low_minor), control_tables.roubles(one.high_minor)]
        rows.append([one.size, *worth, one.requests, one.processed, one.share])
    return Sheet(_named(view, "groups"), f"{view.period.first} - {view.period.last}", rows)


def _index_sheet(view: View) -> Sheet:
    found = control.figures(db_session(), view.period, request_now(), ids=view.ids, with_indices=True)
    lines = _with_index(found, request.args.get("sort", ""))
    return Sheet(_named(view, "index"), f"{view.period.first} - {view.period.last}", control_tables.index_rows(lines))


def _requests_sheet(view: View) -> Sheet:
    asked, sort = _asked(), request.args.get("sort", "-at")
    found = lists.page(db_session(), view.period, request_now(), asked, sort=sort, size=lists.LARGEST)
    rows = control_lists_page.sheet_rows(asked.figure, found)
    return Sheet(_named(view, asked.figure.replace("_", "-")), f"{view.period.first} - {view.period.last}", rows)


def _fairness_sheet(view: View) -> Sheet:
    month = _month()
    team = view.team.code if view.team else None
    found = shares.shares(db_session(), month, request_now(), team=team)
    lines = sorted_shares(found, request.args.get("sort", ""))
    causes = sorted({cause for line in lines for cause in line.by_cause})
    return Sheet(f"fairness-{month}", month, control_tables.share_rows(lines, causes, language()))


def _ledger_sheet(view: View) -> Sheet:
    month = _month()
    found = shares.ledger_page(
        db_session(),
        month,
        team=view.team.code if view.team else None,
        manager_id=view.manager.id if view.manager else None,
        cause=_cause(),
        size=lists.LARGEST,
    )
    return Sheet(f"ledger-{month}", month, control_lists_page.ledger_rows(found, language()))


def _of_calls(table: str) -> Callable[[View], Sheet]:
    return lambda view: control_calls_page.sheet(table, view.period, view.ids, request.args.get("sort", ""))


_SHEETS: dict[str, Callable[[View], Sheet]] = {
    "managers": _managers_sheet,
    "teams": _teams_sheet,
    "groups": _sizes_sheet,
    "index": _index_sheet,
    "requests": _requests_sheet,
    "fairness": _fairness_sheet,
    "ledger": _ledger_sheet,
    **{table: _of_calls(table) for table in control_calls_page.TABLES},
}


def whole_money(minor: int) -> str:
    """Return money in whole roubles: for what is only to be seen at a glance."""
    return money(round(minor, -2))


def signed_money(minor: Fraction) -> str:
    """Return a difference of money in whole roubles, with its sign."""
    roubles = round(abs(minor) / 100)
    return ("+" if minor > 0 else "−") * bool(roubles) + money(roubles * 100)


def init_app(app: Flask) -> None:
    app.register_blueprint(blueprint)
    app.jinja_env.filters.update(whole_money=whole_money, signed_money=signed_money)
