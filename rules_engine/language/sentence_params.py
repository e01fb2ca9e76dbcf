"""Parameters of actions in words."""

from collections.abc import Iterable
from fractions import Fraction

from rules_engine.language.kinds import FieldType, ReferenceKind, Words
from rules_engine.language.model import Above, GateCondition, Parameter, Pool, Tier
from rules_engine.language.references import References
from rules_engine.language.shown import NBSP, name_of, show_fraction, show_number, show_percent, show_scaled
from rules_engine.language.vocabulary import FIELDS, YES_NO, Param, ParamType
from rules_engine.language.vocabulary.actions import POOL_ARGUMENT, POOLS

_MINUTES = Words("мин", "min")
_WORKING_DAYS = Words("раб. дн.", "working days")
_ELSE = Words("иначе", "else")
_FROM = Words("от", "from")
_POOL_LABELS = {choice.value: choice.label for choice in POOLS}


def param_words(param: Param, value: Parameter, lang: str, names: References | None = None) -> str:
    """Return one given parameter of an action in words. Groups of conditions are the sentence's own business."""
    if isinstance(value, bool):
        return YES_NO[0 if value else 1].text(lang)
    if isinstance(value, int):
        return _integer(param, value, lang)
    if isinstance(value, Fraction):
        return show_percent(_digits(value), lang) if param.type is ParamType.EXACT else show_fraction(value, lang)
    if isinstance(value, str):
        return _text(param, value, lang, names)
    if isinstance(value, Above):
        return f"{show_fraction(value.start, lang)} → {value.line}"
    if isinstance(value, tuple):
        return _sequence(param, value, lang, names)
    raise TypeError(param.name)


def pool_words(pool: Pool, lang: str, names: References | None = None) -> str:
    """Return a pool in words: "the owner", "team “Key accounts”", a person's name."""
    label = _POOL_LABELS[pool.name].text(lang)
    if pool.argument is None:
        return label
    name = name_of(POOL_ARGUMENT[pool.name][1], pool.argument, names)
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


def _text(param: Param, value: str, lang: str, names: References | None) -> str:
    if param.type is ParamType.MEASURE:
        return FIELDS[value].chip.text(lang)
    if param.type is ParamType.TEXT:
        return f"«{value}»" if lang == "ru" else f"“{value}”"
    shown = param.choice_label(value, lang)
    if shown == value and param.type is ParamType.PERSON:
        return name_of(ReferenceKind.MANAGER, value, names)
    return shown


def _sequence(param: Param, value: Iterable[object], lang: str, names: References | None) -> str:
    words = [_member(param, item, lang, names) for item in value]
    if param.type is ParamType.POOLS:
        return f", {_ELSE.text(lang)} ".join(words)
    if param.type is ParamType.MATRIX:
        return f"{len(words)} × {len(words)}"
    return "; ".join(words) if param.type in (ParamType.TIERS, ParamType.NODES, ParamType.GATES) else ", ".join(words)


def _member(param: Param, item: object, lang: str, names: References | None) -> str:
    if isinstance(item, Pool):
        return pool_words(item, lang, names)
    if isinstance(item, Tier):
        fixed = f" + {show_scaled(FieldType.MONEY, item.fixed, lang)}" if item.fixed else ""
        rate = show_percent(_digits(item.rate), lang)
        return f"{_FROM.text(lang)} {show_fraction(item.start, lang)} — {rate}{fixed}"
    if isinstance(item, GateCondition):
        span = f"{show_fraction(item.start, lang)}…{show_fraction(item.full_at, lang)}"
        return f"{FIELDS[item.measure].chip.text(lang)} {span}"
    if isinstance(item, Fraction):
        return show_fraction(item, lang)
    if isinstance(item, tuple):
        return " → ".join(show_fraction(number, lang) for number in item if isinstance(number, Fraction))
    return param.choice_label(str(item), lang)


def _digits(value: Fraction) -> str:
    """Return an exact decimal fraction as decimal text."""
    return show_fraction(value, "en").replace(",", "").replace("−", "-")
