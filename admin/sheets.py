"""Tables as files for a spreadsheet: CSV and XLSX, numbers as numbers, nothing that it would take for a formula."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from flask import Response
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from admin.language import language, local
from admin.reference_view import defused

Cell = str | int | Decimal | Fraction | datetime | None
"""A Fraction is a share and shows as per cent; a Decimal has the decimals that it is given with."""

TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_WIDEST = 60
_LONGEST_TAB = 31
_NOT_IN_TABS = re.compile(r"[\[\]:*?/\\]")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table to be given out; the first row is its heading."""

    name: str
    """Of the file, without its ending: ASCII letters, digits, `-` and `_`."""
    title: str
    rows: Sequence[Sequence[Cell]]


def as_file(sheet: Sheet, kind: str) -> Response:
    """Return a sheet to be stored by the browser, as `csv` or `xlsx`."""
    answer = Response(_csv(sheet.rows) if kind == "csv" else _xlsx(sheet), content_type=TYPES[kind])
    answer.headers["Content-Disposition"] = f'attachment; filename="{sheet.name}.{kind}"'
    return answer


def _csv(rows: Iterable[Sequence[Cell]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=";").writerows([_plain(cell) for cell in row] for row in rows)
    # With a mark at the beginning spreadsheets open it as UTF-8.
    return ("\ufeff" + text.getvalue()).encode()


def _plain(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return defused(cell)
    if isinstance(cell, datetime):
        return f"{local(cell):%Y-%m-%d %H:%M}"
    text = f"{_decimal(cell) * 100:.1f}%" if isinstance(cell, Fraction) else str(cell)
    return text.replace(".", ",") if language() == "ru" else text


def _xlsx(sheet: Sheet) -> bytes:
    book = Workbook(write_only=True)
    page: Any = book.create_sheet(_tab(sheet.title))
    for column in range(max(len(row) for row in sheet.rows)):
        widest = max(len(_plain(row[column])) if column < len(row) else 0 for row in sheet.rows[:200])
        page.column_dimensions[get_column_letter(column + 1)].width = min(widest, _WIDEST) + 3
    page.freeze_panes = "A2"
    for number, row in enumerate(sheet.rows):
        page.append([_cell(page, cell, is_heading=number == 0) for cell in row])
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def _tab(title: str) -> str:
    """Return a title as a spreadsheet takes it for the name of a sheet: 31 signs, some not at all."""
    plain = " ".join(_NOT_IN_TABS.sub(" ", title).split())
    return plain[:_LONGEST_TAB].strip("' ") or "Pravila"


def _cell(page: Any, cell: Cell, *, is_heading: bool) -> Any:
    value: Any = cell
    form = None
    if isinstance(cell, str):
        value = defused(cell)
    elif isinstance(cell, Fraction):
        value, form = _decimal(cell), "0.0%"
    elif isinstance(cell, Decimal):
        form = "#,##0" + ("." + "0" * places if (places := -int(cell.as_tuple().exponent)) > 0 else "")
    elif isinstance(cell, datetime):
        # Spreadsheets know no zones.
        value, form = local(cell).replace(tzinfo=None, microsecond=0), "yyyy-mm-dd hh:mm"
    if form is None and not is_heading:
        return value
    made = WriteOnlyCell(page, value)
    if form:
        made.number_format = form
    if is_heading:
        made.font = Font(bold=True)
    return made


def _decimal(share: Fraction) -> Decimal:
    return (Decimal(share.numerator) / Decimal(share.denominator)).quantize(Decimal("0.0001"))
