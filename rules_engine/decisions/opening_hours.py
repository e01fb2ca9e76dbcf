"""What a calendar is made of: windows of a day, a week of them, and dates that differ from the week."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import ClassVar, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rules_engine.decisions.instants import to_us
from rules_engine.errors import PravilaError

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES: Final = 1440

#: `(first minute of the day, minute after the last)`, in local time.
Window = tuple[int, int]
Windows = tuple[Window, ...]

_TIME = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)")
_WEEKDAY_RU: Final = dict(zip(WEEKDAYS, ("пн", "вт", "ср", "чт", "пт", "сб", "вс"), strict=True))


class CalendarError(PravilaError):
    """A working calendar cannot be used, or has no working time where some is needed.

    `data["day"]` names the weekday or date at fault, where there is one.
    """

    template: ClassVar[dict[str, str]] = {"ru": "{ru}", "en": "{en}"}

    def __init__(self, *, ru: str, en: str, **data: object) -> None:
        super().__init__(ru=ru, en=en, **data)


class DayKind(StrEnum):
    """How a date differs from its weekday."""

    OFF = "off"
    SHORT = "short"
    WORK = "work"
    WINDOWS = "windows"


@dataclass(frozen=True, slots=True)
class DayException:
    """A date that differs from its weekday.

    `off` no work; `short` an hour less, taken from the end; `work` a working day like an ordinary one
    (a moved Saturday); `windows` exactly these windows.
    """

    kind: DayKind
    windows: Windows = ()


def day_off() -> DayException:
    """Return the exception of a date without work."""
    return DayException(DayKind.OFF)


def short_day() -> DayException:
    """Return the exception of a date that ends an hour earlier."""
    return DayException(DayKind.SHORT)


def work_day() -> DayException:
    """Return the exception of a moved working day."""
    return DayException(DayKind.WORK)


def other_windows(windows: Iterable[Sequence[str]], day: date) -> DayException:
    """Return the exception of a date with its own windows, `[["10:00", "15:00"], …]`."""
    return DayException(DayKind.WINDOWS, parse_windows(windows, day.isoformat()))


def minute_of_day(text: str, day: str) -> int:
    """Return the minute of the day of `"09:30"`; `"24:00"` is 1440. CalendarError names `day`."""
    found = _TIME.fullmatch(text) if isinstance(text, str) else None
    minute = int(found[1]) * 60 + int(found[2]) if found else -1
    if not 0 <= minute <= DAY_MINUTES:
        raise CalendarError(
            ru=f"{_day_ru(day)}: «{text}» не время; нужно от 00:00 до 24:00",
            en=f"{day}: {text!r} is not a time; 00:00 to 24:00 is needed",
            day=day,
        )
    return minute


def parse_windows(windows: Iterable[Sequence[str]], day: str) -> Windows:
    """Return the windows of one day, sorted; `day` (a weekday or a date) stands in the error.

    Windows that touch are allowed; reversed, empty and overlapping ones raise CalendarError.
    """
    out: list[Window] = []
    for window in windows:
        if isinstance(window, str) or len(window) != 2:
            raise CalendarError(
                ru=f"{_day_ru(day)}: окно задаётся двумя временами, «с» и «до»",
                en=f"{day}: a window is two times, from and to",
                day=day,
            )
        start, end = minute_of_day(window[0], day), minute_of_day(window[1], day)
        if end <= start:
            raise CalendarError(
                ru=f"{_day_ru(day)}: окно {window[0]}–{window[1]} кончается не позже, чем начинается",
                en=f"{day}: the window {window[0]}–{window[1]} does not end after it begins",
                day=day,
            )
        out.append((start, end))
    out.sort()
    for (a, b), (c, d) in pairwise(out):
        if c < b:
            raise CalendarError(
                ru=f"{_day_ru(day)}: окна {_hm(a)}–{_hm(b)} и {_hm(c)}–{_hm(d)} пересекаются",
                en=f"{day}: the windows {_hm(a)}–{_hm(b)} and {_hm(c)}–{_hm(d)} overlap",
                day=day,
            )
    return tuple(out)


def parse_week(weekly: Mapping[str, Iterable[Sequence[str]]]) -> tuple[Windows, ...]:
    """Return seven days of windows, Monday first, from `{"mon": [["09:00", "18:00"]], …}`."""
    unknown = [key for key in weekly if key not in WEEKDAYS]
    if unknown:
        raise CalendarError(
            ru=f"«{unknown[0]}» не день недели; бывают {', '.join(WEEKDAYS)}",
            en=f"{unknown[0]!r} is not a weekday; there are {', '.join(WEEKDAYS)}",
            day=unknown[0],
        )
    return tuple(parse_windows(weekly.get(day, ()), day) for day in WEEKDAYS)


def find_zone(name: str) -> ZoneInfo:
    """Return the zone, or CalendarError where there is none of that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError) as error:
        raise CalendarError(
            ru=f"часовой пояс «{name}» не найден", en=f"time zone {name!r} is not known", zone=name
        ) from error


