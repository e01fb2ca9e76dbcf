"""Between what a person types and what a ruleset keeps: numbers with either decimal mark, money, durations, dates."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from babel.numbers import format_decimal

from rules_engine.language.kinds import FieldType as T

_SPACES = re.compile(r"[\s\u00a0\u202f\u2009']+")
_CURRENCY = re.compile(r"(₽|руб(лей|ля|ль)?\.?|р\.|rub)\Z", re.IGNORECASE)
_DIGITS = re.compile(r"[-−]?[0-9]+(?:[.,][0-9]+)*\Z", re.ASCII)
_DURATION = re.compile(
    r"(?:(?P<days>[0-9]+)(?:дн\.?|д|d))?(?:(?P<hours>[0-9]+)(?:ч\.?|час|часа|часов|h))?"
    r"(?:(?P<minutes>[0-9]+)(?:мин\.?|минут|минуты|м|min|m)?)?\Z",
    re.ASCII | re.IGNORECASE,
)
_CLOCK = re.compile(r"([0-9]{1,4}):([0-5][0-9])\Z", re.ASCII)
_RUSSIAN_DATE = re.compile(r"([0-3]?[0-9])\.([01]?[0-9])\.([0-9]{4})\Z", re.ASCII)
_LONGEST = 1_000


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the texts of one person: his language decides what `1,500` is, the zone what `14:00` is."""

    lang: str
    zone: ZoneInfo

    def value(self, kind: T, text: str) -> object:
        """Return the JSON form of a typed value. Raises ValueError when it cannot be one."""
        text = text.strip()
        if len(text) > _LONGEST:
            raise ValueError(text[:20])
        if kind is T.BOOLEAN:
            return {"yes": True, "no": False}[text] if text in ("yes", "no") else _refuse(text)
        if kind is T.INTEGER:
            return _whole(self.number(text, grouping=True))
        if kind is T.DURATION:
            return duration(text)
        if kind in (T.MONEY, T.PERCENT, T.NUMBER):
            plain = _CURRENCY.sub("", _SPACES.sub("", text)) if kind is T.MONEY else text.removesuffix("%")
            return _decimal_text(self.number(plain, grouping=kind is T.MONEY))
        if kind is T.DATE:
            return self.day(text).isoformat()
        if kind is T.DATETIME:
            return self.instant(text).isoformat()
        return text

    def number(self, text: str, *, grouping: bool) -> Decimal:
        """Return a number; `grouping`: three digits behind a single mark are thousands, as money has no third decimal.

        Raises ValueError.
        """
        plain = _SPACES.sub("", text)
        if not _DIGITS.match(plain):
            raise ValueError(text)
        plain = plain.replace("−", "-")
        marks = [sign for sign in plain if sign in ".,"]
        last = marks[-1] if marks else ""
        tail = plain.rpartition(last)[2] if last else ""
        groups = last != "" and len(tail) == 3 and (grouping or (last == "," and self.lang == "en"))
        if len(set(marks)) == 2 and marks.count(last) == 1:
            groups = False
        elif len(marks) > 1:
            groups = True
        if groups:
            return Decimal(re.sub("[.,]", "", plain))
        whole, _, part = plain.rpartition(last) if last else (plain, "", "")
        return Decimal(re.sub("[.,]", "", whole) + (f".{part}" if part else ""))

    def day(self, text: str) -> date:
        """Return a date from ISO (as date inputs send it) or from `05.10.2026`. Raises ValueError."""
        if match := _RUSSIAN_DATE.match(text):
            found, month, year = (int(part) for part in match.groups())
            return date(year, month, found)
        return date.fromisoformat(text)

    def instant(self, text: str) -> datetime:
        """Return an instant from `2026-10-05T14:00` (as inputs send it) in the business zone. Raises ValueError."""
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=self.zone)
        try:
            for zone in (UTC, self.zone):
                moment.astimezone(zone)
        except OverflowError:
            # At either end of the calendar it could neither be kept nor shown.
            raise ValueError(text) from None
        return moment

    def shown(self, kind: T, value: object) -> str:
        """Return what an input shows for a JSON value; a value of the wrong kind as it is, so that it can be mended."""
        if value is None:
            return ""
        if kind is T.BOOLEAN and isinstance(value, bool):
            return "yes" if value else "no"
        if kind in (T.MONEY, T.PERCENT, T.NUMBER) and isinstance(value, str):
            return self._grouped(value, exact=kind is T.MONEY)
        if kind is T.DURATION and type(value) is int and value >= 0:
            return self.minutes(value)
        if kind is T.DATETIME and isinstance(value, str):
            try:
                return f"{datetime.fromisoformat(value).astimezone(self.zone):%Y-%m-%dT%H:%M}"
            except ValueError:
                return value
        return str(value)

    def minutes(self, value: int) -> str:
        """Return a duration as people write it and as `value` reads it back: “2 ч”, “1 h 30 min”, “0 мин”."""
        hours, minutes = divmod(value, 60)
        words = ("ч", "мин") if self.lang == "ru" else ("h", "min")
        parts = [f"{number}\u00a0{word}" for number, word in zip((hours, minutes), words, strict=True) if number]
        return " ".join(parts) or f"0\u00a0{words[1]}"

    def _grouped(self, value: str, *, exact: bool) -> str:
        if not re.fullmatch(r"-?[0-9]{1,20}(\.[0-9]{1,12})?", value):
            return value
        number = Decimal(value)
        if exact:
            pattern = "#,##0" if number == number.to_integral_value() else "#,##0.00"
        else:
            pattern = "#,##0.############"
        return format_decimal(number, format=pattern, locale=self.lang)


def duration(text: str) -> int:
    """Return whole minutes from `30`, `30 мин`, `1 ч 30 мин`, `1:30`, `2 h`. Raises ValueError.

    >>> duration("1 ч 30 мин"), duration("90"), duration("1:30")
    (90, 90, 90)
    """
    plain = _SPACES.sub("", text)
    if match := _CLOCK.match(plain):
        return int(match[1]) * 60 + int(match[2])
    match = _DURATION.match(plain)
    if not plain or match is None or len(plain) > 20:
        raise ValueError(text)
    days, hours, minutes = (int(match[part] or 0) for part in ("days", "hours", "minutes"))
    return days * 24 * 60 + hours * 60 + minutes


def split_list(text: str) -> list[str]:
    """Return the items that a person wrote one a line or between semicolons, without doubles."""
    items = (item.strip() for item in re.split(r"[\n;]", text))
    return list(dict.fromkeys(item for item in items if item))


def inclusive_end(kind: T, written: object) -> object:
    """Return the end of a half-open range as the editor shows it: for dates the last day that belongs to it."""
    if kind is T.DATE and isinstance(written, str):
        try:
            return (date.fromisoformat(written) - timedelta(days=1)).isoformat()
        except (ValueError, OverflowError):
            return written
    return written


def exclusive_end(kind: T, value: object) -> object:
    """Return the end of a range as a ruleset keeps it."""
    if kind is T.DATE and isinstance(value, str):
        try:
            return (date.fromisoformat(value) + timedelta(days=1)).isoformat()
        except OverflowError:
            return value
    return value


def _whole(number: Decimal) -> int:
    if number != number.to_integral_value():
        raise ValueError(str(number))
    return int(number)


def _decimal_text(number: Decimal) -> str:
    """Return a number as rulesets write it: plain digits, a point, no idle zeros."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _refuse(text: str) -> object:
    raise ValueError(text)
