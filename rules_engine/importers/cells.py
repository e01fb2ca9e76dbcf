"""What a cell says: instants, amounts, lists and words as people write them, in the form that the services read."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final
from zoneinfo import ZoneInfo

from rules_engine.decisions.lifecycle import WORDS as STATUS_WORDS
from rules_engine.decisions.matching import normal_inn
from rules_engine.decisions.money import NotAnAmount, format_amount, parse_written_amount
from rules_engine.importers.tabular import Cell

_RUSSIAN: Final = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4}|\d{2})(?:[ T,]+(\d{1,2}):(\d{2})(?::(\d{2}))?)?")
_SERIAL: Final = re.compile(r"\d{5}(?:[.,]\d+)?")
_SERIAL_EPOCH: Final = datetime(1899, 12, 30)  # noqa: DTZ001 - days are counted before a zone is known
_NUMBER: Final = re.compile(r"-?\d+(?:[.,]\d+)?")


class CellRefused(Exception):
    """A cell cannot be read; the importer says so with its row and column."""

    def __init__(self, ru: str, en: str) -> None:
        self.ru = ru
        self.en = en
        super().__init__(en)


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read what a cell leaves open: the zone of instants without an offset."""

    zone: ZoneInfo


Parser = Callable[[Cell, Reading], object]


def text(cell: Cell, reading: Reading) -> str | None:
    """Return the cell as text; a date of a workbook as an ISO date."""
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ")
    return cell.isoformat() if isinstance(cell, date) else cell


def instant(cell: Cell, reading: Reading) -> datetime | None:
    """Return an instant; one without an offset is of the zone, a bare date is its midnight.

    Takes ISO with a space or `T`, `01.10.2026 9:05`, dates of a workbook and the serial numbers behind them.
    """
    found = _moment(cell)
    if found is None or not isinstance(found, datetime):
        found = datetime.combine(found, time()) if found is not None else None
    if found is not None and found.tzinfo is None:
        found = found.replace(tzinfo=reading.zone)
    try:
        return found.astimezone(UTC) if found is not None else None
    except OverflowError:
        raise CellRefused("такой даты не может быть", "there can be no such date") from None


def day(cell: Cell, reading: Reading) -> date | None:
    """Return a date; of an instant the date in its own zone."""
    found = _moment(cell)
    return found.date() if isinstance(found, datetime) else found


def day_or_instant(cell: Cell, reading: Reading) -> date | datetime | None:
    """Return a bare date where no time is written, else an instant. A workbook's midnight is a bare date."""
    found = _moment(cell)
    if isinstance(found, datetime):
        if isinstance(cell, datetime) and found.time() == time():
            return found.date()
        return instant(cell, reading)
    return found


def amount(cell: Cell, reading: Reading) -> str | None:
    """Return an amount as the forms want it: `1 234,56` becomes `1234.56`."""
    if cell is None:
        return None
    if not isinstance(cell, str):
        raise CellRefused("здесь дата, а нужна сумма", "is a date where an amount belongs")
    try:
        return format_amount(parse_written_amount(_plain_number(cell)))
    except NotAnAmount as problem:
        raise CellRefused(problem.message("ru"), problem.message("en")) from None


def whole(cell: Cell, reading: Reading) -> int | None:
    """Return a whole number."""
    written = (text(cell, reading) or "").replace("\u00a0", "").replace(" ", "")
    if not written:
        return None
    if not re.fullmatch(r"\d{1,9}", written):
        raise CellRefused(f"«{written}» не целое число", f"{written!r} is not a whole number")
    return int(written)


def weight(cell: Cell, reading: Reading) -> str | None:
    """Return a share of a full position with a decimal point."""
    written = text(cell, reading)
    return written.replace(",", ".") if written else None


def inn(cell: Cell, reading: Reading) -> str | None:
    """Return a tax number with the leading zero that a spreadsheet took."""
    written = text(cell, reading)
    if not written:
        return None
    if re.search(r"\d[eEеЕ]\+?\d", written):
        raise CellRefused(
            "ИНН сохранён как число с порядком и потерял цифры", "the tax number was kept as a rounded number"
        )
    return normal_inn(written) or re.sub(r"[\s.\-]", "", written)


