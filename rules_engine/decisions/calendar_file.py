"""Read a working calendar from its JSON form, the one of published examples of working-time arithmetic.

`{"tz", "weekly": {"mon": [["09:00", "17:00"]]}, "holidays": [date], "inactive_holidays": [date],
"extra_working_dates": [date], "short_days": [date], "shifts": {date: windows}, "breaks": {date: windows},
"note"}`. A shift replaces the hours of its date, a holiday beats a shift, a break is cut out of what is left.
A file may also hold several calendars: `{"calendars": {name: calendar}}`.
"""

from collections.abc import Iterable, Mapping
from datetime import date

from rules_engine.decisions.instants import subtracted
from rules_engine.decisions.opening_hours import (
    DayException,
    DayKind,
    Windows,
    day_off,
    other_windows,
    parse_week,
    parse_windows,
    short_day,
    windows_of_date,
    work_day,
)
from rules_engine.decisions.working_time import WorkingCalendar
from rules_engine.errors import InputError

_KEYS = frozenset(
    {
        "tz",
        "weekly",
        "holidays",
        "inactive_holidays",
        "extra_working_dates",
        "short_days",
        "shifts",
        "breaks",
        "note",
    }
)


def read_calendar(document: object, name: str | None = None) -> WorkingCalendar:
    """Return the calendar of a JSON document; `name` chooses one of a file that holds several.

    Raises InputError with the path of what cannot be read, CalendarError for windows that make no sense.
    """
    if isinstance(document, Mapping) and "calendars" in document:
        calendars = _mapping(document["calendars"], "calendars")
        known = ", ".join(sorted(map(str, calendars)))
        if name is None:
            raise InputError(
                path="name",
                ru=f"в файле несколько календарей, назовите один: {known}",
                en=f"the file holds several calendars, name one: {known}",
            )
        if name not in calendars:
            raise InputError(
                path="name", ru=f"нет календаря «{name}»; есть {known}", en=f"no calendar {name!r}; there are {known}"
            )
        return _calendar(calendars[name], f"calendars.{name}.")
    if name is not None:
        raise InputError(
            path="name", ru="в файле один календарь, имя лишнее", en="the file holds one calendar, no name is needed"
        )
    return _calendar(document, "")


def _calendar(document: object, path: str) -> WorkingCalendar:
    body = _mapping(document, path.rstrip(".") or "calendar")
    unknown = sorted(str(key) for key in body if key not in _KEYS)
    if unknown:
        raise InputError(
            path=path + unknown[0],
            ru=f"такого ключа в календаре нет; бывают {', '.join(sorted(_KEYS))}",
            en=f"a calendar has no such key; there are {', '.join(sorted(_KEYS))}",
        )
    for needed in ("tz", "weekly"):
        if needed not in body:
            raise InputError(path=path + needed, ru="обязательно", en="is needed")
    zone = body["tz"]
    if not isinstance(zone, str):
        raise InputError(path=f"{path}tz", ru="нужно имя часового пояса", en="the name of a time zone is needed")
    weekly = {
        day: _windows(windows, f"{path}weekly.{day}")
        for day, windows in _mapping(body["weekly"], f"{path}weekly").items()
    }
    week = parse_week(weekly)
    exceptions: dict[date, DayException] = {}
    for key, exception in (("extra_working_dates", work_day()), ("short_days", short_day())):
        for day in _dates(body.get(key, []), path + key):
            exceptions[day] = exception
    for text, windows in _mapping(body.get("shifts", {}), f"{path}shifts").items():
        day = _date(text, f"{path}shifts")
        exceptions[day] = other_windows(_windows(windows, f"{path}shifts.{text}"), day)
    inactive = set(_dates(body.get("inactive_holidays", []), f"{path}inactive_holidays"))
    for day in _dates(body.get("holidays", []), f"{path}holidays"):
        if day not in inactive:
            exceptions[day] = day_off()
    for text, windows in _mapping(body.get("breaks", {}), f"{path}breaks").items():
        day = _date(text, f"{path}breaks")
        breaks = parse_windows(_windows(windows, f"{path}breaks.{text}"), day.isoformat())
        usual = windows_of_date(week, exceptions.get(day), day)
        exceptions[day] = DayException(DayKind.WINDOWS, _without(usual, breaks))
    return WorkingCalendar.build(weekly, zone, exceptions)


def _without(windows: Windows, breaks: Windows) -> Windows:
    return tuple(subtracted(list(windows), breaks))


def _mapping(value: object, path: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise InputError(path=path, ru="нужен объект JSON", en="a JSON object is needed")
    return value


def _windows(value: object, path: str) -> list[list[str]]:
    def is_window(window: object) -> bool:
        return isinstance(window, list) and len(window) == 2 and all(isinstance(time, str) for time in window)

    if not isinstance(value, list) or not all(map(is_window, value)):
        raise InputError(
            path=path,
            ru='нужен список окон, например [["09:00", "18:00"]]',
            en='a list of windows is needed, such as [["09:00", "18:00"]]',
        )
    return value


def _dates(value: object, path: str) -> Iterable[date]:
    if not isinstance(value, list):
        raise InputError(path=path, ru="нужен список дат", en="a list of dates is needed")
    return [_date(item, f"{path}[{n}]") for n, item in enumerate(value)]


def _date(value: object, path: str) -> date:
    try:
        return date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise InputError(
            path=path, ru=f"«{value}» не дата ГГГГ-ММ-ДД", en=f"{value!r} is not a date YYYY-MM-DD"
        ) from None
