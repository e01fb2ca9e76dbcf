"""Typed values: the inputs for the fields that rules look at, and what a sent form of them says."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from flask_babel import gettext
from werkzeug.datastructures import MultiDict

from admin.views.rule_editor.conditions import OPEN_LISTS, Option, group_label
from admin.views.rule_editor.room import Room
from admin.views.rule_editor.typed import split_list
from admin.views.rule_editor.wording import _, capital
from rules_engine.language.kinds import FieldGroup
from rules_engine.language.kinds import FieldType as T
from rules_engine.language.vocabulary import FIELDS, Field

PREFIX = "v:"
LONGEST = 200
"""Typed values wait in the cookie of the session, which holds no long texts."""
_PLACES = 2


@dataclass(frozen=True, slots=True)
class Input:
    """One field of the form. `kind`: select, checks, text, date, datetime-local. `is_typed`: another than picked."""

    key: str
    label: str
    kind: str
    value: str
    options: tuple[Option, ...]
    suggestions: tuple[str, ...]
    suffix: str
    inputmode: str
    empty: str
    is_typed: bool
    problem: str

    @property
    def name(self) -> str:
        return f"{PREFIX}{self.key}"


@dataclass(frozen=True, slots=True)
class InputGroup:
    label: str
    inputs: tuple[Input, ...]


def inputs(
    here: Room,
    fields: Collection[str],
    picked: Mapping[str, object],
    typed: Mapping[str, object],
    problems: Mapping[str, str] | None = None,
    sent: MultiDict[str, str] | None = None,
) -> tuple[InputGroup, ...]:
    """Return the form: the values of what was picked with what is typed over them, in the order of the vocabulary.

    `sent` is a form that was refused: it is shown again as it came.
    """
    groups: dict[FieldGroup, list[Input]] = {}
    for declared in FIELDS.values():
        if declared.key not in fields:
            continue
        texts = _texts(here, declared, typed[declared.key] if declared.key in typed else picked.get(declared.key))
        if sent is not None:
            texts = [text for text in sent.getlist(f"{PREFIX}{declared.key}") if text]
        one = _input(here, declared, texts, declared.key in typed, (problems or {}).get(declared.key, ""))
        groups.setdefault(declared.group, []).append(one)
    return tuple(InputGroup(group_label(group), tuple(found)) for group, found in groups.items())


def read(
    here: Room, fields: Collection[str], picked: Mapping[str, object], form: MultiDict[str, str]
) -> tuple[dict[str, object], dict[str, str]]:
    """Return the values that differ from what was picked (JSON; None: emptied), and what cannot be taken, by field."""
    typed: dict[str, object] = {}
    problems: dict[str, str] = {}
    for key in fields:
        declared = FIELDS[key]
        name = f"{PREFIX}{key}"
        if name not in form and f"{name}:here" not in form:
            continue
        texts = [text.strip() for text in form.getlist(name) if text.strip()]
        if texts == _texts(here, declared, picked.get(key)):
            continue
        try:
            typed[key] = _value(here, declared, texts)
        except ValueError:
            problems[key] = _expected(declared.type)
    return typed, problems


def _value(here: Room, declared: Field, texts: list[str]) -> object:
    if any(len(text) > LONGEST for text in texts):
        raise ValueError(texts[0][:20])
    if declared.type is T.LIST:
        return [item for text in texts for item in split_list(text)] or None
    if not texts:
        return None
    value = here.reader.value(declared.type, texts[0])
    if isinstance(value, int) and not isinstance(value, bool):
        low, high = declared.minimum, declared.maximum
        if (low is not None and value < low) or (high is not None and value > high):
            raise ValueError(texts[0])
    return value


def _texts(here: Room, declared: Field, value: object) -> list[str]:
    """Return a JSON value as its inputs show it."""
    if value is None or value == []:
        return []
    if isinstance(value, list):
        items = [str(item) for item in value]
        return items if here.conditions.values_of(declared) else ["; ".join(items)]
    if declared.type is T.PERCENT and isinstance(value, str):
        whole, dot, part = value.partition(".")
        value = f"{whole}{dot}{part[:_PLACES]}".rstrip("0").rstrip(".") if dot else value
    # The spaces of grouped digits are of a kind that no keyboard has.
    return [here.reader.shown(declared.type, value).replace("\u00a0", " ").replace("\u202f", " ")]


def _input(here: Room, declared: Field, texts: list[str], is_typed: bool, problem: str) -> Input:
    known = here.conditions.values_of(declared)
    is_open = declared.reference in OPEN_LISTS and declared.type is not T.LIST
    options: tuple[Option, ...] = ()
    kind = {T.DATE: "date", T.DATETIME: "datetime-local"}.get(declared.type, "text")
    if declared.type is T.BOOLEAN:
        yes, no = (words.text(here.lang) for words in declared.boolean_words)
        kind, options = "select", tuple(_options((("yes", yes), ("no", no)), texts))
    elif known and not is_open:
        kind, options = "checks" if declared.type is T.LIST else "select", tuple(_options(known, texts))
    numeric = declared.type in (T.NUMBER, T.MONEY, T.PERCENT)
    return Input(
        key=declared.key,
        label=capital(declared.label.text(here.lang)),
        kind=kind,
        value=texts[0] if texts else "",
        options=options,
        suggestions=tuple(value for value, _label in known) if kind == "text" else (),
        suffix=here.conditions.suffix(declared),
        inputmode="numeric" if declared.type is T.INTEGER else "decimal" if numeric else "",
        empty=declared.empty.text(here.lang),
        is_typed=is_typed,
        problem=problem,
    )


def _options(known: Collection[tuple[str, str]], chosen: Collection[str]) -> Iterator[Option]:
    """Yield the options; a value that is no longer listed stays, or the form would lose it."""
    listed = set()
    for value, label in known:
        listed.add(value)
        yield Option(value, label, value in chosen)
    for value in chosen:
        if value not in listed:
            yield Option(value, _("%(value)s (not in the list)", value=value), True)


def _expected(kind: T) -> str:
    return str(
        {
            T.INTEGER: gettext("A whole number is needed, for example 10."),
            T.NUMBER: gettext("A number is needed, for example 1.5."),
            T.MONEY: gettext("An amount is needed, for example 150 000 or 99.50."),
            T.PERCENT: gettext("A percentage is needed, for example 75."),
            T.DURATION: gettext("A duration is needed, for example 30 or 1 h 30 min."),
            T.DATE: gettext("A date is needed, for example 05.10.2026."),
            T.DATETIME: gettext("A date and a time are needed."),
        }.get(kind, gettext("This value does not fit."))
    )
