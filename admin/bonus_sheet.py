"""What the pages and files of bonuses show: lines ready to be read, the pay curve, a sheet for a spreadsheet."""

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from flask_babel import gettext as _
from openpyxl import Workbook
from openpyxl.styles import Font

from admin.language import language
from admin.reference_view import defused
from rules_engine.decisions.bonus_figures import ATTAINMENT, NEW_ATTAINMENT, OLD_ATTAINMENT
from rules_engine.decisions.bonus_lines import Figure, Unit
from rules_engine.decisions.bonus_words import figure_words
from rules_engine.language.line_names import line_names
from rules_engine.language.vocabulary import FIELDS
from rules_engine.services.bonus.today import SoFar
from rules_engine.services.measures.behind import has_rows

Cells = list[list[str | Decimal]]

HEIGHT = 170
LEFT, RIGHT, TOP = 40, 490, 16
"""The picture of the pay curve, in units of its view box."""


@dataclass(frozen=True, slots=True)
class LineRow:
    """One line as a page shows it. `behind`: measures with their labels whose rows can be asked for.

    `corrects`: the month of the statement that a correction leads to.
    """

    title: str
    name: str
    sentence: str
    base: str
    rate: str
    amount: str
    is_correction: bool
    corrects: str | None
    behind: tuple[tuple[str, str], ...]
    readings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Side:
    """One attainment: percent and money of plan as text, None where there is no plan; the bar ends at `limit`."""

    label: str
    percent: str | None
    paid: str
    plan: str | None
    value: int
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Picture:
    """The pay curve in the units of a view box; `table` is the same for those who cannot see it."""

    points: str
    here: tuple[int, int] | None
    label: str
    ticks: tuple[tuple[int, str], ...]
    table: tuple[tuple[str, str], ...]


def line_rows(lines: Iterable[Mapping[str, Any]], titles: Mapping[str, str]) -> list[LineRow]:
    """Return the lines of a statement document as a page shows them."""
    return [
        LineRow(
            title=_title(line, titles),
            name=line["line"],
            sentence=line["sentence"],
            base=_figure(line["base"], line["base_unit"]),
            rate=_figure(line["rate"], line["rate_unit"]),
            amount=money_text(line["amount"]),
            is_correction=line["component"] == "correction",
            corrects=_corrected_month(line),
            behind=_behind(line),
            readings=tuple(_readings(line)),
        )
        for line in lines
    ]


def money_text(amount: str) -> str:
    """Return a decimal as money with kopecks, always: a column of amounts must line up."""
    return figure_words(Figure(Fraction(amount), Unit.MONEY), language())


def sides(measures: Mapping[str, Fraction | None]) -> list[Side]:
    """Return the attainment of both sides, and of both together where both are planned."""
    money = {NEW_ATTAINMENT: ("revenue_new", "plan_new"), OLD_ATTAINMENT: ("revenue_old", "plan_old")}
    labels = {NEW_ATTAINMENT: _("Plan, new clients"), OLD_ATTAINMENT: _("Plan, old clients")}
    found = []
    for attainment, (paid, plan) in money.items():
        share = measures.get(attainment)
        planned = measures.get(f"measure.{plan}")
        found.append(
            Side(
                label=labels[attainment],
                percent=None if share is None else percent_text(share),
                paid=_whole(measures.get(f"measure.{paid}")),
                plan=None if planned is None else _whole(planned),
                value=0 if share is None else max(0, min(100, int(share))),
            )
        )
    return found


def percent_text(value: Fraction) -> str:
    """Return percent with one decimal at most, cut and not rounded up: 99.96 % is not the plan."""
    tenths = value * 10 // 1
    return figure_words(Figure(Fraction(tenths, 10), Unit.PERCENT), language())


def attainment_text(measures: Mapping[str, Fraction | None]) -> str | None:
    share = measures.get(ATTAINMENT)
    return None if share is None else percent_text(share)


def picture(found: SoFar) -> Picture | None:
    """Return the pay over one attainment, where the manager is on it; None without a plan."""
    if len(found.curve) < 2:
        return None
    highest = max(amount for _, amount in found.curve) or 1
    end = found.curve[-1][0]

    def place(stop: Fraction, amount: int) -> tuple[int, int]:
        return int(LEFT + (RIGHT - LEFT) * stop / end), int(HEIGHT - (HEIGHT - TOP) * Fraction(amount, highest))

    plan = found.figures.plan_old_minor if found.curve_by == OLD_ATTAINMENT else found.figures.plan_new_minor
    paid = found.figures.old_minor if found.curve_by == OLD_ATTAINMENT else found.figures.new_minor
    share = 100 * paid / plan if plan else None
    here = place(share, found.total_minor) if share is not None and 0 <= share <= end else None
    label = FIELDS[found.curve_by].chip.text(language())
    stops = (Fraction(0), Fraction(100), end)
    return Picture(
        points=" ".join(f"{x},{y}" for x, y in (place(stop, amount) for stop, amount in found.curve)),
        here=here,
        label=label,
        ticks=tuple((place(stop, 0)[0], percent_text(stop)) for stop in stops),
        table=tuple((percent_text(stop), _whole(Fraction(amount))) for stop, amount in found.curve),
    )


