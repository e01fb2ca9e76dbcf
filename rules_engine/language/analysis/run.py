"""The analysis of a whole ruleset."""

from collections.abc import Callable
from datetime import date

from rules_engine.clock import monotonic
from rules_engine.language.analysis import single
from rules_engine.language.analysis.finding import Analysis, Finding
from rules_engine.language.model import Ruleset
from rules_engine.language.references import References


def analyse(
    ruleset: Ruleset,
    *,
    today: date,
    names: References | None = None,
    budget_seconds: float = 2.0,
    clock: Callable[[], float] = monotonic,
) -> Analysis:
    """Return what is odd in a ruleset, in the order of its rules; rules that are switched off take no part.

    Nothing is searched for once `clock` has gone on by `budget_seconds`; what is left is named in `unchecked`.
    With `names` the examples use people and teams that there are.
    """
    found: list[Finding] = []
    for rule in ruleset.rules:
        if rule.enabled:
            alone = (single.review(ruleset, rule, today), single.named_person(ruleset, rule))
            found += [finding for finding in alone if finding is not None]
    return Analysis(tuple(found))
