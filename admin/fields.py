"""Form fields for what WTForms has none: instants of the business zone, lists, weights, hours of a week, other rows."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal, InvalidOperation
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext
from markupsafe import Markup
from sqlalchemy import Select
from wtforms import Field, SelectField, SelectMultipleField, StringField, ValidationError
from wtforms.validators import DataRequired, Length, Optional, Regexp
from wtforms.widgets import CheckboxInput, DateTimeLocalInput, ListWidget, TextArea, TextInput, html_params

from admin.base import db_session, shell
from admin.language import language
from rules_engine.decisions.opening_hours import WEEKDAYS, parse_windows
from rules_engine.errors import PravilaError

Text = str | Any
"""A label: a string, or a lazy translation."""

NAME = [DataRequired(lazy_gettext("This cannot be empty.")), Length(max=200)]
CODE = [
    DataRequired(lazy_gettext("This cannot be empty.")),
    Regexp(
        r"[A-Za-z0-9_.-]{1,60}\Z", message=lazy_gettext("Latin letters, digits, dot, dash and underscore, up to 60.")
    ),
]
MAIL = [Optional(), Regexp(r"[^@\s]+@[^@\s]+\Z", message=lazy_gettext("This is not a mail address."))]


class OneOf(SelectField):
    """A choice that may be left empty: the empty line gives None."""

    def __init__(
        self,
        label: Text,
        choices: Callable[[], Iterable[tuple[Any, str]]],
        *,
        coerce: Callable[[str], Any] = str,
        empty: Text | None = None,
        **more: Any,
    ) -> None:
        self._load, self._empty = choices, empty
        super().__init__(label, coerce=lambda value: None if value in ("", "None", None) else coerce(value), **more)
        self.choices = self._lines()

    def _lines(self) -> list[tuple[Any, str]]:
        lines = [(value, str(text)) for value, text in self._load()]
        return lines if self._empty is None else [("", str(self._empty)), *lines]

    def pre_validate(self, form: Any) -> None:
        if self.data is None and self._empty is None:
            raise ValidationError(_("Choose one of the list."))
        if self.data is not None and self.data not in [value for value, _text in self.choices]:
            raise ValidationError(_("Choose one of the list."))


def rows(query: Callable[[], Select[Any]]) -> Callable[[], list[tuple[int, str]]]:
    """Return a loader of choices: id and name of every row of a query, asked anew for every form."""
    return lambda: [(row.id, str(row)) for row in db_session().scalars(query())]


class Row(OneOf):
    """A reference to another row by its id."""

    def __init__(self, label: Text, query: Callable[[], Select[Any]], **more: Any) -> None:
        super().__init__(label, rows(query), coerce=int, **more)


class Several(SelectMultipleField):
    """A few of a short list, as check boxes."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()

    def __init__(self, label: Text, values: Iterable[str], **more: Any) -> None:
        super().__init__(label, **more)
        # Set afterwards: WTForms is changing how choices are passed.
        self.choices = [(value, value) for value in values]


class Instant(Field):
    """An instant, typed and shown in the business zone to the minute."""

    widget = DateTimeLocalInput()

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return f"{self.data.astimezone(shell().settings.zone):%Y-%m-%dT%H:%M}" if self.data else ""

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        text = valuelist[0].strip() if valuelist else ""
        self.data = None
        if text:
            try:
                # A time that the clock shows twice is the first of the two.
                self.data = datetime.fromisoformat(text).replace(tzinfo=shell().settings.zone)
            except ValueError:
                raise ValidationError(_("This is not a date and time.")) from None


class TwoInputs:
    """A date, and beside it a time that may be left empty."""

    def __call__(self, field: Field, **attributes: Any) -> Markup:
        day, time = field.typed()
        of_time = _("time")
        attributes |= {"id": field.id, "name": field.name, "type": "date", "value": day}
        clock = {"name": field.name, "type": "time", "value": time, "aria-label": f"{field.label.text}: {of_time}"}
        inputs = Markup("").join(Markup(f"<input {html_params(**one)}>") for one in (attributes, clock))
        return Markup('<span class="row tight">{}</span>').format(inputs)


