"""How values from outside are read: strict types and sentences for whoever sent something else.

Programs (REST) and files (the importers) fill the same forms, see incoming.py. Wrong types and unknown fields are
errors with a path; nothing is guessed. An empty text in an optional field is the same as leaving the field out.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any, Self, TypeVar, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from rules_engine.decisions.money import format_amount, parse_amount
from rules_engine.errors import PravilaError
from rules_engine.language.near import near

EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)

_AMOUNT = re.compile(r"-?[0-9]{1,13}\.[0-9]{2}")
_MAX_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """One value that cannot be used: where it stands, and why, in both languages."""

    path: str
    ru: str
    en: str

    def message(self, lang: str) -> str:
        return self.ru if lang == "ru" else self.en


class InvalidForm(PravilaError):
    """What was handed in cannot be used; `problems` names every place."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(problems=self.problems)

    def message(self, lang: str) -> str:
        return "; ".join(f"{problem.path}: {problem.message(lang)}" for problem in self.problems)


def refused(ru: str, en: str) -> PydanticCustomError:
    """Return the error that a validator raises, with its sentence in both languages."""
    # Through the context, or braces in a sender's own text would be taken for placeholders.
    return PydanticCustomError("refused", "{en}", {"ru": ru, "en": en})


def _text(value: object, *, lines: bool) -> str:
    if not isinstance(value, str):
        raise refused("нужен текст", "must be text")
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise refused("текст повреждён: половина символа", "the text is damaged: half a character")
    allowed = "\n\r\t" if lines else ""
    if any(unicodedata.category(letter) == "Cc" and letter not in allowed for letter in value):
        raise refused("в тексте есть управляющие символы", "the text holds control characters")
    return unicodedata.normalize("NFC", value).strip()


def _line(value: object) -> str:
    text = _text(value, lines=False)
    if not text:
        raise refused("не заполнено", "is empty")
    return text


def _note(value: object) -> str:
    return _text(value, lines=True)


def _amount(value: object) -> int:
    if not isinstance(value, str) or not _AMOUNT.fullmatch(value):
        raise refused("нужна сумма с копейками, например «14500.00»", 'must be an amount such as "14500.00"')
    return parse_amount(value)


def _positive_amount(value: object) -> int:
    minor = _amount(value)
    if minor < 0:
        raise refused("сумма меньше нуля", "the amount is below zero")
    return minor


def _instant(value: object) -> datetime:
    parsed = value
    if isinstance(value, str):
        try:
            parsed = datetime.fromisoformat(value)
        except ValueError:
            parsed = None
    if not isinstance(parsed, datetime):
        raise refused(
            "нужны дата и время со смещением, например «2026-10-05T11:20:00+03:00»",
            'must be an instant with an offset, such as "2026-10-05T11:20:00+03:00"',
        )
    if parsed.tzinfo is None:
        raise refused("у времени нет смещения, например «+03:00»", "the instant has no offset, such as +03:00")
    try:
        parsed = parsed.astimezone(UTC)
    except OverflowError:
        parsed = EARLIEST
    if not EARLIEST < parsed < LATEST:
        raise refused("такой даты не может быть", "there can be no such date")
    return parsed


def _day(value: object) -> date:
    parsed = value
    if isinstance(value, str):
        try:
            parsed = date.fromisoformat(value)
        except ValueError:
            parsed = None
    if not isinstance(parsed, date) or isinstance(parsed, datetime):
        raise refused("нужна дата, например «2026-10-05»", 'must be a date such as "2026-10-05"')
    if not EARLIEST.date() < parsed < LATEST.date():
        raise refused("такой даты не может быть", "there can be no such date")
    return parsed


Code = Annotated[str, BeforeValidator(_line), Field(max_length=200)]
"""One line that identifies something: an external id, a source, a login, a service."""
Name = Annotated[str, BeforeValidator(_line), Field(max_length=500)]
Note = Annotated[str, BeforeValidator(_note), Field(max_length=20_000)]
"""Text of several lines, possibly empty."""
AmountMinor = Annotated[
    int,
    BeforeValidator(_positive_amount),
    PlainSerializer(format_amount, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,13}\.\d{2}$", "examples": ["14500.00"]}),
]
"""Kopecks, written as a decimal with two places."""
Instant = Annotated[datetime, BeforeValidator(_instant)]
Day = Annotated[date, BeforeValidator(_day)]


