"""The headings of the table of rules: how they are written, and which column a pasted one means."""

from dataclasses import dataclass
from functools import cache

from admin.views.rule_editor.conditions import Option, OptionGroup
from admin.views.rule_editor.wording import _, capital
from rules_engine.language.kinds import Decision
from rules_engine.language.vocabulary import FIELDS, actions_of, fields_of, implemented_fields
from rules_engine.services.drafts.table import (
    CELL_PARAMS,
    MORE_THEN,
    MORE_WHEN,
    NAME,
    NOTE,
    ON,
    REVIEW,
    Column,
    Part,
    folded,
)

_SAID = {
    NAME: ("name", "название", "правило", "rule", "title", "имя"),
    ON: ("on", "включено", "действует", "enabled", "вкл"),
    MORE_WHEN: ("and more conditions", "и ещё условия"),
    MORE_THEN: ("and more of what happens", "и ещё действия"),
    NOTE: ("why this rule exists", "зачем это правило", "зачем нужно это правило", "note", "пояснение", "примечание"),
    REVIEW: ("look at it again on", "пересмотреть", "review on"),
}
_PASSED_OVER = frozenset({"№", "#", "n", "no", "no.", "номер", "in 30 days", "за 30 дней"})


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading as it was pasted. `column` is None for one that is not known, or not wanted."""

    text: str
    column: Column | None
    is_known: bool


def heading(column: Column, decision: Decision, lang: str) -> str:
    """Return the heading of a column, as a table that leaves has it and one that comes back is read by."""
    if column.part is Part.FIELD:
        label = FIELDS[column.key].label.text(lang)
        # A label that would be read as another column gives way to the key.
        return capital(label) if _known(decision).get(folded(label)) == column else column.key
    if column.part is Part.ACTION:
        spec = actions_of(decision)[column.key]
        param = spec.by_name.get(column.param)
        name = capital(spec.label.text(lang))
        return f"{name}: {param.label.text(lang)}" if param else name
    return {
        NAME: _("Name"),
        ON: _("On"),
        MORE_WHEN: _("And more conditions"),
        MORE_THEN: _("And more of what happens"),
        NOTE: _("Why this rule exists"),
        REVIEW: _("Look at it again on"),
    }[column]


def read_heading(text: str, decision: Decision) -> Heading:
    """Return which column a pasted heading means, in either language: fields before actions, short names too."""
    low = folded(text)
    if low in _PASSED_OVER or not low:
        return Heading(text, None, is_known=True)
    column = _known(decision).get(low) or _known(decision).get(folded(text.partition(",")[0]))
    return Heading(text, column, is_known=column is not None)


def column_options(decision: Decision, lang: str) -> tuple[OptionGroup, ...]:
    """Return the columns that an unknown heading may stand for."""
    fields = tuple(
        Option(Column(Part.FIELD, one.key).code, capital(one.label.text(lang))) for one in implemented_fields(decision)
    )
    actions = tuple(
        Option(column.code, heading(column, decision, lang))
        for spec in actions_of(decision).values()
        for column in (Column(Part.ACTION, spec.name, param.name) for param in spec.params if param.type in CELL_PARAMS)
    )
    fixed = tuple(Option(column.code, heading(column, decision, lang)) for column in (NAME, ON, NOTE, REVIEW))
    return (
        OptionGroup("", fixed),
        OptionGroup(_("Conditions"), fields),
        OptionGroup(_("What happens"), actions),
    )


@cache
def _known(decision: Decision) -> dict[str, Column]:
    """Return the columns by every heading that means them."""
    found = {word: column for column, words in _SAID.items() for word in words}
    offered = implemented_fields(decision)
    for one in offered:
        for name in (one.label.ru, one.label.en, one.key, one.chip.ru, one.chip.en):
            found.setdefault(folded(name), Column(Part.FIELD, one.key))
    for spec in actions_of(decision).values():
        for lang in ("ru", "en"):
            found.setdefault(folded(spec.label.text(lang)), Column(Part.ACTION, spec.name))
            for param in spec.params:
                column = Column(Part.ACTION, spec.name, param.name)
                label = param.label.text(lang)
                found.setdefault(folded(f"{spec.label.text(lang)}: {label}"), column)
                for name in (label, param.chip.text(lang), label.partition(",")[0]):
                    if name:
                        found.setdefault(folded(name), column)
    # What the editor does not offer comes last: its name may be that of a parameter.
    for one in fields_of(decision):
        for name in (one.label.ru, one.label.en, one.key):
            found.setdefault(folded(name), Column(Part.FIELD, one.key))
    return found
