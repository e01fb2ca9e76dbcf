"""Fair shares at a glance: what each manager received this month against his entitlement, by team."""

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Line:
    login: str
    name: str
    count: int
    entitlement: Fraction
    deviation: Fraction
    """Received less entitlement."""

    @property
    def is_far(self) -> bool:
        return abs(self.deviation) > 1


@dataclass(frozen=True, slots=True)
class TeamShares:
    name: str
    lines: list[Line]

    @property
    def widest(self) -> Fraction | None:
        return max((line.deviation for line in self.lines), key=abs, default=None)


def fairness(session: Session, now: datetime) -> list[TeamShares]:
    """Return the shares of the month of `now`, team by team."""
    return []
