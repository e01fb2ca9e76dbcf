"""What a client's payments say: how often he buys, when he will need us again, what he usually pays, new or old.

Days are proleptic ordinals of dates in the business zone. A purchase is a payment that was not paid back wholly; one
of zero (an order that cost nothing) is a purchase day too, but brings no money and makes nobody an old client.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from statistics import median_low
from typing import Final

from rules_engine.decisions.clocks import Clock, DaysApart, DaysRatio, Fixed
from rules_engine.decisions.instants import DAY_US, from_us
from rules_engine.decisions.working_time import WorkingCalendar

MIN_DAYS: Final = 3
"""So many purchase days make an interval of one's own."""
MIN_PEERS: Final = 5
"""So many clients with an interval of their own make one for the others."""
YEAR_US: Final = 365 * DAY_US


@dataclass(frozen=True, slots=True)
class Paid:
    """One payment of a client; a refund is below zero and may name what it pays back."""

    id: int
    day: int
    at_us: int
    amount_minor: int
    service: str | None = None
    reverses_id: int | None = None


@dataclass(frozen=True, slots=True)
class Interval:
    """The usual days between two purchases, and the last purchase from which the next need is reckoned."""

    days: int
    from_day: int


@dataclass(frozen=True, slots=True)
class Norms:
    """The median interval of other clients, for those with too few purchases: by service, by segment, of all."""

    by_service: Mapping[str, int] = field(default_factory=dict)
    by_segment: Mapping[str, int] = field(default_factory=dict)
    of_all: int | None = None

    def for_client(self, service: str | None, segment: str | None) -> int | None:
        """Return the norm nearest to a client; None: too few clients have an interval of their own."""
        found = self.by_service.get(service) if service else None
        if found is None and segment:
            found = self.by_segment.get(segment)
        return self.of_all if found is None else found


@dataclass(frozen=True, slots=True)
class ClientMoney:
    """What is known of a client's payments at one instant.

    `payments_count`: payments above zero that were not paid back wholly. `revenue_*`: refunds taken off; None where he
    never paid. `purchase_days` rise, each once. `first_paid_at`: his first payment above zero, paid back or not;
    `first_paid_in_group_at`: that of his group of firms, his own where he has none. `silence_before_payment_days`:
    between his last two purchase days. `need_from_day`: the purchase from which the next need is reckoned;
    `has_own_interval` False: the interval is that of others like him.
    """

    payments_count: int = 0
    revenue_total: int | None = None
    revenue_365d: int | None = None
    average_payment: int | None = None
    first_paid_at: datetime | None = None
    first_paid_in_group_at: datetime | None = None
    last_paid_at: datetime | None = None
    last_payment_id: int | None = None
    purchase_days: tuple[int, ...] = ()
    silence_before_payment_days: int | None = None
    usual_interval_days: int | None = None
    need_from_day: int | None = None
    has_own_interval: bool = False

    @property
    def last_day(self) -> int | None:
        """The last purchase day."""
        return self.purchase_days[-1] if self.purchase_days else None

    def clock(self, name: str, calendar: WorkingCalendar) -> Clock:
        """Return the clock of `days_since_last_payment`, `overdue_ratio` or `expected_need_in_days`."""
        if self.last_day is None:
            return Fixed(None)
        if name == "days_since_last_payment":
            return DaysApart(calendar, self.last_day)
        if self.usual_interval_days is None or self.need_from_day is None:
            return Fixed(None)
        if name == "overdue_ratio":
            return DaysRatio(calendar, self.last_day, self.usual_interval_days)
        return DaysApart(calendar, self.need_from_day + self.usual_interval_days, is_until=True)


def purchases(rows: Iterable[Paid]) -> list[Paid]:
    """Return the payments that were not paid back wholly, by instant and id."""
    rows = list(rows)
    paid_back: Counter[int] = Counter()
    for row in rows:
        if row.amount_minor < 0 and row.reverses_id is not None:
            paid_back[row.reverses_id] -= row.amount_minor
    stand = [row for row in rows if row.amount_minor == 0 or row.amount_minor > paid_back[row.id]]
    return sorted((row for row in stand if row.amount_minor >= 0), key=lambda row: (row.at_us, row.id))


def median_gap(days: Sequence[int]) -> int | None:
    """Return the median gap between rising days; the half of an even number of gaps is rounded up. None under three.

    >>> median_gap([1, 11, 31]), median_gap([1, 11, 31, 61]), median_gap([1, 11])
    (15, 20, None)
    """
    if len(days) < MIN_DAYS:
        return None
    gaps = sorted(later - earlier for earlier, later in pairwise(days))
    middle = len(gaps) // 2
    return gaps[middle] if len(gaps) % 2 else (gaps[middle - 1] + gaps[middle] + 1) // 2


