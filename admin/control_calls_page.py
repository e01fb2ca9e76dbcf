"""The tab of control about planned calls: its tables, by manager, by week and by owner, for the page and for files."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any, Final

from flask import request, url_for
from flask_babel import LazyString, lazy_gettext
from flask_babel import gettext as _

from admin.base import db_session, request_now
from admin.control_tables import DASH, Shown, roubles
from admin.labels import field_value
from admin.language import day, money, number, percent
from admin.sheets import Cell, Sheet
from rules_engine.services.company.reference import Reference, reference
from rules_engine.services.control import calls
from rules_engine.services.control.calls import ORDER_DAYS, CallCounts, Calls, Untouched
from rules_engine.services.control.period import Period

Link = Mapping[str, Any]
QUIET_DAYS: Final = (30, 60, 90, 180)
"""Clients whom nobody has touched for so many days; the reader chooses."""
USUAL_QUIET_DAYS: Final = 90
TABLES: Final = ("calls", "weeks", "segments", "untouched")
"""What is given out as files."""


@dataclass(frozen=True, slots=True)
class Column:
    """One figure. `value` is what is sorted and exported: a count, kopecks, or a share of `of` (a Fraction)."""

    key: str
    label: LazyString
    value: Callable[[CallCounts], int | Fraction | None]
    hint: LazyString
    of: Callable[[CallCounts], int] | None = None
    is_money: bool = False

    def text(self, counts: CallCounts) -> str:
        """Return the cell as a page shows it."""
        value = self.value(counts)
        if value is None:
            return DASH
        if isinstance(value, Fraction):
            return percent(value.numerator, value.denominator)
        return money(value) if self.is_money else number(value)

    def cell(self, counts: CallCounts) -> Cell:
        """Return it as a file holds it."""
        value = self.value(counts)
        return roubles(value) if self.is_money and isinstance(value, int) else value


COLUMNS: Final[tuple[Column, ...]] = (
    Column(
        "due", lazy_gettext("Calls due"), lambda counts: counts.due,
        lazy_gettext("Planned calls due in the period, without those where nobody could be reached"),
    ),
    Column(
        "done", lazy_gettext("Calls made"), lambda counts: counts.done,
        lazy_gettext("Planned calls finished in the period, with any outcome"),
    ),
    Column(
        "in_time", lazy_gettext("By their day"),
        lambda counts: Fraction(counts.in_time, counts.done) if counts.done else None,
        lazy_gettext("Of the calls made, those made by the day they were due"), lambda counts: counts.done,
    ),
    Column(
        "valid", lazy_gettext("Valid calls"), lambda counts: counts.valid,
        lazy_gettext("Of the calls made, valid contacts: long enough, or with a reply of the client"),
    ),
    Column(
        "overdue", lazy_gettext("Overdue now"), lambda counts: counts.overdue,
        lazy_gettext("Calls in the list at this moment whose day is past"),
    ),
    Column(
        "reached", lazy_gettext("Reached, of attempts"),
        lambda counts: Fraction(counts.reached, counts.attempts) if counts.attempts else None,
        lazy_gettext("Of all attempts of the calls made, those in which somebody spoke with the client"),
        lambda counts: counts.attempts,
    ),
    Column(
        "orders", lazy_gettext("Orders after a call"), lambda counts: counts.orders,
        lazy_gettext("Payments of clients after a call of the period, each counted for the latest call before it"),
    ),
    Column(
        "money", lazy_gettext("Sum of the orders"), lambda counts: counts.order_minor,
        lazy_gettext("Payments after a call less refunds of those days"), is_money=True,
    ),
)  # fmt: skip
BY_KEY: Final = {column.key: column for column in COLUMNS}


@dataclass(frozen=True, slots=True)
class Line:
    """A manager (`login`), a week (`first` to `last`), or all together (neither)."""

    name: str
    team: str
    counts: CallCounts
    login: str = ""
    first: date | None = None
    last: date | None = None

    def shown(self, link: Link) -> list[Shown]:
        """Return its cells; calls due lead to their list."""
        whose = dict(link)
        if self.login:
            whose["manager"] = self.login
        if self.first and self.last:
            whose |= {"from": self.first.isoformat(), "to": self.last.isoformat()}
        return [_shown(column, self.counts, whose) for column in COLUMNS]


def _shown(column: Column, counts: CallCounts, whose: Link) -> Shown:
    whole = column.of(counts) if column.of else 0
    is_listed = column.key == "due" and counts.due
    return Shown(
        str(column.label),
        column.text(counts),
        _("of %(n)s", n=number(whole)) if whole else "",
        url_for("control.behind", figure="calls_due", **whose) if is_listed else None,
        column.key == "overdue" and counts.overdue > 0,
    )


@dataclass(frozen=True, slots=True)
class OwnerLine:
    """The clients of one owner; `owner_id` None: of nobody."""

    name: str
    team: str
    found: Untouched

    @property
    def share(self) -> Fraction:
        """Return which part of them nobody has touched."""
        return Fraction(self.found.untouched, self.found.clients)


_OWNER_KEYS: Final[Mapping[str, Callable[[OwnerLine], Any]]] = {
    "name": lambda line: line.name,
    "team": lambda line: line.team,
    "clients": lambda line: line.found.clients,
    "untouched": lambda line: line.found.untouched,
    "share": lambda line: line.share,
    "do_not_call": lambda line: line.found.do_not_call,
}


def quiet_days() -> int:
    """Return for how many days clients must have been quiet, as the address says; the usual number for another."""
    asked = request.args.get("quiet", "")
    return int(asked) if asked in map(str, QUIET_DAYS) else USUAL_QUIET_DAYS


def page(period: Period, ids: Collection[int] | None, sort: str) -> dict[str, Any]:
    """Return what the tab shows of these managers (None: all) and their clients."""
    session, now, quiet = db_session(), request_now(), quiet_days()
    picture = reference(session)
    found = calls.calls(session, period, now, ids=ids)
    return {
        "total": Line(_("All together"), "", found.total),
        "managers": manager_lines(found, picture, sort),
        "weeks": week_lines(found, sort),
        "columns": COLUMNS,
        "segments": segment_lines(calls.segments(session, ids=ids)),
        "waiting": calls.waiting(session, now, ids=ids),
        "owners": owner_lines(calls.untouched(session, now, quiet, ids=ids), picture, sort),
        "quiet": quiet,
        "quiet_choices": [(days, days) for days in QUIET_DAYS],
        "untouched_label": untouched_label(quiet),
        "note": note(),
    }


def sheet(table: str, period: Period, ids: Collection[int] | None, sort: str) -> Sheet:
    """Return one of TABLES as a file: of the period, or of today where the table says how things are now."""
    session, now = db_session(), request_now()
    picture = reference(session)
    today = picture.day_of(now).isoformat()
    if table == "segments":
        rows = segment_rows(segment_lines(calls.segments(session, ids=ids)))
        return Sheet(f"control-segments-{today}", today, rows)
    if table == "untouched":
        quiet = quiet_days()
        owners = owner_lines(calls.untouched(session, now, quiet, ids=ids), picture, sort)
        return Sheet(f"control-untouched-{quiet}-{today}", today, owner_rows(owners, quiet))
    found = calls.calls(session, period, now, ids=ids)
    if table == "weeks":
        rows = call_rows(week_lines(found, sort), _("Week"), with_team=False)
    else:
        lines = [*manager_lines(found, picture, sort), Line(_("All together"), "", found.total)]
        rows = call_rows(lines, _("Manager"), with_team=True)
    return Sheet(f"control-{table}-{period.first}_{period.last}", f"{period.first} - {period.last}", rows)


def manager_lines(found: Calls, picture: Reference, sort: str) -> list[Line]:
    """Return a row for each manager, by name or by the column that `sort` names; a minus turns it round."""
    lines = []
    for manager_id, counts in found.managers.items():
        one = picture.manager(manager_id)
        lines.append(Line(one.name, _team(picture, one.team_id), counts, login=one.login))
    lines.sort(key=lambda line: (line.name, line.login))
    return _ordered(lines, sort, {"name": lambda line: line.name, "team": lambda line: line.team})


def week_lines(found: Calls, sort: str) -> list[Line]:
    """Return a row for each week, the earliest first or by the column that `sort` names."""
    lines = [Line(_days(one.first, one.last), "", one.counts, first=one.first, last=one.last) for one in found.weeks]
    return _ordered(lines, sort, {"week": lambda line: line.first})


def owner_lines(found: Mapping[int | None, Untouched], picture: Reference, sort: str) -> list[OwnerLine]:
    """Return a row for each owner with clients, most untouched ones first, or by what `sort` names."""
    lines = []
    for owner_id, of_owner in found.items():
        one = picture.managers.get(owner_id or 0)
        name = one.name if one else _("no owner")
        lines.append(OwnerLine(name, _team(picture, one.team_id if one else None), of_owner))
    lines.sort(key=lambda line: (-line.found.untouched, line.name))
    key = _OWNER_KEYS.get(sort.removeprefix("-"))
    return sorted(lines, key=key, reverse=sort.startswith("-")) if key else lines


def segment_lines(found: Mapping[str | None, int]) -> list[tuple[str, int]]:
    """Return each segment by its name and how many clients are in it, most of them first."""
    named = [(field_value("client.segment", segment) or _("no segment"), clients) for segment, clients in found.items()]
    return sorted(named, key=lambda pair: (-pair[1], pair[0]))


def call_rows(lines: Sequence[Line], whose: str, *, with_team: bool) -> list[list[Cell]]:
    """Return rows of a sheet; a share is followed by the number that it is a part of."""
    heading: list[Cell] = [whose, *([_("Team")] if with_team else [])]
    for column in COLUMNS:
        heading.append(str(column.label))
        if column.of:
            heading.append(_("%(what)s: of how many", what=column.label))
    rows = [heading]
    for line in lines:
        row: list[Cell] = [f"{line.first} - {line.last}" if line.first else line.name]
        if with_team:
            row.append(line.team)
        for column in COLUMNS:
            row.append(column.cell(line.counts))
            if column.of:
                row.append(column.of(line.counts))
        rows.append(row)
    return rows


def owner_rows(lines: Sequence[OwnerLine], days: int) -> list[list[Cell]]:
    """Return rows of a sheet: clients by owner, and how many of them nobody has touched."""
    rows: list[list[Cell]] = [
        [_("Owner"), _("Team"), _("Clients"), untouched_label(days), _("Share"), _("Of them asked not to be called")]
    ]
    for line in lines:
        one = line.found
        rows.append([line.name, line.team, one.clients, one.untouched, line.share, one.do_not_call])
    return rows


def segment_rows(lines: Sequence[tuple[str, int]]) -> list[list[Cell]]:
    """Return rows of a sheet: clients by segment."""
    rows: list[list[Cell]] = [[_("Segment"), _("Clients")]]
    rows += [[name, clients] for name, clients in lines]
    return rows


def untouched_label(days: int) -> str:
    """Return what the column of clients is called whom nobody has touched."""
    return str(_("Not touched for %(n)s days", n=days))


def note() -> str:
    """Return how the figures of calls are counted."""
    return str(
        _(
            "Orders: payments within %(n)s days after a call that reached the client, less refunds, up to today: the "
            "last calls may still bring some. In a week: calls due in it, calls made in it and the orders after them. "
            "Overdue now: whenever they were due; in a week, those due in it.",
            n=ORDER_DAYS,
        )
    )


def _team(picture: Reference, team_id: int | None) -> str:
    team = picture.teams.get(team_id or 0)
    return team.name if team else ""


def _days(first: date, last: date) -> str:
    return day(first, "d MMM") if first == last else f"{day(first, 'd MMM')} – {day(last, 'd MMM')}"


def _ordered(lines: list[Line], sort: str, names: Mapping[str, Callable[[Line], Any]]) -> list[Line]:
    """Return lines by a name or a figure; without a figure they stand last; by what is neither, as they are."""
    key, falls = sort.removeprefix("-"), sort.startswith("-")
    if key in names:
        return sorted(lines, key=names[key], reverse=falls)
    column = BY_KEY.get(key)
    if column is None:
        return lines
    known = [line for line in lines if column.value(line.counts) is not None]
    known.sort(key=lambda line: column.value(line.counts) or 0, reverse=falls)
    return known + [line for line in lines if column.value(line.counts) is None]
