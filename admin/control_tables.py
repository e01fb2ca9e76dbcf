"""The tables of control: columns once, for the page, for sorting and for the files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from flask import url_for
from flask_babel import LazyString, lazy_gettext
from flask_babel import gettext as _

from admin.language import number, percent, signed, worked
from admin.sheets import Cell
from rules_engine.decisions.cherry_picking import Concentration
from rules_engine.services.company.reference import Reference
from rules_engine.services.control.control import Counts, Figures
from rules_engine.services.control.shares import Share
from rules_engine.services.requests.ledger import CAUSE_WORDS

DASH: Final = "—"
Link = Mapping[str, Any]
"""What the address of a page is made from: the period, the team, the manager."""


@dataclass(frozen=True, slots=True)
class Column:
    """One figure of the table. `value` is what is sorted and exported: a count, minutes, or a share (a Fraction).

    `figure` names the list behind it; `of` is what a share is a part of. `hint` says it at length.
    """

    key: str
    label: LazyString
    value: Callable[[Counts], int | Fraction | None]
    figure: str | None = None
    of: Callable[[Counts], int] | None = None
    hint: LazyString | None = None
    is_minutes: bool = False

    def text(self, counts: Counts) -> str:
        """Return the cell as a page shows it."""
        value = self.value(counts)
        if value is None:
            return DASH
        if self.is_minutes:
            return worked(int(value))
        if isinstance(value, Fraction):
            return percent(value.numerator, value.denominator)
        return number(value)

    def cell(self, counts: Counts) -> Cell:
        """Return it as a file holds it."""
        value = self.value(counts)
        if self.is_minutes and value is not None:
            tenths = value * 10 // 1
            return Decimal(int(tenths)) / 10
        return value


def _share(part: str, whole: str) -> Callable[[Counts], Fraction | None]:
    def value(counts: Counts) -> Fraction | None:
        total = getattr(counts, whole)
        return Fraction(getattr(counts, part), total) if total else None

    return value


def _of(whole: str) -> Callable[[Counts], int]:
    return lambda counts: int(getattr(counts, whole))


COLUMNS: Final[tuple[Column, ...]] = (
    Column(
        "received", lazy_gettext("Requests received"), lambda counts: counts.received, "received",
        hint=lazy_gettext("Requests given, less confirmed spam and duplicates"),
    ),
    Column(
        "in_time", lazy_gettext("In time"), _share("in_time", "due"), "in_time", _of("due"),
        lazy_gettext("First answers in time, of those due in the period"),
    ),
    Column(
        "median", lazy_gettext("First answer, median"), lambda counts: counts.median_minutes, "answered",
        hint=lazy_gettext("Working time until half of the first answers were given"), is_minutes=True,
    ),
    Column(
        "p90", lazy_gettext("90 % within"), lambda counts: counts.p90_minutes, "answered",
        hint=lazy_gettext("Working time within which nine of ten first answers were given"), is_minutes=True,
    ),
    Column(
        "processed", lazy_gettext("Processed"), _share("processed", "owed"), "processed", _of("owed"),
        lazy_gettext("Of the requests received: paid, refused with a reason, next step kept, or tried often enough"),
    ),
    Column(
        "paid", lazy_gettext("Paid"), _share("paid", "owed"), "paid", _of("owed"),
        lazy_gettext("Of the requests received, paid by the end of the period"),
    ),
    Column(
        "taken", lazy_gettext("Taken away"), lambda counts: counts.taken, "taken",
        hint=lazy_gettext("Handed to another manager for want of an answer"),
    ),
    Column(
        "overdue", lazy_gettext("Overdue now"), lambda counts: counts.overdue, "overdue",
        hint=lazy_gettext("Open requests whose answer is overdue at this moment"),
    ),
    Column(
        "by_hand", lazy_gettext("Marked by hand"), _share("by_hand", "answered"), "by_hand", _of("answered"),
        lazy_gettext("First answers that only the manager's own mark proves"),
    ),
    Column(
        "line_busy", lazy_gettext("On the line"), lambda counts: counts.line_busy, "line_busy",
        hint=lazy_gettext("Answers for which more time was asked, with the client on the line"),
    ),
    Column(
        "marked", lazy_gettext("Spam, duplicates"), _share("marked", "given"), "marked", _of("given"),
        lazy_gettext("Of all requests given, those marked as spam or as a duplicate"),
    ),
    Column(
        "calls", lazy_gettext("Calls on time"), _share("calls_met", "calls_due"), "calls_met", _of("calls_due"),
        lazy_gettext("Planned calls made and valid, of those due in the period"),
    ),
)  # fmt: skip
BY_KEY: Final = {column.key: column for column in COLUMNS}


@dataclass(frozen=True, slots=True)
class Shown:
    """One cell of a page: its text, what it is a part of, the address of the list behind it, whether it is urgent."""

    label: str
    text: str
    part_of: str = ""
    url: str | None = None
    is_late: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One row: a manager, a team, or all together. `login` and `code` say whose it is; both empty: everybody's."""

    name: str
    team: str
    counts: Counts
    login: str = ""
    code: str = ""

    def shown(self, link: Link) -> list[Shown]:
        """Return its cells, each with the list behind it."""
        whose = {**link, "manager": self.login or None, "team": self.code or (None if self.login else link.get("team"))}
        return [_shown(column, self.counts, whose) for column in COLUMNS]


