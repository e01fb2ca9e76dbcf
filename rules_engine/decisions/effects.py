"""What a rule wants done, as data. Nothing happens until a service carries an effect out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from rules_engine.language.model import Action


@dataclass(frozen=True, slots=True)
class Effect:
    """One action of one rule with its parameters as they stand in the ruleset.

    `written` is JSON text, because text cannot be changed behind a frozen value's back.
    """

    action: str
    rule: str
    written: str = field(default="{}")

    @classmethod
    def of(cls, action: Action, rule: str) -> Self:
        """Return the effect of an action of a rule (`otherwise` included)."""
        params = {key: value for key, value in action.to_json().items() if key != "action"}
        return cls(action.name, rule, json.dumps(params, ensure_ascii=False, sort_keys=True))

    @property
    def params(self) -> dict[str, Any]:
        """The parameters in their JSON form; a fresh mapping each time."""
        params: dict[str, Any] = json.loads(self.written)
        return params

    def to_json(self) -> dict[str, Any]:
        """Return the action with its parameters and `rule`, as every interface prints it."""
        return {"action": self.action, "rule": self.rule, **self.params}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Return the effect that `to_json` wrote."""
        params = {key: value for key, value in document.items() if key not in ("action", "rule")}
        written = json.dumps(params, ensure_ascii=False, sort_keys=True)
        return cls(str(document["action"]), str(document["rule"]), written)
