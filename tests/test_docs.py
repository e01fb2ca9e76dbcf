"""The documentation covers what it says it covers."""

import re
import tomllib
from pathlib import Path

import click
import pytest

from rules_engine.cli import COMMANDS, main

ROOT = Path(__file__).parent.parent


def _requirement_names(lines: list[str]) -> set[str]:
    return {re.split(r"[\[<>=;! ]", line, maxsplit=1)[0] for line in lines}


def test_every_dependency_has_its_line_of_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = _requirement_names(project["dependencies"] + project["optional-dependencies"]["dev"])
    rows = re.findall(r"^\| ([a-z0-9, -]+) \|", (ROOT / "docs/dependencies.md").read_text(), re.MULTILINE)
    documented = {name.strip() for row in rows for name in row.split(",")} - {"package", "---"}
    assert documented == wanted


def test_every_setting_of_the_environment_is_documented() -> None:
    read = set(re.findall(r'"(PRAVILA_[A-Z_]+)"', (ROOT / "rules_engine/settings.py").read_text()))
    documented = set(re.findall(r"`(PRAVILA_[A-Z_]+)`", (ROOT / "docs/settings.md").read_text()))
    assert read == documented


def test_only_the_settings_module_reads_the_environment() -> None:
    readers = [
        str(path.relative_to(ROOT))
        for folder in ("rules_engine", "admin", "workers")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"os\.environ|os\.getenv", path.read_text())
    ]
    assert readers == ["rules_engine/settings.py"]


def test_only_the_clock_reads_the_time_of_the_machine() -> None:
    readers = [
        str(path.relative_to(ROOT))
        for folder in ("rules_engine", "admin", "workers")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"datetime\.(now|utcnow|today)\(|date\.today\(|time\.time\(", path.read_text())
    ]
    assert readers == ["rules_engine/clock.py"]


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_can_be_loaded_and_explains_itself(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.help


FORBIDDEN = re.compile(
    r"\b(штраф|депремир|лишени\w* преми|удержани|взыскани|наказани|санкци|отстранени|провинност)\w*", re.IGNORECASE
)


def test_no_page_catalogue_or_ruleset_uses_a_word_that_the_product_does_not_use() -> None:
    places = [
        *(ROOT / "admin").rglob("*.html"),
        *(ROOT / "admin").rglob("*.po"),
        *(ROOT / "rulesets").rglob("*.json"),
        *(ROOT / "rules_engine").rglob("*.py"),
        *(ROOT / "admin").rglob("*.py"),
        *(ROOT / "docs").rglob("*.md"),
        ROOT / "README.md",
    ]
    found = {str(path.relative_to(ROOT)): FORBIDDEN.findall(path.read_text()) for path in places}
    assert {path: words for path, words in found.items() if words} == {}
