"""What mends a finding, as data, and the edit of a document that it stands for."""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from rules_engine.errors import NotFound
from rules_engine.language.kinds import Words
from rules_engine.language.model import Mode
from rules_engine.language.notes import joined
from rules_engine.language.shown import show_date

Body = dict[str, Any]


class FixKind(StrEnum):
    MOVE_ABOVE = "move_above"
    """`rule` to the place right above `other`."""
    REMOVE_CONDITION = "remove_condition"
    """The condition at `path`, with groups that it leaves empty."""
    JOIN_CONDITIONS = "join_conditions"
    """The conditions at `path` and `second` become the one in `written`, which stands at `path`."""
    MERGE = "merge"
    """`other` into `rule`, whose condition at `path` becomes the one in `written`."""
    SWITCH_OFF = "switch_off"
    SET_REVIEW = "set_review"
    """`rule` is looked at again on `on`."""
    PAY_THE_PART = "pay_the_part"
    """The rates of the tiers at `path` apply to the part within each tier, not to the whole."""
    SOFTEN = "soften"
    """The gate at `path` opens in proportion, not all at once."""


_LABELS = {
    FixKind.MOVE_ABOVE: Words("Поставить выше {other}", "Move above {other}"),
    FixKind.REMOVE_CONDITION: Words("Убрать условие", "Remove the condition"),
    FixKind.JOIN_CONDITIONS: Words("Пусть будет любое из двух", "Let it be either of the two"),
    FixKind.MERGE: Words("Объединить с {rule}", "Merge with {rule}"),
    FixKind.SWITCH_OFF: Words("Выключить правило", "Switch the rule off"),
    FixKind.SET_REVIEW: Words("Пересмотреть позже: {on}", "Review later: {on}"),
    FixKind.PAY_THE_PART: Words("Сделать ставку за часть", "Apply the rates to the part"),
    FixKind.SOFTEN: Words("Сделать порог плавным", "Make the gate soft"),
}


@dataclass(frozen=True, slots=True)
class Fix:
    """One edit. `path` and `second` are JSON pointers inside the rule, `written` is a condition as JSON text."""

    kind: FixKind
    rule: str
    other: str = ""
    path: str = ""
    second: str = ""
    written: str = ""
    on: date | None = None

    def message(self, lang: str, titles: Mapping[str, str]) -> str:
        """Return the words of the button. `titles` says how the page calls each rule."""
        return (
            _LABELS[self.kind]
            .text(lang)
            .format(
                rule=titles.get(self.rule, self.rule),
                other=titles.get(self.other, self.other),
                on=show_date(self.on, lang) if self.on else "",
            )
        )


def fixed(body: Body, fix: Fix) -> Body:
    """Return a copy of the document with the edit made. Raises NotFound where its rule or place is gone."""
    made = copy.deepcopy(body)
    rules: list[Body] = made.get("rules", [])
    place = _place(rules, fix.rule)
    rule = rules[place]
    match fix.kind:
        case FixKind.MOVE_ABOVE:
            del rules[place]
            rules.insert(_place(rules, fix.other), rule)
        case FixKind.REMOVE_CONDITION:
            _remove(rule, _steps(fix.path))
        case FixKind.JOIN_CONDITIONS:
            _replace(rule, fix)
            _remove(rule, _steps(fix.second))
        case FixKind.MERGE:
            _replace(rule, fix)
            _merge(made, rule, fix)
        case FixKind.SWITCH_OFF:
            rule["enabled"] = False
        case FixKind.SET_REVIEW:
            rule["review_on"] = fix.on.isoformat() if fix.on else None
        case FixKind.PAY_THE_PART:
            _node(rule, _steps(fix.path))["mode"] = "slab"
        case FixKind.SOFTEN:
            _node(rule, _steps(fix.path))["soft"] = True
    return made


def _place(rules: list[Body], rule_id: str) -> int:
    for place, rule in enumerate(rules):
        if rule.get("id") == rule_id:
            return place
    raise NotFound(what=f"rule {rule_id}")


def _steps(path: str) -> list[str | int]:
    return [int(step) if step.isdecimal() else step for step in path.split("/")[1:]]


def _node(rule: Body, steps: list[str | int]) -> Any:
    found: Any = rule
    for step in steps:
        try:
            found = found[step]
        except (KeyError, IndexError, TypeError):
            raise NotFound(what="".join(f"/{step}" for step in steps)) from None
    return found


def _remove(rule: Body, at: list[str | int]) -> None:
    """Remove a condition and every group that is left empty: the finding has shown that the rule stays the same."""
    _node(rule, at)
    holder = _node(rule, at[:-1])
    del holder[at[-1]]
    if holder == [] and at[-2] in tuple(Mode):
        _remove(rule, at[:-2])


def _replace(rule: Body, fix: Fix) -> None:
    at = _steps(fix.path)
    _node(rule, at)
    _node(rule, at[:-1])[at[-1]] = json.loads(fix.written)


def _merge(body: Body, rule: Body, fix: Fix) -> None:
    rules = body["rules"]
    other = rules[_place(rules, fix.other)]
    note = joined(rule.get("note"), other.get("note"))
    if note:
        rule["note"] = note
    days = [day for day in (rule.get("review_on"), other.get("review_on")) if day]
    if days:
        rule["review_on"] = min(days)
    rules.remove(other)
    for case in body.get("cases", []):
        fired = case.get("expect", {}).get("fired")
        if isinstance(fired, list):
            named = [fix.rule if rule_id == fix.other else rule_id for rule_id in fired]
            case["expect"]["fired"] = list(dict.fromkeys(named))
