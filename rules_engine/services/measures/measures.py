"""The measures of managers in a month: a fixed number of queries whatever the number of managers. Exact."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from fractions import Fraction

from sqlalchemy.orm import Session

from rules_engine.decisions.bonus_figures import Figures, measures
from rules_engine.decisions.proration import MonthHours, month_hours, prorated
from rules_engine.models import MoneyClass
from rules_engine.services.company.reference import ManagerRef, Reference, reference
from rules_engine.services.facts import money as money_facts
from rules_engine.services.measures import callbacks, requests
from rules_engine.services.measures import money as measures_money
from rules_engine.services.measures.money import PlanRow
from rules_engine.services.measures.month import Month, month_named
from rules_engine.services.records import settings_store


@dataclass(frozen=True, slots=True)
class Hours:
    """The share of the month's norm that a manager works: in the whole month and in it up to some instant."""

    whole: Fraction
    so_far: Fraction


@dataclass(frozen=True, slots=True)
class Standing:
    """What is kept of a manager for a month that is closed, and may be different today."""

    weight: Fraction
    team_id: int | None


@dataclass(frozen=True, slots=True)
class Counting:
    """How a month is counted: by the present settings, or as it was when it was closed."""

    with_vat: bool
    paid_pct: int
    standings: Mapping[int, Standing] = field(default_factory=dict)


def counting_now(session: Session) -> Counting:
    """Return how the settings say that a month is counted."""
    percent = settings_store.number(session, settings_store.PAID_REQUEST_PCT)
    return Counting(money_facts.counts_vat(session), percent)


def measures_of(
    session: Session, month: str, manager_ids: Collection[int] | None, until: datetime | None = None
) -> dict[int, dict[str, Fraction | None]]:
    """Return every measure by key of its field (`measure.revenue`), for each of these managers; None: for all.

    Money in kopecks, percent in percent, all exact; None: no plan, or nothing to count from. Facts up to `until`
    count, at most those of the month; payments count by their month alone. Raises InputError for what is no month.
    """
    found = figures_of(session, month_named(session, month), manager_ids, until)
    return {manager_id: measures(figures) for manager_id, figures in found.items()}


def figures_of(
    session: Session,
    month: Month,
    manager_ids: Collection[int] | None,
    until: datetime | None = None,
    *,
    counting: Counting | None = None,
) -> dict[int, Figures]:
    """Return what the measures are made of, by rising id; counted as the settings say unless told otherwise."""
    counting = counting or counting_now(session)
    picture = _with_standings(reference(session), counting.standings)
    until = min(until or month.end, month.end)
    ids = None if manager_ids is None else sorted(set(manager_ids))
    mates = None if ids is None else _team_mates(picture, ids)
    with_vat = counting.with_vat
    credits = measures_money.credited(session, [month.text], mates, with_vat=with_vat)
    money = {(manager_id, kind): amount for (_, manager_id, kind), amount in credits.items()}
    plans = measures_money.plan_rows(session, month.text, mates)
    paid = measures_money.paid_requests(session, month, ids, percent=counting.paid_pct)
    received = requests.received(session, month, until, ids)
    processed = requests.processed(session, month, until, ids, paid=paid, confirmed=received.confirmed)
    answers = requests.in_time(session, month, until, ids)
    calls = callbacks.calls(session, month, until, ids)
    returned = callbacks.returned(session, month, until, ids, with_vat=with_vat)
    counts = _Counts(
        paid=Counter(one.manager_id for one in paid),
        processed=Counter(one.manager_id for one in processed),
        cohort=Counter(manager_id for manager_id, _ in received.cohort),
        of_cohort=Counter(one.manager_id for one in processed if (one.manager_id, one.request_id) in received.cohort),
        returned=Counter(one.manager_id for one in returned),
    )
    hours = {one.id: _hours(one, picture, month) for one in picture.managers.values()}
    teams = _teams(picture, money, plans, hours)
    found = {}
    for manager_id in picture.managers if ids is None else ids:
        one = picture.manager(manager_id)
        due, met = answers.get(manager_id, (0, 0))
        made = calls.get(manager_id, callbacks.Calls())
        plan = plans.get(manager_id)
        team_minor, team_plan = teams.get(one.team_id, (0, None))
        found[manager_id] = Figures(
            new_minor=money.get((manager_id, MoneyClass.NEW), 0),
            old_minor=money.get((manager_id, MoneyClass.OLD), 0),
            plan_new_minor=prorated(plan.new_minor if plan else None, hours[manager_id]),
            plan_old_minor=prorated(plan.old_minor if plan else None, hours[manager_id]),
            is_planned=plan is not None and hours[manager_id].share > 0,
            team_minor=team_minor,
            team_plan_minor=team_plan,
            paid_requests=counts.paid[manager_id],
            received=received.counts.get(manager_id, 0),
            processed=counts.processed[manager_id],
            cohort=counts.cohort[manager_id],
            processed_of_cohort=counts.of_cohort[manager_id],
            due=due,
            in_time=met,
            calls_planned=made.planned,
            calls_due=made.due,
            calls_done=made.done,
            calls_done_of_due=made.done_of_due,
            calls_not_counted=made.not_counted,
            reactivated=counts.returned[manager_id],
            worked=_worked(hours[manager_id]),
            months_in_job=_months_in_job(one, picture, month),
        )
    return found


