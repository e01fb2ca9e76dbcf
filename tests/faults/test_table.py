"""The table of README.md names tests that exist, and every test of this folder."""

import ast
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", (HERE / "README.md").read_text())


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {one.name for one in ast.walk(tree) if isinstance(one, ast.FunctionDef) and one.name.startswith("test_")}


@pytest.mark.parametrize("path", sorted({path for path, _ in NAMED}))
def test_the_tests_that_the_table_names_exist(path: str) -> None:
    assert {name for where, name in NAMED if where == path} <= names_in(ROOT / path)


def test_no_test_of_a_fault_is_missing_in_the_table() -> None:
    written = {
        (f"tests/faults/{path.name}", name)
        for path in HERE.glob("test_*.py")
        if path.name != "test_table.py"
        for name in names_in(path)
    }
    assert written <= set(NAMED)