def shortened(windows: Windows, minutes: int = 60) -> Windows:
    """Return the windows with `minutes` less at the end of the day.

    >>> shortened(((540, 780), (840, 1080)))
    ((540, 780), (840, 1020))
    >>> shortened(((540, 780), (840, 870)))
    ((540, 750),)
    """
    out = list(windows)
    while out and minutes > 0:
        start, end = out.pop()
        taken = min(minutes, end - start)
        minutes -= taken
        if end - taken > start:
            out.append((start, end - taken))
    return tuple(out)


def ordinary_day(week: tuple[Windows, ...]) -> Windows:
    """Return the windows that a moved working day takes over: the most frequent of Monday to Friday.

    A week that has only other days gives the most frequent of those; a tie goes to the earlier day.
    """
    for days in (week[:5], week):
        worked = [windows for windows in days if windows]
        if worked:
            return Counter(worked).most_common(1)[0][0]
    return ()


def windows_of_date(week: tuple[Windows, ...], exception: DayException | None, day: date) -> Windows:
    """Return the windows of one date, its exception counted.

    A short or moved day on a Saturday or Sunday that the week leaves free is a moved working day (production
    calendars list it so); a short weekday that the week leaves free stays free, for part-timers.
    """
    usual = week[day.weekday()]
    if exception is None:
        return usual
    if exception.kind is DayKind.OFF:
        return ()
    if exception.kind is DayKind.WINDOWS:
        return exception.windows
    if exception.kind is DayKind.WORK:
        return usual or ordinary_day(week)
    if not usual and day.weekday() >= 5:
        usual = ordinary_day(week)
    return shortened(usual)


def wall_us(zone: ZoneInfo, day: date, minute: int) -> int:
    """Return the first instant (microseconds) of `day` at which the wall clock shows at least `minute`.

    A time that a clock change leaves out is the instant of the change; one that comes twice is the first.
    Minute 1440 is the first instant of the next day.
    """
    wall = datetime(day.year, day.month, day.day) + timedelta(minutes=minute)  # noqa: DTZ001 - wall time
    local = wall.replace(tzinfo=zone)
    instant = to_us(local)
    after = to_us(local.replace(fold=1))
    if after >= instant:
        return instant
    # PEP 495: in a gap fold=0 reads with the offset before the change and lies after it, fold=1 the reverse.
    lo, hi = after, instant
    offset_after = local.replace(fold=1).utcoffset()
    while hi - lo > 1:
        middle = (lo + hi) // 2
        if _offset_at(zone, middle) == offset_after:
            hi = middle
        else:
            lo = middle
    return hi


def _offset_at(zone: ZoneInfo, us: int) -> timedelta | None:
    seconds, micro = divmod(us, 1_000_000)
    return datetime.fromtimestamp(seconds, zone).replace(microsecond=micro).utcoffset()


def _hm(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _day_ru(day: str) -> str:
    return _WEEKDAY_RU.get(day, day)
