"""Which rules act on given facts when nobody is to be chosen yet, and whether the test cases hold."""

from collections.abc import Mapping
from dataclasses import dataclass

from rules_engine.language.engines.base import Engine
from rules_engine.language.engines.native import NativeEngine
from rules_engine.language.kinds import HitPolicy
from rules_engine.language.model import OTHERWISE, Ruleset, TestCase


@dataclass(frozen=True, slots=True)
class Paid:
    """What a bonus pays in kopecks: each line by its name, and the total."""

    lines: Mapping[str, int]
    total: int


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One test case, what really fired on its facts, and what that pays; None where nobody counted."""

    case: TestCase
    fired: tuple[str, ...]
    paid: Paid | None = None

    @property
    def passed(self) -> bool:
        """A case that expects money holds only where the money was counted too."""
        return self.fired == self.case.fired and self.pays_as_expected

    @property
    def pays_as_expected(self) -> bool:
        if self.paid is None:
            return self.case.total is None and not self.case.lines
        seen = self.paid.lines
        return self.case.total in (None, self.paid.total) and all(
            seen.get(name, 0) == amount for name, amount in self.case.lines.items()
        )


def fired(ruleset: Ruleset, matching: tuple[str, ...]) -> tuple[str, ...]:
    """Return what acts when these rules match and every pool has a candidate.

    `first`: the first matching rule, else `otherwise`. `collect`: all of them; `otherwise`, if there is one,
    when none matched.
    """
    if matching:
        return matching[:1] if ruleset.hit_policy is HitPolicy.FIRST else matching
    return (OTHERWISE,) if ruleset.otherwise else ()


def run_cases(ruleset: Ruleset, engine: Engine | None = None) -> list[CaseResult]:
    """Return the outcome of every test case, in order; the native engine unless another is given.

    Money is counted by `decisions.bonus_cases`: here no case that expects money holds.
    """
    engine = engine or NativeEngine(ruleset)
    return [CaseResult(case, fired(ruleset, engine.matching(case.facts))) for case in ruleset.cases]