def own_interval(bought: Sequence[Paid]) -> Interval | None:
    """Return the interval of the service that the client buys most often; None with too few purchases.

    Of services bought equally often that of the latest purchase. Where no single service has enough purchase days, all
    of them together may.
    """
    by_service: dict[str | None, set[int]] = {}
    for row in bought:
        by_service.setdefault(row.service, set()).add(row.day)
    often = max(by_service.items(), key=lambda found: (len(found[1]), max(found[1]), found[0] or ""), default=None)
    for days in (often[1] if often else set(), {row.day for row in bought}):
        rising = sorted(days)
        gap = median_gap(rising)
        if gap is not None:
            return Interval(gap, rising[-1])
    return None


def money_of(
    rows: Iterable[Paid],
    now_us: int,
    *,
    segment: str | None = None,
    norms: Norms | None = None,
    first_paid_in_group_at: datetime | None = None,
) -> ClientMoney:
    """Return what a client's payments up to `now_us` say."""
    known = [row for row in rows if row.at_us <= now_us]
    bought = purchases(known)
    if not known:
        return ClientMoney(first_paid_in_group_at=first_paid_in_group_at)
    above_zero = [row for row in bought if row.amount_minor > 0]
    days = tuple(sorted({row.day for row in bought}))
    total = sum(row.amount_minor for row in known)
    interval = own_interval(bought)
    has_own = interval is not None
    if interval is None and bought and norms is not None:
        norm = norms.for_client(bought[-1].service, segment)
        interval = Interval(norm, days[-1]) if norm is not None else None
    first_us = min((row.at_us for row in known if row.amount_minor > 0), default=None)
    first = from_us(first_us) if first_us is not None else None
    kept = {row.id for row in above_zero}
    net = sum(row.amount_minor for row in known if row.id in kept or row.reverses_id in kept)
    return ClientMoney(
        payments_count=len(above_zero),
        revenue_total=total,
        revenue_365d=sum(row.amount_minor for row in known if row.at_us > now_us - YEAR_US),
        average_payment=(2 * net + len(above_zero)) // (2 * len(above_zero)) if above_zero else None,
        first_paid_at=first,
        first_paid_in_group_at=first_paid_in_group_at or first,
        last_paid_at=from_us(bought[-1].at_us) if bought else None,
        last_payment_id=bought[-1].id if bought else None,
        purchase_days=days,
        silence_before_payment_days=days[-1] - days[-2] if len(days) > 1 else None,
        usual_interval_days=interval.days if interval else None,
        need_from_day=interval.from_day if interval else None,
        has_own_interval=has_own,
    )


def norms_of(clients: Iterable[tuple[str | None, Sequence[Paid]]]) -> Norms:
    """Return the norms that clients (segment, payments) with an interval of their own make for the others."""
    by_service: dict[str, list[int]] = {}
    by_segment: dict[str, list[int]] = {}
    of_all: list[int] = []
    for segment, rows in clients:
        bought = purchases(rows)
        interval = own_interval(bought)
        if interval is None:
            continue
        of_all.append(interval.days)
        if segment:
            by_segment.setdefault(segment, []).append(interval.days)
        for service in {row.service for row in bought if row.service}:
            of_service = own_interval([row for row in bought if row.service == service])
            if of_service is not None:
                by_service.setdefault(service, []).append(of_service.days)
    return Norms(_medians(by_service), _medians(by_segment), _median(of_all))


def window_start(days: Sequence[int], day: int, new_again_after: int = 0) -> int | None:
    """Return the first purchase day of the time in which a client is new, as seen on `day`.

    `days` are those on which his group paid, rising. `new_again_after`: so many silent days make him new again; 0:
    never. None: nobody of the group has paid by then.
    """
    seen = days[: bisect_right(days, day)]
    if not seen:
        return None
    start = seen[0]
    if new_again_after > 0:
        for earlier, later in pairwise(seen):
            if later - earlier >= new_again_after:
                start = later
    return start


def is_new_money(days: Sequence[int], day: int, *, new_days: int, new_again_after: int = 0) -> bool:
    """Return whether a payment on `day` is new money: at most `new_days` after the first payment of the group.

    A group that has not paid before `day` is new on it.

    >>> is_new_money([100], 160, new_days=60), is_new_money([100], 161, new_days=60)
    (True, False)
    >>> is_new_money([100, 500], 520, new_days=60), is_new_money([100, 500], 520, new_days=60, new_again_after=365)
    (False, True)
    """
    start = window_start(days, day, new_again_after)
    return start is None or day - start <= new_days


def _medians(found: Mapping[str, Sequence[int]]) -> dict[str, int]:
    return {name: norm for name, intervals in found.items() if (norm := _median(intervals)) is not None}


def _median(intervals: Sequence[int]) -> int | None:
    return median_low(intervals) if len(intervals) >= MIN_PEERS else None
