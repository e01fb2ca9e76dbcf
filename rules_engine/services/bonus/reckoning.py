"""What the bonus rules pay managers for a month, counted and not stored."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from sqlalchemy.orm import Session

from rules_engine.decisions.bonus import compute
from rules_engine.decisions.bonus_figures import Figures, kept_counts, measures, with_kept_counts
from rules_engine.decisions.bonus_lines import Statement
from rules_engine.decisions.bonus_measures import canonical_measures
from rules_engine.language.cases import fired
from rules_engine.language.engines.base import Facts
from rules_engine.language.engines.native import NativeEngine
from rules_engine.language.kinds import Decision
from rules_engine.language.model import Ruleset
from rules_engine.services.company.reference import ManagerRef, Reference, reference
from rules_engine.services.measures.measures import Counting, Standing, figures_of
from rules_engine.services.measures.month import Month
from rules_engine.services.requests.ledger import ratio
from rules_engine.services.rules import rulebook

Matching = Callable[[Facts], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Rules:
    """A version of the bonus rules, ready to be asked which of them match."""

    version_id: int
    number: int | None
    ruleset: Ruleset
    matching: Matching

    def statement(self, figures: Figures) -> Statement:
        """Return what these rules pay for a month's figures."""
        exact = measures(figures)
        ids = fired(self.ruleset, self.matching(canonical_measures(exact)))
        return compute(self.ruleset, ids, exact, without_plan=figures.without_plan)


@dataclass(frozen=True, slots=True)
class Reckoned:
    figures: Figures
    statement: Statement


def rules_of_month(session: Session, month: Month, now: datetime) -> Rules:
    """Return the rules in force at the first instant of a month, both engines behind them. Raises NotFound."""
    published = rulebook.published(session, Decision.BONUS, month.start)

    def matching(facts: Facts) -> tuple[str, ...]:
        return rulebook.evaluate(session, published, facts, now).matching

    return Rules(published.version_id, published.number, published.ruleset, matching)


def rules_of_version(session: Session, version_id: int) -> Rules:
    """Return a version by which a month was closed. Raises NotFound."""
    ruleset = rulebook.ruleset_of(session, version_id)
    return Rules(version_id, None, ruleset, NativeEngine(ruleset).matching)


def reckon(
    session: Session,
    month: Month,
    rules: Rules,
    manager_ids: Collection[int] | None,
    until: datetime,
    *,
    counting: Counting | None = None,
    kept: Mapping[int, Mapping[str, Any]] | None = None,
) -> dict[int, Reckoned]:
    """Return what the rules pay, by rising id; of everybody (None) those who worked or have anything to count.

    `kept`: what the statements of a month keep that is closed and counted again, by manager.
    """
    picture = reference(session)
    found = figures_of(session, month, manager_ids, until, counting=counting)
    for manager_id, of_him in (kept or {}).items():
        if manager_id in found:
            found[manager_id] = with_kept_counts(found[manager_id], of_him["counts"])
    return {
        manager_id: Reckoned(figures, rules.statement(figures))
        for manager_id, figures in found.items()
        if manager_ids is not None or not figures.is_empty or _works(picture.manager(manager_id), month)
    }


def kept_measures(figures: Figures, counting: Counting, manager_id: int, picture: Reference) -> dict[str, Any]:
    """Return what a statement keeps: the measures, which are without plan by intention, and how they were counted."""
    one = picture.managers.get(manager_id)
    standing = counting.standings.get(manager_id) or Standing(
        one.weight if one else Fraction(1), one.team_id if one else None
    )
    exact = {key: None if value is None else ratio(value) for key, value in measures(figures).items()}
    return exact | {
        "without_plan": sorted(figures.without_plan),
        "counts": kept_counts(figures),
        "counted": {
            "with_vat": counting.with_vat,
            "paid_pct": counting.paid_pct,
            "weight": ratio(standing.weight),
            "team_id": standing.team_id,
        },
    }


def exact_measures(kept: Mapping[str, Any]) -> dict[str, Fraction | None]:
    """Return the measures that a statement keeps as exact numbers."""
    return {
        key: None if value is None else Fraction(value) for key, value in kept.items() if key.startswith("measure.")
    }


def counting_of(kept_by: Mapping[int, Mapping[str, Any]]) -> Counting:
    """Return how statements were counted: what each keeps, by manager. There is at least one."""
    kept = {manager_id: of_him["counted"] for manager_id, of_him in kept_by.items()}
    first = next(iter(kept.values()))
    standings = {
        manager_id: Standing(Fraction(counted["weight"]), counted["team_id"]) for manager_id, counted in kept.items()
    }
    return Counting(first["with_vat"], first["paid_pct"], standings)


def _works(one: ManagerRef, month: Month) -> bool:
    """Return whether he is employed at any time of the month."""
    return (
        one.is_user_active
        and (one.hired_at is None or one.hired_at < month.end)
        and (one.left_at is None or one.left_at > month.start)
    )
