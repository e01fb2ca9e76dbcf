"""`pravila import`: what it prints, where, and with which exit code."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rules_engine import db, migrations
from rules_engine.cli import main
from rules_engine.models import Request
from rules_engine.settings import Settings

ROWS = "external_id;received_at;amount;note\nA-1;05.10.2025 11:20;1 234,56;x\nA-2;вчера;;\n"


class Shell:
    """Calls the command on an installation of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.env = {"PRAVILA_HOME": str(home / "var"), "PRAVILA_LOCALE": "ru"}
        engine = db.make_engine(self.settings.database_url)
        migrations.upgrade(engine)
        engine.dispose()

    @property
    def settings(self) -> Settings:
        return Settings.from_env(self.env)

    def write(self, data: str | bytes, name: str = "requests.csv") -> str:
        path = self.home / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return str(path)

    def call(self, *words: str) -> Result:
        return CliRunner().invoke(main, ["import", *words], env=self.env)

    def stored(self) -> int:
        engine = db.make_engine(self.settings.database_url)
        with db.make_reading_sessions(engine, self.settings)() as session:
            number = session.query(Request).count()
        engine.dispose()
        return number


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_json_is_one_document_and_notices_go_elsewhere(shell: Shell) -> None:
    answer = shell.call("requests", shell.write(ROWS), "--json")
    assert answer.exit_code == 0
    assert json.loads(answer.stdout) == {
        "read": 2,
        "created": 1,
        "updated": 0,
        "unchanged": 0,
        "rejected": [{"row": 3, "column": "received_at", "reason": "«вчера» не дата и не время"}],
    }
    assert "колонки не использованы: note" in answer.stderr
    assert shell.stored() == 1


def test_a_person_reads_lines(shell: Shell) -> None:
    path = shell.write(ROWS)
    trial = shell.call("requests", path, "--dry-run")
    assert trial.stdout.startswith("проба, ничего не сохранено\nпрочитано: 2, создано: 1")
    assert shell.stored() == 0
    answer = shell.call("requests", path, "--source", "crm", "--timezone", "Asia/Yekaterinburg")
    assert "  строка 3, received_at: «вчера» не дата и не время" in answer.stdout
    assert shell.stored() == 1


@pytest.mark.parametrize("data", [b"\x89PNG\r\n\x1a\n\x00\x00", b"%PDF-1.7\n\x00", b"", "ничего\nздесь\n".encode()])
def test_a_file_of_another_kind_is_one_sentence_and_stores_nothing(shell: Shell, data: bytes) -> None:
    answer = shell.call("requests", shell.write(data, "picture.png"), "--json")
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert answer.stderr.startswith("picture.png: ") and answer.stderr.count("\n") == 1
    assert shell.stored() == 0


@pytest.mark.parametrize(
    "words",
    [
        ("bonuses",),
        ("requests", "--timezone", "Mars/Olympus"),
        ("requests", "--map", "external_id"),
        ("requests", "--map", "a=b", "--map", "a=c"),
        ("managers", "--history"),
        ("managers", "--arrivals"),
        ("requests", "--arrivals", "--history"),
        ("requests", "--source", " "),
    ],
)
def test_wrong_usage_ends_with_2(shell: Shell, words: tuple[str, ...]) -> None:
    kind, *options = words
    answer = shell.call(kind, shell.write(ROWS), *options)
    assert (answer.exit_code, answer.stdout) == (2, "")


def test_an_unknown_field_or_column_ends_with_1(shell: Shell) -> None:
    path = shell.write(ROWS)
    for mapping in ("recieved_at=note", "region=край"):
        answer = shell.call("requests", path, "--map", mapping)
        assert (answer.exit_code, answer.stdout) == (1, "")
    assert "received_at" in shell.call("requests", path, "--map", "recieved_at=note").stderr


def test_a_database_that_was_never_made_is_said_so(tmp_path: Path) -> None:
    answer = CliRunner().invoke(main, ["import", "requests", "none.csv"], env={"PRAVILA_HOME": str(tmp_path)})
    assert answer.exit_code == 1
    assert "pravila init" in answer.stderr