def items(cell: Cell, reading: Reading) -> list[str]:
    """Return the values of a list that are written with `;` or line breaks between them."""
    written = text(cell, reading) or ""
    return list(dict.fromkeys(part.strip() for part in re.split(r"[;\n]", written) if part.strip()))


def words(cell: Cell, reading: Reading) -> list[str]:
    """Return the values of a list that are written with `;`, a comma or line breaks between them."""
    written = text(cell, reading) or ""
    return list(dict.fromkeys(part.strip() for part in re.split(r"[;,\n]", written) if part.strip()))


def yes_no(cell: Cell, reading: Reading) -> bool | None:
    """Return what "да", "нет", yes, no, 1 and 0 say."""
    written = (text(cell, reading) or "").casefold()
    if not written:
        return None
    if written in ("да", "yes", "true", "1", "+", "д", "y", "истина"):
        return True
    if written in ("нет", "no", "false", "0", "-", "н", "n", "ложь"):
        return False
    raise CellRefused(f"«{written}»: нужно да или нет", f"{written!r} is neither yes nor no")


def one_of(known: Mapping[str, str]) -> Parser:
    """Return a parser that reads people's words for codes; a word that it does not know stays as it is."""

    def parse(cell: Cell, reading: Reading) -> object:
        written = text(cell, reading)
        return known.get(written.casefold(), written) if written else None

    return parse


STATUS: Final = one_of({words_["ru"]: code.value for code, words_ in STATUS_WORDS.items()})
CHANNEL: Final = one_of(
    {
        "телефон": "phone", "звонок": "phone", "чат": "chat", "сайт": "web", "почта": "email", "e-mail": "email",
        "email": "email", "мессенджер": "messenger", "визит": "visit", "другой": "other",
    }
)  # fmt: skip
KIND: Final = one_of(
    {"звонок": "call", "сообщение": "message", "письмо": "email", "почта": "email", "встреча": "meeting"}
)
DIRECTION: Final = one_of({"исходящий": "out", "исходящее": "out", "входящий": "in", "входящее": "in"})
OUTCOME: Final = one_of(
    {
        "ответил": "answered", "поговорили": "answered", "заказ": "order", "думает": "thinks", "не сейчас": "not_now",
        "отказ": "refused", "не звонить": "do_not_call", "не дозвонились": "not_reached", "недозвон": "not_reached",
        "неверный номер": "wrong_number",
    }
)  # fmt: skip
PAYMENT_KIND: Final = one_of(
    {
        "оплата": "payment", "платёж": "payment", "платеж": "payment", "поступление": "payment",
        "предоплата": "prepayment", "аванс": "prepayment", "возврат": "refund", "зачёт": "offset", "зачет": "offset",
        "взаимозачёт": "offset", "взаимозачет": "offset",
    }
)  # fmt: skip
PROOF: Final = one_of({"подтверждён": "confirmed", "подтвержден": "confirmed", "вручную": "by_hand"})


def _moment(cell: Cell) -> datetime | date | None:
    """Return what a cell says about time, naive where it names no offset."""
    if cell is None or isinstance(cell, datetime | date):
        return cell
    if _SERIAL.fullmatch(cell):
        # As microseconds: a float would put 09:00 a little before nine.
        since = Decimal(cell.replace(",", ".")) * 86_400
        return _SERIAL_EPOCH + timedelta(seconds=int(since.to_integral_value()))
    found = _RUSSIAN.fullmatch(cell)
    try:
        if found:
            date_, month, year, hour, minute, second = found.groups()
            on = date(int(year) + (2000 if len(year) == 2 else 0), int(month), int(date_))
            return datetime.combine(on, time(int(hour), int(minute), int(second or 0))) if hour else on
        if len(cell) == 10:
            return date.fromisoformat(cell)
        return datetime.fromisoformat(cell)
    except ValueError:
        raise CellRefused(f"«{cell[:60]}» не дата и не время", f"{cell[:60]!r} is no date and no time") from None


def _plain_number(written: str) -> str:
    """Return a plain number of a workbook rounded to kopecks where only its binary noise is lost."""
    if not _NUMBER.fullmatch(written):
        return written
    try:
        exact = Decimal(written.replace(",", "."))
    except InvalidOperation:
        return written
    rounded = exact.quantize(Decimal("0.01")) if abs(exact) < 10**13 else exact
    return str(rounded) if abs(rounded - exact) < Decimal("0.00001") else written
