"""The vocabulary as a page of documentation: `python -m rules_engine.language.vocabulary.page > docs/vocabulary.md`."""

import sys
from collections.abc import Iterator

from rules_engine.language.kinds import DECISION_LABELS, Decision, FieldGroup, MovedBy, Words
from rules_engine.language.vocabulary import FIELDS, OPERATORS, Field, actions_of

_MOVED = {
    MovedBy.WITH_ITEM: "the item",
    MovedBy.WITH_TIME: "time",
    MovedBy.WITH_OTHERS: "other rows",
}


def page() -> str:
    """Return the page as Markdown: operators, fields by group, actions by decision."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# The words of the rule language"
    yield ""
    yield "Made from `rules_engine/language/vocabulary`; a test keeps it up to date. A field marked “later” can be"
    yield "written but is still empty, and the editor does not offer it."
    yield ""
    yield "## Operators"
    yield ""
    yield "| op | ru | en | types | another field |"
    yield "| --- | --- | --- | --- | --- |"
    for operator in OPERATORS.values():
        types = ", ".join(sorted(operator.types))
        yield _row(f"`{operator.op}`", *_both(operator.label), types, "yes" if operator.fieldwise else "")
    for group in FieldGroup:
        yield ""
        yield f"## Fields `{group}.`"
        yield ""
        yield "| field | ru | en | type | unit | moved by | empty | decisions |"
        yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
        for field in FIELDS.values():
            if field.group is group:
                yield _field(field)
    for decision in Decision:
        yield ""
        yield f"## Actions of `{decision}`: {DECISION_LABELS[decision].en}"
        yield ""
        yield "| action | ru | en | parameters (* required) |"
        yield "| --- | --- | --- | --- |"
        for spec in actions_of(decision).values():
            params = ", ".join(f"`{param.name}`{'*' if param.required else ''}" for param in spec.params)
            proposal = " (a proposal)" if spec.proposal else ""
            yield _row(f"`{spec.name}`", spec.label.ru, spec.label.en + proposal, params)


def _field(field: Field) -> str:
    later = "" if field.implemented else " (later)"
    kind = str(field.type)
    if field.choices:
        kind += ": " + " ".join(f"`{choice.value}`" for choice in field.choices)
    unit = field.unit.en if field.unit else ""
    decisions = ", ".join(sorted(field.decisions))
    return _row(
        f"`{field.key}`{later}", *_both(field.label), kind, unit, _MOVED[field.moved_by], field.empty.en, decisions
    )


def _both(words: Words) -> tuple[str, str]:
    return words.ru, words.en


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.stdout.write(page())
