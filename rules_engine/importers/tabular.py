"""Rows of a file that a person exported: CSV, gzipped CSV or XLSX, told apart by their content and not by their name.

Whatever the file is, it is bounded before it is believed: size, unpacked size, rows, columns, length of a cell.
"""

import csv
import gzip
import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse
from openpyxl import load_workbook
from openpyxl.utils.cell import range_boundaries
from openpyxl.utils.exceptions import InvalidFileException

from rules_engine.errors import InputError

Cell = str | datetime | date | None
"""A value as it stands in the file. Only XLSX knows instants and dates, and its instants have no zone."""

MAX_FILE: Final = 64 * 2**20
MAX_UNPACKED: Final = 256 * 2**20
MAX_RATIO: Final = 200
"""Unpacked to packed: real tables stay below 50, a bomb is above 1000."""
RATIO_FREE: Final = 2**20
"""A small file may be packed as tightly as it likes."""
MAX_ROWS: Final = 1_000_000
MAX_COLUMNS: Final = 300
MAX_CELL: Final = 32_767
_CHUNK: Final = 2**20
_BINARY: Final = frozenset(range(32)) - {9, 10, 13, 12}
_MERGED_MOST: Final = 200_000


@dataclass(frozen=True, slots=True)
class Row:
    """One row; `number` is the 1-based line at which it begins in the file, or its row in the sheet.

    `is_delimited`: in its file a mark too many shifts the cells; in a sheet a cell beside the table is a note.
    """

    number: int
    cells: tuple[Cell, ...]
    is_delimited: bool = field(default=False, compare=False)


class FileRefused(InputError):
    """The file as a whole cannot be read as a table."""

    def __init__(self, path: Path, ru: str, en: str) -> None:
        super().__init__(path=path.name, ru=ru, en=en)


def read_rows(path: Path) -> list[list[Row]]:
    """Return every way to read the file as rows, none empty: one for XLSX, one for each likely delimiter of a CSV.

    Which is right is decided by the header row that is found. Raises FileRefused.
    """
    data = _read(path)
    if data[:2] == b"\x1f\x8b":
        data = _gunzip(path, data)
    if data[:4] == b"PK\x03\x04":
        return [_sheet(path, data)]
    text = _decoded(path, data)
    readings = [list(_csv_rows(path, text, delimiter)) for delimiter in _delimiters(text)]
    if not any(readings):
        raise FileRefused(path, "в файле нет строк", "the file has no rows")
    return [rows for rows in readings if rows]


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_FILE:
            raise _too_large(path)
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE + 1)
    except OSError as problem:
        raise FileRefused(path, f"не читается: {problem.strerror}", f"cannot be read: {problem.strerror}") from problem
    if len(data) > MAX_FILE:
        raise _too_large(path)
    return data


def _too_large(path: Path) -> FileRefused:
    return FileRefused(path, "файл больше 64 МБ", "the file is larger than 64 MB")


def _bomb(path: Path) -> FileRefused:
    return FileRefused(path, "распакованный файл слишком велик", "the file is too large when it is unpacked")


def _not_a_table(path: Path) -> FileRefused:
    return FileRefused(
        path, "это не таблица: нужен CSV, CSV.gz или XLSX", "is not a table: CSV, CSV.gz or XLSX is needed"
    )


def _gunzip(path: Path, packed: bytes) -> bytes:
    limit = min(MAX_UNPACKED, max(RATIO_FREE, MAX_RATIO * len(packed)))
    unpacked = io.BytesIO()
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as stream:
            while chunk := stream.read(_CHUNK):
                unpacked.write(chunk)
                if unpacked.tell() > limit:
                    raise _bomb(path)
    except (OSError, EOFError, zlib.error) as problem:
        raise FileRefused(path, "сжатый файл повреждён", "the gzipped file is damaged") from problem
    return unpacked.getvalue()


