"""A file goes through: rows in transactions of some hundreds, each in a savepoint, so that a bad one stops nothing."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sqlalchemy.orm import Session, sessionmaker

from rules_engine.errors import InputError, PravilaError
from rules_engine.importers import absences, clients, contacts, managers, payments, plans, requests
from rules_engine.importers.cells import Reading
from rules_engine.importers.columns import (
    Header,
    Job,
    Kind,
    Refusal,
    Values,
    check_mapping,
    find_header,
    is_total,
    read_cells,
)
from rules_engine.importers.report import Rejection, Report
from rules_engine.importers.tabular import FileRefused, Row, read_rows
from rules_engine.services.records.forms import InvalidForm
from rules_engine.services.records.outcome import Outcome

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (managers.KIND, clients.KIND, requests.KIND, contacts.KIND, payments.KIND, plans.KIND, absences.KIND)
}
BATCH = 500


def import_file(
    sessions: sessionmaker[Session],
    kind: Kind,
    path: Path,
    job: Job,
    *,
    mapping: Mapping[str, str] | None = None,
    dry_run: bool = False,
) -> Report:
    """Take a file in and return what came of it; with `dry_run` nothing stays, and the report is the same.

    Raises FileRefused for a file that is no table of this kind, InputError for a mapping of an unknown field.
    """
    mapping = mapping or {}
    wrong = check_mapping(kind, mapping)
    if wrong is not None:
        name, meant = wrong
        known = meant or ", ".join(column.field for column in kind.columns)
        raise InputError(path=f"--map {name}", ru=f"нет такого поля; есть {known}", en=f"is no field; there is {known}")
    header, rows = _choose_reading(path, kind, mapping)
    report = Report(ignored=header.ignored, is_dry_run=dry_run)
    seen: dict[object, tuple[int, Values]] = {}
    if dry_run:
        # One transaction: a later row must find what an earlier one would have stored.
        with sessions() as session, session.begin() as transaction:
            for batch in _batches(rows):
                _take_all(session, kind, header, batch, job, report, seen)
            if kind.finish is not None:
                kind.finish(session, job)
            transaction.rollback()
        return report
    for batch in _batches(rows):
        with sessions() as session, session.begin():
            _take_all(session, kind, header, batch, job, report, seen)
    if kind.finish is not None and report.created + report.updated:
        with sessions() as session, session.begin():
            kind.finish(session, job)
    return report


def _choose_reading(path: Path, kind: Kind, mapping: Mapping[str, str]) -> tuple[Header, Sequence[Row]]:
    """Return the header and the rows below it, by the delimiter under which most columns are recognised."""
    best: tuple[int, Header, Sequence[Row]] | None = None
    refused: FileRefused | None = None
    for rows in read_rows(path):
        try:
            start, header = find_header(path, kind, rows, mapping)
        except FileRefused as problem:
            refused = refused or problem
            continue
        if best is None or len(header.places) > best[0]:
            best = (len(header.places), header, rows[start:])
    if best is None:
        raise refused or FileRefused(path, "в файле нет строк", "the file has no rows")
    return best[1], best[2]


def _take_all(
    session: Session,
    kind: Kind,
    header: Header,
    rows: Sequence[Row],
    job: Job,
    report: Report,
    seen: dict[object, tuple[int, Values]],
) -> None:
    reading = Reading(job.zone)
    good: list[tuple[Row, Values]] = []
    for row in rows:
        if is_total(kind, header, row):
            continue
        report.read += 1
        values, refused = read_cells(kind, header, row, reading)
        if refused is None:
            refused = _misplaced(header, row) or _repeated(kind, row, values, seen)
        if refused is not None:
            report.rejected.append(_rejection(header, row, refused))
            continue
        if kind.take_many is not None:
            good.append((row, values))
            continue
        try:
            with session.begin_nested():
                outcome = kind.take(session, values, job)
        except PravilaError as problem:
            report.rejected.append(_rejection(header, row, _refusal(kind, problem)))
        else:
            report.count(outcome)
    if kind.take_many is not None:
        _count_many(kind, header, good, kind.take_many(session, [values for _, values in good], job), report)
        report.rejected.sort(key=lambda one: one.row)


def _count_many(
    kind: Kind,
    header: Header,
    rows: Sequence[tuple[Row, Values]],
    outcomes: Sequence[Outcome | PravilaError],
    report: Report,
) -> None:
    for (row, _), outcome in zip(rows, outcomes, strict=True):
        if isinstance(outcome, PravilaError):
            report.rejected.append(_rejection(header, row, _refusal(kind, outcome)))
        else:
            report.count(outcome)


def _misplaced(header: Header, row: Row) -> Refusal | None:
    """Refuse a line with more cells than the header: by an unquoted comma everything in it may be shifted."""
    if row.is_delimited and any(cell is not None for cell in row.cells[header.width :]):
        return Refusal(None, "ячеек больше, чем колонок", "has more cells than there are columns")
    return None


def _repeated(kind: Kind, row: Row, values: Values, seen: dict[object, tuple[int, Values]]) -> Refusal | None:
    """Refuse a row that says something else under a name that the file has used already."""
    if kind.key is None:
        return None
    first, said = seen.setdefault(values[kind.key], (row.number, values))
    if said == values:
        return None
    return Refusal(
        kind.key,
        f"уже есть в строке {first} с другим содержанием",
        f"stands in row {first} with another content",
    )


def _refusal(kind: Kind, problem: PravilaError) -> Refusal:
    if isinstance(problem, InvalidForm):
        first = problem.problems[0]
        return Refusal(kind.column_of(first.path), first.ru, first.en)
    if isinstance(problem, InputError):
        return Refusal(kind.column_of(problem.path), str(problem.data["ru"]), str(problem.data["en"]))
    return Refusal(None, problem.message("ru"), problem.message("en"))


def _rejection(header: Header, row: Row, refusal: Refusal) -> Rejection:
    column = header.titles.get(refusal.field, refusal.field) if refusal.field is not None else None
    return Rejection(row.number, column, refusal.ru, refusal.en)


def _batches(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    return (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))
