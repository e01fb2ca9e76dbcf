"""Which client came back because of a call: silent for long, called, and then he paid."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rules_engine.decisions.instants import DAY_US


@dataclass(frozen=True, slots=True)
class Call:
    """A valid contact of a planned call, in microseconds, by a manager."""

    at: int
    manager_id: int


@dataclass(frozen=True, slots=True)
class CameBack:
    """The instant of the payment that reached the sum, who called last before it, and what came since his call."""

    at: int
    manager_id: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Terms:
    """Silent for `silent_days` before the call; `least_minor` paid within `within_days` after it."""

    silent_days: int = 180
    within_days: int = 45
    least_minor: int = 300_000


def came_back(calls: Iterable[Call], payments: Sequence[tuple[int, int]], terms: Terms) -> CameBack | None:
    """Return the first return of a client, None where there is none.

    `payments` are (instant, kopecks) by rising instant, refunds below zero. Who never paid before the call is no
    returning client. Of several calls before the same payment the last one brought it.
    """
    found: CameBack | None = None
    for call in sorted(calls, key=lambda one: one.at):
        reached = _reached(call, payments, terms)
        if reached is None:
            continue
        if found is None or reached.at <= found.at:
            found = reached
    return found


def _reached(call: Call, payments: Sequence[tuple[int, int]], terms: Terms) -> CameBack | None:
    before = [at for at, amount in payments if at <= call.at and amount > 0]
    if not before or before[-1] > call.at - terms.silent_days * DAY_US:
        return None
    total = 0
    for at, amount in payments:
        if call.at < at <= call.at + terms.within_days * DAY_US:
            total += amount
            if total >= terms.least_minor:
                return CameBack(at, call.manager_id, total)
    return None
