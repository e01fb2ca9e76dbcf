"""What came of a file: how many rows, and for each row that was refused its line, its column and the reason."""

from dataclasses import dataclass, field
from typing import Any

from rules_engine.services.records.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Rejection:
    """One row that was not taken. `column` is the header in the file; None: the row as a whole."""

    row: int
    column: str | None
    ru: str
    en: str

    def reason(self, lang: str) -> str:
        return self.ru if lang == "ru" else self.en


@dataclass(slots=True)
class Report:
    """Counts of rows; `ignored` are the columns of the file that nothing was read from."""

    read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: list[Rejection] = field(default_factory=list)
    ignored: tuple[str, ...] = ()
    is_dry_run: bool = False

    def count(self, outcome: Outcome) -> None:
        match outcome:
            case Outcome.CREATED:
                self.created += 1
            case Outcome.UPDATED:
                self.updated += 1
            case Outcome.UNCHANGED:
                self.unchanged += 1

    def to_json(self, lang: str) -> dict[str, Any]:
        return {
            "read": self.read,
            "created": self.created,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "rejected": [{"row": one.row, "column": one.column, "reason": one.reason(lang)} for one in self.rejected],
        }
