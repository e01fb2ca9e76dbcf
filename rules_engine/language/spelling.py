"""Texts as somebody wrote them. Engines compare texts folded, and so decisions keep them; people read the spelling.

A spelling is used only where it says the same as the folded text: what a row says now is never put into the mouth of
a decision that saw something else.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeVar, cast

from rules_engine.language.values import canonical_text
from rules_engine.language.vocabulary import FIELDS

Value = TypeVar("Value")
Spellings = Mapping[str, Collection[str]]
"""Texts as they are written, by field, the preferred spelling first."""


def spelt(field: str, value: Value, spellings: Spellings) -> Value:
    """Return a value (JSON or canonical) with its folded texts as they were written.

    Texts that nobody wrote so stay folded.

    >>> spelt("request.city", "москва", {"request.city": ["Тверь", "Москва"]})
    'Москва'
    """
    written = spellings.get(field)
    if not written or not FIELDS[field].is_folded:
        return value
    found: Any = value
    if isinstance(value, str):
        found = _found(value, written)
    elif isinstance(value, list | tuple):
        found = type(value)(_found(item, written) if isinstance(item, str) else item for item in value)
    return cast(Value, found)


def spelt_facts(facts: Mapping[str, object], spellings: Spellings) -> dict[str, object]:
    """Return facts (JSON) of the vocabulary with their texts as they were written."""
    return {key: spelt(key, value, spellings) for key, value in facts.items()}


def of_values(values: Mapping[str, object]) -> dict[str, list[str]]:
    """Return the spellings of values (JSON by field), for example typed ones."""
    found: dict[str, list[str]] = {}
    for key, value in values.items():
        texts = [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]
        if texts and key in FIELDS and FIELDS[key].is_folded:
            found[key] = texts
    return found


def of_rules(body: Any) -> Spellings:
    """Return the spellings in the conditions of a document of rules, finished or not."""
    return joined(*(of_values({key: value}) for key, value in _compared(body)))


def joined(*several: Spellings) -> Spellings:
    """Return all spellings together, those of the first preferred."""
    found: dict[str, list[str]] = {}
    for one in several:
        for key, texts in one.items():
            found.setdefault(key, []).extend(texts)
    return found


def _found(folded: str, written: Collection[str]) -> str:
    wanted = canonical_text(folded)
    return next((text.strip() for text in written if canonical_text(text) == wanted), folded)


def _compared(node: Any) -> Iterator[tuple[str, object]]:
    """Yield field and value of every condition below a node."""
    if isinstance(node, dict):
        if isinstance(node.get("field"), str):
            yield node["field"], node.get("value")
        for below in node.values():
            yield from _compared(below)
    elif isinstance(node, list):
        for below in node:
            yield from _compared(below)