class Moment(Field):
    """An instant as a date and perhaps a time of the business zone; a bare last date includes that day."""

    widget = TwoInputs()

    def __init__(self, label: Text, *, is_last: bool = False, **more: Any) -> None:
        super().__init__(label, **more)
        self._is_last = is_last

    def typed(self) -> tuple[str, str]:
        """Return what the two inputs show: what was typed, else what is stored."""
        if self.raw_data:
            day, time = (*map(str, self.raw_data), "")[:2]
            return (day[:10], day[11:16]) if "T" in day else (day, time)
        if self.data is None:
            return "", ""
        here = self.data.astimezone(shell().settings.zone)
        if here.time() != time_of_day():
            return here.date().isoformat(), f"{here:%H:%M}"
        return (here.date() - timedelta(days=int(self._is_last))).isoformat(), ""

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        self.data = None
        day, time = self.typed()
        if not day and not time:
            return
        try:
            at = datetime.combine(date.fromisoformat(day), time_of_day.fromisoformat(time or "00:00"))
            # A time that the clock shows twice is the first of the two.
            self.data = (at + timedelta(days=int(self._is_last and not time))).replace(tzinfo=shell().settings.zone)
        except (ValueError, OverflowError):
            raise ValidationError(_("This is not a date and time.")) from None


class Words(StringField):
    """A list of words, typed with commas between them."""

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return ", ".join(self.data or [])

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        parts = (part.strip() for part in (valuelist[0] if valuelist else "").split(","))
        self.data = list(dict.fromkeys(part for part in parts if part))


class Thousandths(Field):
    """A decimal number, kept as whole thousandths; both decimal marks are accepted."""

    widget = TextInput()

    def __init__(self, label: Text, *, at_most: int, **more: Any) -> None:
        super().__init__(label, **more)
        self._at_most = at_most

    @staticmethod
    def text(thousandths: int | None) -> str:
        return "" if thousandths is None else f"{(Decimal(thousandths) / 1000).normalize():f}"

    def _value(self) -> str:
        return str(self.raw_data[0]) if self.raw_data else self.text(self.data)

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        text = valuelist[0].strip().replace(",", ".") if valuelist else ""
        try:
            exact = Decimal(text) * 1000
        except InvalidOperation:
            raise ValidationError(_("A number is needed, for example 1 or 0.5.")) from None
        if not exact.is_finite() or exact != exact.to_integral_value() or not 0 < exact <= self._at_most * 1000:
            raise ValidationError(
                _("A number above 0 and up to %(most)s is needed, with at most three decimals.", most=self._at_most)
            )
        self.data = int(exact)


def read_windows(text: str, day: str) -> list[list[str]]:
    """Return the windows of a day from `9:00–13:00, 14:00-18:00`. Raises CalendarError, which names the day."""
    plain = text.replace("–", "-").replace("—", "-").replace(";", ",")
    windows = [[time.strip() for time in part.split("-")] for part in plain.split(",") if part.strip()]
    parse_windows(windows, day)
    return [[f"{time:0>5}" for time in window] for window in windows]


def windows_text(windows: Iterable[Sequence[str]] | None) -> str:
    return ", ".join("–".join(window) for window in windows or [])


class Windows(StringField):
    """The working windows of one day."""

    def __init__(self, label: Text, *, day: str, **more: Any) -> None:
        super().__init__(label, validators=[Optional()], **more)
        self._day = day

    def _value(self) -> str:
        return str(self.raw_data[0]) if self.raw_data else windows_text(self.data)

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        try:
            self.data = read_windows(valuelist[0] if valuelist else "", self._day)
        except PravilaError as problem:
            raise ValidationError(problem.message(language())) from None


DAY_LABELS = dict(
    zip(
        WEEKDAYS,
        (
            lazy_gettext("Monday"),
            lazy_gettext("Tuesday"),
            lazy_gettext("Wednesday"),
            lazy_gettext("Thursday"),
            lazy_gettext("Friday"),
            lazy_gettext("Saturday"),
            lazy_gettext("Sunday"),
        ),
        strict=True,
    )
)


class Lines(StringField):
    """A list, one a line."""

    widget = TextArea()

    def _value(self) -> str:
        return str(self.raw_data[0]) if self.raw_data else "\n".join(self.data or [])

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        self.data = [line.strip() for line in (valuelist[0] if valuelist else "").splitlines() if line.strip()]
