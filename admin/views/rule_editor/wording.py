"""The texts of the editor: translations as plain strings, and errors of the language in the words of the page."""

from collections.abc import Sequence

from flask_babel import gettext

from admin.views.rule_editor.bonus_wording import bonus_problem
from rules_engine.language.kinds import Decision
from rules_engine.language.problems import Problem
from rules_engine.language.vocabulary import actions_of


def _(text: str, **values: object) -> str:
    """Return a text in the viewer's language."""
    return str(gettext(text, **values))


def problem_text(problem: Problem, decision: Decision, lang: str, action: str | None = None) -> str:
    """Return what is wrong as the page says it: without the keys that only developers know.

    `action` is the name of the action in which the problem stands, None elsewhere.
    """
    key = str(problem.data.get("key", ""))
    if problem.code == "unfinished_condition":
        return {
            "field": _("The condition is not finished: choose a field."),
            "op": _("The condition is not finished: choose a comparison."),
        }.get(key, _("The condition is not finished: fill in the value."))
    if problem.code == "missing_key" and key == "action":
        return _("It is not chosen what to do.")
    if problem.code == "empty_group":
        return _("There is no condition here yet: add one.")
    if problem.code in ("missing_parameter", "missing_key") and action:
        spec = actions_of(decision).get(action)
        param = spec.by_name.get(key) if spec else None
        if param:
            return _("Not filled in: %(name)s.", name=param.label.text(lang))
    if problem.code == "exactly_one_of":
        specs = actions_of(decision)
        names = [name.strip() for name in str(problem.data.get("names", "")).split(",")]
        labels = " / ".join(specs[name].label.text(lang) for name in names if name in specs)
        return _("Exactly one of these is needed: %(names)s.", names=labels)
    if decision is Decision.BONUS and action and (said := bonus_problem(problem, lang)):
        return said
    if problem.code == "no_actions":
        return _("It is not said what to do: add an action.")
    text = problem.message(lang)
    return capital(text) + ("" if text.endswith((".", "?")) else ".")


def removed(at: Sequence[object]) -> str:
    """Return what is announced when an action was taken out of a rule, or from another place a condition or group."""
    return _("The action is removed.") if at[0] == "then" and len(at) == 2 else _("The condition is removed.")


def capital(text: str) -> str:
    """Return a text that begins with a capital letter; the rest stays."""
    return text[:1].upper() + text[1:]
