"""What one manager's month holds, counted, and the measures that are made of it. Exact."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from rules_engine.decisions.bonus_measures import PREFIX

NEW_ATTAINMENT = f"{PREFIX}attainment_new_pct"
OLD_ATTAINMENT = f"{PREFIX}attainment_old_pct"
ATTAINMENT = f"{PREFIX}attainment_pct"


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of one manager in one month; money in kopecks, with or without VAT as the company counts it.

    Plans are prorated already; None: there is none, and `is_planned` says whether that is by intention (a plan was
    made, for the other side). `due` are the answers that were due, `calls_due` the planned calls that were. What is
    `…_of_…` is the part of the latter. `worked` is the share of the norm, 1 for a whole position without absences.
    """

    new_minor: int = 0
    old_minor: int = 0
    plan_new_minor: Fraction | None = None
    plan_old_minor: Fraction | None = None
    is_planned: bool = False
    team_minor: int = 0
    team_plan_minor: Fraction | None = None
    paid_requests: int = 0
    received: int = 0
    processed: int = 0
    cohort: int = 0
    processed_of_cohort: int = 0
    due: int = 0
    in_time: int = 0
    calls_planned: int = 0
    calls_due: int = 0
    calls_done: int = 0
    calls_done_of_due: int = 0
    calls_not_counted: int = 0
    reactivated: int = 0
    worked: Fraction | None = None
    months_in_job: int | None = None

    @property
    def without_plan(self) -> frozenset[str]:
        """The attainments that are empty by intention."""
        if not self.is_planned:
            return frozenset()
        sides = {NEW_ATTAINMENT: self.plan_new_minor, OLD_ATTAINMENT: self.plan_old_minor}
        empty = {name for name, plan in sides.items() if plan is None}
        return frozenset(empty | {ATTAINMENT} if len(empty) == len(sides) else empty)

    @property
    def plan_minor(self) -> Fraction | None:
        """Both plans together; None where there is neither."""
        plans = [plan for plan in (self.plan_new_minor, self.plan_old_minor) if plan is not None]
        return sum(plans, Fraction(0)) if plans else None

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all happened and nothing was planned."""
        counts = (self.new_minor, self.old_minor, self.received, self.processed, self.cohort, self.due)
        return not (any(counts) or self.calls_planned or self.calls_done or self.is_planned or self.paid_requests)


KEPT = ("calls_planned", "calls_due", "calls_done", "calls_done_of_due", "cohort", "processed", "processed_of_cohort")
"""Counts of a closed month that go on changing by themselves: calls are put off, requests taken up again."""


def kept_counts(figures: Figures) -> dict[str, int]:
    """Return the counts that a closed statement keeps, so that only what came late changes them."""
    return {name: getattr(figures, name) for name in KEPT}


def with_kept_counts(figures: Figures, kept: Mapping[str, int]) -> Figures:
    """Return the figures of a closed month counted again: calls and requests as closed, and those known since.

    A call put off afterwards stays one that was due; a request taken up again stays one that was processed.
    """
    calls = max(figures.calls_done - kept["calls_done"], 0)
    processed = max(figures.processed - kept["processed"], 0)
    return replace(
        figures,
        calls_planned=kept["calls_planned"],
        calls_due=kept["calls_due"],
        calls_done=kept["calls_done"] + calls,
        calls_done_of_due=min(kept["calls_done_of_due"] + calls, kept["calls_due"]),
        cohort=kept["cohort"],
        processed=kept["processed"] + processed,
        processed_of_cohort=min(kept["processed_of_cohort"] + processed, kept["cohort"]),
    )


def measures(figures: Figures) -> dict[str, Fraction | None]:
    """Return every measure by the key of its field; None where there is no plan or nothing to count from.

    Complaints, ratings and the cherry-picking index have no source yet and stay empty.
    """
    f = figures
    found: Mapping[str, Fraction | int | None] = {
        "plan_new": f.plan_new_minor,
        "plan_old": f.plan_old_minor,
        "revenue_new": f.new_minor,
        "revenue_old": f.old_minor,
        "revenue": f.new_minor + f.old_minor,
        "attainment_new_pct": _pct(f.new_minor, f.plan_new_minor),
        "attainment_old_pct": _pct(f.old_minor, f.plan_old_minor),
        "attainment_pct": _pct(f.new_minor + f.old_minor, f.plan_minor),
        "team_attainment_pct": _pct(f.team_minor, f.team_plan_minor),
        "paid_requests": f.paid_requests,
        "received_requests": f.received,
        "processed_requests": f.processed,
        "processed_pct": _pct(f.processed_of_cohort, f.cohort),
        "in_time_pct": _pct(f.in_time, f.due),
        "callbacks_planned": f.calls_planned,
        "callbacks_done": f.calls_done,
        "callbacks_done_pct": _pct(f.calls_done_of_due, f.calls_due),
        "reactivated_clients": f.reactivated,
        "verified_complaints": None,
        "rating": None,
        "quality_score": None,
        "worked_norm_pct": None if f.worked is None else 100 * f.worked,
        "months_in_job": f.months_in_job,
        "cherry_picking_index": None,
    }
    return {f"{PREFIX}{name}": None if value is None else Fraction(value) for name, value in found.items()}


def _pct(part: int, whole: Fraction | int | None) -> Fraction | None:
    """Return `part` of `whole` in percent; None where there is nothing to share."""
    return Fraction(100 * part) / whole if whole else None