def _shown(column: Column, counts: Counts, whose: Link) -> Shown:
    text = column.text(counts)
    whole = column.of(counts) if column.of else None
    is_empty = text == DASH or (whole is None and column.value(counts) == 0)
    url = None if is_empty else url_for("control.behind", figure=column.figure, **whose)
    of = _("of %(n)s", n=number(whole)) if whole else ""
    return Shown(str(column.label), text, of, url, column.key == "overdue" and counts.overdue > 0)


def manager_lines(found: Figures, picture: Reference, sort: str) -> list[Line]:
    """Return a row for each manager, sorted by a column's key; a minus before it turns it round."""
    lines = []
    for manager_id, counts in found.managers.items():
        one = picture.manager(manager_id)
        team = picture.teams.get(one.team_id or 0)
        lines.append(Line(one.name, team.name if team else "", counts, login=one.login))
    return ordered(lines, sort)


def team_lines(found: Figures, picture: Reference, sort: str) -> list[Line]:
    """Return a row for each team; managers without one are not a team and stand only in their own table."""
    teams = ((picture.teams[team_id], counts) for team_id, counts in found.teams.items() if team_id is not None)
    return ordered([Line(team.name, team.name, counts, code=team.code) for team, counts in teams], sort)


def ordered(lines: list[Line], sort: str) -> list[Line]:
    """Return the rows by a column; equal ones, and by what is no column, by name. Without a figure they are last."""
    lines = sorted(lines, key=lambda line: (line.name, line.login))
    name, falls = sort.removeprefix("-"), sort.startswith("-")
    if name == "team":
        return sorted(lines, key=lambda line: line.team, reverse=falls)
    column = BY_KEY.get(name)
    if column is None:
        return lines[::-1] if sort == "-name" else lines
    known = [line for line in lines if column.value(line.counts) is not None]
    known.sort(key=lambda line: column.value(line.counts) or 0, reverse=falls)
    return known + [line for line in lines if column.value(line.counts) is None]


def figure_rows(lines: Sequence[Line], *, with_team: bool, whose: str) -> list[list[Cell]]:
    """Return rows of a sheet; a share is followed by the number that it is a part of."""
    heading: list[Cell] = [whose, *([_("Team")] if with_team else [])]
    for column in COLUMNS:
        heading.append(_("%(what)s, working minutes", what=column.label) if column.is_minutes else str(column.label))
        if column.of:
            heading.append(_("%(what)s: of how many", what=column.label))
    rows = [heading]
    for line in lines:
        row: list[Cell] = [line.name, *([line.team] if with_team else [])]
        for column in COLUMNS:
            row.append(column.cell(line.counts))
            if column.of:
                row.append(column.of(line.counts))
        rows.append(row)
    return rows


def verdict(index: Concentration | None) -> tuple[str, str]:
    """Return the class of a badge and what the index says, in words."""
    if index is None or index.is_few:
        return "", _("too few requests")
    return {
        1: ("warn", _("large ones first")),
        -1: ("on", _("small ones first")),
        0: ("good", _("evenly")),
    }[index.leans]


def index_rows(lines: Sequence[tuple[Line, Concentration | None]]) -> list[list[Cell]]:
    """Return rows of a sheet: how much the processing of each manager leans to large requests."""
    rows: list[list[Cell]] = [
        [
            _("Manager"), _("Team"), _("Requests counted"), _("Processed"), _("Cherry-picking index"),
            _("95-percent interval from"), _("95-percent interval to"), _("What it says"),
        ]
    ]  # fmt: skip
    for line, index in lines:
        figures: list[Cell] = [None] * 3
        if index is not None and not index.is_few:
            figures = [hundredths(part) for part in (index.value, index.low, index.high)]
        counted: list[Cell] = [index.requests, index.processed] if index else [0, 0]
        rows.append([line.name, line.team, *counted, *figures, verdict(index)[1]])
    return rows


def share_rows(lines: Sequence[Share], causes: Sequence[str], language: str) -> list[list[Cell]]:
    """Return rows of a sheet: received against what was due, in count and in value, and why it differs."""
    rows: list[list[Cell]] = [
        [
            _("Manager"), _("Team"), _("Requests received"), _("Entitlement"), _("Deviation"), _("Value received"),
            _("Value due"), _("Deviation of the value"), *(CAUSE_WORDS[cause][language] for cause in causes),
        ]
    ]  # fmt: skip
    for line in lines:
        parts = [hundredths(line.by_cause.get(cause, Fraction(0))) for cause in causes]
        rows.append(
            [
                line.name, line.team, line.count, hundredths(line.due), hundredths(line.deviation),
                hundredths(Fraction(line.value_minor, 100)), hundredths(line.due_minor / 100),
                hundredths(line.deviation_minor / 100), *parts,
            ]
        )  # fmt: skip
    return rows


def hundredths(value: Fraction) -> Decimal:
    """Return a fraction to two decimals, rounded half to even."""
    return Decimal(round(value * 100)).scaleb(-2)


def roubles(minor: int) -> Decimal:
    return Decimal(minor).scaleb(-2)


def index_text(index: Concentration) -> str:
    """Return the index with its interval: `+0,12 (+0,05 … +0,19)`."""
    return f"{signed(index.value, 2)} ({signed(index.low, 2)} … {signed(index.high, 2)})"
