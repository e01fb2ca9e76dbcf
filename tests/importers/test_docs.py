"""docs/import.md does what it says: its files are imported, its output is what comes out."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from rules_engine import db, migrations
from rules_engine.cli import main
from rules_engine.cli.imports import import_
from rules_engine.importers.run import KINDS
from rules_engine.settings import Settings

TEXT = (Path(__file__).parents[2] / "docs" / "import.md").read_text(encoding="utf-8")


def test_the_examples_come_out_as_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = {"PRAVILA_HOME": str(tmp_path / "var"), "PRAVILA_LOCALE": "ru"}
    engine = db.make_engine(Settings.from_env(env).database_url)
    migrations.upgrade(engine)
    engine.dispose()
    monkeypatch.chdir(tmp_path)
    called = 0
    for kind, name, block in re.findall(r"^```(csv|console) ?(\S*)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL):
        if kind == "csv":
            Path(name).write_text(block, encoding="utf-8")
            continue
        for call in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, printed = call.partition("\n")
            answer = CliRunner().invoke(main, shlex.split(command)[1:], env=env)
            assert (answer.exit_code, answer.stdout) == (0, printed), command
            called += 1
    assert called == 3


def test_every_column_stands_in_the_table() -> None:
    for kind in KINDS.values():
        (row,) = re.findall(rf"^\| {kind.name} \| (.*) \|$", TEXT, re.MULTILINE)
        declared = [column.field + "*" * column.required for column in kind.columns]
        assert re.findall(r"`([^`]+)`", row) == declared


def test_every_option_stands_in_the_table() -> None:
    options = {name for parameter in import_.params for name in parameter.opts if name.startswith("--")}
    assert set(re.findall(r"^\| `(--[a-z-]+)", TEXT, re.MULTILINE)) == options
