"""The figures of control for a period: of each manager, of each team, of all together.

A fixed number of queries whatever the number of managers. The waits for a first answer are worked out here, not in the
database: they are minutes of the holder's calendar, which a later change of it may move.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Any

from sqlalchemy import CTE, Select, String, cast, func, literal, select, union_all
from sqlalchemy.orm import Session

from rules_engine.decisions.cherry_picking import Concentration, concentration
from rules_engine.decisions.instants import MINUTE_US
from rules_engine.decisions.working_time import WorkingCalendar
from rules_engine.errors import NotFound
from rules_engine.services.company.reference import ManagerRef, Reference, reference
from rules_engine.services.control import period as control_period
from rules_engine.services.control import rows as control_rows
from rules_engine.services.control.period import Period
from rules_engine.services.measures import callbacks
from rules_engine.services.records.reading import rows


@dataclass(frozen=True, slots=True)
class Counts:
    """What was counted; `waits` are the working microseconds until each first answer, rising.

    `received`: given, less what was taken off as spam or a duplicate. `owed`: requests that he was given and still has
    to answer for; `processed` and `paid` are parts of them, by the end of the period. `given`: all he was handed,
    `marked` of them spam or duplicates. `due`: answers due in the period, `in_time` of them; `answered`, `by_hand`
    (marked by hand), `line_busy` (he asked for more time) too. `overdue`: at this moment. `calls_due`, `calls_met`:
    planned calls due in the period, and made by then.
    """

    received: int = 0
    owed: int = 0
    processed: int = 0
    paid: int = 0
    taken: int = 0
    given: int = 0
    marked: int = 0
    due: int = 0
    in_time: int = 0
    answered: int = 0
    by_hand: int = 0
    line_busy: int = 0
    overdue: int = 0
    calls_due: int = 0
    calls_met: int = 0
    waits: tuple[int, ...] = field(default=(), repr=False)

    @property
    def median_minutes(self) -> Fraction | None:
        """Return the median of the first answer in working minutes; None where nobody was answered."""
        if not self.waits:
            return None
        half = len(self.waits) // 2
        middle = self.waits[half] + self.waits[-half - 1]
        return Fraction(middle, 2 * MINUTE_US)

    @property
    def p90_minutes(self) -> Fraction | None:
        """Return the shortest wait, in working minutes, that 90 % of the first answers did not exceed."""
        if not self.waits:
            return None
        return Fraction(self.waits[-(-len(self.waits) * 9 // 10) - 1], MINUTE_US)

    @property
    def is_any(self) -> bool:
        """Return whether anything happened in the period; what is overdue now says nothing about it."""
        return any(getattr(self, name) for name in _SUMMED if name != "overdue")


_SUMMED = (
    "received", "owed", "processed", "paid", "taken", "given", "marked", "due", "in_time", "answered", "by_hand",
    "line_busy", "overdue", "calls_due", "calls_met",
)  # fmt: skip

_BY_MANAGER, _BY_SIZE = 1, 2
"""Which part of a statement a row is of."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of a period by manager and by present team (None: those without one), and of all together.

    `sizes`: how many were processed of five equal groups of requests, from small to large; fewer below five requests.
    `indices`: the cherry-picking index by manager, where it was asked for; who has processed nothing has none.
    """

    period: Period
    managers: Mapping[int, Counts]
    teams: Mapping[int | None, Counts]
    total: Counts
    sizes: tuple["Size", ...]
    indices: Mapping[int, Concentration] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Size:
    """One of five equal groups of requests, 1 (small) to 5 (large); values from `low_minor` to `high_minor`."""

    size: int
    requests: int
    processed: int
    low_minor: int
    high_minor: int

    @property
    def share(self) -> Fraction:
        return Fraction(self.processed, self.requests)

    @property
    def of_hundred(self) -> int:
        """Return how many of 100 such requests were processed, rounded down."""
        return 100 * self.processed // self.requests


def month_figures(session: Session, month: str, now: datetime, *, team: str | None = None) -> Figures:
    """Return the figures of a month such as `2026-10`, up to `now` where it is not over.

    Raises InputError for what is no month, NotFound for an unknown team.
    """
    return figures(session, control_period.month(session, month), now, ids=members(session, team))


def members(session: Session, team: str | None) -> list[int] | None:
    """Return the present members of a team by its code; None for None: everybody. Raises NotFound."""
    if team is None:
        return None
    picture = reference(session)
    found = picture.team_by_code(team)
    if found is None:
        raise NotFound(what=team)
    return [one.id for one in picture.managers.values() if one.team_id == found.id]


def figures(
    session: Session,
    period: Period,
    now: datetime,
    *,
    ids: Collection[int] | None = None,
    with_indices: bool = False,
) -> Figures:
    """Return the figures of a period for these managers (None: all who had anything, or were there); five queries."""
    control_rows.prepare(session)
    picture = reference(session)
    counted: dict[int, dict[str, Any]] = defaultdict(dict)
    sums, sizes, values = _sums_and_sizes(session, period, now, ids, with_values=with_indices)
    for found in (sums, _answers(session, picture, period, now, ids)):
        for manager_id, of_manager in found.items():
            counted[manager_id].update(of_manager)
    late = control_rows.late_now(now, ids)
    by_manager = select(late.c.manager_id, func.count()).group_by(late.c.manager_id)
    for manager_id, number in rows(session, by_manager, {}):
        counted[manager_id]["overdue"] = number
    for manager_id, calls in callbacks.calls(session, period.as_month, period.until(now), ids).items():
        counted[manager_id].update(calls_due=calls.due, calls_met=calls.done_of_due)
    managers = {
        one.id: Counts(**counted.get(one.id, {}))
        for one in picture.managers.values()
        if (ids is None or one.id in ids) and (one.id in counted or was_there(one, period))
    }
    by_team: dict[int | None, list[Counts]] = defaultdict(list)
    for manager_id, counts in managers.items():
        by_team[picture.manager(manager_id).team_id].append(counts)
    return Figures(
        period,
        managers,
        {team_id: together(of_team) for team_id, of_team in by_team.items()},
        together(managers.values()),
        sizes,
        {manager_id: index for manager_id, text in values.items() if (index := _index(text)) is not None},
    )


def together(parts: Iterable[Counts]) -> Counts:
    """Return the counts of several managers as one."""
    parts = list(parts)
    waits = sorted(wait for part in parts for wait in part.waits)
    return Counts(**{name: sum(getattr(part, name) for part in parts) for name in _SUMMED}, waits=tuple(waits))


def sizes(session: Session, period: Period, now: datetime, *, ids: Collection[int] | None = None) -> tuple[Size, ...]:
    """Return how many were processed of five equal groups of requests; `figures` has it too."""
    control_rows.prepare(session)
    return tuple(_sizes(rows(session, _size_query(control_rows.facts(period, now, ids)), {})))


def unassigned(session: Session, period: Period, now: datetime) -> int:
    """Return how many requests came in the period that nobody has been given."""
    return session.scalar(control_rows.nobodys(period, now)) or 0


def _sums_and_sizes(
    session: Session, period: Period, now: datetime, ids: Collection[int] | None, *, with_values: bool
) -> tuple[dict[int, dict[str, int]], tuple[Size, ...], dict[int, str]]:
    """Return what is summed by manager, the five groups, and by manager the values that his index is counted from.

    One statement, so that the facts are found once. The values are a text `value:processed:value:processed`.
    """
    found = control_rows.facts(period, now, ids)
    owed, number = control_rows.is_received(found), func.count()
    worth = cast(found.c.value, String) + ":" + cast(found.c.is_processed, String)
    counted = func.aggregate_strings(worth, ":").filter(control_rows.is_ranked(found))
    sums = select(
        literal(_BY_MANAGER),
        found.c.manager_id,
        func.sum(found.c.net),
        number.filter(owed),
        number.filter(owed, found.c.is_processed == 1),
        number.filter(owed, found.c.is_paid == 1),
        func.sum(found.c.was_taken),
        func.sum(found.c.was_given),
        number.filter(found.c.was_given == 1, found.c.is_marked == 1),
        counted if with_values else literal(""),
    ).group_by(found.c.manager_id)
    groups = _size_query(found).subquery()
    nothing = (literal(0),) * 3
    by_size = select(literal(_BY_SIZE), *groups.c, *nothing, literal(""))
    names = ("received", "owed", "processed", "paid", "taken", "given", "marked")
    by_manager, size_rows, values = {}, [], {}
    for kind, *row in rows(session, select(union_all(sums, by_size).subquery()), {}):
        if kind == _BY_MANAGER:
            by_manager[row[0]] = {name: int(value) for name, value in zip(names, row[1:-1], strict=True)}
            if row[-1]:
                values[row[0]] = row[-1]
        else:
            size_rows.append(row[:5])
    return by_manager, tuple(_sizes(sorted(size_rows))), values


def _index(values: str) -> Concentration | None:
    """Return the index of what `_sums_and_sizes` says of a manager; None where nothing was processed."""
    numbers = [int(number) for number in values.split(":")]
    return concentration((value, 1, done) for value, done in zip(numbers[::2], numbers[1::2], strict=True))


def _size_query(found: CTE) -> Select[*tuple[Any, ...]]:
    """Return by size: how many, how many processed, the lowest and the highest value."""
    sized = control_rows.sized(found)
    return (
        select(
            sized.c.size,
            func.count().label("requests"),
            func.sum(sized.c.is_processed).label("processed"),
            func.min(sized.c.value).label("low_minor"),
            func.max(sized.c.value).label("high_minor"),
        )
        .group_by(sized.c.size)
        .order_by(sized.c.size)
    )


def _sizes(found: Iterable[Sequence[Any]]) -> Iterator[Size]:
    for size, requests, processed, low_minor, high_minor in found:
        yield Size(size, requests, int(processed), int(low_minor), int(high_minor))


def _answers(
    session: Session, picture: Reference, period: Period, now: datetime, ids: Collection[int] | None
) -> dict[int, dict[str, Any]]:
    found = control_rows.answers(period, now, ids)
    # A text for each manager, not a row for each answer: a hundred thousand rows cost ten times as much.
    span = cast(found.c.assigned, String) + ":" + cast(found.c.answered, String)
    query = select(
        found.c.manager_id,
        func.count().label("due"),
        func.sum(found.c.is_in_time).label("in_time"),
        func.sum(found.c.is_line_busy).label("line_busy"),
        func.count(found.c.answered).label("answered"),
        func.aggregate_strings(span, ":").label("spans"),
    ).group_by(found.c.manager_id)
    marked = rows(session, control_rows.by_hand(period, now, ids), {})
    by_hand = {row.manager_id: row.number for row in marked}
    return {
        row.manager_id: {
            "due": row.due,
            "in_time": int(row.in_time),
            "line_busy": int(row.line_busy),
            "answered": row.answered,
            "by_hand": by_hand.get(row.manager_id, 0),
            "waits": _waits(picture.calendar_of(row.manager_id), row.spans),
        }
        for row in rows(session, query, {})
    }


def _waits(calendar: WorkingCalendar, spans: str | None) -> tuple[int, ...]:
    """Return the working microseconds of each span (`from:to:from:to`), rising."""
    edges = [int(edge) for edge in spans.split(":")] if spans else []
    return tuple(sorted(calendar.elapsed_each_us(list(zip(edges[::2], edges[1::2], strict=True)))))


def was_there(one: ManagerRef, period: Period) -> bool:
    """Return whether he worked for the company on any day of the period, as far as it is known."""
    if not one.is_user_active and one.left_at is None:
        return False
    is_hired = one.hired_at is None or one.hired_at < period.end
    return is_hired and (one.left_at is None or one.left_at > period.start)
