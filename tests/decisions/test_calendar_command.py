"""`pravila calendar` as a newcomer scripts against it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rules_engine.cli import main


@pytest.fixture
def calendar_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PRAVILA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PRAVILA_LOCALE", "en")
    path = tmp_path / "calendar.json"
    week = {day: [["09:00", "13:00"], ["14:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
    path.write_text(json.dumps({"tz": "Europe/Moscow", "weekly": week, "holidays": ["2026-10-06"]}))
    return path


def run(path: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["calendar", words[0], "--calendar", str(path), *words[1:]])


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (
            ["due", "--start", "2026-10-05T12:30:00+03:00", "--minutes", "60"],
            {"due": "2026-10-05T11:30:00Z"},
        ),
        (["due", "--start", "2026-10-05T12:30:00", "--minutes", "-1.5"], {"due": "2026-10-05T09:28:30Z"}),
        (["due", "--start", "2026-10-05T12:30:00", "--days", "1"], {"due": "2026-10-07T09:30:00Z"}),
        (["due", "--start", "2026-10-05", "--days", "1"], {"due": "2026-10-07"}),
        (["elapsed", "--start", "2026-10-05T09:00:00", "--end", "2026-10-05T09:00:59"], {"minutes": 0}),
        (
            [
                *["elapsed", "--start", "2026-10-05T09:00:00", "--end", "2026-10-05T12:00:00"],
                *["--pause", "2026-10-05T10:00:00/2026-10-05T10:30:00"],
            ],
            {"minutes": 150},
        ),
        (["elapsed", "--start", "2026-10-05", "--end", "2026-10-09", "--days"], {"days": 3}),
        (["is-open", "--at", "2026-10-05T13:00:00+03:00"], {"open": False}),
        (["is-open", "--at", "2026-10-05"], {"open": True}),
    ],
)
def test_answers(calendar_file: Path, words: list[str], answer: dict[str, object]) -> None:
    result = run(calendar_file, *words, "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, answer)


def test_a_person_reads_local_time(calendar_file: Path) -> None:
    result = run(calendar_file, "due", "--start", "2026-10-05T12:30:00+03:00", "--minutes", "60")
    assert result.stdout == "2026-10-05T14:30:00+03:00\n"


def test_wrong_usage_is_2(calendar_file: Path) -> None:
    for words in (
        ["due", "--start", "2026-10-05T12:30:00"],
        ["due", "--start", "yesterday", "--minutes", "1"],
        ["due", "--start", "2026-10-05", "--minutes", "soon"],
        ["elapsed", "--start", "2026-10-05", "--end", "2026-10-06", "--pause", "2026-10-05"],
    ):
        assert run(calendar_file, *words).exit_code == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "is not JSON"),
        ("[]", "calendar: a JSON object is needed"),
        ('{"tz": "Europe/Moscow"}', "weekly: is needed"),
        ('{"tz": "Europe/Moscow", "weekly": {}}', "no working time"),
        ('{"tz": "Mars", "weekly": {"mon": [["09:00", "18:00"]]}}', "time zone 'Mars' is not known"),
        ('{"tz": "UTC", "weekly": {"mon": [["18:00", "09:00"]]}}', "mon: the window"),
        ('{"tz": "UTC", "weekly": {"mon": [["09:00"]]}}', "weekly.mon: a list of windows"),
        ('{"tz": "UTC", "weekly": {"mon": [["09:00", "18:00"]]}, "holiday": []}', "holiday: a calendar has no"),
        ('{"calendars": {"a": {}}}', "name one: a"),
    ],
)
def test_a_calendar_that_makes_no_sense_is_1_with_the_reason(calendar_file: Path, content: str, reason: str) -> None:
    calendar_file.write_text(content)
    result = run(calendar_file, "is-open", "--at", "2026-10-05T13:00:00+03:00", "--json")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert reason in result.stderr


def test_a_missing_file_is_1(calendar_file: Path) -> None:
    result = run(calendar_file.with_name("none.json"), "is-open", "--at", "2026-10-05")
    assert result.exit_code == 1
    assert "cannot be read" in result.stderr


def test_a_country_is_imported_by_its_code(calendar_file: Path) -> None:
    def run_main(*words: str) -> Result:
        return CliRunner().invoke(main, list(words))

    assert run_main("init").exit_code == 0
    shipped = run_main("calendar", "import", "--country", "RU", "--years", "2024-2026", "--json")
    assert (shipped.exit_code, shipped.stderr) == (0, "")
    answer = json.loads(shipped.stdout)
    # A new installation in Moscow has them.
    assert (answer["created"], answer["unchanged"]) == (0, answer["read"])
    other = run_main("calendar", "import", "--country", "KZ", "--years", "2026", "--json")
    assert other.exit_code == 0 and json.loads(other.stdout)["created"] > 0
    assert "only days off and moved working days are known, no short days" in other.stderr
    for wrong in (
        ["--country", "KZ"],
        [],
        [str(calendar_file), "--country", "RU"],
        [str(calendar_file), "--years", "1"],
    ):
        assert run_main("calendar", "import", *wrong).exit_code == 2
    unknown = run_main("calendar", "import", "--country", "XX", "--years", "2026")
    assert unknown.exit_code == 1 and "a code of two letters" in unknown.stderr
