"""What `pip install .` puts on a machine is all that the command needs there."""

import tomllib
from pathlib import Path

from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parent.parent


def test_every_file_of_the_product_is_in_the_package() -> None:
    packed = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    product = {
        str(path.relative_to(ROOT))
        for folder in ("rules_engine", "admin", "workers", "rulesets")
        for path in (ROOT / folder).rglob("*")
        # What is compiled is made anew on the machine, catalogues by the hook of the build.
        if path.is_file() and path.suffix not in {".pyc", ".mo"}
    }
    assert product | {"wsgi.py"} <= packed


def test_nothing_else_is_in_the_package() -> None:
    packed = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    kept = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["only-include"]
    assert {name.partition("/")[0] for name in packed} == set(kept)
