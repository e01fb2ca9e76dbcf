"""The published worked examples of working-time arithmetic, each held to the letter."""

import json
from datetime import date, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rules_engine.cli import main
from rules_engine.decisions.calendar_file import read_calendar

CASES = Path(__file__).parents[3] / "shared" / "data" / "working_time_cases.json"
PRODUCTION = CASES.with_name("russian_production_calendar_2020_2027.csv")


def _document() -> dict[str, Any]:
    if not CASES.exists():
        pytest.skip(f"the published examples are not here: {CASES}")
    document: dict[str, Any] = json.loads(CASES.read_text())
    return document


def test_there_are_65_examples() -> None:
    assert len(_document()["cases"]) == 65


def _cases() -> list[Any]:
    if not CASES.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason=f"not here: {CASES}"))]
    return [pytest.param(case, id=case["id"]) for case in json.loads(CASES.read_text())["cases"]]


def _pauses(case: dict[str, Any]) -> list[tuple[datetime, datetime]]:
    return [(datetime.fromisoformat(a), datetime.fromisoformat(b)) for a, b in case.get("pauses", [])]


@pytest.mark.parametrize("case", _cases())
def test_published_example(case: dict[str, Any]) -> None:
    calendar = read_calendar(_document(), case["calendar"])
    expected = case["expected"]
    match case["op"]:
        case "due" | "before":
            start = datetime.fromisoformat(case["start"])
            minutes = Fraction(str(case["minutes"])) * (1 if case["op"] == "due" else -1)
            due = calendar.add(start, minutes, _pauses(case))
            wanted = datetime.fromisoformat(expected)
            if minutes == 0:
                # Our convention: zero minutes is the start itself; the example rolls to the nearest edge of
                # working time. No working time lies between the two.
                assert due == start
                assert calendar.elapsed(min(start, wanted), max(start, wanted)) == 0
            else:
                assert due == wanted
        case "elapsed_minutes":
            start, end = datetime.fromisoformat(case["start"]), datetime.fromisoformat(case["end"])
            assert calendar.elapsed_minutes(start, end, _pauses(case)) == expected
        case "in_hours":
            assert calendar.is_open(datetime.fromisoformat(case["start"])) is expected
        case "due_business_days":
            found = calendar.add_days(datetime.fromisoformat(case["start"]), case["business_days"])
            assert found == datetime.fromisoformat(expected)
        case "add_days" | "sub_days":
            count = case["business_days"] * (1 if case["op"] == "add_days" else -1)
            found_day = calendar.add_working_days(date.fromisoformat(case["start"]), count)
            assert found_day == date.fromisoformat(expected)
        case "business_days_between":
            days = date.fromisoformat(case["start"]), date.fromisoformat(case["end"])
            assert calendar.days_between(*days) == expected
        case "is_business_day":
            assert calendar.is_working_day(date.fromisoformat(case["start"])) is expected
        case other:
            pytest.fail(f"unknown kind of example: {other}")


@pytest.mark.parametrize("case", _cases())
def test_published_example_by_command(case: dict[str, Any]) -> None:
    start, count = case.get("start", ""), str(case.get("business_days", ""))
    expected: Any = case["expected"]
    match case["op"]:
        case "due" | "before":
            sign = "" if case["op"] == "due" else "-"
            if case["minutes"] == 0:
                sign, expected = "", start
            words, answer = ["due", "--start", start, "--minutes", f"{sign}{case['minutes']}"], {"due": expected}
        case "elapsed_minutes":
            words, answer = ["elapsed", "--start", start, "--end", case["end"]], {"minutes": expected}
        case "in_hours" | "is_business_day":
            words, answer = ["is-open", "--at", start], {"open": expected}
        case "due_business_days" | "add_days":
            words, answer = ["due", "--start", start, "--days", count], {"due": expected}
        case "sub_days":
            words, answer = ["due", "--start", start, "--days", f"-{count}"], {"due": expected}
        case _:
            words, answer = ["elapsed", "--start", start, "--end", case["end"], "--days"], {"days": expected}
    for first, last in case.get("pauses", []):
        words += ["--pause", f"{first}/{last}"]
    command = ["calendar", *words, "--calendar", str(CASES), "--name", case["calendar"], "--json"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.stderr
    assert _instants(json.loads(result.stdout)) == _instants(answer)


def _instants(document: dict[str, Any]) -> dict[str, Any]:
    """Return the answer with its instant as one, however its offset is written."""
    due = document.get("due", "")
    return {"due": datetime.fromisoformat(due)} if "T" in due else document


@pytest.mark.parametrize(
    ("year", "days", "hours"),
    [(2022, 247, 1973), (2023, 247, 1973), (2024, 248, 1979), (2025, 247, 1972), (2026, 247, 1972)],
)
def test_production_calendar_gives_the_official_days_and_hours(year: int, days: int, hours: int) -> None:
    if not PRODUCTION.exists():
        pytest.skip(f"the production calendar is not here: {PRODUCTION}")
    keys = {"off": "holidays", "nowork": "holidays", "short": "short_days", "work": "extra_working_dates"}
    document: dict[str, Any] = {"tz": "Europe/Moscow", "weekly": {}, "short_days": []}
    for day in ("mon", "tue", "wed", "thu", "fri"):
        document["weekly"][day] = [["09:00", "13:00"], ["14:00", "18:00"]]
    for line in PRODUCTION.read_text().splitlines()[1:]:
        text, _, kind, _ = line.split(",")
        document.setdefault(keys[kind], []).append(text)
    calendar = read_calendar(document)
    first, after = date(year, 1, 1), date(year + 1, 1, 1)
    assert calendar.days_between(first, after) == days
    minutes = calendar.elapsed(
        datetime.fromisoformat(f"{year}-01-01T00:00:00+03:00"),
        datetime.fromisoformat(f"{year + 1}-01-01T00:00:00+03:00"),
    )
    assert minutes == hours * 60
