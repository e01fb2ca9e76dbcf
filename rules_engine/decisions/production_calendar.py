"""The production calendar of a country: which dates of a year differ from a plain Monday to Friday, and why.

Our own file format, one country a file, dates as `MM-DD` under their year:
`holidays` {reason: [date, "first/last"]}, `days_off_moved_from` {day off: the date it was moved from},
`short` (an hour less; on a Saturday also a moved working day), `working` (moved working days).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from rules_engine.decisions.opening_hours import DayKind


@dataclass(frozen=True, slots=True)
class KnownDay:
    """One date that differs, and why, in both languages."""

    day: date
    kind: DayKind
    ru: str
    en: str

    def note(self, lang: str) -> str:
        return self.ru if lang == "ru" else self.en


@dataclass(frozen=True, slots=True)
class KnownYear:
    """The dates of one year in their order, holidays that fall on a weekend too; `source` names the law."""

    year: int
    source: str
    days: tuple[KnownDay, ...]


def read_years(document: Mapping[str, Any]) -> dict[int, KnownYear]:
    """Return the years of a file by number. The file ships with the product: a broken one raises KeyError, ValueError.

    A date may stand in it once.
    """
    reasons = document["reasons"]
    return {int(year): _year(int(year), facts, reasons) for year, facts in document["years"].items()}


def _year(year: int, facts: Mapping[str, Any], reasons: Mapping[str, Mapping[str, str]]) -> KnownYear:
    moved = {_date(year, to): _date(year, source) for to, source in facts["days_off_moved_from"].items()}
    to_of = {source: to for to, source in moved.items()}
    days = [
        KnownDay(day, DayKind.OFF, reasons[code]["ru"], reasons[code]["en"])
        for code, spans in facts["holidays"].items()
        for span in spans
        for day in _span(year, span)
    ]
    days += [
        KnownDay(to, DayKind.OFF, f"выходной, перенесён с {source:%d.%m}", f"day off moved from {source:%d.%m}")
        for to, source in moved.items()
    ]
    for day in (_date(year, text) for text in facts["short"]):
        ru, en = _instead(to_of.get(day))
        days.append(
            KnownDay(
                day,
                DayKind.SHORT,
                f"канун праздника{ru and '; ' + ru}",
                f"the day before a holiday{en and '; ' + en}",
            )
        )
    for day in (_date(year, text) for text in facts["working"]):
        days.append(KnownDay(day, DayKind.WORK, *_instead(to_of.get(day))))
    if len({one.day for one in days}) != len(days):
        raise ValueError(f"a date of {year} stands twice")
    return KnownYear(year, facts["source"], tuple(sorted(days, key=lambda one: one.day)))


def _instead(day_off: date | None) -> tuple[str, str]:
    if day_off is None:
        return "", ""
    return f"рабочий день вместо {day_off:%d.%m}", f"worked instead of {day_off:%d.%m}"


def _span(year: int, text: str) -> Iterator[date]:
    first, _, last = text.partition("/")
    day, end = _date(year, first), _date(year, last or first)
    while day <= end:
        yield day
        day += timedelta(days=1)


def _date(year: int, text: str) -> date:
    return date.fromisoformat(f"{year}-{text}")
