"""The clocks of one request: since it was received, handed over, answered; its people; the company's wall clock."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from rules_engine.decisions.client_intervals import ClientMoney
from rules_engine.decisions.clocks import (
    Away,
    BackIn,
    Clock,
    DaysApart,
    Elapsed,
    Fixed,
    OpenNow,
    TurnsTrue,
    UsedShare,
    WallDate,
    WallHour,
    WallWeekday,
    WorkingDays,
)
from rules_engine.decisions.instants import MINUTE_US, Interval
from rules_engine.decisions.working_time import WorkingCalendar
from rules_engine.language.values import Canonical

#: How often a rule is looked at whose truth other rows can change.
GRID_MINUTES: Final = 15


@dataclass(frozen=True, slots=True)
class RequestTimes:
    """What is stored of a request's instants (UTC microseconds) and the calendars they are counted in.

    `holder` is the present holder's calendar, absences out and duty in; None while nobody has the request.
    `owner` is the calendar of the client's owner as if he were never away, `owner_absences` (merged) are apart.
    During `pauses` (merged) the holder's clocks stand still, and before `line_until_us` nothing is taken from him: he
    has the client on the line. Whether he answered in time is told by `answer_due_us`, which neither moves.
    `first_answer_us` is the first answer after the present assignment. Days are ordinals of local dates. `money`: what
    the client paid, None where nobody asked.
    """

    company: WorkingCalendar
    received_us: int
    holder: WorkingCalendar | None = None
    assigned_us: int | None = None
    answer_within: int | None = None
    answer_due_us: int | None = None
    first_answer_us: int | None = None
    last_activity_us: int | None = None
    waiting_since_us: int | None = None
    pauses: tuple[Interval, ...] = ()
    line_until_us: int | None = None
    owner: WorkingCalendar | None = None
    owner_absences: tuple[Interval, ...] = ()
    last_contact_day: int | None = None
    contract_ends_day: int | None = None
    money: ClientMoney | None = None


_EMPTY: Final = Fixed(None)


def _since_received(times: RequestTimes) -> Clock:
    return Elapsed(times.company, times.received_us)


def _since_assigned(times: RequestTimes) -> Clock:
    return _holders_clock(times, times.assigned_us)


def _without_answer(times: RequestTimes) -> Clock:
    return _EMPTY if times.first_answer_us is not None else _since_assigned(times)


def _since_activity(times: RequestTimes) -> Clock:
    if times.assigned_us is None:
        return _EMPTY
    return _holders_clock(times, max(times.assigned_us, times.last_activity_us or times.assigned_us))


def _answer_used(times: RequestTimes) -> Clock:
    elapsed = _without_answer(times)
    if not isinstance(elapsed, Elapsed) or not times.answer_within:
        return _EMPTY
    return UsedShare(elapsed, times.answer_within)


def _is_past(times: RequestTimes) -> Clock:
    """At the due instant an answer is still in time; the first whole minute after it is past."""
    if times.assigned_us is None or times.answer_due_us is None:
        return _EMPTY
    if times.first_answer_us is not None:
        return Fixed(times.first_answer_us > times.answer_due_us)
    return TurnsTrue(times.answer_due_us + MINUTE_US)


def _waiting_days(times: RequestTimes) -> Clock:
    if times.waiting_since_us is None:
        return _EMPTY
    return WorkingDays(times.holder or times.company, times.waiting_since_us)


def _holders_clock(times: RequestTimes, start: int | None) -> Clock:
    if start is None or times.holder is None:
        return _EMPTY
    return Elapsed(times.holder, start, times.pauses)


def _money(name: str) -> Callable[[RequestTimes], Clock]:
    return lambda times: times.money.clock(name, times.company) if times.money is not None else _EMPTY


def _days(calendar: WorkingCalendar, day: int | None, *, is_until: bool) -> Clock:
    return _EMPTY if day is None else DaysApart(calendar, day, is_until)


_MAKERS: Final[Mapping[str, Callable[[RequestTimes], Clock]]] = {
    "request.working_minutes_since_received": _since_received,
    "request.working_minutes_since_assigned": _since_assigned,
    "request.working_minutes_without_answer": _without_answer,
    "request.working_minutes_since_activity": _since_activity,
    "request.answer_used_pct": _answer_used,
    "request.is_past_answer_time": _is_past,
    "request.waiting_client_days": _waiting_days,
    "request.working_days_open": lambda times: WorkingDays(times.company, times.received_us),
    "client.days_since_last_contact": lambda times: _days(times.company, times.last_contact_day, is_until=False),
    "client.days_since_last_payment": _money("days_since_last_payment"),
    "client.overdue_ratio": _money("overdue_ratio"),
    "client.expected_need_in_days": _money("expected_need_in_days"),
    "client.contract_ends_in_days": lambda times: _days(times.company, times.contract_ends_day, is_until=True),
    # Of a planned call alone: see callback_clocks.py.
    "item.working_days_overdue": lambda _: _EMPTY,
    "manager.is_working_now": lambda times: OpenNow(times.holder) if times.holder else _EMPTY,
    "owner.is_absent": lambda times: Away(times.owner_absences) if times.owner else _EMPTY,
    "owner.back_in_working_minutes": lambda times: (
        BackIn(times.owner, Away(times.owner_absences)) if times.owner else _EMPTY
    ),
    "now.weekday": lambda times: WallWeekday(times.company),
    "now.hour": lambda times: WallHour(times.company),
    "now.day_of_month": lambda times: WallDate(times.company, is_month=False),
    "now.month": lambda times: WallDate(times.company, is_month=True),
    "now.is_working_time": lambda times: OpenNow(times.company),
}

#: The fields that these clocks provide.
CLOCK_FIELDS: Final = frozenset(_MAKERS)


class RequestClocks:
    """The clocks of one request by field, each made when first asked for."""

    def __init__(self, times: RequestTimes) -> None:
        self.times = times
        self._made: dict[str, Clock] = {}

    def clock(self, field: str) -> Clock:
        """Return the clock of a field; one that stands still and shows nothing where the field has none."""
        made = self._made.get(field)
        if made is None:
            maker = _MAKERS.get(field)
            made = self._made[field] = maker(self.times) if maker else _EMPTY
        return made

    def facts_at(self, us: int, fields: Iterable[str]) -> dict[str, Canonical | None]:
        """Return the canonical values of those of `fields` that are clocks, at an instant."""
        return {field: self.clock(field).value_at(us) for field in fields if field in _MAKERS}

    @property
    def repeats_in(self) -> WorkingCalendar:
        """The calendar in which `repeat_every` counts: the holder's, the company's while there is none."""
        return self.times.holder or self.times.company

    @property
    def grid_minutes(self) -> int:
        """How often a rule is looked at whose truth other rows can change."""
        return GRID_MINUTES

    @property
    def grid_start_us(self) -> int:
        """Where the grid for conditions moved by others begins: at the assignment, else at arrival."""
        return self.times.received_us if self.times.assigned_us is None else self.times.assigned_us
