"""Tables in files as people export them: CSV, gzipped CSV and XLSX → rows of texts by column name.

Real exports have a title above the header, totals below, merged cells and no promise about delimiter or encoding. The
header is the row that names most of the columns that are looked for.
"""

import codecs
import csv
import gzip
import io
import zipfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from rules_engine.errors import PravilaError

MAX_BYTES = 256 * 1024 * 1024
"""Of the unpacked content; a gzip or XLSX that grows beyond it is refused before it fills the memory."""
MAX_RATIO = 200
"""How many times its size a packed file may unpack to."""
MAX_XLSX_CELLS = 5_000_000
MAX_COLUMNS = 500
MAX_CELL = 100_000
HEADER_WITHIN = 50
"""The header stands among the first so many lines."""

_TOTALS = ("итого", "всего", "total", "grand total", "subtotal", "сумма:")
_KINDS = (
    (b"\x89PNG", "PNG"), (b"%PDF", "PDF"), (b"\xff\xd8\xff", "JPEG"), (b"GIF8", "GIF"), (b"7z\xbc\xaf", "7-Zip"),
    (b"Rar!", "RAR"), (b"\x7fELF", "ELF"), (b"SQLite format 3", "SQLite"), (b"{\\rtf", "RTF"),
)  # fmt: skip
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"


class UnreadableFile(PravilaError):
    """The file as a whole cannot be read as a table; nothing of it was taken."""

    template: ClassVar[dict[str, str]] = {"ru": "файл не прочитан: {ru}", "en": "the file cannot be read: {en}"}


@dataclass(frozen=True, slots=True)
class Row:
    """`number` is the 1-based line of the file; `cells` are texts by column name, empty cells left out."""

    number: int
    cells: dict[str, str]


@dataclass(frozen=True, slots=True)
class TableFile:
    """`columns` as they stand in the header row; `rows` can be walked once."""

    columns: tuple[str, ...]
    header_row: int
    rows: Iterator[Row]


def read_table(path: Path, wanted: Collection[str]) -> TableFile:
    """Return the table in a file. `wanted` are the column names by which its header row is recognised.

    Names are compared without regard to case and outer spaces. Raises UnreadableFile.
    """
    try:
        raw = path.read_bytes() if path.stat().st_size <= MAX_BYTES else None
    except OSError as problem:
        reason = problem.strerror or str(problem)
        raise UnreadableFile(ru=f"{path.name}: {reason}", en=f"{path.name}: {reason}") from problem
    if raw is None:
        raise _too_large()
    if raw[:2] == b"\x1f\x8b":
        raw = _gunzip(raw)
    if not raw.strip():
        raise UnreadableFile(ru="файл пуст", en="it is empty")
    _refuse_other_kinds(raw)
    names = {_plain(name) for name in wanted}
    if raw[:4] == b"PK\x03\x04":
        return _with_header(_xlsx_lines(raw), names)
    text = _decode(raw)
    return _with_header(_csv_lines(text, _delimiter(text, names)), names)


def _too_large() -> UnreadableFile:
    size = MAX_BYTES // 1024 // 1024
    return UnreadableFile(
        ru=f"больше {size} МБ в распакованном виде; разделите на части",
        en=f"more than {size} MB when unpacked; split it",
    )


def _gunzip(raw: bytes) -> bytes:
    try:
        with gzip.open(io.BytesIO(raw)) as stream:
            content = stream.read(min(MAX_BYTES, len(raw) * MAX_RATIO) + 1)
    except (OSError, EOFError, zlib.error) as problem:
        raise UnreadableFile(ru="архив gzip повреждён", en="the gzip archive is damaged") from problem
    if len(content) > min(MAX_BYTES, len(raw) * MAX_RATIO):
        raise _too_large()
    return content


def _refuse_other_kinds(raw: bytes) -> None:
    for magic, name in _KINDS:
        if raw.startswith(magic):
            raise UnreadableFile(ru=f"это {name}, а нужен CSV или XLSX", en=f"it is {name}, and CSV or XLSX is needed")
    if raw.startswith(_OLD_EXCEL):
        raise UnreadableFile(
            ru="это старый формат Excel; сохраните как XLSX или CSV",
            en="it is Excel's old format; save it as XLSX or CSV",
        )
    is_utf16 = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if not raw.startswith(b"PK\x03\x04") and not is_utf16 and b"\0" in raw[:65536]:
        raise UnreadableFile(ru="это не текст и не XLSX", en="it is neither text nor XLSX")


def _decode(raw: bytes) -> str:
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings: tuple[str, ...] = ("utf-16",)
    else:
        encodings = ("utf-8-sig", "cp1251")
    for encoding in encodings:
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise UnreadableFile(ru="кодировка не UTF-8 и не windows-1251", en="its encoding is neither UTF-8 nor windows-1251")


