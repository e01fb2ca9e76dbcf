"""Why a statement pays what it pays: each line with the rule of the version that made it, and why the others did not.

The measures are those that the statement keeps, the conditions those of the version by which the month was reckoned:
nothing is counted again.
"""

from fractions import Fraction
from typing import Any, Final

from sqlalchemy.orm import Session

from rules_engine.decisions.bonus_figures import measures as measures_of
from rules_engine.decisions.bonus_lines import Figure
from rules_engine.decisions.bonus_measures import Measures, canonical_measures
from rules_engine.decisions.bonus_words import figure_words
from rules_engine.decisions.bonus_words import line_json as reckoned_line
from rules_engine.decisions.field_words import condition_words
from rules_engine.language.engines.native import NativeEngine
from rules_engine.language.kinds import FieldType
from rules_engine.language.model import Ruleset
from rules_engine.language.sentence import rule_text
from rules_engine.language.vocabulary import FIELDS
from rules_engine.models import BonusStatement, RulesetVersion
from rules_engine.services.bonus.corrections import title_of
from rules_engine.services.bonus.reckoning import Reckoned, Rules, exact_measures, rules_of_version
from rules_engine.services.bonus.rows import CORRECTION, line_json
from rules_engine.services.drafts.trying import looked_at
from rules_engine.services.explain.decision import failed_json
from rules_engine.services.rules.rulebook import references

_CORRECTED: Final = "correction:"


def explain_lines(session: Session, statement: BonusStatement, lang: str) -> dict[str, Any]:
    """Return the lines of a statement with their rules, every rule with why not, and the measures, in words.

    `version` is the number of the rules. A line that puts an earlier month right has no rule; `corrects` is that month.
    """
    rules = rules_of_version(session, statement.period.version_id)
    lines = [_line(session, rules, line_json(line, lang), line.basis, lang) for line in statement.lines]
    return _explained(session, rules, exact_measures(statement.measures), lines, lang)


def explain_so_far(session: Session, reckoned: Reckoned, rules: Rules, lang: str) -> dict[str, Any]:
    """Return what `explain_lines` does for a month that has no statement yet, as it is reckoned now."""
    lines = [_line(session, rules, reckoned_line(line, lang), "", lang) for line in reckoned.statement.lines]
    return _explained(session, rules, measures_of(reckoned.figures), lines, lang)


def _explained(
    session: Session, rules: Rules, known: Measures, lines: list[dict[str, Any]], lang: str
) -> dict[str, Any]:
    version = session.get_one(RulesetVersion, rules.version_id)
    measures = {key: value for key, value in known.items() if value is not None}
    fields = looked_at([version.body])
    return {
        "version": version.number,
        "lines": lines,
        "rules": _rules(session, rules, measures, lines, lang),
        "facts": [
            {"field": key, "label": FIELDS[key].label.text(lang), "words": _value(key, value, lang)}
            for key, value in measures.items()
            if key in fields
        ],
    }


def _line(session: Session, rules: Rules, line: dict[str, Any], basis: str, lang: str) -> dict[str, Any]:
    rule = rules.ruleset.rule(line["rule"])
    is_correction = line["component"] == CORRECTION
    changed_by = dict.fromkeys(step["rule"] for step in line["steps"] if step["rule"] != line["rule"])
    return {
        "rule": line["rule"] if rule is not None else None,
        "line": line["line"],
        "title": title_of(rules, line["rule"], line["line"])["ru" if lang == "ru" else "en"],
        "rule_sentence": _sentence(session, rules.ruleset, line["rule"], lang) if not is_correction else "",
        "note": rule.note.text(lang) if rule is not None and not is_correction else "",
        "sentence": line["sentence"],
        "amount": line["amount"],
        "corrects": basis.removeprefix(_CORRECTED)[:7] if basis.startswith(_CORRECTED) else None,
        "changed_by": [
            {"id": one, "title": title_of(rules, one, one)["ru" if lang == "ru" else "en"]} for one in changed_by
        ],
    }


def _rules(
    session: Session, rules: Rules, measures: dict[str, Fraction], lines: list[dict[str, Any]], lang: str
) -> list[dict[str, Any]]:
    """Return every enabled rule: whether it matched on these measures, and its first failing condition in words."""
    names = references(session)
    paid = {line["rule"] for line in lines} | {one["id"] for line in lines for one in line["changed_by"]}
    found = []
    for trace in NativeEngine(rules.ruleset).explain(canonical_measures(measures)):
        rule = rules.ruleset.rule(trace.rule_id)
        failed = failed_json(trace.first_failed)
        words = None
        if failed is not None:
            words = condition_words(
                failed["field"],
                failed["op"],
                failed["value"],
                failed["seen"],
                lang,
                unwanted=failed["unwanted"],
                names=names,
            )
        found.append(
            {
                "id": trace.rule_id,
                "title": rule.title.text(lang) if rule else trace.rule_id,
                "matched": trace.matched,
                "acted": trace.rule_id in paid,
                "passed_over": None,
                "first_failed": failed,
                "why_not": words,
            }
        )
    return found


def _sentence(session: Session, ruleset: Ruleset, rule_id: str, lang: str) -> str:
    rule = ruleset.rule(rule_id)
    return rule_text(ruleset, rule, lang, names=references(session)) if rule else ""


def _value(key: str, value: Fraction, lang: str) -> str:
    """Return a measure as people read it; a percentage with two decimals, cut."""
    if FIELDS[key].type is FieldType.PERCENT:
        value = Fraction(value * 100 // 1, 100)
    return figure_words(Figure.of(key, value), lang)
