"""A process dies at every commit of an act, before and after it; done again, the act has been done once.

Nobody lists the commits: each act is done once while its points are noted (points.py), and then dies at each of them.
"""

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from rules_engine import db
from rules_engine.settings import Settings
from tests.faults import acts
from tests.faults.warm import Nursery
from tests.workers.processes import environment

pytestmark = pytest.mark.faults

KILLED = -9
COUNTED = {"work_items": {"lease_until", "epoch", "attempts"}}
"""What tells how often something was tried, by table."""


class Stage:
    """A company on SQLite, of which each attempt gets a copy."""

    def __init__(self, name: str, template: Path, home: Path, warm: Nursery) -> None:
        self.name = name
        self.home = home
        self._warm = warm
        self._prepared = home / "prepared.db"
        shutil.copy(template, self._prepared)
        engine = db.make_engine(f"sqlite:///{self._prepared}", relaxed=True)
        with db.transaction(db.make_sessions(engine, Settings.from_env({"PRAVILA_HOME": str(home)}))) as session:
            self._noted = acts.found(session, name)
        engine.dispose()
        warm.rehearse(name, self._noted, self._environment(self.copy("rehearsed")))

    def copy(self, name: str) -> Path:
        path = self.home / f"{name}.db"
        for left_over in self.home.glob(f"{path.name}-*"):
            # Else SQLite would play what the one who was killed had written into the new copy.
            left_over.unlink()
        shutil.copy(self._prepared, path)
        (self.home / "sent").unlink(missing_ok=True)
        return path

    def play(self, path: Path, **how: object) -> None:
        """Do the act in a process of its own, see `acts.play`; it has to end as it was told to."""
        order = {"name": self.name, "noted": self._noted, **how}
        log = self.home / "log"
        child = self._warm.start(
            {"call": "tests.faults.acts:play", "with": order},
            environment=self._environment(path),
            log=log,
        )
        assert child.wait() == (KILLED if how.get("die_at") else 0), log.read_text()

    def _environment(self, path: Path) -> dict[str, str]:
        settings = Settings.from_env({"PRAVILA_HOME": str(self.home)})
        return environment(settings, f"sqlite:///{path}", PRAVILA_ENGINE="native")

    def sent(self) -> list[str]:
        box = self.home / "sent"
        return box.read_text().split() if box.exists() else []


def rows(path: Path, *, counted: bool = False) -> dict[str, list[dict[str, Any]]]:
    """Return every row of every table, without how often something was tried unless that is `counted`."""
    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found: dict[str, list[dict[str, Any]]] = {}
    for name in set(names) - {"sqlite_sequence"}:
        skipped = set() if counted else COUNTED.get(name, set())
        found[name] = [
            {key: row[key] for key in row.keys() if key not in skipped}  # noqa: SIM118 - a Row is no mapping
            for row in connection.execute(f'SELECT * FROM "{name}" ORDER BY 1')
            if not (name == "app_settings" and row["key"] == "reference_version")  # a random sign
        ]
    connection.close()
    return found


def let_leases_end(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE work_items SET lease_until = NULL")
    connection.close()


@pytest.mark.parametrize("name", acts.ACTS)
def test_whoever_dies_at_a_commit_and_does_it_again_has_done_it_once(
    name: str, sqlite_template: Path, tmp_path: Path, warm: Nursery
) -> None:
    stage = Stage(name, sqlite_template, tmp_path, warm)
    points = tmp_path / "points"
    once = stage.copy("once")
    stage.play(once, record=str(points))
    passed = points.read_text().split()
    assert passed, "an act without a commit has done nothing"
    untouched, done = rows(stage.copy("untouched"), counted=True), rows(once, counted=True)
    assert done != untouched, "nor has one that leaves everything as it was"
    after_one = rows(once)
    let_leases_end(once)
    stage.play(once, is_repeated=True)
    after_two = rows(once)
    if acts.ACTS[name].is_once:
        assert after_two == after_one, "a second press changed something"

    for point in passed:
        path = stage.copy("killed")
        stage.play(path, die_at=point)
        if rows(path, counted=True) in (untouched, done) and not stage.sent():
            # Nothing has happened, or all of it: what comes next was seen above.
            continue
        let_leases_end(path)
        stage.play(path, is_repeated=True)
        found = rows(path)
        assert found in (after_one, after_two), f"{point}: {_differences(found, after_one)}"
        assert len(set(stage.sent())) <= 1 and len(stage.sent()) <= 2, "a letter went out under two keys, or too often"


def _differences(found: dict[str, list[dict[str, Any]]], expected: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {
        name: {"found": found[name], "expected": expected[name]} for name in found if found[name] != expected.get(name)
    }
