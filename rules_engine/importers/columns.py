"""What each kind of import can hold: its columns, declared once, and how a header row is recognised by them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from rules_engine.errors import PravilaError
from rules_engine.importers import cells
from rules_engine.importers.cells import Parser, Reading
from rules_engine.importers.tabular import Cell, FileRefused, Row
from rules_engine.language.near import near
from rules_engine.services.records.outcome import Outcome

HEADER_WITHIN = 30
"""The header row stands among so many first rows: above it a title, a date, a filter."""
_TOTALS = ("итого", "итог", "всего", "total", "grand total", "сумма")


@dataclass(frozen=True, slots=True)
class Column:
    """One column: the name of our field, the headers that people give it, and how its cells are read.

    A required one must be in the file, and its cells filled unless `may_be_empty`.
    """

    field: str
    headers: tuple[str, ...] = ()
    parse: Parser = cells.text
    required: bool = False
    may_be_empty: bool = False

    @property
    def names(self) -> frozenset[str]:
        return frozenset(folded(name) for name in (self.field, *self.headers))


@dataclass(frozen=True, slots=True)
class Job:
    """How one file is taken in: where it comes from, and what is done with its rows.

    `is_history`: handled elsewhere, nothing is decided. `lays_down`: kept for a replay and not handed in now.
    """

    source: str
    zone: ZoneInfo
    now: datetime
    actor: str
    is_history: bool = False
    lays_down: bool = False


Values = Mapping[str, Any]
"""What a row says, by field; a column that the file does not have is missing, an empty cell is None."""
Take = Callable[[Session, Values, Job], Outcome]
TakeMany = Callable[[Session, Sequence[Values], Job], list[Outcome | PravilaError]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of import. `paths` leads the path of a refused field back to the column it came from.

    `key`: the field that names a row, where one file may say only one thing under a name. `take_many`: some hundred
    rows at once, where one by one would be slow; it says of each row what came of it. `finish`: what is done after the
    last row. `can_be_history`: `--history` means something for it.
    """

    name: str
    columns: tuple[Column, ...]
    take: Take
    paths: Mapping[str, str] = field(default_factory=dict)
    can_lay_down: bool = False
    key: str | None = None
    take_many: TakeMany | None = None
    finish: Callable[[Session, Job], None] | None = None
    can_be_history: bool = False

    def column_of(self, path: str) -> str:
        """Return the field of the column that a path of a form speaks of."""
        whole = path.partition("[")[0]
        return self.paths.get(whole, whole)


@dataclass(frozen=True, slots=True)
class Header:
    """Where each field stands in the rows of a file, under which header, and which columns are not used.

    `width` is the number of cells of the header row.
    """

    row: int
    width: int
    places: Mapping[str, int]
    titles: Mapping[str, str]
    ignored: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row is not taken; `field` is that of the column, None for the row as a whole."""

    field: str | None
    ru: str
    en: str


def folded(name: str) -> str:
    """Return a header without case, doubled spaces and the asterisk of mandatory columns."""
    return " ".join(name.replace("*", " ").replace("\u00a0", " ").split()).casefold()


def find_header(path: Path, kind: Kind, rows: Sequence[Row], mapping: Mapping[str, str]) -> tuple[int, Header]:
    """Return the index of the first row of data and the header above it.

    `mapping`: our field to the header of the file. Raises FileRefused when no row has the columns that are needed.
    """
    best: tuple[int, int, dict[str, int]] | None = None
    for index, row in enumerate(rows[:HEADER_WITHIN]):
        places = _places(kind, row, mapping)
        if best is None or len(places) > best[0]:
            best = (len(places), index, places)
    if best is None or best[0] == 0:
        raise _no_header(path, kind, rows, mapping)
    _, index, places = best
    titles = [str(cell).strip() if cell is not None else "" for cell in rows[index].cells]
    _check_header(path, kind, places, titles, mapping)
    used = set(places.values())
    ignored = tuple(title for place, title in enumerate(titles) if title and place not in used)
    by_field = {name: titles[place] for name, place in places.items()}
    return index + 1, Header(rows[index].number, len(titles), places, by_field, ignored)


def read_cells(kind: Kind, header: Header, row: Row, reading: Reading) -> tuple[dict[str, Any], Refusal | None]:
    """Return what a row says, and why it cannot be taken where a cell cannot be read or a mandatory one is empty."""
    values: dict[str, Any] = {}
    for column in kind.columns:
        place = header.places.get(column.field)
        if place is None:
            continue
        cell: Cell = row.cells[place] if place < len(row.cells) else None
        try:
            values[column.field] = column.parse(cell, reading)
        except cells.CellRefused as problem:
            return values, Refusal(column.field, problem.ru, problem.en)
        if column.required and not column.may_be_empty and values[column.field] in (None, ""):
            return values, Refusal(column.field, "не заполнено", "is empty")
    return values, None


def is_total(kind: Kind, header: Header, row: Row) -> bool:
    """Return whether a row only sums up the rows above: it begins with "Итого" and lacks what a row needs."""
    first = next((cell for cell in row.cells if cell is not None), None)
    if not isinstance(first, str) or not folded(first).rstrip(":. ").startswith(_TOTALS):
        return False
    needed = [header.places[column.field] for column in kind.columns if column.required]
    filled = [place for place in needed if place < len(row.cells) and row.cells[place] not in (None, first)]
    return len(filled) < max(1, len(needed) - 1)


def _places(kind: Kind, row: Row, mapping: Mapping[str, str]) -> dict[str, int]:
    places: dict[str, int] = {}
    titles = [folded(cell) if isinstance(cell, str) else "" for cell in row.cells]
    mapped = {folded(header) for header in mapping.values()}
    for column in kind.columns:
        if column.field in mapping:
            wanted = frozenset({folded(mapping[column.field])})
        else:
            # A column that was mapped to another field is not that of its own name any more.
            wanted = column.names - mapped
        place = next((place for place, title in enumerate(titles) if title in wanted), None)
        if place is not None:
            places[column.field] = place
    return places


def _check_header(
    path: Path, kind: Kind, places: Mapping[str, int], titles: Sequence[str], mapping: Mapping[str, str]
) -> None:
    found = ", ".join(title for title in titles if title)
    for name, header in mapping.items():
        if name not in places:
            raise FileRefused(
                path,
                f"нет колонки «{header}» ({name}); есть: {found}",
                f"has no column “{header}” ({name}), but {found}",
            )
    missing = [column.field for column in kind.columns if column.required and column.field not in places]
    if missing:
        names = ", ".join(missing)
        raise FileRefused(
            path,
            f"не хватает колонок: {names}; есть: {found}; назовите их через --map поле=колонка",
            f"lacks the columns {names}; it has {found}; name them by --map field=column",
        )


def _no_header(path: Path, kind: Kind, rows: Sequence[Row], mapping: Mapping[str, str]) -> FileRefused:
    needed = ", ".join(mapping.get(column.field, column.field) for column in kind.columns if column.required)
    seen = ", ".join(str(cell)[:40] for cell in rows[0].cells[:8] if cell is not None)
    return FileRefused(
        path,
        f"нет строки заголовков, нужны колонки {needed}; первая строка: {seen}",
        f"has no header row; the columns {needed} are needed; its first row: {seen}",
    )


def check_mapping(kind: Kind, mapping: Mapping[str, str]) -> tuple[str, str | None] | None:
    """Return the first mapped field that there is not, with the one that was probably meant; None: all are known."""
    known = [column.field for column in kind.columns]
    for name in mapping:
        if name not in known:
            return name, near(name, known)
    return None
