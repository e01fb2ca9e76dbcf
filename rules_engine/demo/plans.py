"""The payment plans of the invented company: set so that, as today, about every fifth manager meets his."""

import csv
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from rules_engine.demo.requests import MONTHS
from rules_engine.models import Manager, MoneyClass, PaymentCredit

STRETCH = 0.6
"""The plan lies so many standard deviations above what a manager brings in the mean: about every fifth passes it."""
_THOUSAND = 100_000


def invent_plans(session: Session, from_: datetime, until: datetime, zone: ZoneInfo) -> list[dict[str, str]]:
    """Return the plans of every manager for the months of `[from_, until]`, from what has been paid so far.

    One plan for all, as it is done today: it follows the season and nothing else. Without payments there is none.
    """
    months = months_of(from_, until, zone)
    paid: dict[str, list[int]] = {}
    by_class = dict.fromkeys(MoneyClass, 0)
    credited = select(
        PaymentCredit.month, PaymentCredit.manager_id, PaymentCredit.money_class, func.sum(PaymentCredit.amount_minor)
    ).group_by(PaymentCredit.month, PaymentCredit.manager_id, PaymentCredit.money_class)
    totals: dict[tuple[str, int], int] = {}
    for month, manager_id, money_class, amount in session.execute(credited):
        totals[month, manager_id] = totals.get((month, manager_id), 0) + int(amount)
        by_class[money_class] += int(amount)
    for (month, _), amount in totals.items():
        paid.setdefault(month, []).append(amount)
    # The first and the last month are not whole, and in the first nobody pays the rest of anything yet.
    whole = [month for month in months if month in paid][2:-1]
    if not whole:
        return []
    usual = fmean(fmean(paid[month]) / _season(month) for month in whole)
    spread = fmean(pstdev(paid[month]) / fmean(paid[month]) for month in whole)
    new_share = by_class[MoneyClass.NEW] / sum(by_class.values())
    logins = [manager.login for manager in session.scalars(select(Manager).order_by(Manager.id))]
    rows = []
    for month in months:
        base = fmean(paid[month]) if month in whole else usual * _season(month)
        plan = base * (1 + STRETCH * spread)
        new, old = (round(plan * share / _THOUSAND) * 1000 for share in (new_share, 1 - new_share))
        for login in logins:
            rows.append(
                {
                    "period": month, "manager": login, "new": f"{max(new, 1000)}.00", "old": f"{max(old, 1000)}.00",
                    "callbacks": "100",
                }
            )  # fmt: skip
    return rows


def write_file(rows: Sequence[dict[str, Any]], folder: Path) -> Path:
    """Write the plans as a file that `pravila import plans` takes; return where it is."""
    path = folder / "plans.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, ("period", "manager", "new", "old", "callbacks"))
        writer.writeheader()
        writer.writerows(rows)
    return path


def months_of(from_: datetime, until: datetime, zone: ZoneInfo) -> list[str]:
    """Return the business months of two instants and those between them."""
    first, last = (instant.astimezone(zone) for instant in (from_, until))
    numbers = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    return [f"{number // 12:04d}-{number % 12 + 1:02d}" for number in numbers]


def _season(month: str) -> float:
    return MONTHS[int(month[5:]) - 1]
