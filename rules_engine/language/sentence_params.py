"""Parameters of actions in words."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from rules_engine.language.kinds import FieldType, ReferenceKind, Words
from rules_engine.language.line_names import LineNames
from rules_engine.language.model import Above, GateCondition, Parameter, Pool, Tier
from rules_engine.language.references import References
from rules_engine.language.shown import (
    NBSP,
    name_of,
    show_fraction,
    show_measured,
    show_number,
    show_percent,
    show_scaled,
)
from rules_engine.language.vocabulary import FIELDS, YES_NO, Param, ParamType
from rules_engine.language.vocabulary.actions import POOL_ARGUMENT, POOLS

_MINUTES = Words("мин", "min")
_WORKING_DAYS = Words("раб. дн.", "working days")
_ELSE = Words("иначе", "else")
_FROM = Words("от", "from")
_OWN_LINE = Words("отдельной строкой", "on a line of its own")
_POOL_LABELS = {choice.value: choice.label for choice in POOLS}


@dataclass(frozen=True, slots=True)
class Saying:
    """What a parameter is said with: the language, the names of an installation, and of the bonus statement's lines.

    `axis` is the type of the measure that the tables of the action are read by.
    """

    lang: str
    names: References | None = None
    lines: LineNames = field(default_factory=LineNames)
    axis: FieldType = FieldType.NUMBER


def param_words(param: Param, value: Parameter, say: Saying) -> str:
    """Return one given parameter of an action in words. Groups of conditions are the sentence's own business."""
    lang = say.lang
    if isinstance(value, bool):
        return YES_NO[0 if value else 1].text(lang)
    if isinstance(value, int):
        return _integer(param, value, lang)
    if isinstance(value, Fraction):
        return show_percent(_digits(value), lang) if param.type is ParamType.EXACT else show_fraction(value, lang)
    if isinstance(value, str):
        return _text(param, value, say)
    if isinstance(value, Above):
        return f"{show_fraction(value.start, lang)} — {_OWN_LINE.text(lang)}"
    if isinstance(value, tuple):
        return _sequence(param, value, say)
    raise TypeError(param.name)


def pool_words(pool: Pool, lang: str, names: References | None = None) -> str:
    """Return a pool in words: "the owner", "team “Key accounts”", a person's name."""
    label = _POOL_LABELS[pool.name].text(lang)
    if pool.argument is None:
        return label
    name = name_of(POOL_ARGUMENT[pool.name][1], pool.argument, names, lang)
    if pool.name == "manager":
        return name
    return f"{label} «{name}»" if lang == "ru" else f"{label} “{name}”"


def _integer(param: Param, value: int, lang: str) -> str:
    if param.type is ParamType.MONEY:
        return show_scaled(FieldType.MONEY, value, lang)
    number = show_number(str(value), lang)
    if param.type is ParamType.MINUTES:
        return f"{number}{NBSP}{_MINUTES.text(lang)}"
    if param.type is ParamType.WORKING_DAYS:
        return f"{number}{NBSP}{_WORKING_DAYS.text(lang)}"
    return number


def _text(param: Param, value: str, say: Saying) -> str:
    if param.type is ParamType.MEASURE:
        return FIELDS[value].chip.text(say.lang)
    if param.type is ParamType.TEXT:
        return _quoted(value, say.lang)
    if param.type is ParamType.LINE:
        return _line(value, say)
    shown = param.choice_label(value, say.lang)
    if shown == value and param.type is ParamType.PERSON:
        return name_of(ReferenceKind.MANAGER, value, say.names, say.lang)
    return shown


def _line(line: str, say: Saying) -> str:
    name = say.lines.text(line, say.lang)
    return line if name == line else _quoted(name, say.lang)


def _quoted(text: str, lang: str) -> str:
    return f"«{text}»" if lang == "ru" else f"“{text}”"


def _sequence(param: Param, value: Iterable[object], say: Saying) -> str:
    items = tuple(value)
    if param.type is ParamType.MATRIX:
        return f"{len(items)} × {len(items)}"
    words = [_member(param, item, say) for item in items]
    if param.type is ParamType.POOLS:
        return f", {_ELSE.text(say.lang)} ".join(words)
    spaced = (ParamType.TIERS, ParamType.NODES, ParamType.GATES, ParamType.AXIS)
    return "; ".join(words) if param.type in spaced else ", ".join(words)


def _member(param: Param, item: object, say: Saying) -> str:
    lang = say.lang
    if isinstance(item, Pool):
        return pool_words(item, lang, say.names)
    if isinstance(item, Tier):
        fixed = f" + {show_scaled(FieldType.MONEY, item.fixed, lang)}" if item.fixed else ""
        rate = show_percent(_digits(item.rate), lang)
        return f"{_FROM.text(lang)} {show_measured(say.axis, item.start, lang)} — {rate}{fixed}"
    if isinstance(item, GateCondition):
        measure = FIELDS[item.measure]
        span = dict.fromkeys(show_measured(measure.type, one, lang) for one in (item.start, item.full_at))
        return f"{measure.chip.text(lang)} {' … '.join(span)}"
    if isinstance(item, Fraction):
        return show_measured(say.axis, item, lang)
    if isinstance(item, tuple):
        at, worth = (number for number in item if isinstance(number, Fraction))
        return f"{show_measured(say.axis, at, lang)} → {show_fraction(worth, lang)}"
    if param.type is ParamType.LINES:
        return _line(str(item), say)
    return param.choice_label(str(item), lang)


def _digits(value: Fraction) -> str:
    """Return an exact decimal fraction as decimal text."""
    return show_fraction(value, "en").replace(",", "").replace("−", "-")
