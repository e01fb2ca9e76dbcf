"""Which rules act on given facts when nobody is to be chosen yet, and whether the test cases hold."""

from dataclasses import dataclass

from rules_engine.language.engines.base import Engine
from rules_engine.language.engines.native import NativeEngine
from rules_engine.language.kinds import HitPolicy
from rules_engine.language.model import OTHERWISE, Ruleset, TestCase


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One test case and what really fired on its facts."""

    case: TestCase
    fired: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return self.fired == self.case.fired


def fired(ruleset: Ruleset, matching: tuple[str, ...]) -> tuple[str, ...]:
    """Return what acts when these rules match and every pool has a candidate.

    `first`: the first matching rule, else `otherwise`. `collect`: all of them; `otherwise`, if there is one,
    when none matched.
    """
    if matching:
        return matching[:1] if ruleset.hit_policy is HitPolicy.FIRST else matching
    return (OTHERWISE,) if ruleset.otherwise else ()


def run_cases(ruleset: Ruleset, engine: Engine | None = None) -> list[CaseResult]:
    """Return the outcome of every test case, in order; the native engine unless another is given."""
    engine = engine or NativeEngine(ruleset)
    return [CaseResult(case, fired(ruleset, engine.matching(case.facts))) for case in ruleset.cases]