def _plain(name: str) -> str:
    return " ".join(name.replace("\xa0", " ").split()).casefold()


def _csv_lines(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(MAX_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    while True:
        # A quoted cell may hold line ends: the row is named by the line on which it begins.
        number = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as problem:
            raise UnreadableFile(
                ru=f"строка {number}: кавычки или ячейка длиннее {MAX_CELL} знаков",
                en=f"line {number}: quotes, or a cell longer than {MAX_CELL} characters",
            ) from problem
        yield number, cells


def _delimiter(text: str, names: Collection[str]) -> str:
    """Return the delimiter with which one of the first lines names most of the wanted columns."""
    head = "\n".join(text.splitlines()[:HEADER_WITHIN])

    def found(delimiter: str) -> int:
        try:
            return max((_named(cells, names) for _, cells in _csv_lines(head, delimiter)), default=0)
        except UnreadableFile:
            return 0

    return max((",", ";", "\t"), key=found)


def _named(cells: Sequence[str], names: Collection[str]) -> int:
    return len({_plain(cell) for cell in cells} & set(names))


def _with_header(lines: Iterator[tuple[int, list[str]]], names: Collection[str]) -> TableFile:
    first: list[tuple[int, list[str]]] = []
    for line in lines:
        first.append(line)
        if len(first) == HEADER_WITHIN:
            break
    best = max(first, key=lambda line: _named(line[1], names), default=None)
    if best is None or not _named(best[1], names):
        expected = ", ".join(sorted(names))
        raise UnreadableFile(
            ru=f"не найдена строка заголовков с названиями столбцов: {expected}",
            en=f"no header row with any of these column names was found: {expected}",
        )
    header_row, header = best
    if len(header) > MAX_COLUMNS:
        raise UnreadableFile(ru=f"больше {MAX_COLUMNS} столбцов", en=f"more than {MAX_COLUMNS} columns")
    columns = tuple(" ".join(name.replace("\xa0", " ").split()) for name in header)
    twice = {name for name in columns if name and columns.count(name) > 1 and _plain(name) in names}
    if twice:
        listed = ", ".join(sorted(twice))
        raise UnreadableFile(ru=f"столбец стоит дважды: {listed}", en=f"a column stands twice: {listed}")
    below = (line for line in first if line[0] > header_row)
    return TableFile(columns, header_row, _rows(_chain(below, lines), columns))


def _chain(*parts: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    for part in parts:
        yield from part


def _rows(lines: Iterator[tuple[int, list[str]]], columns: Sequence[str]) -> Iterator[Row]:
    for number, line in lines:
        cells = {
            name: value
            for name, cell in zip(columns, line, strict=False)
            if name and (value := cell.strip("\ufeff \t\r\n\xa0"))
        }
        if cells and not _is_total(line):
            yield Row(number, cells)


def _is_total(line: Sequence[str]) -> bool:
    first = next((_plain(cell) for cell in line if cell.strip()), "")
    return first.rstrip(":").rstrip() in _TOTALS or first.startswith(("итого ", "итого:", "всего:", "всего по"))


def _xlsx_lines(raw: bytes) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines of the first sheet; a merged cell has its value in each of its places."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            if "xl/workbook.xml" not in archive.namelist():
                raise UnreadableFile(ru="это архив ZIP, а не XLSX", en="it is a ZIP archive and not XLSX")
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > min(MAX_BYTES, len(raw) * MAX_RATIO):
            raise _too_large()
        book = openpyxl.load_workbook(io.BytesIO(raw), data_only=True)
    except UnreadableFile:
        raise
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, TypeError, OSError, SyntaxError) as problem:
        raise UnreadableFile(ru="книга XLSX повреждена", en="the XLSX workbook is damaged") from problem
    sheet = book.worksheets[0] if book.worksheets else None
    if sheet is None:
        raise UnreadableFile(ru="в книге нет листов", en="the workbook has no sheets")
    if sheet.max_row * sheet.max_column > MAX_XLSX_CELLS:
        raise UnreadableFile(
            ru=f"больше {MAX_XLSX_CELLS} ячеек; сохраните как CSV",
            en=f"more than {MAX_XLSX_CELLS} cells; save it as CSV",
        )
    merged: dict[tuple[int, int], Any] = {}
    for area in sheet.merged_cells.ranges:
        # Only downwards: a title merged across the sheet is no value of every column.
        if area.size["columns"] == 1:
            value = sheet.cell(area.min_row, area.min_col).value
            merged.update({(row, area.min_col): value for row in range(area.min_row, area.max_row + 1)})
    for number, cells in enumerate(sheet.iter_rows(values_only=True), 1):
        yield number, [_cell_text(merged.get((number, place), cell)) for place, cell in enumerate(cells, 1)]


def _cell_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else format(Decimal(repr(value)), "f")
    return str(value)