def cells(document: Mapping[str, Any], titles: Mapping[str, str]) -> Cells:
    """Return a statement as rows of a sheet: lines, the total, what did not count."""
    rows: Cells = [[_("For what"), _("Base"), _("Rate"), _("Amount"), _("How it was counted")]]
    for line in document["lines"]:
        rows.append(
            [
                defused(_title(line, titles)),
                _figure(line["base"], line["base_unit"]),
                _figure(line["rate"], line["rate_unit"]),
                Decimal(line["amount"]),
                defused(line["sentence"]),
            ]
        )
    rows.append([_("Total"), "", "", Decimal(document["total"]), ""])
    rows += [[defused(note)] for note in document["notes"]]
    return rows


def period_cells(table: Iterable[Mapping[str, Any]]) -> Cells:
    """Return a period as rows of a sheet, one a manager, and their total."""
    rows: Cells = [[_("Manager"), _("Team"), _("Plan met"), _("Total")]]
    total = 0
    for one in table:
        total += one["total"]
        rows.append(
            [defused(one["manager"].name), defused(one["team"]), one["attainment"] or "—", _roubles(one["total"])]
        )
    rows.append([_("Total"), "", "", _roubles(total)])
    return rows


def as_csv(rows: Cells) -> bytes:
    """Return rows as CSV that spreadsheets open as UTF-8."""
    text = io.StringIO()
    csv.writer(text, delimiter=";").writerows([[_plain(cell) for cell in row] for row in rows])
    return ("\ufeff" + text.getvalue()).encode()


def as_xlsx(rows: Cells, title: str) -> bytes:
    """Return rows as a workbook; amounts are numbers."""
    book = Workbook()
    sheet = book.active
    if sheet is None:  # pragma: no cover - a new workbook has one
        raise LookupError("a workbook without a sheet")
    sheet.title = title
    for row in rows:
        sheet.append(list(row))
    for cell in sheet[1]:
        cell.font = Font(bold=True)
    for column, width in zip("ABCDE", (44, 18, 14, 16, 110), strict=True):
        sheet.column_dimensions[column].width = width
    for (cell,) in sheet.iter_rows(min_row=2, min_col=4, max_col=4):
        cell.number_format = "#,##0.00"
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def _corrected_month(line: Mapping[str, Any]) -> str | None:
    """Return the month that a correction is for (or, taken off, was paid in), None for other lines."""
    found = (
        re.match(r"(?:correction|paid):(\d{4}-\d\d)", line.get("basis", ""))
        if line["component"] == "correction"
        else None
    )
    return found[1] if found else None


def _title(line: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    """Return how people call the rule of a line, or what makes it by itself; two lines must not read the same."""
    title = titles.get(line["rule"]) or line_names({}).text(line["line"], language())
    if line["part"] is not None and line["part"]["above"]:
        return f"{title}: " + _("the part above %(n)s", n=_number(line["part"]["from"]))
    return title


def _roubles(minor: int) -> Decimal:
    return Decimal(minor) / 100


def _plain(cell: str | Decimal) -> str:
    return str(cell).replace(".", ",") if isinstance(cell, Decimal) and language() == "ru" else str(cell)


def _figure(value: str | None, unit: str | None) -> str:
    if not value or unit is None:
        return "—"
    return figure_words(Figure(Fraction(value), Unit(unit)), language())


def _whole(minor: Fraction | None) -> str:
    """Return money in whole roubles, for what is only to be seen at a glance."""
    return figure_words(Figure(Fraction((minor or Fraction(0)) // 100), Unit.MONEY), language()).replace(
        ",00" if language() == "ru" else ".00", ""
    )


def _behind(line: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    names = [seen["measure"] for seen in line["inputs"]]
    for step in line["steps"]:
        names += [row["measure"] for row in step.get("rows", ())]
        names += [gate["measure"] for gate in step.get("gates", ())]
    return tuple(
        (name.partition(".")[2], FIELDS[name].chip.text(language())) for name in dict.fromkeys(names) if has_rows(name)
    )


def _readings(line: Mapping[str, Any]) -> Iterable[str]:
    for row in (*line["rows"], *(row for step in line["steps"] for row in step.get("rows", ()))):
        label = FIELDS[row["measure"]].chip.text(language())
        node = "" if row["row"] is None else " · " + _("row %(node)s", node=_number(row["row"]))
        (low, at_low), (high, at_high) = row["low"], row["high"]
        if low == high:
            yield f"{label}{node}: {_number(low)} → {_number(row['value'])}"
            continue
        yield (
            f"{label}{node}: {_number(at_low)} + ({_number(at_high)} − {_number(at_low)}) × "
            f"({_number(row['at'])} − {_number(low)}) ÷ ({_number(high)} − {_number(low)}) = {_number(row['value'])}"
        )


def _number(value: str) -> str:
    return figure_words(Figure(Fraction(value), Unit.FACTOR), language())
