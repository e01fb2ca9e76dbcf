"""Payment plans of managers by month: versions that are never overwritten, and the part that a month's hours make."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from rules_engine.decisions.instants import to_us
from rules_engine.decisions.proration import MonthHours, first_day, month_hours, month_of, next_month, prorated
from rules_engine.errors import InputError, PolicyViolation
from rules_engine.models import BonusPeriod, PeriodState, Plan
from rules_engine.services.company.people import find_manager
from rules_engine.services.company.reference import ManagerRef, Reference, reference
from rules_engine.services.money.incoming_money import PlanIn
from rules_engine.services.records import audit
from rules_engine.services.records.inserting import one_at_a_time
from rules_engine.services.records.outcome import Outcome

__all__ = [
    "PlanIn",
    "Prorated",
    "bounds_of",
    "can_change",
    "history_of",
    "hours_of",
    "plans_of",
    "prorated_plans",
    "put_plan",
]

_AMOUNTS: Final = ("new_minor", "old_minor", "callbacks")


@dataclass(frozen=True, slots=True)
class Prorated:
    """A manager's plan of a month and the part of it that his hours make; None: no plan.

    `plan` is None where nobody ever made one. Money in kopecks.
    """

    plan: Plan | None
    hours: MonthHours
    new: Fraction | None
    old: Fraction | None
    callbacks: Fraction | None


def put_plan(session: Session, data: PlanIn, *, now: datetime, actor: str) -> tuple[Plan, Outcome]:
    """Give a manager a plan, or a new version of it; the same figures again change nothing.

    The first version may be of any month that is not closed. Afterwards a month to come changes freely, the running
    one can only be lowered, with a reason, and one that is over does not change. Raises UnknownManager, InputError for
    a missing reason, PolicyViolation for what cannot change any more.
    """
    manager = find_manager(session, data.manager)
    one_at_a_time(session, [f"plan {data.period} {manager.id}"])
    known = _latest(session, data.period, manager.id)
    wanted = {"new_minor": data.new, "old_minor": data.old, "callbacks": data.callbacks}
    before = {name: getattr(known, name) for name in _AMOUNTS} if known else None
    if known is not None and before == wanted:
        return known, Outcome.UNCHANGED
    _check(session, data, before, wanted, now)
    plan = Plan(
        month=data.period,
        manager_id=manager.id,
        number=known.number + 1 if known else 1,
        reason=data.reason,
        made_at=now,
        made_by=actor,
        **wanted,
    )
    session.add(plan)
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="update" if known else "create",
        subject_kind="plan",
        subject_id=f"{data.period} {manager.login}",
        before=before,
        after=wanted | {"reason": data.reason},
    )
    return plan, Outcome.UPDATED if known else Outcome.CREATED


def plans_of(session: Session, month: str) -> dict[int, Plan]:
    """Return the plans of a month that hold, by manager, in one query."""
    newest = (
        select(Plan.manager_id, func.max(Plan.number).label("number"))
        .where(Plan.month == month)
        .group_by(Plan.manager_id)
        .subquery()
    )
    found = session.scalars(
        select(Plan)
        .join(newest, (newest.c.manager_id == Plan.manager_id) & (newest.c.number == Plan.number))
        .where(Plan.month == month)
        .order_by(Plan.manager_id)
    )
    return {plan.manager_id: plan for plan in found}


def history_of(session: Session, month: str, manager_id: int) -> Sequence[Plan]:
    """Return all versions of a plan, the newest first."""
    of_him = select(Plan).where(Plan.month == month, Plan.manager_id == manager_id)
    return session.scalars(of_him.order_by(Plan.number.desc())).all()


def can_change(session: Session, month: str, now: datetime) -> str | None:
    """Return how an existing plan of a month may change: `freely`, `lower` in the running one; None: not at all."""
    running = month_of(reference(session).day_of(now))
    if month < running:
        return None
    return "lower" if month == running else "freely"


def bounds_of(picture: Reference, month: str) -> tuple[datetime, datetime]:
    """Return a month as `[first instant, first instant of the next)` of the business zone."""
    return picture.start_of_day(first_day(month)), picture.start_of_day(first_day(next_month(month)))


def hours_of(picture: Reference, month: str, manager: ManagerRef) -> MonthHours:
    """Return the hours of a manager in a month against the norm of the company's calendar."""
    start, end = bounds_of(picture, month)
    return month_hours(picture.company_calendar, to_us(start), to_us(end), weight=manager.weight, away=manager.away)


def prorated_plans(session: Session, month: str) -> dict[int, Prorated]:
    """Return for every manager who works in a month his plan and the part of it that his hours make, in one query."""
    picture = reference(session)
    made = plans_of(session, month)
    start, end = bounds_of(picture, month)
    found: dict[int, Prorated] = {}
    for manager in picture.managers.values():
        left_before = manager.left_at is not None and manager.left_at <= start
        hired_after = manager.hired_at is not None and manager.hired_at >= end
        plan = made.get(manager.id)
        if plan is None and (left_before or hired_after or not manager.is_user_active):
            continue
        hours = hours_of(picture, month, manager)
        found[manager.id] = Prorated(
            plan,
            hours,
            prorated(plan.new_minor if plan else None, hours),
            prorated(plan.old_minor if plan else None, hours),
            prorated(plan.callbacks if plan else None, hours),
        )
    return found


def month_before(month: str) -> str:
    """Return the month before.

    >>> month_before("2026-01")
    '2025-12'
    """
    return month_of(first_day(month) - timedelta(days=1))


def _latest(session: Session, month: str, manager_id: int) -> Plan | None:
    return next(iter(history_of(session, month, manager_id)), None)


def _check(
    session: Session,
    data: PlanIn,
    before: dict[str, int | None] | None,
    wanted: dict[str, int | None],
    now: datetime,
) -> None:
    month = data.period
    closed = select(BonusPeriod.id).where(BonusPeriod.month == month, BonusPeriod.state == PeriodState.CLOSED).limit(1)
    if session.scalar(closed) is not None:
        raise PolicyViolation(ru=f"период {month} закрыт", en=f"the period {month} is closed")
    if before is None:
        return
    how = can_change(session, month, now)
    if how is None:
        raise PolicyViolation(ru=f"месяц {month} прошёл, план не меняется", en=f"{month} is over, its plan stays")
    if how == "freely":
        return
    if any(not _is_lower(before[name], wanted[name]) for name in _AMOUNTS):
        raise PolicyViolation(
            ru="план идущего месяца можно только снизить", en="the plan of the running month can only be lowered"
        )
    if not data.reason.strip():
        raise InputError(path="reason", ru="укажите причину", en="give a reason")


def _is_lower(before: int | None, wanted: int | None) -> bool:
    """Return whether a figure stays or sinks; where there was a plan there is one, and where none there is none."""
    if before is None or wanted is None:
        return before is wanted
    return wanted <= before
