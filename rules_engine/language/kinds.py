"""The closed lists of the language: types, decisions, what moves a field, what a reference points at."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Words:
    """One expression in both languages of the product."""

    ru: str
    en: str

    def text(self, lang: str) -> str:
        """Return the expression in `lang`; anything but `ru` reads English. An empty side falls back."""
        return (self.ru or self.en) if lang == "ru" else (self.en or self.ru)


class FieldType(StrEnum):
    TEXT = "text"
    CHOICE = "choice"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    NUMBER = "number"
    MONEY = "money"
    PERCENT = "percent"
    DURATION = "duration"
    DATE = "date"
    DATETIME = "datetime"
    REFERENCE = "reference"
    LIST = "list"


ORDERED_TYPES = frozenset(
    {
        FieldType.INTEGER,
        FieldType.NUMBER,
        FieldType.MONEY,
        FieldType.PERCENT,
        FieldType.DURATION,
        FieldType.DATE,
        FieldType.DATETIME,
    }
)
"""Types whose canonical value is an integer that can be compared by size."""


class Decision(StrEnum):
    ASSIGNMENT = "assignment"
    ESCALATION = "escalation"
    CALLBACKS = "callbacks"
    BONUS = "bonus"


class HitPolicy(StrEnum):
    FIRST = "first"
    COLLECT = "collect"


HIT_POLICIES = {
    Decision.ASSIGNMENT: HitPolicy.FIRST,
    Decision.ESCALATION: HitPolicy.COLLECT,
    Decision.CALLBACKS: HitPolicy.COLLECT,
    Decision.BONUS: HitPolicy.COLLECT,
}

DECISION_LABELS = {
    Decision.ASSIGNMENT: Words("Распределение заявок", "Assignment of requests"),
    Decision.ESCALATION: Words("Сроки ответа", "Escalation"),
    Decision.CALLBACKS: Words("Звонки клиентам", "Callbacks"),
    Decision.BONUS: Words("Премия", "Bonus"),
}


class MovedBy(StrEnum):
    """What can change the truth of a condition on a field."""

    WITH_ITEM = "with_item"
    WITH_TIME = "with_time"
    WITH_OTHERS = "with_others"


class FieldGroup(StrEnum):
    """The part of a field's key before the dot; one provider of facts serves one group."""

    REQUEST = "request"
    CLIENT = "client"
    OWNER = "owner"
    MANAGER = "manager"
    CANDIDATE = "candidate"
    ITEM = "item"
    NOW = "now"
    EVENT = "event"
    MEASURE = "measure"


class ReferenceKind(StrEnum):
    """Lists of values that live outside the language: in the tables of an installation."""

    MANAGER = "manager"
    TEAM = "team"
    SKILL = "skill"
    SERVICE = "service"
    CHANNEL = "channel"
    SEGMENT = "segment"
    REFUSAL_REASON = "refusal_reason"


REFERENCE_LABELS = {
    ReferenceKind.MANAGER: Words("менеджер", "manager"),
    ReferenceKind.TEAM: Words("отдел", "team"),
    ReferenceKind.SKILL: Words("умение", "skill"),
    ReferenceKind.SERVICE: Words("услуга", "service"),
    ReferenceKind.CHANNEL: Words("канал", "channel"),
    ReferenceKind.SEGMENT: Words("сегмент", "segment"),
    ReferenceKind.REFUSAL_REASON: Words("причина отказа", "refusal reason"),
}

LIMIT_RULES = 500
LIMIT_DEPTH = 8
LIMIT_CONDITIONS = 60
LIMIT_CASES = 500
LIMIT_ACTIONS = 20
LIMIT_LIST = 200
LIMIT_TEXT = 1_000
LIMIT_NOTE = 5_000
LIMIT_CANONICAL = 2**62
"""Canonical integers stay below this bound: the C engine keeps signed 64-bit numbers."""