def _decoded(path: Path, data: bytes) -> str:
    """Return the text of a CSV: UTF-8, else windows-1251."""
    if not data.strip():
        raise FileRefused(path, "файл пуст", "the file is empty")
    if _BINARY & set(data[:65536]):
        raise _not_a_table(path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        return data.decode("windows-1251")
    except UnicodeDecodeError as problem:
        raise FileRefused(
            path, "кодировка не распознана: нужна UTF-8 или windows-1251", "is neither UTF-8 nor windows-1251"
        ) from problem


def _delimiters(text: str) -> list[str]:
    head = text[:65536]
    found = [delimiter for delimiter in (",", ";", "\t") if delimiter in head]
    return found or [","]


def _csv_rows(path: Path, text: str, delimiter: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    line = 0
    try:
        for cells in reader:
            first, line = line + 1, reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            _bounded(path, first, len(cells), cells)
            yield Row(first, tuple(cell.strip() or None for cell in cells), is_delimited=True)
    except csv.Error as problem:
        raise FileRefused(
            path, f"строка {line + 1}: таблица повреждена", f"line {line + 1}: the table is damaged"
        ) from problem


def _bounded(path: Path, number: int, columns: int, cells: Iterable[object]) -> None:
    if number > MAX_ROWS:
        raise FileRefused(path, f"строк больше {MAX_ROWS}", f"has more than {MAX_ROWS} rows")
    if columns > MAX_COLUMNS:
        raise FileRefused(path, f"колонок больше {MAX_COLUMNS}", f"has more than {MAX_COLUMNS} columns")
    if any(isinstance(cell, str) and len(cell) > MAX_CELL for cell in cells):
        raise FileRefused(
            path, f"строка {number}: ячейка длиннее {MAX_CELL} знаков", f"line {number}: a cell is too long"
        )


def _sheet(path: Path, data: bytes) -> list[Row]:
    """Return the rows of the first sheet of a workbook."""
    try:
        _check_parts(path, data)
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        try:
            sheet = book.worksheets[0]
            # What a sheet says of its own size may be a lie of a million rows.
            sheet.reset_dimensions()
            merged = _merged(path, data, sheet._worksheet_path)  # type: ignore[attr-defined]
            rows = list(_sheet_rows(path, sheet.iter_rows(values_only=True), merged))
        finally:
            book.close()
    except DefusedXmlException as problem:
        raise _bomb(path) from problem
    except (
        InvalidFileException, zipfile.BadZipFile, zlib.error, ParseError, KeyError, IndexError, ValueError, TypeError,
        AttributeError, EOFError, NotImplementedError, RuntimeError, OSError,
    ) as problem:  # fmt: skip
        # openpyxl has no errors of its own for most of what a broken workbook holds.
        raise _not_a_table(path) from problem
    if not rows:
        raise FileRefused(path, "в файле нет строк", "the file has no rows")
    return rows


def _check_parts(path: Path, data: bytes) -> None:
    """Look at what unpacking would make, before anything is unpacked."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = archive.infolist()
        if "xl/workbook.xml" not in {part.filename for part in parts}:
            raise _not_a_table(path)
        limit = min(MAX_UNPACKED, max(RATIO_FREE, MAX_RATIO * len(data)))
        if len(parts) > 2000 or sum(part.file_size for part in parts) > limit:
            raise _bomb(path)


def _sheet_rows(path: Path, found: Iterable[tuple[object, ...]], merged: dict[int, dict[int, int]]) -> Iterator[Row]:
    """Yield the rows that are not empty; a cell merged over several rows stands in each of them."""
    anchors: dict[tuple[int, int], Cell] = {}
    wanted = {(top, column) for columns in merged.values() for column, top in columns.items()}
    for number, values in enumerate(found, 1):
        _bounded(path, number, 0, ())
        cells = [_cell(value) for value in values]
        for column, top in merged.get(number, {}).items():
            if column < len(cells) and cells[column] is None:
                cells[column] = anchors.get((top, column))
        for column, cell in enumerate(cells):
            if (number, column) in wanted:
                anchors[number, column] = cell
        if all(cell is None for cell in cells):
            continue
        while cells and cells[-1] is None:
            cells.pop()
        _bounded(path, number, len(cells), cells)
        yield Row(number, tuple(cells))


def _merged(path: Path, data: bytes, sheet_name: str) -> dict[int, dict[int, int]]:
    """Return for each row the columns that are merged with a row above: {row: {column: first row}}.

    The reading mode of openpyxl that does not hold the whole sheet does not know them.
    """
    merged: dict[int, dict[int, int]] = {}
    number = 0
    with zipfile.ZipFile(io.BytesIO(data)) as archive, archive.open(sheet_name) as part:
        for _, element in iterparse(part, forbid_dtd=True):
            if element.tag.endswith("}mergeCell"):
                left, top, right, bottom = range_boundaries(element.attrib["ref"])
                if left is None or top is None or right is None or bottom is None:
                    continue
                number += 1 + bottom - top
                if number > _MERGED_MOST:
                    raise FileRefused(path, "слишком много объединённых ячеек", "has too many merged cells")
                for row in range(top + 1, bottom + 1):
                    merged.setdefault(row, {})[left - 1] = top
            elif element.tag.endswith("}row"):
                element.clear()
    return merged


def _cell(value: object) -> Cell:
    """Return a cell of a workbook as text, an instant or a date; numbers in full, without a trailing zero."""
    if value is None or isinstance(value, datetime | date):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, time):
        return value.isoformat()
    return str(value).strip() or None


def _number(value: float) -> Cell:
    if value != value or value in (float("inf"), float("-inf")):
        return None
    exact = Decimal(repr(value))
    # A spreadsheet counts in binary: 1234.56 may come back with noise in the twelfth digit.
    rounded = exact.quantize(Decimal("0.000001")) if abs(exact) < 10**15 else exact
    text = format(rounded, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
