"""A pasted table as rows of cells: what Excel, Calc and Google Sheets put on the clipboard, or the text of a CSV."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

from admin.reference_view import FORMULA_SIGNS

MAX_TEXT: Final = 300_000
MAX_ROWS: Final = 500
MAX_COLUMNS: Final = 80


def rows_of(text: str) -> list[list[str]]:
    r"""Return the rows that are not empty, with cells trimmed and all of one length. Raises ValueError when too large.

    >>> rows_of("Название\tРегион\r\nКазахстан\t\"Казахстан\nРоссия\"\n")
    [['Название', 'Регион'], ['Казахстан', 'Казахстан\nРоссия']]
    """
    if len(text) > MAX_TEXT:
        raise ValueError("too long")
    first = text.lstrip("\ufeff\r\n").partition("\n")[0]
    delimiter = "\t" if "\t" in first or ";" not in first else ";"
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    reader = csv.reader(io.StringIO(plain, newline=""), delimiter=delimiter)
    try:
        read = [[_plain(cell) for cell in row] for row in reader]
    except csv.Error as problem:
        raise ValueError(str(problem)) from problem
    rows = [row for row in read if any(row)]
    width = max((len(row) for row in rows), default=0)
    if len(rows) > MAX_ROWS + 1 or width > MAX_COLUMNS:
        raise ValueError("too many")
    return [[*row, *[""] * (width - len(row))] for row in rows]


def text_of(rows: Iterable[Sequence[str]]) -> str:
    """Return rows as the text that a spreadsheet takes from the clipboard and gives back."""
    out = io.StringIO(newline="")
    csv.writer(out, delimiter="\t", lineterminator="\n").writerows(rows)
    return out.getvalue()


def _plain(cell: str) -> str:
    """Return a cell without the apostrophe that a download puts before what would be taken for a formula."""
    text = cell.strip()
    return text[1:] if text[:1] == "'" and text[1:2] and text[1:].startswith(FORMULA_SIGNS) else text
