"""Fair shares at a glance: what each manager received this month against what was due to him, by team."""

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from sqlalchemy.orm import Session

from admin.language import language, signed
from rules_engine.db import settings_of
from rules_engine.services.company.reference import reference
from rules_engine.services.requests import ledger


@dataclass(frozen=True, slots=True)
class Line:
    """`due` is his share of the requests of the month so far; `deviation` what he received less that."""

    login: str
    name: str
    count: int
    due: Fraction
    deviation: Fraction
    causes: str

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
    """Return the shares of the month of `now`, team by team; empty while nothing was given out."""
    month = ledger.month_of(now, settings_of(session).zone)
    found = ledger.summary(session, month, now=now)
    if not any(line.count for line in found.managers):
        return []
    picture = reference(session)
    by_team: dict[str, list[Line]] = {}
    for line in sorted(found.managers, key=lambda one: one.name):
        team = picture.teams.get(picture.manager(line.manager_id).team_id or 0)
        causes = ", ".join(
            f"{ledger.CAUSE_WORDS[cause][language()]} {signed(part)}" for cause, part in line.by_cause.items()
        )
        by_team.setdefault(team.name if team else "", []).append(
            Line(line.login, line.name, line.count, line.due, -line.shortfall, causes)
        )
    return [TeamShares(name, lines) for name, lines in sorted(by_team.items(), key=lambda pair: (not pair[0], pair[0]))]
