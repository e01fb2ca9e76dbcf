"""Trying rules on a stored request: which rule acts, why the others do not, who would get it."""

from typing import Any

from admin.views.rule_editor.room import Room
from rules_engine.services.editing_body import Body


def panel(here: Room, in_force: Body, draft: Body | None) -> dict[str, Any]:
    return {"tried": None, "found": [], "query": ""}
