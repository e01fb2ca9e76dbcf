"""Texts of a rule in a draft that still say a number of the rule in force which the draft's rule no longer says."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from flask_babel import ngettext

from admin.views.rule_editor.sentences import Speaker
from admin.views.rule_editor.wording import _
from rules_engine.language.kinds import Decision
from rules_engine.language.notes import note_text, other_text
from rules_engine.language.old_numbers import left_behind
from rules_engine.language.vocabulary import ParamType, actions_of
from rules_engine.services.drafts.body import Node, node_at, pointer

_WRITTEN = frozenset({ParamType.TEXT, ParamType.LINE, ParamType.LINES, ParamType.CODE})
"""What an author writes or names himself; a number there is none by which the rule decides."""
_CYRILLIC, _LATIN = re.compile("[А-Яа-яЁё]"), re.compile("[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Leftover:
    """One hint. `at` and `on` say which form mends it, both "" where this reader's language has none."""

    text: str
    at: str = ""
    on: str = ""


def leftovers(rule: Node, live: Node, decision: Decision, speaker: Speaker, lang: str) -> Iterator[Leftover]:
    """Yield the old numbers of a rule's note and of its own texts (messages, tasks, reasons), the note first."""
    before, after = _decides_by(live, decision, speaker), _decides_by(rule, decision, speaker)
    other = "en" if lang == "ru" else "ru"
    written = rule.get("note")
    mine, others = note_text(written, lang), other_text(written, lang)
    if numbers := left_behind(mine, _language_of(mine, lang), before, after, lang):
        yield Leftover(_note(numbers), "title", "note")
    if others != mine and (numbers := left_behind(others, other, before, after, lang)):
        yield Leftover(_other_note(numbers, other))
    for at, name, text in _own_texts(rule, decision):
        if numbers := left_behind(text, _language_of(text, lang), before, after, lang):
            yield Leftover(_own_text(numbers, text), at, name)


def _decides_by(rule: Node, decision: Decision, speaker: Speaker) -> str:
    """Return the sentence of a rule without what its author has written himself."""
    return "".join(
        part.text if _param_type(rule, part.at, part.param, decision) not in _WRITTEN else "…"
        for part in speaker.rule(rule)
    )


def _param_type(rule: Node, at: str, name: str, decision: Decision) -> ParamType | None:
    if not at or not name:
        return None
    action = node_at(rule, pointer(at))
    spec = actions_of(decision).get(str(action.get("action")))
    param = spec.by_name.get(name) if spec else None
    return param.type if param else None


def _own_texts(rule: Node, decision: Decision) -> Iterator[tuple[str, str, str]]:
    for index, action in enumerate(rule.get("then") or []):
        spec = actions_of(decision).get(str(action.get("action"))) if isinstance(action, dict) else None
        for param in spec.params if spec else ():
            text = action.get(param.name)
            if param.type is ParamType.TEXT and isinstance(text, str):
                yield f"/then/{index}", param.name, text


def _language_of(text: str, lang: str) -> str:
    """Return how a text writes its numbers; one without letters as its reader does."""
    return "ru" if _CYRILLIC.search(text) else "en" if _LATIN.search(text) else lang


def _note(numbers: tuple[str, ...]) -> str:
    return str(
        ngettext(
            "The note still says %(numbers)s: the rule in force has it, the draft no longer does.",
            "The note still says %(numbers)s: the rule in force has them, the draft no longer does.",
            len(numbers),
            numbers=", ".join(numbers),
        )
    )


def _other_note(numbers: tuple[str, ...], other: str) -> str:
    said = ", ".join(numbers)
    if other == "ru":
        return _("In Russian the note still says %(numbers)s. To change it, switch the language.", numbers=said)
    return _("In English the note still says %(numbers)s. To change it, switch the language.", numbers=said)


def _own_text(numbers: tuple[str, ...], text: str) -> str:
    return str(
        ngettext(
            "The text “%(text)s” still says %(numbers)s: the rule in force has it, the draft no longer does.",
            "The text “%(text)s” still says %(numbers)s: the rule in force has them, the draft no longer does.",
            len(numbers),
            numbers=", ".join(numbers),
            text=text,
        )
    )
