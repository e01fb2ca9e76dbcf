"""What an operation of the draft is: the edit that a sent form asks for, and what is open afterwards."""

from collections.abc import Callable
from dataclasses import dataclass, field

from werkzeug.datastructures import MultiDict

from admin.views.rule_editor.cards import Kept, Place
from admin.views.rule_editor.room import Room
from rules_engine.models import RulesetDraft
from rules_engine.services.drafts.body import Edit

Form = MultiDict[str, str]


@dataclass(frozen=True, slots=True)
class Operation:
    """An edit, or with `refused` none: then the form stays open with what was typed.

    `said` is announced when it is done, `place` is what is open then; `stays` keeps the form open while the
    condition or action at `place` has problems. `reshaped`: other inputs belong in the form now, it is made anew.
    """

    place: Place
    edit: Edit | None = None
    said: str = ""
    stays: bool = False
    reshaped: bool = False
    kept: Kept = field(default_factory=Kept)

    @property
    def refused(self) -> bool:
        return self.edit is None and bool(self.kept.errors)

    @property
    def closes(self) -> bool:
        """Whether nothing is to be changed and no form shown: the page as it is at `place`."""
        return self.edit is None and self.kept == Kept()


Maker = Callable[[Room, RulesetDraft, Form], Operation]
"""Reads one form of the draft."""
