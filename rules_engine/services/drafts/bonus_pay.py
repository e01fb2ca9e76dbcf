"""What a body of bonus rules, published or not, would pay for a month that happened. Nothing is written.

The measures are those that the statements of the month keep; a month that is not over, or was never computed, is
measured as it is now. So two bodies are compared on the same ground: read it once with `ground_of`, ask `pay_under`
for each body.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from rules_engine.decisions.bonus import compute
from rules_engine.decisions.bonus_audit_people import PersonMonth
from rules_engine.decisions.bonus_figures import measures
from rules_engine.decisions.bonus_lines import Statement
from rules_engine.decisions.bonus_measures import Measures, canonical_measures
from rules_engine.language.cases import fired
from rules_engine.language.engines.native import NativeEngine
from rules_engine.models import BonusPeriod, BonusStatement
from rules_engine.services.bonus.reckoning import exact_measures
from rules_engine.services.company.reference import reference
from rules_engine.services.drafts.body import Body
from rules_engine.services.drafts.trying import usable
from rules_engine.services.measures.measures import figures_of
from rules_engine.services.measures.month import Month, earlier, month_named, month_of_instant

_MOST_MONTHS: Final = 6_000
"""More months of people than these show nothing new."""


@dataclass(frozen=True, slots=True)
class ManagerMonth:
    """One manager's measures: exact, money in kopecks; `without_plan` are the attainments empty by intention."""

    manager_id: int
    measures: Measures
    without_plan: frozenset[str]


@dataclass(frozen=True, slots=True)
class Ground:
    """A month's measures by manager, by rising id. `is_stored`: as its statements keep them, else as of now."""

    month: str
    is_stored: bool
    managers: Mapping[int, ManagerMonth]


@dataclass(frozen=True, slots=True)
class LineUnder:
    """A line of a statement in kopecks; `line` is its name in the rules, `rule` the id of the rule that made it."""

    rule: str
    line: str
    component: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class StatementUnder:
    """What one manager would be paid. `statement` holds every figure, for `decisions.bonus_words.line_json`."""

    manager_id: int
    total_minor: int
    lines: tuple[LineUnder, ...]
    statement: Statement


def statements_under(
    session: Session, body: Body, month: str, now: datetime, manager_ids: Collection[int] | None = None
) -> dict[int, StatementUnder]:
    """Return what `body` would pay for a month (`2026-10`), by rising manager id; None: everybody with a statement.

    An unfinished body pays by its finished rules. A fixed number of queries whatever the number of
    managers; about a third of a millisecond each. Corrections of earlier months are no part of it. Raises InputError
    for what is no month.
    """
    return pay_under(ground_of(session, month, now, manager_ids), body)


def ground_of(session: Session, month: str, now: datetime, manager_ids: Collection[int] | None = None) -> Ground:
    """Return the measures of a month; read once, any number of bodies can be paid on it.

    Of everybody (None) those who have a statement, or in a month without one those who have anything to count. A
    manager asked for who has no statement is measured now. Raises InputError for what is no month.
    """
    named = month_named(session, month)
    stored = _stored(session, named, manager_ids)
    wanted: list[int] | None = None
    if manager_ids is not None:
        known = reference(session).managers
        wanted = sorted(one for one in set(manager_ids) - set(stored) if one in known)
    if (stored and not wanted) or wanted == [] or now < named.start:
        return Ground(month, bool(stored), stored)
    found = figures_of(session, named, wanted, min(now, named.end))
    measured = {
        manager_id: ManagerMonth(manager_id, measures(figures), figures.without_plan)
        for manager_id, figures in found.items()
        if wanted is not None or not figures.is_empty
    }
    return Ground(month, False, dict(sorted((stored | measured).items())))


def last_month(session: Session, now: datetime) -> str:
    """Return the last whole month before an instant, in the business zone."""
    return earlier(month_of_instant(session, now).text)


def people_months(session: Session, month: str, months: int = 12) -> tuple[PersonMonth, ...]:
    """Return what the statements of so many months before `month` keep, the newest revision of each; two queries."""
    wanted = [earlier(month, back) for back in range(1, months + 1)]
    periods = session.execute(
        select(BonusPeriod.id, BonusPeriod.month).where(BonusPeriod.month.in_(wanted)).order_by(BonusPeriod.revision)
    )
    newest = {row.month: row.id for row in periods}
    statements = select(BonusStatement.measures).where(BonusStatement.period_id.in_(newest.values()))
    kept = session.scalars(statements.order_by(BonusStatement.id).limit(_MOST_MONTHS))
    return tuple(PersonMonth(exact_measures(one), _without_plan(one)) for one in kept)


def pay_under(ground: Ground, body: Body) -> dict[int, StatementUnder]:
    """Return what `body` pays for each manager of a ground, by rising id; an unfinished body by its finished rules."""
    ruleset, _ = usable(body)
    matching = NativeEngine(ruleset).matching
    found = {}
    for manager_id, month in ground.managers.items():
        ids = fired(ruleset, matching(canonical_measures(month.measures)))
        statement = compute(ruleset, ids, month.measures, without_plan=month.without_plan)
        lines = tuple(LineUnder(one.rule, one.line, one.component, one.amount) for one in statement.lines)
        found[manager_id] = StatementUnder(manager_id, statement.total, lines, statement)
    return found


def _stored(session: Session, month: Month, manager_ids: Collection[int] | None) -> dict[int, ManagerMonth]:
    """Return what the statements of a month keep; nothing where they were made before the month was over."""
    newest = select(BonusPeriod).where(BonusPeriod.month == month.text).order_by(BonusPeriod.revision.desc()).limit(1)
    period = session.scalars(newest).first()
    if period is None or period.computed_at < month.end:
        return {}
    wanted = select(BonusStatement.manager_id, BonusStatement.measures).where(BonusStatement.period_id == period.id)
    if manager_ids is not None:
        wanted = wanted.where(BonusStatement.manager_id.in_(sorted(set(manager_ids))))
    rows = session.execute(wanted.order_by(BonusStatement.manager_id))
    return {
        row.manager_id: ManagerMonth(row.manager_id, exact_measures(row.measures), _without_plan(row.measures))
        for row in rows
    }


def _without_plan(kept: Mapping[str, object]) -> frozenset[str]:
    named = kept.get("without_plan")
    return frozenset(str(one) for one in named) if isinstance(named, list) else frozenset()
