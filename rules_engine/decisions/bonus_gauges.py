"""The measures of one manager in one month, as the components of a bonus look at them."""

from dataclasses import dataclass
from fractions import Fraction

from rules_engine.decisions.bonus_curves import Nodes, Reading, clamp, on_curve
from rules_engine.decisions.bonus_lines import Figure, GateSeen, Seen
from rules_engine.decisions.bonus_measures import Measures, is_no_plan
from rules_engine.language.model import GateCondition

ON_PLAN = Fraction(100)
"""Where a side without a plan by intention is taken to stand, in percent of plan."""


@dataclass(frozen=True, slots=True)
class Gauges:
    """Measures with the attainments that have no plan by intention.

    `value` and `figure` are None for an empty measure; what pays by it then pays nothing. What only *changes* other
    lines treats an empty measure so: no plan by intention stands at 100 %; no plan otherwise stands below every node
    (no plan never pays); nothing to count from changes nothing (who received no request was late with none).
    """

    measures: Measures
    without_plan: frozenset[str]

    def value(self, measure: str) -> Fraction | None:
        """Return the exact value, money in kopecks."""
        return self.measures.get(measure)

    def seen(self, measure: str) -> Seen:
        value = self.value(measure)
        return Seen(measure, value, value is None and measure in self.without_plan)

    def at(self, measure: str) -> Fraction | None:
        """Return the value as the tables of a rule write it: money in roubles."""
        value = self.value(measure)
        return None if value is None else Figure.of(measure, value).value

    def at_or_on_plan(self, measure: str) -> Fraction | None:
        """Return the value as tables write it, 100 where there is no plan by intention."""
        at = self.at(measure)
        return ON_PLAN if at is None and measure in self.without_plan else at

    def factor(self, measure: str, nodes: Nodes) -> Reading:
        """Return the factor of a multiplier; without rows where there was nothing to count from."""
        at = self.at_or_on_plan(measure)
        if at is not None:
            return on_curve(measure, nodes, at)
        return Reading(nodes[0][1] if is_no_plan(measure) else Fraction(1), ())

    def gate(self, condition: GateCondition, *, soft: bool) -> GateSeen:
        """Return what one condition of a gate lets through; a hard gate opens at `full_at`."""
        at = self.at_or_on_plan(condition.measure)
        start = condition.start if soft else condition.full_at
        if at is not None:
            share = clamp(start, condition.full_at, at)
        else:
            share = Fraction(0 if is_no_plan(condition.measure) else 1)
        return GateSeen(self.seen(condition.measure), condition.start, condition.full_at, share)
