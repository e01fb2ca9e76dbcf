"""Who would get a request by other rules, on what was recorded when it was decided.

What the record says of an action stands as it is; only an action that nobody tried then is carried out anew, on the
candidates as they stood.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rules_engine.decisions.assignment import OutcomeKind
from rules_engine.decisions.picking import choose
from rules_engine.decisions.roster import Roster
from rules_engine.language.engines.native import NativeEngine
from rules_engine.language.model import OTHERWISE, Action, Ruleset


class Tried(StrEnum):
    """What came of actions that were tried and gave the request to nobody."""

    NOBODY = "no_candidate"
    WAITS = "waiting"


Known = Mapping[str, int | Tried]
"""What is recorded of actions, by their key: who was chosen, or that nobody was."""


@dataclass(frozen=True, slots=True)
class Given:
    """Who gets a request, by which rule, to be answered within how many working minutes (None: as the setting says)."""

    kind: OutcomeKind
    manager_id: int | None = None
    rule: str | None = None
    within: int | None = None


class AssignmentRules:
    """A ruleset of assignment made ready: compiled once, its actions known by what they say."""

    def __init__(self, ruleset: Ruleset) -> None:
        self.ruleset = ruleset
        self.matching = NativeEngine(ruleset).matching
        ids = [rule.id for rule in ruleset.rules if rule.enabled]
        self._decisive = {rule_id: _decisive(ruleset.actions_of(rule_id)) for rule_id in (*ids, OTHERWISE)}
        self._keys = {rule_id: _key(decisive) for rule_id, decisive in self._decisive.items()}
        self._within = {
            rule_id: decisive.number("answer_within") if decisive else None
            for rule_id, decisive in self._decisive.items()
        }
        self._walks: dict[tuple[str, ...], tuple[str, ...]] = {}

    def keys(self, matching: tuple[str, ...]) -> tuple[str, ...]:
        """Return what is tried where these rules match, in order: equal keys do the same."""
        found = self._walks.get(matching)
        if found is None:
            found = self._walks[matching] = tuple(self._keys[rule] for rule in self._walk(matching))
        return found

    def key(self, rule: str) -> str | None:
        """Return the key of a rule's actions; None for one that this ruleset does not have."""
        return self._keys.get(rule)

    def rule_at(self, matching: Iterable[str], place: int) -> str:
        """Return the id of the rule at a place of what is tried."""
        return list(self._walk(matching))[place]

    def within(self, rule: str) -> int | None:
        """Return the answer time that a rule sets, in working minutes."""
        return self._within.get(rule)

    def given(self, matching: Iterable[str], known: Known, roster: Callable[[], Roster]) -> Given:
        """Return who gets the request; the roster is asked for only where the record does not say."""
        for rule in self._walk(matching):
            decisive = self._decisive[rule]
            if decisive is None:
                continue
            if decisive.name == "leave_unassigned":
                return Given(OutcomeKind.LEFT_UNASSIGNED, rule=rule)
            found = known.get(self._keys[rule])
            if found is None:
                picked = choose(decisive, roster())
                found = picked.chosen
                if found is None:
                    found = Tried.WAITS if picked.waits_for is not None else Tried.NOBODY
            if found is Tried.WAITS:
                return Given(OutcomeKind.WAITING)
            if found is not Tried.NOBODY:
                return Given(OutcomeKind.ASSIGNED, int(found), rule, self._within[rule])
        return Given(OutcomeKind.NOBODY)

    def known_of(self, outcome: Mapping[str, Any]) -> dict[str, int | Tried]:
        """Return what a stored outcome of this ruleset says of its actions."""
        found: dict[str, int | Tried] = {}
        for passed in outcome["passed_over"]:
            key = self._keys.get(passed["rule"])
            if key is not None:
                found[key] = Tried(passed["reason"])
        key = self._keys.get(outcome["rule"] or "")
        if key is not None and outcome["manager_id"] is not None:
            found[key] = int(outcome["manager_id"])
        return found

    def _walk(self, matching: Iterable[str]) -> Iterator[str]:
        yield from matching
        if self.ruleset.otherwise:
            yield OTHERWISE


def unchanged(live: tuple[str, ...], draft: tuple[str, ...], place: int | None) -> bool:
    """Return whether two walks are the same as far as the one went: to `place`, or to the end (None)."""
    if place is None:
        return live == draft
    return draft[: place + 1] == live[: place + 1]


def _decisive(actions: Iterable[Action]) -> Action | None:
    return next((action for action in actions if action.name in ("assign", "leave_unassigned")), None)


def _key(decisive: Action | None) -> str:
    return "" if decisive is None else json.dumps(decisive.to_json(), ensure_ascii=False, sort_keys=True)
