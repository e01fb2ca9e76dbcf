"""A short way to declare fields: the defaults that most of them share."""

from collections.abc import Callable

from rules_engine.language.kinds import Decision, FieldType, MovedBy, Words
from rules_engine.language.vocabulary.terms import NOT_KNOWN, Choice, Field

ITEM, TIME, OTHERS = MovedBy.WITH_ITEM, MovedBy.WITH_TIME, MovedBy.WITH_OTHERS
ASSIGNMENT, ESCALATION = Decision.ASSIGNMENT, Decision.ESCALATION
CALLBACKS, BONUS = Decision.CALLBACKS, Decision.BONUS

MINUTES = Words("мин", "min")
WORKING_MINUTES = Words("рабочих мин", "working min")
DAYS = Words("дн.", "days")
WORKING_DAYS = Words("раб. дн.", "working days")


def choices(*rows: tuple[str, str, str]) -> tuple[Choice, ...]:
    """Return allowed values from rows of value, Russian label, English label."""
    return tuple(Choice(value, Words(ru, en)) for value, ru, en in rows)


def group(prefix: str, decisions: frozenset[Decision], moved_by: MovedBy) -> Callable[..., Field]:
    """Return a function that declares fields of one group: name, type, labels, then what differs."""

    def declare(
        name: str,
        field_type: FieldType,
        ru: str,
        en: str,
        *,
        chip: tuple[str, str] | None = None,
        empty: Words = NOT_KNOWN,
        moved: MovedBy = moved_by,
        where: frozenset[Decision] = decisions,
        **more: object,
    ) -> Field:
        label = Words(ru, en)
        return Field(
            key=f"{prefix}.{name}",
            type=field_type,
            label=label,
            chip=Words(*chip) if chip else label,
            decisions=where,
            moved_by=moved,
            empty=empty,
            **more,  # type: ignore[arg-type]  # each keyword is an attribute of Field; dataclass refuses others
        )

    return declare
