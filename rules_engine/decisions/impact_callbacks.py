"""Two rulesets of callbacks to be played on the same past, and the rules in which they differ."""

from collections.abc import Sequence
from dataclasses import replace

from rules_engine.decisions.callback_plan import CallbackPlan
from rules_engine.language.engines.native import NativeEngine
from rules_engine.language.model import Action, Rule, Ruleset


class Course:
    """One ruleset made ready."""

    def __init__(self, plan: CallbackPlan) -> None:
        self.plan = plan
        self.matching = NativeEngine(plan.ruleset).matching
        self.ids = [rule.id for rule in plan.ruleset.rules]


class Courses:
    """Both rulesets, and the rules in which they differ.

    `different` holds those rules as either has them; None where more differs than single rules. Where none of them
    could act on a client, both plan the same for him.
    """

    def __init__(self, live: Ruleset, draft: Ruleset) -> None:
        self.live, self.draft = Course(CallbackPlan.of(live)), Course(CallbackPlan.of(draft))
        of_live, of_draft = _enabled(live), _enabled(draft)
        self.different: Course | None = None
        both = of_live.keys() & of_draft.keys()
        in_order = [id_ for id_ in of_live if id_ in both] == [id_ for id_ in of_draft if id_ in both]
        if in_order and _written(live.otherwise) == _written(draft.otherwise):
            unlike = [
                rule
                for rules, others in ((of_live, of_draft), (of_draft, of_live))
                for rule in rules.values()
                if rule.id not in others or not _is_same(rule, others[rule.id])
            ]
            numbered = tuple(replace(rule, id=str(number)) for number, rule in enumerate(unlike))
            self.different = Course(CallbackPlan.of(replace(live, rules=numbered, otherwise=())))

    @property
    def fields(self) -> frozenset[str]:
        return self.live.plan.fields | self.draft.plan.fields


def _enabled(ruleset: Ruleset) -> dict[str, Rule]:
    return {rule.id: rule for rule in ruleset.rules if rule.enabled}


def _is_same(rule: Rule, other: Rule) -> bool:
    return rule.when == other.when and _written(rule.then) == _written(other.then)


def _written(actions: Sequence[Action]) -> list[str]:
    return [action.written for action in actions]
