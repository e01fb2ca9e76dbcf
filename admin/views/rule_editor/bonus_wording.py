"""What is wrong with a bonus rule in the words of the page: no codes of lines or measures, no keys of documents."""

from flask_babel import gettext as _

from rules_engine.language.problems import Problem
from rules_engine.language.vocabulary import FIELDS

_NUMBERS = frozenset({"wrong_type", "no_value", "too_exact", "too_large"})
_INSIDE = frozenset({"from", "rate", "full_at", "measure"})


def bonus_problem(problem: Problem, lang: str) -> str:
    """Return the sentence of a problem inside an action, "" where the usual words do."""
    value = str(problem.data.get("value", ""))
    measure = FIELDS[value].label.text(lang) if value in FIELDS else value
    said = {
        "unknown_line": _("A line that it changes is not made above any more: choose another, or move the rule down."),
        "same_line": _("One line is chosen twice."),
        "duplicate_line": _("Another action makes the same line: save this action once, and it gets one of its own."),
        "reserved_line": _("The line has a reserved name: save this action once, and it gets one of its own."),
        "few_tiers": _("Two tiers at least: one rate for everything is a percentage."),
        "gate_order": _("“In full from” cannot be less than “Begins at”."),
        "unknown_field": _("There is no such measure: choose another."),
        "wrong_measure": _("The measure “%(name)s” does not fit here.", name=measure),
        "same_measure": _("The measure “%(name)s” is chosen twice.", name=measure),
        "wrong_shape": _("The matrix needs a value for each pair of marks."),
        "not_a_pair": _("Each point needs two values."),
    }.get(problem.code, "")
    if said:
        return str(said)
    if problem.code == "missing_key" and problem.data.get("key") in _INSIDE:
        return str(_("A value in the table is not filled in."))
    if problem.code in _NUMBERS and problem.data.get("expected", "number") in ("number", "money"):
        return str(_("A number is needed, for example 2.5 or 1 500 000."))
    return ""
