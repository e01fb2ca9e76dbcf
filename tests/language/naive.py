"""A third evaluator, for tests alone: slow, obvious, and written from the page that describes the language.

It reads the JSON of rules and facts itself and shares no code with the engines but the types of fields.
"""

import unicodedata
from datetime import date, datetime
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from rules_engine.language.vocabulary import FIELDS


def matching(document: dict[str, Any], facts: dict[str, Any]) -> tuple[str, ...]:
    """Return the ids of the enabled rules that match, both given as JSON."""
    return tuple(
        rule["id"]
        for rule in document["rules"]
        if rule.get("enabled", True) and ("when" not in rule or holds(rule["when"], facts))
    )


def holds(node: dict[str, Any], facts: dict[str, Any]) -> bool:
    """Return whether a group or a condition is true."""
    if "all" in node:
        return all(holds(child, facts) for child in node["all"])
    if "any" in node:
        return any(holds(child, facts) for child in node["any"])
    if "none" in node:
        return not any(holds(child, facts) for child in node["none"])
    return condition(node, facts)


def condition(node: dict[str, Any], facts: dict[str, Any]) -> bool:
    key, op, written = node["field"], node["op"], node.get("value")
    seen = understood(key, facts.get(key))
    if op == "is_empty":
        return seen is None
    if op == "is_filled":
        return seen is not None
    if isinstance(written, dict):
        wanted = understood(written["field"], facts.get(written["field"]))
        if wanted is None:
            return False
    elif op in ("in", "not_in", "between"):
        wanted = [understood(key, item) for item in written]
    else:
        wanted = understood(key, written)
    if seen is None:
        return False
    return compared(seen, op, wanted)


def compared(seen: Any, op: str, wanted: Any) -> bool:
    if op == "is":
        return bool(seen == wanted)
    if op == "is_not":
        return bool(seen != wanted)
    if op == "in":
        return any(seen == item for item in wanted)
    if op == "not_in":
        return not any(seen == item for item in wanted)
    if op == "lt":
        return bool(seen < wanted)
    if op == "le":
        return bool(seen <= wanted)
    if op == "gt":
        return bool(seen > wanted)
    if op == "ge":
        return bool(seen >= wanted)
    if op == "between":
        return bool(wanted[0] <= seen < wanted[1])
    if op == "contains":
        return wanted in seen
    if op == "starts_with":
        return bool(seen.startswith(wanted))
    if op == "has_any":
        return any(item in seen for item in wanted)
    if op == "has_all":
        return all(item in seen for item in wanted)
    raise AssertionError(op)


def understood(key: str, value: Any) -> Any:
    """Return a JSON value as Python would think of it; None for what counts as empty."""
    if value is None or value == "" or value == []:
        return None
    kind = FIELDS[key].type.value
    if kind == "text":
        return folded(value) or None
    if kind == "list":
        items = {item if FIELDS[key].exact_items else folded(item) for item in value} - {""}
        return items or None
    if kind in ("money", "number"):
        return Decimal(value)
    if kind == "percent":
        return Decimal(value).quantize(Decimal("0.01"), rounding=ROUND_FLOOR)
    if kind == "date":
        return date.fromisoformat(value)
    if kind == "datetime":
        return datetime.fromisoformat(value)
    return value


def folded(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold()).strip()
