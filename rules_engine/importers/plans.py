"""Payment plans from a file: one row a manager and month."""

import re
from datetime import date, datetime
from typing import Final

from sqlalchemy.orm import Session

from rules_engine.decisions.proration import month_of
from rules_engine.importers import cells
from rules_engine.importers.cells import CellRefused, Reading
from rules_engine.importers.columns import Column, Job, Kind, Values
from rules_engine.importers.tabular import Cell
from rules_engine.services.money import plans
from rules_engine.services.money.incoming_money import PlanIn
from rules_engine.services.records.forms import read
from rules_engine.services.records.outcome import Outcome

_MONTHS: Final = (
    ("янв", "jan"), ("фев", "feb"), ("мар", "mar"), ("апр", "apr"), ("ма", "may"), ("июн", "jun"), ("июл", "jul"),
    ("авг", "aug"), ("сен", "sep"), ("окт", "oct"), ("ноя", "nov"), ("дек", "dec"),
)  # fmt: skip
_NUMBERED: Final = re.compile(r"(?:(\d{4})[-./](\d{1,2})|(\d{1,2})[-./](\d{4}))")
_NAMED: Final = re.compile(r"([^\W\d_]+)\.?\s+(\d{4})(?:\s*(?:г\.?|год))?")


def period(cell: Cell, reading: Reading) -> str | None:
    """Return a month as `2026-10`; takes `10.2026`, `01.10.2026`, `октябрь 2026` and dates of a workbook."""
    if cell is None or cell == "":
        return None
    if isinstance(cell, str):
        written = " ".join(cell.split()).casefold()
        if found := _NUMBERED.fullmatch(written):
            year, month = (found[1], found[2]) if found[1] else (found[4], found[3])
            return _month(cell, int(year), int(month))
        if found := _NAMED.fullmatch(written):
            return _month(cell, int(found[2]), _named(found[1]))
    day = cells.day(cell, reading)
    return month_of(day) if isinstance(day, date | datetime) else None


def take(session: Session, values: Values, job: Job) -> Outcome:
    """Put one plan."""
    _, outcome = plans.put_plan(session, read(PlanIn, dict(values)), now=job.now, actor=job.actor)
    return outcome


def _named(word: str) -> int:
    # «мая» begins like no other month than «март», which comes before it in the list.
    return next((n for n, starts in enumerate(_MONTHS, 1) if word.startswith(starts)), 0)


def _month(cell: str, year: int, month: int) -> str:
    if not 1 <= month <= 12:
        raise CellRefused(f"«{cell[:60]}» не месяц", f"{cell[:60]!r} is no month")
    return f"{year:04d}-{month:02d}"


KIND = Kind(
    "plans",
    (
        Column("period", ("период", "месяц"), period, required=True),
        Column("manager", ("менеджер", "сотрудник", "ответственный"), required=True),
        Column(
            "new",
            ("новые", "план новые", "план по новым", "новые клиенты"),
            cells.amount,
            required=True,
            may_be_empty=True,
        ),
        Column(
            "old",
            ("старые", "повторные", "план старые", "план по старым", "старые клиенты"),
            cells.amount,
            required=True,
            may_be_empty=True,
        ),
        Column("callbacks", ("звонки", "план звонков", "плановые звонки"), cells.whole),
        Column("reason", ("причина", "основание")),
    ),
    take,
)
