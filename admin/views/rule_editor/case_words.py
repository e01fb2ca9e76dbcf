"""A test case in words: its facts one in a line, and what it expects."""

from collections.abc import Mapping
from typing import Any

from admin.views.rule_editor.room import Room
from admin.views.rule_editor.trying_results import rule_title
from admin.views.rule_editor.wording import _, capital
from rules_engine.decisions.field_words import value_words
from rules_engine.language.kinds import FieldType, Words
from rules_engine.language.read_bonus import WITHOUT_PLAN
from rules_engine.language.shown import show_scaled
from rules_engine.language.vocabulary import FIELDS
from rules_engine.services.drafts.body import Body
from rules_engine.services.rules import rulebook
from rules_engine.services.trials.cases import minor

_IN_A_TITLE = 3


def fact_words(here: Room, facts: Mapping[str, Any]) -> list[str]:
    """Return the facts of a test case (JSON), one in a line, in the order of the vocabulary."""
    names = rulebook.references(here.session)
    lines = [
        f"{FIELDS[key].chip.text(here.lang)}: {value_words(key, facts[key], here.lang, names=names)}"
        for key in FIELDS
        if key in facts
    ]
    without = facts.get(WITHOUT_PLAN)
    intended = _("no plan by intention")
    for key in without if isinstance(without, list) else ():
        if key in FIELDS:
            lines.append(f"{FIELDS[key].chip.text(here.lang)}: {intended}")
    return lines


def facts_title(here: Room, facts: Mapping[str, Any]) -> str:
    """Return a title for a case that was typed: its first few values."""
    lines = fact_words(here, facts)
    return capital(", ".join(lines[:_IN_A_TITLE]))[:200] or _("Nothing is filled in")


def case_title(case: Mapping[str, Any], lang: str, number: int) -> str:
    """Return the title of a case as it is written, else its number."""
    title = case.get("title")
    if isinstance(title, Mapping):
        title = Words(str(title.get("ru") or ""), str(title.get("en") or "")).text(lang)
    return str(title or "") or _("Case %(n)s", n=number)


def expectation_words(here: Room, body: Body, expect: Mapping[str, Any]) -> str:
    """Return what a case expects, or what happens now: the rules, and of a bonus the total."""
    titles = ", ".join(rule_title(body, str(rule), here.lang) for rule in expect.get("fired") or ())
    words = titles or _("no rule acts")
    total = expect.get("total")
    if total is None:
        return words
    return "; ".join((words, _("total: %(amount)s", amount=money_text(str(total), here.lang))))


def money_text(text: str, lang: str) -> str:
    """Return an amount of a case as people write it."""
    found = minor(text)
    return text if found is None else show_scaled(FieldType.MONEY, found, lang)
