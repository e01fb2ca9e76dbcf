"""When a client must be looked at again: a ruleset of callbacks, made ready once a version.

What other rows move (payments, contacts, refusals) wakes a client by itself, so here only time is waited for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rules_engine.decisions.escalation_plan import (
    Gate,
    earlier,
    gates_of,
    next_change,
    opening_of,
    part_moved_by,
    predicate_of,
)
from rules_engine.decisions.request_clocks import RequestClocks
from rules_engine.language.engines.base import Facts, Predicate
from rules_engine.language.kinds import MovedBy
from rules_engine.language.model import Rule, Ruleset
from rules_engine.language.thresholds import TimeCondition, fields_used, time_conditions


@dataclass(frozen=True, slots=True)
class PlannedRule:
    """One enabled rule: where `still` (what time does not move) is false, time cannot make it match."""

    rule: Rule
    still: Predicate
    times: tuple[TimeCondition, ...]
    gates: tuple[Gate, ...]


@dataclass(frozen=True, slots=True)
class CallbackPlan:
    """A ruleset of callbacks made ready; keep it as long as the version. `fields`: what its conditions look at."""

    ruleset: Ruleset
    rules: tuple[PlannedRule, ...]
    fields: frozenset[str]

    @classmethod
    def of(cls, ruleset: Ruleset) -> "CallbackPlan":
        """Return the plan of a ruleset. Compiles its conditions: some milliseconds."""
        still = frozenset({MovedBy.WITH_ITEM, MovedBy.WITH_OTHERS})
        return cls(
            ruleset,
            tuple(_planned(rule, still) for rule in ruleset.rules if rule.enabled),
            fields_used(ruleset),
        )

    def next_change_us(self, seen: Sequence[Facts], clocks: RequestClocks, now_us: int) -> int | None:
        """Return when, strictly after `now_us`, time changes a condition of a rule that could match; None: never.

        `seen` are the facts under each event that still holds.
        """
        found: int | None = None
        for planned in self.rules:
            facts = next((facts for facts in seen if planned.still(facts)), None)
            if facts is None:
                continue
            if closed := [gate for gate in planned.gates if not gate.holds(facts)]:
                found = earlier(found, opening_of(closed, clocks, facts, now_us))
                continue
            for condition in planned.times:
                found = earlier(found, next_change(condition, clocks, facts, now_us))
        return found


def _planned(rule: Rule, still: frozenset[MovedBy]) -> PlannedRule:
    times = tuple(found for found in time_conditions(rule) if not found.in_among)
    return PlannedRule(rule, predicate_of(part_moved_by(rule.when, still)), times, gates_of(rule, times))