def hours_of(session: Session, manager_id: int, month: Month, at: datetime) -> Hours:
    """Return how much of the month's norm a manager works, and how much of it had passed at an instant."""
    picture = reference(session)
    one = picture.manager(manager_id)
    passed = Month(month.text, month.start, max(month.start, min(at, month.end)))
    whole, so_far = _hours(one, picture, month), _hours(one, picture, passed)
    return Hours(whole.share, one.weight * Fraction(so_far.present_us, whole.norm_us) if whole.norm_us else whole.share)


@dataclass(frozen=True, slots=True)
class _Counts:
    paid: Counter[int]
    processed: Counter[int]
    cohort: Counter[int]
    of_cohort: Counter[int]
    returned: Counter[int]


def _with_standings(picture: Reference, standings: Mapping[int, Standing]) -> Reference:
    if not standings:
        return picture
    managers = dict(picture.managers)
    for manager_id, kept in standings.items():
        if manager_id in managers:
            managers[manager_id] = replace(managers[manager_id], weight=kept.weight, team_id=kept.team_id)
    return replace(picture, managers=managers)


def _team_mates(picture: Reference, ids: Collection[int]) -> list[int]:
    """Return these managers and everybody in their teams: what a team attained needs all of it."""
    teams = {picture.manager(manager_id).team_id for manager_id in ids}
    return [one.id for one in picture.managers.values() if one.id in ids or (one.team_id and one.team_id in teams)]


def _hours(one: ManagerRef, picture: Reference, month: Month) -> MonthHours:
    return month_hours(picture.company_calendar, month.start_us, month.end_us, weight=one.weight, away=one.away)


def _worked(hours: MonthHours) -> Fraction | None:
    return hours.share if hours.norm_us else None


def _months_in_job(one: ManagerRef, picture: Reference, month: Month) -> int | None:
    """Return which month in the job this is, the first one counted as 1; None: since when is not known."""
    if one.hired_at is None:
        return None
    hired = picture.day_of(one.hired_at)
    count = (int(month.text[:4]) - hired.year) * 12 + int(month.text[5:]) - hired.month + 1
    return count if count > 0 else None


def _teams(
    picture: Reference,
    money: Mapping[tuple[int, MoneyClass], int],
    plans: Mapping[int, PlanRow],
    hours: Mapping[int, MonthHours],
) -> dict[int | None, tuple[int, Fraction | None]]:
    """Return what each team was credited with, and its plan: those of its members together."""
    found: dict[int | None, tuple[int, Fraction | None]] = {}
    for one in picture.managers.values():
        if one.team_id is None:
            continue
        credited = sum(money.get((one.id, kind), 0) for kind in MoneyClass)
        row = plans.get(one.id)
        sides = (row.new_minor, row.old_minor) if row else ()
        planned = [plan for side in sides if (plan := prorated(side, hours[one.id])) is not None]
        before, plan_before = found.get(one.team_id, (0, None))
        plan = sum(planned, plan_before or Fraction(0)) if planned else plan_before
        found[one.team_id] = (before + credited, plan)
    return found
