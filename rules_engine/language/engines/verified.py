"""The engine of live decisions: durable_rules, verified against native in place. Where they differ, native decides."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from rules_engine.language.engines.base import Facts, RuleTrace
from rules_engine.language.engines.durable import DurableEngine, available
from rules_engine.language.engines.native import NativeEngine
from rules_engine.language.errors import EngineFailure
from rules_engine.language.model import Ruleset


class IncidentKind(StrEnum):
    DIFFERENCE = "difference"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Incident:
    """One answer of durable_rules that could not be used. `durable` is None where it failed to answer."""

    kind: IncidentKind
    native: tuple[str, ...]
    durable: tuple[str, ...] | None
    facts: Facts
    detail: str


class VerifiedEngine:
    """Runs both engines on every question and returns native's answer; each disagreement is reported at once.

    Where durable_rules cannot be used at all, the one incident is reported at the first question and native goes on
    alone: `native_alone` says so.
    """

    name = "verified"

    def __init__(self, ruleset: Ruleset, on_difference: Callable[[Incident], None]) -> None:
        self._native = NativeEngine(ruleset)
        self._report = on_difference
        self._durable: DurableEngine | None = None
        self._refused: str | None = None
        if available():
            try:
                self._durable = DurableEngine(ruleset)
            except EngineFailure as failure:
                self._refused = failure.message("en")

    @property
    def native_alone(self) -> bool:
        return self._durable is None

    @property
    def native_only(self) -> tuple[str, ...]:
        """The ids of the rules that durable_rules does not get, because they are past its limits."""
        return self._durable.native_only if self._durable else ()

    def matching(self, facts: Facts) -> tuple[str, ...]:
        """Return the ids of the enabled rules whose conditions hold, in the order of the ruleset."""
        answer = self._native.matching(facts)
        if self._refused is not None:
            refused, self._refused = self._refused, None
            self._report(Incident(IncidentKind.FAILURE, answer, None, facts, refused))
        if self._durable is not None:
            self._verify(self._durable, facts, answer)
        return answer

    def explain(self, facts: Facts) -> tuple[RuleTrace, ...]:
        """Return native's explanation: for each enabled rule the first condition that failed."""
        return self._native.explain(facts)

    def close(self) -> None:
        """Free the handles of durable_rules."""
        if self._durable is not None:
            self._durable.close()

    def _verify(self, durable: DurableEngine, facts: Facts, answer: tuple[str, ...]) -> None:
        try:
            other = durable.matching(facts)
        except EngineFailure as failure:
            self._report(Incident(IncidentKind.FAILURE, answer, None, facts, failure.message("en")))
            return
        if other != answer:
            self._report(Incident(IncidentKind.DIFFERENCE, answer, other, facts, ""))
