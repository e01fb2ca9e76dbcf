"""Measures in three forms: exact for the arithmetic, canonical for conditions, JSON for files and test cases.

Exact: a Fraction each, or None for an empty measure. Money in kopecks, percent in percent (110 for 110 %, so the
nodes of a rule are compared as they are written), counts and scores as they are. Nothing is rounded here; the
canonical form alone is floored, to kopecks, basis points and ten-thousandths.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Any

from rules_engine.language.kinds import FieldType
from rules_engine.language.read_bonus import WITHOUT_PLAN, read_without_plan
from rules_engine.language.values import SCALE, Facts, parse_facts
from rules_engine.language.vocabulary import FIELDS
from rules_engine.language.vocabulary.fields_measure import NO_PLAN

Measures = Mapping[str, Fraction | None]
"""Exact measures by the key of the field; a missing key is an empty measure."""

PREFIX = "measure."


@dataclass(frozen=True, slots=True)
class Given:
    """What one object of facts says: exact measures, canonical facts, measures without a plan by intention."""

    measures: dict[str, Fraction | None]
    facts: Facts
    without_plan: frozenset[str]


def canonical_measures(measures: Measures) -> Facts:
    """Return the facts on which the conditions of bonus rules are looked at; empty measures are left out."""
    return {
        key: floor(value * _canonical_scale(FIELDS[key].type)) for key, value in measures.items() if value is not None
    }


def read_measures(document: Mapping[str, Any], path: str = "") -> Given:
    """Return the measures of one flat JSON object of facts, percent with all their digits.

    Raises FactsInvalid for unknown fields, wrong types, and a `without_plan` that is no list of attainments.
    """
    plain = {key: value for key, value in document.items() if key != WITHOUT_PLAN}
    facts = parse_facts(plain, path)
    measures = {
        key: Fraction(plain[key]) * (100 if FIELDS[key].type is FieldType.MONEY else 1)
        for key in facts
        if key.startswith(PREFIX)
    }
    return Given(dict(measures), facts, read_without_plan(document, path))


def is_no_plan(measure: str) -> bool:
    """Return whether an empty measure means that there is no plan, not that there was nothing to count."""
    return FIELDS[measure].empty == NO_PLAN


def _canonical_scale(kind: FieldType) -> int:
    # Money is in kopecks already; the other types are scaled as everywhere in the language.
    return 1 if kind is FieldType.MONEY else SCALE.get(kind, 1)
