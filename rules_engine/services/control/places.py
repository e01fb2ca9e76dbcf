"""Where a manager stands among those of his team: a range of places, never a name and never an exact place."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Final

from sqlalchemy.orm import Session

from rules_engine.services.company.reference import reference
from rules_engine.services.control import control
from rules_engine.services.control.period import Period

FEWEST: Final = 4
"""In a smaller team a range would give somebody away."""


@dataclass(frozen=True, slots=True)
class Place:
    """His share of `figure` (`in_time`, `processed`), and between which places of how many he stands by it."""

    figure: str
    share: Fraction
    first: int
    last: int
    of: int


def places(session: Session, manager_id: int, period: Period, now: datetime) -> list[Place]:
    """Return his places in a period; none for figures that he, or too many of his team, do not have yet."""
    picture = reference(session)
    team_id = picture.manager(manager_id).team_id
    mates = [one.id for one in picture.managers.values() if one.team_id == team_id]
    if team_id is None or len(mates) < FEWEST:
        return []
    found = control.figures(session, period, now, ids=mates).managers
    return [
        *_placed("in_time", manager_id, {one: (counts.in_time, counts.due) for one, counts in found.items()}),
        *_placed("processed", manager_id, {one: (counts.processed, counts.owed) for one, counts in found.items()}),
    ]


def _placed(figure: str, manager_id: int, counted: dict[int, tuple[int, int]]) -> list[Place]:
    shares = {one: Fraction(part, whole) for one, (part, whole) in counted.items() if whole}
    if manager_id not in shares or len(shares) < FEWEST:
        return []
    first, last = range_of_places(list(shares.values()), shares[manager_id])
    return [Place(figure, shares[manager_id], first, last, len(shares))]


def range_of_places(values: Sequence[Fraction], own: Fraction) -> tuple[int, int]:
    """Return between which places `own` stands among `values`, the highest first: in thirds, in halves below six.

    Equal ones stand together, so that the order of names says nothing.

    >>> range_of_places([Fraction(n) for n in range(9)], Fraction(6))
    (1, 3)
    >>> range_of_places([Fraction(1)] * 7, Fraction(1))
    (1, 7)
    """
    number = len(values)
    parts = 3 if number >= 6 else 2
    edges = [number * part // parts for part in range(parts + 1)]
    before = sum(value > own for value in values)
    equal = sum(value == own for value in values)
    first = max(edge for edge in edges if edge <= before)
    last = min(edge for edge in edges if edge >= before + equal)
    return first + 1, last
