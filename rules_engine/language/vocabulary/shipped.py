"""What the shipped rules name before an installation has it: a team and a skill, with the words that people read.

A rule that is switched off may name a team yet to be made. Its sentence says these words; that the team is missing, the
check says as soon as the rule is switched on.
"""

from collections.abc import Mapping
from types import MappingProxyType

from rules_engine.language.kinds import ReferenceKind, Words

SHIPPED_NAMES: Mapping[ReferenceKind, Mapping[str, Words]] = MappingProxyType(
    {
        ReferenceKind.TEAM: MappingProxyType({"key": Words("Ключевые", "Key accounts")}),
        ReferenceKind.SKILL: MappingProxyType({"english": Words("английский", "English")}),
    }
)


def shipped_name(kind: ReferenceKind | None, value: str) -> Words | None:
    """Return the words for a value that the shipped rules name, None for any other."""
    return SHIPPED_NAMES.get(kind, {}).get(value) if kind else None


def spellings(kind: ReferenceKind, value: str) -> frozenset[str]:
    """Return how people may write a value of an open list: itself, and what a sentence calls it, in both languages.

    Nobody who reads “skill «английский»” would write anything else beside a manager's name.

    >>> sorted(spellings(ReferenceKind.SKILL, "english"))
    ['English', 'english', 'Английский', 'английский']
    >>> sorted(spellings(ReferenceKind.SKILL, "дизайн"))
    ['дизайн']
    """
    name = shipped_name(kind, value)
    said = (name.ru, name.en) if name else ()
    return frozenset({value, *said, *(text.lower() for text in said), *(text.capitalize() for text in said)})
