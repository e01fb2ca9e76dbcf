"""Where a problem of a draft stands: in which rule, at which condition or action, under which input."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from admin.views.rule_editor.wording import problem_text
from rules_engine.language.kinds import Decision
from rules_engine.language.model import OTHERWISE
from rules_engine.language.problems import Problem
from rules_engine.services.drafts.body import MODES, Body, rule_of


@dataclass(frozen=True, slots=True)
class Complaint:
    """One problem in the words of the page.

    `rule` is "" where it concerns no rule (a test case, the title). `at` points at a condition, a group or an action
    inside the rule, "" for the rule itself; `input` names the input under which it is shown, "" for none. `is_missing`:
    nobody has filled that in yet: the page says so quietly, until somebody says that he is done with it.
    """

    rule: str
    at: str
    input: str
    text: str
    is_missing: bool = False


def complaints(found: Iterable[Problem], body: Body, decision: Decision, lang: str) -> list[Complaint]:
    """Return the problems of a draft in reading order; a condition complains of one missing part at a time."""
    told: dict[tuple[str, str, str], Complaint] = {}
    for problem in found:
        one = _complaint(problem, body, decision, lang)
        unfinished = problem.code == "unfinished_condition"
        told.setdefault((one.rule, one.at, "" if unfinished else one.input + one.text), one)
    return list(told.values())


def _complaint(problem: Problem, body: Body, decision: Decision, lang: str) -> Complaint:
    steps = problem.path.split("/")[1:]
    if steps[:1] == ["rules"] and len(steps) > 1:
        rule_id, inside = str(body["rules"][int(steps[1])].get("id", "")), steps[2:]
    elif steps[:1] == ["otherwise"]:
        rule_id, inside = OTHERWISE, ["then", *steps[1:]]
    else:
        return Complaint("", "", "cases" if steps[:1] == ["cases"] else "", problem_text(problem, decision, lang))
    node, rest = _split(inside)
    key = str(problem.data.get("key", ""))
    name = rest[0] if rest and rest[0] not in MODES else key
    text = problem_text(problem, decision, lang, _action(body, rule_id, node))
    return Complaint(rule_id, node, name, text, problem.is_missing)


def _split(steps: Sequence[str]) -> tuple[str, list[str]]:
    """Return the pointer of the condition, group or action that the steps lead to, and what is left of them."""
    taken = 0
    if steps[:1] == ["when"]:
        taken = 1
    elif steps[:1] == ["then"] and len(steps) > 1:
        taken = 3 if steps[2:3] == ["among"] else 2
    if taken != 2:
        while taken and len(steps) >= taken + 2 and steps[taken] in MODES:
            taken += 2
    return "".join(f"/{step}" for step in steps[:taken]), list(steps[taken:])


def _action(body: Body, rule_id: str, node: str) -> str | None:
    steps = node.split("/")
    if len(steps) != 3 or steps[1] != "then":
        return None
    actions = rule_of(body, rule_id).get("then", [])
    place = int(steps[2])
    action = actions[place] if place < len(actions) else None
    return str(action.get("action")) if isinstance(action, dict) else None
