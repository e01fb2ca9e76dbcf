"""The ruleset: `parse` makes it from JSON, `to_json` gives the JSON back, `content_hash` names a content."""

import hashlib
import json

from rules_engine.language.check import read
from rules_engine.language.errors import RulesetInvalid
from rules_engine.language.model import (
    OTHERWISE,
    Action,
    Condition,
    FieldRef,
    Group,
    Mode,
    Pool,
    Rule,
    Ruleset,
    TestCase,
)
from rules_engine.language.problems import Problem
from rules_engine.language.references import References

__all__ = [
    "OTHERWISE",
    "Action",
    "Condition",
    "FieldRef",
    "Group",
    "Mode",
    "Pool",
    "Rule",
    "Ruleset",
    "TestCase",
    "content_hash",
    "parse",
    "parse_text",
    "to_json",
]


def parse(document: object, references: References | None = None) -> Ruleset:
    """Return the ruleset of a parsed JSON document. Raises RulesetInvalid with every error in it."""
    return read(document, references)


def parse_text(text: str | bytes, references: References | None = None) -> Ruleset:
    """Return the ruleset of a JSON text. Raises RulesetInvalid, also for a text that is no JSON."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise RulesetInvalid((Problem("not_json", "", {"detail": str(problem)}),)) from problem
    return read(document, references)


def to_json(ruleset: Ruleset) -> dict[str, object]:
    """Return the document of a ruleset, as it was written; the caller may change what he gets."""
    document: dict[str, object] = json.loads(ruleset.document)
    return document


def content_hash(document: object) -> str:
    """Return the SHA-256 of a JSON document in hexadecimal; the order of keys and spaces do not count.

    Raises RulesetInvalid for what cannot be a JSON document (nested without end, not a JSON type).
    """
    try:
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (ValueError, TypeError, RecursionError) as problem:
        raise RulesetInvalid((Problem("not_json", "", {"detail": str(problem)}),)) from problem
    return hashlib.sha256(text.encode("ascii")).hexdigest()
