"""`pravila calendar`: working-time arithmetic on a calendar file, and the import of exceptions."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from rules_engine import clock
from rules_engine.cli.imports import answer_report
from rules_engine.cli.output import json_option, open_sessions, print_json
from rules_engine.decisions.calendar_file import read_calendar
from rules_engine.decisions.working_time import WorkingCalendar
from rules_engine.errors import InputError
from rules_engine.importers.calendar_days import import_days, import_known
from rules_engine.services.company import production_calendars
from rules_engine.services.company.production_calendars import KnownDays
from rules_engine.settings import Settings

Moment = date | datetime
"""A bare date, or an instant (naive: of the calendar's zone)."""


def moment(text: str) -> Moment:
    """Return what an ISO instant or a bare date says. click makes a usage error of BadParameter."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is neither an instant such as 2026-10-05T11:20:00+03:00 nor a date"
        ) from None


def minutes_number(text: str) -> Fraction:
    """Return `90`, `-90`, `1.5` or `3/2` exactly."""
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise click.BadParameter(f"{text!r} is not a number of minutes") from None


def pause(text: str) -> tuple[Moment, Moment]:
    """Return the two instants of `FROM/TO`."""
    first, slash, second = text.partition("/")
    if not slash:
        raise click.BadParameter(f"{text!r} is not FROM/TO")
    return moment(first), moment(second)


calendar_option = click.option(
    "--calendar", "path", required=True, type=click.Path(path_type=Path), help="A calendar, or a file of several."
)
name_option = click.option("--name", metavar="CAL", help="Which calendar of a file of several.")


@click.group()
def calendar() -> None:
    """Working time: due instants, elapsed minutes, open or not; exceptions from a file."""


@calendar.command()
@calendar_option
@name_option
@click.option("--start", required=True, type=moment, metavar="TS")
@click.option("--minutes", type=minutes_number, metavar="N", help="Working minutes; negative counts back.")
@click.option("--days", type=int, help="Working days; negative counts back.")
@click.option(
    "--pause", "pauses", multiple=True, type=pause, metavar="FROM/TO", help="The clock stands still meanwhile."
)
@json_option
def due(
    path: Path,
    name: str | None,
    start: Moment,
    minutes: Fraction | None,
    days: int | None,
    pauses: Sequence[tuple[Moment, Moment]],
    as_json: bool,
) -> None:
    """Print the instant so many working minutes or days after START."""
    if (minutes is None) == (days is None):
        raise click.UsageError("give either --minutes or --days")
    working = _load(path, name)
    if minutes is not None:
        answer: Moment = working.add(_instant(start, working), minutes, _ranges(pauses, working))
    elif isinstance(start, datetime):
        answer = working.add_days(_instant(start, working), days or 0)
    else:
        answer = working.add_working_days(start, days or 0)
    _answer({"due": _text(answer)}, _local_text(answer, working), as_json)


@calendar.command()
@calendar_option
@name_option
@click.option("--start", required=True, type=moment, metavar="TS")
@click.option("--end", required=True, type=moment, metavar="TS")
@click.option(
    "--pause", "pauses", multiple=True, type=pause, metavar="FROM/TO", help="The clock stands still meanwhile."
)
@click.option("--days", is_flag=True, help="Count working days of [START, END) instead.")
@json_option
def elapsed(
    path: Path,
    name: str | None,
    start: Moment,
    end: Moment,
    pauses: Sequence[tuple[Moment, Moment]],
    days: bool,
    as_json: bool,
) -> None:
    """Print the whole working minutes from START to END."""
    working = _load(path, name)
    if days:
        count = working.days_between(_date(start, working), _date(end, working))
        _answer({"days": count}, str(count), as_json)
        return
    minutes = working.elapsed_minutes(_instant(start, working), _instant(end, working), _ranges(pauses, working))
    _answer({"minutes": minutes}, str(minutes), as_json)


@calendar.command("is-open")
@calendar_option
@name_option
@click.option("--at", required=True, type=moment, metavar="TS", help="An instant; a bare date asks for a working day.")
@json_option
def is_open(path: Path, name: str | None, at: Moment, as_json: bool) -> None:
    """Print whether an instant is working time."""
    working = _load(path, name)
    if isinstance(at, datetime):
        answer = working.is_open(_instant(at, working))
    else:
        answer = working.is_working_day(at)
    _answer({"open": answer}, "open" if answer else "closed", as_json)


@calendar.command("import")
@click.argument("path", metavar="[FILE]", required=False, type=click.Path(path_type=Path))
@click.option("--country", metavar="CODE", help="Instead of a file: the production calendar of a country, such as RU.")
@click.option("--years", metavar="YEARS", help="With --country: 2026 or 2024-2026; without it what ships.")
@click.option("--name", metavar="CAL", help="Code of the calendar to change; without it the default calendar.")
@json_option
def import_(path: Path | None, country: str | None, years: str | None, name: str | None, as_json: bool) -> None:
    """Import the dates that differ from the week (a production calendar) into a stored calendar.

    The years that ship for RU hold short days and moved working days. Other countries and years come from the package
    `holidays`: days off and moved working days only.
    """
    if (path is None) == (country is None):
        raise click.UsageError("give either FILE or --country")
    if years is not None and country is None:
        raise click.UsageError("--years is for --country")
    settings = Settings.from_env()
    with open_sessions(settings) as sessions:
        if path is not None:
            report = import_days(sessions, settings, path, calendar_code=name, now=clock.now())
        else:
            known = _known_days(country or "", years)
            if known.without_short_days:
                click.echo(_without_short_days(known.without_short_days, settings.locale), err=True)
            report = import_known(sessions, settings, known, calendar_code=name, now=clock.now())
    answer_report(report, settings.locale, as_json)


def _known_days(country: str, years: str | None) -> KnownDays:
    if years is not None:
        return production_calendars.known_days(country, production_calendars.years_of(years))
    shipped = production_calendars.shipped_years(country.strip().upper())
    if not shipped:
        raise click.UsageError("give --years: no years ship for this country")
    return production_calendars.known_days(country, tuple(shipped))


def _without_short_days(years: Sequence[int], lang: str) -> str:
    named = ", ".join(map(str, years))
    if lang == "ru":
        return f"{named}: известны только выходные и перенесённые рабочие дни, сокращённых дней нет"
    return f"{named}: only days off and moved working days are known, no short days"


def _load(path: Path, name: str | None) -> WorkingCalendar:
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(
            path=str(path), ru=f"не читается: {error.strerror}", en=f"cannot be read: {error.strerror}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(path=str(path), ru="это не JSON", en="is not JSON") from error
    return read_calendar(document, name)


def _instant(moment: Moment, working: WorkingCalendar) -> datetime:
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)  # noqa: DTZ001 - gets its zone below
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(working.zone))


def _date(moment: Moment, working: WorkingCalendar) -> date:
    return working.local_date(_instant(moment, working)) if isinstance(moment, datetime) else moment


def _ranges(pauses: Sequence[tuple[Moment, Moment]], working: WorkingCalendar) -> list[tuple[datetime, datetime]]:
    return [(_instant(a, working), _instant(b, working)) for a, b in pauses]


def _text(moment: Moment) -> str:
    if not isinstance(moment, datetime):
        return moment.isoformat()
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _local_text(moment: Moment, working: WorkingCalendar) -> str:
    if not isinstance(moment, datetime):
        return moment.isoformat()
    return moment.astimezone(ZoneInfo(working.zone)).isoformat()


def _answer(document: dict[str, Any], line: str, as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        click.echo(line)
