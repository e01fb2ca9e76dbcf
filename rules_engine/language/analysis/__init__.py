"""What is odd in a ruleset although it is valid: rules that can never act, that hide each other, that repeat.

`analyse` is exact over intervals and finite sets, with an empty field as one value more; what it could not check in
the time that it has, or could not check exactly, it names.
"""

from rules_engine.language.analysis.finding import (
    Analysis,
    Finding,
    FindingKind,
    Severity,
    Unchecked,
    WhyUnchecked,
    finding_key,
    unchecked_lines,
)
from rules_engine.language.analysis.fixes import Fix, FixKind, fixed
from rules_engine.language.analysis.run import analyse

__all__ = [
    "Analysis",
    "Finding",
    "FindingKind",
    "Fix",
    "FixKind",
    "Severity",
    "Unchecked",
    "WhyUnchecked",
    "analyse",
    "finding_key",
    "fixed",
    "unchecked_lines",
]
