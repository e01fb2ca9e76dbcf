"""What the language asks of an installation: which people, teams, skills and services there are."""

from collections.abc import Mapping
from typing import Protocol

from rules_engine.language.kinds import ReferenceKind


class References(Protocol):
    """The shell's lists of values, for the checker, and their names, for sentences."""

    def known(self, kind: ReferenceKind) -> Mapping[str, str] | None:
        """Return the values of a kind with the names that people know them by; None: this kind is not checked."""