class Form(BaseModel):
    """The base of all forms: strict, frozen, and unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @model_validator(mode="wrap")
    @classmethod
    def _empty_is_absent(cls, document: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Return the form with each empty optional field at its default; the field still counts as given."""
        if not isinstance(document, dict):
            return handler(document)
        empty = {key for key, value in document.items() if (value is None or value == "") and cls._is_optional(key)}
        form = handler({key: value for key, value in document.items() if key not in empty})
        form.model_fields_set.update(empty)
        return form

    @classmethod
    def _is_optional(cls, key: object) -> bool:
        field = cls.model_fields.get(key) if isinstance(key, str) else None
        return field is not None and not field.is_required()


AnyForm = TypeVar("AnyForm", bound=Form)


def read(form: type[AnyForm], document: object) -> AnyForm:
    """Return the filled form. Raises InvalidForm, with every problem and its path."""
    try:
        return form.model_validate(document)
    except ValidationError as error:
        raise InvalidForm(
            _problem(form, detail) for detail in error.errors(include_url=False)[:_MAX_PROBLEMS]
        ) from error


def _problem(form: type[Form], detail: ErrorDetails) -> Problem:
    ru, en = _words(form, detail)
    return Problem(_path(detail["loc"]), ru, en)


def _path(place: tuple[int | str, ...]) -> str:
    path = ""
    for step in place:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    # A lone surrogate can stand in a key too, and nobody could print it.
    return path.encode(errors="replace").decode() or "body"


def _words(form: type[Form], detail: ErrorDetails) -> tuple[str, str]:
    context = detail.get("ctx", {})
    kind = detail["type"]
    if kind == "refused":
        return context["ru"], context["en"]
    if kind == "extra_forbidden":
        return _unknown(form, detail["loc"])
    if kind == "literal_error":
        expected = str(context["expected"]).replace(" or ", ", ").replace("'", "")
        return f"допустимо: {expected}", f"must be one of: {expected}"
    limit = next((context[name] for name in ("max_length", "min_length", "ge", "le") if name in context), "")
    for names, ru, en in _WORDS:
        if kind in names:
            return ru.format(limit), en.format(limit)
    return f"значение не подходит ({detail['msg']})", detail["msg"]


_WORDS: tuple[tuple[frozenset[str], str, str], ...] = (
    (frozenset({"missing"}), "не заполнено", "is missing"),
    (frozenset({"model_type", "dict_type", "model_attributes_type"}), "нужен объект", "must be an object"),
    (frozenset({"list_type"}), "нужен список", "must be a list"),
    (frozenset({"bool_type"}), "нужно true или false", "must be true or false"),
    (frozenset({"int_type", "int_from_float", "int_parsing"}), "нужно целое число", "must be a whole number"),
    (frozenset({"string_too_long"}), "длиннее {} знаков", "is longer than {} characters"),
    (frozenset({"too_long"}), "больше {} значений", "holds more than {} values"),
    (frozenset({"too_short"}), "меньше {} значений", "holds fewer than {} values"),
    (frozenset({"greater_than_equal"}), "должно быть не меньше {}", "must be at least {}"),
    (frozenset({"less_than_equal"}), "должно быть не больше {}", "must be at most {}"),
)


def _unknown(form: type[Form], place: tuple[int | str, ...]) -> tuple[str, str]:
    meant = near(place[-1], _fields_at(form, place[:-1]))
    if meant is None:
        return "такого поля нет", "there is no such field"
    return f"такого поля нет; возможно, {meant}", f"there is no such field; did you mean {meant}"


def _fields_at(form: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    for step in place:
        field = form.model_fields.get(step) if isinstance(step, str) else None
        if field is None:
            continue
        kinds = (field.annotation, *get_args(field.annotation))
        form = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), form)
    return list(form.model_fields)
